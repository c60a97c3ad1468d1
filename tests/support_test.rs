//! The bench itself works: every server starts, every site answers, every digest sees the smallest change.

use crate::support::canary::{self, Among, Canary};
use crate::support::digest;
use crate::support::disk::SmallDisk;
use crate::support::drupal::Drupal;
use crate::support::mariadb::Mariadb;
use crate::support::postgres::Postgres;
use crate::support::restic::Restic;
use crate::support::server::Server;
use crate::support::sqlite_site::{SqliteSite, TAG};
use crate::support::visitors::Visitors;
use crate::support::wagtail::{WORKS, Wagtail};
use crate::support::wordpress::{self, POSTS, Wordpress};
use crate::support::{self, Running, Scratch, hard};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

#[test]
fn a_scratch_place_is_short_and_gone_afterwards() {
    let scratch = Scratch::new();
    let path = scratch.path().to_owned();
    support::write(scratch.join("a/b"), "x");
    support::set_mode(&scratch.join("a"), 0o500);
    assert!(path.join("socket-of-a-server/.s.PGSQL.65535.lock").as_os_str().len() < 100, "{}", path.display());
    drop(scratch);
    assert!(!path.exists());
}

#[test]
fn free_ports_are_free_and_never_given_twice() {
    let ports: Vec<u16> = (0..50).map(|_| support::free_port()).collect();
    assert!(ports.iter().all(|p| *p > 10_000 && std::net::TcpListener::bind(("127.0.0.1", *p)).is_ok()));
    assert_eq!(ports.iter().collect::<std::collections::HashSet<_>>().len(), ports.len());
}

#[test]
fn a_process_ends_with_its_grandchildren_and_can_be_held_and_let_go() {
    let scratch = Scratch::new();
    // A grandchild in a group of its own, as a server's job has it.
    let script = "set -m; sh -c 'while :; do echo tick; sleep 0.02; done' & echo $! ; wait";
    let mut running = Running::start(support::daemon("bash").args(["-c", script]), &scratch.join("log"));
    let ticks = || std::fs::read_to_string(scratch.join("log")).unwrap_or_default().matches("tick").count();
    running.wait_until("ticks", Duration::from_secs(10), || ticks() > 3);
    assert!(running.session().len() >= 2, "{:?}", running.session());
    running.stop();
    assert!(running.is_alive());
    running.cont();
    running.kill();
    let before = ticks();
    support::wait_for("the orphan's ticks", Duration::from_secs(10), || ticks() > before + 3);
    drop(running);
    let after = ticks();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(ticks(), after, "the grandchild outlived the session");
}

/// Ends this very process in the middle of a test, in a process of its own.
#[test]
fn what_a_killed_run_started_and_made_is_cleared_up() {
    const ROLE: &str = "SITEKEEP_TEST_ROLE";
    if std::env::var(ROLE).is_ok_and(|r| r == "victim") {
        let scratch = Scratch::new();
        let running = Running::start(support::daemon("sleep").arg("600"), &scratch.join("log"));
        println!("victim {} {}", running.pid(), scratch.path().display());
        std::process::abort();
    }
    let me = std::env::current_exe().unwrap();
    let name = "support_test::what_a_killed_run_started_and_made_is_cleared_up";
    let out = Command::new(me).args(["--exact", name, "--nocapture"]).env(ROLE, "victim").output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let words: Vec<&str> = text.split("victim ").nth(1).expect(&text).split_whitespace().collect();
    let (process, dir) = (Path::new("/proc").join(words[0]), Path::new(words[1]));
    support::wait_for("the keeper", Duration::from_secs(10), || !process.join("cwd").exists() && !dir.exists());
}

