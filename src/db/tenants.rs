//! Tenants and their members.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::{AccountId, TenantId};
use crate::domain::rights::Role;
use std::collections::HashMap;

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

/// How an account stands in a tenant.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Standing {
    /// Of the tenant.
    pub state: String,
    /// `None`: it is no member.
    pub role: Option<String>,
}

/// `None` where there is no such tenant.
pub async fn standing(conn: &mut Conn, tenant: &TenantId, account: &AccountId) -> Result<Option<Standing>> {
    let sql = "
        select t.state, m.role
        from tenants t left join members m on m.tenant_id = t.id and m.account_id = $2
        where t.id = $1";
    Ok(rows(sql).bind(tenant.0.clone()).bind(account.0.clone()).fetch_optional(conn).await?)
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

/// Changes nothing, but whoever else would count or change the members waits until the transaction is over.
pub async fn lock(conn: &mut Conn, tenant: &TenantId) -> Result<bool> {
    Ok(changed(conn, run("update tenants set state = state where id = $1").bind(tenant.0.clone())).await? == 1)
}

/// A member with the account behind it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Member {
    pub account_id: String,
    pub email: String,
    pub name: String,
    pub role: String,
    pub state: String,
    pub created_at: i64,
}

pub async fn members_of(conn: &mut Conn, tenant: &TenantId) -> Result<Vec<Member>> {
    let sql = "
        select m.account_id, a.email, a.name, m.role, a.state, m.created_at
        from members m join accounts a on a.id = m.account_id
        where m.tenant_id = $1
        order by lower(a.email)";
    Ok(rows(sql).bind(tenant.0.clone()).fetch_all(conn).await?)
}

/// How many owners can sign in.
pub async fn count_owners(conn: &mut Conn, tenant: &TenantId) -> Result<i64> {
    let sql = "
        select count(*)
        from members m join accounts a on a.id = m.account_id
        where m.tenant_id = $1 and m.role = 'owner' and a.state = 'active'";
    Ok(rows::<(i64,)>(sql).bind(tenant.0.clone()).fetch_one(conn).await?.0)
}

/// What a tenant may use; no limit where none is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Plan {
    pub plan: String,
    pub quota_bytes: Option<i64>,
    pub quota_backups: Option<i64>,
    /// As many as of everybody where none is given.
    pub jobs_at_once: Option<i64>,
    /// 1: backups may be made by a schedule.
    pub schedules_allowed: i64,
}

pub async fn plan(conn: &mut Conn, id: &TenantId) -> Result<Option<Plan>> {
    let sql = "select plan, quota_bytes, quota_backups, jobs_at_once, schedules_allowed from tenants where id = $1";
    Ok(rows(sql).bind(id.0.clone()).fetch_optional(conn).await?)
}

pub async fn set_plan(conn: &mut Conn, id: &TenantId, plan: &Plan) -> Result<bool> {
    let sql = "update tenants set plan = $2, quota_bytes = $3, quota_backups = $4, schedules_allowed = $5, jobs_at_once = $6 where id = $1";
    let query = run(sql).bind(id.0.clone()).bind(plan.plan.clone()).bind(plan.quota_bytes).bind(plan.quota_backups);
    let query = query.bind(plan.schedules_allowed).bind(plan.jobs_at_once);
    Ok(changed(conn, query).await? == 1)
}

/// What a tenant uses: bytes in repositories (the trash is there, too), and backups that are good or under way.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Used {
    pub bytes: i64,
    pub backups: i64,
}

macro_rules! used {
    ($tenant:literal) => {
        concat!(
            "(select cast(coalesce(sum(x.stored), 0) as bigint) from backup_elements x where x.tenant_id = ",
            $tenant,
            ") as bytes,
             (select count(*) from backups b
              where b.deleted_at is null and b.state in ('queued', 'running', 'succeeded', 'incomplete') and b.tenant_id = ",
            $tenant,
            ") as backups"
        )
    };
}

pub async fn used(conn: &mut Conn, id: &TenantId) -> Result<Used> {
    Ok(rows(concat!("select ", used!("$1"))).bind(id.0.clone()).fetch_one(conn).await?)
}

/// A tenant in the administrators' list.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Overview {
    pub id: String,
    pub name: String,
    pub state: String,
    pub created_at: i64,
    pub plan: String,
    pub quota_bytes: Option<i64>,
    pub quota_backups: Option<i64>,
    pub jobs_at_once: Option<i64>,
    pub schedules_allowed: i64,
    pub sites: i64,
    pub members: i64,
    pub bytes: i64,
    pub backups: i64,
}

/// Every tenant with what it has and uses, by name.
pub async fn overviews(conn: &mut Conn) -> Result<Vec<Overview>> {
    let sql = concat!(
        "select t.id, t.name, t.state, t.created_at, t.plan, t.quota_bytes, t.quota_backups, t.jobs_at_once, t.schedules_allowed,
           (select count(*) from sites s where s.tenant_id = t.id) as sites,
           (select count(*) from members m where m.tenant_id = t.id) as members, ",
        used!("t.id"),
        " from tenants t order by t.name"
    );
    Ok(rows(sql).fetch_all(conn).await?)
}

/// The names of these tenants.
pub async fn names(conn: &mut Conn, ids: &[String]) -> Result<HashMap<String, String>> {
    super::names(conn, "select id, name from tenants where id in ({})", ids).await
}
