//! Chosen files and folders of a backup, instead of whole elements; of chosen tables, their names.
//!
//! They go through the same steps. What is exchanged is each of them by itself, with the name that it has on the live site;
//! where folders above it are gone there, the topmost of those comes with nothing else in it.

use super::targets;
use crate::app::backups::Manifest;
use crate::app::browse::Place;
use crate::app::environments::Opened;
use crate::app::{from_json, to_json};
use crate::base::error::{Class, Error, Result};
use crate::base::watch::Watch;
use crate::base::words::{percent_bytes, shown, unpercent};
use crate::domain::browse::Inner;
use crate::domain::element::Element;
use crate::domain::site::{Definition, inside};
use crate::domain::view::{CreateRestore, FileProblem};
use crate::domain::walk::{Nothing, Walk};
use crate::engine::{Kind, Repository};
use crate::hosting::host;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Paths of one restore: what is more is better restored as a folder.
const MOST: usize = 100;

/// How a table begins in the catalogue, where it stands among paths: no path does.
const TABLE: &str = "database/";

/// What was chosen instead of whole elements: files and folders of them, and tables of the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::app) struct Selection {
    pub paths: Vec<Inner>,
    pub tables: Vec<String>,
}

impl Selection {
    /// # Errors
    /// `Invalid` for what cannot be a path or a table.
    pub fn asked(definition: &Definition, new: &CreateRestore) -> Result<Self> {
        Ok(Self { paths: asked(definition, new)?, tables: tables(new)? })
    }
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.tables.is_empty()
    }
    pub fn elements(&self, definition: &Definition) -> Result<Vec<Element>> {
        let parts = of(definition, &self.paths)?;
        let has = |e: &Element| parts.iter().any(|p| p.element == *e) || (*e == Element::Database && !self.tables.is_empty());
        Ok(Element::ALL.into_iter().filter(has).collect())
    }
    /// As the catalogue keeps them.
    pub fn written(&self) -> Result<Option<String>> {
        if self.is_empty() {
            return Ok(None);
        }
        let tables = self.tables.iter().map(|table| format!("{TABLE}{}", percent_bytes(table.as_bytes())));
        to_json(&self.paths.iter().map(Inner::query).chain(tables).collect::<Vec<_>>()).map(Some)
    }
    pub fn read(written: Option<&str>) -> Result<Self> {
        let Some(written) = written else { return Ok(Self::default()) };
        let all: Vec<String> = from_json("paths of a restore", written)?;
        let mut selection = Self::default();
        for text in all {
            match text.strip_prefix(TABLE) {
                Some(table) => selection.tables.push(String::from_utf8_lossy(&unpercent(table)).into_owned()),
                None => selection.paths.push(Inner::of_query(&text)),
            }
        }
        Ok(selection)
    }
    /// For the activity log: the first ones by name.
    pub fn named(&self) -> String {
        let table = |t: &String| format!("table {}", shown(t.as_bytes()));
        let all: Vec<String> = self.paths.iter().map(Inner::shown).chain(self.tables.iter().map(table)).collect();
        let more = all.len().saturating_sub(3);
        let first = all[..all.len() - more].join(", ");
        if more > 0 { format!("{first} and {more} more") } else { first }
    }
}

/// The tables that were asked for: sorted, each once.
fn tables(new: &CreateRestore) -> Result<Vec<String>> {
    if new.tables.len() > MOST {
        return Err(Error::invalid(format!("more than {MOST} tables were named")).hint("restore the whole database"));
    }
    let bad = |table: &&String| table.is_empty() || table.len() > 300 || table.contains('\0');
    if let Some(table) = new.tables.iter().find(bad) {
        return Err(Error::invalid(format!("`{}` is not the name of a table", shown(table.as_bytes()))));
    }
    let mut all = new.tables.clone();
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// A file or folder that is restored by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub element: Element,
    /// The tree that it belongs to: in the snapshot, and on the live site.
    pub from: PathBuf,
    pub root: PathBuf,
    /// Below that; empty for the tree itself.
    pub below: PathBuf,
}

impl Part {
    /// In the snapshot.
    pub fn path(&self) -> PathBuf {
        if self.below.as_os_str().is_empty() { self.from.clone() } else { self.from.join(&self.below) }
    }
    pub fn live(&self) -> PathBuf {
        if self.below.as_os_str().is_empty() { self.root.clone() } else { self.root.join(&self.below) }
    }
    pub fn is_whole(&self) -> bool {
        self.below.as_os_str().is_empty()
    }
    /// For people.
    pub fn shown(&self) -> String {
        shown(self.path().as_os_str().as_bytes())
    }

