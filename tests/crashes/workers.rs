//! The worker itself is killed, held, or told to stop.

use super::bench::{Bench, ENV};
use crate::support::wait_for;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// The processes that make attempts for a server.
pub fn children(server: u32) -> Vec<u32> {
    let all = crate::support::running::processes();
    all.into_iter().filter(|p| p.parent == server).map(|p| p.pid).collect()
}

#[test]
fn an_attempt_dies_with_its_worker_and_another_one_finishes() {
    let mut bench = Bench::gallery(true);
    bench.site.change(1);
    let old = bench.site.state();
    for (point, expected) in
        [("restore.trees.written", "succeeded"), ("restore.database.switched", "unwound"), ("restore.check_data.started", "succeeded")]
    {
        let before = bench.site.leftovers();
        bench.arm(point, "wait");
        let restore = bench.restore();
        bench.wait_for_hit(point);
        let attempts = children(bench.server.pid());
        assert_eq!(attempts.len(), 1);
        bench.server.kill();
        wait_for("the attempt's death", SOON, || !crate::support::running::processes().iter().any(|p| attempts.contains(&p.pid)));
        bench.server.start_again();
        let state = bench.ended(&restore);
        let what = format!("{point}: {:#?}", bench.story(&restore));
        assert_eq!(state, expected, "{what}");
        bench.assert_open();
        bench.assert_safe(&restore);
        bench.disarm();
        if expected == "unwound" {
            old.assert_untouched(&bench.site, &what);
            assert_eq!(bench.site.leftovers(), before, "{what}");
        } else {
            bench.good.assert_restored(&bench.site, &what);
            let undo = bench.undo(&restore);
            assert_eq!(bench.ended(&undo), "succeeded", "{:#?}", bench.story(&undo));
            old.assert_untouched(&bench.site, "undone");
        }
    }
    bench.assert_no_nameless_snapshot();
}

/// A worker that stood still beyond its lease wakes up, and so does its attempt: neither writes anything any more.
#[test]
fn a_worker_that_was_held_beyond_its_lease_changes_nothing_when_it_wakes() {
    let mut bench = Bench::notes();
    bench.site.change(1);
    let points =
        ["restore.stage_database.started", "restore.switch_code.started", "restore.switch_database.acted", "restore.check_data.acted"];
    for point in points {
        let old = bench.site.state();
        bench.arm(point, "stop");
        let restore = bench.restore();
        bench.wait_for_hit(point);
        bench.stop_between_transactions();
        let attempts = children(bench.server.pid());
        let fresh = bench.beside();
        let state = bench.ended(&restore);
        let what = format!("{point}: {:#?}", bench.story(&restore));
        let (after, rows) = (bench.site.state(), bench.story(&restore));
        for pid in &attempts {
            let pid = rustix::process::Pid::from_raw(*pid as i32).expect("a process has a number");
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::CONT);
        }
        std::thread::sleep(Duration::from_millis(300));
        bench.server.process().cont();
        wait_for("the zombie's end", SOON, || !crate::support::running::processes().iter().any(|p| attempts.contains(&p.pid)));
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(bench.story(&restore), rows, "{what}");
        after.assert_untouched(&bench.site, &what);
        match state.as_str() {
            "succeeded" => bench.good.assert_restored(&bench.site, &what),
            _ => old.assert_untouched(&bench.site, &what),
        }
        bench.assert_open();
        bench.disarm();
        drop(fresh);
        bench.site.change(2);
    }
}

/// A deployment: the worker is told to stop, and started again. The attempt does not count.
#[test]
fn a_worker_told_to_stop_gives_its_job_back_and_finishes_what_is_past_the_switch() {
    let mut bench = Bench::gallery(true);
    bench.limit_losses(1);
    bench.site.change(1);
    for point in ["backup.element.begin", "backup.element.noted"] {
        bench.arm(point, "wait");
        bench.server.must(&["backup:create", ENV, "--yes", "--no-wait"]);
        stopped_at(&mut bench, point);
        wait_for("the backup", SOON, || bench.ask("select count(*) from backups where state <> 'succeeded'") == "0");
        bench.disarm();
    }
    bench.assert_no_nameless_snapshot();
    for point in [
        "restore.safety.stored",
        "restore.stage_database.started",
        "restore.complete_safety.started",
        "restore.switch_code.acted",
        "restore.clear_caches.started",
    ] {
        bench.arm(point, "wait");
        let restore = bench.restore();
        stopped_at(&mut bench, point);
        assert_eq!(bench.ended(&restore), "succeeded", "{point}: {:#?}", bench.story(&restore));
        bench.good.assert_restored(&bench.site, point);
        bench.assert_open();
        bench.disarm();
        bench.site.change(3);
    }
    assert_eq!(bench.ask("select count(*) from attempts where outcome = 'lost'"), "0");
    bench.assert_no_nameless_snapshot();
}

fn stopped_at(bench: &mut Bench, point: &str) {
    bench.wait_for_hit(point);
    bench.server.process().term();
    std::thread::sleep(Duration::from_millis(500));
    bench.go(point);
    bench.server.process().wait(SOON);
    // Nobody knows when it comes back: visitors are not kept out meanwhile.
    bench.assert_open();
    bench.server.start_again();
}
