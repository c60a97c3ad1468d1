//! SIGKILL for attempts and workers, at every listed point and at any moment between.

use super::oracle::{self, Oracle};
use super::trials::{self, Dice};
use crate::crashes::backups::POINTS;
use crate::crashes::bench::{Bench, ENV};
use crate::crashes::points;
use crate::crashes::random::wholly_old_or_wholly_new;
use crate::support::wait_for;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(120);

/// A bench for each of the two databases that the catalogue may lie in, with what was taken there.
fn benches() -> [(Bench, Oracle); 2] {
    [Bench::notes(), Bench::notes_on_postgres()].map(|bench| {
        let oracle = Oracle::of(&bench);
        (bench, oracle)
    })
}

#[test]
#[ignore = "half an hour, by `make faults`; `make test` kills at every point, in crashes/backups.rs"]
fn faults_kill_9_in_backups() {
    let mut benches = benches();
    let what = "kill -9 of an attempt or its worker, at every stage of a backup and between";
    trials::run("kill-9-backup", what, (500, 1), |n, dice| {
        let (bench, oracle) = &mut benches[n as usize % 2];
        killed_backup(bench, oracle, n, dice)
    });
    for (bench, oracle) in &benches {
        oracle.taken.iter().for_each(|taken| oracle.compare(bench, taken, false));
        oracle.check();
    }
}

/// One backup, killed once; it is one backup all the same, and whole. So is one that was made earlier.
fn killed_backup(bench: &mut Bench, oracle: &mut Oracle, n: u64, dice: &mut Dice) -> String {
    bench.site.change(n as u32 + 10);
    let source = oracle::source(bench);
    let before = bench.ask("select count(*) from backups");
    // Each point in turn; those inside elements at one of the three; and moments that nobody listed.
    let point = POINTS.get(n as usize / 2 % (POINTS.len() + 3)).copied();
    let stage = match point {
        Some(point) => {
            let passes = if point.starts_with("backup.element") || point == "backup.indexed" { dice.below(3) } else { 0 };
            let of_worker = dice.below(5) == 0;
            bench.arm(point, &format!("{} {passes}", if of_worker { "wait" } else { "kill" }));
            bench.server.must(&["backup:create", ENV, "--yes", "--no-wait"]);
            bench.wait_for_hit(point);
            if of_worker {
                bench.server.kill();
                bench.server.start_again();
            }
            format!("{point} {passes}{}", if of_worker { ", the worker" } else { "" })
        }
        None => {
            bench.server.must(&["backup:create", ENV, "--yes", "--no-wait"]);
            let wait = dice.below(1500);
            std::thread::sleep(Duration::from_millis(wait));
            bench.kill_attempts();
            format!("after {wait} ms")
        }
    };
    let newest = bench.ask("select id from backups order by created_at desc, id desc limit 1");
    let state = || bench.ask(&format!("select state from backups where id = '{newest}'"));
    wait_for(&format!("the backup killed at {stage}; {}", bench.server.log()), LONG, || !["queued", "running"].contains(&state().as_str()));
    bench.disarm();
    assert_eq!(state(), "succeeded", "{stage}: {}", bench.server.log());
    let count = |text: &str| text.parse::<u64>().expect("a number");
    assert_eq!(count(&bench.ask("select count(*) from backups")), count(&before) + 1, "{stage}: one for each time somebody asked");
    bench.assert_no_nameless_snapshot();
    oracle.note(&newest, source);
    let last = oracle.taken.len() - 1;
    let earlier = dice.below(oracle.taken.len() as u64) as usize;
    // The password costs stock restic half a second each time.
    oracle.compare(bench, &oracle.taken[last], n % 8 < 2);
    oracle.compare(bench, &oracle.taken[earlier], false);
    stage
}

#[test]
#[ignore = "an hour, by `make faults`; `make test` kills at every point, in crashes/restores.rs"]
fn faults_kill_9_in_restores() {
    let mut benches = [Bench::notes(), Bench::notes_on_postgres()];
    let what = "kill -9 of an attempt or its worker, at every stage of a restore, on its way back, and between";
    trials::run("kill-9-restore", what, (325, 1), |n, dice| killed_restore(&mut benches[n as usize % 2], n, dice));
}

/// Points that a site on SQLite never comes by.
const DEAD_ENDS: [&str; 2] = ["restore.settings.written", "restore.settings.exchanged"];

fn killed_restore(bench: &mut Bench, n: u64, dice: &mut Dice) -> String {
    bench.site.change(n as u32 + 10);
    let (old, before) = (bench.site.state(), bench.site.leftovers());
    let mut ways: Vec<(String, &str)> = points::on().into_iter().map(|p| (p, "kill")).chain(points::switching()).collect();
    ways.retain(|(p, _)| !DEAD_ENDS.contains(&p.as_str()));
    let stage = match ways.get(n as usize / 2 % (ways.len() + 4)) {
        Some((point, action)) => {
            let back = dice.one(&points::back()).clone();
            let of_worker = dice.below(6) == 0 && *action == "kill";
            bench.arm(point, if of_worker { "wait" } else { action });
            // Where the way is back, that is interrupted, too, at any of its points.
            bench.arm(&back, "kill");
            let restore = bench.restore();
            bench.wait_for_hit(point);
            if of_worker {
                bench.server.kill();
                bench.server.start_again();
            }
            let state = wholly_old_or_wholly_new(bench, &restore, &old, &before, point);
            let twice = if bench.was_hit(&back) { format!(" and {back}") } else { String::new() };
            format!("{point}{twice}{}: {state}", if of_worker { ", the worker" } else { "" })
        }
        None => {
            let restore = bench.restore();
            let wait = dice.below(4000);
            std::thread::sleep(Duration::from_millis(wait));
            bench.kill_attempts();
            format!("after {wait} ms: {}", wholly_old_or_wholly_new(bench, &restore, &old, &before, "at a random moment"))
        }
    };
    bench.disarm();
    bench.assert_no_nameless_snapshot();
    stage
}
