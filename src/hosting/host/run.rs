//! Running a program for a site: as its owner, without a shell, within a time, keeping a bounded part of what it says.

use crate::base::error::{Context, Error, Result};
use crate::base::identity::{Identity, name_of};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Where programs are looked for; never what the caller's environment says.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long a program may run and how much of its output is kept.
pub(in crate::hosting) struct Limits {
    pub time: Duration,
    /// Bytes of standard output kept from its beginning; what follows is read and dropped.
    pub head: usize,
    /// Bytes kept from the end of standard error.
    pub tail: usize,
}

/// What became of it.
pub(in crate::hosting) struct Ran {
    /// Of the program: also the number of its process group.
    pub pid: u32,
    pub status: ExitStatus,
    pub out: Vec<u8>,
    /// Standard output was longer than the limit.
    pub cut: bool,
    pub err: String,
}

/// Runs `program` with the rights of `who` in `cwd`, with an environment of a path, a home and a language alone, in a
/// process group of its own that is killed as a whole when the time is over.
///
/// # Errors
/// `Permanent` when it cannot be started or takes too long. Its exit status is the caller's to judge.
pub(in crate::hosting) fn run(mut command: Command, cwd: &Path, who: &Identity, limits: &Limits) -> Result<Ran> {
    let name = command.get_program().to_string_lossy().into_owned();
    prepare(&mut command, cwd, who);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|e| cannot_start(&name, cwd, &e))?;
    let (send, chunks) = channel();
    let mut open = 0;
    for (stream, pipe) in [(0, child.stdout.take().map(boxed)), (1, child.stderr.take().map(boxed))] {
        if let Some(pipe) = pipe {
            open += 1;
            let send = send.clone();
            std::thread::spawn(move || pump(stream, pipe, &send));
        }
    }
    let mut kept = Kept { out: Vec::new(), cut: false, err: Vec::new() };
    let status = watch(&mut child, &chunks, open, limits, &mut kept).context(|| format!("running {name}"))?;
    Ok(Ran { pid: child.id(), status, out: kept.out, cut: kept.cut, err: String::from_utf8_lossy(&kept.err).into_owned() })
}

/// Runs a hook that an administrator set: `argv[0]` is the program, the rest its arguments. Returns the end of what it
/// printed (8 KiB), standard output and standard error each.
///
/// # Errors
/// `Permanent` when it cannot be started, takes longer than `timeout`, or ends with another status than 0; the sentence
/// holds its last line.
pub fn run_hook(argv: &[String], cwd: &Path, who: &Identity, timeout: Duration) -> Result<String> {
    let (program, arguments) = argv.split_first().ok_or_else(|| Error::invalid("the hook names no program"))?;
    let mut command = Command::new(program);
    command.args(arguments);
    let ran = run(command, cwd, who, &Limits { time: timeout, head: 1 << 20, tail: 8192 })?;
    let out = String::from_utf8_lossy(&ran.out[ran.out.len().saturating_sub(8192)..]).into_owned();
    let text = [out.trim_end(), ran.err.trim_end()].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join("\n");
    if ran.status.success() {
        return Ok(text);
    }
    let last: String = text.lines().next_back().unwrap_or("it printed nothing").chars().take(300).collect();
    Err(Error::permanent(format!("the hook {program} ended with {}: {last}", ran.status)))
}

fn prepare(command: &mut Command, cwd: &Path, who: &Identity) {
    let set: Vec<_> = command.get_envs().filter_map(|(k, v)| Some((k.to_owned(), v?.to_owned()))).collect();
    command.env_clear().env("PATH", PATH).env("LANG", "C.UTF-8").env("HOME", home_of(who.uid));
    if let Some(name) = name_of(who.uid) {
        command.env("USER", &name).env("LOGNAME", &name);
    }
    command.envs(set).current_dir(cwd).stdin(Stdio::null()).process_group(0);
    who.apply(command);
}

fn home_of(uid: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = passwd.lines().find(|l| l.split(':').nth(2).and_then(|u| u.parse().ok()) == Some(uid));
    line.and_then(|l| l.split(':').nth(5)).filter(|h| h.starts_with('/')).unwrap_or("/").to_owned()
}

fn cannot_start(name: &str, cwd: &Path, e: &std::io::Error) -> Error {
    match e.kind() {
        std::io::ErrorKind::NotFound => {
            Error::permanent(format!("{name} cannot be started in {}: no such program or directory", cwd.display()))
                .hint("give the whole path of the program")
        }
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::OutOfMemory => Error::resource(format!("{name} cannot be started: {e}")),
        _ => Error::permanent(format!("{name} cannot be started in {}: {e}", cwd.display())),
    }
}

fn boxed(pipe: impl Read + Send + 'static) -> Box<dyn Read + Send> {
    Box::new(pipe)
}

