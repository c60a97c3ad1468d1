//! Tenants.

use super::{App, access, access::Actor};
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::sql::Conn;
use crate::db;
use crate::domain::ids::TenantId;
use crate::domain::rights::Right;
use crate::domain::{names, people, view};

/// Makes a tenant.
pub async fn create(app: &App, actor: &Actor, name: &str) -> Result<view::Tenant> {
    access::administer(actor)?;
    names::check("tenant", name)?;
    let now = app.pool.now().await?;
    let id = TenantId::fresh();
    let mut tx = app.pool.begin().await?;
    db::tenants::insert(&mut tx, now, &id, name).await.map_err(|e| match e.class() {
        Class::Conflict => Error::conflict(format!("there is a tenant `{name}` already")),
        _ => e,
    })?;
    activity::record(&mut tx, now, actor, Some(&id), "tenant.create", &id.0, name).await?;
    tx.commit().await?;
    Ok(view::Tenant { id: id.0, name: name.into(), state: "active".into(), created: now.iso() })
}

/// The tenants that the actor may see.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<view::Tenant>> {
    let mut conn = app.pool.get().await?;
    let seen = access::tenants(&mut conn, actor).await?;
    Ok(seen.into_iter().map(|t| view::Tenant { id: t.id, name: t.name, state: t.state, created: Millis(t.created_at).iso() }).collect())
}

/// The same with the actor's role in each.
pub async fn cards(app: &App, actor: &Actor) -> Result<Vec<people::TenantCard>> {
    let mut conn = app.pool.get().await?;
    let mut cards = Vec::new();
    for tenant in access::tenants(&mut conn, actor).await? {
        cards.push(card(&mut conn, actor, tenant).await?);
    }
    Ok(cards)
}

/// One tenant, and what the actor may do there.
pub async fn overview(app: &App, actor: &Actor, id: &TenantId) -> Result<people::TenantOverview> {
    let mut conn = app.pool.get().await?;
    access::in_tenant(&mut conn, actor, id, Right::View, "tenant").await?;
    let found = db::tenants::find(&mut conn, id).await?.ok_or_else(|| access::hidden("tenant"))?;
    let manages = access::rights(&mut conn, actor, id).await?.may(Right::Manage);
    Ok(people::TenantOverview { card: card(&mut conn, actor, found).await?, manages })
}

async fn card(conn: &mut Conn, actor: &Actor, tenant: db::tenants::Tenant) -> Result<people::TenantCard> {
    let members = db::tenants::members_of(conn, &TenantId(tenant.id.clone())).await?;
    let role = members.iter().find(|m| m.account_id == actor.account.0).map(|m| m.role.clone());
    Ok(people::TenantCard { id: tenant.id, name: tenant.name, state: tenant.state, role, members: members.len() })
}

/// Suspends a tenant, in which nothing is begun any more by its members, or activates it again. What waits is asked
/// again who wanted it when its turn comes.
pub async fn set_active(app: &App, actor: &Actor, id: &TenantId, active: bool) -> Result<()> {
    access::administer(actor)?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let tenant = db::tenants::find(&mut tx, id).await?.ok_or_else(|| access::hidden("tenant"))?;
    if tenant.is_active() != active {
        db::tenants::set_state(&mut tx, id, if active { "active" } else { "suspended" }).await?;
        let action = if active { "tenant.activate" } else { "tenant.suspend" };
        activity::record(&mut tx, now, actor, Some(id), action, &id.0, &tenant.name).await?;
    }
    tx.commit().await?;
    Ok(())
}
