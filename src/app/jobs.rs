//! Jobs as people see them: listed, followed, cancelled.

use super::{App, access, access::Actor, environments};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::sql::Conn;
use crate::db;
use crate::domain::ids::{EnvironmentId, JobId, TenantId};
use crate::domain::rights::Right;
use crate::domain::view;
use crate::queue;

async fn visible(conn: &mut Conn, actor: &Actor, id: &JobId, right: Right) -> Result<queue::Job> {
    let found = queue::find(conn, &queue::Tenants::All, id).await.map_err(|_| access::hidden("job"))?;
    access::in_tenant(conn, actor, &found.tenant, right, "job").await?;
    Ok(found)
}

async fn view_of(conn: &mut Conn, job: queue::Job) -> Result<view::Job> {
    let tenant = db::tenants::find(conn, &job.tenant).await?.map(|t| t.name).unwrap_or_default();
    let environment = match &job.environment {
        Some(id) => db::environments::find(conn, id).await?.map(|e| environments::address(&e)),
        None => None,
    };
    // What is dropped in a week would otherwise look like a queue that stands still.
    let later = (job.state == queue::State::Queued && job.run_at > job.created).then(|| format!("until {}", job.run_at.for_people()));
    Ok(view::Job {
        id: job.id.0,
        tenant,
        kind: job.kind,
        subject: job.subject,
        environment,
        state: job.state.word().into(),
        attempt: job.attempt,
        phase: job.phase,
        bytes: job.bytes,
        bytes_total: job.bytes_total,
        files: job.files,
        blocked_on: job.blocked_on.or(later),
        message: job.message,
        hint: job.hint,
        created: job.created.iso(),
        started: job.started.map(|t| t.iso()),
        finished: job.finished.map(|t| t.iso()),
        cancel_requested: job.cancel_requested,
    })
}

pub async fn find(app: &App, actor: &Actor, id: &JobId) -> Result<view::Job> {
    let mut conn = app.pool.get().await?;
    let job = visible(&mut conn, actor, id, Right::View).await?;
    view_of(&mut conn, job).await
}

/// The newest jobs in the tenants that the actor may see, or of one environment.
pub async fn list(app: &App, actor: &Actor, environment: Option<&EnvironmentId>, state: Option<&str>) -> Result<Vec<view::Job>> {
    let mut conn = app.pool.get().await?;
    if let Some(id) = environment {
        access::environment(&mut conn, actor, id, Right::View).await?;
    }
    let tenants: Vec<TenantId> = access::tenants(&mut conn, actor).await?.into_iter().map(|t| TenantId(t.id)).collect();
    let mut filter = queue::Filter::of(queue::Tenants::These(tenants));
    filter.environment = environment.cloned();
    filter.states = state.map(queue::State::parse).transpose()?.into_iter().collect();
    let mut jobs = Vec::new();
    for job in queue::list(&mut conn, &filter).await? {
        jobs.push(view_of(&mut conn, job).await?);
    }
    Ok(jobs)
}

/// Asks a job to end. Whoever may start it may cancel it.
pub async fn cancel(app: &App, actor: &Actor, id: &JobId) -> Result<view::Job> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let seen = visible(&mut tx, actor, id, Right::View).await?;
    let right = if seen.kind == super::backups::JOB { Right::Create } else { Right::Restore };
    access::in_tenant(&mut tx, actor, &seen.tenant, right, "job").await?;
    if seen.kind == super::restores::DROP_JOB {
        return Err(Error::conflict("what lies aside after a restore is dropped when its time is over")
            .hint("to keep it, undo the restore or take a backup of it"));
    }
    let job = queue::cancel(&mut tx, now, &seen.tenant, id).await?;
    let act = db::activity::Act {
        tenant: Some(&seen.tenant),
        account: Some(&actor.account),
        actor: &actor.email,
        action: "job.cancel",
        object: &id.0,
        detail: &seen.kind,
        address: &actor.address,
    };
    db::activity::record(&mut tx, now, &act).await?;
    if seen.state != queue::State::Cancelled && job.state == queue::State::Cancelled {
        settle_cancelled(&mut tx, now, &job).await?;
    }
    let view = view_of(&mut tx, job).await?;
    tx.commit().await?;
    Ok(view)
}

/// A job that never began is cancelled at once, and so is what it was for.
async fn settle_cancelled(conn: &mut Conn, now: Millis, job: &queue::Job) -> Result<()> {
    use crate::domain::ids::{BackupId, RestoreId};
    match job.kind.as_str() {
        super::backups::JOB => {
            let state = crate::domain::state::BackupState::Cancelled;
            super::backups::settle(conn, now, &BackupId(job.subject.clone()), state, "cancelled before it began").await
        }
        super::restores::JOB => {
            super::restores::settle(conn, now, &RestoreId(job.subject.clone()), true, "cancelled before it began").await
        }
        _ => Ok(()),
    }
}

/// The task log after a line.
pub async fn log(app: &App, actor: &Actor, id: &JobId, after: i64) -> Result<Vec<view::LogLine>> {
    let mut conn = app.pool.get().await?;
    let job = visible(&mut conn, actor, id, Right::View).await?;
    let lines = queue::log_after(&mut conn, &job.id, after).await?;
    Ok(lines.into_iter().map(|l| view::LogLine { number: l.number, at: l.at.iso(), level: l.level.word().into(), text: l.text }).collect())
}
