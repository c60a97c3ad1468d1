//! A repository: created, opened, asked.

use super::backend::adapter::{Adapter, cannot_read, cannot_write};
use super::backend::lock::Lock;
use super::backend::{self, Objects};
use super::control::Control;
use super::failure::{Ours, reading, writing};
use super::key::parse_key;
use super::restore::{Owners, Restored};
use super::{
    About, Checked, Entry, Label, Location, Look, Packing, Pruned, Pruning, SnapshotInfo, Source, Stored, Totals, archive, backup, check,
    needs, prove, prune, read, reread, restore,
};
use crate::base::error::{Class, Error, Result};
use crate::base::secret::Secret;
use crate::base::watch::Watch;
use crate::domain::tree::Marks;
use bytesize::ByteSize;
use rustic_core::repofile::{Chunker, MasterKey};
use rustic_core::{ConfigOptions, Credentials, KeyOptions, OpenStatus, RepositoryBackends, RepositoryOptions, WriteBackend};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The library's size of a pack. Peak memory of a first backup is about nine of them.
const PACK: ByteSize = ByteSize::mib(16);
const ZSTD: i32 = 3;

/// A place and its key. Cheap to clone, and shared freely; every call opens the repository afresh.
#[derive(Clone, Debug)]
pub struct Repository {
    pub(super) location: Location,
    pub(super) key: Secret,
}

/// One opening of a repository, for one call.
pub(super) struct Session {
    pub objects: Arc<dyn Objects>,
    pub adapter: Arc<Adapter>,
    pub control: Arc<Control>,
    pub key: MasterKey,
}

impl Session {
    pub fn new(location: &Location, key: MasterKey, watch: &Watch) -> Self {
        let objects = backend::connect(location);
        let control = Arc::new(Control::new(watch));
        let adapter = Arc::new(Adapter::new(objects.clone(), control.clone()));
        Self { objects, adapter, control, key }
    }

    pub fn unopened(&self, by: Arc<dyn WriteBackend>) -> Result<rustic_core::Repository<()>> {
        let mut options = RepositoryOptions::default();
        options.no_cache = true; // else a cache in the home folder of whoever runs us
        rustic_core::Repository::new(&options, &RepositoryBackends::new(by, None)).ours()
    }

    /// Reads the configuration, and nothing else.
    pub fn open(&self) -> Result<rustic_core::Repository<OpenStatus>> {
        self.open_by(self.adapter.clone())
    }

    /// The same, where something stands between the library and the storage.
    pub fn open_by(&self, by: Arc<dyn WriteBackend>) -> Result<rustic_core::Repository<OpenStatus>> {
        self.unopened(by)?.open(&Credentials::Masterkey(self.key.clone())).ours()
    }
}

impl Repository {
    /// Makes an empty repository that opens with `password` (the recovery key) and with the master key that is returned:
    /// JSON, to be sealed; opening with it costs nothing, where the password costs a third of a second and 128 MB.
    ///
    /// # Errors
    /// `Conflict` where a repository, or a part of one, lies already.
    pub fn create(at: &Location, password: &Secret) -> Result<(Self, Secret)> {
        writing(|| {
            let session = Session::new(at, MasterKey::new(), &Watch::new());
            session.refuse_to_overwrite(at)?;
            let options = ConfigOptions::default()
                .set_version(2u32)
                .set_compression(ZSTD)
                .set_chunker(Chunker::FixedSize)
                .set_datapack_size(PACK)
                .set_datapack_growfactor(0u32)
                .set_treepack_growfactor(0u32)
                .set_extra_verify(false);
            let credentials = Credentials::password(password.expose());
            let made = session.unopened(session.adapter.clone())?.init(&credentials, &KeyOptions::default(), &options).ours();
            let made = made.map_err(|e| e.context(format!("creating a repository in {}", at.shown())))?;
            session.objects.settle().map_err(|e| cannot_write("the configuration", e))?;
            let json = serde_json::to_string(&made.key()).map_err(|e| Error::internal(format!("a key cannot be written as JSON: {e}")))?;
            let key = Secret::new(json);
            Ok((Self { location: at.clone(), key: key.clone() }, key))
        })
    }

