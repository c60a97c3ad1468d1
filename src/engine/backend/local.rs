//! A folder of this host as a store of objects.
//!
//! Every object is written under a temporary name in its own folder, synced, renamed, and the folder synced: after a
//! power loss it is there whole or not at all. Packs wait for their sync in a short queue, so that reading and
//! compressing go on while the disk writes; an index or snapshot, which names packs, is only written after all of them.

use super::Objects;
use crate::base::clock::Millis;
use bytes::Bytes;
use rustix::fs::{Advice, CWD, Mode, OFlags, RenameFlags};
use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many packs may be written and not yet synced.
const WAITING: usize = 8;
/// A temporary file of an unknown writer is a left-over after this time (jobs end within a day).
const LEFT_OVER: i64 = 2 * Millis::DAY;
const FOLDERS: [&str; 5] = ["keys", "snapshots", "index", "locks", "data"];

pub(super) struct Folder {
    root: PathBuf,
    waiting: Mutex<VecDeque<Written>>,
    counter: AtomicU64,
}

/// An object under its temporary name; dropped without being published, it is deleted.
struct Written {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
    size: u64,
    published: bool,
}

impl Written {
    fn publish(mut self) -> io::Result<PathBuf> {
        self.file.sync_all()?;
        match rustix::fs::renameat_with(CWD, &self.temporary, CWD, &self.target, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            // A name is the hash of what it holds: an equal length is the same object, another is a torn left-over.
            Err(rustix::io::Errno::EXIST) if std::fs::symlink_metadata(&self.target)?.len() == self.size => {
                std::fs::remove_file(&self.temporary)?;
            }
            Err(rustix::io::Errno::EXIST) if self.target.file_name().is_some_and(|n| n != "config") => {
                std::fs::rename(&self.temporary, &self.target)?;
            }
            // Some file systems cannot rename without replacing.
            Err(rustix::io::Errno::INVAL) => std::fs::rename(&self.temporary, &self.target)?,
            Err(e) => return Err(e.into()),
        }
        self.published = true;
        Ok(folder_of(&self.target).to_owned())
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if !self.published {
            let _ = std::fs::remove_file(&self.temporary); // a left-over is swept later
        }
    }
}

impl Folder {
    pub fn new(root: PathBuf) -> Self {
        Self { root, waiting: Mutex::default(), counter: AtomicU64::new(0) }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Written>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, key: &str, content: &[Bytes]) -> io::Result<Written> {
        let target = self.path(key);
        let number = self.counter.fetch_add(1, Relaxed);
        let name = format!(".tmp-{}-{}-{number}-{}", host(), std::process::id(), crate::base::chance::word(4));
        let temporary = folder_of(&target).join(name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(CWD, &temporary, flags, Mode::from_raw_mode(0o600))?);
        let size = content.iter().map(|part| part.len() as u64).sum();
        let mut written = Written { file, temporary, target, size, published: false };
        write_all(&mut written.file, content)?;
        Ok(written)
    }

    fn list_into(&self, folder: &Path, out: &mut Vec<(String, u64)>) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            if !is_object_name(&name) {
                continue; // temporary files: ours and those of other programs
            }
            let meta = match entry.metadata() {
                Ok(meta) => meta,
                // Locks come and go under us; anything else that vanishes while it is listed is an error.
                Err(e) if e.kind() == io::ErrorKind::NotFound && folder.ends_with("locks") => continue,
                Err(e) => return Err(e),
            };
            if !meta.is_file() {
                return Err(io::Error::other(format!("{} is not a file", entry.path().display())));
            }
            out.push((name, meta.len()));
        }
        Ok(())
    }
}

