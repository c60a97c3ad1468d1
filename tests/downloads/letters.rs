//! The letter with the links, and a mail server that is down, says "later", or says no: the page shows the download anyway.

use super::prepared as prepare;
use crate::support::little::Little;
use crate::support::panel::{Panel, TENANT, ask};
use crate::support::smtp::Smtp;
use crate::support::wait_for;
use serde_json::json;
use sitekeep::domain::downloads::{Download, DownloadState};
use sitekeep::domain::view;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(30);

/// A developer at this address, with a token.
fn developer(panel: &Panel, email: &str) -> String {
    panel.must(&["account:create", email, "--tenant", TENANT, "--role", "developer"]);
    panel.must(&["token:create", email]).trim().to_owned()
}

/// What somebody asks for, when it is ready.
fn asked_by(panel: &Panel, token: &str, backup: &view::Backup) -> Download {
    let (code, said) = ask(&panel.server.url, token, "POST", &format!("/backups/{}/downloads", backup.id), Some(&json!({})));
    assert_eq!(code, 201, "{said}");
    super::ended(panel, said["id"].as_str().unwrap())
}

/// How the only letter to this address stands.
fn letter(panel: &Panel, to: &str) -> (String, i64, String) {
    let catalogue = rusqlite::Connection::open(panel.server.data.join("catalogue.db")).unwrap();
    catalogue.busy_timeout(Duration::from_secs(10)).unwrap();
    let sql = "select state, tries, coalesce(last_error, '') from letters where to_address = ?1 and kind = 'links_ready'";
    catalogue.query_row(sql, [to], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).unwrap()
}

#[test]
fn the_letter_comes_once_also_from_a_server_that_was_down_or_said_later() {
    let mut smtp = Smtp::down();
    let tuned = json!({ "letters": { "poll": 100, "pauses": [300], "patience": 3_600_000 } });
    let panel = Panel::start_armed_with_mail(&smtp.url(), &tuned);
    Little::added_to(&panel);
    let backup = panel.back_up("little.main", &[]);
    let ann = developer(&panel, "ann@example.test");
    let download = asked_by(&panel, &ann, &backup);
    assert_eq!(download.state, DownloadState::Ready, "a mail server that is down delays no download");
    wait_for("a try", LONG, || letter(&panel, "ann@example.test").1 >= 2);
    smtp.up();
    wait_for("the letter", LONG, || letter(&panel, "ann@example.test").0 == "sent");
    let got = smtp.to("ann@example.test");
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].header("Subject"), "little.main: your download is ready");
    for archive in &download.archives {
        assert!(got[0].text.contains(&archive.filename) && got[0].html.contains(archive.sha256.as_deref().unwrap()), "{}", got[0].text);
    }
    // Its links are pages: who only looks at them uses nothing up.
    let page = got[0].text.lines().find(|l| l.contains("/d/")).unwrap().trim().to_owned();
    let (code, text, _) = super::status("GET", &page);
    assert!(code == 200 && text.contains("SHA-256"), "{code} {text}");
    // One who says "later" two times.
    let bob = developer(&panel, "defer.bob@example.test");
    asked_by(&panel, &bob, &backup);
    wait_for("the letter", LONG, || letter(&panel, "defer.bob@example.test").0 == "sent");
    assert_eq!(smtp.to("defer.bob@example.test").len(), 1);
}

#[test]
fn a_letter_that_is_refused_is_shown_and_the_download_is_there_all_the_same() {
    let smtp = Smtp::start();
    let panel = Panel::start_armed_with_mail(&smtp.url(), &json!({ "letters": { "poll": 100, "pauses": [300] } }));
    Little::added_to(&panel);
    let backup = panel.back_up("little.main", &[]);
    let token = developer(&panel, "reject.carl@example.test");
    let download = asked_by(&panel, &token, &backup);
    assert_eq!(download.state, DownloadState::Ready);
    wait_for("the refusal", LONG, || letter(&panel, "reject.carl@example.test").0 == "failed");
    assert!(!letter(&panel, "reject.carl@example.test").2.is_empty(), "why is written down");
    assert!(smtp.to("reject.carl@example.test").is_empty());
    let link = super::link_to(&panel, &prepare(&panel, &backup, &json!({ "form": "tar.zst" })), "files", &json!({}));
    assert_eq!(super::status("HEAD", link.url.as_deref().unwrap()).0, 200);
}
