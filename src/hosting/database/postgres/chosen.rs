//! Chosen tables alone: their rows wait beside them in the schema `sk_map_…` of the ticket, and change places with the live
//! rows in one transaction. The table itself stays: its columns, keys, triggers, rights, and the views on it.
//!
//! Foreign keys that tie a chosen table to others are dropped and made again within that transaction, so that the server
//! itself proves that every row refers to one that is there; before anything is locked the same is asked of the staged rows.
//! Sequences go forward and never back: no number is given twice.
//!
//! What it cannot do, and refuses: a table whose columns are others now, a partition, one with rules, or one that belongs to
//! another user.

use super::beside::HINT;
use super::catalogue::site_schemas;
use super::import::Around;
use super::only::{Chosen, Only, label};
use super::session::{Session, ident, literal};
use crate::base::error::{Class, Error, Result};
use std::collections::BTreeMap;

/// The place of one ticket.
pub struct Tables {
    map: String,
}

/// SQL: how a table `c` in the schema `s` is named by people.
const LABEL: &str = "case s.nspname when 'public' then c.relname else s.nspname || '.' || c.relname end";

impl Tables {
    pub fn new(short: &str) -> Self {
        Self { map: format!("sk_map_{short}") }
    }

    /// Makes an empty place for these tables; what the ticket left is dropped.
    pub fn stage(&self, session: &Session, tables: &[String]) -> Result<()> {
        check(session, tables)?;
        if self.is_switched(session)? {
            return Err(
                Error::conflict("the tables of this restore are live already").hint("undo the restore instead of beginning it anew")
            );
        }
        let map = ident(&self.map);
        // `schemas` tells everybody that the schema is ours.
        let mut script = format!(
            "begin; drop schema if exists {map} cascade; create schema {map};
create table {map}.schemas (live text); create table {map}.state (switched bool not null);
insert into {map}.state values (false);
create table {map}.statements (id serial, n int not null, late bool not null, body text not null);
create table {map}.keys (child regclass, name text, body text, note text);
create table {map}.triggers (n int, name text, kind text);
create table {map}.tables (n int primary key, label text not null, schema text, name text, was_live bool not null);\n"
        );
        let live = columns(session, tables)?;
        for (n, table) in tables.iter().enumerate() {
            let found = live.get(table);
            let (schema, name) = found.map_or_else(|| split(table), |(s, t, _)| (s.clone(), t.clone()));
            script += &format!(
                "insert into {map}.tables values ({n}, {}, {}, {}, {});\n",
                literal(table),
                literal(&schema),
                literal(&name),
                found.is_some()
            );
            if found.is_some() {
                for side in ["new", "old"] {
                    script += &format!("create table {map}.{side}_{n} (like {}.{});\n", ident(&schema), ident(&name));
                }
            }
        }
        session.run(&(script + "commit;")).map(drop)
    }

    /// What is let through of a dump, and what is asked of its rows before they are committed.
    pub fn import(&self, session: &Session, tables: &[String]) -> Result<(Around, Only)> {
        let mut live = columns(session, tables)?;
        let chosen = tables.iter().map(|t| Chosen { label: t.clone(), columns: live.remove(t).map(|(_, _, c)| c) }).collect();
        let before = "set local xmloption = content; set local client_encoding = 'UTF8';".to_owned();
        Ok((Around { before, after: self.refuse_orphans(), ..Around::default() }, Only::new(&self.map, chosen)))
    }

