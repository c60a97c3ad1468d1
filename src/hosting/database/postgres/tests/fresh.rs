//! Restores into a new database.

use super::server::shared;
use super::sites::{complete, digest, dump, go_on, hard, seen_in_processes};
use crate::base::error::Class;
use crate::base::secret::Secret;
use crate::base::watch::Watch;
use crate::domain::site::Access;
use crate::hosting::database::postgres::Postgres;
use crate::hosting::database::{Database, Means, Scope};

fn access(staged: &crate::hosting::database::Staged, password: &Secret) -> Access {
    Access { address: staged.address.clone(), password: password.clone() }
}

#[test]
fn everything_hard_comes_back_in_a_new_database_and_the_live_one_is_not_touched() {
    let server = shared();
    let (live, session) = hard(server, true);
    let before = digest(&session, true);
    let (text, facts) = dump(&live, &complete());
    assert!(facts.warnings.iter().any(|w| w.contains("2 large objects")) && facts.structure_only.is_empty(), "{facts:?}");
    go_on(&session);
    let now = digest(&session, true);
    let db = Postgres::new(live.clone());
    let (staged, password) = db.stage("rst_1", Some(&server.master())).unwrap();
    assert_eq!(staged.means, Means::NewDatabase);
    let watch = Watch::new();
    db.import(&staged, &password, &mut text.as_slice(), &watch).unwrap();
    assert_eq!(watch.bytes(), text.len() as u64);
    let new = server.session(&access(&staged, &password));
    assert_eq!(digest(&new, true), before);
    assert_eq!(digest(&session, true), now, "the live database is as it was");
    let counts = db.staged_counts(&staged, &password).unwrap();
    assert_eq!((counts["hard.t"], counts["django_session"], counts["hard.part1"], counts["Odd \"name\"; -- "]), (2, 50, 2, 6));
    assert_eq!(facts.tables, counts.len() as u64);
    assert!(!db.is_switched(&staged).unwrap());
    let problem = Postgres::new(access(&staged, &password)).discard(&staged, Some(&server.master())).unwrap_err();
    assert_eq!(problem.class(), Class::Conflict, "what is live is never dropped");
    for _ in 0..2 {
        db.discard(&staged, Some(&server.master())).unwrap();
    }
    assert!(new.run("select 1;").is_err());
    assert_eq!(digest(&session, true), now);
}

#[test]
fn tables_that_only_cache_keep_their_structure_without_rows() {
    let (live, session) = hard(shared(), false);
    session
        .run(
            "create table public.part_log (y int) partition by range (y);
  create table public.part_log_1 partition of public.part_log default; insert into public.part_log values (1);",
        )
        .unwrap();
    let patterns = ["*_session", "part_log", "hard.par?nt"].map(str::to_owned).to_vec();
    let (text, facts) = dump(&live, &Scope { structure_only: patterns.clone(), complete: false });
    let text = String::from_utf8(text).unwrap();
    assert_eq!(facts.structure_only, ["hard.parent", "django_session", "part_log_1"]);
    for (table, rows) in [("public.django_session", false), ("public.part_log_1", false), ("hard.parent", false), ("hard.t", true)] {
        assert_eq!(text.contains(&format!("COPY {table} ")), rows, "{table}");
        assert!(text.contains(&format!("CREATE TABLE {table} ")), "{table}");
    }
    let (all, facts) = dump(&live, &Scope { structure_only: patterns, complete: true });
    assert!(facts.structure_only.is_empty() && String::from_utf8(all).unwrap().contains("COPY public.django_session "));
}

