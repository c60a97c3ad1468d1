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
    /// A prepared archive of it.
    pub archive_id: Option<String>,
    /// How often it may be used.
    pub max_uses: Option<i64>,
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

/// Who uses a link.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    pub address: &'a str,
    pub agent: &'a str,
}

/// How a try of a use ended.
#[derive(Clone, Copy, Debug)]
pub struct End {
    pub bytes: u64,
    pub unsent: u64,
    pub outcome: &'static str,
}

/// The catalogue counts in signed 64 bits; no file is larger.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Every statement that answers with a [`Link`] begins like this.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select l.id, l.tenant_id, l.backup_id, l.element, l.path, l.path_size, a.archive_id, l.max_uses, l.secret_hash,
                    l.created_by, l.created_by_email, l.created_at, l.expires_at, l.revoked_at, l.revoked_by, l.uses, l.last_used_at
             from download_links l
             left join archive_links a on a.tenant_id = l.tenant_id and a.link_id = l.id ",
            $rest
        )
    };
}

pub async fn insert(conn: &mut Conn, link: &Link) -> Result<()> {
    let sql = "
        insert into download_links (id, tenant_id, backup_id, element, secret_hash, created_by, created_by_email, created_at,
                                    expires_at, path, path_size, uses, max_uses)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12)";
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
        .bind(link.path_size)
        .bind(link.max_uses);
    changed(conn, query).await?;
    if let Some(archive) = &link.archive_id {
        let sql = "insert into archive_links (tenant_id, link_id, archive_id) values ($1, $2, $3)";
        changed(conn, run(sql).bind(link.tenant_id.clone()).bind(link.id.clone()).bind(archive.clone())).await?;
    }
    Ok(())
}

/// By id alone: for `app::access` to judge, and for whoever brings a link that was signed.
pub async fn find(conn: &mut Conn, id: &LinkId) -> Result<Option<Link>> {
    Ok(rows(select!("where l.id = $1")).bind(id.0.clone()).fetch_optional(conn).await?)
}

/// The links to a backup, newest first.
pub async fn of_backup(conn: &mut Conn, tenant: &TenantId, backup: &BackupId) -> Result<Vec<Link>> {
    let sql = select!("where l.tenant_id = $1 and l.backup_id = $2 order by l.created_at desc, l.id desc");
    Ok(rows(sql).bind(tenant.0.clone()).bind(backup.0.clone()).fetch_all(conn).await?)
}

/// The newest `limit` links to backups of an environment.
pub async fn of_environment(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId, limit: i64) -> Result<Vec<Link>> {
    let sql = select!(
        "join backups b on b.tenant_id = l.tenant_id and b.id = l.backup_id
         where b.tenant_id = $1 and b.environment_id = $2
         order by l.created_at desc, l.id desc
         limit $3"
    );
    Ok(rows(sql).bind(tenant.0.clone()).bind(environment.0.clone()).bind(limit).fetch_all(conn).await?)
}

/// `false` when it was taken back already.
pub async fn revoke(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &LinkId, by: &str) -> Result<bool> {
    let sql = "
        update download_links set revoked_at = $3, revoked_by = $4
        where tenant_id = $1 and id = $2 and revoked_at is null";
    Ok(changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(now.0).bind(by.to_owned())).await? == 1)
}

/// A new use; its number, and none when it was used as often as it may be. The count is raised first, so that two at once
/// get two numbers. `promised`: bytes of an archive that it is going to get.
pub async fn begin_use(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &LinkId, by: &By<'_>, promised: u64) -> Result<Option<i64>> {
    let sql = "
        update download_links set uses = uses + 1, last_used_at = $3
        where tenant_id = $1 and id = $2 and (max_uses is null or uses < max_uses)
        returning uses";
    let found: Option<(i64,)> = rows(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(now.0).fetch_optional(&mut *conn).await?;
    let Some((number,)) = found else { return Ok(None) };
    let sql = "
        insert into download_uses (tenant_id, link_id, number, at, address, agent, bytes, promised)
        values ($1, $2, $3, $4, $5, $6, 0, $7)";
    let query = run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(number).bind(now.0);
    changed(conn, query.bind(by.address.to_owned()).bind(by.agent.to_owned()).bind(signed(promised))).await?;
    Ok(Some(number))
}

/// Takes the newest use that began since then from this address and broke off, to go on with it: one of those who ask at
/// once gets it.
pub async fn take_broken_use(conn: &mut Conn, since: Millis, tenant: &TenantId, id: &LinkId, address: &str) -> Result<Option<i64>> {
    let sql = "
        update download_uses set outcome = null, ended_at = null
        where tenant_id = $1 and link_id = $2 and outcome in ('broken', 'failed') and number = (
          select max(u.number) from download_uses u
          where u.tenant_id = $1 and u.link_id = $2 and u.address = $3 and u.at >= $4 and u.outcome in ('broken', 'failed'))
        returning number";
    let query = rows(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(address.to_owned()).bind(since.0);
    let found: Option<(i64,)> = query.fetch_optional(conn).await?;
    Ok(found.map(|(number,)| number))
}

/// A further part of an archive within a use from this address that has not ended, or not before `since`: `length` bytes
/// more, of `most` in all. What is promised is counted before it is sent, so that many who ask at once get no more.
pub async fn go_on(
    conn: &mut Conn,
    since: Millis,
    tenant: &TenantId,
    id: &LinkId,
    address: &str,
    (length, most): (u64, u64),
) -> Result<Option<i64>> {
    let sql = "
        update download_uses set promised = promised + $5, outcome = null, ended_at = null
        where tenant_id = $1 and link_id = $2 and promised + $5 <= $6 and number = (
          select max(u.number) from download_uses u
          where u.tenant_id = $1 and u.link_id = $2 and u.address = $3 and (u.ended_at is null or u.ended_at >= $4)
            and u.promised + $5 <= $6)
        returning number";
    let query = rows(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(address.to_owned()).bind(since.0);
    let found: Option<(i64,)> = query.bind(signed(length)).bind(signed(most)).fetch_optional(conn).await?;
    Ok(found.map(|(number,)| number))
}

/// The end of a use, or of another try of it: the bytes of all tries add up. `unsent`: what was promised and did not leave.
pub async fn end_use(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &LinkId, number: i64, end: &End) -> Result<()> {
    let sql = "
        update download_uses set bytes = bytes + $4, promised = promised - $7, ended_at = $5, outcome = $6
        where tenant_id = $1 and link_id = $2 and number = $3";
    let query = run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(number).bind(signed(end.bytes)).bind(now.0).bind(end.outcome);
    changed(conn, query.bind(signed(end.unsent))).await?;
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
