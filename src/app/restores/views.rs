//! How a restore looks: its state, and its steps as they happen.

use super::parts::Selection;
use super::steps::Step;
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::db;
use crate::db::restores::Restore as Row;
use crate::domain::browse::Inner;
use crate::domain::element::Element;
use crate::domain::ids::{RestoreId, TenantId};
use crate::domain::state::{RestoreState, StepState};
use crate::domain::view;

pub(super) async fn view_of(conn: &mut Conn, row: &Row) -> Result<view::Restore> {
    let rows = db::restores::steps(conn, &TenantId(row.tenant_id.clone()), &RestoreId(row.id.clone())).await?;
    let iso = |at: Option<i64>| at.map(|at| Millis(at).iso());
    let steps = rows
        .iter()
        .map(|s| {
            Ok(view::Step {
                name: s.name.clone(),
                title: Step::parse(&s.name)?.title().into(),
                state: StepState::parse(&s.state)?,
                started: iso(s.started_at),
                finished: iso(s.finished_at),
                message: s.message.clone(),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let only = Selection::read(row.paths.as_deref())?;
    Ok(view::Restore {
        id: row.id.clone(),
        tenant: row.tenant.clone(),
        site: row.site.clone(),
        environment: row.environment.clone(),
        backup: row.backup_id.clone(),
        safety_backup: row.safety_backup_id.clone(),
        kind: row.kind.clone(),
        undo_of: row.undo_of.clone(),
        undone_by: row.undone_by.clone(),
        environment_id: row.environment_id.clone(),
        state: RestoreState::parse(&row.state)?,
        elements: Element::parse_list(&row.elements)?,
        note: row.note.clone(),
        initiator: row.initiator.clone(),
        created: Millis(row.created_at).iso(),
        started: iso(row.started_at),
        finished: iso(row.finished_at),
        undo_until: iso(row.undo_until),
        message: row.message.clone(),
        hint: row.hint.clone(),
        paths: only.paths.iter().map(Inner::shown).collect(),
        tables: only.tables,
        steps,
        job: row.job_id.clone(),
    })
}
