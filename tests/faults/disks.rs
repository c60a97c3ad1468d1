//! Small disks that are full: under the repositories, under a site that is restored, under what is prepared for download,
//! under the catalogue.

use super::trials::{self, Dice};
use crate::support::disk::SmallDisk;
use crate::support::little::{ENV, Little, noise};
use crate::support::panel::{Panel, ask};
use crate::support::{wait_for, write};
use serde_json::json;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(90);

fn one(panel: &Panel, sql: &str) -> String {
    panel.column(sql).into_iter().next().unwrap_or_default()
}

fn newest(panel: &Panel, table: &str, column: &str) -> String {
    one(panel, &format!("select {column} from {table} order by created_at desc, id desc limit 1"))
}

/// Where the newest job of a kind has come to, once nothing happens any more.
fn rests(panel: &Panel, kind: &str) -> (String, String) {
    let sql = format!("select state from jobs where kind = '{kind}' order by created_at desc, id desc limit 1");
    wait_for(&format!("the end of a job; {}", panel.server.log()), LONG, || !["queued", "running"].contains(&one(panel, &sql).as_str()));
    (one(panel, &sql), one(panel, &sql.replace("select state", "select coalesce(message, '')")))
}

/// There is room again, and what waited for it goes on at once: how the newest job ends.
fn ends(panel: &Panel) -> String {
    wait_for(&format!("every job's end; {}", panel.server.log()), LONG, || {
        no_pause(panel);
        one(panel, "select id from jobs where state in ('queued', 'running', 'retry_wait') limit 1").is_empty()
    });
    newest(panel, "jobs", "state")
}

fn no_pause(panel: &Panel) {
    let db = rusqlite::Connection::open(panel.server.data.join("catalogue.db")).unwrap();
    db.busy_timeout(Duration::from_secs(10)).unwrap();
    db.execute("update jobs set run_at = 0 where state = 'retry_wait'", []).unwrap();
}

#[track_caller]
fn says_full(said: &str, stage: &str) {
    let said = said.to_lowercase();
    assert!(["full", "space", "room"].iter().any(|word| said.contains(word)), "{stage}: {said}");
    assert!(!said.contains("panick") && !said.contains("internal"), "{stage}: {said}");
}

/// What a backup that was called one owes whatever came after it.
fn all_are_whole(panel: &Panel) {
    for id in panel.column("select id from backups where state = 'succeeded' order by created_at desc, id desc limit 6") {
        panel.must(&["backup:verify", &id]);
    }
}

/// The next backup, with room for about `left` bytes. It fails for want of room, and succeeds once there is some.
fn cramped_repository(panel: &Panel, disk: &SmallDisk, site: &Little, seed: u64, left: u64, size: u64) -> String {
    write(site.root.join("uploads/grows.bin"), noise(seed, size as usize));
    let before = site.state();
    disk.fill(left);
    panel.must(&["backup:create", ENV, "--no-wait"]);
    let (state, said) = rests(panel, "create_backup");
    let stage = format!("{left} bytes left for {size}: {state}");
    if state != "succeeded" {
        assert_eq!(state, "retry_wait", "{stage}: {said}");
        says_full(&said, &stage);
        assert_eq!(named(panel), there(disk), "{stage}: a snapshot that nothing names");
    }
    all_are_whole(panel);
    disk.empty();
    assert_eq!(ends(panel), "succeeded", "{stage}, and then there was room: {}", newest(panel, "jobs", "message"));
    all_are_whole(panel);
    assert_eq!(named(panel), there(disk), "{stage}");
    assert_eq!(site.state(), before, "{stage}: the site itself");
    stage
}

fn named(panel: &Panel) -> Vec<String> {
    panel.column("select snapshot from backup_elements where snapshot is not null order by 1")
}

fn there(disk: &SmallDisk) -> Vec<String> {
    let mut all = Vec::new();
    for repository in std::fs::read_dir(disk.path().join("store")).unwrap().flatten() {
        let Ok(list) = std::fs::read_dir(repository.path().join("snapshots")) else { continue };
        all.extend(list.flatten().map(|e| e.file_name().to_string_lossy().into_owned()));
    }
    all.sort();
    all
}

/// A panel with its repositories on a small disk.
fn with_small_store(bytes: u64) -> (Panel, SmallDisk, Little) {
    let disk = SmallDisk::new(bytes);
    let panel = Panel::start_with_store(&disk.path().join("store"), &json!({ "downloads": { "reserve": 0 } }));
    let site = Little::added_to(&panel);
    panel.back_up(ENV, &[]);
    (panel, disk, site)
}

