//! Running a database's own tools: with a cleared environment, with the password in an inherited memory file, and with
//! the end of what they complained about kept for the message.
//!
//! A password never stands in an argument or in the environment, where every user of the host can read it; it never
//! reaches the disk, and it is blotted out of whatever a tool writes.

use crate::base::error::{Class, Context, Error, Result};
use crate::base::secret::Secret;
use command_fds::{CommandFdExt, FdMapping};
use rustix::fs::{MemfdFlags, Mode};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The descriptor under which a tool finds its credentials; free in every child, as nothing else is handed down.
pub const CREDENTIALS_FD: i32 = 3;
/// Its name for a tool.
pub const CREDENTIALS_PATH: &str = "/dev/fd/3";

/// How many lines of a tool's complaints are kept.
const TAIL_LINES: usize = 20;
/// How long one of them may be; the rest is cut.
const TAIL_LINE_BYTES: usize = 500;
/// The largest answer to a query.
const ANSWER_LIMIT: u64 = 64 << 20;

/// The first of `names` that is in one of `first` or in the directories of PATH; where that is not set, in the usual ones.
pub fn find(names: &[&str], first: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").filter(|p| !p.is_empty()).unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let folders: Vec<PathBuf> = first.iter().cloned().chain(std::env::split_paths(&path)).collect();
    names.iter().flat_map(|n| folders.iter().map(move |f| f.join(n))).find(|p| p.is_absolute() && p.is_file())
}

/// A file that has no name, of mode 0600, in memory only: what a tool reads its password from.
pub fn memory_file(content: &str) -> Result<OwnedFd> {
    let what = || "making a memory file for a database tool";
    let fd = rustix::fs::memfd_create("sitekeep", MemfdFlags::CLOEXEC).context(what)?;
    // A memory file starts with mode 0777, and tools ignore credentials that anybody could write.
    rustix::fs::fchmod(&fd, Mode::from_raw_mode(0o600)).context(what)?;
    let mut file = std::fs::File::from(fd);
    file.write_all(content.as_bytes()).context(what)?;
    Ok(file.into())
}

/// A tool about to be started.
pub struct Tool {
    command: Command,
    name: String,
    secrets: Vec<Secret>,
}

impl Tool {
    /// `program` with an environment that holds PATH and LANG alone, in `/`.
    pub fn new(program: &Path) -> Self {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LANG", "C.UTF-8").env("LC_ALL", "C.UTF-8");
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
        Self { command, name, secrets: Vec::new() }
    }
    #[must_use]
    pub fn args<S: AsRef<std::ffi::OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.command.env(key, value);
        self
    }
    /// Hands `content` down as [`CREDENTIALS_PATH`], and blots `secret` out of the tool's messages.
    pub fn credentials(mut self, content: &str, secret: &Secret) -> Result<Self> {
        let mapping = FdMapping { parent_fd: memory_file(content)?, child_fd: CREDENTIALS_FD };
        self.command.fd_mappings(vec![mapping]).map_err(|e| Error::internal(e.to_string()))?;
        self.secrets.push(secret.clone());
        Ok(self)
    }

    /// One more thing that must not show in a message.
    #[must_use]
    pub fn hide(mut self, secret: &Secret) -> Self {
        self.secrets.push(secret.clone());
        self
    }

    /// Starts it with what is piped: standard input, standard output.
    pub fn start(mut self, input: bool, output: bool) -> Result<Running> {
        if input {
            self.command.stdin(Stdio::piped());
        }
        if output {
            self.command.stdout(Stdio::piped());
        }
        let mut child = self.command.spawn().context(|| format!("starting {}", self.name))?;
        let complaints = child.stderr.take().ok_or_else(|| Error::internal("a tool's messages are not piped"))?;
        let secrets = std::mem::take(&mut self.secrets);
        let tail = std::thread::spawn(move || tail_of(complaints, &secrets));
        Ok(Running { child, name: self.name, tail: Some(tail) })
    }

    /// Runs it to its end, with `input`, and gives what it wrote.
    ///
    /// # Errors
    /// `Transient` when it took longer than `limit`; what `explain` makes of its complaints when it failed.
    pub fn output(self, input: &[u8], limit: Option<Duration>, explain: fn(&str) -> Error) -> Result<Vec<u8>> {
        let mut running = self.start(true, true)?;
        let stdin = running.child.stdin.take();
        let answer = running.stdout()?;
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.map(|mut pipe| pipe.write_all(&input)));
        let reader = std::thread::spawn(move || {
            let mut answer = answer.take(ANSWER_LIMIT + 1);
            let mut all = Vec::new();
            answer.read_to_end(&mut all).map(|_| all)
        });
        let ended = running.wait(limit)?;
        let _ = writer.join(); // a tool that ended early closes its input: its complaints say why
        let all = reader.join().map_err(|_| Error::internal("reading a tool's answer failed"))?.context(|| "reading a tool's answer")?;
        // Too large an answer closed its pipe: that is the cause to name, not the signal it died of.
        if all.len() as u64 > ANSWER_LIMIT {
            return Err(Error::resource(format!("the answer of {} is larger than {}", ended.name, crate::base::units::size(ANSWER_LIMIT))));
        }
        ended.success(explain)?;
        Ok(all)
    }
}

/// A tool that runs. Dropping it kills it: nothing is left behind by an error on the way.
pub struct Running {
    pub child: Child,
    name: String,
    tail: Option<JoinHandle<String>>,
}

