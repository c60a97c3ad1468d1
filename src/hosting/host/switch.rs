//! Bringing what was staged into place, and carrying over what it never held.

use super::paths::{Lent, NO_LINKS, Place, SameTime, WITHIN, explain, open_below, plain, split, stat_in, sync_dir};
use super::staging::{PREFIX, give, is_private, private_in};
use crate::base::error::{Context, Error, Result};
use rustix::fs::{AtFlags, CWD, FileType, Mode, RenameFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// Exchanges two entries of one file system in one act that nobody can see half done; where nothing stands at `live`,
/// `staged` is moved there. Both parents are written to disk before it returns. Calling it again exchanges back, so a
/// caller who may be killed compares [`super::inode`] with what it journalled before it calls again.
///
/// # Errors
/// `NotFound` when `staged` is missing, `Conflict` when its staging directory was replaced by another, `Permanent` when
/// a path goes through a link or the two lie on different file systems.
pub fn exchange(live: &Path, staged: &Path) -> Result<()> {
    let (to, from) = (Place::of(live)?, Place::of(staged)?);
    guard(staged, &from.parent)?;
    guard(live, &to.parent)?;
    if from.stat()?.is_none() {
        return Err(Error::not_found(format!("{} does not exist: there is nothing to bring into place", staged.display())));
    }
    place(&from.parent, &from.name, &to.parent, &to.name)
        .map_err(|e| explain_rename(e, live).context(format!("exchanging {} with {}", live.display(), staged.display())))?;
    sync_dir(&to.parent, live)?;
    sync_dir(&from.parent, staged)
}

/// A parent that is called a staging directory must be a private one: its own parent's owner could have put another there.
fn guard(path: &Path, parent: &OwnedFd) -> Result<()> {
    let (dir, _) = split(path)?;
    let staging = dir.file_name().is_some_and(|n| n.as_bytes().starts_with(PREFIX.as_bytes()));
    let stat = rustix::fs::fstat(parent).context(|| format!("looking at {}", dir.display()))?;
    if staging && !is_private(&stat) {
        return Err(Error::conflict(format!("{} is not the staging directory that was made", dir.display()))
            .hint("somebody who may write beside the site replaced it; nothing was changed"));
    }
    Ok(())
}

/// Moves `from` to `to`, or exchanges them when something is at `to`: true when it was an exchange.
pub(super) fn place(from: &OwnedFd, name: &OsStr, to: &OwnedFd, to_name: &OsStr) -> rustix::io::Result<bool> {
    // To write in the parents, and to give a directory another parent, takes the right to write in each of them.
    let entries: Vec<OwnedFd> = [(from, name), (to, to_name)].iter().filter_map(|(dir, name)| own_dir(dir, name)).collect();
    let _same: Vec<SameTime<'_>> = [from, to].into_iter().chain(&entries).map(SameTime::of).collect();
    let _lent: Vec<Lent<'_>> = [from, to].into_iter().chain(&entries).map(Lent::take).collect();
    // The target may come and go meanwhile: whichever of the two acts fits is tried until one does.
    for _ in 0..100 {
        match rustix::fs::renameat_with(from, name, to, to_name, RenameFlags::EXCHANGE) {
            Ok(()) => return Ok(true),
            Err(Errno::NOENT) => {}
            Err(e) => return Err(e),
        }
        match rustix::fs::renameat_with(from, name, to, to_name, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(false),
            Err(Errno::EXIST) => {}
            Err(e) => return Err(e),
        }
    }
    Err(Errno::AGAIN)
}

/// A directory to be moved, where we are not root and need rights in it.
fn own_dir(parent: &OwnedFd, name: &OsStr) -> Option<OwnedFd> {
    if rustix::process::geteuid().is_root() { None } else { open_below(parent, Path::new(name), WITHIN).ok() }
}

fn explain_rename(e: Errno, path: &Path) -> Error {
    match e {
        Errno::INVAL | Errno::NOSYS => Error::permanent(format!("the file system of {} cannot exchange two names", path.display()))
            .hint("ext4, xfs, btrfs, zfs and tmpfs can; network file systems often cannot"),
        Errno::AGAIN => Error::conflict(format!("{} keeps coming and going: somebody works on it", path.display())),
        e => explain(e, path),
    }
}

/// What [`carry`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// Moved to where nothing stood.
    Moved,
    /// Moved; what stood there lies now where it came from.
    Exchanged,
    /// There is none to carry.
    Absent,
}