    /// SQL: every row that refers to another must find it, staged or live.
    fn refuse_orphans(&self) -> String {
        let map = ident(&self.map);
        let here = |column: &str| {
            format!(
                "(select t.n from {map}.tables t join pg_namespace s on s.nspname = t.schema
      join pg_class c on c.relnamespace = s.oid and c.relname = t.name where c.oid = {column})"
            )
        };
        let name = literal(&format!("{map}.new_"));
        format!(
            "do $sk$ declare k record; question text; n bigint; begin
  for k in select f.conrelid, f.confrelid, f.conkey, f.confkey, {child} as child, {parent} as parent from pg_constraint f
    where f.contype = 'f' and f.convalidated and f.conparentid = 0 and ({child} is not null or {parent} is not null) loop
    select format('select count(*) from %s c where %s and not exists (select from %s p where %s)',
      coalesce({name} || k.child, k.conrelid::regclass::text), string_agg(format('c.%I is not null', a.attname), ' and '),
      coalesce({name} || k.parent, k.confrelid::regclass::text), string_agg(format('p.%I = c.%I', b.attname, a.attname), ' and '))
      into question from unnest(k.conkey, k.confkey) u(x, y)
      join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.x join pg_attribute b on b.attrelid = k.confrelid and b.attnum = u.y;
    begin execute question into n; exception when undefined_function then n := 0; end;
    if n > 0 then raise exception using errcode = '23503', message =
      format('%s rows of the table %s would refer to rows of the table %s that are not there', n, k.conrelid::regclass, k.confrelid::regclass);
    end if;
  end loop;
end $sk$;",
            child = here("f.conrelid"),
            parent = here("f.confrelid"),
        )
    }

    pub fn is_switched(&self, session: &Session) -> Result<bool> {
        let there = session.run(&format!(
            "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = {} and c.relname = 'state';",
            literal(&self.map)
        ))?;
        Ok(there != "0" && session.run(&format!("select switched from {}.state;", ident(&self.map)))? == "t")
    }

    /// Rows that are staged, by the names of their tables.
    pub fn counts(&self, session: &Session) -> Result<BTreeMap<String, u64>> {
        let map = ident(&self.map);
        let rows = session.ask(&format!(
            "select format('select json_build_array(%L, count(*)) from {map}.%I', t.label, c.relname) from {map}.tables t
  join pg_class c on c.relname = 'new_' || t.n join pg_namespace n on n.oid = c.relnamespace and n.nspname = {} \\gexec",
            literal(&self.map)
        ))?;
        let count = |row: Vec<String>| match row.as_slice() {
            [name, rows] => rows.parse().ok().map(|n| (name.clone(), n)),
            _ => None,
        };
        rows.into_iter().map(|r| count(r).ok_or_else(|| Error::internal("the numbers of rows cannot be read"))).collect()
    }

    pub fn switch(&self, session: &Session) -> Result<()> {
        self.exchange(session, true)
    }

    pub fn switch_back(&self, session: &Session) -> Result<()> {
        self.exchange(session, false)
    }

    /// One transaction: what is live is kept, what comes takes its place, and the note of it changes.
    fn exchange(&self, session: &Session, forward: bool) -> Result<()> {
        let map = ident(&self.map);
        let there = session.run(&format!(
            "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = {} and c.relname = 'state';",
            literal(&self.map)
        ))?;
        if there == "0" {
            return Err(Error::not_found("nothing is staged beside the live tables for this restore"));
        }
        let (kept, coming) = if forward { ("old_", "new_") } else { ("new_", "old_") };
        let script = format!(
            "do $sk$ declare r record; k record; cols text; top bigint; begin
  perform from {map}.state where switched <> {forward} for update;
  if not found then return; end if;
  truncate {map}.keys, {map}.triggers;
{gone}{away}{rows}{again}  update {map}.state set switched = {forward};
end $sk$;",
            gone = if forward { self.make_the_missing() } else { String::new() },
            away = self.step_aside(),
            rows = self.rows(kept, coming, forward),
            again = self.tie_again(forward),
        );
        session.run(&script).map(drop).map_err(explained)
    }

    /// Tables that are gone are made as the dump made them.
    fn make_the_missing(&self) -> String {
        let map = ident(&self.map);
        format!(
            "  for r in select s.body from {map}.statements s join {map}.tables t on t.n = s.n where not t.was_live and not s.late order by s.id loop
    execute r.body; end loop;\n"
        )
    }

    /// Locks, then drops the keys that tie the tables, and stills their triggers; both are noted.
    fn step_aside(&self) -> String {
        let map = ident(&self.map);
        format!(
            "  for r in select * from {map}.tables order by label loop
    execute format('lock table %I.%I in access exclusive mode', r.schema, r.name); end loop;
  insert into {map}.keys select f.conrelid::regclass, f.conname, pg_get_constraintdef(f.oid), obj_description(f.oid, 'pg_constraint')
    from pg_constraint f where f.contype = 'f' and f.conparentid = 0 and exists (select from {map}.tables t
      where format('%I.%I', t.schema, t.name)::regclass in (f.conrelid, f.confrelid));
  for k in select * from {map}.keys loop execute format('alter table %s drop constraint %I', k.child, k.name); end loop;
  insert into {map}.triggers select t.n, g.tgname, g.tgenabled from {map}.tables t
    join pg_trigger g on g.tgrelid = format('%I.%I', t.schema, t.name)::regclass where not g.tgisinternal and g.tgenabled <> 'D';
  for k in select t.schema, t.name as tab, g.name from {map}.triggers g join {map}.tables t on t.n = g.n loop
    execute format('alter table %I.%I disable trigger %I', k.schema, k.tab, k.name); end loop;\n"
        )
    }

    /// The rows of each table change places. One that the way back leads to nothing is dropped, its rows are kept.
    fn rows(&self, kept: &str, coming: &str, forward: bool) -> String {
        let map = ident(&self.map);
        format!(
            "  for r in select t.*, format('%I.%I', t.schema, t.name)::regclass as id from {map}.tables t order by n loop
    select string_agg(quote_ident(a.attname), ', ' order by a.attnum) into cols from pg_attribute a
      where a.attrelid = r.id and a.attnum > 0 and not a.attisdropped and a.attgenerated = '';
    if r.was_live or not {forward} then
      execute format('truncate {map}.%I', '{kept}' || r.n);
      execute format('insert into {map}.%I (%s) select %s from only %s', '{kept}' || r.n, cols, cols, r.id);
      execute format('truncate only %s', r.id);
    end if;
    if r.was_live or {forward} then
      execute format('insert into %s (%s) overriding system value select %s from {map}.%I', r.id, cols, cols, '{coming}' || r.n);
    end if;
    for k in select format('%I.%I', s.nspname, c.relname) as id, a.attname as col from pg_depend d
      join pg_class c on c.oid = d.objid and c.relkind = 'S' join pg_namespace s on s.oid = c.relnamespace
      join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
      where d.classid = 'pg_class'::regclass and d.refobjid = r.id and d.deptype in ('a', 'i') loop
      execute format('select setval(%L, m) from (select max(%I) as m from %s) x, %s q where m > q.last_value or (m = q.last_value and not q.is_called)',
        k.id, k.col, r.id, k.id) into top;
    end loop;
  end loop;
  set constraints all immediate;\n"
        )
    }

    /// Triggers as they were; the keys, which the server proves; the tables that are not to be there go.
    fn tie_again(&self, forward: bool) -> String {
        let map = ident(&self.map);
        let missing = if forward {
            format!(
                "  for r in select s.body from {map}.statements s join {map}.tables t on t.n = s.n where not t.was_live and s.late order by s.id loop
    execute r.body; end loop;\n"
            )
        } else {
            format!(
                "  delete from {map}.keys y using {map}.tables t where not t.was_live and y.child = format('%I.%I', t.schema, t.name)::regclass;
  for r in select * from {map}.tables where not was_live loop execute format('drop table %I.%I', r.schema, r.name); end loop;\n"
            )
        };
        let enable = format!(
            "  for k in select t.schema, t.name as tab, g.* from {map}.triggers g join {map}.tables t on t.n = g.n loop
    execute format('alter table %I.%I enable %s trigger %I', k.schema, k.tab,
      case k.kind when 'R' then 'replica' when 'A' then 'always' else '' end, k.name); end loop;\n"
        );
        let keys = format!(
            "  for k in select * from {map}.keys loop
    execute format('alter table %s add constraint %I %s', k.child, k.name, k.body);
    if k.note is not null then execute format('comment on constraint %I on %s is %L', k.name, k.child, k.note); end if;
  end loop;\n"
        );
        format!("{enable}{missing}{keys}")
    }

    /// What is staged, or was put aside, goes; what is live stays as it is.
    pub fn discard(&self, session: &Session) -> Result<()> {
        session.run(&format!("drop schema if exists {} cascade;", ident(&self.map))).map(drop)
    }
}

