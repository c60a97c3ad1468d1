//! Accounts and their API tokens.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::{AccountId, TenantId, TokenId};
use std::collections::HashMap;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Account {
    pub id: String,
    pub email: String,
    pub name: String,
    pub administrator: i64,
    /// `active` or `disabled`
    pub state: String,
    /// The reader's zone by its IANA name.
    pub zone: Option<String>,
}

impl Account {
    pub fn is_active(&self) -> bool {
        self.state == "active"
    }
}

pub async fn insert(conn: &mut Conn, now: Millis, id: &AccountId, email: &str, administrator: bool) -> Result<()> {
    let sql = "insert into accounts (id, email, administrator, created_at) values ($1, $2, $3, $4)";
    changed(conn, run(sql).bind(id.0.clone()).bind(email.to_owned()).bind(i64::from(administrator)).bind(now.0)).await?;
    Ok(())
}

pub async fn find(conn: &mut Conn, id: &AccountId) -> Result<Option<Account>> {
    let sql = "select id, email, name, administrator, state, zone from accounts where id = $1";
    Ok(rows(sql).bind(id.0.clone()).fetch_optional(conn).await?)
}

/// However it is written: `Ann@` and `ann@` are one person.
pub async fn find_by_email(conn: &mut Conn, email: &str) -> Result<Option<Account>> {
    let sql = "select id, email, name, administrator, state, zone from accounts where lower(email) = lower($1)";
    Ok(rows(sql).bind(email.to_owned()).fetch_optional(conn).await?)
}

/// What one signs in with.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Credentials {
    pub id: String,
    pub email: String,
    pub state: String,
    pub password_hash: Option<String>,
    pub totp_sealed: Option<Vec<u8>>,
    pub totp_pending_sealed: Option<Vec<u8>>,
}

impl Credentials {
    pub fn is_active(&self) -> bool {
        self.state == "active"
    }
}

pub async fn credentials(conn: &mut Conn, id: &AccountId) -> Result<Option<Credentials>> {
    let sql = "select id, email, state, password_hash, totp_sealed, totp_pending_sealed from accounts where id = $1";
    Ok(rows(sql).bind(id.0.clone()).fetch_optional(conn).await?)
}

pub async fn credentials_by_email(conn: &mut Conn, email: &str) -> Result<Option<Credentials>> {
    let sql = "select id, email, state, password_hash, totp_sealed, totp_pending_sealed from accounts where lower(email) = lower($1)";
    Ok(rows(sql).bind(email.to_owned()).fetch_optional(conn).await?)
}

/// Changes nothing, but whoever else would change this account waits until the transaction is over.
pub async fn lock(conn: &mut Conn, id: &AccountId) -> Result<bool> {
    Ok(changed(conn, run("update accounts set state = state where id = $1").bind(id.0.clone())).await? == 1)
}

/// Whoever counts administrators does so one after the other, until the transaction is over.
pub async fn lock_administrators(conn: &mut Conn) -> Result<()> {
    changed(conn, run("update gates set turns = turns + 1 where name = 'administrators'")).await?;
    Ok(())
}

/// How many administrators are active.
pub async fn count_administrators(conn: &mut Conn) -> Result<i64> {
    let sql = "select count(*) from accounts where administrator = 1 and state = 'active'";
    Ok(rows::<(i64,)>(sql).fetch_one(conn).await?.0)
}

/// The addresses of the administrators who are active.
pub async fn administrators(conn: &mut Conn) -> Result<Vec<String>> {
    let sql = "select email from accounts where administrator = 1 and state = 'active' order by email";
    Ok(rows::<(String,)>(sql).fetch_all(conn).await?.into_iter().map(|(email,)| email).collect())
}

/// Can any administrator sign in with a password?
pub async fn any_administrator_with_password(conn: &mut Conn) -> Result<bool> {
    let sql = "select id from accounts where administrator = 1 and state = 'active' and password_hash is not null limit 1";
    Ok(rows::<(String,)>(sql).fetch_optional(conn).await?.is_some())
}

pub async fn set_password(conn: &mut Conn, id: &AccountId, hash: &str) -> Result<bool> {
    let sql = "update accounts set password_hash = $2 where id = $1";
    Ok(changed(conn, run(sql).bind(id.0.clone()).bind(hash.to_owned())).await? == 1)
}

pub async fn set_state(conn: &mut Conn, id: &AccountId, state: &'static str) -> Result<bool> {
    Ok(changed(conn, run("update accounts set state = $2 where id = $1").bind(id.0.clone()).bind(state)).await? == 1)
}

