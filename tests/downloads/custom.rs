//! Dumps of PostgreSQL for `pg_restore`: made out of what is imported aside, of which nothing is left.

use super::{add_database, ended, fetched, in_catalogue, link_to, prepared, same_when_prepared, unpacked};
use crate::support::little::Little;
use crate::support::mariadb::Database;
use crate::support::panel::Panel;
use crate::support::postgres::{Postgres, binary};
use crate::support::{Scratch, hard, run, wait_for, write};
use serde_json::{Value, json};
use sitekeep::domain::downloads::{Download, DownloadState};
use sitekeep::domain::view;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Passed by such dumps alone.
pub const POINTS: [&str; 2] = ["download.database.made", "download.database.imported"];
const LONG: Duration = Duration::from_secs(60);

fn wish() -> Value {
    json!({ "elements": ["database"], "database": "dump" })
}

/// Scratch databases and their roles on a server.
fn left(server: &Postgres) -> String {
    let made = "select datname from pg_database where datname like 'sk_drill%' union all select rolname from pg_roles where rolname like 'sk_drill%'";
    server.sql("postgres", made)
}

fn set_aside(panel: &Panel, server: &Postgres) {
    let (file, port) = (panel.scratch.join("aside-password"), server.port.to_string());
    write(&file, &server.administrator.password);
    let by = ["--user", &server.administrator.user, "--password-file", file.to_str().unwrap(), "--for-drills"];
    panel.must(&[&["server:add", "drills", "--engine", "postgres", "--host", "127.0.0.1", "--port", &port][..], &by].concat());
}

/// What `pg_restore` makes of it in an empty database.
fn restored(server: &Postgres, file: &Path) -> Database {
    let empty = server.create("by_pg_restore");
    run(server.client("pg_restore").args(["--exit-on-error", "--no-owner", "-d", &empty.name]).arg(file));
    empty
}

#[test]
fn a_dump_of_postgresql_is_had_in_the_custom_format_and_pg_restore_gives_the_same_rows() {
    let panel = Panel::start();
    let (server, aside) = (Postgres::shared(), Postgres::start());
    let database = server.create("taken");
    hard::postgres(server, &database);
    add_database(&panel, "postgres", &database);
    let backup = panel.back_up("shop.live", &["--element", "database"]);
    let path = format!("/backups/{}/downloads", backup.id);
    // Where it could not be made, it is not promised.
    let (code, said) = panel.post(&path, &wish());
    assert!(code == 409 && said.to_string().contains("set aside"), "{code} {said}");
    set_aside(&panel, &aside);
    let before = server.digest(&database.name);
    let download = prepared(&panel, &backup, &wish());
    assert_eq!(download.state, DownloadState::Ready, "{download:?}");
    let (out, link) = (Scratch::new(), link_to(&panel, &download, "database", &json!({})));
    assert!(link.filename.ends_with("_UTC_database.dump"), "{}", link.filename);
    let file = fetched(&link, out.path());
    let list = run(Command::new(binary("pg_restore")).arg("--list").arg(&file));
    assert!(String::from_utf8_lossy(&list).contains("TABLE DATA hard assorted"));
    before.assert_same(&server.digest(&restored(server, &file).name), "by pg_restore");
    assert_eq!((left(&aside).as_str(), left(server).as_str()), ("", ""));
    // The same by command; and the plain one is another file, which is as it always was.
    let (to, plain) = (out.join("by-command.dump"), out.join("plain.sql.gz"));
    let get = ["backup:get", "shop.live", "--element", "db", "--prepare", "--to"];
    panel.must(&[&get[..], &[to.to_str().unwrap(), "--form", "dump"]].concat());
    assert_eq!(std::fs::read(&to).unwrap(), std::fs::read(&file).unwrap(), "it lay ready");
    panel.must(&[&get[..], &[plain.to_str().unwrap()]].concat());
    let sql = unpacked(&plain);
    assert!(String::from_utf8_lossy(&sql).contains("PostgreSQL database dump"));
    same_as_prepared(&panel, &backup, &sql);
}

/// Asked for by the usual name.
fn same_as_prepared(panel: &Panel, backup: &view::Backup, sql: &[u8]) {
    let (code, said) = panel.post(&format!("/backups/{}/downloads", backup.id), &json!({ "elements": ["database"], "database": "sql.gz" }));
    assert_eq!(code, 201, "{said}");
    ended(panel, said["id"].as_str().unwrap());
    same_when_prepared(panel, backup, sql);
}

