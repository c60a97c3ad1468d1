//! Accounts and their API tokens.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::{AccountId, TenantId, TokenId};

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Account {
    pub id: String,
    pub email: String,
    pub administrator: i64,
}

pub async fn insert(conn: &mut Conn, now: Millis, id: &AccountId, email: &str, administrator: bool) -> Result<()> {
    let sql = "insert into accounts (id, email, administrator, created_at) values ($1, $2, $3, $4)";
    changed(conn, run(sql).bind(id.0.clone()).bind(email.to_owned()).bind(i64::from(administrator)).bind(now.0)).await?;
    Ok(())
}

pub async fn find(conn: &mut Conn, id: &AccountId) -> Result<Option<Account>> {
    Ok(rows("select id, email, administrator from accounts where id = $1").bind(id.0.clone()).fetch_optional(conn).await?)
}

pub async fn find_by_email(conn: &mut Conn, email: &str) -> Result<Option<Account>> {
    Ok(rows("select id, email, administrator from accounts where email = $1").bind(email.to_owned()).fetch_optional(conn).await?)
}

/// A token as it is made: only the hash of its secret is kept.
#[derive(Clone, Debug)]
pub struct NewToken {
    pub id: TokenId,
    pub account: AccountId,
    pub tenant: Option<TenantId>,
    pub label: String,
    pub secret_hash: String,
    pub scope: String,
    pub expires_at: Millis,
}

pub async fn insert_token(conn: &mut Conn, now: Millis, token: &NewToken) -> Result<()> {
    let sql = "
        insert into api_tokens (id, account_id, tenant_id, label, secret_hash, scope, created_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    let query = run(sql)
        .bind(token.id.0.clone())
        .bind(token.account.0.clone())
        .bind(token.tenant.as_ref().map(|t| t.0.clone()))
        .bind(token.label.clone())
        .bind(token.secret_hash.clone())
        .bind(token.scope.clone())
        .bind(now.0)
        .bind(token.expires_at.0);
    changed(conn, query).await?;
    Ok(())
}

/// A good token with its account.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Bearer {
    pub token_id: String,
    pub account_id: String,
    pub email: String,
    pub administrator: i64,
    pub tenant_id: Option<String>,
    pub scope: String,
    pub last_used_at: Option<i64>,
}

/// The token with this hash, when it is neither expired nor revoked.
pub async fn find_bearer(conn: &mut Conn, now: Millis, secret_hash: &str) -> Result<Option<Bearer>> {
    let sql = "
        select t.id as token_id, a.id as account_id, a.email, a.administrator, t.tenant_id, t.scope, t.last_used_at
        from api_tokens t join accounts a on a.id = t.account_id
        where t.secret_hash = $1 and t.expires_at > $2 and t.revoked_at is null";
    Ok(rows(sql).bind(secret_hash.to_owned()).bind(now.0).fetch_optional(conn).await?)
}

pub async fn touch_token(conn: &mut Conn, now: Millis, id: &TokenId) -> Result<()> {
    changed(conn, run("update api_tokens set last_used_at = $2 where id = $1").bind(id.0.clone()).bind(now.0)).await?;
    Ok(())
}

pub async fn revoke_token(conn: &mut Conn, now: Millis, id: &TokenId) -> Result<bool> {
    let sql = "update api_tokens set revoked_at = $2 where id = $1 and revoked_at is null";
    Ok(changed(conn, run(sql).bind(id.0.clone()).bind(now.0)).await? == 1)
}
