//! How a backup is made: every element read, its snapshot noted at once, everything proven, and only then one last
//! transaction that says so.

use super::card;
use super::read::{Manifest, read_element};
use crate::app::access;
use crate::app::attempt::{Attempt, Ended};
use crate::app::environments::{self, Opened};
use crate::app::{App, alarms, letters, to_json, webhooks};
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::failpoint;
use crate::base::sql::Conn;
use crate::base::units;
use crate::db;
use crate::db::backups::{Backup, BackupElement};
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, EnvironmentId, TenantId};
use crate::domain::rights::Right;
use crate::domain::state::BackupState;
use crate::domain::view::FileProblem;
use crate::engine::{Repository, Stored};
use crate::queue::{self, Outcome, State};

/// Problems kept by path; the rest are counted in a warning.
const PROBLEMS_KEPT: usize = 1000;

/// One attempt at a backup.
pub async fn run(attempt: &Attempt, id: &BackupId) -> Result<Ended> {
    match make(attempt, id).await {
        Ok(state) => {
            finish(attempt, id, state, None).await?;
            Ok(Ended::Finished)
        }
        Err(e) if e.class() == Class::Fenced => Err(e),
        Err(e) if e.class() == Class::Cancelled && !attempt.cancel_requested().await? => Ok(Ended::Released),
        Err(e) => {
            let state = if e.class() == Class::Cancelled { BackupState::Cancelled } else { BackupState::Failed };
            finish(attempt, id, state, Some(e)).await?;
            Ok(Ended::Finished)
        }
    }
}

async fn make(attempt: &Attempt, id: &BackupId) -> Result<BackupState> {
    let row = start(attempt, id).await?;
    let env = environments::open(&attempt.app, &EnvironmentId(row.environment_id.clone())).await?;
    let (_, repository) = environments::repository(&attempt.app, &env.tenant, &env.site).await?;
    if attempt.lease.attempt > 1 {
        forget_orphans(attempt, &TenantId(row.tenant_id.clone()), &row.id, &repository).await;
    }
    failpoint::hit(format_args!("backup.begin"))?;
    let stored = store_elements(attempt, &row, &env, &repository, false).await;
    if stored.as_ref().is_err_and(|e| e.class() != Class::Fenced) {
        // Between a snapshot and its note something may have failed; a zombie touches nothing.
        forget_orphans(attempt, &TenantId(row.tenant_id.clone()), &row.id, &repository).await;
    }
    let elements = stored?;
    failpoint::hit(format_args!("backup.prove"))?;
    prove(attempt, &repository, &elements).await?;
    failpoint::hit(format_args!("backup.proven"))?;
    Ok(if elements.iter().any(|e| e.state == BackupState::Incomplete.word()) { BackupState::Incomplete } else { BackupState::Succeeded })
}

async fn start(attempt: &Attempt, id: &BackupId) -> Result<Backup> {
    let now = attempt.now().await?;
    let mut tx = attempt.begin().await?;
    let row = db::backups::find(&mut tx, id).await?.ok_or_else(|| Error::permanent("the backup was removed meanwhile"))?;
    let tenant = TenantId(row.tenant_id.clone());
    access::recheck(&mut tx, row.account_id.as_deref(), &tenant, Right::Create).await?;
    db::backups::started(&mut tx, now, &tenant, id).await?;
    tx.commit().await?;
    Ok(row)
}

/// Snapshots of an earlier attempt that was killed before it could note them: nothing refers to them, and their content
/// is read again without being stored again.
pub(crate) async fn forget_orphans(attempt: &Attempt, tenant: &TenantId, id: &str, repository: &Repository) {
    let orphans = async {
        let mut conn = attempt.app.pool.get().await?;
        let known: Vec<String> =
            db::backups::elements(&mut conn, tenant, &BackupId(id.to_owned())).await?.into_iter().filter_map(|e| e.snapshot).collect();
        drop(conn);
        let (repository, tag) = (repository.clone(), tag(id));
        attempt
            .blocking(move |_| {
                let found = repository.snapshots()?.into_iter().filter(|s| s.tags.contains(&tag) && !known.contains(&s.id));
                repository.forget(&found.map(|s| s.id).collect::<Vec<_>>())
            })
            .await
    };
    if let Err(e) = orphans.await {
        attempt.warn(format!("left-overs of the attempt before could not be cleared: {e}")).await;
    }
}

