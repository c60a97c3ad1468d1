//! Space: what environments, sites and tenants use, how it grew, and how the repositories are.

use super::access::Actor;
use super::{App, access};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::db;
use crate::domain::ids::{EnvironmentId, SiteId, TenantId};
use crate::domain::rights::Right;
use crate::domain::space::{RepositoryHealth, Space, SpaceRow};

/// Days that the picture of growth shows.
const DAYS: i64 = 90;

/// What one environment uses, and how the repository of its site grew.
pub async fn of_environment(app: &App, actor: &Actor, id: &EnvironmentId) -> Result<Space> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let env = access::environment(&mut conn, actor, id, Right::View).await?;
    let (tenant, site) = (TenantId(env.tenant_id), SiteId(env.site_id));
    let repository = db::space::repository(&mut conn, &tenant, &site).await?;
    Ok(Space {
        rows: rows(&mut conn, &tenant, Some(id)).await?,
        growth: db::space::growth(&mut conn, &tenant, Some(&site), since(now)).await?,
        bytes: repository.as_ref().and_then(|r| r.bytes).map(i64::unsigned_abs),
        health: repository.map(health),
    })
}

/// How the repository of a site grew, bytes by day. The caller has found one of its environments: it is theirs to see.
pub(crate) async fn growth(conn: &mut Conn, now: Millis, tenant: &TenantId, site: &SiteId) -> Result<Vec<(i64, i64)>> {
    db::space::growth(conn, tenant, Some(site), since(now)).await
}

/// What a tenant's environments use, and how its repositories grew together.
pub async fn of_tenant(app: &App, actor: &Actor, id: &TenantId) -> Result<Space> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    access::in_tenant(&mut conn, actor, id, Right::View, "tenant").await?;
    let growth = db::space::growth(&mut conn, id, None, since(now)).await?;
    let bytes = growth.last().map(|(_, bytes)| bytes.unsigned_abs());
    Ok(Space { rows: rows(&mut conn, id, None).await?, growth, bytes, health: None })
}

/// How everything that is stored grew, for administrators.
pub(super) async fn growth_of_all(conn: &mut Conn, now: Millis) -> Result<Vec<(i64, i64)>> {
    db::space::growth_of_all(conn, since(now)).await
}

fn since(now: Millis) -> i64 {
    now.0.div_euclid(Millis::DAY) - DAYS
}

async fn rows(conn: &mut Conn, tenant: &TenantId, id: Option<&EnvironmentId>) -> Result<Vec<SpaceRow>> {
    let row = |u: db::space::Usage| SpaceRow {
        environment_id: u.environment_id,
        environment: u.environment,
        backups: u.backups.unsigned_abs(),
        size: u.size.unsigned_abs(),
        stored: u.stored.unsigned_abs(),
        trash: u.trash.unsigned_abs(),
    };
    Ok(db::space::usage(conn, tenant, id).await?.into_iter().map(row).collect())
}

pub(super) fn health(r: db::space::Repository) -> RepositoryHealth {
    RepositoryHealth {
        bytes: r.bytes.map(i64::unsigned_abs),
        marked: r.marked_bytes.unwrap_or(0).unsigned_abs(),
        cleaned: r.cleaned_at.map(Millis),
        checked: r.checked_at.map(Millis),
        checking_since: r.check_began_at.map(Millis),
        damaged: r.damaged,
    }
}
