//! Reading a snapshot: every tree and blob is hashed here, every name checked here, and nowhere else.
//!
//! The library checks that what it reads was sealed with the key, but not that it is what was asked for; and it hands out
//! names such as `../../x` as they were stored.

use super::failure::Ours;
use super::repository::{Session, checked_id};
use crate::base::error::{Error, Result};
use bytes::Bytes;
use rustic_core::repofile::{BlobType, Node, NodeType, SnapshotId, Tree};
use rustic_core::{DataId, FileType, Id, IndexedFullStatus, TreeId};
use sha2::{Digest, Sha256};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use std::sync::Arc;

/// Directories within directories: more than a path of 4,096 bytes can name by far, and few enough to recurse into with
/// [`STACK`].
pub(super) const DEEPEST: usize = 1000;
/// Bytes of stack for a thread that recurses through trees; only what is used takes memory.
pub(super) const STACK: usize = 32 << 20;

/// # Errors
/// `Damaged` below [`DEEPEST`] (and the few levels above a source): no backup of ours is that deep.
pub(super) fn check_depth(path: &Path) -> Result<()> {
    if path.components().count() <= DEEPEST + 16 {
        return Ok(());
    }
    Err(Error::damaged("directories lie in each other without an end"))
}

/// An opened snapshot with the whole index.
pub(super) struct Snapshot {
    pub repository: Arc<rustic_core::Repository<IndexedFullStatus>>,
    root: TreeId,
}

/// Snapshots by id, each with the root of its trees where it can be read.
pub(super) type Roots = Vec<(String, Option<TreeId>)>;

/// Where a blob lies, and how much is in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub pack: Id,
    pub offset: u32,
    /// Stored, in bytes.
    pub length: u32,
    /// Of the content, in bytes.
    pub size: u32,
}

impl Snapshot {
    /// # Errors
    /// `Invalid` for what is not an id; `NotFound` when there is no such snapshot.
    pub fn open(session: &Session, id: &str) -> Result<Self> {
        let id = checked_snapshot(session, id)?;
        Self::of(Arc::new(session.open()?.to_indexed().ours()?), id)
    }

    /// The same, where the index was read already.
    pub fn of(repository: Arc<rustic_core::Repository<IndexedFullStatus>>, id: SnapshotId) -> Result<Self> {
        let file: rustic_core::repofile::SnapshotFile = repository.get_file(&id).ours()?;
        Ok(Self { repository, root: file.tree })
    }

