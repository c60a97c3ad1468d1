//! Drills: the newest backup of each environment is restored into a scratch place, compared with what was written down when
//! it was made, started where there is a command for that, and cleared away.
//!
//! `run` drives one attempt; `trees` and `data` restore and compare, `sums` every value of the tables; `boot` starts the copy; `scratch` knows what was made
//! and clears it away, also after an attempt that was killed. Nothing here writes near the site, or asks its database. What
//! is wrong with the backup is a finding, with a name; what only stood in the way of the drill is an error of the job.

mod boot;
mod data;
mod due;
mod looked;
mod run;
mod scratch;
mod sums;
mod trees;
mod views;

pub use due::due;
pub use run::{run, settle};

use super::{App, access, access::Actor, environments, from_json};
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::sql::{Conn, Tx};
use crate::db;
use crate::db::drills::Drill as Row;
use crate::domain::drill::{Badge, DrillState, Proof, proof};
use crate::domain::ids::{AccountId, BackupId, DrillId, EnvironmentId, SiteId, TenantId};
use crate::domain::rights::Right;
use crate::domain::state::BackupState;
use crate::domain::view;
use crate::queue::{self, JobClass, Need, NewJob};
use std::path::PathBuf;

/// The kind of job; its subject is the drill.
pub const JOB: &str = "run_drill";
/// Drills stand in one line: there is one scratch place, and nobody waits for them.
const ALONE: &str = "drills";

/// What an administrator may tune, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Terms {
    /// An environment is drilled again after so long.
    pub again_after: i64,
    /// A drill that passed is news for so long.
    pub fresh_for: i64,
    /// How long the boot command may take.
    pub boot_time: i64,
    /// Where backups are restored to be looked at; by default in a folder for temporary files that lasts.
    pub folder: PathBuf,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            again_after: 7 * Millis::DAY,
            fresh_for: 14 * Millis::DAY,
            boot_time: 120 * Millis::SECOND,
            folder: PathBuf::from(crate::base::config::DRILL_DIR),
        }
    }
}

/// Queues a drill of a backup of an environment, or of its newest good one. Of an environment one waits or runs at a time:
/// asking again returns that one.
///
/// # Errors
/// `Conflict` when there is no good backup, or nothing can be restored from the one that was named.
pub async fn create(
    app: &App,
    actor: &Actor,
    environment: &EnvironmentId,
    new: &view::RunDrill,
    key: Option<String>,
) -> Result<(view::Drill, bool)> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let env = access::environment(&mut tx, actor, environment, Right::Create).await?;
    environments::refuse_going(&env)?;
    let backup = match &new.backup {
        Some(id) => named(&mut tx, actor, environment, &BackupId(id.clone())).await?,
        None => newest_good(&mut tx, &env, now).await?,
    };
    let (row, fresh) = enqueue(&mut tx, now, &env, &backup, Some((&actor.account, &actor.email)), key).await?;
    if fresh {
        let tenant = TenantId(env.tenant_id.clone());
        activity::record(&mut tx, now, actor, Some(&tenant), "drill.create", &row.id, &row.backup_id).await?;
    }
    let view = views::view_of(&row, None)?;
    tx.commit().await?;
    queue::hint();
    Ok((view, fresh))
}

/// A backup of this environment, by its id.
async fn named(conn: &mut Conn, actor: &Actor, environment: &EnvironmentId, id: &BackupId) -> Result<BackupId> {
    let row = access::backup(conn, actor, id, Right::Create).await?;
    if row.environment_id != environment.0 {
        return Err(access::hidden("backup"));
    }
    if !BackupState::parse(&row.state)?.is_usable() || row.deleted_at.is_some() || row.expired_at.is_some() {
        return Err(Error::conflict(format!("nothing can be restored from the backup {id}")).hint("choose one that succeeded"));
    }
    Ok(id.clone())
}

async fn newest_good(conn: &mut Conn, env: &db::environments::Environment, now: Millis) -> Result<BackupId> {
    let card = db::environments::card(conn, now, &EnvironmentId(env.id.clone())).await?;
    card.and_then(|c| c.last_good_id)
        .map(BackupId)
        .ok_or_else(|| Error::conflict(format!("{}.{} has no good backup yet", env.site, env.name)).hint("create one first, then drill it"))
}

