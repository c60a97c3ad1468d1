//! The way out of the trash: who is told before, what expires, and what may then leave the repository.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::{BackupId, EnvironmentId, SiteId, TenantId};

/// A backup in the trash, for a letter to its owners.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Trashed {
    pub id: String,
    pub environment_id: String,
    pub environment: String,
    pub reason: String,
    pub created_at: i64,
    pub deleted_by: String,
    pub purge_at: i64,
}

/// Tenants of whose trash something that could still be wanted is purged before `before`, and nobody was told.
pub async fn unnoticed_tenants(conn: &mut Conn, before: Millis) -> Result<Vec<String>> {
    let sql = "
        select distinct tenant_id from backups
        where purge_at < $1 and expired_at is null and noticed_at is null and state in ('succeeded', 'incomplete')
        order by tenant_id";
    let found: Vec<(String,)> = rows(sql).bind(before.0).fetch_all(conn).await?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Everything in a tenant's trash that nobody was told of, in the order in which it goes.
pub async fn unnoticed(conn: &mut Conn, tenant: &TenantId) -> Result<Vec<Trashed>> {
    let sql = "
        select b.id, b.environment_id, s.name || '.' || coalesce(e.removed_name, e.name) as environment, coalesce(b.note, b.reason) as reason,
               b.created_at, coalesce(b.deleted_by, '') as deleted_by, b.purge_at
        from backups b
        join environments e on e.tenant_id = b.tenant_id and e.id = b.environment_id
        join sites s on s.tenant_id = b.tenant_id and s.id = b.site_id
        where b.tenant_id = $1 and b.purge_at is not null and b.expired_at is null and b.noticed_at is null
          and b.state in ('succeeded', 'incomplete')
        order by b.purge_at, b.id
        limit 500";
    Ok(rows(sql).bind(tenant.0.clone()).fetch_all(conn).await?)
}

pub async fn set_noticed(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &BackupId) -> Result<()> {
    let query = run("update backups set noticed_at = $3 where tenant_id = $1 and id = $2");
    changed(conn, query.bind(tenant.0.clone()).bind(id.0.clone()).bind(now.0)).await?;
    Ok(())
}

/// Repositories of which something may be removed now, each with its tenant and site.
pub async fn repositories_due(conn: &mut Conn, now: Millis, noticed_before: Millis) -> Result<Vec<(String, String, String)>> {
    let sql = "
        select r.tenant_id, r.site_id, r.id
        from repositories r
        where coalesce(r.clean_up_paused_until, 0) <= $1 and (r.clean_up_at <= $1
           or exists (
             select 1 from backups b
             where b.tenant_id = r.tenant_id and b.site_id = r.site_id and b.purge_at <= $1 and b.expired_at is null
               and (b.noticed_at <= $2 or b.state in ('failed', 'cancelled')))
           or exists (
             select 1 from backup_elements x
             join backups b on b.tenant_id = x.tenant_id and b.id = x.backup_id
             where x.purge_at <= $1 and x.expired_at is null and b.tenant_id = r.tenant_id and b.site_id = r.site_id))
        order by r.id
        limit 200";
    Ok(rows(sql).bind(now.0).bind(noticed_before.0).fetch_all(conn).await?)
}

/// A backup whose time in the trash is over.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Over {
    pub id: String,
    pub environment_id: String,
    pub state: String,
    pub deleted_by: Option<String>,
}

pub async fn over(conn: &mut Conn, now: Millis, tenant: &TenantId, site: &SiteId, noticed_before: Millis, limit: i64) -> Result<Vec<Over>> {
    let sql = "
        select id, environment_id, state, deleted_by
        from backups
        where tenant_id = $1 and site_id = $2 and purge_at <= $3 and expired_at is null
          and (noticed_at <= $4 or state in ('failed', 'cancelled'))
        order by created_at, id
        limit $5";
    let query = rows(sql).bind(tenant.0.clone()).bind(site.0.clone()).bind(now.0).bind(noticed_before.0).bind(limit);
    Ok(query.fetch_all(conn).await?)
}

