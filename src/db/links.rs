//! Download links and their uses.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::{BackupId, EnvironmentId, LinkId, TenantId};

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Link {
    pub id: String,
    pub tenant_id: String,
    pub backup_id: String,
    pub element: String,
    /// One file or folder of it, as `base::words::percent_bytes` writes it; a slash at the end says that it is a folder.
    pub path: Option<String>,
    /// Of a file, in bytes.
    pub path_size: Option<i64>,
    pub secret_hash: String,
    pub created_by: String,
    pub created_by_email: String,
    pub created_at: i64,
    pub expires_at: i64,
    pub revoked_at: Option<i64>,
    pub revoked_by: Option<String>,
    pub uses: i64,
    pub last_used_at: Option<i64>,
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Use {
    pub number: i64,
    pub at: i64,
    pub address: String,
    pub agent: String,
    pub bytes: i64,
    pub ended_at: Option<i64>,
    pub outcome: Option<String>,
}

pub async fn insert(conn: &mut Conn, link: &Link) -> Result<()> {
    let sql = "
        insert into download_links (id, tenant_id, backup_id, element, secret_hash, created_by, created_by_email, created_at,
                                    expires_at, path, path_size, uses)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0)";
    let query = run(sql)
        .bind(link.id.clone())
        .bind(link.tenant_id.clone())
        .bind(link.backup_id.clone())
        .bind(link.element.clone())
        .bind(link.secret_hash.clone())
        .bind(link.created_by.clone())
        .bind(link.created_by_email.clone())
        .bind(link.created_at)
        .bind(link.expires_at)
        .bind(link.path.clone())
        .bind(link.path_size);
    changed(conn, query).await?;
    Ok(())
}

/// By id alone: for `app::access` to judge, and for whoever brings a link that was signed.
pub async fn find(conn: &mut Conn, id: &LinkId) -> Result<Option<Link>> {
    let sql = "
        select id, tenant_id, backup_id, element, path, path_size, secret_hash, created_by, created_by_email, created_at, expires_at,
               revoked_at, revoked_by, uses, last_used_at
        from download_links
        where id = $1";
    Ok(rows(sql).bind(id.0.clone()).fetch_optional(conn).await?)
}

/// The links to a backup, newest first.
pub async fn of_backup(conn: &mut Conn, tenant: &TenantId, backup: &BackupId) -> Result<Vec<Link>> {
    let sql = "
        select id, tenant_id, backup_id, element, path, path_size, secret_hash, created_by, created_by_email, created_at, expires_at,
               revoked_at, revoked_by, uses, last_used_at
        from download_links
        where tenant_id = $1 and backup_id = $2
        order by created_at desc, id desc";
    Ok(rows(sql).bind(tenant.0.clone()).bind(backup.0.clone()).fetch_all(conn).await?)
}

/// The newest `limit` links to backups of an environment.
pub async fn of_environment(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId, limit: i64) -> Result<Vec<Link>> {
    let sql = "
        select l.id, l.tenant_id, l.backup_id, l.element, l.path, l.path_size, l.secret_hash, l.created_by, l.created_by_email, l.created_at,
               l.expires_at, l.revoked_at, l.revoked_by, l.uses, l.last_used_at
        from download_links l
        join backups b on b.tenant_id = l.tenant_id and b.id = l.backup_id
        where b.tenant_id = $1 and b.environment_id = $2
        order by l.created_at desc, l.id desc
        limit $3";
    Ok(rows(sql).bind(tenant.0.clone()).bind(environment.0.clone()).bind(limit).fetch_all(conn).await?)
}

/// `false` when it was taken back already.
pub async fn revoke(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &LinkId, by: &str) -> Result<bool> {
    let sql = "
        update download_links set revoked_at = $3, revoked_by = $4
        where tenant_id = $1 and id = $2 and revoked_at is null";
    Ok(changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(now.0).bind(by.to_owned())).await? == 1)
}

/// A new use; its number. The count is raised first, so that two at once get two numbers.
pub async fn begin_use(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &LinkId, address: &str, agent: &str) -> Result<i64> {
    let sql = "
        update download_links set uses = uses + 1, last_used_at = $3
        where tenant_id = $1 and id = $2
        returning uses";
    let (number,): (i64,) = rows(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(now.0).fetch_one(&mut *conn).await?;
    let sql = "
        insert into download_uses (tenant_id, link_id, number, at, address, agent, bytes)
        values ($1, $2, $3, $4, $5, $6, 0)";
    let query = run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(number).bind(now.0).bind(address.to_owned()).bind(agent.to_owned());
    changed(conn, query).await?;
    Ok(number)
}

/// The newest use that began since then from this address and broke off: what a second try goes on with.
pub async fn broken_use(conn: &mut Conn, since: Millis, tenant: &TenantId, id: &LinkId, address: &str) -> Result<Option<i64>> {
    let sql = "
        select number from download_uses
        where tenant_id = $1 and link_id = $2 and address = $3 and at >= $4 and outcome in ('broken', 'failed')
        order by number desc
        limit 1";
    let query = rows(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(address.to_owned()).bind(since.0);
    let found: Option<(i64,)> = query.fetch_optional(conn).await?;
    Ok(found.map(|(number,)| number))
}

/// The end of a use, or of another try of it: the bytes of all tries add up.
pub async fn end_use(
    conn: &mut Conn,
    now: Millis,
    tenant: &TenantId,
    id: &LinkId,
    number: i64,
    bytes: u64,
    outcome: &'static str,
) -> Result<()> {
    let sql = "
        update download_uses set bytes = bytes + $4, ended_at = $5, outcome = $6
        where tenant_id = $1 and link_id = $2 and number = $3";
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(number).bind(bytes).bind(now.0).bind(outcome)).await?;
    Ok(())
}

/// The uses of a link, newest first.
pub async fn uses(conn: &mut Conn, tenant: &TenantId, id: &LinkId) -> Result<Vec<Use>> {
    let sql = "
        select number, at, address, agent, bytes, ended_at, outcome
        from download_uses
        where tenant_id = $1 and link_id = $2
        order by number desc
        limit 500";
    Ok(rows(sql).bind(tenant.0.clone()).bind(id.0.clone()).fetch_all(conn).await?)
}
