//! Where rows go in bulk: one transaction of prepared inserts, or `copy`. References are not looked at, which is what makes
//! it quick: the rows are made to fit.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

#[derive(Clone, Debug)]
pub enum Cell {
    Text(String),
    Number(i64),
    Null,
}

impl From<Option<i64>> for Cell {
    fn from(value: Option<i64>) -> Self {
        value.map_or(Self::Null, Self::Number)
    }
}

pub trait Sink {
    /// `columns` are separated by spaces.
    fn table(&mut self, name: &str, columns: &str, rows: &mut dyn Iterator<Item = Vec<Cell>>);
    /// Statements after the rows.
    fn finish(&mut self, sql: &str);
}

pub struct Sqlite(rusqlite::Connection);

impl Sqlite {
    pub fn open(catalogue: &Path) -> Self {
        let conn = rusqlite::Connection::open(catalogue).expect("the catalogue opens");
        let quick = "pragma locking_mode = exclusive; pragma journal_mode = off; pragma synchronous = off; pragma foreign_keys = off; \
                     pragma cache_size = -600000;";
        conn.execute_batch(quick).expect("the catalogue is ours alone");
        Self(conn)
    }
}

impl rusqlite::ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        match self {
            Self::Text(text) => text.to_sql(),
            Self::Number(number) => number.to_sql(),
            Self::Null => Ok(rusqlite::types::ToSqlOutput::Owned(rusqlite::types::Value::Null)),
        }
    }
}

impl Sink for Sqlite {
    fn table(&mut self, name: &str, columns: &str, rows: &mut dyn Iterator<Item = Vec<Cell>>) {
        let columns: Vec<&str> = columns.split_whitespace().collect();
        let holders = vec!["?"; columns.len()].join(", ");
        let tx = self.0.transaction().expect("a transaction begins");
        {
            let sql = format!("insert into {name} ({}) values ({holders})", columns.join(", "));
            let mut insert = tx.prepare(&sql).unwrap_or_else(|e| panic!("{name}: {e}"));
            for row in rows {
                insert.execute(rusqlite::params_from_iter(row)).unwrap_or_else(|e| panic!("{name}: {e}"));
            }
        }
        tx.commit().expect("the rows are kept");
    }

    fn finish(&mut self, sql: &str) {
        self.0.execute_batch(sql).expect("it is SQL");
        self.0.execute_batch("pragma journal_mode = wal").expect("the catalogue is as the product keeps it");
    }
}

pub struct Postgres<'a>(pub &'a dyn Fn() -> Command);

impl Postgres<'_> {
    fn feed(&self, sql: Option<&str>, write: impl FnOnce(&mut dyn Write)) {
        let mut command = (self.0)();
        command.env("PGOPTIONS", "-c session_replication_role=replica -c client_min_messages=warning -c maintenance_work_mem=512MB");
        command.args(sql.map(|sql| ["-c", sql]).into_iter().flatten());
        let mut child = command.stdin(Stdio::piped()).spawn().expect("psql starts");
        let mut pipe = BufWriter::with_capacity(1 << 20, child.stdin.take().expect("its input is a pipe"));
        write(&mut pipe);
        pipe.flush().expect("psql reads");
        drop(pipe);
        assert!(child.wait().expect("psql ends").success(), "the rows were refused");
    }
}

impl Sink for Postgres<'_> {
    fn table(&mut self, name: &str, columns: &str, rows: &mut dyn Iterator<Item = Vec<Cell>>) {
        let columns: Vec<&str> = columns.split_whitespace().collect();
        let sql = format!("copy {name} ({}) from stdin with (format csv)", columns.join(", "));
        self.feed(Some(&sql), |pipe| {
            for row in rows {
                let cells: Vec<String> = row.iter().map(csv).collect();
                writeln!(pipe, "{}", cells.join(",")).expect("psql reads");
            }
        });
    }

    fn finish(&mut self, sql: &str) {
        self.feed(None, |pipe| write!(pipe, "{sql}\nvacuum analyze;\ncheckpoint;\n").expect("psql reads"));
    }
}

/// What is not quoted and empty is null.
fn csv(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => format!("\"{}\"", text.replace('"', "\"\"")),
        Cell::Number(number) => number.to_string(),
        Cell::Null => String::new(),
    }
}
