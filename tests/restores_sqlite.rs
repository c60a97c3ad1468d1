//! Restores of a small site on SQLite whose code is a Git work tree, through the real server, queue, worker and command
//! line.

use crate::support::digest::{self, Digest};
use crate::support::panel::Panel;
use crate::support::restic::Restic;
use crate::support::sqlite_site::{SqliteSite, TAG};
use crate::support::{Scratch, copy_tree, php, run, write};
use sitekeep::base::identity::Identity;
use sitekeep::domain::element::Element;
use sitekeep::domain::state::{BackupState, RestoreState, StepState};
use std::process::Command;

const NOTES: &str = "notes.live";

fn add(panel: &Panel, site: &SqliteSite) {
    let url = format!("{}/", site.url);
    let options = ["--files", "media=media", "--database-engine", "sqlite", "--database-name", "data/notes.sqlite"];
    panel.add_site("notes", "live", &site.root, &[&options[..], &["--site-url", &url, "--expect", "Note 6"]].concat());
}

/// Rows, files and page; the database's files are compared by their rows, and the times of directories in which
/// something was exchanged are left out.
#[derive(Clone, Debug)]
struct State {
    rows: Digest,
    files: Digest,
    page: digest::Page,
}

const DATABASE: [&str; 4] = ["data/notes.sqlite", "data/notes.sqlite-wal", "data/notes.sqlite-shm", "data/notes.sqlite-journal"];

fn state(site: &SqliteSite) -> State {
    let (rows, page) = (site.rows(), site.page());
    let files = digest::files(&site.root).without(&DATABASE).without(&["data"]).only(|n| n != ".");
    State { rows, files, page }
}

impl State {
    #[track_caller]
    fn assert_same(&self, other: &Self, what: &str) {
        self.rows.assert_same(&other.rows, &format!("{what}: rows"));
        self.files.assert_same(&other.files, &format!("{what}: files"));
        assert_eq!(other.page, self.page, "{what}: page");
    }
}

fn damage(site: &SqliteSite) {
    site.sql("delete from notes where id > 2; update notes set title = 'Ruin' where id = 1; drop view titles; create table rubbish (x); pragma user_version = 8");
    std::fs::remove_file(site.media().join("2024/photo-1.png")).unwrap();
    write(site.media().join("intruder.html"), "<h1>was here</h1>");
    write(site.root.join("index.php"), "<?php echo 'closed';");
    std::fs::remove_file(site.root.join("notes.txt")).unwrap();
    std::fs::remove_file(site.root.join(".env")).unwrap();
    run(Command::new("rm").arg("-rf").arg(site.root.join(".git/refs/tags")));
}

#[test]
fn in_both_journal_modes_a_site_comes_back_whole_and_an_undo_is_exact() {
    for mode in ["wal", "delete"] {
        let panel = Panel::start();
        let site = SqliteSite::start();
        site.sql(&format!("pragma journal_mode = {mode}"));
        add(&panel, &site);
        let healthy = state(&site);
        let backup = panel.back_up(NOTES, &[]);
        assert_eq!(backup.state, BackupState::Succeeded);
        damage(&site);
        let damaged = state(&site);
        let restore = panel.must_restore(NOTES, &[]);
        assert_eq!(restore.state, RestoreState::Succeeded);
        let skipped: Vec<&str> = restore.steps.iter().filter(|s| s.state == StepState::Skipped).map(|s| s.name.as_str()).collect();
        assert_eq!(skipped, ["maintenance_on", "reload", "maintenance_off", "clear_caches"], "this site has no way to do these");
        healthy.assert_same(&state(&site), &format!("restored, {mode}"));
        assert_eq!(site.git(&["describe", "--tags"]), TAG);
        // The site goes on: what is written now is no part of the way back.
        site.sql("insert into notes (title, body, photo) values ('Later', '', '2024/photo-1.png')");
        let later = state(&site);
        let undo = panel.must_undo(&restore.id, NOTES);
        damaged.assert_same(&state(&site), &format!("undone, {mode}"));
        panel.must_undo(&undo.id, NOTES);
        later.assert_same(&state(&site), &format!("the undo undone, {mode}"));
    }
}

