//! What goes wrong around the program: damage, a lost key, two jobs at once, signals. Each ends in words and leaves the
//! site as it was.

use crate::support::little::{self, Little};
use crate::support::panel::Panel;
use crate::support::server::PROGRAM;
use crate::support::{Running, daemon, set_mode, wait_for};
use rustix::process::Signal;
use sitekeep::domain::state::{BackupState, RestoreState};
use sitekeep::domain::view;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// The largest pack of a repository: it holds the uploads.
fn largest_pack(repository: &Path) -> PathBuf {
    let mut packs = Vec::new();
    for folder in std::fs::read_dir(repository.join("data")).unwrap().flatten().filter(|f| f.path().is_dir()) {
        packs.extend(std::fs::read_dir(folder.path()).unwrap().flatten().map(|f| (f.metadata().unwrap().len(), f.path())));
    }
    packs.into_iter().max().expect("there are packs").1
}

#[test]
fn a_damaged_repository_stops_a_restore_before_anything_changes_and_says_so() {
    let panel = Panel::start();
    let site = Little::added_to(&panel);
    let backup = panel.back_up(little::ENV, &[]);
    std::fs::write(site.root.join("uploads/0.bin"), "changed since").unwrap();
    let before = site.state();
    let pack = largest_pack(&panel.repository(little::ENV).0);
    let sound = std::fs::read(&pack).unwrap();
    set_mode(&pack, 0o600);
    let mut flipped = sound.clone();
    flipped[1000] ^= 1;
    let damages: [(&str, &[u8]); 3] =
        [("a flipped bit", &flipped), ("a truncated pack", &sound[..sound.len() / 2]), ("an empty pack", &[])];
    for (what, bytes) in damages {
        std::fs::write(&pack, bytes).unwrap();
        let named = format!("--backup={}", backup.id);
        let out = panel.restore(little::ENV, &[&named]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{what}: {said}");
        assert!(said.contains(&format!("the backup {} is damaged", backup.id)), "{what}: {said}");
        assert!(said.contains("choose another backup") && !said.contains("panicked") && !said.contains("rustic"), "{what}: {said}");
        assert_eq!(panel.last_restore(little::ENV).state, RestoreState::Failed, "{what}: it never came to the switch");
        assert_eq!(site.state(), before, "{what}: the site is as it was");
    }
    let said = panel.refused(&["backup:verify", &backup.id], 1);
    assert!(said.contains("the backup is damaged") && said.contains("make a new backup now"), "{said}");
    std::fs::write(&pack, sound).unwrap();
    panel.must(&["backup:verify", &backup.id]);
    panel.must_restore(little::ENV, &[&format!("--backup={}", backup.id)]);
    assert_ne!(site.state(), before);
}

#[test]
fn without_its_master_key_the_server_does_not_start_and_nothing_is_lost() {
    let mut panel = Panel::start();
    let site = Little::added_to(&panel);
    let backup = panel.back_up(little::ENV, &[]);
    panel.server.process().kill_all();
    let (key, aside) = (panel.server.data.join("master.key"), panel.scratch.join("key-aside"));
    std::fs::rename(&key, &aside).unwrap();
    for command in ["serve", "work"] {
        let out = panel.tool(&[command], &[("SITEKEEP_LISTEN", "127.0.0.1:0")]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{said}");
        assert!(said.contains("opening the master key") && said.contains("Hint: without this file"), "{said}");
    }
    assert!(!key.exists(), "a new key would hide that the old one is gone");
    std::fs::rename(&aside, &key).unwrap();
    panel.server.start_again();
    std::fs::remove_file(site.root.join("index.html")).unwrap();
    panel.must_restore(little::ENV, &[&format!("--backup={}", backup.id)]);
    assert!(site.root.join("index.html").exists());
}

#[test]
fn a_second_backup_is_the_first_one_and_a_second_restore_is_refused_in_words() {
    let panel = Panel::start_armed(&["serve"]);
    let site = Little::added_to(&panel);
    let (older, newer) = (panel.back_up(little::ENV, &[]), panel.back_up(little::ENV, &[]));
    let env = panel.environment(little::ENV).id;

    panel.hold("backup.begin");
    let (status, first) = panel.post(&format!("/environments/{env}/backups"), &serde_json::json!({}));
    let (again, second) = panel.post(&format!("/environments/{env}/backups"), &serde_json::json!({}));
    assert_eq!((status, again, &first["id"]), (201, 200, &second["id"]));
    panel.wait_for_hold("backup.begin");
    let said = panel.cli(&["backup:create", little::ENV, "--no-wait"]);
    assert!(String::from_utf8_lossy(&said.stderr).contains("is running already"));
    panel.let_go("backup.begin");
    wait_for("the backup", LONG, || panel.backups(little::ENV)[0].state == BackupState::Succeeded);

    panel.hold("restore.begin");
    let path = format!("/environments/{env}/restores");
    let wish = |backup: &view::Backup| serde_json::json!({ "backup": backup.id, "confirm": "main" });
    assert_eq!(panel.post(&path, &wish(&older)).0, 201);
    panel.wait_for_hold("restore.begin");
    let (status, problem) = panel.post(&path, &wish(&newer));
    assert_eq!((status, problem["class"].as_str()), (409, Some("conflict")));
    assert!(problem["error"].as_str().unwrap().contains("another restore") && problem["hint"].is_string(), "{problem}");
    let said = panel.refused(&["backup:restore", little::ENV, "--yes", &format!("--backup={}", newer.id)], 6);
    assert!(said.contains("has not ended yet") && said.contains("Hint: "), "{said}");

    panel.must(&["backup:create", little::ENV, "--no-wait"]);
    let waiting = || panel.jobs(little::ENV).into_iter().find(|j| j.kind == "create_backup").unwrap();
    wait_for("words about what it waits for", LONG, || waiting().blocked_on.is_some());
    let words = waiting().blocked_on.unwrap();
    assert!(words.contains("restore"), "{words}");
    panel.let_go("restore.begin");
    wait_for("the restore", LONG, || panel.last_restore(little::ENV).state == RestoreState::Succeeded);
    wait_for("the backup after it", LONG, || waiting().state == "succeeded");
    assert_eq!(site.words(), ["one", "two"]);
}

#[test]
fn ctrl_c_and_sigterm_end_the_waiting_and_not_the_job() {
    let panel = Panel::start_armed(&["serve"]);
    let _site = Little::added_to(&panel);
    for signal in [Signal::INT, Signal::TERM] {
        panel.hold("backup.begin");
        let mut command = panel.server.cli_command(&["backup:create", little::ENV, "--wait"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        panel.wait_for_hold("backup.begin");
        // It has asked for the job at least once when it has waited this long.
        std::thread::sleep(Duration::from_millis(1500));
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        let out = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(130), "{signal:?}: {said}");
        assert!(said.contains("The job goes on") && said.contains("sitekeep job:cancel"), "{signal:?}: {said}");
        panel.let_go("backup.begin");
        wait_for("the backup", LONG, || panel.backups(little::ENV)[0].state == BackupState::Succeeded);
        clear(&panel, "backup.begin");
    }
    assert_eq!(panel.backups(little::ENV).len(), 2);
}

/// So that the same point can be held again.
fn clear(panel: &Panel, point: &str) {
    for suffix in ["hit", "go"] {
        let _ = std::fs::remove_file(panel.scratch.join("points").join(format!("{point}.{suffix}")));
    }
}

#[test]
fn a_server_that_is_stopped_hands_its_job_back_and_the_next_one_finishes_it() {
    let mut panel = Panel::start_armed(&["serve"]);
    let _site = Little::added_to(&panel);
    panel.hold("backup.element.begin");
    panel.must(&["backup:create", little::ENV, "--no-wait"]);
    panel.wait_for_hold("backup.element.begin");
    let job = panel.jobs(little::ENV)[0].id.clone();
    panel.server.process().term();
    panel.let_go("backup.element.begin");
    assert!(panel.server.process().wait(LONG).success(), "a stop that was asked for is no failure: {}", panel.server.log());
    let catalogue = rusqlite::Connection::open(panel.server.data.join("catalogue.db")).unwrap();
    let (state, outcome): (String, String) = catalogue
        .query_row("select jobs.state, outcome from jobs join attempts on job_id = id where id = ?1", [&job], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })
        .unwrap();
    assert_eq!((state.as_str(), outcome.as_str()), ("queued", "released"), "handed back; the attempt does not count");
    panel.server.start_again();
    wait_for("the backup", LONG, || panel.backups(little::ENV)[0].state == BackupState::Succeeded);
    assert_eq!(panel.jobs(little::ENV).len(), 1, "it is the same job");
    assert_eq!(panel.jobs(little::ENV)[0].state, "succeeded");
}

#[test]
fn a_port_that_is_taken_a_wrong_setting_and_an_unknown_entry_are_sentences() {
    let panel = Panel::start();
    let listen = panel.server.url.trim_start_matches("http://").to_owned();
    let out = panel.tool(&["serve"], &[("SITEKEEP_LISTEN", &listen)]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1));
    assert!(said.contains(&format!("listening on {listen}: Address already in use")) && said.contains("SITEKEEP_LISTEN"), "{said}");
    let file = panel.scratch.join("sitekeep.toml");
    for (text, expected) in [("colour = \"red\"\n", "unknown field `colour`"), ("listen = 5\n", "invalid type")] {
        std::fs::write(&file, text).unwrap();
        let out = panel.tool(&["serve"], &[("SITEKEEP_CONFIG", &file.display().to_string())]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(!out.status.success() && said.contains("sitekeep.toml") && said.contains(expected), "{said}");
    }
    let out = panel.tool(&["serve"], &[("SITEKEEP_DATABASE_URL", "mysql://x/y")]);
    assert!(String::from_utf8_lossy(&out.stderr).contains("begins neither with sqlite: nor with postgres:"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let panel = Panel::start();
    let _site = Little::added_to(&panel);
    panel.back_up(little::ENV, &[]);
    let mut shell = Command::new("bash");
    shell.args(["-c", "set -o pipefail; \"$0\" backup:list acme/little.main --format=json | head -c 1"]).arg(PROGRAM);
    shell.env("SITEKEEP_URL", &panel.server.url).env("SITEKEEP_TOKEN_FILE", &panel.server.token_file);
    let out = shell.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    // The server's own output may be closed as well: it goes on.
    let mut closed = daemon("bash");
    closed.args(["-c", "exec \"$0\" doctor >&-"]).arg(PROGRAM).env("SITEKEEP_DATA_DIR", panel.scratch.join("none"));
    let mut running = Running::start(&mut closed, &panel.scratch.join("closed.log"));
    running.wait(LONG);
    assert!(!running.log().contains("panicked"), "{}", running.log());
}
