//! The Drupal gallery as Sitekeep sees it: what a restore is about, compared as a whole and without what is made anew.

use super::digest::{self, Digest, Page};
use super::drupal::Drupal;
use super::keep::Keep;
use super::{set_mode, write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Everything of a gallery.
#[derive(Clone)]
pub struct State {
    pub code: Digest,
    pub private: Digest,
    pub settings: (Vec<u8>, SystemTime),
    pub rows: Digest,
    pub page: Page,
}

/// What is made anew when it is asked for, in the files and in the database.
pub const GENERATED: [&str; 3] = ["sites/default/files/css", "sites/default/files/js", "sites/default/files/styles"];
pub const EMPTIED: [&str; 5] = ["table cache_page", "table cache_render", "table sessions", "table watchdog", "table semaphore"];

impl State {
    pub fn of(site: &Drupal) -> Self {
        Self {
            code: digest::files(&site.root).without(&GENERATED),
            private: digest::files(&site.private),
            settings: settings(site),
            rows: rows(site),
            page: site.page(),
        }
    }

    /// Exactly, settings and caching tables and all.
    #[track_caller]
    pub fn assert_is(&self, site: &Drupal, when: &str) {
        let now = Self::of(site);
        assert!(self.settings == now.settings, "{when}: settings.php differs:\n{}", String::from_utf8_lossy(&now.settings.0));
        self.code.assert_same(&now.code, &format!("{when}: code and files"));
        self.private.assert_same(&now.private, &format!("{when}: private files"));
        self.rows.assert_same(&now.rows, &format!("{when}: rows"));
        assert_eq!(self.page, now.page, "{when}: the page");
    }

    /// As after a restore: the settings may name another database, and what caches came back empty.
    #[track_caller]
    pub fn assert_restored(&self, site: &Drupal, when: &str) {
        let now = Self::of(site);
        let but_settings = |code: &Digest| code.clone().without(&["sites/default/settings.php"]);
        but_settings(&self.code).assert_same(&but_settings(&now.code), &format!("{when}: code and files"));
        self.private.assert_same(&now.private, &format!("{when}: private files"));
        self.rows.clone().without(&EMPTIED).assert_same(&now.rows.clone().without(&EMPTIED), &format!("{when}: rows"));
        for table in EMPTIED {
            assert!(now.rows.get(table).is_some_and(|t| t.starts_with("0 rows")), "{when}: {table}: {:?}", now.rows.get(table));
        }
        assert_eq!(self.page, now.page, "{when}: the page");
        assert_open(site, when);
    }
}

/// No trace of maintenance, nor of staging beside the files.
#[track_caller]
pub fn assert_open(site: &Drupal, when: &str) {
    let text = String::from_utf8(settings(site).0).expect("settings are text");
    assert!(!text.contains("maintenance, begin"), "{when}: the maintenance block is still there:\n{text}");
    assert_ne!(site.page().status, 503, "{when}");
}

/// The directories of restores that lie beside the site.
pub fn staging(site: &Drupal) -> Vec<String> {
    let names = std::fs::read_dir(site.scratch.path()).expect("it can be read").flatten();
    names.map(|e| e.file_name().to_string_lossy().into_owned()).filter(|n| n.starts_with(".sitekeep")).collect()
}

pub fn settings(site: &Drupal) -> (Vec<u8>, SystemTime) {
    let meta = site.settings().metadata().expect("the settings are there");
    (std::fs::read(site.settings()).expect("they can be read"), meta.modified().expect("a file has a time"))
}

/// The database that the settings name: the last entry of that kind, after two decoys.
pub fn database_in_use(site: &Drupal) -> String {
    let text = String::from_utf8(settings(site).0).expect("settings are text");
    let entry = text.rsplit("'database' =>").next().expect("the settings name a database");
    entry.split('\'').nth(1).expect("the name is quoted").to_owned()
}

/// Its rows, without what lies aside there.
pub fn rows(site: &Drupal) -> Digest {
    let aside = |part: &str| part.split_once(' ').is_some_and(|(_, name)| name.starts_with("sk"));
    site.server.digest(&database_in_use(site)).only(|part| !aside(part))
}

pub fn sql(site: &Drupal, sql: &str) {
    site.server.sql(&database_in_use(site), sql);
}

/// A gallery whose settings are older than the test, known to Sitekeep as `gallery.live`.
pub fn kept(keep: &Keep, more: &[&str]) -> Drupal {
    let site = Drupal::start();
    let file = std::fs::File::open(site.settings()).expect("it can be opened");
    file.set_modified(UNIX_EPOCH + Duration::new(1_500_000_000, 987_654_321)).expect("a time can be set");
    keep.add("gallery", "live", &site.root.display().to_string(), &[&["--site-url", &site.url], more].concat());
    site
}

/// Pictures, papers, code and rows change; the page shows it.
pub fn damage(site: &Drupal) {
    write(site.public().join("2024-01/one.png"), "not a picture");
    std::fs::remove_file(site.public().join("2024-02/three.png")).expect("it is there");
    write(site.public().join("shell.php"), "<?php system($_GET['c']);");
    std::fs::remove_file(site.private.join("contract.txt")).expect("it is there");
    write(site.private.join("ransom.txt"), "pay");
    write(site.private.join("more.txt"), "and more");
    write(site.root.join("core/core.services.yml"), "services: broken\n");
    std::fs::remove_file(site.root.join("modules/README.txt")).expect("it is there");
    set_mode(&site.root.join("themes/README.txt"), 0o666);
    sql(
        site,
        "update node_field_data set title = 'Damaged painting' where nid = 1; delete from node__body where entity_id = 3;
         insert into node_field_data (title, changed) values ('Forged', 1); insert into node__body values (4, 'forged');
         drop table users_field_data; create table rubbish (x int); insert into rubbish values (1);
         insert into watchdog (message) values ('somebody broke in');",
    );
}
