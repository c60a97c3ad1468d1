//! The server of these tests: answers each request with the next of the answers prepared for it; the last one stays.

use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// What arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `POST /sites`, without the query.
    pub what: String,
    pub query: String,
    pub headers: HashMap<String, String>,
    pub body: Value,
}

#[derive(Clone, Debug)]
pub enum Answer {
    Json(u16, Value),
    Text(u16, &'static str, &'static str),
    /// The connection ends without an answer.
    Silence,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, VecDeque<Answer>>,
    seen: Vec<Seen>,
}

pub struct FarEnd {
    pub url: String,
    state: Arc<Mutex<State>>,
    over: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl FarEnd {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (state, over) = (Arc::new(Mutex::new(State::default())), Arc::new(AtomicBool::new(false)));
        let (theirs, end) = (state.clone(), over.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(SeqCst) {
                    return;
                }
                // A client that goes away in the middle of a request is no failure of the test.
                let _ = stream.and_then(|s| serve(s, &theirs));
            }
        });
        Self { url, state, over, thread: Some(thread) }
    }

    /// Adds an answer to `GET /backups/bak_1`; without the query, which is only recorded.
    pub fn on(&self, what: &str, answer: Answer) -> &Self {
        self.state.lock().unwrap().answers.entry(what.to_owned()).or_default().push_back(answer);
        self
    }
    pub fn says(&self, what: &str, body: Value) -> &Self {
        self.on(what, Answer::Json(if what.starts_with("POST") { 201 } else { 200 }, body))
    }
    pub fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }
    /// The only request of that kind.
    pub fn only(&self, what: &str) -> Seen {
        let mut all: Vec<Seen> = self.seen().into_iter().filter(|s| s.what == what).collect();
        assert_eq!(all.len(), 1, "{what}: {:?}", self.seen());
        all.remove(0)
    }
    pub fn count(&self, what: &str) -> usize {
        self.seen().iter().filter(|s| s.what == what).count()
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
        self.thread.take().into_iter().for_each(|t| t.join().unwrap());
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let what = format!("{method} {}", path.strip_prefix("/api/v1").unwrap_or(path));
    let seen = Seen { what: what.clone(), query: query.to_owned(), headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) };
    match next(state, seen) {
        Answer::Silence => Ok(()),
        Answer::Json(status, body) => write(stream, status, "Content-Type: application/json", &body.to_string()),
        Answer::Text(status, header, body) => write(stream, status, header, body),
    }
}

fn next(state: &Mutex<State>, seen: Seen) -> Answer {
    let mut state = state.lock().unwrap();
    let prepared = state.answers.get_mut(&seen.what);
    let answer = match prepared {
        Some(queue) if queue.len() > 1 => queue.pop_front(),
        Some(queue) => queue.front().cloned(),
        None => None,
    };
    let what = seen.what.clone();
    state.seen.push(seen);
    answer.unwrap_or_else(|| {
        Answer::Json(404, json!({ "error": format!("nothing is prepared for {what}"), "class": "not_found", "id": "req_1" }))
    })
}

fn write(mut stream: TcpStream, status: u16, header: &str, body: &str) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status} X\r\n{header}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}
