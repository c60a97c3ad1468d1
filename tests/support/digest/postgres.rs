//! A PostgreSQL database: every table's rows in the order of the primary key (or of the whole row), sequences, large
//! objects, and the schema's text.

use super::{Digest, hash};
use crate::support::postgres::Postgres;

/// Ordinary, partitioned and materialised tables, each with what orders its rows.
const TABLES: &str = "select format('%I.%I', n.nspname, c.relname), coalesce((select string_agg(quote_ident(a.attname), ',' order by k.ord) \
     from pg_index i, unnest(i.indkey) with ordinality k(n, ord), pg_attribute a \
     where i.indrelid = c.oid and i.indisprimary and a.attrelid = c.oid and a.attnum = k.n), 't::text collate \"C\"') \
     from pg_class c join pg_namespace n on n.oid = c.relnamespace \
     where c.relkind in ('r', 'p', 'm') and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg_toast%' order by 1";

const MARK: &str = "== table ";

/// `without`: schemas that begin with it are left out of the schema's text.
pub fn postgres(server: &Postgres, database: &str, without: Option<&str>) -> Digest {
    let mut digest = Digest::default();
    let list = server.sql(database, TABLES);
    let tables: Vec<(&str, &str)> = list.lines().filter_map(|l| l.split_once('|')).collect();
    let script: String = tables
        .iter()
        .enumerate()
        .map(|(i, (table, order))| format!("\\echo '{MARK}{i}'\ncopy (select t.* from {table} t order by {order}) to stdout;\n"))
        .collect();
    for part in server.sql(database, &script).split(MARK).skip(1) {
        let (number, rows) = part.split_once('\n').unwrap_or((part, ""));
        let table = number.parse::<usize>().ok().and_then(|i| tables.get(i)).expect("the marks are our own").0;
        digest.insert(format!("table {table}"), format!("{} rows, content {}", rows.lines().count(), hash(rows.as_bytes())));
    }
    let sequences =
        "select format('%I.%I', schemaname, sequencename), coalesce(last_value, 0), increment_by, start_value from pg_sequences";
    for line in server.sql(database, sequences).lines() {
        let (name, values) = line.split_once('|').unwrap_or((line, ""));
        digest.insert(format!("sequence {name}"), values);
    }
    let objects = "select count(*), coalesce(md5(string_agg(md5(lo_get(oid)), '' order by oid)), '-') from pg_largeobject_metadata";
    digest.insert("large objects", server.sql(database, objects).trim());
    digest.insert("schema", hash(schema(server, database, without).as_bytes()));
    digest
}

/// The schema as `pg_dump` writes it, made comparable: a restore once rewrites casts such as
/// `(ARRAY['a'::varchar])::text[]`, so casts between texts and brackets are left out; the order of the rest is fixed.
fn schema(server: &Postgres, database: &str, without: Option<&str>) -> String {
    let mut command = server.client("pg_dump");
    command.args(["--schema-only", "--no-owner", "--no-privileges", "-d", database]);
    if let Some(prefix) = without {
        command.arg(format!("--exclude-schema={prefix}*"));
    }
    let dump = super::super::run(&mut command);
    let text: String = String::from_utf8_lossy(&dump)
        .lines()
        .filter(|l| !l.starts_with("--") && !l.starts_with("\\restrict") && !l.starts_with("\\unrestrict"))
        .fold(String::new(), |all, line| all + line + "\n");
    ["::character varying[]", "::character varying", "::text[]", "::text", "(", ")"].iter().fold(text, |t, cast| t.replace(cast, ""))
}
