//! A small file system of an exact size, to be full when a test wants it to be.

use super::{Scratch, is_root, run, tool};
use std::io::Write;
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
    /// While it is mounted.
    device: Option<String>,
}

impl LoopDisk {
    /// # Panics
    /// Without root's rights: nobody else may mount.
    pub fn new(bytes: u64) -> Self {
        Self::made(bytes, &[])
    }
    /// One that [`LoopDisk::spoil`] can spoil.
    pub fn that_will_spoil(bytes: u64) -> Self {
        let disk = Self::made(bytes, &["-b", "4096", "-O", "^has_journal"]);
        super::write(disk.room(), vec![7u8; 8 << 20]);
        disk
    }
    fn made(bytes: u64, options: &[&str]) -> Self {
        assert!(is_root(), "only root may mount a file system; run this test as root");
        let scratch = Scratch::new();
        std::fs::create_dir(scratch.join("disk")).expect("a directory can be made");
        let image = scratch.join("image");
        std::fs::File::create(&image).and_then(|f| f.set_len(bytes)).expect("a file can be made");
        run(Command::new(tool("mkfs.ext4")).args(["-q", "-F", "-m", "0"]).args(options).arg(&image));
        let mut disk = Self { scratch, device: None };
        disk.mount();
        disk
    }
    pub fn path(&self) -> PathBuf {
        self.scratch.join("disk")
    }
    /// Past the kernel's memory of the file, as with a disk: what is not in the file any more cannot be read.
    fn mount(&mut self) {
        let device = run(Command::new(tool("losetup")).args(["--direct-io=on", "--find", "--show"]).arg(self.scratch.join("image")));
        let device = String::from_utf8_lossy(&device).trim().to_owned();
        self.device = Some(device.clone());
        run(Command::new(tool("mount")).arg(&device).arg(self.path()));
    }
    /// The device does not give the last part of this file any more, nor what lies behind it: reading is an input/output error
    /// (EIO). What is written from now on lies before it, in room that was kept there: behind it, it would mend the device.
    pub fn spoil(&self, file: &Path) {
        const BLOCK: u64 = 4096;
        let open = std::fs::File::open(file).expect("the file can be opened");
        let mut ballast = std::fs::File::create(self.path().join(".ballast")).expect("a file can be made");
        while ballast.write_all(&[7u8; 4096]).is_ok() {}
        std::fs::remove_file(self.room()).expect("it was made with the disk");
        rustix::fs::syncfs(&open).expect("everything reaches the disk");
        let map = run(Command::new(tool("filefrag")).args(["-v", "-b4096"]).arg(file));
        let start = last_extent(&String::from_utf8_lossy(&map)).expect("the last extent is told");
        let image = std::fs::File::options().write(true).open(self.scratch.join("image")).expect("the device is a file");
        image.set_len(start * BLOCK).expect("it can be cut");
        rustix::fs::fadvise(&open, 0, None, rustix::fs::Advice::DontNeed).expect("what the kernel still holds of it is let go");
    }
    fn room(&self) -> PathBuf {
        self.path().join(".room")
    }
    /// From now on nothing reaches the device: its copy is of this moment.
    pub fn lose_power(&self) {
        run(Command::new(tool("cp")).arg("--sparse=always").arg(self.scratch.join("image")).arg(self.scratch.join("written")));
    }
    /// Nobody may have anything open on it any more.
    pub fn mount_what_was_written(&mut self) {
        run(Command::new(tool("umount")).arg(self.path()));
        self.let_go();
        std::fs::rename(self.scratch.join("written"), self.scratch.join("image")).expect("a file can be renamed");
        self.mount();
    }
    /// Now, or when whoever still has something open on it has closed that.
    fn let_go(&mut self) {
        if let Some(device) = self.device.take() {
            let _ = Command::new(tool("losetup")).args(["--detach", &device]).status();
        }
    }
}

/// Where the last extent begins, in what `filefrag` prints: `0:  0..  99:  34816..  34915:  100:  last,eof`.
fn last_extent(map: &str) -> Option<u64> {
    let last = map.lines().rfind(|line| line.contains("eof"))?;
    last.split(':').nth(2)?.split("..").next()?.trim().parse().ok()
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        if self.device.is_some() {
            let _ = Command::new(tool("umount")).arg("-l").arg(self.path()).status();
            self.let_go();
        }
    }
}
