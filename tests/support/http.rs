//! Requests as no browser sends them: every byte of the head is the test's, and what comes back is taken apart as it came.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in small letters, in the order in which they came.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_default()
    }
    /// The pair `name=value` of the cookie that was set.
    pub fn cookie(&self) -> Option<String> {
        self.header("set-cookie").and_then(|v| v.split(';').next()).map(str::to_owned)
    }
}

/// Asks for `target`, which may be a path or anything else, with these headers and `Host` unless one is among them.
#[track_caller]
pub fn http(to: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut stream = open(to, method, target, headers, body);
    let mut bytes = Vec::new();
    // A server that refuses a body before its end may cut the connection.
    let _ = stream.read_to_end(&mut bytes);
    let mut reader = BufReader::new(bytes.as_slice());
    let (status, headers) = head(&mut reader).unwrap_or_else(|| panic!("no answer to {method} {target}"));
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).expect("memory can be read");
    let chunked = headers.iter().any(|(n, v)| n == "transfer-encoding" && v == "chunked");
    let body = if chunked { joined(&rest) } else { rest };
    Reply { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
}

fn open(to: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(to).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit can be set");
    let mut text = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
    let has = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    if !has("host") {
        text.push_str(&format!("Host: {to}\r\n"));
    }
    if !has("content-length") && (!body.is_empty() || method == "POST") {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    headers.iter().for_each(|(n, v)| text.push_str(&format!("{n}: {v}\r\n")));
    stream.write_all(text.as_bytes()).and_then(|()| stream.write_all(b"\r\n")).expect("a head can be sent");
    let _ = stream.write_all(body.as_bytes()); // the other side may have heard enough
    stream
}

fn head(reader: &mut impl BufRead) -> Option<(u16, Vec<(String, String)>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 || line.trim_end().is_empty() {
            return Some((status, headers));
        }
        let (name, value) = line.trim_end().split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = chunks.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).unwrap_or("0"), 16).unwrap_or(0);
        let (from, to) = (end + 2, end + 2 + size);
        if size == 0 || to + 2 > chunks.len() {
            break;
        }
        whole.extend(&chunks[from..to]);
        chunks = &chunks[to + 2..];
    }
    whole
}

/// A stream of server-sent events.
pub struct Events {
    pub status: u16,
    reader: BufReader<TcpStream>,
    ended: bool,
}

impl Events {
    #[track_caller]
    pub fn open(to: SocketAddr, target: &str, headers: &[(&str, &str)]) -> Self {
        let stream = open(to, "GET", target, headers, "");
        let mut reader = BufReader::new(stream);
        let (status, _) = head(&mut reader).expect("a stream begins with a head");
        Self { status, reader, ended: false }
    }
    /// How long it took until the next event; `None` when there was none in this time, or the stream ended.
    pub fn next(&mut self, within: Duration) -> Option<Duration> {
        let began = Instant::now();
        self.line(within, |line| line.starts_with("event:")).then(|| began.elapsed())
    }
    /// How long it took until the stream ended; `None` when it did not in this time. Events on the way are skipped.
    pub fn end(&mut self, within: Duration) -> Option<Duration> {
        let began = Instant::now();
        self.line(within, |_| false);
        self.ended.then(|| began.elapsed())
    }
    fn line(&mut self, within: Duration, wanted: impl Fn(&str) -> bool) -> bool {
        let began = Instant::now();
        let mut line = String::new();
        while let Some(left) = within.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
            self.reader.get_ref().set_read_timeout(Some(left)).expect("a limit can be set");
            match self.reader.read_line(&mut line) {
                Ok(0) => self.ended = true,
                // A chunk of no bytes is the last one.
                Ok(_) if line.trim_end() == "0" => self.ended = true,
                Ok(_) if wanted(&line) => return true,
                Ok(_) => line.clear(),
                Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => return false,
                Err(_) => self.ended = true,
            }
            if self.ended {
                return false;
            }
        }
        false
    }
}

/// A form as browsers encode it.
pub fn form(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect::<Vec<_>>().join("&")
}

/// A text within an address: everything but letters, digits and `-._~` as `%XX`.
pub fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