#[test]
fn a_repository_without_room_fails_in_words_and_the_same_job_succeeds_when_there_is_some() {
    let (panel, disk, site) = with_small_store(64 << 20);
    for (n, left) in [0, 60_000, 300_000].into_iter().enumerate() {
        cramped_repository(&panel, &disk, &site, n as u64, left, 400_000);
    }
}

#[test]
#[ignore = "minutes, by `make faults`; `make test` does it three times, in the test above"]
fn faults_disk_full_under_the_repository() {
    let (panel, disk, site) = with_small_store(400 << 20);
    trials::run("full-repository", "a full disk under the repository in the middle of a backup", (100, 1), |n, dice| {
        cramped_repository(&panel, &disk, &site, n + 100, dice.below(1_000_000), 100_000 + dice.below(900_000))
    });
}

/// A restore with room for about `left` bytes, from the beginning or only once something is staged: refused, or failed, and
/// nothing was touched; or whole.
fn cramped_site(panel: &Panel, disk: &SmallDisk, site: &Little, (left, late): (u64, Option<&str>), n: u64) -> String {
    write(site.root.join("uploads/since.bin"), noise(n, 5000));
    let (before, beside) = (site.state(), left_beside(disk));
    let first = one(panel, "select id from backups order by created_at, id limit 1");
    let restore = || panel.cli(&["backup:restore", ENV, "--yes", "--confirm", ENV, "--backup", &first]);
    let out = match late {
        None => {
            disk.fill(left);
            restore()
        }
        Some(point) => std::thread::scope(|scope| {
            panel.hold(point);
            let asked = scope.spawn(restore);
            panel.wait_for_hold(point);
            disk.fill(left);
            panel.let_go(point);
            asked.join().expect("the command ends")
        }),
    };
    let restore = panel.last_restore(ENV);
    let stage = format!("{left} bytes left at {}: {}", late.unwrap_or("the beginning"), restore.state.word());
    disk.empty();
    if restore.state.word() == "succeeded" {
        assert!(!site.root.join("uploads/since.bin").exists(), "{stage}");
        panel.must_undo(&restore.id, ENV);
    } else {
        says_full(&String::from_utf8_lossy(&out.stderr), &stage);
        assert_eq!(left_beside(disk), beside, "{stage}: beside the site");
    }
    assert_eq!(site.state(), before, "{stage}");
    for file in [format!("{}.hit", late.unwrap_or_default()), format!("{}.go", late.unwrap_or_default())] {
        let _ = std::fs::remove_file(panel.scratch.join("points").join(file));
    }
    stage
}

fn left_beside(disk: &SmallDisk) -> Vec<String> {
    let all = std::fs::read_dir(disk.path()).unwrap().flatten().map(|e| e.file_name().to_string_lossy().into_owned());
    let mut all: Vec<String> = all.filter(|name| name.starts_with(".sitekeep")).collect();
    all.sort();
    all
}

const LATE: [&str; 5] = [
    "restore.stage_code.started",
    "restore.stage_files.started",
    "restore.stage_database.started",
    "restore.maintenance_on.started",
    "restore.switch_code.planned",
];

fn with_small_site(bytes: u64) -> (Panel, SmallDisk, Little) {
    let disk = SmallDisk::new(bytes);
    let panel = Panel::start_armed_with(&json!({}));
    let site = Little::added_at(&panel, disk.path().join("little"), &[]);
    panel.back_up(ENV, &[]);
    (panel, disk, site)
}

#[test]
fn a_site_without_room_for_a_restore_is_left_as_it_was() {
    let (panel, disk, site) = with_small_site(128 << 20);
    for (n, how) in [(0, None), (30_000, Some(LATE[0])), (30_000, Some(LATE[2]))].into_iter().enumerate() {
        cramped_site(&panel, &disk, &site, how, n as u64);
    }
}

#[test]
#[ignore = "minutes, by `make faults`; `make test` does it three times, in the test above"]
fn faults_disk_full_under_the_site() {
    let (panel, disk, site) = with_small_site(256 << 20);
    trials::run("full-site", "a full disk under the site, before a restore or in the middle of one", (100, 1), |n, dice| {
        // What is needed lies around this: 64 MB are kept free before anything begins.
        let around = (64 << 20) - 500_000 + dice.below(1_500_000);
        let how = if n % 3 == 0 { (around, None) } else { (dice.below(400_000), Some(*dice.one(&LATE))) };
        cramped_site(&panel, &disk, &site, how, n)
    });
}

