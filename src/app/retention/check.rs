//! Reads a repository back, a part each day, so that every pack is seen within a month.

use crate::app::attempt::{Attempt, Ended};
use crate::app::{alarms, environments};
use crate::base::clock::Millis;
use crate::base::error::{Class, Result};
use crate::base::units;
use crate::db;
use crate::domain::ids::{SiteId, TenantId};
use crate::engine::{Checked, Repository};
use crate::queue::{self, Outcome};
use std::time::Duration;

/// The kind of job; its subject is the site.
pub const JOB: &str = "check_repository";
/// The least that a part reads.
const LEAST: u64 = 64 << 20;
/// Days that are left over when something stood in the way.
const SPARE: i64 = 5;
/// Backups that are named after damage; the others are counted.
const NAMED: usize = 10;

/// One attempt.
///
/// # Errors
/// What stood in the way. Damage is no error of the job: it is what it was looking for.
pub async fn run(attempt: &Attempt, site: &SiteId) -> Result<Ended> {
    match part(attempt, site).await {
        Err(e) if e.class() == Class::Cancelled && !attempt.cancel_requested().await? => Ok(Ended::Released),
        other => other,
    }
}

async fn part(attempt: &Attempt, site: &SiteId) -> Result<Ended> {
    let mut conn = attempt.app.pool.get().await?;
    let tenant = queue::find(&mut conn, &queue::Tenants::All, &attempt.lease.job).await?.tenant;
    let before = db::space::repository(&mut conn, &tenant, site).await?;
    drop(conn);
    let Some(before) = before else { return end(attempt, &tenant, None, &Checked::default(), (None, None)).await };
    let (id, repository) = environments::repository(&attempt.app, &tenant, site).await?;
    attempt.phase("Reading packs back", None).await?;
    let terms = &attempt.app.settings.retention;
    let days = u64::try_from(terms.check_days - SPARE).unwrap_or(1).max(1);
    let bytes = (before.bytes.unwrap_or(0).unsigned_abs() / days).max(LEAST);
    let (after, time) = (before.check_after.clone(), Duration::from_millis(terms.slice.unsigned_abs()));
    let reader = repository.clone();
    let checked = attempt.blocking(move |watch| reader.check(after.as_deref(), bytes, time, watch)).await?;
    let said = format!("{} read back, {}, of {}", units::count(checked.packs, "pack"), units::size(checked.bytes), units::size(checked.of));
    attempt.info(said).await;
    let (begins, was_damaged) = (before.check_after.is_none(), before.damaged.is_some());
    // What was found in this round stays until a whole round found nothing.
    let earlier = before.damaged.filter(|_| before.check_after.is_some());
    let needed = needed(attempt, &tenant, site, &repository, &checked.damaged).await?;
    let packs = (!checked.damaged.is_empty()).then(|| format!("packs {}; {needed}", checked.damaged.join(", ")));
    let mut found: Vec<String> = packs.into_iter().chain(checked.others.clone()).collect();
    if begins {
        found.extend(gone(attempt, &tenant, site, &repository).await?);
        // What was mended may have lost something: then there is no pack any more that could be found to be damaged.
        if was_damaged && found.is_empty() {
            found.extend(lacking(attempt, &tenant, site, &repository).await?);
        }
    }
    let found = (!found.is_empty()).then(|| found.join("; "));
    end(attempt, &tenant, Some((&id, site)), &checked, (earlier, found)).await
}

/// Backups of which a snapshot is not in the repository any more: somebody deleted it there, or put an older copy back.
async fn gone(attempt: &Attempt, tenant: &TenantId, site: &SiteId, repository: &Repository) -> Result<Vec<String>> {
    let named = db::space::snapshots(&mut *attempt.app.pool.get().await?, tenant, site).await?;
    let repository = repository.clone();
    let there = attempt.blocking(move |_| repository.names_of_snapshots()).await?;
    let backups = of_snapshots(named, |s| !there.contains(&s.snapshot));
    let shown = backups.iter().take(NAMED).map(|b| format!("a snapshot of the backup {b} is gone from the repository"));
    let more = backups.len().saturating_sub(NAMED);
    Ok(shown.chain((more > 0).then(|| format!("and of {}", units::count(more as u64, "other")))).collect())
}

