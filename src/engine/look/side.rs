//! A snapshot as one of two trees that are compared. Folders are known by the hash of their tree, files by the hashes of
//! their pieces, so that only what differs is read.

use super::nodes::{name, nodes};
use super::{Look, names, reading};
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::domain::walk::{Hash, Item, ItemKind, Side};
use rustic_core::jiff::Timestamp;
use rustic_core::repofile::BlobType;
use rustic_core::{Id, TreeId};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What lies below a path of a snapshot; one that is not in it holds nothing.
#[derive(Debug)]
pub struct Below<'a> {
    look: &'a Look,
    root: PathBuf,
    /// Of the root only the entry of this name.
    only: Option<Vec<u8>>,
}

impl Look {
    /// The tree below `root`; of the root itself only the entry `only`, where one is named.
    pub fn below(&self, root: &Path, only: Option<&OsStr>) -> Below<'_> {
        Below { look: self, root: root.to_owned(), only: only.map(|name| name.as_bytes().to_vec()) }
    }
}

impl Below<'_> {
    /// Of a folder that the walk did not come to through the one above it.
    fn tree_at(&self, path: &Path) -> Result<Option<TreeId>> {
        let mut tree = self.look.snapshot.root();
        for name in names(&self.root.join(path))? {
            let folder = self.look.tree(&tree)?;
            match folder.find(name.as_bytes()) {
                Some((_, Some(below))) => tree = below,
                _ => return Ok(None),
            }
        }
        Ok(Some(tree))
    }
}

impl Side for Below<'_> {
    fn list(&self, path: &Path, folder: Option<&Item>) -> Result<Option<Vec<Item>>> {
        reading(|| {
            let known = folder.and_then(|folder| folder.tree).map(|hash| TreeId::from(Id::new(hash)));
            let Some(tree) = known.map_or_else(|| self.tree_at(path), |tree| Ok(Some(tree)))? else { return Ok(Some(Vec::new())) };
            let mut items = read(&self.look.snapshot.blob(BlobType::Tree, &tree)?)?;
            if let (true, Some(only)) = (path.as_os_str().is_empty(), &self.only) {
                items.retain(|item| item.name == *only);
            }
            Ok(Some(items))
        })
        .map_err(|e| if e.class() == Class::NotFound { e } else { e.context(format!("comparing {}", super::shown(path))) })
    }
}

/// The items of a tree as it is stored, by the bytes of their names.
fn read(tree: &[u8]) -> Result<Vec<Item>> {
    let mut items = nodes::<Line<'_>>(tree)?.iter().map(Line::item).collect::<Result<Vec<_>>>()?;
    items.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(items)
}

/// What is compared of a node. The rest is passed over.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: &'a str,
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<&'a str>,
    #[serde(default)]
    size: u64,
    #[serde(borrow, default)]
    content: Option<Vec<&'a str>>,
    #[serde(borrow, default)]
    linktarget: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    linktarget_raw: Option<Cow<'a, str>>,
    subtree: Option<TreeId>,
}

impl Line<'_> {
    fn item(&self) -> Result<Item> {
        let kind = match self.kind {
            "file" => ItemKind::File,
            "dir" => ItemKind::Folder,
            "symlink" => ItemKind::Link,
            _ => ItemKind::Other,
        };
        if kind == ItemKind::Folder && self.subtree.is_none() {
            return Err(Error::damaged("a directory has no content"));
        }
        let is_file = kind == ItemKind::File;
        let mtime = self.mtime.filter(|_| is_file).and_then(|text| text.parse::<Timestamp>().ok());
        Ok(Item {
            name: name(&self.name)?,
            kind,
            size: if is_file { self.size } else { 0 },
            modified: mtime.and_then(|at| i64::try_from(at.as_nanosecond().div_euclid(1_000_000)).ok()).map(Millis),
            content: self.content(kind),
            meta: Some(hash([format!("{:?} {:?} {:?} {:?}", self.mode, self.uid, self.gid, self.mtime).as_str()])),
            tree: self.subtree.filter(|_| kind == ItemKind::Folder).and_then(|tree| bytes_of(&tree)),
        })
    }

    fn content(&self, kind: ItemKind) -> Option<Hash> {
        match kind {
            ItemKind::File => Some(hash(self.content.iter().flatten().copied())),
            ItemKind::Link => Some(hash([self.linktarget.as_deref(), self.linktarget_raw.as_deref()].into_iter().flatten())),
            _ => None,
        }
    }
}

fn bytes_of(tree: &TreeId) -> Option<Hash> {
    let digits = tree.to_hex();
    let text = digits.as_str();
    let mut bytes = [0; 32];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> Hash {
    let mut hash = Sha256::new();
    parts.into_iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}
