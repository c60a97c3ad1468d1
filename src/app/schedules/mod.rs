//! Schedules: when backups of an environment are made by themselves. `fire` settles the slots that are due; `change` writes
//! rules; `freeze` lets all of them rest.
//!
//! Any number of processes may fire at once: a slot is settled by the one whose conditional statement finds it due, in the
//! transaction that queues its backup. Nothing here trusts a clock further than a day.

mod change;
mod fire;
mod freeze;

pub use change::{set, set_of_tenant};
pub use fire::fire;
pub use freeze::{freeze, frozen, thaw};

use super::{App, access, access::Actor, backups, from_json};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::sql::Conn;
use crate::db;
use crate::db::schedules::Facts;
use crate::domain::ids::{EnvironmentId, TenantId};
use crate::domain::page::{SchedulePage, SlotRow, TenantSchedule};
use crate::domain::rights::Right;
use crate::domain::schedule::{Schedule, SlotState};
use crate::domain::view;

/// How many runs are shown before they are.
pub const SHOWN: usize = 5;
/// How many slots a page of them shows.
const PAGE: i64 = 60;

/// The rule that counts for an environment: its own, its tenant's, or Sitekeep's.
pub(crate) fn rule_of(own: Option<&str>, tenants: Option<&str>) -> Result<Schedule> {
    own.or(tenants).map_or(Ok(Schedule::default()), |text| from_json("schedule", text))
}

/// When the next slot of an environment is, if there is any.
pub(crate) fn next_of(rule: &Schedule, id: &EnvironmentId, facts: &Facts, now: Millis) -> Option<Millis> {
    let runs = rule.enabled && facts.allowed == 1 && facts.environment_state == "active" && facts.tenant_state == "active";
    runs.then(|| rule.next_after(id.as_str(), now.max(Millis(facts.settled_at))))
}

/// The same for the page of an environment, where it stands beside what else is known of it.
pub(crate) async fn standing(conn: &mut Conn, id: &EnvironmentId, now: Millis) -> Result<crate::domain::page::NextRun> {
    let facts = db::schedules::facts(conn, id).await?.ok_or_else(|| access::hidden("environment"))?;
    let rule = rule_of(facts.rule.as_deref(), facts.tenant_rule.as_deref())?;
    let said = match (facts.allowed == 1, &facts.frozen, rule.enabled) {
        (false, ..) => "the tenant's plan has no schedules".into(),
        (_, _, false) => "the schedule is switched off".into(),
        (_, Some(reason), _) => format!("all schedules rest: {reason}"),
        _ => rule.words(id.as_str()),
    };
    let at = next_of(&rule, id, &facts, now).filter(|_| facts.frozen.is_none());
    Ok(crate::domain::page::NextRun { at, zone: rule.zone, said })
}

/// The schedule of an environment.
pub async fn find(app: &App, actor: &Actor, id: &EnvironmentId) -> Result<view::Schedule> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let env = access::environment(&mut conn, actor, id, Right::View).await?;
    view_of(&mut conn, &env, now).await
}

async fn view_of(conn: &mut Conn, env: &db::environments::Environment, now: Millis) -> Result<view::Schedule> {
    let id = EnvironmentId(env.id.clone());
    let facts = db::schedules::facts(conn, &id).await?.ok_or_else(|| access::hidden("environment"))?;
    let rule = rule_of(facts.rule.as_deref(), facts.tenant_rule.as_deref())?;
    let next = next_of(&rule, &id, &facts, now);
    let upcoming = next.map(|first| rule.next(id.as_str(), Millis(first.0 - 1), SHOWN)).unwrap_or_default();
    Ok(view::Schedule {
        environment: format!("{}.{}", env.site, env.name),
        tenant: env.tenant.clone(),
        own: facts.rule.is_some(),
        rule,
        at: rule.at(id.as_str()),
        words: rule.words(id.as_str()),
        upcoming: upcoming.into_iter().map(Millis::iso).collect(),
        allowed: facts.allowed == 1,
        frozen: facts.frozen,
        environment_id: env.id.clone(),
    })
}

/// Every schedule that the actor may see, with its next run alone.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<view::Schedule>> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let member = (!actor.administrator).then(|| actor.account.as_str());
    let only = actor.tenant.as_ref().map(|t| t.as_str());
    let frozen = db::schedules::frozen(&mut conn).await?.map(|f| f.reason);
    let rows = db::schedules::list(&mut conn, member, only).await?;
    rows.into_iter().map(|row| listed(row, now, frozen.clone())).collect()
}