    /// Opens a repository.
    ///
    /// # Errors
    /// `Permanent` when there is none, or its key is another; `Damaged` when its configuration cannot be read.
    pub fn open(at: &Location, master_key: &Secret) -> Result<Self> {
        let repository = Self { location: at.clone(), key: master_key.clone() };
        reading(|| repository.session(&Watch::new())?.open_checked(at))?;
        Ok(repository)
    }

    /// Writes one snapshot of all sources.
    ///
    /// # Errors
    /// What a source's `finish` said; `Resource` when the storage is full; `Transient` while another program holds the
    /// repository for itself; `Cancelled`. In every case no snapshot was written.
    pub fn backup(&self, sources: Vec<Source>, label: &Label, watch: &Watch) -> Result<Stored> {
        writing(|| backup::run(&self.session(watch)?, sources, label))
    }

    /// Opens the index afresh and resolves every tree and blob of a snapshot: each tree is read and hashed, each blob of
    /// each file is in the index, each pack exists and is long enough. The content of files is not read.
    ///
    /// # Errors
    /// `Damaged`, naming the first path that cannot be restored; `NotFound` when there is no such snapshot.
    pub fn prove(&self, snapshot: &str, watch: &Watch) -> Result<Totals> {
        reading(|| prove::run(&self.session(watch)?, snapshot, false))
    }

    /// As [`Repository::prove`], and reads and hashes the content of every file, too.
    ///
    /// # Errors
    /// As [`Repository::prove`].
    pub fn prove_content(&self, snapshot: &str, watch: &Watch) -> Result<Totals> {
        reading(|| prove::run(&self.session(watch)?, snapshot, true))
    }

    /// Writes the directory `from` of a snapshot into `into`, which must be empty, and gives `into` the owner, mode and
    /// time that `from` had. Every byte was hashed before it was written; when this returns, all of it is on the disk.
    ///
    /// # Errors
    /// `Resource` when the disk is full; `Damaged` when anything could not be read, written or verified, with the first
    /// ten paths and their number. What was written until then stays in `into`.
    pub fn restore_tree(&self, snapshot: &str, from: &Path, into: &OwnedFd, owners: &Owners, watch: &Watch) -> Result<Restored> {
        reading(|| restore::run(&self.session(watch)?, snapshot, from, &restore::What::All, into, owners))
    }

    /// Writes chosen files and directories of a snapshot into `into`, which must be empty: `parts` by their paths in the
    /// snapshot, all of them below the directory `from`, with the directories between it and them. `into` itself stays as it is.
    ///
    /// # Errors
    /// As [`Repository::restore_tree`]; `NotFound` when one of them is not in the snapshot.
    pub fn restore_parts(
        &self,
        snapshot: &str,
        from: &Path,
        parts: &[PathBuf],
        into: &OwnedFd,
        owners: &Owners,
        watch: &Watch,
    ) -> Result<Restored> {
        reading(|| restore::run(&self.session(watch)?, snapshot, from, &restore::What::Only(parts), into, owners))
    }

    /// All files below `from`, one after the other in the order of their names: a dump, ready for the plain client. It
    /// reads ahead in a few megabytes of memory.
    ///
    /// # Errors
    /// `NotFound`; what goes wrong later comes out of the reader.
    pub fn dump(&self, snapshot: &str, from: &Path, watch: &Watch) -> Result<Box<dyn Read + Send>> {
        reading(|| read::dump(self.session(watch)?, snapshot, from))
    }

    /// A whole snapshot of files as `.tar.gz`, `.tar.zst` or `.zip`, with a list of all that is in it as the last member. Every piece is hashed
    /// before it is written, in a few megabytes of memory.
    ///
    /// # Errors
    /// `Damaged`, `Cancelled`, or what `sink` said. What was written until then has no end that a reader would accept.
    pub fn archive(&self, snapshot: &str, about: &About, packing: Packing, sink: &mut dyn Write, watch: &Watch) -> Result<()> {
        reading(|| archive::files(self.session(watch)?, snapshot, about, packing, sink))
    }

