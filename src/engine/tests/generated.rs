//! Trees by the thousand, put together by chance so that they lead out of the folder that they are restored into.

use super::hostile::{Hostile, planted};
use super::*;
use crate::base::error::Class;
use crate::trials::{self, Dice};
use rustic_core::repofile::NodeType;
use std::path::Component;

/// Trees in one snapshot.
const BATCH: u64 = 500;

/// What lies around the folder that is restored into.
struct Ground {
    bench: Bench,
    canary: BTreeMap<Vec<u8>, String>,
}

impl Ground {
    fn new() -> Self {
        let bench = Bench::new();
        // Deep enough for every `..` of the names below.
        bench.scratch.dir("ground/a/b/c/d/into");
        std::fs::write(bench.scratch.dir("ground/outside").join("leaf"), b"untouched").unwrap();
        for dir in ["ground", "ground/a", "ground/a/b", "ground/a/b/c", "ground/a/b/c/d"] {
            std::fs::write(bench.scratch.at(dir).join("canary"), b"untouched").unwrap();
        }
        let canary = around(&bench);
        Self { bench, canary }
    }
}

/// Everything outside, but for the times of folders that lie above the one restored into.
fn around(bench: &Bench) -> BTreeMap<Vec<u8>, String> {
    let mut all = picture(&bench.scratch.at("ground"));
    let above: [&[u8]; 5] = [b"", b"a", b"a/b", b"a/b/c", b"a/b/c/d"];
    all.retain(|name, _| !name.starts_with(b"a/b/c/d/into") && !above.contains(&name.as_slice()));
    all
}

fn name(bench: &Bench, dice: &mut Dice) -> String {
    let plain = ["x", "y", "z", "link", "leaf", "canary", "-rf", "a\nb", "\u{1b}[31m", "\u{202e}gpj", "CON", "a\\b", "…", "'; --"];
    let hostile =
        ["..", ".", "", "../canary", "../../canary", "../../../../canary", "x/../../canary", "link/leaf", "nul\0", "a/b", "./x", "/"];
    match dice.below(10) {
        0..6 => (*dice.one(&plain)).to_owned(),
        6..9 => (*dice.one(&hostile)).to_owned(),
        _ if dice.below(2) == 0 => "n".repeat(1 + dice.below(400) as usize),
        _ => format!("{}/abs-{}", bench.scratch.at("ground").display(), dice.below(1000)),
    }
}

fn kind(bench: &Bench, dice: &mut Dice) -> NodeType {
    let targets = ["..", "../../../..", "outside/leaf", "/", "/etc/passwd", "."];
    match dice.below(10) {
        0..4 => NodeType::File,
        4..6 => NodeType::Dir,
        6 => NodeType::from_link(&bench.scratch.at("ground/outside")),
        7 => NodeType::from_link(Path::new(*dice.one(&targets))),
        8 => NodeType::Fifo,
        _ => NodeType::Chardev { device: 259 },
    }
}

/// Up to six entries, some of one name, directories with more of them inside.
fn grow(bench: &Bench, dice: &mut Dice, at: &Path, depth: u32, nodes: &mut Vec<(PathBuf, String, NodeType)>) {
    let mut last = name(bench, dice);
    for number in 0..1 + dice.below(6) {
        let name = if dice.below(4) == 0 { last.clone() } else { name(bench, dice) };
        let (path, kind) = (at.join(number.to_string()), if depth > 3 { NodeType::File } else { kind(bench, dice) });
        let is_dir = kind == NodeType::Dir;
        nodes.push((path.clone(), name.clone(), kind));
        if is_dir {
            grow(bench, dice, &path, depth + 1, nodes);
        }
        last = name;
    }
}

/// A batch in one snapshot, each tree restored by itself, some of them listed and packed, too.
fn restored(ground: &Ground, dice: &mut Dice) -> String {
    let bench = &ground.bench;
    let mut nodes = Vec::new();
    for n in 0..BATCH {
        grow(bench, dice, &PathBuf::from(format!("files/t{n}")), 0, &mut nodes);
    }
    let snapshot = planted(bench, Hostile(nodes));
    let (mut refused, into) = (0, bench.scratch.at("ground/a/b/c/d/into"));
    for n in 0..BATCH {
        let from = PathBuf::from(format!("files/t{n}"));
        let done = bench.repository.restore_tree(&snapshot, &from, &open(&into), &RECORDED, &Watch::new());
        if let Err(e) = done {
            assert!(matches!(e.class(), Class::Damaged | Class::Invalid | Class::Permanent), "{:?}: {e}", e.class());
            refused += 1;
        }
        assert_eq!(around(bench), ground.canary, "t{n} of {snapshot} left its folder");
        if n % 10 == 0 {
            packed(bench, &snapshot, &from);
        }
        std::fs::remove_dir_all(&into).unwrap();
        std::fs::create_dir(&into).unwrap();
    }
    bench.repository.forget(&[snapshot]).unwrap();
    format!("{refused} of {BATCH} refused")
}

/// Nothing that is listed is a path, and an archive that has an end leads nobody out of where it is unpacked.
fn packed(bench: &Bench, snapshot: &str, from: &Path) {
    for entry in bench.repository.list(snapshot, from).unwrap_or_default() {
        let name = entry.name.as_slice();
        assert!(!name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/') && !name.contains(&0), "{name:?}");
    }
    let mut out = Vec::new();
    if bench.repository.archive_folder(snapshot, from, &About::default(), &mut out, &Watch::new()).is_err() {
        return;
    }
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&out[..]));
    let mut seen = std::collections::BTreeSet::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        assert!(path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)), "{path:?}");
        assert!(seen.insert(path.clone()), "{path:?} twice: the second would go through the first");
        let kind = entry.header().entry_type();
        assert!(kind.is_file() || kind.is_dir() || kind.is_symlink(), "{path:?} is a {kind:?}");
    }
}

#[test]
fn a_thousand_trees_by_chance_do_not_lead_out_of_the_folder() {
    let ground = Ground::new();
    for seed in [1, 2] {
        restored(&ground, &mut Dice::new(seed));
    }
}

#[test]
#[ignore = "a quarter of an hour, by `make faults`; `make test` does a thousand, in the test above"]
fn faults_a_hundred_thousand_hostile_trees() {
    let mut ground = Ground::new();
    let what = "a tree of hostile names, links, devices and doubles that is restored: nothing outside of its folder changes";
    trials::run("hostile-trees", what, (200, BATCH), |n, dice| {
        if n % 20 == 0 {
            ground = Ground::new(); // a repository of many trees is slow, and that is not the question
        }
        restored(&ground, dice)
    });
}
