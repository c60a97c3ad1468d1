//! The switch that lets all schedules rest: while a storage is moved, or while nobody knows what is going on.

use crate::app::access::{self, Actor};
use crate::app::activity;
use crate::app::{App, backups};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::db;
use crate::domain::view;

/// Do all schedules rest? For every page.
pub async fn frozen(app: &App) -> Result<Option<view::Freeze>> {
    let found = db::schedules::frozen(&mut *app.pool.get().await?).await?;
    Ok(found.map(|f| view::Freeze { since: Millis(f.frozen_at).iso(), by: f.frozen_by, reason: f.reason }))
}

/// Lets all schedules rest. Backups by hand are made as ever.
///
/// # Errors
/// `Invalid` without a reason; `Conflict` when they rest already.
pub async fn freeze(app: &App, actor: &Actor, reason: &str) -> Result<()> {
    access::administer(actor)?;
    let reason = backups::checked_note(Some(reason))?.filter(|r| !r.contains('\n') && r.chars().count() <= 200);
    let reason = reason.ok_or_else(|| {
        Error::invalid("schedules do not rest without a reason").hint("say why in one line of up to 200 characters: everybody reads it")
    })?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    if !db::schedules::freeze(&mut tx, now, &actor.email, &reason).await? {
        return Err(Error::conflict("all schedules rest already").hint("wake them first to give another reason"));
    }
    activity::record(&mut tx, now, actor, None, "schedule.freeze", "schedules", &reason).await?;
    tx.commit().await?;
    Ok(())
}

/// Wakes them. What they skipped is not made up for.
///
/// # Errors
/// `Conflict` when they do not rest.
pub async fn thaw(app: &App, actor: &Actor) -> Result<()> {
    access::administer(actor)?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    if !db::schedules::thaw(&mut tx).await? {
        return Err(Error::conflict("no schedule rests").hint("`sitekeep schedule:list` shows when they run next"));
    }
    activity::record(&mut tx, now, actor, None, "schedule.thaw", "schedules", "all schedules run again").await?;
    tx.commit().await?;
    Ok(())
}
