//! The task log: lines that people read. It is bounded; a job that talks too much goes on in silence.

use super::job::{Job, Lease, Level};
use super::lease::fence;
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::{Conn, Pool};
use crate::domain::ids::JobId;

/// Bytes that the lines of one job may take, each counted with [`PER_LINE`] on top.
pub(super) const CAPACITY: i64 = 1 << 20;
const PER_LINE: usize = 64;
/// Characters of one line; the rest is cut off with a mark.
const LONGEST: usize = 2_000;
const FULL: &str = "the task log is full: lines after this one are left out, the work goes on";

/// Writes to the job's task log; several lines become several entries.
///
/// # Errors
/// `Fenced` when the lease is lost. A full log is no error.
pub async fn log(pool: &Pool, lease: &Lease, level: Level, text: &str) -> Result<()> {
    let now = pool.now().await?;
    let mut tx = pool.begin().await?;
    fence(&mut tx, lease).await?;
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        if !append(&mut tx, now, lease, level, &clean(line)).await? {
            break;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// False when the log is full. The line that would overflow becomes the mark.
async fn append(conn: &mut Conn, now: Millis, lease: &Lease, level: Level, line: &str) -> Result<bool> {
    let weight = i64::try_from(line.len() + PER_LINE).unwrap_or(i64::MAX);
    let row: Option<(i64, String, i64)> = sqlx::query_as(
        "update jobs set log_lines = log_lines + 1, log_bytes = log_bytes + $3
         where id = $1 and lease_token = $2 and log_bytes < $4
         returning log_lines, tenant_id, log_bytes",
    )
    .bind(lease.job.as_str())
    .bind(lease.token.as_str())
    .bind(weight)
    .bind(CAPACITY)
    .fetch_optional(&mut *conn)
    .await?;
    let Some((number, tenant, bytes)) = row else { return Ok(false) };
    let (level, line) = if bytes < CAPACITY { (level, line) } else { (Level::Warning, FULL) };
    insert(conn, now, &lease.job, number, &tenant, lease.attempt, level, line).await?;
    Ok(bytes < CAPACITY)
}

/// A line of the queue itself (an attempt starts, is lost, is tried again); there are few, and they fit always.
pub(super) async fn note(conn: &mut Conn, now: Millis, job: &JobId, level: Level, line: &str) -> Result<()> {
    let row: Option<(i64, String, i64)> =
        sqlx::query_as("update jobs set log_lines = log_lines + 1 where id = $1 returning log_lines, tenant_id, attempt")
            .bind(job.as_str())
            .fetch_optional(&mut *conn)
            .await?;
    let Some((number, tenant, attempt)) = row else { return Ok(()) };
    insert(conn, now, job, number, &tenant, attempt, level, &clean(line)).await
}

/// The same at a number that was set aside for it.
pub(super) async fn place(conn: &mut Conn, now: Millis, job: &Job, number: i64, line: &str) -> Result<()> {
    insert(conn, now, &job.id, number, job.tenant.as_str(), job.attempt, Level::Info, &clean(line)).await
}

#[allow(clippy::too_many_arguments)] // a row has these columns
async fn insert(conn: &mut Conn, at: Millis, job: &JobId, number: i64, tenant: &str, attempt: i64, level: Level, line: &str) -> Result<()> {
    sqlx::query("insert into task_log (job_id, number, tenant_id, attempt, at, level, line) values ($1, $2, $3, $4, $5, $6, $7)")
        .bind(job.as_str())
        .bind(number)
        .bind(tenant)
        .bind(attempt)
        .bind(at.0)
        .bind(level.word())
        .bind(line)
        .execute(conn)
        .await?;
    Ok(())
}

/// One line without anything that moves a terminal's cursor, and not endless. (PostgreSQL refuses NUL, too.)
pub(super) fn clean(line: &str) -> String {
    let mut out: String = line.trim_end().chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.trim_end().chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_and_has_an_end() {
        assert_eq!(clean("a\u{1b}[2Jb\0c\r"), "a [2Jb c");
        let long = clean(&"ä".repeat(5_000));
        assert_eq!((long.chars().count(), long.ends_with('…')), (LONGEST + 1, true));
    }
}
