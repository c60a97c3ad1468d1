//! One attempt at a drill, and how it ends.

use super::scratch::{self, Places};
use super::{boot, data, found, trees};
use crate::app::alarms::{self, On};
use crate::app::attempt::{Attempt, Ended};
use crate::app::backups::Manifest;
use crate::app::{App, environments, from_json, to_json};
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::failpoint;
use crate::base::sql::Conn;
use crate::base::units;
use crate::db;
use crate::db::drills::{Drill as Row, End};
use crate::domain::drill::{DrillState, Evidence, Fault, Finding};
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, DrillId, EnvironmentId, SiteId, TenantId};
use crate::domain::site::{Access, Definition};
use crate::engine::Repository;
use crate::hosting::host::{self, Scratch};
use crate::queue::{self, Outcome};
use std::sync::Arc;
use std::time::Instant;

/// Everything that a drill works with.
pub(super) struct Run<'a> {
    pub attempt: &'a Attempt,
    pub row: Row,
    pub definition: Definition,
    pub source: Vec<db::backups::BackupElement>,
    pub repository: Repository,
    pub scratch: Arc<Scratch>,
    pub places: Places,
    pub evidence: Evidence,
    /// The scratch database, once it is imported.
    pub database: Option<Access>,
    /// Milliseconds in which was looked at what had come back: a restore does not take that long.
    pub looking: i64,
}

impl Run<'_> {
    pub fn tenant(&self) -> TenantId {
        TenantId(self.row.tenant_id.clone())
    }
    pub fn id(&self) -> DrillId {
        DrillId(self.row.id.clone())
    }
    /// An element of the backup with its snapshot, and what was written down about it.
    pub fn element(&self, element: Element) -> Result<Option<(db::backups::BackupElement, String, Manifest)>> {
        let Some(row) = self.source.iter().find(|e| e.element == element.name()) else { return Ok(None) };
        let Some(snapshot) = row.snapshot.clone() else { return Ok(None) };
        Ok(Some((row.clone(), snapshot, from_json("manifest", &row.manifest)?)))
    }
    pub fn found(&mut self, fault: Fault, element: Option<Element>, message: impl Into<String>) {
        self.evidence.findings.push(Finding { fault, element, message: message.into() });
    }
}

/// What came of it.
struct Report {
    evidence: Evidence,
    restore_took: Option<i64>,
}

/// One attempt at a drill.
///
/// # Errors
/// What kept it from being written down; what is wrong with the backup is no error.
pub async fn run(attempt: &Attempt, id: &DrillId) -> Result<Ended> {
    scratch::sweep(attempt).await?; // what an attempt left that was killed
    let done = drill(attempt, id).await;
    if done.as_ref().is_err_and(|e| e.class() == Class::Fenced) {
        return done.map(|_| Ended::Finished);
    }
    scratch::sweep(attempt).await?;
    match done {
        Ok(report) => end(attempt, id, report).await,
        Err(e) if e.class() == Class::Cancelled && !attempt.cancel_requested().await? => Ok(Ended::Released),
        Err(e) => gave_up(attempt, id, e).await,
    }
}

async fn drill(attempt: &Attempt, id: &DrillId) -> Result<Report> {
    let (row, definition, source) = begin(attempt, id).await?;
    let tenant = TenantId(row.tenant_id.clone());
    let repository = match environments::repository(&attempt.app, &tenant, &SiteId(row.site_id.clone())).await {
        Ok((_, repository)) => repository,
        Err(e) => return not_opened(e),
    };
    let ticket = format!("{}-{}", row.id, attempt.lease.attempt);
    let places = Places { folder: attempt.app.settings.drills.folder.clone(), ticket, database: None };
    scratch::note(attempt, &tenant, id, &places).await?;
    let (folder, ticket) = (places.folder.clone(), places.ticket.clone());
    let scratch = Arc::new(attempt.blocking(move |_| Scratch::make(&folder, &ticket)).await?);
    failpoint::hit(format_args!("drill.begin"))?;
    space(&scratch, &source)?;
    let evidence = Evidence::default();
    let mut run = Run { attempt, row, definition, source, repository, scratch, places, evidence, database: None, looking: 0 };
    let began = Instant::now();
    for element in Element::ALL {
        attempt.watch.check()?;
        let drilled = match element {
            Element::Database => data::drill(&mut run).await,
            Element::Files | Element::Code => trees::drill(&mut run, element).await,
        };
        if let Err(e) = drilled {
            run.evidence.findings.push(finding(element, e)?);
        }
    }
    let whole = run.evidence.findings.is_empty() && run.evidence.not_drilled.is_empty();
    let restore_took = whole.then(|| (millis(began) - run.looking).max(1));
    if run.evidence.findings.is_empty() {
        boot::boot(&mut run).await?;
    }
    failpoint::hit(format_args!("drill.done"))?;
    Ok(Report { evidence: run.evidence, restore_took })
}

