//! Chosen tables inside the live file: with their rows, indexes, triggers and next numbers, in one transaction.
//!
//! Beside the live file lie two others: the backup, and what was put aside. While our connection holds the lock of writers
//! a second one copies what is live into the one that keeps, to the disk; then the first brings the tables of the other
//! and commits. A mark in the live file, an empty table, comes and goes with the same commit: it alone says on which
//! side the database is. All of this runs with the owner's rights.

use super::swap::{self, remove};
use super::{Connection, Context, Error, OpenFlags, PATIENCE, Result, explain, image, open};
use crate::base::error::Class;
use crate::hosting::database::short;
use rusqlite::{OptionalExtension, params};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The place of one ticket.
pub struct Place {
    /// The backup; after an undo, what was restored.
    pub coming: PathBuf,
    aside: PathBuf,
    mark: String,
}

/// Is it the table by which a restore of chosen tables is known, and no table of the site?
pub fn is_mark(table: &str) -> bool {
    let ticket = table.strip_prefix("sk").and_then(|rest| rest.strip_suffix("_0"));
    ticket.is_some_and(|t| t.len() == 8 && t.chars().all(|c| c.is_ascii_digit() || (c.is_ascii_lowercase() && !"ilou".contains(c))))
}

/// The files that a ticket has beside the live one.
pub fn files(live: &Path, ticket: &str) -> Vec<PathBuf> {
    Place::of(live, ticket).map(|p| vec![p.coming, p.aside]).unwrap_or_default()
}

/// # Errors
/// `Invalid` for what is no plain table.
pub fn check(live: &Connection, tables: &[String]) -> Result<()> {
    tables.iter().try_for_each(|table| plain(live, "main", table))
}

fn plain(connection: &Connection, schema: &str, table: &str) -> Result<()> {
    let kind: Option<String> = connection
        .query_row("select type from pragma_table_list where schema = ?1 and name = ?2", [schema, table], |row| row.get(0))
        .optional()
        .map_err(explain)?;
    match kind.as_deref() {
        None | Some("table") => Ok(()),
        Some("shadow") => Err(Error::invalid(format!("the table {table} is the inside of another one")).hint("restore the whole database")),
        Some(kind) => Err(Error::invalid(format!("{table} is a {kind}, and no plain table")).hint("restore the whole database")),
    }
}

impl Place {
    pub fn of(live: &Path, ticket: &str) -> Result<Self> {
        let (coming, aside) = (super::beside(live, ticket, "")?, super::beside(live, ticket, "-aside")?);
        Ok(Self { coming, aside, mark: format!("sk{}_0", short(ticket)) })
    }

    /// Two empty files; what the ticket left is dropped.
    pub fn make(&self, live: &Path) -> Result<()> {
        if self.is_switched(&open(live)?)? {
            return Err(Error::conflict("the tables of this restore are live already").hint("undo the restore first"));
        }
        swap::make(&self.coming, live)?;
        swap::make(&self.aside, live).map(drop)
    }

    pub fn writable(&self) -> Result<File> {
        let there = swap::inode(&self.coming)?.ok_or_else(|| Error::conflict("the file that was staged is gone"))?;
        swap::writable(&self.coming, there)
    }

    /// A whole and sound database in which the chosen tables are plain ones; from now on without a log beside it.
    pub fn prove(&self, tables: &[String]) -> Result<()> {
        image::prove(&self.coming)?;
        let connection = open(&self.coming)?;
        connection.query_row("pragma journal_mode=delete", [], |_| Ok(())).map_err(explain)?;
        tables.iter().try_for_each(|table| plain(&connection, "main", table)).map_err(|e| e.with_class(Class::Permanent))
    }

    pub fn is_switched(&self, connection: &Connection) -> Result<bool> {
        let sql = "select count(*) from main.sqlite_schema where type='table' and name=?1";
        connection.query_row(sql, [&self.mark], |row| row.get::<_, i64>(0)).map(|n| n > 0).map_err(explain)
    }

    pub fn switch(&self, live: &Path, tables: &[String]) -> Result<()> {
        self.exchange(live, tables, true)
    }

    pub fn switch_back(&self, live: &Path, tables: &[String]) -> Result<()> {
        self.exchange(live, tables, false)
    }