/// What the server says of keys that do not hold, in a sentence that helps.
pub fn explained(e: Error) -> Error {
    let said = e.sentence();
    if said.contains("would refer to rows") || said.contains("foreign key constraint") {
        return e.hint("choose the other table, too, or restore the whole database");
    }
    e
}

/// A label that no live table has.
fn split(table: &str) -> (String, String) {
    match table.split_once('.') {
        Some((schema, name)) => (schema.to_owned(), name.to_owned()),
        None => ("public".to_owned(), table.to_owned()),
    }
}

/// Tables by their labels: schema, name, and columns.
type Columns = BTreeMap<String, (String, String, Vec<String>)>;

/// Of those that are live: schema, name, and the columns that a dump has rows for.
fn columns(session: &Session, tables: &[String]) -> Result<Columns> {
    let rows = session.ask(&format!(
        "select json_build_array(s.nspname, c.relname, (select json_agg(a.attname order by a.attnum) from pg_attribute a
  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '')) from pg_class c
  join {} on n.id = c.relnamespace join pg_namespace s on s.oid = n.id where c.relkind = 'r' and {LABEL} in ({});",
        site_schemas(),
        literals(tables)
    ))?;
    let read = |row: Vec<String>| {
        let [schema, name, list] = <[String; 3]>::try_from(row).map_err(|_| Error::internal("the list of columns cannot be read"))?;
        let list: Vec<String> =
            if list.is_empty() { Vec::new() } else { serde_json::from_str(&list).map_err(|e| Error::internal(e.to_string()))? };
        Ok((label(&schema, &name), (schema, name, list)))
    };
    rows.into_iter().map(read).collect()
}

