//! Lock files in restic's format, so that a user's `restic prune` sees that we are at work, and we see it.
//!
//! The library writes none and heeds none: a prune that runs beside a backup deletes the packs that the backup builds
//! on, and the backup still says that all is well. A lock is one object below `locks/`, JSON sealed with the master key,
//! written anew every few minutes while we hold it. Between our own jobs the queue's leases do the work.

use super::Objects;
use super::adapter::cannot_write;
use crate::base::clock::Clock;
use crate::base::error::{Class, Error, Result};
use crate::base::identity;
use crate::base::secret::hex;
use aes256ctr_poly1305aes::aead::Aead;
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce};
use bytes::Bytes;
use rustic_core::jiff::{SignedDuration, Timestamp};
use rustic_core::repofile::MasterKey;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// restic writes its locks anew after five minutes and calls one stale after thirty.
const REFRESH: Duration = Duration::from_secs(4 * 60);
const STALE: SignedDuration = SignedDuration::from_mins(30);

/// Restic's lock file.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Content {
    time: Timestamp,
    #[serde(default)]
    exclusive: bool,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    pid: i32,
    #[serde(default)]
    uid: u32,
    #[serde(default)]
    gid: u32,
}

impl Content {
    fn ours(exclusive: bool) -> Self {
        let process = rustix::process::getpid().as_raw_nonzero().get();
        let uid = rustix::process::getuid().as_raw();
        Self {
            time: now(),
            exclusive,
            hostname: hostname(),
            username: identity::name_of(uid).unwrap_or_default(),
            pid: process,
            uid,
            gid: rustix::process::getgid().as_raw(),
        }
    }

    fn is_stale(&self) -> bool {
        now().duration_since(self.time) > STALE || (self.hostname == hostname() && !is_alive(self.pid))
    }
}

/// A lock, shared or for us alone, held until it is dropped.
pub(in crate::engine) struct Lock {
    release: Option<Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl Lock {
    /// Takes a shared lock; left-over locks of dead processes of this host are removed on the way.
    ///
    /// # Errors
    /// `Transient` while another program holds the repository exclusively.
    pub fn shared(objects: &Arc<dyn Objects>, key: &MasterKey) -> Result<Self> {
        Self::take(objects, key, false)
    }

    /// Takes the repository for us alone.
    ///
    /// # Errors
    /// `Transient` while anybody else holds it, shared or not.
    pub fn alone(objects: &Arc<dyn Objects>, key: &MasterKey) -> Result<Self> {
        Self::take(objects, key, true)
    }

    fn take(objects: &Arc<dyn Objects>, key: &MasterKey, alone: bool) -> Result<Self> {
        let sealer = Sealer::new(key)?;
        let mine = put(objects, &sealer, alone)?;
        // First ours, then a look at the others: of two that come at once, at least one sees the other.
        if let Err(e) = look_at_others(objects, &sealer, &mine, alone) {
            let _ = objects.remove(&mine); // what matters is why we do not go on
            return Err(e);
        }
        let (release, released) = channel::<()>();
        let objects = objects.clone();
        let keeper = std::thread::spawn(move || {
            let mut held = mine;
            while let Err(RecvTimeoutError::Timeout) = released.recv_timeout(REFRESH) {
                match put(&objects, &sealer, alone) {
                    Ok(fresh) => {
                        let old = std::mem::replace(&mut held, fresh);
                        let _ = objects.remove(&old); // it may have been removed by `restic unlock`
                    }
                    Err(e) => tracing::warn!("a lock could not be written anew: {e}"),
                }
            }
            if let Err(e) = objects.remove(&held) {
                tracing::warn!("the lock {held} could not be removed: {e}");
            }
        });
        Ok(Self { release: Some(release), keeper: Some(keeper) })
    }

    /// A lock for reading, which must work where nothing can be written any more: on a full or read-only disk it is
    /// done without.
    pub fn for_reading(objects: &Arc<dyn Objects>, key: &MasterKey) -> Result<Option<Self>> {
        match Self::shared(objects, key) {
            Ok(lock) => Ok(Some(lock)),
            Err(e) if matches!(e.class(), Class::Resource | Class::Permanent) => {
                tracing::warn!("reading without a lock: {e}");
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.release.take());
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join(); // it ends by removing the lock
        }
    }
}

fn put(objects: &Arc<dyn Objects>, sealer: &Sealer, alone: bool) -> Result<String> {
    let json = serde_json::to_vec(&Content::ours(alone)).map_err(|e| Error::internal(format!("a lock cannot be written as JSON: {e}")))?;
    let sealed = sealer.seal(&json)?;
    let name = format!("locks/{}", hex(&Sha256::digest(&sealed)));
    objects.put(&name, &[Bytes::from(sealed)]).map_err(|e| cannot_write(&name, e))?;
    Ok(name)
}

fn look_at_others(objects: &Arc<dyn Objects>, sealer: &Sealer, mine: &str, alone: bool) -> Result<()> {
    let locks = objects.list("locks").map_err(|e| Error::from(e).context("looking at the locks of the repository"))?;
    for (name, _) in locks {
        let name = format!("locks/{name}");
        if name == mine {
            continue;
        }
        // Locks come and go; one that cannot be opened is none of this repository's.
        let Some(other) = objects.get(&name).ok().and_then(|sealed| sealer.open(&sealed)) else { continue };
        if other.is_stale() {
            if other.hostname == hostname() && !is_alive(other.pid) {
                let _ = objects.remove(&name); // its process is dead; another may be tidying up, too
            }
        } else if other.exclusive || alone {
            return Err(in_the_way(&other));
        }
    }
    Ok(())
}

fn in_the_way(other: &Content) -> Error {
    let (how, what) = if other.exclusive { (" for itself", "`restic prune`") } else { ("", "backup or `restic mount`") };
    Error::transient(format!(
        "{}@{} (process {}) holds the repository{how} since {}",
        other.username, other.hostname, other.pid, other.time
    ))
    .hint(format!("it is probably a {what}: wait until it has ended; `restic unlock` removes what a crash left"))
}

/// Seals and opens as restic does: nonce, AES-256-CTR, Poly1305-AES.
pub(in crate::engine) struct Sealer(Aes256CtrPoly1305Aes);

impl Sealer {
    pub fn new(key: &MasterKey) -> Result<Self> {
        let whole = [key.encrypt.as_slice(), &key.mac.k, &key.mac.r].concat();
        if whole.len() != 64 {
            return Err(Error::invalid("this is not the key of a repository"));
        }
        Ok(Self(Aes256CtrPoly1305Aes::new(Key::from_slice(&whole))))
    }

    pub fn seal(&self, plain: &[u8]) -> Result<Vec<u8>> {
        let nonce: [u8; 16] = crate::base::chance::bytes();
        let body = self.0.encrypt(Nonce::from_slice(&nonce), plain).map_err(|_| Error::internal("it could not be sealed"))?;
        Ok([nonce.as_slice(), &body].concat())
    }

    /// None where the seal does not hold.
    pub fn unseal(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, body) = sealed.split_at_checked(16)?;
        self.0.decrypt(Nonce::from_slice(nonce), body).ok()
    }

    fn open(&self, sealed: &[u8]) -> Option<Content> {
        serde_json::from_slice(&self.unseal(sealed)?).ok()
    }
}

/// Is there a process of this number on this host?
pub(super) fn is_alive(pid: i32) -> bool {
    let Some(pid) = rustix::process::Pid::from_raw(pid) else { return false };
    !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn now() -> Timestamp {
    Timestamp::from_millisecond(Clock::system().now().0).unwrap_or(Timestamp::UNIX_EPOCH)
}
