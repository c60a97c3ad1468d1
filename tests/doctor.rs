//! `sitekeep doctor`: whatever is broken is one line that says so, with what to do, and the exit code 1.

use crate::support::disk::SmallDisk;
use crate::support::little::{self, Little};
use crate::support::panel::Panel;
use crate::support::server::PROGRAM;
use crate::support::smtp::Smtp;
use crate::support::{Scratch, free_port, is_root, set_mode};
use std::process::Command;

/// What it said, after checking that it ended as it should.
#[track_caller]
fn doctor(panel: &Panel, more: &[(&str, &str)], code: i32) -> String {
    let out = panel.tool(&["doctor", "--sites"], more);
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.status.code(), Some(code), "{said}");
    said
}

/// The one thing that is wrong: its line and its hint.
#[track_caller]
fn only_failure(said: &str, parts: &[&str]) {
    let lines: Vec<&str> = said.lines().collect();
    let at: Vec<usize> = (0..lines.len()).filter(|i| lines[*i].starts_with("FAIL")).collect();
    assert_eq!(at.len(), 1, "one thing is wrong:\n{said}");
    let told = format!("{}\n{}", lines[at[0]], lines.get(at[0] + 1).unwrap_or(&""));
    assert!(told.contains("Hint: "), "it says what to do:\n{said}");
    parts.iter().for_each(|part| assert!(told.contains(part), "`{part}` is not said:\n{said}"));
    assert!(said.contains("1 thing to mend."), "{said}");
    assert!(!said.contains("panicked") && !said.contains("(os error"), "{said}");
}

#[test]
fn a_sound_installation_is_called_sound_and_looking_changes_nothing() {
    let panel = Panel::start();
    let _site = Little::added_to(&panel);
    let said = doctor(&panel, &[], 0);
    for part in
        ["ok    master key", "ok    catalogue database", "ok    repository of acme/little", "ok    acme/little.main", "Everything that"]
    {
        assert!(said.contains(part), "`{part}` is not said:\n{said}");
    }
    let scratch = Scratch::new();
    let out = Command::new(PROGRAM).arg("doctor").env_clear().env("SITEKEEP_DATA_DIR", scratch.join("new")).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success() && said.contains("`sitekeep setup` makes it"), "{said}");
    assert!(!scratch.join("new").exists(), "it only looks");
}

#[test]
fn a_mail_server_that_is_named_must_answer() {
    let panel = Panel::start();
    assert!(doctor(&panel, &[], 0).contains("note  mail server: none"), "mail may be left out");
    let mut mail = Smtp::start();
    let url = mail.url();
    assert!(doctor(&panel, &[("SITEKEEP_SMTP_URL", &url)], 0).contains("ok    mail server: answers"));
    mail.stop();
    only_failure(&doctor(&panel, &[("SITEKEEP_SMTP_URL", &url)], 1), &["mail server", "SITEKEEP_SMTP_URL"]);
    only_failure(&doctor(&panel, &[("SITEKEEP_SMTP_URL", "gopher://nowhere")], 1), &["mail server", "smtps://"]);
}

#[test]
fn each_thing_that_is_broken_is_a_sentence_with_a_hint_and_exit_1() {
    let panel = Panel::start();
    let _site = Little::added_to(&panel);
    panel.back_up(little::ENV, &[]);
    let key = panel.server.data.join("master.key");

    let aside = panel.scratch.join("key-aside");
    std::fs::rename(&key, &aside).unwrap();
    only_failure(&doctor(&panel, &[], 1), &["master key", "put it back from where you keep a copy of it"]);
    assert!(!key.exists(), "a lost key is not replaced by a new one");

    std::fs::copy(&aside, &key).unwrap();
    set_mode(&key, 0o644);
    only_failure(&doctor(&panel, &[], 1), &["master key", "readable by others (mode 0644)", "chmod 600"]);

    std::fs::write(&key, "not a key\n").unwrap();
    set_mode(&key, 0o600);
    only_failure(&doctor(&panel, &[], 1), &["master key", "is damaged"]);

    std::fs::write(&key, format!("{}\n", "ab".repeat(32))).unwrap();
    assert!(doctor(&panel, &[], 1).contains("put back the master key that belongs to this catalogue"));
    std::fs::rename(&aside, &key).unwrap();

    let (repository, _) = panel.repository(little::ENV);
    let config = repository.join("config");
    let sound = std::fs::read(&config).unwrap();
    let mut flipped = sound.clone();
    flipped[sound.len() / 2] ^= 1;
    set_mode(&config, 0o600);
    std::fs::write(&config, flipped).unwrap();
    only_failure(&doctor(&panel, &[], 1), &["repository of acme/little", "the file `config` is damaged"]);
    std::fs::write(&config, sound).unwrap();

    let moved = repository.with_extension("moved");
    std::fs::rename(&repository, &moved).unwrap();
    only_failure(&doctor(&panel, &[], 1), &["repository of acme/little", "there is no repository in", "is the disk mounted?"]);
    std::fs::rename(&moved, &repository).unwrap();

    set_mode(&panel.server.data, 0o770);
    only_failure(&doctor(&panel, &[], 1), &["data directory", "others may write", "chmod 700"]);
    set_mode(&panel.server.data, 0o755);
    assert!(doctor(&panel, &[], 0).contains("note  data directory: other users of this host may look into it"));
    set_mode(&panel.server.data, 0o700);
    doctor(&panel, &[], 0);
}

#[test]
fn a_full_disk_and_a_database_that_is_down_are_said_at_once() {
    let panel = Panel::start();
    let _site = Little::added_to(&panel);
    if is_root() {
        // Nobody else may mount a disk of that size.
        let disk = SmallDisk::new(8 << 20);
        let store = format!("file://{}", disk.path().display());
        only_failure(&doctor(&panel, &[("SITEKEEP_STORE_URL", &store)], 1), &["repositories", "are free for", "SITEKEEP_STORE_URL"]);
    }

    let url = format!("postgres://keep@127.0.0.1:{}/keep", free_port());
    let began = std::time::Instant::now();
    let said = doctor(&panel, &[("SITEKEEP_DATABASE_URL", &url)], 1);
    only_failure(&said, &["catalogue database", "cannot be reached: connection refused", "is it running"]);
    assert!(began.elapsed().as_secs() < 15, "it does not wait for a database that may come");
}

#[test]
fn a_catalogue_of_another_version_is_told_from_a_broken_one() {
    let panel = Panel::start();
    let catalogue = rusqlite::Connection::open(panel.server.data.join("catalogue.db")).unwrap();
    let newest: i64 = catalogue.query_row("select max(version) from _sqlx_migrations", (), |r| r.get(0)).unwrap();
    catalogue.execute("update _sqlx_migrations set version = 99999999999999 where version = ?1", [newest]).unwrap();
    only_failure(&doctor(&panel, &[], 1), &["a newer version of Sitekeep"]);
    catalogue.execute("delete from _sqlx_migrations where version = 99999999999999", ()).unwrap();
    only_failure(&doctor(&panel, &[], 1), &["older than this version", "start `sitekeep serve`"]);
}

#[test]
fn without_any_configuration_it_says_what_to_set() {
    let scratch = Scratch::new();
    let out = Command::new(PROGRAM).arg("doctor").env_clear().current_dir(scratch.path()).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    only_failure(&String::from_utf8_lossy(&out.stdout), &["configuration", "no data directory is configured", "SITEKEEP_DATA_DIR"]);
}
