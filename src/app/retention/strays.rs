//! Snapshots that no row names: an attempt wrote them when it had lost its lease, and could not note them any more. They
//! are left alone for as long as anything is that is marked to go, and then forgotten by the clean-up. Of a backup that the
//! catalogue does not know nothing is touched: an older copy of the catalogue may have been put back.

use crate::app::attempt::Attempt;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::base::units;
use crate::db;
use crate::domain::ids::{BackupId, SiteId, TenantId};
use crate::domain::state::BackupState;
use crate::engine::{Repository, SnapshotInfo};
use std::collections::HashSet;

pub(super) async fn forget(attempt: &Attempt, tenant: &TenantId, site: &SiteId, repository: &Repository) -> Result<()> {
    let strays = strays(attempt, tenant, site, repository).await?;
    if strays.is_empty() {
        return Ok(());
    }
    attempt.fence().await?;
    let (repository, number) = (repository.clone(), strays.len());
    attempt.blocking(move |_| repository.forget(&strays)).await?;
    attempt.info(format!("Forgot {} of attempts that had lost their lease", units::count(number as u64, "snapshot"))).await;
    Ok(())
}

async fn strays(attempt: &Attempt, tenant: &TenantId, site: &SiteId, repository: &Repository) -> Result<Vec<String>> {
    let before = attempt.now().await?.plus(-attempt.app.settings.retention.keep_marked);
    let named: HashSet<String> = {
        let mut conn = attempt.app.pool.get().await?;
        db::space::snapshots(&mut conn, tenant, site).await?.into_iter().map(|s| s.snapshot).collect()
    };
    let (reader, known) = (repository.clone(), named.clone());
    // Most often there is none, and none has to be read.
    let all = attempt.blocking(move |_| match reader.names_of_snapshots()?.iter().all(|id| known.contains(id)) {
        true => Ok(Vec::new()),
        false => reader.snapshots(),
    });
    let all = all.await?;
    let mut conn = attempt.app.pool.get().await?;
    let mut strays = Vec::new();
    for s in all.into_iter().filter(|s| !named.contains(&s.id)) {
        if s.time <= before && is_settled(&mut conn, tenant, &s).await? {
            strays.push(s.id);
        }
    }
    Ok(strays)
}

/// The backup that it was made for has ended, and none of its elements is this snapshot.
async fn is_settled(conn: &mut Conn, tenant: &TenantId, snapshot: &SnapshotInfo) -> Result<bool> {
    let Some(id) = snapshot.tags.iter().find_map(|tag| tag.strip_prefix("backup=")) else { return Ok(false) };
    let id = BackupId(id.to_owned());
    let Some(row) = db::backups::find(conn, &id).await? else { return Ok(false) };
    let ended = !matches!(BackupState::parse(&row.state)?, BackupState::Queued | BackupState::Running);
    let elements = db::backups::elements(conn, tenant, &id).await?;
    Ok(row.tenant_id == tenant.0 && ended && elements.iter().all(|e| e.snapshot.as_deref() != Some(&snapshot.id)))
}
