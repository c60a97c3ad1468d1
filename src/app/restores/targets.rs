//! What a step writes aside: the directories of an element, or the chosen parts of them.

use super::parts::{self, Part};
use super::run::Run;
use crate::app::backups::Manifest;
use crate::app::browse::Place;
use crate::app::environments::Opened;
use crate::app::servers::blocking;
use crate::base::error::{Error, Result};
use crate::domain::element::Element;
use crate::domain::site::{FilesDir, inside};
use crate::hosting::host;
use std::path::{Path, PathBuf};

/// A directory, or a chosen file or folder, that is restored: where it stands in the snapshot, and where it goes.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// In the staging directory.
    pub name: String,
    pub from: PathBuf,
    /// Of what stands there only these paths of the snapshot; none: all of a directory.
    pub only: Option<Vec<PathBuf>>,
    pub live: PathBuf,
    pub beside: PathBuf,
    pub carried: Vec<PathBuf>,
    /// A folder of which only chosen things are brought: good only where there is none.
    pub new: bool,
}

pub(super) async fn targets(run: &Run<'_>, element: Element, manifest: &Manifest) -> Result<Vec<Target>> {
    let whole = whole(run, element, manifest)?;
    let parts: Vec<Part> = run.parts()?.into_iter().filter(|part| part.element == element).collect();
    if parts.is_empty() {
        return Ok(whole);
    }
    blocking(move || {
        let mut targets = Vec::new();
        for part in parts {
            let tree = whole.iter().find(|t| t.from == part.from);
            let tree = tree.ok_or_else(|| Error::permanent(format!("the backup has no {}", part.from.display())))?;
            match part.is_whole() {
                true => targets.push(tree.clone()),
                false => add(&mut targets, element, tree, &part)?,
            }
        }
        Ok(targets)
    })
    .await
}

/// Several parts below a folder that is gone come with the one folder.
fn add(targets: &mut Vec<Target>, element: Element, tree: &Target, part: &Part) -> Result<()> {
    if tree.carried.iter().any(|kept| part.below.starts_with(kept)) {
        return Err(Error::permanent(format!("{} is not a part of the {element} that is restored here", part.shown())));
    }
    let top = parts::top(&part.root, &part.below)?;
    let at = |tree: &Path| if top.as_os_str().is_empty() { tree.to_owned() } else { tree.join(&top) };
    let (from, live) = (at(&tree.from), at(&part.root));
    if let Some(only) = targets.iter_mut().find(|t| t.live == live).and_then(|t| t.only.as_mut()) {
        only.push(part.path());
        return Ok(());
    }
    let below = |kept: &PathBuf| kept.strip_prefix(&top).ok().filter(|p| !p.as_os_str().is_empty()).map(Path::to_owned);
    targets.push(Target {
        name: format!("{element}-part-{}", targets.len()),
        from,
        only: Some(vec![part.path()]),
        live,
        beside: tree.beside.clone(),
        carried: tree.carried.iter().filter_map(below).collect(),
        new: top != part.below,
    });
    Ok(())
}

/// Whole directories.
fn whole(run: &Run<'_>, element: Element, manifest: &Manifest) -> Result<Vec<Target>> {
    let definition = &run.env.definition;
    if element == Element::Code {
        let mut carried = definition.nested();
        carried.extend(left_out_below(manifest, Path::new("code")));
        if run.is_elsewhere() {
            // Another environment's settings are not this one's.
            carried.extend(definition.settings.as_ref().and_then(|s| inside(&definition.root, s)));
        }
        carried.dedup();
        let root = definition.root.clone();
        return Ok(vec![Target {
            name: "code".into(),
            from: "code".into(),
            only: None,
            live: root.clone(),
            beside: root,
            carried,
            new: false,
        }]);
    }
    let mut targets = Vec::new();
    for dir in &definition.files {
        if !manifest.directories.iter().any(|d| d.name == dir.name) {
            continue;
        }
        let from = PathBuf::from("files").join(&dir.name);
        // Beside the code where that is possible: a staging directory inside the code would travel with it.
        let beside = match dir.path.starts_with(&definition.root) && host::same_file_system(&definition.root, &dir.path)? {
            true => definition.root.clone(),
            false => dir.path.clone(),
        };
        let carried = left_out_below(manifest, &from);
        let (name, live) = (format!("files-{}", dir.name), dir.path.clone());
        targets.push(Target { name, from, only: None, live, beside, carried, new: false });
    }
    if targets.is_empty() {
        return Err(Error::permanent("the backup has none of the directories of this environment")
            .hint("name the directories alike: `--files name=path` when a site is added"));
    }
    Ok(targets)
}

/// Trees that a restore of the element would replace: where each stands in the snapshot, where it lives, and what there
/// stays as it is.
pub(in crate::app) fn places(env: &Opened, element: Element, manifest: &Manifest) -> Vec<Place> {
    let definition = &env.definition;
    if element == Element::Code {
        let mut kept = definition.nested();
        kept.extend(left_out_below(manifest, Path::new("code")));
        return vec![Place { from: "code".into(), live: definition.root.clone(), only: None, kept }];
    }
    let there = definition.files.iter().filter(|dir| manifest.directories.iter().any(|d| d.name == dir.name));
    let place = |dir: &FilesDir| {
        let from = PathBuf::from("files").join(&dir.name);
        let kept = left_out_below(manifest, &from);
        Place { from, live: dir.path.clone(), only: None, kept }
    };
    there.map(place).collect()
}

/// What the backup left out below `from`, relative to it.
fn left_out_below(manifest: &Manifest, from: &Path) -> Vec<PathBuf> {
    manifest
        .left_out
        .iter()
        .filter_map(|l| Path::new(&l.path).strip_prefix(from).ok())
        .filter(|p| !p.as_os_str().is_empty())
        .map(Path::to_owned)
        .collect()
}
