//! The directory that is restored into, and the only way to open anything below it.

use crate::base::error::{Context, Error, Result};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Neither out of the directory nor through a link.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
/// Longer paths are opened in steps: the kernel takes 4,096 bytes at once.
const AT_ONCE: usize = 3500;

pub(super) struct Target {
    root: OwnedFd,
}

impl Target {
    /// # Errors
    /// `Conflict` when there is anything in it.
    pub fn empty(into: &OwnedFd) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::openat(into, c".", flags, Mode::empty()).context(|| "opening the directory to restore into")?;
        for entry in Dir::read_from(&root)? {
            let entry = entry?;
            if entry.file_name() != c"." && entry.file_name() != c".." {
                return Err(Error::conflict("the directory to restore into is not empty"));
            }
        }
        // What the directory above hands down to new files would mix with what was recorded.
        for acl in [c"system.posix_acl_default", c"system.posix_acl_access"] {
            let _ = rustix::fs::fremovexattr(&root, acl); // mostly there is none
        }
        Ok(Self { root })
    }

    /// The directory at `path`, readable.
    pub fn folder(&self, path: &Path) -> Result<OwnedFd, Errno> {
        self.open(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (mut at, mut part): (Option<OwnedFd>, PathBuf) = (None, PathBuf::new());
        for component in path.components() {
            if part.as_os_str().len() > AT_ONCE {
                let from = at.as_ref().unwrap_or(&self.root);
                at = Some(rustix::fs::openat2(from, &part, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), BENEATH)?);
                part = PathBuf::new();
            }
            part.push(component);
        }
        let part = if part.as_os_str().is_empty() { Path::new(".") } else { &part };
        rustix::fs::openat2(at.as_ref().unwrap_or(&self.root), part, flags, Mode::empty(), BENEATH)
    }

    /// Removes the file or link at `path`, if there is one; a directory stays.
    pub fn discard(&self, path: &Path) {
        if let (Some(parent), Some(name)) = (path.parent(), path.file_name())
            && let Ok(folder) = self.folder(parent)
        {
            let _ = rustix::fs::unlinkat(&folder, name, AtFlags::empty()); // nothing of it may have been written
        }
    }

    /// Everything on the disk, with what the disk found wrong since.
    pub fn sync(&self) -> Result<()> {
        rustix::fs::syncfs(&self.root).context(|| "writing what was restored to the disk")
    }
}

/// A file that was not there before.
pub(super) fn create(folder: impl AsFd, name: &OsStr) -> Result<File, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(0o600)).map(File::from)
}

/// A file that we made a moment ago.
pub(super) fn reopen(folder: impl AsFd, name: &OsStr) -> Result<File, Errno> {
    rustix::fs::openat(folder, name, OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).map(File::from)
}