/// At least one, so that what was measured is known to have been.
pub(super) fn millis(since: Instant) -> i64 {
    i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX).max(1)
}

async fn begin(attempt: &Attempt, id: &DrillId) -> Result<(Row, Definition, Vec<db::backups::BackupElement>)> {
    let now = attempt.now().await?;
    let mut tx = attempt.begin().await?;
    let row = found(&mut tx, id).await?;
    let tenant = TenantId(row.tenant_id.clone());
    if !db::drills::started(&mut tx, now, &tenant, id).await? {
        return Err(Error::conflict("this drill has ended already"));
    }
    let backup = BackupId(row.backup_id.clone());
    if !db::backups::hold(&mut tx, &tenant, &backup).await? {
        return Err(Error::not_found("the backup expired meanwhile, and its content is gone").hint("drill a newer one"));
    }
    let source = db::backups::elements(&mut tx, &tenant, &backup).await?;
    let environment = EnvironmentId(row.environment_id.clone());
    let env =
        db::environments::find(&mut tx, &environment).await?.ok_or_else(|| Error::not_found("the environment was removed meanwhile"))?;
    tx.commit().await?;
    Ok((row, from_json("definition", &env.definition)?, source))
}

/// The repository itself cannot be opened. Its disk may only be away for a moment: then it is tried again.
fn not_opened(e: Error) -> Result<Report> {
    let fault = match e.class() {
        Class::Permanent | Class::Damaged if e.sentence().contains("key") => Fault::Key,
        Class::Permanent | Class::Damaged | Class::NotFound => Fault::Lost,
        _ => return Err(e),
    };
    let findings = vec![Finding { fault, element: None, message: e.sentence() }];
    Ok(Report { evidence: Evidence { findings, ..Evidence::default() }, restore_took: None })
}

/// What cannot be read of the backup is what a drill looks for; anything else only stands in its way.
fn finding(element: Element, e: Error) -> Result<Finding> {
    let said = e.sentence();
    let fault = match e.class() {
        Class::NotFound => Fault::Lost,
        Class::Damaged if said.contains("missing") || said.contains("cut short") => Fault::Lost,
        Class::Damaged => Fault::Altered,
        _ => return Err(e),
    };
    Ok(Finding { fault, element: Some(element), message: said })
}

/// Kept free beyond what the drill needs.
const RESERVE: u64 = 64 << 20;

fn space(scratch: &Scratch, source: &[db::backups::BackupElement]) -> Result<()> {
    let need: u64 = source.iter().map(|e| e.size.unsigned_abs()).sum();
    let free = host::free_space(&scratch.path())?;
    if free >= need + RESERVE {
        return Ok(());
    }
    Err(Error::resource(format!(
        "there is not enough space for a drill: {} are needed and {} are free",
        units::size(need + RESERVE),
        units::size(free)
    ))
    .hint("free some space there, or name a folder on another disk in SITEKEEP_DRILL_DIR"))
}