/// From here on nothing can be restored from it. Refused while it is pinned, was taken back, or a restore refers to it.
pub async fn expire(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &BackupId) -> Result<bool> {
    let sql = "
        update backups set expired_at = $3
        where tenant_id = $1 and id = $2 and expired_at is null and deleted_at is not null and purge_at <= $3 and pinned = 0
          and finished_at is not null
          and not exists (
            select 1 from restores r
            where r.tenant_id = backups.tenant_id and (r.backup_id = backups.id or r.safety_backup_id = backups.id)
              and (r.undo_until is not null or r.state in ('queued', 'running', 'unwinding', 'stuck')))";
    Ok(changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(now.0)).await? == 1)
}

/// The same of elements whose own time is over, but of the newest good backup, and of what an abnormal size holds; how many
/// those were.
pub async fn expire_elements(conn: &mut Conn, now: Millis, tenant: &TenantId, site: &SiteId) -> Result<u64> {
    let sql = "
        update backup_elements set expired_at = $3
        where tenant_id = $1 and purge_at <= $3 and expired_at is null
          and backup_id in (
            select b.id from backups b
            join environments e on e.tenant_id = b.tenant_id and e.id = b.environment_id
            where b.tenant_id = $1 and b.site_id = $2 and b.pinned = 0 and b.id <> coalesce(e.last_good_id, '')
              and not exists (
                select 1 from alarms a
                where a.tenant_id = b.tenant_id and a.environment_id = b.environment_id and a.cause = 'size' and a.closed_at is null)
              and not exists (
                select 1 from restores r
                where r.tenant_id = b.tenant_id and (r.backup_id = b.id or r.safety_backup_id = b.id)
                  and (r.undo_until is not null or r.state in ('queued', 'running', 'unwinding', 'stuck'))))";
    changed(conn, run(sql).bind(tenant.0.clone()).bind(site.0.clone()).bind(now.0)).await
}

/// The newest good backup of an environment that nobody may purge: a live one if there is any, else the newest in the trash.
pub async fn last_resort(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId) -> Result<Option<String>> {
    let sql = "
        select id from backups
        where tenant_id = $1 and environment_id = $2 and state = 'succeeded' and finished_at is not null and expired_at is null
        order by case when deleted_at is null then 0 else 1 end, created_at desc, id desc
        limit 1";
    let found: Option<(String,)> = rows(sql).bind(tenant.0.clone()).bind(environment.0.clone()).fetch_optional(conn).await?;
    Ok(found.map(|(id,)| id))
}

/// A snapshot that no backup needs any more.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Unwanted {
    pub backup_id: String,
    pub element: String,
    pub snapshot: String,
}

/// What is expired and still has its snapshot: also what an attempt that died had marked.
pub async fn unwanted(conn: &mut Conn, tenant: &TenantId, site: &SiteId) -> Result<Vec<Unwanted>> {
    let sql = "
        select x.backup_id, x.element, x.snapshot
        from backups b
        join backup_elements x on x.tenant_id = b.tenant_id and x.backup_id = b.id
        where b.tenant_id = $1 and b.site_id = $2 and x.snapshot is not null
          and (b.expired_at is not null or x.expired_at is not null)
        order by b.created_at, x.element
        limit 2000";
    Ok(rows(sql).bind(tenant.0.clone()).bind(site.0.clone()).fetch_all(conn).await?)
}

/// Its snapshot is gone from the repository.
pub async fn forgotten(conn: &mut Conn, tenant: &TenantId, u: &Unwanted) -> Result<()> {
    let sql = "
        update backup_elements set snapshot = null, stored = 0
        where tenant_id = $1 and backup_id = $2 and element = $3 and snapshot = $4";
    let query = run(sql).bind(tenant.0.clone()).bind(u.backup_id.clone()).bind(u.element.clone()).bind(u.snapshot.clone());
    changed(conn, query).await?;
    Ok(())
}
