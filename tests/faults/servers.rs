//! The site's database server goes away while it is read.

use crate::support::mariadb::Mariadb;
use crate::support::panel::Panel;
use crate::support::{wait_for, write};
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_mysql_server_that_dies_in_the_middle_of_a_dump_costs_a_try_and_no_backup() {
    let (panel, server) = (Panel::start(), Mariadb::start());
    let database = server.create("shop");
    let rows = "create table a (id int primary key, t text); insert into a select seq, repeat('x', 500) from seq_1_to_2000; \
                create table z (id int primary key); insert into z values (1), (2);";
    server.sql(&database.name, rows);
    let (root, password) = (panel.scratch.join("site"), panel.scratch.join("site-password"));
    write(root.join("index.html"), "<h1>");
    write(&password, &database.password);
    let (port, password) = (database.port.to_string(), password.display().to_string());
    let options = ["--database-engine", "mysql", "--database-host", "127.0.0.1", "--database-port", &port];
    let account = ["--database-name", &database.name, "--database-user", &database.user, "--database-password-file", &password];
    let environment = panel.add_site("shop", "live", &root, &[&options[..], &account[..]].concat());

    // The last table is locked: the dump stands still before it, with the first one behind it.
    let mut holding = server.client("mariadb").arg(&database.name).stdin(Stdio::piped()).spawn().unwrap();
    holding.stdin.as_mut().unwrap().write_all(b"lock tables z write; select sleep(600);\n").unwrap();
    wait_for("the lock", LONG, || processes(&server, "info like '%sleep(600)%'") > 0);
    let (code, queued) = panel.post(&format!("/environments/{environment}/backups"), &json!({}));
    assert_eq!(code, 201, "{queued}");
    wait_for("the dump to stand still", LONG, || processes(&server, "state like 'Waiting for table metadata lock%'") > 0);
    server.process().kill_all();
    holding.wait().unwrap();

    let job = || panel.get::<Value>(&format!("/jobs/{}", queued["job"].as_str().unwrap()));
    wait_for("the end of the try", LONG, || job()["state"] == "retry_wait");
    let (waiting, log) = (job(), panel.task_log(queued["job"].as_str().unwrap()));
    let said = waiting["message"].as_str().unwrap_or_default();
    assert!(said.contains("backing up the database") && said.contains("ost connection"), "{said}");
    assert!(waiting["hint"].as_str().is_some_and(|h| h.starts_with("the database server stopped")), "{waiting:#}");
    assert!(log.contains("try 2 of 6 at "), "{log}");

    server.start_again();
    let catalogue = rusqlite::Connection::open(panel.server.data.join("catalogue.db")).unwrap();
    catalogue.busy_timeout(Duration::from_secs(10)).unwrap();
    catalogue.execute("update jobs set run_at = 0 where state = 'retry_wait'", []).unwrap();
    wait_for("the second try", LONG, || job()["state"] == "succeeded");
    let backup = panel.backups("acme/shop.live").remove(0);
    assert_eq!(backup.state.word(), "succeeded", "{backup:#?}");
    panel.must(&["backup:verify", &backup.id]);
    panel.must_restore("acme/shop.live", &["--element", "database"]);
    assert_eq!(server.sql(&database.name, "select count(*), sum(length(t)) from a").trim(), "2000\t1000000");
}

fn processes(server: &Mariadb, which: &str) -> usize {
    let list = format!("select count(*) from information_schema.processlist where id <> connection_id() and {which}");
    server.sql("information_schema", &list).trim().parse().unwrap()
}