impl Running {
    /// What it writes; can be taken once.
    pub fn stdout(&mut self) -> Result<ChildStdout> {
        self.child.stdout.take().ok_or_else(|| Error::internal("a tool's output was taken twice"))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// `Transient` when it took longer than `limit`; it is killed then.
    pub fn wait(mut self, limit: Option<Duration>) -> Result<Ended> {
        drop(self.child.stdin.take());
        let status = match limit {
            None => self.child.wait().context(|| format!("waiting for {}", self.name))?,
            Some(limit) => self.wait_until(Instant::now() + limit)?.ok_or_else(|| {
                Error::transient(format!("{} gave no answer within {} s", self.name, limit.as_secs()))
                    .hint("look whether the database server is overloaded")
            })?,
        };
        let complaints = self.tail.take().and_then(|t| t.join().ok()).unwrap_or_default();
        Ok(Ended { name: self.name.clone(), status, complaints })
    }

    fn wait_until(&mut self, end: Instant) -> Result<Option<ExitStatus>> {
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = self.child.try_wait().context(|| format!("waiting for {}", self.name))? {
                return Ok(Some(status));
            }
            if Instant::now() >= end {
                return Ok(None);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// How a tool ended.
#[derive(Debug)]
pub struct Ended {
    pub name: String,
    pub status: ExitStatus,
    /// The last lines of what it complained about, without secrets.
    pub complaints: String,
}

impl Ended {
    /// # Errors
    /// What `explain` makes of the complaints, when the tool did not end well.
    pub fn success(&self, explain: fn(&str) -> Error) -> Result<()> {
        use std::os::unix::process::ExitStatusExt;
        if self.status.success() {
            return Ok(());
        }
        if let Some(signal) = self.status.signal() {
            let said = if self.complaints.is_empty() { String::new() } else { format!(": {}", self.complaints) };
            return Err(Error::transient(format!("{} was ended by signal {signal}{said}", self.name)));
        }
        let code = self.status.code().unwrap_or(-1);
        if self.complaints.trim().is_empty() {
            return Err(Error::permanent(format!("{} failed with status {code} and said nothing", self.name)));
        }
        // Tools begin with their own name, which is told anyhow.
        let own = format!("{}: ", self.name);
        let said: Vec<&str> = self.complaints.lines().map(|line| line.strip_prefix(&own).unwrap_or(line)).collect();
        Err(explain(&said.join("\n")).context(self.name.clone()))
    }
}

/// Reads to the end, keeping the last lines; secrets are blotted out.
fn tail_of(from: impl Read, secrets: &[Secret]) -> String {
    let mut lines: VecDeque<String> = VecDeque::new();
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A line without an end is read in pieces, so that a tool gone mad cannot fill the memory.
        match reader.by_ref().take(64 << 10).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let text = blot(String::from_utf8_lossy(&line).trim_end(), secrets);
        if text.is_empty() {
            continue;
        }
        if lines.len() == TAIL_LINES {
            lines.pop_front();
        }
        lines.push_back(text.chars().take(TAIL_LINE_BYTES).collect());
    }
    Vec::from(lines).join("\n")
}

fn blot(text: &str, secrets: &[Secret]) -> String {
    secrets.iter().map(Secret::expose).filter(|s| !s.is_empty()).fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
}

/// An error for complaints that no rule knows: the last line is the cause.
pub fn unknown_complaint(class: Class, complaints: &str) -> Error {
    Error::new(class, complaints.lines().last().unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Tool {
        Tool::new(Path::new("/bin/sh")).args(["-c", script])
    }
    fn explain(text: &str) -> Error {
        unknown_complaint(Class::Permanent, text)
    }

    #[test]
    fn a_tool_reads_its_password_from_a_file_that_nobody_else_can_open_and_never_shows_it() {
        let secret = Secret::new("p4ssw0rd");
        let tool = sh("cat /dev/fd/3; stat -L -c %a /dev/fd/3; env | cut -d= -f1 | sort | tr '\\n' ' '; cat /dev/fd/3 >&2; exit 3");
        let mut running = tool.credentials("password=p4ssw0rd\n", &secret).unwrap().start(false, true).unwrap();
        let mut out = String::new();
        running.stdout().unwrap().read_to_string(&mut out).unwrap();
        let ended = running.wait(None).unwrap();
        assert!(out.starts_with("password=p4ssw0rd\n600\n"), "{out}");
        assert!(!out.contains("HOME"), "the environment is cleared: {out}");
        assert_eq!(ended.complaints, "password=…");
        assert_eq!(ended.success(explain).unwrap_err().sentence(), "sh: password=…");
    }

    #[test]
    fn a_tool_that_gives_no_answer_is_killed_when_its_time_is_up() {
        let error = sh("exec sleep 60").output(b"", Some(Duration::from_millis(50)), explain).unwrap_err();
        assert_eq!(error.class(), Class::Transient);
    }

    #[test]
    fn a_signal_and_a_silent_failure_are_told_apart() {
        assert_eq!(sh("kill -9 $$").output(b"", None, explain).unwrap_err().class(), Class::Transient);
        assert!(sh("exit 7").output(b"", None, explain).unwrap_err().to_string().contains("status 7"));
    }

    #[test]
    fn much_input_and_much_output_do_not_block_each_other() {
        let out = Tool::new(Path::new("/bin/cat")).output(&vec![b'x'; 3_000_000], None, explain).unwrap();
        assert_eq!(out.len(), 3_000_000);
    }
}