impl Objects for Folder {
    fn create(&self) -> io::Result<()> {
        std::fs::create_dir_all(&self.root)?;
        rustix::fs::chmod(&self.root, Mode::from_raw_mode(0o700))?;
        for folder in FOLDERS.iter().map(|f| self.root.join(f)).chain(packs(&self.root)) {
            match std::fs::create_dir(&folder) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
                _ => {}
            }
        }
        sync_folder(&self.root.join("data"))?;
        sync_folder(&self.root)?;
        sync_folder(folder_of(&self.root))
    }

    fn put(&self, key: &str, content: &[Bytes]) -> io::Result<()> {
        let written = self.write(key, content)?;
        if !key.starts_with("data/") {
            return sync_folder(&written.publish()?);
        }
        // Asks the kernel to begin writing back now, without waiting for it.
        let _ = rustix::fs::fadvise(&written.file, 0, None, Advice::DontNeed);
        let mut waiting = self.waiting();
        waiting.push_back(written);
        if waiting.len() > WAITING
            && let Some(oldest) = waiting.pop_front()
        {
            sync_folder(&oldest.publish()?)?;
        }
        Ok(())
    }

    fn settle(&self) -> io::Result<()> {
        let mut waiting = self.waiting(); // held to the end: whoever else settles must not return before these are safe
        let folders = waiting.drain(..).map(Written::publish).collect::<io::Result<BTreeSet<_>>>()?;
        folders.iter().try_for_each(|folder| sync_folder(folder))
    }

    fn get(&self, key: &str) -> io::Result<Bytes> {
        std::fs::read(self.path(key)).map(Bytes::from)
    }

    fn get_range(&self, key: &str, offset: u64, length: usize) -> io::Result<Bytes> {
        let file = File::open(self.path(key))?;
        // The length comes from an index: it is not believed before the file is seen to be that long.
        if file.metadata()?.len() < offset.saturating_add(length as u64) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the object is shorter than the index says"));
        }
        let mut out = vec![0; length];
        file.read_exact_at(&mut out, offset)?;
        Ok(out.into())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, u64)>> {
        let mut out = Vec::new();
        match folder {
            "data" => packs(&self.root).try_for_each(|part| self.list_into(&part, &mut out))?,
            _ => self.list_into(&self.path(folder), &mut out)?,
        }
        Ok(out)
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        let path = self.path(key);
        std::fs::remove_file(&path)?;
        sync_folder(folder_of(&path))
    }

    fn sweep(&self, now: Millis) -> io::Result<()> {
        for folder in FOLDERS.iter().map(|f| self.root.join(f)).chain(packs(&self.root)).chain([self.root.clone()]) {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_name().to_str().is_some_and(|name| name.starts_with(".tmp-")) && is_left_over(&entry, now) {
                    let _ = std::fs::remove_file(entry.path()); // another sweeper may have been quicker
                }
            }
        }
        Ok(())
    }
}

fn packs(root: &Path) -> impl Iterator<Item = PathBuf> {
    let data = root.join("data");
    (0..=255u8).map(move |first| data.join(format!("{first:02x}")))
}

/// 64 hexadecimal digits.
pub(in crate::engine) fn is_object_name(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        None => Path::new("/"),
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."), // a relative name
        Some(parent) => parent,
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn write_all(file: &mut File, content: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = content.iter().map(|part| IoSlice::new(part)).collect();
    let mut rest = &mut slices[..];
    IoSlice::advance_slices(&mut rest, 0); // drops empty slices at the front
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => IoSlice::advance_slices(&mut rest, n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// This host's name, as far as it can stand in a file name.
fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name.chars().filter(char::is_ascii_alphanumeric).take(32).collect()
}

/// `.tmp-HOST-PID-…` of this host is a left-over when its process is gone; anything else when it is old.
fn is_left_over(entry: &std::fs::DirEntry, now: Millis) -> bool {
    let name = entry.file_name();
    let parts: Vec<&str> = name.to_str().unwrap_or_default().split('-').collect();
    if parts.len() == 5 && parts[1] == host() && parts[2].parse().is_ok_and(|pid| !super::lock::is_alive(pid)) {
        return true;
    }
    entry.metadata().is_ok_and(|meta| meta.mtime().saturating_mul(Millis::SECOND) < now.0 - LEFT_OVER)
}
