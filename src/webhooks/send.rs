//! One request, to a public address, with time limits.

use super::Private;
use super::sign::Key;
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::secret::Secret;
use std::io::Read;
use std::net::Ipv6Addr;
use std::time::Duration;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

const WHOLE: Duration = Duration::from_secs(20);
/// Of an answer that nobody reads.
const ANSWER: u64 = 64 * 1024;
/// Beside all above 1024: a port below them belongs to some other service, which may take our words for its own.
const PORTS: [u16; 2] = [80, 443];

/// What is told. It holds the receiver's secret: what is kept of it is sealed.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Message {
    pub url: String,
    /// None: an empty heartbeat, not signed.
    pub key: Option<Secret>,
    pub body: String,
}

/// Sends messages. Cloning shares what it knows.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    private: Private,
}

impl Caller {
    pub fn new(private: Private) -> Self {
        Self { private }
    }

    /// Can a message go there, as far as its address tells? Its name is resolved when one goes.
    ///
    /// # Errors
    /// `Invalid` with what is wrong with it.
    pub fn check(&self, url: &str) -> Result<()> {
        let uri = parse(url)?;
        let host = uri.host().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse();
        if address.is_ok_and(|to| !self.private.may_reach(to)) { Err(own(host)) } else { Ok(()) }
    }

    /// Sends a message; `id` is the same for every try of it. Blocks for at most 20 seconds.
    ///
    /// # Errors
    /// `Transient` when another try may go well; `Permanent` when it will not; never with a word of what was answered.
    pub fn send(&self, id: &str, now: Millis, message: &Message) -> Result<String> {
        let uri = parse(&message.url)?;
        let mut request = self.agent().post(uri).header("content-type", "application/json");
        if let Some(key) = &message.key {
            for (name, value) in Key::parse(key.clone())?.headers(id, now, &message.body)? {
                request = request.header(name, value);
            }
        }
        let answer = request.send(message.body.as_bytes()).map_err(|e| explain(&e))?;
        let status = answer.status().as_u16();
        // Some answer only while somebody listens.
        let _ = std::io::copy(&mut answer.into_body().into_reader().take(ANSWER), &mut std::io::sink());
        match status {
            200..=299 => Ok(format!("the receiver answered {status}")),
            300..=399 => {
                Err(Error::permanent(format!("the receiver answered {status}: it sends us elsewhere")).hint("give the address it sends to"))
            }
            404 | 410 => Err(Error::permanent(format!("the receiver answered {status}: nobody takes messages there"))),
            _ => Err(Error::transient(format!("the receiver answered {status}"))),
        }
    }

    fn agent(&self) -> ureq::Agent {
        self.agent_asking(DefaultResolver::default())
    }

    /// `names`: who is asked for the addresses of a name.
    fn agent_asking(&self, names: impl Resolver) -> ureq::Agent {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(WHOLE))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .proxy(None)
            .max_idle_connections(0)
            .user_agent("sitekeep-webhook")
            .build();
        ureq::Agent::with_parts(config, DefaultConnector::default(), Guarded { private: self.private.clone(), names })
    }
}

/// Resolves a name as usual, and keeps to what may be reached: the connection goes to one of these addresses, and the name is
/// not asked for a second time.
#[derive(Debug)]
struct Guarded<R> {
    private: Private,
    names: R,
}

impl<R: Resolver> Resolver for Guarded<R> {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> std::result::Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.names.resolve(uri, config, timeout)?;
        let mut kept = self.empty();
        found.iter().filter(|to| self.private.may_reach(to.ip())).for_each(|to| kept.push(*to));
        if kept.is_empty() { Err(ureq::Error::Other(own(uri.host().unwrap_or_default()).into())) } else { Ok(kept) }
    }
}

fn own(host: &str) -> Error {
    Error::invalid(format!("{host} is not a public address"))
        .hint("an administrator can let webhooks reach a network with SITEKEEP_WEBHOOK_NETWORKS")
}

fn parse(url: &str) -> Result<Uri> {
    let wrong = |why: &str| Error::invalid(format!("{why}: it cannot be called")).hint("write it like https://example.com/path");
    let uri: Uri = url.parse().map_err(|_| wrong("this is no address"))?;
    let scheme = uri.scheme_str().unwrap_or_default();
    let authority = uri.authority().ok_or_else(|| wrong("the address names no host"))?;
    if !matches!(scheme, "http" | "https") {
        return Err(wrong("the address begins with neither https:// nor http://"));
    }
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(wrong("the address names a user"));
    }
    if authority.host().strip_prefix('[').is_some_and(|six| six.trim_end_matches(']').parse::<Ipv6Addr>().is_err()) {
        return Err(wrong("what stands in brackets is no address"));
    }
    let port = authority.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    if port < 1024 && !PORTS.contains(&port) { Err(wrong(&format!("the port {port} belongs to another service"))) } else { Ok(uri) }
}

