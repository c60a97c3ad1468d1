//! Schedules and their slots; the switch that lets all of them rest.
//!
//! Every environment has a row from its beginning ([`super::environments::insert`]).

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::{EnvironmentId, TenantId};
use crate::domain::schedule::SlotState;

/// For an environment that begins: it follows its tenant, and is planned by whoever looks next.
pub async fn insert(conn: &mut Conn, now: Millis, tenant: &TenantId, environment: &EnvironmentId) -> Result<()> {
    let sql = "
        insert into schedules (environment_id, tenant_id, next_at, planned_from, settled_at) values ($1, $2, 0, $3, $3)
        on conflict do nothing";
    changed(conn, run(sql).bind(environment.0.clone()).bind(tenant.0.clone()).bind(now.0)).await?;
    Ok(())
}

/// The environments whose time has come, or that have yet to be planned.
pub async fn due(conn: &mut Conn, now: Millis, limit: i64) -> Result<Vec<String>> {
    let sql = "select environment_id from schedules where next_at is not null and next_at <= $1 order by next_at, environment_id limit $2";
    let found: Vec<(String,)> = rows(sql).bind(now.0).bind(limit).fetch_all(conn).await?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Takes a due row until the end of the transaction: of several who come at once, the others find nothing.
pub async fn take(conn: &mut Conn, now: Millis, environment: &EnvironmentId) -> Result<bool> {
    let sql = "update schedules set settled_at = settled_at where environment_id = $1 and next_at is not null and next_at <= $2";
    Ok(changed(conn, run(sql).bind(environment.0.clone()).bind(now.0)).await? == 1)
}

/// What decides about a slot.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Facts {
    /// Its own rule.
    pub rule: Option<String>,
    /// Its tenant's.
    pub tenant_rule: Option<String>,
    pub next_at: Option<i64>,
    pub planned_from: i64,
    pub settled_at: i64,
    /// The tenant's plan has schedules.
    pub allowed: i64,
    pub tenant_state: String,
    pub environment_state: String,
    /// Why all schedules rest.
    pub frozen: Option<String>,
    /// A scheduled backup that has not ended.
    pub running: Option<String>,
    /// A restore that could go neither forward nor back.
    pub stuck: Option<String>,
}

pub async fn facts(conn: &mut Conn, environment: &EnvironmentId) -> Result<Option<Facts>> {
    let sql = "
        select s.rule, t.schedule as tenant_rule, s.next_at, s.planned_from, s.settled_at, t.schedules_allowed as allowed,
               t.state as tenant_state, e.state as environment_state,
               (select f.reason from rests f where f.frozen_at is not null) as frozen,
               (select min(b.id) from backups b
                where b.environment_id = s.environment_id and b.slot_at is not null and b.finished_at is null) as running,
               (select min(r.id) from restores r
                where r.environment_id = s.environment_id and r.state = 'stuck'
                  and r.state in ('queued', 'running', 'unwinding', 'stuck')) as stuck
        from schedules s
        join environments e on e.tenant_id = s.tenant_id and e.id = s.environment_id
        join tenants t on t.id = s.tenant_id
        where s.environment_id = $1";
    Ok(rows(sql).bind(environment.0.clone()).fetch_optional(conn).await?)
}

/// The next slot, and up to where everything is settled.
pub async fn set_next(conn: &mut Conn, environment: &EnvironmentId, next: Option<Millis>, settled: Millis) -> Result<bool> {
    let sql = "update schedules set next_at = $2, settled_at = $3 where environment_id = $1";
    Ok(changed(conn, run(sql).bind(environment.0.clone()).bind(next.map(|n| n.0)).bind(settled.0)).await? == 1)
}

/// Its own rule, or (`None`) that of its tenant, from now on.
pub async fn set_rule(conn: &mut Conn, now: Millis, tenant: &TenantId, environment: &EnvironmentId, rule: Option<&str>) -> Result<bool> {
    let sql = "
        update schedules set rule = $3, next_at = 0, planned_from = $4, settled_at = case when settled_at > $4 then settled_at else $4 end
        where tenant_id = $1 and environment_id = $2";
    let query = run(sql).bind(tenant.0.clone()).bind(environment.0.clone()).bind(rule.map(str::to_owned)).bind(now.0);
    Ok(changed(conn, query).await? == 1)
}

