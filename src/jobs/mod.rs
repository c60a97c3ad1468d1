//! The kinds of jobs: one thin file each. A job carries ids only, can be repeated, and says what becomes of its subject
//! when its worker is lost for good.
//!
//! To add a kind: a file with `KIND`, `run` and `settle`, and its arm in the two tables below.

mod check_repository;
mod clean_up;
mod create_backup;
mod drop_aside;
mod prepare_download;
mod run_drill;
mod run_restore;
mod verify_backup;

use crate::app::App;
use crate::app::attempt::{Attempt, Ended};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::sql::Conn;
use crate::queue::{self, Job};

/// Runs one attempt at a job; inside its child process.
pub async fn run(attempt: &Attempt, kind: &str, subject: &str) -> Result<Ended> {
    match kind {
        create_backup::KIND => create_backup::run(attempt, subject).await,
        run_restore::KIND => run_restore::run(attempt, subject).await,
        clean_up::KIND => clean_up::run(attempt, subject).await,
        check_repository::KIND => check_repository::run(attempt, subject).await,
        drop_aside::KIND => drop_aside::run(attempt, subject).await,
        run_drill::KIND => run_drill::run(attempt, subject).await,
        prepare_download::KIND => prepare_download::run(attempt, subject).await,
        verify_backup::KIND => verify_backup::run(attempt, subject).await,
        other => {
            Err(Error::permanent(format!("this version of Sitekeep knows no job `{other}`")).hint("run the same version of every worker"))
        }
    }
}

/// What becomes of a job's subject when the job ended and no attempt could say so; in the transaction that ended it.
pub async fn settle(conn: &mut Conn, app: &App, now: Millis, job: &Job, ended: &queue::Ended) -> Result<()> {
    let cancelled = match ended {
        queue::Ended::Requeued => return Ok(()),
        queue::Ended::Cancelled => true,
        queue::Ended::Failed => false,
    };
    let why = job.message.clone().unwrap_or_else(|| if cancelled { "cancelled".into() } else { "the worker crashed too often".into() });
    match job.kind.as_str() {
        create_backup::KIND => create_backup::settle(conn, app, now, &job.subject, cancelled, &why).await,
        clean_up::KIND => clean_up::settle(conn, now, &job.tenant, &job.subject).await,
        run_restore::KIND => run_restore::settle(conn, app, now, &job.subject, cancelled, &why).await,
        run_drill::KIND => run_drill::settle(conn, app, now, &job.subject, cancelled, &why).await,
        prepare_download::KIND => prepare_download::settle(conn, now, &job.subject, cancelled, &why).await,
        _ => Ok(()),
    }
}
