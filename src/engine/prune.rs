//! Frees space: what no snapshot needs any more is first marked, and removed by a later run, when it has been marked for
//! so long that no backup can still build upon it.
//!
//! The library's prune does it, and always in this order, so that a run may die anywhere: new packs, a new index that
//! names all that stays and marks what may go, the old index away, and only then packs that were marked long before. It
//! is never told to delete at once: a backup that was frozen while it ran would then be broken, although it says that all
//! is well. [`Careful`] stands between it and the storage: it lets nothing be removed but indexes and packs, counts what
//! moves, and is where tests break a run.
//!
//! Whoever prunes holds the repository alone: in the queue by a lease, and towards other programs by restic's own lock.

use super::backend::Objects;
use super::backend::adapter::{Adapter, cannot_write};
use super::failure::{Ours, to_library};
use super::repository::Session;
use crate::base::error::{Error, Result};
use crate::base::failpoint;
use bytes::Bytes;
use bytesize::ByteSize;
use rustic_core::jiff::Span;
use rustic_core::{BytesList, FileType, Id, LimitOption, PruneOptions, PrunePlan, ReadBackend, RusticResult, WriteBackend};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// How a repository is pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruning {
    /// What was marked for so long is removed, in milliseconds.
    pub keep_marked: i64,
    /// At most so much is packed anew in one run, in bytes: the rest is left to the next.
    pub repack: u64,
}

/// What a run did, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Removed from the storage now.
    pub freed: u64,
    /// Marked, now or earlier, and waiting for its time.
    pub marked: u64,
    /// Packed anew.
    pub repacked: u64,
    /// What the repository has on the storage now.
    pub size: u64,
}

pub(super) fn run(session: &Session, how: Pruning) -> Result<Pruned> {
    session.open()?; // a wrong place or key is told before a lock is written
    let _lock = session.lock_alone()?;
    failpoint::hit(format_args!("prune.begin"))?;
    let before = size(&session.objects)?;
    let careful = Arc::new(Careful::new(session.adapter.clone()));
    let repository = session.open_by(careful)?;
    let options = options(how);
    let plan = PrunePlan::from_prune_options(&repository, &options).ours()?;
    let pruned = forecast(&plan);
    failpoint::hit(format_args!("prune.planned"))?;
    repository.prune(&options, plan).ours()?;
    session.objects.settle().map_err(|e| cannot_write("what was packed anew", e))?;
    failpoint::hit(format_args!("prune.pruned"))?;
    let size = size(&session.objects)?;
    Ok(Pruned { freed: (before + pruned.repacked).saturating_sub(size), size, ..pruned })
}

fn options(how: Pruning) -> PruneOptions {
    let mut options = PruneOptions::default();
    options.instant_delete = false;
    options.early_delete_index = false;
    options.keep_delete = Span::new().milliseconds(how.keep_marked);
    options.max_repack = LimitOption::Size(ByteSize::b(how.repack));
    options
}

fn forecast(plan: &PrunePlan) -> Pruned {
    let (size, marked) = (plan.stats.size_sum(), plan.stats.size_to_delete);
    // What is unused goes, and so does the old place of what is packed anew.
    let fresh = size.remove + size.repack + plan.stats.size_unref;
    Pruned { marked: marked.keep + fresh, repacked: size.repack - size.repackrm, ..Pruned::default() }
}

/// What a repository has on the storage, in bytes. A listing that fails is an error, never a smaller size.
pub(super) fn size(objects: &Arc<dyn Objects>) -> Result<u64> {
    let mut sum = 0;
    for folder in ["data", "index", "snapshots"] {
        let listed = objects.list(folder).map_err(|e| Error::from(e).context(format!("listing {folder} of the repository")))?;
        sum += listed.iter().map(|(_, size)| size).sum::<u64>();
    }
    Ok(sum)
}

/// The storage as a prune may use it.
struct Careful {
    inner: Arc<Adapter>,
    index_written: AtomicBool,
    index_removed: AtomicBool,
    pack_removed: AtomicBool,
    pack_written: AtomicBool,
}

impl Careful {
    fn new(inner: Arc<Adapter>) -> Self {
        let no = || AtomicBool::new(false);
        Self { inner, index_written: no(), index_removed: no(), pack_removed: no(), pack_written: no() }
    }

    /// The first time that a stage is left.
    fn passed(&self, flag: &AtomicBool, name: &str) -> RusticResult<()> {
        if flag.swap(true, Relaxed) {
            return Ok(());
        }
        failpoint::hit(format_args!("{name}")).map_err(to_library)
    }
}

impl ReadBackend for Careful {
    fn location(&self) -> String {
        self.inner.location()
    }
    fn list_with_size(&self, tpe: FileType) -> RusticResult<Vec<(Id, u32)>> {
        self.inner.list_with_size(tpe)
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

impl WriteBackend for Careful {
    fn create(&self) -> RusticResult<()> {
        Err(to_library(Error::internal("a prune makes no repository")))
    }

    fn write_bytes(&self, tpe: FileType, id: &Id, cacheable: bool, content: BytesList) -> RusticResult<()> {
        if !matches!(tpe, FileType::Index | FileType::Pack) {
            return Err(to_library(Error::internal("a prune writes packs and indexes only")));
        }
        self.inner.moved(content.size());
        self.inner.write_bytes(tpe, id, cacheable, content)?;
        match tpe {
            FileType::Index => self.passed(&self.index_written, "prune.index_written"),
            _ => self.passed(&self.pack_written, "prune.pack_written"),
        }
    }

    fn remove(&self, tpe: FileType, id: &Id, cacheable: bool) -> RusticResult<()> {
        match tpe {
            FileType::Index => {
                self.inner.remove(tpe, id, cacheable)?;
                self.passed(&self.index_removed, "prune.index_removed")
            }
            FileType::Pack => {
                self.inner.remove(tpe, id, cacheable)?;
                self.passed(&self.pack_removed, "prune.pack_removed")
            }
            _ => Err(to_library(Error::internal("a prune removes packs and indexes only"))),
        }
    }
}
