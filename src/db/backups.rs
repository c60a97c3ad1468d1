//! Backups and their elements.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, EnvironmentId, TenantId};
use crate::domain::state::BackupState;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Backup {
    pub id: String,
    pub tenant_id: String,
    pub tenant: String,
    pub site_id: String,
    pub site: String,
    pub environment_id: String,
    pub environment: String,
    pub state: String,
    pub reason: String,
    pub note: Option<String>,
    pub account_id: Option<String>,
    pub initiator: String,
    pub keep_for_days: Option<i64>,
    pub pinned: i64,
    pub protected: i64,
    pub job_id: Option<String>,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    pub message: Option<String>,
    pub hint: Option<String>,
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct BackupElement {
    pub tenant_id: String,
    pub backup_id: String,
    pub element: String,
    pub state: String,
    pub snapshot: Option<String>,
    pub size: i64,
    pub files: i64,
    pub stored: i64,
    pub manifest: String,
    pub problems: String,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
}

pub async fn insert(conn: &mut Conn, b: &Backup, elements: &[Element]) -> Result<()> {
    let sql = "
        insert into backups (id, tenant_id, site_id, environment_id, state, reason, note, account_id, initiator,
                             keep_for_days, pinned, protected, job_id, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    let query = run(sql)
        .bind(b.id.clone())
        .bind(b.tenant_id.clone())
        .bind(b.site_id.clone())
        .bind(b.environment_id.clone())
        .bind(b.state.clone())
        .bind(b.reason.clone())
        .bind(b.note.clone())
        .bind(b.account_id.clone())
        .bind(b.initiator.clone())
        .bind(b.keep_for_days)
        .bind(b.pinned)
        .bind(b.protected)
        .bind(b.job_id.clone())
        .bind(b.created_at);
    changed(conn, query).await?;
    for element in elements {
        let sql = "
            insert into backup_elements (tenant_id, backup_id, element, state, size, files, stored, manifest, problems)
            values ($1, $2, $3, 'queued', 0, 0, 0, '{}', '[]')";
        changed(conn, run(sql).bind(b.tenant_id.clone()).bind(b.id.clone()).bind(element.name())).await?;
    }
    Ok(())
}

/// By id alone: for `app::access` to judge, and for the worker.
pub async fn find(conn: &mut Conn, id: &BackupId) -> Result<Option<Backup>> {
    let sql = "
        select b.id, b.tenant_id, t.name as tenant, b.site_id, s.name as site, b.environment_id, e.name as environment,
               b.state, b.reason, b.note, b.account_id, b.initiator, b.keep_for_days, b.pinned, b.protected, b.job_id,
               b.created_at, b.started_at, b.finished_at, b.message, b.hint
        from backups b
        join environments e on e.tenant_id = b.tenant_id and e.id = b.environment_id
        join sites s on s.tenant_id = b.tenant_id and s.id = b.site_id
        join tenants t on t.id = b.tenant_id
        where b.id = $1";
    Ok(rows(sql).bind(id.0.clone()).fetch_optional(conn).await?)
}

/// One page of an environment's log, newest first, beginning after `(created_at, id)`.
pub async fn log(
    conn: &mut Conn,
    tenant: &TenantId,
    environment: &EnvironmentId,
    after: Option<(i64, String)>,
    limit: i64,
) -> Result<Vec<Backup>> {
    let sql = "
        select b.id, b.tenant_id, t.name as tenant, b.site_id, s.name as site, b.environment_id, e.name as environment,
               b.state, b.reason, b.note, b.account_id, b.initiator, b.keep_for_days, b.pinned, b.protected, b.job_id,
               b.created_at, b.started_at, b.finished_at, b.message, b.hint
        from backups b
        join environments e on e.tenant_id = b.tenant_id and e.id = b.environment_id
        join sites s on s.tenant_id = b.tenant_id and s.id = b.site_id
        join tenants t on t.id = b.tenant_id
        where b.tenant_id = $1 and b.environment_id = $2 and (b.created_at, b.id) < ($3, $4)
        order by b.created_at desc, b.id desc
        limit $5";
    let (at, id) = after.unwrap_or((i64::MAX, "~".into()));
    let query = rows(sql).bind(tenant.0.clone()).bind(environment.0.clone()).bind(at).bind(id).bind(limit);
    Ok(query.fetch_all(conn).await?)
}

pub async fn elements(conn: &mut Conn, tenant: &TenantId, backup: &BackupId) -> Result<Vec<BackupElement>> {
    let sql = "
        select tenant_id, backup_id, element, state, snapshot, size, files, stored, manifest, problems, started_at, finished_at
        from backup_elements
        where tenant_id = $1 and backup_id = $2
        order by element";
    Ok(rows(sql).bind(tenant.0.clone()).bind(backup.0.clone()).fetch_all(conn).await?)
}

/// The finishing time of the newest succeeded backup of an environment.
pub async fn last_good(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId) -> Result<Option<i64>> {
    let sql = "
        select finished_at from backups
        where tenant_id = $1 and environment_id = $2 and state = 'succeeded'
        order by created_at desc, id desc
        limit 1";
    let found: Option<(Option<i64>,)> = rows(sql).bind(tenant.0.clone()).bind(environment.0.clone()).fetch_optional(conn).await?;
    Ok(found.and_then(|(at,)| at))
}

pub async fn set_job(conn: &mut Conn, tenant: &TenantId, id: &BackupId, job: &str) -> Result<()> {
    changed(
        conn,
        run("update backups set job_id = $3 where tenant_id = $1 and id = $2")
            .bind(tenant.0.clone())
            .bind(id.0.clone())
            .bind(job.to_owned()),
    )
    .await?;
    Ok(())
}

pub async fn started(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &BackupId) -> Result<()> {
    let sql = "
        update backups set state = 'running', started_at = coalesce(started_at, $3)
        where tenant_id = $1 and id = $2 and state in ('queued', 'running')";
    changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(now.0)).await?;
    Ok(())
}

/// The end of a backup; a final state is never changed again.
pub async fn ended(
    conn: &mut Conn,
    now: Millis,
    tenant: &TenantId,
    id: &BackupId,
    state: BackupState,
    message: Option<(String, Option<String>)>,
) -> Result<bool> {
    let sql = "
        update backups set state = $3, finished_at = $4, message = $5, hint = $6
        where tenant_id = $1 and id = $2 and state in ('queued', 'running')";
    let (message, hint) = message.map_or((None, None), |(m, h)| (Some(m), h));
    let query = run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(state.word()).bind(now.0).bind(message).bind(hint);
    let ended = changed(conn, query).await? == 1;
    if ended {
        let sql = "
            update backup_elements set state = $3, finished_at = $4
            where tenant_id = $1 and backup_id = $2 and state in ('queued', 'running')";
        let left = if state.is_usable() { BackupState::Failed } else { state };
        changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(left.word()).bind(now.0)).await?;
    }
    Ok(ended)
}

