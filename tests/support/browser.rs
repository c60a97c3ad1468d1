//! A browser without scripts: it keeps cookies, sends forms as browsers do, and follows nothing by itself.
//!
//! It tells what the page that sent a request was, as browsers do (`Sec-Fetch-Site`); [`Browser::as_other_site`] sends as
//! a page of somebody else would.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

pub struct Browser {
    url: String,
    agent: ureq::Agent,
    cookies: Mutex<BTreeMap<String, String>>,
    site: &'static str,
    name: &'static str,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Page {
    pub status: u16,
    pub body: String,
    /// Where it leads, if it is a way to another page.
    pub location: Option<String>,
    headers: Vec<(String, String)>,
}

impl Page {
    pub fn has(&self, text: &str) -> bool {
        self.body.contains(text)
    }
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    /// The page without tags and with spaces folded: what is read. Escapes of HTML are undone.
    pub fn text(&self) -> String {
        let (mut out, mut tag) = (String::new(), false);
        for c in self.body.chars() {
            match c {
                '<' => tag = true,
                '>' if tag => (tag, out) = (false, out + " "),
                c if !tag => out.push(c),
                _ => {}
            }
        }
        unescaped(&out.split_whitespace().collect::<Vec<_>>().join(" "))
    }
    /// The text between the first `before` and the next `after`, in the source of the page.
    #[track_caller]
    pub fn between(&self, before: &str, after: &str) -> String {
        let rest = self.body.split_once(before).unwrap_or_else(|| panic!("no {before:?} in:\n{}", self.body)).1;
        unescaped(rest.split_once(after).unwrap_or_else(|| panic!("no {after:?} after {before:?}")).0)
    }
    /// What stands in a field of a form: the `value` of the first input with this name.
    pub fn value(&self, name: &str) -> Option<String> {
        let tags = self.body.split("<input").skip(1).filter_map(|rest| rest.split_once('>').map(|(tag, _)| tag));
        let tag = tags.into_iter().find(|tag| tag.contains(&format!("name=\"{name}\"")))?;
        Some(unescaped(tag.split_once("value=\"").map_or("", |(_, rest)| rest.split('"').next().unwrap_or_default())))
    }
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:?} {}", self.location, self.text());
        self
    }
    /// A way to this page (303).
    #[track_caller]
    pub fn leads_to(self, path: &str) -> Self {
        let page = self.is(303);
        assert_eq!(page.location.as_deref(), Some(path));
        page
    }
}

impl Browser {
    /// A new one, which has been nowhere.
    pub fn new(url: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).max_redirects_will_error(false);
        let agent = config.timeout_global(Some(Duration::from_secs(60))).build().new_agent();
        let name = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        Self { url: url.trim_end_matches('/').to_owned(), agent, cookies: Mutex::default(), site: "same-origin", name }
    }
    /// One that calls itself something else.
    #[must_use]
    pub fn called(self, name: &'static str) -> Self {
        Self { name, ..self }
    }
    /// The same browser with the same cookies, on a page of somebody else.
    #[must_use]
    pub fn as_other_site(&self) -> Self {
        Self { site: "cross-site", cookies: Mutex::new(self.jar().clone()), ..Self::new(&self.url) }
    }

    /// Reads a page; a redirection is shown, not followed.
    #[track_caller]
    pub fn get(&self, path: &str) -> Page {
        self.send("GET", path, None)
    }
    /// Reads a page, and where it leads to.
    #[track_caller]
    pub fn visit(&self, path: &str) -> Page {
        let mut page = self.get(path);
        for _ in 0..5 {
            match page.location.take() {
                Some(next) => page = self.get(&next),
                None => break,
            }
        }
        page
    }
    /// Sends a form.
    #[track_caller]
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.send("POST", path, Some(&encoded(fields)))
    }
    /// Sends a form and goes where the answer leads.
    #[track_caller]
    pub fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let page = self.post(path, fields);
        match &page.location {
            Some(next) => self.visit(next),
            None => page,
        }
    }
    /// Signs in with a password, which must be enough.
    #[track_caller]
    pub fn sign_in(&self, email: &str, password: &str) -> Page {
        self.post("/signin", &[("email", email), ("password", password), ("next", "/")]).leads_to("/")
    }

    fn jar(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.cookies.lock().expect("nobody fails while holding it")
    }
    /// The cookie of the session.
    pub fn cookie(&self) -> Option<String> {
        self.jar().get("sitekeep").cloned()
    }
    /// Puts a cookie into the browser, as somebody else might have done.
    pub fn set_cookie(&self, value: &str) {
        self.jar().insert("sitekeep".into(), value.into());
    }

    #[track_caller]
    fn send(&self, method: &str, path: &str, form: Option<&str>) -> Page {
        // What stands after # stays in the browser.
        let asked = path.split('#').next().unwrap_or_default();
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{asked}", self.url));
        let jar = self.jar().iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join("; ");
        if !jar.is_empty() {
            request = request.header("Cookie", jar);
        }
        request = request.header("Sec-Fetch-Site", self.site).header("User-Agent", self.name);
        if form.is_some() {
            request = request.header("Content-Type", "application/x-www-form-urlencoded");
        }
        let request = request.body(form.unwrap_or_default().to_owned()).expect("a request is well-formed");
        let mut answer = self.agent.run(request).unwrap_or_else(|e| panic!("{method} {path}: {e}"));
        let headers: Vec<(String, String)> =
            answer.headers().iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap_or_default().to_owned())).collect();
        for (_, cookie) in headers.iter().filter(|(n, _)| n == "set-cookie") {
            self.keep(cookie);
        }
        let location = headers.iter().find(|(n, _)| n == "location").map(|(_, v)| v.clone());
        Page { status: answer.status().as_u16(), body: answer.body_mut().read_to_string().expect("a page is text"), location, headers }
    }

    fn keep(&self, cookie: &str) {
        let mut parts = cookie.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
        let over = value.is_empty() || parts.any(|p| p.eq_ignore_ascii_case("max-age=0"));
        if over {
            self.jar().remove(name)
        } else {
            self.jar().insert(name.to_owned(), value.to_owned())
        };
    }
}

/// As browsers encode a form.
fn encoded(fields: &[(&str, &str)]) -> String {
    let one = |text: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._*".contains(&b);
        text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect::<String>()
    };
    fields.iter().map(|(name, value)| format!("{}={}", one(name), one(value))).collect::<Vec<_>>().join("&")
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#x27;", "'")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}