pub async fn set_administrator(conn: &mut Conn, id: &AccountId, administrator: bool) -> Result<bool> {
    let sql = "update accounts set administrator = $2 where id = $1";
    Ok(changed(conn, run(sql).bind(id.0.clone()).bind(i64::from(administrator))).await? == 1)
}

pub async fn set_name(conn: &mut Conn, id: &AccountId, name: &str) -> Result<bool> {
    Ok(changed(conn, run("update accounts set name = $2 where id = $1").bind(id.0.clone()).bind(name.to_owned())).await? == 1)
}

pub async fn set_zone(conn: &mut Conn, id: &AccountId, zone: Option<&str>) -> Result<bool> {
    let sql = "update accounts set zone = $2 where id = $1";
    Ok(changed(conn, run(sql).bind(id.0.clone()).bind(zone.map(str::to_owned))).await? == 1)
}

/// An account in the administrators' list.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Listed {
    pub id: String,
    pub email: String,
    pub name: String,
    pub administrator: i64,
    pub state: String,
    pub has_password: i64,
    pub second_factor: i64,
    pub created_at: i64,
}

/// Accounts whose address or name holds `search`, by address, after the one of `after`.
pub async fn list(conn: &mut Conn, search: &str, after: &str, limit: i64) -> Result<Vec<Listed>> {
    let sql = "
        select id, email, name, administrator, state, created_at,
          cast(case when password_hash is null then 0 else 1 end as bigint) as has_password,
          cast(case when totp_sealed is null then 0 else 1 end as bigint) as second_factor
        from accounts
        where lower(email) > lower($2) and (lower(email) like lower($1) escape '!' or lower(name) like lower($1) escape '!')
        order by lower(email)
        limit $3";
    let escaped = search.chars().fold(String::new(), |mut text, c| {
        if "!%_".contains(c) {
            text.push('!');
        }
        text.push(c);
        text
    });
    Ok(rows(sql).bind(format!("%{escaped}%")).bind(after.to_owned()).bind(limit).fetch_all(conn).await?)
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

/// The token with this hash, when it is neither expired nor revoked, and its account active.
pub async fn find_bearer(conn: &mut Conn, now: Millis, secret_hash: &str) -> Result<Option<Bearer>> {
    let sql = "
        select t.id as token_id, a.id as account_id, a.email, a.administrator, t.tenant_id, t.scope, t.last_used_at
        from api_tokens t join accounts a on a.id = t.account_id
        where t.secret_hash = $1 and t.expires_at > $2 and t.revoked_at is null and a.state = 'active'";
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

/// A token in its owner's list.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Token {
    pub id: String,
    pub label: String,
    pub tenant: Option<String>,
    pub scope: String,
    pub created_at: i64,
    pub expires_at: i64,
    pub last_used_at: Option<i64>,
}

/// The tokens of an account that are good, newest first.
pub async fn tokens_of_account(conn: &mut Conn, now: Millis, account: &AccountId) -> Result<Vec<Token>> {
    let sql = "
        select k.id, k.label, t.name as tenant, k.scope, k.created_at, k.expires_at, k.last_used_at
        from api_tokens k left join tenants t on t.id = k.tenant_id
        where k.account_id = $1 and k.expires_at > $2 and k.revoked_at is null
        order by k.created_at desc, k.id desc";
    Ok(rows(sql).bind(account.0.clone()).bind(now.0).fetch_all(conn).await?)
}

/// A token of this account and of no other.
pub async fn revoke_own_token(conn: &mut Conn, now: Millis, account: &AccountId, id: &TokenId) -> Result<bool> {
    let sql = "update api_tokens set revoked_at = $3 where id = $1 and account_id = $2 and revoked_at is null";
    Ok(changed(conn, run(sql).bind(id.0.clone()).bind(account.0.clone()).bind(now.0)).await? == 1)
}

pub async fn revoke_tokens_of_account(conn: &mut Conn, now: Millis, account: &AccountId) -> Result<u64> {
    let sql = "update api_tokens set revoked_at = $2 where account_id = $1 and revoked_at is null";
    changed(conn, run(sql).bind(account.0.clone()).bind(now.0)).await
}

/// The time zone that the reader with this e-mail address chose, for letters.
pub async fn zone_of(conn: &mut Conn, email: &str) -> Result<Option<String>> {
    let found: Option<(Option<String>,)> =
        rows("select zone from accounts where lower(email) = lower($1)").bind(email.to_owned()).fetch_optional(conn).await?;
    Ok(found.and_then(|(zone,)| zone))
}

/// The e-mail addresses of these accounts.
pub async fn emails(conn: &mut Conn, ids: &[String]) -> Result<HashMap<String, String>> {
    super::names(conn, "select id, email from accounts where id in ({})", ids).await
}