/// A safety backup is opened again for its second pass.
pub async fn reopened(conn: &mut Conn, tenant: &TenantId, id: &BackupId) -> Result<()> {
    let sql = "update backups set state = 'running', finished_at = null where tenant_id = $1 and id = $2";
    changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone())).await?;
    Ok(())
}

/// An element with its snapshot, or with the state it ended in.
pub async fn set_element(conn: &mut Conn, e: &BackupElement) -> Result<()> {
    let sql = "
        update backup_elements
        set state = $4, snapshot = $5, size = $6, files = $7, stored = $8, manifest = $9, problems = $10, started_at = $11, finished_at = $12
        where tenant_id = $1 and backup_id = $2 and element = $3";
    let query = run(sql)
        .bind(e.tenant_id.clone())
        .bind(e.backup_id.clone())
        .bind(e.element.clone())
        .bind(e.state.clone())
        .bind(e.snapshot.clone())
        .bind(e.size)
        .bind(e.files)
        .bind(e.stored)
        .bind(e.manifest.clone())
        .bind(e.problems.clone())
        .bind(e.started_at)
        .bind(e.finished_at);
    changed(conn, query).await?;
    Ok(())
}

pub async fn set_note(conn: &mut Conn, tenant: &TenantId, id: &BackupId, note: Option<&str>) -> Result<()> {
    let query = run("update backups set note = $3 where tenant_id = $1 and id = $2");
    changed(conn, query.bind(tenant.0.clone()).bind(id.0.clone()).bind(note.map(str::to_owned))).await?;
    Ok(())
}

pub async fn set_pinned(conn: &mut Conn, tenant: &TenantId, id: &BackupId, pinned: bool) -> Result<()> {
    let query = run("update backups set pinned = $3 where tenant_id = $1 and id = $2");
    changed(conn, query.bind(tenant.0.clone()).bind(id.0.clone()).bind(i64::from(pinned))).await?;
    Ok(())
}
