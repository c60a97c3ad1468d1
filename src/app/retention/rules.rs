//! The rules as people see, try and change them.

use super::{FOLLOW, InEffect, Stored, history, in_effect, of_tenant, read, resolve};
use crate::app::access::Actor;
use crate::app::activity;
use crate::app::{App, access, letters, to_json};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::{Conn, Tx};
use crate::db;
use crate::domain::alarm::Cause;
use crate::domain::ids::{EnvironmentId, TenantId};
use crate::domain::retention::{Fate, InForce, Past, Rules, Verdict, hold, judge, judge_all};
use crate::domain::rights::Right;
use crate::domain::view;
use crate::mail::Letter;

/// What is to become of an environment's or a tenant's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    To(Rules),
    /// What stands above: the tenant's, or the product's.
    Follow,
}

impl Change {
    fn stored(&self) -> Result<String> {
        match self {
            Self::To(rules) => to_json(rules),
            Self::Follow => Ok(FOLLOW.into()),
        }
    }
}

/// The rules of an environment, and what of them waits.
pub async fn info(app: &App, actor: &Actor, id: &EnvironmentId) -> Result<view::Retention> {
    let mut conn = app.pool.get().await?;
    let env = access::environment(&mut conn, actor, id, Right::View).await?;
    let terms = db::retention::terms(&mut conn, &TenantId(env.tenant_id), id, Cause::Size).await?;
    let terms = terms.ok_or_else(|| access::hidden("environment"))?;
    view_of(&terms.own, &resolve(&terms.own, &terms.above)?)
}

/// The same of a tenant's default.
pub async fn info_of_tenant(app: &App, actor: &Actor, id: &TenantId) -> Result<view::Retention> {
    let mut conn = app.pool.get().await?;
    access::in_tenant(&mut conn, actor, id, Right::View, "tenant").await?;
    let own = db::retention::of_tenant(&mut conn, id).await?.unwrap_or_default();
    view_of(&own, &of_tenant(&own)?)
}

fn view_of(own: &Stored, in_force: &[InForce]) -> Result<view::Retention> {
    let (newest, oldest) = (in_force.last().cloned(), in_force.first().cloned());
    let before = oldest.zip(newest.clone()).filter(|(old, new)| old.rules != new.rules).map(|(old, _)| old.rules);
    let follows = match &own.next {
        Some(next) => next == FOLLOW,
        None => own.rules.is_none(),
    };
    let effective = in_force.first().and_then(|r| r.until).map(Millis::iso);
    Ok(view::Retention { follows, rules: newest.map(|r| r.rules).unwrap_or_default(), before, effective })
}

/// Changes an environment's rules. What they keep more is kept at once; what they keep less goes a day later at the
/// earliest, and its owners are told.
///
/// # Errors
/// `Invalid` for rules that cannot be meant.
pub async fn set(app: &App, actor: &Actor, id: &EnvironmentId, change: &Change) -> Result<view::Retention> {
    let now = app.pool.now().await?;
    checked(change)?;
    let mut tx = app.pool.begin().await?;
    let env = access::environment(&mut tx, actor, id, Right::Policy).await?;
    let tenant = TenantId(env.tenant_id.clone());
    let before = db::retention::of_environment(&mut tx, id).await?.unwrap_or_default();
    let next = changed(app, now, &before, change)?;
    if next != before {
        db::retention::set_environment(&mut tx, &tenant, id, &next).await?;
        let what = format!("{}.{}", env.site, env.name);
        let url = format!("{}/environments/{id}/retention", app.public_url);
        told(app, &mut tx, now, actor, &tenant, &id.0, &Told { what, change, next: &next, url }).await?;
    }
    tx.commit().await?;
    info(app, actor, id).await
}

/// The same of a tenant's default, which its environments follow that have no rules of their own.
///
/// # Errors
/// As [`set`].
pub async fn set_of_tenant(app: &App, actor: &Actor, id: &TenantId, change: &Change) -> Result<view::Retention> {
    let now = app.pool.now().await?;
    checked(change)?;
    let mut tx = app.pool.begin().await?;
    access::in_tenant(&mut tx, actor, id, Right::Policy, "tenant").await?;
    let before = db::retention::of_tenant(&mut tx, id).await?.unwrap_or_default();
    let next = changed(app, now, &before, change)?;
    if next != before {
        db::retention::set_tenant(&mut tx, id, &next).await?;
        let what = db::tenants::find(&mut tx, id).await?.map(|t| format!("all of {}", t.name)).unwrap_or_default();
        let url = format!("{}/tenants/{id}/retention", app.public_url);
        told(app, &mut tx, now, actor, id, &id.0, &Told { what, change, next: &next, url }).await?;
    }
    tx.commit().await?;
    info_of_tenant(app, actor, id).await
}

fn checked(change: &Change) -> Result<()> {
    match change {
        Change::To(rules) => rules.check(),
        Change::Follow => Ok(()),
    }
}

