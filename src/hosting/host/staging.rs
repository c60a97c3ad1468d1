//! The place aside: where a restore prepares what will come into place by one rename.

use super::paths::{Inode, Place, WITHIN, open_below, open2, stat_in, sync_dir};
use super::tree::clear;
use crate::base::error::{Context, Error, Result};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A directory `.sitekeep-<ticket>` of mode 0700 beside a live directory (so on its file system), which only this
/// process' user may enter. The parent often belongs to the site's owner, who can rename the staging directory or put
/// another in its place: so it is opened once, known by its descriptor, and carries its ticket in a file inside.
#[derive(Debug)]
pub struct Staging {
    dir: OwnedFd,
    path: PathBuf,
}

/// How the names of all staging directories begin; backups leave them out.
pub(in crate::hosting) const PREFIX: &str = ".sitekeep-";

/// Inside the staging directory: says which ticket it was made for, in a place that the site's owner cannot write.
const MARK: &str = ".ticket";

impl Staging {
    /// Makes the staging directory of `ticket` in the parent of `beside`, or opens the one that an earlier attempt left.
    ///
    /// # Errors
    /// `Conflict` when something else stands there; as opening the parent; `Resource` when the disk is full.
    pub fn make(beside: &Path, ticket: &str) -> Result<Self> {
        let place = place(beside, ticket)?;
        match rustix::fs::mkdirat(&place.parent, &place.name, Mode::RWXU) {
            Ok(()) => sync_dir(&place.parent, beside)?,
            Err(Errno::EXIST) => {}
            Err(e) => return Err(Error::from(e).context(format!("making {}", place.path.display()))),
        }
        Self::open(&place, ticket)?.ok_or_else(|| Error::conflict(format!("{} vanished as soon as it was made", place.path.display())))
    }

    /// Opens the staging directory of `ticket` if it is there.
    ///
    /// # Errors
    /// `Conflict` when what stands there is not ours.
    pub fn reopen(beside: &Path, ticket: &str) -> Result<Option<Self>> {
        match place(beside, ticket) {
            Ok(place) => Self::open(&place, ticket),
            Err(e) if e.class() == crate::base::error::Class::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn open(place: &Place, ticket: &str) -> Result<Option<Self>> {
        let dir = match open_below(&place.parent, Path::new(&place.name), WITHIN) {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => return Err(foreign(&place.path)),
            Err(e) => return Err(Error::from(e).context(format!("opening {}", place.path.display()))),
        };
        let stat = rustix::fs::fstat(&dir).context(|| format!("looking at {}", place.path.display()))?;
        if !is_private(&stat) || !marked(&dir, ticket).context(|| format!("looking into {}", place.path.display()))? {
            return Err(foreign(&place.path));
        }
        Ok(Some(Self { dir, path: place.path.clone() }))
    }

    /// An empty directory of this name inside, mode 0700 and ours; what was there before is removed.
    ///
    /// # Errors
    /// As removing and making directories.
    pub fn fresh_dir(&self, name: &str) -> Result<OwnedFd> {
        if name == MARK || super::paths::plain(Path::new(name)).is_err() || name.contains('/') {
            return Err(Error::internal(format!("{name:?} cannot be a name in a staging directory")));
        }
        let shown = self.path.join(name);
        self.drop_entry(name)?;
        rustix::fs::mkdirat(&self.dir, name, Mode::RWXU).context(|| format!("making {}", shown.display()))?;
        open_below(&self.dir, Path::new(name), WITHIN).context(|| format!("opening {}", shown.display()))
    }

    /// Removes what stands under this name, and the staging directory itself once nothing else is in it.
    ///
    /// # Errors
    /// As removing files.
    pub fn discard(self, name: &str) -> Result<()> {
        if name == MARK || super::paths::plain(Path::new(name)).is_err() || name.contains('/') {
            return Err(Error::internal(format!("{name:?} cannot be a name in a staging directory")));
        }
        self.drop_entry(name)?;
        if others(&self.dir).context(|| format!("listing {}", self.path.display()))?.is_empty() { self.remove() } else { Ok(()) }
    }

    /// Takes what is called `name` out of the directory `holder` inside, gives it the name `to` beside it, and removes the
    /// holder.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub fn take_out(&self, holder: &str, name: &OsStr, to: &str) -> Result<()> {
        let shown = self.path.join(holder).join(name);
        if to == MARK || super::paths::plain(Path::new(name)).is_err() || name.as_bytes().contains(&b'/') {
            return Err(Error::internal(format!("{to:?} cannot be a name in a staging directory")));
        }
        let dir = open_below(&self.dir, Path::new(holder), WITHIN).context(|| format!("opening {}", shown.display()))?;
        if stat_in(&dir, name).context(|| format!("looking at {}", shown.display()))?.is_none() {
            return Err(Error::not_found(format!("{} does not exist", shown.display())));
        }
        self.drop_entry(to)?;
        super::switch::place(&dir, name, &self.dir, OsStr::new(to)).context(|| format!("moving {}", shown.display()))?;
        self.drop_entry(holder)?;
        sync_dir(&self.dir, &self.path)
    }

    fn drop_entry(&self, name: &str) -> Result<()> {
        match rustix::fs::unlinkat(&self.dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR | Errno::PERM) => self.drop_dir(name),
            Err(e) => Err(Error::from(e).context(format!("removing {}", self.path.join(name).display()))),
        }
    }