#[test]
fn a_writer_with_an_open_wal_loses_nothing_that_was_committed_before_the_backup() {
    let panel = Panel::start();
    let site = SqliteSite::start();
    add(&panel, &site);
    let writer = rusqlite::Connection::open(site.database()).unwrap();
    writer.execute_batch("pragma wal_autocheckpoint = 0; insert into notes (title, body, photo) values ('In the log', '', 'x')").unwrap();
    assert!(site.root.join("data/notes.sqlite-wal").metadata().unwrap().len() > 0, "the row is in the log alone");
    writer.execute_batch("begin immediate; delete from notes").unwrap(); // not committed: no part of a backup
    let backup = panel.back_up(NOTES, &["--element", "database"]);
    writer.execute_batch("rollback").unwrap();
    drop(writer);
    let healthy = site.rows();
    site.sql("delete from notes");
    panel.must_restore(NOTES, &["--backup", &backup.id, "--element", "database"]);
    healthy.assert_same(&site.rows(), "restored");
    assert!(site.page().says("In the log"));
}

#[test]
fn code_in_a_work_tree_is_kept_with_its_commit_its_tag_and_what_was_not_committed() {
    let panel = Panel::start();
    let site = SqliteSite::start();
    add(&panel, &site);
    let commit = site.git(&["rev-parse", "HEAD"]);
    let code = digest::files(&site.root).without(&["media", "data"]);
    let backup = panel.back_up(NOTES, &[]);
    assert_eq!(backup.state, BackupState::Succeeded);
    let element = backup.elements.iter().find(|e| e.element == Element::Code).unwrap();
    let git = &element.manifest["git"];
    assert_eq!((git["commit"].as_str(), git["tag"].as_str()), (Some(commit.as_str()), Some(TAG)), "{git}");
    assert_eq!(git["changed"], serde_json::json!(["EDITION"]));
    assert!(backup.warnings.iter().any(|w| w.contains("EDITION") && w.contains("patch")), "{:?}", backup.warnings);
    let (repository, password) = panel.repository(NOTES);
    let restic = Restic::open(&repository, &password);
    restic.check();
    let (into, snapshot) = (Scratch::new(), element.snapshot.as_deref().unwrap());
    restic.restore(snapshot, &into.join("out"));
    code.assert_same(&digest::files(&into.join("out/code")).without(&["data"]), "stock restic gives the work tree back");
    assert!(into.join("out/code/.env").exists() && into.join("out/code/notes.txt").exists(), "ignored and untracked files are kept");
    // The patch alone turns a clean checkout into what was there.
    let patch = restic.dump(snapshot, "/changes.patch");
    let clean = into.join("clean");
    crate::support::give_tree(&into.join("out/code"), &Identity::of_process());
    run(Command::new("git").args(["clone", "-q"]).arg(into.join("out/code")).arg(&clean));
    assert_eq!(std::fs::read_to_string(clean.join("EDITION")).unwrap(), "1\n");
    write(into.join("patch"), patch);
    run(Command::new("git").arg("-C").arg(&clean).arg("apply").arg(into.join("patch")));
    assert_eq!(std::fs::read_to_string(clean.join("EDITION")).unwrap(), "1 (corrected by hand)\n");
    // And the database is a file that SQLite opens.
    let image = backup.elements.iter().find(|e| e.element == Element::Database).unwrap().snapshot.clone().unwrap();
    restic.restore(&image, &into.join("image"));
    site.rows().assert_same(&digest::sqlite(&into.join("image/database/database.sqlite")), "the image");
}

