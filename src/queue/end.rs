//! How attempts and jobs end: finished by the attempt, lost, released by a shutdown, cancelled before they began.

use super::job::{Ended, Finished, Job, JobClass, JobRow, Lease, Level, Outcome, State, class_word, job_columns};
use super::line;
use super::log::{self, note};
use super::read::{Tenants, find};
use super::retry;
use super::settings::{Settings, millis};
use super::worker::Runner;
use crate::base::chance;
use crate::base::clock::Millis;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::sql::{Conn, Pool};
use crate::base::together::{Together, together};
use crate::base::units;
use crate::domain::ids::{JobId, TenantId};
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row};

/// What the job becomes, and what is said about it.
struct Verdict {
    state: State,
    run_at: Option<Millis>,
    class: Option<Class>,
    message: Option<String>,
    hint: Option<String>,
    level: Level,
    note: String,
}

/// What is written where an attempt ends. A job that has ended needs nothing any more; one that waits needs it again later.
macro_rules! ending {
    ($needs:literal) => {
        together! {
            attempt: "update attempts set ended_at = $3, outcome = $4, error_class = $5, message = $6 where job_id = $1 and number = $2",
            job: "update jobs
                  set state = $7, run_at = coalesce($8, run_at), error_class = $9, message = $10, hint = $11, finished_at = $12,
                      lease_token = null, lease_until = null, blocked_on = null, blocked_since = null
                  where id = $1",
            needs: $needs,
            line: "insert into task_log (job_id, number, tenant_id, attempt, at, level, line) values ($1, $13, $14, $2, $3, $15, $16)",
        }
    };
}

/// Ends the attempt in the caller's transaction, together with everything else that its result changes. A failure that
/// may pass is tried again (see `retry.rs`) unless the outcome is final; after a request to cancel nothing is tried again.
///
/// # Errors
/// `Fenced` when the lease is lost: roll back.
pub async fn finish(conn: &mut Conn, now: Millis, lease: &Lease, outcome: Outcome) -> Result<Finished> {
    if !outcome.state.is_final() {
        return Err(Error::internal(format!("an attempt cannot end as `{}`", outcome.state)));
    }
    let held = hold(conn, lease, None).await?;
    let attempt = Ending { outcome: outcome.state.word(), class: outcome.class, message: outcome.message.clone() };
    let verdict = judge(conn, now, &held.job, outcome).await?;
    let finished = Finished { state: verdict.state, will_retry_at: verdict.run_at };
    end(conn, now, &held, attempt, verdict).await?;
    Ok(finished)
}

/// The job whose attempt ends, its place in the queue, and the number of the line in its task log that will say so.
struct Held {
    job: Job,
    place: i64,
    line: i64,
}

/// How the attempt ended.
struct Ending {
    outcome: &'static str,
    class: Option<Class>,
    message: Option<String>,
}

/// Takes the job's row until the end of the transaction, if the lease is the live one (and, where `expired` is given,
/// ran out before it).
async fn hold(conn: &mut Conn, lease: &Lease, expired: Option<Millis>) -> Result<Held> {
    let row: Option<AnyRow> = sqlx::query(concat!(
        "update jobs set log_lines = log_lines + 1 where id = $1 and lease_token = $2 and lease_until < $3 returning place, log_lines, ",
        job_columns!()
    ))
    .bind(lease.job.as_str())
    .bind(lease.token.as_str())
    .bind(expired.map_or(i64::MAX, |m| m.0))
    .fetch_optional(conn)
    .await?;
    let row = row.ok_or_else(Error::fenced)?;
    Ok(Held { job: JobRow::from_row(&row)?.try_into()?, place: row.try_get("place")?, line: row.try_get("log_lines")? })
}

