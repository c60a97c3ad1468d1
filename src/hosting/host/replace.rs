//! Replacing a settings file: the new one is whole before it has the name.

use super::paths::{Inode, Lent, Place, SameTime, sync_dir};
use crate::base::error::{Context, Error, Result};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use std::fs::{File, Metadata};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Writes `bytes` to a new file beside `path` with the owner and mode of `like` (what [`super::read_file`] said of the
/// old one), syncs it, and gives it the name in one act: whoever reads sees the old text or the new one, never a part.
///
/// # Errors
/// `Resource` when the disk is full, `Forbidden` when we may not give the file its old owner, `Conflict` when the name
/// meant another file straight after: the owner works on it too.
pub fn replace_file(path: &Path, bytes: &[u8], like: &Metadata) -> Result<()> {
    let place = Place::of(path)?;
    let _same = SameTime::of(&place.parent);
    let _lent = Lent::take(&place.parent);
    replace(&place, bytes, like).context(|| format!("replacing {}", path.display()))
}

fn replace(place: &Place, bytes: &[u8], like: &Metadata) -> Result<()> {
    let temporary = format!(".sitekeep-{}", crate::base::chance::word(16));
    // O_EXCL makes this descriptor a file of ours, whatever happens to its name from now on.
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(&place.parent, &temporary, flags, Mode::RUSR | Mode::WUSR)?);
    let written = write(&file, bytes, like)
        .and_then(|()| rustix::fs::renameat(&place.parent, &temporary, &place.parent, &place.name).map_err(Error::from));
    if let Err(e) = written {
        let _ = rustix::fs::unlinkat(&place.parent, &temporary, AtFlags::empty());
        return Err(e);
    }
    sync_dir(&place.parent, &place.path)?;
    let ours = Inode::of(&rustix::fs::fstat(&file)?);
    if place.stat()?.is_none_or(|s| Inode::of(&s) != ours) {
        return Err(Error::conflict("somebody else replaced the file at the same moment"));
    }
    Ok(())
}

fn write(mut file: &File, bytes: &[u8], like: &Metadata) -> Result<()> {
    file.write_all(bytes)?;
    let meta = file.metadata()?;
    if (meta.uid(), meta.gid()) != (like.uid(), like.gid()) {
        match rustix::fs::fchown(file, Some(Uid::from_raw(like.uid())), Some(Gid::from_raw(like.gid()))) {
            Err(Errno::PERM) => {
                return Err(Error::forbidden(format!("the file belongs to user {}, group {}", like.uid(), like.gid()))
                    .hint("run the worker as root, or let the file belong to the user who runs the worker"));
            }
            other => other?,
        }
    }
    // A settings file is read, never run: bits that lend its owner's rights stay behind.
    rustix::fs::fchmod(file, Mode::from_raw_mode(like.mode() & 0o777))?;
    file.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scratch, give, owner};
    use super::super::{inode, read_file};
    use super::*;
    use crate::base::identity::Identity;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_replaced_file_keeps_its_owner_and_mode_and_leaves_nothing_beside_it() {
        let s = Scratch::new();
        let path = s.file("site/settings.php", "old");
        give(path.parent().unwrap(), &owner());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o440)).unwrap();
        std::fs::set_permissions(path.parent().unwrap(), std::fs::Permissions::from_mode(0o555)).unwrap();
        let old = read_file(&path, &owner(), 100).unwrap().unwrap();
        let twin = s.path().join("twin");
        std::fs::hard_link(&path, &twin).unwrap();
        let before = inode(&path).unwrap();
        replace_file(&path, b"new", &old.meta).unwrap();
        let new = read_file(&path, &owner(), 100).unwrap().unwrap();
        assert_eq!(new.bytes, b"new");
        assert_eq!((new.meta.mode(), new.meta.uid(), new.meta.gid()), (old.meta.mode(), old.meta.uid(), old.meta.gid()));
        assert_ne!(inode(&path).unwrap(), before);
        assert_eq!(std::fs::read(twin).unwrap(), b"old", "another name of the old file is not written to");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777, 0o555);
    }

    #[test]
    fn reading_refuses_links_pipes_directories_and_what_is_too_large() {
        let s = Scratch::new();
        let me = Identity::of_process();
        let file = s.file("file", "12345");
        assert_eq!(read_file(&file, &me, 5).unwrap().unwrap().bytes, b"12345");
        assert!(read_file(&file, &me, 4).unwrap_err().to_string().contains("larger"));
        assert!(read_file(&s.path().join("none/x"), &me, 9).unwrap().is_none());
        std::os::unix::fs::symlink(&file, s.path().join("link")).unwrap();
        assert!(read_file(&s.path().join("link"), &me, 9).unwrap_err().to_string().contains("symbolic link"));
        rustix::fs::mknodat(rustix::fs::CWD, s.path().join("pipe"), rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for other in ["pipe", ""] {
            assert!(read_file(&s.path().join(other), &me, 9).unwrap_err().to_string().contains("not a plain file"));
        }
        if me.is_root() {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            assert!(read_file(&file, &owner(), 9).unwrap_err().to_string().contains("cannot be read by the site's owner"));
        }
    }
}
