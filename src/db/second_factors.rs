//! The second factor of an account: its key, the last step that was used, and the recovery codes.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::AccountId;

/// Keeps a key that no code has confirmed yet; it replaces an earlier one.
pub async fn set_pending(conn: &mut Conn, account: &AccountId, sealed: Option<Vec<u8>>) -> Result<bool> {
    let sql = "update accounts set totp_pending_sealed = $2 where id = $1";
    Ok(changed(conn, run(sql).bind(account.0.clone()).bind(sealed)).await? == 1)
}

/// The key that waited becomes the account's, together with the step whose code confirmed it.
pub async fn confirm(conn: &mut Conn, account: &AccountId, step: i64) -> Result<bool> {
    let sql = "
        update accounts set totp_sealed = totp_pending_sealed, totp_pending_sealed = null, totp_step = $2
        where id = $1 and totp_pending_sealed is not null";
    Ok(changed(conn, run(sql).bind(account.0.clone()).bind(step)).await? == 1)
}

/// Takes a step; of any number who do so at once, one succeeds.
pub async fn take_step(conn: &mut Conn, account: &AccountId, step: i64) -> Result<bool> {
    let sql = "
        update accounts set totp_step = $2
        where id = $1 and state = 'active' and totp_sealed is not null and (totp_step is null or totp_step < $2)";
    Ok(changed(conn, run(sql).bind(account.0.clone()).bind(step)).await? == 1)
}

/// Without a second factor, and without recovery codes.
pub async fn remove(conn: &mut Conn, account: &AccountId) -> Result<bool> {
    changed(conn, run("delete from recovery_codes where account_id = $1").bind(account.0.clone())).await?;
    let sql = "
        update accounts set totp_sealed = null, totp_pending_sealed = null, totp_step = null
        where id = $1 and (totp_sealed is not null or totp_pending_sealed is not null)";
    Ok(changed(conn, run(sql).bind(account.0.clone())).await? == 1)
}

/// New recovery codes, by their hashes; the earlier ones are gone.
pub async fn set_recovery_codes(conn: &mut Conn, account: &AccountId, hashes: &[String]) -> Result<()> {
    changed(conn, run("delete from recovery_codes where account_id = $1").bind(account.0.clone())).await?;
    for hash in hashes {
        let sql = "insert into recovery_codes (account_id, code_hash) values ($1, $2)";
        changed(conn, run(sql).bind(account.0.clone()).bind(hash.clone())).await?;
    }
    Ok(())
}

/// Uses a recovery code up; of any number who do so at once, one succeeds.
pub async fn use_recovery_code(conn: &mut Conn, now: Millis, account: &AccountId, hash: &str) -> Result<bool> {
    let sql = "update recovery_codes set used_at = $3 where account_id = $1 and code_hash = $2 and used_at is null";
    Ok(changed(conn, run(sql).bind(account.0.clone()).bind(hash.to_owned()).bind(now.0)).await? == 1)
}

pub async fn recovery_codes_left(conn: &mut Conn, account: &AccountId) -> Result<i64> {
    let sql = "select count(*) from recovery_codes where account_id = $1 and used_at is null";
    Ok(rows::<(i64,)>(sql).bind(account.0.clone()).fetch_one(conn).await?.0)
}
