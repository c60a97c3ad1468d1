//! What this room's tests share: a scratch directory that other users may enter, and another user.

use crate::base::identity::Identity;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A directory that is gone with the value.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        let base = std::env::temp_dir().canonicalize().unwrap();
        let path = base.join(format!("sitekeep-test-{}", crate::base::chance::word(10)));
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }
    pub fn path(&self) -> &Path {
        &self.0
    }
    /// Writes a file with its parent directories and returns its path.
    pub fn file(&self, relative: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }
    pub fn dir(&self, relative: &str) -> PathBuf {
        let path = self.0.join(relative);
        std::fs::create_dir_all(&path).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The user `nobody`, where we are root and can become another; `None` where we are an ordinary user.
pub(crate) fn other_user() -> Option<Identity> {
    rustix::process::getuid().is_root().then(|| Identity { uid: 65534, gid: 65534, groups: vec![65534] })
}

/// The site's owner in tests: another user where that can be.
pub(crate) fn owner() -> Identity {
    other_user().unwrap_or_else(Identity::of_process)
}

/// Gives a tree to the owner, as a hosted site is.
pub(crate) fn give(path: &Path, who: &Identity) {
    if rustix::process::getuid().is_root() {
        std::os::unix::fs::lchown(path, Some(who.uid), Some(who.gid)).unwrap();
        if path.symlink_metadata().unwrap().is_dir() {
            for entry in std::fs::read_dir(path).unwrap() {
                give(&entry.unwrap().path(), who);
            }
        }
    }
}
