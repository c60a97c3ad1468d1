//! How often something was guessed at, by a key that says what and by whom.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;

/// Counts one more try and says how many there were; counting starts over when the last one was before `forget`.
/// `None` while the key is blocked: such a try is not counted.
pub async fn count(conn: &mut Conn, now: Millis, key: &str, forget: Millis) -> Result<Option<i64>> {
    let sql = "
        insert into guesses (key, count, since, blocked_until) values ($1, 1, $2, 0)
        on conflict (key) do update set
          count = case when guesses.since <= $3 then 1 else guesses.count + 1 end,
          since = $2
        where guesses.blocked_until <= $2
        returning count";
    let found: Option<(i64,)> = rows(sql).bind(key.to_owned()).bind(now.0).bind(forget.0).fetch_optional(conn).await?;
    Ok(found.map(|(count,)| count))
}

pub async fn block(conn: &mut Conn, key: &str, until: Millis) -> Result<()> {
    changed(conn, run("update guesses set blocked_until = $2 where key = $1").bind(key.to_owned()).bind(until.0)).await?;
    Ok(())
}

pub async fn blocked_until(conn: &mut Conn, key: &str) -> Result<Option<i64>> {
    let found: Option<(i64,)> = rows("select blocked_until from guesses where key = $1").bind(key.to_owned()).fetch_optional(conn).await?;
    Ok(found.map(|(until,)| until))
}

/// A try that was no guess is taken back.
pub async fn give_back(conn: &mut Conn, key: &str) -> Result<()> {
    let sql = "update guesses set count = count - 1, blocked_until = 0 where key = $1 and count > 0";
    changed(conn, run(sql).bind(key.to_owned())).await?;
    Ok(())
}

pub async fn forget(conn: &mut Conn, key: &str) -> Result<()> {
    changed(conn, run("delete from guesses where key = $1").bind(key.to_owned())).await?;
    Ok(())
}

/// Drops what was last counted before `before` and blocks nobody.
pub async fn tidy(conn: &mut Conn, now: Millis, before: Millis) -> Result<u64> {
    changed(conn, run("delete from guesses where since <= $2 and blocked_until <= $1").bind(now.0).bind(before.0)).await
}
