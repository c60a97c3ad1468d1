//! Drills, and what was made for them.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::drill::{DrillState, Fault};
use crate::domain::ids::{BackupId, DrillId, EnvironmentId, TenantId};

/// A drill without its evidence, which may be long.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Drill {
    pub id: String,
    pub tenant_id: String,
    pub tenant: String,
    pub site_id: String,
    pub site: String,
    pub environment_id: String,
    pub environment: String,
    pub backup_id: String,
    pub state: String,
    pub fault: Option<String>,
    pub message: Option<String>,
    pub hint: Option<String>,
    pub account_id: Option<String>,
    pub initiator: String,
    pub job_id: Option<String>,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    /// Milliseconds in which all of it was restored.
    pub restore_took: Option<i64>,
}

/// Every statement that answers with a [`Drill`] begins like this.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select d.id, d.tenant_id, t.name as tenant, e.site_id, s.name as site, d.environment_id,
                    coalesce(e.removed_name, e.name) as environment, d.backup_id, d.state, d.fault, d.message, d.hint,
                    d.account_id, d.initiator, d.job_id, d.created_at, d.started_at, d.finished_at, d.restore_took
             from drills d
             join environments e on e.tenant_id = d.tenant_id and e.id = d.environment_id
             join sites s on s.tenant_id = e.tenant_id and s.id = e.site_id
             join tenants t on t.id = d.tenant_id ",
            $rest
        )
    };
}

pub async fn insert(conn: &mut Conn, d: &Drill) -> Result<()> {
    let sql = "
        insert into drills (id, tenant_id, environment_id, backup_id, state, account_id, initiator, job_id, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let query = run(sql)
        .bind(d.id.clone())
        .bind(d.tenant_id.clone())
        .bind(d.environment_id.clone())
        .bind(d.backup_id.clone())
        .bind(d.state.clone())
        .bind(d.account_id.clone())
        .bind(d.initiator.clone())
        .bind(d.job_id.clone())
        .bind(d.created_at);
    changed(conn, query).await.map(drop)
}

/// By id alone: for `app::access` to judge, and for the worker.
pub async fn find(conn: &mut Conn, id: &DrillId) -> Result<Option<Drill>> {
    Ok(rows(select!("where d.id = $1")).bind(id.0.clone()).fetch_optional(conn).await?)
}

/// `domain::drill::Evidence` as JSON.
pub async fn evidence(conn: &mut Conn, tenant: &TenantId, id: &DrillId) -> Result<Option<String>> {
    let sql = "select evidence from drills where tenant_id = $1 and id = $2";
    let found: Option<(String,)> = rows(sql).bind(tenant.0.clone()).bind(id.0.clone()).fetch_optional(conn).await?;
    Ok(found.map(|(evidence,)| evidence))
}

/// The drills of an environment, newest first.
pub async fn log(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId, limit: i64) -> Result<Vec<Drill>> {
    let sql = select!("where d.tenant_id = $1 and d.environment_id = $2 order by d.created_at desc, d.id desc limit $3");
    Ok(rows(sql).bind(tenant.0.clone()).bind(environment.0.clone()).bind(limit).fetch_all(conn).await?)
}

/// The drills of a backup, newest first.
pub async fn of_backup(conn: &mut Conn, tenant: &TenantId, backup: &BackupId, limit: i64) -> Result<Vec<Drill>> {
    let sql = select!("where d.tenant_id = $1 and d.backup_id = $2 order by d.created_at desc, d.id desc limit $3");
    Ok(rows(sql).bind(tenant.0.clone()).bind(backup.0.clone()).bind(limit).fetch_all(conn).await?)
}

/// An attempt at it begins; false when it has ended already.
pub async fn started(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &DrillId) -> Result<bool> {
    let sql = "
        update drills set state = 'running', started_at = coalesce(started_at, $3)
        where tenant_id = $1 and id = $2 and state in ('queued', 'running')";
    Ok(changed(conn, run(sql).bind(tenant.0.clone()).bind(id.0.clone()).bind(now.0)).await? == 1)
}

/// How a drill ended.
#[derive(Clone, Debug)]
pub struct End<'a> {
    pub state: DrillState,
    pub fault: Option<Fault>,
    pub message: Option<&'a str>,
    pub hint: Option<&'a str>,
    pub evidence: &'a str,
    pub restore_took: Option<i64>,
}

/// The end of a drill; a final state is never changed again.
pub async fn ended(conn: &mut Conn, now: Millis, tenant: &TenantId, id: &DrillId, end: &End<'_>) -> Result<bool> {
    let sql = "
        update drills set state = $3, fault = $4, message = $5, hint = $6, evidence = $7, restore_took = $8, finished_at = $9
        where tenant_id = $1 and id = $2 and state in ('queued', 'running')";
    let query = run(sql)
        .bind(tenant.0.clone())
        .bind(id.0.clone())
        .bind(end.state.word())
        .bind(end.fault.map(Fault::word))
        .bind(end.message.map(str::to_owned))
        .bind(end.hint.map(str::to_owned))
        .bind(end.evidence.to_owned())
        .bind(end.restore_took)
        .bind(now.0);
    Ok(changed(conn, query).await? == 1)
}

/// What was made for it, before it is made; nothing, when it is cleared away.
pub async fn set_scratch(conn: &mut Conn, tenant: &TenantId, id: &DrillId, scratch: Option<&str>) -> Result<()> {
    let query = run("update drills set scratch = $3 where tenant_id = $1 and id = $2");
    changed(conn, query.bind(tenant.0.clone()).bind(id.0.clone()).bind(scratch.map(str::to_owned))).await.map(drop)
}

/// A drill that has left something: its tenant, its id, and what.
pub async fn littered(conn: &mut Conn, limit: i64) -> Result<Vec<(String, String, String)>> {
    let sql = "select tenant_id, id, scratch from drills where scratch is not null order by id limit $1";
    Ok(rows(sql).bind(limit).fetch_all(conn).await?)
}

/// How many wait or run.
pub async fn unended(conn: &mut Conn) -> Result<i64> {
    let (count,): (i64,) = rows("select count(*) from drills where finished_at is null").fetch_one(conn).await?;
    Ok(count)
}

/// The environments with a good backup that had no drill since then, those first that have waited longest.
pub async fn due(conn: &mut Conn, since: Millis, limit: i64) -> Result<Vec<String>> {
    let sql = "
        select e.id
        from environments e
        join tenants t on t.id = e.tenant_id
        where e.state = 'active' and t.state = 'active' and e.last_good_id is not null
          and not exists (
            select 1 from drills d
            where d.tenant_id = e.tenant_id and d.environment_id = e.id and d.state <> 'cancelled' and d.created_at > $1)
        order by coalesce((select max(d.created_at) from drills d where d.tenant_id = e.tenant_id and d.environment_id = e.id), 0), e.id
        limit $2";
    let found: Vec<(String,)> = rows(sql).bind(since.0).bind(limit).fetch_all(conn).await?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}