async fn judge(conn: &mut Conn, now: Millis, job: &Job, o: Outcome) -> Result<Verdict> {
    let said = o.message.clone().unwrap_or_else(|| "no reason was given".into());
    if let (State::Failed, Some(class), false) = (o.state, o.class, o.final_) {
        let tries = 1 + tries(conn, &job.id, "failed", Some(class)).await?;
        let pause = retry::pause(class, tries, dice()).map(|p| now.plus(millis(p)));
        let pause = pause.filter(|at| *at <= job.started.unwrap_or(now).plus(millis(retry::HORIZON)));
        match pause {
            Some(_) if job.cancel_requested && job.class != JobClass::Restore => return Ok(cancelled(o.message, o.hint)),
            Some(at) => {
                let of = retry::limit(class).map(|n| format!(" of {n}")).unwrap_or_default();
                let note = format!("{said}; try {}{of} at {}", tries + 1, at.for_people());
                return Ok(Verdict {
                    state: State::RetryWait,
                    run_at: Some(at),
                    class: Some(class),
                    message: o.message,
                    hint: o.hint,
                    level: Level::Warning,
                    note,
                });
            }
            None => {}
        }
    }
    let (level, note) = match o.state {
        State::Failed => (Level::Error, format!("failed: {said}")),
        State::Incomplete => (Level::Warning, o.message.as_ref().map_or("incomplete".into(), |m| format!("incomplete: {m}"))),
        other => (Level::Info, o.message.as_ref().map_or(other.word().into(), |m| format!("{other}: {m}"))),
    };
    Ok(Verdict { state: o.state, run_at: None, class: o.class, message: o.message, hint: o.hint, level, note })
}

fn cancelled(message: Option<String>, hint: Option<String>) -> Verdict {
    Verdict { state: State::Cancelled, run_at: None, class: None, message, hint, level: Level::Info, note: "cancelled".into() }
}

/// From -1 to 1.
fn dice() -> f64 {
    f64::from(u16::from_le_bytes(chance::bytes())) / f64::from(u16::MAX) * 2.0 - 1.0
}

async fn tries(conn: &mut Conn, job: &JobId, outcome: &str, class: Option<Class>) -> Result<u32> {
    let n: i64 = sqlx::query_scalar("select count(*) from attempts where job_id = $1 and outcome = $2 and coalesce(error_class, '') = $3")
        .bind(job.as_str())
        .bind(outcome)
        .bind(class.map(class_word).unwrap_or_default())
        .fetch_one(conn)
        .await?;
    Ok(u32::try_from(n).unwrap_or(u32::MAX))
}

/// The attempt is over, and the job leaves the worker: its lease and what it held are free.
async fn end(conn: &mut Conn, now: Millis, held: &Held, attempt: Ending, v: Verdict) -> Result<()> {
    const FOR_GOOD: Together = ending!("delete from job_needs where job_id = $1");
    const TO_WAIT: Together = ending!("update job_needs set token = null, reserved_at = null where job_id = $1");
    let job = &held.job;
    sqlx::query(if v.state.is_final() { FOR_GOOD.text(conn) } else { TO_WAIT.text(conn) })
        .bind(job.id.as_str())
        .bind(job.attempt)
        .bind(now.0)
        .bind(attempt.outcome)
        .bind(attempt.class.map(class_word))
        .bind(attempt.message)
        .bind(v.state.word())
        .bind(v.run_at.map(|m| m.0))
        .bind(v.class.map(class_word))
        .bind(v.message)
        .bind(v.hint)
        .bind(v.state.is_final().then_some(now.0))
        .bind(held.line)
        .bind(job.tenant.as_str())
        .bind(v.level.word())
        .bind(log::clean(&v.note))
        .execute(&mut *conn)
        .await?;
    if v.state.is_final() { Ok(()) } else { line::open(conn, held.place, job.tenant.as_str()).await }
}

/// The attempt ended without a result: its process died, hung, or its worker did. The job is queued again at once, given
/// up after [`Settings::lost_limit`] such attempts, or cancelled if somebody had asked for that. (A restore that has begun
/// is not cancelled here: its next attempt must put things back first.)
///
/// # Errors
/// `Fenced` when the lease is not the live one: the attempt had finished, or somebody else was quicker.
pub async fn lost(pool: &Pool, lease: &Lease, why: &str, settings: &Settings) -> Result<Ended> {
    let now = pool.now().await?;
    let mut tx = pool.begin().await?;
    let (_, ended) = lost_in(&mut tx, now, lease, why, settings).await?;
    tx.commit().await?;
    Ok(ended)
}

