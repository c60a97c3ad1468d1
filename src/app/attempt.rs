//! One attempt at a job, inside its child process: what it may write with, what it tells people, when it must stop.
//!
//! Every transaction of an attempt begins with its fence: the lease's token is compared and the job's row locked, so
//! that an attempt that lost its lease writes nothing more.

use super::App;
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::sql::Tx;
use crate::base::watch::Watch;
use crate::queue::{self, Lease, Level, Progress};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The attempt: shared by the verb that runs and the task that reports its progress.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub app: App,
    pub lease: Lease,
    pub watch: Watch,
    phase: Arc<Mutex<(String, Option<u64>)>>,
}

impl Attempt {
    pub fn new(app: App, lease: Lease, watch: Watch) -> Self {
        Self { app, lease, watch, phase: Arc::default() }
    }

    /// A line in the task log, for people. A log that cannot be written does not stop the work.
    pub async fn log(&self, level: Level, text: impl AsRef<str>) {
        if let Err(e) = queue::log(&self.app.pool, &self.lease, level, text.as_ref()).await {
            tracing::warn!("task log of {}: {e}", self.lease.job);
        }
    }
    pub async fn info(&self, text: impl AsRef<str>) {
        self.log(Level::Info, text).await;
    }
    pub async fn warn(&self, text: impl AsRef<str>) {
        self.log(Level::Warning, text).await;
    }

    /// A new phase, with the bytes it is expected to move; the counters begin at zero. Also a line in the task log.
    pub async fn phase(&self, name: &str, total: Option<u64>) -> Result<()> {
        self.watch.restart();
        *self.phase.lock().expect("no one panics while holding it") = (name.to_owned(), total);
        self.info(name).await;
        queue::progress(&self.app.pool, &self.lease, &self.progress()).await
    }

    fn progress(&self) -> Progress {
        let (phase, bytes_total) = self.phase.lock().expect("no one panics while holding it").clone();
        Progress { phase, bytes: self.watch.bytes(), bytes_total, files: self.watch.files() }
    }

    /// Writes the progress each second while it moves, until it is aborted.
    pub async fn report(self) {
        let mut last = self.progress();
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = self.progress();
            if now != last && queue::progress(&self.app.pool, &self.lease, &now).await.is_ok() {
                last = now;
            }
        }
    }

    /// A transaction that this attempt may write in.
    ///
    /// # Errors
    /// `Fenced` when the lease was lost.
    pub async fn begin(&self) -> Result<Tx> {
        let mut tx = self.app.pool.begin().await?;
        queue::fence(&mut tx, &self.lease).await?;
        Ok(tx)
    }

    /// Is the lease still ours? Asked before each act outside the database that cannot be taken back by itself.
    pub async fn fence(&self) -> Result<()> {
        self.begin().await?.commit().await.map_err(Error::from)
    }

    /// Did somebody ask for the end of the job? Otherwise a signal to stop is our own shutdown.
    pub async fn cancel_requested(&self) -> Result<bool> {
        let mut conn = self.app.pool.get().await?;
        Ok(queue::find(&mut conn, &queue::Tenants::All, &self.lease.job).await?.cancel_requested)
    }

    pub async fn now(&self) -> Result<Millis> {
        self.app.pool.now().await
    }

    /// Runs what blocks on a thread of its own.
    pub async fn blocking<T: Send + 'static>(&self, f: impl FnOnce(&Watch) -> Result<T> + Send + 'static) -> Result<T> {
        let watch = self.watch.clone();
        super::servers::blocking(move || f(&watch)).await
    }
}

/// How the work of an attempt ended, when it did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The final transaction is committed; nothing is left to do.
    Finished,
    /// Nothing may be decided here: the supervisor gives the job back (our own shutdown).
    Released,
}
