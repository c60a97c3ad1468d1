//! A child process and its group: started, told to end, killed, and reaped only when the whole group is gone.

use crate::base::error::{Context, Error, Result};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::oneshot;

/// The thread that starts children. The kernel's parent-death signal follows the *thread* that forked, and a runtime's
/// threads come and go; this one stays as long as the worker does, and its end is the end of the children.
pub(super) struct Nursery(mpsc::Sender<Order>);

type Order = (Command, oneshot::Sender<std::io::Result<std::process::Child>>);

impl Nursery {
    pub fn open() -> Result<Self> {
        let (sender, orders) = mpsc::channel::<Order>();
        std::thread::Builder::new().name("nursery".into()).spawn(move || {
            for (mut command, answer) in orders {
                if let Err(Ok(mut orphan)) = answer.send(command.spawn()) {
                    let _ = orphan.kill().and_then(|()| orphan.wait());
                }
            }
        })?;
        Ok(Self(sender))
    }

    /// Starts `command` in a process group of its own, feeds it `input`, and logs what it says under `name`.
    pub async fn start(&self, mut command: Command, input: Vec<u8>, name: &str) -> Result<Child> {
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (answer, started) = oneshot::channel();
        self.0.send((command, answer)).map_err(|_| Error::internal("the thread that starts processes is gone"))?;
        let started = started.await.map_err(|_| Error::internal("the thread that starts processes is gone"))?;
        Child::adopt(started.context(|| "starting the attempt's process")?, input, name)
    }
}

/// A running attempt. Dropped before it was reaped, its whole group is killed.
pub(super) struct Child {
    inner: std::process::Child,
    pid: Pid,
    reaped: bool,
    ended: oneshot::Receiver<()>,
    /// Readers and the writer of its pipes; aborted with the child.
    _pipes: tokio::task::JoinSet<()>,
}

impl Child {
    fn adopt(mut inner: std::process::Child, input: Vec<u8>, name: &str) -> Result<Self> {
        let pid = Pid::from_child(&inner);
        let pipes = match pipes(&mut inner, input, name) {
            Ok(pipes) => pipes,
            Err(e) => {
                let _ = kill_process_group(pid, Signal::KILL);
                let _ = inner.wait();
                return Err(e);
            }
        };
        let (tell, ended) = oneshot::channel();
        // A thread of its own, because a runtime that ends would wait for it. NOWAIT: the dead child keeps its id until
        // the group has been killed, so that no signal can reach a stranger who got the same number.
        let watch = std::thread::Builder::new().name("attempt".into()).spawn(move || {
            while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {}
            let _ = tell.send(());
        });
        let child = Self { inner, pid, reaped: false, ended, _pipes: pipes };
        watch.context(|| "watching the attempt's process")?; // on failure, dropping `child` kills it
        Ok(child)
    }

    pub fn id(&self) -> u32 {
        self.inner.id()
    }

    /// Asks the child (and not what it has started: it knows best in which order to end that) to come to an end.
    pub fn ask_to_end(&self) {
        if !self.reaped {
            let _ = kill_process(self.pid, Signal::TERM);
        }
    }

    /// Kills the child and everything in its group.
    pub fn kill(&self) {
        if !self.reaped {
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
    }

    /// Returns when the child has ended; what is left of its group is killed first. Call it again after a cancellation,
    /// not after it has returned.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        let _ = (&mut self.ended).await;
        self.kill();
        let status = self.inner.wait()?;
        self.reaped = true;
        Ok(status)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

fn pipes(child: &mut std::process::Child, input: Vec<u8>, name: &str) -> Result<tokio::task::JoinSet<()>> {
    let mut tasks = tokio::task::JoinSet::new();
    if let Some(pipe) = child.stdin.take() {
        let mut pipe = tokio::process::ChildStdin::from_std(pipe)?;
        // An attempt that does not read its orders says so by its exit.
        tasks.spawn(async move { drop(pipe.write_all(&input).await) });
    }
    if let Some(pipe) = child.stdout.take() {
        tasks.spawn(say(tokio::process::ChildStdout::from_std(pipe)?, name.to_owned()));
    }
    if let Some(pipe) = child.stderr.take() {
        tasks.spawn(say(tokio::process::ChildStderr::from_std(pipe)?, name.to_owned()));
    }
    Ok(tasks)
}

/// Line by line into the worker's log. A line without an end is cut: memory is bounded.
async fn say(pipe: impl AsyncRead + Unpin, name: String) {
    const LONGEST: u64 = 8 * 1024;
    let mut reader = BufReader::new(pipe);
    loop {
        let mut line = Vec::new();
        match (&mut reader).take(LONGEST).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => tracing::info!(attempt = %name, "{}", String::from_utf8_lossy(&line).trim_end()),
        }
    }
}
