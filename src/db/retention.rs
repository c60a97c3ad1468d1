//! Retention: the rules, what they judge, the way into the trash, and the clock that deletion trusts.

use super::packed::{Fields, packed};
use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::alarm::Cause;
use crate::domain::ids::{BackupId, EnvironmentId, TenantId};

/// Rules as they are stored, with the change that waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Stored {
    /// JSON; none where it follows what is above it.
    pub rules: Option<String>,
    /// JSON, or `follow`.
    pub next: Option<String>,
    pub next_at: Option<i64>,
}

pub async fn of_tenant(conn: &mut Conn, tenant: &TenantId) -> Result<Option<Stored>> {
    let sql = "select retention as rules, retention_next as next, retention_next_at as next_at from tenants where id = $1";
    Ok(rows(sql).bind(tenant.0.clone()).fetch_optional(conn).await?)
}

pub async fn of_environment(conn: &mut Conn, id: &EnvironmentId) -> Result<Option<Stored>> {
    let sql = "select retention as rules, retention_next as next, retention_next_at as next_at from environments where id = $1";
    Ok(rows(sql).bind(id.0.clone()).fetch_optional(conn).await?)
}

/// Also lets all environments of the tenant be judged anew.
pub async fn set_tenant(conn: &mut Conn, tenant: &TenantId, s: &Stored) -> Result<bool> {
    let sql = "update tenants set retention = $2, retention_next = $3, retention_next_at = $4 where id = $1";
    let query = run(sql).bind(tenant.0.clone()).bind(s.rules.clone()).bind(s.next.clone()).bind(s.next_at);
    let found = changed(conn, query).await? == 1;
    changed(conn, run("update environments set retention_at = 0 where tenant_id = $1").bind(tenant.0.clone())).await?;
    Ok(found)
}

pub async fn set_environment(conn: &mut Conn, tenant: &TenantId, id: &EnvironmentId, s: &Stored) -> Result<bool> {
    let sql = "
        update environments set retention = $3, retention_next = $4, retention_next_at = $5, retention_at = 0
        where tenant_id = $1 and id = $2";
    let query = run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(s.rules.clone()).bind(s.next.clone()).bind(s.next_at);
    Ok(changed(conn, query).await? == 1)
}

/// The environments that follow their tenant, or will when what they changed is in force: each with its address, by name.
pub async fn followers(conn: &mut Conn, tenant: &TenantId) -> Result<Vec<(String, String)>> {
    let sql = "
        select e.id, s.name || '.' || e.name
        from environments e
        join sites s on s.tenant_id = e.tenant_id and s.id = e.site_id
        where e.tenant_id = $1 and e.state <> 'removed' and coalesce(e.retention_next, e.retention, 'follow') = 'follow'
        order by s.name, e.name, e.id";
    Ok(rows(sql).bind(tenant.0.clone()).fetch_all(conn).await?)
}

/// Changes whose time has come are the rules now.
pub async fn take_effect(conn: &mut Conn, now: Millis) -> Result<u64> {
    let tenants = "
        update tenants set retention = case when retention_next = 'follow' then null else retention_next end, retention_next = null, retention_next_at = null
        where retention_next_at <= $1";
    let environments = "
        update environments
        set retention = case when retention_next = 'follow' then null else retention_next end, retention_next = null, retention_next_at = null, retention_at = 0
        where retention_next_at <= $1";
    Ok(changed(conn, run(tenants).bind(now.0)).await? + changed(conn, run(environments).bind(now.0)).await?)
}

/// An environment whose backups are to be judged.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Due {
    pub id: String,
    pub tenant_id: String,
    pub site_id: String,
    pub retention_at: i64,
    pub retention_hold_until: Option<i64>,
}

pub async fn due(conn: &mut Conn, now: Millis, limit: i64) -> Result<Vec<Due>> {
    let sql = "
        select id, tenant_id, site_id, retention_at, retention_hold_until
        from environments
        where retention_at <= $1
        order by retention_at, id
        limit $2";
    Ok(rows(sql).bind(now.0).bind(limit).fetch_all(conn).await?)
}

