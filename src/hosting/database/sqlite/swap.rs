//! The staged file and its exchange with the live one. Everything here runs with the owner's rights.
//!
//! A database in WAL mode has a log and an index beside it, found by name. They must never meet the other file: so the
//! log is emptied into its database before the exchange, while a lock keeps writers away, and what is left of both goes
//! with the file that it belongs to.

use super::{Connection, Context, Error, PATIENCE, Result, explain, open};
use crate::base::error::Class;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The files that SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The inode of what stands at a path (a link is not followed).
pub fn inode(path: &Path) -> Result<Option<u64>> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(meta.ino())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).context(|| format!("looking at {}", path.display())),
    }
}

/// Makes an empty file with the mode of the live one; what stands there is dropped. Gives its inode.
pub fn make(path: &Path, live: &Path) -> Result<u64> {
    remove(path)?;
    let what = || format!("making {}", path.display());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(0o600)).context(what)?);
    if let Ok(meta) = std::fs::symlink_metadata(live) {
        // The group first: changing it may take bits of the mode away. One that the owner is not in cannot be given.
        let _ = rustix::fs::fchown(&file, None, Some(rustix::process::Gid::from_raw(meta.gid())));
        rustix::fs::fchmod(&file, Mode::from_raw_mode(meta.mode() & 0o777)).context(what)?;
    }
    file.sync_all().context(what)?;
    Ok(file.metadata().context(what)?.ino())
}

/// The staged file, emptied, for writing; it must be the one that was made.
pub fn writable(path: &Path, expected: u64) -> Result<File> {
    let what = || format!("opening {}", path.display());
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).context(what)?);
    if file.metadata().context(what)?.ino() != expected {
        return Err(Error::conflict(format!("{} is not the file that was staged", path.display())));
    }
    file.set_len(0).context(what)?;
    Ok(file)
}

/// Nobody else has the database open. Holds until the connection is closed.
pub fn lock_alone(connection: &Connection, patience: Duration) -> Result<()> {
    connection.busy_timeout(patience).map_err(explain)?;
    let locked = connection.execute_batch("pragma locking_mode=exclusive; begin exclusive; commit;").map_err(explain);
    if locked.is_err() {
        connection.execute_batch("pragma locking_mode=normal;").map_err(explain)?;
        // The lock is only given up by the next access.
        let _ = connection.query_row("select count(*) from sqlite_schema", [], |_| Ok(()));
    }
    connection.busy_timeout(PATIENCE).map_err(explain)?;
    locked
}

/// Makes the file `expected` at `staged` the live one, and the live one the staged one.
pub fn exchange(live: &Path, staged: &Path, expected: u64) -> Result<()> {
    if inode(staged)? != Some(expected) {
        return Err(Error::conflict(format!("{} is not the file that was staged", staged.display())));
    }
    if inode(live)?.is_none() {
        rustix::fs::renameat_with(CWD, staged, CWD, live, RenameFlags::NOREPLACE).context(|| "moving the staged database in")?;
        return sync_directory(live);
    }
    // The staged side has a log when it was live before and a program still has it open.
    let aside = if inode(&beside(staged, "-wal"))?.is_some() { Some(hold(staged)?) } else { None };
    let held = hold(live)?;
    rustix::fs::renameat_with(CWD, staged, CWD, live, RenameFlags::EXCHANGE).context(|| "exchanging the databases")?;
    follow(live, staged)?;
    sync_directory(live)?;
    drop((held, aside));
    Ok(())
}

/// Empties the live log into the database and keeps writers away until the connection is dropped.
fn hold(live: &Path) -> Result<Connection> {
    let connection = open(live)?;
    let end = Instant::now() + PATIENCE;
    let alone = lock_alone(&connection, Duration::from_secs(2)).is_ok();
    loop {
        let busy: i64 = connection.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0)).map_err(explain)?;
        if busy == 0 {
            connection.execute_batch(if alone { "begin exclusive" } else { "begin immediate" }).map_err(explain)?;
            if log_is_empty(live)? {
                return Ok(connection);
            }
            connection.execute_batch("rollback").map_err(explain)?;
        }
        if Instant::now() >= end {
            return Err(Error::new(Class::Transient, "another program does not let go of the database")
                .hint("stop the site's programs, or set a hook that reloads them"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn log_is_empty(live: &Path) -> Result<bool> {
    match std::fs::symlink_metadata(beside(live, "-wal")) {
        Ok(meta) => Ok(meta.len() == 0),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(e) => Err(e).context(|| "looking at the database's log"),
    }
}

/// The files beside each database go where it went: they are empty, but a program that still has it open knows the
/// others by them. A crash before this leaves empty files under the other's name, which are a log without entries.
fn follow(live: &Path, staged: &Path) -> Result<()> {
    for ending in BESIDE {
        let (one, other) = (beside(live, ending), beside(staged, ending));
        let move_it = |from: &Path, to: &Path, how| rustix::fs::renameat_with(CWD, from, CWD, to, how);
        match (inode(&one)?, inode(&other)?) {
            (Some(_), Some(_)) => move_it(&one, &other, RenameFlags::EXCHANGE),
            (Some(_), None) => move_it(&one, &other, RenameFlags::NOREPLACE),
            (None, Some(_)) => move_it(&other, &one, RenameFlags::NOREPLACE),
            (None, None) => Ok(()),
        }
        .context(|| "moving the databases' logs")?;
    }
    Ok(())
}

/// Moves the live file to the staged path, where there was none before.
pub fn take_away(live: &Path, staged: &Path) -> Result<()> {
    let held = hold(live)?;
    rustix::fs::renameat_with(CWD, live, CWD, staged, RenameFlags::NOREPLACE).context(|| "moving the database away")?;
    follow(live, staged)?;
    drop(held);
    sync_directory(live)
}

/// Removes a file that is not live, and what is beside it.
pub fn remove(path: &Path) -> Result<()> {
    for ending in BESIDE.iter().copied().chain([""]) {
        match rustix::fs::unlinkat(CWD, beside(path, ending), AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(e) => return Err(e).context(|| format!("removing {}", beside(path, ending).display())),
        }
    }
    Ok(())
}

pub fn sync_directory(path: &Path) -> Result<()> {
    let what = || format!("writing the directory of {} to the disk", path.display());
    File::open(super::directory(path)?).and_then(|d| d.sync_all()).context(what)
}