fn listed(row: db::schedules::Listed, now: Millis, frozen: Option<String>) -> Result<view::Schedule> {
    let rule = rule_of(row.rule.as_deref(), row.tenant_rule.as_deref())?;
    let id = row.environment_id.as_str();
    let next = (rule.enabled && row.allowed == 1).then(|| rule.next_after(id, now.max(Millis(row.settled_at))));
    Ok(view::Schedule {
        environment: format!("{}.{}", row.site, row.environment),
        own: row.rule.is_some(),
        rule,
        at: rule.at(id),
        words: rule.words(id),
        upcoming: next.into_iter().map(Millis::iso).collect(),
        allowed: row.allowed == 1,
        frozen,
        tenant: row.tenant,
        environment_id: row.environment_id,
    })
}

/// The page of an environment's schedule: `asked` is a rule that is tried and not yet saved.
pub async fn page(app: &App, actor: &Actor, id: &EnvironmentId, asked: Option<Schedule>) -> Result<SchedulePage> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let env = access::environment(&mut conn, actor, id, Right::View).await?;
    let tenant = TenantId(env.tenant_id.clone());
    let facts = db::schedules::facts(&mut conn, id).await?.ok_or_else(|| access::hidden("environment"))?;
    let saved = rule_of(facts.rule.as_deref(), facts.tenant_rule.as_deref())?;
    let shown = asked.unwrap_or(saved);
    shown.check()?;
    let from = now.max(Millis(facts.settled_at));
    let slots = db::schedules::slots(&mut conn, &tenant, id, now.plus(Millis::DAY), PAGE).await?;
    Ok(SchedulePage {
        own: facts.rule.is_some(),
        tenant_rule: rule_of(None, facts.tenant_rule.as_deref())?,
        upcoming: shown.next(id.as_str(), from, SHOWN),
        words: shown.words(id.as_str()),
        saved,
        shown,
        allowed: facts.allowed == 1,
        frozen: facts.frozen,
        may_change: access::rights(&mut conn, actor, &tenant).await?.may(Right::Policy) && !env.is_removed(),
        slots: slots.into_iter().map(row_of).collect::<Result<_>>()?,
    })
}

fn row_of(slot: db::schedules::Slot) -> Result<SlotRow> {
    Ok(SlotRow {
        at: Millis(slot.slot_at),
        state: SlotState::parse(&slot.state)?,
        why: slot.why,
        backup: slot.backup_id,
        backup_state: slot.backup_state,
        ran: slot.started_at.map(Millis),
    })
}

/// What became of the newest slots of an environment, newest first.
pub async fn slots(app: &App, actor: &Actor, id: &EnvironmentId) -> Result<Vec<view::Slot>> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let env = access::environment(&mut conn, actor, id, Right::View).await?;
    let rows = db::schedules::slots(&mut conn, &TenantId(env.tenant_id), id, now.plus(Millis::DAY), 500).await?;
    let view = |s: db::schedules::Slot| {
        Ok(view::Slot {
            due: Millis(s.slot_at).iso(),
            state: SlotState::parse(&s.state)?,
            why: s.why,
            backup: s.backup_id,
            backup_state: s.backup_state,
            ran: s.started_at.map(|at| Millis(at).iso()),
        })
    };
    rows.into_iter().map(view).collect()
}

/// The rule of a tenant, and who follows it.
pub async fn of_tenant(app: &App, actor: &Actor, tenant: &TenantId) -> Result<TenantSchedule> {
    let mut conn = app.pool.get().await?;
    access::in_tenant(&mut conn, actor, tenant, Right::View, "tenant").await?;
    let name = db::tenants::find(&mut conn, tenant).await?.ok_or_else(|| access::hidden("tenant"))?.name;
    let own = db::schedules::of_tenant(&mut conn, tenant).await?;
    let (follow, own_rules) = db::schedules::followers(&mut conn, tenant).await?;
    Ok(TenantSchedule {
        id: tenant.0.clone(),
        name,
        rule: rule_of(None, own.as_deref())?,
        own: own.is_some(),
        follow: follow.unsigned_abs(),
        own_rules: own_rules.unsigned_abs(),
        allowed: db::schedules::allowed(&mut conn, tenant).await?,
        may_change: access::rights(&mut conn, actor, tenant).await?.may(Right::Policy),
    })
}

/// A backup of an environment now, as its schedule would make it: of all elements.
pub async fn run_now(app: &App, actor: &Actor, id: &EnvironmentId, key: Option<String>) -> Result<(view::Backup, bool)> {
    let new = view::CreateBackup { note: Some("Run of the schedule by hand".into()), ..view::CreateBackup::default() };
    backups::create(app, actor, id, &new, key).await
}

/// # Errors
/// `Conflict` when the plan of the tenant has no schedules and the rule would make backups.
async fn refuse_beyond_plan(conn: &mut Conn, tenant: &TenantId, rule: &Schedule) -> Result<()> {
    if !rule.enabled || db::schedules::allowed(conn, tenant).await? {
        return Ok(());
    }
    Err(Error::conflict("the plan of this tenant has no schedules")
        .hint("backups can be made by hand at any time; ask the administrator for a plan with schedules"))
}
