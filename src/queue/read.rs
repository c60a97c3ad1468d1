//! Looking at jobs: one, a page of many, their attempts, their task log.

use super::job::{Attempt, Job, JobRow, Level, LogLine, State, job_columns, parse_class};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::sql::Conn;
use crate::domain::ids::{EnvironmentId, JobId, TenantId};
use sqlx::AssertSqlSafe;

/// Whose jobs may be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenants {
    /// For administrators.
    All,
    These(Vec<TenantId>),
}

/// A page of jobs, newest first.
#[derive(Clone, Debug)]
pub struct Filter {
    pub tenants: Tenants,
    pub environment: Option<EnvironmentId>,
    /// Any of these; all where it is empty.
    pub states: Vec<State>,
    /// The last job of the page before: its `created` and `id`.
    pub after: Option<(Millis, JobId)>,
    /// At most 1,000.
    pub limit: u32,
}

impl Filter {
    /// The newest hundred of these tenants.
    pub fn of(tenants: Tenants) -> Self {
        Self { tenants, environment: None, states: Vec::new(), after: None, limit: 100 }
    }
}

/// One job, if it belongs to one of `tenants`.
///
/// # Errors
/// `NotFound` otherwise: what one may not see does not exist.
pub async fn find(conn: &mut Conn, tenants: &Tenants, job: &JobId) -> Result<Job> {
    let row: Option<JobRow> =
        sqlx::query_as(concat!("select ", job_columns!(), " from jobs where id = $1")).bind(job.as_str()).fetch_optional(conn).await?;
    let found = row.map(Job::try_from).transpose()?;
    found
        .filter(|j| match tenants {
            Tenants::All => true,
            Tenants::These(ids) => ids.contains(&j.tenant),
        })
        .ok_or_else(|| Error::not_found(format!("there is no job {job}")))
}

/// A page of jobs.
pub async fn list(conn: &mut Conn, filter: &Filter) -> Result<Vec<Job>> {
    if filter.tenants == Tenants::These(Vec::new()) {
        return Ok(Vec::new());
    }
    let (sql, binds) = select(filter);
    let mut query = sqlx::query_as::<_, JobRow>(AssertSqlSafe(sql));
    for bind in binds {
        query = match bind {
            Bind::Text(t) => query.bind(t),
            Bind::Number(n) => query.bind(n),
        };
    }
    query.fetch_all(conn).await?.into_iter().map(Job::try_from).collect()
}

/// How many jobs of these tenants run, or wait for nothing but their turn: what is to begin after `soon` does not count.
pub async fn active(conn: &mut Conn, soon: Millis, tenants: &Tenants) -> Result<u64> {
    let ids: &[TenantId] = match tenants {
        Tenants::All => &[],
        Tenants::These(ids) if ids.is_empty() => return Ok(0),
        Tenants::These(ids) => ids,
    };
    let holders: Vec<String> = (2..ids.len() + 2).map(|n| format!("${n}")).collect();
    let narrowed = if ids.is_empty() { String::new() } else { format!(" and tenant_id in ({})", holders.join(", ")) };
    // The first condition is that of the index, word for word: without it every job that a tenant ever had is looked at.
    let sql = format!(
        "select count(*) from jobs
         where state in ('queued', 'running', 'retry_wait') and (state = 'running' or run_at <= $1){narrowed}"
    );
    // Made of numbered holders alone.
    let query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql)).bind(soon.0);
    let query = ids.iter().fold(query, |query, id| query.bind(id.0.clone()));
    Ok(u64::try_from(query.fetch_one(conn).await?).unwrap_or(0))
}

enum Bind {
    Text(String),
    Number(i64),
}

