//! One element alone, what a dry run promises, and sets that are never mixed.

use crate::support::digest;
use crate::support::drupal::Drupal;
use crate::support::gallery::{self, GENERATED, State, assert_open, damage};
use crate::support::keep::{Keep, text};
use serde_json::Value;

/// A whole backup, then damage, then a backup of the damaged database alone.
fn two_backups(keep: &Keep) -> (Drupal, State, State, String, String) {
    let site = gallery::kept(keep, &[]);
    let healthy = State::of(&site);
    let whole = keep.back_up("gallery.live", &[]);
    damage(&site);
    let damaged = State::of(&site);
    let database = keep.back_up("gallery.live", &["--element=db"]);
    (site, healthy, damaged, whole, database)
}

fn lines(plan: &Value) -> Vec<String> {
    plan["lines"].as_array().expect("a plan has lines").iter().map(text).collect()
}

#[test]
fn the_database_alone_and_the_files_alone_leave_everything_else_as_it_is() {
    let keep = Keep::start();
    let (site, healthy, damaged, whole, _) = two_backups(&keep);
    let backup = format!("--backup={whole}");
    let restore = keep.restore("gallery.live", &[&backup, "--element=database"]);
    assert_eq!(restore["elements"], serde_json::json!(["database"]));
    damaged.code.assert_same(&State::of(&site).code, "code and files are as before");
    damaged.private.assert_same(&State::of(&site).private, "private files are as before");
    healthy.rows.clone().without(&gallery::EMPTIED).assert_same(&gallery::rows(&site).without(&gallery::EMPTIED), "rows");
    assert!(site.page().says("First painting") && site.page().says("private papers: 2"));
    keep.undo(&restore);
    damaged.assert_is(&site, "undone");

    let restore = keep.restore("gallery.live", &[&backup, "--element=files"]);
    assert_eq!(restore["elements"], serde_json::json!(["files"]));
    damaged.rows.assert_same(&gallery::rows(&site), "rows are as before");
    healthy.private.assert_same(&digest::files(&site.private), "private files");
    let public = |code: &digest::Digest| code.clone().only(|name| name.starts_with("sites/default/files"));
    public(&healthy.code).assert_same(&public(&State::of(&site).code), "public files");
    let code = |code: &digest::Digest| code.clone().without(&["sites/default/files"]);
    code(&damaged.code).assert_same(&code(&State::of(&site).code), "the code is as before");
    assert!(gallery::settings(&site) == damaged.settings);
    keep.undo(&restore);
    damaged.assert_is(&site, "undone");

    let restore = keep.restore("gallery.live", &[&backup, "--element=code,database"]);
    code(&healthy.code).assert_same(&code(&State::of(&site).code), "the code");
    public(&damaged.code).assert_same(&public(&State::of(&site).code), "files are as before");
    damaged.private.assert_same(&digest::files(&site.private), "private files are as before");
    assert_open(&site, "restored");
    keep.undo(&restore);
    damaged.assert_is(&site, "undone");
}

#[test]
fn what_a_dry_run_says_is_what_happens() {
    let keep = Keep::start();
    let (site, _, damaged, whole, _) = two_backups(&keep);
    let backup = format!("--backup={whole}");
    let plan = keep.data(&["backup:restore", "gallery.live", &backup, "--dry-run"]);
    damaged.assert_is(&site, "a dry run changes nothing");
    assert_eq!(keep.data(&["restore:list", "gallery.live"]), serde_json::json!([]));
    let said = lines(&plan);
    let promised = [
        format!("database: the database {} is replaced", site.database.name),
        "database: table node_field_data has 4 rows now and 3 in the backup".into(),
        "database: table node__body has 3 rows now and 3 in the backup".into(),
        "database: table rubbish (1 row) is not in the backup and goes away".into(),
        "database: table users_field_data comes back with 2 rows".into(),
        "database: table watchdog has 3 rows now and 0 in the backup".into(),
        format!("files: {} is replaced", site.public().display()),
        format!("files: {} is replaced", site.private.display()),
        format!("code: {} is replaced", site.root.display()),
    ];
    for line in &promised {
        let equal = line.contains("3 rows now and 3");
        assert_eq!(said.iter().any(|l| l.starts_with(line.as_str())), !equal, "{line}\n{said:#?}");
    }
    for line in &said {
        let label = line.split(':').next().unwrap_or_default();
        assert!(
            ["database", "files", "code", "acme/gallery.live goes back to the backup of 2026-11-21 00"].contains(&label)
                || !label.contains("row")
        );
    }
    let kept = said.iter().find(|l| l.contains("kept as they are")).expect("what stays is said");
    for name in ["css", "js", "styles"] {
        assert!(kept.contains(&format!("files/public/{name}")), "{kept}");
    }
    let empty = said.iter().find(|l| l.contains("come back empty")).expect("what comes back empty is said");
    keep.restore("gallery.live", &[&backup]);
    for (table, rows) in [("node_field_data", 3), ("users_field_data", 2), ("watchdog", 0)] {
        assert_eq!(site.server.sql(&gallery::database_in_use(&site), &format!("select count(*) from {table}")).trim(), rows.to_string());
    }
    assert!(site.server.try_sql(&gallery::database_in_use(&site), "select * from rubbish").is_err());
    for table in gallery::EMPTIED.map(|part| part.trim_start_matches("table ")) {
        assert!(empty.contains(table), "{empty}");
    }
    for dir in GENERATED {
        assert!(site.root.join(dir).is_dir(), "{dir} was said to stay");
    }
    let after = lines(&keep.data(&["backup:restore", "gallery.live", &backup, "--dry-run"]));
    assert!(after.contains(&"database: every table has as many rows now as in the backup".to_owned()), "{after:#?}");
}

#[test]
fn a_set_is_never_mixed_and_what_it_lacks_is_said() {
    let keep = Keep::start();
    let (site, healthy, damaged, whole, database) = two_backups(&keep);
    gallery::sql(&site, "update node_field_data set title = 'Written later' where nid = 1");
    let later = State::of(&site);
    let alone = format!("--backup={database}");
    let said = keep.says(&["backup:restore", "gallery.live", &alone, "--yes"]);
    assert!(said.contains("This backup lacks:") && said.contains("files") && said.contains("code"), "{said}");
    damaged.rows.clone().without(&gallery::EMPTIED).assert_same(&gallery::rows(&site).without(&gallery::EMPTIED), "rows of that set");
    later.code.assert_same(&State::of(&site).code, "code and files stay");
    later.private.assert_same(&State::of(&site).private, "private files stay");
    keep.undo(&keep.last_restore("gallery.live"));
    later.assert_is(&site, "undone");

    for element in ["files", "code", "files,database"] {
        let refused = keep.refused(&["backup:restore", "gallery.live", &alone, "--yes", "--element", element]);
        assert!([2, 4].contains(&refused.code), "{refused:?}");
        assert!(refused.said.contains(&database) && refused.said.contains("has no"), "{refused:?}");
    }
    later.assert_is(&site, "a refusal changes nothing");

    // By default the newest set that is whole, and not the newest of each element.
    let said = keep.says(&["backup:restore", "gallery.live", "--yes"]);
    assert!(said.contains(&database) && said.contains("has only database"), "{said}");
    assert_eq!(text(&keep.last_restore("gallery.live")["backup"]), whole);
    healthy.assert_restored(&site, "restored");
}
