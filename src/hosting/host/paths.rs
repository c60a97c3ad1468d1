//! Opening paths that a site's owner can change meanwhile.

use crate::base::error::{Class, Context, Error, Result};
use crate::base::identity::Identity;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// No symbolic link anywhere in the path, nor the links of /proc that jump.
pub(super) const NO_LINKS: ResolveFlags = ResolveFlags::NO_SYMLINKS.union(ResolveFlags::NO_MAGICLINKS);

/// Below the directory that it starts from, on its file system, without links.
pub(super) const WITHIN: ResolveFlags = NO_LINKS.union(ResolveFlags::BENEATH).union(ResolveFlags::NO_XDEV);

/// Opens a directory by its absolute path, following no link.
///
/// # Errors
/// `NotFound` when it is missing, `Permanent` when the path goes through a link or may not be entered.
pub(super) fn open_dir(path: &Path) -> Result<OwnedFd> {
    if !path.is_absolute() {
        return Err(Error::internal(format!("{} is not an absolute path", path.display())));
    }
    open_below(CWD, path, NO_LINKS).map_err(|e| explain(e, path))
}

/// Opens a directory relative to `at`. A directory that may be entered but not listed is opened for entering alone.
pub(super) fn open_below(at: impl AsFd, path: &Path, resolve: ResolveFlags) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    match open2(at.as_fd(), path, flags | OFlags::RDONLY, resolve) {
        Err(Errno::ACCESS) => open2(at.as_fd(), path, flags | OFlags::PATH, resolve),
        other => other,
    }
}

/// `openat2`, asked again where the kernel could not rule out a race.
pub(super) fn open2(at: BorrowedFd<'_>, path: &Path, flags: OFlags, resolve: ResolveFlags) -> rustix::io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    for _ in 0..64 {
        match rustix::fs::openat2(at, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// An error of a path, as a sentence about it.
pub(super) fn explain(e: Errno, path: &Path) -> Error {
    let shown = path.display();
    match e {
        Errno::NOENT => Error::not_found(format!("{shown} does not exist")),
        Errno::LOOP => Error::permanent(format!("{shown} goes through a symbolic link"))
            .hint("links are not followed, because the site's owner could change them: give the path that the link leads to"),
        Errno::NOTDIR => Error::permanent(format!("{shown} is not a directory")),
        Errno::XDEV => Error::permanent(format!("{shown} lies on another file system"))
            .hint("what is exchanged must lie on one file system: name the mounted directory as a directory of files of its own"),
        Errno::BUSY => {
            Error::permanent(format!("{shown} is in use as a mount point")).hint("name a directory below the mount point instead")
        }
        e => Error::from(e).context(format!("opening {shown}")),
    }
}

/// One entry: its parent, opened without links, and its name there.
pub(super) struct Place {
    pub parent: OwnedFd,
    pub name: OsString,
    pub path: PathBuf,
}

impl Place {
    pub fn of(path: &Path) -> Result<Self> {
        let (parent, name) = split(path)?;
        Ok(Self { parent: open_dir(parent)?, name: name.to_owned(), path: path.to_owned() })
    }

    /// What stands there now, itself (a link is not followed); `None` when nothing does.
    pub fn stat(&self) -> Result<Option<Stat>> {
        stat_in(&self.parent, &self.name).context(|| format!("looking at {}", self.path.display()))
    }
}

pub(super) fn stat_in(dir: impl AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<Option<Stat>> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Parent and name of a path that ends in a name.
pub(super) fn split(path: &Path) -> Result<(&Path, &OsStr)> {
    match (path.parent(), path.components().next_back()) {
        (Some(parent), Some(Component::Normal(name))) => Ok((parent, name)),
        _ => Err(Error::invalid(format!("{} does not name a file or directory", path.display()))),
    }
}

/// A relative path of plain names: nothing that climbs or starts anew.
pub(super) fn plain(relative: &Path) -> Result<()> {
    let good = relative.components().next().is_some() && relative.components().all(|c| matches!(c, Component::Normal(_)));
    if good { Ok(()) } else { Err(Error::invalid(format!("{} is not a plain relative path", relative.display()))) }
}

/// Writes a directory's names to disk. One that was opened for entering alone cannot be synced by itself.
pub(super) fn sync_dir(dir: impl AsFd, path: &Path) -> Result<()> {
    match rustix::fs::fsync(dir) {
        Ok(()) | Err(Errno::BADF | Errno::INVAL) => Ok(()),
        Err(e) => Err(Error::from(e).context(format!("writing the names of {} to disk", path.display()))),
    }
}

/// A directory of our own that we may not write to (Drupal takes the right away from `sites/default`) lends it to us
/// until this is dropped. Root needs no loan, so root changes no mode here.
pub(super) struct Lent<'a> {
    dir: BorrowedFd<'a>,
    mode: Option<Mode>,
}

impl<'a> Lent<'a> {
    pub fn take(dir: &'a OwnedFd) -> Self {
        let me = rustix::process::geteuid();
        let mine = |s: &Stat| !me.is_root() && s.st_uid == me.as_raw() && s.st_mode & 0o300 != 0o300;
        let mode = rustix::fs::fstat(dir).ok().filter(mine).map(|s| Mode::from_raw_mode(s.st_mode & 0o7777));
        // Where this fails, so will what it was for, and that failure says more.
        let mode = mode.filter(|mode| rustix::fs::fchmod(dir, *mode | Mode::WUSR | Mode::XUSR).is_ok());
        Self { dir: dir.as_fd(), mode }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(mode) = self.mode {
            let _ = rustix::fs::fchmod(self.dir, mode);
        }
    }
}

/// A directory whose time of change says what the site's people did: what we put into it or take out of it leaves no
/// trace there. Where the time cannot be set, it is not.
pub(super) struct SameTime<'a> {
    dir: BorrowedFd<'a>,
    times: Option<Timestamps>,
}

impl<'a> SameTime<'a> {
    pub fn of(dir: &'a OwnedFd) -> Self {
        let kept = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ };
        let times = rustix::fs::fstat(dir).ok().map(|s| Timestamps {
            last_access: kept,
            last_modification: Timespec { tv_sec: s.st_mtime as _, tv_nsec: s.st_mtime_nsec as _ },
        });
        Self { dir: dir.as_fd(), times }
    }
}

