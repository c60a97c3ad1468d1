//! Waits for a job: asks the server until the job has ended, and shows meanwhile what it does.
//!
//! The job does not depend on us. So a server that restarts is waited for, and Ctrl-C (or SIGTERM) ends the waiting alone.

use super::client::escaped;
use super::progress::{Rate, describe};
use super::session::Session;
use crate::base::error::{Class, Error, Result};
use crate::domain::view::Job;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How often the server is asked, and how long its silence is borne.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub first: Duration,
    pub longest: Duration,
    pub patience: Duration,
    /// Waiting for a free worker is worth a line only when it takes longer than this.
    pub silence: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(1),
            patience: Duration::from_secs(120),
            silence: Duration::from_secs(2),
        }
    }
}

/// Has the job ended? A state that this version does not know has not.
pub fn is_final(job: &Job) -> bool {
    matches!(job.state.as_str(), "succeeded" | "incomplete" | "failed" | "cancelled")
}

/// Follows the job to its end.
///
/// # Errors
/// `Transient` when the server stays silent for longer than the patience; what the server says otherwise.
pub fn follow(session: &mut Session<'_>, id: &str) -> Result<Job> {
    let _waiting = session.interruptible.then(|| Waiting::start(id));
    let (mut pause, mut rate, mut said) = (session.pace.first, Rate::default(), String::new());
    let began = Instant::now();
    loop {
        let job = ask(session, &format!("/jobs/{}", escaped(id)), id)?;
        if is_final(&job) {
            session.console.rewrite("");
            return Ok(job);
        }
        let soon = job.state == "queued" && job.blocked_on.is_none() && began.elapsed() < session.pace.silence;
        rate.saw(&job.phase, job.bytes, Instant::now());
        if session.console.live {
            session.console.rewrite(&describe(&job, rate.per_second()));
        } else if !soon {
            tell_change(session, &job, &mut said);
        }
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(session.pace.longest);
    }
}

/// Where a line cannot be rewritten, only a new phase (or a new reason to wait) is worth a line.
fn tell_change(session: &mut Session<'_>, job: &Job, said: &mut String) {
    let now = if job.state == "running" { job.phase.clone() } else { describe(job, None) };
    if !now.is_empty() && now != *said {
        session.console.notice(&now);
        *said = now;
    }
}

/// One GET that outlives a restart of the server.
///
/// # Errors
/// As [`follow`].
pub fn ask<T: serde::de::DeserializeOwned>(session: &mut Session<'_>, path: &str, job: &str) -> Result<T> {
    let (client, mut since) = (session.client()?, None::<Instant>);
    loop {
        match client.get(path) {
            Err(e) if e.class() == Class::Transient => {
                if since.is_none() {
                    session.console.notice("The server does not answer. The job does not need us: waiting for the server to come back.");
                }
                if since.get_or_insert_with(Instant::now).elapsed() >= session.pace.patience {
                    return Err(Error::transient(e.sentence())
                        .hint(format!("the job may still be running: ask again later with `sitekeep job:info {job}`")));
                }
                std::thread::sleep(session.pace.longest);
            }
            other => {
                if since.is_some() && other.is_ok() {
                    session.console.notice("The server answers again.");
                }
                return other;
            }
        }
    }
}

/// While it lives, Ctrl-C or SIGTERM says what goes on and how to end that too.
struct Waiting;

static ARMED: AtomicBool = AtomicBool::new(false);

impl Waiting {
    fn start(job: &str) -> Self {
        ARMED.store(true, Relaxed);
        let text = interrupted(job);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            if runtime.is_ok_and(|r| r.block_on(signalled()).is_ok()) {
                if ARMED.load(Relaxed) {
                    let _ = write!(std::io::stderr(), "{text}");
                }
                std::process::exit(super::exit::Exit::Interrupted as i32);
            }
        });
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        ARMED.store(false, Relaxed);
    }
}

async fn signalled() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = term.recv() => Ok(()),
    }
}

fn interrupted(job: &str) -> String {
    format!("\nStopped waiting. The job goes on: `sitekeep job:log --follow {job}` shows it, `sitekeep job:cancel {job}` ends it.\n")
}
