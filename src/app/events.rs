//! What a page follows: a text that changes whenever what the page shows has changed.
//!
//! Asked again and again while a page is open, and each time who asks is judged anew: a right that was taken away ends
//! the following, too.

use super::{App, access, access::Actor, jobs};
use crate::base::error::{Error, Result};
use crate::base::sql::Conn;
use crate::db;
use crate::db::backups::Narrow;
use crate::domain::ids::{BackupId, DrillId, EnvironmentId, JobId, RestoreId, TenantId};
use crate::domain::rights::Right;
use crate::queue;

/// The state of a topic: `job:ID`, `backup:ID`, `restore:ID`, `drill:ID`, `environment:ID`, or `jobs`.
///
/// # Errors
/// `NotFound` for what is not there or not theirs.
pub async fn fingerprint(app: &App, actor: &Actor, topic: &str) -> Result<String> {
    let mut conn = app.pool.get().await?;
    let (kind, id) = topic.split_once(':').unwrap_or((topic, ""));
    match kind {
        "jobs" => all_jobs(&mut conn, actor).await,
        "job" => job(&mut conn, actor, &JobId(id.to_owned())).await,
        "backup" => backup(&mut conn, actor, &BackupId(id.to_owned())).await,
        "restore" => restore(&mut conn, actor, &RestoreId(id.to_owned())).await,
        "drill" => drill(&mut conn, actor, &DrillId(id.to_owned())).await,
        "environment" => environment(&mut conn, actor, &EnvironmentId(id.to_owned())).await,
        _ => {
            Err(Error::invalid("this cannot be followed").hint("a topic is jobs, or job, backup, restore, drill or environment with an id"))
        }
    }
}

fn of_job(j: &queue::Job) -> String {
    format!("{} {} {} {} {} {} {} {:?}", j.id, j.state, j.phase, j.bytes, j.files, j.attempt, j.cancel_requested, j.blocked_on)
}

async fn all_jobs(conn: &mut Conn, actor: &Actor) -> Result<String> {
    let mut filter = queue::Filter::of(jobs::tenants_of(conn, actor).await?);
    filter.limit = 50;
    Ok(queue::list(conn, &filter).await?.iter().map(of_job).collect::<Vec<_>>().join("\n"))
}

async fn job(conn: &mut Conn, actor: &Actor, id: &JobId) -> Result<String> {
    let job = access::job(conn, actor, id, Right::View).await?;
    let lines = queue::log_length(conn, id).await?;
    Ok(format!("{} {lines}", of_job(&job)))
}

/// The job of a thing, when it has one.
async fn job_of(conn: &mut Conn, actor: &Actor, id: Option<&str>) -> Result<String> {
    match id {
        Some(id) => job(conn, actor, &JobId(id.to_owned())).await,
        None => Ok(String::new()),
    }
}

async fn backup(conn: &mut Conn, actor: &Actor, id: &BackupId) -> Result<String> {
    let row = access::backup(conn, actor, id, Right::View).await?;
    let elements = db::backups::elements(conn, &TenantId(row.tenant_id.clone()), id).await?;
    let states: Vec<String> = elements.into_iter().map(|e| e.state).collect();
    let edited = (row.note, row.pinned);
    let downloads = downloads_of(conn, &TenantId(row.tenant_id), id).await?;
    Ok(format!(
        "{} {states:?} {:?} {edited:?} {} {downloads}",
        row.state,
        row.deleted_at,
        job_of(conn, actor, row.job_id.as_deref()).await?
    ))
}

/// What is prepared of a backup, and how far it is. The caller has found the backup.
async fn downloads_of(conn: &mut Conn, tenant: &TenantId, backup: &BackupId) -> Result<String> {
    let mut lines = Vec::new();
    for d in db::downloads::of_backup(conn, tenant, backup, 20).await? {
        let moving = d.job_id.filter(|_| d.finished_at.is_none());
        let job = match moving {
            Some(id) => queue::find(conn, &queue::Tenants::All, &JobId(id)).await.map(|j| of_job(&j)).unwrap_or_default(),
            None => String::new(),
        };
        lines.push(format!("{} {} {job}", d.id, d.state));
    }
    Ok(lines.join("\n"))
}

async fn restore(conn: &mut Conn, actor: &Actor, id: &RestoreId) -> Result<String> {
    let row = access::restore(conn, actor, id, Right::View).await?;
    let steps = db::restores::steps(conn, &TenantId(row.tenant_id.clone()), id).await?;
    let states: Vec<String> = steps.into_iter().map(|s| s.state).collect();
    Ok(format!("{} {states:?} {:?} {}", row.state, row.undone_by, job_of(conn, actor, row.job_id.as_deref()).await?))
}

async fn drill(conn: &mut Conn, actor: &Actor, id: &DrillId) -> Result<String> {
    let row = access::drill(conn, actor, id, Right::View).await?;
    Ok(format!("{} {}", row.state, job_of(conn, actor, row.job_id.as_deref()).await?))
}

async fn environment(conn: &mut Conn, actor: &Actor, id: &EnvironmentId) -> Result<String> {
    let row = access::environment(conn, actor, id, Right::View).await?;
    let tenant = TenantId(row.tenant_id);
    let log = db::backups::log(conn, &tenant, id, &Narrow::default(), None, 25).await?;
    let mut lines: Vec<String> = log.iter().map(|b| format!("{} {} {:?} {}", b.id, b.state, b.note, b.pinned)).collect();
    let mut filter = queue::Filter::of(queue::Tenants::These(vec![tenant]));
    filter.environment = Some(id.clone());
    filter.limit = 5;
    lines.extend(queue::list(conn, &filter).await?.iter().map(of_job));
    Ok(lines.join("\n"))
}
