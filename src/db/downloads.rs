//! Prepared downloads, and the archives of each.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::downloads::DownloadState;
use crate::domain::ids::{ArchiveId, BackupId, DownloadId, TenantId};

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Download {
    pub id: String,
    pub tenant_id: String,
    pub backup_id: String,
    pub state: String,
    pub form: String,
    pub hours: i64,
    pub uses: Option<i64>,
    pub account_id: String,
    pub initiator: String,
    pub job_id: Option<String>,
    pub created_at: i64,
    pub finished_at: Option<i64>,
    pub expires_at: Option<i64>,
    pub message: Option<String>,
    pub hint: Option<String>,
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Archive {
    pub id: String,
    pub tenant_id: String,
    pub download_id: String,
    pub backup_id: String,
    pub element: String,
    pub form: String,
    /// Its name in the store; with its size and hash, once it lies there whole.
    pub object: Option<String>,
    pub size: Option<i64>,
    pub sha256: Option<String>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, tenant_id, backup_id, state, form, hours, uses, account_id, initiator, job_id, created_at, finished_at,
                    expires_at, message, hint
             from downloads ",
            $rest
        )
    };
}

macro_rules! archives {
    ($rest:literal) => {
        concat!("select id, tenant_id, download_id, backup_id, element, form, object, size, sha256 from archives ", $rest)
    };
}

pub async fn insert(conn: &mut Conn, d: &Download, archives: &[Archive]) -> Result<()> {
    let sql = "
        insert into downloads (id, tenant_id, backup_id, state, form, hours, uses, account_id, initiator, job_id, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let query = run(sql)
        .bind(d.id.clone())
        .bind(d.tenant_id.clone())
        .bind(d.backup_id.clone())
        .bind(d.state.clone())
        .bind(d.form.clone())
        .bind(d.hours)
        .bind(d.uses)
        .bind(d.account_id.clone())
        .bind(d.initiator.clone())
        .bind(d.job_id.clone())
        .bind(d.created_at);
    changed(conn, query).await?;
    for a in archives {
        let sql = "insert into archives (id, tenant_id, download_id, backup_id, element, form) values ($1, $2, $3, $4, $5, $6)";
        let query = run(sql).bind(a.id.clone()).bind(a.tenant_id.clone()).bind(a.download_id.clone()).bind(a.backup_id.clone());
        changed(conn, query.bind(a.element.clone()).bind(a.form.clone())).await?;
    }
    Ok(())
}

/// By id alone: for `app::access` to judge, and for the worker.
pub async fn find(conn: &mut Conn, id: &DownloadId) -> Result<Option<Download>> {
    Ok(rows(select!("where id = $1")).bind(id.0.clone()).fetch_optional(conn).await?)
}

/// The newest downloads of a backup.
pub async fn of_backup(conn: &mut Conn, tenant: &TenantId, backup: &BackupId, limit: i64) -> Result<Vec<Download>> {
    let sql = select!("where tenant_id = $1 and backup_id = $2 order by created_at desc, id desc limit $3");
    Ok(rows(sql).bind(tenant.0.clone()).bind(backup.0.clone()).bind(limit).fetch_all(conn).await?)
}

pub async fn archives(conn: &mut Conn, tenant: &TenantId, id: &DownloadId) -> Result<Vec<Archive>> {
    let sql = archives!("where tenant_id = $1 and download_id = $2 order by element, id");
    Ok(rows(sql).bind(tenant.0.clone()).bind(id.0.clone()).fetch_all(conn).await?)
}

/// By id alone: for `app::access` to judge, for links, and for who tidies the store.
pub async fn archive(conn: &mut Conn, id: &ArchiveId) -> Result<Option<Archive>> {
    Ok(rows(archives!("where id = $1")).bind(id.0.clone()).fetch_optional(conn).await?)
}

/// How many of a tenant's downloads wait, are prepared or lie ready.
pub async fn kept(conn: &mut Conn, tenant: &TenantId) -> Result<i64> {
    let sql = "select count(*) from downloads where tenant_id = $1 and state in ('queued', 'running', 'ready')";
    let (count,): (i64,) = rows(sql).bind(tenant.0.clone()).fetch_one(conn).await?;
    Ok(count)
}

/// An attempt at it begins; false when it has ended already.
pub async fn started(conn: &mut Conn, tenant: &TenantId, id: &DownloadId) -> Result<bool> {
    let sql = "update downloads set state = 'running' where tenant_id = $1 and id = $2 and state in ('queued', 'running')";
    Ok(changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone())).await? == 1)
}