#[test]
fn a_backup_goes_into_another_environment_and_leaves_its_own_settings_alone() {
    let panel = Panel::start();
    let site = SqliteSite::start();
    add(&panel, &site);
    let healthy = state(&site);
    // The test environment: a copy of an earlier day with a row of its own, served at another address.
    let root = site.scratch.join("notes-test");
    copy_tree(&site.root, &root);
    let port = crate::support::free_port();
    let _web = php::serve(&site.scratch, &root, &site.owner, port);
    let url = format!("http://127.0.0.1:{port}/");
    let options = ["--files", "media=media", "--database-engine", "sqlite", "--database-name", "data/notes.sqlite", "--settings", ".env"];
    panel.add_site("notes", "test", &root, &[&options[..], &["--site-url", &url, "--expect", "Note 6"]].concat());
    let open = || rusqlite::Connection::open(root.join("data/notes.sqlite")).unwrap();
    open().execute_batch("delete from notes; insert into notes (title, body, photo) values ('Mine', '', 'x')").unwrap();
    crate::support::give_tree(&root.join("data"), &site.owner);
    write(root.join(".env"), "MODE=testing\n");
    write(root.join("media/2024/photo-1.png"), "scribble");
    let before = digest::files(&root).without(&DATABASE).without(&["data"]).only(|n| n != ".");
    let (rows, page) = (digest::sqlite(&root.join("data/notes.sqlite")), digest::page(&url));
    panel.back_up(NOTES, &[]);
    let out = panel.must(&["backup:restore", NOTES, "--to", "acme/notes.test", "--yes"]);
    assert!(!out.contains("Error"));
    let restore = panel.last_restore("notes.test");
    assert_eq!((restore.state, restore.environment.as_str()), (RestoreState::Succeeded, "test"));
    healthy.rows.assert_same(&digest::sqlite(&root.join("data/notes.sqlite")), "rows");
    let now = digest::files(&root).without(&DATABASE).without(&["data", ".env"]).only(|n| n != ".");
    healthy.files.clone().without(&[".env"]).assert_same(&now, "files");
    assert_eq!(std::fs::read_to_string(root.join(".env")).unwrap(), "MODE=testing\n", "its own settings");
    assert_eq!(digest::page(&url).text, site.page().text);
    healthy.assert_same(&state(&site), "the live environment was only read");
    panel.must_undo("notes.test", "notes.test");
    before.assert_same(&digest::files(&root).without(&DATABASE).without(&["data"]).only(|n| n != "."), "undone: files");
    rows.assert_same(&digest::sqlite(&root.join("data/notes.sqlite")), "undone: rows");
    assert_eq!(digest::page(&url), page);
}

#[test]
fn files_alone_come_back_alone_and_a_name_that_was_not_typed_stops_a_restore() {
    let panel = Panel::start();
    let site = SqliteSite::start();
    add(&panel, &site);
    panel.back_up(NOTES, &[]);
    damage(&site);
    let damaged = state(&site);
    let said = panel.refused(&["backup:restore", NOTES, "--no-interaction"], 2);
    assert!(said.contains("--yes"), "{said}");
    let said = panel.refused(&["backup:restore", NOTES, "--yes", "--confirm", "notes.test"], 2);
    assert!(said.contains("notes.live"), "{said}");
    let path = format!("/environments/{}/restores", panel.environment(NOTES).id);
    let (status, said) = panel.post(&path, &serde_json::json!({}));
    assert!(status == 400 && said["error"].as_str().unwrap().contains("not typed"), "{said}");
    damaged.assert_same(&state(&site), "nothing was done");
    let restore = panel.must_restore(NOTES, &["--element", "files"]);
    assert_eq!(restore.elements, [Element::Files]);
    let now = state(&site);
    damaged.rows.assert_same(&now.rows, "rows");
    assert!(site.media().join("2024/photo-1.png").exists() && !site.media().join("intruder.html").exists());
    assert!(!site.root.join(".env").exists(), "code was not asked for");
    assert!(panel.refused(&["backup:restore", "notes.nowhere", "--yes"], 4).contains("no environment"));
}
