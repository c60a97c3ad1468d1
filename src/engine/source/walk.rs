//! Lists a directory tree of a site with the rights of the site's user.
//!
//! Everything is opened relative to the directory above it, no symbolic link is followed, and nothing but directories is
//! opened here; so a site that renames and links under our hands gets only itself into the snapshot. Rights are borrowed
//! for many entries at once, for that costs a dozen system calls.

use super::content::{Content, Listed};
use super::entries::Entry;
use super::{Tree, meta};
use crate::base::error::{Class, Error};
use crate::base::identity::Identity;
use crate::engine::control::Control;
use crate::engine::trees::DEEPEST;
use rustic_core::ReadSourceEntry;
use rustic_core::repofile::{Metadata, Node, NodeType};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Entries that are looked at while rights are borrowed once.
const AT_ONCE: usize = 64;

pub(super) struct Walk {
    tree: Tree,
    identity: Arc<Identity>,
    control: Arc<Control>,
    stack: Vec<Level>,
    begun: bool,
    /// The file system that is not left.
    device: u64,
    fresh: i64,
}

/// A directory that is being listed.
struct Level {
    dir: Arc<OwnedFd>,
    /// Its place in the snapshot, and relative to the tree.
    path: PathBuf,
    relative: PathBuf,
    names: std::vec::IntoIter<CString>,
    looked_at: VecDeque<Found>,
}

/// An entry of a directory.
struct Found {
    name: CString,
    seen: Result<Seen, Errno>,
}

struct Seen {
    stat: Stat,
    link: Option<CString>,
    data: Metadata,
}

impl Walk {
    pub fn new(tree: Tree, fresh: i64, control: Arc<Control>) -> Self {
        let identity = Arc::new(tree.identity.clone());
        Self { tree, identity, control, stack: Vec::new(), begun: false, device: 0, fresh }
    }

    /// The root itself; a root that cannot be read ends the backup.
    fn root(&mut self) -> Option<Entry> {
        let name = self.tree.name.clone();
        let opened = self.identity.act(|| {
            // The path down to the root is the administrator's; only its last part must not be a link.
            let fd = open_dir(CWD, &self.tree.root)?;
            list(fd, self.fresh)
        });
        let data = match opened {
            Ok((level, stat, data)) => {
                self.device = stat.st_dev;
                self.stack.push(level.at(name.clone(), PathBuf::new()));
                data
            }
            Err(Errno::NOENT) if self.tree.absent_is_empty => meta::of_absent(self.identity.uid, self.identity.gid),
            Err(e) => {
                self.control.fail(cannot_open(&self.tree.root, e));
                return None;
            }
        };
        Some(directory(name, data))
    }

    fn entry(&mut self, found: Found) -> Option<Entry> {
        let level = self.stack.last()?;
        let os = OsStr::from_bytes(found.name.to_bytes());
        let (path, relative, dir) = (level.path.join(os), level.relative.join(os), level.dir.clone());
        let seen = match found.seen {
            Ok(seen) => seen,
            Err(e) => {
                self.cannot(&path, e);
                return None;
            }
        };
        let kind = FileType::from_raw_mode(seen.stat.st_mode);
        if let Some(why) = self.tree.exclude.matches(&relative, kind == FileType::Directory) {
            self.control.leave_out(&path, why);
            return None;
        }
        match kind {
            FileType::Directory => self.enter(&dir, &found.name, path, relative, seen),
            FileType::RegularFile => {
                let node = Node::new_node(os, NodeType::File, seen.data);
                let (identity, control) = (self.identity.clone(), self.control.clone());
                let listed = Listed { dir, name: found.name, stat: seen.stat, path: path.clone(), identity, control };
                Some(ReadSourceEntry { path, node, open: Some(Content::File(listed)) })
            }
            FileType::Symlink => {
                let target = OsString::from_vec(seen.link.unwrap_or_default().into_bytes());
                let node = Node::new_node(os, NodeType::from_link(Path::new(&target)), seen.data);
                self.control.link();
                Some(ReadSourceEntry { path, node, open: None })
            }
            other => {
                self.control.leave_out(&path, special(other));
                None
            }
        }
    }

