//! Why a job waits, in words; and since when, so that nobody waits for ever.

use super::line::head;
use super::settings::{Settings, millis};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::{Conn, Pool};
use crate::base::units;
use std::collections::BTreeMap;

/// Only so many jobs at the head of the line are looked at, about as many of each tenant: the cost has a bound, whatever the
/// length of the line. One further behind begins to lose patience when it comes so far; its age brings it there.
const HEAD: i64 = 1_000;

/// One waiting job and one reason.
#[derive(sqlx::FromRow)]
struct Waits {
    id: String,
    tenant_id: String,
    blocked_on: Option<String>,
    resource: String,
    by_mode: String,
    by_id: String,
    by_tenant: String,
    by_kind: String,
    since: i64,
}

/// What was found out about a waiting job.
struct Reason {
    before: Option<String>,
    words: Option<String>,
    /// It waits for a resource (and not only for its turn): its patience runs.
    by_need: bool,
}

/// Writes `blocked_on` of the jobs whose time has come and who may not run, and reserves for those who waited too long.
pub(super) async fn explain(pool: &Pool, now: Millis, settings: &Settings) -> Result<()> {
    let mut reasons = stale(pool, now).await?;
    full_tenants(pool, now, settings, &mut reasons).await?;
    behind_the_patient(pool, now, &mut reasons).await?;
    unclean(pool, now, &mut reasons).await?;
    held_needs(pool, now, &mut reasons).await?;
    let news: Vec<_> = reasons.iter().filter(|(_, reason)| reason.before != reason.words).collect();
    if !news.is_empty() {
        let mut tx = pool.begin().await?;
        for (id, reason) in news {
            write(&mut tx, now, id, reason).await?;
        }
        tx.commit().await?;
    }
    reserve(pool, now, settings).await
}

/// Those who were told a reason; it may be gone.
async fn stale(pool: &Pool, now: Millis) -> Result<BTreeMap<String, Reason>> {
    let mut conn = pool.get().await?;
    let rows: Vec<(String, String)> =
        sqlx::query_as(concat!("select j.id, j.blocked_on from ", head!(), " where j.blocked_on is not null"))
            .bind(now.0)
            .bind(HEAD)
            .fetch_all(&mut *conn)
            .await?;
    Ok(rows.into_iter().map(|(id, words)| (id, Reason { before: Some(words), words: None, by_need: false })).collect())
}

async fn full_tenants(pool: &Pool, now: Millis, settings: &Settings, reasons: &mut BTreeMap<String, Reason>) -> Result<()> {
    let mut conn = pool.get().await?;
    let rows: Vec<(String, Option<String>, i64)> = sqlx::query_as(concat!(
        "select j.id, j.blocked_on, f.running from ",
        head!(),
        " join tenants t on t.id = j.tenant_id
          join (
            select r.tenant_id || '' as tenant_id, count(*) as running from jobs r where r.state = 'running' group by r.tenant_id || ''
          ) f on f.tenant_id = j.tenant_id
          where j.class <> 'restore' and f.running >= coalesce(t.jobs_at_once, $3)"
    ))
    .bind(now.0)
    .bind(HEAD)
    .bind(i64::from(settings.tenant_running))
    .fetch_all(&mut *conn)
    .await?;
    for (id, before, running) in rows {
        let running = units::count(running.unsigned_abs(), "job");
        let words = format!("waits for its turn: this tenant has {running} running, and no more may run at once");
        reasons.insert(id, Reason { before, words: Some(words), by_need: false });
    }
    Ok(())
}

async fn behind_the_patient(pool: &Pool, now: Millis, reasons: &mut BTreeMap<String, Reason>) -> Result<()> {
    let mut conn = pool.get().await?;
    let rows: Vec<Waits> = sqlx::query_as(concat!(
        "select j.id, j.tenant_id, j.blocked_on, n.resource, w.mode as by_mode,
                b.id as by_id, b.tenant_id as by_tenant, b.kind as by_kind, w.reserved_at as since
         from ",
        head!(),
        " join job_needs n on n.job_id = j.id
          join job_needs w on w.resource = n.resource and w.job_id <> n.job_id
          join jobs b on b.id = w.job_id
          where w.reserved_at is not null
            and w.token is null
            and (n.mode = 'exclusive' or w.mode = 'exclusive')
            and (w.reserved_at, w.job_id) < (coalesce(n.reserved_at, 9223372036854775807), n.job_id)
            and j.class <> 'restore'
          order by j.id, n.resource, w.reserved_at, b.id"
    ))
    .bind(now.0)
    .bind(HEAD)
    .fetch_all(&mut *conn)
    .await?;
    for w in first_of_each(rows) {
        let words = format!("waits behind {}, which has been waiting for {} since {}", who(&w), w.resource, Millis(w.since).for_people());
        reasons.insert(w.id, Reason { before: w.blocked_on, words: Some(words), by_need: true });
    }
    Ok(())
}

