//! The database: imported aside, then made live. With a server account it is a new database with a new user, and the
//! settings are rewritten; without one, tables beside the live ones, renamed together; SQLite is a file. Chosen tables stay in
//! the live database, whatever it is, and everything else in it is left alone.

use super::journal::Making;
use super::run::Run;
use super::steps::Step;
use crate::app::backups::{Manifest, RowCounts};
use crate::app::servers::blocking;
use crate::app::{environments, from_json, to_json};
use crate::base::error::{Class, Error, Result};
use crate::base::failpoint;
use crate::base::secret::Secret;
use crate::base::units;
use crate::db;
use crate::domain::element::Element;
use crate::domain::site::{Access, DatabaseAddress};
use crate::domain::state::StepState;
use crate::hosting::database::{Database, Means, Staged, database};

/// The live database, opened.
pub(super) fn live(run: &Run<'_>) -> Result<Access> {
    run.env.access.clone().ok_or_else(|| Error::permanent("this environment has no database"))
}

/// A server account is of use only when the site's settings can be rewritten to what it creates.
pub(super) fn server(run: &Run<'_>) -> Option<Access> {
    run.env.server.clone().filter(|_| run.env.definition.settings.is_some())
}

/// Imports the backup's database beside the live one. What was made is in the journal before the import begins.
pub(super) async fn stage(run: &mut Run<'_>, i: usize) -> Result<Option<String>> {
    discard(run, i).await?; // an earlier attempt's, half imported
    let (source, snapshot) = run.source(Element::Database)?;
    let manifest: Manifest = from_json("manifest", &source.manifest)?;
    let access = live(run)?;
    if !manifest.engine.is_empty() && manifest.engine != access.address.engine() {
        return Err(Error::permanent(format!(
            "the backup is of a {} database, and this environment has {}",
            manifest.engine,
            access.address.engine()
        )));
    }
    let tables = run.tables()?;
    let (ticket, server) = (run.ticket(), server(run).filter(|_| tables.is_empty()));
    run.lines[i].journal.staged = None;
    run.lines[i].journal.making = Some(Making { ticket: ticket.clone(), by_server: server.is_some() });
    run.save(i, StepState::Started).await?;
    let (with, only) = (access.clone(), tables.clone());
    let (staged, password) = blocking(move || place(with, &ticket, &only, server.as_ref())).await?;
    failpoint::hit(format_args!("restore.database.made"))?;
    let line = &mut run.lines[i];
    line.journal.staged = Some(staged.clone());
    line.journal.before = Some(access.address.clone());
    line.secrets.staged = Some(password.clone());
    line.secrets.before = Some(access.password.clone());
    run.save(i, StepState::Started).await?;
    let repository = run.from.clone();
    let (tables, rows) = run
        .attempt
        .blocking(move |watch| {
            let site = database(access);
            let mut dump = repository.dump(&snapshot, "database".as_ref(), watch)?;
            site.import(&staged, &password, &mut dump, watch)?;
            failpoint::hit(format_args!("restore.database.imported"))?;
            let counts = site.staged_counts(&staged, &password)?;
            all_there(&among(manifest.rows, &tables), &counts)?;
            Ok((counts.len() as u64, counts.values().sum::<u64>()))
        })
        .await?;
    Ok(Some(format!("Imported {} with {}", units::count(tables, "table"), units::count(rows, "row"))))
}

/// Makes the place for an import: of chosen tables, or of everything.
fn place(live: Access, ticket: &str, tables: &[String], server: Option<&Access>) -> Result<(Staged, Secret)> {
    let password = live.password.clone();
    let site = database(live);
    match tables.is_empty() {
        true => site.stage(ticket, server),
        false => site.stage_tables(ticket, tables).map(|staged| (staged, password)).map_err(not_invalid),
    }
}

/// What is wrong with a choice is wrong with it in every attempt.
fn not_invalid(e: Error) -> Error {
    if e.class() == Class::Invalid { e.with_class(Class::Permanent) } else { e }
}

/// Of the chosen tables alone; none: of all.
fn among(mut rows: RowCounts, tables: &[String]) -> RowCounts {
    rows.retain(|table, _| tables.is_empty() || tables.contains(table));
    rows
}

/// Every table that the backup counted must have been imported.
fn all_there(backup: &RowCounts, imported: &RowCounts) -> Result<()> {
    let missing: Vec<&str> = backup.keys().filter(|t| !imported.contains_key(*t)).map(String::as_str).take(10).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Error::damaged(format!("after the import these tables are missing: {}", missing.join(", "))))
    }
}

/// Drops what was staged, before it is live. An attempt that died while it made the place could not write down what it
/// made: the same ticket leads there again.
pub(super) async fn discard(run: &mut Run<'_>, i: usize) -> Result<()> {
    let Ok(access) = live(run) else { return Ok(()) };
    let (staged, making, server) = (run.lines[i].journal.staged.clone(), run.lines[i].journal.making.clone(), server(run));
    let tables = run.tables()?;
    blocking(move || {
        let site = database(access.clone());
        let staged = match (staged, making) {
            (Some(staged), _) => staged,
            // Where chosen tables lie follows from the ticket alone.
            (None, Some(m)) if !tables.is_empty() => Staged { ticket: m.ticket, means: Means::Tables { tables }, address: access.address },
            (None, Some(m)) => site.stage(&m.ticket, server.as_ref().filter(|_| m.by_server))?.0,
            (None, None) => return Ok(()),
        };
        site.discard(&staged, server.as_ref())
    })
    .await
}

