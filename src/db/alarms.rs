//! Alarms: what is wrong with an environment, for as long as it is.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::alarm::Cause;
use crate::domain::ids::{AlarmId, BackupId, EnvironmentId, TenantId};

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Alarm {
    pub id: String,
    pub tenant_id: String,
    pub environment_id: String,
    pub site: String,
    pub environment: String,
    pub cause: String,
    pub message: String,
    pub hint: Option<String>,
    pub opened_at: i64,
    pub closed_at: Option<i64>,
}

/// A new alarm of an environment.
#[derive(Clone, Debug)]
pub struct NewAlarm<'a> {
    pub id: &'a AlarmId,
    pub tenant: &'a TenantId,
    pub environment: &'a EnvironmentId,
    pub cause: Cause,
    pub message: &'a str,
    pub hint: Option<&'a str>,
}

/// Opens an alarm; false when one with that cause is open already.
pub async fn open(conn: &mut Conn, now: Millis, alarm: &NewAlarm<'_>) -> Result<bool> {
    let sql = "
        insert into alarms (id, tenant_id, environment_id, cause, message, hint, opened_at)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (tenant_id, environment_id, cause) where closed_at is null do nothing";
    let query = run(sql)
        .bind(alarm.id.0.clone())
        .bind(alarm.tenant.0.clone())
        .bind(alarm.environment.0.clone())
        .bind(alarm.cause.word())
        .bind(alarm.message.to_owned())
        .bind(alarm.hint.map(str::to_owned))
        .bind(now.0);
    Ok(changed(conn, query).await? == 1)
}

/// Closes the open alarm of a cause; false when there is none.
pub async fn close(conn: &mut Conn, now: Millis, tenant: &TenantId, environment: &EnvironmentId, cause: Cause) -> Result<bool> {
    let sql = "
        update alarms set closed_at = $4
        where tenant_id = $1 and environment_id = $2 and cause = $3 and closed_at is null";
    let query = run(sql).bind(tenant.0.clone()).bind(environment.0.clone()).bind(cause.word()).bind(now.0);
    Ok(changed(conn, query).await? == 1)
}

/// Every statement that answers with an [`Alarm`] begins like this.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select a.id, a.tenant_id, a.environment_id, s.name as site, coalesce(e.removed_name, e.name) as environment,
                    a.cause, a.message, a.hint, a.opened_at, a.closed_at
             from alarms a
             join environments e on e.tenant_id = a.tenant_id and e.id = a.environment_id
             join sites s on s.tenant_id = e.tenant_id and s.id = e.site_id ",
            $rest
        )
    };
}

/// What is wrong in a tenant now, and what was, newest first.
pub async fn of_tenant(conn: &mut Conn, tenant: &TenantId, limit: i64) -> Result<Vec<Alarm>> {
    let sql = select!("where a.tenant_id = $1 order by a.opened_at desc, a.id desc limit $2");
    Ok(rows(sql).bind(tenant.0.clone()).bind(limit).fetch_all(conn).await?)
}

/// What is wrong with an environment now.
pub async fn open_of(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId) -> Result<Vec<Alarm>> {
    let sql = select!("where a.tenant_id = $1 and a.environment_id = $2 and a.closed_at is null order by a.opened_at, a.id");
    Ok(rows(sql).bind(tenant.0.clone()).bind(environment.0.clone()).fetch_all(conn).await?)
}

/// Since when there is an open alarm of a cause.
pub async fn opened(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId, cause: Cause) -> Result<Option<Millis>> {
    let sql = "select opened_at from alarms where tenant_id = $1 and environment_id = $2 and cause = $3 and closed_at is null";
    let query = rows::<(i64,)>(sql).bind(tenant.0.clone()).bind(environment.0.clone()).bind(cause.word());
    Ok(query.fetch_optional(conn).await?.map(|(at,)| Millis(at)))
}

/// An element's size in a backup, and in the last good backup before it that has this element.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Size {
    pub element: String,
    pub before: i64,
    pub now: i64,
}

/// The elements that were there before; compared with what ended before `end`. What lies in the trash counts: throwing
/// backups away changes nothing about what was normal.
pub async fn sizes(conn: &mut Conn, tenant: &TenantId, backup: &BackupId, end: Option<Millis>) -> Result<Vec<Size>> {
    let sql = "
        select s.element, s.before, s.now
        from (
          select x.element, x.size as now, (
            select y.size
            from backups o
            join backup_elements y on y.tenant_id = o.tenant_id and y.backup_id = o.id and y.element = x.element
            where o.tenant_id = b.tenant_id and o.environment_id = b.environment_id and o.state = 'succeeded' and o.finished_at < $3
              and (o.created_at, o.id) < (b.created_at, b.id)
            order by o.created_at desc, o.id desc
            limit 1) as before
          from backups b
          join backup_elements x on x.tenant_id = b.tenant_id and x.backup_id = b.id
          where b.tenant_id = $1 and b.id = $2) s
        where s.before is not null
        order by s.element";
    let end = end.map_or(i64::MAX, |end| end.0);
    Ok(rows(sql).bind(tenant.0.clone()).bind(backup.0.clone()).bind(end).fetch_all(conn).await?)
}

