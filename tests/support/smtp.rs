//! A real mail server (aiosmtpd) that keeps every message as a file and refuses, defers or dawdles where the recipient's
//! name says so (`fixtures/smtp/catcher.py`).

use super::{FIXTURES, Running, Scratch, daemon, free_port, template};
use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub struct Smtp {
    pub port: u16,
    folder: PathBuf,
    log: PathBuf,
    python: PathBuf,
    running: Option<Running>,
    _scratch: Scratch,
}

/// A message as the server got it.
#[derive(Clone, Debug)]
pub struct Message {
    /// As it travelled, below three lines with its envelope.
    pub raw: String,
    /// Its headers, unfolded and decoded.
    pub headers: Vec<(String, String)>,
    pub text: String,
    pub html: String,
}

impl Message {
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let found: Vec<&String> = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v).collect();
        assert_eq!(found.len(), 1, "{name} in {:?}", self.headers);
        found[0]
    }
}

impl Smtp {
    pub fn start() -> Self {
        let mut server = Self::down();
        server.up();
        server
    }
    /// A port and a folder, and nobody who listens.
    pub fn down() -> Self {
        let scratch = Scratch::new();
        let folder = scratch.join("messages");
        std::fs::create_dir(&folder).expect("a directory can be made");
        Self {
            port: free_port(),
            folder,
            log: scratch.join("smtp.log"),
            python: super::python::environment("smtp", "smtp", &template::tools()),
            running: None,
            _scratch: scratch,
        }
    }
    pub fn up(&mut self) {
        let mut command = daemon(self.python.join("bin/python"));
        command.arg(format!("{FIXTURES}/smtp/catcher.py")).arg(self.port.to_string()).arg(&self.folder);
        let mut running = Running::start(&mut command, &self.log);
        let port = self.port;
        running.wait_until("the mail server", Duration::from_secs(30), || greets(port));
        self.running = Some(running);
    }
    pub fn stop(&mut self) {
        self.running = None;
    }
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Everything that arrived, in its order.
    pub fn messages(&self) -> Vec<Message> {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(&self.folder).expect("its folder can be read").flatten().map(|e| e.path()).collect();
        paths.sort();
        paths.iter().map(|path| self.read(path)).collect()
    }
    /// The messages for one recipient.
    pub fn to(&self, address: &str) -> Vec<Message> {
        self.messages().into_iter().filter(|m| m.header("X-Envelope-To") == address).collect()
    }

    /// Python's own reader of mail says what a message holds.
    fn read(&self, path: &Path) -> Message {
        const READ: &str = "
import email, email.policy, json, sys
m = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.default)
part = lambda kind: m.get_body((kind,)).get_content().replace('\\r\\n', '\\n')
print(json.dumps({'headers': [(k, str(v)) for k, v in m.items()], 'text': part('plain'), 'html': part('html')}))";
        let out = super::run(Command::new(self.python.join("bin/python")).args(["-c", READ]).arg(path));
        let read: serde_json::Value = serde_json::from_slice(&out).expect("it prints JSON");
        let word = |v: &serde_json::Value| v.as_str().expect("it is text").to_owned();
        let headers = read["headers"].as_array().expect("a list").iter().map(|pair| (word(&pair[0]), word(&pair[1]))).collect();
        let raw = String::from_utf8_lossy(&std::fs::read(path).expect("a message can be read")).into_owned();
        Message { raw, headers, text: word(&read["text"]), html: word(&read["html"]) }
    }
}

fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let mut greeting = [0; 3];
    stream.read_exact(&mut greeting).is_ok() && &greeting == b"220"
}
