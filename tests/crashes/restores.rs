//! Attempts at restores that die at each point.

use super::bench::{Bench, ENV};
use super::points;
use super::unwound;

/// Kills at every point before the switch and after it, all in one restore, and in its undo; then at every moment of the
/// switch, each in a restore of its own, with the way back killed too.
fn killed_everywhere(bench: &Bench, dead_ends: &[&str]) {
    gone_on_from(bench, dead_ends);
    let unknown: Vec<String> = bench.seen().difference(&points::listed()).cloned().collect();
    assert!(unknown.is_empty(), "these points are in no list: {unknown:?}");
    bench.site.change(2);
    let old = bench.site.state();
    unwound::by_death(bench, &old, |point| !dead_ends.contains(&point), || bench.restore());
}

/// Moments in the switch of an undo.
const IN_UNDO: [&str; 4] =
    ["restore.settings.exchanged", "restore.database.switched", "restore.trees.exchanged", "restore.switch_code.started"];

fn gone_on_from(bench: &Bench, dead_ends: &[&str]) {
    bench.site.change(1);
    let old = bench.site.state();
    points::on().iter().for_each(|p| bench.arm(p, "kill"));
    let restore = bench.restore();
    let state = bench.ended(&restore);
    let what = format!("killed everywhere but in the switch: {:#?}", bench.story(&restore));
    assert_eq!(state, "succeeded", "{what}");
    bench.good.assert_restored(&bench.site, &what);
    bench.assert_open();
    bench.assert_safe(&restore);
    let left: Vec<String> = bench.disarm().into_iter().filter(|p| !dead_ends.contains(&p.as_str())).collect();
    assert!(left.is_empty(), "nobody came by {left:?}");
    let steps = bench.column(&format!("select name from restore_steps where restore_id = '{restore}' order by position"));
    let known: Vec<&str> = points::BEFORE.iter().chain(&points::SWITCHES).chain(&points::AFTER).copied().collect();
    assert_eq!(steps, known, "a step that these tests do not know");
    // An undo that dies in the switch leaves the restored site; afterwards it goes the same way as the restore.
    let restored = bench.site.state();
    for (point, action) in points::switching().iter().filter(|(p, _)| IN_UNDO.contains(&p.as_str()) && !dead_ends.contains(&p.as_str())) {
        bench.arm(point, action);
        bench.arm("restore.trees.exchanged_back", "kill");
        let undo = bench.undo(&restore);
        let state = bench.ended(&undo);
        let what = format!("an undo killed at {point}: {:#?}", bench.story(&undo));
        assert_eq!(state, "unwound", "{what}");
        assert!(bench.was_hit(point), "{what}");
        restored.assert_untouched(&bench.site, &what);
        bench.assert_open();
        bench.disarm();
    }
    points::on().iter().for_each(|p| bench.arm(p, "kill"));
    bench.arm("restore.switch_code.planned", "error 99");
    bench.arm("restore.switch_settings.done", "error 99");
    let undo = bench.undo(&restore);
    let state = bench.ended(&undo);
    let what = format!("an undo killed everywhere but in the switch: {:#?}", bench.story(&undo));
    assert_eq!(state, "succeeded", "{what}");
    old.assert_untouched(&bench.site, &what);
    bench.assert_open();
    bench.disarm();
    bench.assert_no_nameless_snapshot();
}

#[test]
fn killed_at_every_point_a_site_with_a_new_database_is_wholly_old_or_wholly_new() {
    killed_everywhere(&Bench::gallery(true), &[]);
}

#[test]
fn killed_at_every_point_a_site_with_tables_beside_is_wholly_old_or_wholly_new() {
    killed_everywhere(&Bench::gallery(false), &["restore.settings.written", "restore.settings.exchanged"]);
}

#[test]
fn killed_at_every_point_a_site_in_sqlite_is_wholly_old_or_wholly_new() {
    killed_everywhere(&Bench::notes(), &["restore.settings.written", "restore.settings.exchanged"]);
}

/// One death alone, so that what one attempt staged in one place is gone on with by the next: code and files lie in the
/// same staging directory.
#[test]
fn what_was_staged_whole_before_a_death_is_used_by_the_next_attempt() {
    let bench = Bench::notes();
    bench.site.change(1);
    let old = bench.site.state();
    for (point, action) in [("restore.trees.written", "kill 1"), ("restore.stage_files.acted", "kill"), ("restore.database.made", "kill")] {
        bench.arm(point, action);
        let restore = bench.restore();
        let state = bench.ended(&restore);
        let what = format!("killed at {point}: {:#?}", bench.story(&restore));
        assert_eq!(state, "succeeded", "{what}");
        assert!(bench.was_hit(point), "{what}");
        bench.good.assert_restored(&bench.site, &what);
        let undo = bench.undo(&restore);
        assert_eq!(bench.ended(&undo), "succeeded", "{:#?}", bench.story(&undo));
        old.assert_untouched(&bench.site, &what);
        bench.disarm();
    }
}

fn failed_everywhere(bench: &Bench) {
    bench.site.change(3);
    unwound::by_failure(bench, &bench.site.state(), |_| true, || bench.restore());
}

#[test]
fn a_failure_after_any_step_leaves_the_site_as_it_was() {
    failed_everywhere(&Bench::gallery(true));
}

