//! Links that work once: the first administrator's, invitations, forgotten passwords. Only hashes of secrets are kept.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::{AccountId, OneTimeLinkId, TenantId};

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct OneTimeLink {
    pub id: String,
    /// `first`, `invitation` or `reset`
    pub kind: String,
    pub account_id: Option<String>,
    pub email: Option<String>,
    pub tenant_id: Option<String>,
    pub role: Option<String>,
    pub created_by: Option<String>,
    pub created_at: i64,
    pub expires_at: i64,
    pub used_at: Option<i64>,
}

pub async fn insert(conn: &mut Conn, link: &OneTimeLink, secret_hash: &str) -> Result<()> {
    let sql = "
        insert into one_time_links (id, kind, secret_hash, account_id, email, tenant_id, role, created_by, created_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let query = run(sql)
        .bind(link.id.clone())
        .bind(link.kind.clone())
        .bind(secret_hash.to_owned())
        .bind(link.account_id.clone())
        .bind(link.email.clone())
        .bind(link.tenant_id.clone())
        .bind(link.role.clone())
        .bind(link.created_by.clone())
        .bind(link.created_at)
        .bind(link.expires_at);
    changed(conn, query).await?;
    Ok(())
}

/// By its secret, also when it is used up or expired: people are told which.
pub async fn find(conn: &mut Conn, kind: &'static str, secret_hash: &str) -> Result<Option<OneTimeLink>> {
    let sql = "
        select id, kind, account_id, email, tenant_id, role, created_by, created_at, expires_at, used_at
        from one_time_links
        where secret_hash = $2 and kind = $1";
    Ok(rows(sql).bind(kind).bind(secret_hash.to_owned()).fetch_optional(conn).await?)
}

/// Uses it up; of any number who do so at once, one succeeds.
pub async fn take(conn: &mut Conn, now: Millis, id: &str) -> Result<bool> {
    let sql = "update one_time_links set used_at = $2 where id = $1 and used_at is null and expires_at > $2";
    Ok(changed(conn, run(sql).bind(id.to_owned()).bind(now.0)).await? == 1)
}

/// Links for the first administrator that nobody used.
pub async fn drop_first(conn: &mut Conn) -> Result<u64> {
    changed(conn, run("delete from one_time_links where kind = 'first' and used_at is null")).await
}

/// The account's links for a forgotten password that nobody used.
pub async fn drop_resets(conn: &mut Conn, account: &AccountId) -> Result<u64> {
    let sql = "delete from one_time_links where kind = 'reset' and account_id = $1 and used_at is null";
    changed(conn, run(sql).bind(account.0.clone())).await
}

/// Invitations of this address into this tenant that nobody used.
pub async fn drop_invitations(conn: &mut Conn, tenant: &TenantId, email: &str) -> Result<u64> {
    let sql = "
        delete from one_time_links
        where kind = 'invitation' and tenant_id = $1 and lower(email) = lower($2) and used_at is null";
    changed(conn, run(sql).bind(tenant.0.clone()).bind(email.to_owned())).await
}

/// An invitation that waits, with who sent it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Invitation {
    pub id: String,
    pub email: String,
    pub role: String,
    pub inviter: Option<String>,
    pub created_at: i64,
    pub expires_at: i64,
}

pub async fn invitations(conn: &mut Conn, now: Millis, tenant: &TenantId) -> Result<Vec<Invitation>> {
    let sql = "
        select l.id, l.email, l.role, a.email as inviter, l.created_at, l.expires_at
        from one_time_links l left join accounts a on a.id = l.created_by
        where l.kind = 'invitation' and l.tenant_id = $1 and l.used_at is null and l.expires_at > $2
        order by l.created_at desc, l.id desc";
    Ok(rows(sql).bind(tenant.0.clone()).bind(now.0).fetch_all(conn).await?)
}

/// The address it was for, when it was there and open.
pub async fn revoke_invitation(conn: &mut Conn, tenant: &TenantId, id: &OneTimeLinkId) -> Result<Option<String>> {
    let sql = "
        delete from one_time_links
        where id = $2 and tenant_id = $1 and kind = 'invitation' and used_at is null
        returning email";
    let found: Option<(String,)> = rows(sql).bind(tenant.0.clone()).bind(id.0.clone()).fetch_optional(conn).await?;
    Ok(found.map(|(email,)| email))
}

/// Drops what expired before `before`.
pub async fn tidy(conn: &mut Conn, before: Millis) -> Result<u64> {
    changed(conn, run("delete from one_time_links where expires_at <= $1").bind(before.0)).await
}
