//! The product itself, as a process: `sitekeep serve` on a data directory, and the command line that talks to it.

use super::{Running, Scratch, daemon, digest, free_port};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_sitekeep");

/// A running server. Its data directory outlives it, so it can be killed and started again.
pub struct Server {
    pub url: String,
    pub data: PathBuf,
    /// Holds the token that [`Server::cli`] shows; written by the test.
    pub token_file: PathBuf,
    environment: Vec<(String, String)>,
    port: u16,
    running: Running,
}

impl Server {
    /// `sitekeep serve` on `data`, with `environment` beside what is needed to run; ready when it answers.
    pub fn start(data: &Path, environment: &[(&str, &str)]) -> Self {
        Self::start_program(Path::new(PROGRAM), &["serve"], data, environment)
    }

    /// The same with another program that listens on the port in `SITEKEEP_LISTEN` and answers `GET /healthz`.
    pub fn start_program(program: &Path, args: &[&str], data: &Path, environment: &[(&str, &str)]) -> Self {
        let port = free_port();
        let environment: Vec<_> = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut command = prepared(program, args, data, port, &environment);
        let running = launch(&mut command, data, port);
        Self { url: format!("http://127.0.0.1:{port}"), data: data.to_owned(), token_file: data.join("token"), environment, port, running }
    }

    pub fn process(&mut self) -> &mut Running {
        &mut self.running
    }
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }
    /// SIGKILL for the server alone, as the kernel does it; what it started lives on or notices by itself.
    pub fn kill(&mut self) {
        self.running.kill();
    }
    /// Starts it again on the same data and the same port; ends what is left of the old one's session first.
    pub fn start_again(&mut self) {
        self.running.kill_all();
        self.start_beside();
    }
    /// The same, but what the old one started goes on: a zombie that must not write any more.
    pub fn start_beside(&mut self) -> Option<Running> {
        let mut command = prepared(Path::new(PROGRAM), &["serve"], &self.data, self.port, &self.environment);
        let fresh = launch(&mut command, &self.data, self.port);
        Some(std::mem::replace(&mut self.running, fresh))
    }
    pub fn is_healthy(&self) -> bool {
        digest::page(&format!("{}/healthz", self.url)).is_ok()
    }
    pub fn log(&self) -> String {
        self.running.log()
    }
    /// Runs a command of the command line against this server.
    pub fn cli(&self, args: &[&str]) -> Output {
        self.cli_command(args).output().expect("our own program starts")
    }
    /// The same, and it must succeed; gives what it printed.
    #[track_caller]
    pub fn must(&self, args: &[&str]) -> String {
        let out = self.cli(args);
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "sitekeep {args:?} failed ({}):\n{stderr}\nthe server said:\n{}", out.status, self.log());
        String::from_utf8(out.stdout).expect("the command line prints text")
    }
    /// A command of the command line, for tests that change its environment or feed its standard input.
    pub fn cli_command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LANG", "C.UTF-8")
            .env("HOME", &self.data)
            .env("SITEKEEP_URL", &self.url)
            .env("SITEKEEP_TOKEN_FILE", &self.token_file)
            .current_dir(&self.data)
            .args(args);
        command
    }
}

fn prepared(program: &Path, args: &[&str], data: &Path, port: u16, environment: &[(String, String)]) -> Command {
    std::fs::create_dir_all(data).expect("a data directory can be made");
    let mut command = daemon(program);
    command
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LANG", "C.UTF-8")
        .env("SITEKEEP_DATA_DIR", data)
        .env("SITEKEEP_DRILL_DIR", data.with_extension("drills"))
        .env("SITEKEEP_LISTEN", format!("127.0.0.1:{port}"))
        .envs(environment.iter().map(|(k, v)| (k, v)))
        .env("SITEKEEP_TUNE", without_chores(data, environment))
        .current_dir(data);
    command
}

/// What a test tunes; and where it does not ask for them, no chores: no backup that it did not make, whatever the hour.
fn without_chores(data: &Path, environment: &[(String, String)]) -> PathBuf {
    let given = environment.iter().find(|(name, _)| name == "SITEKEEP_TUNE");
    let text = given.map_or("{}".into(), |(_, path)| std::fs::read_to_string(path).expect("the file of a test"));
    let path = data.with_extension("tune.json");
    std::fs::write(&path, tuned(&text)).expect("a file can be written");
    path
}

/// What a test tunes, without the chores that it did not ask for.
pub fn tuned(text: &str) -> String {
    let mut tune: serde_json::Value = serde_json::from_str(text).expect("what a test tunes is JSON");
    for chore in ["schedules_every", "retention_every", "alarms_every", "drills_every", "catalogue_every"] {
        if tune["app"][chore].is_null() {
            tune["app"][chore] = 0.into();
        }
    }
    tune.to_string()
}

fn launch(command: &mut Command, data: &Path, port: u16) -> Running {
    let log = data.with_extension("log");
    let mut running = Running::start_ending_with(command, &log, Signal::KILL);
    let health = format!("http://127.0.0.1:{port}/healthz");
    running.wait_until("Sitekeep", Duration::from_secs(60), || digest::page(&health).is_ok());
    running
}

/// A data directory in a scratch place, short enough for sockets.
pub fn data_dir(scratch: &Scratch) -> PathBuf {
    scratch.join("data")
}