#[test]
fn a_failure_after_any_step_leaves_a_site_in_sqlite_as_it_was() {
    failed_everywhere(&Bench::notes());
}

#[test]
fn a_way_back_that_failed_locks_the_site_until_it_is_gone_on_with() {
    let bench = Bench::gallery(true);
    bench.site.change(4);
    let (old, before) = (bench.site.state(), bench.site.leftovers());
    for point in ["restore.switch_database.undoing", "restore.maintenance_on.taken_back"] {
        bench.arm("restore.check_data.acted", "error");
        bench.arm(point, "error");
        let restore = bench.restore();
        assert_eq!(bench.ended(&restore), "stuck", "{:#?}", bench.story(&restore));
        let refused = bench.server.cli(&["backup:create", ENV, "--yes"]);
        assert!(!refused.status.success());
        let info = bench.server.must(&["restore:info", &restore]);
        assert!(info.contains(&format!("backup:undo {restore}")), "{info}");
        let said = bench.server.cli(&["backup:undo", &restore, "--yes"]);
        assert!(said.status.success(), "{said:?}");
        let what = format!("{:#?}", bench.story(&restore));
        assert_eq!(bench.ended(&restore), "unwound", "{what}");
        old.assert_untouched(&bench.site, &what);
        assert_eq!(bench.site.leftovers(), before, "{what}");
        bench.assert_open();
        bench.disarm();
    }
    bench.make_backup();
}

/// An import that takes all the memory kills every attempt: then the restore goes back by itself.
#[test]
fn a_restore_that_crashes_too_often_goes_back_in_a_job_of_its_own() {
    let mut bench = Bench::notes();
    bench.limit_losses(1);
    bench.site.change(5);
    let (old, before) = (bench.site.state(), bench.site.leftovers());
    for point in ["restore.database.imported", "restore.trees.exchanged"] {
        bench.arm(point, "kill");
        let restore = bench.restore();
        let state = bench.ended(&restore);
        let what = format!("{:#?}", bench.story(&restore));
        assert!(["failed", "unwound"].contains(&state.as_str()), "{state} {what}");
        old.assert_untouched(&bench.site, &what);
        assert_eq!(bench.site.leftovers(), before, "{what}");
        bench.disarm();
    }
    // Where the way back crashes too, a person goes on with it.
    bench.arm("restore.trees.exchanged", "kill");
    bench.arm("restore.switch_code.undoing", "kill");
    let restore = bench.restore();
    assert_eq!(bench.ended(&restore), "stuck", "{:#?}", bench.story(&restore));
    bench.server.must(&["backup:undo", ENV, "--yes"]);
    old.assert_untouched(&bench.site, "gone on with");
    assert_eq!(bench.site.leftovers(), before);
    bench.make_backup();
}

/// What was written between the first pass of the safety backup and the switch is in the safety backup.
#[test]
fn what_is_written_while_a_restore_is_prepared_is_in_the_safety_backup() {
    let bench = Bench::gallery(true);
    bench.site.change(6);
    bench.arm("restore.safety_backup.done", "wait");
    let restore = bench.restore();
    bench.wait_for_hit("restore.safety_backup.done");
    bench.site.change(7);
    let late = bench.site.state();
    bench.go("restore.safety_backup.done");
    assert_eq!(bench.ended(&restore), "succeeded", "{:#?}", bench.story(&restore));
    bench.good.assert_restored(&bench.site, "the restored site");
    let safety = bench.assert_safe(&restore);
    bench.assert_no_nameless_snapshot();
    bench.server.must(&["backup:restore", ENV, "--backup", &safety, "--yes"]);
    late.assert_restored(&bench.site, "what the safety backup held");
}

/// Cancelled before the switch: nothing happened. After it the restore is too far to be cancelled; Undo takes it back.
#[test]
fn a_cancelled_restore_is_wholly_old_before_the_switch_and_wholly_new_after_it() {
    let bench = Bench::gallery(true);
    bench.site.change(8);
    let (old, before) = (bench.site.state(), bench.site.leftovers());
    for point in [
        "restore.preflight.started",
        "restore.safety.stored",
        "restore.database.made",
        "restore.maintenance_on.acted",
        "restore.complete_safety.done",
    ] {
        let restore = cancelled_at(&bench, point);
        let what = format!("cancelled at {point}: {:#?}", bench.story(&restore));
        assert_eq!(bench.ended(&restore), "cancelled", "{what}");
        old.assert_untouched(&bench.site, &what);
        assert_eq!(bench.site.leftovers(), before, "{what}");
        bench.assert_open();
        bench.disarm();
    }
    bench.assert_no_nameless_snapshot();
    let restore = cancelled_at(&bench, "restore.switch_files.acted");
    assert_eq!(bench.ended(&restore), "succeeded", "{:#?}", bench.story(&restore));
    bench.good.assert_restored(&bench.site, "cancelled too late");
    bench.assert_open();
}

fn cancelled_at(bench: &Bench, point: &str) -> String {
    bench.arm(point, "wait");
    let restore = bench.restore();
    bench.wait_for_hit(point);
    let job = bench.ask(&format!("select job_id from restores where id = '{restore}'"));
    bench.cancel(&job);
    bench.go(point);
    restore
}
