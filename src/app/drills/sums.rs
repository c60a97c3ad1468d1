//! The tables by their checksums: what was added up while the backup was made, beside the same sum of what was imported.
//!
//! What was imported is dumped once more, by the functions that made the backup, and only added up. Where a table differs, the
//! dump in the repository is read again to tell which of the two it is: another dump, or another result of importing it.
//! The first is wrong whatever the servers are. The second is, where tool and server are of the release that the backup was
//! made with; across releases the same value may be written in another way, and then it is said that nothing can be said.

use super::run::Run;
use crate::app::backups::Manifest;
use crate::base::error::{Class, Context, Result};
use crate::base::units;
use crate::base::watch::Watch;
use crate::domain::drill::{Fault, differing, listed, same_release};
use crate::domain::element::Element;
use crate::domain::site::{Access, DatabaseAddress};
use crate::engine::{self, Repository, Sums, Syntax};
use crate::hosting::database::{Scope, database, scratch as databases};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

/// What was added up now, and by which tool on which server.
struct Found {
    sums: Sums,
    by: Option<(String, String)>,
}

/// Compares what was imported; where nothing was, the dump in the repository.
pub(super) async fn compare(run: &mut Run<'_>, engine: &str, snapshot: &str, manifest: &Manifest) -> Result<()> {
    let Some(expected) = &manifest.sums else { return Ok(()) }; // of a backup that was made before there were sums
    run.attempt.phase("Comparing the tables by their checksums", None).await?;
    let found = match of_imported(run, manifest).await {
        Err(e) if matches!(e.class(), Class::Permanent | Class::Damaged) => return said(run, &e.sentence()),
        found => found?,
    };
    let differ = match &found {
        Some(found) => named(run, differing(expected, &found.sums)),
        None => Vec::new(),
    };
    let mut altered = Vec::new();
    if found.is_none() || !differ.is_empty() {
        match stored(run, engine, snapshot).await {
            Err(e) if matches!(e.class(), Class::Permanent | Class::Damaged) => return said(run, &e.sentence()),
            stored => altered = differing(expected, &stored?),
        }
    }
    mark(run, engine, &differ);
    tell(run, engine, &altered);
    let other: Vec<String> = differ.into_iter().filter(|table| !altered.contains(table)).collect();
    imported(run, engine, manifest, &other, found.and_then(|found| found.by));
    let tables = run.evidence.database.as_ref().map_or(0, |d| d.tables.iter().filter(|t| t.equal == Some(true)).count());
    if tables > 0 {
        run.attempt.info(format!("Equal to the byte, by checksum: {}", units::count(tables as u64, "table"))).await;
    }
    Ok(())
}

fn said(run: &mut Run<'_>, why: &str) -> Result<()> {
    run.evidence.not_drilled.push(format!("the tables could not be compared by their checksums: {why}"));
    Ok(())
}

/// Without tables that did not come back at all: those are named already.
fn named(run: &Run<'_>, differing: Vec<String>) -> Vec<String> {
    let tables = run.evidence.database.iter().flat_map(|d| &d.tables);
    let missing: BTreeSet<&str> = tables.filter(|t| t.found.is_none()).map(|t| t.name.as_str()).collect();
    differing.into_iter().filter(|table| !missing.contains(table.as_str())).collect()
}

/// Of a file it is known of all its tables, or of none.
fn mark(run: &mut Run<'_>, engine: &str, differ: &[String]) {
    for table in run.evidence.database.iter_mut().flat_map(|d| &mut d.tables).filter(|t| t.expected.is_some() && t.found.is_some()) {
        table.equal = match engine {
            "sqlite" => differ.is_empty().then_some(true),
            _ => Some(!differ.contains(&table.name)),
        };
    }
}

/// The dump in the repository is another one than was written down.
fn tell(run: &mut Run<'_>, engine: &str, altered: &[String]) {
    if altered.is_empty() {
        return;
    }
    let message = match engine {
        "sqlite" => "the file in the repository is not, byte for byte, the one that was read".to_owned(),
        _ => format!("the dump in the repository has other values than were dumped in: {}", listed(altered)),
    };
    run.found(Fault::Values, Some(Element::Database), message);
}

/// The dump is right, and what came of importing it is not.
fn imported(run: &mut Run<'_>, engine: &str, manifest: &Manifest, other: &[String], by: Option<(String, String)>) {
    if other.is_empty() {
        return;
    }
    let Some((tool, server)) = by else {
        return run.found(Fault::Values, Some(Element::Database), "the file on the disk is not, byte for byte, the one in the repository");
    };
    let shown = listed(other);
    if same_release(engine, &manifest.tool, &tool) && same_release(engine, &manifest.server_version, &server) {
        return run.found(Fault::Values, Some(Element::Database), format!("these tables came back with other values: {shown}"));
    }
    run.evidence.not_drilled.push(format!(
        "these tables are dumped in another way by {tool} from {server} than by {} from {}, so that their checksums cannot be compared: {shown}",
        manifest.tool, manifest.server_version
    ));
}

async fn of_imported(run: &Run<'_>, manifest: &Manifest) -> Result<Option<Found>> {
    let Some(access) = run.database.clone() else { return Ok(None) };
    let settings = manifest.settings.clone();
    run.attempt
        .blocking(move |watch| {
            if let DatabaseAddress::Sqlite { path } = &access.address { of_file(path, watch) } else { of_server(access, &settings, watch) }
        })
        .await
        .map(Some)
}

fn of_file(path: &Path, watch: &Watch) -> Result<Found> {
    let file = File::open(path).context(|| "reading the restored database back")?;
    let name = "database.sqlite".to_owned();
    Ok(Found { sums: [(name, engine::sum(file, watch)?)].into(), by: None })
}

/// Everything that is there: tables that were kept without their rows have none.
fn of_server(access: Access, settings: &BTreeMap<String, String>, watch: &Watch) -> Result<Found> {
    databases::liken(&access, settings)?;
    let syntax = syntax(access.address.engine());
    let site = database(access);
    let facts = site.check()?;
    let dumping = site.dump(&Scope { structure_only: Vec::new(), complete: true })?;
    let sums = engine::sums(syntax, dumping.reader, watch)?;
    (dumping.finish)()?;
    Ok(Found { sums, by: Some((facts.tool, facts.server_version)) })
}

/// The same of the dump as it lies in the repository.
async fn stored(run: &Run<'_>, engine: &str, snapshot: &str) -> Result<Sums> {
    let (repository, snapshot, engine) = (run.repository.clone(), snapshot.to_owned(), engine.to_owned());
    run.attempt.blocking(move |watch| of_stored(&repository, &snapshot, &engine, watch)).await
}

fn of_stored(repository: &Repository, snapshot: &str, engine: &str, watch: &Watch) -> Result<Sums> {
    let dump = repository.dump(snapshot, "database".as_ref(), watch)?;
    match engine {
        "sqlite" => Ok([("database.sqlite".to_owned(), engine::sum(dump, watch)?)].into()),
        other => engine::sums(syntax(other), dump, watch),
    }
}

fn syntax(engine: &str) -> Syntax {
    if engine == "postgres" { Syntax::Postgres } else { Syntax::Mysql }
}
