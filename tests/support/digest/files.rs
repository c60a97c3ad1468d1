//! A directory tree: kind, mode, owner, size, time, extended attributes, and the hash or the target.

use super::{Digest, hash};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Everything that a restore gives back: names are relative, escaped where they are not plain text, `.` is the top.
/// Sizes of directories are left out (they are the file system's own matter), times of directories are not.
pub fn files(root: &Path) -> Digest {
    collect(root, true)
}

/// The same without owners and times: what a copy has in common with its original.
pub fn content(root: &Path) -> Digest {
    collect(root, false)
}

fn collect(root: &Path, whole: bool) -> Digest {
    let mut digest = Digest::default();
    visit(root, OsStr::new("."), whole, &mut digest);
    digest
}

fn visit(path: &Path, name: &OsStr, whole: bool, digest: &mut Digest) {
    let meta = path.symlink_metadata().unwrap_or_else(|e| panic!("looking at {}: {e}", path.display()));
    digest.insert(name.as_bytes().escape_ascii().to_string(), describe(path, &meta, whole));
    if !meta.is_dir() {
        return;
    }
    for entry in std::fs::read_dir(path).unwrap_or_else(|e| panic!("reading {}: {e}", path.display())) {
        let entry = entry.expect("a directory can be read to its end");
        let below = if name == "." { entry.file_name() } else { [name, OsStr::new("/"), &entry.file_name()].into_iter().collect() };
        visit(&entry.path(), &below, whole, digest);
    }
}

fn describe(path: &Path, meta: &std::fs::Metadata, whole: bool) -> String {
    let kind = meta.file_type();
    let what = if kind.is_file() {
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("reading {}: {e}", path.display()));
        format!("file {:04o} {} {}", meta.mode() & 0o7777, meta.size(), hash(&bytes))
    } else if kind.is_symlink() {
        let target = std::fs::read_link(path).expect("a link can be read");
        format!("link {}", target.as_os_str().as_bytes().escape_ascii())
    } else if kind.is_dir() {
        format!("dir {:04o}", meta.mode() & 0o7777)
    } else {
        let name = if kind.is_fifo() { "fifo" } else { "special" };
        format!("{name} {:04o}", meta.mode() & 0o7777)
    };
    if !whole {
        return what;
    }
    format!("{what} {}:{} {}.{:09}{}", meta.uid(), meta.gid(), meta.mtime(), meta.mtime_nsec(), attributes(path))
}

/// Extended attributes of users, sorted; nothing where there are none.
fn attributes(path: &Path) -> String {
    let mut names = vec![0u8; 4096];
    let n = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let mut all: Vec<String> = names[..n]
        .split(|b| *b == 0)
        .filter(|name| name.starts_with(b"user."))
        .map(|name| {
            let mut value = vec![0u8; 65_536];
            let n = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value[..]).unwrap_or(0);
            format!(" {}={}", name.escape_ascii(), hash(&value[..n]))
        })
        .collect();
    all.sort();
    all.concat()
}
