//! A live backup is restored into a test environment with an owner, settings and a database of its own.

use crate::support::digest::{self, Digest};
use crate::support::drupal::Drupal;
use crate::support::gallery::{self, GENERATED, State, assert_open, database_in_use, rows, settings};
use crate::support::keep::Keep;
use crate::support::mariadb::Mariadb;
use crate::support::{give_tree, other_user, set_mode, write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A test environment of the same site, whose files belong to somebody else, who lets the web server read them.
fn test_environment(keep: &Keep, more: &[&str]) -> Drupal {
    let site = Drupal::start();
    give_tree(&site.root, &other_user());
    give_tree(&site.private, &other_user());
    set_mode(&site.settings(), 0o444);
    write(site.root.join("only-here.txt"), "of the test environment");
    gallery::sql(&site, "update node_field_data set title = 'Test painting'");
    keep.add("gallery", "test", &site.root.display().to_string(), &[&["--site-url", &site.url], more].concat());
    site
}

/// Names, kinds, modes and content, without settings and what is generated.
fn content(root: &Path) -> Digest {
    digest::content(root).without(&GENERATED).without(&["sites/default/settings.php", "."])
}

fn all_belong_to(path: &Path, uid: u32) {
    let meta = path.symlink_metadata().expect("it is there");
    assert_eq!(meta.uid(), uid, "{}", path.display());
    if meta.is_dir() {
        std::fs::read_dir(path).expect("it can be read").flatten().for_each(|entry| all_belong_to(&entry.path(), uid));
    }
}

fn into_test(keep: &Keep, more: &[&str], new_database: bool) {
    let live = gallery::kept(keep, more);
    let test = test_environment(keep, more);
    let (source, before) = (State::of(&live), State::of(&test));
    keep.back_up("gallery.live", &[]);
    let restore = keep.restore("gallery.live", &["--to-env=test"]);
    source.assert_is(&live, "the source is not touched");
    content(&live.root).assert_same(&content(&test.root), "code and public files");
    digest::content(&live.private).assert_same(&digest::content(&test.private), "private files");
    let emptied = |rows: Digest| rows.without(&gallery::EMPTIED);
    emptied(source.rows.clone()).assert_same(&emptied(rows(&test)), "rows");
    assert_eq!(test.page(), source.page, "the test environment shows what the live one shows");
    assert_open(&test, "restored");
    all_belong_to(&test.root, other_user().uid);
    all_belong_to(&test.private, other_user().uid);
    let text = String::from_utf8(settings(&test).0).expect("settings are text");
    assert!(text.contains(&test.private.display().to_string()), "the settings are the target's own:\n{text}");
    assert!(!text.contains(&live.database.name) && !text.contains(&live.database.password), "and know nothing of the source:\n{text}");
    if new_database {
        assert!(database_in_use(&test).starts_with(&test.database.name) && database_in_use(&test) != test.database.name);
    } else {
        assert!(settings(&test) == before.settings, "the target keeps its settings to the byte");
    }
    keep.undo(&restore);
    before.assert_is(&test, "undone");
    source.assert_is(&live, "undone");
}

#[test]
fn a_live_backup_in_a_test_environment_keeps_the_targets_settings_and_owner() {
    into_test(&Keep::start(), &[], false);
}

#[test]
fn a_live_backup_in_a_test_environment_gets_a_new_database_of_the_targets() {
    let keep = Keep::start();
    keep.add_server(Mariadb::shared());
    into_test(&keep, &["--server=maria"], true);
}
