//! The dead man's switch: notices that nothing happens. It asks the environments how long ago a good backup of them was
//! made, and neither the queue nor the scheduler, which may be what does not work.

use super::{On, raise};
use crate::app::letters::{self, Letter};
use crate::app::{App, schedules};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::units;
use crate::db;
use crate::db::alarms::Quiet;
use crate::domain::alarm::Cause;
use crate::domain::ids::{EnvironmentId, SiteId, TenantId};
use crate::domain::schedule::Schedule;
use crate::mail::Standing;

const HOUR: i64 = 3600 * Millis::SECOND;
/// Between a slot and the end of its backup lies the time that the backup takes, also where slots are close together.
const LEAST: i64 = 26 * HOUR;
/// The hour of the day, in UTC, after which the daily letter is written.
const MORNING: i64 = 6 * HOUR;
/// Environments that one letter lists.
const LISTED: usize = 200;

/// How long after its last good backup (or its first slot) an environment is overdue, in milliseconds: one and a half
/// intervals of its schedule.
pub fn patience(rule: &Schedule) -> i64 {
    (rule.interval() * 3 / 2).max(LEAST)
}

/// Opens the alarms of all that are overdue, and writes the daily letters. Any number of processes may do it at once.
pub async fn watch(app: &App) -> Result<()> {
    overdue(app).await?;
    digests(app).await
}

async fn overdue(app: &App) -> Result<()> {
    let now = app.pool.now().await?;
    let quiet = {
        let mut conn = app.pool.get().await?;
        db::alarms::close_unexpected(&mut conn, now).await?;
        db::alarms::quiet(&mut conn, now.plus(-LEAST)).await?
    };
    for found in quiet {
        let rule = schedules::rule_of(found.rule.as_deref(), found.tenant_rule.as_deref())?;
        if now.0 - found.since > patience(&rule) {
            tell(app, now, &found).await?;
        }
    }
    Ok(())
}

async fn tell(app: &App, now: Millis, found: &Quiet) -> Result<()> {
    let on = On {
        tenant: TenantId(found.tenant_id.clone()),
        site: SiteId(found.site_id.clone()),
        environment: EnvironmentId(found.environment_id.clone()),
        title: format!("{}.{}", found.site, found.environment),
    };
    let message = match found.last_good_at {
        Some(at) => format!("the last good backup is of {}", Millis(at).for_people()),
        None => format!("there is no good backup, although one could have been made since {}", Millis(found.since).for_people()),
    };
    let hint = "look at the newest backups of the environment and at the queue: does a worker run?";
    let mut tx = app.pool.begin().await?;
    raise(&mut tx, app, now, &on, Cause::Overdue, &message, Some(hint)).await?;
    tx.commit().await.map_err(Into::into)
}

async fn digests(app: &App) -> Result<()> {
    let now = app.pool.now().await?;
    let day = (now.0 - MORNING).div_euclid(Millis::DAY);
    let due = db::alarms::undigested(&mut *app.pool.get().await?, day).await?;
    for tenant in due {
        digest(app, now, day, &TenantId(tenant)).await?;
    }
    Ok(())
}

async fn digest(app: &App, now: Millis, day: i64, tenant: &TenantId) -> Result<()> {
    let mut tx = app.pool.begin().await?;
    if !db::alarms::digest(&mut tx, tenant, day).await? {
        return Ok(());
    }
    let all = db::alarms::standings(&mut tx, tenant).await?;
    let Some(row) = db::tenants::find(&mut tx, tenant).await?.filter(|_| !all.is_empty()) else {
        return tx.commit().await.map_err(Into::into);
    };
    let mut environments: Vec<Standing> = all
        .into_iter()
        .map(|s| Standing { environment: format!("{}.{}", s.site, s.environment), last_good: s.last_good_at.map(Millis), alarms: s.open })
        .collect();
    environments.sort_by_key(|e| (e.last_good.is_some(), !e.is_bad()));
    if environments.len() > LISTED {
        tracing::info!("{}: the daily letter lists {}", row.name, units::count(LISTED as u64, "environment"));
        environments.truncate(LISTED);
    }
    for to in db::letters::owners(&mut tx, tenant).await? {
        let url = format!("{}/tenants/{tenant}/alarms", app.public_url);
        let unique = format!("{tenant}:digest:{day}:{to}");
        let letter = Letter::Digest { to, tenant: row.name.clone(), environments: environments.clone(), url };
        letters::send(&mut tx, app, now, Some(tenant), &letter, Some(unique)).await?;
    }
    tx.commit().await.map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::schedule::Cadence;

    #[test]
    fn one_and_a_half_intervals_are_too_long() {
        assert_eq!(patience(&Schedule::default()), 36 * HOUR);
        assert_eq!(patience(&Schedule { cadence: Cadence::Weekly, ..Schedule::default() }), 252 * HOUR);
    }
}
