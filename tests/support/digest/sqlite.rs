//! A SQLite database: the schema's text, and every row with the type of each value.

use super::{Digest, hash};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// # Panics
/// When the file is not a sound database.
pub fn sqlite(file: &Path) -> Digest {
    let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a SQLite file can be opened");
    let check: String = db.query_row("pragma integrity_check", [], |r| r.get(0)).expect("the check runs");
    assert_eq!(check, "ok", "{} is damaged", file.display());
    let mut digest = Digest::default();
    let version: i64 = db.query_row("pragma user_version", [], |r| r.get(0)).expect("a pragma answers");
    digest.insert("user version", version.to_string());
    let mut objects = db.prepare("select type, name, coalesce(sql, '') from sqlite_schema order by 1, 2").expect("the schema can be read");
    let objects: Vec<(String, String, String)> = objects
        .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
        .expect("the schema can be read")
        .collect::<Result<_, _>>()
        .expect("the schema can be read");
    for (kind, name, sql) in objects {
        let rows = if kind == "table" { rows(&db, &name) } else { String::new() };
        digest.insert(format!("{kind} {name}"), format!("{rows}definition {}", hash(sql.as_bytes())));
    }
    digest
}

fn rows(db: &Connection, table: &str) -> String {
    let mut query = db.prepare(&format!("select * from \"{}\"", table.replace('"', "\"\""))).expect("a table can be read");
    let columns = query.column_count();
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut found = query.query([]).expect("a table can be read");
    while let Some(row) = found.next().expect("a table can be read to its end") {
        let mut line = Vec::new();
        for i in 0..columns {
            match row.get_ref(i).expect("the column is there") {
                ValueRef::Null => line.extend(b"n"),
                ValueRef::Integer(v) => line.extend(format!("i{v}").bytes()),
                ValueRef::Real(v) => line.extend(format!("r{:016x}", v.to_bits()).bytes()),
                ValueRef::Text(v) => line.extend([b"t", v].concat()),
                ValueRef::Blob(v) => line.extend([b"b", v].concat()),
            }
            line.push(0);
        }
        lines.push(line);
    }
    lines.sort();
    format!("{} rows, content {}, ", lines.len(), hash(&lines.join(&b'\n')))
}
