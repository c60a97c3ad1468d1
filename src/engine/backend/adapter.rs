//! How the library's calls become objects, and where the veto stands.

use super::Objects;
use crate::base::error::{Class, Error};
use crate::engine::control::{Control, Verdict};
use crate::engine::failure::to_library;
use bytes::Bytes;
use rustic_core::{BytesList, FileType, Id, ReadBackend, RusticResult, WriteBackend};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// The library's view of a store of objects, for one run.
pub(in crate::engine) struct Adapter {
    objects: Arc<dyn Objects>,
    control: Arc<Control>,
    ranges: Mutex<Vec<Range>>,
    /// A snapshot that serves as the base of another pass; it is never stored.
    draft: Mutex<Option<(Id, Bytes)>>,
}

/// A part of a pack that a reader announced.
struct Range {
    pack: Id,
    offset: u32,
    content: Bytes,
}

/// While it lives, reads within an announced range need no further call to the storage.
pub(in crate::engine) struct Announced<'a> {
    adapter: &'a Adapter,
    pack: Id,
    offset: u32,
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        let mut ranges = self.adapter.ranges.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(i) = ranges.iter().position(|r| r.pack == self.pack && r.offset == self.offset) {
            ranges.swap_remove(i);
        }
    }
}

impl Adapter {
    pub fn new(objects: Arc<dyn Objects>, control: Arc<Control>) -> Self {
        Self { objects, control, ranges: Mutex::default(), draft: Mutex::default() }
    }

    /// Reads a part of a pack in one go; the blobs in it are then served without copying.
    pub fn announce(&self, pack: Id, offset: u32, length: u32) -> RusticResult<Announced<'_>> {
        let content = self.range(&pack, offset, length)?;
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner).push(Range { pack, offset, content });
        Ok(Announced { adapter: self, pack, offset })
    }

    /// So much was read or written: a sign of life.
    pub fn moved(&self, bytes: usize) {
        self.control.watch.add_bytes(bytes as u64);
    }

    fn range(&self, pack: &Id, offset: u32, length: u32) -> RusticResult<Bytes> {
        let key = key(FileType::Pack, pack);
        self.checked(&key, || self.objects.get_range(&key, offset.into(), length as usize))
    }

    fn checked<T>(&self, key: &str, read: impl FnOnce() -> io::Result<T>) -> RusticResult<T> {
        self.control.watch.check().map_err(to_library)?;
        read().map_err(|e| to_library(cannot_read(key, e)))
    }

    fn store(&self, tpe: FileType, key: &str, content: &BytesList) -> io::Result<()> {
        if tpe != FileType::Pack {
            self.objects.settle()?; // an index or a snapshot names packs: they must be safe before it exists
        }
        self.objects.put(key, content.slice())
    }

    fn drafted(&self, id: &Id) -> Option<Bytes> {
        let draft = self.draft.lock().unwrap_or_else(PoisonError::into_inner);
        draft.as_ref().filter(|(drafted, _)| drafted == id).map(|(_, content)| content.clone())
    }
}

/// The key of an object. `Id` displays itself shortened: only its hexadecimal form is a name.
fn key(tpe: FileType, id: &Id) -> String {
    let hex = id.to_hex();
    match tpe {
        FileType::Config => "config".to_owned(),
        FileType::Pack => format!("data/{}/{}", &hex[..2], hex.as_str()),
        _ => format!("{}/{}", tpe.dirname(), hex.as_str()),
    }
}

/// What is missing or too short was there once: the repository is damaged. The rest keeps its own sense.
pub(in crate::engine) fn cannot_read(key: &str, e: io::Error) -> Error {
    let what = format!("reading {key} of the repository");
    match e.kind() {
        io::ErrorKind::NotFound => Error::damaged("it is missing").context(what),
        io::ErrorKind::UnexpectedEof => Error::damaged(e.to_string()).context(what),
        _ => Error::from(e).context(what),
    }
}

