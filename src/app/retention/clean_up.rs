//! The only room from which anything leaves a repository.
//!
//! A job that has the repository for itself: no backup, restore or check runs beside it. It works in two phases. First
//! what lay long enough in the trash is judged once more and marked as expired, in the transaction of its fence: who was
//! pinned or taken back meanwhile, whom a restore needs, what an alarm holds, and the last good one of an environment are spared; from then on
//! nothing can be restored from the others. Only then do their snapshots go, and after that the space is freed. An
//! attempt that dies in between leaves rows that say *expired*, and the next one goes on from them.

use super::{clock, in_effect, mend, strays};
use crate::app::attempt::{Attempt, Ended};
use crate::app::environments;
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::failpoint;
use crate::base::sql::{Conn, Tx};
use crate::base::units;
use crate::db;
use crate::db::activity::Act;
use crate::db::purges::{Over, Unwanted};
use crate::domain::ids::{BackupId, EnvironmentId, SiteId, TenantId};
use crate::engine::{Pruned, Pruning, Repository};
use crate::queue::{self, Outcome};

/// The kind of job; its subject is the site.
pub const JOB: &str = "clean_up";
/// Backups that one attempt expires; the next goes on.
const AT_ONCE: i64 = 500;
/// Between a failure and the next job.
const PAUSE: i64 = 6 * 3_600_000;
/// The last good backup of an environment is looked at again after a week, …
const SPARED_FOR: i64 = 7 * Millis::DAY;
/// … and what an alarm holds after a day.
const HELD_FOR: i64 = Millis::DAY;

/// One attempt.
///
/// # Errors
/// What stood in the way: it is tried again by its class.
pub async fn run(attempt: &Attempt, site: &SiteId) -> Result<Ended> {
    match clean(attempt, site).await {
        Err(e) if e.class() == Class::Cancelled && !attempt.cancel_requested().await? => Ok(Ended::Released),
        other => other,
    }
}

async fn clean(attempt: &Attempt, site: &SiteId) -> Result<Ended> {
    let tenant = tenant(attempt).await?;
    if let Some(why) = clock::status(&attempt.app).await?.doubt {
        attempt.warn(format!("Nothing is removed while the clock is not believed: {why}")).await;
        return end(attempt, None).await;
    }
    failpoint::hit(format_args!("cleanup.begin"))?;
    let (id, repository) = environments::repository(&attempt.app, &tenant, site).await?;
    let was_damaged = mend::run(attempt, &tenant, site, &repository).await?;
    let more = expire(attempt, &tenant, site).await?;
    failpoint::hit(format_args!("cleanup.expired"))?;
    forget(attempt, &tenant, site, &repository).await?;
    strays::forget(attempt, &tenant, site, &repository).await?;
    let pruned = match prune(attempt, &repository).await {
        Err(e) if was_damaged && e.class() == Class::Damaged => return postponed(attempt, &tenant, site, &e).await,
        other => other?,
    };
    told(attempt, &pruned).await;
    let terms = &attempt.app.settings.retention;
    let again = more || pruned.repacked >= terms.repack;
    end(attempt, Some(Done { tenant, repository: id, pruned, again })).await
}

/// A backup lacks what was lost. The next one may bring it back; until then nothing is freed.
async fn postponed(attempt: &Attempt, tenant: &TenantId, site: &SiteId, e: &Error) -> Result<Ended> {
    let now = attempt.now().await?;
    let mut tx = attempt.begin().await?;
    db::space::pause(&mut tx, tenant, site, now.plus(PAUSE)).await?;
    let why = format!("nothing is freed while a backup lacks something: {}", e.sentence());
    queue::finish(&mut tx, now, &attempt.lease, Outcome::incomplete(why)).await?;
    tx.commit().await?;
    Ok(Ended::Finished)
}

/// In the transaction that ended a job that failed for good: the next one waits, so that what cannot be done is not tried
/// every few minutes.
pub async fn failed(conn: &mut Conn, now: Millis, tenant: &TenantId, site: &SiteId) -> Result<()> {
    db::space::pause(conn, tenant, site, now.plus(PAUSE)).await
}

async fn tenant(attempt: &Attempt) -> Result<TenantId> {
    let mut conn = attempt.app.pool.get().await?;
    Ok(queue::find(&mut conn, &queue::Tenants::All, &attempt.lease.job).await?.tenant)
}

/// The first phase; true when more is left for the next attempt.
async fn expire(attempt: &Attempt, tenant: &TenantId, site: &SiteId) -> Result<bool> {
    let now = attempt.now().await?;
    let told_before = now.plus(-attempt.app.settings.retention.notice);
    let mut tx = attempt.begin().await?;
    let over = db::purges::over(&mut tx, now, tenant, site, told_before, AT_ONCE).await?;
    let mut expired = Vec::new();
    for one in &over {
        if expire_one(&mut tx, now, tenant, one).await? {
            expired.push(one);
        }
    }
    let parts = db::purges::expire_elements(&mut tx, now, tenant, site).await?;
    if !expired.is_empty() || parts > 0 {
        note(&mut tx, now, tenant, site, &expired, parts).await?;
    }
    tx.commit().await?;
    let spared = over.len() - expired.len();
    let text =
        format!("{} expired, {spared} spared, {parts} of the others without an element", units::count(expired.len() as u64, "backup"));
    attempt.info(text).await;
    Ok(over.len() as i64 == AT_ONCE)
}

