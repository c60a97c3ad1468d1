//! Sites and their repositories.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::{SiteId, TenantId};

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Site {
    pub id: String,
    pub tenant_id: String,
    pub tenant: String,
    pub name: String,
    pub created_at: i64,
    /// When and by whom its recovery key was entered for the first time.
    pub key_confirmed_at: Option<i64>,
    pub key_confirmed_by: Option<String>,
}

pub async fn insert(conn: &mut Conn, now: Millis, id: &SiteId, tenant: &TenantId, name: &str) -> Result<()> {
    let sql = "insert into sites (id, tenant_id, name, created_at) values ($1, $2, $3, $4)";
    changed(conn, run(sql).bind(id.0.clone()).bind(tenant.0.clone()).bind(name.to_owned()).bind(now.0)).await?;
    Ok(())
}

pub async fn find_named(conn: &mut Conn, tenant: &TenantId, name: &str) -> Result<Option<Site>> {
    let sql = "
        select s.id, s.tenant_id, t.name as tenant, s.name, s.created_at, s.key_confirmed_at, s.key_confirmed_by
        from sites s join tenants t on t.id = s.tenant_id
        where s.tenant_id = $1 and s.name = $2";
    Ok(rows(sql).bind(tenant.0.clone()).bind(name.to_owned()).fetch_optional(conn).await?)
}

/// By id alone: for `app::access` to judge.
pub async fn find(conn: &mut Conn, id: &SiteId) -> Result<Option<Site>> {
    let sql = "
        select s.id, s.tenant_id, t.name as tenant, s.name, s.created_at, s.key_confirmed_at, s.key_confirmed_by
        from sites s join tenants t on t.id = s.tenant_id
        where s.id = $1";
    Ok(rows(sql).bind(id.0.clone()).fetch_optional(conn).await?)
}

/// Somebody entered its recovery key. The first time is kept; `false` for a later one.
pub async fn confirm_key(conn: &mut Conn, now: Millis, tenant: &TenantId, site: &SiteId, by: &str) -> Result<bool> {
    let sql = "
        update sites set key_confirmed_at = $3, key_confirmed_by = $4
        where tenant_id = $1 and id = $2 and key_confirmed_at is null";
    let query = run(sql).bind(tenant.0.clone()).bind(site.0.clone()).bind(now.0).bind(by.to_owned());
    Ok(changed(conn, query).await? == 1)
}

/// All sites of a tenant, by name.
pub async fn of_tenant(conn: &mut Conn, tenant: &TenantId) -> Result<Vec<Site>> {
    let sql = "
        select s.id, s.tenant_id, t.name as tenant, s.name, s.created_at, s.key_confirmed_at, s.key_confirmed_by
        from sites s join tenants t on t.id = s.tenant_id
        where s.tenant_id = $1
        order by s.name";
    Ok(rows(sql).bind(tenant.0.clone()).fetch_all(conn).await?)
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Repository {
    pub id: String,
    pub tenant_id: String,
    pub site_id: String,
    pub location: String,
    pub password_sealed: Vec<u8>,
    pub master_key_sealed: Vec<u8>,
}

pub async fn insert_repository(conn: &mut Conn, now: Millis, r: &Repository) -> Result<()> {
    let sql = "
        insert into repositories (id, tenant_id, site_id, location, password_sealed, master_key_sealed, created_at)
        values ($1, $2, $3, $4, $5, $6, $7)";
    let query = run(sql)
        .bind(r.id.clone())
        .bind(r.tenant_id.clone())
        .bind(r.site_id.clone())
        .bind(r.location.clone())
        .bind(r.password_sealed.clone())
        .bind(r.master_key_sealed.clone())
        .bind(now.0);
    changed(conn, query).await?;
    Ok(())
}

pub async fn repository(conn: &mut Conn, tenant: &TenantId, site: &SiteId) -> Result<Option<Repository>> {
    let sql = "
        select id, tenant_id, site_id, location, password_sealed, master_key_sealed
        from repositories
        where tenant_id = $1 and site_id = $2";
    Ok(rows(sql).bind(tenant.0.clone()).bind(site.0.clone()).fetch_optional(conn).await?)
}

/// A repository with what the catalogue knows to be in it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Stored {
    pub repository_id: String,
    pub tenant: String,
    pub site: String,
    pub location: String,
    pub backups: i64,
    /// New bytes that its backups took.
    pub bytes: i64,
}

/// Every repository of the installation, by tenant and site.
pub async fn stored(conn: &mut Conn) -> Result<Vec<Stored>> {
    let sql = "
        select r.id as repository_id, t.name as tenant, s.name as site, r.location, count(distinct b.id) as backups,
               cast(coalesce(sum(x.stored), 0) as bigint) as bytes
        from repositories r
        join sites s on s.tenant_id = r.tenant_id and s.id = r.site_id
        join tenants t on t.id = r.tenant_id
        left join backups b on b.tenant_id = r.tenant_id and b.site_id = r.site_id and b.state in ('succeeded', 'incomplete') and b.expired_at is null
        left join backup_elements x on x.tenant_id = b.tenant_id and x.backup_id = b.id
        group by r.id, t.name, s.name, r.location
        order by t.name, s.name";
    Ok(rows(sql).fetch_all(conn).await?)
}