fn pump(stream: u8, mut pipe: Box<dyn Read + Send>, to: &std::sync::mpsc::Sender<(u8, Vec<u8>)>) {
    let mut buffer = vec![0; 65536];
    loop {
        let n = match pipe.read(&mut buffer) {
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        if to.send((stream, buffer[..n].to_vec())).is_err() || n == 0 {
            return;
        }
    }
}

struct Kept {
    out: Vec<u8>,
    cut: bool,
    err: Vec<u8>,
}

impl Kept {
    fn take(&mut self, stream: u8, bytes: &[u8], limits: &Limits) {
        if stream == 0 {
            let room = limits.head - self.out.len().min(limits.head);
            self.cut |= bytes.len() > room;
            self.out.extend_from_slice(&bytes[..bytes.len().min(room)]);
        } else {
            self.err.extend_from_slice(bytes);
            let excess = self.err.len().saturating_sub(limits.tail);
            self.err.drain(..excess);
        }
    }
}

/// Collects output until the program ended and its pipes are closed. A process that it left behind may hold them open
/// for ever: a second after the end is enough.
fn watch(child: &mut Child, chunks: &Receiver<(u8, Vec<u8>)>, mut open: usize, limits: &Limits, kept: &mut Kept) -> Result<ExitStatus> {
    let deadline = Instant::now() + limits.time;
    let mut ended: Option<(ExitStatus, Instant)> = None;
    loop {
        match chunks.recv_timeout(Duration::from_millis(20)) {
            Ok((_, bytes)) if bytes.is_empty() => open = open.saturating_sub(1),
            Ok((stream, bytes)) => kept.take(stream, &bytes, limits),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => open = 0,
        }
        if ended.is_none() {
            ended = child.try_wait().context(|| "waiting for a program")?.map(|status| (status, Instant::now()));
        }
        match ended {
            Some((status, at)) if open == 0 || at.elapsed() > Duration::from_secs(1) => return Ok(status),
            None if Instant::now() > deadline => {
                kill_group(child);
                return Err(Error::permanent(format!("it did not end within {} seconds and was stopped", limits.time.as_secs())));
            }
            _ => {}
        }
    }
}

fn kill_group(child: &mut Child) {
    kill_all(child.id());
    let _ = child.kill();
    let _ = child.wait();
}

/// Ends every process of a group: also what a program left running in it.
pub(super) fn kill_all(group: u32) {
    if let Some(group) = i32::try_from(group).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scratch, owner};
    use super::*;

    fn hook(argv: &[&str], who: &Identity, seconds: u64) -> Result<String> {
        let argv: Vec<String> = argv.iter().map(|a| (*a).to_owned()).collect();
        run_hook(&argv, Path::new("/tmp"), who, Duration::from_secs(seconds))
    }

    #[test]
    fn a_hook_runs_as_the_owner_without_a_shell_and_without_our_environment() {
        let who = owner();
        assert_eq!(hook(&["id", "-u"], &who, 10).unwrap(), who.uid.to_string());
        assert_eq!(hook(&["echo", "$HOME; `id`"], &who, 10).unwrap(), "$HOME; `id`");
        let environment = hook(&["env"], &who, 10).unwrap();
        assert!(environment.contains("LANG=C.UTF-8") && !environment.contains("CARGO"), "{environment}");
        if who.uid != 0 && Identity::of_process().is_root() {
            assert_eq!(hook(&["id", "-G"], &who, 10).unwrap(), who.gid.to_string(), "root's groups are dropped");
        }
    }

    #[test]
    fn a_hook_that_fails_or_hangs_says_so() {
        let me = Identity::of_process();
        let e = hook(&["sh", "-c", "echo fine; echo broken >&2; exit 3"], &me, 10).unwrap_err().to_string();
        assert!(e.contains("exit status: 3") && e.ends_with("broken"), "{e}");
        let started = Instant::now();
        let e = hook(&["sh", "-c", "sleep 60 & sleep 60"], &me, 1).unwrap_err().to_string();
        assert!(e.contains("did not end within 1 seconds") && started.elapsed() < Duration::from_secs(5), "{e}");
        assert!(hook(&["/no/such/program"], &me, 1).unwrap_err().to_string().contains("cannot be started"));
        assert!(hook(&[], &me, 1).is_err());
    }

    #[test]
    fn a_hook_that_leaves_a_process_behind_or_floods_us_does_not_hold_us() {
        let me = Identity::of_process();
        let started = Instant::now();
        assert_eq!(hook(&["sh", "-c", "sleep 5 & echo done"], &me, 10).unwrap(), "done");
        assert!(started.elapsed() < Duration::from_secs(4));
        assert!(hook(&["sh", "-c", "head -c 50000000 /dev/zero; echo end >&2"], &me, 30).unwrap().len() < 20_000);
    }

    #[test]
    fn the_scratch_directory_of_tests_can_be_entered_by_the_owner() {
        let s = Scratch::new();
        let argv = vec!["pwd".to_owned()];
        assert_eq!(run_hook(&argv, s.path(), &owner(), Duration::from_secs(5)).unwrap(), s.path().display().to_string());
    }
}
