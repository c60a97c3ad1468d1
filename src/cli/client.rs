//! The API's far end: requests with a bearer token, answers as shapes of `domain::view`, refusals as errors.
//!
//! It must never follow a redirect (the token would travel with it or the request would lose its body), and never put
//! the token into a message.

use crate::base::chance;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::secret::Secret;
use crate::domain::view::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::Duration;
use ureq::http::{Method, Request, StatusCode};

const LIMIT: u64 = 64 * 1024 * 1024;

/// A server and who asks it.
pub struct Client {
    agent: ureq::Agent,
    base: String,
    token: Secret,
}

/// The answer to a request that makes something.
#[derive(Debug)]
pub struct Answer<T> {
    /// It was made now; otherwise an equal one was there, and this is that one.
    pub fresh: bool,
    pub body: T,
}

/// A server's URL as it is kept: no slash at the end.
///
/// # Errors
/// `Invalid` when it is not `http[s]://host[:port][/path]`.
pub fn server_url(text: &str) -> Result<String> {
    let wrong =
        |why: &str| Error::invalid(format!("{text:?} is not the URL of a server: {why}")).hint("for example https://keep.example.org");
    let url = text.trim().trim_end_matches('/');
    let rest =
        url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).ok_or_else(|| wrong("it begins with https:// or http://"))?;
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.is_empty() || authority.contains('@') {
        return Err(
            Error::invalid("the URL of a server names a host and no user").hint("the token is given apart, see `sitekeep help auth:login`")
        );
    }
    if rest.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '\\')) {
        return Err(wrong("it holds a character that does not belong there"));
    }
    Ok(url.to_owned())
}

/// Is it this very host? Then a token may travel unencrypted, and no proxy is asked.
pub fn is_loopback(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// One part of a path or a query, with everything escaped that has a meaning there.
pub fn escaped(part: &str) -> String {
    part.bytes().fold(String::new(), |out, b| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out + &char::from(b).to_string(),
        b => out + &format!("%{b:02X}"),
    })
}