    fn drop_dir(&self, name: &str) -> Result<()> {
        let shown = self.path.join(name);
        let old = open_below(&self.dir, Path::new(name), WITHIN).context(|| format!("opening {}", shown.display()))?;
        clear(&old, &shown)?;
        rustix::fs::unlinkat(&self.dir, name, AtFlags::REMOVEDIR).context(|| format!("removing {}", shown.display()))
    }

    /// Gives a directory made by [`Staging::fresh_dir`] the owner and mode of the directory that it will replace;
    /// nothing happens when there is none. Without root's rights the owner stays.
    ///
    /// # Errors
    /// As opening `like` and changing the owner.
    pub fn dress(&self, dir: &OwnedFd, like: &Path) -> Result<()> {
        let place = Place::of(like)?;
        let Some(stat) = place.stat()?.filter(|s| FileType::from_raw_mode(s.st_mode) == FileType::Directory) else { return Ok(()) };
        give(dir, &stat).context(|| format!("giving a staged directory the owner and mode of {}", like.display()))
    }

    /// Where it is; for exchanges and for the journal.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the directory with all that is in it.
    ///
    /// # Errors
    /// As removing files; what is left can be removed by another call after [`Staging::reopen`].
    pub fn remove(self) -> Result<()> {
        // The mark goes last: a removal that is cut off must find its directory again.
        for round in 0.. {
            let names = others(&self.dir).context(|| format!("listing {}", self.path.display()))?;
            if names.is_empty() {
                break;
            }
            if round == 100 {
                return Err(Error::conflict(format!("{} could not be emptied", self.path.display())));
            }
            for name in names {
                match rustix::fs::unlinkat(&self.dir, &name, AtFlags::empty()) {
                    Err(Errno::ISDIR | Errno::PERM) => self.drop_dir(&name.to_string_lossy())?,
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(e) => return Err(Error::from(e).context(format!("removing {}", self.path.display()))),
                }
            }
        }
        clear(&self.dir, &self.path)?;
        let place = Place::of(&self.path)?;
        let ours = Inode::of(&rustix::fs::fstat(&self.dir).context(|| "looking at a staging directory")?);
        // Renamed meanwhile by the parent's owner: what is left is an empty directory under a name that we do not know.
        if place.stat()?.is_some_and(|s| Inode::of(&s) == ours) {
            rustix::fs::unlinkat(&place.parent, &place.name, AtFlags::REMOVEDIR).context(|| format!("removing {}", self.path.display()))?;
            sync_dir(&place.parent, &self.path)?;
        }
        Ok(())
    }
}

fn place(beside: &Path, ticket: &str) -> Result<Place> {
    let good = !ticket.is_empty() && ticket.len() <= 80 && ticket.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !good {
        return Err(Error::internal(format!("{ticket:?} cannot be a ticket")));
    }
    let (parent, _) = super::paths::split(beside)?;
    Place::of(&parent.join(format!("{PREFIX}{ticket}")))
}

