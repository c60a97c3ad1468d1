//! The safety backup: of what will be overwritten, complete, listed like any other, and never taken back.

use super::run::Run;
use crate::app::backups::{self, read_element};
use crate::app::to_json;
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::failpoint;
use crate::base::sql::Conn;
use crate::base::units;
use crate::db;
use crate::db::backups::{Backup, BackupElement};
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, EnvironmentId, TenantId};
use crate::domain::state::{BackupState, Reason, RestoreState};
use crate::domain::view::FileProblem;
use crate::engine::Repository;

/// Everything that will be overwritten, while visitors still come.
pub(super) async fn first_pass(run: &mut Run<'_>) -> Result<Option<String>> {
    let row = row(run).await?;
    if BackupState::parse(&row.state)?.is_final() {
        return Ok(None); // finished by an attempt before this one
    }
    read_all(run, &row, false).await?;
    Ok(Some(format!("The safety backup is {}", row.id)))
}

/// Behind maintenance: what was written since the first pass is in it, too. Unchanged content is not stored again.
pub(super) async fn second_pass(run: &mut Run<'_>) -> Result<Option<String>> {
    let row = row(run).await?;
    read_all(run, &row, true).await?;
    Ok(None)
}

/// The row of the safety backup; made, and named in the restore, in one transaction.
async fn row(run: &mut Run<'_>) -> Result<Backup> {
    let (tenant, environment) = (TenantId(run.row.tenant_id.clone()), EnvironmentId(run.row.environment_id.clone()));
    let elements = run.elements()?;
    let now = run.attempt.now().await?;
    let mut tx = run.attempt.begin().await?;
    if let Some(id) = &run.row.safety_backup_id
        && let Some(row) = db::backups::find(&mut tx, &BackupId(id.clone())).await?
    {
        return Ok(row);
    }
    let env =
        db::environments::find(&mut tx, &environment).await?.ok_or_else(|| Error::permanent("the environment was removed meanwhile"))?;
    let mut row = backups::fresh(&env, now, Reason::BeforeRestore, &run.row.initiator, None);
    row.account_id = run.row.account_id.clone();
    row.protected = 1;
    row.job_id = Some(run.attempt.lease.job.0.clone());
    db::backups::insert(&mut tx, &row, &elements).await?;
    db::backups::started(&mut tx, now, &tenant, &BackupId(row.id.clone())).await?;
    db::restores::set_safety_backup(&mut tx, &tenant, &run.id(), &BackupId(row.id.clone())).await?;
    tx.commit().await?;
    failpoint::hit(format_args!("restore.safety.named"))?;
    run.row.safety_backup_id = Some(row.id.clone());
    Ok(row)
}

/// Reads and proves the elements, then notes them in one transaction; snapshots of a pass before are let go after it.
async fn read_all(run: &mut Run<'_>, row: &Backup, again: bool) -> Result<()> {
    let tenant = TenantId(row.tenant_id.clone());
    let id = BackupId(row.id.clone());
    let mut elements = db::backups::elements(&mut *run.app().pool.get().await?, &tenant, &id).await?;
    elements.sort_by_key(|e| Element::ALL.iter().position(|kind| kind.name() == e.element));
    let mut replaced = Vec::new();
    for e in &mut elements {
        if again && e.snapshot.is_none() {
            continue; // it could not be read the first time: said then
        }
        let before = e.snapshot.clone();
        read_one(run, row, e).await?;
        failpoint::hit(format_args!("restore.safety.stored"))?;
        replaced.extend(before.filter(|b| Some(b) != e.snapshot.as_ref()));
    }
    let repository = run.into.clone();
    backups::prove(run.attempt, &repository, &elements).await?;
    failpoint::hit(format_args!("restore.safety.proven"))?;
    let whole = elements.iter().all(|e| e.state == BackupState::Succeeded.word());
    let state = if whole { BackupState::Succeeded } else { BackupState::Incomplete };
    let now = run.attempt.now().await?;
    let mut tx = run.attempt.begin().await?;
    for e in &elements {
        db::backups::set_element(&mut tx, e).await?;
    }
    if again {
        // What the second pass saw is what counts, for better or worse.
        db::backups::reopened(&mut tx, &tenant, &id).await?;
    }
    db::backups::ended(&mut tx, now, &tenant, &id, state, None).await?;
    tx.commit().await?;
    failpoint::hit(format_args!("restore.safety.noted"))?;
    forget(run, repository, replaced).await;
    Ok(())
}

