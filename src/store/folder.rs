//! Archives in a folder of this host.
//!
//! One is written beside its place, and comes into it by one rename when all of it is on the disk: under a name without
//! `.part` there is never a part.

use super::{ENDING, Found, Place, Writing, checked, cut, gone};
use crate::base::error::{Context, Error, Result};
use crate::base::failpoint;
use rustix::fs::{CWD, Mode, OFlags, RenameFlags};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes that are written between two looks at the space that is left.
const LOOK: u64 = 16 << 20;

#[derive(Clone)]
pub(super) struct Folder {
    pub path: PathBuf,
    /// Bytes that stay free on its disk, whatever is prepared.
    pub reserve: u64,
}

impl std::fmt::Debug for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

impl Folder {
    fn enough(&self) -> Result<()> {
        let stat = rustix::fs::statvfs(&self.path).context(|| format!("looking at {}", self.path.display()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free >= self.reserve {
            return Ok(());
        }
        let of = crate::base::units::size;
        let what = format!("there is too little space to prepare downloads: {} are free, and {} stay free", of(free), of(self.reserve));
        Err(Error::resource(what).hint("remove prepared downloads, or make room on the disk of the store"))
    }

    fn make(&self) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        let what = || format!("making the folder {}", self.path.display());
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.path).context(what)
    }
}

impl Place for Folder {
    fn begin(&self, name: &str) -> Result<Box<dyn Writing>> {
        self.make()?;
        self.enough()?;
        let path = self.path.join(format!("{name}{ENDING}"));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600)).context(|| format!("making {}", path.display()))?;
        let target = self.path.join(name);
        Ok(Box::new(Part { file: File::from(file), folder: self.clone(), path, target, since: 0, placed: false }))
    }

    fn open(&self, name: &str, length: u64, from: u64) -> Result<Box<dyn Read + Send>> {
        let path = self.path.join(name);
        let mut file = File::open(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => gone(),
            _ => Error::from(e).context(format!("opening {}", path.display())),
        })?;
        if file.metadata().context(|| format!("looking at {}", path.display()))?.len() != length {
            return Err(cut());
        }
        file.seek(SeekFrom::Start(from)).context(|| format!("reading {}", path.display()))?;
        Ok(Box::new(file))
    }

    fn has(&self, name: &str, length: u64) -> bool {
        std::fs::metadata(self.path.join(name)).is_ok_and(|m| m.len() == length)
    }

    fn remove(&self, found: &Found) -> Result<()> {
        let path = self.path.join(if found.part { format!("{}{ENDING}", found.name) } else { found.name.clone() });
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e).context(|| format!("removing {}", path.display())),
            _ => Ok(()),
        }
    }

    fn list(&self) -> Result<Vec<Found>> {
        let what = || format!("listing {}", self.path.display());
        let entries = match std::fs::read_dir(&self.path) {
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
}

#[derive(Debug)]
struct Part {
    file: File,
    folder: Folder,
    path: PathBuf,
    target: PathBuf,
    /// Bytes since it was looked for space.
    since: u64,
    placed: bool,
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.since += n as u64;
        if self.since >= LOOK {
            self.since = 0;
            self.folder.enough().map_err(io::Error::other)?;
        }
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Writing for Part {
    fn place(mut self: Box<Self>) -> Result<()> {
        let what = || "writing the archive";
        self.file.sync_all().context(what)?;
        failpoint::hit(format_args!("download.part.synced"))?;
        rustix::fs::renameat_with(CWD, &self.path, CWD, &self.target, RenameFlags::NOREPLACE).context(what)?;
        self.placed = true;
        sync(&self.folder.path)
    }
}

fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).context(|| format!("writing {}", folder.display()))
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.placed {
            let _ = std::fs::remove_file(&self.path); // what stays is swept later
        }
    }
}