impl Client {
    /// # Errors
    /// `Invalid` when the token holds what no token holds, or the file of certificates cannot be read.
    pub fn new(base: String, token: Secret, ca_file: Option<&Path>) -> Result<Self> {
        if !token.expose().bytes().all(|b| b.is_ascii_graphic()) || token.expose().is_empty() {
            return Err(Error::invalid("the token holds characters that no token holds").hint("a token is one word that begins with skt_"));
        }
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("sitekeep/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(Duration::from_secs(10)));
        if is_loopback(&base) {
            config = config.proxy(None);
        }
        if let Some(path) = ca_file {
            config = config.tls_config(ureq::tls::TlsConfig::builder().root_certs(certificates(path)?).build());
        }
        Ok(Self { agent: config.build().new_agent(), base, token })
    }

    /// The server's URL, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// # Errors
    /// What the server says, by its class; `Transient` when it cannot be reached.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.send(&Method::GET, path, Vec::new(), None).map(|a| a.body)
    }
    /// As [`Client::get`].
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<Answer<T>> {
        self.send(&Method::POST, path, json(body)?, None)
    }
    /// A POST that queues a job. It carries a key of its own, so it is safe to send it again when the connection broke
    /// before the answer came.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn queue<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<Answer<T>> {
        let (body, key) = (json(body)?, chance::word(26));
        match self.send(&Method::POST, path, body.clone(), Some(&key)) {
            Err(e) if e.class() == Class::Transient => {
                std::thread::sleep(Duration::from_millis(500));
                self.send(&Method::POST, path, body, Some(&key))
            }
            other => other,
        }
    }
    /// As [`Client::get`].
    pub fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        self.send(&Method::PATCH, path, json(body)?, None).map(|a| a.body)
    }

    /// As [`Client::get`].
    pub fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        self.send(&Method::PUT, path, json(body)?, None).map(|a| a.body)
    }

    /// As [`Client::get`].
    pub fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.send(&Method::DELETE, path, Vec::new(), None).map(|a| a.body)
    }

    /// A file of the server's, by its path; the token does not go with it. What comes is read as long as it takes.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn download(&self, path: &str) -> Result<impl std::io::Read + use<>> {
        let mut answer = self.agent.get(format!("{}{path}", self.base)).call().map_err(|e| self.unreachable(&e))?;
        if answer.status() != StatusCode::OK {
            let status = answer.status();
            let text = answer.body_mut().with_config().limit(LIMIT).read_to_vec().unwrap_or_default();
            return Err(refusal(status, &text, &self.base));
        }
        Ok(answer.into_body().into_reader())
    }

    /// The rest of a file of the server's, from a byte on, if it is still the one that this tag names; true when that is what
    /// comes, false when it is all of it from the beginning.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn download_from(&self, path: &str, from: u64, tag: &str) -> Result<(bool, impl std::io::Read + use<>)> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-")).header("If-Range", tag);
        }
        let mut answer = request.call().map_err(|e| self.unreachable(&e))?;
        let status = answer.status();
        if !matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
            let text = answer.body_mut().with_config().limit(LIMIT).read_to_vec().unwrap_or_default();
            return Err(refusal(status, &text, &self.base));
        }
        Ok((status == StatusCode::PARTIAL_CONTENT, answer.into_body().into_reader()))
    }

    fn send<T: DeserializeOwned>(&self, method: &Method, path: &str, body: Vec<u8>, key: Option<&str>) -> Result<Answer<T>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/api/v1{path}", self.base))
            .header("Authorization", format!("Bearer {}", self.token.expose()))
            .header("Accept", "application/json");
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        // Detecting a site or planning a restore looks at the disk before it answers; reading does not.
        let patience = Duration::from_secs(if *method == Method::GET { 30 } else { 180 });
        let bad = |_| Error::invalid(format!("{} is not the URL of a server", self.base));
        let answer = if *method == Method::GET {
            let request = request.body(()).map_err(bad)?;
            self.agent.run(self.agent.configure_request(request).timeout_global(Some(patience)).build())
        } else {
            let request = request.header("Content-Type", "application/json").body(body).map_err(bad)?;
            self.agent.run(self.agent.configure_request(request).timeout_global(Some(patience)).build())
        };
        self.read(answer.map_err(|e| self.unreachable(&e))?)
    }

    fn read<T: DeserializeOwned>(&self, mut answer: ureq::http::Response<ureq::Body>) -> Result<Answer<T>> {
        let status = answer.status();
        let location = answer.headers().get("location").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let text = answer.body_mut().with_config().limit(LIMIT).read_to_vec().map_err(|e| self.unreachable(&e))?;
        if status.is_success() {
            let body = serde_json::from_slice(&text).map_err(|e| {
                Error::internal(format!("the answer of {} cannot be read: {e}", self.base))
                    .hint("is this the URL of a Sitekeep server, and as new as this program?")
            })?;
            return Ok(Answer { fresh: status == StatusCode::CREATED, body });
        }
        if status.is_redirection() {
            return Err(Error::invalid(format!("{} sends us elsewhere ({})", self.base, location.unwrap_or_else(|| status.to_string())))
                .hint("name the server itself: --url=…"));
        }
        Err(refusal(status, &text, &self.base))
    }

    fn unreachable(&self, error: &ureq::Error) -> Error {
        let hint = if error.to_string().contains("certificate") {
            "--ca-file names the certificates to trust; the server's own must not be one of an authority (basicConstraints CA:FALSE)"
        } else {
            "is it running, and is the URL right? --url or SITEKEEP_URL says which server is meant"
        };
        let why = match error {
            ureq::Error::Io(io) => io.kind().to_string(),
            other => other.to_string(),
        };
        Error::transient(format!("the server {} cannot be reached: {why}", self.base)).hint(hint)
    }
}

