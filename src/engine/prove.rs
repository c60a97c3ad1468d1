//! The proof that a snapshot can be restored, from a freshly opened index.

use super::Totals;
use super::failure::{Ours, reading};
use super::repository::Session;
use super::trees::{Place, STACK, Snapshot, check_depth, name_of};
use crate::base::error::{Error, Result};
use rustic_core::repofile::{Node, NodeType};
use rustic_core::{FileType, Id, ReadBackend, TreeId};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// With `content`, every piece of every file is read and hashed as well.
pub(super) fn run(session: &Session, snapshot: &str, content: bool) -> Result<Totals> {
    let _lock = session.lock_for_reading()?;
    let snapshot = &Snapshot::open(session, snapshot)?;
    let packs = session.adapter.list_with_size(FileType::Pack).ours()?.into_iter().collect();
    let mut proof = Proof { session, snapshot, packs, seen: HashMap::new(), read: content.then(HashSet::new) };
    let prove = move || reading(|| proof.tree(&snapshot.root(), Path::new("")));
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, prove)?;
        thread.join().unwrap_or_else(|_| Err(Error::internal("the proof broke off")))
    })
}

struct Proof<'a> {
    session: &'a Session,
    snapshot: &'a Snapshot,
    packs: HashMap<Id, u32>,
    /// Equal directories are looked at once.
    seen: HashMap<TreeId, Totals>,
    read: Option<HashSet<Id>>,
}

impl Proof<'_> {
    fn tree(&mut self, id: &TreeId, path: &Path) -> Result<Totals> {
        if let Some(totals) = self.seen.get(id) {
            return Ok(*totals);
        }
        check_depth(path)?;
        self.session.control.watch.check()?;
        let mut totals = Totals::default();
        let nodes = self.snapshot.tree(id).map_err(|e| e.context(shown(path)))?;
        for node in nodes {
            let path: PathBuf = path.join(name_of(&node));
            totals.add(self.node(&node, &path)?);
        }
        self.seen.insert(*id, totals);
        Ok(totals)
    }

    fn node(&mut self, node: &Node, path: &Path) -> Result<Totals> {
        match &node.node_type {
            NodeType::Dir => {
                let tree = node.subtree.ok_or_else(|| Error::damaged("the directory has no content").context(shown(path)))?;
                let mut totals = self.tree(&tree, path)?;
                totals.dirs += 1;
                Ok(totals)
            }
            NodeType::File => {
                self.file(node).map_err(|e| e.context(shown(path)))?;
                self.session.control.watch.add_files(1);
                Ok(Totals { files: 1, bytes: node.meta.size, ..Totals::default() })
            }
            NodeType::Symlink { .. } => Ok(Totals { links: 1, ..Totals::default() }),
            _ => Ok(Totals::default()),
        }
    }

    fn file(&mut self, node: &Node) -> Result<()> {
        for (id, place) in self.snapshot.places(node)? {
            self.pack(&place)?;
            if let Some(read) = &mut self.read
                && read.insert(*id)
            {
                self.session.control.watch.check()?;
                self.session.control.watch.add_bytes(self.snapshot.data(&id)?.len() as u64);
            }
        }
        Ok(())
    }

    fn pack(&self, place: &Place) -> Result<()> {
        let size = self.packs.get(&place.pack).ok_or_else(|| Error::damaged("a pack that holds a piece of it is missing"))?;
        if u64::from(place.offset) + u64::from(place.length) > u64::from(*size) {
            return Err(Error::damaged("a pack that holds a piece of it was cut short"));
        }
        Ok(())
    }
}

impl Totals {
    pub(crate) fn add(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.dirs += other.dirs;
        self.links += other.links;
    }
}

fn shown(path: &Path) -> String {
    if path.as_os_str().is_empty() { "the snapshot's root".to_owned() } else { path.display().to_string() }
}
