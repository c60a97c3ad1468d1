//! Removing an environment: at once, or when a last backup of it has succeeded. Its row stays, because its backups refer
//! to it; they are kept, or go into the trash, from which they can be taken back.

use super::super::backups;
use super::super::jobs;
use super::super::{App, access, access::Actor, from_json};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::sql::{Conn, Tx};
use crate::db;
use crate::db::activity::Act;
use crate::db::environments::Environment as Row;
use crate::domain::ids::{AccountId, BackupId, EnvironmentId, TenantId};
use crate::domain::rights::Right;
use crate::domain::site::Definition;
use crate::domain::state::{BackupState, Reason};
use crate::queue::{self, JobClass, NewJob};

/// How an environment is to go.
#[derive(Clone, Debug, Default)]
pub struct Removal {
    /// Its backups go into the trash; otherwise they are kept.
    pub trash: bool,
    /// A last backup is made first, and the environment stays unless that succeeds.
    pub last_backup: bool,
    /// Its name, typed.
    pub confirm: String,
}

/// Removes an environment; the id of its last backup, where one is made first.
///
/// # Errors
/// `Invalid` when its name was not typed; `Conflict` while something runs or waits on it.
pub async fn remove(app: &App, actor: &Actor, id: &EnvironmentId, removal: &Removal) -> Result<Option<String>> {
    access::administer(actor)?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let env = access::environment(&mut tx, actor, id, Right::Administer).await?;
    let (short, whole) = (format!("{}.{}", env.site, env.name), super::address(&env));
    if ![&short, &whole].contains(&&removal.confirm.trim().to_owned()) {
        return Err(Error::invalid("the name of the environment was not typed").hint(format!("type {short}")));
    }
    begin_on(&mut tx, &env).await?;
    backups::refuse_stuck(&mut tx, &TenantId(env.tenant_id.clone()), id).await?;
    refuse_busy(&mut tx, now, &env).await?;
    let last = if removal.last_backup {
        Some(last_backup(&mut tx, now, actor, &env, removal.trash).await?)
    } else {
        finish(&mut tx, now, &env, removal.trash, None, Who { account: Some(&actor.account), name: &actor.email, address: &actor.address })
            .await?;
        None
    };
    tx.commit().await?;
    if last.is_some() {
        queue::hint();
    }
    Ok(last)
}

/// What runs or waits on it would lose the ground under its feet; what only lies aside after a restore is dropped later.
async fn refuse_busy(tx: &mut Tx, now: Millis, env: &Row) -> Result<()> {
    let (tenant, id) = (TenantId(env.tenant_id.clone()), EnvironmentId(env.id.clone()));
    let busy = jobs::active_on(tx, now, &tenant, &id).await?;
    match busy.iter().find(|job| job.kind != super::super::restores::DROP_JOB) {
        Some(job) => Err(Error::conflict(format!("the job {} of this environment has not ended yet", job.id))
            .hint("wait for its end, or cancel it; then remove the environment")),
        None => Ok(()),
    }
}

async fn last_backup(tx: &mut Tx, now: Millis, actor: &Actor, env: &Row, trash: bool) -> Result<String> {
    let (tenant, id) = (TenantId(env.tenant_id.clone()), EnvironmentId(env.id.clone()));
    let definition: Definition = from_json("definition", &env.definition)?;
    let mut row = backups::fresh(env, now, Reason::PreDelete, &actor.email, Some(&actor.account));
    let job = NewJob {
        tenant: tenant.clone(),
        kind: backups::JOB.into(),
        subject: row.id.clone(),
        environment: Some(id.clone()),
        class: JobClass::OnDemand,
        needs: backups::needs(tx, env).await?,
        unique: Some(format!("backup:{id}")),
        idempotency: None,
        run_at: None,
        initiator: Some(actor.account.clone()),
    };
    row.job_id = Some(queue::enqueue(tx, now, job).await?.id.0);
    db::backups::insert(tx, &row, &definition.elements()).await?;
    db::environments::set_removing(tx, &tenant, &id, &BackupId(row.id.clone()), trash).await?;
    let who = Who { account: Some(&actor.account), name: &actor.email, address: &actor.address };
    record(tx, now, env, "environment.removing", &format!("{} after a last backup", super::address(env)), &who).await?;
    Ok(row.id)
}

struct Who<'a> {
    account: Option<&'a AccountId>,
    name: &'a str,
    address: &'a str,
}

/// The end of an environment: its backups, its name, the line in the log.
async fn finish(conn: &mut Conn, now: Millis, env: &Row, trash: bool, last: Option<&str>, who: Who<'_>) -> Result<()> {
    let (tenant, id) = (TenantId(env.tenant_id.clone()), EnvironmentId(env.id.clone()));
    let gone = if trash { db::backups::trash_all(conn, &tenant, &id, last, now, who.name).await? } else { 0 };
    db::environments::set_removed(conn, now, &tenant, &id).await?;
    let fate = if trash { format!("{gone} backups into the trash") } else { "its backups are kept".to_owned() };
    record(conn, now, env, "environment.remove", &format!("{}; {fate}", super::address(env)), &who).await
}

async fn record(conn: &mut Conn, now: Millis, env: &Row, action: &'static str, detail: &str, who: &Who<'_>) -> Result<()> {
    let tenant = TenantId(env.tenant_id.clone());
    let act = Act { tenant: Some(&tenant), account: who.account, actor: who.name, action, object: &env.id, detail, address: who.address };
    db::activity::record(conn, now, &act).await
}

/// In the transaction that ends a backup: was it the last one before a removal?
pub(crate) async fn last_backup_ended(conn: &mut Conn, now: Millis, backup: &db::backups::Backup, state: BackupState) -> Result<()> {
    let id = EnvironmentId(backup.environment_id.clone());
    let Some(removal) = db::environments::removal(conn, &id).await? else { return Ok(()) };
    if removal.state != "removing" || removal.backup_id.as_deref() != Some(&backup.id) {
        return Ok(());
    }
    let Some(env) = db::environments::find(conn, &id).await? else { return Ok(()) };
    let account = backup.account_id.clone().map(AccountId);
    let who = Who { account: account.as_ref(), name: &backup.initiator, address: "" };
    if state == BackupState::Succeeded {
        return finish(conn, now, &env, removal.trash == 1, Some(&backup.id), who).await;
    }
    let why = format!("its last backup, {}, is {state}: nothing was removed", backup.id);
    db::environments::stays(conn, &TenantId(env.tenant_id.clone()), &id, &why).await?;
    record(conn, now, &env, "environment.stay", &format!("{}: {why}", super::address(&env)), &who).await
}

/// First in a transaction that begins something on an environment: whoever would remove it waits, and one that is
/// going is left alone.
pub(crate) async fn begin_on(conn: &mut Conn, env: &Row) -> Result<()> {
    let id = EnvironmentId(env.id.clone());
    db::environments::lock(conn, &id).await?;
    let now = db::environments::find(conn, &id).await?.ok_or_else(|| access::hidden("environment"))?;
    refuse_going(&now)
}

/// # Errors
/// `Conflict` for an environment that was removed, or will be.
pub(crate) fn refuse_going(env: &Row) -> Result<()> {
    match env.state.as_str() {
        "removed" => Err(Error::conflict("this environment was removed").hint("choose another environment of the tenant")),
        "removing" => Err(Error::conflict("this environment is being removed")
            .hint("it goes when its last backup has succeeded; cancel that backup to keep it")),
        _ => Ok(()),
    }
}
