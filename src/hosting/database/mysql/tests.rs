//! On a real server: hard objects go out and come back unchanged by both ways; what can go wrong on the way is told.

mod cut;
mod server;

use super::super::{Database, DumpFacts, Means, Scope, database};
use super::*;
use crate::base::error::Class;
use server::server;

fn db(access: &Access) -> Box<dyn Database> {
    database(access.clone())
}

fn dump(access: &Access, scope: &Scope) -> Result<(Vec<u8>, DumpFacts)> {
    let mut dumping = db(access).dump(scope)?;
    let mut bytes = Vec::new();
    let read = dumping.reader.read_to_end(&mut bytes);
    let facts = (dumping.finish)()?;
    read.expect("a dump that finished well was read well");
    Ok((bytes, facts))
}

fn name_of(access: &Access) -> String {
    access.address.label()
}

fn everything() -> Scope {
    Scope { structure_only: vec!["*".into()], complete: true }
}

fn same(a: &str, b: &str) {
    if a != b {
        let line = a.lines().zip(b.lines()).find(|(a, b)| a != b);
        panic!("not the same ({} and {} bytes), first difference: {line:.500?}", a.len(), b.len());
    }
}

#[test]
fn hard_objects_come_back_unchanged_in_a_database_of_their_own() {
    let (server, root) = (server(), server().root_access());
    let site = server.hard_site();
    let facts = db(&site).check().unwrap();
    assert!(facts.tool.starts_with("mariadb-dump 1") && facts.charset == "utf8mb4", "{facts:?}");
    assert_eq!(facts.inexact_columns, ["float.f"]);
    assert!(facts.warnings.iter().any(|w| w.contains("not transactional") && w.contains("loose")), "{facts:?}");
    let (bytes, dumped) = dump(&site, &everything()).unwrap();
    assert_eq!(dumped.bytes, bytes.len() as u64);
    assert_eq!(dumped.tables, 18, "base tables");
    assert!(dumped.structure_only.is_empty() && dumped.missing.is_empty());
    let before = server.picture(&name_of(&site));
    let counts = db(&site).counts().unwrap();
    assert_eq!((counts["wp_posts"], counts["nopk"], counts.contains_key("seq"), counts.contains_key("posts")), (3, 3, false, false));

    let (staged, password) = db(&site).stage("rst_1", Some(&root)).unwrap();
    db(&site).import(&staged, &password, &mut bytes.as_slice(), &Watch::new()).unwrap();
    let again = db(&site).stage("rst_1", Some(&root)).unwrap();
    assert_eq!(staged, again.0, "the same ticket has the same place");
    assert_ne!(password, again.1);
    let password = again.1;
    let watch = Watch::new();
    db(&site).import(&staged, &password, &mut bytes.as_slice(), &watch).unwrap();
    assert!(watch.bytes() > 1_000_000);
    assert_eq!(db(&site).staged_counts(&staged, &password).unwrap(), counts);
    // `pi()` in a FLOAT column is the one value that is rounded, and it was named.
    same(&before, &server.picture(&staged.address.label()));
    assert!(!db(&site).is_switched(&staged).unwrap());

    let new = Access { address: staged.address.clone(), password: password.clone() };
    let mut wrong = staged.clone();
    wrong.address = new.address.clone();
    assert_eq!(db(&new).discard(&wrong, Some(&root)).unwrap_err().class(), Class::Conflict, "what is live is not dropped");
    db(&site).discard(&staged, Some(&root)).unwrap();
    db(&site).discard(&staged, Some(&root)).unwrap();
    assert_eq!(server.root(&format!("select count(*) from mysql.user where user='{}'", staged.address.account().unwrap().user)), "0\n");
    assert_eq!(db(&site).discard(&staged, None).unwrap_err().class(), Class::Permanent);
}

