//! Queueing a job, in the transaction of the fact that wants it.

use super::job::{Enqueued, Mode, Need, NewJob};
use super::line;
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::sql::Conn;
use crate::domain::ids::JobId;
use sqlx::Connection;

/// Queues a job; call it in the transaction that writes what the job is about, and [`hint`](super::hint()) after its commit.
/// Where a job with the same unique key has not ended yet, or one with the same idempotency key was made within a day,
/// that one is returned.
///
/// # Errors
/// `Conflict` when the idempotency key was used for another kind of job or another environment.
pub async fn enqueue(conn: &mut Conn, now: Millis, job: NewJob) -> Result<Enqueued> {
    // The job and its needs appear together or not at all, also where the caller forgot the transaction.
    let mut tx = conn.begin().await?;
    forget_old_key(&mut tx, now, &job).await?;
    // A job that was in the way may end between the two statements; then there is room for a new one.
    for _ in 0..5 {
        let id = JobId::fresh();
        if insert(&mut tx, now, &id, &job).await? {
            insert_needs(&mut tx, &id, &job).await?;
            line::open(&mut tx, job.class.place(), job.tenant.as_str()).await?;
            tx.commit().await?;
            return Ok(Enqueued { id, fresh: true });
        }
        if let Some(id) = first(&mut tx, &job).await? {
            tx.commit().await?;
            return Ok(Enqueued { id, fresh: false });
        }
    }
    Err(Error::transient("equal jobs came and went while this one was being queued").hint("try again"))
}

/// An idempotency key is good for a day.
async fn forget_old_key(conn: &mut Conn, now: Millis, job: &NewJob) -> Result<()> {
    let Some(key) = &job.idempotency else { return Ok(()) };
    sqlx::query("update jobs set idempotency_key = null where tenant_id = $1 and idempotency_key = $2 and created_at <= $3")
        .bind(job.tenant.as_str())
        .bind(key.as_str())
        .bind(now.plus(-Millis::DAY).0)
        .execute(conn)
        .await?;
    Ok(())
}

async fn insert(conn: &mut Conn, now: Millis, id: &JobId, job: &NewJob) -> Result<bool> {
    let run_at = job.run_at.unwrap_or(now).max(now);
    let done = sqlx::query(
        "insert into jobs (id, tenant_id, kind, subject, environment_id, class, place, state, unique_key, idempotency_key,
           initiator_id, run_at, attempt, cancel_requested, phase, bytes, files, log_lines, log_bytes, created_at, aged_at)
         values ($1, $2, $3, $4, $5, $6, $7, 'queued', $8, $9, $10, $11, 0, 0, '', 0, 0, 0, 0, $12, $11)
         on conflict do nothing",
    )
    .bind(id.as_str())
    .bind(job.tenant.as_str())
    .bind(job.kind.as_str())
    .bind(job.subject.as_str())
    .bind(job.environment.as_ref().map(|e| e.0.clone()))
    .bind(job.class.word())
    .bind(job.class.place())
    .bind(job.unique.clone())
    .bind(job.idempotency.clone())
    .bind(job.initiator.as_ref().map(|a| a.0.clone()))
    .bind(run_at.0)
    .bind(now.0)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A resource named twice is needed once, alone if one of the two says so.
async fn insert_needs(conn: &mut Conn, id: &JobId, job: &NewJob) -> Result<()> {
    let mut needs: Vec<&Need> = job.needs.iter().collect();
    needs.sort_by(|a, b| (&a.resource, a.mode == Mode::Shared).cmp(&(&b.resource, b.mode == Mode::Shared)));
    needs.dedup_by(|a, b| a.resource == b.resource);
    for need in needs {
        sqlx::query("insert into job_needs (job_id, resource, tenant_id, mode) values ($1, $2, $3, $4)")
            .bind(id.as_str())
            .bind(need.resource.as_str())
            .bind(job.tenant.as_str())
            .bind(need.mode.word())
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// The job that was there first. A repeated request is the same request before it is merely an equal one.
async fn first(conn: &mut Conn, job: &NewJob) -> Result<Option<JobId>> {
    if let Some(key) = &job.idempotency {
        let found: Option<(String, String, Option<String>)> =
            sqlx::query_as("select id, kind, environment_id from jobs where tenant_id = $1 and idempotency_key = $2")
                .bind(job.tenant.as_str())
                .bind(key.as_str())
                .fetch_optional(&mut *conn)
                .await?;
        if let Some((id, kind, environment)) = found {
            if kind != job.kind || environment != job.environment.as_ref().map(|e| e.0.clone()) {
                return Err(Error::conflict("this Idempotency-Key was already used for another request")
                    .hint("use a new key for each request, and the same one only to repeat it"));
            }
            return Ok(Some(id.into()));
        }
    }
    let Some(key) = &job.unique else { return Ok(None) };
    let found: Option<String> =
        sqlx::query_scalar("select id from jobs where tenant_id = $1 and unique_key = $2 and state in ('queued', 'running', 'retry_wait')")
            .bind(job.tenant.as_str())
            .bind(key.as_str())
            .fetch_optional(conn)
            .await?;
    Ok(found.map(Into::into))
}
