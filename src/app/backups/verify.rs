//! A backup is read back: every piece of every file from the storage, opened and hashed. What a backup is judged by when it is made
//! is that all of it can be found; that what was written can still be read is another question, as disks grow old.

use super::record;
use crate::app::access::{self, Actor};
use crate::app::attempt::{Attempt, Ended};
use crate::app::{App, environments, jobs, servers};
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::units;
use crate::base::watch::Watch;
use crate::db;
use crate::domain::ids::{BackupId, EnvironmentId, SiteId, TenantId};
use crate::domain::rights::Right;
use crate::domain::state::BackupState;
use crate::domain::view;
use crate::engine::Totals;
use crate::queue::{self, JobClass, Need, NewJob, Outcome};

/// The kind of job; its subject is the backup.
pub const JOB: &str = "verify_backup";

/// Queues it; where it waits or runs already, that job is returned.
///
/// # Errors
/// `Conflict` when nothing can be restored from the backup.
pub async fn queue(app: &App, actor: &Actor, id: &BackupId) -> Result<view::Job> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let row = access::backup(&mut tx, actor, id, Right::Create).await?;
    usable(&row)?;
    let tenant = TenantId(row.tenant_id.clone());
    let repository = db::sites::repository(&mut tx, &tenant, &SiteId(row.site_id.clone())).await?;
    let repository = repository.ok_or_else(|| Error::internal("the site has no repository"))?;
    let job = NewJob {
        tenant,
        kind: JOB.into(),
        subject: id.0.clone(),
        environment: Some(EnvironmentId(row.environment_id.clone())),
        class: JobClass::Verify,
        needs: vec![Need::shared(format!("repo:{}", repository.id))],
        unique: Some(format!("verify:{id}")),
        idempotency: None,
        run_at: None,
        initiator: Some(actor.account.clone()),
    };
    let queued = queue::enqueue(&mut tx, now, job).await?;
    if queued.fresh {
        record(&mut tx, now, actor, &row, "backup.verify").await?;
    }
    tx.commit().await?;
    queue::hint();
    jobs::find(app, actor, &queued.id).await
}

fn usable(row: &db::backups::Backup) -> Result<()> {
    if BackupState::parse(&row.state)?.is_usable() && row.deleted_at.is_none() && row.expired_at.is_none() {
        return Ok(());
    }
    Err(Error::conflict(format!("nothing can be restored from the backup {}", row.id)).hint("choose one that succeeded"))
}

/// One attempt.
///
/// # Errors
/// As [`read_back`]; what stood in the way.
pub async fn run(attempt: &Attempt, id: &BackupId) -> Result<Ended> {
    let bytes: i64 = elements(&attempt.app, id).await?.1.iter().map(|e| e.size).sum();
    attempt.phase("Reading everything back", u64::try_from(bytes).ok()).await?;
    match read_back(&attempt.app, id, &attempt.watch).await {
        Ok(totals) => end(attempt, id, totals).await,
        Err(e) if e.class() == Class::Cancelled && !attempt.cancel_requested().await? => Ok(Ended::Released),
        Err(e) => Err(e),
    }
}

/// Reads every piece of every file of a backup, and hashes it.
///
/// # Errors
/// `Damaged` with the first path that cannot be restored; `Conflict` when nothing can be restored from the backup any more.
pub async fn read_back(app: &App, id: &BackupId, watch: &Watch) -> Result<Totals> {
    let (row, elements) = elements(app, id).await?;
    usable(&row)?;
    let (_, repository) = environments::repository(app, &TenantId(row.tenant_id), &SiteId(row.site_id)).await?;
    let watch = watch.clone();
    let read = servers::blocking(move || {
        let mut all = Totals::default();
        for snapshot in elements.into_iter().filter_map(|e| e.snapshot) {
            all.add(repository.prove_content(&snapshot, &watch)?);
        }
        Ok(all)
    });
    read.await.map_err(|e| match e.class() {
        // A snapshot that is gone is damage as well.
        Class::Damaged | Class::NotFound => {
            e.hint("make a new backup now; older ones may be whole: verify those you need").context("the backup is damaged")
        }
        _ => e,
    })
}

async fn elements(app: &App, id: &BackupId) -> Result<(db::backups::Backup, Vec<db::backups::BackupElement>)> {
    let mut conn = app.pool.get().await?;
    let row = db::backups::find(&mut conn, id).await?.ok_or_else(|| Error::not_found("the backup is gone"))?;
    let elements = db::backups::elements(&mut conn, &TenantId(row.tenant_id.clone()), id).await?;
    Ok((row, elements))
}

async fn end(attempt: &Attempt, id: &BackupId, totals: Totals) -> Result<Ended> {
    let now: Millis = attempt.now().await?;
    let mut tx = attempt.begin().await?;
    let row = db::backups::find(&mut tx, id).await?.ok_or_else(|| Error::not_found("the backup is gone"))?;
    db::backups::proven(&mut tx, now, &TenantId(row.tenant_id), id).await?;
    let said = format!("{} with {} were read back whole", units::count(totals.files, "file"), units::size(totals.bytes));
    let outcome = Outcome { message: Some(said), ..Outcome::succeeded() };
    queue::finish(&mut tx, now, &attempt.lease, outcome).await?;
    tx.commit().await?;
    Ok(Ended::Finished)
}