#[test]
fn a_second_stage_of_the_same_ticket_begins_anew_and_an_old_database_can_be_fenced_and_dropped() {
    let server = shared();
    let (live, session) = hard(server, false);
    let db = Postgres::new(live.clone());
    let master = server.master();
    let (first, old_password) = db.stage("again", Some(&master)).unwrap();
    server.session(&access(&first, &old_password)).run("create table public.left_over (a int);").unwrap();
    let (staged, password) = db.stage("again", Some(&master)).unwrap();
    assert_eq!(staged, first);
    assert!(db.staged_counts(&staged, &password).unwrap().is_empty());
    assert!(db.staged_counts(&staged, &old_password).is_err(), "the old password is no good any more");

    let fenced = db.fence(Some(&master)).unwrap();
    assert!(fenced.complete, "{fenced:?}");
    let shut = session.run("select 1;").unwrap_err();
    assert!(shut.sentence().contains("not currently accepting connections"), "{shut}");
    for _ in 0..2 {
        db.unfence(Some(&master)).unwrap();
    }
    session.run("select 1;").unwrap();
    db.fence(Some(&master)).unwrap();
    // After the switch the new database is the live one, and the old one is what is dropped.
    let now_live = Postgres::new(access(&staged, &password));
    let aside = crate::hosting::database::Staged { address: live.address.clone(), ..staged.clone() };
    now_live.discard(&aside, Some(&master)).unwrap();
    assert!(session.run("select 1;").unwrap_err().sentence().contains("does not exist"));
    let role = server.session(&master).run(&format!(
        "select count(*) from pg_roles where rolname = {};",
        super::super::session::literal(&live.address.account().unwrap().user)
    ));
    assert_eq!(role.unwrap(), "1", "a user that is not ours stays");
    now_live.counts().unwrap();
    let root = Postgres::new(server.master());
    root.discard(&staged, Some(&master)).unwrap();
}

#[test]
fn a_server_account_need_not_be_a_superuser_and_settings_and_isolation_are_taken_over() {
    let server = shared();
    let live = server.site();
    let user = &live.address.account().unwrap().user;
    let root = server.session(&server.master());
    root.run(&format!(
        "alter role \"{user}\" set timezone to 'Asia/Tokyo'; alter role \"{user}\" set search_path to \"$user\", shop, public;
alter database \"{user}\" set work_mem to '7MB'; revoke all on database \"{user}\" from public;"
    ))
    .unwrap();
    let helper = format!("helper {}", crate::base::chance::word(8));
    root.run(&format!("create role \"{helper}\" login createdb createrole password 'h';")).unwrap();
    let helper = server.access(&helper, "postgres", "h");
    let db = Postgres::new(live.clone());
    server
        .session(&live)
        .run(
            "create schema shop; create extension pg_trgm with schema shop; create table public.t (a text);
  create index on public.t using gin (a shop.gin_trgm_ops); insert into public.t values ('hello');",
        )
        .unwrap();
    let (text, _) = dump(&live, &complete());
    let (staged, password) = db.stage("settings", Some(&helper)).unwrap();
    db.import(&staged, &password, &mut text.as_slice(), &Watch::new()).unwrap();
    assert_eq!(db.staged_counts(&staged, &password).unwrap()["t"], 1);
    let own = || server.session(&access(&staged, &password)).client().unwrap();
    let out = own().output(b"show timezone; show search_path; show work_mem;", None, super::super::session::explain).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "Asia/Tokyo\n\"$user\", shop, public\n7MB\n");
    let stranger = server.site();
    let mut nosy = stranger.clone();
    if let crate::domain::site::DatabaseAddress::Postgres(a) = &mut nosy.address {
        a.database = staged.address.account().unwrap().database.clone();
    }
    assert!(server.session(&nosy).run("select 1;").unwrap_err().sentence().contains("permission denied"));
    db.discard(&staged, Some(&helper)).unwrap();
}

#[test]
fn an_extension_that_only_a_superuser_may_create_is_made_beforehand() {
    let server = shared();
    let live = server.site();
    let name = &live.address.account().unwrap().database;
    server
        .session(&server.master())
        .of_database(name)
        .run("create schema tools; create extension pg_stat_statements with schema tools; create extension pageinspect;")
        .unwrap();
    server.session(&live).run("create table public.t (a int); insert into public.t values (1);").unwrap();
    let (text, facts) = dump(&live, &complete());
    assert!(facts.warnings.iter().any(|w| w.contains("pg_stat_statements")));
    let db = Postgres::new(live.clone());
    let (staged, password) = db.stage("ext", Some(&server.master())).unwrap();
    db.import(&staged, &password, &mut text.as_slice(), &Watch::new()).unwrap();
    let there =
        server.session(&access(&staged, &password)).run("select string_agg(extname, ' ' order by extname) from pg_extension;").unwrap();
    assert_eq!(there, "pageinspect pg_stat_statements plpgsql");
    db.discard(&staged, Some(&server.master())).unwrap();
}

