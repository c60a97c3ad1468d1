//! An archive as it lies there: chunks of one size, each sealed for its number, so that reading may begin at any byte.

use crate::base::error::{Context, Error, Result};
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use std::io::{self, Read};

/// Bytes of an archive that are sealed together, and what the seal adds to them.
pub(super) const CHUNK: usize = 64 << 10;
const SEAL: usize = 16;

/// Bytes on the disk for an archive of this size.
pub(super) fn length(size: u64) -> u64 {
    size + size.div_ceil(CHUNK as u64) * SEAL as u64
}

/// Where on the disk the chunk begins that holds this byte of an archive.
pub(super) fn begin(byte: u64) -> u64 {
    byte / CHUNK as u64 * (CHUNK + SEAL) as u64
}

/// Seals with a key that is used for one archive alone: so the number of a chunk is nonce enough.
pub(super) struct Cipher(XChaCha20Poly1305);

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cipher")
    }
}

impl Cipher {
    pub fn new(key: [u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(&key.into()))
    }

    pub fn seal(&self, number: u64, chunk: &[u8]) -> Vec<u8> {
        self.0.encrypt(&nonce(number), chunk).expect("XChaCha20-Poly1305 seals any message that fits in memory")
    }

    fn open(&self, number: u64, sealed: &[u8]) -> Result<Vec<u8>> {
        let altered = |_| Error::damaged("the prepared archive was altered since it was made").hint("prepare the download again");
        self.0.decrypt(&nonce(number), sealed).map_err(altered)
    }
}

fn nonce(number: u64) -> XNonce {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    XNonce::from(bytes)
}

/// An archive that is being read.
pub struct Reader {
    sealed: Box<dyn Read + Send>,
    cipher: Cipher,
    /// The next chunk, and how many bytes follow from there on.
    number: u64,
    left: u64,
    /// An opened chunk, and how much of it is read.
    chunk: Vec<u8>,
    at: usize,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({} bytes from chunk {})", self.left, self.number)
    }
}

impl Reader {
    /// `sealed` begins at [`begin`] of `from`.
    pub(super) fn new(sealed: Box<dyn Read + Send>, cipher: Cipher, size: u64, from: u64) -> Result<Self> {
        let number = from / CHUNK as u64;
        let mut reader = Self { sealed, cipher, number, left: size - number * CHUNK as u64, chunk: Vec::new(), at: 0 };
        if !from.is_multiple_of(CHUNK as u64) {
            reader.next()?;
            reader.at = (from % CHUNK as u64) as usize;
        }
        Ok(reader)
    }

    fn next(&mut self) -> Result<()> {
        let length = self.left.min(CHUNK as u64) as usize;
        let mut sealed = vec![0; length + SEAL];
        self.sealed.read_exact(&mut sealed).context(|| "reading the prepared archive")?;
        self.chunk = self.cipher.open(self.number, &sealed)?;
        self.at = 0;
        self.number += 1;
        self.left -= length as u64;
        Ok(())
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() && self.left > 0 {
            self.next().map_err(io::Error::other)?;
        }
        let n = buffer.len().min(self.chunk.len() - self.at);
        buffer[..n].copy_from_slice(&self.chunk[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}