fn json(body: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(body).map_err(|e| Error::internal(format!("the request cannot be written: {e}")))
}

/// The server's own sentence where it gave one, otherwise one by its status.
fn refusal(status: StatusCode, text: &[u8], base: &str) -> Error {
    let Ok(problem) = serde_json::from_slice::<Problem>(text) else {
        let class = match status.as_u16() {
            401 => Class::Unauthenticated,
            403 => Class::Forbidden,
            404 | 405 => Class::NotFound,
            409 => Class::Conflict,
            408 | 429 | 502..=504 => Class::Transient,
            400..=499 => Class::Invalid,
            507 => Class::Resource,
            _ => Class::Internal,
        };
        return with_hint(Error::new(class, format!("{base} answered {status}")), None);
    };
    let sentence = if problem.class == Class::Internal {
        format!("{} (the server's log calls it {})", problem.error, problem.id)
    } else {
        problem.error
    };
    with_hint(Error::new(problem.class, sentence), problem.hint)
}

fn with_hint(error: Error, hint: Option<String>) -> Error {
    match (hint, error.class()) {
        (Some(hint), _) => error.hint(hint),
        (None, Class::Unauthenticated) => error.hint("sign in with `sitekeep auth:login`"),
        (None, _) => error,
    }
}

fn certificates(path: &Path) -> Result<ureq::tls::RootCerts> {
    let text = std::fs::read(path).context(|| format!("reading the certificates in {}", path.display()))?;
    let found: Vec<_> = ureq::tls::parse_pem(&text)
        .filter_map(|item| match item {
            Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return Err(Error::invalid(format!("there is no certificate in {}", path.display()))
            .hint("it should hold PEM: -----BEGIN CERTIFICATE-----"));
    }
    Ok(ureq::tls::RootCerts::new_with_certs(&found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_server_is_checked_before_a_token_is_sent_to_it() {
        for good in ["https://keep.example.org", "http://127.0.0.1:8080/", "https://host/panel"] {
            assert_eq!(server_url(good).unwrap(), good.trim_end_matches('/'));
        }
        for bad in [
            "",
            "keep.example.org",
            "ftp://x",
            "https://",
            "https:///x",
            "https://user:pw@host",
            "https://h?x",
            "https://h x",
            "https://h#",
        ] {
            let error = server_url(bad).unwrap_err().to_string();
            assert!(!error.contains("pw"), "{error}");
        }
    }

    #[test]
    fn only_this_very_host_is_loopback() {
        for url in ["http://localhost:8080", "http://127.0.0.1", "http://127.9.9.9:1/x", "http://[::1]:80"] {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["http://localhost.example.org", "http://10.0.0.1", "http://127.0.0.1.example.org", "http://[::2]"] {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[test]
    fn a_part_of_a_path_cannot_leave_its_place() {
        assert_eq!(escaped("acme/shop.live?x=../&"), "acme%2Fshop.live%3Fx%3D..%2F%26");
    }

    #[test]
    fn a_refusal_keeps_its_class_with_and_without_a_sentence() {
        let text = br#"{"error":"no such backup","class":"not_found","id":"r1"}"#;
        let error = refusal(StatusCode::NOT_FOUND, text, "http://x");
        assert_eq!((error.class(), error.to_string().as_str()), (Class::NotFound, "no such backup"));
        let text = br#"{"error":"it broke","class":"internal","id":"r2"}"#;
        assert!(refusal(StatusCode::INTERNAL_SERVER_ERROR, text, "http://x").to_string().contains("r2"));
        for (status, class) in [(401, Class::Unauthenticated), (409, Class::Conflict), (503, Class::Transient), (507, Class::Resource)] {
            assert_eq!(refusal(StatusCode::from_u16(status).unwrap(), b"<html>", "http://x").class(), class);
        }
        assert!(refusal(StatusCode::UNAUTHORIZED, b"", "http://x").to_string().contains("auth:login"));
    }
}