fn explain(e: &ureq::Error) -> Error {
    match e {
        ureq::Error::Other(inner) if inner.downcast_ref::<Error>().is_some_and(|e| e.class() == Class::Invalid) => {
            Error::permanent(inner.to_string())
        }
        ureq::Error::HostNotFound => Error::transient("the receiver's name is not known"),
        ureq::Error::Timeout(_) => Error::transient(format!("the receiver took longer than {} seconds", WHOLE.as_secs())),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => Error::transient("the receiver's certificate is not good"),
        _ => Error::transient("the receiver cannot be reached"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::{IpAddr, TcpListener};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn an_address_that_leads_into_a_private_network_is_refused_however_it_is_written() {
        let caller = Caller::default();
        let own = [
            "http://127.0.0.1/",
            "http://[::1]/",
            "http://10.0.0.1/",
            "http://[::ffff:127.0.0.1]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://0.0.0.0/",
            "https://192.168.0.1:8443/x",
            "http://[fd00::1]/",
            "http://user@example.com/",
            "http://127.0.0.1@example.com/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://example.com/",
            "http://example.com:22/",
            "http://example.com:25/",
            "//example.com/",
            "example.com",
            "",
            "http://",
            "http:///x",
        ];
        for url in own {
            assert!(caller.check(url).is_err(), "{url}");
        }
        for url in ["https://example.com/hook", "http://example.com:8080/", "https://1.1.1.1/"] {
            caller.check(url).unwrap();
        }
    }

    #[test]
    fn a_name_that_resolves_into_a_private_network_is_not_called() {
        let trap = TcpListener::bind("127.0.0.1:0").unwrap();
        trap.set_nonblocking(true).unwrap();
        let port = trap.local_addr().unwrap().port();
        // What the system's resolver makes of them is what counts: some of these are numbers to it, some are names.
        let hosts =
            ["localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "127.0.0.1", "[::1]", "[::ffff:7f00:1]", "127.0.0.1."];
        for host in hosts {
            let message = Message { url: format!("http://{host}:{port}/"), key: None, body: String::new() };
            let said = Caller::default().send("x", Millis(0), &message).unwrap_err();
            assert!(!said.to_string().contains("answered"), "{host}: {said}");
            assert!(trap.accept().is_err(), "{host} was reached");
        }
        let message = Message { url: format!("http://localhost:{port}/"), key: None, body: String::new() };
        std::thread::spawn(move || {
            let _ = Caller::new(Private::parse("127.0.0.1, ::1").unwrap()).send("x", Millis(0), &message);
        });
        let reached = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            trap.accept().is_ok()
        });
        assert!(reached, "the trap would have told");
    }

    /// A name whose addresses change with each question, as those of somebody who rebinds it.
    #[derive(Clone, Debug)]
    struct Turning {
        answers: Vec<Vec<&'static str>>,
        asked: Arc<AtomicUsize>,
    }

    impl Resolver for Turning {
        fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> std::result::Result<ResolvedSocketAddrs, ureq::Error> {
            let mut found = self.empty();
            let nth = self.asked.fetch_add(1, Ordering::SeqCst);
            for address in &self.answers[nth] {
                found.push((address.parse::<IpAddr>().unwrap(), uri.port_u16().unwrap()).into());
            }
            Ok(found)
        }
    }

    #[test]
    fn a_name_that_changes_its_address_leads_nowhere_else_than_what_was_checked() {
        // 127.0.0.2 stands for the open network here, and 127.0.0.1 for our own.
        let open = TcpListener::bind("127.0.0.2:0").unwrap();
        let port = open.local_addr().unwrap().port();
        let trap = TcpListener::bind(("127.0.0.1", port)).unwrap();
        trap.set_nonblocking(true).unwrap();
        std::thread::spawn(move || {
            for stream in open.incoming().flatten() {
                let mut reader = BufReader::new(&stream);
                let mut line = String::new();
                while reader.read_line(&mut line).unwrap_or(0) > 2 {
                    line.clear();
                }
                let _ = (&stream).write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
            }
        });
        let caller = Caller::new(Private::parse("127.0.0.2").unwrap());
        let answers = vec![vec!["127.0.0.2"], vec!["127.0.0.1"], vec!["127.0.0.1", "127.0.0.2"], vec!["::ffff:127.0.0.1"]];
        let names = Turning { answers, asked: Arc::default() };
        for (nth, reached) in [true, false, true, false].into_iter().enumerate() {
            let said = caller.agent_asking(names.clone()).post(format!("http://turning.example.test:{port}/")).send_empty();
            assert_eq!(said.is_ok(), reached, "answer {nth}: {said:?}");
            assert_eq!(names.asked.load(Ordering::SeqCst), nth + 1, "asked once for each message");
            assert!(trap.accept().is_err(), "answer {nth} led into our own network");
        }
    }
}
