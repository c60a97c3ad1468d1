//! Looking around in a snapshot: its folders, single entries, the beginning of a file, names that are searched for.
//!
//! A person turns pages here, so an answer must be quick, whatever else is in the snapshot: only the trees on the way are
//! read, and what was opened and read is kept for the next page, within bounds ([`shelf`]). What is kept has the hash of
//! all that it was made of for its key: where the repository lies, its key, and the index files or the tree. So nothing
//! that is kept can be out of date, nor another repository's. Who may look is not asked here.

mod folder;
mod nodes;
mod shelf;
mod side;

pub use folder::{Folder, Mark};
pub use side::Below;

use super::failure::{Ours, reading};
use super::repository::Session;
use super::trees::{Snapshot, checked_snapshot};
use super::{Entry, Kind};
use crate::base::error::{Error, Result};
use crate::base::secret::hex;
use crate::base::watch::Watch;
use rustic_core::repofile::{BlobType, Node};
use rustic_core::{IndexedFullStatus, TreeId};
use sha2::{Digest, Sha256};
use shelf::{Key, Shelf};
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// In memory an index takes about as much as its files on the storage, which are compressed.
static INDEXES: Shelf<rustic_core::Repository<IndexedFullStatus>> = Shelf::new(64 << 20);
static FOLDERS: Shelf<Folder> = Shelf::new(32 << 20);

/// A snapshot in which somebody looks around.
pub struct Look {
    snapshot: Snapshot,
    realm: Key,
}

/// What a search found.
#[derive(Clone, Debug, Default)]
pub struct Hits {
    /// In the order of their paths, folders before what is beside them.
    pub found: Vec<(PathBuf, Entry)>,
    /// Names that were looked at.
    pub looked: u64,
    /// It ended before it had seen all of them.
    pub stopped: bool,
}

/// A file in one snapshot, and a hash that tells whether it is the same in another.
#[derive(Clone, Debug)]
pub struct Version {
    pub entry: Entry,
    pub content: String,
}

impl Look {
    /// `realm`: where the repository lies and with which key.
    pub(super) fn open(session: &Session, realm: &str, snapshot: &str) -> Result<Self> {
        let id = checked_snapshot(session, snapshot)?;
        let realm: Key = Sha256::digest(realm).into();
        let mut files = session.objects.list("index").map_err(|e| Error::from(e).context("listing index of the repository"))?;
        files.sort_unstable();
        let weight = files.iter().map(|(_, size)| size).sum();
        let mut key = Sha256::new_with_prefix(realm);
        files.iter().for_each(|(name, _)| key.update(name));
        let index = INDEXES.get(key.finalize().into(), || Ok((session.open()?.to_indexed().ours()?, weight)))?;
        Ok(Self { snapshot: Snapshot::of(index, id)?, realm })
    }

    /// What lies in the folder at `path`; an empty one is the root.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when it is no folder; `Damaged`.
    pub fn folder(&self, path: &Path) -> Result<std::sync::Arc<Folder>> {
        reading(|| {
            let mut folder = self.tree(&self.snapshot.root())?;
            for name in names(path)? {
                let (_, tree) = folder.find(name.as_bytes()).ok_or_else(|| missing(path))?;
                folder = self.tree(&tree.ok_or_else(|| Error::invalid(format!("{} is not a folder", path.display())))?)?;
            }
            Ok(folder)
        })
    }

    /// # Errors
    /// `NotFound`, also for the root, which has no name.
    pub fn entry(&self, path: &Path) -> Result<Entry> {
        let (folder, name) = self.place(path)?;
        folder.find(name.as_bytes()).map(|(entry, _)| entry.clone()).ok_or_else(|| missing(path))
    }

