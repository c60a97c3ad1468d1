//! The site does not answer with its page after the switch: everything is switched back by itself.

use crate::restores_mysql::State as Shop;
use crate::support::gallery::{self, State};
use crate::support::keep::{Keep, text};
use crate::support::mariadb::Mariadb;
use crate::support::visitors::Visitors;
use crate::support::wordpress::Wordpress;
use crate::support::write;

fn everything_is_switched_back(keep: &Keep, more: &[&str]) {
    let site = gallery::kept(keep, &[&["--expect", "The new exhibition"], more].concat());
    let backup = keep.back_up("gallery.live", &[]);
    gallery::damage(&site);
    gallery::sql(&site, "update node_field_data set title = 'The new exhibition' where nid = 2");
    let before = State::of(&site);
    assert!(before.page.says("The new exhibition"));
    let visitors = Visitors::at(&site.url);
    keep.refused(&["backup:restore", "gallery.live", "--yes"])
        .assert(1, &["does not answer as it should", "does not contain the expected text", "Everything was switched back"]);
    let seen = visitors.stop();
    assert!(seen.iter().all(|p| [200, 503].contains(&p.status)), "{seen:?}");
    before.assert_is(&site, "switched back");
    gallery::assert_open(&site, "switched back");
    assert_eq!(gallery::staging(&site), Vec::<String>::new(), "nothing is left beside the site");
    let restore = keep.last_restore("gallery.live");
    assert_eq!(restore["state"], "unwound", "{restore:#}");
    assert_eq!(text(&restore["backup"]), backup);
    keep.refused(&["backup:undo", &text(&restore["id"]), "--yes"]).assert(6, &["only one that succeeded can be undone"]);
    let aside = site.server.sql("mysql", "select schema_name from information_schema.schemata");
    let ours = aside.lines().filter(|name| name.starts_with(&site.database.name)).count();
    assert_eq!(ours, 1, "no database is left over: {aside}");
    let tables = site.server.sql(&site.database.name, "show tables");
    assert!(!tables.lines().any(|t| t.starts_with("sk")), "no table is left over: {tables}");
    // The way is free again: a backup, and a restore of it, succeed.
    keep.back_up("gallery.live", &[]);
    keep.restore("gallery.live", &[]);
    assert!(site.page().says("The new exhibition"));
}

#[test]
fn a_page_without_the_expected_text_takes_a_new_database_back() {
    let keep = Keep::start();
    keep.add_server(Mariadb::shared());
    everything_is_switched_back(&keep, &["--server=maria"]);
}

#[test]
fn a_page_without_the_expected_text_takes_tables_beside_the_live_ones_back() {
    everything_is_switched_back(&Keep::start(), &[]);
}

#[test]
fn code_that_answers_with_an_error_is_switched_back_in_a_shop() {
    let keep = Keep::start();
    let shop = Wordpress::start();
    Shop::of(&shop);
    let index = std::fs::read(shop.root.join("index.php")).expect("it can be read");
    keep.add_shop(&shop, &[]);
    std::fs::write(shop.root.join("index.php"), "<?php http_response_code(500);").expect("it can be written");
    keep.back_up("shop.live", &[]);
    std::fs::write(shop.root.join("index.php"), index).expect("it can be written");
    shop.write_post("Written since");
    write(shop.uploads().join("since.txt"), "uploaded since");
    let before = Shop::of(&shop);
    assert!(before.page.is_ok());
    keep.refused(&["backup:restore", "shop.live", "--yes"]).assert(1, &["status 500", "Everything was switched back"]);
    before.assert_is(&shop, "switched back");
    assert!(!shop.root.join(".maintenance").exists());
    assert_eq!(keep.last_restore("shop.live")["state"], "unwound");
}