    fn enter(&mut self, dir: &OwnedFd, name: &CStr, path: PathBuf, relative: PathBuf, seen: Seen) -> Option<Entry> {
        if self.stack.len() >= DEEPEST {
            self.control.problem(&path, format!("directories that lie deeper than {DEEPEST} in each other are not kept"));
            return Some(directory(path, seen.data));
        }
        let opened = self.identity.act(|| {
            let fd = open_dir(dir, name)?;
            let stat = rustix::fs::fstat(&fd)?;
            if stat.st_dev != self.device { Ok(Err(())) } else { list(fd, self.fresh).map(Ok) }
        });
        match opened {
            Ok(Ok((level, _, mut data))) => {
                data.extended_attributes = seen.data.extended_attributes;
                self.stack.push(level.at(path.clone(), relative));
                Some(directory(path, data))
            }
            Ok(Err(())) => {
                self.control.leave_out(&path, "another file system is mounted there");
                Some(directory(path, seen.data))
            }
            Err(e) => {
                self.cannot(&path, e);
                // It exists, so it is kept, empty: what it holds is named as missing. A vanished one is not kept.
                (!matches!(e, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)).then(|| directory(path, seen.data))
            }
        }
    }

    fn cannot(&self, path: &Path, e: Errno) {
        match e {
            Errno::NOENT => self.control.vanished(),
            Errno::NOTDIR | Errno::LOOP => self.control.changed(path, "it was replaced by something else while the backup ran"),
            _ => self.control.problem(path, std::io::Error::from(e).to_string()),
        }
    }
}

impl Iterator for Walk {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if !self.begun {
            self.begun = true;
            return self.root();
        }
        loop {
            let level = self.stack.last_mut()?;
            if level.looked_at.is_empty() {
                level.look(&self.identity, self.fresh);
            }
            match level.looked_at.pop_front() {
                Some(found) => {
                    if let Some(entry) = self.entry(found) {
                        return Some(entry);
                    }
                }
                None => {
                    self.stack.pop();
                }
            }
        }
    }
}

impl Level {
    fn at(mut self, path: PathBuf, relative: PathBuf) -> Self {
        (self.path, self.relative) = (path, relative);
        self
    }

    /// Looks at the next entries.
    fn look(&mut self, identity: &Identity, fresh: i64) {
        let names: Vec<CString> = self.names.by_ref().take(AT_ONCE).collect();
        if names.is_empty() {
            return;
        }
        let dir = &self.dir;
        self.looked_at = identity.act(|| names.into_iter().map(|name| Found { seen: look_at(dir, &name, fresh), name }).collect());
    }
}

fn look_at(dir: &OwnedFd, name: &CStr, fresh: i64) -> Result<Seen, Errno> {
    let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let mut data = meta::of_stat(&stat, fresh);
    let link = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => Some(rustix::fs::readlinkat(dir, name, Vec::new())?),
        FileType::RegularFile | FileType::Directory => {
            meta::read_attributes(dir, name, &mut data);
            None
        }
        _ => None,
    };
    Ok(Seen { stat, link, data })
}

fn open_dir<P: rustix::path::Arg>(at: impl AsFd, name: P) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(at, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// The names in a directory, sorted by their bytes: in that order they are looked up.
fn list(fd: OwnedFd, fresh: i64) -> Result<(Level, Stat, Metadata), Errno> {
    let stat = rustix::fs::fstat(&fd)?;
    let mut data = meta::of_stat(&stat, fresh);
    meta::read_attributes(&fd, c".", &mut data);
    let mut names = Vec::new();
    for entry in Dir::read_from(&fd)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    let (path, relative) = (PathBuf::new(), PathBuf::new());
    Ok((Level { dir: Arc::new(fd), path, relative, names: names.into_iter(), looked_at: VecDeque::new() }, stat, data))
}

fn directory(path: PathBuf, data: Metadata) -> Entry {
    let node = Node::new_node(path.file_name().unwrap_or_default(), NodeType::Dir, data);
    ReadSourceEntry { path, node, open: None }
}

fn special(kind: FileType) -> &'static str {
    match kind {
        FileType::Fifo => "it is a named pipe: only files, directories and links are kept",
        FileType::Socket => "it is a socket: only files, directories and links are kept",
        FileType::BlockDevice | FileType::CharacterDevice => "it is a device: only files, directories and links are kept",
        _ => "only files, directories and links are kept",
    }
}

fn cannot_open(root: &Path, e: Errno) -> Error {
    let error = Error::from(e).context(format!("opening {}", root.display()));
    match e {
        Errno::NOENT => {
            error.with_class(Class::Permanent).hint("the directory of the site is not where it was: correct the site's definition")
        }
        Errno::LOOP | Errno::NOTDIR => {
            error.with_class(Class::Permanent).hint("give the path of the directory itself, not of a link to it")
        }
        Errno::ACCESS => error.hint("the site's user must be able to read this directory"),
        _ => error,
    }
}
