//! A lost catalogue, made again in an empty one: from the newest copy that can be read, and from the repositories themselves.
//! Until it is whole it is marked, nothing else works with it, and another try begins from the start.

use super::lines::{self, Line};
use super::{NAME, found, place, recovery_key};
use crate::app::{App, servers};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::secret::Secret;
use crate::base::sql::Tx;
use crate::base::watch::Watch;
use crate::db;
use crate::db::activity::Act;
use crate::db::copy::Table;
use crate::domain::ids::CopyId;
use crate::engine::{Repository, SnapshotInfo};
use std::io::{BufRead, BufReader};
use std::path::Path;
use tokio::sync::mpsc;

const WHY: &str = "the catalogue was lost and made again from a copy in which this had not ended";
const HINT: &str = "look at the site, and begin it again if it is still wanted";

/// What came of it.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// When the copy was made from which most of it comes.
    pub copy: Option<String>,
    pub sites: usize,
    pub backups: usize,
    /// Repositories that could not be read, and why.
    pub unreadable: Vec<String>,
}

/// Was a catalogue begun to be made again, and not ended?
pub async fn is_unfinished(app: &App) -> Result<bool> {
    Ok(db::copy::is_begun(&db::copy::tables(&mut *app.pool.get().await?, app.pool.kind()).await?))
}

/// Makes the catalogue again. `keys` are recovery keys of sites, for where there is no copy; `tell` hears how it goes.
///
/// # Errors
/// `Conflict` when the catalogue is not empty; `NotFound` when there is nothing to make it from. Nothing was changed then.
pub async fn rebuild(app: &App, keys: &[Secret], tell: &mut (dyn FnMut(String) + Send)) -> Result<Rebuilt> {
    let kind = app.pool.kind();
    let mut conn = app.pool.get().await?;
    let tables = db::copy::tables(&mut conn, kind).await?;
    if !db::copy::is_begun(&tables) && db::copy::is_used(&mut conn, &tables).await? {
        return Err(Error::conflict("the catalogue is not empty")
            .hint("it is made again in an empty one alone: name a new file or database in SITEKEEP_DATABASE_URL"));
    }
    let copies = copies(app, tell).await;
    if copies.is_none() && keys.is_empty() {
        return Err(Error::not_found("there is no copy of the catalogue that can be read, and no recovery key was given")
            .hint("put back master.key and the folder of repositories, or name a folder with the recovery keys of the sites by --keys"));
    }
    let now = app.pool.now().await?;
    db::copy::mark(&mut conn, now).await?;
    drop(conn);
    let mut rebuilt = Rebuilt::default();
    if let Some((repository, snapshots)) = copies {
        rebuilt.copy = newest_readable(app, &repository, snapshots, tell).await?;
    }
    if rebuilt.copy.is_none() {
        raze(app).await?;
        if keys.is_empty() {
            return Err(
                Error::damaged("no copy of the catalogue can be read").hint("name a folder with the recovery keys of the sites by --keys")
            );
        }
    }
    app.pool.migrate().await?;
    match rebuilt.copy {
        Some(_) => found::beside_the_copy(app, &mut rebuilt, tell).await?,
        None => found::alone(app, keys, &mut rebuilt, tell).await?,
    }
    end(app, &rebuilt).await?;
    Ok(rebuilt)
}

/// All copies, newest first; none where their repository cannot be read.
async fn copies(app: &App, tell: &mut (dyn FnMut(String) + Send)) -> Option<(Repository, Vec<SnapshotInfo>)> {
    let (at, key) = (place(app), recovery_key(app));
    let read = servers::blocking(move || {
        let (repository, _) = Repository::open_with_password(&at, &key)?;
        let mut snapshots = repository.snapshots()?;
        snapshots.retain(|s| s.tags.iter().any(|t| t == NAME));
        snapshots.reverse();
        Ok((repository, snapshots))
    });
    match read.await {
        Ok((_, snapshots)) if snapshots.is_empty() => None,
        Ok(found) => Some(found),
        Err(e) => {
            tell(format!("No copy of the catalogue: {}", e.sentence()));
            None
        }
    }
}

/// Loads the newest copy that can be loaded; when it was made.
async fn newest_readable(
    app: &App,
    repository: &Repository,
    snapshots: Vec<SnapshotInfo>,
    tell: &mut (dyn FnMut(String) + Send),
) -> Result<Option<String>> {
    for snapshot in snapshots {
        raze(app).await?;
        match load(app, repository, &snapshot).await {
            Ok(made) => {
                tell(format!("From the copy of {made}"));
                return Ok(Some(made));
            }
            Err(e) => tell(format!("The copy of {} cannot be read: {}", snapshot.time.iso(), e.sentence())),
        }
    }
    Ok(None)
}

