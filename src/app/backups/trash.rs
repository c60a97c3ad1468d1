//! The trash: a backup that is deleted can be taken back.

use super::{found, record, views};
use crate::app::access::Actor;
use crate::app::{App, access, retention};
use crate::base::error::{Error, Result};
use crate::base::sql::Conn;
use crate::db;
use crate::db::backups::Backup as Row;
use crate::domain::ids::{BackupId, EnvironmentId, TenantId};
use crate::domain::rights::Right;
use crate::domain::state::BackupState;
use crate::domain::view;

/// Moves a backup into the trash.
///
/// # Errors
/// `Conflict` for one that runs, is pinned, is the newest good one, or is the way back of a restore.
pub async fn delete(app: &App, actor: &Actor, id: &BackupId) -> Result<view::Backup> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let row = access::backup(&mut tx, actor, id, Right::Delete).await?;
    if row.deleted_at.is_none() {
        may_go(&mut tx, &row).await?;
        let (tenant, environment) = (TenantId(row.tenant_id.clone()), EnvironmentId(row.environment_id.clone()));
        db::backups::set_deleted(&mut tx, &tenant, id, Some((now, &actor.email))).await?;
        let purge_at = retention::purge_at(&mut tx, now, &tenant, &environment).await?;
        db::retention::set_purge(&mut tx, &tenant, id, purge_at).await?;
        record(&mut tx, now, actor, &row, "backup.delete").await?;
    }
    let row = found(&mut tx, &id.0).await?;
    let view = views::view_of(&mut tx, &row, now).await?;
    tx.commit().await?;
    Ok(view)
}

async fn may_go(conn: &mut Conn, row: &Row) -> Result<()> {
    if !BackupState::parse(&row.state)?.is_final() {
        return Err(Error::conflict("the backup has not ended yet").hint("cancel it, or wait until it has ended"));
    }
    if row.pinned == 1 {
        return Err(Error::conflict("the backup is pinned").hint("unpin it first, if it may really go"));
    }
    let (tenant, environment) = (TenantId(row.tenant_id.clone()), EnvironmentId(row.environment_id.clone()));
    let card = db::environments::card(conn, crate::base::clock::Millis(0), &environment).await?;
    if card.and_then(|c| c.last_good_id).is_some_and(|last| last == row.id) {
        return Err(Error::conflict("this is the newest good backup, and the last of those never goes")
            .hint("make a new backup first; then this one can be deleted"));
    }
    let history = db::retention::history(conn, &tenant, &environment).await?;
    let good = history.iter().filter(|p| p.id != row.id && p.state == BackupState::Succeeded.word());
    let proven_since = good.filter_map(|p| p.proven_at).max() >= row.proven_at;
    if row.state == BackupState::Succeeded.word() && row.proven_at.is_some() && !proven_since {
        return Err(Error::conflict("this is the last backup that was proven, and that never goes")
            .hint("verify a newer one first; then this one can be deleted"));
    }
    if history.iter().any(|p| p.id == row.id && p.needed == 1) {
        return Err(Error::conflict("a restore that can still be undone needs this backup")
            .hint("it can be deleted when the time for that undo is over"));
    }
    Ok(())
}

/// Takes a backup back out of the trash; one that the rules would throw away again is pinned.
pub async fn take_back(app: &App, actor: &Actor, id: &BackupId) -> Result<view::Backup> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let row = access::backup(&mut tx, actor, id, Right::Delete).await?;
    if row.expired_at.is_some() {
        return Err(Error::conflict("the backup was purged, and its content is gone").hint("what else lies in the trash can be taken back"));
    }
    if row.deleted_at.is_some() {
        let (tenant, environment) = (TenantId(row.tenant_id.clone()), EnvironmentId(row.environment_id.clone()));
        db::backups::set_deleted(&mut tx, &tenant, id, None).await?;
        // Else the rule that threw it away would do so again within the hour.
        if retention::would_go(&mut tx, now, &tenant, &environment, &id.0).await? {
            db::backups::set_pinned(&mut tx, &tenant, id, true).await?;
        }
        record(&mut tx, now, actor, &row, "backup.take_back").await?;
    }
    let row = found(&mut tx, &id.0).await?;
    let view = views::view_of(&mut tx, &row, now).await?;
    tx.commit().await?;
    Ok(view)
}
