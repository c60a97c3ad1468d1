//! The bytes of a SQLite file: read in one view from a database that is in use, and written to a new one.

use super::{Class, Connection, Context, Error, Identity, OpenFlags, PathBuf, Read, Result, Watch, explain};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// How many bytes are read under one borrowing of rights.
const CHUNK: usize = 1 << 20;

/// What the reader did, for the one who finishes.
#[derive(Debug, Default)]
pub struct Progress {
    pub bytes: u64,
    pub failure: Option<Error>,
}

/// Reads the pages of a database in order, all from one read transaction.
pub struct Reader {
    /// None once it is closed.
    connection: Option<Connection>,
    who: Identity,
    pages: i64,
    next: i64,
    buffer: Vec<u8>,
    at: usize,
    progress: Arc<Mutex<Progress>>,
}

impl Reader {
    /// Begins the transaction; gives the image's size. To be called with the owner's rights.
    pub fn start(connection: Connection, who: Identity) -> Result<(Self, u64)> {
        // The site's files stay as they are: closing must not move what is in the log into the database.
        connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(explain)?;
        connection.execute_batch("begin").map_err(explain)?;
        // The page count is a part of the view that the transaction keeps from here on.
        connection.query_row("select count(*) from sqlite_schema", [], |_| Ok(())).map_err(explain)?;
        let ask = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(explain);
        let (pages, size) = (ask("pragma page_count")?, ask("pragma page_size")?);
        let reader = Self { connection: Some(connection), who, pages, next: 1, buffer: Vec::new(), at: 0, progress: Arc::default() };
        Ok((reader, pages.unsigned_abs() * size.unsigned_abs()))
    }

    pub fn progress(&self) -> Arc<Mutex<Progress>> {
        self.progress.clone()
    }

    fn fill(&mut self) -> Result<()> {
        self.buffer.clear();
        self.at = 0;
        let Some(connection) = &self.connection else { return Ok(()) };
        let (next, pages, buffer) = (&mut self.next, self.pages, &mut self.buffer);
        self.who.act(|| {
            let mut one = connection.prepare_cached("select data from sqlite_dbpage where pgno=?1").map_err(explain)?;
            while *next <= pages && buffer.len() < CHUNK {
                one.query_row([*next], |row| {
                    buffer.extend_from_slice(row.get_ref(0)?.as_blob()?);
                    Ok(())
                })
                .map_err(explain)
                .context(|| format!("reading page {next} of the database"))?;
                *next += 1;
            }
            Ok::<_, Error>(())
        })?;
        if self.buffer.is_empty() {
            self.close();
        }
        Ok(())
    }

    fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.who.act(|| drop(connection));
        }
    }
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.buffer.len()
            && let Err(error) = self.fill()
        {
            self.progress.lock().unwrap_or_else(PoisonError::into_inner).failure = Some(error.clone());
            return Err(io::Error::other(error));
        }
        let n = (self.buffer.len() - self.at).min(into.len());
        into[..n].copy_from_slice(&self.buffer[self.at..self.at + n]);
        self.at += n;
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).bytes += n as u64;
        Ok(n)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.close();
    }
}

/// Writes an image into an open, empty file, to the disk.
pub fn write(mut file: File, from: &mut dyn Read, watch: &Watch) -> Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        watch.check()?;
        let n = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => {
                let inner = e.get_ref().and_then(|e| e.downcast_ref::<Error>()).cloned();
                return Err(inner.unwrap_or_else(|| e.into()).context("reading the database image"));
            }
        };
        file.write_all(&buffer[..n]).context(|| "writing the staged database")?;
        watch.add_bytes(n as u64);
    }
    file.sync_all().context(|| "writing the staged database")
}

/// Opens a database that nobody writes to, without a lock and without files beside it.
pub fn open_still(path: &Path) -> Result<Connection> {
    let what = || format!("opening {}", path.display());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(uri(path), flags).map_err(explain).context(what)?;
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false).map_err(explain)?;
    Ok(connection)
}

/// The address of a file that nobody writes to.
pub fn uri(path: &Path) -> PathBuf {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut uri = b"file:".to_vec();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => uri.push(byte),
            _ => uri.extend(format!("%{byte:02x}").into_bytes()),
        }
    }
    uri.extend_from_slice(b"?immutable=1");
    PathBuf::from(std::ffi::OsString::from_vec(uri))
}

/// Is the staged file a whole and sound database?
///
/// # Errors
/// `Damaged` when it is not.
pub fn prove(path: &Path) -> Result<()> {
    let length = std::fs::metadata(path).context(|| "looking at the staged database")?.len();
    if length == 0 {
        return Ok(()); // an empty file is an empty database
    }
    let connection = open_still(path)?;
    let ask = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(damaged);
    let told = ask("pragma page_count")?.unsigned_abs() * ask("pragma page_size")?.unsigned_abs();
    if told != length {
        return Err(Error::damaged(format!("the database image has {length} bytes, and should have {told}")));
    }
    match checked(&connection, "pragma integrity_check(5)") {
        // The site may have functions and collations of its own: its indexes by them are then left unchecked.
        Err(e) if e.class() == Class::Permanent => checked(&connection, "pragma quick_check(5)").or_else(|e| match e.class() {
            Class::Permanent => Ok(()),
            _ => Err(e),
        }),
        done => done,
    }
}

fn checked(connection: &Connection, sql: &str) -> Result<()> {
    let found: Vec<String> = connection.prepare(sql).and_then(|mut s| s.query_map([], |row| row.get(0))?.collect()).map_err(explain)?;
    if found == ["ok"] {
        return Ok(());
    }
    Err(Error::damaged(format!("the staged database is not sound: {}", found.join("; "))))
}

fn damaged(error: rusqlite::Error) -> Error {
    explain(error).with_class(Class::Damaged).context("looking at the staged database")
}
