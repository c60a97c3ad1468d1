//! Clean-ups that die at each point, and beside backups that run or are frozen; judged by stock restic.

use super::bench::{Bench, ENV};
use crate::support::restic::Restic;
use crate::support::{Scratch, run, wait_for};
use sitekeep::base::secret::Secret;
use sitekeep::base::watch::Watch;
use sitekeep::engine::{Location, Pruning, Repository};
use std::process::Command;
use std::time::Duration;

/// In the order in which one comes by; the last pack goes in a later run.
pub const POINTS: [&str; 13] = [
    "cleanup.begin",
    "cleanup.expired",
    "cleanup.forgotten",
    "cleanup.noted",
    "prune.begin",
    "prune.planned",
    "prune.pack_written",
    "prune.index_written",
    "prune.index_removed",
    "prune.pack_removed",
    "prune.pruned",
    "cleanup.end",
    "cleanup.ended",
];
const LONG: Duration = Duration::from_secs(120);

/// A bench that sweeps all the time, and removes at once what is marked.
fn bench() -> Bench {
    let mut bench = Bench::notes();
    let text = std::fs::read_to_string(&bench.tune).unwrap();
    let mut tune: serde_json::Value = serde_json::from_str(&text).unwrap();
    tune["app"]["retention_every"] = 300.into();
    tune["app"]["retention"] = serde_json::json!({ "keep_marked": 0 });
    std::fs::write(&bench.tune, tune.to_string()).unwrap();
    bench.server.start_again();
    bench
}

fn stock(bench: &Bench) -> Restic {
    let mut key = Command::new(crate::support::server::PROGRAM);
    key.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("SITEKEEP_DATA_DIR", &bench.data);
    let scratch = Scratch::new();
    run(key.args(["recovery:key", "acme/site", "--out"]).arg(scratch.join("key")));
    let said = std::fs::read_to_string(scratch.join("key")).unwrap();
    let repository = bench.ask("select location from repositories").replace("file://", "");
    Restic::open(repository.as_ref(), said.trim())
}

fn execute(bench: &Bench, sql: &str) {
    let db = rusqlite::Connection::open(bench.data.join("catalogue.db")).unwrap();
    db.busy_timeout(Duration::from_secs(10)).unwrap();
    db.execute_batch(sql).unwrap_or_else(|e| panic!("{e} in {sql}"));
}

/// Everything but the newest backup lies in the trash, and its time is over.
fn throw_away_all_but_the_newest(bench: &Bench) {
    let newest = bench.ask("select id from backups order by created_at desc, id desc limit 1");
    execute(bench, &format!("update backups set deleted_at = 1, deleted_by = 'test', purge_at = 1, noticed_at = 1 where id <> '{newest}'"));
}

fn again(bench: &Bench) {
    execute(bench, "update repositories set clean_up_at = 1");
}

fn wait_until_clean(bench: &Bench) {
    let busy = "select count(*) from jobs where kind = 'clean_up' and state in ('queued', 'running', 'retry_wait')";
    let due = "select count(*) from repositories where clean_up_at = 1";
    let failed = "select coalesce(max(message), '') from jobs where kind = 'clean_up' and state = 'failed'";
    wait_for("the clean-up's end", LONG, || {
        assert_eq!(bench.ask(failed), "", "{}", bench.server.log());
        bench.ask(due) == "0" && bench.ask(busy) == "0"
    });
}

fn rounds(bench: &Bench, n: u32) -> Vec<String> {
    (0..n)
        .map(|round| {
            bench.site.change(round + 1);
            bench.make_backup()
        })
        .collect()
}

#[test]
fn a_clean_up_killed_at_every_point_goes_on_and_harms_no_backup() {
    let bench = bench();
    rounds(&bench, 4);
    POINTS.iter().for_each(|p| bench.arm(p, "kill"));
    throw_away_all_but_the_newest(&bench);
    wait_for("the first phase", LONG, || bench.was_hit("cleanup.ended"));
    wait_until_clean(&bench);
    // What was marked goes with the next run; what is packed anew may need another change first.
    for round in 0..4 {
        again(&bench);
        wait_until_clean(&bench);
        if POINTS.iter().all(|p| bench.was_hit(p)) {
            break;
        }
        rounds(&bench, 2 + round);
        throw_away_all_but_the_newest(&bench);
        wait_for("the next expiry", LONG, || bench.ask("select count(*) from backups where deleted_at = 1 and expired_at is null") == "0");
        wait_until_clean(&bench);
    }
    let left = bench.disarm();
    assert!(left.is_empty(), "nobody came by {left:?}");
    bench.assert_no_nameless_snapshot();
    stock(&bench).check();
    let newest = bench.ask("select id from backups order by created_at desc, id desc limit 1");
    bench.server.must(&["backup:verify", &newest]);
    let now = bench.site.state();
    bench.site.change(99);
    bench.server.must(&["backup:restore", ENV, "--backup", &newest, "--yes"]);
    now.assert_restored(&bench.site, "what the newest backup held");
    // A backup that builds on what is left.
    let fresh = bench.make_backup();
    bench.server.must(&["backup:verify", &fresh]);
    stock(&bench).check();
}

#[test]
fn a_clean_up_waits_for_a_backup_that_runs_and_the_backup_is_whole() {
    let bench = bench();
    beside_a_running_backup(&bench, 5);
}

#[test]
#[ignore = "half an hour, by `make faults`: a hundred rounds of what the tests beside it do five times in `make test`"]
fn faults_a_hundred_clean_ups_beside_running_and_frozen_backups() {
    let bench = bench();
    beside_a_running_backup(&bench, 100);
    beside_a_frozen_backup(&bench, 100);
}

