//! Data beside the live data: new schemas in the same database, for sites whose account may not make databases.
//!
//! A dump names its schemas, so for one transaction, which nobody else sees, the live schemas have other names and the
//! dump makes its own; before the commit the new ones are named `sk_new_…` and the live ones get their names back. The
//! switch is one transaction of renames. A table in the schema `sk_map_…` remembers which name belongs to which, and whether
//! the switch is done; it changes in the same transactions, so it is always true.

use super::catalogue::site_schemas;
use super::import::Around;
use super::session::{Session, ident, literal};
use crate::base::error::{Class, Error, Result};
use crate::hosting::database::{Fenced, Means};

/// What helps when an import beside the live data fails.
pub const HINT: &str = "with a server account (`sitekeep server:add`) Sitekeep restores into a new database, which has fewer limits";

/// The place of one ticket.
#[derive(Clone, Debug)]
pub struct Beside {
    staged: String,
    aside: String,
    map: String,
}

impl Beside {
    /// `short`: the short form of the ticket.
    pub fn new(short: &str) -> Self {
        Self { staged: format!("sk_new_{short}_"), aside: format!("sk_old_{short}_"), map: format!("sk_map_{short}") }
    }

    pub fn means(&self) -> Means {
        Means::Beside { staged: self.staged.clone(), aside: self.aside.clone() }
    }

    /// Drops what an earlier try of this ticket left, and looks whether everything that will be needed is allowed.
    ///
    /// # Errors
    /// `Permanent` with the first obstacle; `Conflict` when the ticket's switch is done already.
    pub fn stage(&self, session: &Session) -> Result<()> {
        if self.state(session)? == Some(true) {
            return Err(Error::conflict("the data of this restore is live already").hint("undo the restore instead of beginning it anew"));
        }
        self.discard(session)?;
        match obstacles(session)?.into_iter().next() {
            None => Ok(()),
            Some(obstacle) => Err(Error::permanent(obstacle).hint(HINT)),
        }
    }

    /// What stands before and after a dump in its transaction.
    pub fn around(&self, session: &Session) -> Result<Around> {
        let objects = session.ask("select json_build_array(oid::text) from pg_largeobject_metadata;")?;
        let kept =
            session.ask(&format!("select json_build_array(n.nspname) from {} where {};", site_schemas(), holds_only_extensions("n.id")))?;
        Ok(Around {
            before: self.make_room(),
            after: self.put_away(),
            at_last: format!(
                "select format('analyze %I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where starts_with(n.nspname, {}) and c.relkind in ('r', 'm') \\gexec\n",
                literal(&self.staged)
            ),
            kept_objects: objects.into_iter().flatten().collect(),
            kept_schemas: kept.into_iter().flatten().collect(),
        })
    }

    /// The live schemas step aside. A dump neither makes `public` nor says its usual comment, since every database begins with both.
    fn make_room(&self) -> String {
        let (map, staged, aside) = (ident(&self.map), literal(&self.staged), literal(&self.aside));
        format!(
            "create schema {map};
create table {map}.schemas (live text primary key, staged text not null, aside text not null, had_live bool not null,
  has_new bool not null);
create table {map}.state (switched bool not null);
insert into {map}.state values (false);
insert into {map}.schemas select n.nspname, {staged} || row_number() over (order by n.nspname),
  {aside} || row_number() over (order by n.nspname), true, false
  from {site} where not {only};
create table {map}.files as select c.oid as id, c.relfilenode as file from pg_class c join pg_namespace n on n.oid = c.relnamespace
  join {map}.schemas s on s.live = n.nspname where c.relkind in ('r', 'm');
do $sk$ declare r record; begin
  for r in select * from {map}.schemas loop execute format('alter schema %I rename to %I', r.live, r.aside); end loop;
  if exists (select from {map}.schemas where live = 'public') then
    create schema public;
    comment on schema public is 'standard public schema';
  end if;
end $sk$;",
            site = site_schemas(),
            only = holds_only_extensions("n.id"),
        )
    }

