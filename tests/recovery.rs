//! The recovery key: what opens a site's repository when Sitekeep is gone, as docs/restore-by-hand.md tells it.

use crate::support::little::{self, Little};
use crate::support::panel::Panel;
use crate::support::restic::Restic;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;

fn said(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

fn property(text: &str, name: &str) -> String {
    let line = text.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("no {name} in:\n{text}"));
    line[name.len()..].trim().to_owned()
}

#[test]
fn stock_restic_opens_the_repository_with_the_recovery_key_and_gives_everything_back() {
    let panel = Panel::start();
    let site = Little::added_to(&panel);
    let backup = panel.back_up(little::ENV, &[]);
    let file = panel.scratch.join("recovery");
    let out = panel.tool(&["recovery:key", "acme/little", "--out", &file.display().to_string()], &[]);
    assert!(out.status.success(), "{}", said(&out));
    let password = std::fs::read_to_string(&file).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!said(&out).contains(password.trim()), "what is written into a file is not printed, too");

    // From here on nothing of Sitekeep is used.
    let repository = PathBuf::from(property(&said(&out), "Repository"));
    let restic = Restic::open(&repository, password.trim());
    restic.check();
    let snapshot = |element: &str| {
        let tag = format!("backup={}", backup.id);
        let of = |s: &&serde_json::Value| {
            let tags: Vec<&str> = s["tags"].as_array().into_iter().flatten().filter_map(|t| t.as_str()).collect();
            tags.contains(&tag.as_str()) && tags.contains(&format!("element={element}").as_str())
        };
        let all = restic.snapshot_list();
        all.iter().find(of).and_then(|s| s["id"].as_str()).expect("its tags name the backup and the element").to_owned()
    };
    let back = panel.scratch.join("back");
    for element in ["code", "files", "database"] {
        restic.restore(&snapshot(element), &back);
    }
    assert_eq!(std::fs::read(back.join("code/index.html")).unwrap(), std::fs::read(site.root.join("index.html")).unwrap());
    for n in 0..6 {
        let name = format!("{n}.bin");
        assert_eq!(
            std::fs::read(back.join("files/public").join(&name)).unwrap(),
            std::fs::read(site.root.join("uploads").join(&name)).unwrap()
        );
    }
    assert_eq!(little::words(&back.join("database/database.sqlite")), site.words());
}

#[test]
fn the_recovery_key_is_printed_for_the_administrator_of_the_machine_and_each_time_is_noted() {
    let panel = Panel::start();
    let _site = Little::added_to(&panel);
    let out = panel.tool(&["recovery:key", "little"], &[]);
    assert!(out.status.success(), "{}", said(&out));
    let (repository, password) = panel.repository(little::ENV);
    assert_eq!(property(&said(&out), "Password"), password);
    assert_eq!(property(&said(&out), "Repository"), repository.display().to_string());
    assert_eq!(property(&said(&out), "Site"), "acme/little");
    let catalogue = rusqlite::Connection::open(panel.server.data.join("catalogue.db")).unwrap();
    let noted: (i64, String) = catalogue
        .query_row("select count(*), max(detail) from activity where action = 'recovery.key'", (), |r| Ok((r.get(0)?, r.get(1)?)))
        .unwrap();
    assert_eq!(noted, (1, "acme/little".into()));
}

#[test]
fn a_wrong_name_and_a_file_that_exists_are_refused_in_words() {
    let panel = Panel::start();
    let site = Little::added_to(&panel);
    let taken = panel.scratch.join("taken");
    std::fs::write(&taken, "precious").unwrap();
    let file = taken.display().to_string();
    for (args, expected) in [
        (vec!["recovery:key", "acme/nothing"], "there is no site `acme/nothing`"),
        (vec!["recovery:key", "other/little"], "there is no site `other/little`"),
        (vec!["recovery:key", "little.main"], "cannot be the name of a site"),
        (vec!["recovery:key", "little", "--out", &file], "File exists"),
    ] {
        let out = panel.tool(&args, &[]);
        assert_eq!(out.status.code(), Some(1), "{args:?}");
        assert!(said(&out).contains(expected), "{args:?}: {}", said(&out));
        assert!(!said(&out).contains("Password"), "{args:?}");
    }
    assert_eq!(std::fs::read_to_string(&taken).unwrap(), "precious");
    panel.must(&["tenant:create", "other"]);
    panel.must(&["site:add", "other/little", "--env", "main", "--path", &site.root.display().to_string()]);
    let out = panel.tool(&["recovery:key", "little"], &[]);
    assert!(said(&out).contains("is not unique") && said(&out).contains("acme/little, other/little"), "{}", said(&out));
}

#[test]
fn a_key_is_confirmed_by_the_command_line_and_until_then_the_environment_is_unprotected_and_says_why() {
    let panel = Panel::start();
    let _site = Little::added_to(&panel);
    panel.back_up(little::ENV, &[]);
    let stands = || panel.must(&["env:info", little::ENV, "--fields=state,why", "--format=json"]);
    assert!(stands().contains("unprotected") && stands().contains("its recovery key was never confirmed"), "{}", stands());
    let wrong = panel.scratch.join("wrong");
    std::fs::write(&wrong, "another key\n").unwrap();
    let said = panel.refused(&["recovery:confirm", "little", "--file", &wrong.display().to_string()], 2);
    assert!(said.contains("this is not the recovery key of acme/little") && !said.contains("another key"), "{said}");
    assert_eq!(panel.cli(&["recovery:confirm", "nothing", "--file", &wrong.display().to_string()]).status.code(), Some(4));
    panel.confirm_key("little");
    assert!(stands().contains("\"protected\""), "{}", stands());
    assert!(panel.must(&["site:list", "--format=json"]).contains("little"));
}