    /// One directory of a snapshot in the same way; what is in the archive lies in a directory of its name.
    ///
    /// # Errors
    /// As [`Repository::archive`].
    pub fn archive_folder(&self, snapshot: &str, from: &Path, about: &About, sink: &mut dyn Write, watch: &Watch) -> Result<()> {
        reading(|| archive::folder(self.session(watch)?, snapshot, from, about, sink))
    }

    /// The dump below `from` as `.sql.gz`, ready for the plain client; what it is stands above it as comments.
    ///
    /// # Errors
    /// As [`Repository::archive`].
    pub fn archive_sql(&self, snapshot: &str, from: &Path, about: &About, sink: &mut dyn Write, watch: &Watch) -> Result<()> {
        archive::sql(&mut *self.dump(snapshot, from, watch)?, about, sink)
    }

    /// One file as `.gz`; what it is stands in the comment of the compressed file, which the file itself never sees.
    ///
    /// # Errors
    /// As [`Repository::archive`].
    pub fn archive_file(&self, snapshot: &str, path: &Path, about: &About, sink: &mut dyn Write, watch: &Watch) -> Result<()> {
        archive::single(&mut *self.dump(snapshot, path, watch)?, path, about, sink)
    }

    /// One file as it is.
    ///
    /// # Errors
    /// `Damaged`, `Cancelled`, or what `sink` said; what was written until then is less than the file's size.
    pub fn plain_file(&self, snapshot: &str, path: &Path, sink: &mut dyn Write, watch: &Watch) -> Result<()> {
        archive::pour(&mut *self.dump(snapshot, path, watch)?, sink)
    }

    /// One file, of at most `limit` bytes.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when it is no file or larger than `limit`; `Damaged`.
    pub fn file(&self, snapshot: &str, path: &Path, limit: u64) -> Result<Vec<u8>> {
        reading(|| read::file(&self.session(&Watch::new())?, snapshot, path, limit))
    }

    /// What a directory of a snapshot holds, sorted by the bytes of the names. An empty path is the root.
    ///
    /// # Errors
    /// `NotFound`, `Damaged`.
    pub fn list(&self, snapshot: &str, dir: &Path) -> Result<Vec<Entry>> {
        reading(|| read::list(&self.session(&Watch::new())?, snapshot, dir))
    }

    /// Looks around in a snapshot, page by page.
    ///
    /// # Errors
    /// `NotFound` when there is no such snapshot; `Damaged`.
    pub fn look(&self, snapshot: &str) -> Result<Look> {
        let realm = format!("{} {}", self.location.url(), self.key.sha256());
        reading(|| Look::open(&self.session(&Watch::new())?, &realm, snapshot))
    }

    /// Everything below a directory of a snapshot that is no directory itself; `None` when that is more than `limit`.
    ///
    /// # Errors
    /// `NotFound`, `Damaged`.
    pub fn marks(&self, snapshot: &str, dir: &Path, limit: usize, watch: &Watch) -> Result<Option<Marks>> {
        reading(|| read::marks(&self.session(watch)?, snapshot, dir, limit))
    }

    /// The files below `from` that lie below `root` with another content, or not at all; everything is read back from the disk.
    /// Nobody else may write there meanwhile.
    ///
    /// # Errors
    /// `NotFound`, `Damaged`: of the snapshot. What cannot be read on the disk is another content.
    pub fn differing(&self, snapshot: &str, from: &Path, root: &Path, watch: &Watch) -> Result<Vec<PathBuf>> {
        reading(|| reread::differing(&self.session(watch)?, snapshot, from, root))
    }

    /// All snapshots, oldest first.
    ///
    /// # Errors
    /// `Damaged` when one cannot be read.
    pub fn snapshots(&self) -> Result<Vec<SnapshotInfo>> {
        reading(|| {
            let mut all = self.session(&Watch::new())?.open()?.get_all_snapshots().ours()?;
            all.sort_by(|a, b| (&a.time, *a.id).cmp(&(&b.time, *b.id)));
            Ok(all.into_iter().map(read::info).collect())
        })
    }

