//! SQLite: a file of the site's owner.
//!
//! The image is read page by page inside one read transaction, so that no copy is written and the site goes on. A new
//! file is staged beside the live one and exchanged with it by one rename. Every file is opened with the owner's
//! rights and never through a symbolic link: the directory is the owner's, who may put anything there.
//!
//! Chosen tables change places inside the live file, in one transaction: what is written to the others meanwhile stays, and
//! programs that have the file open see them at once.
//!
//! What it cannot do: under a rollback journal a writer waits while the image is read; a program that keeps the old file
//! open across the switch goes on reading it until it is reloaded.

pub(super) mod chosen;
mod image;
mod swap;
#[cfg(test)]
mod tests;

use super::{Database, DumpFacts, Dumping, Facts, Fenced, Form, Means, Scope, Staged};
use crate::base::error::{Class, Context, Error, Result};
use crate::base::identity::Identity;
use crate::base::secret::Secret;
use crate::base::watch::Watch;
use crate::domain::site::DatabaseAddress;
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A SQLite database.
pub struct Sqlite {
    path: PathBuf,
}

/// How long another connection's lock is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

impl Sqlite {
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The owner of the file; of its directory where the file is not there, or where root owns a file in a directory
    /// that is not root's: then somebody may have linked it there.
    fn owner(&self) -> Result<Identity> {
        let of_directory = Identity::of_path(directory(&self.path)?)?;
        match std::fs::symlink_metadata(&self.path) {
            Ok(_) => Identity::of_path(&self.path).map(|who| if who.is_root() { of_directory } else { who }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(of_directory),
            Err(e) => Err(e).context(|| format!("looking at {}", self.path.display())),
        }
    }

    fn with<T>(&self, f: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.owner()?.act(|| {
            let connection = open(&self.path)?;
            f(&connection)
        })
    }

    /// The place of chosen tables, where it is them that are restored.
    fn place_of<'a>(&self, staged: &'a Staged) -> Result<Option<(chosen::Place, &'a [String])>> {
        match &staged.means {
            Means::Tables { tables } => Ok(Some((chosen::Place::of(&self.path, &staged.ticket)?, tables))),
            _ => Ok(None),
        }
    }

    fn staged_path<'a>(&self, staged: &'a Staged) -> Result<(&'a Path, u64)> {
        match &staged.means {
            Means::File { staged: path, inode } if path.parent() == self.path.parent() => Ok((path, *inode)),
            _ => Err(Error::internal("this restore is not a file beside the live database")),
        }
    }
}

fn directory(path: &Path) -> Result<&Path> {
    path.parent().ok_or_else(|| Error::invalid(format!("{} is not the path of a database file", path.display())))
}

/// The file of a ticket beside the live one.
fn beside(live: &Path, ticket: &str, ending: &str) -> Result<PathBuf> {
    if ticket.is_empty() || !ticket.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        return Err(Error::internal(format!("{ticket:?} cannot be a part of a file's name")));
    }
    Ok(directory(live)?.join(format!(".sitekeep-{ticket}{ending}.sqlite")))
}

