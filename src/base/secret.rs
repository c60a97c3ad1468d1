//! Secrets: values that do not print, and the sealing of those that lie in the catalogue.
//!
//! A sealed value is XChaCha20-Poly1305 under the master key, bound to the place where it lies (table, column, tenant,
//! row): a value copied into another row does not open. The master key is a file of mode 0600 outside the database.

use super::chance;
use super::error::{Context, Error, Result};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{Read, Write};
use std::path::Path;

/// A value that must not be shown: it has no `Display`, no `Serialize`, and its `Debug` says only that it is there.
#[derive(Clone, PartialEq, Eq, schemars::JsonSchema)]
#[schemars(inline, extend("writeOnly" = true))]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }
    /// The value itself: for the one call that needs it, never for a message.
    pub fn expose(&self) -> &str {
        &self.0
    }
    /// Hex SHA-256: how bearer tokens are stored and looked up.
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(d).map(Self)
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        out.push_str(&format!("{b:02x}"));
        out
    })
}

/// HMAC-SHA-256 over the parts, one after the other: who needs to tell them apart says their lengths.
pub fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("a key of any length will do");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// Base64 for URLs, without padding: one text for each value.
pub fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().enumerate().fold(0u32, |group, (i, byte)| group | u32::from(*byte) << (16 - 8 * i));
        (0..=chunk.len()).for_each(|i| out.push(char::from(ALPHABET[(group >> (18 - 6 * i) & 63) as usize])));
    }
    out
}

/// Where a sealed value lies; a part of what is authenticated.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub table: &'a str,
    pub column: &'a str,
    /// `-` for what belongs to the installation.
    pub tenant: &'a str,
    pub row: &'a str,
}

impl Place<'_> {
    fn bound(&self) -> Vec<u8> {
        [self.table, self.column, self.tenant, self.row].join("\u{0}").into_bytes()
    }
}

const MAGIC: &[u8; 4] = b"SKS1";

/// Seals and opens with the master key.
#[derive(Clone)]
pub struct Sealer {
    cipher: XChaCha20Poly1305,
    key_id: [u8; 4],
    /// What further keys are derived from; the master key itself stays in the cipher.
    root: [u8; 32],
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer(key {})", self.key_id())
    }
}

impl Sealer {
    fn of(key: [u8; 32]) -> Self {
        let mut key_id = [0; 4];
        key_id.copy_from_slice(&Sha256::digest([b"sitekeep key id".as_slice(), &key].concat())[..4]);
        Self { cipher: XChaCha20Poly1305::new(&key.into()), key_id, root: hmac(b"sitekeep derived keys 1", &[&key]) }
    }