/// Takes an environment for this sweep; false when another one was quicker.
pub async fn claim(conn: &mut Conn, due: &Due, next: Millis) -> Result<bool> {
    let sql = "update environments set retention_at = $3 where id = $1 and retention_at = $2";
    Ok(changed(conn, run(sql).bind(due.id.clone()).bind(due.retention_at).bind(next.0)).await? == 1)
}

/// Until when what it would lose at once is held; none when nothing is.
pub async fn set_hold(conn: &mut Conn, id: &EnvironmentId, until: Option<Millis>) -> Result<()> {
    let sql = "update environments set retention_hold_until = $2 where id = $1";
    changed(conn, run(sql).bind(id.0.clone()).bind(until.map(|t| t.0))).await?;
    Ok(())
}

/// What may hold everything of an environment.
#[derive(Clone, Debug)]
pub struct Holds {
    /// Until when what it would lose at once is held.
    pub until: Option<i64>,
    /// Since when an alarm of the given cause is open.
    pub alarm_since: Option<i64>,
}

/// What an environment's backups are judged by.
#[derive(Clone, Debug)]
pub struct Terms {
    pub own: Stored,
    /// Of its tenant.
    pub above: Stored,
    pub holds: Holds,
}

/// `cause`: the alarm that holds everything while it is open. `None` without such an environment.
pub async fn terms(conn: &mut Conn, tenant: &TenantId, id: &EnvironmentId, cause: Cause) -> Result<Option<Terms>> {
    let sql = "
        select e.retention, e.retention_next, e.retention_next_at, t.retention, t.retention_next, t.retention_next_at,
               e.retention_hold_until,
               (select a.opened_at from alarms a
                where a.tenant_id = $1 and a.environment_id = $2 and a.cause = $3 and a.closed_at is null)
        from environments e
        join tenants t on t.id = e.tenant_id
        where e.tenant_id = $1 and e.id = $2";
    let query = rows::<(_, _, _, _, _, _, _, _)>(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(cause.word());
    let found = query.fetch_optional(conn).await?;
    Ok(found.map(|(rules, next, next_at, above, above_next, above_next_at, until, alarm_since)| Terms {
        own: Stored { rules, next, next_at },
        above: Stored { rules: above, next: above_next, next_at: above_next_at },
        holds: Holds { until, alarm_since },
    }))
}

/// A backup as it is judged.
#[derive(Clone, Debug)]
pub struct Past {
    pub id: String,
    pub state: String,
    pub reason: String,
    pub keep_for_days: Option<i64>,
    pub pinned: i64,
    pub needed: i64,
    pub label: Option<String>,
    pub created_at: i64,
    pub finished_at: Option<i64>,
    pub proven_at: Option<i64>,
}

/// Everything of an environment that does not lie in the trash, newest first. Every page of a log judges all of it.
pub async fn history(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId) -> Result<Vec<Past>> {
    let sql = "
        select string_agg(concat(
                 b.id, '|', b.state, '|', b.reason, '|', b.keep_for_days, '|', b.pinned, '|', b.label, '|', b.created_at, '|',
                 b.finished_at, '|', b.proven_at, '|', case when b.id in (
                   select r.backup_id from restores r
                   where r.tenant_id = $1 and (r.undo_until is not null or r.state in ('queued', 'running', 'unwinding', 'stuck'))
                   union all
                   select r.safety_backup_id from restores r
                   where r.tenant_id = $1 and (r.undo_until is not null or r.state in ('queued', 'running', 'unwinding', 'stuck'))
                 ) then 1 else 0 end), ';')
        from backups b
        where b.tenant_id = $1 and b.environment_id = $2 and b.deleted_at is null";
    let mut all = packed(conn, rows(sql).bind(tenant.0.clone()).bind(environment.0.clone()), past).await?;
    all.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    Ok(all)
}

fn past(mut fields: Fields<'_>) -> Option<Past> {
    Some(Past {
        id: fields.text()?,
        state: fields.text()?,
        reason: fields.text()?,
        keep_for_days: fields.number()?,
        pinned: fields.number()??,
        label: Some(fields.text()?).filter(|label| !label.is_empty()),
        created_at: fields.number()??,
        finished_at: fields.number()?,
        proven_at: fields.number()?,
        needed: fields.number()??,
    })
}

/// An element that still has its content; `purge_at` when it is to go before its set.
#[derive(Clone, Debug)]
pub struct There {
    pub backup_id: String,
    pub element: String,
    pub purge_at: Option<i64>,
}

pub async fn elements(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId) -> Result<Vec<There>> {
    let sql = "
        select string_agg(concat(x.backup_id, '|', x.element, '|', x.purge_at), ';' order by x.backup_id, x.element)
        from backups b
        join backup_elements x on x.tenant_id = b.tenant_id and x.backup_id = b.id
        where b.tenant_id = $1 and b.environment_id = $2 and b.deleted_at is null and x.snapshot is not null";
    let there = |mut fields: Fields<'_>| Some(There { backup_id: fields.text()?, element: fields.text()?, purge_at: fields.number()? });
    packed(conn, rows(sql).bind(tenant.0.clone()).bind(environment.0.clone()), there).await
}

pub async fn set_label(conn: &mut Conn, tenant: &TenantId, id: &BackupId, label: Option<&str>) -> Result<()> {
    let query = run("update backups set label = $3 where tenant_id = $1 and id = $2");
    changed(conn, query.bind(tenant.0.clone()).bind(id.0.clone()).bind(label.map(str::to_owned))).await?;
    Ok(())
}

/// Into the trash by a rule; false when it was pinned or thrown away meanwhile.
pub async fn throw_away(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &BackupId, by: &str, purge_at: Millis) -> Result<bool> {
    let sql = "
        update backups set deleted_at = $3, deleted_by = $4, purge_at = $5, noticed_at = null
        where tenant_id = $1 and id = $2 and deleted_at is null and pinned = 0 and finished_at is not null";
    let query = run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(now.0).bind(by.to_owned()).bind(purge_at.0);
    let thrown = changed(conn, query).await? == 1;
    if thrown {
        super::environments::refresh_health(conn, tenant, id).await?;
    }
    Ok(thrown)
}

/// When a backup in the trash is purged; kept when it was later.
pub async fn set_purge(conn: &mut Conn, tenant: &TenantId, id: &BackupId, purge_at: Millis) -> Result<()> {
    let sql = "
        update backups set purge_at = case when coalesce(purge_at, 0) < $3 then $3 else purge_at end
        where tenant_id = $1 and id = $2 and deleted_at is not null";
    changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(purge_at.0)).await?;
    Ok(())
}