/// Opens an existing database, for reading and for the locks and recovery that this may need.
fn open(path: &Path) -> Result<Connection> {
    let what = || format!("opening {}", path.display());
    // Addresses are of use to what is attached later; a path that begins with a slash is never taken for one.
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(path, flags).map_err(explain).context(what)?;
    connection.busy_timeout(PATIENCE).map_err(explain)?;
    // Definitions in the file are somebody else's: they may call nothing that has an effect.
    let set = |option, on| connection.set_db_config(option, on).map_err(explain).context(what);
    set(rusqlite::config::DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    set(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // The first read shows whether this is a database at all.
    connection.query_row("select count(*) from sqlite_schema", [], |_| Ok(())).map_err(explain).context(what)?;
    Ok(connection)
}

/// What an error of SQLite means.
fn explain(error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode as C;
    let class = match error.sqlite_error_code() {
        Some(C::DatabaseBusy | C::DatabaseLocked | C::OperationInterrupted) => Class::Transient,
        Some(C::DiskFull | C::OutOfMemory) => Class::Resource,
        Some(C::DatabaseCorrupt | C::NotADatabase) => Class::Damaged,
        _ => Class::Permanent,
    };
    let hint = match error.sqlite_error_code() {
        Some(C::CannotOpen) => "check the path; it must be a file without symbolic links that the site's owner can write",
        Some(C::NotADatabase) => "the file is encrypted or not a SQLite database",
        _ => "",
    };
    let error = Error::new(class, error.to_string());
    if hint.is_empty() { error } else { error.hint(hint) }
}

/// Row counts of all ordinary tables; a virtual table has its rows in ordinary ones, and its module may not be here.
fn count(connection: &Connection) -> Result<BTreeMap<String, u64>> {
    let names: Vec<String> = connection
        .prepare(
            "select name from sqlite_schema where type='table' and name not like 'sqlite\\_%' escape '\\' and rootpage > 0 order by name",
        )
        .and_then(|mut s| s.query_map([], |row| row.get(0))?.collect())
        .map_err(explain)?;
    let transaction = connection.unchecked_transaction().map_err(explain)?;
    let mut counts = BTreeMap::new();
    for name in names.into_iter().filter(|name| !chosen::is_mark(name)) {
        let sql = format!("select count(*) from \"{}\"", name.replace('"', "\"\""));
        let rows: i64 = transaction.query_row(&sql, [], |row| row.get(0)).map_err(explain).context(|| format!("counting {name}"))?;
        counts.insert(name, rows.unsigned_abs());
    }
    Ok(counts)
}

impl Database for Sqlite {
    fn check(&self) -> Result<Facts> {
        self.with(|connection| {
            let ask = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).map_err(explain);
            let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(explain);
            let mut warnings = Vec::new();
            if ask("pragma journal_mode")? != "wal" {
                warnings.push("the site waits with writing while its database is read: set `journal_mode=wal` to avoid that".to_owned());
            }
            Ok(Facts {
                server_version: rusqlite::version().to_owned(),
                tool: format!("SQLite {}", rusqlite::version()),
                charset: ask("pragma encoding")?,
                inexact_columns: Vec::new(),
                settings: BTreeMap::new(),
                size_hint: number("pragma page_count")?.unsigned_abs() * number("pragma page_size")?.unsigned_abs(),
                warnings,
            })
        })
    }

    /// The whole file always: it has no tables that could stay behind.
    fn dump(&self, _: &Scope) -> Result<Dumping> {
        let who = self.owner()?;
        let (reader, size, tables) = who.clone().act(|| {
            let connection = open(&self.path)?;
            let tables = count_tables(&connection)?;
            let (reader, size) = image::Reader::start(connection, who)?;
            Ok::<_, Error>((reader, size, tables))
        })?;
        let progress: Arc<Mutex<image::Progress>> = reader.progress();
        let finish = move || {
            let progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
            match &progress.failure {
                Some(error) => Err(error.clone()),
                None if progress.bytes != size => {
                    Err(Error::transient(format!("the database image has {} of {size} bytes", progress.bytes)))
                }
                None => Ok(DumpFacts { bytes: size, tables, ..DumpFacts::default() }),
            }
        };
        Ok(Dumping { form: Form::Image { size }, reader: Box::new(reader), finish: Box::new(finish) })
    }

    fn counts(&self) -> Result<BTreeMap<String, u64>> {
        self.with(count)
    }

    fn stage(&self, ticket: &str, _: Option<&super::Access>) -> Result<(Staged, Secret)> {
        let path = beside(&self.path, ticket, "")?;
        let inode = self.owner()?.act(|| swap::make(&path, &self.path))?;
        let address = DatabaseAddress::Sqlite { path: self.path.clone() };
        Ok((Staged { ticket: ticket.to_owned(), means: Means::File { staged: path, inode }, address }, Secret::new("")))
    }

    fn check_tables(&self, tables: &[String]) -> Result<()> {
        self.with(|connection| chosen::check(connection, tables))
    }

    fn stage_tables(&self, ticket: &str, tables: &[String]) -> Result<Staged> {
        self.check_tables(tables)?;
        let place = chosen::Place::of(&self.path, ticket)?;
        self.owner()?.act(|| place.make(&self.path))?;
        let address = DatabaseAddress::Sqlite { path: self.path.clone() };
        Ok(Staged { ticket: ticket.to_owned(), means: Means::Tables { tables: tables.to_vec() }, address })
    }

    fn import(&self, staged: &Staged, _: &Secret, dump: &mut dyn Read, watch: &Watch) -> Result<()> {
        if let Some((place, tables)) = self.place_of(staged)? {
            let who = self.owner()?;
            let file = who.act(|| place.writable())?;
            image::write(file, dump, watch)?;
            return who.act(|| place.prove(tables));
        }
        let (path, inode) = self.staged_path(staged)?;
        let who = self.owner()?;
        let file = who.act(|| swap::writable(path, inode))?;
        // The source is read with our own rights: only what touches the site's files borrows the owner's.
        image::write(file, dump, watch)?;
        who.act(|| image::prove(path))
    }

    fn staged_counts(&self, staged: &Staged, _: &Secret) -> Result<BTreeMap<String, u64>> {
        if let Some((place, tables)) = self.place_of(staged)? {
            let mut counts = self.owner()?.act(|| count(&image::open_still(&place.coming)?))?;
            counts.retain(|table, _| tables.contains(table));
            return Ok(counts);
        }
        let (path, inode) = self.staged_path(staged)?;
        self.owner()?.act(|| {
            // After the switch the staged file stands at the live path.
            if swap::inode(path)? == Some(inode) { count(&image::open_still(path)?) } else { count(&open(&self.path)?) }
        })
    }

    fn switch(&self, staged: &Staged) -> Result<()> {
        if let Some((place, tables)) = self.place_of(staged)? {
            return self.owner()?.act(|| place.switch(&self.path, tables));
        }
        let (path, inode) = self.staged_path(staged)?;
        self.owner()?.act(|| {
            if swap::inode(&self.path)? == Some(inode) { swap::sync_directory(path) } else { swap::exchange(&self.path, path, inode) }
        })
    }

    fn switch_back(&self, staged: &Staged) -> Result<()> {
        if let Some((place, tables)) = self.place_of(staged)? {
            return self.owner()?.act(|| place.switch_back(&self.path, tables));
        }
        let (path, inode) = self.staged_path(staged)?;
        self.owner()?.act(|| match (swap::inode(&self.path)?, swap::inode(path)?) {
            (Some(live), _) if live != inode => Ok(()),
            (Some(_), Some(aside)) => swap::exchange(&self.path, path, aside),
            // There was no live file before: the way back is that there is none again.
            (Some(_), None) => swap::take_away(&self.path, path),
            (None, _) => Ok(()),
        })
    }

    fn is_switched(&self, staged: &Staged) -> Result<bool> {
        if let Some((place, _)) = self.place_of(staged)? {
            return self.with(|connection| place.is_switched(connection));
        }
        let (_, inode) = self.staged_path(staged)?;
        self.owner()?.act(|| Ok(swap::inode(&self.path)? == Some(inode)))
    }

    /// Nobody can be kept away from a file that he owns; what can be told is whether somebody has it open.
    fn fence(&self, _: Option<&super::Access>) -> Result<Fenced> {
        let alone = self.with(|connection| Ok(swap::lock_alone(connection, Duration::from_millis(200)).is_ok()))?;
        let note = if alone {
            "no program has the database file open"
        } else {
            "a program has the database file open: reload the site's programs"
        };
        Ok(Fenced { complete: alone, note: note.to_owned() })
    }

    fn unfence(&self, _: Option<&super::Access>) -> Result<()> {
        Ok(())
    }

    fn discard(&self, staged: &Staged, _: Option<&super::Access>) -> Result<()> {
        if let Some((place, _)) = self.place_of(staged)? {
            return self.owner()?.act(|| place.discard(&self.path));
        }
        let (path, _) = self.staged_path(staged)?;
        self.owner()?.act(|| swap::remove(path))
    }
}

fn count_tables(connection: &Connection) -> Result<u64> {
    let sql = "select count(*) from sqlite_schema where type='table'";
    connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs).map_err(explain)
}
