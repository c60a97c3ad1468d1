//! Restores and the journal of their steps.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::{BackupId, EnvironmentId, RestoreId, TenantId};
use crate::domain::state::{RestoreState, StepState};

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Restore {
    pub id: String,
    pub tenant_id: String,
    pub tenant: String,
    pub site_id: String,
    pub site: String,
    pub environment_id: String,
    pub environment: String,
    pub backup_id: String,
    pub safety_backup_id: Option<String>,
    pub kind: String,
    pub undo_of: Option<String>,
    pub undone_by: Option<String>,
    pub elements: String,
    pub state: String,
    pub note: Option<String>,
    pub account_id: Option<String>,
    pub initiator: String,
    pub job_id: Option<String>,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    pub undo_until: Option<i64>,
    pub message: Option<String>,
    pub hint: Option<String>,
    /// A JSON array of percent-encoded paths; none: whole elements.
    pub paths: Option<String>,
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Step {
    pub tenant_id: String,
    pub restore_id: String,
    pub position: i64,
    pub name: String,
    pub state: String,
    pub journal: String,
    pub secret_sealed: Option<Vec<u8>>,
    pub message: Option<String>,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
}

pub async fn insert(conn: &mut Conn, r: &Restore, steps: &[Step]) -> Result<()> {
    let sql = "
        insert into restores (id, tenant_id, site_id, environment_id, backup_id, kind, undo_of, elements, state, note,
                              account_id, initiator, job_id, created_at, paths)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    let query = run(sql)
        .bind(r.id.clone())
        .bind(r.tenant_id.clone())
        .bind(r.site_id.clone())
        .bind(r.environment_id.clone())
        .bind(r.backup_id.clone())
        .bind(r.kind.clone())
        .bind(r.undo_of.clone())
        .bind(r.elements.clone())
        .bind(r.state.clone())
        .bind(r.note.clone())
        .bind(r.account_id.clone())
        .bind(r.initiator.clone())
        .bind(r.job_id.clone())
        .bind(r.created_at)
        .bind(r.paths.clone());
    changed(conn, query).await?;
    for step in steps {
        let sql = "
            insert into restore_steps (tenant_id, restore_id, position, name, state, journal, secret_sealed)
            values ($1, $2, $3, $4, $5, $6, $7)";
        let query = run(sql)
            .bind(step.tenant_id.clone())
            .bind(step.restore_id.clone())
            .bind(step.position)
            .bind(step.name.clone())
            .bind(step.state.clone())
            .bind(step.journal.clone())
            .bind(step.secret_sealed.clone());
        changed(conn, query).await?;
    }
    Ok(())
}

/// By id alone: for `app::access` to judge, and for the worker.
pub async fn find(conn: &mut Conn, id: &RestoreId) -> Result<Option<Restore>> {
    let sql = "
        select r.id, r.tenant_id, t.name as tenant, r.site_id, s.name as site, r.environment_id, coalesce(e.removed_name, e.name) as environment,
               r.backup_id, r.safety_backup_id, r.kind, r.undo_of, r.undone_by, r.elements, r.state, r.note, r.account_id,
               r.initiator, r.job_id, r.created_at, r.started_at, r.finished_at, r.undo_until, r.message, r.hint, r.paths
        from restores r
        join environments e on e.tenant_id = r.tenant_id and e.id = r.environment_id
        join sites s on s.tenant_id = r.tenant_id and s.id = r.site_id
        join tenants t on t.id = r.tenant_id
        where r.id = $1";
    Ok(rows(sql).bind(id.0.clone()).fetch_optional(conn).await?)
}

/// The restores of an environment, newest first.
pub async fn log(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId, limit: i64) -> Result<Vec<Restore>> {
    let sql = "
        select r.id, r.tenant_id, t.name as tenant, r.site_id, s.name as site, r.environment_id, coalesce(e.removed_name, e.name) as environment,
               r.backup_id, r.safety_backup_id, r.kind, r.undo_of, r.undone_by, r.elements, r.state, r.note, r.account_id,
               r.initiator, r.job_id, r.created_at, r.started_at, r.finished_at, r.undo_until, r.message, r.hint, r.paths
        from restores r
        join environments e on e.tenant_id = r.tenant_id and e.id = r.environment_id
        join sites s on s.tenant_id = r.tenant_id and s.id = r.site_id
        join tenants t on t.id = r.tenant_id
        where r.tenant_id = $1 and r.environment_id = $2
        order by r.created_at desc, r.id desc
        limit $3";
    Ok(rows(sql).bind(tenant.0.clone()).bind(environment.0.clone()).bind(limit).fetch_all(conn).await?)
}

pub async fn steps(conn: &mut Conn, tenant: &TenantId, restore: &RestoreId) -> Result<Vec<Step>> {
    let sql = "
        select tenant_id, restore_id, position, name, state, journal, secret_sealed, message, started_at, finished_at
        from restore_steps
        where tenant_id = $1 and restore_id = $2
        order by position";
    Ok(rows(sql).bind(tenant.0.clone()).bind(restore.0.clone()).fetch_all(conn).await?)
}

pub async fn set_job(conn: &mut Conn, tenant: &TenantId, id: &RestoreId, job: &str) -> Result<()> {
    let query = run("update restores set job_id = $3 where tenant_id = $1 and id = $2");
    changed(conn, query.bind(tenant.0.clone()).bind(id.0.clone()).bind(job.to_owned())).await?;
    Ok(())
}

pub async fn set_state(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &RestoreId, state: RestoreState) -> Result<()> {
    let sql = "
        update restores set state = $3, started_at = coalesce(started_at, $4)
        where tenant_id = $1 and id = $2 and state in ('queued', 'running', 'unwinding')";
    changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(state.word()).bind(now.0)).await?;
    Ok(())
}

