//! Restores: a transaction over a live site, in recorded steps, each with its inverse.
//!
//! `plan` says beforehand what will be lost; `steps` names every step with its *do* and its *undo*; `run` drives them
//! and unwinds; one file for each thing that is switched: `trees` (directories and the settings file), `data` (the
//! database), `maintenance`, `safety` (the backup of what will be overwritten), `check` (before and after), `aside`
//! (what stays for an undo, and is dropped later).
//!
//! The rule that carries all: the journal is written before a step acts, and every act looks at what is there (inodes,
//! names of tables) before it changes anything. So the next attempt can go on or go back from any moment.

mod aside;
mod check;
mod data;
mod journal;
mod maintenance;
mod parts;
mod plan;
mod run;
mod safety;
mod settings;
mod steps;
mod tables;
mod targets;
mod trees;
mod undo;
mod views;

pub use aside::drop_aside;
pub use run::{run, settle};
pub use tables::tables;
pub(in crate::app) use targets::places;
pub use undo::undo;

use self::parts::Selection;
use super::backups::refuse_stuck;
use super::{App, access, access::Actor, backups, environments, from_json};
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::sql::{Conn, Tx};
use crate::db;
use crate::db::backups::Narrow;
use crate::db::restores::Restore as Row;
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, EnvironmentId, RestoreId, TenantId};
use crate::domain::rights::Right;
use crate::domain::site::Definition;
use crate::domain::state::{BackupState, RestoreState};
use crate::domain::view;
use crate::queue::{self, JobClass, NewJob};

/// The kinds of job: a restore or an undo, and the dropping of what lay aside.
pub const JOB: &str = "run_restore";
pub const DROP_JOB: &str = "drop_aside";

/// Queues a restore into an environment, or (`dry_run`) only says what it would do.
///
/// # Errors
/// `Invalid` when the backup lacks what was asked for by name, or a live environment's name was not typed; `Conflict`
/// when another restore of the environment has not ended.
pub async fn create(
    app: &App,
    actor: &Actor,
    target: &EnvironmentId,
    new: &view::CreateRestore,
    key: Option<String>,
) -> Result<view::RestoreAnswer> {
    let chosen = choose(app, actor, target, new).await?;
    let plan = plan::plan(app, &chosen).await?;
    if new.dry_run {
        return Ok(view::RestoreAnswer { restore: None, plan });
    }
    confirmed(&chosen, new.confirm.as_deref())?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let env = access::environment(&mut tx, actor, target, Right::Restore).await?;
    environments::begin_on(&mut tx, &env).await?;
    refuse_stuck(&mut tx, &TenantId(chosen.target.tenant_id.clone()), target).await?;
    let mut row = fresh(&chosen.target, now, actor, &chosen.backup.id, &chosen.elements, "restore");
    row.note = backups::checked_note(new.note.as_deref())?;
    row.paths = chosen.only.written()?;
    let lines = steps::lines(&row, &steps::of_restore(&chosen.elements, chosen.only.tables.is_empty()));
    let row = enqueue(&mut tx, now, actor, &chosen.target, &chosen.backup.site_id, row, &lines, key).await?;
    let restore = views::view_of(&mut tx, &row).await?;
    tx.commit().await?;
    queue::hint();
    Ok(view::RestoreAnswer { restore: Some(restore), plan })
}

/// The row, its steps, its job and the line in the activity log: one fact.
#[allow(clippy::too_many_arguments)]
async fn enqueue(
    tx: &mut Tx,
    now: Millis,
    actor: &Actor,
    target: &db::environments::Environment,
    source_site: &str,
    mut row: Row,
    lines: &[db::restores::Step],
    key: Option<String>,
) -> Result<Row> {
    let job = job(tx, target, source_site, &row, key).await?;
    let queued = queue::enqueue(tx, now, job).await?;
    if !queued.fresh {
        let first = queue::find(tx, &queue::Tenants::All, &queued.id).await?;
        let first = found(tx, &first.subject).await?;
        let same = first.backup_id == row.backup_id && first.elements == row.elements && first.kind == row.kind && first.paths == row.paths;
        return if same { Ok(first) } else { Err(busy(&first.id)) };
    }
    if !db::backups::hold(tx, &TenantId(row.tenant_id.clone()), &BackupId(row.backup_id.clone())).await? {
        return Err(Error::conflict(format!("the backup {} is expired, and its content is gone", row.backup_id)).hint("choose another one"));
    }
    row.job_id = Some(queued.id.0);
    db::restores::insert(tx, &row, lines).await.map_err(|e| if e.class() == Class::Conflict { busy("of this environment") } else { e })?;
    let action = if row.kind == "undo" { "restore.undo" } else { "restore.create" };
    let only = Selection::read(row.paths.as_deref())?;
    let what = if only.is_empty() { row.elements.clone() } else { only.named() };
    let detail = format!("{what} of {} from {}", environments::address(target), row.backup_id);
    record(tx, now, actor, &row, action, &detail).await?;
    found(tx, &row.id).await
}

