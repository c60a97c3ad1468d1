//! Asking a site for its page, as a visitor would.

use crate::base::error::{Class, Context, Error, Result};
use std::io::Read;
use std::time::{Duration, Instant};
use ureq::http::{HeaderMap, Uri};

/// What the site answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The HTTP status of the last answer (redirections within the site are followed).
    pub status: u16,
    /// The expected text is in the first 64 KiB of the page; true when none is expected.
    pub found: bool,
    /// The beginning of the page's text, without markup and control characters: for the task log.
    pub excerpt: String,
}

impl Probe {
    /// A page with the expected text.
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status) && self.found
    }
}

const TIME: Duration = Duration::from_secs(30);
const SIZE: u64 = 64 * 1024;
const REDIRECTIONS: usize = 5;

/// Fetches `url` within 30 seconds and reads at most 64 KiB of it. Redirections are followed within the site (the same
/// name, with or without `www.`), so that an answer is never taken from somewhere else. Nothing is cached, no proxy is
/// used, and nothing that says who asks is sent.
///
/// # Errors
/// `Invalid` for an URL that is not http or https, `Transient` when the site cannot be reached or does not answer,
/// `Permanent` when its certificate is not good or it sends the visitor elsewhere.
pub fn probe(url: &str, expect: Option<&str>) -> Result<Probe> {
    let deadline = Instant::now() + TIME;
    let mut uri = parse(url)?;
    let name = site_name(&uri)?;
    for _ in 0..=REDIRECTIONS {
        let (status, headers, body) = fetch(&uri, deadline).context(|| format!("asking {uri}"))?;
        match next(&uri, status, &headers)? {
            Some(to) if site_name(&to)? != name => {
                return Err(Error::permanent(format!("{uri} sends visitors to another site, {to}"))
                    .hint("give the address at which the site itself answers"));
            }
            Some(to) => uri = to,
            None => {
                let text = String::from_utf8_lossy(&body);
                return Ok(Probe { status, found: expect.is_none_or(|e| text.contains(e)), excerpt: excerpt(&text) });
            }
        }
    }
    Err(Error::permanent(format!("{url} redirects more than {REDIRECTIONS} times")))
}

fn parse(url: &str) -> Result<Uri> {
    let wrong = || Error::invalid(format!("{url:?} is not the address of a site")).hint("it begins with http:// or https://");
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let plain = uri.authority().is_some_and(|a| !a.as_str().contains('@') && !a.host().is_empty());
    if matches!(uri.scheme_str(), Some("http" | "https")) && plain { Ok(uri) } else { Err(wrong()) }
}

fn site_name(uri: &Uri) -> Result<String> {
    let host = uri.host().ok_or_else(|| Error::invalid(format!("{uri} names no host")))?.to_ascii_lowercase();
    Ok(host.strip_prefix("www.").unwrap_or(&host).to_owned())
}

fn fetch(uri: &Uri, deadline: Instant) -> Result<(u16, HeaderMap, Vec<u8>)> {
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(left))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .proxy(None)
        .max_idle_connections(0)
        .user_agent("sitekeep-probe")
        .build()
        .new_agent();
    let answer = agent.get(uri.clone()).header("cache-control", "no-cache").header("accept", "text/html, */*").call().map_err(explain)?;
    let (parts, body) = answer.into_parts();
    let mut bytes = Vec::new();
    // A page that is cut off below the limit is no answer; one beyond it is read no further.
    body.into_reader().take(SIZE).read_to_end(&mut bytes).map_err(|e| Error::transient(format!("the answer broke off: {e}")))?;
    Ok((parts.status.as_u16(), parts.headers, bytes))
}

fn explain(e: ureq::Error) -> Error {
    match e {
        ureq::Error::Timeout(_) => Error::transient("no answer within 30 seconds"),
        ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => Error::transient(e.to_string()),
        ureq::Error::Io(e) => {
            let error = Error::from(e);
            let class = if error.class() == Class::Resource { Class::Resource } else { Class::Transient };
            error.with_class(class)
        }
        ureq::Error::Rustls(e) => {
            Error::permanent(format!("the secure connection cannot be made: {e}")).hint("the certificate must be one that browsers accept")
        }
        e => Error::permanent(e.to_string()),
    }
}

/// Where a redirection leads; `None` when the answer is none.
fn next(from: &Uri, status: u16, headers: &HeaderMap) -> Result<Option<Uri>> {
    let Some(location) = headers.get("location").filter(|_| matches!(status, 301 | 302 | 303 | 307 | 308)) else { return Ok(None) };
    let wrong = || Error::permanent(format!("{from} redirects to an address that cannot be read"));
    let location = location.to_str().map_err(|_| wrong())?.split('#').next().unwrap_or_default();
    let (scheme, authority) = (from.scheme_str().unwrap_or("http"), from.authority().map(ToString::to_string).unwrap_or_default());
    let whole = if location.contains("://") {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let base = from.path().rsplit_once('/').map_or("", |(base, _)| base);
        format!("{scheme}://{authority}{base}/{location}")
    };
    parse(&whole).map(Some).map_err(|_| wrong())
}

/// The first 200 characters of the text between the tags.
fn excerpt(page: &str) -> String {
    let mut text = String::new();
    let mut tag = false;
    for c in page.chars() {
        match c {
            '<' => tag = true,
            '>' if tag => {
                tag = false;
                text.push(' ');
            }
            c if !tag => text.push(if c.is_control() { ' ' } else { c }),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    /// Answers one connection with each of `answers`, `@` standing for its own address.
    fn serve(answers: &[&str]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answers: Vec<String> = answers.iter().map(|a| a.replace('@', &address)).collect();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        format!("http://{address}/")
    }

    #[test]
    fn a_page_is_judged_by_its_status_and_its_text() {
        let url = serve(&["HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<title>My\x07 shop</title><p>Welcome</p>"]);
        let p = probe(&url, Some("Welcome")).unwrap();
        assert_eq!((p.status, p.found, p.excerpt.as_str(), p.is_good()), (200, true, "My shop Welcome", true));
        let url = serve(&["HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\nBriefly unavailable"]);
        let p = probe(&url, Some("Welcome")).unwrap();
        assert_eq!((p.status, p.found, p.is_good()), (503, false, false));
    }

    #[test]
    fn redirections_are_followed_within_the_site_only() {
        let url =
            serve(&["HTTP/1.1 302 Found\r\nLocation: /en/\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nen"]);
        assert_eq!(probe(&url, Some("en")).unwrap().status, 200);
        let url = serve(&["HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n"]);
        assert!(probe(&url, None).unwrap_err().to_string().contains("another site"));
        let url = serve(&["HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"]);
        assert!(probe(&url, None).is_err());
        let url = serve(&["HTTP/1.1 302 Found\r\nLocation: http://@/\r\nContent-Length: 0\r\n\r\n"; 6]);
        assert!(probe(&url, None).unwrap_err().to_string().contains("more than 5 times"));
    }

    #[test]
    fn a_flood_is_cut_and_what_is_no_site_is_refused() {
        let big = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}needle", "x".repeat(70_000));
        assert!(!probe(&serve(&[&big]), Some("needle")).unwrap().found);
        for bad in ["ftp://x/", "file:///etc/passwd", "x", "http://", "http://user@host/"] {
            assert_eq!(probe(bad, None).unwrap_err().class(), Class::Invalid, "{bad}");
        }
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(probe(&format!("http://{closed}/"), None).unwrap_err().class(), Class::Transient);
    }
}
