//! Attempts at restores of chosen tables that die at each point.

use super::bench::Bench;
use super::points;
use super::site::{Site, State};
use super::unwound;

/// What is changed in a site: the state before a restore of chosen tables, and the one after it.
fn damaged(bench: &Bench, chosen: &[&str]) -> (State, State) {
    bench.site.change(1);
    match &bench.site {
        Site::Gallery(g) => drop(g.server.sql(&bench.site.database(), "drop table key_value; update config set data = 'since'")),
        Site::Notes(n) => n.sql("insert into log values ('now', 'since'); drop index notes_title"),
    }
    let old = bench.site.state();
    let mut new = old.clone();
    for name in bench.good.rows.names().filter(|name| of_chosen(name, chosen)) {
        new.rows.insert(name, bench.good.rows.get(name).expect("it was backed up"));
    }
    assert!(old.rows.get("table config").is_none_or(|rows| Some(rows) != bench.good.rows.get("table config")));
    (old, new)
}

fn of_chosen(part: &str, chosen: &[&str]) -> bool {
    let of_notes = ["index notes_title", "trigger noted"].contains(&part) && chosen.contains(&"notes");
    of_notes || chosen.iter().any(|table| part == format!("table {table}"))
}

const GALLERY: [&str; 3] = ["node_field_data", "node__body", "key_value"];
const NOTES: [&str; 1] = ["notes"];

/// Points that lie on the way of a restore of tables: there are no directories, and no settings to rewrite.
fn on_the_way(point: &str) -> bool {
    !["trees", "settings", "code", "files"].iter().any(|other| point.contains(other))
}

/// With one switch its first moment is one before it, and its last one is one after it.
fn in_the_switch(point: &str) -> bool {
    on_the_way(point) && !["restore.switch_database.planned", "restore.switch_database.done"].contains(&point)
}

fn come_back_though_killed_everywhere(bench: &Bench, chosen: &[&str]) {
    let (old, new) = damaged(bench, chosen);
    let before = bench.site.leftovers();
    let everywhere = || {
        let ends = ["restore.switch_database.planned", "restore.switch_database.done"].map(str::to_owned);
        points::on().into_iter().chain(ends).filter(|p| on_the_way(p))
    };
    everywhere().for_each(|p| bench.arm(&p, "kill"));
    let restore = bench.restore_tables(chosen);
    let state = bench.ended(&restore);
    let what = format!("killed everywhere but in the switch: {:#?}", bench.story(&restore));
    assert_eq!(state, "succeeded", "{what}");
    new.assert_untouched(&bench.site, &what);
    bench.assert_open();
    bench.assert_safe(&restore);
    let left: Vec<String> = bench.disarm().into_iter().collect();
    assert!(left.is_empty(), "nobody came by {left:?}");
    // An undo that dies in its switch leaves the restored site.
    for point in
        ["restore.switch_database.started", "restore.database.switched", "restore.database.remembered", "restore.switch_database.acted"]
    {
        bench.arm(point, "kill");
        let undo = bench.undo(&restore);
        let state = bench.ended(&undo);
        let what = format!("an undo killed at {point}: {:#?}", bench.story(&undo));
        assert_eq!(state, "unwound", "{what}");
        assert!(bench.was_hit(point), "{what}");
        new.assert_untouched(&bench.site, &what);
        bench.assert_open();
        bench.disarm();
    }
    everywhere().filter(|p| !p.contains("stage")).for_each(|p| bench.arm(&p, "kill"));
    let undo = bench.undo(&restore);
    let state = bench.ended(&undo);
    let what = format!("an undo killed everywhere but in the switch: {:#?}", bench.story(&undo));
    assert_eq!(state, "succeeded", "{what}");
    old.assert_untouched(&bench.site, &what);
    bench.disarm();
    assert!(bench.site.leftovers().len() > before.len(), "what an undo of the undo needs");
    let undo = bench.undo(&undo);
    assert_eq!(bench.ended(&undo), "succeeded", "{:#?}", bench.story(&undo));
    new.assert_untouched(&bench.site, "the undo was undone");
    bench.assert_open();
    bench.assert_no_nameless_snapshot();
}

#[test]
fn killed_everywhere_but_in_the_switch_chosen_tables_come_back_and_their_undo_is_exact() {
    come_back_though_killed_everywhere(&Bench::gallery(true), &GALLERY);
}

#[test]
fn killed_everywhere_but_in_the_switch_chosen_tables_of_a_file_come_back_and_their_undo_is_exact() {
    come_back_though_killed_everywhere(&Bench::notes(), &NOTES);
}

#[test]
fn killed_at_every_moment_of_the_switch_none_of_the_chosen_tables_came_back() {
    for (bench, chosen) in [(Bench::gallery(false), &GALLERY[..]), (Bench::notes(), &NOTES)] {
        let (old, _) = damaged(&bench, chosen);
        unwound::by_death(&bench, &old, in_the_switch, || bench.restore_tables(chosen));
    }
}

#[test]
fn a_failure_after_any_step_of_chosen_tables_leaves_the_site_as_it_was() {
    for (bench, chosen) in [(Bench::gallery(true), &GALLERY[..]), (Bench::notes(), &NOTES)] {
        let (old, _) = damaged(&bench, chosen);
        unwound::by_failure(&bench, &old, on_the_way, || bench.restore_tables(chosen));
    }
}
