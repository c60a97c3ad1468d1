//! While an attempt runs: heartbeats, the fence, progress. Every statement compares the token.

use super::job::{Lease, Progress, signed};
use super::settings::{Settings, millis};
use crate::base::error::{Error, Result};
use crate::base::sql::{Conn, Pool};

/// What a heartbeat brings back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pulse {
    pub cancel_requested: bool,
    /// Changes whenever the attempt has come further.
    pub mark: (String, i64, i64),
}

/// Makes the lease last for another [`Settings::lease`]. True when somebody asked for the end.
///
/// # Errors
/// `Fenced` when the lease is lost.
pub async fn heartbeat(pool: &Pool, lease: &Lease, settings: &Settings) -> Result<bool> {
    Ok(pulse(pool, lease, settings).await?.cancel_requested)
}

pub(super) async fn pulse(pool: &Pool, lease: &Lease, settings: &Settings) -> Result<Pulse> {
    // The time is read before the connection is waited for: a late write makes the lease shorter, never longer.
    let until = pool.now().await?.plus(millis(settings.lease));
    let mut conn = pool.get().await?;
    let row: Option<(i64, String, i64, i64)> = sqlx::query_as(
        "update jobs set lease_until = $3 where id = $1 and lease_token = $2 returning cancel_requested, phase, bytes, files",
    )
    .bind(lease.job.as_str())
    .bind(lease.token.as_str())
    .bind(until.0)
    .fetch_optional(&mut *conn)
    .await?;
    let (cancel, phase, bytes, files) = row.ok_or_else(Error::fenced)?;
    Ok(Pulse { cancel_requested: cancel != 0, mark: (phase, bytes, files) })
}

/// First statement of every transaction that writes on behalf of an attempt: holds the job's row until the end of the
/// transaction, so that the lease cannot be lost in between. Keep that transaction short: heartbeats wait for it.
///
/// # Errors
/// `Fenced` when the lease is lost: write nothing.
pub async fn fence(conn: &mut Conn, lease: &Lease) -> Result<()> {
    let done = sqlx::query("update jobs set lease_token = lease_token where id = $1 and lease_token = $2")
        .bind(lease.job.as_str())
        .bind(lease.token.as_str())
        .execute(conn)
        .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(Error::fenced()) }
}

/// Shows how far the attempt has come; about once a second while it moves.
///
/// # Errors
/// `Fenced` when the lease is lost.
pub async fn progress(pool: &Pool, lease: &Lease, progress: &Progress) -> Result<()> {
    let mut conn = pool.get().await?;
    let done = sqlx::query("update jobs set phase = $3, bytes = $4, bytes_total = $5, files = $6 where id = $1 and lease_token = $2")
        .bind(lease.job.as_str())
        .bind(lease.token.as_str())
        .bind(progress.phase.as_str())
        .bind(signed(progress.bytes))
        .bind(progress.bytes_total.map(signed))
        .bind(signed(progress.files))
        .execute(&mut *conn)
        .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(Error::fenced()) }
}
