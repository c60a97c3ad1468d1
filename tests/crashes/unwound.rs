//! Restores that are interrupted, wherever that is, and end where they began.

use super::bench::Bench;
use super::points;
use super::site::State;

/// Kills at every moment of the switch that lies on the way, each in a restore of its own, with the way back killed too.
pub fn by_death(bench: &Bench, old: &State, on_the_way: impl Fn(&str) -> bool, restore: impl Fn() -> String) {
    let before = bench.site.leftovers();
    let mut all_the_way = true;
    for (point, action) in points::switching().into_iter().filter(|(point, _)| on_the_way(point)) {
        bench.arm(&point, action);
        if all_the_way {
            points::back().iter().filter(|point| on_the_way(point)).for_each(|point| bench.arm(point, "kill"));
        }
        let id = ended(bench, old, &before, &format!("killed at {point} ({action})"), "unwound", &restore);
        assert!(bench.was_hit(&point), "nobody came by {point}");
        bench.assert_safe(&id);
        bench.disarm();
        // The longest way back, from the last switch, is walked with a death at each step; the others once each.
        all_the_way = point == "restore.switch_settings.started";
    }
    bench.assert_no_nameless_snapshot();
}

/// A failure (no death) after each step: before the switch nothing was touched, after it everything is switched back.
pub fn by_failure(bench: &Bench, old: &State, on_the_way: impl Fn(&str) -> bool, restore: impl Fn() -> String) {
    let before = bench.site.leftovers();
    let switch = points::SWITCHES.iter().chain(&points::AFTER);
    let steps = points::BEFORE.iter().map(|step| (step, "failed")).chain(switch.map(|step| (step, "unwound")));
    for (step, expected) in steps.filter(|(step, _)| on_the_way(step)) {
        let point = format!("restore.{step}.acted");
        bench.arm(&point, "error");
        ended(bench, old, &before, &format!("failed at {point}"), expected, &restore);
        bench.disarm();
        let unfinished = bench.ask("select count(*) from backups where state in ('queued', 'running')");
        assert_eq!(unfinished, "0", "failed at {point}");
    }
    bench.assert_no_nameless_snapshot();
}

fn ended(bench: &Bench, old: &State, before: &[String], how: &str, expected: &str, restore: &impl Fn() -> String) -> String {
    let id = restore();
    let state = bench.ended(&id);
    let what = format!("{how}: {:#?}", bench.story(&id));
    assert_eq!(state, expected, "{what}");
    old.assert_untouched(&bench.site, &what);
    assert_eq!(bench.site.leftovers(), before, "{what}");
    bench.assert_open();
    id
}
