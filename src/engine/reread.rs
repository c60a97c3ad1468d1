//! Is what lies on the disk, to the byte, what a snapshot says? Everything is read back from there and hashed: a restore checks
//! what it reads out of the repository, and only this what the disk made of it.

use super::repository::Session;
use super::trees::{Snapshot, check_depth, name_of};
use crate::base::error::Result;
use rustic_core::Id;
use rustic_core::repofile::Node;
use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The files below `from` whose content below `root` is another, or none, by their paths relative to both. Nobody else may
/// write below `root` meanwhile.
pub(super) fn differing(session: &Session, snapshot: &str, from: &Path, root: &Path) -> Result<Vec<PathBuf>> {
    let snapshot = Snapshot::open(session, snapshot)?;
    let mut differing = Vec::new();
    let mut pending = vec![(PathBuf::new(), snapshot.find(from)?)];
    while let Some((path, node)) = pending.pop() {
        check_depth(&path)?;
        for child in snapshot.children(&node)? {
            session.control.watch.check()?;
            let below = path.join(name_of(&child));
            if child.is_dir() {
                pending.push((below, child));
            } else if child.is_file() && !is_equal(session, &snapshot, &child, &root.join(&below))? {
                differing.push(below);
            }
        }
    }
    Ok(differing)
}

/// What cannot be read is not equal.
fn is_equal(session: &Session, snapshot: &Snapshot, node: &Node, path: &Path) -> Result<bool> {
    let Ok(mut file) = open(path) else { return Ok(false) };
    let mut piece = Vec::new();
    for (id, place) in snapshot.places(node)? {
        session.control.watch.check()?;
        piece.resize(place.size as usize, 0);
        if file.read_exact(&mut piece).is_err() || Id::new(Sha256::digest(&piece).into()) != *id {
            return Ok(false);
        }
    }
    Ok(file.read(&mut [0]).is_ok_and(|more| more == 0))
}

fn open(path: &Path) -> io::Result<File> {
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?.into())
}
