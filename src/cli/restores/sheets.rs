//! How restores and their plans are shown.

use crate::cli::output::{Cell, Column, column};
use crate::domain::element::Element;
use crate::domain::view::{Plan, Restore};

pub const COLUMNS: &[Column] = &[
    column("id", "ID"),
    column("date", "Date"),
    column("kind", "Kind"),
    column("state", "State"),
    column("elements", "Elements"),
    column("backup", "Backup"),
    column("safety_backup", "Safety backup"),
    column("initiator", "Initiator"),
    column("note", "Note"),
    column("environment", "Environment"),
    column("finished", "Finished"),
    column("undo_until", "Undo until"),
    column("undo_of", "Undo of"),
    column("message", "Message"),
    column("hint", "Hint"),
    column("steps", "Steps"),
    column("job", "Job"),
    column("paths", "Only"),
    column("tables", "Only the tables"),
];

pub const PLAN: &[Column] = &[
    column("backup", "Backup"),
    column("from", "From"),
    column("to", "To"),
    column("elements", "Elements"),
    column("missing", "Missing"),
    column("paths", "Only"),
    column("tables", "Only the tables"),
    column("lines", "What happens"),
    column("warnings", "Warnings"),
];

pub fn row(r: &Restore) -> Vec<Cell> {
    let steps: Vec<String> = r
        .steps
        .iter()
        .map(|step| format!("{}: {}{}", step.title, step.state, step.message.as_ref().map_or_else(String::new, |m| format!(" ({m})"))))
        .collect();
    vec![
        (&r.id).into(),
        Cell::date(Some(&r.created)),
        (&r.kind).into(),
        r.state.word().into(),
        names(&r.elements).into(),
        (&r.backup).into(),
        r.safety_backup.as_ref().into(),
        (&r.initiator).into(),
        r.note.as_ref().into(),
        format!("{}/{}.{}", r.tenant, r.site, r.environment).into(),
        Cell::date(r.finished.as_deref()),
        Cell::date(r.undo_until.as_deref()),
        r.undo_of.as_ref().into(),
        r.message.as_ref().into(),
        r.hint.as_ref().into(),
        steps.into(),
        r.job.as_ref().into(),
        r.paths.clone().into(),
        r.tables.clone().into(),
    ]
}

pub fn names(elements: &[Element]) -> Vec<String> {
    elements.iter().map(ToString::to_string).collect()
}

pub fn plan_row(plan: &Plan) -> Vec<Cell> {
    vec![
        (&plan.backup).into(),
        (&plan.from).into(),
        (&plan.to).into(),
        names(&plan.elements).into(),
        names(&plan.missing).into(),
        plan.paths.clone().into(),
        plan.tables.clone().into(),
        plan.lines.clone().into(),
        plan.warnings.clone().into(),
    ]
}