/// The rule of a tenant.
pub async fn of_tenant(conn: &mut Conn, tenant: &TenantId) -> Result<Option<String>> {
    let found: Option<(Option<String>,)> =
        rows("select schedule from tenants where id = $1").bind(tenant.0.clone()).fetch_optional(conn).await?;
    Ok(found.and_then(|(rule,)| rule))
}

/// The rule of a tenant, for all of its environments that follow it from now on.
pub async fn set_of_tenant(conn: &mut Conn, now: Millis, tenant: &TenantId, rule: Option<&str>) -> Result<bool> {
    let sql = "update tenants set schedule = $2 where id = $1";
    let found = changed(conn, run(sql).bind(tenant.0.clone()).bind(rule.map(str::to_owned))).await? == 1;
    let sql = "
        update schedules set next_at = 0, planned_from = $2, settled_at = case when settled_at > $2 then settled_at else $2 end
        where tenant_id = $1 and rule is null";
    changed(conn, run(sql).bind(tenant.0.clone()).bind(now.0)).await?;
    Ok(found)
}

/// The clock went back beyond all doubt for those that are settled until after `ahead`: what was settled in a time that is yet
/// to come is not believed. Their last slot that was settled in the past counts, and they are planned anew.
pub async fn rewind(conn: &mut Conn, now: Millis, ahead: Millis) -> Result<u64> {
    let sql = "
        update schedules set
          next_at = case when next_at is null then null else 0 end,
          settled_at = coalesce((
            select max(k.slot_at) from slots k
            where k.tenant_id = schedules.tenant_id and k.environment_id = schedules.environment_id
              and k.slot_at <= $1 and k.at <= $1 and k.slot_at >= schedules.planned_from), $1),
          planned_from = case when planned_from > $1 then $1 else planned_from end
        where settled_at > $2";
    changed(conn, run(sql).bind(now.0).bind(ahead.0)).await
}

/// What became of a slot.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Slot {
    pub slot_at: i64,
    pub state: String,
    pub why: Option<String>,
    pub backup_id: Option<String>,
    pub at: i64,
    /// How the backup stands, where one was made.
    pub backup_state: Option<String>,
    pub started_at: Option<i64>,
}

macro_rules! slot {
    ($rest:literal) => {
        concat!(
            "select k.slot_at, k.state, k.why, k.backup_id, k.at, b.state as backup_state, b.started_at
             from slots k left join backups b on b.tenant_id = k.tenant_id and b.id = k.backup_id ",
            $rest
        )
    };
}

pub async fn slot(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId, at: Millis) -> Result<Option<Slot>> {
    let sql = slot!("where k.tenant_id = $1 and k.environment_id = $2 and k.slot_at = $3");
    Ok(rows(sql).bind(tenant.0.clone()).bind(environment.0.clone()).bind(at.0).fetch_optional(conn).await?)
}

/// The newest slots that are past, newest first.
pub async fn slots(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId, now: Millis, limit: i64) -> Result<Vec<Slot>> {
    let sql = slot!("where k.tenant_id = $1 and k.environment_id = $2 and k.slot_at <= $3 order by k.slot_at desc limit $4");
    Ok(rows(sql).bind(tenant.0.clone()).bind(environment.0.clone()).bind(now.0).bind(limit).fetch_all(conn).await?)
}

/// Settles a slot. One that was settled before is left as it is: false.
pub async fn settle(
    conn: &mut Conn,
    now: Millis,
    (tenant, environment): (&TenantId, &EnvironmentId),
    slot: Millis,
    state: SlotState,
    why: Option<&str>,
    backup: Option<&str>,
) -> Result<bool> {
    let sql = "
        insert into slots (tenant_id, environment_id, slot_at, state, why, backup_id, at) values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (tenant_id, environment_id, slot_at) do nothing";
    let query = run(sql).bind(tenant.0.clone()).bind(environment.0.clone()).bind(slot.0).bind(state.word());
    let query = query.bind(why.map(str::to_owned)).bind(backup.map(str::to_owned)).bind(now.0);
    Ok(changed(conn, query).await? == 1)
}

/// Forgets what became of slots that were due and settled before `before`. The newest one that is past stays, however old it
/// is: from there an environment is planned when the clock went back.
pub async fn forget(conn: &mut Conn, now: Millis, tenant: &TenantId, environment: &EnvironmentId, before: Millis) -> Result<u64> {
    let sql = "
        delete from slots
        where tenant_id = $1 and environment_id = $2 and slot_at < $3 and at < $3
          and slot_at < (
            select max(k.slot_at) from slots k
            where k.tenant_id = $1 and k.environment_id = $2 and k.slot_at <= $4 and k.at <= $4)";
    changed(conn, run(sql).bind(tenant.0.clone()).bind(environment.0.clone()).bind(before.0).bind(now.0)).await
}

