//! Tenants.

use super::{App, access, access::Actor};
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::db;
use crate::db::activity::Act;
use crate::domain::ids::TenantId;
use crate::domain::{names, view};

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
    let act = Act {
        tenant: Some(&id),
        account: Some(&actor.account),
        actor: &actor.email,
        action: "tenant.create",
        object: &id.0,
        detail: name,
        address: &actor.address,
    };
    db::activity::record(&mut tx, now, &act).await?;
    tx.commit().await?;
    Ok(view::Tenant { id: id.0, name: name.into(), state: "active".into(), created: now.iso() })
}

/// The tenants that the actor may see.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<view::Tenant>> {
    let mut conn = app.pool.get().await?;
    let seen = access::tenants(&mut conn, actor).await?;
    Ok(seen.into_iter().map(|t| view::Tenant { id: t.id, name: t.name, state: t.state, created: Millis(t.created_at).iso() }).collect())
}
