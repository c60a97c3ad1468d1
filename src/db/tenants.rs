//! Tenants and their members.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::{AccountId, TenantId};
use crate::domain::rights::Role;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Tenant {
    pub id: String,
    pub name: String,
    pub state: String,
    pub created_at: i64,
}

impl Tenant {
    pub fn is_active(&self) -> bool {
        self.state == "active"
    }
}

pub async fn insert(conn: &mut Conn, now: Millis, id: &TenantId, name: &str) -> Result<()> {
    let sql = "insert into tenants (id, name, state, created_at) values ($1, $2, 'active', $3)";
    changed(conn, run(sql).bind(id.0.clone()).bind(name.to_owned()).bind(now.0)).await?;
    Ok(())
}

pub async fn find(conn: &mut Conn, id: &TenantId) -> Result<Option<Tenant>> {
    Ok(rows("select id, name, state, created_at from tenants where id = $1").bind(id.0.clone()).fetch_optional(conn).await?)
}

pub async fn find_named(conn: &mut Conn, name: &str) -> Result<Option<Tenant>> {
    Ok(rows("select id, name, state, created_at from tenants where name = $1").bind(name.to_owned()).fetch_optional(conn).await?)
}

pub async fn list(conn: &mut Conn) -> Result<Vec<Tenant>> {
    Ok(rows("select id, name, state, created_at from tenants order by name").fetch_all(conn).await?)
}

pub async fn set_state(conn: &mut Conn, id: &TenantId, state: &'static str) -> Result<bool> {
    Ok(changed(conn, run("update tenants set state = $2 where id = $1").bind(id.0.clone()).bind(state)).await? == 1)
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Membership {
    pub tenant_id: String,
    pub tenant: String,
    pub role: String,
}

/// The tenants an account is a member of.
pub async fn of_account(conn: &mut Conn, account: &AccountId) -> Result<Vec<Membership>> {
    let sql = "
        select m.tenant_id, t.name as tenant, m.role
        from members m join tenants t on t.id = m.tenant_id
        where m.account_id = $1
        order by t.name";
    Ok(rows(sql).bind(account.0.clone()).fetch_all(conn).await?)
}

/// The role of an account in a tenant, if it is a member.
pub async fn role(conn: &mut Conn, tenant: &TenantId, account: &AccountId) -> Result<Option<Role>> {
    let sql = "select role from members where tenant_id = $1 and account_id = $2";
    let found: Option<(String,)> = rows(sql).bind(tenant.0.clone()).bind(account.0.clone()).fetch_optional(conn).await?;
    found.map(|(role,)| Role::parse(&role)).transpose()
}

/// Makes an account a member, or changes its role.
pub async fn set_member(conn: &mut Conn, now: Millis, tenant: &TenantId, account: &AccountId, role: Role) -> Result<()> {
    let sql = "
        insert into members (tenant_id, account_id, role, created_at) values ($1, $2, $3, $4)
        on conflict (tenant_id, account_id) do update set role = excluded.role";
    changed(conn, run(sql).bind(tenant.0.clone()).bind(account.0.clone()).bind(role.name()).bind(now.0)).await?;
    Ok(())
}

pub async fn remove_member(conn: &mut Conn, tenant: &TenantId, account: &AccountId) -> Result<bool> {
    let sql = "delete from members where tenant_id = $1 and account_id = $2";
    Ok(changed(conn, run(sql).bind(tenant.0.clone()).bind(account.0.clone())).await? == 1)
}