#[test]
fn a_digest_of_files_sees_one_byte_one_nanosecond_one_mode_and_one_attribute() {
    let scratch = Scratch::new();
    let root = scratch.join("tree");
    support::write(root.join("dir/file"), vec![7u8; 5000]);
    support::write(root.join("dir/odd \n\u{1b} name"), "x");
    std::os::unix::fs::symlink("dir/file", root.join("link")).unwrap();
    let before = digest::files(&root);
    assert_eq!(before.len(), 5, "{before:?}");
    before.assert_same(&digest::files(&root), "nothing was changed");
    let changed = |what: &str, change: &dyn Fn()| {
        let before = digest::files(&root);
        change();
        let different = before.differences(&digest::files(&root));
        assert!(!different.is_empty(), "{what} was not seen");
        different.join("\n")
    };
    let file = root.join("dir/file");
    let time = file.metadata().unwrap().modified().unwrap();
    let keep_time = |t| std::fs::File::options().write(true).open(&file).unwrap().set_modified(t).unwrap();
    let one_byte = changed("one byte", &|| {
        let mut bytes = vec![7u8; 5000];
        bytes[2500] = 8;
        std::fs::write(&file, bytes).unwrap();
        keep_time(time);
    });
    assert_eq!(one_byte.lines().count(), 2, "{one_byte}");
    assert!(one_byte.contains("dir/file"));
    changed("one nanosecond", &|| keep_time(time + Duration::from_nanos(1)));
    changed("a mode", &|| support::set_mode(&file, 0o600));
    changed("an attribute", &|| rustix::fs::setxattr(&file, "user.note", b"x", rustix::fs::XattrFlags::empty()).unwrap());
    changed("a link's target", &|| {
        std::fs::remove_file(root.join("link")).unwrap();
        std::os::unix::fs::symlink("dir/other", root.join("link")).unwrap();
    });
    let content = digest::content(&root);
    keep_time(time + Duration::from_secs(9));
    content.assert_same(&digest::content(&root), "a time is no content");
    assert_eq!(before.without(&["dir"]).len(), 2);
}

#[test]
fn wordpress_answers_and_its_digest_sees_one_row() {
    let mut site = Wordpress::start();
    let page = site.page();
    assert!(page.is_ok() && page.says("The Corner Shop") && page.says(&format!("Letter number {POSTS}")), "{page:?}");
    let post = digest::page(&format!("{}/2023/letter-number-3/", site.url));
    assert!(post.is_ok() && post.says("Letter number 3") && post.says("[img /wp-content/uploads/"), "{post:?}");
    let image = std::fs::read_dir(site.uploads().join("2023/11")).unwrap().next().unwrap().unwrap();
    let picture = digest::page(&format!("{}/wp-content/uploads/2023/11/{}", site.url, image.file_name().to_string_lossy()));
    assert!(picture.is_ok(), "{picture:?}");
    let (rows, files) = (site.rows(), site.files());
    assert_eq!(site.page(), page, "a visit reads the same");
    rows.assert_same(&site.rows(), "a visit changes no row");
    files.assert_same(&site.files(), "a visit changes no file");
    assert_eq!(site.database_in_use(), site.database.name);
    site.write_post("News of today");
    assert_eq!(rows.differences(&site.rows()).len(), 2);
    assert!(site.page().says("News of today"));
    // The tree is exchanged under the server: the next request is answered by the new one.
    let old = site.root.with_extension("old");
    std::fs::rename(&site.root, &old).unwrap();
    assert_eq!(site.page().status, 404);
    support::copy_tree(&old, &site.root);
    assert!(site.page().says("News of today"));
    std::fs::write(site.root.join(".maintenance"), "<?php $upgrading = 9999999999;").unwrap();
    assert_eq!(site.page().status, 503);
    assert!(site.web().is_alive());
}

#[test]
fn wagtail_answers_and_turns_to_another_database_when_its_env_file_names_one() {
    let site = Wagtail::start();
    let page = site.page();
    assert!(page.is_ok() && page.says("The Studio") && page.says(&format!("Work number {WORKS}")), "{page:?}");
    assert!(page.says("[img /media/images/"), "{page:?}");
    let work = digest::page(&format!("{}/work-2/", site.url));
    assert!(work.is_ok() && work.says("Work number 2"), "{work:?}");
    let rows = site.rows();
    site.page();
    rows.assert_same(&site.rows(), "a visit changes no row");
    let other = site.server.create("studio");
    let dump = String::from_utf8(site.server.dump(&site.database.name)).unwrap();
    site.server.sql_as(&other, &dump);
    rows.assert_same(&site.server.digest(&other.name), "a dump and its load give the same");
    site.server.sql(&other.name, "update wagtailcore_page set title = 'Another studio' where depth = 2");
    assert_eq!(rows.differences(&site.server.digest(&other.name)).len(), 2, "one row is one table");
    site.use_database(&other);
    assert_eq!(site.database_in_use(), other.name);
    assert!(site.page().says("The Studio"), "not before it was told");
    site.reload();
    support::wait_for("the other database", Duration::from_secs(60), || site.page().says("Another studio"));
}

#[test]
fn drupal_answers_from_the_database_its_settings_name() {
    let mut site = Drupal::start();
    let page = site.page();
    assert!(page.is_ok() && page.says("Second painting: naïve 🎉") && page.says("private papers: 1"), "{page:?}");
    assert!(page.says("[img /sites/default/files/2024-01/one.png] shown"), "{page:?}");
    let rows = site.rows();
    site.server.sql(&site.database.name, "update node_field_data set title = 'Second painting' where nid = 2");
    assert_eq!(rows.differences(&site.rows()).len(), 2);
    assert!(!site.page().says("naïve"));
    assert!(site.web().is_alive());
}

