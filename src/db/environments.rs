//! Environments: their definitions, and the sealed password of their database.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::{EnvironmentId, SiteId, TenantId};

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
    pub created_at: i64,
}

const SELECT_BY_ID: &str = "
    select e.id, e.tenant_id, t.name as tenant, e.site_id, s.name as site, e.name, e.definition, e.password_sealed, e.server_id, e.created_at
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
    Ok(())
}

/// By id alone: for `app::access` to judge, and for the worker.
pub async fn find(conn: &mut Conn, id: &EnvironmentId) -> Result<Option<Environment>> {
    Ok(rows(SELECT_BY_ID).bind(id.0.clone()).fetch_optional(conn).await?)
}

/// All environments called so, in any tenant: `app::access` keeps those that the actor may see.
pub async fn named(conn: &mut Conn, site: &str, name: &str) -> Result<Vec<Environment>> {
    let sql = "
        select e.id, e.tenant_id, t.name as tenant, e.site_id, s.name as site, e.name, e.definition, e.password_sealed, e.server_id, e.created_at
        from sites s
        join environments e on e.tenant_id = s.tenant_id and e.site_id = s.id
        join tenants t on t.id = e.tenant_id
        where s.name = $1 and e.name = $2
        order by t.name";
    Ok(rows(sql).bind(site.to_owned()).bind(name.to_owned()).fetch_all(conn).await?)
}

/// The environments of a tenant, by site and name.
pub async fn of_tenant(conn: &mut Conn, tenant: &TenantId) -> Result<Vec<Environment>> {
    let sql = "
        select e.id, e.tenant_id, t.name as tenant, e.site_id, s.name as site, e.name, e.definition, e.password_sealed, e.server_id, e.created_at
        from environments e
        join sites s on s.tenant_id = e.tenant_id and s.id = e.site_id
        join tenants t on t.id = e.tenant_id
        where e.tenant_id = $1
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
