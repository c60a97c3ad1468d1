//! Writes a directory of a snapshot, or chosen parts of one, into an empty one.
//!
//! [`plan`] reads the trees and makes the directories, [`write`] fills the files in the order in which their pieces lie
//! in the packs, [`kept`] gives everything its owner, mode and time at the end, from the leaves up. The library's own
//! restore follows links out of its target, believes names like `../../x`, and panics on a full disk.
//!
//! It must never write outside of the directory it was given: names were checked where the trees are read, directories
//! are opened beneath the target without following anything, and no file is opened that was there before.

mod kept;
mod plan;
mod target;
mod write;

use super::repository::Session;
use super::trees::Snapshot;
use crate::base::error::{Class, Error, Result};
use kept::Rights;
use plan::Plan;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use target::Target;

/// Whose the restored files become. Without root's rights everything stays ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owners {
    /// `(from_uid, from_gid, to_uid, to_gid)`: what belonged to the old site's user and group belongs to the new one's.
    pub map: Option<(u32, u32, u32, u32)>,
    /// Other owners stay as they were recorded; else they become `to_uid` and `to_gid` where there is a map, and ours
    /// where there is none.
    pub as_recorded: bool,
    /// Files lose setuid and setgid. Directories keep theirs: there it only hands down the group.
    pub drop_setid: bool,
}

/// What was restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    pub files: u64,
    pub bytes: u64,
    /// Below the one that was restored into.
    pub dirs: u64,
    pub links: u64,
}

/// What could not be restored, and whether to go on.
pub(super) struct Failures<'a> {
    session: &'a Session,
    failed: Mutex<BTreeMap<PathBuf, Error>>,
    /// More of the same will not help: the disk is full.
    hopeless: AtomicBool,
}

impl Failures<'_> {
    fn note(&self, path: &Path, error: Error) {
        if error.class() == Class::Resource {
            self.hopeless.store(true, Relaxed);
        }
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).entry(path.to_owned()).or_insert(error);
    }

    fn is_over(&self) -> bool {
        self.hopeless.load(Relaxed) || self.session.control.watch.is_cancelled()
    }

    fn paths(&self) -> Vec<PathBuf> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn verdict(&self, of: u64) -> Result<()> {
        self.session.control.watch.check()?;
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.is_empty() {
            return Ok(());
        }
        let mut shown: Vec<String> = failed.iter().take(10).map(|(path, e)| format!("{}: {}", path.display(), e.sentence())).collect();
        if failed.len() > shown.len() {
            shown.push(format!("and {} more", failed.len() - shown.len()));
        }
        let text = format!("{} of {of} paths could not be restored ({})", failed.len(), shown.join("; "));
        if self.hopeless.load(Relaxed) {
            return Err(Error::resource(text).hint("the disk to restore to is full: free some space there, then try again"));
        }
        Err(Error::damaged(text).hint("choose another backup, which may hold these files whole; what is in place was not touched"))
    }
}

/// What of a directory is written.
pub(super) enum What<'a> {
    /// All that is in it; the target becomes like it.
    All,
    /// These, by their paths in the snapshot, with the directories on the way to them; the target stays as it is.
    Only(&'a [PathBuf]),
}

impl What<'_> {
    /// Is what lies at this path, relative to `from`, written?
    fn has(&self, from: &Path, path: &Path) -> bool {
        let path = from.join(path);
        match self {
            Self::All => true,
            Self::Only(wanted) => wanted.iter().any(|wanted| path.starts_with(wanted) || wanted.starts_with(&path)),
        }
    }
}

pub(super) fn run(session: &Session, snapshot: &str, from: &Path, what: &What<'_>, into: &OwnedFd, owners: &Owners) -> Result<Restored> {
    session.control.watch.check()?;
    let _lock = session.lock_for_reading()?;
    let snapshot = Snapshot::open(session, snapshot)?;
    let node = snapshot.find(from)?;
    if let What::Only(wanted) = what {
        wanted.iter().try_for_each(|path| snapshot.find(path).map(drop))?;
    }
    let target = Target::empty(into)?;
    let rights = Rights::new(owners);
    let failures = Failures { session, failed: Mutex::default(), hopeless: AtomicBool::new(false) };
    let root = if matches!(what, What::All) { rights.keep(&node.meta, true) } else { Rights::private() };
    let plan = Plan::make(&snapshot, &node, root, &|path| what.has(from, path), &target, &rights, &failures)?;
    write::contents(session, &snapshot, &plan, &target, &failures)?;
    if !failures.is_over() {
        write::links(&plan, &target, &failures);
        write::folders(&plan, &target, &failures);
    }
    for path in failures.paths() {
        target.discard(&path); // no half-written file stays
    }
    failures.verdict(plan.paths())?;
    target.sync()?;
    Ok(plan.restored())
}