#[test]
fn a_site_on_sqlite_answers_and_its_digest_sees_one_row() {
    let site = SqliteSite::start();
    let page = site.page();
    assert!(page.is_ok() && page.says("Note 6") && page.says("edition 1 (corrected by hand)") && !page.says("missing"), "{page:?}");
    let rows = site.rows();
    rows.assert_same(&site.rows(), "nothing was changed");
    site.sql("update notes set body = body || '.' where id = 3");
    let different = rows.differences(&site.rows());
    assert_eq!(different.len(), 2, "{different:?}");
    assert_eq!(site.git(&["describe", "--tags"]), TAG);
    assert_eq!(site.git(&["status", "--porcelain"]), "M EDITION\n?? notes.txt");
}

#[test]
fn hard_objects_of_mariadb_are_there_and_each_is_watched() {
    let server = Mariadb::shared();
    let database = server.create("hard");
    hard::mysql(server, &database);
    let before = server.digest(&database.name);
    for part in hard::MYSQL_PARTS {
        assert!(before.get(part).is_some(), "{part} is missing in\n{before:?}");
    }
    for (change, part) in [
        ("update hard_values set bytes = concat(bytes, 0x00) where id = 2", "table hard_values"),
        ("update hard_values set single = 0.12345680 where id = 1", "table hard_values"),
        ("delete from hard_keyless where a = 1 limit 1", "table hard_keyless"),
        ("alter table hard_audit auto_increment = 2000", "table hard_audit"),
        ("update `hard; odd ``name``` set `a b` = 'y'", "table hard; odd `name`"),
        ("alter view hard_y_view as select id, 1 as n from hard_values", "view hard_y_view"),
        ("drop event hard_event", "event hard_event"),
        ("drop procedure hard_procedure", "routine procedure hard_procedure"),
        ("select setval(hard_sequence, 50000)", "sequence hard_sequence"),
    ] {
        let before = server.digest(&database.name);
        server.sql(&database.name, change);
        let different = before.differences(&server.digest(&database.name));
        assert!(!different.is_empty() && different.iter().all(|d| d[2..].starts_with(part)), "{change}: {different:?}");
    }
    let other = server.create("hard");
    wordpress::load(server, &other.name, &server.dump(&database.name));
    let different = server.digest(&database.name).differences(&server.digest(&other.name));
    let rounded = |d: &String| d[2..].starts_with("table hard_values");
    assert!(different.len() == 2 && different.iter().all(rounded), "a dump rounds FLOAT columns and nothing else: {different:?}");
    let refused = Command::new(support::tool("mariadb"))
        .args(["--no-defaults", "-h", "127.0.0.1", "-P", &server.port.to_string(), "-u", &database.user, &other.name, "-e", "select 1"])
        .env("MYSQL_PWD", &database.password)
        .output()
        .unwrap();
    assert!(!refused.status.success(), "an account may use its own database alone");
}

#[test]
fn hard_objects_of_postgresql_are_there_and_each_is_watched() {
    let server = Postgres::shared();
    let database = server.create("hard");
    hard::postgres(server, &database);
    let before = server.digest(&database.name);
    for part in hard::POSTGRES_PARTS {
        assert!(before.get(part).is_some(), "{part} is missing in\n{before:?}");
    }
    assert!(server.try_sql(&database.name, "select 1 from nowhere").is_err(), "an error is an error");
    for (change, part) in [
        ("update hard.assorted set bytes = '' where id = 2", "table hard.assorted"),
        ("delete from hard.\"Odd; \"\"name\"\"\" where \"select\" = 3", "table hard.\"Odd; \"\"name\"\"\""),
        ("select nextval('hard.counter')", "sequence hard.counter"),
        ("select lo_unlink(oid) from pg_largeobject_metadata", "large objects"),
        ("drop index hard.hard_first_word", "schema"),
    ] {
        let before = server.digest(&database.name);
        server.sql(&database.name, change);
        let different = before.differences(&server.digest(&database.name));
        assert!(!different.is_empty() && different.iter().all(|d| d[2..].starts_with(part)), "{change}: {different:?}");
    }
    let other = server.create("hard");
    server.sql_as(&other, &String::from_utf8(server.dump(&database.name)).unwrap());
    server.digest(&database.name).assert_same(&server.digest(&other.name), "a dump and its load give the same");
}