    /// The root of each of these, behind one opening of the index; none where the snapshot itself cannot be read.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn open_all(session: &Session, ids: &[String]) -> Result<(Self, Roots)> {
        let repository = session.open()?;
        let root = |id: &String| {
            let id: Id = checked_id(id)?.parse().ours()?;
            let file: rustic_core::repofile::SnapshotFile = repository.get_file(&SnapshotId::from(id)).ours()?;
            Ok::<_, Error>(file.tree)
        };
        let roots: Vec<_> = ids.iter().map(|id| (id.clone(), root(id).ok())).collect();
        Ok((Self { repository: Arc::new(repository.to_indexed().ours()?), root: TreeId::default() }, roots))
    }

    pub fn root(&self) -> TreeId {
        self.root
    }

    /// The nodes of a tree, their names checked.
    pub fn tree(&self, id: &TreeId) -> Result<Vec<Node>> {
        let bytes = self.blob(BlobType::Tree, id)?;
        let tree: Tree = serde_json::from_slice(&bytes).map_err(|e| Error::damaged(format!("a directory cannot be read: {e}")))?;
        for node in &tree.nodes {
            check_name(&node.name())?;
        }
        Ok(tree.nodes)
    }

    pub fn data(&self, id: &DataId) -> Result<Bytes> {
        self.blob(BlobType::Data, id)
    }

    pub fn blob(&self, kind: BlobType, id: &Id) -> Result<Bytes> {
        let content = self.repository.cat_blob(kind, &id.to_hex()).ours()?;
        if Id::new(Sha256::digest(&content).into()) != *id {
            return Err(Error::damaged("what is stored is not what was stored: its hash is another"));
        }
        Ok(content)
    }

    /// Where the index says that a piece of a file lies.
    pub fn place(&self, id: &DataId) -> Result<Place> {
        let entry = self.repository.get_index_entry(id).map_err(|_| Error::damaged("a piece of it is missing in the index"))?;
        let location = &entry.location;
        let size = location.uncompressed_length.map_or_else(|| location.length.saturating_sub(32), std::num::NonZeroU32::get);
        Ok(Place { pack: *entry.pack, offset: location.offset, length: location.length, size })
    }

    /// The places of all pieces of a file, which must add up to its size.
    pub fn places(&self, node: &Node) -> Result<Vec<(DataId, Place)>> {
        let pieces = node.content.iter().flatten().map(|id| Ok((*id, self.place(id)?))).collect::<Result<Vec<_>>>()?;
        let size: u64 = pieces.iter().map(|(_, place)| u64::from(place.size)).sum();
        if size != node.meta.size {
            return Err(Error::damaged(format!("its size is {}, but {size} bytes of it are stored", node.meta.size)));
        }
        Ok(pieces)
    }

    /// The node at `path`; the root for an empty one.
    pub fn find(&self, path: &Path) -> Result<Node> {
        let mut node = Node::new_node(OsStr::new("root"), NodeType::Dir, rustic_core::repofile::Metadata::default());
        node.subtree = Some(self.root);
        for part in path.components() {
            let missing = || Error::not_found(format!("{} is not in this backup", path.display()));
            let Component::Normal(name) = part else { return Err(missing()) };
            let tree = node.subtree.filter(|_| node.is_dir()).ok_or_else(missing)?;
            node = self.tree(&tree)?.into_iter().find(|n| *n.name() == *name).ok_or_else(missing)?;
        }
        Ok(node)
    }

    /// The nodes of a directory.
    pub fn children(&self, node: &Node) -> Result<Vec<Node>> {
        match (&node.node_type, &node.subtree) {
            (NodeType::Dir, Some(tree)) => self.tree(tree),
            (NodeType::Dir, None) => Err(Error::damaged("a directory has no content")),
            _ => Err(Error::invalid(format!("{:?} is not a directory", node.name()))),
        }
    }
}

/// Is the snapshot there, and the one that it is named after?
///
/// # Errors
/// `Invalid` for what is not an id; `NotFound`; `Damaged` when another file lies in its place.
pub(super) fn checked_snapshot(session: &Session, id: &str) -> Result<SnapshotId> {
    let id: Id = checked_id(id)?.parse().ours()?;
    let key = format!("{}/{}", FileType::Snapshot.dirname(), id.to_hex().as_str());
    match session.objects.get(&key) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(Error::not_found("the snapshot is not in the repository any more")),
        // A snapshot is named by the hash of its file: another file in its place is not it.
        Ok(content) if Id::new(Sha256::digest(&content).into()) != id => Err(Error::damaged("the file of the snapshot was altered")),
        _ => Ok(SnapshotId::from(id)),
    }
}

/// The one validator of names: whatever leaves the engine as a part of a path went through it.
pub(super) fn check_name(name: &OsStr) -> Result<()> {
    let bytes = name.as_bytes();
    let good = !bytes.is_empty() && bytes.len() <= 255 && bytes != b"." && bytes != b".." && !bytes.iter().any(|b| matches!(b, b'/' | 0));
    if good {
        return Ok(());
    }
    Err(Error::damaged(format!("{name:?} cannot be the name of a file: this repository was tampered with")))
}

/// A node's name as it goes to the file system.
pub(super) fn name_of(node: &Node) -> OsString {
    node.name().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_paths_are_refused() {
        let long = "x".repeat(256);
        for bad in ["", ".", "..", "a/b", "/abs", "../../x", "a\0b", long.as_str()] {
            assert!(check_name(OsStr::new(bad)).is_err(), "{bad:?} was accepted");
        }
        for good in ["...", "a b", "-rf", "\u{202e}x", "\n", &"x".repeat(255)] {
            assert!(check_name(OsStr::new(good)).is_ok(), "{good:?} was refused");
        }
    }
}