/// False when it is spared.
async fn expire_one(tx: &mut Tx, now: Millis, tenant: &TenantId, one: &Over) -> Result<bool> {
    let (id, environment) = (BackupId(one.id.clone()), EnvironmentId(one.environment_id.clone()));
    if in_effect(tx, now, tenant, &environment).await?.held.is_some() {
        db::retention::set_purge(tx, tenant, &id, now.plus(HELD_FOR)).await?;
        return Ok(false);
    }
    let last = db::purges::last_resort(tx, tenant, &environment).await?;
    // Held first: a restore that begins at this moment is seen by the statement after it, or waits for us.
    let held = db::backups::hold(tx, tenant, &id).await?;
    if held && last.as_deref() != Some(&one.id) && db::purges::expire(tx, now, tenant, &id).await? {
        return Ok(true);
    }
    db::retention::set_purge(tx, tenant, &id, now.plus(SPARED_FOR)).await?;
    Ok(false)
}

async fn note(tx: &mut Tx, now: Millis, tenant: &TenantId, site: &SiteId, expired: &[&Over], parts: u64) -> Result<()> {
    let ids: Vec<&str> = expired.iter().take(20).map(|o| o.id.as_str()).collect();
    let detail = format!("{}, {}: {}", units::count(expired.len() as u64, "backup"), units::count(parts, "element"), ids.join(", "));
    let act = Act {
        tenant: Some(tenant),
        account: None,
        actor: super::sweep::WHO,
        action: "retention.purge",
        object: &site.0,
        detail: &detail,
        address: "",
    };
    db::activity::record(tx, now, &act).await
}

/// The second phase: snapshots of what is expired.
async fn forget(attempt: &Attempt, tenant: &TenantId, site: &SiteId, repository: &Repository) -> Result<()> {
    let unwanted = db::purges::unwanted(&mut *attempt.app.pool.get().await?, tenant, site).await?;
    if unwanted.is_empty() {
        return Ok(());
    }
    attempt.phase("Forgetting the snapshots of what is expired", None).await?;
    attempt.fence().await?;
    let (repository, ids) = (repository.clone(), unwanted.iter().map(|u| u.snapshot.clone()).collect::<Vec<_>>());
    attempt.blocking(move |_| repository.forget(&ids)).await?;
    failpoint::hit(format_args!("cleanup.forgotten"))?;
    forgotten(attempt, tenant, &unwanted).await?;
    failpoint::hit(format_args!("cleanup.noted"))
}

async fn forgotten(attempt: &Attempt, tenant: &TenantId, unwanted: &[Unwanted]) -> Result<()> {
    let mut tx = attempt.begin().await?;
    for u in unwanted {
        db::purges::forgotten(&mut tx, tenant, u).await?;
    }
    tx.commit().await?;
    Ok(())
}

async fn prune(attempt: &Attempt, repository: &Repository) -> Result<Pruned> {
    attempt.phase("Freeing what no snapshot needs", None).await?;
    attempt.fence().await?;
    let terms = &attempt.app.settings.retention;
    let how = Pruning { keep_marked: terms.keep_marked, repack: terms.repack };
    let repository = repository.clone();
    attempt.blocking(move |watch| repository.prune(how, watch)).await
}

async fn told(attempt: &Attempt, pruned: &Pruned) {
    let [freed, marked, repacked, size] = [pruned.freed, pruned.marked, pruned.repacked, pruned.size].map(units::size);
    attempt.info(format!("Freed {freed}; {marked} are marked and go later; {repacked} packed anew; the repository has {size}")).await;
}

struct Done {
    tenant: TenantId,
    repository: String,
    pruned: Pruned,
    again: bool,
}

async fn end(attempt: &Attempt, done: Option<Done>) -> Result<Ended> {
    let now = attempt.now().await?;
    let terms = &attempt.app.settings.retention;
    let mut tx = attempt.begin().await?;
    if let Some(done) = done {
        // What is marked now goes an hour after its time, when no clock can be in doubt about it.
        let later = (done.pruned.marked > 0).then(|| now.plus(terms.keep_marked + 3_600_000));
        let next = if done.again { Some(now) } else { later };
        db::space::cleaned(&mut tx, now, &done.tenant, &done.repository, done.pruned.marked as i64, next).await?;
        db::space::measured(&mut tx, now, &done.tenant, &done.repository, done.pruned.size as i64).await?;
    }
    queue::finish(&mut tx, now, &attempt.lease, Outcome::succeeded()).await?;
    failpoint::hit(format_args!("cleanup.end"))?;
    tx.commit().await?;
    failpoint::hit(format_args!("cleanup.ended"))?;
    Ok(Ended::Finished)
}
