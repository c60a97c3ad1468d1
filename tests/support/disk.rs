//! A small file system of an exact size, to be full when a test wants it to be.

use super::{Scratch, is_root, run, tool};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs, unmounted at the end.
pub struct SmallDisk {
    path: PathBuf,
    _scratch: Scratch,
}

impl SmallDisk {
    /// # Panics
    /// Without root's rights: nobody else may mount.
    pub fn new(bytes: u64) -> Self {
        assert!(is_root(), "only root may mount a small file system; run this test as root");
        let scratch = Scratch::new();
        let path = scratch.join("disk");
        std::fs::create_dir(&path).expect("a directory can be made");
        run(Command::new(tool("mount")).args(["-t", "tmpfs", "-o", &format!("size={bytes},mode=0755"), "sitekeep-test"]).arg(&path));
        Self { path, _scratch: scratch }
    }
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// Fills it with a file of its own until only about `left` bytes are free.
    pub fn fill(&self, left: u64) {
        let stat = rustix::fs::statvfs(&self.path).expect("a file system says how full it is");
        let free = stat.f_bavail * stat.f_frsize;
        super::write(self.ballast(), vec![7u8; usize::try_from(free.saturating_sub(left)).expect("a small disk is small")]);
    }
    /// Gives the room back.
    pub fn empty(&self) {
        let _ = std::fs::remove_file(self.ballast());
    }
    /// Mounts it anew: nothing may be written, or again.
    pub fn read_only(&self, yes: bool) {
        let how = if yes { "remount,ro" } else { "remount,rw" };
        run(Command::new(tool("mount")).args(["-o", how]).arg(&self.path));
    }
    fn ballast(&self) -> PathBuf {
        self.path.join(".ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that still has a file open must not keep the test from ending.
        let _ = Command::new(tool("umount")).arg("-l").arg(&self.path).status();
    }
}
