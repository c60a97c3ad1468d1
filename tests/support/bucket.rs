//! A bucket behind a server that speaks S3 over HTTP (moto's; a process of its own), and the client of Amazon to ask it.

use super::{Running, Scratch, daemon, free_port, python, template};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub const BUCKET: &str = "copies";

pub struct Bucket {
    port: u16,
    home: PathBuf,
    _running: Running,
    _scratch: Scratch,
}

impl Bucket {
    pub fn start() -> Self {
        let (home, scratch, port) = (python::environment("bucket", "bucket", &template::tools()), Scratch::new(), free_port());
        let mut command = daemon(home.join("bin/moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let mut running = Running::start(&mut command, &scratch.join("s3.log"));
        running.wait_until("the S3 server", Duration::from_secs(60), || TcpStream::connect(("127.0.0.1", port)).is_ok());
        let bucket = Self { port, home, _running: running, _scratch: scratch };
        super::run(&mut bucket.aws(&["s3", "mb", &format!("s3://{BUCKET}")]));
        bucket
    }

    /// What a client has to know, and where it finds `aws`.
    pub fn know(&self, command: &mut Command) {
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{}:{path}", self.home.join("bin").display()))
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port))
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_DEFAULT_REGION", "eu-central-1");
    }

    pub fn aws(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.home.join("bin/aws"));
        self.know(&mut command);
        command.args(args);
        command
    }

    /// As Sitekeep is told of it, with a prefix.
    pub fn url(&self) -> String {
        format!("s3+http://key:secret@127.0.0.1:{}/{BUCKET}/down/loads?region=eu-central-1", self.port)
    }

    /// The keys of everything in the bucket.
    pub fn keys(&self) -> Vec<String> {
        let out = super::run(&mut self.aws(&["s3", "ls", "--recursive", &format!("s3://{BUCKET}")]));
        let text = String::from_utf8(out).expect("it prints text");
        text.lines().filter_map(|line| line.split_whitespace().nth(3)).map(str::to_owned).collect()
    }

    /// Everything in the bucket, into a folder.
    pub fn fetch(&self, to: &Path) {
        super::run(&mut self.aws(&["s3", "cp", "--recursive", "--only-show-errors", &format!("s3://{BUCKET}"), &to.display().to_string()]));
    }
}