#[test]
fn no_password_is_seen_by_other_users_of_the_host() {
    let (live, session) = hard(shared(), false);
    session.run("create table public.large as select repeat('x', 1000) as t from generate_series(1, 1000);").unwrap();
    let mut dumping = Postgres::new(live.clone()).dump(&complete()).unwrap();
    let mut first = [0; 10];
    std::io::Read::read_exact(&mut dumping.reader, &mut first).unwrap();
    assert!(seen_in_processes(&live.address.account().unwrap().user), "pg_dump is running");
    assert!(!seen_in_processes(live.password.expose()));
}

#[test]
fn the_new_database_sorts_as_the_old_one_does() {
    let server = shared();
    let live = server.site();
    let name = &live.address.account().unwrap().database;
    let root = server.session(&server.master());
    root.run(&format!("drop database \"{name}\";")).unwrap();
    root.run(&format!(
        "create database \"{name}\" owner \"{name}\" template template0 encoding 'UTF8' locale_provider icu icu_locale 'de-u-co-phonebk';"
    ))
    .unwrap();
    server.session(&live).run("create table public.t (a text); insert into public.t values ('Az'), ('Äa'), ('B');").unwrap();
    let (text, _) = dump(&live, &complete());
    let db = Postgres::new(live.clone());
    let (staged, password) = db.stage("icu", Some(&server.master())).unwrap();
    db.import(&staged, &password, &mut text.as_slice(), &Watch::new()).unwrap();
    let sorted = |access: &Access| server.session(access).run("select string_agg(a, ' ' order by a) from public.t;").unwrap();
    assert_eq!(sorted(&live), "Äa Az B", "Ä counts as Ae");
    assert_eq!(sorted(&access(&staged, &password)), sorted(&live));
    db.discard(&staged, Some(&server.master())).unwrap();
}

#[test]
fn a_server_account_without_rights_over_the_old_database_is_helped_by_the_site_that_owns_it() {
    let server = shared();
    let live = server.site();
    let session = server.session(&live);
    let helper = format!("helper {}", crate::base::chance::word(8));
    server.session(&server.master()).run(&format!("create role \"{helper}\" login createdb createrole password 'h';")).unwrap();
    let helper = server.access(&helper, "postgres", "h");
    let sleeper = std::thread::spawn({
        let session = session.clone();
        move || session.run("select pg_sleep(60);")
    });
    let busy =
        "select count(*) from pg_stat_activity where query ~ 'pg_sleep' and datname = current_database() and pid <> pg_backend_pid();";
    while session.run(busy).unwrap() == "0" {}
    let db = Postgres::new(live.clone());
    let fenced = db.fence(Some(&helper)).unwrap();
    assert!(fenced.complete && fenced.note.contains("1 connections were cut"), "{fenced:?}");
    assert!(sleeper.join().unwrap().is_err() && session.run("select 1;").is_err());
    db.unfence(Some(&helper)).unwrap();
    session.run("select 1;").unwrap();
}

#[test]
fn a_strangers_database_of_the_same_name_is_not_dropped() {
    let server = shared();
    let live = server.site();
    let name = format!("{}_sk_{}", live.address.account().unwrap().database, crate::hosting::database::short("theirs"));
    server.session(&server.master()).run(&format!("create database \"{name}\";")).unwrap();
    let error = Postgres::new(live).stage("theirs", Some(&server.master())).unwrap_err();
    assert_eq!(error.class(), Class::Conflict, "{error}");
    server.session(&server.master()).of_database(&name).run("select 1;").unwrap();
}
