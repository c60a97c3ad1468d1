//! What a long task is watched by: a flag that asks it to stop, and counters that only grow.

use super::error::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Shared by the one who runs a long task and the one who waits for it. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Watch(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    cancelled: AtomicBool,
    bytes: AtomicU64,
    files: AtomicU64,
}

impl Watch {
    pub fn new() -> Self {
        Self::default()
    }
    /// Asks the task to end at its next safe point.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Relaxed);
    }
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Relaxed)
    }
    /// `Err(Cancelled)` once somebody asked for the end.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }
    /// Bytes read or written since the last [`Watch::restart`].
    pub fn add_bytes(&self, n: u64) {
        self.0.bytes.fetch_add(n, Relaxed);
    }
    pub fn add_files(&self, n: u64) {
        self.0.files.fetch_add(n, Relaxed);
    }
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Relaxed)
    }
    pub fn files(&self) -> u64 {
        self.0.files.load(Relaxed)
    }
    /// A new phase counts from zero.
    pub fn restart(&self) {
        self.0.bytes.store(0, Relaxed);
        self.0.files.store(0, Relaxed);
    }
}
