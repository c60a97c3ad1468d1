//! A worker: claims jobs and runs each attempt in a child process.

use super::wiring::{self, Handover, Tuning};
use super::{block_on, upkeep};
use crate::app::{App, outbox};
use crate::base::config::Config;
use crate::base::error::{Error, Result};
use crate::base::sql::Conn;
use crate::base::{chance, error::Class};
use crate::jobs;
use crate::queue::{self, Claimed, Ended, Job, Runner, Settling, Shutdown};
use std::process::Command;
use std::sync::Arc;

#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Options {
    /// Attempts at once; a restore gets one more
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub slots: u16,
}

pub(super) fn main(options: &Options) -> Result<()> {
    let config = wiring::configured()?;
    let tuning = Tuning::load()?;
    block_on(async {
        let app = wiring::app(&config, &tuning, 8).await?;
        let shutdown = queue::until_signal()?;
        let letters = outbox::deliver(&app, app.mailer.as_ref(), shutdown.clone());
        let upkeep = upkeep::run(&app, shutdown.clone());
        tokio::try_join!(run(&app, &config, &tuning, options.slots, shutdown), letters, upkeep).map(drop)
    })
}

/// Works until `shutdown`.
pub(super) async fn run(app: &App, config: &Config, tuning: &Tuning, slots: u16, shutdown: Shutdown) -> Result<()> {
    let beats = wiring::connect(config, 2).await?;
    let runner = Attempts { app: app.clone(), handover: Handover::of(config, tuning) };
    wiring::attempt_command()?; // found out now rather than at the first job
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name = format!("{host}-{}-{}", std::process::id(), chance::word(4));
    queue::work(app.pool.clone(), beats, tuning.queue.clone(), name, slots.into(), Arc::new(runner), shutdown).await
}

struct Attempts {
    app: App,
    handover: Handover,
}

impl Runner for Attempts {
    fn command(&self, claimed: &Claimed) -> (Command, Vec<u8>) {
        let handover = Handover {
            database_url: self.handover.database_url.clone(),
            store_url: self.handover.store_url.clone(),
            downloads_url: self.handover.downloads_url.clone(),
            public_url: self.handover.public_url.clone(),
            master_key_file: self.handover.master_key_file.clone(),
            tuning: self.handover.tuning.clone(),
            job: Some((claimed.lease.clone(), claimed.job.kind.clone(), claimed.job.subject.clone())),
        };
        let command = wiring::attempt_command().unwrap_or_else(|_| Command::new("sitekeep"));
        (command, serde_json::to_vec(&handover).expect("strings and numbers become JSON"))
    }

    fn settled<'a>(&'a self, conn: &'a mut Conn, job: &'a Job, ended: &'a Ended) -> Settling<'a> {
        Box::pin(async move {
            let now = self.app.pool.now().await?;
            match jobs::settle(conn, &self.app, now, job, ended).await {
                // A subject that is gone has nothing to settle.
                Err(e) if e.class() == Class::NotFound => Ok(()),
                other => other,
            }
        })
    }
}

/// For `serve`: a worker that ended by itself is an error, whatever it said.
pub(super) fn unexpected(result: Result<()>) -> Error {
    result.err().unwrap_or_else(|| Error::internal("the worker inside the server ended"))
}
