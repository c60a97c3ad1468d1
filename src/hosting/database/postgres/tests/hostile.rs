//! Dumps that try to get out.

use super::server::shared;
use super::sites::{complete, digest, dump, hard};
use crate::base::watch::Watch;
use crate::hosting::database::Database;
use crate::hosting::database::postgres::Postgres;

#[test]
fn a_hostile_dump_runs_no_command_and_reaches_nothing_outside_its_database() {
    let server = shared();
    let (live, session) = hard(server, false);
    let now = digest(&session, false);
    let (text, _) = dump(&live, &complete());
    let text = String::from_utf8(text).unwrap();
    let canary = server.dir.join("canary");
    let touch = format!("touch {}", canary.display());
    let shown = canary.display();
    let db = Postgres::new(live.clone());
    let (staged, password) = db.stage("hostile", Some(&server.master())).unwrap();
    let live_name = &live.address.account().unwrap().database;
    for bad in [
        format!("\\! {touch}"),
        format!("select 1 \\! {touch}"),
        format!("select 1 \\g |{touch}"),
        format!("\\o |{touch}"),
        format!("\\copy pg_class to program '{touch}'"),
        format!("\\set x `{touch}`"),
        format!("\\restrict `{touch}`"),
        format!("\\restrict a\n\\unrestrict a\n\\! {touch}"),
        format!("\\unrestrict a `{touch}`"),
        format!("\\restrict a \\! {touch}"),
        format!("-- a newline in a name\r\n\\! {touch}"),
        format!("-- Name: a\n\\! {touch}\n; Type: TABLE"),
        format!("set standard_conforming_strings = off;\nselect 'a\\'' \\! {touch} --';"),
        format!("select set_config('standard_conforming_strings', 'off', false);\nselect 'a\\''; \n\\! {touch}\n --';"),
        format!("copy (select 1) to program '{touch}';"),
        format!("COPY hard.t FROM program '{touch}';"),
        format!("do $$ begin execute 'copy (select 1) to program ''{touch}'''; end $$;"),
        format!("do $$ begin execute 'copy (select 1) to ''{shown}'''; end $$;"),
        format!("select lo_export(lo_from_bytea(0, 'x'), '{shown}');"),
        "alter system set archive_command = 'touch /tmp/x';".to_owned(),
        "set role master;".to_owned(),
        "set session authorization master;".to_owned(),
        "create role evil superuser;".to_owned(),
        format!("alter role \"{live_name}\" password 'x';"),
        format!("drop database \"{live_name}\";"),
        format!("\\connect \"{live_name}\""),
        "create extension file_fdw;".to_owned(),
        "create function e() returns int language c as 'libc', 'system';".to_owned(),
        "COPY (select 1) TO stdout; select 1;\nCOPY hard.t FROM stdin; \\! x".to_owned(),
    ] {
        let hostile = text.replacen("CREATE SCHEMA hard;", &format!("{bad}\nCREATE SCHEMA hard;"), 1);
        let result = db.import(&staged, &password, &mut hostile.as_bytes(), &Watch::new());
        assert!(result.is_err(), "{bad} was imported");
        assert!(!canary.exists(), "{bad} was obeyed");
        assert_eq!(db.staged_counts(&staged, &password).unwrap().len(), 0, "{bad}");
    }
    assert_eq!(digest(&session, false), now);
    db.import(&staged, &password, &mut text.as_bytes(), &Watch::new()).unwrap();
    db.discard(&staged, Some(&server.master())).unwrap();
}

#[test]
fn rows_that_look_like_commands_are_rows() {
    let server = shared();
    let live = server.site();
    let session = server.session(&live);
    session
        .run(
            r"create table public.t (a text); insert into public.t values ('\! touch x'), (E'\\.'), (E'\n\\.\n\\! y'),
  ('\restrict z'), (''), (null), (E'a\r\nb');",
        )
        .unwrap();
    let before = digest(&session, false);
    let (text, _) = dump(&live, &complete());
    let db = Postgres::new(live.clone());
    let (staged, password) = db.stage("rows", Some(&server.master())).unwrap();
    struct OneByOne<'a>(&'a [u8]);
    impl std::io::Read for OneByOne<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let n = into.len().min(1);
            std::io::Read::read(&mut self.0, &mut into[..n])
        }
    }
    db.import(&staged, &password, &mut OneByOne(&text), &Watch::new()).unwrap();
    let new = server.session(&crate::domain::site::Access { address: staged.address.clone(), password });
    assert_eq!(digest(&new, false), before);
    db.discard(&staged, Some(&server.master())).unwrap();
}

#[test]
fn an_account_with_power_over_the_server_never_reads_a_dump() {
    let server = shared();
    let live = server.site();
    let user = &live.address.account().unwrap().user;
    let (text, _) = dump(&live, &complete());
    let db = Postgres::new(live.clone());
    for power in ["alter role \"X\" superuser", "alter role \"X\" nosuperuser; grant pg_execute_server_program to \"X\""] {
        server.session(&server.master()).run(&format!("{};", power.replace('X', user))).unwrap();
        let (staged, password) = db.stage("power", None).unwrap();
        let error = db.import(&staged, &password, &mut text.as_slice(), &Watch::new()).unwrap_err();
        assert!(error.sentence().contains("superuser"), "{error}");
    }
}