/// An archive that lies whole in the store.
#[derive(Clone, Debug)]
pub struct Made<'a> {
    pub object: &'a str,
    pub size: u64,
    pub sha256: &'a str,
}

pub async fn made(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &ArchiveId, made: &Made<'_>) -> Result<()> {
    let sql = "update archives set object = $3, size = $4, sha256 = $5, made_at = $6 where tenant_id = $1 and id = $2";
    let size = i64::try_from(made.size).unwrap_or(i64::MAX);
    let query = run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(made.object.to_owned()).bind(size);
    changed(conn, query.bind(made.sha256.to_owned()).bind(now.0)).await.map(drop)
}

/// How a download ended.
#[derive(Clone, Debug)]
pub struct End<'a> {
    pub state: DownloadState,
    pub expires: Option<Millis>,
    pub message: Option<&'a str>,
    pub hint: Option<&'a str>,
}

/// The end of the work; false when it has ended already.
pub async fn ended(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &DownloadId, end: &End<'_>) -> Result<bool> {
    let sql = "
        update downloads set state = $3, expires_at = $4, message = $5, hint = $6, finished_at = $7
        where tenant_id = $1 and id = $2 and state in ('queued', 'running')";
    let query = run(sql)
        .bind(tenant.0.clone())
        .bind(id.0.clone())
        .bind(end.state.word())
        .bind(end.expires.map(|at| at.0))
        .bind(end.message.map(str::to_owned))
        .bind(end.hint.map(str::to_owned))
        .bind(now.0);
    Ok(changed(conn, query).await? == 1)
}

/// What is made aside for it, before it is made; nothing, when it is dropped.
pub async fn set_scratch(conn: &mut Conn, tenant: &TenantId, id: &DownloadId, scratch: Option<&str>) -> Result<()> {
    let query = run("update downloads set scratch = $3 where tenant_id = $1 and id = $2");
    changed(conn, query.bind(tenant.0.clone()).bind(id.0.clone()).bind(scratch.map(str::to_owned))).await.map(drop)
}

/// What is noted as made aside for it.
pub async fn scratch(conn: &mut Conn, tenant: &TenantId, id: &DownloadId) -> Result<Option<String>> {
    let sql = "select scratch from downloads where tenant_id = $1 and id = $2 and scratch is not null";
    let found: Option<(String,)> = rows(sql).bind(tenant.0.clone()).bind(id.0.clone()).fetch_optional(conn).await?;
    Ok(found.map(|(text,)| text))
}

/// Downloads that have ended and left something aside: tenant, id, and what.
pub async fn littered(conn: &mut Conn, limit: i64) -> Result<Vec<(String, String, String)>> {
    let sql = "
        select tenant_id, id, scratch from downloads
        where scratch is not null and state not in ('queued', 'running')
        order by id
        limit $1";
    Ok(rows(sql).bind(limit).fetch_all(conn).await?)
}

/// Lets it lie ready until then at least; false when it does not any more.
pub async fn prolong(conn: &mut Conn, tenant: &TenantId, id: &DownloadId, until: Millis) -> Result<bool> {
    let sql = "
        update downloads set expires_at = case when expires_at < $3 then $3 else expires_at end
        where tenant_id = $1 and id = $2 and state = 'ready'";
    Ok(changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(until.0)).await? == 1)
}

/// Its archives may go: nothing is given out of them from here on. False when they went already.
pub async fn gone(conn: &mut Conn, tenant: &TenantId, id: &DownloadId, state: DownloadState) -> Result<bool> {
    let sql = "update downloads set state = $3 where tenant_id = $1 and id = $2 and state = 'ready'";
    Ok(changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(state.word())).await? == 1)
}

/// Downloads that lie ready beyond their time, or of a backup that was purged: tenant and id.
pub async fn over(conn: &mut Conn, now: Millis, limit: i64) -> Result<Vec<(String, String)>> {
    let sql = "
        select d.tenant_id, d.id from downloads d
        join backups b on b.tenant_id = d.tenant_id and b.id = d.backup_id
        where d.state = 'ready' and (d.expires_at <= $1 or b.expired_at is not null)
        order by d.expires_at, d.id
        limit $2";
    Ok(rows(sql).bind(now.0).bind(limit).fetch_all(conn).await?)
}
