//! A page as a visitor reads it: its status, its words and its pictures.

use super::hash;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// 0 when nobody answered.
    pub status: u16,
    /// The visible words, one space between them; a picture stands as `[img path]`. Hosts and ports are left out.
    pub text: String,
    pub hash: String,
}

impl Page {
    pub fn is_ok(&self) -> bool {
        self.status == 200
    }
    pub fn says(&self, words: &str) -> bool {
        self.text.contains(words)
    }
}

/// Asks for a page; redirections are followed. An error of the connection is a page with the status 0.
pub fn page(url: &str) -> Page {
    let (status, body) = match get(url) {
        Ok(answer) => answer,
        Err(e) => (0, e.to_string()),
    };
    let text = visible(&body);
    Page { status, hash: hash(text.as_bytes()), text }
}

fn get(url: &str) -> Result<(u16, String), ureq::Error> {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60))).build().new_agent();
    let mut answer = agent.get(url).call()?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(64 << 20).read_to_vec()?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// Tags out; what stands in scripts, styles and templates too.
fn visible(html: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut hidden: Option<String> = None;
    for piece in html.split('<') {
        let (tag, after) = piece.split_once('>').unwrap_or(("", piece));
        let name = tag.split_whitespace().next().unwrap_or("").to_ascii_lowercase();
        match &hidden {
            Some(open) if name == format!("/{open}") => hidden = None,
            Some(_) => continue,
            None if ["script", "style", "template"].contains(&name.as_str()) && !tag.ends_with('/') => {
                hidden = Some(name);
                continue;
            }
            None => {}
        }
        if name == "img" {
            words.push(format!("[img {}]", without_host(attribute(tag, "src").split('?').next().unwrap_or(""))));
        }
        words.extend(after.split_whitespace().map(without_host));
    }
    words.join(" ")
}

fn attribute<'a>(tag: &'a str, name: &str) -> &'a str {
    let Some(at) = tag.find(&format!(" {name}=")) else { return "" };
    let rest = &tag[at + name.len() + 2..];
    match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => rest[1..].split(quote).next().unwrap_or(""),
        _ => rest.split_whitespace().next().unwrap_or(""),
    }
}

/// `http://127.0.0.1:1234/x` is `/x`: the same site on another port reads the same.
fn without_host(word: &str) -> String {
    match word.split_once("http://127.0.0.1:") {
        Some((before, rest)) => format!("{before}{}", rest.trim_start_matches(|c: char| c.is_ascii_digit())),
        None => word.to_owned(),
    }
}