impl Drop for SameTime<'_> {
    fn drop(&mut self) {
        if let Some(times) = &self.times {
            let _ = rustix::fs::futimens(self.dir, times);
        }
    }
}

/// Which thing an entry is, for a journal: a name may come to mean another thing, an inode may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Inode {
    pub dev: u64,
    pub ino: u64,
}

impl Inode {
    #[allow(clippy::unnecessary_cast)] // the fields' types differ by platform
    pub(super) fn of(stat: &Stat) -> Self {
        Self { dev: stat.st_dev as u64, ino: stat.st_ino as u64 }
    }
}

/// The inode of the entry itself (a link is not followed); `None` when it or its parent does not exist.
///
/// # Errors
/// `Permanent` when the path to it goes through a link or may not be entered.
pub fn inode(path: &Path) -> Result<Option<Inode>> {
    match Place::of(path) {
        Ok(place) => Ok(place.stat()?.as_ref().map(Inode::of)),
        Err(e) if e.class() == Class::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Bytes that we may still write to the file system of `path`, or of its nearest parent that exists.
///
/// # Errors
/// As opening the path.
pub fn free_space(path: &Path) -> Result<u64> {
    let dir = nearest(path)?;
    let vfs = rustix::fs::fstatvfs(&dir).context(|| format!("asking for the free space of {}", path.display()))?;
    Ok(vfs.f_bavail.saturating_mul(vfs.f_frsize))
}

/// Do both lie on one file system, so that a rename can move between them? A path that does not exist counts as its
/// nearest parent that does.
///
/// # Errors
/// As opening the paths.
pub fn same_file_system(a: &Path, b: &Path) -> Result<bool> {
    let device = |path: &Path| -> Result<u64> {
        let stat = rustix::fs::fstat(nearest(path)?).context(|| format!("looking at {}", path.display()))?;
        Ok(Inode::of(&stat).dev)
    };
    Ok(device(a)? == device(b)?)
}

/// The path itself or the nearest parent that exists, opened only to be asked about.
fn nearest(path: &Path) -> Result<OwnedFd> {
    let mut at = path;
    loop {
        match open2(CWD, at, OFlags::PATH | OFlags::CLOEXEC, NO_LINKS) {
            Err(Errno::NOENT | Errno::NOTDIR) => at = at.parent().ok_or_else(|| explain(Errno::NOENT, path))?,
            other => return other.map_err(|e| explain(e, at)),
        }
    }
}

/// A small file with what is needed to write it anew: its owner and mode.
#[derive(Debug)]
pub struct Content {
    pub bytes: Vec<u8>,
    pub meta: Metadata,
}

/// Reads a file of at most `limit` bytes with the rights of `who`, following no link and never waiting for a pipe.
/// `None` when there is none.
///
/// # Errors
/// `Permanent` when it is no plain file, too large, unreadable for `who`, or behind a link.
pub fn read_file(path: &Path, who: &Identity, limit: u64) -> Result<Option<Content>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let read = || -> Result<Option<Content>> {
        let file = match open2(CWD, path, flags, NO_LINKS) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(Errno::ACCESS) => {
                return Err(Error::permanent(format!("{} cannot be read by the site's owner (user {})", path.display(), who.uid))
                    .hint("let the owner read the file, or name the user who may as the site's owner"));
            }
            Err(Errno::NXIO) => return Err(Error::permanent(format!("{} is not a plain file", path.display()))),
            Err(e) => return Err(explain(e, path)),
        };
        let meta = file.metadata().context(|| format!("looking at {}", path.display()))?;
        if !meta.is_file() {
            return Err(Error::permanent(format!("{} is not a plain file", path.display())));
        }
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).context(|| format!("reading {}", path.display()))?;
        if bytes.len() as u64 > limit {
            return Err(Error::permanent(format!("{} is larger than {}", path.display(), crate::base::units::size(limit))));
        }
        Ok(Some(Content { bytes, meta }))
    };
    who.act(read)
}
