//! Settling slots. Each environment that is due is one transaction: its row is taken by a conditional statement, what is due
//! is judged, a backup queued or the reason written down, and the next slot planned.

use super::rule_of;
use crate::app::{App, backups, environments, from_json, plans};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::sql::Conn;
use crate::db;
use crate::db::environments::Environment;
use crate::db::schedules::Facts;
use crate::domain::ids::{EnvironmentId, TenantId};
use crate::domain::schedule::{Schedule, SlotState};
use crate::queue;

/// Environments that are asked for at a time.
const BATCH: i64 = 200;
/// Missed slots that are written down one by one; older ones are counted with the oldest of these.
const MISSED_KEPT: usize = 30;
/// A clock that goes back by less changes nothing: no slot is settled twice.
const DOUBT: i64 = Millis::DAY;
/// A slot that could not be settled is tried again after so long.
const PAUSE: i64 = 600 * Millis::SECOND;
const MISSED: &str = "Sitekeep was not running then, or its clock was changed";

/// Settles what is due; how many backups were queued.
///
/// # Errors
/// Only what the catalogue says. What goes wrong with one environment is told and tried again, and holds up no other.
pub async fn fire(app: &App) -> Result<usize> {
    let now = app.pool.now().await?;
    let doubted = db::schedules::rewind(&mut *app.pool.get().await?, now, now.plus(DOUBT)).await?;
    if doubted > 0 {
        tracing::warn!("the clock went back: {doubted} schedules are planned anew");
    }
    let mut queued = 0;
    loop {
        // No connection is held while another one is waited for: a small pool would stand still.
        let due = db::schedules::due(&mut *app.pool.get().await?, now, BATCH).await?;
        let full = due.len() == BATCH as usize;
        for id in due {
            queued += usize::from(one(app, now, &EnvironmentId(id)).await);
        }
        if !full {
            break;
        }
    }
    if queued > 0 {
        queue::hint();
    }
    Ok(queued)
}

/// Was a backup queued?
async fn one(app: &App, now: Millis, id: &EnvironmentId) -> bool {
    match try_one(app, now, id).await {
        Ok(queued) => queued,
        Err(e) => {
            tracing::warn!("the schedule of {id}: {e}");
            let later = async {
                let mut conn = app.pool.get().await?;
                let settled = db::schedules::facts(&mut conn, id).await?.map_or(now.0, |f| f.settled_at);
                db::schedules::set_next(&mut conn, id, Some(now.plus(PAUSE)), Millis(settled)).await
            };
            if let Err(e) = later.await {
                tracing::warn!("the schedule of {id} cannot be put off: {e}");
            }
            false
        }
    }
}

async fn try_one(app: &App, now: Millis, id: &EnvironmentId) -> Result<bool> {
    let mut tx = app.pool.begin().await?;
    if !db::schedules::take(&mut tx, now, id).await? {
        return Ok(false); // somebody else was quicker
    }
    // Whoever would remove the environment waits until this is over.
    db::environments::lock(&mut tx, id).await?;
    let facts = db::schedules::facts(&mut tx, id).await?.ok_or_else(|| Error::internal("a schedule without its environment"))?;
    let rule = rule_of(facts.rule.as_deref(), facts.tenant_rule.as_deref())?;
    // Rows from before there were schedules begin now.
    let settled = if facts.planned_from == 0 { now.max(Millis(facts.settled_at)) } else { Millis(facts.settled_at) };
    if !rule.enabled || facts.environment_state == "removed" {
        db::schedules::set_next(&mut tx, id, None, settled).await?;
        tx.commit().await?;
        return Ok(false);
    }
    let (slots, all) = rule.between(id.as_str(), settled, now, MISSED_KEPT + 1);
    let mut queued = false;
    if let Some((newest, older)) = slots.split_last() {
        let env = db::environments::find(&mut tx, id).await?.ok_or_else(|| Error::internal("a schedule without its environment"))?;
        miss(&mut tx, now, &env, older, all - slots.len()).await?;
        let due = Due { slot: *newest, alone: all == 1, rule: &rule, facts: &facts, env: &env };
        queued = settle(&mut tx, now, &due).await?;
    }
    let settled = slots.last().copied().unwrap_or(settled);
    db::schedules::set_next(&mut tx, id, Some(rule.next_after(id.as_str(), settled)), settled).await?;
    tx.commit().await?;
    Ok(queued)
}