fn beside_a_running_backup(bench: &Bench, times: u32) {
    for round in 0..times {
        bench.site.change(round + 1);
        bench.make_backup();
        bench.site.change(round + 1000);
        bench.arm("backup.indexed", "wait");
        bench.server.must(&["backup:create", ENV, "--yes", "--no-wait"]);
        bench.wait_for_hit("backup.indexed");
        execute(
            bench,
            "update backups set deleted_at = 1, deleted_by = 'test', purge_at = 1, noticed_at = 1
             where state = 'succeeded' and id <> (select last_good_id from environments)",
        );
        again(bench);
        let waits = "select coalesce(max(blocked_on), '') from jobs where kind = 'clean_up' and state = 'queued'";
        wait_for("the clean-up to be told", LONG, || bench.ask(waits).contains("repo:"));
        bench.go("backup.indexed");
        wait_until_clean(bench);
        bench.disarm();
        assert_eq!(bench.ask("select state from backups order by created_at desc, id desc limit 1"), "succeeded");
        whole(bench);
    }
}

/// The newest backup is whole, by our own reading and by stock restic's.
fn whole(bench: &Bench) {
    let newest = bench.ask("select last_good_id from environments");
    bench.server.must(&["backup:verify", &newest]);
    stock(bench).check();
}

#[test]
fn a_clean_up_beside_a_frozen_backup_harms_none() {
    let bench = bench();
    beside_a_frozen_backup(&bench, 5);
}

/// The backup has read the index when it and its worker freeze; another worker takes over. The frozen one has no lock any
/// more, as after `restic unlock`, so that nothing but the two phases and the last proof stands between them.
fn beside_a_frozen_backup(bench: &Bench, times: u32) {
    for round in 0..times {
        bench.site.change(round + 1);
        bench.make_backup();
        bench.site.change(round + 2000);
        bench.arm("backup.indexed", "stop");
        bench.server.must(&["backup:create", ENV, "--yes", "--no-wait"]);
        bench.wait_for_hit("backup.indexed");
        stock(bench).must(&["unlock", "--remove-all"]);
        prune_by_hand(bench);
        for process in crate::support::running::processes().into_iter().filter(|p| p.parent == bench.server.pid()) {
            let pid = i32::try_from(process.pid).ok().and_then(rustix::process::Pid::from_raw).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::CONT);
        }
        let ended = "select count(*) from jobs where kind = 'create_backup' and state in ('queued', 'running', 'retry_wait')";
        wait_for("the backup's end", LONG, || bench.ask(ended) == "0");
        bench.disarm();
        // What it called a backup is one: also after the marked packs are gone.
        again(bench);
        wait_until_clean(bench);
        whole(bench);
    }
}

/// What the clean-up does, past the queue that would have kept it away: forgets all but the newest, and prunes.
fn prune_by_hand(bench: &Bench) {
    let location = Location::parse(&bench.ask("select location from repositories")).unwrap();
    let repository = Repository::open(&location, &master_key(bench)).unwrap();
    let last = bench.ask("select last_good_id from environments");
    let old = format!(
        "select x.snapshot from backup_elements x join backups b on b.id = x.backup_id where b.state = 'succeeded' and b.id <> '{last}' and x.snapshot is not null"
    );
    repository.forget(&bench.column(&old)).unwrap();
    execute(
        bench,
        &format!(
            "update backup_elements set snapshot = null where backup_id in (select id from backups where state = 'succeeded' and id <> '{last}');
             update backups set deleted_at = 1, deleted_by = 'test', purge_at = 1, noticed_at = 1, expired_at = 1 where state = 'succeeded' and id <> '{last}'"
        ),
    );
    repository.prune(Pruning { keep_marked: 2 * 86_400_000, repack: 1 << 30 }, &Watch::new()).unwrap();
}

fn master_key(bench: &Bench) -> Secret {
    let restic = stock(bench);
    let json: serde_json::Value = serde_json::from_str(&restic.must(&["cat", "masterkey"])).unwrap();
    Secret::new(json.to_string())
}

/// An attempt that had lost its lease wrote a snapshot that it could not note any more.
#[test]
fn a_snapshot_that_no_row_names_is_forgotten_when_its_backup_has_ended_and_no_other_is() {
    let bench = bench();
    let location = Location::parse(&bench.ask("select location from repositories")).unwrap();
    let repository = Repository::open(&location, &master_key(&bench)).unwrap();
    let written = |backup: &str| {
        let tags = vec![format!("backup={backup}"), "element=files".into(), "attempt=1".into()];
        let label = sitekeep::engine::Label {
            host: "acme/site.main".into(),
            path: "acme/site.main/files".into(),
            tags,
            time: sitekeep::base::clock::Millis(1_795_230_000_000),
            description: String::new(),
            afresh: false,
        };
        let source = sitekeep::engine::Source::File { path: "files/media/x".into(), bytes: backup.as_bytes().to_vec() };
        repository.backup(vec![source], &label, &Watch::new()).unwrap().snapshot
    };
    let (stray, unknown) = (written(&bench.backup), written("bak_of_a_newer_catalogue"));
    again(&bench);
    wait_until_clean(&bench);
    let left = repository.names_of_snapshots().unwrap();
    assert!(!left.contains(&stray), "its backup has ended, and its element is another snapshot");
    assert!(left.contains(&unknown), "what the catalogue does not know may be wanted");
    bench.server.must(&["backup:verify", &bench.backup]);
    repository.forget(&[unknown]).unwrap();
    bench.assert_no_nameless_snapshot();
    stock(&bench).check();
}
