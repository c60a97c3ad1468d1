//! Sessions of browsers. An id is the hash of the cookie's value, so that nobody can sign in with what stands here.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::AccountId;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Session {
    pub id: String,
    pub account_id: Option<String>,
    /// JSON.
    pub data: String,
    pub address: String,
    pub agent: String,
    pub created_at: i64,
    pub seen_at: i64,
    pub expires_at: i64,
}

/// Whether it was made: an id that is taken stays its owner's.
pub async fn insert(conn: &mut Conn, session: &Session) -> Result<bool> {
    let sql = "
        insert into sessions (id, account_id, data, address, agent, created_at, seen_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        on conflict (id) do nothing";
    let query = run(sql)
        .bind(session.id.clone())
        .bind(session.account_id.clone())
        .bind(session.data.clone())
        .bind(session.address.clone())
        .bind(session.agent.clone())
        .bind(session.created_at)
        .bind(session.seen_at)
        .bind(session.expires_at);
    Ok(changed(conn, query).await? == 1)
}

/// One that has not expired, and whose account, if it has one, is active.
pub async fn find(conn: &mut Conn, now: Millis, id: &str) -> Result<Option<Session>> {
    let sql = "
        select s.id, s.account_id, s.data, s.address, s.agent, s.created_at, s.seen_at, s.expires_at
        from sessions s left join accounts a on a.id = s.account_id
        where s.id = $1 and s.expires_at > $2 and (s.account_id is null or a.state = 'active')";
    Ok(rows(sql).bind(id.to_owned()).bind(now.0).fetch_optional(conn).await?)
}

/// What a session holds. One that is gone is not made again: somebody ended it.
pub async fn update(conn: &mut Conn, id: &str, account: Option<&AccountId>, data: &str) -> Result<bool> {
    let sql = "update sessions set account_id = $2, data = $3 where id = $1";
    Ok(changed(conn, run(sql).bind(id.to_owned()).bind(account.map(|a| a.0.clone())).bind(data.to_owned())).await? == 1)
}

pub async fn touch(conn: &mut Conn, now: Millis, id: &str, expires: Millis) -> Result<()> {
    let sql = "update sessions set seen_at = $2, expires_at = $3 where id = $1 and seen_at < $2";
    changed(conn, run(sql).bind(id.to_owned()).bind(now.0).bind(expires.0)).await?;
    Ok(())
}

pub async fn delete(conn: &mut Conn, id: &str) -> Result<bool> {
    Ok(changed(conn, run("delete from sessions where id = $1").bind(id.to_owned())).await? == 1)
}

pub async fn of_account(conn: &mut Conn, now: Millis, account: &AccountId) -> Result<Vec<Session>> {
    let sql = "
        select id, account_id, data, address, agent, created_at, seen_at, expires_at
        from sessions
        where account_id = $1 and expires_at > $2
        order by seen_at desc, id";
    Ok(rows(sql).bind(account.0.clone()).bind(now.0).fetch_all(conn).await?)
}

/// One of this account and of no other.
pub async fn delete_own(conn: &mut Conn, account: &AccountId, id: &str) -> Result<bool> {
    let sql = "delete from sessions where id = $1 and account_id = $2";
    Ok(changed(conn, run(sql).bind(id.to_owned()).bind(account.0.clone())).await? == 1)
}

/// All of an account but `keep`.
pub async fn delete_others(conn: &mut Conn, account: &AccountId, keep: Option<&str>) -> Result<u64> {
    let sql = "delete from sessions where account_id = $1 and id <> $2";
    changed(conn, run(sql).bind(account.0.clone()).bind(keep.unwrap_or_default().to_owned())).await
}

pub async fn tidy(conn: &mut Conn, now: Millis) -> Result<u64> {
    changed(conn, run("delete from sessions where expires_at <= $1").bind(now.0)).await
}
