//! Plans: what each tenant may use, and what it uses.

use super::{App, access, access::Actor};
use crate::app::activity;
use crate::base::error::{Error, Result};
use crate::base::sql::Conn;
use crate::base::units;
use crate::db;
use crate::domain::ids::TenantId;
use crate::domain::page::TenantRow;
use crate::domain::rights::Right;
use crate::domain::{names, view};

/// Every tenant with what it has and uses.
pub async fn tenants(app: &App, actor: &Actor) -> Result<Vec<TenantRow>> {
    access::administer(actor)?;
    let rows = db::tenants::overviews(&mut *app.pool.get().await?).await?;
    let row = |t: db::tenants::Overview| TenantRow {
        active: t.state == "active",
        id: t.id,
        name: t.name,
        plan: t.plan,
        quota_bytes: t.quota_bytes.map(i64::unsigned_abs),
        quota_backups: t.quota_backups.map(i64::unsigned_abs),
        jobs_at_once: t.jobs_at_once.map(i64::unsigned_abs),
        schedules: t.schedules_allowed == 1,
        sites: t.sites.unsigned_abs(),
        members: t.members.unsigned_abs(),
        bytes: t.bytes.unsigned_abs(),
        backups: t.backups.unsigned_abs(),
    };
    Ok(rows.into_iter().map(row).collect())
}

/// What a tenant may use; no limit where none is given.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub name: String,
    pub bytes: Option<u64>,
    pub backups: Option<u64>,
    /// Jobs that run at once; as many as of everybody where none is given.
    pub jobs: Option<u64>,
    /// Backups may be made by a schedule.
    pub schedules: bool,
}

/// More than that no installation has workers for.
const MOST_JOBS: u64 = 1_000;

/// What a tenant may use, for its members.
pub async fn find(app: &App, actor: &Actor, id: &TenantId) -> Result<view::TenantPlan> {
    let mut conn = app.pool.get().await?;
    access::in_tenant(&mut conn, actor, id, Right::View, "tenant").await?;
    let row = db::tenants::plan(&mut conn, id).await?.ok_or_else(|| access::hidden("tenant"))?;
    let unsigned = |n: Option<i64>| n.map(i64::unsigned_abs);
    Ok(view::TenantPlan {
        plan: row.plan,
        bytes: unsigned(row.quota_bytes),
        backups: unsigned(row.quota_backups),
        jobs_at_once: unsigned(row.jobs_at_once),
        schedules: row.schedules_allowed == 1,
    })
}

/// Sets a tenant's plan.
///
/// # Errors
/// `Invalid` when the plan's name is not one word of up to 40 characters, or for jobs that no tenant can have.
pub async fn set(app: &App, actor: &Actor, id: &TenantId, plan: &Plan) -> Result<()> {
    access::administer(actor)?;
    names::check("plan", &plan.name)?;
    if plan.jobs.is_some_and(|n| n == 0 || n > MOST_JOBS) {
        return Err(
            Error::invalid(format!("a tenant has 1 to {MOST_JOBS} jobs at once")).hint("to let nothing begin any more, suspend the tenant")
        );
    }
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let signed = |n: Option<u64>| n.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
    let row = db::tenants::Plan {
        plan: plan.name.clone(),
        quota_bytes: signed(plan.bytes),
        quota_backups: signed(plan.backups),
        jobs_at_once: signed(plan.jobs),
        schedules_allowed: i64::from(plan.schedules),
    };
    if !db::tenants::set_plan(&mut tx, id, &row).await? {
        return Err(access::hidden("tenant"));
    }
    let bytes = plan.bytes.map_or("no limit of space".into(), units::size);
    let backups = plan.backups.map_or("no limit of backups".into(), |n| units::count(n, "backup"));
    let schedules = if plan.schedules { "with schedules" } else { "without schedules" };
    let jobs = plan.jobs.map_or("as many jobs at once as everybody".into(), |n| format!("{} at once", units::count(n, "job")));
    let detail = format!("{}: {bytes}, {backups}, {jobs}, {schedules}", plan.name);
    activity::record(&mut tx, now, actor, Some(id), "tenant.plan", &id.0, &detail).await?;
    tx.commit().await?;
    Ok(())
}

/// Before a backup is begun: has the tenant used up what its plan allows?
///
/// # Errors
/// `Resource`, with what is used and what is allowed.
pub(crate) async fn within(conn: &mut Conn, tenant: &TenantId) -> Result<()> {
    let Some(plan) = db::tenants::plan(conn, tenant).await? else { return Ok(()) };
    if plan.quota_bytes.is_none() && plan.quota_backups.is_none() {
        return Ok(());
    }
    let used = db::tenants::used(conn, tenant).await?;
    if let Some(most) = plan.quota_backups.filter(|most| used.backups >= *most) {
        return Err(Error::resource(format!("this tenant has {} backups, and its plan allows {most}", used.backups))
            .hint("delete backups that are not needed any more, or ask the administrator for more"));
    }
    if let Some(most) = plan.quota_bytes.filter(|most| used.bytes >= *most) {
        let (used, most) = (units::size(used.bytes.unsigned_abs()), units::size(most.unsigned_abs()));
        return Err(Error::resource(format!("this tenant has stored {used}, and its plan allows {most}"))
            .hint("delete backups that are not needed any more, or ask the administrator for more space"));
    }
    Ok(())
}