async fn record(conn: &mut Conn, now: Millis, actor: &Actor, row: &Row, action: &'static str, detail: &str) -> Result<()> {
    let tenant = TenantId(row.tenant_id.clone());
    activity::record(conn, now, actor, Some(&tenant), action, &row.id, detail).await
}

/// The job of a restore: it has the target for itself, and needs the repository that the backup lies in.
async fn job(conn: &mut Conn, target: &db::environments::Environment, source_site: &str, row: &Row, key: Option<String>) -> Result<NewJob> {
    let tenant = TenantId(target.tenant_id.clone());
    let mut needs = backups::needs(conn, target).await?;
    if source_site != target.site_id {
        let site = crate::domain::ids::SiteId(source_site.to_owned());
        let repository = db::sites::repository(conn, &tenant, &site).await?.ok_or_else(|| Error::internal("the site has no repository"))?;
        needs.push(queue::Need::shared(format!("repo:{}", repository.id)));
    }
    Ok(NewJob {
        tenant,
        kind: JOB.into(),
        subject: row.id.clone(),
        environment: Some(EnvironmentId(target.id.clone())),
        class: JobClass::Restore,
        needs,
        unique: Some(format!("restore:{}", target.id)),
        idempotency: key,
        run_at: None,
        initiator: row.account_id.clone().map(crate::domain::ids::AccountId),
    })
}

/// Every point at which tests interrupt a backup or a restore: the fixed ones, and those around each step.
#[cfg(debug_assertions)]
pub fn failpoints() -> Vec<String> {
    let around = ["planned", "started", "acted", "done", "undoing", "taken_back", "undone"];
    let of_steps = steps::Step::ALL.iter().flat_map(|s| around.map(|at| format!("restore.{}.{at}", s.word())));
    crate::base::failpoint::FIXED.iter().map(|p| (*p).to_owned()).chain(of_steps).collect()
}

fn busy(which: &str) -> Error {
    Error::conflict(format!("another restore ({which}) has not ended yet"))
        .hint("wait for it, or cancel it: `sitekeep job:list` shows what runs")
}

fn fresh(env: &db::environments::Environment, now: Millis, actor: &Actor, backup: &str, elements: &[Element], kind: &str) -> Row {
    Row {
        id: RestoreId::fresh().0,
        tenant_id: env.tenant_id.clone(),
        tenant: env.tenant.clone(),
        site_id: env.site_id.clone(),
        site: env.site.clone(),
        environment_id: env.id.clone(),
        environment: env.name.clone(),
        backup_id: backup.to_owned(),
        safety_backup_id: None,
        kind: kind.to_owned(),
        undo_of: None,
        undone_by: None,
        elements: elements.iter().map(|e| e.name()).collect::<Vec<_>>().join(","),
        state: RestoreState::Queued.word().into(),
        note: None,
        account_id: Some(actor.account.0.clone()),
        initiator: actor.email.clone(),
        job_id: None,
        created_at: now.0,
        started_at: None,
        finished_at: None,
        undo_until: None,
        message: None,
        hint: None,
        paths: None,
    }
}

/// One set, and what of it goes where.
pub(super) struct Chosen {
    pub target: db::environments::Environment,
    pub definition: Definition,
    pub backup: db::backups::Backup,
    pub source: Vec<db::backups::BackupElement>,
    pub elements: Vec<Element>,
    pub missing: Vec<Element>,
    /// Only this of them; nothing: all.
    pub only: Selection,
}

