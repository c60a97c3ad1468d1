//! Files and code: restored into the scratch place, and compared with what was read when the backup was made.

use super::run::{Run, millis};
use crate::app::backups::Manifest;
use crate::base::error::Result;
use crate::base::identity::Identity;
use crate::base::units;
use crate::base::watch::Watch;
use crate::domain::drill::{Compared, Fault, Pair};
use crate::domain::element::Element;
use crate::domain::site::{Definition, inside};
use crate::domain::tree::{MarkKind, Marks};
use crate::engine::{Owners, Repository, Restored, Totals};
use crate::hosting::host::{self, Scratch};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// More entries than these are counted and not compared one by one.
const COMPARED: usize = 3_000_000;

/// A directory: where it stands in the snapshot, and where in the scratch place.
struct Place {
    from: PathBuf,
    to: PathBuf,
}

/// Where a directory of files lies until the site is started: alone, below its path relative to the code where it belongs
/// inside that.
pub(super) fn aside(definition: &Definition, name: &str, path: &Path) -> PathBuf {
    match inside(&definition.root, path) {
        Some(relative) => Path::new("nested").join(name).join(relative),
        None => Path::new("files").join(name),
    }
}

fn places(definition: &Definition, element: Element, manifest: &Manifest) -> Vec<Place> {
    if element == Element::Code {
        return vec![Place { from: "code".into(), to: "code".into() }];
    }
    let place = |dir: &crate::domain::site::FilesDir| Place {
        from: Path::new("files").join(&dir.name),
        to: aside(definition, &dir.name, &dir.path),
    };
    manifest.directories.iter().map(place).collect()
}

/// What came back.
struct Came {
    totals: Totals,
    restored: Restored,
    /// Paths that are not as the snapshot says.
    odd: BTreeSet<String>,
}

pub(super) async fn drill(run: &mut Run<'_>, element: Element) -> Result<()> {
    let Some((source, snapshot, manifest)) = run.element(element)? else { return Ok(()) };
    run.attempt.phase(&format!("Restoring the {element} into the scratch folder"), Some(source.size.unsigned_abs())).await?;
    let began = Instant::now();
    let places = places(&run.definition, element, &manifest);
    let (repository, scratch, id) = (run.repository.clone(), run.scratch.clone(), snapshot.clone());
    let came = run.attempt.blocking(move |watch| restore(&repository, &scratch, &id, &places, watch)).await?;
    let files = Pair { expected: source.files.unsigned_abs(), found: came.totals.files };
    let bytes = Pair { expected: source.size.unsigned_abs(), found: came.totals.bytes };
    // What could not be read, or went away meanwhile, was told when the backup was made.
    let whole = source.problems == "[]" && manifest.vanished == 0;
    if whole && files.found < files.expected {
        let missing = files.expected - files.found;
        run.found(Fault::Files, Some(element), format!("{} of {} are not in the backup", missing, units::count(files.expected, "file")));
    } else if whole && (files.found != files.expected || bytes.found != bytes.expected) {
        let said = format!(
            "{} with {} were read, and the backup has {} with {}",
            units::count(files.expected, "file"),
            units::size(bytes.expected),
            units::count(files.found, "file"),
            units::size(bytes.found)
        );
        run.found(Fault::Content, Some(element), said);
    }
    if !came.odd.is_empty() {
        let shown = came.odd.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
        run.found(Fault::Content, Some(element), format!("{} on the disk are not as in the backup: {shown}", came.odd.len()));
    }
    let restored = came.restored;
    run.attempt
        .info(format!(
            "{}, {}, each read back from the disk with its hash",
            units::count(restored.files, "file"),
            units::size(restored.bytes)
        ))
        .await;
    run.evidence.elements.push(Compared { element, snapshot, files, bytes, hashed: restored.files, took: millis(began) });
    Ok(())
}

fn restore(repository: &Repository, scratch: &Scratch, snapshot: &str, places: &[Place], watch: &Watch) -> Result<Came> {
    let mut came = Came { totals: repository.prove(snapshot, watch)?, restored: Restored::default(), odd: BTreeSet::new() };
    // In a place where nobody else may enter, files are whose they were.
    let owners = Owners { map: None, as_recorded: true, drop_setid: true };
    for place in places {
        let into = scratch.dir(&place.to)?;
        let restored = repository.restore_tree(snapshot, &place.from, &into, &owners, watch)?;
        came.restored.files += restored.files;
        came.restored.bytes += restored.bytes;
        let differing = repository.differing(snapshot, &place.from, &scratch.path().join(&place.to), watch)?;
        came.odd.extend(differing.iter().map(|path| place.from.join(path).display().to_string()));
        let there = host::tree_marks(&scratch.path().join(&place.to), &[], &Identity::of_process(), COMPARED)?;
        if let (Some(there), Some(meant)) = (there, repository.marks(snapshot, &place.from, COMPARED, watch)?) {
            came.odd.extend(odd(&there, &meant).map(|path| place.from.join(path).display().to_string()));
        }
    }
    Ok(came)
}

/// Paths that are in one of the two alone, or of another kind or size in the other.
fn odd<'a>(there: &'a Marks, meant: &'a Marks) -> impl Iterator<Item = &'a PathBuf> {
    let like = |path: &PathBuf, mark: &crate::domain::tree::Mark| {
        there.get(path).is_some_and(|now| (now.kind, now.size) == (mark.kind, mark.size))
    };
    let kept = |mark: &crate::domain::tree::Mark| mark.kind != MarkKind::Other;
    let lacking = meant.iter().filter(move |(path, mark)| kept(mark) && !like(path, mark)).map(|(path, _)| path);
    lacking.chain(there.keys().filter(|path| !meant.contains_key(*path)))
}
