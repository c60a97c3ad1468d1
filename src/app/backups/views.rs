//! How a backup looks in lists and on its own.

use super::read::Manifest;
use crate::app::{from_json, retention};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::db;
use crate::db::backups::{Backup as Row, BackupElement};
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, EnvironmentId, TenantId};
use crate::domain::retention::Verdict;
use crate::domain::state::BackupState;
use crate::domain::view;

/// One backup, with what retention says of it.
pub(crate) async fn view_of(conn: &mut Conn, row: &Row, now: Millis) -> Result<view::Backup> {
    let (tenant, environment) = (TenantId(row.tenant_id.clone()), EnvironmentId(row.environment_id.clone()));
    let verdicts = retention::verdicts(conn, now, &tenant, &environment).await?;
    view_with(conn, row, verdicts.get(&row.id)).await
}

/// The same where the verdict is known: a list asks for all of them once.
pub(crate) async fn view_with(conn: &mut Conn, row: &Row, verdict: Option<&Verdict>) -> Result<view::Backup> {
    let rows = db::backups::elements(conn, &TenantId(row.tenant_id.clone()), &BackupId(row.id.clone())).await?;
    let elements = rows.iter().map(|e| element(row, e)).collect::<Result<Vec<_>>>()?;
    let mut warnings = Vec::new();
    for e in &rows {
        let manifest: Manifest = from_json("manifest", &e.manifest)?;
        warnings.extend(manifest.warnings.into_iter().map(|w| format!("{}: {w}", e.element)));
    }
    let iso = |at: Option<i64>| at.map(|at| Millis(at).iso());
    let fate = verdict.map(retention::fate);
    Ok(view::Backup {
        id: row.id.clone(),
        tenant: row.tenant.clone(),
        site: row.site.clone(),
        environment: row.environment.clone(),
        state: BackupState::parse(&row.state)?,
        reason: row.note.clone().unwrap_or_else(|| row.reason.clone()),
        note: row.note.clone(),
        initiator: row.initiator.clone(),
        due: iso(row.slot_at),
        created: Millis(row.created_at).iso(),
        started: iso(row.started_at),
        finished: iso(row.finished_at),
        expires: iso(row.purge_at).or_else(|| fate.as_ref()?.goes.clone()).or_else(|| asked(row).map(Millis::iso)),
        kept: fate.as_ref().and_then(|f| f.because.clone()),
        fate,
        purge: iso(row.purge_at),
        expired: iso(row.expired_at),
        proven: iso(row.proven_at),
        deleted: iso(row.deleted_at),
        environment_id: row.environment_id.clone(),
        pinned: row.pinned == 1,
        protected: row.protected == 1,
        size: elements.iter().map(|e| e.size).sum(),
        elements,
        warnings,
        message: row.message.clone(),
        hint: row.hint.clone(),
        job: row.job_id.clone(),
    })
}

/// Its own minimum; where the rules tell no date, that is the earliest.
fn asked(row: &Row) -> Option<Millis> {
    let days = row.keep_for_days.filter(|days| *days > 0 && row.pinned == 0)?;
    Some(Millis(row.finished_at?).plus(days * Millis::DAY))
}

fn element(backup: &Row, e: &BackupElement) -> Result<view::BackupElement> {
    let mut manifest: serde_json::Value = from_json("manifest", &e.manifest)?;
    // One for each table, and nothing that people could compare with anything.
    manifest.as_object_mut().map(|all| all.remove("sums"));
    let engine = manifest.get("engine").and_then(|v| v.as_str()).unwrap_or_default();
    let kind = Element::parse(&e.element)?;
    let iso = |at: Option<i64>| at.map(|at| Millis(at).iso());
    Ok(view::BackupElement {
        element: kind,
        state: BackupState::parse(&e.state)?,
        filename: file_name(backup, kind, engine),
        size: e.size.unsigned_abs(),
        files: e.files.unsigned_abs(),
        stored: e.stored.unsigned_abs(),
        snapshot: e.snapshot.clone(),
        started: iso(e.started_at),
        finished: iso(e.finished_at),
        manifest,
        problems: from_json("list of problems", &e.problems)?,
    })
}

/// What the file of an element is called when it is taken away: `shop_live_2026-11-21T03-00-00_UTC_database.sql.gz`.
pub(crate) fn file_name(backup: &Row, element: Element, engine: &str) -> String {
    let extension = match (element, engine) {
        (Element::Database, "sqlite") => "sqlite.gz",
        (Element::Database, _) => "sql.gz",
        _ => "tar.gz",
    };
    named(backup, element, extension)
}

/// The same with another ending.
pub(crate) fn named(backup: &Row, element: Element, ending: &str) -> String {
    let at = Millis(backup.created_at).for_file_names();
    format!("{}_{}_{at}_{element}.{ending}", backup.site, backup.environment)
}