fn tag(id: &str) -> String {
    format!("backup={id}")
}

/// Reads every element that has no snapshot yet; each snapshot is noted in a transaction of its own, so that the next
/// attempt does not read it again.
async fn store_elements(
    attempt: &Attempt,
    row: &Backup,
    env: &Opened,
    repository: &Repository,
    complete: bool,
) -> Result<Vec<BackupElement>> {
    let (tenant, id) = (TenantId(row.tenant_id.clone()), BackupId(row.id.clone()));
    let mut elements = db::backups::elements(&mut *attempt.app.pool.get().await?, &tenant, &id).await?;
    // The database before the files that its rows point to.
    elements.sort_by_key(|e| Element::ALL.iter().position(|kind| kind.name() == e.element));
    let names: Vec<String> = elements.iter().map(|e| e.element.clone()).collect();
    let described = card::of(row, env, names)?;
    for e in elements.iter_mut().filter(|e| e.snapshot.is_none()) {
        attempt.watch.check()?;
        e.started_at = Some(attempt.now().await?.0);
        e.state = BackupState::Running.word().into();
        note(attempt, e).await?;
        failpoint::hit(format_args!("backup.element.begin"))?;
        let kind = Element::parse(&e.element)?;
        let (stored, manifest) =
            read_element(attempt, env, repository, kind, complete, (tags(attempt, row, kind), described.clone())).await?;
        failpoint::hit(format_args!("backup.element.stored"))?;
        told(attempt, kind, &stored, &manifest).await;
        fill(e, &stored, manifest)?;
        e.finished_at = Some(attempt.now().await?.0);
        note(attempt, e).await?;
        failpoint::hit(format_args!("backup.element.noted"))?;
    }
    Ok(elements)
}

fn tags(attempt: &Attempt, row: &Backup, element: Element) -> Vec<String> {
    vec![
        format!("tenant={}", row.tenant_id),
        format!("site={}", row.site_id),
        format!("environment={}", row.environment_id),
        tag(&row.id),
        format!("element={element}"),
        format!("job={}", attempt.lease.job),
        format!("attempt={}", attempt.lease.attempt),
    ]
}

fn fill(e: &mut BackupElement, stored: &Stored, mut manifest: Manifest) -> Result<()> {
    let problems: Vec<FileProblem> = stored
        .problems
        .iter()
        .take(PROBLEMS_KEPT)
        .map(|p| FileProblem { path: p.path.display().to_string(), reason: p.reason.clone() })
        .collect();
    if stored.problems.len() > PROBLEMS_KEPT {
        manifest.warnings.push(format!("{} more could not be read", units::count((stored.problems.len() - PROBLEMS_KEPT) as u64, "file")));
    }
    let state = if problems.is_empty() { BackupState::Succeeded } else { BackupState::Incomplete };
    e.state = state.word().into();
    e.snapshot = Some(stored.snapshot.clone());
    (e.size, e.files, e.stored) = (stored.bytes as i64, stored.files as i64, stored.stored as i64);
    e.manifest = to_json(&manifest)?;
    e.problems = to_json(&problems)?;
    Ok(())
}

async fn told(attempt: &Attempt, element: Element, stored: &Stored, manifest: &Manifest) {
    let (files, read, new) = (units::count(stored.files, "file"), units::size(stored.bytes), units::size(stored.stored));
    attempt.info(format!("Read the {element}: {files}, {read}; {new} of it new in the repository")).await;
    for warning in &manifest.warnings {
        attempt.warn(format!("{element}: {warning}")).await;
    }
    for problem in stored.problems.iter().take(20) {
        attempt.warn(format!("{}: {}", problem.path.display(), problem.reason)).await;
    }
}

async fn note(attempt: &Attempt, e: &BackupElement) -> Result<()> {
    let mut tx = attempt.begin().await?;
    db::backups::set_element(&mut tx, e).await?;
    tx.commit().await?;
    Ok(())
}

