//! A catalogue that is lost is made again from the store, as docs/operating.md tells it.

use crate::support::little::{self, Little};
use crate::support::panel::Panel;
use crate::support::postgres::Postgres;
use crate::support::restic::Restic;
use crate::support::{digest, write};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

/// Of the second tenant.
const OTHER: &str = "bolt/forge.live";

fn said(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// A panel with a site in each of two tenants, two backups of each, and a copy of the catalogue.
struct World {
    panel: Panel,
    site: Little,
}

impl World {
    fn new(database_url: Option<&str>) -> Self {
        let panel = Panel::start_with(&["serve"], database_url, "{}");
        let site = Little::added_to(&panel);
        panel.must(&["tenant:create", "bolt"]);
        let forge = panel.scratch.join("forge");
        write(forge.join("index.html"), "<h1>Forge</h1>");
        panel.must(&["site:add", "bolt/forge", "--env", "live", "--path", &forge.display().to_string()]);
        panel.back_up(little::ENV, &["--note", "Before the storm", "--keep-for", "90"]);
        panel.back_up(OTHER, &[]);
        panel.must(&["backup:create", OTHER, "--element", "code"]);
        panel.confirm_key("little");
        panel.must(&["backup:automatic:enable", little::ENV, "--day", "Friday"]);
        let world = Self { panel, site };
        let out = world.panel.tool(&["catalogue:backup"], &[]);
        assert!(out.status.success(), "{}", said(&out));
        world
    }

    fn store(&self) -> std::path::PathBuf {
        self.panel.server.data.join("repositories")
    }

    fn repository(&self, environment: &str) -> std::path::PathBuf {
        self.panel.repository(environment).0
    }

    /// Everything that people see of backups, by environment.
    fn listed(&self) -> BTreeMap<String, Vec<Value>> {
        [little::ENV, OTHER].iter().map(|env| ((*env).to_owned(), self.backups(env))).collect()
    }

    /// Newest first.
    fn backups(&self, environment: &str) -> Vec<Value> {
        let seen = |b| {
            let mut b = serde_json::to_value(b).unwrap();
            // Judged by the rules each time, from what else there is.
            ["fate", "kept", "expires"].iter().for_each(|field| b[*field] = Value::Null);
            b
        };
        self.panel.backups(environment).into_iter().map(seen).collect()
    }

    /// The server ends, and its catalogue is gone.
    fn lose_sqlite(&mut self) {
        self.panel.server.process().kill_all();
        for name in ["catalogue.db", "catalogue.db-wal", "catalogue.db-shm"] {
            let _ = std::fs::remove_file(self.panel.server.data.join(name));
        }
    }

    fn rebuild(&self, more: &[&str]) -> Output {
        self.panel.tool(&[&["catalogue:rebuild"][..], more].concat(), &[])
    }
}

/// What is left of the newest backup's promises when only its snapshots are there.
fn assert_found_again(found: &Value, before: &Value) {
    for same in ["id", "reason", "note", "initiator", "created", "environment_id", "size", "protected"] {
        assert_eq!(found[same], before[same], "{same}");
    }
    let elements = |b: &Value| -> Vec<(String, Value, Value, Value)> {
        let all = b["elements"].as_array().unwrap().iter();
        let mut all: Vec<_> =
            all.map(|e| (e["element"].to_string(), e["size"].clone(), e["files"].clone(), e["snapshot"].clone())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    };
    assert_eq!(elements(found), elements(before));
    assert_eq!((&found["state"], &found["pinned"]), (&"incomplete".into(), &true.into()), "never green for less, and no rule lets it go");
    assert!(found["message"].as_str().unwrap().contains("found in the repository after the catalogue was lost"), "{found}");
}

/// The site is damaged, and comes back from its newest backup.
fn assert_restores(world: &World, words: &[&str]) {
    let before = world.site.state();
    std::fs::remove_file(world.site.root.join("index.html")).unwrap();
    std::fs::remove_file(world.site.root.join("uploads/3.bin")).unwrap();
    let db = rusqlite::Connection::open(world.site.root.join("little.sqlite")).unwrap();
    db.execute("delete from words", ()).unwrap();
    drop(db);
    world.panel.must_restore(little::ENV, &[]);
    assert_eq!(world.site.state(), before);
    assert_eq!(world.site.words(), words);
}

fn lost_and_made_again(world: &mut World, lose: impl FnOnce(&mut World)) {
    // Made after the copy: only its snapshots tell of it.
    let db = rusqlite::Connection::open(world.site.root.join("little.sqlite")).unwrap();
    db.execute("insert into words (word) values ('three')", ()).unwrap();
    drop(db);
    world.panel.back_up(little::ENV, &["--note", "After the copy"]);
    let before = world.listed();
    lose(world);
    let out = world.rebuild(&[]);
    assert!(out.status.success(), "{}", said(&out));
    assert!(said(&out).contains("acme/little: 1 backup that the copy did not know"), "{}", said(&out));
    let refused = world.rebuild(&[]);
    assert!(!refused.status.success() && said(&refused).contains("the catalogue is not empty"), "{}", said(&refused));
    world.panel.server.start_again();
    let mut after = world.listed();
    let newest = after.get_mut(little::ENV).unwrap().remove(0);
    assert_found_again(&newest, &before[little::ENV][0]);
    assert_eq!(after[little::ENV], before[little::ENV][1..], "the one before comes from the copy as it was");
    assert_eq!(after[OTHER], before[OTHER]);
    // Accounts, tokens and what was set come from the copy, too: all of this was asked with the token of before.
    assert!(world.panel.must(&["backup:automatic:info", little::ENV]).contains("Friday"));
    assert!(world.panel.environment(little::ENV).why.is_none(), "its key stays confirmed");
    assert_restores(world, &["one", "two", "three"]);
    world.panel.back_up(OTHER, &[]);
}

#[test]
fn a_lost_catalogue_comes_back_from_the_store_with_every_site_and_backup_on_sqlite() {
    let mut world = World::new(None);
    lost_and_made_again(&mut world, World::lose_sqlite);
}

#[test]
fn a_lost_catalogue_comes_back_from_the_store_with_every_site_and_backup_on_postgresql() {
    let database = Postgres::shared().create("lost");
    let mut world = World::new(Some(&database.url("postgres")));
    lost_and_made_again(&mut world, |world| {
        world.panel.server.process().kill_all();
        let (name, user) = (&database.name, &database.user);
        Postgres::shared().sql("postgres", &format!("drop database {name} with (force)"));
        Postgres::shared().sql("postgres", &format!("create database {name} owner {user}"));
    });
}

#[test]
fn a_catalogue_that_is_in_use_is_refused_and_nothing_is_changed() {
    let world = World::new(None);
    let before = digest::sqlite(&world.panel.server.data.join("catalogue.db"));
    let store = digest::files(&world.store());
    let out = world.rebuild(&[]);
    assert_eq!(out.status.code(), Some(1));
    assert!(said(&out).contains("the catalogue is not empty"), "{}", said(&out));
    before.assert_same(&digest::sqlite(&world.panel.server.data.join("catalogue.db")), "the catalogue");
    store.assert_same(&digest::files(&world.store()), "the store");
}

#[test]
fn a_rebuild_that_was_killed_is_begun_again_and_until_it_is_whole_no_server_starts() {
    let mut world = World::new(None);
    let before = world.listed();
    world.lose_sqlite();
    let mut killed = 0;
    for millis in [150, 400, 700, 1000, 1300] {
        let mut running = world.panel.start_tool(&["catalogue:rebuild"]);
        std::thread::sleep(Duration::from_millis(millis));
        let ended = running.try_wait().unwrap().is_some();
        running.kill().unwrap();
        running.wait().unwrap();
        if ended {
            break;
        }
        killed += 1;
        let catalogue = rusqlite::Connection::open(world.panel.server.data.join("catalogue.db")).unwrap();
        let begun = catalogue.query_row("select count(*) from sqlite_master where name = 'rebuilding'", (), |r| r.get::<_, i64>(0));
        if begun.unwrap_or(0) == 1 {
            let doctor = world.panel.tool(&["recovery:key", "acme/little"], &[]);
            assert!(!doctor.status.success() && said(&doctor).contains("the catalogue is being made again"), "{}", said(&doctor));
        }
    }
    assert!(killed > 0, "it was over before it could be killed");
    let out = world.rebuild(&[]);
    assert!(out.status.success() || said(&out).contains("the catalogue is not empty"), "{}", said(&out));
    world.panel.server.start_again();
    assert_eq!(world.listed(), before);
}

#[test]
fn a_damaged_repository_is_told_and_everything_else_comes_back() {
    let mut world = World::new(None);
    world.panel.back_up(little::ENV, &["--note", "After the copy"]);
    let before = world.listed();
    std::fs::write(world.repository(OTHER).join("config"), "nothing that opens").unwrap();
    world.lose_sqlite();
    let out = world.rebuild(&[]);
    assert_eq!(out.status.code(), Some(1), "{}", said(&out));
    assert!(said(&out).contains("not everything could be read: bolt/forge"), "{}", said(&out));
    world.panel.server.start_again();
    let after = world.listed();
    assert_found_again(&after[little::ENV][0], &before[little::ENV][0]);
    assert_eq!(after[little::ENV][1..], before[little::ENV][1..]);
    assert_eq!(after[OTHER], before[OTHER], "what the copy knows of it is there");
    assert_restores(&world, &["one", "two"]);
}

#[test]
fn without_a_copy_and_without_the_master_key_the_recovery_keys_bring_sites_and_backups_back() {
    let mut world = World::new(None);
    let before = world.listed();
    let keys = world.panel.scratch.join("keys");
    std::fs::create_dir(&keys).unwrap();
    for site in ["acme/little", "bolt/forge"] {
        let file = keys.join(site.replace('/', "_")).display().to_string();
        assert!(world.panel.tool(&["recovery:key", site, "--out", &file], &[]).status.success());
    }
    world.lose_sqlite();
    std::fs::remove_dir_all(world.store().join("catalogue")).unwrap();
    std::fs::remove_file(world.panel.server.data.join("master.key")).unwrap();
    let without = world.rebuild(&[]);
    assert!(!without.status.success() && said(&without).contains("master key"), "{}", said(&without));
    let out = world.rebuild(&["--keys", &keys.display().to_string()]);
    assert!(out.status.success(), "{}", said(&out));
    assert!(said(&out).contains("2 sites, 3 backups"), "{}", said(&out));
    // Nobody is known any more: there is a new administrator with a new token.
    std::fs::remove_file(&world.panel.server.token_file).unwrap();
    let token = world.panel.server.token_file.display().to_string();
    assert!(world.panel.tool(&["setup", "--email", "admin@example.test", "--token-out", &token], &[]).status.success());
    world.panel.server.start_again();
    let after = world.listed();
    for (environment, backups) in &before {
        assert_eq!(after[environment].len(), backups.len(), "{environment}");
        after[environment].iter().zip(backups).for_each(|(found, before)| assert_found_again(found, before));
    }
    assert_restores(&world, &["one", "two"]);
}

#[test]
fn the_copies_open_with_stock_restic_and_hold_no_secret() {
    let world = World::new(None);
    let out = world.panel.tool(&["recovery:key", "--catalogue"], &[]);
    let text = said(&out);
    let password = text.lines().find_map(|l| l.strip_prefix("Password")).expect("it is told").trim().to_owned();
    let restic = Restic::open(&world.store().join("catalogue"), &password);
    restic.check();
    let snapshots = restic.snapshot_list();
    assert_eq!(snapshots.len(), 1);
    let back = world.panel.scratch.join("back");
    restic.restore(snapshots[0]["id"].as_str().unwrap(), &back);
    let copied = lines_of(&back.join("catalogue"));
    assert!(copied.contains("{\"table\":\"backups\"") && copied.contains("Before the storm") && copied.contains("{\"end\":"), "{copied}");
    let master = std::fs::read_to_string(world.panel.server.data.join("master.key")).unwrap();
    let (_, key) = world.panel.repository(little::ENV);
    let token = std::fs::read_to_string(&world.panel.server.token_file).unwrap();
    for secret in [master.trim(), &key, token.trim(), &password] {
        assert!(!copied.contains(secret), "a copy holds only what is sealed or hashed");
    }
    for left_out in ["sessions", "guesses", "one_time_links", "letters"] {
        assert!(!copied.contains(&format!("{{\"table\":\"{left_out}\"")), "{left_out}");
    }
}

/// All segments in the order of their names.
fn lines_of(folder: &Path) -> String {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .flat_map(|table| std::fs::read_dir(table.path()).unwrap().flatten().map(|f| f.path()).collect::<Vec<_>>())
        .collect();
    files.sort();
    files.iter().map(|f| std::fs::read_to_string(f).unwrap()).collect()
}

#[test]
fn a_server_copies_its_catalogue_by_itself_when_a_site_was_added() {
    let panel = Panel::start_with(&["serve"], None, "{\"catalogue_every\": 300}");
    let _site = Little::added_to(&panel);
    let copies = || {
        let db = rusqlite::Connection::open(panel.server.data.join("catalogue.db")).unwrap();
        db.query_row("select count(*) from catalogue_copies where snapshot is not null", (), |r| r.get::<_, i64>(0)).unwrap()
    };
    crate::support::wait_for("a copy of the catalogue", Duration::from_secs(60), || copies() > 0);
    assert!(panel.server.data.join("repositories/catalogue/config").exists());
}