/// The row and its job: one fact. Who asked is nobody where the time has come by itself.
async fn enqueue(
    tx: &mut Tx,
    now: Millis,
    env: &db::environments::Environment,
    backup: &BackupId,
    who: Option<(&AccountId, &str)>,
    key: Option<String>,
) -> Result<(Row, bool)> {
    let tenant = TenantId(env.tenant_id.clone());
    let repository = db::sites::repository(tx, &tenant, &SiteId(env.site_id.clone())).await?;
    let repository = repository.ok_or_else(|| Error::internal("the site has no repository"))?;
    let mut row = fresh(env, now, backup, who);
    let job = NewJob {
        tenant: tenant.clone(),
        kind: JOB.into(),
        subject: row.id.clone(),
        environment: Some(EnvironmentId(env.id.clone())),
        class: JobClass::Upkeep,
        needs: vec![Need::shared(format!("repo:{}", repository.id)), Need::exclusive(ALONE)],
        unique: Some(format!("drill:{}", env.id)),
        idempotency: key,
        run_at: None,
        initiator: who.map(|(account, _)| account.clone()),
    };
    let queued = queue::enqueue(tx, now, job).await?;
    if !queued.fresh {
        let first = queue::find(tx, &queue::Tenants::All, &queued.id).await?;
        return Ok((found(tx, &DrillId(first.subject)).await?, false));
    }
    if !db::backups::hold(tx, &tenant, backup).await? {
        return Err(Error::conflict(format!("the backup {backup} is expired, and its content is gone")).hint("choose another one"));
    }
    row.job_id = Some(queued.id.0);
    db::drills::insert(tx, &row).await?;
    Ok((row, true))
}

fn fresh(env: &db::environments::Environment, now: Millis, backup: &BackupId, who: Option<(&AccountId, &str)>) -> Row {
    Row {
        id: DrillId::fresh().0,
        tenant_id: env.tenant_id.clone(),
        tenant: env.tenant.clone(),
        site_id: env.site_id.clone(),
        site: env.site.clone(),
        environment_id: env.id.clone(),
        environment: env.name.clone(),
        backup_id: backup.0.clone(),
        state: DrillState::Queued.word().into(),
        fault: None,
        message: None,
        hint: None,
        account_id: who.map(|(account, _)| account.0.clone()),
        initiator: who.map_or("schedule", |(_, email)| email).to_owned(),
        job_id: None,
        created_at: now.0,
        started_at: None,
        finished_at: None,
        restore_took: None,
    }
}

async fn found(conn: &mut Conn, id: &DrillId) -> Result<Row> {
    db::drills::find(conn, id).await?.ok_or_else(|| access::hidden("drill"))
}

/// A drill with its evidence.
pub async fn find(app: &App, actor: &Actor, id: &DrillId) -> Result<view::Drill> {
    let mut conn = app.pool.get().await?;
    let row = access::drill(&mut conn, actor, id, Right::View).await?;
    let evidence = db::drills::evidence(&mut conn, &TenantId(row.tenant_id.clone()), id).await?;
    let evidence = evidence.map(|text| from_json("evidence of a drill", &text)).transpose()?;
    views::view_of(&row, evidence)
}

/// The drills of an environment, newest first, without their evidence.
pub async fn log(app: &App, actor: &Actor, environment: &EnvironmentId) -> Result<Vec<view::Drill>> {
    let mut conn = app.pool.get().await?;
    let env = access::environment(&mut conn, actor, environment, Right::View).await?;
    let rows = db::drills::log(&mut conn, &TenantId(env.tenant_id), environment, 100).await?;
    rows.iter().map(|row| views::view_of(row, None)).collect()
}

/// What the badge of a backup says.
pub async fn badge_of_backup(app: &App, actor: &Actor, backup: &BackupId) -> Result<Badge> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let row = access::backup(&mut conn, actor, backup, Right::View).await?;
    let drills = db::drills::of_backup(&mut conn, &TenantId(row.tenant_id), backup, RECENT).await?;
    badge(&drills, now, &app.settings.drills)
}

/// How far it is looked back for one that came to an end.
const RECENT: i64 = 20;

/// The newest drills of an environment; the caller has found it.
pub(crate) async fn recent(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId) -> Result<Vec<Row>> {
    db::drills::log(conn, tenant, environment, RECENT).await
}

/// What the newest of these drills that came to an end says.
pub(crate) fn badge(drills: &[Row], now: Millis, terms: &Terms) -> Result<Badge> {
    for row in drills {
        let state = DrillState::parse(&row.state)?;
        if let Some(at) = row.finished_at.filter(|_| state != DrillState::Cancelled) {
            let at = Millis(at);
            return Ok(Badge { proof: proof(Some((state, at)), now, terms.fresh_for), at: Some(at), drill: Some(row.id.clone()) });
        }
    }
    Ok(Badge { proof: Proof::Never, at: None, drill: None })
}

/// When a whole restore was measured last by one of these drills, and how long it took.
pub(crate) fn measured(drills: &[Row]) -> Option<(Millis, i64)> {
    drills.iter().find_map(|row| Some((Millis(row.finished_at?), row.restore_took?)))
}
