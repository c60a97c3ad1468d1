//! A whole WordPress on MariaDB is restored, undone, and the undo undone: with an account of the database server (a new
//! database and a new user) and without one (tables beside the live ones).

use crate::support::digest::{self, Digest};
use crate::support::keep::{Keep, text};
use crate::support::visitors::Visitors;
use crate::support::wordpress::Wordpress;
use crate::support::{give, hard, is_root, set_mode, write};

/// Everything of a site that a restore is about.
pub struct State {
    pub files: Digest,
    pub rows: Digest,
    pub page: digest::Page,
}

impl State {
    pub fn of(shop: &Wordpress) -> Self {
        // The page first: on its first visit WordPress writes options.
        let page = shop.page();
        Self { files: files(shop), rows: rows(shop), page }
    }
    /// # Panics
    /// When the site is not as it was then, settings and all.
    #[track_caller]
    pub fn assert_is(&self, shop: &Wordpress, when: &str) {
        self.files.assert_same(&files(shop), &format!("{when}: files"));
        self.rows.assert_same(&rows(shop), &format!("{when}: rows"));
        assert_eq!(self.page, shop.page(), "{when}: the front page");
    }
}

/// The tree without what Sitekeep clears on purpose: a cache of pages that may show the other state.
fn files(shop: &Wordpress) -> Digest {
    digest::files(&shop.root).without(&["wp-content/cache"])
}

/// The database that the settings name, without what lies aside there until it is dropped.
fn rows(shop: &Wordpress) -> Digest {
    shop.server.digest(&shop.database_in_use()).only(|part| !part.split_once(' ').is_some_and(|(_, name)| name.starts_with("sk")))
}

/// Files as people have them: links, odd names and modes, holes, other owners, long names.
pub fn odd_files(shop: &Wordpress) {
    use std::os::unix::ffi::OsStrExt;
    let odd = shop.uploads().join("odd");
    write(odd.join("plain.txt"), "plain");
    for (name, mode) in [("private", 0o600), ("tool.sh", 0o755), ("nobody-writes", 0o444), ("sticky", 0o640)] {
        write(odd.join(name), format!("mode {mode:o}"));
        set_mode(&odd.join(name), mode);
    }
    write(odd.join(std::ffi::OsStr::from_bytes(b"not \xff utf-8\n.txt")), "bytes");
    write(odd.join("x".repeat(250)), "a long name");
    write(odd.join("empty"), "");
    std::fs::create_dir_all(odd.join("empty-dir")).expect("a directory can be made");
    std::os::unix::fs::symlink("../odd/plain.txt", odd.join("relative")).expect("a link can be made");
    std::os::unix::fs::symlink("/nowhere/at/all", odd.join("dangling")).expect("a link can be made");
    std::fs::hard_link(odd.join("plain.txt"), odd.join("twin.txt")).expect("a link can be made");
    let sparse = std::fs::File::create(odd.join("sparse")).expect("a file can be made");
    sparse.set_len(3 << 20).expect("a hole can be made");
    for entry in std::fs::read_dir(&odd).expect("it can be read").flatten() {
        give(&entry.path(), &shop.owner);
    }
    set_mode(&odd.join("empty-dir"), 0o2775);
    give(&odd, &shop.owner);
    if is_root() {
        write(odd.join("of-root.txt"), "left by an administrator");
    }
    let old = std::time::UNIX_EPOCH + std::time::Duration::new(946_684_800, 123_456_789);
    let file = std::fs::File::options().write(true).open(odd.join("sticky")).expect("it can be opened");
    file.set_modified(old).expect("a time can be set");
}

/// What a bad day does: files, links, code, rows, tables, views, triggers.
fn damage(shop: &Wordpress) {
    let uploads = shop.uploads();
    write(uploads.join("odd/plain.txt"), "overwritten");
    std::fs::remove_file(uploads.join("odd/private")).expect("it is there");
    std::fs::remove_file(uploads.join("odd/relative")).expect("it is there");
    std::os::unix::fs::symlink("/etc/passwd", uploads.join("odd/relative")).expect("a link can be made");
    set_mode(&uploads.join("odd/tool.sh"), 0o777);
    write(uploads.join("shell.php"), "<?php system($_GET['c']);");
    std::fs::remove_dir(uploads.join("odd/empty-dir")).expect("it is empty");
    write(shop.root.join("index.php"), "<?php http_response_code(500); echo 'defaced';");
    std::fs::remove_dir_all(shop.root.join("wp-content/themes/twentytwentyone/assets")).expect("the theme is there");
    write(shop.root.join("wp-content/upgrade/newer.txt"), "written since");
    shop.sql(
        "delete from wp_posts where id % 2 = 0; update wp_options set option_value = 'Defaced' where option_name = 'blogname';
         truncate hard_keyless; drop table hard_empty; update hard_values set single = 0.3333333333 where id = 1;
         drop trigger hard_trigger; drop view hard_b_view; drop view hard_y_view; create view hard_b_view as select 1 as n;
         create table rubbish (x int primary key); insert into rubbish values (1);
         alter table hard_z_parent add column more int; drop procedure hard_procedure; drop event hard_event;
         insert into wp_users (user_login, user_pass, user_nicename, user_email, user_url, user_registered, user_activation_key, display_name)
         values ('intruder', '', '', '', '', now(), '', '')",
    );
}

/// The front page as a visitor sees it who never saw an error.
fn is_the_shop(page: &digest::Page) -> bool {
    format!("{page:?}").contains("The Corner Shop")
}

