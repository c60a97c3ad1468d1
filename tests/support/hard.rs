//! Database objects that dumps get wrong, to be added to a site's database (`tests/fixtures/hard`).

use super::digest::Digest;
use super::mariadb::{Database, Mariadb};
use super::postgres::Postgres;
use super::wordpress;

/// Adds tables, views, a sequence, a trigger, routines and an event; all names begin with `hard`.
pub fn mysql(server: &Mariadb, database: &Database) {
    // As the site's own user would have made them: nobody else's program can be read by that user, let alone dumped.
    let definer = format!("create definer='{}'@'127.0.0.1'", database.user);
    let programs = ["view", "trigger", "procedure", "function", "event"];
    let text = include_str!("../fixtures/hard/mysql.sql").to_owned();
    let text = programs.iter().fold(text, |t, kind| t.replace(&format!("create {kind} "), &format!("{definer} {kind} ")));
    wordpress::load(server, &database.name, text.as_bytes());
}

/// Adds a schema `hard` with types, tables, sequences, views, functions and a large object, owned by the database's role.
pub fn postgres(server: &Postgres, database: &Database) {
    server.sql_as(database, include_str!("../fixtures/hard/postgres.sql"));
}

/// Names of parts of the digest that must be there after [`mysql`].
pub const MYSQL_PARTS: [&str; 17] = [
    "table hard_values",
    "table hard_myisam",
    "table hard_latin1",
    "table hard_keyless",
    "table hard_binary_key",
    "table hard; odd `name`",
    "table hard_z_parent",
    "table hard_a_child",
    "table hard_parts",
    "table hard_empty",
    "sequence hard_sequence",
    "view hard_y_view",
    "view hard_b_view",
    "trigger hard_trigger",
    "routine procedure hard_procedure",
    "routine function hard_function",
    "event hard_event",
];

/// Names of parts of the digest that must be there after [`postgres`].
pub const POSTGRES_PARTS: [&str; 8] = [
    "table hard.assorted",
    "table hard.\"Odd; \"\"name\"\"\"",
    "table hard.parts_old",
    "table hard.a_child",
    "table hard.totals",
    "sequence hard.counter",
    "sequence hard.serial_numbers_id_seq",
    "large objects",
];

/// Content as a dump shows it: what FLOAT columns lose shows in the checksum alone.
pub fn but_checksums(rows: &Digest) -> Digest {
    let mut out = Digest::default();
    for name in rows.names() {
        let text = rows.get(name).unwrap_or_default();
        let text = match (name, text.split_once("checksum")) {
            ("table hard_values", Some((rows, content))) => format!("{rows}{}", content.rsplit(' ').next().unwrap_or_default()),
            _ => text.to_owned(),
        };
        out.insert(name, text);
    }
    out
}
