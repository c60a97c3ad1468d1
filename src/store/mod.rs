//! Where prepared archives lie until they are downloaded: a folder.
//!
//! An archive is written beside its place, sealed, and comes into it by one rename when all of it is on the disk: under a
//! name without `.part` there is never a part. It is sealed because a repository is, too: whoever reads the disk reads no
//! site. The key of each archive follows from its name, and a name is used once.
//!
//! The room must never know of what something is an archive, and never write over what lies there. To add another kind of
//! place: the functions of [`Store`] for it; nobody else knows where an archive lies.

mod sealed;

use crate::base::error::{Context, Error, Result};
use crate::base::failpoint;
use crate::base::secret::{hex, hmac};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags};
use sealed::Cipher;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use sealed::Reader;

/// Bytes that are written between two looks at the space that is left.
const LOOK: u64 = 16 << 20;
const ENDING: &str = ".part";

/// A place for archives.
#[derive(Clone)]
pub struct Store {
    folder: PathBuf,
    key: [u8; 32],
    /// Bytes that stay free on its disk, whatever is prepared.
    reserve: u64,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.folder.display())
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
    /// The store in this folder, which is made when it is first needed.
    pub fn at(folder: impl Into<PathBuf>, key: [u8; 32], reserve: u64) -> Self {
        Self { folder: folder.into(), key, reserve }
    }

    /// Begins an archive. A name is given once; what it was used for before does not matter.
    ///
    /// # Errors
    /// `Resource` without enough free space.
    pub fn begin(&self, name: &str) -> Result<Part> {
        let name = checked(name)?;
        self.make_folder()?;
        enough(self.free()?, self.reserve)?;
        let path = self.folder.join(format!("{name}{ENDING}"));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600)).context(|| format!("making {}", path.display()))?;
        Ok(Part {
            file: File::from(file),
            store: self.clone(),
            name: name.to_owned(),
            path,
            cipher: self.cipher(name),
            buffer: Vec::with_capacity(sealed::CHUNK),
            hash: Sha256::new(),
            size: 0,
            looked: 0,
            placed: false,
        })
    }

    /// Opens an archive of this size, to be read from one of its bytes on.
    ///
    /// # Errors
    /// `NotFound` where it is gone; `Damaged` when it is not as long as it was.
    pub fn open(&self, name: &str, size: u64, from: u64) -> Result<Reader> {
        let path = self.folder.join(checked(name)?);
        let file = File::open(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::not_found("the prepared archive is gone").hint("prepare the download again"),
            _ => Error::from(e).context(format!("opening {}", path.display())),
        })?;
        let length = file.metadata().context(|| format!("looking at {}", path.display()))?.len();
        if length != sealed::length(size) {
            return Err(Error::damaged("the prepared archive was cut short since it was made").hint("prepare the download again"));
        }
        Reader::new(file, self.cipher(name), size, from)
    }

    /// Does it lie there, as long as it should be?
    pub fn has(&self, name: &str, size: u64) -> bool {
        checked(name).and_then(|name| Ok(std::fs::metadata(self.folder.join(name))?)).is_ok_and(|m| m.len() == sealed::length(size))
    }

    /// Removes what was found, and nothing else that has come to its name meanwhile; what is not there is removed already.
    ///
    /// # Errors
    /// What the disk says.
    pub fn remove(&self, found: &Found) -> Result<()> {
        let name = checked(&found.name)?;
        let path = self.folder.join(if found.part { format!("{name}{ENDING}") } else { name.to_owned() });
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e).context(|| format!("removing {}", path.display())),
            _ => Ok(()),
        }
    }

    /// Everything in it whose name could be one of ours.
    ///
    /// # Errors
    /// What the disk says; a store that was never used is empty.
    pub fn list(&self) -> Result<Vec<Found>> {
        let what = || format!("listing {}", self.folder.display());
        let entries = match std::fs::read_dir(&self.folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.context(what)?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.context(what)?;
            let Ok(text) = entry.file_name().into_string() else { continue };
            let (name, part) = text.strip_suffix(ENDING).map_or((text.as_str(), false), |name| (name, true));
            // One that went away meanwhile is not there.
            let (Ok(name), Ok(meta)) = (checked(name), entry.metadata()) else { continue };
            let idle = meta.modified().ok().and_then(|at| at.elapsed().ok()).unwrap_or_default().as_secs();
            found.push(Found { name: name.to_owned(), part, idle });
        }
        Ok(found)
    }

    /// Bytes that are free on its disk.
    fn free(&self) -> Result<u64> {
        let stat = rustix::fs::statvfs(&self.folder).context(|| format!("looking at {}", self.folder.display()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn make_folder(&self) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        let what = || format!("making the folder {}", self.folder.display());
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).context(what)
    }

    fn cipher(&self, name: &str) -> Cipher {
        Cipher::new(hmac(&self.key, &[b"sitekeep archive 1\0", name.as_bytes()]))
    }
}

