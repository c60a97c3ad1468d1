//! How a drill looks.

use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::db::drills::Drill as Row;
use crate::domain::drill::{DrillState, Evidence, Fault};
use crate::domain::view;

pub(super) fn view_of(row: &Row, evidence: Option<Evidence>) -> Result<view::Drill> {
    let iso = |at: Option<i64>| at.map(|at| Millis(at).iso());
    Ok(view::Drill {
        id: row.id.clone(),
        tenant: row.tenant.clone(),
        site: row.site.clone(),
        environment: row.environment.clone(),
        environment_id: row.environment_id.clone(),
        backup: row.backup_id.clone(),
        state: DrillState::parse(&row.state)?,
        fault: row.fault.as_deref().map(Fault::parse).transpose()?,
        message: row.message.clone(),
        hint: row.hint.clone(),
        initiator: row.initiator.clone(),
        created: Millis(row.created_at).iso(),
        started: iso(row.started_at),
        finished: iso(row.finished_at),
        restore_took: row.restore_took,
        evidence,
        job: row.job_id.clone(),
    })
}
