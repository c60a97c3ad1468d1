//! Whole trees: their size, and their end.

use super::paths::{Inode, WITHIN, explain, open_below, open_dir, open2, stat_in};
use super::staging::PREFIX;
use crate::base::error::{Context, Error, Result};
use crate::base::identity::Identity;
use crate::domain::tree::{Mark, MarkKind, Marks};
use rustix::fs::{AtFlags, Dir, FileType, OFlags, RenameFlags, Stat};
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How large a tree is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of all files; a file with large holes counts what it occupies.
    pub bytes: u64,
    /// Everything that is not a directory.
    pub files: u64,
    /// Directories that could not be read: the sums are too small by what is in them.
    pub unreadable: u64,
}

/// The size of the tree below `path` as `who` sees it, on one file system, following no link. A tree that does not
/// exist is empty. What lies at one of the relative paths `except` is not counted, and neither is our own staging.
///
/// # Errors
/// `Permanent` when the directory itself cannot be opened.
pub fn tree_size(path: &Path, except: &[PathBuf], who: &Identity) -> Result<Size> {
    who.act(|| match open_dir(path) {
        Ok(root) => Ok(measure(&root, except)),
        Err(e) if e.class() == crate::base::error::Class::NotFound => Ok(Size::default()),
        Err(e) => Err(e),
    })
}

/// Everything below `path` that is no directory, as [`tree_size`] sees it; `None` when that is more than `limit`.
///
/// # Errors
/// As [`tree_size`].
pub fn tree_marks(path: &Path, except: &[PathBuf], who: &Identity, limit: usize) -> Result<Option<Marks>> {
    who.act(|| {
        let root = match open_dir(path) {
            Ok(root) => root,
            Err(e) if e.class() == crate::base::error::Class::NotFound => return Ok(Some(Marks::new())),
            Err(e) => return Err(e),
        };
        let mut marks = Marks::new();
        walk(&root, except, |path, stat| {
            marks.insert(path, mark(stat));
            marks.len() <= limit
        });
        Ok((marks.len() <= limit).then_some(marks))
    })
}

#[allow(clippy::unnecessary_cast, clippy::useless_conversion)] // the fields' types differ by platform
fn mark(stat: &Stat) -> Mark {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            let modified = i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec as i64);
            Mark { kind: MarkKind::File, size: stat.st_size as u64, modified }
        }
        FileType::Symlink => Mark { kind: MarkKind::Link, size: 0, modified: 0 },
        _ => Mark { kind: MarkKind::Other, size: 0, modified: 0 },
    }
}

fn measure(root: &OwnedFd, except: &[PathBuf]) -> Size {
    let mut size = Size::default();
    size.unreadable = walk(root, except, |_, stat| {
        size.files += 1;
        size.bytes += if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile { weight(stat) } else { 0 };
        true
    });
    size
}

/// Shows everything but directories to `each` until it says that it is enough; gives how many directories could not be
/// read. Every directory is opened anew from the root by its relative path, so that depth costs no descriptors and a
/// directory that is moved away meanwhile leads nowhere.
fn walk(root: &OwnedFd, except: &[PathBuf], mut each: impl FnMut(PathBuf, &Stat) -> bool) -> u64 {
    let mut unreadable = 0;
    let mut pending = vec![PathBuf::new()];
    while let Some(relative) = pending.pop() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let entries = match open2(root.as_fd(), &relative, flags, WITHIN) {
            Ok(dir) => Dir::new(dir),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => continue, // gone or replaced meanwhile, or mounted
            Err(e) => Err(e),
        };
        let Ok(mut entries) = entries else {
            unreadable += 1;
            continue;
        };
        while let Some(Ok(entry)) = entries.next() {
            let name = entry.file_name().to_bytes();
            let below = relative.join(OsStr::from_bytes(name));
            if name == b"." || name == b".." || name.starts_with(PREFIX.as_bytes()) || except.contains(&below) {
                continue;
            }
            let Ok(dir) = entries.fd() else { break };
            let Ok(Some(stat)) = stat_in(dir, entry.file_name()) else { continue };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => pending.push(below),
                _ if each(below, &stat) => {}
                _ => return unreadable,
            }
        }
    }
    unreadable
}

/// A file's length; where holes make up most of a large file, the space that it occupies.
#[allow(clippy::unnecessary_cast)] // the fields' types differ by platform
fn weight(stat: &Stat) -> u64 {
    let (length, occupied) = (stat.st_size as u64, (stat.st_blocks as u64).saturating_mul(512));
    if length > (1 << 20) && occupied < length / 2 { occupied } else { length }
}

/// Removes what is inside a directory, with the rights of `who`; the directory itself stays. A missing one is empty.
///
/// # Errors
/// As removing a file; `Conflict` when somebody fills it faster than it is emptied.
pub fn empty_dir(path: &Path, who: &Identity) -> Result<()> {
    who.act(|| match open_dir(path) {
        Ok(dir) => clear(&dir, path),
        Err(e) if e.class() == crate::base::error::Class::NotFound => Ok(()),
        Err(e) => Err(e),
    })
}

/// Directories deeper than this are lifted to the top before they are emptied: a hostile depth costs no descriptors.
const DEPTH: usize = 64;