/// Slots before the newest one are never made up for.
async fn miss(conn: &mut Conn, now: Millis, env: &Environment, slots: &[Millis], earlier: usize) -> Result<()> {
    let whose = (&TenantId(env.tenant_id.clone()), &EnvironmentId(env.id.clone()));
    for (i, slot) in slots.iter().enumerate() {
        let why = if i == 0 && earlier > 0 { format!("{MISSED}; so were {earlier} slots before this one") } else { MISSED.to_owned() };
        db::schedules::settle(conn, now, whose, *slot, SlotState::Missed, Some(&why), None).await?;
    }
    Ok(())
}

/// The newest slot that is due.
struct Due<'a> {
    slot: Millis,
    /// No other slot is due with it: the clock has come to it step by step.
    alone: bool,
    rule: &'a Schedule,
    facts: &'a Facts,
    env: &'a Environment,
}

async fn settle(conn: &mut Conn, now: Millis, due: &Due<'_>) -> Result<bool> {
    let (tenant, id) = (TenantId(due.env.tenant_id.clone()), EnvironmentId(due.env.id.clone()));
    if let Some(before) = db::schedules::slot(conn, &tenant, &id, due.slot).await? {
        // After a leap of the clock back and forth this slot has had its backup. But where the clock comes to it step by
        // step, or was settled later than now, that was the backup of a clock that had been too far ahead.
        if !due.alone && before.at <= now.0 && before.state == SlotState::Queued.word() {
            return Ok(false);
        }
        db::schedules::unsettle(conn, &tenant, &id, due.slot).await?;
    }
    let whose = (&tenant, &id);
    if let Some((state, why)) = against(conn, now, due).await? {
        db::schedules::settle(conn, now, whose, due.slot, state, Some(&why), None).await?;
        return Ok(false);
    }
    let definition = from_json("definition", &due.env.definition)?;
    let reason = due.rule.reason(id.as_str(), due.slot);
    match backups::for_slot(conn, now, due.env, &definition, due.slot, reason).await? {
        Some(backup) => db::schedules::settle(conn, now, whose, due.slot, SlotState::Queued, None, Some(&backup)).await,
        None => {
            let why = "the scheduled backup before it was still queued or running";
            db::schedules::settle(conn, now, whose, due.slot, SlotState::Skipped, Some(why), None).await?;
            Ok(false)
        }
    }
}

/// What stands against a backup now.
async fn against(conn: &mut Conn, now: Millis, due: &Due<'_>) -> Result<Option<(SlotState, String)>> {
    let f = due.facts;
    if now.0 - due.slot.0 >= due.rule.interval().min(Millis::DAY) {
        return Ok(Some((SlotState::Missed, MISSED.into())));
    }
    if let Some(reason) = &f.frozen {
        return Ok(Some((SlotState::Skipped, format!("all schedules rest: {reason}"))));
    }
    if let Err(e) = environments::refuse_going(due.env) {
        return Ok(Some((SlotState::Skipped, e.to_string())));
    }
    if let Some(running) = &f.running {
        return Ok(Some((SlotState::Skipped, format!("the scheduled backup before it, {running}, was still queued or running"))));
    }
    if let Some(stuck) = &f.stuck {
        return Ok(Some((SlotState::Refused, format!("the restore {stuck} is stuck, and the environment is locked"))));
    }
    if f.tenant_state != "active" {
        return Ok(Some((SlotState::Refused, "the tenant is suspended".into())));
    }
    if f.allowed == 0 {
        return Ok(Some((SlotState::Refused, "the plan of the tenant has no schedules".into())));
    }
    match plans::within(conn, &TenantId(due.env.tenant_id.clone())).await {
        Err(e) if e.class() == crate::base::error::Class::Resource => Ok(Some((SlotState::Refused, e.sentence()))),
        other => other.map(|()| None),
    }
}