/// The text is made of our own words and numbered binds alone: the lists in it have no fixed length, and neither
/// database's way to bind a list is the other's.
fn select(filter: &Filter) -> (String, Vec<Bind>) {
    let mut sql = concat!("select ", job_columns!(), " from jobs where 1 = 1").to_owned();
    let mut binds = Vec::new();
    let mut holder = |bind: Bind| {
        binds.push(bind);
        format!("${}", binds.len())
    };
    if let Tenants::These(ids) = &filter.tenants {
        let list: Vec<String> = ids.iter().map(|t| holder(Bind::Text(t.0.clone()))).collect();
        sql += &format!(" and tenant_id in ({})", list.join(", "));
    }
    if let Some(environment) = &filter.environment {
        sql += &format!(" and environment_id = {}", holder(Bind::Text(environment.0.clone())));
    }
    if !filter.states.is_empty() {
        // Our own words, in one order: a partial index serves those alone who ask with its condition.
        let asked = State::ALL.iter().filter(|s| filter.states.contains(s));
        let list: Vec<String> = asked.map(|s| format!("'{}'", s.word())).collect();
        sql += &format!(" and state in ({})", list.join(", "));
    }
    if let Some((created, id)) = &filter.after {
        let (created, id) = (holder(Bind::Number(created.0)), holder(Bind::Text(id.0.clone())));
        sql += &format!(" and (created_at, id) < ({created}, {id})");
    }
    sql += &format!(" order by created_at desc, id desc limit {}", holder(Bind::Number(i64::from(filter.limit.min(1_000)))));
    (sql, binds)
}

#[derive(sqlx::FromRow)]
struct AttemptRow {
    number: i64,
    worker: String,
    started_at: i64,
    ended_at: Option<i64>,
    outcome: Option<String>,
    error_class: Option<String>,
    message: Option<String>,
}

/// The attempts at a job, oldest first. The caller has found the job: it is theirs to see.
pub async fn attempts(conn: &mut Conn, job: &JobId) -> Result<Vec<Attempt>> {
    let rows: Vec<AttemptRow> = sqlx::query_as(
        "select number, worker, started_at, ended_at, outcome, error_class, message from attempts where job_id = $1 order by number",
    )
    .bind(job.as_str())
    .fetch_all(conn)
    .await?;
    let attempt = |r: AttemptRow| Attempt {
        number: r.number,
        worker: r.worker,
        started: Millis(r.started_at),
        ended: r.ended_at.map(Millis),
        outcome: r.outcome,
        error_class: r.error_class.as_deref().and_then(parse_class),
        message: r.message,
    };
    Ok(rows.into_iter().map(attempt).collect())
}

/// How many lines the task log of a job has.
pub async fn log_length(conn: &mut Conn, job: &JobId) -> Result<i64> {
    Ok(sqlx::query_scalar("select log_lines from jobs where id = $1").bind(job.as_str()).fetch_optional(conn).await?.unwrap_or(0))
}

/// Up to 1,000 lines of the task log after line `number`. The caller has found the job: it is theirs to see.
pub async fn log_after(conn: &mut Conn, job: &JobId, number: i64) -> Result<Vec<LogLine>> {
    let rows: Vec<(i64, i64, i64, String, String)> = sqlx::query_as(
        "select number, attempt, at, level, line from task_log where job_id = $1 and number > $2 order by number limit 1000",
    )
    .bind(job.as_str())
    .bind(number)
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|(number, attempt, at, level, text)| Ok(LogLine { number, attempt, at: Millis(at), level: Level::parse(&level)?, text }))
        .collect()
}

/// How many jobs are in each state that is not final, over all tenants.
pub async fn counts(conn: &mut Conn) -> Result<Vec<(State, u64)>> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("select state, count(*) from jobs where state in ('queued', 'running', 'retry_wait') group by state")
            .fetch_all(conn)
            .await?;
    rows.into_iter().map(|(state, n)| Ok((State::parse(&state)?, n.unsigned_abs()))).collect()
}

/// A worker as its attempts show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenWorker {
    pub name: String,
    /// Attempts that it runs now.
    pub running: u64,
    /// When it last began one.
    pub last: Millis,
}

/// The workers that began an attempt since then, the latest first.
pub async fn workers(conn: &mut Conn, since: Millis) -> Result<Vec<SeenWorker>> {
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "select worker, cast(sum(case when ended_at is null then 1 else 0 end) as bigint), max(started_at)
         from attempts
         where started_at >= $1
         group by worker
         order by 3 desc
         limit 100",
    )
    .bind(since.0)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|(name, running, last)| SeenWorker { name, running: running.unsigned_abs(), last: Millis(last) }).collect())
}