/// Carries `relative` from one tree to the same place in another by a rename, within one file system: what a backup
/// left out or never held goes with the site. Directories above it that the target lacks are made with the owner and
/// mode that they have in `from_root`. One of the two roots must lie in a [`super::Staging`] directory, where such a
/// directory is prepared out of everybody's reach. Not to be repeated blindly: see [`exchange`].
///
/// # Errors
/// `Permanent` when a component is a link or on another file system, `Conflict` when a file stands where a directory is needed.
pub fn carry(from_root: &Path, to_root: &Path, relative: &Path) -> Result<Carried> {
    plain(relative)?;
    let (parent, name) = split(relative)?;
    let (from, to) = (Place::of(from_root)?, Place::of(to_root)?);
    let shown = from_root.join(relative);
    let from_top = below(&from.parent, Path::new(&from.name), from_root)?;
    let source = match open_below(&from_top, parent, WITHIN) {
        Ok(dir) => dir,
        Err(Errno::NOENT) => return Ok(Carried::Absent),
        Err(e) => return Err(explain(e, &shown)),
    };
    if stat_in(&source, name).context(|| format!("looking at {}", shown.display()))?.is_none() {
        return Ok(Carried::Absent);
    }
    let to_top = below(&to.parent, Path::new(&to.name), to_root)?;
    let workshop = workshop(from_root, to_root)?;
    let target = same_parents(&from_top, to_top, parent, &workshop).map_err(|e| e.context(format!("carrying {}", shown.display())))?;
    let exchanged = place(&source, name, &target, name)
        .map_err(|e| explain_rename(e, &shown).context(format!("carrying {} to {}", shown.display(), to_root.display())))?;
    sync_dir(&target, to_root)?;
    sync_dir(&source, from_root)?;
    Ok(if exchanged { Carried::Exchanged } else { Carried::Moved })
}

fn below(dir: &OwnedFd, name: &Path, shown: &Path) -> Result<OwnedFd> {
    open_below(dir, name, NO_LINKS).map_err(|e| explain(e, shown))
}

/// The staging directory that one of the two roots lies in.
fn workshop(from_root: &Path, to_root: &Path) -> Result<OwnedFd> {
    for root in [from_root, to_root] {
        for above in root.ancestors().skip(1).filter(|a| a.file_name().is_some_and(|n| n.as_bytes().starts_with(PREFIX.as_bytes()))) {
            let place = Place::of(above)?;
            if private_in(&place.parent, &place.name).context(|| format!("looking at {}", above.display()))? {
                let dir = open_below(CWD, above, NO_LINKS).map_err(|e| explain(e, above))?;
                let stat = rustix::fs::fstat(&dir).context(|| format!("looking at {}", above.display()))?;
                if is_private(&stat) {
                    return Ok(dir);
                }
            }
        }
    }
    Err(Error::conflict(format!("neither {} nor {} lies in a staging directory of ours", from_root.display(), to_root.display())))
}

/// Walks down the target, making what is missing like its twin in the source.
fn same_parents(from_top: &OwnedFd, to_top: OwnedFd, parent: &Path, workshop: &OwnedFd) -> Result<OwnedFd> {
    let mut to = to_top;
    let mut walked = std::path::PathBuf::new();
    for component in parent.components() {
        let Component::Normal(name) = component else { continue };
        walked.push(name);
        to = match open_below(&to, Path::new(name), WITHIN) {
            Ok(dir) => dir,
            Err(Errno::NOENT) => {
                let twin = open_below(from_top, &walked, WITHIN).map_err(|e| explain(e, &walked))?;
                twin_dir(&twin, &to, name, workshop).context(|| format!("making the directory {}", walked.display()))?
            }
            Err(e @ (Errno::NOTDIR | Errno::LOOP)) => return Err(explain(e, &walked).with_class(crate::base::error::Class::Conflict)),
            Err(e) => return Err(explain(e, &walked)),
        };
    }
    Ok(to)
}

