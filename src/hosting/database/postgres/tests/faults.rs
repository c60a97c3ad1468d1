//! What goes wrong, and what is said then.

use super::server::{Server, shared};
use super::sites::{complete, dump, hard};
use crate::base::error::Class;
use crate::base::secret::Secret;
use crate::base::watch::Watch;
use crate::domain::site::Access;
use crate::hosting::database::postgres::{Postgres, Search};
use crate::hosting::database::{Database, Scope};
use std::io::Read;
use std::path::Path;
use std::process::Command;

#[test]
fn a_check_tells_versions_and_what_to_know() {
    let (live, _) = hard(shared(), true);
    let facts = Postgres::new(live).check().unwrap();
    assert!(facts.server_version.starts_with("PostgreSQL ") && facts.tool.starts_with("pg_dump "), "{facts:?}");
    assert!(facts.charset.starts_with("UTF8") && facts.size_hint > 1_000_000 && facts.inexact_columns.is_empty(), "{facts:?}");
    assert!(facts.warnings.iter().any(|w| w.contains("large objects")), "{facts:?}");
}

#[test]
fn a_wrong_password_a_missing_database_and_a_missing_tool_are_named() {
    let live = shared().site();
    let wrong = Access { password: Secret::new("wr0ngpassword"), ..live.clone() };
    let error = Postgres::new(wrong).check().unwrap_err();
    assert_eq!(error.class(), Class::Permanent);
    assert!(error.sentence().contains("password authentication failed") && error.hint_text().is_some(), "{error}");
    assert!(!error.to_string().contains("wr0ngpassword"));

    let user = &live.address.account().unwrap().user;
    let error = Postgres::new(shared().access(user, "nowhere", live.password.expose())).check().unwrap_err();
    assert!(error.sentence().contains("does not exist") && error.class() == Class::Permanent, "{error}");

    let error = Postgres::with_tools(live.clone(), Search::only(Path::new("/nonexistent"))).check().unwrap_err();
    assert!(error.sentence().contains("psql is not installed"), "{error}");
    let nobody = Access { address: shared().access("x", "x", "x").address, password: Secret::new("a\nb") };
    assert_eq!(Postgres::new(nobody).check().unwrap_err().class(), Class::Invalid);
}

/// Tools that do as they should but for one thing.
fn tools(name: &str, pg_dump: &str) -> (std::path::PathBuf, Search) {
    let parent = std::env::temp_dir().join(format!("sitekeep-{name}-{}", crate::base::chance::word(10)));
    let real = Search::usual().psql().unwrap().path.parent().unwrap().to_owned();
    let script = format!(
        "mkdir -p {p}/99/bin && ln -s {r}/psql {p}/99/bin/psql && chmod 755 {p} &&
printf '%s\\n' '#!/bin/sh' 'case $1 in --version) echo \"pg_dump (PostgreSQL) 99.1\"; exit;; esac' \\
'real={r}/pg_dump' '{pg_dump}' > {p}/99/bin/pg_dump && chmod 755 {p}/99/bin/pg_dump",
        p = parent.display(),
        r = real.display(),
    );
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    let search = Search::only(&parent);
    (parent, search)
}

#[test]
fn a_dump_that_is_cut_or_fails_is_never_called_a_dump() {
    let (live, _) = hard(shared(), false);
    for (what, class, said, script) in [
        ("cut", Class::Permanent, "last line is missing", "\"$real\" \"$@\" | head -c 9000"),
        ("trailer", Class::Permanent, "last line is missing", "\"$real\" \"$@\" | grep -v complete"),
        ("empty", Class::Permanent, "last line is missing", "exit 0"),
        ("fails", Class::Permanent, "disk on fire", "\"$real\" \"$@\"; echo \"pg_dump: error: disk on fire\" >&2; exit 3"),
        ("killed", Class::Transient, "signal 9", "\"$real\" \"$@\"; kill -9 $$"),
    ] {
        let (parent, search) = tools(what, script);
        let mut dumping = Postgres::with_tools(live.clone(), search).dump(&Scope::default()).unwrap();
        std::io::copy(&mut dumping.reader, &mut std::io::sink()).unwrap();
        let error = (dumping.finish)().unwrap_err();
        assert!(error.class() == class && error.sentence().contains(said), "{what}: {error:?}");
        std::fs::remove_dir_all(parent).unwrap();
    }
}

#[test]
fn a_dump_that_is_not_wanted_any_more_leaves_no_process() {
    let (live, session) = hard(shared(), false);
    let running =
        || session.run("select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid();").unwrap();
    let mut dumping = Postgres::new(live).dump(&Scope::default()).unwrap();
    let mut some = [0; 100];
    dumping.reader.read_exact(&mut some).unwrap();
    let error = (dumping.finish)().unwrap_err();
    assert!(error.sentence().contains("not read to its end"), "{error}");
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while running() != "0" {
        assert!(std::time::Instant::now() < end, "pg_dump goes on");
    }
}