fn literals(tables: &[String]) -> String {
    tables.iter().map(|t| literal(t)).collect::<Vec<_>>().join(", ")
}

/// May these tables change places by themselves?
///
/// # Errors
/// `Invalid` with the first obstacle.
pub fn check(session: &Session, tables: &[String]) -> Result<()> {
    let rows = session.ask(&format!(
        "select json_build_array('right', '', '') where not has_database_privilege(current_database(), 'create');
select json_build_array(case when c.relkind <> 'r' then 'kind'
    when c.relispartition or exists (select from pg_inherits i where c.oid in (i.inhrelid, i.inhparent)) then 'part'
    when not pg_has_role(c.relowner, 'usage') then 'owner'
    when exists (select from pg_rewrite w where w.ev_class = c.oid) then 'rule'
    when c.relforcerowsecurity then 'policy' end, {LABEL}, '')
  from pg_class c join {site} on n.id = c.relnamespace join pg_namespace s on s.oid = n.id
  where c.relkind in ('r', 'p', 'v', 'm', 'f') and {LABEL} in ({all});
select json_build_array('tie', c.oid::regclass::text, o.oid::regclass::text) from pg_constraint f
  join pg_class c on c.oid in (f.conrelid, f.confrelid) join pg_class o on o.oid in (f.conrelid, f.confrelid) and o.oid <> c.oid
  join {site} on n.id = c.relnamespace join pg_namespace s on s.oid = n.id
  where f.contype = 'f' and c.relkind = 'r' and {LABEL} in ({all})
    and (o.relkind <> 'r' or f.conparentid <> 0 or not pg_has_role(o.relowner, 'usage'));",
        site = site_schemas(),
        all = literals(tables)
    ))?;
    let obstacle = rows.iter().find_map(|row| match row.as_slice() {
        [kind, table, other] => sentence(kind, table, other, &session.account.user),
        _ => None,
    });
    match obstacle {
        Some(said) => Err(Error::new(Class::Invalid, said).hint("restore the whole database")),
        None => Ok(()),
    }
}

fn sentence(kind: &str, table: &str, other: &str, user: &str) -> Option<String> {
    Some(match kind {
        "right" => format!("the database user {user} may not make a schema, in which chosen tables wait ({HINT})"),
        "kind" => format!("{table} is not a plain table in the live database"),
        "part" => format!("the table {table} is a part of another one, or has parts"),
        "owner" => format!("the table {table} does not belong to the database user {user}"),
        "rule" => format!("the table {table} has rules, which would change the rows that come back"),
        "policy" => format!("the rows of the table {table} are hidden from its own owner by a policy"),
        "tie" => format!("a foreign key ties the table {table} to {other}, which has parts or belongs to another user"),
        _ => return None,
    })
}
