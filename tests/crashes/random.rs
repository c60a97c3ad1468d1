//! Killed at random moments, for hours: `make faults`. The seed of a run is printed; `SITEKEEP_SEED` repeats it.

use super::bench::Bench;
use super::site::State;
use std::time::Duration;

/// A small generator whose numbers can be repeated.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let seed = std::env::var("SITEKEEP_SEED").ok().and_then(|s| s.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from_le_bytes(sitekeep::base::chance::bytes()));
        eprintln!("SITEKEEP_SEED={seed}");
        Self(seed | 1)
    }
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// What every restore owes, however often its attempts died; an undo of one that succeeded is exact. The state it ended in.
#[track_caller]
pub fn wholly_old_or_wholly_new(bench: &Bench, restore: &str, old: &State, before: &[String], how: &str) -> String {
    let state = bench.ended(restore);
    let what = format!("{how}: {:#?}", bench.story(restore));
    bench.assert_open();
    match state.as_str() {
        "succeeded" => {
            bench.good.assert_restored(&bench.site, &what);
            let undo = bench.undo(restore);
            assert_eq!(bench.ended(&undo), "succeeded", "{:#?}", bench.story(&undo));
            old.assert_untouched(&bench.site, &what);
        }
        "unwound" | "failed" => {
            old.assert_untouched(&bench.site, &what);
            assert_eq!(bench.site.leftovers(), before, "{what}");
        }
        other => panic!("{other}: {what}"),
    }
    state
}

/// `SITEKEEP_ROUNDS` restores (300), each with its attempts killed up to four times at any moment; each ends wholly old
/// or wholly new.
fn killed_at_random(mut bench: Bench) {
    let mut dice = Dice::new();
    let rounds: u32 = std::env::var("SITEKEEP_ROUNDS").ok().and_then(|s| s.parse().ok()).unwrap_or(300);
    for n in 0..rounds {
        bench.site.change(n + 10);
        let (old, before) = (bench.site.state(), bench.site.leftovers());
        let restore = bench.restore();
        for _ in 0..=dice.below(4) {
            std::thread::sleep(Duration::from_millis(dice.below(1500)));
            if dice.below(5) == 0 {
                bench.server.kill();
                bench.server.start_again();
            } else {
                bench.kill_attempts();
            }
        }
        wholly_old_or_wholly_new(&bench, &restore, &old, &before, &format!("round {n}"));
        bench.assert_no_nameless_snapshot();
    }
}

#[test]
#[ignore = "hours, by `make faults`: chance looks for what nobody listed; `make test` kills at every listed point, in restores.rs and backups.rs"]
fn faults_killed_at_random_moments_with_a_new_database() {
    killed_at_random(Bench::gallery(true));
}

#[test]
#[ignore = "hours, by `make faults`: chance looks for what nobody listed; `make test` kills at every listed point, in restores.rs and backups.rs"]
fn faults_killed_at_random_moments_with_tables_beside() {
    killed_at_random(Bench::gallery(false));
}

#[test]
#[ignore = "hours, by `make faults`: chance looks for what nobody listed; `make test` kills at every listed point, in restores.rs and backups.rs"]
fn faults_killed_at_random_moments_in_sqlite() {
    killed_at_random(Bench::notes());
}
