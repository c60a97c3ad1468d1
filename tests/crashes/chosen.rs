//! Attempts at restores of chosen files and folders that die at each point.

use super::bench::Bench;
use super::points;
use super::site::State;
use super::unwound;

/// One that is another now, and two below a folder that is gone.
const CHOSEN: [&str; 3] = ["code/EDITION", "files/media/2024/photo-3.png", "files/media/2024/photo-4.png"];
const COME_BACK: [&str; 4] = ["code EDITION", "code media/2024", "code media/2024/photo-3.png", "code media/2024/photo-4.png"];

fn damaged() -> (Bench, State, State) {
    let bench = Bench::notes();
    bench.site.change(1);
    std::fs::remove_dir_all(bench.site.root().join("media/2024")).expect("it is there");
    let old = bench.site.state();
    let mut new = old.clone();
    for name in COME_BACK {
        new.files.insert(name, bench.good.files.get(name).expect("it was backed up"));
    }
    (bench, old, new)
}

/// What lies in the staging directories.
fn aside(bench: &Bench) -> Vec<String> {
    let entries = bench.site.leftovers().into_iter().flat_map(|dir| std::fs::read_dir(dir).expect("it can be listed").flatten());
    entries.map(|e| e.file_name().to_string_lossy().into_owned()).filter(|name| name != ".ticket").collect()
}

/// Points that lie on the way of a restore without a database, and without settings to rewrite.
fn on_the_way(point: &str) -> bool {
    !point.contains("database") && !["restore.settings.written", "restore.settings.exchanged"].contains(&point)
}

#[test]
fn killed_everywhere_but_in_the_switch_chosen_files_come_back_and_their_undo_is_exact() {
    let (bench, old, new) = damaged();
    points::on().iter().filter(|p| on_the_way(p)).for_each(|p| bench.arm(p, "kill"));
    let restore = bench.restore_only(&CHOSEN);
    let state = bench.ended(&restore);
    let what = format!("killed everywhere but in the switch: {:#?}", bench.story(&restore));
    assert_eq!(state, "succeeded", "{what}");
    new.assert_untouched(&bench.site, &what);
    bench.assert_open();
    bench.assert_safe(&restore);
    let left: Vec<String> = bench.disarm().into_iter().collect();
    assert!(left.is_empty(), "nobody came by {left:?}");
    assert_eq!(aside(&bench), ["code-part-0"], "what was replaced, and nothing of what died on the way");
    // An undo that dies in its switch leaves the restored site.
    for point in ["restore.trees.exchanged", "restore.switch_files.acted", "restore.switch_code.started"] {
        bench.arm(point, "kill");
        bench.arm("restore.trees.exchanged_back", "kill");
        let undo = bench.undo(&restore);
        let state = bench.ended(&undo);
        let what = format!("an undo killed at {point}: {:#?}", bench.story(&undo));
        assert_eq!(state, "unwound", "{what}");
        assert!(bench.was_hit(point), "{what}");
        new.assert_untouched(&bench.site, &what);
        bench.assert_open();
        bench.disarm();
    }
    points::on().iter().filter(|p| on_the_way(p) && !p.contains("switch")).for_each(|p| bench.arm(p, "kill"));
    let undo = bench.undo(&restore);
    let state = bench.ended(&undo);
    let what = format!("an undo killed everywhere but in the switch: {:#?}", bench.story(&undo));
    assert_eq!(state, "succeeded", "{what}");
    old.assert_untouched(&bench.site, &what);
    bench.disarm();
    let undo = bench.undo(&undo);
    assert_eq!(bench.ended(&undo), "succeeded", "{:#?}", bench.story(&undo));
    new.assert_untouched(&bench.site, "the undo was undone");
    bench.assert_open();
    bench.assert_no_nameless_snapshot();
}

#[test]
fn killed_at_every_moment_of_the_switch_none_of_the_chosen_files_came_back() {
    let (bench, old, _) = damaged();
    unwound::by_death(&bench, &old, on_the_way, || bench.restore_only(&CHOSEN));
}

#[test]
fn a_failure_after_any_step_of_chosen_files_leaves_the_site_as_it_was() {
    let (bench, old, _) = damaged();
    unwound::by_failure(&bench, &old, on_the_way, || bench.restore_only(&CHOSEN));
}

/// Letting visitors in writes the settings anew, and keeping them out again does, too: they go back all the same.
#[test]
fn settings_that_were_written_anew_since_the_switch_go_back_all_the_same() {
    let bench = Bench::gallery(true);
    let first = bench.restore();
    assert_eq!(bench.ended(&first), "succeeded", "{:#?}", bench.story(&first));
    bench.site.change(1);
    let (old, before) = (bench.site.state(), bench.site.leftovers());
    let database = || {
        let args =
            ["backup:restore", super::bench::ENV, "--backup", &bench.backup, "--element=database", "--yes", "--no-wait", "--field", "id"];
        bench.server.must(&args).trim().to_owned()
    };
    let settings = || bench.restore_only(&["code/sites/default/settings.php", "files/public/2024-01/two.png"]);
    for (point, action) in [
        ("restore.ask_site.acted", "error"),
        ("restore.maintenance_off.acted", "error"),
        ("restore.switch_settings.acted", "kill"),
        ("restore.settings.exchanged", "kill"),
        ("restore.trees.exchanged", "kill"),
    ] {
        for (what, begin) in [("settings", &settings as &dyn Fn() -> String), ("database", &database)] {
            if what == "database" && point == "restore.trees.exchanged" && action == "kill" {
                continue;
            }
            bench.arm(point, action);
            let restore = begin();
            let state = bench.ended(&restore);
            let what = format!("{what}, {action} at {point}: {:#?}", bench.story(&restore));
            assert_eq!(state, "unwound", "{what}");
            old.assert_untouched(&bench.site, &what);
            assert_eq!(bench.site.leftovers(), before, "{what}");
            bench.assert_open();
            bench.disarm();
        }
    }
    let restore = settings();
    assert_eq!(bench.ended(&restore), "succeeded", "{:#?}", bench.story(&restore));
    let undo = bench.undo(&restore);
    assert_eq!(bench.ended(&undo), "succeeded", "{:#?}", bench.story(&undo));
    old.assert_untouched(&bench.site, "undone");
}
