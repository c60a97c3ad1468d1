//! The second opinion: stock `restic` opens what the product wrote.

use super::{Running, Scratch, daemon, tool};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A repository, opened with its password.
pub struct Restic {
    repository: PathBuf,
    scratch: Scratch,
}

/// How a command of restic's ended.
#[derive(Debug)]
pub struct Outcome {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

/// `restic check` on a repository with missing packs may hang, so everything has an end.
const LIMIT: Duration = Duration::from_secs(300);

impl Restic {
    pub fn open(repository: &Path, password: &str) -> Self {
        let scratch = Scratch::new();
        super::write(scratch.join("password"), password);
        Self { repository: repository.to_owned(), scratch }
    }
    /// Makes a repository with restic itself.
    pub fn create(repository: &Path, password: &str) -> Self {
        let restic = Self::open(repository, password);
        restic.must(&["init"]);
        restic
    }
    /// Runs any command of restic's.
    ///
    /// # Panics
    /// When it does not end in five minutes.
    pub fn run(&self, args: &[&str]) -> Outcome {
        let (out, err) = (self.scratch.join("out"), self.scratch.join("err"));
        // The limit is kept here and not by restic: a process that hangs is ended with its whole session.
        let mut command = daemon("sh");
        command.args(["-c", "out=$1 err=$2; shift 2; exec \"$@\" >\"$out\" 2>\"$err\"", "sh"]).arg(&out).arg(&err);
        command.arg(tool("restic")).args(["--no-cache", "--repo"]).arg(&self.repository);
        command.arg("--password-file").arg(self.scratch.join("password")).args(args);
        let mut running = Running::start(command.env("RESTIC_PROGRESS_FPS", "0.01"), &self.scratch.join("log"));
        let status = running.wait(LIMIT);
        let text = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
        Outcome { success: status.success(), stdout: text(&out), stderr: text(&err) }
    }
    /// The same, and it must succeed; gives what it printed.
    pub fn must(&self, args: &[&str]) -> String {
        let outcome = self.run(args);
        assert!(outcome.success, "restic {args:?} failed:\n{}\n{}", outcome.stderr, outcome.stdout);
        outcome.stdout
    }
    /// Reads every byte of the repository and checks it.
    ///
    /// # Panics
    /// When restic finds an error.
    pub fn check(&self) {
        self.must(&["check", "--read-data"]);
    }
    /// Ids of all snapshots, oldest first.
    pub fn snapshots(&self) -> Vec<String> {
        self.snapshot_list().iter().filter_map(|s| s["id"].as_str().map(str::to_owned)).collect()
    }
    /// Everything restic says about them.
    pub fn snapshot_list(&self) -> Vec<serde_json::Value> {
        let text = self.must(&["snapshots", "--json"]);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("restic's list of snapshots: {e}\n{text}"))
    }
    /// Ids of lock files that lie in the repository.
    pub fn locks(&self) -> Vec<String> {
        self.must(&["list", "locks", "--no-lock"]).lines().map(str::to_owned).collect()
    }
    /// Restores a snapshot into an empty directory.
    pub fn restore(&self, snapshot: &str, into: &Path) {
        self.must(&["restore", snapshot, "--target", &into.display().to_string()]);
    }
    /// One file of a snapshot, or a whole directory as a tar archive.
    pub fn dump(&self, snapshot: &str, path: &str) -> Vec<u8> {
        let mut command = Command::new(tool("restic"));
        command.args(["--no-cache", "--repo"]).arg(&self.repository);
        super::run(command.arg("--password-file").arg(self.scratch.join("password")).args(["dump", snapshot, path]))
    }
}