/// Entered by this process' user alone.
pub(super) fn is_private(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
        && stat.st_uid == rustix::process::geteuid().as_raw()
        && stat.st_mode & 0o077 == 0
}

/// Is the directory marked for `ticket`? One that holds nothing is marked now: it was made a moment ago, or by an
/// attempt that was killed then.
///
/// A directory of ours that the owner renamed hither (another ticket's, or one that an administrator closed) does not
/// pass: its mark is another or it has none, and what is in it must not be emptied.
fn marked(dir: &OwnedFd, ticket: &str) -> Result<bool> {
    match open2(dir.as_fd(), Path::new(MARK), OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC, WITHIN) {
        Ok(file) => {
            let mut text = String::new();
            std::fs::File::from(file).take(200).read_to_string(&mut text)?;
            // An empty mark: an attempt that was killed, or met a full disk, between making and writing it.
            Ok(text == ticket || (text.is_empty() && others(dir)?.is_empty() && mark(dir, ticket)?))
        }
        Err(Errno::NOENT) => Ok(others(dir)?.is_empty() && mark(dir, ticket)?),
        Err(e) => Err(e.into()),
    }
}

fn mark(dir: &OwnedFd, ticket: &str) -> Result<bool> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, MARK, flags, Mode::RUSR | Mode::WUSR)?;
    let mut file = std::fs::File::from(file);
    file.write_all(ticket.as_bytes())?;
    file.sync_all()?;
    Ok(true)
}

/// The names inside, but for the mark.
fn others(dir: &OwnedFd) -> Result<Vec<std::ffi::CString>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") && name.to_bytes() != MARK.as_bytes() {
            names.push(name);
        }
    }
    Ok(names)
}

fn foreign(path: &Path) -> Error {
    Error::conflict(format!("{} is there, but it is not the staging directory that this restore made", path.display()))
        .hint("look at it and remove or rename it by hand, then try again")
}

/// Owner and mode, on a descriptor. The owner first: changing it clears bits of the mode. Bits that lend rights to who
/// runs a file have no place on a directory but for the group's inheritance.
pub(super) fn give(fd: &OwnedFd, like: &Stat) -> rustix::io::Result<()> {
    if rustix::process::geteuid().is_root() {
        rustix::fs::fchown(fd, Some(Uid::from_raw(like.st_uid)), Some(Gid::from_raw(like.st_gid)))?;
    }
    rustix::fs::fchmod(fd, Mode::from_raw_mode(like.st_mode & 0o3777))
}