#[test]
fn a_database_server_of_its_own_can_be_killed_and_started_again() {
    let server = Postgres::start();
    let database = server.create("phoenix");
    server.sql_as(&database, "create table t (n int); insert into t values (1)");
    server.process().kill();
    assert!(server.try_sql(&database.name, "select 1").is_err());
    server.start_again();
    assert_eq!(server.sql(&database.name, "select n from t").trim(), "1");
    let server = Mariadb::start();
    let database = server.create("phoenix");
    server.sql(&database.name, "create table t (n int) engine=InnoDB; insert into t values (1)");
    server.process().kill();
    assert!(server.try_sql(&database.name, "select 1").is_err());
    server.start_again();
    assert_eq!(server.sql(&database.name, "select n from t").trim(), "1");
}

#[test]
fn restic_gives_back_what_it_was_given_and_finds_damage() {
    let scratch = Scratch::new();
    let source = scratch.join("source");
    support::write(source.join("file"), "content");
    let repository = scratch.join("repository");
    let restic = Restic::create(&repository, "a password");
    restic.must(&["backup", &source.display().to_string()]);
    restic.check();
    let snapshots = restic.snapshots();
    assert_eq!(snapshots.len(), 1);
    assert!(restic.locks().is_empty());
    let into = scratch.join("into");
    restic.restore(&snapshots[0], &into);
    let given_back = into.join(source.strip_prefix("/").unwrap());
    digest::files(&source).assert_same(&digest::files(&given_back), "restored by restic");
    assert_eq!(restic.dump(&snapshots[0], &source.join("file").display().to_string()), b"content");
    let packs = repository.join("data");
    let pack = std::fs::read_dir(&packs)
        .unwrap()
        .flat_map(|d| std::fs::read_dir(d.unwrap().path()).unwrap())
        .next()
        .expect("a pack was written")
        .unwrap()
        .path();
    let mut bytes = std::fs::read(&pack).unwrap();
    bytes[10] ^= 1;
    support::set_mode(&pack, 0o600);
    std::fs::write(&pack, bytes).unwrap();
    assert!(!restic.run(&["check", "--read-data"]).success);
    assert!(!Restic::open(&repository, "another password").run(&["snapshots"]).success);
}

#[test]
fn a_canary_is_seen_in_arguments_and_environments_and_found_in_files() {
    let scratch = Scratch::new();
    let secret = format!("canary-{}", sitekeep::base::chance::word(12));
    let watch = Canary::watch(Among::Everybody, &[&secret]);
    let mut quiet = Running::start(support::daemon("sleep").arg("0.2"), &scratch.join("log"));
    quiet.wait(Duration::from_secs(10));
    assert_eq!(watch.stop(), Vec::<String>::new());
    for (place, command) in [
        ("environ", support::daemon("sh").args(["-c", "sleep 1; :"]).env("PASSWORD", &secret)),
        ("cmdline", support::daemon("sh").args(["-c", "sh -c 'sleep 1; :' $0"]).arg(format!("--password={secret}"))),
    ] {
        let mut loud = Running::start(command, &scratch.join("log"));
        let watch = Canary::watch(Among::Tree(loud.pid()), &["something else", &secret]);
        loud.wait(Duration::from_secs(10));
        let seen = watch.stop();
        assert!(seen.iter().any(|s| s.contains("secret 1") && s.contains(place)), "{place}: {seen:?}");
        assert!(!format!("{seen:?}").contains("secret 0"));
    }
    support::write(scratch.join("deep/er/file"), format!("before {secret} after"));
    support::write(scratch.join("innocent"), "nothing");
    assert_eq!(canary::grep(scratch.path(), &secret), [scratch.join("deep/er/file")]);
}

#[test]
fn a_server_is_ready_when_it_answers_and_its_command_line_knows_where_it_is() {
    let scratch = Scratch::new();
    let router = scratch.join("healthz.php");
    support::write(&router, "<?php echo getenv('SITEKEEP_DATA_DIR'), ' ', getenv('EXTRA');");
    let script = format!("exec php -S \"$SITEKEEP_LISTEN\" {}", router.display());
    let mut server = Server::start_program(Path::new("/bin/sh"), &["-c", &script], &scratch.join("data"), &[("EXTRA", "more")]);
    assert!(server.is_healthy());
    assert_eq!(digest::page(&server.url).text, format!("{} more", scratch.join("data").display()));
    let command = server.cli_command(&["backup:list", "shop.live"]);
    let environment: Vec<String> = command.get_envs().filter_map(|(k, v)| Some(format!("{}={}", k.to_str()?, v?.to_str()?))).collect();
    assert!(environment.contains(&format!("SITEKEEP_URL={}", server.url)), "{environment:?}");
    assert!(environment.iter().any(|e| e.starts_with("SITEKEEP_TOKEN_FILE=/")));
    assert!(server.pid() > 1 && server.process().is_alive());
    server.process().stop();
    server.process().cont();
    server.kill();
    assert!(!server.is_healthy());
}

