//! PostgreSQL under the catalogue is ended at once and started again while jobs run: nothing that was acknowledged is lost,
//! nothing is done twice.

use super::trials::{self, Dice};
use crate::crashes::bench::{Bench, ENV};
use crate::support::wait_for;
use rustix::process::Signal;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(120);

fn restarted(bench: &Bench, n: u64, dice: &mut Dice) -> String {
    let (server, _) = bench.catalogue.as_ref().expect("the catalogue is on PostgreSQL");
    bench.site.change(n as u32 + 10);
    let before: u64 = bench.ask("select count(*) from backups").parse().unwrap();
    let (early, moment, down) = (dice.below(4) == 0, dice.below(2500), dice.below(1500));
    let ask = || bench.server.cli(&["backup:create", ENV, "--yes", "--no-wait", "--field", "id"]);
    let out = std::thread::scope(|scope| {
        let asked = scope.spawn(ask);
        let asked = if early { Err(asked) } else { Ok(asked.join().expect("the command ends")) };
        std::thread::sleep(Duration::from_millis(if early { moment / 10 } else { moment }));
        // What `pg_ctl stop -m immediate` sends: no farewell, no checkpoint.
        server.process().signal(Signal::QUIT);
        server.process().wait(Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(down));
        server.start_again();
        asked.unwrap_or_else(|asked| asked.join().expect("the command ends"))
    });
    let acknowledged = out.status.success();
    let stage = format!("{} ms after, down for {down} ms, {}", moment, if acknowledged { "acknowledged" } else { "refused" });
    let open = "select count(*) from jobs where state in ('queued', 'running', 'retry_wait')";
    wait_for(&format!("{stage}: {}", bench.server.log()), LONG, || {
        // A pause of half a minute before the next try is right, and not what is tested here.
        bench.ask("with done as (update jobs set run_at = 0 where state = 'retry_wait' returning id) select count(*) from done");
        bench.ask(open) == "0"
    });
    let after: u64 = bench.ask("select count(*) from backups").parse().unwrap();
    let told = || {
        let tries =
            "select string_agg(concat_ws(' ', j.id, j.state, a.number, a.outcome, a.error_class, a.message), ' | ' order by a.started_at)
                     from jobs j join attempts a on a.job_id = j.id";
        let (said, wrong) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        format!("{stage}\nthe command: {said}{wrong}\nthe catalogue:\n{}\nthe server:\n{}", bench.ask(tries), bench.server.log())
    };
    if acknowledged {
        let id = String::from_utf8_lossy(&out.stdout).trim().to_owned();
        let state = bench.ask(&format!("select state from backups where id = '{id}'"));
        assert_eq!((state.as_str(), after), ("succeeded", before + 1), "{}", told());
        // A connection that the server had closed within the last second is noticed by whoever uses it first.
        let verified = (0..3).any(|_| bench.server.cli(&["backup:verify", &id]).status.success());
        assert!(verified, "{}", told());
    } else {
        // The answer was lost with the server; whether the question was is for the catalogue to say, and once at most.
        assert!(after <= before + 1, "{before} {after} {}", told());
        assert!(!String::from_utf8_lossy(&out.stderr).contains("panick"), "{}", told());
    }
    assert_eq!(bench.ask("select count(*) from backups where state not in ('succeeded', 'failed')"), "0", "{stage}");
    assert!(bench.server.is_healthy(), "{stage}");
    bench.assert_no_nameless_snapshot();
    stage
}

#[test]
fn a_database_that_is_restarted_at_once_under_load_loses_nothing_and_does_nothing_twice() {
    let bench = Bench::notes_on_postgres();
    for n in 0..3 {
        restarted(&bench, n, &mut Dice::new(n));
    }
}

#[test]
#[ignore = "a quarter of an hour, by `make faults`; `make test` does it three times, in the test above"]
fn faults_immediate_restarts_of_postgresql() {
    let bench = Bench::notes_on_postgres();
    let what = "an immediate restart of PostgreSQL under the catalogue while a backup is asked for or runs";
    trials::run("postgresql-restarts", what, (200, 1), |n, dice| restarted(&bench, n, dice));
}