    /// The folder that an entry is in, and its name. A file on the way is no folder, and so there is nothing below it.
    fn place<'a>(&self, path: &'a Path) -> Result<(std::sync::Arc<Folder>, &'a OsStr)> {
        let names = names(path)?;
        let (name, _) = names.split_last().ok_or_else(|| missing(path))?;
        let folder = self.folder(path.parent().unwrap_or(Path::new("")));
        let folder = folder.map_err(|e| if e.class() == crate::base::error::Class::Invalid { missing(path) } else { e })?;
        Ok((folder, name))
    }

    /// The entry with all that is known of it.
    fn node(&self, path: &Path) -> Result<Node> {
        let (_, name) = self.place(path)?; // is it there? asked of what is kept
        let parent = self.snapshot.find(path.parent().unwrap_or(Path::new("")))?;
        self.snapshot.children(&parent)?.into_iter().find(|n| *n.name() == *name).ok_or_else(|| missing(path))
    }

    /// A file, with a hash that is the same wherever its content is.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when it is no file; `Damaged`.
    pub fn version(&self, path: &Path) -> Result<Version> {
        let entry = self.file(path)?;
        reading(|| {
            let mut hash = Sha256::new();
            self.node(path)?.content.iter().flatten().for_each(|id| hash.update(id.to_hex().as_str()));
            Ok(Version { entry: entry.clone(), content: hex(&hash.finalize()) })
        })
    }

    fn file(&self, path: &Path) -> Result<Entry> {
        let entry = self.entry(path)?;
        if entry.kind == Kind::File { Ok(entry) } else { Err(Error::invalid(format!("{} is not a file", path.display()))) }
    }

    /// The first bytes of a file, at most `most`.
    ///
    /// # Errors
    /// As [`Look::version`].
    pub fn beginning(&self, path: &Path, most: usize) -> Result<Vec<u8>> {
        self.file(path)?;
        reading(|| {
            let mut out = Vec::new();
            for (id, _) in self.snapshot.places(&self.node(path)?)? {
                if out.len() >= most {
                    break;
                }
                out.extend_from_slice(&self.snapshot.data(&id)?);
            }
            out.truncate(most);
            Ok(out)
        })
    }

    /// Everything below `from` whose name is `wanted`, until there are `most`, or the watch says that it is enough.
    ///
    /// # Errors
    /// As [`Look::folder`].
    pub fn search(&self, from: &Path, wanted: &dyn Fn(&[u8]) -> bool, most: usize, watch: &Watch) -> Result<Hits> {
        let mut hits = Hits::default();
        let mut pending = vec![(from.to_owned(), None)];
        while let Some((path, tree)) = pending.pop() {
            super::trees::check_depth(&path)?;
            if watch.is_cancelled() {
                hits.stopped = true;
                break;
            }
            let folder = match tree {
                None => self.folder(&path)?,
                Some(id) => reading(|| self.fresh(&id)).map(std::sync::Arc::new)?,
            };
            hits.looked += folder.entries.len() as u64;
            for entry in folder.entries.iter().filter(|e| wanted(&e.name)) {
                if hits.found.len() == most {
                    hits.stopped = true;
                    return Ok(hits);
                }
                hits.found.push((path.join(OsStr::from_bytes(&entry.name)), entry.clone()));
            }
            pending.extend(folder.folders().rev().map(|(e, id)| (path.join(OsStr::from_bytes(&e.name)), Some(id))));
        }
        Ok(hits)
    }

    fn tree(&self, id: &TreeId) -> Result<std::sync::Arc<Folder>> {
        let key = Sha256::new_with_prefix(self.realm).chain_update(id.to_hex().as_str());
        FOLDERS.get(key.finalize().into(), || self.fresh(id).map(|folder| (folder.weight(), folder)).map(|(w, f)| (f, w)))
    }

    fn fresh(&self, id: &TreeId) -> Result<Folder> {
        Folder::read(&self.snapshot.blob(BlobType::Tree, id)?)
    }
}

impl std::fmt::Debug for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Look")
    }
}

/// The names on a path. Whatever else is in it (`..`, `/`) leads nowhere: nothing can have such a name.
fn names(path: &Path) -> Result<Vec<&OsStr>> {
    path.components()
        .map(|part| match part {
            Component::Normal(name) => Ok(name),
            _ => Err(missing(path)),
        })
        .collect()
}

fn missing(path: &Path) -> Error {
    Error::not_found(format!("{} is not in this backup", super::look::shown(path))).hint("check the path, and its upper and lower case")
}

/// A path for messages.
fn shown(path: &Path) -> String {
    crate::base::words::shown(&path.as_os_str().to_owned().into_vec())
}