#[test]
fn hard_objects_come_back_unchanged_beside_the_live_tables_and_go_away_again() {
    let server = server();
    let site = server.hard_site();
    let (bytes, _) = dump(&site, &everything()).unwrap();
    let (before, counts) = (server.picture(&name_of(&site)), db(&site).counts().unwrap());
    server
        .sql(
            &site,
            "drop view posts, a_view_of_a_view; drop table nopk, latin; create view latin as select 1 x; drop view first_of_all; create table first_of_all (a int); create table newer (id int primary key, p int, constraint nk foreign key (p) references parent(id)); \
             insert into newer values (1, 1); alter table wp_cache add column z int; drop trigger trg; drop procedure proc; \
             create procedure proc() select 'newer'; create view late as select 1 x; drop event evt; insert into parent values (3);",
        )
        .unwrap();
    let changed = server.picture(&name_of(&site));
    let (staged, password) = db(&site).stage("rst_2", None).unwrap();
    let Means::Beside { .. } = &staged.means else { panic!("{staged:?}") };
    for _ in 0..2 {
        db(&site).stage("rst_2", None).unwrap();
        db(&site).import(&staged, &password, &mut bytes.as_slice(), &Watch::new()).unwrap();
    }
    assert_eq!(db(&site).staged_counts(&staged, &password).unwrap(), counts);
    assert_eq!(db(&site).counts().unwrap()["parent"], 3, "the live tables are untouched, and staged ones are not counted");
    let (meanwhile, _) = dump(&site, &everything()).unwrap();
    assert!(!String::from_utf8_lossy(&meanwhile).contains("`sk"), "staged tables are no part of a backup");

    for _ in 0..2 {
        assert!(!db(&site).is_switched(&staged).unwrap());
        db(&site).switch(&staged).unwrap();
        db(&site).switch(&staged).unwrap();
        assert!(db(&site).is_switched(&staged).unwrap());
        assert_eq!(db(&site).counts().unwrap(), counts);
        assert_eq!(db(&site).staged_counts(&staged, &password).unwrap(), counts);
        assert_eq!(db(&site).stage("rst_2", None).unwrap_err().class(), Class::Conflict);
        db(&site).switch_back(&staged).unwrap();
        db(&site).switch_back(&staged).unwrap();
        same(&changed, &server.picture(&name_of(&site)));
    }
    db(&site).switch(&staged).unwrap();
    db(&site).discard(&staged, None).unwrap();
    db(&site).discard(&staged, None).unwrap();
    same(&before, &server.picture(&name_of(&site)));
    assert_eq!(db(&site).switch_back(&staged).unwrap_err().class(), Class::Conflict, "what was put aside is gone");
}

