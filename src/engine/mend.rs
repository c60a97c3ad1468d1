//! Mends a repository of which something was altered or lost on the storage.
//!
//! A pack is named by the hash of its content, so a damaged one is known for sure; but the index still says that all of
//! its pieces are there, and the next backup builds upon them instead of storing them again. So every piece of it that is
//! still whole is carried into a new pack, and the damaged one leaves the index: what was lost is stored again by the next
//! backup that still has it, and backups that need it are whole again with that. An index that is damaged or gone is made
//! again from the packs themselves. Nothing is removed before what takes its place is safe on the storage, and nothing because
//! the storage did not answer: what cannot be read now may be whole.

use super::Repository;
use super::backend::adapter::{Adapter, cannot_read, cannot_write};
use super::backend::lock::Sealer;
use super::failure::{Ours, to_library, writing};
use super::repository::Session;
use crate::base::error::{Error, Result};
use crate::base::secret::hex;
use crate::base::watch::Watch;
use bytes::Bytes;
use rustic_core::repofile::{BlobType, IndexBlob, IndexFile, IndexId, IndexPack};
use rustic_core::{BytesList, FileType, Id, ReadBackend, RepairIndexOptions, RusticResult, WriteBackend};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::io::ErrorKind::{NotFound, UnexpectedEof};
use std::sync::Arc;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// Packs that left the index.
    pub packs: u64,
    /// Pieces of them that were still whole, …
    pub saved: u64,
    /// … and that are gone until a backup brings them again.
    pub lost: u64,
    /// Indexes that were made again.
    pub indexes: u64,
}

impl Repository {
    /// Saves what is whole of damaged packs, takes them out of the index, so that the next backup stores anew what was
    /// lost, and makes indexes again that are damaged or gone. The caller holds the repository alone.
    ///
    /// # Errors
    /// `Transient` while another program is at work in it; `Resource` when the storage is full; what the storage says.
    pub fn mend(&self, packs: &[String], watch: &Watch) -> Result<Mended> {
        writing(|| run(&self.session(watch)?, packs))
    }

    /// The ids of all snapshots, also of those that cannot be read.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn names_of_snapshots(&self) -> Result<Vec<String>> {
        let listed = self.session(&Watch::new())?.objects.list("snapshots");
        let listed = listed.map_err(|e| Error::from(e).context("listing the snapshots of the repository"))?;
        Ok(listed.into_iter().map(|(name, _)| name).collect())
    }
}

/// `packs` are looked at again first.
fn run(session: &Session, packs: &[String]) -> Result<Mended> {
    session.open()?; // a wrong place or key is told before a lock is written
    let _lock = session.lock_alone()?;
    let indexes = unsound(session, "index", Err)?;
    let damaged = truly_damaged(session, packs)?;
    let mut mended = Mended { packs: damaged.len() as u64, indexes: indexes.len() as u64, ..Mended::default() };
    for pack in pieces(session, &indexes, &damaged)? {
        session.control.watch.check()?;
        save(session, &pack, &mut mended)?;
    }
    session.objects.settle().map_err(|e| cannot_write("what was saved of damaged packs", e))?;
    index_again(session, indexes.iter().chain(&damaged))?;
    let index = indexes.iter().map(|id| format!("index/{id}"));
    for key in index.chain(damaged.iter().map(|id| format!("data/{}/{id}", &id[..2]))) {
        match session.objects.remove(&key) {
            Err(e) if e.kind() != NotFound => return Err(cannot_write(&key, e)),
            _ => {}
        }
    }
    Ok(mended)
}

/// Objects of a folder that are not what was written: each is named by its hash. `unread` says what one counts as that the
/// storage does not give.
pub(super) fn unsound(session: &Session, folder: &str, unread: impl Fn(Error) -> Result<bool>) -> Result<Vec<String>> {
    let listed = session.objects.list(folder).map_err(|e| Error::from(e).context(format!("listing {folder} of the repository")))?;
    let mut found = Vec::new();
    for (name, _) in listed {
        if !is_sound(session, &format!("{folder}/{name}"), &name).or_else(&unread)? {
            found.push(name);
        }
    }
    Ok(found)
}

/// # Errors
/// What the storage says, when it does not give the object for another reason than that it is not there.
fn is_sound(session: &Session, key: &str, name: &str) -> Result<bool> {
    match session.objects.get(key) {
        Ok(content) => Ok(hex(&Sha256::digest(&content)) == name),
        Err(e) if e.kind() == NotFound => Ok(false),
        Err(e) => Err(cannot_read(key, e).hint("nothing was removed: when the storage can be read again, this goes on")),
    }
}

fn truly_damaged(session: &Session, packs: &[String]) -> Result<Vec<String>> {
    let mut damaged = Vec::new();
    for pack in packs {
        session.control.watch.check()?;
        let name = super::repository::checked_id(pack)?;
        if !is_sound(session, &format!("data/{}/{name}", &name[..2]), name)? {
            damaged.push(pack.clone());
        }
    }
    Ok(damaged)
}

/// What the sound indexes say of the damaged packs.
fn pieces(session: &Session, unsound: &[String], damaged: &[String]) -> Result<Vec<IndexPack>> {
    let repository = session.open()?;
    let listed = session.objects.list("index").map_err(|e| Error::from(e).context("listing the indexes of the repository"))?;
    let mut found = Vec::new();
    for (name, _) in listed.into_iter().filter(|(name, _)| !damaged.is_empty() && !unsound.contains(name)) {
        let id: Id = name.parse().ours()?;
        let index: IndexFile = repository.get_file(&IndexId::from(id)).ours()?;
        let all = index.packs.into_iter().chain(index.packs_to_delete);
        found.extend(all.filter(|pack| damaged.iter().any(|d| d == pack.id.to_hex().as_str())));
    }
    Ok(found)
}