/// What lies in an environment's trash without a date gets one.
pub async fn date_the_trash(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId, purge_at: Millis) -> Result<u64> {
    let sql = "
        update backups set purge_at = $3
        where tenant_id = $1 and environment_id = $2 and deleted_at is not null and purge_at is null";
    changed(conn, run(sql).bind(tenant.0.clone()).bind(environment.0.clone()).bind(purge_at.0)).await
}

/// An element is to go before its set, by a rule; or (`None`) stays after all.
pub async fn set_element_purge(
    conn: &mut Conn,
    tenant: &TenantId,
    id: &BackupId,
    element: &str,
    purge: Option<(Millis, &str)>,
) -> Result<()> {
    let sql = "
        update backup_elements set purge_at = $4, purge_by = $5
        where tenant_id = $1 and backup_id = $2 and element = $3 and expired_at is null";
    let (at, by) = purge.map_or((None, None), |(at, by)| (Some(at.0), Some(by.to_owned())));
    let query = run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(element.to_owned()).bind(at).bind(by);
    changed(conn, query).await?;
    Ok(())
}

/// The last reading of the clock.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Clock {
    pub read_at: i64,
    pub doubt: Option<String>,
    pub doubted_at: Option<i64>,
    pub agreeing: i64,
}

pub async fn clock(conn: &mut Conn) -> Result<Clock> {
    Ok(rows("select read_at, doubt, doubted_at, agreeing from retention_clock where id = 1").fetch_one(conn).await?)
}

pub async fn set_clock(conn: &mut Conn, c: &Clock) -> Result<()> {
    let sql = "update retention_clock set read_at = $1, doubt = $2, doubted_at = $3, agreeing = $4 where id = 1";
    changed(conn, run(sql).bind(c.read_at).bind(c.doubt.clone()).bind(c.doubted_at).bind(c.agreeing)).await?;
    Ok(())
}