    fn exchange(&self, live: &Path, tables: &[String], forward: bool) -> Result<()> {
        let connection = open(live)?;
        if self.is_switched(&connection)? == forward {
            return Ok(());
        }
        let (coming, kept) = if forward { (&self.coming, &self.aside) } else { (&self.aside, &self.coming) };
        attach(&connection, &image::uri(coming))?;
        connection.execute_batch("pragma foreign_keys=off; pragma ignore_check_constraints=on; begin immediate").map_err(explain)?;
        if self.is_switched(&connection)? == forward {
            return Ok(());
        }
        // Nobody writes from here on, so that what is kept is what is replaced.
        keep(live, kept, tables)?;
        let before = (dangling(&connection), broken_views(&connection)?);
        tables.iter().try_for_each(|table| bring(&connection, table))?;
        if forward {
            refuse_dangling(before.0, dangling(&connection))?;
            refuse_broken(&before.1, &broken_views(&connection)?)?;
        }
        let mark = if forward { "create table main.{} (x)" } else { "drop table main.{}" };
        connection.execute_batch(&format!("{}; commit", mark.replace("{}", &quoted(&self.mark)))).map_err(explain)?;
        swap::sync_directory(live)
    }

    /// What is not live goes, and the mark with it.
    pub fn discard(&self, live: &Path) -> Result<()> {
        if swap::inode(live)?.is_some() {
            let connection = open(live)?;
            if self.is_switched(&connection)? {
                connection.execute_batch(&format!("drop table if exists main.{}", quoted(&self.mark))).map_err(explain)?;
            }
        }
        remove(&self.coming)?;
        remove(&self.aside)
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn attach(connection: &Connection, what: &Path) -> Result<()> {
    let path = what.to_str().ok_or_else(|| Error::permanent("the path of the database is no text"))?;
    connection
        .execute("attach database ?1 as coming", [path])
        .map(drop)
        .map_err(explain)
        .context(|| "opening what lies beside the database")
}

/// Copies what is live of these tables into the file that keeps it, to the disk.
fn keep(live: &Path, kept: &Path, tables: &[String]) -> Result<()> {
    let what = || format!("keeping the live tables in {}", kept.display());
    let encoding: String = open(live)?.query_row("pragma encoding", [], |row| row.get(0)).map_err(explain).context(what)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(kept, flags).map_err(explain).context(what)?;
    connection.busy_timeout(PATIENCE).map_err(explain)?;
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false).map_err(explain)?;
    // Heard only while the file is empty.
    connection.execute_batch(&format!("pragma encoding='{}'; pragma synchronous=full", encoding.replace('\'', ""))).map_err(explain)?;
    attach(&connection, live)?;
    connection.execute_batch("pragma foreign_keys=off; pragma ignore_check_constraints=on; begin").map_err(explain)?;
    tables.iter().try_for_each(|table| bring(&connection, table)).context(what)?;
    connection.execute_batch("commit").map_err(explain).context(what)
}

/// The table as it is in `coming`, or none where that has none.
fn bring(connection: &Connection, table: &str) -> Result<()> {
    let what = || format!("bringing the table {table}");
    plain(connection, "main", table)?;
    connection.execute_batch(&format!("drop table if exists main.{}", quoted(table))).map_err(explain).context(what)?;
    let made = "select sql from coming.sqlite_schema where type='table' and name=?1";
    let made: Option<String> = connection.query_row(made, [table], |row| row.get(0)).optional().map_err(explain).context(what)?;
    let Some(made) = made else { return Ok(()) };
    define(connection, &made).context(what)?;
    copy_rows(connection, table).context(what)?;
    let others =
        "select sql from coming.sqlite_schema where tbl_name=?1 and type in ('index', 'trigger') and sql is not null order by rowid";
    let others: Vec<String> =
        connection.prepare(others).and_then(|mut s| s.query_map([table], |row| row.get(0))?.collect()).map_err(explain).context(what)?;
    others.iter().try_for_each(|sql| define(connection, sql)).context(what)?;
    next_number(connection, table).context(what)
}

/// A definition as SQLite keeps it; it says nothing of the file that it came from.
fn define(connection: &Connection, sql: &str) -> Result<()> {
    let known = ["CREATE TABLE ", "CREATE INDEX ", "CREATE UNIQUE INDEX ", "CREATE TRIGGER "];
    if !known.iter().any(|start| sql.get(..start.len()).is_some_and(|s| s.eq_ignore_ascii_case(start))) {
        return Err(
            Error::permanent("the backup holds a definition that cannot be brought back by itself").hint("restore the whole database")
        );
    }
    connection.execute(sql, params![]).map(drop).map_err(explain)
}

/// Every row under its own number, also where no column shows that.
fn copy_rows(connection: &Connection, table: &str) -> Result<()> {
    let columns: Vec<(String, String, i64)> = connection
        .prepare("select name, type, pk from pragma_table_xinfo(?1, 'coming') where hidden = 0 order by cid")
        .and_then(|mut s| s.query_map([table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect())
        .map_err(explain)?;
    let without: bool = connection
        .query_row("select wr from pragma_table_list where schema='coming' and name=?1", [table], |row| row.get(0))
        .map_err(explain)?;
    let is_number = columns.iter().any(|(_, kind, pk)| *pk > 0 && kind.eq_ignore_ascii_case("integer"));
    let free = ["rowid", "_rowid_", "oid"].into_iter().find(|w| !columns.iter().any(|(name, ..)| name.eq_ignore_ascii_case(w)));
    let number = free.filter(|_| !without && !is_number).map(str::to_owned);
    let list: Vec<String> = number.into_iter().chain(columns.iter().map(|(name, ..)| quoted(name))).collect();
    let (list, name) = (list.join(", "), quoted(table));
    connection.execute(&format!("insert into main.{name} ({list}) select {list} from coming.{name}"), []).map(drop).map_err(explain)
}

/// What the next row is numbered by, and what the planner knows.
fn next_number(connection: &Connection, table: &str) -> Result<()> {
    for (system, column) in [("sqlite_sequence", "name"), ("sqlite_stat1", "tbl")] {
        let sql = "select count(*) from (select 1 from main.sqlite_schema where name=?1 union all select 1 from coming.sqlite_schema where name=?1)";
        let there: i64 = connection.query_row(sql, [system], |row| row.get(0)).map_err(explain)?;
        if there == 2 {
            let sql = [
                format!("delete from main.{system} where {column}=?1"),
                format!("insert into main.{system} select * from coming.{system} where {column}=?1"),
            ];
            sql.iter().try_for_each(|sql| connection.execute(sql, [table]).map(drop)).map_err(explain)?;
        }
    }
    Ok(())
}

/// Rows that refer to one that is not there: how many, by table and the table that they refer to. `None`: it cannot be told.
fn dangling(connection: &Connection) -> Option<BTreeMap<(String, String), u64>> {
    let mut counts = BTreeMap::new();
    let mut statement = connection.prepare("pragma main.foreign_key_check").ok()?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(2)?))).ok()?;
    for row in rows {
        *counts.entry(row.ok()?).or_insert(0) += 1;
    }
    Some(counts)
}