/// Takes back what a wrong clock settled: the slot has yet to come. A backup that was made for it stays one.
pub async fn unsettle(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId, slot: Millis) -> Result<()> {
    let sql = "update backups set slot_at = null where tenant_id = $1 and environment_id = $2 and slot_at = $3";
    changed(conn, run(sql).bind(tenant.0.clone()).bind(environment.0.clone()).bind(slot.0)).await?;
    let sql = "delete from slots where tenant_id = $1 and environment_id = $2 and slot_at = $3";
    changed(conn, run(sql).bind(tenant.0.clone()).bind(environment.0.clone()).bind(slot.0)).await?;
    Ok(())
}

/// A schedule in a list.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Listed {
    pub environment_id: String,
    pub tenant: String,
    pub site: String,
    pub environment: String,
    pub rule: Option<String>,
    pub tenant_rule: Option<String>,
    pub settled_at: i64,
    pub allowed: i64,
}

/// The schedules of a member's tenants, or all; of one tenant where one is given.
pub async fn list(conn: &mut Conn, member: Option<&str>, tenant: Option<&str>) -> Result<Vec<Listed>> {
    let sql = "
        select s.environment_id, t.name as tenant, i.name as site, e.name as environment, s.rule, t.schedule as tenant_rule,
               s.settled_at, t.schedules_allowed as allowed
        from schedules s
        join environments e on e.tenant_id = s.tenant_id and e.id = s.environment_id
        join sites i on i.tenant_id = e.tenant_id and i.id = e.site_id
        join tenants t on t.id = s.tenant_id
        where e.state <> 'removed'
          and (cast($1 as text) is null or exists (select 1 from members m where m.tenant_id = s.tenant_id and m.account_id = $1))
          and (cast($2 as text) is null or s.tenant_id = $2)
        order by t.name, i.name, e.created_at, e.id";
    Ok(rows(sql).bind(member.map(str::to_owned)).bind(tenant.map(str::to_owned)).fetch_all(conn).await?)
}

/// How many environments of a tenant follow its rule, and how many have their own.
pub async fn followers(conn: &mut Conn, tenant: &TenantId) -> Result<(i64, i64)> {
    let sql = "
        select cast(coalesce(sum(case when s.rule is null then 1 else 0 end), 0) as bigint),
               cast(coalesce(sum(case when s.rule is null then 0 else 1 end), 0) as bigint)
        from schedules s join environments e on e.tenant_id = s.tenant_id and e.id = s.environment_id
        where s.tenant_id = $1 and e.state <> 'removed'";
    Ok(rows(sql).bind(tenant.0.clone()).fetch_one(conn).await?)
}

/// All schedules rest.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Freeze {
    pub frozen_at: i64,
    pub frozen_by: String,
    pub reason: String,
}

pub async fn frozen(conn: &mut Conn) -> Result<Option<Freeze>> {
    let sql = "select frozen_at, frozen_by, reason from rests where frozen_at is not null";
    Ok(rows(sql).fetch_optional(conn).await?)
}

/// Lets all schedules rest; false when they do already.
pub async fn freeze(conn: &mut Conn, now: Millis, by: &str, reason: &str) -> Result<bool> {
    let sql = "update rests set frozen_at = $1, frozen_by = $2, reason = $3 where frozen_at is null";
    Ok(changed(conn, run(sql).bind(now.0).bind(by.to_owned()).bind(reason.to_owned())).await? == 1)
}

pub async fn thaw(conn: &mut Conn) -> Result<bool> {
    let sql = "update rests set frozen_at = null, frozen_by = null, reason = null where frozen_at is not null";
    Ok(changed(conn, run(sql)).await? == 1)
}

/// Has the plan of a tenant schedules?
pub async fn allowed(conn: &mut Conn, tenant: &TenantId) -> Result<bool> {
    let sql = "select schedules_allowed from tenants where id = $1";
    let found: Option<(i64,)> = rows(sql).bind(tenant.0.clone()).fetch_optional(conn).await?;
    Ok(found.is_none_or(|(allowed,)| allowed == 1))
}
