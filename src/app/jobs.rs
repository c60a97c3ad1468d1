//! Jobs as people see them: listed, followed, cancelled.

use super::{App, access, access::Actor};
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::sql::Conn;
use crate::db;
use crate::domain::ids::{EnvironmentId, JobId, TenantId};
use crate::domain::page::{JobRow, Rights};
use crate::domain::rights::Right;
use crate::domain::view;
use crate::queue;
use std::collections::{BTreeSet, HashMap};

/// What jobs are shown with beside their own rows, asked for once for all of them.
struct Names {
    tenants: HashMap<String, String>,
    environments: HashMap<String, String>,
}

impl Names {
    async fn of(conn: &mut Conn, jobs: &[queue::Job]) -> Result<Self> {
        let tenants = distinct(jobs.iter().map(|j| &j.tenant.0));
        let environments = distinct(jobs.iter().filter_map(|j| Some(&j.environment.as_ref()?.0)));
        Ok(Self {
            tenants: db::tenants::names(conn, &tenants).await?,
            environments: db::environments::addresses(conn, &environments).await?,
        })
    }
}

fn distinct<'a>(ids: impl Iterator<Item = &'a String>) -> Vec<String> {
    ids.collect::<BTreeSet<_>>().into_iter().cloned().collect()
}

async fn view_of(conn: &mut Conn, job: queue::Job) -> Result<view::Job> {
    let names = Names::of(conn, std::slice::from_ref(&job)).await?;
    Ok(view(job, &names))
}

fn view(job: queue::Job, names: &Names) -> view::Job {
    // What is dropped in a week would otherwise look like a queue that stands still.
    let later = (job.state == queue::State::Queued && job.run_at > job.created).then(|| format!("until {}", job.run_at.for_people()));
    view::Job {
        id: job.id.0,
        tenant: names.tenants.get(&job.tenant.0).cloned().unwrap_or_default(),
        kind: job.kind,
        subject: job.subject,
        environment: job.environment.and_then(|id| names.environments.get(&id.0).cloned()),
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
    }
}

/// Whose jobs the actor may see.
pub(crate) async fn tenants_of(conn: &mut Conn, actor: &Actor) -> Result<queue::Tenants> {
    if let Some(only) = &actor.tenant {
        let seen = access::in_tenant(conn, actor, only, Right::View, "tenant").await.is_ok();
        return Ok(queue::Tenants::These(if seen { vec![only.clone()] } else { Vec::new() }));
    }
    if actor.administrator {
        return Ok(queue::Tenants::All);
    }
    let memberships = db::tenants::of_account(conn, &actor.account).await?;
    Ok(queue::Tenants::These(memberships.into_iter().map(|m| TenantId(m.tenant_id)).collect()))
}

pub async fn find(app: &App, actor: &Actor, id: &JobId) -> Result<view::Job> {
    let mut conn = app.pool.get().await?;
    let job = access::job(&mut conn, actor, id, Right::View).await?;
    view_of(&mut conn, job).await
}

/// The newest jobs in the tenants that the actor may see, or of one environment.
pub async fn list(app: &App, actor: &Actor, environment: Option<&EnvironmentId>, state: Option<&str>) -> Result<Vec<view::Job>> {
    let mut conn = app.pool.get().await?;
    if let Some(id) = environment {
        access::environment(&mut conn, actor, id, Right::View).await?;
    }
    let mut filter = queue::Filter::of(tenants_of(&mut conn, actor).await?);
    filter.environment = environment.cloned();
    filter.states = state.map(queue::State::parse).transpose()?.into_iter().collect();
    let jobs = queue::list(&mut conn, &filter).await?;
    let names = Names::of(&mut conn, &jobs).await?;
    Ok(jobs.into_iter().map(|job| view(job, &names)).collect())
}

/// A page of jobs for people: the newest, or those after one. The id after which older ones follow comes with it.
pub async fn page(app: &App, actor: &Actor, state: &str, after: &str) -> Result<(Vec<JobRow>, Option<String>)> {
    let mut conn = app.pool.get().await?;
    let mut filter = queue::Filter::of(tenants_of(&mut conn, actor).await?);
    filter.states = Some(state).filter(|s| !s.is_empty()).map(queue::State::parse).transpose()?.into_iter().collect();
    if !after.is_empty() {
        let last = access::job(&mut conn, actor, &JobId(after.to_owned()), Right::View).await?;
        filter.after = Some((last.created, last.id));
    }
    filter.limit = PAGE + 1;
    let mut jobs = queue::list(&mut conn, &filter).await?;
    let more = jobs.len() > PAGE as usize;
    jobs.truncate(PAGE as usize);
    let older = jobs.last().filter(|_| more).map(|j| j.id.0.clone());
    Ok((rows_of(&mut conn, jobs).await?, older))
}

const PAGE: u32 = 50;

/// What runs or waits on an environment, without what waits for a day that is set. The caller has found the environment.
pub(crate) async fn active_on(conn: &mut Conn, now: Millis, tenant: &TenantId, environment: &EnvironmentId) -> Result<Vec<JobRow>> {
    let mut filter = queue::Filter::of(queue::Tenants::These(vec![tenant.clone()]));
    filter.environment = Some(environment.clone());
    filter.states = vec![queue::State::Running, queue::State::Queued, queue::State::RetryWait];
    filter.limit = 20;
    let jobs = queue::list(conn, &filter).await?;
    let soon = jobs.into_iter().filter(|j| j.state == queue::State::Running || j.run_at <= now.plus(Millis::DAY / 2));
    rows_of(conn, soon.collect()).await
}

