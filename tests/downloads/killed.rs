//! Attempts at preparing a download that die at each point: never is there a link to a part, and there is one letter.

use super::{ended, prepared as prepare};
use crate::support::little::Little;
use crate::support::panel::Panel;
use crate::support::smtp::Smtp;
use crate::support::{Scratch, wait_for, write};
use serde_json::json;
use sitekeep::domain::downloads::DownloadState;
use sitekeep::domain::links::DownloadLink;
use sitekeep::domain::view;
use std::path::PathBuf;
use std::time::Duration;

pub const POINTS: [&str; 8] = [
    "download.begin",
    "download.part.begun",
    "download.part.written",
    "download.part.synced",
    "download.part.placed",
    "download.archive.noted",
    "download.end",
    "download.ended",
];
const LONG: Duration = Duration::from_secs(60);

fn at(panel: &Panel, point: &str) -> PathBuf {
    panel.scratch.join("points").join(point)
}

fn links(panel: &Panel, backup: &view::Backup) -> Vec<DownloadLink> {
    panel.get(&format!("/backups/{}/links", backup.id))
}

/// Killed there, passed so many times before.
pub fn killed_at(panel: &Panel, smtp: &Smtp, backup: &view::Backup, point: &str, action: &str) {
    let (letters, before) = (smtp.messages().len(), links(panel, backup).len());
    let (hit, armed) = (at(panel, &format!("{point}.hit")), at(panel, point));
    let _ = std::fs::remove_file(&hit);
    write(&armed, action);
    let (code, said) = panel.post(&format!("/backups/{}/downloads", backup.id), &json!({}));
    assert_eq!(code, 201, "{point}: {said}");
    wait_for(point, LONG, || hit.exists());
    if point != "download.ended" {
        // The attempt is dead: nothing leads anywhere, and nobody was told.
        assert_eq!(links(panel, backup).len(), before, "{point}: a link, before everything was there");
        assert_eq!(smtp.messages().len(), letters, "{point}: a letter");
    }
    let download = ended(panel, said["id"].as_str().unwrap());
    assert_eq!((download.state, download.archives.len()), (DownloadState::Ready, 3), "{point}: {download:?}");
    let new: Vec<DownloadLink> = links(panel, backup).into_iter().take(3).collect();
    assert_eq!(links(panel, backup).len(), before + 3, "{point}: one link to each archive");
    for link in &new {
        let out = Scratch::new();
        let file = super::fetched(link, out.path());
        assert_eq!(super::prepared::sha256(&std::fs::read(file).unwrap()), link.sha256.clone().unwrap(), "{point}: {}", link.filename);
    }
    // One letter: also after everything had time to be told twice.
    let told = || smtp.messages().into_iter().skip(letters).filter(|m| m.text.contains("is ready:")).collect::<Vec<_>>();
    wait_for("the letter", LONG, || !told().is_empty());
    std::thread::sleep(Duration::from_millis(700));
    let told = told();
    assert_eq!(told.len(), 1, "{point}: {told:?}");
    for link in &new {
        let page = link.page.as_deref().unwrap();
        assert!(told[0].text.contains(page) && told[0].text.contains(link.sha256.as_deref().unwrap()), "{point}: {}", told[0].text);
    }
    // Next time there is something to be prepared anew.
    let token = std::fs::read_to_string(&panel.server.token_file).unwrap();
    let path = format!("/downloads/{}", download.id);
    assert_eq!(crate::support::panel::ask(&panel.server.url, token.trim(), "DELETE", &path, None).0, 200);
}

#[test]
fn killed_at_any_point_there_is_never_a_link_to_a_part_and_one_letter() {
    let smtp = Smtp::start();
    let tuned = json!({ "letters": { "poll": 100 }, "downloads": { "sweep_every": 500 } });
    let panel = Panel::start_armed_with_mail(&smtp.url(), &tuned);
    Little::added_to(&panel);
    let backup = panel.back_up("little.main", &[]);
    for point in POINTS {
        killed_at(&panel, &smtp, &backup, point, "kill");
    }
    // The second of three archives: the first one is not made again.
    for point in ["download.part.placed", "download.archive.noted"] {
        killed_at(&panel, &smtp, &backup, point, "kill 1");
    }
    let folder = panel.server.data.join("repositories/downloads");
    wait_for("the sweep", LONG, || std::fs::read_dir(&folder).unwrap().count() == 0);
}

#[test]
fn an_attempt_after_one_that_died_makes_no_archive_again_that_lies_there_whole() {
    let panel = Panel::start_armed_and_impatient(None);
    Little::added_to(&panel);
    let backup = panel.back_up("little.main", &[]);
    write(at(&panel, "download.archive.noted"), "kill 1");
    let download = prepare(&panel, &backup, &json!({}));
    let log = panel.task_log(download.job.as_deref().unwrap());
    for element in ["code", "database", "files"] {
        assert_eq!(log.matches(&format!("Preparing the {element}")).count(), 1, "{log}");
    }
}