async fn raze(app: &App) -> Result<()> {
    let mut conn = app.pool.get().await?;
    let tables = db::copy::tables(&mut conn, app.pool.kind()).await?;
    db::copy::raze(&mut conn, app.pool.kind(), &tables).await
}

/// All of a copy in one transaction, in the schema that it was made in; when it was made.
async fn load(app: &App, repository: &Repository, snapshot: &SnapshotInfo) -> Result<String> {
    let mut lines = read(repository.clone(), snapshot.id.clone());
    let Some(Line::Head { format: lines::FORMAT, schema, made }) = next(&mut lines).await? else {
        return Err(Error::permanent("the copy of the catalogue is written in a form that this program does not know"));
    };
    app.pool.migrate_to(schema).await?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    db::copy::loosen(&mut tx, app.pool.kind()).await?;
    fill(app, &mut tx, &mut lines).await?;
    db::copy::settle(&mut tx, now, WHY, HINT).await?;
    db::copy::tighten(&mut tx, app.pool.kind()).await?;
    tx.commit().await?;
    Ok(made)
}

async fn fill(app: &App, tx: &mut Tx, lines: &mut mpsc::Receiver<Result<String>>) -> Result<()> {
    let known = db::copy::tables(tx, app.pool.kind()).await?;
    let (mut table, mut rows) = (None, 0);
    while let Some(line) = next(lines).await? {
        match (line, &table) {
            (Line::Table { name, columns }, _) => {
                let next = of_copy(&known, &name, &columns)?;
                db::copy::clear(tx, &next).await?;
                table = Some(next);
            }
            (Line::Row(row), Some(table)) => {
                db::copy::put(tx, table, row).await?;
                rows += 1;
            }
            (Line::End(all), _) if all == rows => return Ok(()),
            _ => return Err(Error::damaged("the copy of the catalogue is not in order")),
        }
    }
    Err(Error::damaged("the copy of the catalogue has no end"))
}

/// A table with the columns that the copy has of it.
fn of_copy(known: &[Table], name: &str, columns: &[String]) -> Result<Table> {
    let table = known.iter().find(|t| t.name == name);
    let column = |c: &String| table?.columns.iter().find(|(known, _)| known == c).cloned();
    let columns: Option<Vec<_>> = columns.iter().map(column).collect();
    columns
        .map(|columns| Table { name: name.to_owned(), columns })
        .ok_or_else(|| Error::damaged(format!("the copy of the catalogue has a table {name:?} that its schema does not have in this form")))
}

/// The lines of a copy, read ahead on a thread of its own.
fn read(repository: Repository, snapshot: String) -> mpsc::Receiver<Result<String>> {
    let (send, lines) = mpsc::channel(256);
    tokio::task::spawn_blocking(move || {
        let opened = repository.dump(&snapshot, Path::new(NAME), &Watch::new());
        match opened {
            Err(e) => drop(send.blocking_send(Err(e))),
            Ok(reader) => {
                for line in BufReader::new(reader).lines() {
                    if send.blocking_send(line.map_err(Error::from)).is_err() {
                        break;
                    }
                }
            }
        }
    });
    lines
}

async fn next(lines: &mut mpsc::Receiver<Result<String>>) -> Result<Option<Line>> {
    lines.recv().await.transpose()?.map(|line| lines::parse(&line)).transpose()
}

/// Everything is there: it is noted, and the mark goes.
async fn end(app: &App, rebuilt: &Rebuilt) -> Result<()> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    db::environments::refresh_all(&mut tx).await?;
    let detail = match &rebuilt.copy {
        Some(made) => format!("from the copy of {made}, and {} more backups", rebuilt.backups),
        None => format!("{} sites and {} backups from their repositories alone", rebuilt.sites, rebuilt.backups),
    };
    let act = Act {
        tenant: None,
        account: None,
        actor: "administrator of the machine",
        action: "catalogue.rebuild",
        object: "catalogue",
        detail: &detail,
        address: "",
    };
    db::activity::record(&mut tx, now, &act).await?;
    db::copy::unmark(&mut tx).await?;
    tx.commit().await?;
    adopt_copies(app, now).await;
    Ok(())
}

/// The copies that lie in the repository are known again, so that the oldest of them go in their time.
async fn adopt_copies(app: &App, now: Millis) {
    let Some((_, snapshots)) = copies(app, &mut |_| ()).await else { return };
    let noted = async {
        let mut tx = app.pool.begin().await?;
        for s in snapshots {
            let id = CopyId::fresh();
            db::copies::begin(&mut tx, s.time, &id).await?;
            db::copies::ended(&mut tx, now, &id, &s.id, (0, s.bytes.cast_signed(), s.stored.cast_signed())).await?;
        }
        tx.commit().await?;
        Ok::<(), Error>(())
    };
    if let Err(e) = noted.await {
        tracing::warn!("the copies of the catalogue are not known again: {e}");
    }
}
