//! Where each point lies: before the switch, in it, after it, on the way back. A new one must be put into a table.

use crate::support::server::PROGRAM;
use std::collections::BTreeSet;
use std::process::Command;

/// Steps before the first switch, in order.
pub const BEFORE: [&str; 7] =
    ["preflight", "safety_backup", "stage_code", "stage_files", "stage_database", "maintenance_on", "complete_safety"];
pub const SWITCHES: [&str; 4] = ["switch_code", "switch_files", "switch_database", "switch_settings"];
pub const AFTER: [&str; 5] = ["reload", "check_data", "maintenance_off", "clear_caches", "ask_site"];

/// Points inside steps: an attempt that dies there is followed by one that goes on.
pub const INSIDE_ON: [&str; 10] = [
    "restore.begin",
    "restore.safety.named",
    "restore.safety.stored",
    "restore.safety.proven",
    "restore.safety.noted",
    "restore.trees.written",
    "restore.database.made",
    "restore.database.imported",
    "restore.end",
    "restore.ended",
];
/// Points inside the switches: the next attempt goes back.
pub const INSIDE_SWITCH: [&str; 5] = [
    "restore.trees.exchanged",
    "restore.database.switched",
    "restore.database.remembered",
    "restore.settings.written",
    "restore.settings.exchanged",
];
/// Points on the way back.
pub const INSIDE_BACK: [&str; 3] = ["restore.unwind", "restore.trees.carried_back", "restore.trees.exchanged_back"];

/// Everything that an attempt passes on its way forward and that the next one goes on from.
pub fn on() -> Vec<String> {
    let mut all: Vec<String> = INSIDE_ON.map(str::to_owned).into();
    for step in BEFORE.iter().chain(&AFTER) {
        all.extend(["planned", "started", "acted", "done"].map(|at| format!("restore.{step}.{at}")));
    }
    // Nothing is switched yet; everything is switched already.
    all.extend(["restore.switch_code.planned".to_owned(), "restore.switch_settings.done".to_owned()]);
    all
}

/// Every moment between the first switch and the last: armed one at a time. What `kill 1` means: at the second passing.
pub fn switching() -> Vec<(String, &'static str)> {
    let mut all = Vec::new();
    for step in SWITCHES {
        all.extend(["planned", "started", "acted", "done"].map(|at| (format!("restore.{step}.{at}"), "kill")));
    }
    all.retain(|(p, _)| p != "restore.switch_code.planned" && p != "restore.switch_settings.done");
    all.extend(INSIDE_SWITCH.map(|p| (p.to_owned(), "kill")));
    all.push(("restore.trees.exchanged".to_owned(), "kill 1"));
    all
}

/// Everything on the way back of a restore.
pub fn back() -> Vec<String> {
    let mut all: Vec<String> = INSIDE_BACK.map(str::to_owned).into();
    for step in BEFORE.iter().chain(&SWITCHES).chain(&AFTER) {
        all.extend(["undoing", "taken_back", "undone"].map(|at| format!("restore.{step}.{at}")));
    }
    all
}

pub fn listed() -> BTreeSet<String> {
    let out = Command::new(PROGRAM).arg("failpoints").output().expect("our own program starts");
    String::from_utf8(out.stdout).expect("names are text").lines().map(str::to_owned).collect()
}

#[test]
fn every_point_of_the_program_is_in_a_table_of_these_tests_and_the_other_way_round() {
    let mut ours: BTreeSet<String> = on().into_iter().chain(back()).chain(switching().into_iter().map(|p| p.0)).collect();
    ours.extend(super::backups::POINTS.map(str::to_owned));
    ours.extend(super::clean_ups::POINTS.map(str::to_owned));
    ours.extend(crate::drills::POINTS.map(str::to_owned));
    ours.extend(crate::downloads::POINTS.map(str::to_owned));
    ours.extend(crate::downloads::POINTS_ASIDE.map(str::to_owned));
    assert_eq!(listed(), ours);
}
