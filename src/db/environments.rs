//! Environments: their definitions, and the sealed password of their database.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::{BackupId, EnvironmentId, SiteId, TenantId};
use std::collections::HashMap;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Environment {
    pub id: String,
    pub tenant_id: String,
    pub tenant: String,
    pub site_id: String,
    pub site: String,
    pub name: String,
    /// `domain::site::Definition` as JSON.
    pub definition: String,
    pub password_sealed: Option<Vec<u8>>,
    pub server_id: Option<String>,
    /// `active`, `removing` or `removed`; a new one is active.
    pub state: String,
    pub created_at: i64,
}

impl Environment {
    pub fn is_removed(&self) -> bool {
        self.state == "removed"
    }
}

const SELECT_BY_ID: &str = "
    select e.id, e.tenant_id, t.name as tenant, e.site_id, s.name as site, coalesce(e.removed_name, e.name) as name,
           e.definition, e.password_sealed, e.server_id, e.state, e.created_at
    from environments e
    join sites s on s.tenant_id = e.tenant_id and s.id = e.site_id
    join tenants t on t.id = e.tenant_id
    where e.id = $1";

pub async fn insert(conn: &mut Conn, now: Millis, e: &Environment) -> Result<()> {
    let sql = "
        insert into environments (id, tenant_id, site_id, name, definition, password_sealed, server_id, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    let query = run(sql)
        .bind(e.id.clone())
        .bind(e.tenant_id.clone())
        .bind(e.site_id.clone())
        .bind(e.name.clone())
        .bind(e.definition.clone())
        .bind(e.password_sealed.clone())
        .bind(e.server_id.clone())
        .bind(now.0);
    changed(conn, query).await?;
    // None is ever without a schedule.
    super::schedules::insert(conn, now, &TenantId(e.tenant_id.clone()), &EnvironmentId(e.id.clone())).await
}

/// By id alone: for `app::access` to judge, and for the worker.
pub async fn find(conn: &mut Conn, id: &EnvironmentId) -> Result<Option<Environment>> {
    Ok(rows(SELECT_BY_ID).bind(id.0.clone()).fetch_optional(conn).await?)
}

/// All environments called so, in any tenant: `app::access` keeps those that the actor may see.
pub async fn named(conn: &mut Conn, site: &str, name: &str) -> Result<Vec<Environment>> {
    let sql = "
        select e.id, e.tenant_id, t.name as tenant, e.site_id, s.name as site, coalesce(e.removed_name, e.name) as name,
           e.definition, e.password_sealed, e.server_id, e.state, e.created_at
        from sites s
        join environments e on e.tenant_id = s.tenant_id and e.site_id = s.id
        join tenants t on t.id = e.tenant_id
        where s.name = $1 and e.name = $2
        order by t.name";
    Ok(rows(sql).bind(site.to_owned()).bind(name.to_owned()).fetch_all(conn).await?)
}

/// The environments of a tenant that were not removed, by site and age.
pub async fn of_tenant(conn: &mut Conn, tenant: &TenantId) -> Result<Vec<Environment>> {
    let sql = "
        select e.id, e.tenant_id, t.name as tenant, e.site_id, s.name as site, coalesce(e.removed_name, e.name) as name,
           e.definition, e.password_sealed, e.server_id, e.state, e.created_at
        from environments e
        join sites s on s.tenant_id = e.tenant_id and s.id = e.site_id
        join tenants t on t.id = e.tenant_id
        where e.tenant_id = $1 and e.state <> 'removed'
        order by s.name, e.created_at, e.id";
    Ok(rows(sql).bind(tenant.0.clone()).fetch_all(conn).await?)
}

pub async fn of_site(conn: &mut Conn, tenant: &TenantId, site: &SiteId) -> Result<Vec<Environment>> {
    let all = of_tenant(conn, tenant).await?;
    Ok(all.into_iter().filter(|e| e.site_id == site.0).collect())
}

/// Where a switch has moved the database to.
pub async fn set_database(
    conn: &mut Conn,
    tenant: &TenantId,
    id: &EnvironmentId,
    definition: &str,
    password_sealed: Option<Vec<u8>>,
) -> Result<bool> {
    let sql = "update environments set definition = $3, password_sealed = $4 where tenant_id = $1 and id = $2";
    let query = run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(definition.to_owned()).bind(password_sealed);
    Ok(changed(conn, query).await? == 1)
}

/// How environments stand, from their backups; which ones follows.
macro_rules! from_backups {
    ($which:literal) => {
        concat!(
            "update environments set
               (last_good_id, last_good_at, last_proven_at, last_good_size) = (
                 select b.id, b.created_at, b.proven_at,
                        (select cast(sum(x.size) as bigint) from backup_elements x where x.tenant_id = b.tenant_id and x.backup_id = b.id)
                 from backups b
                 where b.tenant_id = environments.tenant_id and b.environment_id = environments.id
                   and b.state = 'succeeded' and b.finished_at is not null and b.deleted_at is null
                 order by b.created_at desc, b.id desc
                 limit 1),
               (last_ended_state, last_ended_at) = (
                 select b.state, b.finished_at
                 from backups b
                 where b.tenant_id = environments.tenant_id and b.environment_id = environments.id
                   and b.state <> 'cancelled' and b.finished_at is not null and b.deleted_at is null
                 order by b.created_at desc, b.id desc
                 limit 1) ",
            $which
        )
    };
}

/// For a catalogue whose backups were written past the product.
pub const REFRESH_ALL: &str = from_backups!("");

/// How every environment stands.
pub async fn refresh_all(conn: &mut Conn) -> Result<()> {
    changed(conn, run(REFRESH_ALL)).await.map(drop)
}

/// How the environment of a backup stands: written with every change of one of its backups.
pub async fn refresh_health(conn: &mut Conn, tenant: &TenantId, backup: &BackupId) -> Result<()> {
    let sql = from_backups!("where tenant_id = $1 and id = (select environment_id from backups where tenant_id = $1 and id = $2)");
    changed(conn, run(sql).bind(tenant.0.clone()).bind(backup.0.clone())).await?;
    Ok(())
}

/// How an environment stands, in one word; `$1` is the time before which the newest good backup is too old. A backup that
/// nobody could open without us protects nobody.
macro_rules! health {
    () => {
        "case when e.last_good_at is null or s.key_confirmed_at is null then 'unprotected'
              when e.last_ended_state in ('failed', 'incomplete') then 'failed'
              when e.last_good_at < $1 then 'stale'
              else 'protected' end"
    };
}

/// An environment as a list shows it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Card {
    pub id: String,
    pub tenant_id: String,
    pub tenant: String,
    pub tenant_state: String,
    pub site_id: String,
    pub site: String,
    pub name: String,
    pub definition: String,
    pub health: String,
    pub last_good_at: Option<i64>,
    pub last_good_id: Option<String>,
    pub last_good_size: Option<i64>,
    pub last_proven_at: Option<i64>,
    pub last_ended_state: Option<String>,
    pub last_ended_at: Option<i64>,
    /// A job that runs on it now.
    pub running: Option<String>,
    pub state: String,
    pub removed_at: Option<i64>,
    /// Why it stayed when it was to be removed.
    pub stayed: Option<String>,
    /// When the recovery key of its site was confirmed.
    pub key_confirmed_at: Option<i64>,
}

