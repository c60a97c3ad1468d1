//! How attempts and jobs end: finished by the attempt, lost, released by a shutdown, cancelled before they began.

use super::job::{Ended, Finished, Job, JobClass, JobRow, Lease, Level, Outcome, State, class_word, job_columns};
use super::log::note;
use super::read::{Tenants, find};
use super::retry;
use super::settings::{Settings, millis};
use super::worker::Runner;
use crate::base::chance;
use crate::base::clock::Millis;
use crate::base::error::{Class, Context, Error, Result};
use crate::base::sql::{Conn, Pool};
use crate::base::units;
use crate::domain::ids::{JobId, TenantId};

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

/// Ends the attempt in the caller's transaction, together with everything else that its result changes. A failure that
/// may pass is tried again (see `retry.rs`) unless the outcome is final; after a request to cancel nothing is tried again.
///
/// # Errors
/// `Fenced` when the lease is lost: roll back.
pub async fn finish(conn: &mut Conn, now: Millis, lease: &Lease, outcome: Outcome) -> Result<Finished> {
    if !outcome.state.is_final() {
        return Err(Error::internal(format!("an attempt cannot end as `{}`", outcome.state)));
    }
    let job = hold(conn, lease, None).await?;
    let (word, message) = (outcome.state.word(), outcome.message.clone());
    end_attempt(conn, now, lease, word, outcome.class, message.as_deref()).await?;
    let verdict = judge(conn, now, &job, outcome).await?;
    let finished = Finished { state: verdict.state, will_retry_at: verdict.run_at };
    end_lease(conn, now, lease, verdict).await?;
    Ok(finished)
}

/// Takes the job's row until the end of the transaction, if the lease is the live one (and, where `expired` is given,
/// ran out before it).
async fn hold(conn: &mut Conn, lease: &Lease, expired: Option<Millis>) -> Result<Job> {
    let row: Option<JobRow> = sqlx::query_as(concat!(
        "update jobs set lease_token = lease_token where id = $1 and lease_token = $2 and lease_until < $3 returning ",
        job_columns!()
    ))
    .bind(lease.job.as_str())
    .bind(lease.token.as_str())
    .bind(expired.map_or(i64::MAX, |m| m.0))
    .fetch_optional(conn)
    .await?;
    row.ok_or_else(Error::fenced)?.try_into()
}

async fn judge(conn: &mut Conn, now: Millis, job: &Job, o: Outcome) -> Result<Verdict> {
    let said = o.message.clone().unwrap_or_else(|| "no reason was given".into());
    if let (State::Failed, Some(class), false) = (o.state, o.class, o.final_) {
        let tries = tries(conn, &job.id, "failed", Some(class)).await?;
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

async fn end_attempt(
    conn: &mut Conn,
    now: Millis,
    lease: &Lease,
    outcome: &str,
    class: Option<Class>,
    message: Option<&str>,
) -> Result<()> {
    sqlx::query("update attempts set ended_at = $3, outcome = $4, error_class = $5, message = $6 where job_id = $1 and number = $2")
        .bind(lease.job.as_str())
        .bind(lease.attempt)
        .bind(now.0)
        .bind(outcome)
        .bind(class.map(class_word))
        .bind(message.map(str::to_owned))
        .execute(conn)
        .await?;
    Ok(())
}

/// The job leaves the worker: its lease and what it held are free.
async fn end_lease(conn: &mut Conn, now: Millis, lease: &Lease, v: Verdict) -> Result<()> {
    let done = sqlx::query(
        "update jobs
         set state = $3, run_at = coalesce($4, run_at), error_class = $5, message = $6, hint = $7, finished_at = $8,
             lease_token = null, lease_until = null, blocked_on = null, blocked_since = null
         where id = $1 and lease_token = $2",
    )
    .bind(lease.job.as_str())
    .bind(lease.token.as_str())
    .bind(v.state.word())
    .bind(v.run_at.map(|m| m.0))
    .bind(v.class.map(class_word))
    .bind(v.message)
    .bind(v.hint)
    .bind(v.state.is_final().then_some(now.0))
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() != 1 {
        return Err(Error::fenced());
    }
    free_needs(conn, &lease.job, v.state).await?;
    note(conn, now, &lease.job, v.level, &v.note).await
}

/// A job that has ended needs nothing any more; one that waits needs it again later.
async fn free_needs(conn: &mut Conn, job: &JobId, state: State) -> Result<()> {
    let sql = if state.is_final() {
        "delete from job_needs where job_id = $1"
    } else {
        "update job_needs set token = null, reserved_at = null where job_id = $1"
    };
    sqlx::query(sql).bind(job.as_str()).execute(conn).await?;
    Ok(())
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
    let job = hold(conn, lease, None).await?;
    lose(conn, now, lease, &job, why, settings).await
}

async fn lose(conn: &mut Conn, now: Millis, lease: &Lease, job: &Job, why: &str, settings: &Settings) -> Result<(Job, Ended)> {
    end_attempt(conn, now, lease, "lost", None, Some(why)).await?;
    let times = tries(conn, &lease.job, "lost", None).await?;
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
    end_lease(conn, now, lease, verdict).await?;
    Ok((find(conn, &Tenants::All, &lease.job).await?, ended))
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
    let job = hold(conn, lease, None).await?;
    end_attempt(conn, now, lease, "released", None, None).await?;
    let (ended, verdict) = if job.cancel_requested && job.class != JobClass::Restore {
        (Ended::Cancelled, cancelled(None, None))
    } else {
        (Ended::Requeued, requeued(now, "the worker was stopped; the job will start again".into(), Level::Info))
    };
    end_lease(conn, now, lease, verdict).await?;
    Ok((find(conn, &Tenants::All, &lease.job).await?, ended))
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
    let job = hold(&mut tx, lease, Some(now)).await?;
    let why = format!("worker {worker} was not heard of any more");
    quarantine(&mut tx, now, &job, settings).await?;
    let (job, ended) = lose(&mut tx, now, lease, &job, &why, settings).await?;
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
        free_needs(conn, job, State::Cancelled).await?;
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
