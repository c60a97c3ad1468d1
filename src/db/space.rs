//! Space: what lies in the repositories, how it grew, and how they are.

use super::packed::{Fields, packed};
use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::{EnvironmentId, SiteId, TenantId};

/// A repository and how it is.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Repository {
    pub id: String,
    pub tenant_id: String,
    pub site_id: String,
    /// On the storage, when it was measured last.
    pub bytes: Option<i64>,
    /// Of that, marked to be removed.
    pub marked_bytes: Option<i64>,
    pub measured_at: Option<i64>,
    pub cleaned_at: Option<i64>,
    pub clean_up_at: Option<i64>,
    /// Packs up to this one were read in the round that began at `check_began_at`.
    pub check_after: Option<String>,
    pub check_began_at: Option<i64>,
    pub check_at: Option<i64>,
    /// When all of its packs had been read back.
    pub checked_at: Option<i64>,
    pub damaged: Option<String>,
}

pub async fn repository(conn: &mut Conn, tenant: &TenantId, site: &SiteId) -> Result<Option<Repository>> {
    let sql = "
        select id, tenant_id, site_id, bytes, marked_bytes, measured_at, cleaned_at, clean_up_at, check_after, check_began_at, check_at,
               checked_at, damaged
        from repositories where tenant_id = $1 and site_id = $2";
    Ok(rows(sql).bind(tenant.0.clone()).bind(site.0.clone()).fetch_optional(conn).await?)
}

/// Every repository of the installation.
pub async fn repositories(conn: &mut Conn) -> Result<Vec<Repository>> {
    let sql = "
        select id, tenant_id, site_id, bytes, marked_bytes, measured_at, cleaned_at, clean_up_at, check_after, check_began_at, check_at,
               checked_at, damaged
        from repositories order by id";
    Ok(rows(sql).fetch_all(conn).await?)
}

/// Those that were not measured since.
pub async fn unmeasured(conn: &mut Conn, since: Millis, limit: i64) -> Result<Vec<Repository>> {
    let sql = "
        select id, tenant_id, site_id, bytes, marked_bytes, measured_at, cleaned_at, clean_up_at, check_after, check_began_at, check_at,
               checked_at, damaged
        from repositories
        where coalesce(measured_at, 0) < $1
        order by coalesce(measured_at, 0), id
        limit $2";
    Ok(rows(sql).bind(since.0).bind(limit).fetch_all(conn).await?)
}

/// Those of which no part was read back since.
pub async fn unchecked(conn: &mut Conn, since: Millis, limit: i64) -> Result<Vec<Repository>> {
    let sql = "
        select id, tenant_id, site_id, bytes, marked_bytes, measured_at, cleaned_at, clean_up_at, check_after, check_began_at, check_at,
               checked_at, damaged
        from repositories
        where coalesce(check_at, created_at) < $1
        order by coalesce(check_at, created_at), id
        limit $2";
    Ok(rows(sql).bind(since.0).bind(limit).fetch_all(conn).await?)
}

/// What it has on the storage; also a point of the picture of its growth.
pub async fn measured(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &str, bytes: i64) -> Result<()> {
    let sql = "update repositories set bytes = $3, measured_at = $4 where tenant_id = $1 and id = $2";
    changed(conn, run(sql).bind(tenant.0.clone()).bind(id.to_owned()).bind(bytes).bind(now.0)).await?;
    let sql = "
        insert into repository_sizes (tenant_id, repository_id, day, bytes) values ($1, $2, $3, $4)
        on conflict (tenant_id, repository_id, day) do update set bytes = excluded.bytes";
    changed(conn, run(sql).bind(tenant.0.clone()).bind(id.to_owned()).bind(now.0.div_euclid(Millis::DAY)).bind(bytes)).await?;
    Ok(())
}

/// It was cleaned up; `next` when another run is to go on or to remove what was marked.
pub async fn cleaned(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &str, marked: i64, next: Option<Millis>) -> Result<()> {
    let sql = "update repositories set cleaned_at = $3, marked_bytes = $4, clean_up_at = $5 where tenant_id = $1 and id = $2";
    let query = run(sql).bind(tenant.0.clone()).bind(id.to_owned()).bind(now.0).bind(marked).bind(next.map(|t| t.0));
    changed(conn, query).await?;
    Ok(())
}

/// No clean-up of a site's repository before.
pub async fn pause(conn: &mut Conn, tenant: &TenantId, site: &SiteId, until: Millis) -> Result<()> {
    let query = run("update repositories set clean_up_paused_until = $3 where tenant_id = $1 and site_id = $2");
    changed(conn, query.bind(tenant.0.clone()).bind(site.0.clone()).bind(until.0)).await?;
    Ok(())
}