/// Somebody who shared it was lost, and may still be at work without knowing.
async fn unclean(pool: &Pool, now: Millis, reasons: &mut BTreeMap<String, Reason>) -> Result<()> {
    let mut conn = pool.get().await?;
    let rows: Vec<(String, Option<String>, String, i64)> = sqlx::query_as(concat!(
        "select j.id, j.blocked_on, n.resource, u.until from ",
        head!(),
        " join job_needs n on n.job_id = j.id
          join unclean_ends u on u.resource = n.resource
          where n.mode = 'exclusive' and u.until > $1"
    ))
    .bind(now.0)
    .bind(HEAD)
    .fetch_all(&mut *conn)
    .await?;
    for (id, before, resource, until) in rows {
        let words = format!("waits for {resource} until {}: the end of a job that used it was not seen", Millis(until).for_people());
        reasons.insert(id, Reason { before, words: Some(words), by_need: true });
    }
    Ok(())
}

async fn held_needs(pool: &Pool, now: Millis, reasons: &mut BTreeMap<String, Reason>) -> Result<()> {
    let mut conn = pool.get().await?;
    let rows: Vec<Waits> = sqlx::query_as(concat!(
        "select j.id, j.tenant_id, j.blocked_on, n.resource, h.mode as by_mode,
                b.id as by_id, b.tenant_id as by_tenant, b.kind as by_kind, coalesce(b.claimed_at, b.created_at) as since
         from ",
        head!(),
        " join job_needs n on n.job_id = j.id
          join job_needs h on h.resource = n.resource and h.job_id <> n.job_id
          join jobs b on b.id = h.job_id
          where h.token is not null
            and (n.mode = 'exclusive' or h.mode = 'exclusive')
          order by j.id, n.resource, b.id"
    ))
    .bind(now.0)
    .bind(HEAD)
    .fetch_all(&mut *conn)
    .await?;
    for w in first_of_each(rows) {
        let alone = if w.by_mode == "exclusive" { " alone" } else { "" };
        let words = format!("waits for {}, which has {}{alone} since {}", who(&w), w.resource, Millis(w.since).for_people());
        reasons.insert(w.id, Reason { before: w.blocked_on, words: Some(words), by_need: true });
    }
    Ok(())
}

/// The rows come sorted by the waiting job; one reason is enough for each.
fn first_of_each(mut rows: Vec<Waits>) -> Vec<Waits> {
    rows.dedup_by(|b, a| a.id == b.id);
    rows
}

/// What another tenant does is not told.
fn who(w: &Waits) -> String {
    if w.by_tenant == w.tenant_id { format!("{} ({})", w.by_kind.replace('_', " "), w.by_id) } else { "another job".into() }
}

/// A momentary gap does not start the patience anew: `blocked_since` goes only when the job is claimed or ends.
async fn write(conn: &mut Conn, now: Millis, id: &str, reason: &Reason) -> Result<()> {
    let since = reason.by_need.then_some(now.0);
    sqlx::query(
        "update jobs set blocked_on = $2, blocked_since = coalesce(blocked_since, $3) where id = $1 and state in ('queued', 'retry_wait')",
    )
    .bind(id)
    .bind(reason.words.clone())
    .bind(since)
    .execute(conn)
    .await?;
    Ok(())
}

/// Those who waited beyond all patience keep younger jobs away from what they need. The oldest of them stands behind
/// nobody, so they cannot wait for each other in a ring.
async fn reserve(pool: &Pool, now: Millis, settings: &Settings) -> Result<()> {
    let mut conn = pool.get().await?;
    sqlx::query(
        "update job_needs
         set reserved_at = (select j.blocked_since from jobs j where j.id = job_needs.job_id)
         where token is null
           and reserved_at is null
           and job_id in (select b.id from jobs b where b.blocked_since <= $1 and b.state in ('queued', 'retry_wait'))",
    )
    .bind(now.plus(-millis(settings.patience)).0)
    .execute(&mut *conn)
    .await?;
    Ok(())
}