    /// Where a path of a snapshot belongs.
    fn of(definition: &Definition, path: &Inner) -> Result<Self> {
        let path = path.path();
        if let Ok(below) = path.strip_prefix("code") {
            return Ok(Self { element: Element::Code, from: "code".into(), root: definition.root.clone(), below: below.to_owned() });
        }
        let dir = definition.files.iter().find(|dir| path.starts_with(Path::new("files").join(&dir.name)));
        let dir = dir.ok_or_else(|| {
            Error::invalid(format!("{} is in none of the directories of this environment", shown(path.as_os_str().as_bytes())))
                .hint("name it as it stands in the backup, for example files/public/logo.png or code/index.php")
        })?;
        let from = Path::new("files").join(&dir.name);
        let below = path.strip_prefix(&from).unwrap_or(Path::new("")).to_owned();
        Ok(Self { element: Element::Files, from, root: dir.path.clone(), below })
    }
}

/// What was asked for, as it stands in the backup: sorted, each once, and nothing that lies in something else.
///
/// # Errors
/// `Invalid` for what cannot be a path there.
fn asked(definition: &Definition, new: &CreateRestore) -> Result<Vec<Inner>> {
    if new.paths.len() + new.paths_hex.len() > MOST {
        return Err(Error::invalid(format!("more than {MOST} paths were named")).hint("restore the folder that they lie in"));
    }
    let hex = new.paths_hex.iter().map(|digits| Inner::of_text("", Some(digits)));
    let mut all = new.paths.iter().map(|text| Ok(resolved(definition, text))).chain(hex).collect::<Result<Vec<Inner>>>()?;
    for path in &all {
        let plain = path.path().components().all(|c| matches!(c, Component::Normal(_)));
        if path.is_root() || !plain || path.bytes().len() > 4000 || path.bytes().contains(&0) {
            return Err(Error::invalid(format!("`{}` is not the path of a file or folder in a backup", path.shown()))
                .hint("`sitekeep backup:browse` shows them, for example files/public/logo.png"));
        }
        Part::of(definition, path)?;
    }
    all.sort_by(|a, b| a.path().cmp(b.path()));
    let mut kept: Vec<Inner> = Vec::new();
    for path in all {
        if kept.last().is_none_or(|last| !path.path().starts_with(last.path())) {
            kept.push(path);
        }
    }
    Ok(kept)
}

/// `files/public/x` and `code/x` are paths of a backup; others are taken for paths on the site: absolute, or below its root.
fn resolved(definition: &Definition, text: &str) -> Inner {
    let inner = Inner::of_bytes(text.as_bytes());
    let first = inner.path().components().next().map(|c| c.as_os_str().to_owned()).unwrap_or_default();
    if !text.starts_with('/') && (first == "code" || first == "files") {
        return inner;
    }
    let live = if text.starts_with('/') { PathBuf::from(text.trim_end_matches('/')) } else { definition.root.join(inner.path()) };
    for dir in &definition.files {
        if let Ok(below) = live.strip_prefix(&dir.path) {
            return Inner::of_path(&Path::new("files").join(&dir.name).join(below));
        }
    }
    match inside(&definition.root, &live) {
        Some(below) => Inner::of_path(&Path::new("code").join(below)),
        None => inner,
    }
}

pub(super) fn of(definition: &Definition, paths: &[Inner]) -> Result<Vec<Part>> {
    paths.iter().map(|path| Part::of(definition, path)).collect()
}

/// What of the backup is compared with what on the live site.
///
/// # Errors
/// `Invalid` for what the backup does not hold, since it was left out, or belongs to another element.
pub(super) fn places(env: &Opened, element: Element, manifest: &Manifest, parts: &[Part]) -> Result<Vec<Place>> {
    let whole = targets::places(env, element, manifest);
    let mut places = Vec::new();
    for part in parts.iter().filter(|p| p.element == element) {
        let tree = whole.iter().find(|p| p.from == part.from);
        let tree = tree.ok_or_else(|| Error::invalid(format!("the backup has no {}", shown(part.from.as_os_str().as_bytes()))))?;
        if part.is_whole() {
            places.push(tree.clone());
            continue;
        }
        if tree.kept.iter().any(|kept| part.below.starts_with(kept)) {
            return Err(Error::invalid(format!("{} was left out of the backup, or is not a part of the {element}", part.shown()))
                .hint("`sitekeep backup:browse` shows what the backup holds"));
        }
        let (path, live) = (part.path(), part.live());
        let name = path.file_name().unwrap_or_default().to_owned();
        let kept = tree.kept.iter().filter_map(|kept| Some(Path::new(&name).join(kept.strip_prefix(&part.below).ok()?))).collect();
        let above = |path: &Path| path.parent().unwrap_or(Path::new("")).to_owned();
        places.push(Place { from: above(&path), live: above(&live), only: Some(name), kept });
    }
    Ok(places)
}

