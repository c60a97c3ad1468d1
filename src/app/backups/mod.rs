//! Backups: created, listed, described, noted, pinned. How one is made: `run`; how an element is read: `read`.

pub(crate) mod card;
mod log;
mod read;
mod run;
mod trash;
mod verify;
mod views;

pub use log::choices;
pub(crate) use log::page;
pub use trash::{delete, take_back};
pub use verify::{JOB as VERIFY_JOB, queue as verify, read_back, run as run_verify};

pub(crate) use read::{Manifest, RowCounts, read_element};
pub(crate) use run::{forget_orphans, prove};
pub use run::{run, settle};
pub(crate) use views::{file_name, named};

use super::{App, access, access::Actor, environments, from_json, plans};
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::sql::Conn;
use crate::db;
use crate::db::backups::{Backup as Row, Narrow};
use crate::domain::element::Element;
use crate::domain::ids::{AccountId, BackupId, EnvironmentId, TenantId};
use crate::domain::page::LONGEST_NOTE;
use crate::domain::rights::Right;
use crate::domain::site::Definition;
use crate::domain::state::{BackupState, Reason, RestoreState};
use crate::domain::view;
use crate::queue::{self, JobClass, Mode, Need, NewJob};

/// The kind of job that makes a backup.
pub const JOB: &str = "create_backup";

/// Queues a backup. One on-demand backup of an environment waits or runs at a time: asking again returns that one.
///
/// # Errors
/// `Invalid` for elements that the environment does not have; `Conflict` while a restore of it is stuck, or it is being
/// removed; `Resource` when the tenant has used up what its plan allows.
pub async fn create(
    app: &App,
    actor: &Actor,
    environment: &EnvironmentId,
    new: &view::CreateBackup,
    key: Option<String>,
) -> Result<(view::Backup, bool)> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let env = access::environment(&mut tx, actor, environment, Right::Create).await?;
    let definition: Definition = from_json("definition", &env.definition)?;
    let elements = elements_of(&definition, new.element.as_deref())?;
    let note = checked_note(new.note.as_deref())?;
    environments::begin_on(&mut tx, &env).await?;
    refuse_stuck(&mut tx, &TenantId(env.tenant_id.clone()), environment).await?;
    plans::within(&mut tx, &TenantId(env.tenant_id.clone())).await?;
    let mut row = fresh(&env, now, Reason::OnRequest, &actor.email, Some(&actor.account));
    row.note = note;
    row.keep_for_days = new.keep_for.map(i64::from);
    let job = NewJob {
        tenant: TenantId(env.tenant_id.clone()),
        kind: JOB.into(),
        subject: row.id.clone(),
        environment: Some(environment.clone()),
        class: JobClass::OnDemand,
        needs: needs(&mut tx, &env).await?,
        unique: Some(format!("backup:{environment}")),
        idempotency: key,
        run_at: None,
        initiator: Some(actor.account.clone()),
    };
    let queued = queue::enqueue(&mut tx, now, job).await?;
    if !queued.fresh {
        let first = queue::find(&mut tx, &queue::Tenants::All, &queued.id).await?;
        let row = db::backups::find(&mut tx, &BackupId(first.subject)).await?.ok_or_else(|| Error::internal("a job without its backup"))?;
        return Ok((views::view_of(&mut tx, &row, now).await?, false));
    }
    row.job_id = Some(queued.id.0);
    db::backups::insert(&mut tx, &row, &elements).await?;
    record(&mut tx, now, actor, &row, "backup.create").await?;
    let row = found(&mut tx, &row.id).await?;
    let view = views::view_of(&mut tx, &row, now).await?;
    tx.commit().await?;
    queue::hint();
    Ok((view, true))
}

/// Queues the backup of a slot, in the transaction that settles the slot; `None` while one of a slot before has not ended.
pub(crate) async fn for_slot(
    conn: &mut Conn,
    now: Millis,
    env: &db::environments::Environment,
    definition: &Definition,
    slot: Millis,
    reason: Reason,
) -> Result<Option<String>> {
    let (tenant, environment) = (TenantId(env.tenant_id.clone()), EnvironmentId(env.id.clone()));
    let mut row = fresh(env, now, reason, "schedule", None);
    row.slot_at = Some(slot.0);
    let job = NewJob {
        tenant,
        kind: JOB.into(),
        subject: row.id.clone(),
        unique: Some(format!("scheduled:{environment}")),
        environment: Some(environment),
        class: JobClass::Scheduled,
        needs: needs(conn, env).await?,
        idempotency: None,
        run_at: None,
        initiator: None,
    };
    let queued = queue::enqueue(conn, now, job).await?;
    if !queued.fresh {
        return Ok(None);
    }
    row.job_id = Some(queued.id.0);
    db::backups::insert(conn, &row, &definition.elements()).await?;
    Ok(Some(row.id))
}

/// May the actor create a backup of this environment? For the page that asks what is to be in it.
pub async fn may_create(app: &App, actor: &Actor, environment: &EnvironmentId) -> Result<()> {
    access::environment(&mut *app.pool.get().await?, actor, environment, Right::Create).await.map(drop)
}

/// What a job on an environment needs: its repository shared, itself alone.
pub(crate) async fn needs(conn: &mut Conn, env: &db::environments::Environment) -> Result<Vec<Need>> {
    let site = crate::domain::ids::SiteId(env.site_id.clone());
    let repository = db::sites::repository(conn, &TenantId(env.tenant_id.clone()), &site).await?;
    let repository = repository.ok_or_else(|| Error::internal("the site has no repository"))?;
    Ok(vec![
        Need { resource: format!("repo:{}", repository.id), mode: Mode::Shared },
        Need { resource: format!("env:{}", env.id), mode: Mode::Exclusive },
    ])
}