pub(in crate::engine) fn cannot_write(key: &str, e: io::Error) -> Error {
    let read_only = e.kind() == io::ErrorKind::ReadOnlyFilesystem;
    let error = Error::from(e);
    let error = match error.class() {
        _ if read_only => error.hint("the disk of the repository takes no writes: the kernel's log says why; mount it for writing again"),
        Class::Resource => error.hint("the disk of the repository is full (or its quota used up): free some space there, then try again"),
        _ => error,
    };
    error.context(format!("writing {key} to the repository"))
}

impl ReadBackend for Adapter {
    fn location(&self) -> String {
        "repository".to_owned()
    }

    fn list_with_size(&self, tpe: FileType) -> RusticResult<Vec<(Id, u32)>> {
        if tpe == FileType::Config {
            return self.checked("config", || match self.objects.get("config") {
                Ok(content) => Ok(vec![(Id::default(), content.len() as u32)]),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                Err(e) => Err(e),
            });
        }
        let folder = tpe.dirname();
        let names = self.checked(folder, || self.objects.list(folder))?;
        let mut out = Vec::with_capacity(names.len() + 1);
        for (name, size) in names {
            let id: Id = name.parse()?;
            let size = u32::try_from(size)
                .map_err(|_| to_library(Error::damaged(format!("{folder}/{name} is larger than any object of a repository"))))?;
            out.push((id, size));
        }
        if tpe == FileType::Snapshot
            && let Some((id, content)) = &*self.draft.lock().unwrap_or_else(PoisonError::into_inner)
        {
            out.push((*id, content.len() as u32));
        }
        Ok(out)
    }

    fn read_full(&self, tpe: FileType, id: &Id) -> RusticResult<Bytes> {
        if tpe == FileType::Snapshot
            && let Some(content) = self.drafted(id)
        {
            return Ok(content);
        }
        let key = key(tpe, id);
        self.checked(&key, || self.objects.get(&key))
    }

    fn read_partial(&self, tpe: FileType, id: &Id, _cacheable: bool, offset: u32, length: u32) -> RusticResult<Bytes> {
        if tpe == FileType::Pack {
            let end = u64::from(offset) + u64::from(length);
            let ranges = self.ranges.lock().unwrap_or_else(PoisonError::into_inner);
            let holds = |r: &&Range| r.pack == *id && r.offset <= offset && end <= u64::from(r.offset) + r.content.len() as u64;
            if let Some(range) = ranges.iter().find(holds) {
                let start = (offset - range.offset) as usize;
                return Ok(range.content.slice(start..start + length as usize));
            }
        }
        let key = key(tpe, id);
        self.checked(&key, || self.objects.get_range(&key, offset.into(), length as usize))
    }

    fn warmup_path(&self, tpe: FileType, id: &Id) -> String {
        key(tpe, id)
    }
}

impl WriteBackend for Adapter {
    fn create(&self) -> RusticResult<()> {
        self.objects.create().map_err(|e| to_library(cannot_write("the folders", e)))
    }

    fn write_bytes(&self, tpe: FileType, id: &Id, _cacheable: bool, content: BytesList) -> RusticResult<()> {
        self.control.watch.check().map_err(to_library)?;
        let key = key(tpe, id);
        if tpe == FileType::Snapshot && self.control.verdict().map_err(to_library)? == Verdict::Draft {
            let whole = content.slice().concat();
            *self.draft.lock().unwrap_or_else(PoisonError::into_inner) = Some((*id, whole.into()));
            return Ok(());
        }
        self.store(tpe, &key, &content).map_err(|e| {
            let error = cannot_write(&key, e);
            self.control.fail(error.clone()); // else the library reads the whole source before it tells
            to_library(error)
        })
    }

    fn remove(&self, tpe: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        self.control.watch.check().map_err(to_library)?;
        let key = key(tpe, id);
        self.objects.remove(&key).map_err(|e| to_library(cannot_write(&key, e)))
    }
}