/// An archive with room for about `left` bytes: there whole, or not at all.
fn cramped_download(panel: &Panel, disk: &SmallDisk, left: u64) -> String {
    let backup = one(panel, "select id from backups order by created_at, id limit 1");
    disk.fill(left);
    let (status, made) = panel.post(&format!("/backups/{backup}/downloads"), &json!({}));
    assert!((200..300).contains(&status), "{made}");
    let id = made["id"].as_str().expect("it has an id").to_owned();
    let download = || panel.get::<serde_json::Value>(&format!("/downloads/{id}"));
    rests(panel, "prepare_download");
    let now = download();
    let stage = format!("{left} bytes left: {}", now["state"].as_str().unwrap_or_default());
    disk.empty();
    if now["state"] != "ready" {
        says_full(&format!("{} {}", now["message"], newest(panel, "jobs", "message")), &stage);
    }
    ends(panel);
    assert!(["ready", "failed"].contains(&download()["state"].as_str().unwrap_or_default()), "{stage}: {}", download());
    let (code, said) = ask(&panel.server.url, &panel.token(), "DELETE", &format!("/downloads/{id}"), None);
    assert!((200..300).contains(&code), "{said}");
    panel.must(&["backup:verify", &backup]);
    stage
}

#[test]
#[ignore = "minutes, by `make faults`; `make test` fills that disk in downloads/prepared.rs"]
fn faults_disk_full_under_what_is_prepared() {
    let disk = SmallDisk::new(200 << 20);
    let panel = Panel::start_with_store(&disk.path().join("store"), &json!({ "downloads": { "reserve": 0 } }));
    let site = Little::added_to(&panel);
    write(site.root.join("uploads/large.bin"), noise(1, 3 << 20));
    panel.back_up(ENV, &[]);
    let what = "a full disk under the staging of an archive for download";
    trials::run("full-staging", what, (100, 1), |_, dice| cramped_download(&panel, &disk, dice.below(4 << 20)));
}

/// The catalogue cannot grow while somebody asks for a backup and one may be running. What was acknowledged is there and
/// ends well; what was not is refused in words; the server lives.
fn cramped_catalogue(panel: &mut Panel, disk: &SmallDisk, dice: &mut Dice) -> String {
    let (left, early) = (dice.below(300_000), dice.below(2) == 0);
    if early {
        disk.fill(left);
    }
    let out = panel.cli(&["backup:create", ENV, "--no-wait", "--field", "id"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    if !early {
        std::thread::sleep(Duration::from_millis(dice.below(1200)));
        disk.fill(left);
    }
    std::thread::sleep(Duration::from_millis(500 + dice.below(2500)));
    let stage = format!("{left} bytes left, {}", if early { "before it was asked" } else { "while it ran" });
    assert!(panel.server.process().is_alive(), "{stage}: the server ended: {}", panel.server.log());
    assert!(!said.contains("panick"), "{stage}: {said}");
    disk.empty();
    ends(panel);
    if out.status.success() {
        let id = String::from_utf8_lossy(&out.stdout).trim().to_owned();
        let state = one(panel, &format!("select state from backups where id = '{id}'"));
        assert_eq!(state, "succeeded", "{stage}: {} {}", newest(panel, "backups", "message"), panel.server.log());
    } else {
        assert!(said.contains("Hint: ") || said.to_lowercase().contains("full"), "{stage}: {said}");
    }
    assert_eq!(one(panel, "pragma integrity_check"), "ok", "{stage}");
    all_are_whole(panel);
    format!("{stage}, {}", if out.status.success() { "acknowledged" } else { "refused" })
}

fn with_small_catalogue() -> (Panel, SmallDisk) {
    let (panel, disk) = Panel::start_on_small_disk(96 << 20);
    Little::added_to(&panel);
    panel.back_up(ENV, &[]);
    (panel, disk)
}

#[test]
fn a_catalogue_without_room_loses_nothing_that_was_acknowledged_and_the_server_lives() {
    let (mut panel, disk) = with_small_catalogue();
    for seed in [1, 2] {
        cramped_catalogue(&mut panel, &disk, &mut Dice::new(seed));
    }
}

#[test]
#[ignore = "minutes, by `make faults`; `make test` does it twice, in the test above"]
fn faults_disk_full_under_the_catalogue() {
    let (mut panel, disk) = with_small_catalogue();
    let what = "a full disk under the catalogue, before a backup is asked for or while it runs";
    trials::run("full-catalogue", what, (100, 1), |_, dice| cramped_catalogue(&mut panel, &disk, dice));
}