/// Finds the set and what of it will be restored. A set is never mixed: what it lacks is said, not taken from another.
async fn choose(app: &App, actor: &Actor, target: &EnvironmentId, new: &view::CreateRestore) -> Result<Chosen> {
    let mut conn = app.pool.get().await?;
    let target = access::environment(&mut conn, actor, target, Right::Restore).await?;
    environments::refuse_going(&target)?;
    let definition: Definition = from_json("definition", &target.definition)?;
    let only = Selection::asked(&definition, new)?;
    let asked = wanted(new, only.elements(&definition)?)?;
    let backup = match &new.backup {
        Some(id) => access::backup(&mut conn, actor, &BackupId(id.clone()), Right::Restore).await?,
        None => newest(&mut conn, actor, &target, new.from.as_deref(), asked.as_deref()).await?,
    };
    if backup.tenant_id != target.tenant_id {
        return Err(
            Error::invalid("the backup belongs to another tenant").hint("a backup can be restored into the sites of its own tenant only")
        );
    }
    if !BackupState::parse(&backup.state)?.is_usable() {
        return Err(Error::conflict(format!("the backup {} is {}", backup.id, backup.state)).hint("choose one that succeeded"));
    }
    if backup.deleted_at.is_some() {
        return Err(Error::conflict(format!("the backup {} is in the trash", backup.id)).hint("take it back first, then restore it"));
    }
    let source = db::backups::elements(&mut conn, &TenantId(backup.tenant_id.clone()), &BackupId(backup.id.clone())).await?;
    let wanted = asked.clone().unwrap_or_else(|| definition.elements());
    let there = |e: &Element| definition.elements().contains(e) && source.iter().any(|s| s.element == e.name() && s.snapshot.is_some());
    let (elements, missing): (Vec<Element>, Vec<Element>) = wanted.into_iter().partition(there);
    let names = missing.iter().map(|e| e.name()).collect::<Vec<_>>().join(", ");
    if elements.is_empty() || (asked.is_some() && !missing.is_empty()) {
        return Err(Error::invalid(format!("the backup {} has no {names} for this environment", backup.id))
            .hint("choose a backup that has it: `sitekeep backup:list` shows the elements"));
    }
    Ok(Chosen { target, definition, backup, source, elements, missing, only })
}

/// The elements asked for by name, or those of the chosen parts; none: whatever there is.
fn wanted(new: &view::CreateRestore, of: Vec<Element>) -> Result<Option<Vec<Element>>> {
    let named = match new.element.as_deref() {
        None | Some("all") => None,
        Some(text) => Some(Element::parse_list(text)?),
    };
    if of.is_empty() {
        return Ok(named);
    }
    match named {
        Some(named) if !named.iter().all(|e| of.contains(e)) || named.len() != of.len() => {
            Err(Error::invalid("the paths and tables are of other elements than those named")
                .hint("name the paths and tables alone: each says its element"))
        }
        _ => Ok(Some(of)),
    }
}

/// The newest usable backup that has every element asked for.
async fn newest(
    conn: &mut Conn,
    actor: &Actor,
    target: &db::environments::Environment,
    from: Option<&str>,
    asked: Option<&[Element]>,
) -> Result<db::backups::Backup> {
    let from = match from {
        Some(id) => access::environment(conn, actor, &EnvironmentId(id.to_owned()), Right::Restore).await?,
        None => target.clone(),
    };
    let tenant = TenantId(from.tenant_id.clone());
    let mut after = None;
    loop {
        let page = db::backups::log(conn, &tenant, &EnvironmentId(from.id.clone()), &Narrow::default(), after, 100).await?;
        let Some(last) = page.last() else {
            let name = format!("{}.{}", from.site, from.name);
            return Err(Error::not_found(format!("No backups available. Create one with `sitekeep backup:create {name}`")));
        };
        after = Some((last.created_at, last.id.clone()));
        for row in page {
            let usable = BackupState::parse(&row.state)?.is_usable() && row.reason != crate::domain::state::Reason::BeforeRestore.word();
            let elements = db::backups::elements(conn, &tenant, &BackupId(row.id.clone())).await?;
            let has = |e: &Element| elements.iter().any(|x| x.element == e.name() && x.snapshot.is_some());
            if usable && asked.is_none_or(|asked| asked.iter().all(has)) {
                return Ok(row);
            }
        }
    }
}

/// For a live environment its name must have been typed.
fn confirmed(chosen: &Chosen, typed: Option<&str>) -> Result<()> {
    let (site, name) = (&chosen.target.site, &chosen.target.name);
    let accepted = [name.clone(), format!("{site}.{name}"), environments::address(&chosen.target)];
    if !chosen.definition.live || typed.is_some_and(|t| accepted.iter().any(|a| a == t)) {
        return Ok(());
    }
    Err(Error::invalid(format!("`{site}.{name}` is a live environment, and its name was not typed"))
        .hint(format!("confirm with {site}.{name}")))
}

async fn found(conn: &mut Conn, id: &str) -> Result<Row> {
    db::restores::find(conn, &RestoreId(id.to_owned())).await?.ok_or_else(|| access::hidden("restore"))
}

pub async fn find(app: &App, actor: &Actor, id: &RestoreId) -> Result<view::Restore> {
    let mut conn = app.pool.get().await?;
    let row = access::restore(&mut conn, actor, id, Right::View).await?;
    views::view_of(&mut conn, &row).await
}

/// The restores of an environment, newest first.
pub async fn log(app: &App, actor: &Actor, environment: &EnvironmentId) -> Result<Vec<view::Restore>> {
    let mut conn = app.pool.get().await?;
    let env = access::environment(&mut conn, actor, environment, Right::View).await?;
    let rows = db::restores::log(&mut conn, &TenantId(env.tenant_id), environment, 100).await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        all.push(views::view_of(&mut conn, &row).await?);
    }
    Ok(all)
}
