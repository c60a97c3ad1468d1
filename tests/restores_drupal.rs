//! A Drupal tree comes back with its database, its public and its private files, and is open again afterwards.

use crate::support::gallery::{self, State, assert_open, damage, database_in_use, settings};
use crate::support::keep::Keep;
use crate::support::mariadb::Mariadb;
use crate::support::visitors::Visitors;

fn round_trip(keep: &Keep, more: &[&str], new_database: bool) {
    let site = gallery::kept(keep, &[&["--expect", "First painting"], more].concat());
    let healthy = State::of(&site);
    assert!(healthy.page.says("First painting") && healthy.page.says("private papers: 1"), "{:?}", healthy.page);
    let backup = keep.back_up("gallery.live", &[]);
    let emptied = &keep.element("gallery.live", &backup, "database")["manifest"]["structure_only"];
    assert!(emptied.as_array().is_some_and(|tables| tables.contains(&"cache_page".into())), "{emptied}");
    healthy.assert_is(&site, "a backup changes nothing");
    damage(&site);
    let damaged = State::of(&site);
    assert!(damaged.page.says("Damaged painting") && damaged.page.says("Forged") && damaged.page.says("private papers: 2"));
    let visitors = Visitors::at(&site.url);
    let restore = keep.restore_held_at("restore.trees.exchanged", "gallery.live", &[], || {
        let page = site.page();
        assert!(page.status == 503 && page.says("is being restored"), "visitors are kept out meanwhile: {page:?}");
    });
    let seen = visitors.stop();
    assert!(seen.iter().all(|p| [200, 503].contains(&p.status)), "{seen:?}");
    healthy.assert_restored(&site, "restored");
    assert_eq!(database_in_use(&site) != site.database.name, new_database);
    if new_database {
        // The old database still says otherwise: so the page comes from the new one.
        let old = site.server.sql(&site.database.name, "select title from node_field_data where nid = 1");
        assert_eq!(old.trim(), "Damaged painting");
    } else {
        assert!(settings(&site) == healthy.settings, "nothing had to be rewritten in settings.php");
    }
    let undo = keep.undo(&restore);
    damaged.assert_is(&site, "undone");
    assert_open(&site, "undone");
    keep.undo(&undo);
    healthy.assert_restored(&site, "the undo undone");
}

#[test]
fn a_gallery_comes_back_in_a_new_database_and_its_settings_name_it() {
    let keep = Keep::start();
    keep.add_server(Mariadb::shared());
    round_trip(&keep, &["--server=maria"], true);
}

#[test]
fn a_gallery_comes_back_beside_the_live_tables_and_its_settings_are_not_touched() {
    round_trip(&Keep::start(), &[], false);
}

#[test]
fn a_second_restore_and_its_undo_go_back_one_after_the_other() {
    let keep = Keep::start();
    keep.add_server(Mariadb::shared());
    let site = gallery::kept(&keep, &["--server=maria", "--expect", "Gallery"]);
    let first = State::of(&site);
    let backup = keep.back_up("gallery.live", &[]);
    damage(&site);
    let damaged = State::of(&site);
    let one = keep.restore("gallery.live", &[]);
    first.assert_restored(&site, "restored");
    gallery::sql(&site, "update node_field_data set title = 'Written after the restore' where nid = 2");
    let between = State::of(&site);
    let two = keep.restore("gallery.live", &["--backup", &backup]);
    first.assert_restored(&site, "restored again");
    keep.refused(&["backup:undo", one["id"].as_str().unwrap_or_default(), "--yes"]).assert(6, &["restored again since"]);
    keep.undo(&two);
    between.assert_is(&site, "the second undone");
    keep.undo(&one);
    damaged.assert_is(&site, "the first undone");
}

/// The settings of that time named another database: what is restored names the one that is live, and nothing else is touched.
#[test]
fn the_settings_file_alone_comes_back_and_names_the_database_of_today() {
    let keep = Keep::start();
    keep.add_server(Mariadb::shared());
    let site = gallery::kept(&keep, &["--server=maria", "--expect", "Gallery"]);
    let backup = keep.back_up("gallery.live", &[]);
    keep.restore("gallery.live", &[]);
    let today = database_in_use(&site);
    assert_ne!(today, site.database.name);
    damage(&site);
    let damaged = State::of(&site);
    let only = ["--backup", &backup, "--path=sites/default/settings.php", "--path=sites/default/files/2024-01"];
    let restore = keep.restore("gallery.live", &only);
    assert_eq!(restore["paths"], serde_json::json!(["code/sites/default/settings.php", "files/public/2024-01"]));
    assert_eq!(database_in_use(&site), today);
    assert_open(&site, "restored");
    let now = State::of(&site);
    now.rows.assert_same(&damaged.rows, "rows are as before");
    let differ: Vec<String> = now.code.differences(&damaged.code).into_iter().filter(|d| !d.contains("sites/default/")).collect();
    assert!(differ.is_empty(), "{differ:?}");
    assert!(std::fs::read(site.public().join("2024-01/one.png")).unwrap().starts_with(b"\x89PNG"));
    keep.undo(&restore);
    damaged.assert_is(&site, "undone");
}