    /// Gives the new schemas the owner and the rights of the live ones, then all their names; and looks whether the dump
    /// wrote into live tables, which none does.
    fn put_away(&self) -> String {
        let (map, staged, aside) = (ident(&self.map), literal(&self.staged), literal(&self.aside));
        format!(
            "do $sk$ declare r record; had int; begin
  if exists (select from pg_stat_xact_all_tables t join {map}.schemas s on s.had_live and s.aside = t.schemaname
  where t.n_tup_ins + t.n_tup_upd + t.n_tup_del > 0)
    or exists (select from {map}.files f where not exists (select from pg_class c where c.oid = f.id and c.relfilenode = f.file)) then
    raise exception 'the dump changes tables outside of its own: it is refused';
  end if;
  drop table {map}.files;
  select count(*) from {map}.schemas into had;
  insert into {map}.schemas select n.nspname, {staged} || had + row_number() over (order by n.nspname),
  {aside} || had + row_number() over (order by n.nspname), false, true
    from {site} where not {only} and n.nspname not in (select live from {map}.schemas);
  update {map}.schemas set has_new = true where had_live and exists (select from pg_namespace p where p.nspname = live);
  for r in select s.live, e.privilege_type as what, e.is_grantable as more,
  case e.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(e.grantee)) end as who
      from {map}.schemas s join pg_namespace o on o.nspname = s.aside, aclexplode(o.nspacl) e
  where s.had_live and s.has_new and e.grantee <> o.nspowner loop
    execute format('grant %s on schema %I to %s', r.what, r.live, r.who) || case when r.more then ' with grant option' else '' end;
  end loop;
  for r in select s.live, pg_get_userbyid(o.nspowner) as who from {map}.schemas s join pg_namespace o on o.nspname = s.aside
      where s.had_live and s.has_new and pg_get_userbyid(o.nspowner) <> current_user loop
    begin execute format('alter schema %I owner to %I', r.live, r.who); exception when insufficient_privilege then null; end;
  end loop;
  for r in select * from {map}.schemas where has_new loop execute format('alter schema %I rename to %I', r.live, r.staged); end loop;
  for r in select * from {map}.schemas where had_live loop execute format('alter schema %I rename to %I', r.aside, r.live); end loop;
end $sk$;",
            site = site_schemas(),
            only = holds_only_extensions("n.id"),
        )
    }

    /// SQL: the schemas `n(id, label)` of the new data, wherever they are.
    pub fn staged_schemas(&self) -> String {
        let map = ident(&self.map);
        format!(
            "(select p.oid as id, m.live as label from {map}.schemas m, {map}.state t, pg_namespace p
  where m.has_new and p.nspname = case when t.switched then m.live else m.staged end) n"
        )
    }

    /// None when nothing is staged; else whether the switch is done.
    fn state(&self, session: &Session) -> Result<Option<bool>> {
        let map = literal(&self.map);
        let there = session.run(&format!(
            "select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = {map} and c.relname = 'state';"
        ))?;
        if there == "0" {
            return Ok(None);
        }
        Ok(Some(session.run(&format!("select switched from {}.state;", ident(&self.map)))? == "t"))
    }

    pub fn is_switched(&self, session: &Session) -> Result<bool> {
        Ok(self.state(session)? == Some(true))
    }

    pub fn switch(&self, session: &Session) -> Result<()> {
        self.exchange(session, true)
    }

    pub fn switch_back(&self, session: &Session) -> Result<()> {
        self.exchange(session, false)
    }

    /// All renames and the note of them in one transaction.
    fn exchange(&self, session: &Session, forward: bool) -> Result<()> {
        if self.state(session)?.is_none() {
            return Err(Error::not_found("nothing is staged beside the live data for this restore"));
        }
        let map = ident(&self.map);
        let rename = |when: &str, from: &str, to: &str| {
            format!(
                "  for r in select * from {map}.schemas where {when} loop
      execute format('alter schema %I rename to %I', r.{from}, r.{to}); end loop;\n"
            )
        };
        let renames = if forward {
            rename("had_live", "live", "aside") + &rename("has_new", "staged", "live")
        } else {
            rename("has_new", "live", "staged") + &rename("had_live", "aside", "live")
        };
        let script = format!(
            "do $sk$ declare r record; begin
  perform from {map}.state where switched <> {forward} for update;
  if not found then return; end if;
{renames}  update {map}.state set switched = {forward};
end $sk$;"
        );
        session.run(&script).map(drop)
    }

    /// Drops the new data before a switch, the old data after it, and the map. What lives on must not lose anything by it.
    pub fn discard(&self, session: &Session) -> Result<()> {
        if self.state(session)?.is_none() {
            return Ok(());
        }
        let map = ident(&self.map);
        // In a REPEATABLE READ transaction only our own drops can make an object vanish from the catalogue.
        let script = format!(
            "begin isolation level repeatable read;
do $sk$ declare r record; done bool; doomed text[]; classes oid[]; columns bigint; types oid[]; extensions oid[]; begin
  perform from {map}.state for update;
  select switched from {map}.state into done;
  -- Only a dump that found a way to commit in its midst leaves live schemas under their passing names.
  for r in select s.* from {map}.schemas s join pg_namespace o on o.nspname = s.aside where not done and s.had_live loop
    if exists (select from pg_namespace p where p.nspname = r.live) then
      execute format('alter schema %I rename to %I', r.live, r.staged); end if;
    execute format('alter schema %I rename to %I', r.aside, r.live);
  end loop;
  select coalesce(array_agg(n.nspname::text), '{{}}') into doomed
  from pg_namespace n where starts_with(n.nspname, case when done then {aside} else {staged} end);
  doomed := doomed || {name}::text;
  select array_agg(c.oid) into classes from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname <> all (doomed) and n.nspname !~ '^pg_';
  select count(*) into columns from pg_attribute a where a.attrelid = any (classes) and not a.attisdropped;
  select array_agg(y.oid) into types from pg_type y join pg_namespace n on n.oid = y.typnamespace
  where n.nspname <> all (doomed) and n.nspname !~ '^pg_';
  select array_agg(e.oid) into extensions from pg_extension e join pg_namespace n on n.oid = e.extnamespace where n.nspname <> all (doomed);
  for r in select n.nspname from pg_namespace n where n.nspname = any (doomed) loop
      execute format('drop schema %I cascade', r.nspname); end loop;
  if (select count(*) from pg_class where oid = any (classes)) <> coalesce(cardinality(classes), 0)
    or (select count(*) from pg_attribute a where a.attrelid = any (classes) and not a.attisdropped) <> columns
    or (select count(*) from pg_type where oid = any (types)) <> coalesce(cardinality(types), 0)
    or (select count(*) from pg_extension where oid = any (extensions)) <> coalesce(cardinality(extensions), 0) then
    raise exception using errcode = '2BP01', message = 'the live data uses something that would be dropped';
  end if;
end $sk$;
commit;",
            name = literal(&self.map),
            staged = literal(&self.staged),
            aside = literal(&self.aside),
        );
        session.run(&script).map(drop).map_err(|e| {
            if e.sentence().contains("the live data uses something") {
                e.with_class(Class::Conflict).hint("an object of the live site depends on the old data; remove that dependency first")
            } else {
                e
            }
        })
    }
}

