//! Rules, written: an environment's own, or the one that it follows. Who makes fewer backups than before is heard of.

use super::{refuse_beyond_plan, rule_of, view_of};
use crate::app::access::{self, Actor};
use crate::app::activity;
use crate::app::letters::{self, Letter};
use crate::app::{App, to_json};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::db;
use crate::domain::ids::{ActivityId, EnvironmentId, TenantId};
use crate::domain::paths;
use crate::domain::rights::Right;
use crate::domain::schedule::Schedule;
use crate::domain::view;

const ACT: &str = "schedule.change";

/// Gives an environment its own rule, or (`None`) lets it follow its tenant.
///
/// # Errors
/// `Invalid` for a rule that cannot be; `Conflict` when the plan has no schedules.
pub async fn set(app: &App, actor: &Actor, id: &EnvironmentId, rule: Option<Schedule>) -> Result<view::Schedule> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let env = access::environment(&mut tx, actor, id, Right::Policy).await?;
    let tenant = TenantId(env.tenant_id.clone());
    let facts = db::schedules::facts(&mut tx, id).await?.ok_or_else(|| access::hidden("environment"))?;
    let before = rule_of(facts.rule.as_deref(), facts.tenant_rule.as_deref())?;
    let text = rule.as_ref().map(to_json).transpose()?;
    let after = rule_of(text.as_deref(), facts.tenant_rule.as_deref())?;
    after.check()?;
    refuse_beyond_plan(&mut tx, &tenant, &after).await?;
    db::schedules::set_rule(&mut tx, now, &tenant, id, text.as_deref()).await?;
    let said = after.words(id.as_str());
    let detail = format!("{}: {said}{}", crate::app::environments::address(&env), if rule.is_none() { ", as its tenant" } else { "" });
    activity::record(&mut tx, now, actor, Some(&tenant), ACT, id.as_str(), &detail).await?;
    let change = Change {
        what: format!("{}.{}", env.site, env.name),
        before: before.words(id.as_str()),
        after: said,
        url: format!("{}{}", app.public_url, paths::schedule(id.as_str())),
    };
    if after.is_thinner_than(&before) {
        tell(&mut tx, app, now, actor, &tenant, change).await;
    }
    let view = view_of(&mut tx, &env, now).await?;
    tx.commit().await?;
    Ok(view)
}

/// Gives a tenant a rule for all of its environments that have none of their own; `None`: Sitekeep's.
///
/// # Errors
/// As [`set`].
pub async fn set_of_tenant(app: &App, actor: &Actor, tenant: &TenantId, rule: Option<Schedule>) -> Result<()> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    access::in_tenant(&mut tx, actor, tenant, Right::Policy, "tenant").await?;
    let name = db::tenants::find(&mut tx, tenant).await?.ok_or_else(|| access::hidden("tenant"))?.name;
    let before = rule_of(None, db::schedules::of_tenant(&mut tx, tenant).await?.as_deref())?;
    let after = rule.unwrap_or_default();
    after.check()?;
    refuse_beyond_plan(&mut tx, tenant, &after).await?;
    let text = rule.as_ref().map(to_json).transpose()?;
    db::schedules::set_of_tenant(&mut tx, now, tenant, text.as_deref()).await?;
    let detail = format!("{name}, environments without a rule of their own: {}", after.words_for_many());
    activity::record(&mut tx, now, actor, Some(tenant), ACT, tenant.as_str(), &detail).await?;
    let change = Change {
        what: format!("{name}, all environments without a schedule of their own"),
        before: before.words_for_many(),
        after: after.words_for_many(),
        url: format!("{}{}", app.public_url, paths::tenant_schedule(tenant.as_str())),
    };
    if after.is_thinner_than(&before) {
        tell(&mut tx, app, now, actor, tenant, change).await;
    }
    tx.commit().await?;
    Ok(())
}

struct Change {
    what: String,
    before: String,
    after: String,
    url: String,
}

/// The owners hear of it, also where one of them did it: a session that was stolen is nobody's friend.
async fn tell(conn: &mut Conn, app: &App, now: Millis, actor: &Actor, tenant: &TenantId, change: Change) {
    let letter = |to: String| Letter::ScheduleThinned {
        to,
        environment: change.what.clone(),
        by: actor.email.clone(),
        before: change.before.clone(),
        after: change.after.clone(),
        url: change.url.clone(),
    };
    letters::tell_owners(conn, app, now, tenant, Some(actor.account.as_str()), &ActivityId::fresh().0, letter).await;
}