    /// Removes snapshot files; one that is gone already is no error. The space is freed by a later prune.
    ///
    /// # Errors
    /// `Invalid` for what is not an id; what the storage says.
    pub fn forget(&self, snapshots: &[String]) -> Result<()> {
        writing(|| {
            let session = self.session(&Watch::new())?;
            let _lock = session.lock()?;
            for id in snapshots {
                let key = format!("snapshots/{}", checked_id(id)?);
                match session.objects.remove(&key) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(cannot_write(&key, e)),
                    _ => {}
                }
            }
            Ok(())
        })
    }

    /// Frees what no snapshot needs, in two steps that lie `how.keep_marked` apart. The caller holds the repository alone.
    ///
    /// # Errors
    /// `Transient` while another program is at work in it; `Damaged` when what a snapshot needs is missing: then nothing
    /// was removed.
    pub fn prune(&self, how: Pruning, watch: &Watch) -> Result<Pruned> {
        reading(|| prune::run(&self.session(watch)?, how))
    }

    /// What it has on the storage, in bytes.
    ///
    /// # Errors
    /// When anything cannot be listed.
    pub fn size(&self) -> Result<u64> {
        reading(|| prune::size(&self.session(&Watch::new())?.objects))
    }

    /// Reads the packs after one back, until `bytes` or `time` are used up.
    ///
    /// # Errors
    /// When they cannot be listed; what is damaged is told in the answer.
    pub fn check(&self, after: Option<&str>, bytes: u64, time: Duration, watch: &Watch) -> Result<Checked> {
        reading(|| check::run(&self.session(watch)?, after, bytes, time))
    }

    /// Which of these snapshots need one of these packs, or cannot be read through at all.
    ///
    /// # Errors
    /// When the index cannot be read; `Cancelled`.
    pub fn needing(&self, packs: &[String], snapshots: &[String], watch: &Watch) -> Result<Vec<String>> {
        reading(|| needs::run(&self.session(watch)?, packs, snapshots))
    }

    pub(super) fn session(&self, watch: &Watch) -> Result<Session> {
        Ok(Session::new(&self.location, parse_key(&self.key)?, watch))
    }
}

impl Session {
    /// A lock for a run that writes.
    pub fn lock(&self) -> Result<Lock> {
        Lock::shared(&self.objects, &self.key)
    }

    /// A lock for a run that nobody else may stand beside.
    pub fn lock_alone(&self) -> Result<Lock> {
        Lock::alone(&self.objects, &self.key)
    }

    /// A lock for a run that only reads; none where it cannot be written.
    pub fn lock_for_reading(&self) -> Result<Option<Lock>> {
        Lock::for_reading(&self.objects, &self.key)
    }

    pub fn refuse_none(&self, at: &Location) -> Result<()> {
        match self.objects.get("config") {
            Ok(_) => Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::permanent(format!("there is no repository in {}", at.shown()))
                    .hint("is the disk mounted? If the folder was moved, move it back, or mount it there"))
            }
            Err(e) => Err(cannot_read("config", e)),
        }
    }

    fn open_checked(&self, at: &Location) -> Result<()> {
        self.refuse_none(at)?;
        self.open().map(drop).map_err(|e| match e.class() {
            Class::Damaged => {
                Error::permanent(format!("the configuration of the repository in {} cannot be opened with its key", at.shown()))
                    .hint("either the key belongs to another repository, or the file `config` is damaged: put both back from a copy")
            }
            _ => e.context(format!("opening the repository in {}", at.shown())),
        })
    }

    /// A repository is never made over another, nor over what is left of one that lost its configuration.
    fn refuse_to_overwrite(&self, at: &Location) -> Result<()> {
        let conflict = |what: &str| Error::conflict(format!("{what} lies in {} already", at.shown()));
        match self.objects.get("config") {
            Ok(_) => return Err(conflict("a repository")),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(cannot_read("config", e)),
        }
        for folder in ["snapshots", "index", "data"] {
            match self.objects.list(folder) {
                Ok(names) if names.is_empty() => {}
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Ok(_) => return Err(conflict("a repository without its configuration").hint("put back its file `config` from a copy")),
                Err(e) => return Err(cannot_read(folder, e)),
            }
        }
        Ok(())
    }
}

/// An id, which becomes a part of a file's name.
pub(super) fn checked_id(id: &str) -> Result<&str> {
    if backend::local::is_object_name(id) {
        return Ok(id);
    }
    Err(Error::invalid(format!("{id:?} is not the id of a snapshot")))
}