#[test]
fn a_small_disk_is_full_when_it_is_full() {
    if !support::is_root() {
        return; // only root may mount; SmallDisk::new says so to a test that needs one
    }
    let disk = SmallDisk::new(4 << 20);
    let path = disk.path().to_owned();
    support::write(path.join("file"), vec![1u8; 1 << 20]);
    disk.fill(100_000);
    let full = std::fs::write(path.join("more"), vec![1u8; 1 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    std::fs::remove_file(path.join("more")).unwrap();
    disk.empty();
    support::write(path.join("more"), vec![1u8; 1 << 20]);
    disk.read_only(true);
    assert_eq!(std::fs::write(path.join("file"), "x").unwrap_err().kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    drop(disk);
    assert!(!path.exists());
}

#[test]
fn visitors_remember_every_different_answer_in_order() {
    let site = Drupal::start();
    let before = site.page();
    let visitors = Visitors::at(&format!("{}/", site.url));
    let rename = |title: &str| site.server.sql(&site.database.name, &format!("update node_field_data set title = '{title}' where nid = 1"));
    rename("Another title");
    support::wait_for("a visit", Duration::from_secs(20), || visitors.last().is_some_and(|p| p.says("Another title")));
    rename("First painting");
    support::wait_for("a visit", Duration::from_secs(20), || visitors.last() == Some(before.clone()));
    let answers = visitors.stop();
    assert!(answers.iter().all(|p| p.is_ok()), "{answers:?}");
    assert_eq!(answers.iter().filter(|p| p.says("Another title")).count(), 1, "answers that repeat are kept once: {answers:?}");
    assert_eq!(answers.last(), Some(&before));
}

#[test]
fn what_was_put_aside_can_be_left_out_of_a_digest() {
    let server = Mariadb::shared();
    let database = server.create("aside");
    server.sql(&database.name, "create table kept (a int); create view kept_view as select a from kept");
    let before = server.digest(&database.name);
    server.sql(&database.name, "create table old_kept (a int); create view old_view as select a from old_kept");
    assert!(!before.differences(&server.digest(&database.name)).is_empty());
    before.assert_same(&server.digest_without(&database.name, "old_"), "the rest is as it was");
    let server = Postgres::shared();
    let database = server.create("aside");
    server.sql_as(&database, "create table kept (a int)");
    let before = server.digest(&database.name);
    server.sql_as(&database, "create schema old_x; create table old_x.kept (a serial)");
    assert!(!before.differences(&server.digest(&database.name)).is_empty());
    before.assert_same(&server.digest_without(&database.name, "old_"), "the rest is as it was");
}

#[test]
fn the_mail_server_keeps_what_it_gets_and_refuses_and_defers_by_name() {
    use std::io::{BufRead, BufReader, Write};
    let smtp = crate::support::smtp::Smtp::start();
    let mut to = std::net::TcpStream::connect(("127.0.0.1", smtp.port)).unwrap();
    let mut from = BufReader::new(to.try_clone().unwrap()).lines();
    let mut say = |line: &str| -> String {
        to.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        from.next().unwrap().unwrap()[..3].to_owned()
    };
    assert_eq!(say("HELO a.test"), "220", "the greeting comes first");
    assert_eq!(say("MAIL FROM:<a@a.test>"), "250");
    let answers = ["reject", "defer", "defer", "defer", "ann"].map(|name| say(&format!("RCPT TO:<{name}@a.test>")));
    // Each answer is read one question later: the first is HELO's own.
    assert_eq!(answers, ["250", "550", "451", "451", "250"]);
    assert_eq!(say("DATA"), "250");
    let letter = "Subject: hi\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n\
                  --b\r\nContent-Type: text/html\r\n\r\n<p>text</p>\r\n--b--\r\n.";
    assert_eq!((say(letter), say("QUIT")), ("354".to_owned(), "250".to_owned()));
    let kept = smtp.messages();
    assert_eq!((kept.len(), kept[0].header("X-Envelope-To"), kept[0].header("Subject")), (1, "defer@a.test, ann@a.test", "hi"));
    assert_eq!((kept[0].text.trim(), kept[0].html.trim(), kept[0].header("X-Envelope-Helo")), ("text", "<p>text</p>", "a.test"));
}
