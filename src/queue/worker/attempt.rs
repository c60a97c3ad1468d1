//! One attempt: its child process, its heartbeats, and every reason to end it.

use super::child::Child;
use super::{Post, about, hint};
use crate::base::error::{Class, Error, Result};
use crate::base::units;
use crate::queue::claim::owns;
use crate::queue::end::{lost_in, release_in};
use crate::queue::job::{Claimed, Ended, JobClass, Lease};
use crate::queue::lease::{Pulse, pulse};
use crate::queue::settings::millis;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// What the newest heartbeat brought.
#[derive(Clone, Debug)]
enum Beat {
    None,
    Alive { sent: Instant, pulse: Pulse },
    Fenced,
}

/// Why the attempt is being ended by its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// Somebody asked for it.
    Cancel,
    /// The worker stops.
    Shutdown,
    /// No progress for too long.
    Stuck,
    /// The lease can no longer be trusted, or is lost.
    Lease,
}

/// Runs the attempt to its end, whatever that is. `claimed_at` is from before the claim was sent.
pub(super) async fn run(post: Arc<Post>, claimed: Claimed, claimed_at: Instant) {
    let lease = claimed.lease.clone();
    let name = format!("{}/{}", lease.job, lease.attempt);
    tracing::info!(attempt = %name, kind = %claimed.job.kind, "begins");
    let (command, input) = post.runner.command(&claimed);
    let why = match post.nursery.start(command, input, &name).await {
        Ok(child) => {
            tracing::debug!(attempt = %name, pid = child.id(), "started");
            guard(&post, &claimed, child, claimed_at).await
        }
        Err(e) => Some((None, e.sentence())),
    };
    if let Some((stop, why)) = why {
        settle(&post, &lease, stop, &why).await;
    }
    tracing::info!(attempt = %name, "ended");
    hint(); // what it held may be what another job waits for
}

/// Watches over the child until it is dead. Returns why there may be no result; `None` when there is one, or when the
/// job belongs to somebody else by now.
async fn guard(post: &Arc<Post>, claimed: &Claimed, mut child: Child, claimed_at: Instant) -> Option<(Option<Stop>, String)> {
    let (teller, mut beats) = watch::channel(Beat::None);
    let heart = Heart(tokio::spawn(beat(post.clone(), claimed.lease.clone(), teller)));
    let mut watch = Guard::new(post, claimed, claimed_at);
    let mut shutdown = post.shutdown.clone();
    let status = loop {
        tokio::select! {
            biased;
            status = child.wait() => break status,
            () = sleep_until(watch.next_alarm()), if !watch.killed => watch.alarm(&child),
            changed = beats.changed(), if watch.stop != Some(Stop::Lease) => match changed {
                Ok(()) => watch.heard(&beats.borrow_and_update().clone(), &child),
                Err(_) => watch.end(Stop::Lease, &child),
            },
            () = stopping(&mut shutdown), if watch.stop.is_none() => watch.end(Stop::Shutdown, &child),
        }
        if watch.stop == Some(Stop::Lease) {
            heart.0.abort(); // a lease that was given up must not be made longer
        }
    };
    let stop = match watch.stop {
        Some(Stop::Stuck | Stop::Lease) => watch.stop,
        _ if *post.shutdown.borrow() => Some(Stop::Shutdown), // whatever came before, the attempt counts for nothing
        other => other,
    };
    match owns(&post.pool, &claimed.lease).await {
        Ok(false) => None,
        Ok(true) | Err(_) => Some((stop, watch.words(status))),
    }
}

/// Returns once the worker has to stop.
async fn stopping(shutdown: &mut super::Shutdown) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// The heartbeats end with the attempt.
struct Heart(tokio::task::JoinHandle<()>);

impl Drop for Heart {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends heartbeats until the lease is lost.
async fn beat(post: Arc<Post>, lease: Lease, teller: watch::Sender<Beat>) {
    let settings = &post.settings;
    let mut pause = settings.heartbeat;
    loop {
        sleep(pause).await;
        let sent = Instant::now();
        let answer = timeout(settings.trust, pulse(&post.beats, &lease, settings)).await;
        pause = settings.heartbeat;
        match answer {
            Ok(Ok(pulse)) => drop(teller.send_replace(Beat::Alive { sent, pulse })),
            Ok(Err(e)) if e.class() == Class::Fenced => {
                teller.send_replace(Beat::Fenced);
                return;
            }
            failed => {
                let why = failed.map_or_else(|_| "no answer in time".to_owned(), |r| r.err().map(|e| e.sentence()).unwrap_or_default());
                tracing::warn!(job = %lease.job, "a heartbeat failed, and is tried again: {why}");
                pause = about(settings.heartbeat / 5);
            }
        }
    }
}

/// The clocks of one attempt, all of them monotonic.
struct Guard<'a> {
    post: &'a Post,
    job: String,
    class: JobClass,
    /// Until then the lease is surely ours.
    trusted: Instant,
    /// What the progress was, and since when.
    mark: Option<(String, i64, i64)>,
    moved: Instant,
    kill_at: Option<Instant>,
    stop: Option<Stop>,
    killed: bool,
}