/// An environment that is backed up by a schedule, and has had no good backup for a while.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Quiet {
    pub tenant_id: String,
    pub site_id: String,
    pub environment_id: String,
    pub site: String,
    pub environment: String,
    /// Its own rule, and its tenant's.
    pub rule: Option<String>,
    pub tenant_rule: Option<String>,
    /// Since when a good backup could be expected.
    pub since: i64,
    pub last_good_at: Option<i64>,
}

/// Those that have been quiet since before. It asks the environments, never the queue.
pub async fn quiet(conn: &mut Conn, before: Millis) -> Result<Vec<Quiet>> {
    let sql = "
        select q.* from (
          select e.tenant_id, e.site_id, e.id as environment_id, s.name as site, e.name as environment, k.rule, t.schedule as tenant_rule,
                 e.last_good_at,
                 case when coalesce(e.last_good_at, e.created_at) > k.planned_from
                      then coalesce(e.last_good_at, e.created_at) else k.planned_from end as since
          from schedules k
          join environments e on e.tenant_id = k.tenant_id and e.id = k.environment_id
          join sites s on s.tenant_id = e.tenant_id and s.id = e.site_id
          join tenants t on t.id = e.tenant_id
          where k.next_at is not null and e.state = 'active' and t.state = 'active' and t.schedules_allowed = 1) q
        where q.since < $1
        order by q.since, q.environment_id";
    Ok(rows(sql).bind(before.0).fetch_all(conn).await?)
}

/// Nobody expects a backup of these any more: their schedule was switched off. How many alarms were closed by that.
pub async fn close_unexpected(conn: &mut Conn, now: Millis) -> Result<u64> {
    let sql = "
        update alarms set closed_at = $1
        where cause = 'overdue' and closed_at is null and exists (
          select 1 from schedules k
          where k.tenant_id = alarms.tenant_id and k.environment_id = alarms.environment_id and k.next_at is null)";
    changed(conn, run(sql).bind(now.0)).await
}

/// An environment as the daily letter tells it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Standing {
    pub environment_id: String,
    pub site: String,
    pub environment: String,
    pub last_good_at: Option<i64>,
    /// Alarms that are open.
    pub open: i64,
}

/// The environments of a tenant, those without a good backup first, then those that are longest without one.
pub async fn standings(conn: &mut Conn, tenant: &TenantId) -> Result<Vec<Standing>> {
    let sql = "
        select e.id as environment_id, s.name as site, e.name as environment, e.last_good_at,
               (select count(*) from alarms a where a.tenant_id = e.tenant_id and a.environment_id = e.id and a.closed_at is null) as open
        from environments e
        join sites s on s.tenant_id = e.tenant_id and s.id = e.site_id
        where e.tenant_id = $1 and e.state = 'active'
        order by coalesce(e.last_good_at, 0), s.name, e.name";
    Ok(rows(sql).bind(tenant.0.clone()).fetch_all(conn).await?)
}

/// The tenants whose daily letter of that day has yet to be written.
pub async fn undigested(conn: &mut Conn, day: i64) -> Result<Vec<String>> {
    let sql = "select id from tenants where state = 'active' and digest = 1 and (digested_on is null or digested_on < $1) order by id";
    let found: Vec<(String,)> = rows(sql).bind(day).fetch_all(conn).await?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Takes the daily letter of a day: true for one of several who come at once.
pub async fn digest(conn: &mut Conn, tenant: &TenantId, day: i64) -> Result<bool> {
    let sql = "update tenants set digested_on = $2 where id = $1 and (digested_on is null or digested_on < $2)";
    Ok(changed(conn, run(sql).bind(tenant.0.clone()).bind(day)).await? == 1)
}

/// Does a tenant get its daily letter?
pub async fn wants_digest(conn: &mut Conn, tenant: &TenantId) -> Result<bool> {
    let found: Option<(i64,)> = rows("select digest from tenants where id = $1").bind(tenant.0.clone()).fetch_optional(conn).await?;
    Ok(found.is_some_and(|(wants,)| wants == 1))
}

pub async fn set_digest(conn: &mut Conn, tenant: &TenantId, wants: bool) -> Result<()> {
    changed(conn, run("update tenants set digest = $2 where id = $1").bind(tenant.0.clone()).bind(i64::from(wants))).await.map(drop)
}

/// How many alarms of each cause are open in the installation.
pub async fn counts(conn: &mut Conn) -> Result<Vec<(String, i64)>> {
    Ok(rows("select cause, count(*) from alarms where closed_at is null group by cause order by cause").fetch_all(conn).await?)
}