/// A program in the place of the dump tool.
fn fake(name: &str, script: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::temp_dir().join(format!("sitekeep-{name}-{}", crate::base::chance::word(6)));
    std::fs::write(
        &path,
        format!("#!/bin/sh\nfor a; do [ \"$a\" = --version ] && echo 'x Ver 1 Distrib 99.1-MariaDB' && exit; done\n{script}\n"),
    )
    .unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn dump_with(access: &Access, script: &str) -> Result<DumpFacts> {
    let tool = fake("dump", script);
    let mut session = Session::new(access).unwrap();
    session.tools = session::Tools::look(Some(session.tools.client.clone()), Some(tool.clone())).unwrap();
    let mut dumping = dump::start(&session, &Catalogue::default(), &Scope::default())?;
    let read = dumping.reader.read_to_end(&mut Vec::new());
    let finished = (dumping.finish)();
    std::fs::remove_file(tool).unwrap();
    assert_eq!(read.is_err(), finished.is_err(), "a reader that only looks for the end is told as well");
    finished
}

#[test]
fn a_dump_that_did_not_reach_its_honest_end_is_none() {
    let site = server().site();
    let end = "echo '-- Dump completed'";
    assert!(dump_with(&site, end).is_ok());
    for (script, class, told) in [
        (format!("{end}; echo 'Error 2013: Lost connection during query' >&2; exit 3"), Class::Transient, "2013"),
        (format!("{end}; exit 2"), Class::Permanent, "status 2"),
        (format!("{end}; kill -9 $$"), Class::Transient, "signal 9"),
        ("echo 'CREATE TABLE `t` (`a` int);'".to_owned(), Class::Transient, "mark"),
        ("true".to_owned(), Class::Transient, "mark"),
        ("echo 'INSERT INTO `t` VALUES (1,'".to_owned(), Class::Damaged, "inside a statement"),
        ("echo 'INSERT INTO `t` VALUES (1,'; echo 'Got error: 1114: full' >&2; exit 2".to_owned(), Class::Resource, "full"),
        (format!("{end}; echo \"SELECT '-- Dump completed';\""), Class::Transient, "mark"),
    ] {
        let error = dump_with(&site, &script).unwrap_err();
        assert_eq!(error.class(), class, "{script}: {error}");
        assert!(error.to_string().contains(told), "{script}: {error}");
    }
    let password = site.password.expose();
    let error = dump_with(&site, "cat /dev/fd/3 >&2; grep -h password /dev/fd/3 >&2; exit 1").unwrap_err();
    assert!(!error.to_string().contains(password), "{error}");
    let mut unread = db(&site).dump(&Scope::default()).unwrap();
    let _ = unread.reader.read(&mut [0; 10]).unwrap();
    assert!((unread.finish)().is_err(), "a dump that was not read to its end is not finished");
}

#[test]
fn what_cannot_work_is_told_before_it_is_tried() {
    let site = server().site();
    let mut wrong = site.clone();
    wrong.password = Secret::new("no-such-password");
    let error = db(&wrong).check().unwrap_err();
    assert!(error.class() == Class::Permanent && error.to_string().contains("Hint: check the database's user"), "{error}");
    assert!(!error.to_string().contains("no-such-password"));
    let mut gone = site.clone();
    if let crate::domain::site::DatabaseAddress::Mysql(account) = &mut gone.address {
        account.at = crate::domain::site::Endpoint::Socket { path: "/nonexistent/socket".into(), port: None };
    }
    assert_eq!(db(&gone).check().unwrap_err().class(), Class::Transient);
    let missing = session::Tools::look(None, None).unwrap_err();
    assert!(missing.class() == Class::Permanent && missing.to_string().contains("mariadb-client"), "{missing}");
    let mut tools = session::Tools::find().unwrap();
    tools.version = (10, 3);
    assert_eq!(versions("10.11.6-MariaDB", &tools).unwrap_err().class(), Class::Permanent);
    assert!(versions("8.0.36", &tools).unwrap().unwrap().contains("MySQL 8.0.36"));
    tools.version = (11, 4);
    assert_eq!(versions("5.5.5-10.11.6-MariaDB", &tools).unwrap(), None);
}

#[test]
fn tables_that_only_cache_keep_their_structure_and_a_safety_dump_keeps_all() {
    let site = server().site();
    server()
        .sql(&site, "create table wp_cache (a int); insert into wp_cache values (1); create table t (a int); insert into t values (2);")
        .unwrap();
    let scope = Scope { structure_only: vec!["*_cache".into(), "wp_none*".into()], complete: false };
    let (bytes, facts) = dump(&site, &scope).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(facts.structure_only, ["wp_cache"]);
    assert!(text.contains("CREATE TABLE `wp_cache`") && !text.contains("INSERT INTO `wp_cache`") && text.contains("INSERT INTO `t`"));
    let (bytes, facts) = dump(&site, &Scope { complete: true, ..scope.clone() }).unwrap();
    assert!(facts.structure_only.is_empty() && String::from_utf8(bytes).unwrap().contains("INSERT INTO `wp_cache`"));
    // MySQL's own tool needs two runs for the same; both end well here.
    let mut session = Session::new(&site).unwrap();
    session.tools.mariadb = false;
    let dumping = dump::start(&session, &Catalogue::read(&session).unwrap(), &scope);
    assert!(dumping.is_ok());
}

#[test]
fn what_the_account_may_not_read_is_named_as_missing_and_a_broken_view_is_told() {
    let (server, site) = (server(), server().site());
    server.sql(&site, "create table t (a int); create view v as select a from t; create procedure mine() select 1;").unwrap();
    server.root(&format!("create procedure {}.theirs() select 'secret';", name_of(&site)));
    let facts = db(&site).check().unwrap();
    assert!(facts.warnings.iter().any(|w| w.contains("procedure theirs")), "{facts:?}");
    server.sql(&site, "alter table t rename column a to b;").unwrap();
    let (bytes, facts) = dump(&site, &everything()).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(facts.missing.len() == 1 && facts.missing[0].contains("procedure theirs"), "{facts:?}");
    assert!(facts.warnings.iter().any(|w| w.contains("broken") && w.contains('v')), "{facts:?}");
    assert!(text.contains("`mine`") && text.contains("CREATE TABLE `t`") && !text.contains("theirs`()"));
    // Beside the live tables, what cannot be read is left as it is.
    let (staged, secret) = db(&site).stage("rst_9", None).unwrap();
    db(&site).import(&staged, &secret, &mut text.as_bytes(), &Watch::new()).unwrap();
    db(&site).switch(&staged).unwrap();
    assert_eq!(server.sql(&site, "call theirs(); call mine();").unwrap(), "secret\n1\n");
    db(&site).switch_back(&staged).unwrap();
    assert_eq!(server.sql(&site, "call theirs(); call mine();").unwrap(), "secret\n1\n");
}

#[test]
fn a_staged_user_reaches_its_own_database_and_no_other_that_looks_like_it() {
    let (server, root) = (server(), server().root_access());
    let site = server.site();
    let (staged, password) = db(&site).stage("rst_3", Some(&root)).unwrap();
    let new = Access { address: staged.address.clone(), password };
    let near = staged.address.label().replace("_sk", "Xsk");
    server.root(&format!("create database {near}; create table {near}.t (a int);"));
    assert!(server.sql(&new, &format!("select * from {near}.t")).unwrap_err().contains("denied"));
    assert!(server.sql(&new, &format!("create table {}.t (a int)", name_of(&site))).unwrap_err().contains("denied"));
    assert!(server.sql(&new, "create table t (a int); insert into t values (1);").is_ok());
    let charset = |a: &Access| server.sql(a, "select @@collation_database").unwrap();
    assert_eq!(charset(&new), charset(&site));
}

#[test]
fn a_hostile_dump_stays_where_it_is_put_and_runs_no_command() {
    let (server, root) = (server(), server().root_access());
    let site = server.site();
    server.sql(&site, "create table users (a int); insert into users values (1);").unwrap();
    let other = server.site();
    server.sql(&other, "create table users (a int); insert into users values (1);").unwrap();
    let (before, others) = (server.picture(&name_of(&site)), server.picture(&name_of(&other)));
    let canary = std::env::temp_dir().join(format!("sitekeep-pwned-{}", crate::base::chance::word(8)));
    let c = canary.display();
    let (db1, db2) = (name_of(&site), name_of(&other));
    let attacks = [
        format!("\\! touch {c}\n"),
        format!("system touch {c}\n"),
        format!("select 1 \\! touch {c}\n;"),
        format!("\\T {c}\nselect 1;\n"),
        format!("tee {c}\nselect 1;\n"),
        format!("source {c}\n"),
        format!("\\. {c}\n"),
        format!("pager touch {c}\nselect 1;\n"),
        format!("/*M!999999\\- */\n-- x\n\\! touch {c}\n;"),
        format!("delimiter //\n\\! touch {c}\n//\ndelimiter ;\n"),
        format!("-- \\! touch {c}\nselect 'x\\\n\\! touch {c}\n';drop table if exists {db2}.users;"),
        format!("USE {db2};\nDROP TABLE users;\n"),
        format!("USE {db1};\nDROP TABLE users;\nUSE {db2};\nDROP TABLE users;\n"),
        format!("DROP TABLE `{db2}`.`users`;"),
        format!("INSERT INTO `{db2}`.`users` VALUES (2);"),
        format!("INSERT INTO `{db2}`.users (a) VALUES (2);"),
        "GRANT ALL ON *.* TO x@localhost;".to_owned(),
        "CREATE USER x@localhost; GRANT SUPER ON *.* TO x@localhost;".to_owned(),
        "SET GLOBAL general_log=1;".to_owned(),
        "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE users;".to_owned(),
        format!("SELECT 'x' INTO OUTFILE '{c}';"),
        format!("CREATE DEFINER=`root`@`localhost` VIEW v AS SELECT * FROM {db2}.users;"),
        format!("CREATE TABLE t (a int) DATA DIRECTORY='/tmp';\nDROP DATABASE {db2};"),
        format!("RENAME TABLE {db2}.users TO {db1}.stolen;"),
        format!("select 1 delimiter x\n drop table {db2}.users x\n"),
    ];
    for (n, attack) in attacks.iter().enumerate() {
        let dump = format!("CREATE TABLE `mine` (`a` int);\n{attack}\n-- Dump completed\n");
        for server_account in [Some(&root), None] {
            let (staged, secret) = db(&site).stage(&format!("rst_h{n}"), server_account).unwrap();
            let done = db(&site).import(&staged, &secret, &mut dump.as_bytes(), &Watch::new());
            // What a whole server's dump may hold as well is left out or kept in its place; the rest is refused.
            let harmless = ["USE", "CREATE DEFINER", "CREATE TABLE"].iter().any(|begin| attack.starts_with(begin));
            assert!(server_account.is_some() || done.is_err() || harmless, "beside the live tables it is refused as a whole: {attack}");
            assert!(!canary.exists(), "{attack}");
            same(&before, &server.picture(&db1));
            same(&others, &server.picture(&db2));
            db(&site).discard(&staged, Some(&root)).unwrap();
        }
    }
    assert_eq!(server.root("select count(*) from mysql.user where user='x'"), "0\n");
}

#[test]
fn a_cancelled_import_ends_and_leaves_the_live_tables_alone() {
    let site = server().hard_site();
    let (bytes, _) = dump(&site, &everything()).unwrap();
    let (staged, secret) = db(&site).stage("rst_4", None).unwrap();
    let watch = Watch::new();
    watch.cancel();
    assert_eq!(db(&site).import(&staged, &secret, &mut bytes.as_slice(), &watch).unwrap_err().class(), Class::Cancelled);
    let cut = &bytes[..bytes.len() / 2];
    assert_eq!(db(&site).import(&staged, &secret, &mut &*cut, &Watch::new()).unwrap_err().class(), Class::Damaged);
    let before = server().picture(&name_of(&site));
    db(&site).discard(&staged, None).unwrap();
    same(&before, &server().picture(&name_of(&site)));
    assert_eq!(server().sql(&site, "select count(*) from information_schema.tables where table_name like 'sk%'").unwrap(), "0\n");
}

#[test]
fn a_fence_keeps_the_site_out_of_its_old_database_and_is_opened_again() {
    let (server, root) = (server(), server().root_access());
    let site = server.site();
    let connect = || server.sql(&site, "select 1");
    let open = || db(&site).fence(None).unwrap();
    assert!(!open().complete && connect().is_ok());
    for shared in [false, true] {
        if shared {
            let user = name_of(&site);
            server.root(&format!(
                "create database {user}_2; grant select on `{user}_2`.* to {user}@localhost; create table {user}.t (a int)"
            ));
        }
        for _ in 0..2 {
            let fenced = db(&site).fence(Some(&root)).unwrap();
            assert!(fenced.complete, "{fenced:?}");
            assert!(connect().is_err(), "{fenced:?}");
        }
        db(&site).unfence(Some(&root)).unwrap();
        db(&site).unfence(Some(&root)).unwrap();
        assert!(connect().is_ok());
    }
    server.sql(&site, "insert into t values (1); drop table t;").unwrap();
    server.root(&format!("grant select on *.* to {}@localhost", name_of(&site)));
    assert!(!db(&site).fence(Some(&root)).unwrap().complete);
}

#[test]
fn a_switch_goes_on_after_a_crash_at_any_point() {
    let server = server();
    let site = server.hard_site();
    let (bytes, _) = dump(&site, &everything()).unwrap();
    let restored = server.picture(&name_of(&site));
    server.sql(&site, "drop trigger trg; drop event evt; create view late as select 1 x; insert into parent values (3);").unwrap();
    let changed = server.picture(&name_of(&site));
    let (staged, secret) = db(&site).stage("rst_5", None).unwrap();
    db(&site).import(&staged, &secret, &mut bytes.as_slice(), &Watch::new()).unwrap();
    let session = Session::new(&site).unwrap();
    for stop in 0..3 {
        beside::crash_in_switch(&session, &staged, stop);
        assert!(!db(&site).is_switched(&staged).unwrap());
        if stop > 0 {
            assert_eq!(db(&site).discard(&staged, None).unwrap_err().class(), Class::Conflict, "half done: {stop}");
        }
        if stop == 2 {
            db(&site).switch_back(&staged).unwrap();
            same(&changed, &server.picture(&name_of(&site)));
        }
        db(&site).switch(&staged).unwrap();
        assert!(db(&site).is_switched(&staged).unwrap());
        same(&restored, &server.picture(&name_of(&site)));
        db(&site).switch_back(&staged).unwrap();
        same(&changed, &server.picture(&name_of(&site)));
    }
}