/// Does `dir` of this name in `parent` still mean the private directory it is said to be?
pub(super) fn private_in(parent: &OwnedFd, name: &std::ffi::OsStr) -> rustix::io::Result<bool> {
    Ok(stat_in(parent, name)?.is_some_and(|s| is_private(&s)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Scratch;
    use super::*;
    use crate::base::error::Class;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn a_staging_directory_is_private_found_again_and_removed_whole() {
        let s = Scratch::new();
        let live = s.dir("live");
        assert!(Staging::reopen(&live, "r1").unwrap().is_none());
        let staging = Staging::make(&live, "r1").unwrap();
        let meta = std::fs::metadata(staging.path()).unwrap();
        assert_eq!((meta.mode() & 0o777, meta.uid()), (0o700, rustix::process::geteuid().as_raw()));
        staging.fresh_dir("files").unwrap();
        s.file(".sitekeep-r1/files/old", "x");
        staging.fresh_dir("files").unwrap();
        assert!(!staging.path().join("files/old").exists(), "what an earlier attempt left is removed");
        drop(staging);
        let again = Staging::reopen(&live, "r1").unwrap().unwrap();
        assert!(again.path().join("files").is_dir());
        again.remove().unwrap();
        assert!(!s.path().join(".sitekeep-r1").exists());
        assert!(live.is_dir());
    }

    #[test]
    fn one_part_is_discarded_without_the_others_and_the_last_one_with_the_directory() {
        let s = Scratch::new();
        let live = s.dir("live");
        let staging = Staging::make(&live, "r1").unwrap();
        staging.fresh_dir("code").unwrap();
        staging.fresh_dir("files").unwrap();
        s.file(".sitekeep-r1/code/index", "x");
        Staging::reopen(&live, "r1").unwrap().unwrap().discard("files").unwrap();
        assert!(s.path().join(".sitekeep-r1/code/index").exists() && !s.path().join(".sitekeep-r1/files").exists());
        Staging::reopen(&live, "r1").unwrap().unwrap().discard("code").unwrap();
        assert!(!s.path().join(".sitekeep-r1").exists());
    }

    #[test]
    fn what_was_prepared_in_a_directory_is_taken_out_of_it_and_keeps_its_time() {
        let s = Scratch::new();
        let live = s.dir("live");
        let staging = Staging::make(&live, "r1").unwrap();
        staging.fresh_dir("holder").unwrap();
        let inner = s.dir(".sitekeep-r1/holder/pictures");
        s.file(".sitekeep-r1/holder/pictures/x", "new");
        s.file(".sitekeep-r1/part-0", "left by an attempt that died");
        std::fs::set_permissions(&inner, std::fs::Permissions::from_mode(0o555)).unwrap();
        let time = std::fs::metadata(&inner).unwrap().modified().unwrap();
        assert_eq!(staging.take_out("holder", OsStr::new("other"), "part-0").unwrap_err().class(), Class::NotFound);
        staging.take_out("holder", OsStr::new("pictures"), "part-0").unwrap();
        let moved = std::fs::metadata(staging.path().join("part-0")).unwrap();
        assert_eq!((moved.mode() & 0o777, moved.modified().unwrap()), (0o555, time));
        assert!(staging.path().join("part-0/x").is_file() && !staging.path().join("holder").exists());
        for bad in ["..", "a/b", ""] {
            assert!(staging.take_out("part-0", OsStr::new(bad), "part-1").is_err(), "{bad:?}");
        }
        staging.remove().unwrap();
    }

    #[test]
    fn what_we_did_not_make_is_never_taken_for_ours() {
        let s = Scratch::new();
        let live = s.dir("live");
        let closed = s.dir(".sitekeep-a");
        s.file(".sitekeep-a/precious", "x");
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(Staging::make(&live, "a").unwrap_err().class(), Class::Conflict, "ours by owner and mode, but not marked");
        Staging::make(&live, "b").unwrap();
        std::fs::rename(s.path().join(".sitekeep-b"), s.path().join(".sitekeep-c")).unwrap();
        assert!(Staging::reopen(&live, "c").is_err(), "marked for another ticket");
        std::fs::create_dir(s.path().join(".sitekeep-d")).unwrap();
        std::fs::set_permissions(s.path().join(".sitekeep-d"), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Staging::make(&live, "d").is_err(), "others may enter it");
        std::os::unix::fs::symlink(&closed, s.path().join(".sitekeep-e")).unwrap();
        assert!(Staging::make(&live, "e").is_err(), "a link");
        assert!(Staging::make(&live, "../x").is_err() && Staging::make(&live, "").is_err());
        assert!(s.path().join(".sitekeep-a/precious").exists());
    }

    #[test]
    fn a_staged_directory_is_dressed_like_the_live_one() {
        let s = Scratch::new();
        let live = s.dir("live");
        std::fs::set_permissions(&live, std::fs::Permissions::from_mode(0o2750)).unwrap();
        super::super::testing::give(&live, &super::super::testing::owner());
        std::fs::set_permissions(&live, std::fs::Permissions::from_mode(0o2750)).unwrap();
        let staging = Staging::make(&live, "t").unwrap();
        let dir = staging.fresh_dir("files").unwrap();
        staging.dress(&dir, &live).unwrap();
        let meta = std::fs::metadata(staging.path().join("files")).unwrap();
        assert_eq!(meta.mode() & 0o7777, 0o2750);
        assert_eq!(meta.uid(), super::super::testing::owner().uid);
        staging.dress(&dir, &s.path().join("absent")).unwrap();
    }
}