/// A name is letters, digits, `_` and `-`, with one point at most before the last part: nothing that leads anywhere.
fn checked(name: &str) -> Result<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.len() > 100 || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(plain) || name.ends_with(ENDING) {
        return Err(Error::internal(format!("{name:?} is no name of an archive")));
    }
    Ok(name)
}

fn enough(free: u64, reserve: u64) -> Result<()> {
    if free >= reserve {
        return Ok(());
    }
    let of = crate::base::units::size;
    Err(Error::resource(format!("there is too little space to prepare downloads: {} are free, and {} stay free", of(free), of(reserve)))
        .hint("remove prepared downloads, or make room on the disk of the store"))
}

/// An archive that is being written. Dropped before [`Part::finish`] it is gone.
#[derive(Debug)]
pub struct Part {
    file: File,
    store: Store,
    name: String,
    path: PathBuf,
    cipher: Cipher,
    buffer: Vec<u8>,
    hash: Sha256,
    size: u64,
    /// The size at which it was looked for space last.
    looked: u64,
    placed: bool,
}

impl Part {
    /// Puts it into its place: on the disk first, all of it, and then by its name.
    ///
    /// # Errors
    /// What the disk says; then nothing is left of it.
    pub fn finish(mut self) -> Result<Whole> {
        let what = || "writing the archive";
        self.seal().context(what)?;
        failpoint::hit(format_args!("download.part.written"))?;
        self.file.sync_all().context(what)?;
        failpoint::hit(format_args!("download.part.synced"))?;
        let target = self.store.folder.join(&self.name);
        rustix::fs::renameat_with(CWD, &self.path, CWD, &target, RenameFlags::NOREPLACE).context(what)?;
        self.placed = true;
        sync(&self.store.folder)?;
        failpoint::hit(format_args!("download.part.placed"))?;
        Ok(Whole { size: self.size, sha256: hex(&std::mem::take(&mut self.hash).finalize()) })
    }

