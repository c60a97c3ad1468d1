//! Downloads that run in this process, and how many may at once.

use super::Found;
use crate::base::error::{Error, Result};
use crate::base::watch::Watch;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Streams of one tenant at once: each costs a processor. Archives that lie ready cost less.
const MOST_STREAMS: usize = 4;
const MOST_ARCHIVES: usize = 64;

/// A stream that runs in this process, and how to stop it.
struct Stream {
    number: u64,
    tenant: String,
    /// It only reads an archive.
    ready: bool,
    watch: Watch,
}

static STREAMS: Mutex<Vec<Stream>> = Mutex::new(Vec::new());
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// The place of one of them.
#[derive(Debug)]
pub(super) struct Slot(u64);

impl Slot {
    pub fn take(found: &Found, watch: &Watch) -> Result<Self> {
        let (tenant, ready) = (&found.link.tenant_id, found.archive.is_some());
        let most = if ready { MOST_ARCHIVES } else { MOST_STREAMS };
        let mut streams = STREAMS.lock().unwrap_or_else(PoisonError::into_inner);
        if streams.iter().filter(|s| s.tenant == *tenant && s.ready == ready).count() >= most {
            return Err(Error::transient(format!("{most} downloads of this tenant are running already"))
                .hint("wait until one of them has ended, then try again: the link stays good"));
        }
        let number = NUMBER.fetch_add(1, Relaxed);
        streams.push(Stream { number, tenant: tenant.clone(), ready, watch: watch.clone() });
        Ok(Self(number))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        STREAMS.lock().unwrap_or_else(PoisonError::into_inner).retain(|s| s.number != self.0);
    }
}

/// Stops every download of this process at its next piece: a server that ends cannot wait for hours.
pub fn stop_all() {
    STREAMS.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|s| s.watch.cancel());
}
