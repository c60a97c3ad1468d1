//! The engine: encrypted, deduplicated repositories in restic's format, one for each site.
//!
//! It turns sources (trees, dumps, streams) into snapshots, proves that a snapshot can be read back, and writes it back
//! into an empty directory. It is the only room that names `rustic_core`, which is used unpatched and not trusted with
//! what it was seen to get wrong: it drops unreadable files silently, takes a stopped source for a finished one, checks
//! no hash of what it reads, follows symbolic links when it restores, and panics on damage. So source, storage, restore
//! and proof are our own, around its packing, encryption and index. A user can open every repository with stock `restic`
//! and the site's recovery key; the tests use it as an independent judge.
//!
//! All calls block: they belong on a thread of the attempt's own process. A [`Repository`] is only a place and a key; each
//! call opens it afresh, so what another process wrote is seen.
//!
//! It must never
//! - write a snapshot whose source did not come to its honest end ([`control`]),
//! - read a site's file with other rights than the site's user ([`source`]),
//! - write outside the directory it was given, or trust a name or a hash from a repository ([`restore`], [`trees`]),
//! - remove anything but snapshot files that it is told to forget, lock files of dead processes and its own temporary
//!   files; and, in [`prune`] alone, old indexes and packs that were marked long before.
//!
//! To add a storage: one file in [`backend`]. To add a syntax of dumps: one file in [`segments`]. To add a reading call:
//! a function over [`trees::Snapshot`], as [`prove`] and [`read`] are.
//!
//! What is not kept: special files (listed as left out), `security.*` and `trusted.*` attributes, access times. Hard
//! links within one restored part are restored as hard links; a hard link that leads out of it becomes a file of its own.

mod archive;
mod backend;
mod backup;
mod check;
mod control;
mod exclude;
mod failure;
mod feed;
mod key;
mod location;
mod look;
mod mend;
mod needs;
mod prove;
mod prune;
mod read;
mod repository;
mod reread;
mod restore;
mod segments;
mod source;
mod trees;

#[cfg(test)]
mod tests;

use crate::base::clock::Millis;
use std::path::PathBuf;

pub use archive::{About, Packing};
pub use check::Checked;
pub use exclude::{Exclude, Rule};
pub use location::Location;
pub use look::{Below, Folder, Hits, Look, Mark, Version};
pub use mend::Mended;
pub use prune::{Pruned, Pruning};
pub use repository::Repository;
pub use restore::{Owners, Restored};
pub use segments::{Sums, Syntax, sum, sums};
pub use source::{Dump, Finish, Source, Stream, Tree};

/// What a snapshot is called in its repository.
#[derive(Clone, Debug)]
pub struct Label {
    pub host: String,
    /// Snapshots of equal host and path build on each other: `shop.live/files`.
    pub path: String,
    /// Without commas; the reconciler finds a snapshot's job by them.
    pub tags: Vec<String>,
    /// When the backup began.
    pub time: Millis,
    /// What a catalogue that was lost is made from again; empty for nothing.
    pub description: String,
    /// Everything is read, and nothing taken over from the snapshot before: after damage that may lack something.
    pub afresh: bool,
}

/// A snapshot that was written.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its id, 64 hexadecimal digits.
    pub snapshot: String,
    /// Regular files, segments and streams.
    pub files: u64,
    /// What they hold together.
    pub bytes: u64,
    /// What was added to the storage, compressed and encrypted, in bytes.
    pub stored: u64,
    /// Not empty: the backup is incomplete, and this is what is missing or torn.
    pub problems: Vec<Problem>,
    /// Files that were listed and gone when it was their turn: not an error.
    pub vanished: u64,
    /// The topmost paths that were left out, by the rules or because they are no files; at most 1000.
    pub left_out: Vec<LeftOut>,
    /// What the rows of each table in a dump came to, and a stream as a whole by the name of its file.
    pub sums: Sums,
}

/// A path that could not be read, or changed while it was read, also after two further passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub path: PathBuf,
    pub reason: String,
}

/// A path that is not in the backup, on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub path: PathBuf,
    pub why: String,
}

/// What a snapshot holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub files: u64,
    pub bytes: u64,
    pub dirs: u64,
    pub links: u64,
}

/// An entry of a directory in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name's bytes, which need not be text.
    pub name: Vec<u8>,
    pub kind: Kind,
    /// Bytes; 0 for what is not a regular file.
    pub size: u64,
    pub mtime: Option<Millis>,
    /// Permission and special bits, as `chmod` takes them.
    pub mode: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    Link,
    /// A device, pipe or socket, as other programs store them.
    Other,
}

/// A snapshot as the reconciler sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotInfo {
    pub id: String,
    pub tags: Vec<String>,
    pub time: Millis,
    pub host: String,
    pub description: String,
    /// As [`Stored`] told them.
    pub files: u64,
    pub bytes: u64,
    pub stored: u64,
}