/// The same in the caller's transaction; returns the job as it stands then.
pub async fn lost_in(conn: &mut Conn, now: Millis, lease: &Lease, why: &str, settings: &Settings) -> Result<(Job, Ended)> {
    let held = hold(conn, lease, None).await?;
    lose(conn, now, &held, why, settings).await
}

async fn lose(conn: &mut Conn, now: Millis, held: &Held, why: &str, settings: &Settings) -> Result<(Job, Ended)> {
    let job = &held.job;
    let times = 1 + tries(conn, &job.id, "lost", None).await?;
    let limit = settings.lost_limit;
    let (ended, verdict) = if job.cancel_requested && job.class != JobClass::Restore {
        (Ended::Cancelled, cancelled(None, None))
    } else if times >= limit {
        let message = format!("worker crashed {}; the last time, {why}", units::count(u64::from(times), "time"));
        let verdict = Verdict {
            state: State::Failed,
            run_at: None,
            class: Some(Class::Internal),
            note: format!("failed: {message}"),
            message: Some(message),
            hint: Some("the worker's own log says more; an administrator can read it".into()),
            level: Level::Error,
        };
        (Ended::Failed, verdict)
    } else {
        let message = format!("worker lost, retrying ({times}/{limit}): {why}");
        (Ended::Requeued, requeued(now, message, Level::Warning))
    };
    let attempt = Ending { outcome: "lost", class: None, message: Some(why.to_owned()) };
    end(conn, now, held, attempt, verdict).await?;
    Ok((find(conn, &Tenants::All, &job.id).await?, ended))
}

fn requeued(now: Millis, message: String, level: Level) -> Verdict {
    Verdict { state: State::Queued, run_at: Some(now), class: None, note: message.clone(), message: Some(message), hint: None, level }
}

/// Our own shutdown ended the attempt: the job is queued again, and the attempt counts for nothing. A job that somebody
/// had asked to cancel is cancelled (a restore that has begun is not, as with [`lost`]).
///
/// # Errors
/// `Fenced` when the lease is not the live one.
pub async fn release(pool: &Pool, lease: &Lease) -> Result<Ended> {
    let now = pool.now().await?;
    let mut tx = pool.begin().await?;
    let (_, ended) = release_in(&mut tx, now, lease).await?;
    tx.commit().await?;
    Ok(ended)
}

/// The same in the caller's transaction; returns the job as it stands then.
pub async fn release_in(conn: &mut Conn, now: Millis, lease: &Lease) -> Result<(Job, Ended)> {
    let held = hold(conn, lease, None).await?;
    let job = &held.job;
    let (ended, verdict) = if job.cancel_requested && job.class != JobClass::Restore {
        (Ended::Cancelled, cancelled(None, None))
    } else {
        (Ended::Requeued, requeued(now, "the worker was stopped; the job will start again".into(), Level::Info))
    };
    end(conn, now, &held, Ending { outcome: "released", class: None, message: None }, verdict).await?;
    Ok((find(conn, &Tenants::All, &job.id).await?, ended))
}

/// Ends the attempts whose lease ran out: their worker died, or cannot reach the database.
pub async fn reap(pool: &Pool, settings: &Settings) -> Result<Vec<(JobId, Ended)>> {
    reap_for(pool, settings, None).await
}

/// The same, telling `runner` in each job's transaction. One job that cannot be ended does not keep the others.
pub(super) async fn reap_for(pool: &Pool, settings: &Settings, runner: Option<&dyn Runner>) -> Result<Vec<(JobId, Ended)>> {
    let mut ended = Vec::new();
    for (lease, worker) in expired(pool).await? {
        match reap_one(pool, settings, runner, &lease, &worker).await {
            Ok(how) => ended.push((lease.job, how)),
            Err(e) if e.class() == Class::Fenced => {} // a heartbeat or another reaper was quicker
            Err(e) => tracing::error!(job = %lease.job, "a lost job could not be ended: {e}"),
        }
    }
    Ok(ended)
}

