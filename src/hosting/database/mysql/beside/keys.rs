//! The names of foreign keys: a database may have each only once, so that staged tables have theirs under other names
//! until the live tables have given them up.
//!
//! Keys that the server named itself (`<table>_ibfk_1`) follow their table when it is renamed, and are not looked at.

use super::super::session::{SHORT, Session, name, unhex};
use super::super::tokens::{Token, Tokens};
use super::notes::{Notes, Side};
use super::{Names, under};
use crate::base::error::{Error, Result};
use std::collections::BTreeSet;

/// After the renaming: the old tables give their keys' names up, the new ones take theirs.
pub fn forth(live: &Session, names: &Names, notes: &Notes) -> Result<()> {
    let mut changes = Vec::new();
    for (table, key) in notes.keys(live, Side::Old)? {
        changes.push((under(&names.aside, &table), key.clone(), under(&names.aside, &key)));
    }
    for (table, key) in notes.keys(live, Side::New)? {
        changes.push((table, under(&names.staged, &key), key));
    }
    change(live, changes)
}

/// After the renaming back: the other way round.
pub fn back(live: &Session, names: &Names, notes: &Notes) -> Result<()> {
    let mut changes = Vec::new();
    for (table, key) in notes.keys(live, Side::New)? {
        changes.push((under(&names.staged, &table), key.clone(), under(&names.staged, &key)));
    }
    for (table, key) in notes.keys(live, Side::Old)? {
        changes.push((table, under(&names.aside, &key), key));
    }
    change(live, changes)
}

/// Gives keys other names where they still have the first one: `(table, from, to)`.
fn change(live: &Session, changes: Vec<(String, String, String)>) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let rows = live.ask(
        "select hex(table_name), hex(constraint_name) from information_schema.table_constraints \
         where constraint_schema=database() and constraint_type='FOREIGN KEY';",
        None,
    )?;
    let there: BTreeSet<(String, String)> = rows.iter().map(|r| (unhex(&r[0]), unhex(&r[1]))).collect();
    for (table, from, to) in changes {
        if there.contains(&(table.clone(), from.clone())) {
            let definition = definition(live, &table, &from)?;
            // Without checks the key is exchanged in place: no row is read.
            live.ask(
                &format!(
                    "set session foreign_key_checks=0;\nalter table {} drop foreign key {}, add constraint {} {definition};",
                    name(&table),
                    name(&from),
                    name(&to)
                ),
                None,
            )?;
        }
    }
    Ok(())
}

/// `FOREIGN KEY (…) REFERENCES …`, as the server shows it.
fn definition(live: &Session, table: &str, key: &str) -> Result<String> {
    let rows = live.ask(&format!("show create table {};", name(table)), SHORT)?;
    let text = rows.iter().map(|r| r.join("\t")).collect::<Vec<_>>().join("\n");
    let lost = || Error::internal(format!("the foreign key {key} of {table} cannot be read"));
    let begin = format!("CONSTRAINT {} FOREIGN KEY", name(key));
    let at = text.find(&begin).ok_or_else(lost)? + begin.len() - "FOREIGN KEY".len();
    let rest = &text[at..];
    let mut depth = 0;
    for token in Tokens::new(rest.as_bytes()) {
        if token.is_sign(b'(') {
            depth += 1;
        } else if token.is_sign(b')') && depth > 0 {
            depth -= 1;
        } else if (token.is_sign(b',') || token.is_sign(b')')) && depth == 0 {
            return Ok(rest[..token.start].trim_end().to_owned());
        }
    }
    Err(lost())
}

/// The foreign keys that a CREATE TABLE names: the index of each name among the tokens.
pub fn named(tokens: &[Token]) -> Vec<usize> {
    (0..tokens.len().saturating_sub(2)).filter(|n| tokens[*n].is("constraint") && tokens[n + 2].is("foreign")).map(|n| n + 1).collect()
}