/// Why it is being unwound, written before the way back begins: the next attempt knows it too.
pub async fn set_message(conn: &mut Conn, tenant: &TenantId, id: &RestoreId, message: &str, hint: Option<&str>) -> Result<()> {
    let sql = "update restores set message = coalesce(message, $3), hint = coalesce(hint, $4) where tenant_id = $1 and id = $2";
    let query = run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(message.to_owned()).bind(hint.map(str::to_owned));
    changed(conn, query).await?;
    Ok(())
}

/// What a person can do about it, instead of what was said before.
pub async fn set_hint(conn: &mut Conn, tenant: &TenantId, id: &RestoreId, hint: &str) -> Result<()> {
    let query = run("update restores set hint = $3 where tenant_id = $1 and id = $2");
    changed(conn, query.bind(tenant.0.clone()).bind(id.0.clone()).bind(hint.to_owned())).await?;
    Ok(())
}

/// Another job takes the restore back, also one that was stuck: the one case in which a final state is left again.
pub async fn go_back(conn: &mut Conn, tenant: &TenantId, id: &RestoreId, job: &str) -> Result<()> {
    let sql = "
        update restores set state = 'unwinding', finished_at = null, hint = null, job_id = $3
        where tenant_id = $1 and id = $2 and state in ('running', 'unwinding', 'stuck')";
    changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(job.to_owned())).await?;
    Ok(())
}

/// The end of a restore; a final state is never changed again.
pub async fn ended(
    conn: &mut Conn,
    now: Millis,
    tenant: &TenantId,
    id: &RestoreId,
    state: RestoreState,
    undo_until: Option<Millis>,
) -> Result<bool> {
    let sql = "
        update restores set state = $3, finished_at = $4, undo_until = $5
        where tenant_id = $1 and id = $2 and state in ('queued', 'running', 'unwinding')";
    let query = run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(state.word()).bind(now.0).bind(undo_until.map(|t| t.0));
    Ok(changed(conn, query).await? == 1)
}

pub async fn set_safety_backup(conn: &mut Conn, tenant: &TenantId, id: &RestoreId, backup: &BackupId) -> Result<()> {
    let query = run("update restores set safety_backup_id = $3 where tenant_id = $1 and id = $2");
    changed(conn, query.bind(tenant.0.clone()).bind(id.0.clone()).bind(backup.0.clone())).await?;
    Ok(())
}

/// What lay aside is gone (dropped, or switched back by an undo).
pub async fn aside_gone(conn: &mut Conn, tenant: &TenantId, id: &RestoreId, undone_by: Option<&RestoreId>) -> Result<()> {
    let sql = "update restores set undo_until = null, undone_by = coalesce($3, undone_by) where tenant_id = $1 and id = $2";
    changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(undone_by.map(|u| u.0.clone()))).await?;
    Ok(())
}

/// Writes one line of the journal: the step's state with what the way back needs.
pub async fn set_step(conn: &mut Conn, now: Millis, step: &Step, state: StepState) -> Result<()> {
    let sql = "
        update restore_steps
        set state = $4, journal = $5, secret_sealed = $6, message = $7,
            started_at = coalesce(started_at, $8),
            finished_at = case when $4 in ('done', 'undone', 'failed', 'skipped') then $8 else null end
        where tenant_id = $1 and restore_id = $2 and position = $3";
    let query = run(sql)
        .bind(step.tenant_id.clone())
        .bind(step.restore_id.clone())
        .bind(step.position)
        .bind(state.word())
        .bind(step.journal.clone())
        .bind(step.secret_sealed.clone())
        .bind(step.message.clone())
        .bind(now.0);
    changed(conn, query).await?;
    Ok(())
}