/// A directory with the twin's owner and mode, made in the workshop and moved to its place when it is ready: there the
/// owner could have put another directory under its name before it was dressed.
fn twin_dir(twin: &OwnedFd, to: &OwnedFd, name: &OsStr, workshop: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    let like = rustix::fs::fstat(twin)?;
    debug_assert_eq!(FileType::from_raw_mode(like.st_mode), FileType::Directory);
    let temporary = format!(".made-{}", crate::base::chance::word(12));
    rustix::fs::mkdirat(workshop, &temporary, Mode::RWXU)?;
    let _same = SameTime::of(to);
    let _lent = Lent::take(to);
    let root = rustix::process::geteuid().is_root();
    let place = || rustix::fs::renameat_with(workshop.as_fd(), &temporary, to, name, RenameFlags::NOREPLACE);
    let made = open_below(workshop, Path::new(&temporary), WITHIN).and_then(|dir| {
        // Without root's rights there is nothing to lose in a race, but a directory that may not be written cannot be moved.
        if root {
            give(&dir, &like).and_then(|()| place())?
        } else {
            place().and_then(|()| give(&dir, &like))?
        }
        Ok(dir)
    });
    if made.is_err() {
        let _ = rustix::fs::unlinkat(workshop, &temporary, AtFlags::REMOVEDIR);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scratch, give, owner};
    use super::super::{Staging, inode};
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn read(path: impl AsRef<Path>) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn an_exchange_swaps_two_directories_and_a_second_one_swaps_them_back() {
        let s = Scratch::new();
        let live = s.dir("live");
        s.file("live/a", "old");
        let staging = Staging::make(&live, "t").unwrap();
        staging.fresh_dir("files").unwrap();
        s.file(".sitekeep-t/files/a", "new");
        let staged = staging.path().join("files");
        let (before, aside) = (inode(&live).unwrap(), inode(&staged).unwrap());
        exchange(&live, &staged).unwrap();
        assert_eq!((read(live.join("a")).as_str(), inode(&live).unwrap(), inode(&staged).unwrap()), ("new", aside, before));
        exchange(&live, &staged).unwrap();
        assert_eq!(read(live.join("a")), "old");
        std::fs::remove_dir_all(&live).unwrap();
        exchange(&live, &staged).unwrap();
        assert_eq!(read(live.join("a")), "new");
        assert_eq!(inode(&staged).unwrap(), None, "where nothing was live, nothing is left aside");
        assert!(exchange(&live, &staged).is_err());
    }

    #[test]
    fn a_staging_directory_that_was_replaced_is_refused_and_links_in_paths_too() {
        let s = Scratch::new();
        let live = s.dir("live");
        s.file(".sitekeep-x/files/a", "not ours");
        std::fs::set_permissions(s.path().join(".sitekeep-x"), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(exchange(&live, &s.path().join(".sitekeep-x/files")).unwrap_err().to_string().contains("is not the staging directory"));
        std::os::unix::fs::symlink(s.path(), s.path().join("way")).unwrap();
        let e = exchange(&s.path().join("way/live"), &s.path().join("way/other")).unwrap_err();
        assert!(e.to_string().contains("symbolic link"), "{e}");
    }

    #[test]
    fn what_was_never_in_the_backup_is_carried_with_the_directories_above_it() {
        let s = Scratch::new();
        let live = s.dir("live");
        let staging = Staging::make(&live, "t").unwrap();
        staging.fresh_dir("code").unwrap();
        let old = staging.path().join("code");
        s.file(".sitekeep-t/code/sites/default/files/photo", "upload");
        s.file(".sitekeep-t/code/cache/x", "cached");
        std::fs::set_permissions(old.join("sites"), std::fs::Permissions::from_mode(0o2755)).unwrap();
        std::fs::set_permissions(old.join("sites/default"), std::fs::Permissions::from_mode(0o555)).unwrap();
        s.file("live/cache/stale", "stale");
        give(&old, &owner());
        std::fs::set_permissions(old.join("sites"), std::fs::Permissions::from_mode(0o2755)).unwrap();
        assert_eq!(carry(&old, &live, Path::new("sites/default/files")).unwrap(), Carried::Moved);
        assert_eq!(read(live.join("sites/default/files/photo")), "upload");
        let made = std::fs::metadata(live.join("sites/default")).unwrap();
        assert_eq!((made.mode() & 0o7777, made.uid()), (0o555, owner().uid));
        assert_eq!(std::fs::metadata(live.join("sites")).unwrap().mode() & 0o7777, 0o2755);
        assert_eq!(carry(&old, &live, Path::new("cache")).unwrap(), Carried::Exchanged);
        assert_eq!((read(live.join("cache/x")).as_str(), read(old.join("cache/stale")).as_str()), ("cached", "stale"));
        assert_eq!(carry(&old, &live, Path::new("nothing/here")).unwrap(), Carried::Absent);
        for bad in ["../x", "/etc/passwd", "", "a/../b"] {
            assert!(carry(&old, &live, Path::new(bad)).is_err(), "{bad:?} was accepted");
        }
        assert_eq!(std::fs::read_dir(staging.path()).unwrap().count(), 2, "the workshop holds the mark and the old code alone");
    }

    #[test]
    fn nothing_is_carried_through_a_link() {
        let s = Scratch::new();
        let live = s.dir("live");
        let staging = Staging::make(&live, "t").unwrap();
        staging.fresh_dir("code").unwrap();
        let old = staging.path().join("code");
        s.file("outside/secret", "secret");
        std::os::unix::fs::symlink(s.path().join("outside"), old.join("way")).unwrap();
        assert!(carry(&old, &live, Path::new("way/secret")).is_err());
        s.file(".sitekeep-t/code/dir/x", "x");
        std::os::unix::fs::symlink(s.path().join("outside"), live.join("dir")).unwrap();
        assert!(carry(&old, &live, Path::new("dir/x")).is_err());
        assert_eq!(carry(&old, &live, Path::new("way")).unwrap(), Carried::Moved, "the link itself is an entry like any other");
        assert!(live.join("way").symlink_metadata().unwrap().is_symlink());
    }
}
