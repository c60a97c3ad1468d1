//! Claiming: who runs next, and what it takes for itself.
//!
//! One statement chooses and takes the job; the transaction around it takes the job's needs, all or none. Claims stand
//! in line for one row (SQLite: for the one write lock), so that the choice sees every need that is held. A claim is a
//! matter of a millisecond and jobs take minutes, so the line is never long.

use super::blocked;
use super::job::{Claimed, Job, JobClass, JobRow, Lease, job_columns};
use super::line::{busy, standing};
use super::log;
use super::settings::{Settings, millis};
use crate::base::chance;
use crate::base::clock::Millis;
use crate::base::error::{Class, Result};
use crate::base::sql::{Conn, Kind, Pool, Tx};
use crate::base::together::{Together, together};
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row};

/// Who is next: of those who have room (`standing!`), in their order, the first with a job that may run; of its jobs the
/// oldest. The rules of which may run, in the order of the conditions: its time has come ($1); nobody holds what it needs;
/// nobody whose end was not seen had a share in what it needs alone; no older job that has waited beyond all patience wants
/// it either (restores do not stand behind those: they would wait for what the other one waits for). The limit of the inner
/// query keeps a database from asking for each job twice, once to see whether there is one.
macro_rules! next_in_line {
    () => {
        concat!(
            "with ",
            busy!(),
            "
             select l.next
             from (
               select (
                 select j.id
                 from jobs j
                 where j.state in ('queued', 'retry_wait')
                   and j.place = s.place
                   and j.tenant_id = s.tenant_id
                   and j.run_at <= $1
                   and not exists (
                     select 1
                     from job_needs n
                     join job_needs h on h.resource = n.resource and h.job_id <> n.job_id
                     where n.job_id = j.id
                       and h.token is not null
                       and (n.mode = 'exclusive' or h.mode = 'exclusive')
                   )
                   and not exists (
                     select 1
                     from job_needs n
                     join unclean_ends u on u.resource = n.resource
                     where n.job_id = j.id
                       and n.mode = 'exclusive'
                       and u.until > $1
                   )
                   and (j.class = 'restore' or not exists (
                     select 1
                     from job_needs n
                     join job_needs w on w.resource = n.resource and w.job_id <> n.job_id
                     where n.job_id = j.id
                       and w.reserved_at is not null
                       and w.token is null
                       and (n.mode = 'exclusive' or w.mode = 'exclusive')
                       and (w.reserved_at, w.job_id) < (coalesce(n.reserved_at, 9223372036854775807), n.job_id)
                   ))
                 order by j.created_at, j.id
                 limit 1 /* for update skip locked */
               ) as next
               from (",
            standing!(),
            ") s
               limit 1000000
             ) l
             where l.next is not null
             limit 1"
        )
    };
}

pub(super) const TAKE: &str = concat!(
    "update jobs
     set state = 'running', worker = $4, attempt = attempt + 1, lease_token = $5, lease_until = $6, claimed_at = $1,
         started_at = coalesce(started_at, $1), blocked_on = null, blocked_since = null,
         phase = '', bytes = 0, bytes_total = null, files = 0, log_lines = log_lines + 1
     where id = (",
    next_in_line!(),
    ") returning log_lines, ",
    job_columns!()
);

/// Claims the next job for `worker`, if one may run; where jobs wait for each other, says so in their `blocked_on`.
///
/// # Errors
/// Only what the database says.
pub async fn claim(pool: &Pool, worker: &str, settings: &Settings) -> Result<Option<Claimed>> {
    claim_up_to(pool, worker, settings, JobClass::Upkeep).await
}

/// The same among the classes up to `last` in the line.
pub(super) async fn claim_up_to(pool: &Pool, worker: &str, settings: &Settings, last: JobClass) -> Result<Option<Claimed>> {
    if anybody(pool, pool.moment().await?, settings, last).await?
        && let Some(claimed) = take(pool, worker, settings, last).await?
    {
        return Ok(Some(claimed));
    }
    blocked::explain(pool, pool.now().await?, settings).await?;
    Ok(None)
}

/// The same for whoever was just given one: where one could be claimed the next is likely, and it is not looked for first.
///
/// # Errors
/// Only what the database says.
pub async fn claim_another(pool: &Pool, worker: &str, settings: &Settings) -> Result<Option<Claimed>> {
    match take(pool, worker, settings, JobClass::Upkeep).await? {
        Some(claimed) => Ok(Some(claimed)),
        None => claim(pool, worker, settings).await,
    }
}

/// A look without the line and the write lock: a worker for whom there is nothing to do only reads.
async fn anybody(pool: &Pool, now: Millis, settings: &Settings, last: JobClass) -> Result<bool> {
    let mut conn = pool.get().await?;
    let found: Option<String> = sqlx::query_scalar(next_in_line!())
        .bind(now.0)
        .bind(last.place())
        .bind(i64::from(settings.tenant_running))
        .fetch_optional(&mut *conn)
        .await?;
    Ok(found.is_some())
}

async fn take(pool: &Pool, worker: &str, settings: &Settings, last: JobClass) -> Result<Option<Claimed>> {
    let token = chance::word(26);
    let (mut tx, turn) = stand_in_line(pool).await?;
    let row: Option<AnyRow> = sqlx::query(pool.text(TAKE))
        .bind(turn.now.0)
        .bind(last.place())
        .bind(i64::from(settings.tenant_running))
        .bind(worker)
        .bind(token.as_str())
        .bind(turn.now.plus(millis(settings.lease)).0)
        .fetch_optional(&mut *tx)
        .await?;
    let Some(row) = row else {
        tx.rollback().await?; // nothing was written: nothing has to reach the disk
        return Ok(None);
    };
    let job = Job::try_from(JobRow::from_row(&row)?)?;
    let lease = Lease { job: job.id.clone(), attempt: job.attempt, token };
    begin_attempt(&mut tx, &turn, &job, &lease, worker).await?;
    let line = Line { number: row.try_get("log_lines")?, text: format!("attempt {} starts on worker {worker}", job.attempt) };
    match commit(pool, tx, turn.now, &job, &line).await {
        Err(e) if owns(pool, &lease).await.unwrap_or(false) => seal(pool, turn.now, &job, &line).await.map_err(|_| e)?,
        done => done?,
    }
    Ok(Some(Claimed { job, lease }))
}

/// The task log's line of an attempt that starts, and the number that was set aside for it.
struct Line {
    number: i64,
    text: String,
}

/// Ends the turn; the line goes along, or behind. On PostgreSQL that second commit is the one that waits for the disk, and it
/// takes the first one along: many workers do that at once, and not one after another.
async fn commit(pool: &Pool, mut tx: Tx, now: Millis, job: &Job, line: &Line) -> Result<()> {
    if pool.kind() == Kind::Sqlite {
        log::place(&mut tx, now, job, line.number, &line.text).await?;
        return Ok(tx.commit().await?);
    }
    tx.commit().await?;
    log::place(&mut *pool.get().await?, now, job, line.number, &line.text).await
}

/// The connection died after a commit: the job is ours, and nobody else would know. If the line is there, everything is.
async fn seal(pool: &Pool, now: Millis, job: &Job, line: &Line) -> Result<()> {
    match log::place(&mut *pool.get().await?, now, job, line.number, &line.text).await {
        Err(e) if e.class() == Class::Conflict => Ok(()),
        placed => placed,
    }
}

/// Whose turn it is to choose.
pub(super) struct Turn {
    number: i64,
    /// When it came. Not before: what one has waited for would seem to have ended after this began.
    now: Millis,
}

/// Waits for its turn, which lasts until the transaction ends. SQLite's write transaction is the line already.
///
/// On PostgreSQL nobody in the line waits for the disk: what was chosen is committed without, and the caller lets it
/// reach the disk before anything is done about it. Others see the choice at once; should the server fail in between, it is as
/// if nobody had chosen. A worker that freezes inside its turn must not hold up the others.
pub(super) async fn stand_in_line(pool: &Pool) -> Result<(Tx, Turn)> {
    const BEGIN: &str = "begin; set local idle_in_transaction_session_timeout = 5000; set local synchronous_commit = off";
    let mut tx = pool.begin_with(BEGIN).await?;
    let gate = "update queue_gate set turns = turns + 1 where id = 1 returning turns";
    let (number, now) = pool.number_and_now(&mut tx, gate).await?;
    Ok((tx, Turn { number, now }))
}

/// The job has what it needs and its attempt begins; its tenant had its turn, and goes behind the others.
async fn begin_attempt(conn: &mut Conn, turn: &Turn, job: &Job, lease: &Lease, worker: &str) -> Result<()> {
    const BEGINS: Together = together! {
        needs: "update job_needs set token = $2, reserved_at = null where job_id = $1",
        attempt: "insert into attempts (job_id, number, tenant_id, worker, started_at) values ($1, $3, $4, $5, $6)",
        served: "insert into tenant_turns (tenant_id, turn) values ($4, $7) on conflict (tenant_id) do update set turn = excluded.turn",
    };
    sqlx::query(BEGINS.text(conn))
        .bind(lease.job.as_str())
        .bind(lease.token.as_str())
        .bind(lease.attempt)
        .bind(job.tenant.as_str())
        .bind(worker)
        .bind(turn.now.0)
        .bind(turn.number)
        .execute(conn)
        .await?;
    Ok(())
}

/// Is this lease the live one?
pub(super) async fn owns(pool: &Pool, lease: &Lease) -> Result<bool> {
    let mut conn = pool.get().await?;
    let found: Option<i64> = sqlx::query_scalar("select cast(1 as bigint) from jobs where id = $1 and lease_token = $2")
        .bind(lease.job.as_str())
        .bind(lease.token.as_str())
        .fetch_optional(&mut *conn)
        .await?;
    Ok(found.is_some())
}