/// Does the backup hold them, whole?
///
/// # Errors
/// `Invalid`, naming the one that it does not hold.
pub(super) fn check(repository: &Repository, snapshot: &str, problems: &[FileProblem], parts: &[Part]) -> Result<()> {
    let look = repository.look(snapshot)?;
    for part in parts {
        let path = part.path();
        let entry = look.entry(&path).map_err(|e| if e.class() == Class::NotFound { e.with_class(Class::Invalid) } else { e })?;
        if !matches!(entry.kind, Kind::File | Kind::Directory | Kind::Link) {
            return Err(Error::invalid(format!("{} is neither a file nor a folder", part.shown())));
        }
        // A folder that could not be entered stands in the backup, empty.
        if entry.kind == Kind::Directory && problems.iter().any(|p| path == Path::new(&p.path)) {
            return Err(
                Error::invalid(format!("{} could not be read when the backup was made", part.shown())).hint("choose another backup")
            );
        }
    }
    Ok(())
}

/// Bytes of all files in these parts.
pub(super) fn weight(repository: &Repository, snapshot: &str, parts: &[Part], watch: &Watch) -> Result<u64> {
    let look = repository.look(snapshot)?;
    let mut walk = Walk::new(0, watch.clone());
    for path in parts.iter().map(Part::path) {
        let above = path.parent().unwrap_or(Path::new(""));
        walk.run(above, &Nothing, &look.below(above, path.file_name()))?;
    }
    watch.check()?;
    Ok(walk.found.added.bytes)
}

/// The topmost folder on the way to something that is not there on the live site, or the thing itself: relative to the root.
///
/// # Errors
/// `Permanent` where the way leads through a link, or a file.
pub(super) fn top(root: &Path, below: &Path) -> Result<PathBuf> {
    let mut way: Vec<&Path> = below.ancestors().skip(1).collect();
    way.reverse();
    for folder in way {
        if host::inode(&root.join(folder))?.is_none() {
            return Ok(folder.to_owned());
        }
    }
    // The folder that it lies in must be one, and not a link to one.
    host::inode(&root.join(below))?;
    Ok(below.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::site::{FilesDir, StackKind};

    fn definition() -> Definition {
        let mut definition = Definition::bare(StackKind::Drupal, Path::new("/srv/shop/web"));
        let dir = |name: &str, path: &str| FilesDir { name: name.into(), path: path.into() };
        definition.files = vec![dir("public", "/srv/shop/web/sites/default/files"), dir("private", "/srv/shop/private")];
        definition
    }

    fn wish(paths: &[&str]) -> CreateRestore {
        CreateRestore { paths: paths.iter().map(|p| (*p).to_owned()).collect(), ..CreateRestore::default() }
    }

    #[test]
    fn a_path_is_named_as_in_the_backup_or_as_on_the_site() {
        let table = [
            ("files/public/x.jpg", "files/public/x.jpg"),
            ("sites/default/files/x.jpg", "files/public/x.jpg"),
            ("/srv/shop/web/sites/default/files/a/b/", "files/public/a/b"),
            ("/srv/shop/private/c", "files/private/c"),
            ("index.php", "code/index.php"),
            ("code/index.php", "code/index.php"),
            ("files/private", "files/private"),
            ("code", "code"),
        ];
        for (typed, meant) in table {
            let paths = asked(&definition(), &wish(&[typed])).unwrap();
            assert_eq!(paths.iter().map(Inner::shown).collect::<Vec<_>>(), [meant], "{typed}");
        }
        let part = &of(&definition(), &asked(&definition(), &wish(&["sites/default/files/a/b"])).unwrap()).unwrap()[0];
        assert_eq!((part.element, part.live()), (Element::Files, "/srv/shop/web/sites/default/files/a/b".into()));
        assert_eq!((part.path(), part.is_whole()), ("files/public/a/b".into(), false));
    }

    #[test]
    fn what_cannot_be_a_path_is_refused_and_what_lies_in_another_is_not_named_twice() {
        for bad in ["", "/", "..", "code/../../etc/passwd", "files/unknown/x", "files", "code/\0", "./"] {
            let refused = asked(&definition(), &wish(&[bad]));
            assert!(refused.is_err(), "{bad:?} became {refused:?}");
        }
        let hex = CreateRestore { paths_hex: vec!["zz".into()], ..CreateRestore::default() };
        assert!(asked(&definition(), &hex).is_err());
        assert!(asked(&definition(), &wish(&["code/x"; 101])).is_err());
        let paths = asked(&definition(), &wish(&["code/b/c", "code/a", "code/b", "code/bc", "code/a"])).unwrap();
        assert_eq!(paths.iter().map(Inner::shown).collect::<Vec<_>>(), ["code/a", "code/b", "code/bc"]);
        let odd = vec![Inner::of_bytes(b"code/\xff\n,\"x"), Inner::of_bytes(b"code/%41")];
        for tables in [&[][..], &["wp_options"], &["a/b/", "ü `\"%41", ".."]] {
            let chosen = Selection { paths: odd.clone(), tables: tables.iter().map(|t| (*t).to_owned()).collect() };
            assert_eq!(Selection::read(chosen.written().unwrap().as_deref()).unwrap(), chosen);
        }
        let none = Selection::default();
        assert_eq!((none.written().unwrap(), Selection::read(None).unwrap()), (None, none));
    }
}
