//! Repositories that were altered behind our back, in every kind of object: it is found, said without a panic, and what was
//! not damaged comes back.

use super::trials::{self, Dice};
use crate::support::little::noise;
use crate::support::{Scratch, write};
use sitekeep::base::clock::Millis;
use sitekeep::base::error::Class;
use sitekeep::base::identity::Identity;
use sitekeep::base::secret::Secret;
use sitekeep::base::watch::Watch;
use sitekeep::engine::{Exclude, Label, Location, Owners, Repository, Source, Tree};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A repository with three snapshots of a site that grew: each brought a folder of its own.
struct Bench {
    scratch: Scratch,
    repository: Repository,
    snapshots: Vec<String>,
    /// Which backup brought an object.
    brought: BTreeMap<PathBuf, usize>,
}

const BACKUPS: usize = 3;
const FILES: usize = 6;

impl Bench {
    fn new() -> Self {
        let scratch = Scratch::new();
        let place = Location::Local(scratch.join("repo"));
        let (repository, _) = Repository::create(&place, &Secret::new("recovery key")).unwrap();
        let mut bench = Self { scratch, repository, snapshots: Vec::new(), brought: BTreeMap::new() };
        bench.brought.extend(bench.objects().into_iter().map(|o| (o, BACKUPS)));
        for k in 0..BACKUPS {
            for n in 0..FILES {
                write(bench.scratch.join(format!("site/{k}/{n}")), content(k, n));
            }
            let tree = Tree {
                name: "files".into(),
                root: bench.scratch.join("site"),
                identity: Identity::of_process(),
                exclude: Exclude::default(),
                absent_is_empty: false,
            };
            let label = Label {
                host: "sitekeep".into(),
                path: "shop.live/files".into(),
                tags: vec![format!("backup={k}")],
                time: Millis(1_795_230_000_000 + k as i64),
                description: String::new(),
                afresh: false,
            };
            bench.snapshots.push(bench.repository.backup(vec![Source::Tree(tree)], &label, &Watch::new()).unwrap().snapshot);
            for object in bench.objects() {
                bench.brought.entry(object).or_insert(k);
            }
        }
        bench
    }