#[test]
fn only_postgresql_has_the_custom_format() {
    let panel = Panel::start();
    Little::added_to(&panel);
    let backup = panel.back_up("little.main", &[]);
    let path = format!("/backups/{}/downloads", backup.id);
    for wish in [wish(), json!({ "database": "zip" }), json!({ "form": "dump" })] {
        let (code, said) = panel.post(&path, &wish);
        assert_eq!(code, 400, "{wish}: {said}");
    }
    panel.refused(&["backup:get", "little.main", "--element", "db", "--prepare", "--form", "dump"], 2);
}

struct Shop {
    panel: Panel,
    aside: Postgres,
    server: &'static Postgres,
    database: Database,
    backup: view::Backup,
}

/// Backed up, with a server set aside; every point can be armed, and the sweep comes often.
fn shop() -> Shop {
    let panel = Panel::start_armed_with(&json!({ "downloads": { "sweep_every": 500 } }));
    let (server, aside) = (Postgres::shared(), Postgres::start());
    let database = server.create("killed");
    server.sql_as(
        &database,
        "create table posts (id int primary key, t text); insert into posts select n, 'ü' || n from generate_series(1, 500) n",
    );
    add_database(&panel, "postgres", &database);
    set_aside(&panel, &aside);
    let backup = panel.back_up("shop.live", &["--element", "database"]);
    Shop { panel, aside, server, database, backup }
}

impl Shop {
    fn at(&self, point: &str) -> PathBuf {
        self.panel.scratch.join("points").join(point)
    }

    /// Kills the attempt there, and waits until it is dead.
    fn kill(&self, point: &str) {
        write(self.at(point), "kill");
    }

    fn killed(&self, point: &str) {
        let hit = self.at(&format!("{point}.hit"));
        wait_for(point, LONG, || hit.exists());
        std::fs::remove_file(hit).unwrap();
    }

    fn ask(&self) -> Download {
        let (code, said) = self.panel.post(&format!("/backups/{}/downloads", self.backup.id), &wish());
        assert_eq!(code, 201, "{said}");
        serde_json::from_value(said).unwrap()
    }
}

#[test]
fn an_attempt_that_is_killed_at_any_point_of_it_leaves_no_database_after_the_next() {
    let shop = shop();
    for point in POINTS.into_iter().chain(["download.part.begun", "download.part.written", "download.archive.noted"]) {
        shop.kill(point);
        let asked = shop.ask();
        shop.killed(point);
        let download = ended(&shop.panel, &asked.id);
        assert_eq!(download.state, DownloadState::Ready, "{point}: {download:?}");
        assert_eq!(left(&shop.aside), "", "{point}");
        let out = Scratch::new();
        let file = fetched(&link_to(&shop.panel, &download, "database", &json!({})), out.path());
        let rows = "select count(*), md5(string_agg(id || t, '' order by id)) from posts";
        let back = restored(shop.server, &file);
        assert_eq!(shop.server.sql(&back.name, rows), shop.server.sql(&shop.database.name, rows), "{point}");
    }
}

#[test]
fn what_an_attempt_left_after_which_there_is_no_other_is_swept_and_a_cancelled_one_leaves_nothing() {
    let shop = shop();
    // Killed until the job is given up.
    let point = POINTS[1];
    shop.kill(point);
    let asked = shop.ask();
    let find = || shop.panel.get::<Download>(&format!("/downloads/{}", asked.id));
    wait_for("the job to be given up", LONG, || {
        let hit = shop.at(&format!("{point}.hit"));
        if hit.exists() {
            std::fs::remove_file(hit).unwrap();
            shop.kill(point);
        }
        !find().state.is_moving()
    });
    assert_eq!(find().state, DownloadState::Failed);
    wait_for("the sweep", LONG, || left(&shop.aside).is_empty());
    in_catalogue(&shop.panel, async |conn| {
        let noted = async |conn: &mut sitekeep::base::sql::Conn| sitekeep::db::downloads::littered(conn, 9).await.unwrap();
        for _ in 0..50 {
            if noted(conn).await.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{:?} stays noted", noted(conn).await);
    });
    let _ = std::fs::remove_file(shop.at(point));
    // Cancelled in the middle.
    shop.panel.hold(POINTS[0]);
    let asked = shop.ask();
    shop.panel.wait_for_hold(POINTS[0]);
    assert_ne!(left(&shop.aside), "");
    shop.panel.must(&["job:cancel", asked.job.as_deref().unwrap()]);
    std::thread::sleep(Duration::from_secs(2)); // the wish reaches the attempt
    shop.panel.let_go(POINTS[0]);
    assert_eq!(ended(&shop.panel, &asked.id).state, DownloadState::Cancelled);
    assert_eq!(left(&shop.aside), "");
}
