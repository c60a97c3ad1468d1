//! A small file system of an exact size, to be full when a test wants it to be.

use super::{Scratch, is_root, run, tool};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs, unmounted at the end.
pub struct SmallDisk {
    path: PathBuf,
    _scratch: Option<Scratch>,
}

impl SmallDisk {
    /// # Panics
    /// Without root's rights: nobody else may mount.
    pub fn new(bytes: u64) -> Self {
        let scratch = Scratch::new();
        let mut disk = Self::at(scratch.join("disk"), bytes);
        disk._scratch = Some(scratch);
        disk
    }
    /// The same at a place of the test's own, which must be there no longer than the disk.
    pub fn at(path: PathBuf, bytes: u64) -> Self {
        assert!(is_root(), "only root may mount a small file system; run this test as root");
        std::fs::create_dir_all(&path).expect("a directory can be made");
        run(Command::new(tool("mount")).args(["-t", "tmpfs", "-o", &format!("size={bytes},mode=0755"), "sitekeep-test"]).arg(&path));
        Self { path, _scratch: None }
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

/// A file system on a device that is a file: what it has written to that, and nothing else, is there after a power failure.
pub struct LoopDisk {
    scratch: Scratch,
    mounted: bool,
}

impl LoopDisk {
    /// # Panics
    /// Without root's rights: nobody else may mount.
    pub fn new(bytes: u64) -> Self {
        assert!(is_root(), "only root may mount a file system; run this test as root");
        let scratch = Scratch::new();
        std::fs::create_dir(scratch.join("disk")).expect("a directory can be made");
        let image = scratch.join("image");
        std::fs::File::create(&image).and_then(|f| f.set_len(bytes)).expect("a file can be made");
        run(Command::new(tool("mkfs.ext4")).args(["-q", "-F", "-m", "0"]).arg(&image));
        let mut disk = Self { scratch, mounted: false };
        disk.mount();
        disk
    }
    pub fn path(&self) -> PathBuf {
        self.scratch.join("disk")
    }
    fn mount(&mut self) {
        run(Command::new(tool("mount")).args(["-o", "loop"]).arg(self.scratch.join("image")).arg(self.path()));
        self.mounted = true;
    }
    /// From now on nothing reaches the device: its copy is of this moment.
    pub fn lose_power(&self) {
        run(Command::new(tool("cp")).arg("--sparse=always").arg(self.scratch.join("image")).arg(self.scratch.join("written")));
    }
    /// Nobody may have anything open on it any more.
    pub fn mount_what_was_written(&mut self) {
        run(Command::new(tool("umount")).arg(self.path()));
        self.mounted = false;
        std::fs::rename(self.scratch.join("written"), self.scratch.join("image")).expect("a file can be renamed");
        self.mount();
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        if self.mounted {
            let _ = Command::new(tool("umount")).arg("-l").arg(self.path()).status();
        }
    }
}
