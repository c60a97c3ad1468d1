//! A process that a test started: stopped, continued and killed by its own id, never by a name.

use super::keeper;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Leader of a session of its own; when dropped, the whole session ends, grandchildren in groups of their own included.
pub struct Running {
    child: Child,
    log: PathBuf,
    ending: Signal,
    ended: Option<ExitStatus>,
}

impl Running {
    /// Starts a command made by [`super::daemon`] or [`super::daemon_as`]. What it prints is appended to the file `log`.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        Self::start_ending_with(command, log, Signal::KILL)
    }

    /// The same, for a program that has something to clear up: `ending` is what it is ended with.
    pub fn start_ending_with(command: &mut Command, log: &Path, ending: Signal) -> Self {
        assert!(Path::new(command.get_program()).ends_with("setsid"), "it needs a session of its own: make it with daemon()");
        let out = File::options().create(true).append(true).open(log).expect("a log file can be opened");
        let err = out.try_clone().expect("a file can be opened twice");
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().unwrap_or_else(|e| panic!("starting {command:?}: {e}"));
        keeper::born(child.id(), if ending == Signal::QUIT { "QUIT" } else { "KILL" });
        Self { child, log: log.to_owned(), ending, ended: None }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
    /// The last lines it printed.
    pub fn log(&self) -> String {
        let text = String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
    /// Sends a signal to the process alone.
    pub fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            let _ = kill_process(Pid::from_child(&self.child), signal);
        }
    }
    /// SIGTERM: asks it to end.
    pub fn term(&self) {
        self.signal(Signal::TERM);
    }
    /// SIGSTOP: it stands still, as in a virtual machine that was paused.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }
    /// SIGCONT
    pub fn cont(&self) {
        self.signal(Signal::CONT);
    }
    /// SIGKILL for the process alone, as the kernel does when memory runs out: its children live on.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait(Duration::from_secs(10));
    }
    pub fn is_alive(&mut self) -> bool {
        self.exit().is_none()
    }
    /// How it ended, if it has.
    pub fn exit(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("a child of ours can be asked");
        }
        self.ended
    }
    /// Waits for its end.
    ///
    /// # Panics
    /// When it lives longer than `limit`.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.exit() {
                return status;
            }
            assert!(began.elapsed() < limit, "process {} did not end within {limit:?}; it said:\n{}", self.pid(), self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    /// Waits until `ready`, and fails at once when the process ends before that.
    pub fn wait_until(&mut self, what: &str, limit: Duration, mut ready: impl FnMut() -> bool) {
        let began = Instant::now();
        while !ready() {
            if let Some(status) = self.exit() {
                panic!("{what}: the process ended ({status}); it said:\n{}", self.log());
            }
            assert!(began.elapsed() < limit, "waited {limit:?} in vain for {what}; it said:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    /// Every process of its session, itself included, as process ids.
    pub fn session(&self) -> Vec<u32> {
        processes().into_iter().filter(|p| p.session == self.pid()).map(|p| p.pid).collect()
    }
    /// SIGKILL for every process of its session.
    pub fn kill_all(&mut self) {
        for pid in self.session() {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        if self.ended.is_none() {
            self.ended = self.child.wait().ok();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ending != Signal::KILL && self.is_alive() {
            self.signal(self.ending);
            let began = Instant::now();
            while self.is_alive() && began.elapsed() < Duration::from_secs(5) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        // A process that was stopped keeps its children waiting; SIGKILL ends a stopped one too.
        self.kill_all();
        keeper::gone(self.pid());
    }
}

/// One row of the process table.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pub pid: u32,
    pub parent: u32,
    pub session: u32,
}

/// Every process that is not a zombie.
pub fn processes() -> Vec<Process> {
    let Ok(dir) = std::fs::read_dir("/proc") else { return Vec::new() };
    dir.flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read(entry.path().join("stat")).ok()?;
            // The name in brackets may hold anything, brackets too: the fields begin after the last one.
            let rest = String::from_utf8_lossy(&stat[stat.iter().rposition(|b| *b == b')')? + 1..]).into_owned();
            let field: Vec<&str> = rest.split_whitespace().collect();
            (field.first() != Some(&"Z")).then_some(())?;
            Some(Process { pid, parent: field.get(1)?.parse().ok()?, session: field.get(3)?.parse().ok()? })
        })
        .collect()
}