/// Removes everything below `top`, following no link and leaving other file systems alone. Those who still have
/// descriptors in the tree may add to it meanwhile: it is gone through again until nothing is left.
pub(super) fn clear(top: &OwnedFd, shown: &Path) -> Result<()> {
    for _ in 0..1000 {
        let mut work = Clearing { top, shown, lifted: 0, seen: false };
        work.level(top.as_fd(), 0)?;
        if !work.seen {
            return Ok(());
        }
    }
    Err(Error::conflict(format!("{} could not be emptied: somebody keeps adding to it", shown.display())))
}

struct Clearing<'a> {
    top: &'a OwnedFd,
    shown: &'a Path,
    lifted: u64,
    seen: bool,
}

impl Clearing<'_> {
    fn level(&mut self, dir: BorrowedFd<'_>, depth: usize) -> Result<()> {
        let entries = Dir::read_from(dir).context(|| format!("listing a directory below {}", self.shown.display()))?;
        for entry in entries {
            let entry = entry.context(|| format!("listing a directory below {}", self.shown.display()))?;
            let name = entry.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") {
                self.seen = true;
                self.entry(dir, &name.to_owned(), depth)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, dir: BorrowedFd<'_>, name: &CString, depth: usize) -> Result<()> {
        match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(e) => return Err(self.failed(e, name)),
        }
        let Some(stat) = stat_in(dir, name).map_err(|e| self.failed(e, name))? else { return Ok(()) };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Err(self.failed(Errno::PERM, name).hint("`lsattr` shows whether it is marked immutable; `chattr -i` lifts that"));
        }
        if depth >= DEPTH {
            return self.lift(dir, name);
        }
        if let Some(child) = self.open(dir, name, &stat)? {
            self.level(child.as_fd(), depth + 1)?;
        }
        match rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR) {
            // not empty: somebody added to it, and the next round takes it
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::NOTEMPTY) => Ok(()),
            Err(e) => Err(self.failed(e, name)),
        }
    }

    fn lift(&mut self, dir: BorrowedFd<'_>, name: &CString) -> Result<()> {
        self.lifted += 1;
        let target = format!(".lifted-{}-{}", self.lifted, crate::base::chance::word(8));
        match rustix::fs::renameat_with(dir, name, self.top, target, RenameFlags::NOREPLACE) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(self.failed(e, name)),
        }
    }

    /// Opens a directory to empty it; one of our own that lacks the rights for that is given them first. (Root needs
    /// none, so no mode is ever changed with root's rights.)
    fn open(&self, dir: BorrowedFd<'_>, name: &CString, before: &Stat) -> Result<Option<OwnedFd>> {
        let path = Path::new(OsStr::from_bytes(name.to_bytes()));
        let own = before.st_uid == rustix::process::geteuid().as_raw() && before.st_uid != 0;
        if own && before.st_mode & 0o700 != 0o700 {
            let _ = rustix::fs::chmodat(dir, name, rustix::fs::Mode::RWXU, AtFlags::empty());
        }
        match open_below(dir, path, WITHIN) {
            Ok(fd) => {
                let stat = rustix::fs::fstat(&fd).map_err(|e| self.failed(e, name))?;
                Ok((Inode::of(&stat) == Inode::of(before)).then_some(fd))
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(e) => Err(self.failed(e, name)),
        }
    }

    fn failed(&self, e: Errno, name: &CString) -> Error {
        let name = name.to_string_lossy();
        match e {
            Errno::XDEV | Errno::BUSY => explain(e, &self.shown.join(name.as_ref())),
            e => Error::from(e).context(format!("removing {name:?} below {}", self.shown.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Scratch;
    use super::*;

    #[test]
    fn a_tree_is_measured_without_following_links_and_holes_weigh_nothing() {
        let s = Scratch::new();
        s.file("site/a", [1u8; 1000]);
        s.file("site/deep/er/b", [1u8; 24]);
        s.file("elsewhere/huge", [1u8; 5000]);
        std::os::unix::fs::symlink(s.path().join("elsewhere"), s.path().join("site/link")).unwrap();
        std::fs::File::create(s.path().join("site/hole")).unwrap().set_len(1 << 40).unwrap();
        let size = tree_size(&s.path().join("site"), &[], &Identity::of_process()).unwrap();
        assert_eq!(size.files, 4);
        assert!(size.bytes >= 1024 && size.bytes < 100_000, "{size:?}");
        assert_eq!(tree_size(&s.path().join("absent"), &[], &Identity::of_process()).unwrap(), Size::default());
        assert!(tree_size(&s.path().join("site/link"), &[], &Identity::of_process()).is_err());
    }

    #[test]
    fn a_tree_of_any_depth_and_with_closed_directories_is_removed_but_nothing_behind_its_links() {
        let s = Scratch::new();
        let canary = s.file("outside/canary", "alive");
        let top = s.dir("top");
        std::os::unix::fs::symlink(s.path().join("outside"), top.join("link")).unwrap();
        std::fs::hard_link(&canary, top.join("twin")).unwrap();
        let mut dir = rustix::fs::open(&top, OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&dir, "d", rustix::fs::Mode::RWXU).unwrap();
            dir = rustix::fs::openat(&dir, "d", OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
        }
        let closed = s.dir("top/closed/inner");
        std::fs::write(closed.join("x"), "x").unwrap();
        for path in [closed.clone(), closed.parent().unwrap().to_owned()] {
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
        }
        empty_dir(&top, &Identity::of_process()).unwrap();
        assert_eq!(std::fs::read_dir(&top).unwrap().count(), 0);
        assert_eq!(std::fs::read_to_string(canary).unwrap(), "alive");
    }
}