/// Carries what is whole of a pack into a new one, sealed as it was.
fn save(session: &Session, pack: &IndexPack, mended: &mut Mended) -> Result<()> {
    let sealer = Sealer::new(&session.key)?;
    let hex_id = pack.id.to_hex();
    let key = format!("data/{}/{}", &hex_id[..2], hex_id.as_str());
    let (mut body, mut header) = (Vec::new(), Vec::new());
    for blob in &pack.blobs {
        let place = blob.location;
        match session.objects.get_range(&key, place.offset.into(), place.length as usize) {
            Ok(sealed) if is_whole(&sealer, blob, &sealed) => {
                body.extend_from_slice(&sealed);
                header.extend(entry(blob));
                mended.saved += 1;
            }
            Err(e) if !matches!(e.kind(), NotFound | UnexpectedEof) => return Err(cannot_read(&key, e)),
            _ => mended.lost += 1,
        }
    }
    if body.is_empty() {
        return Ok(());
    }
    let header = sealer.seal(&header)?;
    body.extend_from_slice(&header);
    body.extend(u32::try_from(header.len()).map_err(|_| Error::internal("a pack has too many pieces"))?.to_le_bytes());
    let name = hex(&Sha256::digest(&body));
    let key = format!("data/{}/{name}", &name[..2]);
    session.objects.put(&key, &[Bytes::from(body)]).map_err(|e| cannot_write(&key, e))
}

/// Opens, and is what its name says?
fn is_whole(sealer: &Sealer, blob: &IndexBlob, sealed: &[u8]) -> bool {
    let Some(plain) = sealer.unseal(sealed) else { return false };
    let content = match blob.location.uncompressed_length {
        None => Some(plain),
        Some(size) => zstd::bulk::decompress(&plain, size.get() as usize).ok(),
    };
    content.is_some_and(|content| Id::new(Sha256::digest(&content).into()) == *blob.id)
}

/// A piece in the header of a pack: kind, lengths, name.
fn entry(blob: &IndexBlob) -> Vec<u8> {
    let (kind, size) = match (blob.tpe, blob.location.uncompressed_length) {
        (BlobType::Data, None) => (0u8, None),
        (BlobType::Tree, None) => (1, None),
        (BlobType::Data, size) => (2, size),
        (BlobType::Tree, size) => (3, size),
    };
    let mut entry = vec![kind];
    entry.extend(blob.location.length.to_le_bytes());
    entry.extend(size.iter().flat_map(|size| size.get().to_le_bytes()));
    let name = blob.id.to_hex();
    entry.extend((0..name.len() / 2).filter_map(|i| u8::from_str_radix(&name[2 * i..2 * i + 2], 16).ok()));
    entry
}

/// The library writes new indexes of all packs that it sees; it does not see what is hidden.
fn index_again<'a>(session: &Session, hidden: impl Iterator<Item = &'a String>) -> Result<()> {
    let hidden = hidden.map(|id| id.parse().ours()).collect::<Result<HashSet<Id>>>()?;
    let repository = session.open_by(Arc::new(Hiding { inner: session.adapter.clone(), hidden }))?;
    repository.repair_index(&RepairIndexOptions::default(), false).ours()?;
    session.objects.settle().map_err(|e| cannot_write("the new index", e))
}

/// The storage without some of its objects.
struct Hiding {
    inner: Arc<Adapter>,
    hidden: HashSet<Id>,
}

impl ReadBackend for Hiding {
    fn location(&self) -> String {
        self.inner.location()
    }
    fn list_with_size(&self, tpe: FileType) -> RusticResult<Vec<(Id, u32)>> {
        let mut listed = self.inner.list_with_size(tpe)?;
        listed.retain(|(id, _)| !self.hidden.contains(id));
        Ok(listed)
    }
    fn read_full(&self, tpe: FileType, id: &Id) -> RusticResult<Bytes> {
        let content = self.inner.read_full(tpe, id)?;
        self.inner.moved(content.len());
        Ok(content)
    }
    fn read_partial(&self, tpe: FileType, id: &Id, cacheable: bool, offset: u32, length: u32) -> RusticResult<Bytes> {
        self.inner.moved(length as usize);
        self.inner.read_partial(tpe, id, cacheable, offset, length)
    }
    fn warmup_path(&self, tpe: FileType, id: &Id) -> String {
        self.inner.warmup_path(tpe, id)
    }
}

impl WriteBackend for Hiding {
    fn create(&self) -> RusticResult<()> {
        Err(to_library(Error::internal("who mends makes no repository")))
    }
    fn write_bytes(&self, tpe: FileType, id: &Id, cacheable: bool, content: BytesList) -> RusticResult<()> {
        match tpe {
            FileType::Index => self.inner.write_bytes(tpe, id, cacheable, content),
            _ => Err(to_library(Error::internal("who mends writes indexes only"))),
        }
    }
    fn remove(&self, tpe: FileType, id: &Id, cacheable: bool) -> RusticResult<()> {
        match tpe {
            FileType::Index => self.inner.remove(tpe, id, cacheable),
            _ => Err(to_library(Error::internal("who mends removes indexes only"))),
        }
    }
}