/// One job for people; `None` when there is none any more.
pub async fn row(app: &App, actor: &Actor, id: &JobId) -> Result<(JobRow, Rights)> {
    let mut conn = app.pool.get().await?;
    let job = access::job(&mut conn, actor, id, Right::View).await?;
    let rights = access::rights(&mut conn, actor, &job.tenant).await?;
    let mut rows = rows_of(&mut conn, vec![job]).await?;
    Ok((rows.pop().ok_or_else(|| access::hidden("job"))?, rights))
}

async fn rows_of(conn: &mut Conn, jobs: Vec<queue::Job>) -> Result<Vec<JobRow>> {
    let names = Names::of(conn, &jobs).await?;
    let initiators = distinct(jobs.iter().filter_map(|j| Some(&j.initiator.as_ref()?.0)));
    let emails = db::accounts::emails(conn, &initiators).await?;
    let row = |job: queue::Job| {
        let initiator = job.initiator.as_ref().and_then(|id| emails.get(&id.0).cloned());
        let (created, started, finished) = (job.created, job.started, job.finished);
        let worker = job.worker.clone();
        let view = view(job, &names);
        JobRow {
            id: view.id,
            kind: view.kind,
            subject: view.subject,
            tenant: view.tenant,
            environment: view.environment,
            state: view.state,
            phase: view.phase,
            bytes: view.bytes,
            bytes_total: view.bytes_total,
            files: view.files,
            attempt: view.attempt,
            worker,
            initiator,
            blocked_on: view.blocked_on,
            message: view.message,
            hint: view.hint,
            created,
            started,
            finished,
            cancel_requested: view.cancel_requested,
        }
    };
    Ok(jobs.into_iter().map(row).collect())
}

/// Makes a new job like one that has ended without success: what it was about is asked for once more.
///
/// # Errors
/// `Conflict` for one that runs or went well, and for a restore: that is asked for on its own page, with its preview.
pub async fn retry(app: &App, actor: &Actor, id: &JobId) -> Result<String> {
    use crate::domain::ids::BackupId;
    let mut conn = app.pool.get().await?;
    let job = access::job(&mut conn, actor, id, Right::View).await?;
    let again = job.state.is_final() && job.state != queue::State::Succeeded && job.kind == super::backups::JOB;
    if !again {
        return Err(Error::conflict("this job cannot be tried again")
            .hint("only a backup that has not gone well can; a restore begins with its preview"));
    }
    let row = access::backup(&mut conn, actor, &BackupId(job.subject), Right::Create).await?;
    let elements = db::backups::elements(&mut conn, &job.tenant, &BackupId(row.id.clone())).await?;
    drop(conn);
    let new = view::CreateBackup {
        element: Some(elements.into_iter().map(|e| e.element).collect::<Vec<_>>().join(",")),
        note: row.note,
        keep_for: row.keep_for_days.and_then(|d| u32::try_from(d).ok()),
    };
    let (backup, _) = super::backups::create(app, actor, &EnvironmentId(row.environment_id), &new, None).await?;
    Ok(backup.id)
}

/// Asks a job to end. Whoever may start it may cancel it.
pub async fn cancel(app: &App, actor: &Actor, id: &JobId) -> Result<view::Job> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let seen = access::job(&mut tx, actor, id, Right::View).await?;
    let right = right_to_cancel(&seen.kind);
    access::in_tenant(&mut tx, actor, &seen.tenant, right, "job").await?;
    if seen.kind == super::restores::DROP_JOB {
        return Err(Error::conflict("what lies aside after a restore is dropped when its time is over")
            .hint("to keep it, undo the restore or take a backup of it"));
    }
    let job = queue::cancel(&mut tx, now, &seen.tenant, id).await?;
    activity::record(&mut tx, now, actor, Some(&seen.tenant), "job.cancel", &id.0, &seen.kind).await?;
    if seen.state != queue::State::Cancelled && job.state == queue::State::Cancelled {
        settle_cancelled(&mut tx, app, now, &job).await?;
    }
    let view = view_of(&mut tx, job).await?;
    tx.commit().await?;
    Ok(view)
}

/// Whoever may ask for a job of this kind may ask for its end.
pub fn right_to_cancel(kind: &str) -> Right {
    match kind {
        super::backups::JOB | super::drills::JOB => Right::Create,
        super::downloads::JOB => Right::Download,
        _ => Right::Restore,
    }
}

/// A job that never began is cancelled at once, and so is what it was for.
async fn settle_cancelled(conn: &mut Conn, app: &App, now: Millis, job: &queue::Job) -> Result<()> {
    use crate::domain::ids::{BackupId, DownloadId, DrillId, RestoreId};
    match job.kind.as_str() {
        super::backups::JOB => {
            let state = crate::domain::state::BackupState::Cancelled;
            super::backups::settle(conn, app, now, &BackupId(job.subject.clone()), state, "cancelled before it began").await
        }
        super::restores::JOB => {
            super::restores::settle(conn, app, now, &RestoreId(job.subject.clone()), true, "cancelled before it began").await
        }
        super::drills::JOB => super::drills::settle(conn, app, now, &DrillId(job.subject.clone()), true, "cancelled before it began").await,
        super::downloads::JOB => {
            super::downloads::settle(conn, now, &DownloadId(job.subject.clone()), true, "cancelled before it began").await
        }
        _ => Ok(()),
    }
}

/// The task log after a line.
pub async fn log(app: &App, actor: &Actor, id: &JobId, after: i64) -> Result<Vec<view::LogLine>> {
    let mut conn = app.pool.get().await?;
    let job = access::job(&mut conn, actor, id, Right::View).await?;
    let lines = queue::log_after(&mut conn, &job.id, after).await?;
    Ok(lines.into_iter().map(|l| view::LogLine { number: l.number, at: l.at.iso(), level: l.level.word().into(), text: l.text }).collect())
}
