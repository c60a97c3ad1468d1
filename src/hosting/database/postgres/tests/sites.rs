//! What is in a site's database, chosen because dumps and renames get it wrong; and how two states are compared.

use super::super::session::Session;
use super::super::{Postgres, Scope};
use super::server::Server;
use crate::domain::site::Access;
use crate::hosting::database::Database;
use std::io::Read;

pub const HARD: &str = r#"
set search_path = public; set check_function_bodies = on;
create schema "Odd ""schema""; "; create schema hard;
comment on schema hard is 'it''s a comment; -- really';
create type hard.mood as enum ('sad', 'ok', 'happy ü'); create domain hard.posint as int check (value > 0);
create type hard.pair as (a int, b text);
create table hard.t (id int generated always as identity primary key, b bytea, j jsonb, a text[], m hard.mood, n numeric, f float4,
  d float8,
  p hard.posint, ts timestamptz, r int4range, x hard.pair, g int generated always as (id * 2) stored);
insert into hard.t (b, j, a, m, n, f, d, p, ts, r, x) values
 ('\x00ff5c270a', '{"a": [1, "ü", null]}', array['x', 'y,"z"', null, '\.'], 'happy ü', 'NaN', 0.1, 1e-300, 3,
  '2020-02-29 23:59:60+05:30', '[1,5)', (1, 'é'))
 , (null, 'null', '{}', 'sad', 12345678901234567890.0123456789, 3.4028235e38, '-Infinity', 1, 'infinity', 'empty', null);
create table public."Odd ""name""; -- " ("select" int, "a b" text default E'it''s; \\ -- $$');
insert into "Odd ""name""; -- " values (1, E'tab\tnl\n\\.\n\\N'), (1, E'tab\tnl\n\\.\n\\N'), (null, null), (2, '\.'), (3, ''), (4,
  '\! touch x');
create table "line
break" ("c
d" int); insert into "line
break" values (7);
create table hard.part (id int, y int) partition by range (y);
create table hard.part0 partition of hard.part for values from (0) to (2020); create table hard.part1 partition of hard.part default;
insert into hard.part values (1, 2010), (2, 2030), (3, 2031);
create table hard.parent (id int primary key); create table hard.kid (id int primary key,
  p int references hard.parent deferrable initially deferred);
insert into hard.parent values (1); insert into hard.kid values (1, 1);
create table inherited (extra text) inherits (hard.parent); insert into inherited values (5, 'more');
create sequence hard.seq start 100 increment 7; select setval('hard.seq', 135);
  create table serials (id bigserial primary key, t text); insert into serials(t) values ('a'), ('b');
create view hard.v as select id, m, 'a\b' as b from hard.t; create materialized view hard.mv as select count(*) n from hard.t;
create or replace function hard.f(a int) returns int language plpgsql as $f$ begin return a * 2; /* ; ' \! */ end $f$;
create function hard.std(a int) returns int language sql immutable begin atomic select case when a > 1 then a else 2 end; end;
create function hard.trg() returns trigger language plpgsql as $f$ begin new.p := coalesce(new.p, 1); return new; end $f$;
create trigger hard_trg before insert on hard.t for each row execute function hard.trg();
create procedure hard.proc() language sql as 'select 1; select ''x;\''';
create index hard_expr on hard.t (lower(a[1])) where id > 0; create index on serials (hard.std(id::int));
create rule r as on insert to hard.v do instead (select 1; select 2);
create table "Odd ""schema""; ".t (a text check (a not like '\%' escape '\')); 
insert into "Odd ""schema""; ".t values ('x');
create table django_session (k text); insert into django_session select g::text from generate_series(1, 50) g;
create aggregate hard.total(int) (sfunc = int4pl, stype = int, initcond = '0');
create collation hard.german (locale = 'C'); create text search configuration hard.search (copy = simple);
alter table serials enable row level security; create policy mine on serials using (true);
comment on table hard.t is 'it''s a comment \ ; --'; comment on column hard.t.j is E'two\nlines';
create unlogged table fast (a int); insert into fast values (1);
"#;

/// Large objects: they belong to the database as a whole.
pub const OBJECTS: &str = "select lo_from_bytea(4711, '\\x00ff00ff'); select lo_from_bytea(4712, decode(repeat('ab', 100000), 'hex'));
  comment on large object 4711 is 'an object';";

/// All rows of all tables (ordered), sequences, large objects, and the structure as pg_dump writes it.
pub fn digest(session: &Session, with_objects: bool) -> String {
    let rows = session.run(
        "select format('select %L || md5(coalesce(string_agg(x::text, E''\\n'' order by x::text), '''')) || count(*)
  from only %I.%I x;', n.nspname || '.' || c.relname || ' ', n.nspname, c.relname)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'm') and n.nspname !~ '^(pg_|sk_|information_schema)' order by 1 \\gexec
select 'sequence ' || schemaname || '.' || sequencename || ' ' || coalesce(last_value, 0)
  from pg_sequences where schemaname !~ '^sk_' order by 1;",
    );
    let objects = "select oid || ' ' || md5(lo_get(oid)) || coalesce(obj_description(oid, 'pg_largeobject'), '')
  from pg_largeobject_metadata order by oid;";
    let objects = if with_objects { session.run(objects).unwrap() } else { String::new() };
    format!("{}\n{objects}\n{}", rows.unwrap(), structure(session))
}

fn structure(session: &Session) -> String {
    let program = session.pg_dump(session.server_version().unwrap()).unwrap();
    let args = ["--schema-only", "--no-owner", "--exclude-schema=sk_*"];
    let out = session.tool(&program).unwrap().args(args).output(b"", None, super::super::session::explain).unwrap();
    let text = String::from_utf8(out).unwrap();
    text.lines().filter(|l| !l.starts_with("--") && !l.contains("restrict ")).map(|l| format!("{l}\n")).collect()
}

/// A site with everything hard in it.
pub fn hard(server: &Server, with_objects: bool) -> (Access, Session) {
    let access = server.site();
    let session = server.session(&access);
    session.run(HARD).unwrap();
    if with_objects {
        session.run(OBJECTS).unwrap();
    }
    (access, session)
}

pub fn dump(access: &Access, scope: &Scope) -> (Vec<u8>, crate::hosting::database::DumpFacts) {
    let mut dumping = Postgres::new(access.clone()).dump(scope).unwrap();
    let mut text = Vec::new();
    dumping.reader.read_to_end(&mut text).unwrap();
    let facts = (dumping.finish)().unwrap();
    assert_eq!(facts.bytes, text.len() as u64);
    (text, facts)
}

pub fn complete() -> Scope {
    Scope { complete: true, ..Scope::default() }
}

/// What a site's owner does after the backup: rows, a table and a schema come and go.
pub fn go_on(session: &Session) {
    session
        .run(
            "delete from hard.kid; insert into hard.parent values (77); create table public.newer (a int);
  insert into public.newer values (1);
drop schema \"Odd \"\"schema\"\"; \" cascade; create schema later; create table later.t (a int); insert into later.t values (1), (2);",
        )
        .unwrap();
}

/// Does it stand in any argument or environment on the host?
pub fn seen_in_processes(text: &str) -> bool {
    let files = |pid: std::path::PathBuf| ["cmdline", "environ"].map(|f| std::fs::read(pid.join(f)).unwrap_or_default());
    let seen = |bytes: &Vec<u8>| memchr::memmem::find(bytes, text.as_bytes()).is_some();
    std::fs::read_dir("/proc").unwrap().flatten().flat_map(|e| files(e.path())).any(|bytes| seen(&bytes))
}