/// Hard objects and odd files in it, added to Sitekeep, backed up, and then damaged.
fn damaged_shop(keep: &Keep, more: &[&str]) -> (Wordpress, State, State, String) {
    let shop = Wordpress::start();
    hard::mysql(shop.server, &shop.database);
    odd_files(&shop);
    let healthy = State::of(&shop);
    assert!(is_the_shop(&healthy.page), "{:?}", healthy.page);
    for part in hard::MYSQL_PARTS {
        assert!(healthy.rows.get(part).is_some(), "{part} is not in the database");
    }
    keep.add_shop(&shop, &[&["--expect", "The Corner Shop"], more].concat());
    let backup = keep.back_up("shop.live", &[]);
    healthy.assert_is(&shop, "a backup changes nothing");
    damage(&shop);
    let damaged = State::of(&shop);
    assert!(healthy.files.differences(&damaged.files).len() > 10 && healthy.rows.differences(&damaged.rows).len() > 10);
    assert!(!is_the_shop(&damaged.page));
    (shop, healthy, damaged, backup)
}

/// After a restore everything is as it was backed up, but for the settings' credentials and rounded FLOAT columns, which
/// the manifest must have named.
fn assert_restored(keep: &Keep, shop: &Wordpress, healthy: &State, backup: &str, what: &str) {
    let manifest = &keep.element("shop.live", backup, "database")["manifest"];
    assert_eq!(manifest["inexact_columns"], serde_json::json!(["hard_values.single"]), "{manifest:#}");
    // Content is compared as a dump shows it; the checksum sees the digits that the dump rounds.
    let rounded = |rows: Digest| {
        let value = rows.get("table hard_values").expect("the table is there").to_owned();
        let (rows_before, content) = (value.split(',').next().unwrap_or_default(), value.rsplit(' ').next().unwrap_or_default());
        let mut out = rows.clone().without(&["table hard_values"]);
        out.insert("table hard_values", format!("{rows_before} {content}"));
        out
    };
    rounded(healthy.rows.clone()).assert_same(&rounded(rows(shop)), &format!("{what}: rows"));
    // What the backup left out stays as it was; the settings may have got other credentials.
    let kept = ["wp-config.php", "wp-content/upgrade"];
    healthy.files.clone().without(&kept).assert_same(&files(shop).without(&kept), &format!("{what}: files"));
    assert_eq!(healthy.page, shop.page(), "{what}: the front page");
    assert!(shop.root.join("wp-content/upgrade/newer.txt").is_file(), "what the backup leaves out is carried over");
    assert!(!shop.root.join(".maintenance").exists());
}

fn round_trip(keep: &Keep, more: &[&str], new_database: bool) {
    let (shop, healthy, damaged, backup) = damaged_shop(keep, more);
    let config = std::fs::read(shop.config()).expect("the settings can be read");
    let visitors = Visitors::at(&shop.url);
    let restore = keep.restore("shop.live", &[]);
    for page in visitors.stop() {
        let (old, new) = (page == damaged.page, page == healthy.page);
        assert!(old || new || format!("{page:?}").contains("503"), "a visitor saw a mixture: {page:?}");
    }
    assert_eq!(text(&restore["backup"]), backup);
    assert_restored(keep, &shop, &healthy, &backup, "restored");
    assert_eq!(shop.database_in_use() != shop.database.name, new_database);
    if !new_database {
        assert_eq!(config, std::fs::read(shop.config()).expect("the settings can be read"));
    }
    let undo = keep.undo(&restore);
    damaged.assert_is(&shop, "undone");
    let again = keep.undo(&undo);
    assert_restored(keep, &shop, &healthy, &backup, "the undo undone");
    keep.undo(&again);
    damaged.assert_is(&shop, "undone once more");
}

#[test]
fn a_shop_comes_back_in_a_new_database_and_every_undo_is_exact() {
    let keep = Keep::start();
    keep.add_server(crate::support::mariadb::Mariadb::shared());
    round_trip(&keep, &["--server=maria"], true);
}

#[test]
fn a_shop_comes_back_beside_the_live_tables_and_every_undo_is_exact() {
    round_trip(&Keep::start(), &[], false);
}

/// Odd things one by one, a folder of the code, and the page that was defaced; visitors are kept out meanwhile.
#[test]
fn chosen_parts_of_a_shop_come_back_alone_and_the_undo_is_exact() {
    let keep = Keep::start();
    let (shop, healthy, _, backup) = damaged_shop(&keep, &[]);
    shop.sql("update wp_options set option_value = 'The Corner Shop' where option_name = 'blogname'");
    let damaged = State::of(&shop);
    let chosen = ["index.php", "wp-content/themes/twentytwentyone", "wp-content/uploads/odd/relative", "wp-content/uploads/odd/private"];
    let only: Vec<String> = chosen.iter().map(|path| format!("--path={path}")).chain([format!("--backup={backup}")]).collect();
    let only: Vec<&str> = only.iter().map(String::as_str).collect();
    let restore = keep.restore_held_at("restore.trees.exchanged", "shop.live", &only, || {
        assert_eq!(shop.page().status, 503, "visitors are kept out meanwhile");
    });
    let now = files(&shop);
    let inside = |name: &str| chosen.iter().any(|path| name == *path || name.starts_with(&format!("{path}/")));
    now.clone().only(inside).assert_same(&healthy.files.clone().only(inside), "what was chosen");
    now.only(|name| !inside(name)).assert_same(&damaged.files.clone().only(|name| !inside(name)), "everything else");
    damaged.rows.assert_same(&rows(&shop), "rows are as before");
    keep.undo(&restore);
    damaged.assert_is(&shop, "undone");
}
