//! What the server's catalogue says: tables, rows, versions, and what a dump or a restore should warn of.

use super::beside::{self, Beside};
use super::import;
use super::session::Session;
use super::tools::Version;
use crate::base::error::{Error, Result};
use crate::hosting::database::Facts;
use std::collections::BTreeMap;

/// The oldest server that is known to work.
const OLDEST: u32 = 12;

/// SQL: the names of schemas that are Sitekeep's own, for data beside the live data. A site's own schema of such a name is
/// not meant: ours have a table that maps them.
pub const OWN_SCHEMAS: &str = r"(select o.nspname from pg_namespace o
  where o.nspname ~ '^sk_((new|old)_[0-9a-z]{8}_[0-9]+|map_[0-9a-z]{8})$'
    and exists (select from pg_namespace m join pg_class c on c.relnamespace = m.oid and c.relname = 'schemas'
      where m.nspname = 'sk_map_' || substr(o.nspname, 8, 8)))";

/// SQL: the schemas `n` that hold the site's data, to be put after `from`.
pub fn site_schemas() -> String {
    format!(
        "(select s.* , s.oid as id from pg_namespace s
  where s.nspname !~ '^pg_' and s.nspname <> 'information_schema' and s.nspname not in {OWN_SCHEMAS}
    and not exists (select from pg_depend d where d.classid = 'pg_namespace'::regclass and d.objid = s.oid and d.deptype = 'e')) n"
    )
}

/// SQL: `c` is not a part of an extension, whose dump is one line.
const NOT_OF_EXTENSION: &str =
    "not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')";

/// A table with rows of its own: a plain one, or a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub schema: String,
    pub name: String,
    /// The partitioned table that it is a part of.
    pub root: Option<String>,
}

impl Table {
    /// As people name it: the schema is said where it is not `public`.
    pub fn label(&self) -> String {
        if self.schema == "public" { self.name.clone() } else { format!("{}.{}", self.schema, self.name) }
    }
}

pub fn tables(session: &Session) -> Result<Vec<Table>> {
    let question = format!(
        "select json_build_array(n.nspname, c.relname, case when c.relispartition then (select r.relname
  from pg_class r where r.oid = pg_partition_root(c.oid)) end)
  from pg_class c join {} on n.id = c.relnamespace where c.relkind = 'r' and c.relpersistence <> 't'
  and {NOT_OF_EXTENSION} order by 1::text;",
        site_schemas()
    );
    let rows = session.ask(&question)?;
    let table = |row: Vec<String>| match <[String; 3]>::try_from(row) {
        Ok([schema, name, root]) => Ok(Table { schema, name, root: Some(root).filter(|r| !r.is_empty()) }),
        Err(_) => Err(Error::internal("the list of tables cannot be read")),
    };
    rows.into_iter().map(table).collect()
}

pub fn own_schemas(session: &Session) -> Result<Vec<String>> {
    Ok(session.ask(&format!("select json_build_array(nspname) from {OWN_SCHEMAS} o order by nspname;"))?.into_iter().flatten().collect())
}

/// The exact number of rows of every table, all of one moment, in one connection. `beside`: of the staged tables, under the
/// names that they will have.
pub fn counts(session: &Session, beside: Option<&Beside>) -> Result<BTreeMap<String, u64>> {
    let schemas = beside.map_or_else(|| format!("(select n.id, n.nspname as label from {}) n", site_schemas()), Beside::staged_schemas);
    let label = "case n.label when 'public' then c.relname else n.label || '.' || c.relname end";
    let script = format!(
        "begin isolation level repeatable read read only;
select format('select json_build_array(%L, count(*)) from only %I.%I', {label}, s.nspname, c.relname)
  from pg_class c join {schemas} on n.id = c.relnamespace join pg_namespace s on s.oid = n.id
  where c.relkind = 'r' and c.relpersistence <> 't' and {NOT_OF_EXTENSION} order by 1 \\gexec
commit;"
    );
    let rows = session.ask(&script)?;
    let count = |row: Vec<String>| match row.as_slice() {
        [name, rows] => rows.parse().ok().map(|n| (name.clone(), n)),
        _ => None,
    };
    rows.into_iter().map(|r| count(r).ok_or_else(|| Error::internal("the numbers of rows cannot be read"))).collect()
}

