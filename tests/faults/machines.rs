//! What happens to the machine under Sitekeep: the power fails, a disk goes read-only or unreadable, the server is killed
//! while it is asked, the storage is put back to what it was.

use crate::support::disk::{LoopDisk, SmallDisk};
use crate::support::little::{self, ENV, Little};
use crate::support::panel::Panel;
use crate::support::{wait_for, write};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// What the file system has not written to its device when a backup is called one is lost, as with the power; the rest
/// is mounted again. Catalogue, keys and repository lie on that disk.
#[test]
fn a_backup_that_was_acknowledged_is_there_and_whole_after_the_power_failed() {
    let scratch = crate::support::Scratch::new();
    let mut disk = LoopDisk::new(256 << 20);
    let mut panel = Panel::start_at(&disk.path().join("data"));
    // Only setup wrote the token, for whoever called it.
    std::fs::copy(&panel.server.token_file, scratch.join("token")).unwrap();
    panel.server.token_file = scratch.join("token");
    let site = Little::added_at(&panel, scratch.join("little"), &[]);
    for round in 0..3 {
        write(site.root.join("uploads/new.bin"), little::noise(round, 60_000));
        write(site.root.join(format!("uploads/{round}/one.bin")), little::noise(round + 10, 9_000));
        let before = site.state();
        let backup = panel.back_up(ENV, &[]);
        disk.lose_power();
        panel.server.kill();
        disk.mount_what_was_written();
        panel.server.start_again();
        assert!(panel.backups(ENV).iter().any(|b| b.id == backup.id && b.state.word() == "succeeded"), "round {round}: it is gone");
        panel.must(&["backup:verify", &backup.id]);
        write(site.root.join("uploads/new.bin"), "written since");
        panel.must_restore(ENV, &["--backup", &backup.id]);
        assert_eq!(site.state(), before, "round {round}");
    }
}

#[test]
fn a_repository_on_a_disk_that_went_read_only_is_said_and_read_from_and_the_next_backup_is_whole() {
    let disk = SmallDisk::new(64 << 20);
    let panel = Panel::start_with_store(&disk.path().join("store"), &json!({}));
    let site = Little::added_to(&panel);
    let first = panel.back_up(ENV, &[]);
    let before = site.state();
    disk.read_only(true);
    write(site.root.join("uploads/new.bin"), little::noise(1, 60_000));
    let said = panel.refused(&["backup:create", ENV], 1);
    assert!(said.to_lowercase().contains("read-only") && said.contains("Hint: "), "{said}");
    panel.must(&["backup:verify", &first.id]);
    disk.read_only(false);
    let second = panel.back_up(ENV, &[]);
    panel.must(&["backup:verify", &second.id]);
    panel.must_restore(ENV, &["--backup", &first.id]);
    assert_eq!(site.state(), before);
}

/// The server is killed again and again while somebody asks for a backup and tries until it is answered, twice.
#[test]
fn a_server_that_is_killed_while_it_is_asked_makes_one_job_for_each_key() {
    let (mut panel, _disk) = Panel::start_on_small_disk(96 << 20);
    Little::added_to(&panel);
    let (url, token, environment) = (panel.server.url.clone(), panel.token(), panel.environment(ENV).id);
    let asking = Arc::new(AtomicBool::new(false));
    let asks = asking.clone();
    let asker = std::thread::spawn(move || {
        let path = format!("/environments/{environment}/backups");
        let ask = |method: &str, key: &str| loop {
            match answered(&url, &token, (method, &path), key) {
                Some((status, body)) if status < 300 => return body,
                _ => std::thread::sleep(Duration::from_millis(30)),
            }
        };
        let mut made = BTreeSet::new();
        for key in 0..4 {
            // Twice each, as after an answer that was lost.
            asks.store(true, SeqCst);
            let [first, second] = [0, 1].map(|_| {
                std::thread::sleep(Duration::from_millis(150 * key));
                ask("POST", &format!("key-{key}"))["id"].as_str().unwrap_or_default().to_owned()
            });
            asks.store(false, SeqCst);
            assert_eq!(first, second, "one key, one backup");
            made.insert(first);
            while ask("GET", "")[0]["state"] != "succeeded" {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        made
    });
    let mut kills = 0;
    while !asker.is_finished() {
        std::thread::sleep(Duration::from_millis(20 + 40 * (kills % 5)));
        if asking.load(SeqCst) {
            panel.server.kill();
            panel.server.start_again();
            kills += 1;
        }
    }
    let known = asker.join().expect("whoever asks is answered in the end");
    let open = "select id from jobs where state in ('queued', 'running', 'retry_wait') limit 1";
    wait_for("the end of all jobs", LONG, || panel.column(open).is_empty());
    let made: BTreeSet<String> = panel.column("select id from backups").into_iter().collect();
    assert_eq!(made, known, "after {kills} kills");
    assert!(panel.column("select id from backups where state <> 'succeeded'").is_empty());
}

/// Status and body; none while nobody answers.
fn answered(url: &str, token: &str, (method, path): (&str, &str), key: &str) -> Option<(u16, serde_json::Value)> {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(10))).build().new_agent();
    let mut request = ureq::http::Request::builder().method(method).uri(format!("{url}/api/v1{path}"));
    request = request.header("Authorization", format!("Bearer {token}")).header("Content-Type", "application/json");
    if !key.is_empty() {
        request = request.header("Idempotency-Key", key);
    }
    let body = if method == "POST" { "{}".to_owned() } else { String::new() };
    let mut answer = agent.run(request.body(body).ok()?).ok()?;
    let text = answer.body_mut().read_to_string().ok()?;
    Some((answer.status().as_u16(), serde_json::from_str(&text).ok()?))
}

/// Somebody deletes snapshots on the storage, or puts an older copy of it back: that is an alarm, not silence, and nothing is
/// cleaned away for it.
#[test]
fn snapshots_that_vanished_from_the_storage_are_an_alarm_and_nothing_else_goes() {
    let panel = Panel::start_with(&["serve"], None, &json!({ "retention_every": 300 }).to_string());
    let site = Little::added_to(&panel);
    let first = panel.back_up(ENV, &[]);
    write(site.root.join("uploads/new.bin"), little::noise(1, 60_000));
    let second = panel.back_up(ENV, &[]);
    let (repository, _) = panel.repository(ENV);
    let gone = panel.column(&format!("select snapshot from backup_elements where backup_id = '{}' and element = 'files'", second.id));
    std::fs::remove_file(repository.join("snapshots").join(&gone[0])).unwrap();
    let db = rusqlite::Connection::open(panel.server.data.join("catalogue.db")).unwrap();
    db.busy_timeout(Duration::from_secs(10)).unwrap();
    db.execute("update repositories set created_at = 0, check_at = 1", []).unwrap();
    let open = "select message from alarms where cause = 'check' and closed_at is null";
    wait_for(&format!("the alarm; {}", panel.server.log()), LONG, || panel.column(open).iter().any(|said| said.contains(&second.id)));
    assert!(!panel.column(open)[0].contains(&first.id), "the other one is whole");
    panel.must(&["backup:verify", &first.id]);
    panel.refused(&["backup:verify", &second.id], 1);
}
