//! A flag file in a site's directory: put there, taken away; and the time of change of a file that was written back.

use super::paths::{Inode, Place, SameTime, sync_dir};
use super::read_file;
use crate::base::error::{Context, Error, Result};
use crate::base::identity::Identity;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Puts a small file there that belongs to the owner, mode 0644. One that stands there already stays as it is.
///
/// # Errors
/// As opening the directory; `Resource` when the disk is full.
pub fn place_file(path: &Path, bytes: &[u8], owner: &Identity) -> Result<()> {
    let place = Place::of(path)?;
    let what = || format!("writing {}", path.display());
    let _same = SameTime::of(&place.parent);
    // O_EXCL makes this descriptor a file of ours, whatever happens to its name from now on.
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = match rustix::fs::openat(&place.parent, &place.name, flags, Mode::from_raw_mode(0o600)) {
        Ok(fd) => fd,
        Err(Errno::EXIST) => return Ok(()),
        Err(e) => return Err(e).context(what),
    };
    let mut file = File::from(fd);
    file.write_all(bytes).context(what)?;
    if rustix::process::geteuid().is_root() {
        rustix::fs::fchown(&file, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid))).context(what)?;
    }
    rustix::fs::fchmod(&file, Mode::from_raw_mode(0o644)).context(what)?;
    file.sync_all().context(what)?;
    sync_dir(&place.parent, path)
}

/// Takes a file away that holds exactly these bytes; another one of that name is not ours and stays.
///
/// # Errors
/// As reading it with the owner's rights, and removing it.
pub fn remove_file(path: &Path, bytes: &[u8], owner: &Identity) -> Result<()> {
    let ours = match read_file(path, owner, bytes.len() as u64) {
        Ok(Some(content)) => content.bytes == bytes,
        Ok(None) | Err(_) => false,
    };
    if !ours {
        return Ok(());
    }
    let place = Place::of(path)?;
    let _same = SameTime::of(&place.parent);
    match rustix::fs::unlinkat(&place.parent, &place.name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => sync_dir(&place.parent, path),
        Err(e) => Err(e).context(|| format!("removing {}", path.display())),
    }
}

/// Sets a file's time of change, in nanoseconds since 1970.
///
/// # Errors
/// As opening it with the owner's rights.
pub fn set_mtime(path: &Path, nanoseconds: i128, owner: &Identity) -> Result<()> {
    let place = Place::of(path)?;
    let what = || format!("setting the time of {}", path.display());
    let before = place.stat().context(what)?.map(|s| Inode::of(&s));
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = owner.act(|| rustix::fs::openat(&place.parent, &place.name, flags, Mode::empty())).context(what)?;
    if before != Some(Inode::of(&rustix::fs::fstat(&fd).context(what)?)) {
        return Err(Error::conflict(format!("{} was replaced by somebody else", path.display())));
    }
    let at = Timespec { tv_sec: nanoseconds.div_euclid(1_000_000_000) as i64, tv_nsec: nanoseconds.rem_euclid(1_000_000_000) as _ };
    let kept = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ };
    rustix::fs::futimens(&fd, &Timestamps { last_access: kept, last_modification: at }).context(what)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Scratch;
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_flag_is_put_and_taken_away_and_a_foreign_one_stays() {
        let s = Scratch::new();
        let (path, me) = (s.path().join(".maintenance"), Identity::of_process());
        let time = || std::fs::metadata(s.path()).unwrap().modified().unwrap();
        let before = time();
        place_file(&path, b"ours", &me).unwrap();
        place_file(&path, b"again", &me).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"ours");
        remove_file(&path, b"another", &me).unwrap();
        assert!(path.exists());
        remove_file(&path, b"ours", &me).unwrap();
        remove_file(&path, b"ours", &me).unwrap();
        assert!(!path.exists());
        assert_eq!(time(), before, "the directory shows no trace of it");
    }

    #[test]
    fn a_time_before_1970_is_set_to_the_nanosecond() {
        let s = Scratch::new();
        let path = s.file("x", "y");
        for at in [-1_500_000_000_i128, 1_600_000_000_123_456_789] {
            set_mtime(&path, at, &Identity::of_process()).unwrap();
            let meta = std::fs::metadata(&path).unwrap();
            assert_eq!(i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec()), at);
        }
    }
}