macro_rules! card {
    ($rest:literal) => {
        concat!(
            "select e.id, e.tenant_id, t.name as tenant, t.state as tenant_state, e.site_id, s.name as site,
               coalesce(e.removed_name, e.name) as name, e.definition, ",
            health!(),
            " as health, e.last_good_at, e.last_good_id, e.last_good_size, e.last_proven_at, e.last_ended_state, e.last_ended_at,
              (select min(j.id) from jobs j where j.environment_id = e.id and j.state = 'running') as running,
              e.state, e.removed_at, e.removal_message as stayed, s.key_confirmed_at
             from environments e
             join sites s on s.tenant_id = e.tenant_id and s.id = e.site_id
             join tenants t on t.id = e.tenant_id ",
            $rest
        )
    };
}

pub async fn card(conn: &mut Conn, stale_before: Millis, id: &EnvironmentId) -> Result<Option<Card>> {
    Ok(rows(card!("where e.id = $2")).bind(stale_before.0).bind(id.0.clone()).fetch_optional(conn).await?)
}

/// Whose environments a fleet shows, and which of them.
#[derive(Clone, Debug, Default)]
pub struct Fleet<'a> {
    /// The tenants of this account; all of them where it is not given.
    pub member: Option<&'a str>,
    /// This tenant alone.
    pub tenant: Option<&'a str>,
    /// A part of `tenant/site.env`.
    pub text: Option<&'a str>,
    /// In this state; `running` is those with a job that runs.
    pub health: Option<&'a str>,
    /// Tenant and site after which the page begins.
    pub after: Option<(&'a str, &'a str)>,
}

/// Environments by tenant, site and age, `limit` at the most.
pub async fn fleet(conn: &mut Conn, stale_before: Millis, f: &Fleet<'_>, limit: i64) -> Result<Vec<Card>> {
    let sql = concat!(
        card!(
            "where e.state <> 'removed'
               and (cast($2 as text) is null or exists (select 1 from members m where m.tenant_id = e.tenant_id and m.account_id = $2))
               and (cast($3 as text) is null or e.tenant_id = $3)
               and (cast($4 as text) is null or t.name || '/' || s.name || '.' || e.name like '%' || lower($4) || '%' escape '!')
               and (t.name, s.name) > ($5, $6)
               and (cast($7 as text) is null or $7 = case
                 when $7 = 'running' and exists (select 1 from jobs j where j.environment_id = e.id and j.state = 'running') then 'running'
                 else "
        ),
        health!(),
        " end)
          order by t.name, s.name, e.created_at, e.id
          limit $8"
    );
    let (tenant, site) = f.after.unwrap_or(("", ""));
    let query = rows(sql)
        .bind(stale_before.0)
        .bind(f.member.map(str::to_owned))
        .bind(f.tenant.map(str::to_owned))
        .bind(f.text.map(super::literally))
        .bind(tenant.to_owned())
        .bind(site.to_owned())
        .bind(f.health.map(str::to_owned))
        .bind(limit);
    Ok(query.fetch_all(conn).await?)
}

/// How many environments of the fleet are in each state.
pub async fn healths(conn: &mut Conn, stale_before: Millis, member: Option<&str>) -> Result<Vec<(String, i64)>> {
    let sql = concat!(
        "select health, count(*) from (select ",
        health!(),
        " as health from environments e
          join sites s on s.tenant_id = e.tenant_id and s.id = e.site_id
          where e.state <> 'removed'
            and (cast($2 as text) is null or exists (select 1 from members m where m.tenant_id = e.tenant_id and m.account_id = $2))
         ) as all_of_them
          group by health order by health"
    );
    Ok(rows(sql).bind(stale_before.0).bind(member.map(str::to_owned)).fetch_all(conn).await?)
}

