//! A receiver of webhooks: a small HTTP server that keeps what it was sent and answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What was sent.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Call {
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        &self.headers.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no {name} in {self:?}")).1
    }
}

#[derive(Debug)]
enum Answer {
    Status(u16, String),
    Endless,
}

#[derive(Debug)]
struct Shared {
    calls: Mutex<Vec<Call>>,
    answer: Mutex<Answer>,
}

/// Serves until the test's process ends.
pub struct Receiver {
    port: u16,
    shared: Arc<Shared>,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let shared = Arc::new(Shared { calls: Mutex::default(), answer: Mutex::new(Answer::Status(200, String::new())) });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = serving.clone();
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { port, shared }
    }
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
    /// Answers so from now on; `headers` are whole lines.
    pub fn answer(&self, status: u16, headers: &str) {
        *self.shared.answer.lock().unwrap() = Answer::Status(status, headers.to_owned());
    }
    pub fn answer_without_end(&self) {
        *self.shared.answer.lock().unwrap() = Answer::Endless;
    }
    /// What was sent since it was last asked.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.shared.calls.lock().unwrap())
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let (method, path) = line.trim_end().rsplit_once(' ')?.0.split_once(' ').map(|(m, p)| (m.to_owned(), p.to_owned()))?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(n, _)| n == "content-length").and_then(|(_, v)| v.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    shared.calls.lock().unwrap().push(Call { method, path, headers, body: String::from_utf8_lossy(&body).into_owned() });
    respond(stream, &shared.answer)
}

fn respond(mut stream: TcpStream, answer: &Mutex<Answer>) -> Option<()> {
    let said = match &*answer.lock().unwrap() {
        Answer::Status(status, headers) => {
            Some(format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"))
        }
        Answer::Endless => None,
    };
    match said {
        Some(said) => stream.write_all(said.as_bytes()).ok(),
        None => {
            stream.write_all(b"HTTP/1.1 200 Said\r\nConnection: close\r\n\r\n").ok()?;
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
            Some(())
        }
    }
}