    /// Every file of the repository, by its path in it.
    fn objects(&self) -> Vec<PathBuf> {
        let root = self.scratch.join("repo");
        let mut found = Vec::new();
        let mut pending = vec![root.clone()];
        while let Some(dir) = pending.pop() {
            for entry in std::fs::read_dir(dir).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    pending.push(path);
                } else if !path.to_string_lossy().contains("/locks/") {
                    found.push(path.strip_prefix(&root).unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    }

    /// Is anything wrong, as the daily round and the proof of each snapshot see it?
    fn is_found(&self) -> Vec<String> {
        let mut found = Vec::new();
        match self.repository.check(None, u64::MAX, Duration::from_secs(600), &Watch::new()) {
            Ok(checked) => found.extend(checked.damaged.into_iter().chain(checked.others)),
            Err(e) => found.push(said(&e)),
        }
        for snapshot in &self.snapshots {
            found.extend(self.repository.prove_content(snapshot, &Watch::new()).err().map(|e| said(&e)));
        }
        found
    }

    /// One folder of one snapshot, restored alone: how many of its files came back. None may come back wrong.
    fn comes_back(&self, snapshot: usize, k: usize, object: &str) -> usize {
        let into = self.scratch.join("back");
        let _ = std::fs::remove_dir_all(&into);
        let mut whole = 0;
        for n in 0..FILES {
            std::fs::create_dir_all(&into).unwrap();
            let fd = std::fs::File::open(&into).unwrap().into();
            let owners = Owners { map: None, as_recorded: true, drop_setid: false };
            let part = [PathBuf::from(format!("files/{k}/{n}"))];
            let done = self.repository.restore_parts(&self.snapshots[snapshot], Path::new("files"), &part, &fd, &owners, &Watch::new());
            match (done, std::fs::read(into.join(format!("{k}/{n}")))) {
                (Ok(_), Ok(bytes)) => {
                    assert!(bytes == content(k, n), "{object}: files/{k}/{n} came back wrong");
                    whole += 1;
                }
                (Ok(_), Err(e)) => panic!("{object}: files/{k}/{n} was restored and is not there: {e}"),
                (Err(e), there) => {
                    said(&e);
                    assert!(there.is_err(), "{object}: half of files/{k}/{n} stayed");
                }
            }
            std::fs::remove_dir_all(&into).unwrap();
        }
        whole
    }
}

fn content(k: usize, n: usize) -> Vec<u8> {
    noise((k * 100 + n) as u64, 9000 + n * 500)
}

/// The sentence of an error, which must be one for people.
fn said(e: &sitekeep::base::error::Error) -> String {
    let text = e.to_string();
    assert!(matches!(e.class(), Class::Damaged | Class::Permanent | Class::NotFound), "{:?}: {text}", e.class());
    assert!(!text.contains("panicked") && !text.contains("unwrap") && !text.contains("RUST_BACKTRACE"), "{text}");
    text
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Flip,
    Truncate,
    Zero,
    Delete,
    Grow,
}

/// The bytes of an altered object; none for one that is gone.
fn altered(whole: &[u8], kind: Kind, dice: &mut Dice) -> Option<Vec<u8>> {
    let at = dice.below(whole.len() as u64) as usize;
    let mut bytes = whole.to_owned();
    match kind {
        Kind::Flip => bytes[at] ^= 1 << dice.below(8),
        Kind::Truncate => bytes.truncate(at),
        Kind::Zero => {
            let end = (at + 1 + dice.below(64) as usize).min(bytes.len());
            bytes[at..end].fill(0);
        }
        Kind::Grow => bytes.extend(noise(dice.number(), 1 + dice.below(100) as usize)),
        Kind::Delete => return None,
    }
    if bytes == whole {
        bytes[at] ^= 0x10; // it was zero already
    }
    Some(bytes)
}

/// The kinds of objects in turn, an object of that kind and a damage by chance.
fn damaged(bench: &Bench, n: u64, dice: &mut Dice) -> String {
    let folders = ["data", "index", "snapshots", "keys", "config"];
    let folder = folders[n as usize % folders.len()];
    let objects: Vec<&PathBuf> = bench.brought.keys().filter(|o| o.starts_with(folder)).collect();
    let object = *dice.one(&objects);
    let kind = *dice.one(&[Kind::Flip, Kind::Truncate, Kind::Zero, Kind::Delete, Kind::Grow]);
    let stage = format!("{kind:?} {folder}");
    let path = bench.scratch.join("repo").join(object);
    let whole = std::fs::read(&path).unwrap();
    match altered(&whole, kind, dice) {
        Some(bytes) => std::fs::write(&path, bytes).unwrap(),
        None => std::fs::remove_file(&path).unwrap(),
    }
    assert!(!bench.is_found().is_empty(), "{stage} of {} was not found", object.display());
    let by = bench.brought[object];
    for snapshot in 0..BACKUPS {
        for k in 0..=snapshot {
            let back = bench.comes_back(snapshot, k, &stage);
            // What needs neither the object nor the root that came with it is whole.
            let far = match folder {
                "data" => k != by && snapshot != by,
                "snapshots" => snapshot != by,
                "keys" => true,
                _ => false,
            };
            assert!(!far || back == FILES, "{stage} of {}: {back} of {FILES} in folder {k} of snapshot {snapshot}", object.display());
        }
    }
    std::fs::write(&path, &whole).unwrap();
    stage
}

#[test]
fn whatever_is_damaged_in_a_repository_is_found_and_what_is_not_comes_back() {
    let bench = Bench::new();
    assert_eq!(bench.is_found(), Vec::<String>::new());
    for n in 0..10 {
        damaged(&bench, n, &mut Dice::new(n));
    }
    assert_eq!(bench.is_found(), Vec::<String>::new(), "everything was put back");
}

#[test]
#[ignore = "minutes, by `make faults`; `make test` does ten, in the test above"]
fn faults_a_thousand_damages() {
    let bench = Bench::new();
    let what = "damage to an object of a repository (bit, cut, zeros, gone, longer; pack, index, snapshot, key, configuration)";
    trials::run("damage", what, (1000, 1), |n, dice| damaged(&bench, n, dice));
    assert_eq!(bench.is_found(), Vec::<String>::new(), "everything was put back");
}
