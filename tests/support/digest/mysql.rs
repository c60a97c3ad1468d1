//! A MariaDB database: rows, the server's own checksum, and a hash of every row in the order of the primary key.
//!
//! The checksum sees what a textual dump rounds (FLOAT columns); the hash sees what the checksum might miss (the table's
//! definition). Rows that a mere visit to a WordPress site rewrites are left out.

use super::{Digest, hash};
use crate::support::mariadb::Mariadb;
use std::collections::BTreeMap;

/// Of this table visits change rows (transients, cron) and the next automatic number.
const VISITED: &str = "wp_options";

pub fn mysql(server: &Mariadb, database: &str) -> Digest {
    let mut digest = Digest::default();
    let kinds = server
        .sql(database, "select table_name, table_type from information_schema.tables where table_schema = database() order by table_name");
    let kinds: Vec<(&str, &str)> = kinds.lines().filter_map(|l| l.split_once('\t')).collect();
    let of_kind = |kind: &str| kinds.iter().filter(|k| k.1 == kind).map(|k| k.0).collect::<Vec<_>>();
    tables(server, database, &of_kind("BASE TABLE"), &mut digest);
    for view in of_kind("VIEW") {
        let text = server.sql(database, &format!("show create view {}", quoted(view)));
        digest.insert(format!("view {view}"), hash(portable(&text, database).as_bytes()));
    }
    for sequence in of_kind("SEQUENCE") {
        let row = server.sql(database, &format!("select * from {}", quoted(sequence)));
        digest.insert(format!("sequence {sequence}"), row.trim());
    }
    for (kind, sql) in OBJECTS {
        for line in server.sql(database, sql).lines() {
            let (name, rest) = line.split_once('\t').unwrap_or((line, ""));
            digest.insert(format!("{kind} {name}"), hash(rest.as_bytes()));
        }
    }
    let charset =
        "select default_character_set_name, default_collation_name from information_schema.schemata where schema_name = database()";
    digest.insert("charset", server.sql(database, charset).trim().replace('\t', " "));
    digest
}

/// Definitions as the server keeps them; who defined them is not a part of the site (the restored one has another user).
const OBJECTS: [(&str, &str); 3] = [
    (
        "trigger",
        "select trigger_name, event_object_table, action_timing, event_manipulation, action_order, action_statement, sql_mode \
         from information_schema.triggers where trigger_schema = database()",
    ),
    (
        "routine",
        "select concat(lower(routine_type), ' ', routine_name), dtd_identifier, is_deterministic, sql_data_access, routine_definition, \
         sql_mode, (select group_concat(concat_ws(' ', parameter_mode, parameter_name, dtd_identifier) order by ordinal_position) from \
         information_schema.parameters p where p.specific_schema = r.routine_schema and p.specific_name = r.specific_name) \
         from information_schema.routines r where routine_schema = database()",
    ),
    (
        "event",
        "select event_name, event_type, execute_at, interval_value, interval_field, starts, ends, status, on_completion, event_definition, \
         time_zone, sql_mode from information_schema.events where event_schema = database()",
    ),
];

fn tables(server: &Mariadb, database: &str, names: &[&str], digest: &mut Digest) {
    let list: Vec<String> = names.iter().map(|n| quoted(n)).collect();
    let sums = if list.is_empty() { String::new() } else { server.sql(database, &format!("checksum table {} extended", list.join(", "))) };
    let mut sums: BTreeMap<&str, &str> = sums
        .lines()
        .filter_map(|l| l.split_once('\t'))
        .map(|(table, sum)| (table.split_once('.').map_or(table, |(_, t)| t), sum))
        .collect();
    sums.insert(VISITED, "-");
    let dump = super::super::run(
        server
            .client("mariadb-dump")
            .args(["--order-by-primary", "--skip-extended-insert", "--skip-dump-date", "--skip-comments", "--hex-blob", "--skip-triggers"])
            .args(["--single-transaction", "--default-character-set=utf8mb4", "--skip-add-locks", "--skip-disable-keys", database]),
    );
    let mut parts: BTreeMap<String, (usize, Vec<u8>)> = BTreeMap::new();
    let mut current = None;
    for line in dump.split(|b| *b == b'\n') {
        if let Some(name) = begins(line, b"CREATE TABLE ").or_else(|| begins(line, b"INSERT INTO ")) {
            current = Some(name);
        } else if line.starts_with(b"DROP ") || line.starts_with(b"/*!") {
            current = None;
        }
        let Some(name) = &current else { continue };
        if name == VISITED && passing(line) {
            continue;
        }
        let part = parts.entry(name.clone()).or_default();
        part.0 += usize::from(line.starts_with(b"INSERT INTO "));
        part.1.extend_from_slice(line);
        part.1.push(b'\n');
    }
    for name in names {
        let (rows, text) = parts.remove(*name).unwrap_or_default();
        digest
            .insert(format!("table {name}"), format!("{rows} rows, checksum {}, content {}", sums.get(name).unwrap_or(&"?"), hash(&text)));
    }
}

/// The table's name in a line of a dump that begins with `words`.
fn begins(line: &[u8], words: &[u8]) -> Option<String> {
    let rest = line.strip_prefix(words)?.strip_prefix(b"`")?;
    let mut name = Vec::new();
    let mut bytes = rest.iter();
    while let Some(b) = bytes.next() {
        // A backtick in a name is written twice; the single one ends it.
        if *b == b'`' && bytes.clone().next() != Some(&b'`') {
            return String::from_utf8(name).ok();
        }
        if *b == b'`' {
            bytes.next();
        }
        name.push(*b);
    }
    None
}

fn passing(line: &[u8]) -> bool {
    let has = |what: &[u8]| memchr::memmem::find(line, what).is_some();
    has(b",'_transient_") || has(b",'_site_transient_") || has(b",'cron',") || has(b"AUTO_INCREMENT=")
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A view's text without the database's name and without the one who defined it.
fn portable(text: &str, database: &str) -> String {
    let text = text.replace(&format!("`{database}`."), "");
    match (text.find("DEFINER="), text.find("SQL SECURITY")) {
        (Some(from), Some(to)) if from < to => format!("{}{}", &text[..from], &text[to..]),
        _ => text,
    }
}