impl<'a> Guard<'a> {
    fn new(post: &'a Post, claimed: &Claimed, claimed_at: Instant) -> Self {
        Self {
            post,
            job: claimed.job.id.to_string(),
            class: claimed.job.class,
            trusted: claimed_at + post.settings.trust,
            mark: None,
            moved: Instant::now(),
            kill_at: None,
            stop: None,
            killed: false,
        }
    }

    /// The first moment at which something must be done if nothing is heard.
    fn next_alarm(&self) -> Instant {
        let stuck = self.moved + self.post.settings.stuck_after;
        let first = self.trusted.min(stuck);
        self.kill_at.map_or(first, |at| first.min(at))
    }

    fn alarm(&mut self, child: &Child) {
        let now = Instant::now();
        if now >= self.trusted {
            self.end(Stop::Lease, child);
        } else if self.kill_at.is_some_and(|at| now >= at) {
            self.kill(child);
        } else if now >= self.moved + self.post.settings.stuck_after {
            self.end(Stop::Stuck, child);
        }
    }

    fn heard(&mut self, beat: &Beat, child: &Child) {
        match beat {
            Beat::None => {}
            Beat::Fenced => self.end(Stop::Lease, child),
            Beat::Alive { sent, pulse } => {
                self.trusted = *sent + self.post.settings.trust;
                if self.mark.as_ref() != Some(&pulse.mark) {
                    self.mark = Some(pulse.mark.clone());
                    self.moved = Instant::now();
                }
                if pulse.cancel_requested && self.stop.is_none() {
                    self.end(Stop::Cancel, child);
                }
            }
        }
    }

    /// Begins to end the attempt. A restore that is asked to stop goes on to a safe point however long that takes: cut
    /// short in the middle of its steps it would leave the site to the next attempt, and that to the one after.
    fn end(&mut self, stop: Stop, child: &Child) {
        tracing::info!(job = %self.job, ?stop, "the attempt is being ended");
        self.stop = Some(stop);
        match stop {
            Stop::Lease | Stop::Stuck => self.kill(child),
            Stop::Cancel | Stop::Shutdown => {
                child.ask_to_end();
                self.kill_at = (self.class != JobClass::Restore).then(|| Instant::now() + self.post.settings.term_grace);
            }
        }
    }

    fn kill(&mut self, child: &Child) {
        child.kill();
        self.killed = true;
    }

    fn words(&self, status: Result<ExitStatus>) -> String {
        match self.stop {
            Some(Stop::Stuck) => {
                format!("it made no progress for {} and was stopped", units::duration(millis(self.post.settings.stuck_after)))
            }
            Some(Stop::Lease) => "its worker lost touch with the database and stopped it".into(),
            _ => how(status),
        }
    }
}

/// How a process ended that left no result.
fn how(status: Result<ExitStatus>) -> String {
    match status {
        Ok(s) => match (s.signal(), s.code()) {
            (Some(9), _) => "its process was killed by signal 9 (perhaps because memory ran out)".into(),
            (Some(n), _) => format!("its process was killed by signal {n}"),
            (None, Some(n)) => format!("its process ended with status {n} and without a result"),
            (None, None) => "its process ended without a result".into(),
        },
        Err(e) => format!("its process could not be watched: {}", e.sentence()),
    }
}

/// Writes down that the attempt ended without a result, and tells the runner in the same transaction. While the database
/// does not answer it is tried again; once the lease has run out, that is the reapers' work.
async fn settle(post: &Post, lease: &Lease, stop: Option<Stop>, why: &str) {
    let give_up = Instant::now() + post.settings.lease;
    loop {
        match settle_once(post, lease, stop, why).await {
            Ok(ended) => return tracing::warn!(job = %lease.job, ?ended, "the attempt ended without a result: {why}"),
            Err(e) if e.class() == Class::Fenced => return,
            Err(e) if Instant::now() >= give_up => return tracing::warn!(job = %lease.job, "the attempt's end is left to others: {e}"),
            Err(e) => tracing::warn!(job = %lease.job, "the attempt's end could not be written, and it is tried again: {e}"),
        }
        sleep(about(post.settings.heartbeat / 5).max(Duration::from_millis(20))).await;
    }
}

async fn settle_once(post: &Post, lease: &Lease, stop: Option<Stop>, why: &str) -> Result<Ended, Error> {
    let now = post.pool.now().await?;
    let mut tx = post.pool.begin().await?;
    let (job, ended) = match stop {
        Some(Stop::Shutdown) => release_in(&mut tx, now, lease).await?,
        _ => lost_in(&mut tx, now, lease, why, &post.settings).await?,
    };
    post.runner.settled(&mut tx, &job, &ended).await?;
    tx.commit().await?;
    Ok(ended)
}