/// The change waits beside what is in force. A second one replaces what waited, and waits its whole time.
fn changed(app: &App, now: Millis, before: &Stored, change: &Change) -> Result<Stored> {
    let same_as_now = match (change, &before.rules) {
        (Change::Follow, rules) => rules.is_none(),
        (Change::To(_), None) => false,
        (Change::To(wanted), Some(rules)) => *wanted == read(rules)?,
    };
    if same_as_now {
        return Ok(Stored { next: None, next_at: None, ..before.clone() });
    }
    let next = Some(change.stored()?);
    if next == before.next {
        return Ok(before.clone());
    }
    Ok(Stored { rules: before.rules.clone(), next, next_at: Some(now.plus(app.settings.retention.change_delay).0) })
}

struct Told<'a> {
    what: String,
    change: &'a Change,
    next: &'a Stored,
    url: String,
}

async fn told(app: &App, tx: &mut Tx, now: Millis, actor: &Actor, tenant: &TenantId, object: &str, told: &Told<'_>) -> Result<()> {
    let words = match told.change {
        Change::To(rules) => rules.words(),
        Change::Follow => "what stands above them".into(),
    };
    activity::record(tx, now, actor, Some(tenant), "retention.set", object, &format!("{}: {words}", told.what)).await?;
    let letter = |to: String| Letter::RulesChanged {
        to,
        what: told.what.clone(),
        who: actor.email.clone(),
        words: words.clone(),
        effective: told.next.next_at.map(Millis),
        url: told.url.clone(),
    };
    letters::tell_owners(tx, app, now, tenant, Some(&actor.account.0), &format!("{object}:rules:{}", now.0), letter).await;
    Ok(())
}

/// What rules would make of an environment's backups, beside what becomes of them now. Nothing is changed.
///
/// # Errors
/// `Invalid` for rules that cannot be meant.
pub async fn simulate(app: &App, actor: &Actor, id: &EnvironmentId, rules: Option<&Rules>) -> Result<view::Simulation> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let env = access::environment(&mut conn, actor, id, Right::View).await?;
    if let Some(rules) = rules {
        rules.check()?;
    }
    let tenant = TenantId(env.tenant_id);
    let (history, current, then) = judgements(&mut conn, now, &tenant, id, rules).await?;
    let row = |((past, now), then): ((Past, Verdict), Verdict)| view::Simulated {
        created: past.created.iso(),
        reason: past.reason.word().to_owned(),
        state: past.state,
        now: fate(&now),
        then: fate(&then),
        id: past.id,
    };
    let rows: Vec<_> = history.into_iter().zip(current).zip(then).map(row).collect();
    let going = |of: fn(&view::Simulated) -> &view::Fate| rows.iter().filter(|r| of(r).goes_now).count();
    let (goes_now, goes_then) = (going(|r| &r.now), going(|r| &r.then));
    Ok(view::Simulation { goes_now, goes_then, rows })
}

/// What becomes of an environment's backups by the rules in force, and by those that are tried; what is held stays by both.
async fn judgements(
    conn: &mut Conn,
    now: Millis,
    tenant: &TenantId,
    id: &EnvironmentId,
    rules: Option<&Rules>,
) -> Result<(Vec<Past>, Vec<Verdict>, Vec<Verdict>)> {
    let history = history(conn, tenant, id).await?;
    let InEffect { rules: in_force, held } = in_effect(conn, now, tenant, id).await?;
    let mut current = judge_all(&in_force, &history, now);
    let mut then = rules.map_or_else(|| current.clone(), |rules| judge(rules, &history, now));
    if let Some(why) = held {
        hold(&mut current, &why);
        hold(&mut then, &why);
    }
    Ok((history, current, then))
}

/// The same of a tenant's default: for each environment that follows it, how many backups go and would go.
///
/// # Errors
/// `Invalid` for rules that cannot be meant.
pub async fn simulate_tenant(app: &App, actor: &Actor, id: &TenantId, rules: Option<&Rules>) -> Result<view::TenantSimulation> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    access::in_tenant(&mut conn, actor, id, Right::View, "tenant").await?;
    if let Some(rules) = rules {
        rules.check()?;
    }
    let mut environments = Vec::new();
    for (environment, address) in db::retention::followers(&mut conn, id).await? {
        let (_, current, then) = judgements(&mut conn, now, id, &EnvironmentId(environment.clone()), rules).await?;
        let going = |all: &[Verdict]| all.iter().filter(|v| v.goes_now()).count();
        let (backups, goes_now, goes_then) = (current.len(), going(&current), going(&then));
        environments.push(view::SimulatedEnvironment { id: environment, environment: address, backups, goes_now, goes_then });
    }
    let sum = |of: fn(&view::SimulatedEnvironment) -> usize| environments.iter().map(of).sum();
    Ok(view::TenantSimulation { goes_now: sum(|e| e.goes_now), goes_then: sum(|e| e.goes_then), environments })
}

/// A verdict as it is shown.
pub(crate) fn fate(verdict: &Verdict) -> view::Fate {
    let label = verdict.label.map(|l| l.word().to_owned());
    let elements: Vec<String> = verdict.elements.iter().map(|(e, _)| e.name().to_owned()).collect();
    match &verdict.fate {
        Fate::Kept { because, goes } => view::Fate {
            goes_now: false,
            because: Some(because.clone()),
            goes: goes.as_ref().map(|g| g.on.iso()),
            by: goes.as_ref().map(|g| g.by.clone()),
            label,
            elements,
        },
        Fate::Goes { by } => view::Fate { goes_now: true, by: Some(by.clone()), label, elements, ..view::Fate::default() },
    }
}