/// Opens the index afresh and resolves every tree and blob: only then may anything be called succeeded.
pub(crate) async fn prove(attempt: &Attempt, repository: &Repository, elements: &[BackupElement]) -> Result<()> {
    attempt.phase("Finding every piece again", None).await?;
    let snapshots: Vec<String> = elements.iter().filter_map(|e| e.snapshot.clone()).collect();
    let repository = repository.clone();
    attempt.blocking(move |watch| snapshots.iter().try_for_each(|s| repository.prove(s, watch).map(drop))).await
}

/// The last transaction: the state of the backup and the end of the job, or its next try.
async fn finish(attempt: &Attempt, id: &BackupId, state: BackupState, error: Option<Error>) -> Result<()> {
    if let Some(e) = &error {
        attempt.log(queue::Level::Error, e.to_string()).await;
    }
    let now = attempt.now().await?;
    let mut tx = attempt.begin().await?;
    let row = db::backups::find(&mut tx, id).await?;
    let message = error.as_ref().map(|e| (e.sentence(), e.hint_text().map(str::to_owned)));
    let outcome = Outcome {
        state: job_state(state),
        class: error.as_ref().map(Error::class),
        message: message.as_ref().map(|m| m.0.clone()),
        hint: message.as_ref().and_then(|m| m.1.clone()),
        final_: false,
    };
    let finished = queue::finish(&mut tx, now, &attempt.lease, outcome).await?;
    if finished.will_retry_at.is_none()
        && let Some(row) = row
    {
        close(&mut tx, &attempt.app, now, &row, state, message).await?;
    }
    failpoint::hit(format_args!("backup.end"))?;
    tx.commit().await?;
    failpoint::hit(format_args!("backup.ended"))
}

/// The backup's end, and the letters that tell of it.
async fn close(
    conn: &mut Conn,
    app: &App,
    now: Millis,
    row: &Backup,
    state: BackupState,
    message: Option<(String, Option<String>)>,
) -> Result<()> {
    let tenant = TenantId(row.tenant_id.clone());
    if db::backups::ended(conn, now, &tenant, &BackupId(row.id.clone()), state, message.clone()).await? {
        // A cause that is known already is told again to nobody but who began this backup.
        let said = message.as_ref().map(|m| m.0.as_str());
        let news = alarms::backup_ended(conn, app, now, row, state, said).await?;
        letters::backup_ended(conn, app, now, row, state, news, message.as_ref()).await;
        tell_programs(conn, app, now, row, state, said).await?;
        environments::last_backup_ended(conn, now, row, state).await?;
    }
    Ok(())
}

/// The webhooks of its tenant, and its environment's heartbeat.
async fn tell_programs(conn: &mut Conn, app: &App, now: Millis, row: &Backup, state: BackupState, message: Option<&str>) -> Result<()> {
    let (tenant, environment) = (TenantId(row.tenant_id.clone()), EnvironmentId(row.environment_id.clone()));
    let data = serde_json::json!({
        "backup": row.id, "environment": row.environment_id, "address": format!("{}.{}", row.site, row.environment), "state": state.word(),
        "reason": row.reason, "message": message, "url": format!("{}/backups/{}", app.public_url, row.id),
    });
    webhooks::tell(conn, app, now, &tenant, "backup.ended", &row.id, data).await?;
    match state {
        BackupState::Succeeded => webhooks::beat(conn, app, now, &tenant, &environment, &row.id).await,
        _ => Ok(()),
    }
}

fn job_state(state: BackupState) -> State {
    match state {
        BackupState::Succeeded => State::Succeeded,
        BackupState::Incomplete => State::Incomplete,
        BackupState::Cancelled => State::Cancelled,
        _ => State::Failed,
    }
}

/// A job that ended without its attempt saying so: cancelled while it waited, or its worker crashed too often.
/// Runs in the transaction that ended it.
pub async fn settle(conn: &mut Conn, app: &App, now: Millis, id: &BackupId, state: BackupState, why: &str) -> Result<()> {
    if let Some(row) = db::backups::find(conn, id).await? {
        let message = (state != BackupState::Cancelled).then(|| (why.to_owned(), Some("the task log shows how far it came".to_owned())));
        close(conn, app, now, &row, state, message).await?;
    }
    Ok(())
}