fn refuse_dangling(before: Option<BTreeMap<(String, String), u64>>, after: Option<BTreeMap<(String, String), u64>>) -> Result<()> {
    let (Some(before), after) = (before, after) else { return Ok(()) };
    let after = after.ok_or_else(|| Error::permanent("a foreign key would refer to a table or column that is not there").hint(HINT))?;
    match after.iter().find(|(key, n)| before.get(*key).copied().unwrap_or(0) < **n) {
        Some(((from, to), n)) => {
            let rows = crate::base::units::count(*n, "row");
            Err(Error::permanent(format!("{rows} of the table {from} would refer to rows of the table {to} that are not there"))
                .hint(format!("choose {from} and {to} together, or restore the whole database")))
        }
        None => Ok(()),
    }
}

const HINT: &str = "choose the tables that belong together, or restore the whole database";

fn broken_views(connection: &Connection) -> Result<Vec<String>> {
    let sql = "select name from main.sqlite_schema where type='view'";
    let mut views: Vec<String> = connection.prepare(sql).and_then(|mut s| s.query_map([], |row| row.get(0))?.collect()).map_err(explain)?;
    views.retain(|view| connection.prepare(&format!("select * from main.{} limit 0", quoted(view))).is_err());
    Ok(views)
}

fn refuse_broken(before: &[String], after: &[String]) -> Result<()> {
    match after.iter().find(|view| !before.contains(view)) {
        Some(view) => Err(Error::permanent(format!("the view {view} needs something that the restored tables do not have")).hint(HINT)),
        None => Ok(()),
    }
}
