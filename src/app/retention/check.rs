//! Reads a repository back, a part each day, so that every pack is seen within a month.

use crate::app::attempt::{Attempt, Ended};
use crate::app::{alarms, environments};
use crate::base::error::{Class, Result};
use crate::base::units;
use crate::db;
use crate::domain::ids::{SiteId, TenantId};
use crate::engine::Checked;
use crate::queue::{self, Outcome};
use std::time::Duration;

/// The kind of job; its subject is the site.
pub const JOB: &str = "check_repository";
/// The least that a part reads.
const LEAST: u64 = 64 << 20;
/// Days that are left over when something stood in the way.
const SPARE: i64 = 5;

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
    let Some(before) = before else { return end(attempt, &tenant, None, &Checked::default(), None).await };
    let (id, repository) = environments::repository(&attempt.app, &tenant, site).await?;
    attempt.phase("Reading packs back", None).await?;
    let terms = &attempt.app.settings.retention;
    let days = u64::try_from(terms.check_days - SPARE).unwrap_or(1).max(1);
    let bytes = (before.bytes.unwrap_or(0).unsigned_abs() / days).max(LEAST);
    let (after, time) = (before.check_after.clone(), Duration::from_millis(terms.slice.unsigned_abs()));
    let checked = attempt.blocking(move |watch| repository.check(after.as_deref(), bytes, time, watch)).await?;
    let said = format!("{} read back, {}, of {}", units::count(checked.packs, "pack"), units::size(checked.bytes), units::size(checked.of));
    attempt.info(said).await;
    // What was found in this round stays until a whole round found nothing.
    let earlier = before.damaged.filter(|_| before.check_after.is_some());
    end(attempt, &tenant, Some((&id, site)), &checked, earlier).await
}

async fn end(
    attempt: &Attempt,
    tenant: &TenantId,
    at: Option<(&str, &SiteId)>,
    checked: &Checked,
    earlier: Option<String>,
) -> Result<Ended> {
    let found = (!checked.damaged.is_empty()).then(|| format!("packs {}", checked.damaged.join(", ")));
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
