//! Prepared archives in a bucket: the same promises as in a folder.

use super::killed::killed_at;
use super::prepared::{get, sha256};
use super::{fetched, large_in, link_to, noise, prepared};
use crate::support::bucket::Bucket;
use crate::support::little::Little;
use crate::support::panel::{Panel, ask};
use crate::support::smtp::Smtp;
use crate::support::{Scratch, free_port, wait_for, write};
use serde_json::json;
use sitekeep::domain::downloads::DownloadState;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn an_archive_in_a_bucket_lies_there_sealed_is_read_from_any_byte_on_and_goes_when_nobody_needs_it() {
    let bucket = Bucket::start();
    let (panel, backup) = large_in(Panel::start_with_bucket(&bucket.url(), &json!({ "downloads": { "sweep_every": 500 } })), 24);
    let download = prepared(&panel, &backup, &json!({ "elements": ["files"], "form": "tar.gz" }));
    let archive = download.archives[0].clone();
    let size = archive.size.unwrap() as usize;
    assert_eq!(download.state, DownloadState::Ready, "{download:?}");
    // In pieces of 8 MiB, below the prefix, with the mark that it is whole; and nothing beside the repositories.
    let keys = bucket.keys();
    assert_eq!(keys.len(), size.div_ceil(8 << 20) + 1, "{keys:?}");
    assert!(
        keys.iter().all(|k| k.starts_with("down/loads/arc_")) && keys.iter().filter(|k| k.ends_with("/whole")).count() == 1,
        "{keys:?}"
    );
    assert!(!panel.server.data.join("repositories/downloads").exists());
    let out = Scratch::new();
    let link = link_to(&panel, &download, "files", &json!({}));
    let whole = std::fs::read(fetched(&link, out.path())).unwrap();
    assert_eq!((whole.len(), Some(sha256(&whole))), (size, archive.sha256.clone()));
    let url = link.url.as_deref().unwrap();
    for from in [1, size * 3 / 10, 8 << 20, (16 << 20) + 77, size - 1] {
        let rest = get(url, &[("Range", &format!("bytes={from}-"))]);
        assert!(rest.status == 206 && rest.body == whole[from..], "from {from}");
    }
    let seen = out.join("bucket");
    bucket.fetch(&seen);
    let first = std::fs::read(seen.join(keys.iter().find(|k| k.ends_with("/000000")).unwrap())).unwrap();
    assert!(!first.windows(64).any(|w| w == &whole[..64]), "it can be read without the key");
    // What another wrote over a piece is not given out.
    let piece = format!("s3://copies/{}", keys.iter().find(|k| k.ends_with("/000001")).unwrap());
    let other = out.join("other");
    write(&other, noise(8 << 20));
    crate::support::run(&mut bucket.aws(&["s3", "cp", "--only-show-errors", &other.display().to_string(), &piece]));
    let broken = ureq::get(url).call().unwrap().body_mut().with_config().limit(1 << 30).read_to_vec();
    assert!(broken.is_err(), "an altered archive came out whole");
    assert_eq!(ask(&panel.server.url, &panel.token(), "DELETE", &format!("/downloads/{}", download.id), None).0, 200);
    wait_for("the sweep", LONG, || bucket.keys().is_empty());
    assert_eq!(get(url, &[]).status, 410);
}

#[test]
fn killed_while_an_archive_goes_into_a_bucket_there_is_never_a_link_to_a_part_and_nothing_stays() {
    let (bucket, smtp) = (Bucket::start(), Smtp::start());
    let tuned = json!({ "letters": { "poll": 100 }, "downloads": { "sweep_every": 500 } });
    let panel = Panel::start_armed_with_mail_and(&smtp.url(), &tuned, &[("SITEKEEP_DOWNLOADS_URL", &bucket.url())]);
    Little::added_to(&panel);
    let backup = panel.back_up("little.main", &[]);
    for point in ["download.part.written", "download.part.synced", "download.part.placed", "download.archive.noted"] {
        killed_at(&panel, &smtp, &backup, point, "kill");
    }
    wait_for("the sweep", LONG, || bucket.keys().is_empty());
}

#[test]
fn while_a_bucket_is_away_a_download_waits_and_says_for_what() {
    let url = format!("s3+http://key:secret@127.0.0.1:{}/copies", free_port());
    let panel = Panel::start_with_bucket(&url, &json!({}));
    Little::added_to(&panel);
    let backup = panel.back_up("little.main", &[]);
    let (code, said) = panel.post(&format!("/backups/{}/downloads", backup.id), &json!({ "elements": ["code"] }));
    assert_eq!(code, 201, "{said}");
    let job = said["job"].as_str().unwrap().to_owned();
    wait_for("the job to wait", LONG, || panel.get::<serde_json::Value>(&format!("/jobs/{job}"))["state"] == "retry_wait");
    let log = panel.task_log(&job);
    assert!(log.contains("does not answer") && !log.contains("secret"), "{log}");
}
