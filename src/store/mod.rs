//! Where prepared archives lie until they are downloaded: a folder, or a bucket.
//!
//! An archive is sealed, because a repository is, too: whoever reads the store reads no site. The key of each archive follows
//! from its name, and a name is used once. It comes into its place in one step when all of it is there: what is found whole
//! is whole.
//!
//! The room must never know of what something is an archive, and never write over what lies there. To add another kind of
//! place: an implementation of [`Place`]; nobody else knows where an archive lies.

mod behind;
mod bucket;
mod folder;
mod sealed;

use crate::base::error::{Context, Error, Result};
use crate::base::failpoint;
use crate::base::secret::{hex, hmac};
use folder::Folder;
use sealed::Cipher;
use sha2::{Digest, Sha256};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

pub use behind::behind;
pub use bucket::Bucket;
pub use sealed::Reader;

/// Bytes that an archive takes in its place are sealed; a place knows nothing of that.
trait Place: Send + Sync + std::fmt::Debug {
    /// Begins to write under a name.
    ///
    /// # Errors
    /// `Resource` without room.
    fn begin(&self, name: &str) -> Result<Box<dyn Writing>>;
    /// Reads what is `length` bytes long, from one of them on.
    ///
    /// # Errors
    /// `NotFound` where it is gone; `Damaged` when it is not as long as it was.
    fn open(&self, name: &str, length: u64, from: u64) -> Result<Box<dyn Read + Send>>;
    /// Does it lie there, as long as it should be?
    fn has(&self, name: &str, length: u64) -> bool;
    /// Removes what was found, and nothing else that has come to its name meanwhile; what is not there is removed already.
    ///
    /// # Errors
    /// What the place says.
    fn remove(&self, found: &Found) -> Result<()>;
    /// Everything in it whose name could be one of ours.
    ///
    /// # Errors
    /// What the place says; one that was never used is empty.
    fn list(&self) -> Result<Vec<Found>>;
}

/// What is being written to a place. Dropped before it is placed it is gone.
trait Writing: Write + Send + std::fmt::Debug {
    /// All of it lasts, and then it has its name.
    ///
    /// # Errors
    /// What the place says; then nothing is left of it.
    fn place(self: Box<Self>) -> Result<()>;
}

/// A place for archives, with what seals them.
#[derive(Clone)]
pub struct Store {
    place: Arc<dyn Place>,
    key: [u8; 32],
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({:?})", self.place)
    }
}

/// What lies in the store under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub name: String,
    /// It is being written, or was left by somebody who died.
    pub part: bool,
    /// Seconds since something was written to it.
    pub idle: u64,
}

/// An archive that lies whole in the store: what comes out of it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    pub size: u64,
    pub sha256: String,
}

impl Store {
    /// The store in this folder, which is made when it is first needed; `reserve` bytes of its disk stay free.
    pub fn in_folder(path: impl Into<PathBuf>, key: [u8; 32], reserve: u64) -> Self {
        Self { place: Arc::new(Folder { path: path.into(), reserve }), key }
    }

    pub fn in_bucket(bucket: Bucket, key: [u8; 32]) -> Self {
        Self { place: Arc::new(bucket), key }
    }

    /// Begins an archive. A name is given once; what it was used for before does not matter.
    ///
    /// # Errors
    /// `Resource` without enough room.
    pub fn begin(&self, name: &str) -> Result<Part> {
        let name = checked(name)?;
        Ok(Part {
            writing: self.place.begin(name)?,
            cipher: self.cipher(name),
            buffer: Vec::with_capacity(sealed::CHUNK),
            hash: Sha256::new(),
            size: 0,
        })
    }

    /// Opens an archive of this size, to be read from one of its bytes on.
    ///
    /// # Errors
    /// `NotFound` where it is gone; `Damaged` when it is not as long as it was.
    pub fn open(&self, name: &str, size: u64, from: u64) -> Result<Reader> {
        let name = checked(name)?;
        let from = from.min(size);
        let sealed = self.place.open(name, sealed::length(size), sealed::begin(from))?;
        Reader::new(sealed, self.cipher(name), size, from)
    }

    /// Does it lie there, as long as it should be?
    pub fn has(&self, name: &str, size: u64) -> bool {
        checked(name).is_ok_and(|name| self.place.has(name, sealed::length(size)))
    }

    /// Removes what was found, and nothing else that has come to its name meanwhile; what is not there is removed already.
    ///
    /// # Errors
    /// What the place says.
    pub fn remove(&self, found: &Found) -> Result<()> {
        checked(&found.name).and_then(|_| self.place.remove(found))
    }

    /// Everything in it whose name could be one of ours.
    ///
    /// # Errors
    /// What the place says; a store that was never used is empty.
    pub fn list(&self) -> Result<Vec<Found>> {
        self.place.list()
    }

    fn cipher(&self, name: &str) -> Cipher {
        Cipher::new(hmac(&self.key, &[b"sitekeep archive 1\0", name.as_bytes()]))
    }
}

/// What stands at the end of the name of a part.
const ENDING: &str = ".part";

/// A name is letters, digits, `_` and `-`, with one point at most before the last part: nothing that leads anywhere.
fn checked(name: &str) -> Result<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.len() > 100 || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(plain) || name.ends_with(ENDING) {
        return Err(Error::internal(format!("{name:?} is no name of an archive")));
    }
    Ok(name)
}

fn gone() -> Error {
    Error::not_found("the prepared archive is gone").hint("prepare the download again")
}

fn cut() -> Error {
    Error::damaged("the prepared archive was cut short since it was made").hint("prepare the download again")
}

/// An archive that is being written. Dropped before [`Part::finish`] it is gone.
#[derive(Debug)]
pub struct Part {
    writing: Box<dyn Writing>,
    cipher: Cipher,
    buffer: Vec<u8>,
    hash: Sha256,
    size: u64,
}

impl Part {
    /// Puts it into its place: all of it first, and then its name.
    ///
    /// # Errors
    /// What the place says; then nothing is left of it.
    pub fn finish(mut self) -> Result<Whole> {
        self.seal().context(|| "writing the archive")?;
        failpoint::hit(format_args!("download.part.written"))?;
        let Self { writing, hash, size, .. } = self;
        writing.place()?;
        failpoint::hit(format_args!("download.part.placed"))?;
        Ok(Whole { size, sha256: hex(&hash.finalize()) })
    }

    /// Writes what is buffered, as one chunk; the last one may be short.
    fn seal(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let number = (self.size - self.buffer.len() as u64) / sealed::CHUNK as u64;
        self.writing.write_all(&self.cipher.seal(number, &self.buffer))?;
        self.buffer.clear();
        Ok(())
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(sealed::CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..n]);
        self.hash.update(&bytes[..n]);
        self.size += n as u64;
        if self.buffer.len() == sealed::CHUNK {
            self.seal()?;
        }
        Ok(n)
    }
    /// What is buffered waits for its chunk to be full.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