/// SQL: the schema `id` has nothing but extensions and their objects, so it is neither dumped nor renamed.
fn holds_only_extensions(id: &str) -> String {
    // Indexes and TOAST tables follow their table.
    let none = |catalogue: &str, column: &str, which: &str| {
        format!(
            "not exists (select from {catalogue} o where o.{column} = {id}{which} and not exists (
  select from pg_depend d where d.objid = o.oid and d.classid = '{catalogue}'::regclass and d.deptype in ('e', 'i')))"
        )
    };
    format!(
        "(exists (select from pg_extension e where e.extnamespace = {id}) and {} and {} and {})",
        none("pg_class", "relnamespace", " and o.relkind not in ('i', 'I', 't')"),
        none("pg_proc", "pronamespace", ""),
        none("pg_type", "typnamespace", "")
    )
}

/// What stands in the way of a restore beside the live data, each as a sentence.
pub fn obstacles(session: &Session) -> Result<Vec<String>> {
    let (site, only) = (site_schemas(), holds_only_extensions("n.id"));
    let rows = session.ask(&format!(
        "select json_build_array('create', current_database()) where not has_database_privilege(current_database(), 'create');
select json_build_array('owner', n.nspname, pg_get_userbyid(n.nspowner))
  from {site} where not {only} and not pg_has_role(n.nspowner, 'usage') order by n.nspname;
select json_build_array('extension', e.extname, n.nspname) from pg_extension e join {site} on n.id = e.extnamespace
  where not {only} order by e.extname;"
    ))?;
    let user = &session.account.user;
    let sentence = |row: &Vec<String>| match row.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["create", database] => {
            Some(format!("the user {user} may not create schemas in the database {database} (`grant create on database`)"))
        }
        ["owner", schema, owner] => {
            Some(format!("the schema {schema} belongs to {owner}, not to the user {user} (`alter schema … owner to …`)"))
        }
        ["extension", extension, schema] => Some(format!(
            "the extension {extension} stands in the schema {schema} among the site's tables \
             (it can be given a schema of its own: `alter extension … set schema …`)"
        )),
        _ => None,
    };
    Ok(rows.iter().filter_map(sentence).collect())
}

/// Ends the other connections of this user. Nobody can be kept out without a server account.
pub fn cut(session: &Session) -> Result<Fenced> {
    let cut = session.run(
        "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
  where datname = current_database() and usename = current_user and pid <> pg_backend_pid();",
    )?;
    Ok(Fenced {
        complete: false,
        note: format!(
            "{cut} connections of the user {} were cut; without a server account new ones cannot be kept out",
            session.account.user
        ),
    })
}