async fn expired(pool: &Pool) -> Result<Vec<(Lease, String)>> {
    let now = pool.now().await?;
    let mut conn = pool.get().await?;
    let rows: Vec<(String, i64, String, String)> = sqlx::query_as(
        "select id, attempt, lease_token, worker from jobs where state = 'running' and lease_until < $1 order by lease_until limit 100",
    )
    .bind(now.0)
    .fetch_all(&mut *conn)
    .await?;
    Ok(rows.into_iter().map(|(job, attempt, token, worker)| (Lease { job: job.into(), attempt, token }, worker)).collect())
}

async fn reap_one(pool: &Pool, settings: &Settings, runner: Option<&dyn Runner>, lease: &Lease, worker: &str) -> Result<Ended> {
    let now = pool.now().await?;
    let mut tx = pool.begin().await?;
    let held = hold(&mut tx, lease, Some(now)).await?;
    let why = format!("worker {worker} was not heard of any more");
    quarantine(&mut tx, now, &held.job, settings).await?;
    let (job, ended) = lose(&mut tx, now, &held, &why, settings).await?;
    if let Some(runner) = runner {
        runner.settled(&mut tx, &job, &ended).await.context(|| "telling what became of the job")?;
    }
    tx.commit().await?;
    Ok(ended)
}

/// Nobody saw the attempt die: it may be frozen, and wake. What it shared is given to nobody alone for a while; what it had
/// alone is guarded by its token.
async fn quarantine(conn: &mut Conn, now: Millis, job: &Job, settings: &Settings) -> Result<()> {
    sqlx::query(
        "insert into unclean_ends (resource, tenant_id, until)
         select resource, tenant_id, $2 from job_needs where job_id = $1 and mode = 'shared' and token is not null
         on conflict (resource) do update set until = excluded.until",
    )
    .bind(job.id.as_str())
    .bind(now.plus(millis(settings.quarantine)).0)
    .execute(&mut *conn)
    .await?;
    sqlx::query("delete from unclean_ends where until < $1").bind(now.0).execute(conn).await?;
    Ok(())
}

/// Asks for the end of a job. One that has not begun is cancelled at once: see the returned job's state, and settle what
/// it was about in the same transaction. One that runs is told at its next heartbeat. One that has ended stays as it is.
/// A restore that has begun and waits for its next attempt runs once more, to put things back.
///
/// # Errors
/// `NotFound` when the tenant has no such job.
pub async fn cancel(conn: &mut Conn, now: Millis, tenant: &TenantId, job: &JobId) -> Result<Job> {
    let ended = sqlx::query(
        "update jobs set state = 'cancelled', cancel_requested = 1, finished_at = $3, blocked_on = null, blocked_since = null
         where id = $1 and tenant_id = $2 and state in ('queued', 'retry_wait') and (class <> 'restore' or attempt = 0)",
    )
    .bind(job.as_str())
    .bind(tenant.as_str())
    .bind(now.0)
    .execute(&mut *conn)
    .await?;
    if ended.rows_affected() == 1 {
        sqlx::query("delete from job_needs where job_id = $1").bind(job.as_str()).execute(&mut *conn).await?;
        note(conn, now, job, Level::Info, "cancelled before it began").await?;
    } else {
        request_cancel(conn, now, tenant, job).await?;
    }
    find(conn, &Tenants::These(vec![tenant.clone()]), job).await
}

async fn request_cancel(conn: &mut Conn, now: Millis, tenant: &TenantId, job: &JobId) -> Result<()> {
    let asked = sqlx::query(
        "update jobs set cancel_requested = 1, run_at = case when state = 'retry_wait' then $3 else run_at end
         where id = $1 and tenant_id = $2 and state in ('queued', 'retry_wait', 'running') and cancel_requested = 0",
    )
    .bind(job.as_str())
    .bind(tenant.as_str())
    .bind(now.0)
    .execute(&mut *conn)
    .await?;
    if asked.rows_affected() == 1 {
        note(conn, now, job, Level::Info, "somebody asked to cancel it").await?;
    }
    Ok(())
}
