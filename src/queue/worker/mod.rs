//! The supervisor: claims jobs while it has free slots and runs each attempt in a child process of its own.
//!
//! The work itself never happens in this process: a panic, an exhausted memory or a `kill -9` of one attempt reaches
//! neither the worker nor another tenant's job. This process owns the lease: it sends the heartbeats, and it kills the
//! attempt when it can no longer be sure of the lease.

mod attempt;
mod child;

use super::claim::{claim, claim_another, claim_up_to};
use super::end::reap_for;
use super::job::{Claimed, Ended, Job, JobClass};
use super::settings::Settings;
use super::upkeep::tidy;
use crate::base::chance;
use crate::base::error::Result;
use crate::base::sql::{Conn, Pool};
use child::Nursery;
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// What [`Runner::settled`] returns.
pub type Settling<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// What the supervisor asks of the rooms above.
pub trait Runner: Send + Sync + 'static {
    /// The program that makes one attempt, and what it reads from its standard input. It runs in a process group of its
    /// own; it must end the attempt with [`finish`](super::finish()), stop at SIGTERM, and die with its parent (PDEATHSIG).
    /// Nothing secret belongs into arguments or environment.
    fn command(&self, claimed: &Claimed) -> (Command, Vec<u8>);

    /// Called in the transaction that ends an attempt without a result of its own: the job is queued again, given up, or
    /// cancelled. An error rolls the transaction back, and it is tried again after the lease has run out.
    fn settled<'a>(&'a self, conn: &'a mut Conn, job: &'a Job, ended: &'a Ended) -> Settling<'a>;
}

/// Becomes true when the worker has to stop; also when the sender is gone.
pub type Shutdown = watch::Receiver<bool>;

/// Wakes a worker of this process after a commit that queued something: without it the worker sees the job at its next poll.
pub fn hint() {
    HINT.notify_one();
}
static HINT: Notify = Notify::const_new();

/// A [`Shutdown`] that comes with SIGTERM or SIGINT.
///
/// # Errors
/// When the signals cannot be caught.
pub fn until_signal() -> Result<Shutdown> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (tell, shutdown) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        let _ = tell.send(true);
        tell.closed().await;
    });
    Ok(shutdown)
}

/// What every attempt of this worker shares.
struct Post {
    pool: Pool,
    beats: Pool,
    settings: Settings,
    name: String,
    runner: Arc<dyn Runner>,
    nursery: Nursery,
    shutdown: Shutdown,
}

/// Works until `shutdown`, and returns when the last attempt has ended. `slots` attempts run at once, and one more that
/// only a restore may have: whoever waits for a site to come back does not wait for backups. `beats` is a small pool of
/// its own to the same database, so that heartbeats never wait for a connection. Any number of workers may share a
/// database; people tell them apart by their names.
///
/// # Errors
/// When no thread can be started. What the database says is logged and tried again.
pub async fn work(
    pool: Pool,
    beats: Pool,
    settings: Settings,
    name: String,
    slots: usize,
    runner: Arc<dyn Runner>,
    shutdown: Shutdown,
) -> Result<()> {
    let post = Arc::new(Post { pool, beats, settings, name, runner, nursery: Nursery::open()?, shutdown: shutdown.clone() });
    let mut helpers = JoinSet::new(); // dropped, it ends what is in it
    helpers.spawn(keep_house(post.clone()));
    let mut running = JoinSet::new();
    let mut shutdown = shutdown;
    tracing::info!(worker = %post.name, slots, "the worker is ready");
    while !*shutdown.borrow_and_update() {
        fill(&post, &mut running, slots.max(1)).await;
        tokio::select! {
            () = HINT.notified() => {}
            () = sleep(about(post.settings.poll)) => {}
            Some(_) = running.join_next() => {}
            changed = shutdown.changed() => if changed.is_err() { break },
        }
    }
    tracing::info!(worker = %post.name, running = running.len(), "the worker stops");
    while running.join_next().await.is_some() {}
    Ok(())
}

/// Claims while there are free slots and jobs for them.
async fn fill(post: &Arc<Post>, running: &mut JoinSet<()>, slots: usize) {
    while running.try_join_next().is_some() {}
    let mut another = false;
    while running.len() <= slots && !*post.shutdown.borrow() {
        let before = Instant::now();
        let claimed = if running.len() < slots && another {
            claim_another(&post.pool, &post.name, &post.settings).await
        } else if running.len() < slots {
            claim(&post.pool, &post.name, &post.settings).await
        } else {
            claim_up_to(&post.pool, &post.name, &post.settings, JobClass::Restore).await
        };
        match claimed {
            Ok(Some(claimed)) => {
                another = true;
                running.spawn(attempt::run(post.clone(), claimed, before));
            }
            Ok(None) => return,
            Err(e) => {
                tracing::warn!(worker = %post.name, "no job could be claimed, and it is tried again: {e}");
                return;
            }
        }
    }
}

/// Takes away leases that ran out, and tidies the line. A round that panics is not the last one.
async fn keep_house(post: Arc<Post>) {
    loop {
        if let Err(e) = tokio::spawn(round(post.clone())).await {
            tracing::error!(worker = %post.name, "the queue's upkeep failed: {e}");
        }
        sleep(about(post.settings.reap)).await;
    }
}

async fn round(post: Arc<Post>) {
    match reap_for(&post.pool, &post.settings, Some(&*post.runner)).await {
        Ok(ended) => {
            for (job, how) in &ended {
                tracing::warn!(%job, ?how, "a lost attempt was ended");
            }
            if !ended.is_empty() {
                hint();
            }
        }
        Err(e) => tracing::warn!(worker = %post.name, "leases that ran out could not be looked for: {e}"),
    }
    if let Err(e) = tidy(&post.pool, &post.settings).await {
        tracing::warn!(worker = %post.name, "the queue could not be tidied: {e}");
    }
}

/// Give or take a fifth, so that workers do not walk in step.
fn about(d: Duration) -> Duration {
    let dice = f64::from(chance::bytes::<1>()[0]) / 255.0;
    d.mul_f64(0.8 + 0.4 * dice)
}
