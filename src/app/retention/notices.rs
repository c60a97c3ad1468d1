//! The letter before a purge: one to each owner of a tenant, at most once a day, about everything in its trash that nobody
//! was told of yet. Nothing that could still be wanted is purged before it was written.

use super::in_effect;
use crate::app::{App, letters};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::base::zone::Zone;
use crate::db;
use crate::domain::ids::{BackupId, EnvironmentId, TenantId};
use crate::mail::{Letter, Purge};
use std::collections::{BTreeSet, HashMap};

/// Purges that one letter names; it says how many more there are.
const NAMED: usize = 40;

pub(super) async fn send(app: &App, now: Millis) -> Result<()> {
    let before = now.plus(app.settings.retention.notice_ahead);
    let tenants = db::purges::unnoticed_tenants(&mut *app.pool.get().await?, before).await?;
    for tenant in tenants {
        if let Err(e) = to_owners(app, now, &TenantId(tenant.clone())).await {
            tracing::error!(tenant, "the letter before a purge: {e}");
        }
    }
    Ok(())
}

/// The letter and the note that it was written are one fact.
async fn to_owners(app: &App, now: Millis, tenant: &TenantId) -> Result<()> {
    let mut tx = app.pool.begin().await?;
    let trash = db::purges::unnoticed(&mut tx, tenant).await?;
    let name = db::tenants::find(&mut tx, tenant).await?.map(|t| t.name).unwrap_or_default();
    let held = held(&mut tx, now, tenant, &trash).await?;
    let line = |t: &db::purges::Trashed| Purge {
        environment: t.environment.clone(),
        reason: t.reason.clone(),
        created: Millis(t.created_at),
        by: t.deleted_by.clone(),
        on: Millis(t.purge_at),
        held: held.get(&t.environment_id).cloned(),
    };
    let letter = |to: String| Letter::PurgeAhead {
        to,
        tenant: name.clone(),
        purges: trash.iter().take(NAMED).map(line).collect(),
        more: trash.len().saturating_sub(NAMED),
        url: app.public_url.clone(),
    };
    let what = format!("{tenant}:purge:{}", Zone::default().day(now));
    letters::tell_owners(&mut tx, app, now, tenant, None, &what, letter).await;
    for t in &trash {
        db::purges::set_noticed(&mut tx, now, tenant, &BackupId(t.id.clone())).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Why nothing of an environment is purged for now, by its id.
async fn held(conn: &mut Conn, now: Millis, tenant: &TenantId, trash: &[db::purges::Trashed]) -> Result<HashMap<String, String>> {
    let environments: BTreeSet<&String> = trash.iter().map(|t| &t.environment_id).collect();
    let mut all = HashMap::new();
    for id in environments {
        let held = in_effect(conn, now, tenant, &EnvironmentId(id.clone())).await?.held;
        all.extend(held.map(|why| (id.clone(), why)));
    }
    Ok(all)
}