/// What an administrator changed.
pub async fn change(
    conn: &mut Conn,
    tenant: &TenantId,
    id: &EnvironmentId,
    definition: &str,
    password_sealed: Option<Vec<u8>>,
    server_id: Option<&str>,
) -> Result<bool> {
    let sql = "update environments set definition = $3, password_sealed = $4, server_id = $5 where tenant_id = $1 and id = $2";
    let query = run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(definition.to_owned()).bind(password_sealed);
    Ok(changed(conn, query.bind(server_id.map(str::to_owned))).await? == 1)
}

/// Changes nothing, but whoever else would begin something on it or remove it waits until the transaction is over.
pub async fn lock(conn: &mut Conn, id: &EnvironmentId) -> Result<bool> {
    Ok(changed(conn, run("update environments set state = state where id = $1").bind(id.0.clone())).await? == 1)
}

/// How far the removal of an environment has come.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Removal {
    pub state: String,
    pub removed_at: Option<i64>,
    /// The last backup; when it succeeded the environment goes.
    pub backup_id: Option<String>,
    /// Its backups go into the trash then.
    pub trash: i64,
    /// Why it stayed.
    pub message: Option<String>,
}

pub async fn removal(conn: &mut Conn, id: &EnvironmentId) -> Result<Option<Removal>> {
    let sql = "
        select state, removed_at, removal_backup_id as backup_id, removal_trash as trash, removal_message as message
        from environments where id = $1";
    Ok(rows(sql).bind(id.0.clone()).fetch_optional(conn).await?)
}

/// It is to be removed when that backup has succeeded.
pub async fn set_removing(conn: &mut Conn, tenant: &TenantId, id: &EnvironmentId, backup: &BackupId, trash: bool) -> Result<bool> {
    let sql = "
        update environments set state = 'removing', removal_backup_id = $3, removal_trash = $4, removal_message = null
        where tenant_id = $1 and id = $2 and state = 'active'";
    let query = run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(backup.0.clone()).bind(i64::from(trash));
    Ok(changed(conn, query).await? == 1)
}

/// It stays after all, and this is why.
pub async fn stays(conn: &mut Conn, tenant: &TenantId, id: &EnvironmentId, message: &str) -> Result<bool> {
    let sql = "
        update environments set state = 'active', removal_backup_id = null, removal_message = $3
        where tenant_id = $1 and id = $2 and state = 'removing'";
    Ok(changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(message.to_owned())).await? == 1)
}

/// It is gone from every list, and its name is free.
pub async fn set_removed(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &EnvironmentId) -> Result<bool> {
    let sql = "
        update environments set state = 'removed', removed_at = $3, removed_name = name, name = id, removal_message = null
        where tenant_id = $1 and id = $2 and state <> 'removed'";
    Ok(changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(now.0)).await? == 1)
}

/// `tenant/site.env` of these environments.
pub async fn addresses(conn: &mut Conn, ids: &[String]) -> Result<HashMap<String, String>> {
    let sql = "
        select e.id, t.name || '/' || s.name || '.' || coalesce(e.removed_name, e.name)
        from environments e
        join sites s on s.tenant_id = e.tenant_id and s.id = e.site_id
        join tenants t on t.id = e.tenant_id
        where e.id in ({})";
    super::names(conn, sql, ids).await
}

/// An environment as it is measured.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Gauge {
    pub tenant: String,
    pub site: String,
    pub name: String,
    pub health: String,
    pub last_good_at: Option<i64>,
    pub last_good_size: Option<i64>,
}

/// Every environment of the installation.
pub async fn gauges(conn: &mut Conn, stale_before: Millis) -> Result<Vec<Gauge>> {
    let sql = concat!(
        "select t.name as tenant, s.name as site, e.name, ",
        health!(),
        " as health, e.last_good_at, e.last_good_size
         from environments e
         join sites s on s.tenant_id = e.tenant_id and s.id = e.site_id
         join tenants t on t.id = e.tenant_id
         where e.state <> 'removed'
         order by t.name, s.name, e.name"
    );
    Ok(rows(sql).bind(stale_before.0).fetch_all(conn).await?)
}
