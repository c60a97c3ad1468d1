//! How backups are shown: a row for each element, or one set with its properties.

use crate::base::units;
use crate::cli::output::{Cell, Column, column};
use crate::domain::view::{Backup, BackupElement, FileProblem};

pub const ROWS: &[Column] = &[
    column("file", "Filename").or("filename"),
    column("size", "Size").right(),
    column("date", "Date"),
    column("expiry", "Expiry"),
    column("initiator", "Initiator"),
    column("id", "ID"),
    column("state", "State"),
    column("reason", "Reason"),
    column("element", "Element").or("type"),
    column("note", "Note"),
    column("pinned", "Pinned"),
    column("protected", "Protected"),
    column("bytes", "Bytes").right(),
    column("stored", "Stored").right(),
    column("files", "Files").right(),
    column("created", "Created"),
    column("expires", "Expires"),
    column("snapshot", "Snapshot"),
    column("problems", "Problems"),
    column("manifest", "Manifest"),
];

pub const SET: &[Column] = &[
    column("id", "ID"),
    column("environment", "Environment"),
    column("state", "State"),
    column("reason", "Reason"),
    column("note", "Note"),
    column("size", "Size"),
    column("date", "Date"),
    column("expiry", "Expiry"),
    column("initiator", "Initiator"),
    column("elements", "Elements"),
    column("files", "Files"),
    column("pinned", "Pinned"),
    column("protected", "Protected"),
    column("started", "Started"),
    column("finished", "Finished"),
    column("warnings", "Warnings"),
    column("problems", "Problems"),
    column("message", "Message"),
    column("job", "Job"),
    column("bytes", "Bytes"),
];

pub fn expiry(b: &Backup) -> Cell {
    match &b.expires {
        _ if b.pinned => "Never (pinned)".into(),
        Some(at) => Cell::date(Some(at)),
        None => "Never".into(),
    }
}

pub fn problems<'a>(all: impl Iterator<Item = &'a FileProblem>) -> Vec<String> {
    all.map(|p| format!("{}: {}", p.path, p.reason)).collect()
}

pub fn element_row(b: &Backup, e: &BackupElement) -> Vec<Cell> {
    vec![
        (&e.filename).into(),
        units::size(e.size).into(),
        Cell::date(Some(&b.created)),
        expiry(b),
        (&b.initiator).into(),
        (&b.id).into(),
        e.state.word().into(),
        (&b.reason).into(),
        e.element.name().into(),
        b.note.as_ref().into(),
        b.pinned.into(),
        b.protected.into(),
        e.size.into(),
        e.stored.into(),
        e.files.into(),
        (&b.created).into(),
        b.expires.as_ref().into(),
        e.snapshot.as_ref().into(),
        problems(e.problems.iter()).into(),
        e.manifest.clone().into(),
    ]
}

pub fn set_row(b: &Backup) -> Vec<Cell> {
    let elements: Vec<String> = b.elements.iter().map(|e| format!("{}: {}, {}", e.element, e.state, units::size(e.size))).collect();
    let files: Vec<String> = b.elements.iter().map(|e| e.filename.clone()).collect();
    vec![
        (&b.id).into(),
        format!("{}/{}.{}", b.tenant, b.site, b.environment).into(),
        b.state.word().into(),
        (&b.reason).into(),
        b.note.as_ref().into(),
        units::size(b.size).into(),
        Cell::date(Some(&b.created)),
        expiry(b),
        (&b.initiator).into(),
        elements.into(),
        files.into(),
        b.pinned.into(),
        b.protected.into(),
        Cell::date(b.started.as_deref()),
        Cell::date(b.finished.as_deref()),
        b.warnings.clone().into(),
        problems(b.elements.iter().flat_map(|e| &e.problems)).into(),
        b.message.as_ref().into(),
        b.job.as_ref().into(),
        b.size.into(),
    ]
}
