//! What is to be written, and where its pieces lie. The directories are made on the way.

use super::kept::{Kept, Rights};
use super::target::Target;
use super::{Failures, Restored};
use crate::base::error::{Error, Result};
use crate::engine::trees::{Snapshot, check_depth, name_of};
use rustic_core::repofile::{Node, NodeType};
use rustic_core::{DataId, Id, TreeId};
use rustix::fs::Mode;
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;

pub(super) struct Plan {
    /// The target itself first, each before what is in it.
    pub folders: Vec<Folder>,
    pub files: Vec<File>,
    pub links: Vec<Link>,
    /// Further names of files.
    pub hard_links: Vec<HardLink>,
    /// In the order in which they lie in the packs.
    pub pieces: Vec<Piece>,
    pub packs: Vec<Id>,
}

pub(super) struct Folder {
    pub path: PathBuf,
    pub kept: Kept,
}

pub(super) struct File {
    pub folder: usize,
    pub name: OsString,
    pub size: u64,
    pub kept: Kept,
    /// Pieces that are not written yet.
    pub left: AtomicU32,
    pub pieces: u32,
    pub made: Mutex<bool>,
}

pub(super) struct Link {
    pub folder: usize,
    pub name: OsString,
    pub to: PathBuf,
    pub kept: Kept,
}

pub(super) struct HardLink {
    pub folder: usize,
    pub name: OsString,
    pub file: usize,
}

/// A piece of a file.
pub(super) struct Piece {
    pub pack: u32,
    pub offset: u32,
    pub length: u32,
    pub id: DataId,
    pub file: u32,
    /// Where in the file.
    pub at: u64,
}

impl Plan {
    /// `wanted` judges paths relative to `from`; `root` is what the target becomes.
    pub fn make(
        snapshot: &Snapshot,
        from: &Node,
        root: Kept,
        wanted: &dyn Fn(&Path) -> bool,
        target: &Target,
        rights: &Rights,
        failures: &Failures<'_>,
    ) -> Result<Self> {
        let root = Folder { path: PathBuf::new(), kept: root };
        let (files, links, hard_links, pieces, packs) = Default::default();
        let mut maker = Maker {
            plan: Self { folders: vec![root], files, links, hard_links, pieces, packs },
            pack_numbers: HashMap::new(),
            inodes: HashMap::new(),
            rights,
        };
        // Trees are read when it is their turn: only one directory's nodes are in memory.
        let mut open = vec![(0, tree_of(from)?)];
        while let Some((folder, tree)) = open.pop() {
            failures.session.control.watch.check()?;
            let path = maker.plan.folders[folder].path.clone();
            let nodes = match check_depth(&path).and_then(|()| snapshot.tree(&tree)) {
                Ok(nodes) => nodes,
                Err(e) => {
                    failures.note(&path, e);
                    continue;
                }
            };
            let fd = target.folder(&path)?;
            for node in nodes {
                let name = name_of(&node);
                let at = path.join(&name);
                if !wanted(&at) {
                    continue;
                }
                let planned = maker.node(snapshot, folder, &fd, node, name);
                match planned {
                    Ok(Some(inner)) => open.push(inner),
                    Ok(None) => {}
                    Err(e) => failures.note(&at, e),
                }
            }
        }
        let mut plan = maker.plan;
        plan.pieces.sort_unstable_by_key(|piece| (piece.pack, piece.offset));
        Ok(plan)
    }

    pub fn path(&self, folder: usize, name: &OsString) -> PathBuf {
        self.folders[folder].path.join(name)
    }

    pub fn paths(&self) -> u64 {
        let restored = self.restored();
        restored.files + restored.dirs + restored.links
    }

    pub fn restored(&self) -> Restored {
        let hard: u64 = self.hard_links.iter().map(|link| self.files[link.file].size).sum();
        Restored {
            files: (self.files.len() + self.hard_links.len()) as u64,
            bytes: hard + self.files.iter().map(|file| file.size).sum::<u64>(),
            dirs: self.folders.len() as u64 - 1,
            links: self.links.len() as u64,
        }
    }
}

struct Maker<'a> {
    plan: Plan,
    pack_numbers: HashMap<Id, u32>,
    /// Files of more than one name, by device and inode, with their content.
    inodes: HashMap<(u64, u64), (usize, Vec<DataId>)>,
    rights: &'a Rights,
}

impl Maker<'_> {
    /// Plans one node; a directory is made, and its tree is returned to be planned next.
    fn node(&mut self, snapshot: &Snapshot, folder: usize, fd: &OwnedFd, node: Node, name: OsString) -> Result<Option<(usize, TreeId)>> {
        let kept = self.rights.keep(&node.meta, node.is_dir());
        match &node.node_type {
            NodeType::Dir => {
                rustix::fs::mkdirat(fd, &name, Mode::from_raw_mode(0o700))?;
                let path = self.plan.path(folder, &name);
                self.plan.folders.push(Folder { path, kept });
                return Ok(Some((self.plan.folders.len() - 1, tree_of(&node)?)));
            }
            NodeType::Symlink { .. } => {
                let to = node.node_type.to_link().to_owned();
                self.plan.links.push(Link { folder, name, to, kept });
            }
            NodeType::File => self.file(snapshot, folder, node, name, kept)?,
            _ => return Err(Error::damaged("it is a device, a pipe or a socket, which Sitekeep never stores")),
        }
        Ok(None)
    }

    fn file(&mut self, snapshot: &Snapshot, folder: usize, node: Node, name: OsString, kept: Kept) -> Result<()> {
        let places = snapshot.places(&node)?;
        let content = node.content.unwrap_or_default();
        let inode = (node.meta.device_id, node.meta.inode);
        if node.meta.links > 1 && node.meta.inode != 0 {
            match self.inodes.get(&inode) {
                // Only with an equal content is it another name of the same file: it may have been replaced meanwhile.
                Some((file, same)) if *same == content => {
                    self.plan.hard_links.push(HardLink { folder, name, file: *file });
                    return Ok(());
                }
                Some(_) => {}
                None => {
                    self.inodes.insert(inode, (self.plan.files.len(), content));
                }
            }
        }
        let number = self.plan.files.len() as u32;
        let pieces = places.len() as u32;
        let mut at = 0;
        for (id, place) in places {
            let pack = self.pack(place.pack);
            self.plan.pieces.push(Piece { pack, offset: place.offset, length: place.length, id, file: number, at });
            at += u64::from(place.size);
        }
        let (size, left, made) = (node.meta.size, AtomicU32::new(pieces), Mutex::new(false));
        self.plan.files.push(File { folder, name, size, kept, left, pieces, made });
        Ok(())
    }

    fn pack(&mut self, id: Id) -> u32 {
        *self.pack_numbers.entry(id).or_insert_with(|| {
            self.plan.packs.push(id);
            self.plan.packs.len() as u32 - 1
        })
    }
}

fn tree_of(node: &Node) -> Result<TreeId> {
    match (&node.node_type, node.subtree) {
        (NodeType::Dir, Some(tree)) => Ok(tree),
        (NodeType::Dir, None) => Err(Error::damaged("the directory has no content")),
        _ => Err(Error::invalid(format!("{:?} is not a directory", node.name()))),
    }
}
