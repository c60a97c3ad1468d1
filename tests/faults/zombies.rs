//! Workers and attempts that stood still beyond their lease, at every point, and wake up when another worker has done
//! their job: nothing changes any more.

use super::trials::{self, Dice};
use crate::crashes::backups::POINTS;
use crate::crashes::bench::{Bench, ENV};
use crate::crashes::site::State;
use crate::crashes::{points, workers};
use crate::support::wait_for;
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(120);

#[test]
#[ignore = "an hour, by `make faults`; `make test` holds a worker at four points, in crashes/workers.rs"]
fn faults_zombies() {
    let benches = [Bench::notes(), Bench::notes_on_postgres()];
    let what = "SIGSTOP beyond the lease for a worker, or for it and its attempt, at every stage of a backup and a restore; SIGCONT when \
                another one has done the job";
    trials::run("zombies", what, (200, 1), |n, dice| zombie(&benches[n as usize % 2], n, dice));
}

/// Within the last transaction whoever stands still holds the lock of all of SQLite, and so would a machine that stands
/// still with everything on it: there only PostgreSQL can go on.
const IN_TRANSACTION: [&str; 2] = ["backup.end", "restore.end"];

fn stages(bench: &Bench) -> Vec<String> {
    let restore = points::on().into_iter().chain(points::switching().into_iter().map(|p| p.0));
    let never = ["restore.settings.written", "restore.settings.exchanged"];
    let all = POINTS.iter().map(|p| (*p).to_owned()).chain(restore.filter(|p| !never.contains(&p.as_str())));
    all.filter(|p| bench.catalogue.is_some() || !IN_TRANSACTION.contains(&p.as_str())).collect()
}

/// Both stand still at the point; or the attempt waits there, awake, while its worker stands still, and then goes on.
fn zombie(bench: &Bench, n: u64, dice: &mut Dice) -> String {
    let stages = stages(bench);
    let point = &stages[n as usize / 2 % stages.len()];
    let both = dice.below(2) == 0;
    bench.site.change(n as u32 + 10);
    let old = bench.site.state();
    bench.arm(point, if both { "stop" } else { "wait" });
    let id = if point.starts_with("backup.") { backup(bench) } else { bench.restore() };
    bench.wait_for_hit(point);
    bench.stop_between_transactions();
    let attempts = workers::children(bench.server.pid());
    let fresh = bench.beside();
    let state = ended(bench, &id);
    let settled = Settled::of(bench, &id);
    if both {
        attempts.iter().for_each(|pid| wake(*pid));
    } else {
        bench.go(point);
    }
    // It has time to do what it would do, while its worker cannot stop it yet.
    std::thread::sleep(Duration::from_millis(500));
    wake(bench.server.pid());
    wait_for("the zombie's end", LONG, || !crate::support::running::processes().iter().any(|p| attempts.contains(&p.pid)));
    std::thread::sleep(Duration::from_millis(300));
    let stage = format!("{point}, {}: {state}", if both { "both" } else { "the worker" });
    settled.assert_is_still(bench, &id, &stage);
    judge(bench, &id, &state, &old, &stage);
    bench.assert_open();
    bench.disarm();
    drop(fresh);
    stage
}

fn wake(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::CONT); // it may have ended
    }
}

fn backup(bench: &Bench) -> String {
    bench.server.must(&["backup:create", ENV, "--yes", "--no-wait"]);
    bench.ask("select id from backups where reason = 'Generated on request' order by created_at desc, id desc limit 1")
}

fn ended(bench: &Bench, id: &str) -> String {
    if id.starts_with("rst_") {
        return bench.ended(id);
    }
    let state = || bench.ask(&format!("select state from backups where id = '{id}'"));
    wait_for(&format!("the backup {id}; {}", bench.server.log()), LONG, || !["queued", "running"].contains(&state().as_str()));
    state()
}

fn judge(bench: &Bench, id: &str, state: &str, old: &State, stage: &str) {
    match state {
        _ if !id.starts_with("rst_") => {
            assert_eq!(state, "succeeded", "{stage}");
            bench.server.must(&["backup:verify", id]);
        }
        "succeeded" => bench.good.assert_restored(&bench.site, stage),
        _ => old.assert_untouched(&bench.site, stage),
    }
}

/// All that a zombie could have changed: the site, and the rows.
struct Settled {
    site: State,
    rows: Vec<String>,
}

impl Settled {
    fn of(bench: &Bench, id: &str) -> Self {
        let mut rows = bench.story(id);
        for sql in [
            "select id || state || coalesce(message, '') from backups order by 1",
            "select backup_id || element || state || coalesce(snapshot, '') from backup_elements order by 1",
            "select id || state || attempt from jobs order by 1",
            "select job_id || number || coalesce(outcome, '') from attempts order by 1",
        ] {
            rows.extend(bench.column(sql));
        }
        Self { site: bench.site.state(), rows }
    }

    #[track_caller]
    fn assert_is_still(&self, bench: &Bench, id: &str, stage: &str) {
        self.site.assert_untouched(&bench.site, stage);
        assert_eq!(self.rows, Self::of(bench, id).rows, "{stage}");
    }
}