    /// A key for one purpose: whoever learns it learns neither the master key nor the key for another purpose.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        hmac(&self.root, &[purpose.as_bytes(), &[1]])
    }

    /// A sealer whose key lives only as long as it does.
    pub fn ephemeral() -> Self {
        Self::of(chance::bytes())
    }

    /// Reads the master key, or makes it where there is none yet.
    ///
    /// # Errors
    /// `Permanent` when the file is readable by others than its owner, or does not hold 64 hexadecimal digits.
    pub fn load_or_create(path: &Path) -> Result<Self> {
        match std::fs::File::open(path) {
            Ok(file) => Self::read(file, path),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Self::create(path),
            Err(e) => Err(e).context(|| format!("opening the master key {}", path.display())),
        }
    }

    /// Reads the master key; a missing file is an error that says what depends on it.
    pub fn load(path: &Path) -> Result<Self> {
        let file = std::fs::File::open(path).map_err(Error::from).map_err(|e| {
            e.hint(
                "without this file the sealed passwords and repository keys cannot be opened: put it back from where you keep a copy of it",
            )
            .context(format!("opening the master key {}", path.display()))
        })?;
        Self::read(file, path)
    }

    fn read(mut file: std::fs::File, path: &Path) -> Result<Self> {
        let stat = rustix::fs::fstat(&file)?;
        if stat.st_mode & 0o077 != 0 {
            return Err(Error::permanent(format!(
                "the master key {} is readable by others (mode {:04o})",
                path.display(),
                stat.st_mode & 0o7777
            ))
            .hint(format!("chmod 600 {}", path.display())));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).context(|| format!("reading the master key {}", path.display()))?;
        let key = unhex(text.trim()).ok_or_else(|| {
            Error::permanent(format!("the master key {} is damaged: 64 hexadecimal digits were expected", path.display()))
                .hint("put it back from where you keep a copy of it")
        })?;
        Ok(Self::of(key))
    }

    fn create(path: &Path) -> Result<Self> {
        let key: [u8; 32] = chance::bytes();
        let what = || format!("creating the master key {}", path.display());
        let fd = rustix::fs::open(path, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC, Mode::from_raw_mode(0o600))
            .context(what)?;
        let mut file = std::fs::File::from(fd);
        writeln!(file, "{}", hex(&key)).and_then(|()| file.sync_all()).context(what)?;
        if let Some(dir) = path.parent() {
            std::fs::File::open(dir).and_then(|d| d.sync_all()).context(what)?;
        }
        Ok(Self::of(key))
    }

    /// Eight hexadecimal digits that name the key without telling it.
    pub fn key_id(&self) -> String {
        hex(&self.key_id)
    }

    pub fn seal(&self, place: Place<'_>, secret: &Secret) -> Vec<u8> {
        let nonce: [u8; 24] = chance::bytes();
        let body = self
            .cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: secret.expose().as_bytes(), aad: &place.bound() })
            .expect("XChaCha20-Poly1305 seals any message that fits in memory");
        [MAGIC.as_slice(), &self.key_id, &nonce, &body].concat()
    }

    /// # Errors
    /// `Permanent` when it was sealed with another key; `Damaged` when it was altered or moved from its place.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Secret> {
        let what = || format!("opening the sealed {} of {}", place.column, place.table);
        if sealed.len() < 32 || &sealed[..4] != MAGIC {
            return Err(Error::damaged("it is not a sealed value").context(what()));
        }
        if sealed[4..8] != self.key_id {
            return Err(Error::permanent(format!(
                "it was sealed with the master key {}, and this is {}",
                hex(&sealed[4..8]),
                self.key_id()
            ))
            .hint("put back the master key that belongs to this catalogue")
            .context(what()));
        }
        let mut nonce = [0u8; 24];
        nonce.copy_from_slice(&sealed[8..32]);
        let body = self
            .cipher
            .decrypt(&XNonce::from(nonce), Payload { msg: &sealed[32..], aad: &place.bound() })
            .map_err(|_| Error::damaged("it was altered, or belongs to another row").context(what()))?;
        String::from_utf8(body).map(Secret).map_err(|_| Error::damaged("it is not text").context(what()))
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut out = [0u8; 32];
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place<'_> = Place { table: "environments", column: "password", tenant: "ten_1", row: "env_1" };

    #[test]
    fn a_sealed_value_opens_only_in_its_place_and_unaltered() {
        let sealer = Sealer::ephemeral();
        let sealed = sealer.seal(HERE, &Secret::new("p4ss"));
        assert_eq!(sealer.open(HERE, &sealed).unwrap().expose(), "p4ss");
        assert!(sealer.open(Place { row: "env_2", ..HERE }, &sealed).is_err());
        for i in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[i] ^= 1;
            assert!(sealer.open(HERE, &altered).is_err(), "byte {i} altered, and it opened");
        }
        assert!(Sealer::ephemeral().open(HERE, &sealed).unwrap_err().to_string().contains("Hint"));
    }

    #[test]
    fn a_derived_key_is_of_its_purpose_and_of_its_master_key() {
        let (one, other) = (Sealer::of([7; 32]), Sealer::of([8; 32]));
        assert_eq!(one.derive("links"), Sealer::of([7; 32]).derive("links"));
        let keys = [one.derive("links"), one.derive("link"), other.derive("links"), [7; 32]];
        assert!((0..4).all(|i| (0..i).all(|k| keys[i] != keys[k])));
    }

    #[test]
    fn base64_for_urls_is_what_others_make_of_it() {
        for (bytes, text) in [(&b""[..], ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (&[0xfb, 0xff, 0xfe], "-__-")] {
            assert_eq!(base64url(bytes), text);
        }
    }

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret::new("p4ss")), "Secret(…)");
    }

    #[test]
    fn the_master_key_is_made_once_and_refused_when_others_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = std::env::temp_dir().join(format!("sitekeep-key-{}", chance::word(8)));
        std::fs::create_dir(&dir).unwrap();
        let path = dir.join("master.key");
        let first = Sealer::load_or_create(&path).unwrap();
        assert_eq!(Sealer::load(&path).unwrap().key_id(), first.key_id());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Sealer::load(&path).unwrap_err().to_string().contains("chmod 600"));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
