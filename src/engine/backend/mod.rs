//! The storage under a repository, behind one small seam: [`Objects`], a store of named objects.
//!
//! [`local`] is a folder; a store on the network is one more file here that implements the same eight calls.
//! [`adapter`] is the only place that knows how the library asks for objects, and it holds the veto: no snapshot file is
//! written unless the source came to its honest end. [`lock`] tells other programs that we are at work.
//!
//! It must never turn a failed listing into a shorter one: what is not listed counts as gone, and would be deleted or
//! stored again.

pub(super) mod adapter;
pub(super) mod local;
pub(super) mod lock;

use super::Location;
use crate::base::clock::Millis;
use bytes::Bytes;
use std::io;
use std::sync::Arc;

/// A store of immutable objects. A key is `folder/name` (`data/7f/…`, `snapshots/…`) or `config`.
pub(super) trait Objects: Send + Sync + 'static {
    /// Makes the folders of an empty repository; what is there already stays.
    fn create(&self) -> io::Result<()>;
    /// Stores an object whole or not at all. Packs (keys below `data/`) may become durable, and visible, only with the
    /// next [`Objects::settle`]; everything else is durable when this returns.
    fn put(&self, key: &str, content: &[Bytes]) -> io::Result<()>;
    /// Makes every object that was put durable and visible.
    fn settle(&self) -> io::Result<()>;
    fn get(&self, key: &str) -> io::Result<Bytes>;
    /// Exactly `length` bytes, or an error.
    fn get_range(&self, key: &str, offset: u64, length: usize) -> io::Result<Bytes>;
    /// Names and sizes in bytes of all objects below a folder, without temporary ones. Any doubt is an error.
    fn list(&self, folder: &str) -> io::Result<Vec<(String, u64)>>;
    fn remove(&self, key: &str) -> io::Result<()>;
    /// Removes what writers that are gone left half-written.
    fn sweep(&self, now: Millis) -> io::Result<()>;
}

/// Connects to a place; nothing is read or written yet.
pub(super) fn connect(location: &Location) -> Arc<dyn Objects> {
    match location {
        Location::Local(folder) => Arc::new(local::Folder::new(folder.clone())),
    }
}
