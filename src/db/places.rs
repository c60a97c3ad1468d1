//! Networks from which accounts have signed in.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::AccountId;

pub async fn seen(conn: &mut Conn, now: Millis, account: &AccountId, network: &str) -> Result<()> {
    let sql = "
        insert into places (account_id, network, seen_at) values ($1, $2, $3)
        on conflict (account_id, network) do update set seen_at = excluded.seen_at";
    changed(conn, run(sql).bind(account.0.clone()).bind(network.to_owned()).bind(now.0)).await?;
    Ok(())
}

/// Has somebody signed in to the account of this address from there after `since`?
pub async fn is_known(conn: &mut Conn, email: &str, network: &str, since: Millis) -> Result<bool> {
    let sql = "
        select p.network
        from places p join accounts a on a.id = p.account_id
        where lower(a.email) = lower($1) and p.network = $2 and p.seen_at > $3";
    let found: Option<(String,)> = rows(sql).bind(email.to_owned()).bind(network.to_owned()).bind(since.0).fetch_optional(conn).await?;
    Ok(found.is_some())
}

pub async fn tidy(conn: &mut Conn, before: Millis) -> Result<u64> {
    changed(conn, run("delete from places where seen_at <= $1").bind(before.0)).await
}

/// After a password was reset: whoever signed in before may have been somebody else.
pub async fn forget(conn: &mut Conn, account: &AccountId) -> Result<()> {
    changed(conn, run("delete from places where account_id = $1").bind(account.0.clone())).await?;
    Ok(())
}