/// Tools, versions, and what to know before the first backup.
pub fn facts(session: &Session) -> Result<Facts> {
    let server = session.server_version()?;
    if server.major < OLDEST {
        return Err(Error::permanent(format!("the server is PostgreSQL {server}; {OLDEST} is the oldest that is supported"))
            .hint("update the database server: its version gets no security updates any more"));
    }
    let tool = session.pg_dump(server)?;
    let rows = session.ask(
        "select json_build_array(pg_encoding_to_char(encoding), datcollate, pg_database_size(oid))
  from pg_database where datname = current_database();",
    )?;
    let [charset, collation, size] = rows
        .into_iter()
        .next()
        .and_then(|r| <[String; 3]>::try_from(r).ok())
        .ok_or_else(|| Error::internal("the database is not listed"))?;
    let mut warnings = warnings(session)?;
    warnings.extend(import::warning(session.psql.version));
    warnings.extend(beside::obstacles(session)?.into_iter().map(|o| format!("without a server account no restore is possible: {o}")));
    Ok(Facts {
        server_version: format!("PostgreSQL {server}"),
        tool: format!("pg_dump {}", tool.version),
        charset: format!("{charset}, {collation}"),
        inexact_columns: Vec::new(), // pg_dump writes every number with all its digits
        settings: written_by(session)?,
        size_hint: size.parse().unwrap_or(0),
        warnings,
    })
}

/// pg_dump sets how numbers, dates and intervals are written, and leaves these.
fn written_by(session: &Session) -> Result<BTreeMap<String, String>> {
    let question = "select json_build_array(name, setting) from pg_settings where name in ('TimeZone', 'bytea_output', 'lc_monetary');";
    let pair = |row: Vec<String>| <[String; 2]>::try_from(row).ok().map(|[name, value]| (name, value));
    Ok(session.ask(question)?.into_iter().filter_map(pair).collect())
}

/// What a restore needs, or will not bring back.
pub fn warnings(session: &Session) -> Result<Vec<String>> {
    let rows = session.ask(
        "select json_build_array('extension', extname || ' ' || extversion) from pg_extension where extname <> 'plpgsql' order by extname;
select json_build_array('trigger', evtname) from pg_event_trigger order by 1::text;
select json_build_array('publication', pubname) from pg_publication order by 1::text;
select json_build_array('objects', count(*)) from pg_largeobject_metadata having count(*) > 0;
select json_build_array('mapping', srvname) from pg_user_mappings group by srvname;
select json_build_array('grants', string_agg(distinct case e.grantee when 0 then 'PUBLIC' else pg_get_userbyid(e.grantee) end, ', '))
  from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) e
  where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and e.grantee <> c.relowner
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
  having count(*) > 0;",
    )?;
    Ok(rows.iter().filter_map(|r| r.first().zip(r.get(1))).filter_map(|(kind, name)| warning(kind, name)).collect())
}

fn warning(kind: &str, name: &str) -> Option<String> {
    Some(match kind {
        "extension" => format!("a restore needs a server that offers the extension {name}"),
        "trigger" => format!("the event trigger {name} belongs to a superuser and is not restored"),
        "publication" => format!("the publication {name} is not a part of backups"),
        "objects" => {
            format!("{name} large objects belong to the database as a whole: only a restore into a new database is exact for them")
        }
        "mapping" => format!("the foreign server {name} is backed up without the passwords of its users"),
        "grants" => format!("rights on tables that were given to others ({name}) are not a part of backups"),
        _ => return None,
    })
}

/// Is this server new enough for `drop database … with (force)`?
pub fn can_force(server: Version) -> bool {
    server.major >= 13
}