/// What the switch works on: from the journal of its own line, or of the line that staged it.
struct Sides {
    staged: Staged,
    /// The database before the restore, and the one that was staged.
    before: Access,
    after: Access,
    reversed: bool,
}

fn sides(run: &mut Run<'_>, i: usize) -> Result<Sides> {
    if run.lines[i].journal.staged.is_none() {
        let from = run.line(Step::StageDatabase).cloned().ok_or_else(|| Error::internal("there is no database staged to switch to"))?;
        run.lines[i].journal.staged = from.journal.staged;
        run.lines[i].journal.before = from.journal.before;
        run.lines[i].secrets = from.secrets;
    }
    let line = &run.lines[i];
    let gone = || Error::internal("the journal of the database is incomplete");
    let staged = line.journal.staged.clone().ok_or_else(gone)?;
    let before = Access { address: line.journal.before.clone().ok_or_else(gone)?, password: line.secrets.before.clone().ok_or_else(gone)? };
    let after = Access { address: staged.address.clone(), password: line.secrets.staged.clone().ok_or_else(gone)? };
    Ok(Sides { staged, before, after, reversed: line.journal.reversed })
}

/// Makes the staged database live (an undo: the one before).
pub(super) async fn switch(run: &mut Run<'_>, i: usize) -> Result<Option<String>> {
    let s = sides(run, i)?;
    run.save(i, StepState::Started).await?;
    run.attempt.fence().await?;
    let note = to(run, &s, s.reversed).await?;
    Ok(Some(note))
}

pub(super) async fn switch_back(run: &mut Run<'_>, i: usize) -> Result<()> {
    let s = sides(run, i)?;
    run.attempt.fence().await?;
    to(run, &s, !s.reversed).await.map(drop)
}

/// Goes to the database before (`back`) or to the staged one. The other one is fenced: an answer of the site can then
/// come from the right one only.
async fn to(run: &mut Run<'_>, s: &Sides, back: bool) -> Result<String> {
    let (target, other) = if back { (s.before.clone(), s.after.clone()) } else { (s.after.clone(), s.before.clone()) };
    let server = server(run);
    let note = match &s.staged.means {
        Means::NewDatabase => {
            let t = target.clone();
            blocking(move || {
                database(t).unfence(server.as_ref())?;
                Ok(database(other).fence(server.as_ref())?.note)
            })
            .await?
        }
        Means::Beside { .. } | Means::File { .. } | Means::Tables { .. } => {
            let (live, staged) = (s.before.clone(), s.staged.clone());
            blocking(move || {
                let site = database(live);
                if back {
                    site.switch_back(&staged)?
                } else {
                    site.switch(&staged)?
                }
                Ok("Switched in one act".to_owned())
            })
            .await?
        }
    };
    failpoint::hit(format_args!("restore.database.switched"))?;
    remember(run, target).await?;
    failpoint::hit(format_args!("restore.database.remembered"))?;
    Ok(note)
}

/// From now on this is the environment's database, for every job that comes.
async fn remember(run: &mut Run<'_>, access: Access) -> Result<()> {
    let mut definition = run.env.definition.clone();
    definition.database = Some(access.address.clone());
    let (tenant, id) = (run.env.tenant.clone(), run.env.id.clone());
    let sealed = match access.address {
        DatabaseAddress::Sqlite { .. } => None,
        _ => Some(run.app().sealer.seal(environments::place(&tenant.0, &id.0), &access.password)),
    };
    let mut tx = run.attempt.begin().await?;
    db::environments::set_database(&mut tx, &tenant, &id, &to_json(&definition)?, sealed).await?;
    tx.commit().await?;
    run.env.definition = definition;
    run.env.access = Some(access);
    Ok(())
}

/// The row counts of the live database, as the site's account sees them.
pub(super) async fn live_counts(run: &Run<'_>) -> Result<RowCounts> {
    let access = live(run)?;
    blocking(move || database(access).counts()).await
}

/// What the staged database held when it was imported.
pub(super) async fn expected_counts(run: &Run<'_>) -> Result<Option<RowCounts>> {
    let Some(line) = run.line(Step::StageDatabase) else { return Ok(None) };
    let (source, _) = run.source(Element::Database)?;
    let manifest: Manifest = from_json("manifest", &source.manifest)?;
    let tables = run.tables()?;
    Ok(line.journal.staged.is_some().then(|| among(manifest.rows, &tables)))
}

/// Drops the database that is not live any more: after a restore the one before, after an undo the staged one.
pub(super) fn drop_aside(line: &super::journal::Line, live: &Access, server: Option<&Access>) -> Result<()> {
    let Some(staged) = line.journal.staged.clone() else { return Ok(()) };
    let site: Box<dyn Database> = database(live.clone());
    match (&staged.means, line.journal.reversed, &line.journal.before) {
        (Means::NewDatabase, false, Some(before)) => {
            let old = Staged { ticket: staged.ticket.clone(), means: Means::NewDatabase, address: before.clone() };
            match (site.discard(&old, server), line.secrets.before.clone()) {
                // The first one was made by hand: its own account owns it, and the server account may not drop it.
                (Err(e), Some(password)) if e.class() == Class::Permanent => {
                    let own = Access { address: before.clone(), password };
                    site.discard(&old, Some(&own)).map_err(|_| e)
                }
                (result, _) => result,
            }
        }
        _ => site.discard(&staged, server),
    }
}