/// Backups that lack a piece, in words.
async fn lacking(attempt: &Attempt, tenant: &TenantId, site: &SiteId, repository: &Repository) -> Result<Option<String>> {
    let all = db::space::snapshots(&mut *attempt.app.pool.get().await?, tenant, site).await?;
    let (repository, ids) = (repository.clone(), all.iter().map(|s| s.snapshot.clone()).collect::<Vec<_>>());
    let lacking = attempt.blocking(move |watch| repository.needing(&[], &ids, watch)).await?;
    let backups = of_snapshots(all, |s| lacking.contains(&s.snapshot));
    Ok((!backups.is_empty()).then(|| format!("pieces were lost; {}", listed(&backups))))
}

/// The backups of some snapshots, for people.
fn of_snapshots(all: Vec<db::space::Snapshot>, wanted: impl Fn(&db::space::Snapshot) -> bool) -> Vec<String> {
    let shown = |s: db::space::Snapshot| format!("{} of {} ({})", s.environment, Millis(s.created_at).for_people(), s.backup_id);
    let mut backups: Vec<String> = all.into_iter().filter(|s| wanted(s)).map(shown).collect();
    backups.dedup(); // the elements of one backup stand beside each other
    backups
}

/// Which backups need packs that are damaged, in words. Trees are walked for that, each once, and only after damage.
async fn needed(attempt: &Attempt, tenant: &TenantId, site: &SiteId, repository: &Repository, packs: &[String]) -> Result<String> {
    if packs.is_empty() {
        return Ok(String::new());
    }
    attempt.phase("Looking which backups need them", None).await?;
    let all = db::space::snapshots(&mut *attempt.app.pool.get().await?, tenant, site).await?;
    let (repository, packs) = (repository.clone(), packs.to_owned());
    let ids: Vec<String> = all.iter().map(|s| s.snapshot.clone()).collect();
    let needing = match attempt.blocking(move |watch| repository.needing(&packs, &ids, watch)).await {
        Ok(needing) => needing,
        Err(e) if e.class() == Class::Cancelled => return Err(e),
        Err(e) => return Ok(format!("which backups need them cannot be told: {}", e.sentence())),
    };
    Ok(listed(&of_snapshots(all, |s| needing.contains(&s.snapshot))))
}

fn listed(backups: &[String]) -> String {
    if backups.is_empty() {
        return "no backup that is kept needs them".into();
    }
    let shown = backups.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = backups.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let verb = if backups.len() == 1 { "needs" } else { "need" };
    format!("{} {verb} them: {shown}{more}", units::count(backups.len() as u64, "backup"))
}

async fn end(
    attempt: &Attempt,
    tenant: &TenantId,
    at: Option<(&str, &SiteId)>,
    checked: &Checked,
    (earlier, found): (Option<String>, Option<String>),
) -> Result<Ended> {
    let damaged = match (earlier, found.clone()) {
        (Some(earlier), Some(found)) => Some(format!("{earlier}; {found}")),
        (earlier, found) => earlier.or(found),
    };
    let now = attempt.now().await?;
    let mut tx = attempt.begin().await?;
    if let Some((id, site)) = at {
        db::space::checked(&mut tx, now, tenant, id, checked.next.as_deref(), damaged.as_deref()).await?;
        if damaged.is_some() || checked.next.is_none() {
            alarms::checked(&mut tx, &attempt.app, now, tenant, site, damaged.as_deref()).await?;
        }
    }
    let outcome = found.map_or_else(Outcome::succeeded, |what| Outcome {
        hint: Some(alarms::MEND.into()),
        ..Outcome::incomplete(format!("damaged: {what}"))
    });
    queue::finish(&mut tx, now, &attempt.lease, outcome).await?;
    tx.commit().await?;
    Ok(Ended::Finished)
}
