//! The database: imported into a scratch database of a server that is set aside, or into a file in the scratch folder, and
//! compared with the manifest, table by table. Where no server is set aside its dump is read to the end all the same.

use super::looked::{Looked, Shape};
use super::run::{Run, millis};
use super::{scratch, sums};
use crate::app::backups::{Manifest, RowCounts};
use crate::app::servers;
use crate::base::error::{Class, Error, Result};
use crate::base::failpoint;
use crate::base::secret::Secret;
use crate::base::units;
use crate::base::watch::Watch;
use crate::domain::drill::{Compared, Database, Fault, Finding, Pair, tables};
use crate::domain::element::Element;
use crate::domain::site::{Access, DatabaseAddress, inside};
use crate::engine::Repository;
use crate::hosting::database::{Means, Staged, database, scratch as databases};
use crate::hosting::host::Scratch;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// What an import came to.
#[derive(Debug, Default)]
struct Imported {
    bytes: u64,
    counts: Option<Counted>,
    finding: Option<Finding>,
}

#[derive(Clone, Debug, Default)]
struct Counted {
    rows: RowCounts,
    version: String,
    /// Where the engine itself tells it.
    charset: Option<String>,
}

pub(super) async fn drill(run: &mut Run<'_>) -> Result<()> {
    let Some((source, snapshot, manifest)) = run.element(Element::Database)? else { return Ok(()) };
    let began = Instant::now();
    let engine = match (manifest.engine.as_str(), &run.definition.database) {
        ("", Some(address)) => address.engine().to_owned(),
        (named, _) => named.to_owned(),
    };
    let shape = Shape::of(&engine, &manifest.charset, source.size.unsigned_abs());
    run.attempt.phase("Restoring the database into a scratch database", Some(source.size.unsigned_abs())).await?;
    let (repository, id) = (run.repository.clone(), snapshot.clone());
    let totals = run.attempt.blocking(move |watch| repository.prove(&id, watch)).await?;
    let (mut imported, server) = match engine.as_str() {
        "sqlite" => (in_file(run, &snapshot, shape).await?, None),
        _ => on_server(run, &engine, &manifest.charset, &snapshot, shape).await?,
    };
    let files = Pair { expected: source.files.unsigned_abs(), found: totals.files };
    let bytes = Pair { expected: source.size.unsigned_abs(), found: imported.bytes };
    if imported.finding.is_none() && source.problems == "[]" && bytes.found < bytes.expected {
        let message = format!("{} of {} came back", units::size(bytes.found), units::size(bytes.expected));
        imported.finding = Some(Finding { fault: Fault::Truncated, element: Some(Element::Database), message });
    }
    let stored = snapshot.clone();
    run.evidence.elements.push(Compared {
        element: Element::Database,
        snapshot: stored,
        files,
        bytes,
        hashed: totals.files,
        took: millis(began),
    });
    let whole = imported.finding.is_none();
    compare(run, &engine, server, &manifest, imported).await;
    let began = Instant::now();
    if whole {
        sums::compare(run, &engine, &snapshot, &manifest).await?;
    }
    run.looking += millis(began);
    Ok(())
}

async fn compare(run: &mut Run<'_>, engine: &str, server: Option<String>, manifest: &Manifest, imported: Imported) {
    let broken = imported.finding.is_some();
    run.evidence.findings.extend(imported.finding);
    let Some(counted) = imported.counts else { return };
    if let Some(charset) = counted.charset.filter(|c| !manifest.charset.is_empty() && *c != manifest.charset) {
        run.found(Fault::Charset, Some(Element::Database), format!("it is in {charset}, and was in {}", manifest.charset));
    }
    let (tables, findings) = tables(&manifest.rows, &counted.rows);
    let said = format!("{} with {}", units::count(counted.rows.len() as u64, "table"), units::count(counted.rows.values().sum(), "row"));
    run.attempt.info(format!("Imported {said}")).await;
    // A dump that is not whole lacks tables for that reason.
    if !broken {
        run.evidence.findings.extend(findings);
    }
    run.evidence.database =
        Some(Database { engine: engine.to_owned(), server, server_version: counted.version, charset: manifest.charset.clone(), tables });
}

