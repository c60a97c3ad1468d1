//! A live directory as one of two trees that are compared: names, sizes and times, as the site's owner sees them.

use super::paths::{WITHIN, open_dir, open2, stat_in};
use super::staging::PREFIX;
use crate::base::clock::Millis;
use crate::base::error::{Class, Result};
use crate::base::identity::Identity;
use crate::domain::walk::{Item, ItemKind, Side};
use rustix::fs::{Dir, FileType, OFlags, Stat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What lies below a live directory. No file is opened: what is in it is not known here.
#[derive(Debug)]
pub struct LiveTree {
    root: Option<OwnedFd>,
    who: Identity,
    /// Of the root only the entry of this name.
    only: Option<Vec<u8>>,
}

impl LiveTree {
    /// Opens the directory with the rights of `who`; one that is not there is empty.
    ///
    /// # Errors
    /// `Permanent` when it is no directory, behind a link, or closed to `who`.
    pub fn open(root: &Path, only: Option<&OsStr>, who: &Identity) -> Result<Self> {
        let root = who.act(|| match open_dir(root) {
            Ok(root) => Ok(Some(root)),
            Err(e) if e.class() == Class::NotFound => Ok(None),
            Err(e) => Err(e),
        })?;
        Ok(Self { root, who: who.clone(), only: only.map(|name| name.as_bytes().to_vec()) })
    }

    /// The directory is opened anew from the root by its relative path: one that is moved away meanwhile leads nowhere.
    fn entries(&self, root: &OwnedFd, path: &Path) -> rustix::io::Result<Option<Vec<Item>>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = match open2(root.as_fd(), path, flags, WITHIN) {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return Ok(Some(Vec::new())), // gone meanwhile
            Err(Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::ACCESS) => return Ok(None),
            Err(e) => return Err(e),
        };
        let mut items = Vec::new();
        for entry in Dir::read_from(&dir)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            let other = path.as_os_str().is_empty() && self.only.as_ref().is_some_and(|only| only != name);
            if other || name == b"." || name == b".." || name.starts_with(PREFIX.as_bytes()) {
                continue;
            }
            if let Some(stat) = stat_in(&dir, entry.file_name())? {
                items.push(item(name, &stat));
            }
        }
        items.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(items))
    }
}

impl Side for LiveTree {
    fn list(&self, path: &Path, _: Option<&Item>) -> Result<Option<Vec<Item>>> {
        let Some(root) = &self.root else { return Ok(Some(Vec::new())) };
        self.who.act(|| Ok(self.entries(root, path).unwrap_or(None)))
    }
}

#[allow(clippy::unnecessary_cast, clippy::useless_conversion)] // the fields' types differ by platform
fn item(name: &[u8], stat: &Stat) -> Item {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => ItemKind::File,
        FileType::Directory => ItemKind::Folder,
        FileType::Symlink => ItemKind::Link,
        _ => ItemKind::Other,
    };
    let is_file = kind == ItemKind::File;
    let modified = i64::from(stat.st_mtime).saturating_mul(1000).saturating_add(stat.st_mtime_nsec as i64 / 1_000_000);
    Item {
        name: name.to_vec(),
        kind,
        size: if is_file { stat.st_size as u64 } else { 0 },
        modified: is_file.then_some(Millis(modified)),
        content: None,
        meta: None,
        tree: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Scratch;
    use super::*;

    #[test]
    fn a_live_tree_is_listed_by_name_without_following_links_or_waiting_for_pipes() {
        let s = Scratch::new();
        s.file("site/b", [1u8; 9]);
        s.file("site/a/inner", "x");
        s.file("site/.sitekeep-t/staged", "x");
        s.file("outside/secret", "x");
        std::os::unix::fs::symlink(s.path().join("outside"), s.path().join("site/way")).unwrap();
        let pipe = s.path().join("site/pipe");
        rustix::fs::mknodat(rustix::fs::CWD, pipe, FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        let tree = LiveTree::open(&s.path().join("site"), None, &Identity::of_process()).unwrap();
        let list = |path: &str| tree.list(Path::new(path), None).unwrap();
        let found: Vec<_> = list("").unwrap().into_iter().map(|i| (String::from_utf8(i.name).unwrap(), i.kind, i.size)).collect();
        let expected = [("a", ItemKind::Folder, 0), ("b", ItemKind::File, 9), ("pipe", ItemKind::Other, 0), ("way", ItemKind::Link, 0)];
        assert_eq!(found, expected.map(|(name, kind, size)| (name.to_owned(), kind, size)));
        assert_eq!((list("way"), list("a").unwrap().len(), list("gone")), (None, 1, Some(Vec::new())));
        let only = LiveTree::open(&s.path().join("site"), Some(OsStr::new("b")), &Identity::of_process()).unwrap();
        assert_eq!(only.list(Path::new(""), None).unwrap().unwrap().len(), 1);
        let absent = LiveTree::open(&s.path().join("absent"), None, &Identity::of_process()).unwrap();
        assert_eq!(absent.list(Path::new(""), None).unwrap(), Some(Vec::new()));
        assert!(LiveTree::open(&s.path().join("site/way"), None, &Identity::of_process()).is_err());
    }
}