/// A part of it was read back, up to `after`; all of it when there is none. Damage is a matter for the next clean-up.
pub async fn checked(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &str, after: Option<&str>, damaged: Option<&str>) -> Result<()> {
    let sql = "
        update repositories
        set check_at = $3, check_after = $4, damaged = $5,
            clean_up_at = case when $5 is null then clean_up_at else $3 end,
            check_began_at = case when $4 is null then null else coalesce(check_began_at, $3) end,
            checked_at = case when $4 is null then $3 else checked_at end
        where tenant_id = $1 and id = $2";
    let query = run(sql).bind(tenant.0.clone()).bind(id.to_owned()).bind(now.0).bind(after.map(str::to_owned));
    changed(conn, query.bind(damaged.map(str::to_owned))).await?;
    Ok(())
}

/// A snapshot of a site with the backup that has it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Snapshot {
    pub snapshot: String,
    pub backup_id: String,
    /// `site.environment`
    pub environment: String,
    pub created_at: i64,
}

/// Every snapshot of a site that a backup can be restored from, those of the newest backups first.
pub async fn snapshots(conn: &mut Conn, tenant: &TenantId, site: &SiteId) -> Result<Vec<Snapshot>> {
    let sql = "
        select x.snapshot, b.id as backup_id, s.name || '.' || coalesce(e.removed_name, e.name) as environment, b.created_at
        from backups b
        join backup_elements x on x.tenant_id = b.tenant_id and x.backup_id = b.id
        join environments e on e.tenant_id = b.tenant_id and e.id = b.environment_id
        join sites s on s.tenant_id = b.tenant_id and s.id = b.site_id
        where b.tenant_id = $1 and b.site_id = $2 and b.expired_at is null and x.snapshot is not null and x.expired_at is null
        order by b.created_at desc, b.id desc, x.element";
    Ok(rows(sql).bind(tenant.0.clone()).bind(site.0.clone()).fetch_all(conn).await?)
}

/// The size of a site's repository on each day since one; of all of a tenant's where no site is given.
pub async fn growth(conn: &mut Conn, tenant: &TenantId, site: Option<&SiteId>, since: i64) -> Result<Vec<(i64, i64)>> {
    let sql = "
        select string_agg(concat(d.day, '|', d.bytes), ';' order by d.day)
        from (select z.day, cast(sum(z.bytes) as bigint) as bytes
              from repository_sizes z
              join repositories r on r.tenant_id = z.tenant_id and r.id = z.repository_id
              where z.tenant_id = $1 and (cast($2 as text) is null or r.site_id = $2) and z.day >= $3
              group by z.day) as d";
    packed(conn, rows(sql).bind(tenant.0.clone()).bind(site.map(|s| s.0.clone())).bind(since), by_day).await
}

fn by_day(mut fields: Fields<'_>) -> Option<(i64, i64)> {
    Some((fields.number()??, fields.number()??))
}

/// The same of the whole installation.
pub async fn growth_of_all(conn: &mut Conn, since: i64) -> Result<Vec<(i64, i64)>> {
    let sql = "
        select string_agg(concat(d.day, '|', d.bytes), ';' order by d.day)
        from (select day, cast(sum(bytes) as bigint) as bytes from repository_sizes where day >= $1 group by day) as d";
    packed(conn, rows(sql).bind(since), by_day).await
}

/// What an environment uses.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Usage {
    pub environment_id: String,
    pub site_id: String,
    pub environment: String,
    pub backups: i64,
    /// As its backups would be restored, all of them together.
    pub size: i64,
    /// New bytes that its backups took in the repository.
    pub stored: i64,
    /// Of those, in the trash.
    pub trash: i64,
}

/// Of one environment, or of all of a tenant, by name. What has been purged takes nothing.
pub async fn usage(conn: &mut Conn, tenant: &TenantId, environment: Option<&EnvironmentId>) -> Result<Vec<Usage>> {
    let sql = "
        select e.id as environment_id, e.site_id, s.name || '.' || coalesce(e.removed_name, e.name) as environment,
               count(distinct b.id) as backups,
               cast(coalesce(sum(x.size), 0) as bigint) as size,
               cast(coalesce(sum(x.stored), 0) as bigint) as stored,
               cast(coalesce(sum(case when b.deleted_at is null then 0 else x.stored end), 0) as bigint) as trash
        from environments e
        join sites s on s.tenant_id = e.tenant_id and s.id = e.site_id
        left join backups b on b.tenant_id = e.tenant_id and b.environment_id = e.id and b.expired_at is null
                           and b.state in ('succeeded', 'incomplete')
        left join backup_elements x on x.tenant_id = b.tenant_id and x.backup_id = b.id and x.snapshot is not null
        where e.tenant_id = $1 and (cast($2 as text) is null or e.id = $2)
        group by e.id, e.site_id, s.name, e.removed_name, e.name
        order by s.name, e.name";
    Ok(rows(sql).bind(tenant.0.clone()).bind(environment.map(|e| e.0.clone())).fetch_all(conn).await?)
}