/// Reads the dump through `put`, to its end, and says what is wrong: with the dump by itself, or with its import.
fn feed(
    repository: &Repository,
    snapshot: &str,
    shape: Shape,
    watch: &Watch,
    put: impl FnOnce(&mut Looked) -> Result<Option<Counted>>,
) -> Result<Imported> {
    let mut looked = Looked::new(repository.dump(snapshot, "database".as_ref(), watch)?, shape);
    let done = put(&mut looked);
    if looked.broken.is_none()
        && let Err(e) = &done
        && matches!(e.class(), Class::Cancelled | Class::Fenced | Class::Transient | Class::Resource | Class::Internal)
    {
        return Err(e.clone());
    }
    if looked.broken.is_none() {
        looked.drain();
    }
    if let Some(e) = looked.broken.take() {
        return Err(e.context("reading the database out of the repository"));
    }
    let refused = |e: &Error| Finding { fault: Fault::Refused, element: Some(Element::Database), message: e.sentence() };
    let finding = looked.finding().or_else(|| done.as_ref().err().map(refused));
    Ok(Imported { bytes: looked.bytes, counts: done.ok().flatten(), finding })
}

async fn on_server(run: &mut Run<'_>, engine: &str, charset: &str, snapshot: &str, shape: Shape) -> Result<(Imported, Option<String>)> {
    let found = servers::for_drills(&run.attempt.app, &mut *run.attempt.app.pool.get().await?, engine).await?;
    let (repository, snapshot) = (run.repository.clone(), snapshot.to_owned());
    let Some((server, shown, by)) = found else {
        run.evidence.not_drilled.push(format!(
            "the database was read to its end and not imported: no {engine} server is set aside for drills (add one with `sitekeep server:add --for-drills`)"
        ));
        let read = move |looked: &mut Looked| {
            looked.drain();
            Ok(None)
        };
        return Ok((run.attempt.blocking(move |watch| feed(&repository, &snapshot, shape, watch, read)).await?, None));
    };
    let name = databases::name();
    run.places.database = Some((server, name.clone()));
    scratch::note(run.attempt, &run.tenant(), &run.id(), &run.places).await?;
    let charset = charset.to_owned();
    let access = run.attempt.blocking(move |_| databases::make(&by, &name, &charset)).await?;
    failpoint::hit(format_args!("drill.database.made"))?;
    let (to, ticket) = (access.clone(), run.places.ticket.clone());
    let imported = run.attempt.blocking(move |watch| {
        let put = |looked: &mut Looked| into_database(&to, &ticket, looked, watch).map(Some);
        feed(&repository, &snapshot, shape, watch, put)
    });
    let imported = imported.await?;
    failpoint::hit(format_args!("drill.database.imported"))?;
    run.database = Some(access);
    Ok((imported, Some(shown)))
}

fn into_database(to: &Access, ticket: &str, looked: &mut Looked, watch: &Watch) -> Result<Counted> {
    let site = database(to.clone());
    let staged = Staged { ticket: ticket.to_owned(), means: Means::NewDatabase, address: to.address.clone() };
    site.import(&staged, &to.password, looked, watch)?;
    let version = site.check().map(|facts| facts.server_version).unwrap_or_default();
    Ok(Counted { rows: site.counts()?, version, charset: None })
}

/// Where the file lies in the scratch place until the site is started.
pub(super) fn aside(run: &Run<'_>) -> PathBuf {
    let Some(DatabaseAddress::Sqlite { path }) = &run.definition.database else { return "database/database.sqlite".into() };
    match inside(&run.definition.root, path) {
        Some(relative) => Path::new("nested/-database").join(relative),
        None => Path::new("database").join(path.file_name().unwrap_or_else(|| "database.sqlite".as_ref())),
    }
}

async fn in_file(run: &mut Run<'_>, snapshot: &str, shape: Shape) -> Result<Imported> {
    let (repository, snapshot, scratch) = (run.repository.clone(), snapshot.to_owned(), run.scratch.clone());
    let (aside, ticket) = (aside(run), run.places.ticket.clone());
    let path = scratch.path().join(&aside);
    run.database = Some(Access { address: DatabaseAddress::Sqlite { path }, password: Secret::new("") });
    let imported = run.attempt.blocking(move |watch| {
        let put = |looked: &mut Looked| into_file(&scratch, &aside, &ticket, looked, watch).map(Some);
        feed(&repository, &snapshot, shape, watch, put)
    });
    imported.await
}

fn into_file(scratch: &Arc<Scratch>, aside: &Path, ticket: &str, looked: &mut Looked, watch: &Watch) -> Result<Counted> {
    drop(scratch.dir(aside.parent().unwrap_or(aside))?);
    let site = database(Access { address: DatabaseAddress::Sqlite { path: scratch.path().join(aside) }, password: Secret::new("") });
    let (staged, password) = site.stage(ticket, None)?;
    site.import(&staged, &password, looked, watch)?;
    let rows = site.staged_counts(&staged, &password)?;
    site.switch(&staged)?;
    let facts = site.check()?;
    Ok(Counted { rows, version: facts.server_version, charset: Some(facts.charset) })
}