/// A site that is broken must be restorable: an element that cannot be read for a reason that trying again would not
/// change is named, and the restore goes on, since the old one stays aside untouched.
async fn read_one(run: &Run<'_>, row: &Backup, e: &mut BackupElement) -> Result<()> {
    let kind = Element::parse(&e.element)?;
    let whose = [("tenant", &row.tenant_id), ("site", &row.site_id), ("environment", &row.environment_id), ("backup", &row.id)];
    let mut tags: Vec<String> = whose.iter().map(|(name, id)| format!("{name}={id}")).collect();
    tags.extend([format!("element={kind}"), format!("restore={}", run.row.id)]);
    let described = backups::card::of(row, &run.env, run.elements()?.iter().map(|e| e.name().to_owned()).collect())?;
    e.started_at = e.started_at.or(Some(run.attempt.now().await?.0));
    match read_element(run.attempt, &run.env, &run.into, kind, true, (tags, described)).await {
        Ok((stored, manifest)) => {
            let problems: Vec<FileProblem> = stored
                .problems
                .iter()
                .take(1000)
                .map(|p| FileProblem { path: p.path.display().to_string(), reason: p.reason.clone() })
                .collect();
            let state = if problems.is_empty() { BackupState::Succeeded } else { BackupState::Incomplete };
            e.state = state.word().into();
            e.snapshot = Some(stored.snapshot);
            (e.size, e.files, e.stored) = (stored.bytes as i64, stored.files as i64, stored.stored as i64);
            e.manifest = to_json(&manifest)?;
            if !problems.is_empty() {
                run.attempt
                    .warn(format!(
                        "{} of the live {kind} could not be read for the safety backup",
                        units::count(problems.len() as u64, "file")
                    ))
                    .await;
            }
            e.problems = to_json(&problems)?;
        }
        Err(why) if why.class() == Class::Permanent && e.snapshot.is_none() => {
            run.attempt.warn(format!("There is no safety backup of the live {kind}: {}. It stays aside as it is.", why.sentence())).await;
            e.state = BackupState::Failed.word().into();
            e.problems = to_json(&[FileProblem { path: kind.name().into(), reason: why.sentence() }])?;
        }
        Err(why) => return Err(why),
    }
    e.finished_at = Some(run.attempt.now().await?.0);
    Ok(())
}

async fn forget(run: &Run<'_>, repository: Repository, snapshots: Vec<String>) {
    if snapshots.is_empty() {
        return;
    }
    if let Err(e) = run.attempt.blocking(move |_| repository.forget(&snapshots)).await {
        run.attempt.warn(format!("the first pass of the safety backup could not be cleared away: {e}")).await;
    }
}

/// Snapshots that an attempt stored for the safety backup and could not note, or could not forget.
pub(super) async fn clear(run: &Run<'_>) {
    if let Some(id) = &run.row.safety_backup_id {
        backups::forget_orphans(run.attempt, &TenantId(run.row.tenant_id.clone()), id, &run.into).await;
    }
}

/// A restore that ends before its safety backup was whole leaves none: it must not seem to be running for ever.
pub(super) async fn abandon(conn: &mut Conn, now: Millis, restore: &crate::db::restores::Restore, end: RestoreState) -> Result<()> {
    let Some(id) = &restore.safety_backup_id else { return Ok(()) };
    let state = if end == RestoreState::Cancelled { BackupState::Cancelled } else { BackupState::Failed };
    let message = ("the restore ended before it was whole".to_owned(), None);
    db::backups::ended(conn, now, &TenantId(restore.tenant_id.clone()), &BackupId(id.clone()), state, Some(message)).await.map(drop)
}