/// A row as it begins.
pub(crate) fn fresh(env: &db::environments::Environment, now: Millis, reason: Reason, initiator: &str, account: Option<&AccountId>) -> Row {
    Row {
        id: BackupId::fresh().0,
        tenant_id: env.tenant_id.clone(),
        tenant: env.tenant.clone(),
        site_id: env.site_id.clone(),
        site: env.site.clone(),
        environment_id: env.id.clone(),
        environment: env.name.clone(),
        state: BackupState::Queued.word().into(),
        reason: reason.word().into(),
        note: None,
        account_id: account.map(|a| a.0.clone()),
        initiator: initiator.to_owned(),
        keep_for_days: None,
        pinned: 0,
        protected: 0,
        job_id: None,
        slot_at: None,
        created_at: now.0,
        started_at: None,
        finished_at: None,
        proven_at: None,
        deleted_at: None,
        deleted_by: None,
        purge_at: None,
        expired_at: None,
        label: None,
        message: None,
        hint: None,
    }
}

/// The elements asked for; all that the environment has by default.
fn elements_of(definition: &Definition, asked: Option<&str>) -> Result<Vec<Element>> {
    let has = definition.elements();
    let asked = match asked {
        None | Some("all") => return Ok(has),
        Some(text) => Element::parse_list(text)?,
    };
    match asked.iter().find(|e| !has.contains(e)) {
        Some(missing) => Err(Error::invalid(format!("this environment has no {missing}"))
            .hint(format!("it has: {}", has.iter().map(|e| e.name()).collect::<Vec<_>>().join(", ")))),
        None => Ok(asked),
    }
}

/// What people say of a backup or a restore.
pub(crate) fn checked_note(note: Option<&str>) -> Result<Option<String>> {
    // Browsers end the lines of a form by two characters.
    let note = note.map(|n| n.trim().replace("\r\n", "\n")).filter(|n| !n.is_empty());
    if note.as_ref().is_some_and(|n| n.len() > LONGEST_NOTE) {
        return Err(Error::invalid("the note is too long").hint(format!("at most {LONGEST_NOTE} bytes")));
    }
    if note.as_ref().is_some_and(|n| n.chars().any(|c| c.is_control() && c != '\n')) {
        return Err(Error::invalid("the note holds control characters"));
    }
    Ok(note)
}

/// While a restore could go neither forward nor back, nothing else may touch the environment.
pub(crate) async fn refuse_stuck(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId) -> Result<()> {
    let restores = db::restores::log(conn, tenant, environment, 20).await?;
    match restores.iter().find(|r| r.state == RestoreState::Stuck.word()) {
        Some(stuck) => {
            Err(Error::conflict(format!("the restore {} of this environment is stuck, and the environment is locked", stuck.id))
                .hint(format!("`sitekeep restore:info {}` says what to do", stuck.id)))
        }
        None => Ok(()),
    }
}

async fn found(conn: &mut Conn, id: &str) -> Result<Row> {
    db::backups::find(conn, &BackupId(id.to_owned())).await?.ok_or_else(|| access::hidden("backup"))
}

async fn record(conn: &mut Conn, now: Millis, actor: &Actor, row: &Row, action: &'static str) -> Result<()> {
    let tenant = TenantId(row.tenant_id.clone());
    let detail = row.note.clone().unwrap_or_else(|| row.reason.clone());
    activity::record(conn, now, actor, Some(&tenant), action, &row.id, &detail).await
}

pub async fn find(app: &App, actor: &Actor, id: &BackupId) -> Result<view::Backup> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let row = access::backup(&mut conn, actor, id, Right::View).await?;
    views::view_of(&mut conn, &row, now).await
}

/// One page of the log, newest first; `after` is the id of the last one seen.
pub async fn log(app: &App, actor: &Actor, environment: &EnvironmentId, after: Option<&BackupId>, limit: i64) -> Result<Vec<view::Backup>> {
    let mut conn = app.pool.get().await?;
    let env = access::environment(&mut conn, actor, environment, Right::View).await?;
    let after = match after {
        Some(id) => {
            let row = access::backup(&mut conn, actor, id, Right::View).await?;
            Some((row.created_at, row.id))
        }
        None => None,
    };
    let (now, tenant) = (app.pool.now().await?, TenantId(env.tenant_id));
    let verdicts = super::retention::verdicts(&mut conn, now, &tenant, environment).await?;
    let rows = db::backups::log(&mut conn, &tenant, environment, &Narrow::default(), after, limit.clamp(1, 500)).await?;
    let mut page = Vec::with_capacity(rows.len());
    for row in rows {
        page.push(views::view_with(&mut conn, &row, verdicts.get(&row.id)).await?);
    }
    Ok(page)
}

/// What `PATCH /backups/{id}` takes.
#[derive(Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    #[serde(default)]
    pub note: Option<String>,
    #[serde(default)]
    pub pinned: Option<bool>,
}

/// Changes the note, or pins.
pub async fn edit(app: &App, actor: &Actor, id: &BackupId, edit: &Edit) -> Result<view::Backup> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let row = access::backup(&mut tx, actor, id, Right::Create).await?;
    let tenant = TenantId(row.tenant_id.clone());
    if edit.note.is_some() {
        db::backups::set_note(&mut tx, &tenant, id, checked_note(edit.note.as_deref())?.as_deref()).await?;
    }
    if let Some(pinned) = edit.pinned {
        db::backups::set_pinned(&mut tx, &tenant, id, pinned).await?;
    }
    let row = found(&mut tx, &id.0).await?;
    record(&mut tx, now, actor, &row, "backup.edit").await?;
    let view = views::view_of(&mut tx, &row, now).await?;
    tx.commit().await?;
    Ok(view)
}
