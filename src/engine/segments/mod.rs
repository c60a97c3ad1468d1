//! Cuts a database dump into segments by its content, so that two nights' dumps share what did not change.
//!
//! A dump tool starts a new statement by counting bytes, so one longer row shifts every later boundary. Here a segment
//! ends after a row whose hash says so: 128 KiB on average, at most 1 MiB. Each segment of rows is a complete statement
//! by itself, each table has a folder of its own, and all segments one after the other *are* the dump, ready for the
//! plain client.
//!
//! [`h64`], [`LEAST`], [`MEAN`] and [`MOST`] are part of the format: changed, every table is stored once more.
//!
//! On the way each row is added to its table's sum ([`tally`]): a drill compares by them what it has imported.
//!
//! To add a syntax: one file with a struct that implements [`Splitter`] over [`input::Input`] and [`Cutter`].

mod input;
mod lines;
mod mysql;
mod postgres;
mod tally;

use crate::base::error::{Error, Result};
use crate::base::watch::Watch;
use std::collections::VecDeque;
use std::io::{self, Read};
pub use tally::Sums;
pub(super) use tally::Whole;

/// No segment of rows ends before it has this many bytes.
const LEAST: usize = 16 << 10;
/// What segments measure on average.
const MEAN: usize = 128 << 10;
/// A segment ends before the row that would make it larger; one row alone may be.
const MOST: usize = 1 << 20;
/// A row or statement that is longer is refused: it has to be held in memory.
const LONGEST_ROW: usize = 1 << 30;

/// How a dump is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// `mysqldump`, `mariadb-dump`.
    Mysql,
    /// `pg_dump` in its plain format.
    Postgres,
    /// JSON, a line for each row.
    Lines,
}

/// A piece of a dump. Folders and names sort in the order of the dump.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub folder: String,
    pub name: String,
    pub content: Vec<u8>,
}

/// Reads a dump and gives its segments.
pub(super) trait Splitter: Send {
    /// The next segment; `None` at the end of the dump.
    fn next(&mut self) -> io::Result<Option<Segment>>;
    /// At the end: what the rows of each table came to.
    fn sums(&mut self) -> Sums;
}

pub(super) fn splitter(syntax: Syntax, dump: Box<dyn Read + Send>) -> Box<dyn Splitter> {
    match syntax {
        Syntax::Mysql => Box::new(mysql::Mysql::new(dump)),
        Syntax::Postgres => Box::new(postgres::Postgres::new(dump)),
        Syntax::Lines => Box::new(lines::Lines::new(dump)),
    }
}

/// What the rows of each table in a dump come to.
///
/// # Errors
/// What the reader said; `Damaged` for what is no whole dump; `Cancelled`.
pub fn sums(syntax: Syntax, dump: Box<dyn Read + Send>, watch: &Watch) -> Result<Sums> {
    let mut splitter = splitter(syntax, dump);
    while splitter.next().map_err(unreadable)?.is_some() {
        watch.check()?;
    }
    Ok(splitter.sums())
}

/// What a stream comes to as a whole.
///
/// # Errors
/// What the reader said; `Cancelled`.
pub fn sum(mut stream: impl Read, watch: &Watch) -> Result<String> {
    let mut whole = Whole::default();
    let mut buffer = vec![0; 256 << 10];
    loop {
        watch.check()?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(whole.sum()),
            Ok(n) => whole.push(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(unreadable(e)),
        }
    }
}

fn unreadable(e: io::Error) -> Error {
    match e.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(ours) => ours.clone(),
        None if e.kind() == io::ErrorKind::InvalidData => Error::damaged(e.to_string()),
        None => e.into(),
    }
}

/// A hash of 64 bits, fast on short rows. Not for secrets, and fixed for ever: the cuts depend on it.
pub(super) fn h64(bytes: &[u8]) -> u64 {
    const K: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |h: u64, word: [u8; 8]| (h.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(K);
    let (words, rest) = bytes.as_chunks::<8>();
    let mut h = words.iter().fold(bytes.len() as u64, |h, word| mix(h, *word));
    let mut last = [0u8; 8];
    last[..rest.len()].copy_from_slice(rest);
    h = mix(h, last);
    h ^= h >> 33;
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 33;
    h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

/// Says `true` once in `MEAN - LEAST` bytes on average, judging by the row alone: long and short rows give segments of
/// the same mean.
fn says_cut(row: &[u8]) -> bool {
    u128::from(h64(row) >> 32) * ((MEAN - LEAST) as u128) < (row.len() as u128) << 32
}

/// Collects the current segment and numbers the finished ones.
struct Cutter {
    folder: String,
    /// The table that the folder stands for; empty before the first.
    table: Vec<u8>,
    tables: u32,
    number: u32,
    current: Vec<u8>,
    ready: VecDeque<Segment>,
    /// Of the segments' names.
    ending: &'static str,
}

impl Cutter {
    fn new() -> Self {
        Self::ending(".sql")
    }

    fn ending(ending: &'static str) -> Self {
        Self {
            folder: "00000-head".to_owned(),
            table: Vec::new(),
            tables: 0,
            number: 0,
            current: Vec::with_capacity(MOST + (64 << 10)),
            ready: VecDeque::new(),
            ending,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.current.extend_from_slice(bytes);
    }

    fn len(&self) -> usize {
        self.current.len()
    }

    /// Ends the current segment, if there is anything in it.
    fn cut(&mut self) {
        if self.current.is_empty() {
            return;
        }
        // Copied rather than handed over: what waits for the reader then takes no more memory than it holds.
        let content = self.current.as_slice().to_vec();
        self.current.clear();
        self.current.shrink_to(2 * MOST); // a huge row does not stay in memory to the end
        self.ready.push_back(Segment { folder: self.folder.clone(), name: format!("{:07}{}", self.number, self.ending), content });
        self.number += 1;
    }

    /// What follows belongs to the table `name`.
    fn enter(&mut self, name: &[u8]) {
        if self.table == name {
            return;
        }
        self.cut();
        self.table = name.to_vec();
        self.tables += 1;
        self.number = 0;
        let shown: String = name.iter().take(80).map(|&c| plain(c)).collect();
        self.folder = format!("{:05}-{shown}", self.tables);
    }
}

/// A byte of a table's name as it may stand in a file name.
fn plain(c: u8) -> String {
    if c.is_ascii_alphanumeric() || c == b'_' || c == b'.' { char::from(c).to_string() } else { format!("%{c:02x}") }
}

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the dump {why}"))
}

#[cfg(test)]
mod tests;
