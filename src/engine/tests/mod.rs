//! The engine as a whole, judged by stock `restic` where there is one.

mod archives;
mod backups;
mod damage;
mod dumps;
mod generated;
mod hostile;
mod looks;
mod mends;
mod prunes;
mod restores;

use super::*;
use crate::base::chance;
use crate::base::clock::Clock;
use crate::base::identity::Identity;
use crate::base::secret::Secret;
use crate::base::watch::Watch;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder that goes when the test does.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("sitekeep-engine-{}", chance::word(12)));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
    pub fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
    /// A new empty directory.
    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.at(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = Command::new("chmod").arg("-R").arg("u+rwX").arg(&self.0).output();
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A site's repository and what is needed to use it.
pub struct Bench {
    pub scratch: Scratch,
    pub repository: Repository,
    pub key: Secret,
}

const PASSWORD: &str = "recovery key";

impl Bench {
    pub fn new() -> Self {
        let scratch = Scratch::new();
        let (repository, key) = Repository::create(&Location::Local(scratch.at("repo")), &Secret::new(PASSWORD)).unwrap();
        Self { scratch, repository, key }
    }

    pub fn backup(&self, sources: Vec<Source>) -> crate::base::error::Result<Stored> {
        self.repository.backup(sources, &label("shop.live/files"), &Watch::new())
    }

    pub fn restore(&self, snapshot: &str, from: &str, into: &str) -> crate::base::error::Result<Restored> {
        let fd = open(&self.scratch.dir(into));
        self.repository.restore_tree(snapshot, Path::new(from), &fd, &RECORDED, &Watch::new())
    }

    /// Runs stock restic; its output, and whether it was content.
    pub fn restic(&self, args: &[&str]) -> (bool, String) {
        let mut command = Command::new("timeout");
        command.args(["120", "restic", "--no-cache", "-r"]).arg(self.scratch.at("repo")).args(args).env("RESTIC_PASSWORD", PASSWORD);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    }

    /// Stock restic reads everything and finds nothing wrong.
    pub fn judge(&self) {
        let (good, text) = self.restic(&["check", "--read-data"]);
        assert!(good, "{text}");
    }

    /// Every file of the repository below `folder`.
    pub fn objects(&self, folder: &str) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = files_below(&self.scratch.at("repo").join(folder));
        all.sort();
        all
    }
}

pub const RECORDED: Owners = Owners { map: None, as_recorded: true, drop_setid: false };

pub fn label(path: &str) -> Label {
    Label {
        host: "sitekeep".into(),
        path: path.into(),
        tags: vec!["job=1".into(), "attempt=1".into()],
        time: Clock::system().now(),
        description: String::new(),
        afresh: false,
    }
}

pub fn tree(name: &str, root: &Path) -> Source {
    Source::Tree(plain_tree(name, root))
}

pub fn plain_tree(name: &str, root: &Path) -> Tree {
    Tree { name: name.into(), root: root.to_owned(), identity: Identity::of_process(), exclude: Exclude::default(), absent_is_empty: false }
}

pub fn file(path: &str, bytes: &[u8]) -> Source {
    Source::File { path: path.into(), bytes: bytes.to_vec() }
}

pub fn open(dir: &Path) -> OwnedFd {
    std::fs::File::open(dir).unwrap().into()
}

pub fn am_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if std::fs::symlink_metadata(&path).unwrap().is_dir() { out.extend(files_below(&path)) } else { out.push(path) }
    }
    out
}

/// Bytes that do not compress, the same for the same seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    (0..).flat_map(|i: u64| super::segments::h64(&[seed.to_le_bytes(), i.to_le_bytes()].concat()).to_le_bytes()).take(len).collect()
}

/// Everything that can be seen of a tree from outside: kind, mode, owner, time, content or target, number of names.
pub fn picture(root: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut out = BTreeMap::new();
    take(root, root, &mut out);
    out
}

fn take(root: &Path, path: &Path, out: &mut BTreeMap<Vec<u8>, String>) {
    let meta = std::fs::symlink_metadata(path).unwrap();
    let content = if meta.is_symlink() {
        format!("{:?}", std::fs::read_link(path).unwrap())
    } else if meta.is_file() {
        use sha2::Digest;
        format!("{} {} names, {}", meta.len(), meta.nlink(), crate::base::secret::hex(&sha2::Sha256::digest(std::fs::read(path).unwrap())))
    } else {
        String::new()
    };
    let mode = if meta.is_symlink() { 0 } else { meta.permissions().mode() };
    let line = format!("{mode:o} {}:{} {}.{} {content}", meta.uid(), meta.gid(), meta.mtime(), meta.mtime_nsec());
    out.insert(path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec(), line);
    if meta.is_dir() {
        let mut inner: Vec<_> = std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
        inner.sort();
        inner.iter().for_each(|path| take(root, path, out));
    }
}
