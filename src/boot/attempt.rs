//! One attempt at a job, in a process of its own: a panic, an exhausted memory or a kill reaches nobody else.
//!
//! It learns what to do on standard input, dies with its worker, and ends at SIGTERM at the next safe point. Exit codes
//! are for the supervisor only: 0, the job's end is written; 75, the job goes back (our own shutdown); else it crashed.

use super::wiring::Handover;
use crate::app::attempt::{Attempt, Ended};
use crate::base::error::{Class, Error, Result};
use crate::base::watch::Watch;
use crate::base::{failpoint, telemetry};
use crate::jobs;
use crate::queue::{self, Lease, Outcome};
use rustix::process::{DumpableBehavior, Signal};
use std::io::Read;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

const GIVEN_BACK: u8 = 75;

pub(super) fn main() -> ExitCode {
    telemetry::start();
    match prepare().and_then(run) {
        Ok(Ended::Finished) => ExitCode::SUCCESS,
        Ok(Ended::Released) => ExitCode::from(GIVEN_BACK),
        Err(e) => {
            tracing::error!("{e}");
            ExitCode::FAILURE
        }
    }
}

/// Before anything secret is in memory: no core dump, no look from outside, and no life without the worker.
fn prepare() -> Result<Handover> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(rustix::process::Resource::Core, none)?;
    let mut text = Vec::new();
    std::io::stdin().lock().take(1 << 20).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(|e| Error::invalid(format!("an attempt is started by a worker only: {e}")))
}

fn run(handover: Handover) -> Result<Ended> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(async {
        failpoint::arm_from(handover.tuning.failpoints.clone());
        let (lease, kind, subject) = handover.job.clone().ok_or_else(|| Error::invalid("the worker named no job"))?;
        let app = handover.app(4).await?;
        let watch = Watch::new();
        cancel_on_sigterm(watch.clone())?;
        let attempt = Attempt::new(app, lease.clone(), watch);
        let reports = tokio::spawn(attempt.clone().report());
        let ended = jobs::run(&attempt, &kind, &subject).await;
        reports.abort();
        match ended {
            Err(e) if e.class() != Class::Fenced => finish(&attempt, &lease, &e).await.map(|()| Ended::Finished),
            other => other,
        }
    })
}

fn cancel_on_sigterm(watch: Watch) -> Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        while term.recv().await.is_some() {
            watch.cancel();
        }
    });
    Ok(())
}

/// The verb itself could not write its end: the job says why, and what it was about is settled as when it had crashed too
/// often.
async fn finish(attempt: &Attempt, lease: &Lease, e: &Error) -> Result<()> {
    tracing::error!("{}: {e}", lease.job);
    attempt.log(queue::Level::Error, e.to_string()).await;
    let now = attempt.now().await?;
    let mut tx = attempt.begin().await?;
    let finished = queue::finish(&mut tx, now, lease, Outcome::failed(e)).await?;
    if finished.will_retry_at.is_none() {
        let job = queue::find(&mut tx, &queue::Tenants::All, &lease.job).await?;
        jobs::settle(&mut tx, &attempt.app, now, &job, &queue::Ended::Failed).await?;
    }
    tx.commit().await?;
    Ok(())
}