/// The last transaction: the drill's end, what it proves, the alarm, and the end of the job.
async fn end(attempt: &Attempt, id: &DrillId, report: Report) -> Result<Ended> {
    let Report { evidence, restore_took } = report;
    let first = evidence.findings.first();
    let (state, fault) = match first {
        Some(finding) => (DrillState::Failed, Some(finding.fault)),
        None if evidence.not_drilled.is_empty() => (DrillState::Passed, None),
        None => (DrillState::Partly, None),
    };
    let message =
        first.map(|f| format!("{}: {}", f.fault.title().to_lowercase(), f.message)).or_else(|| evidence.not_drilled.first().cloned());
    let hint = fault.map(Fault::hint);
    for said in evidence.findings.iter().map(|f| &f.message).chain(&evidence.not_drilled) {
        attempt.warn(said).await;
    }
    let now = attempt.now().await?;
    let mut tx = attempt.begin().await?;
    let row = found(&mut tx, id).await?;
    let text = to_json(&evidence)?;
    let ending = End { state, fault, message: message.as_deref(), hint, evidence: &text, restore_took };
    written(&mut tx, &attempt.app, now, &row, &ending).await?;
    let outcome = match (state, message) {
        (DrillState::Failed, Some(said)) => Outcome::failed(&Error::damaged(said).hint(hint.unwrap_or_default())).and_final(),
        (DrillState::Partly, Some(said)) => Outcome::incomplete(said),
        _ => Outcome::succeeded(),
    };
    queue::finish(&mut tx, now, &attempt.lease, outcome).await?;
    tx.commit().await?;
    Ok(Ended::Finished)
}

/// A drill's end with what follows from it: everything of the backup was read, so it is proven; and the alarm.
async fn written(conn: &mut Conn, app: &App, now: Millis, row: &Row, end: &End<'_>) -> Result<()> {
    let (tenant, id) = (TenantId(row.tenant_id.clone()), DrillId(row.id.clone()));
    if !db::drills::ended(conn, now, &tenant, &id, end).await? {
        return Ok(());
    }
    let on = On {
        site: SiteId(row.site_id.clone()),
        environment: EnvironmentId(row.environment_id.clone()),
        title: format!("{}.{}", row.site, row.environment),
        tenant: tenant.clone(),
    };
    match end.state {
        DrillState::Failed => {
            let what = format!("the backup {}: {}", row.backup_id, end.message.unwrap_or("the drill failed"));
            alarms::drilled(conn, app, now, &on, Some((&what, end.hint))).await
        }
        DrillState::Passed | DrillState::Partly => {
            db::backups::proven(conn, now, &tenant, &BackupId(row.backup_id.clone())).await?;
            if end.state == DrillState::Passed { alarms::drilled(conn, app, now, &on, None).await } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// Something stood in its way: tried again where that may help, and otherwise the drill failed without a word about the
/// backup.
async fn gave_up(attempt: &Attempt, id: &DrillId, e: Error) -> Result<Ended> {
    attempt.log(queue::Level::Error, e.to_string()).await;
    let now = attempt.now().await?;
    let mut tx = attempt.begin().await?;
    let finished = queue::finish(&mut tx, now, &attempt.lease, Outcome::failed(&e)).await?;
    if finished.will_retry_at.is_none() {
        // What was to be drilled is gone: that is no word about anything.
        let cancelled = matches!(e.class(), Class::Cancelled | Class::NotFound);
        over(&mut tx, &attempt.app, now, id, cancelled, &e.sentence(), e.hint_text()).await?;
    }
    tx.commit().await?;
    Ok(Ended::Finished)
}

/// A job that ended without its attempt saying so: cancelled while it waited, or its worker crashed too often. Runs in the
/// transaction that ended it.
pub async fn settle(conn: &mut Conn, app: &App, now: Millis, id: &DrillId, cancelled: bool, why: &str) -> Result<()> {
    over(conn, app, now, id, cancelled, why, None).await
}

async fn over(conn: &mut Conn, app: &App, now: Millis, id: &DrillId, cancelled: bool, why: &str, hint: Option<&str>) -> Result<()> {
    let Some(row) = db::drills::find(conn, id).await? else { return Ok(()) };
    let (state, fault) = if cancelled { (DrillState::Cancelled, None) } else { (DrillState::Failed, Some(Fault::Undone)) };
    let hint = hint.or(fault.map(Fault::hint));
    written(conn, app, now, &row, &End { state, fault, message: Some(why), hint, evidence: "{}", restore_took: None }).await
}