#[test]
fn a_table_that_the_account_may_not_read_fails_the_dump_by_name() {
    let (live, session) = hard(shared(), false);
    let name = &live.address.account().unwrap().database;
    shared().session(&shared().master()).of_database(name).run("create table public.hidden (a int);").unwrap();
    drop(session);
    let mut dumping = Postgres::new(live).dump(&Scope::default()).unwrap();
    std::io::copy(&mut dumping.reader, &mut std::io::sink()).unwrap();
    let error = (dumping.finish)().unwrap_err();
    assert!(error.sentence().contains("permission denied for table hidden") && error.class() == Class::Permanent, "{error:?}");
}

#[test]
fn a_truncated_dump_and_a_reader_that_fails_leave_the_staged_database_empty() {
    let server = shared();
    let (live, _) = hard(server, true);
    let (text, _) = dump(&live, &complete());
    let db = Postgres::new(live.clone());
    let (staged, password) = db.stage("cut", Some(&server.master())).unwrap();
    let trailer = text.windows(20).rposition(|w| w == b"database dump comple").unwrap();
    for cut in [0, 1, 500, 2000, text.len() / 3, text.len() / 2, text.len() * 3 / 4, trailer, trailer + 15] {
        let error = db.import(&staged, &password, &mut &text[..cut], &Watch::new()).unwrap_err();
        assert_eq!(error.class(), Class::Damaged, "cut at {cut}: {error}");
    }
    struct Fails<'a>(&'a [u8]);
    impl Read for Fails<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(into)? {
                0 => Err(std::io::Error::other("a pack is damaged")),
                n => Ok(n),
            }
        }
    }
    let error = db.import(&staged, &password, &mut Fails(&text), &Watch::new()).unwrap_err();
    assert!(error.sentence().contains("reading the dump: a pack is damaged"), "{error}");
    let watch = Watch::new();
    watch.cancel();
    assert_eq!(db.import(&staged, &password, &mut text.as_slice(), &watch).unwrap_err().class(), Class::Cancelled);
    assert!(db.staged_counts(&staged, &password).unwrap().is_empty());
    db.discard(&staged, Some(&server.master())).unwrap();
}

#[test]
fn a_cancel_does_not_wait_for_the_server() {
    let (live, _) = hard(shared(), false);
    let (text, _) = dump(&live, &complete());
    let text = String::from_utf8(text).unwrap();
    let db = Postgres::new(live.clone());
    let (staged, password) = db.stage("cancel", None).unwrap();
    let more = format!("\n{}", "select 1;\n".repeat(100_000)); // more than a pipe holds
    for slow in ["select pg_sleep(60);".to_owned(), format!("select pg_sleep(60);{more}")] {
        let slow = text.replacen("CREATE VIEW", &format!("{slow}\nCREATE VIEW"), 1);
        let watch = Watch::new();
        let canceller = watch.clone();
        let begun = std::time::Instant::now();
        let ticker = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_secs(2));
            canceller.cancel();
        });
        let error = db.import(&staged, &password, &mut slow.as_bytes(), &watch).unwrap_err();
        assert_eq!(error.class(), Class::Cancelled, "{error}");
        assert!(begun.elapsed().as_secs() < 30);
        ticker.join().unwrap();
    }
}

#[test]
fn a_server_that_restarts_is_something_that_passes() {
    let server = Server::start();
    let live = server.site();
    let session = server.session(&live);
    session.run("create table public.t as select g as id, repeat(md5(g::text), 50) as t from generate_series(1, 20000) g;").unwrap();
    let db = Postgres::new(live.clone());
    let (text, _) = dump(&live, &complete());

    let mut dumping = db.dump(&Scope::default()).unwrap();
    let mut some = vec![0; 300_000];
    dumping.reader.read_exact(&mut some).unwrap();
    server.control(&["stop", "-m", "immediate"]);
    std::io::copy(&mut dumping.reader, &mut std::io::sink()).unwrap();
    let error = (dumping.finish)().unwrap_err();
    assert_eq!(error.class(), Class::Transient, "{error:?}");
    let error = db.check().unwrap_err();
    assert!(error.class() == Class::Transient && error.hint_text().is_some(), "{error:?}");

    server.control(&["start", "-w", "-o", &format!("-c listen_addresses= -c unix_socket_directories={}", server.dir.display())]);
    let (staged, password) = db.stage("restart", None).unwrap();
    struct Stops<'a>(&'a [u8], &'a Server, usize);
    impl Read for Stops<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.2 += 1;
            if self.2 == 5 {
                self.1.control(&["restart", "-w", "-m", "immediate"]);
            }
            self.0.read(into)
        }
    }
    let error = db.import(&staged, &password, &mut Stops(&text, &server, 0), &Watch::new()).unwrap_err();
    assert_eq!(error.class(), Class::Transient, "{error:?}");
    db.import(&staged, &password, &mut text.as_slice(), &Watch::new()).unwrap();
    db.switch(&staged).unwrap();
    server.control(&["restart", "-w", "-m", "immediate"]);
    assert!(db.is_switched(&staged).unwrap());
    assert_eq!(db.counts().unwrap()["t"], 20_000);
    server.control(&["stop", "-m", "fast"]);
}