    /// Writes what is buffered, as one chunk; the last one may be short.
    fn seal(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let number = (self.size - self.buffer.len() as u64) / sealed::CHUNK as u64;
        self.file.write_all(&self.cipher.seal(number, &self.buffer))?;
        self.buffer.clear();
        if self.size - self.looked >= LOOK {
            self.looked = self.size;
            self.store.free().and_then(|free| enough(free, self.store.reserve)).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).context(|| format!("writing {}", folder.display()))
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

impl Drop for Part {
    fn drop(&mut self) {
        if !self.placed {
            let _ = std::fs::remove_file(&self.path); // what stays is swept later
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::chance;
    use crate::base::error::Class;
    use std::io::{Read, Seek};

    struct Bench {
        store: Store,
        folder: PathBuf,
    }

    impl Bench {
        fn new() -> Self {
            let folder = std::env::temp_dir().join(format!("sitekeep-store-{}", chance::word(10)));
            Self { store: Store::at(folder.join("downloads"), chance::bytes(), 0), folder }
        }
        fn put(&self, name: &str, bytes: &[u8]) -> Whole {
            let mut part = self.store.begin(name).unwrap();
            for piece in bytes.chunks(7001) {
                part.write_all(piece).unwrap();
            }
            part.finish().unwrap()
        }
        fn path(&self, name: &str) -> PathBuf {
            self.folder.join("downloads").join(name)
        }
    }

    impl Drop for Bench {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    fn noise(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    }

    fn all(mut reader: Reader) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        reader.read_to_end(&mut out).map(|_| out).map_err(Error::from)
    }

    #[test]
    fn an_archive_of_any_size_comes_back_from_any_byte_on_and_lies_there_sealed() {
        let bench = Bench::new();
        let chunk = sealed::CHUNK;
        for size in [0, 1, 100, chunk - 1, chunk, chunk + 1, 3 * chunk, 3 * chunk + 77] {
            let (bytes, name) = (noise(size), format!("arc_{size}.x"));
            let whole = bench.put(&name, &bytes);
            assert_eq!((whole.size, whole.sha256), (size as u64, hex(&Sha256::digest(&bytes))));
            assert!(bench.store.has(&name, size as u64) && !bench.store.has(&name, size as u64 + 1));
            for from in [0, 1, size / 2, size.saturating_sub(1), size, chunk - 1, chunk, chunk + 1].into_iter().filter(|f| *f <= size) {
                assert_eq!(all(bench.store.open(&name, size as u64, from as u64).unwrap()).unwrap(), bytes[from..], "{size} from {from}");
            }
            let on_disk = std::fs::read(bench.path(&name)).unwrap();
            assert!(size < 100 || !on_disk.windows(32).any(|w| w == &bytes[..32]), "it can be read without the key");
        }
        let mode = |path: &Path| std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path).unwrap()) & 0o777;
        assert_eq!((mode(&bench.path("arc_1.x")), mode(&bench.path(""))), (0o600, 0o700));
    }

    #[test]
    fn what_was_altered_cut_or_exchanged_is_not_given_out() {
        let bench = Bench::new();
        let bytes = noise(3 * sealed::CHUNK + 5);
        let size = bytes.len() as u64;
        bench.put("arc_a", &bytes);
        bench.put("arc_b", &bytes);
        let read = |name: &str| bench.store.open(name, size, 0).and_then(all);
        std::fs::copy(bench.path("arc_b"), bench.path("arc_a")).unwrap();
        assert_eq!(read("arc_a").unwrap_err().class(), Class::Damaged, "one in the place of another");
        let mut file = File::options().write(true).open(bench.path("arc_b")).unwrap();
        file.seek(io::SeekFrom::Start(2 * sealed::CHUNK as u64)).unwrap();
        file.write_all(b"!").unwrap();
        assert_eq!(read("arc_b").unwrap_err().class(), Class::Damaged, "a byte");
        file.set_len(size).unwrap();
        assert_eq!(read("arc_b").unwrap_err().class(), Class::Damaged, "cut short");
        std::fs::remove_file(bench.path("arc_b")).unwrap();
        assert_eq!(read("arc_b").unwrap_err().class(), Class::NotFound);
    }

    #[test]
    fn a_part_is_never_found_under_its_name_and_goes_when_it_is_given_up() {
        let bench = Bench::new();
        assert_eq!(bench.store.list().unwrap(), []);
        let mut part = bench.store.begin("arc_1.a").unwrap();
        part.write_all(&noise(200_000)).unwrap();
        assert_eq!(bench.store.open("arc_1.a", 200_000, 0).unwrap_err().class(), Class::NotFound);
        assert!(bench.store.begin("arc_1.a").is_err(), "two do not write one archive");
        let found = bench.store.list().unwrap();
        assert!(found.len() == 1 && found[0].part && found[0].name == "arc_1.a" && found[0].idle < 60, "{found:?}");
        drop(part);
        assert_eq!(bench.store.list().unwrap(), []);
        bench.put("arc_2.a", b"x");
        assert!(bench.store.begin("arc_2.a").unwrap().finish().is_err(), "what lies there is not written over");
        assert_eq!(bench.store.list().unwrap().iter().map(|f| (f.name.as_str(), f.part)).collect::<Vec<_>>(), [("arc_2.a", false)]);
        let found = bench.store.list().unwrap().remove(0);
        bench.store.remove(&Found { part: true, ..found.clone() }).unwrap();
        assert!(bench.store.has("arc_2.a", 1), "only what was found goes");
        bench.store.remove(&found).unwrap();
        bench.store.remove(&found).unwrap();
        assert_eq!(bench.store.list().unwrap(), []);
    }

    #[test]
    fn a_disk_without_room_is_said_so_before_anything_is_written() {
        let mut bench = Bench::new();
        bench.store.reserve = u64::MAX;
        let e = bench.store.begin("arc_1").unwrap_err();
        assert!(e.class() == Class::Resource && e.to_string().contains("too little space"), "{e}");
        assert_eq!(bench.store.list().unwrap(), []);
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        let bench = Bench::new();
        for name in ["", ".", "..", "../x", "a/b", "/etc/passwd", "a\0", ".x", "x.part", &"x".repeat(101), "ü"] {
            let found = Found { name: name.to_owned(), part: false, idle: 0 };
            assert!(
                bench.store.begin(name).is_err() && bench.store.open(name, 0, 0).is_err() && bench.store.remove(&found).is_err(),
                "{name:?}"
            );
        }
    }
}
