//! Attempts at backups that die at each point.

use super::bench::{Bench, ENV};
use super::site::State;

pub const POINTS: [&str; 9] = [
    "backup.begin",
    "backup.element.begin",
    "backup.indexed",
    "backup.element.stored",
    "backup.element.noted",
    "backup.prove",
    "backup.proven",
    "backup.end",
    "backup.ended",
];

/// One backup, killed at every point and at each of its elements.
fn killed_everywhere(bench: &Bench) {
    bench.site.change(1);
    let now = bench.site.state();
    for action in ["kill", "kill 1", "kill 2"] {
        POINTS.iter().for_each(|p| bench.arm(p, action));
        bench.server.must(&["backup:create", ENV, "--yes"]);
        let left = bench.disarm();
        let inner = |p: &String| p.starts_with("backup.element");
        assert!(!left.iter().any(inner) && (action != "kill" || left.is_empty()), "{action}: nobody came by {left:?}");
        assert_eq!(bench.ask("select count(*) from backups where state <> 'succeeded'"), "0");
    }
    assert_eq!(bench.ask("select count(*) from backups"), "4", "one for each time somebody asked");
    bench.assert_no_nameless_snapshot();
    holds(bench, &now);
}

fn holds(bench: &Bench, state: &State) {
    let newest = bench.ask("select id from backups where reason = 'Generated on request' order by created_at desc limit 1");
    bench.site.change(2);
    bench.server.must(&["backup:verify", &newest]);
    bench.server.must(&["backup:restore", ENV, "--backup", &newest, "--yes"]);
    state.assert_restored(&bench.site, "what the killed backup held");
}

#[test]
fn a_backup_killed_at_every_point_is_one_backup_and_whole() {
    killed_everywhere(&Bench::gallery(false));
}

#[test]
fn a_backup_of_sqlite_killed_at_every_point_is_one_backup_and_whole() {
    killed_everywhere(&Bench::notes());
}

#[test]
fn a_backup_that_fails_or_is_cancelled_at_any_point_is_never_called_a_backup() {
    let bench = Bench::notes();
    for point in POINTS.iter().filter(|p| !p.ends_with("ended")) {
        bench.arm(point, "error");
        let out = bench.server.cli(&["backup:create", ENV, "--yes"]);
        assert!(!out.status.success(), "{point}: {out:?}");
        let (state, message) = (newest(&bench, "state"), newest(&bench, "message"));
        assert!(state == "failed" && message.contains(point), "{point}: {state} {message}");
        bench.disarm();
    }
    for point in ["backup.begin", "backup.element.begin", "backup.element.noted"] {
        bench.arm(point, "wait");
        bench.server.must(&["backup:create", ENV, "--yes", "--no-wait"]);
        bench.wait_for_hit(point);
        bench.cancel(&newest(&bench, "job_id"));
        bench.go(point);
        crate::support::wait_for("the backup's end", std::time::Duration::from_secs(30), || newest(&bench, "state") == "cancelled");
        bench.disarm();
    }
    bench.make_backup();
    bench.assert_no_nameless_snapshot();
}

fn newest(bench: &Bench, column: &str) -> String {
    bench.ask(&format!("select {column} from backups order by created_at desc, id desc limit 1"))
}
