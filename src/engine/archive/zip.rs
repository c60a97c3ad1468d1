//! A `.zip` that is written from its beginning to its end: what is known of a member only afterwards follows it.
//!
//! Modes, owners, links and times are told in the way of Unix, which `unzip` and others restore; what other systems do not
//! know they leave aside. A further name of a file has its content once more, for a zip has no other way to say it. Members
//! and whole archives may be larger than 4 GiB.

use super::Medium;
use super::tape::{What, mode, target};
use crate::base::clock::Millis;
use crate::base::error::{Context, Error, Result};
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use rustic_core::repofile::Metadata;
use std::io::{self, Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use tar::EntryType;

/// From this size on a member's numbers have eight bytes; what does not shrink grows by less than is left below 4 GiB.
const LARGE: u64 = 0xff00_0000;
const MOST: u64 = 0xffff_ffff;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Sizes and sum follow the content.
const FOLLOWS: u16 = 1 << 3;
const UTF8: u16 = 1 << 11;
/// Made on Unix, by version 4.5 of the format.
const MADE_BY: u16 = 3 << 8 | 45;

pub(super) struct Zip<W: Write> {
    out: Option<Out<W>>,
    /// The directory that ends the archive: of a million members it is too long for memory.
    directory: io::BufWriter<std::fs::File>,
    count: u64,
    length: u64,
    open: Option<Member>,
}

enum Out<W: Write> {
    Plain(Counted<W>),
    Packing(Box<DeflateEncoder<Counted<W>>>),
}

struct Counted<W> {
    sink: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.sink.write(bytes)?;
        self.bytes += n as u64;
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// What the directory says of a member.
struct Member {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    mode: u32,
    time: i64,
    owner: (u32, u32),
    /// Where it begins.
    at: u64,
    /// Where its content begins.
    content: u64,
    large: bool,
    sum: Crc,
    size: u64,
    packed: u64,
}

impl<W: Write> Zip<W> {
    pub fn new(out: W) -> Result<Self> {
        let directory = io::BufWriter::new(super::listing::unnamed()?);
        Ok(Self { out: Some(Out::Plain(Counted { sink: out, bytes: 0 })), directory, count: 0, length: 0, open: None })
    }

    fn plain(&mut self) -> Result<&mut Counted<W>> {
        match &mut self.out {
            Some(Out::Plain(out)) => Ok(out),
            _ => Err(Error::internal("a member of the archive was not closed")),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.plain()?.write_all(bytes).context(|| "writing the archive")
    }

    /// The head of a member whose content follows, packed.
    fn begin(&mut self, mut member: Member) -> Result<()> {
        member.at = self.plain()?.bytes;
        self.put(&member.local())?;
        member.content = self.plain()?.bytes;
        if member.method == DEFLATED
            && let Some(Out::Plain(out)) = self.out.take()
        {
            self.out = Some(Out::Packing(Box::new(DeflateEncoder::new(out, Compression::new(super::LEVEL)))));
        }
        self.open = Some(member);
        Ok(())
    }

    /// The end of the member's content; what is known of it now goes after it, and into the directory.
    fn finish(&mut self) -> Result<()> {
        let Some(mut member) = self.open.take() else { return Err(Error::internal("no member of the archive is open")) };
        self.out = match self.out.take() {
            Some(Out::Packing(packing)) => Some(Out::Plain(packing.finish().context(|| "writing the archive")?)),
            other => other,
        };
        if member.flags & FOLLOWS != 0 {
            member.packed = self.plain()?.bytes - member.content;
            self.put(&member.after())?;
        }
        let line = member.line();
        self.count += 1;
        self.length += line.len() as u64;
        self.directory.write_all(&line).context(|| "writing the directory of the archive")
    }
}

impl<W: Write> Medium for Zip<W> {
    fn entry(&mut self, path: &Path, what: &What, meta: &Metadata) -> Result<()> {
        let (kind, format) = match what {
            What::Directory => (EntryType::Directory, 0o040_000),
            What::Link(_) => (EntryType::Symlink, 0o120_000),
            What::File(_) | What::HardLink(_) => (EntryType::Regular, 0o100_000),
        };
        let seconds = meta.mtime.map_or(0, |t| t.as_second());
        let mut member = Member::new(path.as_os_str().as_bytes(), format | mode(meta, kind) & 0o7777, seconds);
        member.owner = (meta.uid.unwrap_or(0), meta.gid.unwrap_or(0));
        match what {
            What::Directory => {
                member.name.push(b'/');
                self.begin(member)?;
                self.finish()
            }
            What::Link(to) => {
                let to = target(to)?;
                member.sum.update(to);
                (member.size, member.packed) = (to.len() as u64, to.len() as u64);
                self.begin(member)?;
                self.put(to)?;
                self.finish()
            }
            What::File(size) => {
                member.follows(*size);
                self.begin(member)
            }
            What::HardLink(_) => Err(Error::internal("a zip has no second name of a file")),
        }
    }

    fn member(&mut self, name: &str, size: u64, at: Millis) -> Result<()> {
        let mut member = Member::new(name.as_bytes(), 0o100_644, at.0 / Millis::SECOND);
        member.follows(size);
        self.begin(member)
    }

    fn content(&mut self, bytes: &[u8]) -> Result<()> {
        let (Some(Out::Packing(out)), Some(member)) = (&mut self.out, &mut self.open) else {
            return Err(Error::internal("content came without a member that it belongs to"));
        };
        member.sum.update(bytes);
        member.size += bytes.len() as u64;
        out.write_all(bytes).context(|| "writing the archive")
    }

    fn close(&mut self, _: u64) -> Result<()> {
        self.finish()
    }

    fn end(mut self) -> Result<()> {
        let what = || "writing the directory of the archive";
        let at = self.plain()?.bytes;
        self.directory.flush().context(what)?;
        let directory = self.directory.get_mut();
        directory.rewind().context(what)?;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let n = self.directory.get_mut().read(&mut buffer).context(what)?;
            if n == 0 {
                break;
            }
            self.put(&buffer[..n])?;
        }
        let end = end(self.count, self.length, at, self.plain()?.bytes);
        self.put(&end)?;
        self.plain()?.flush().context(what)
    }
}

impl Member {
    /// Without content, until something else is said.
    fn new(name: &[u8], mode: u32, time: i64) -> Self {
        let flags = if std::str::from_utf8(name).is_ok() { UTF8 } else { 0 };
        let (method, owner) = (STORED, (0, 0));
        let name = name.to_vec();
        Self { name, flags, method, mode, time, owner, at: 0, content: 0, large: false, sum: Crc::new(), size: 0, packed: 0 }
    }

    /// A content of about this size is packed as it comes.
    fn follows(&mut self, size: u64) {
        self.flags |= FOLLOWS;
        self.method = DEFLATED;
        self.large = size >= LARGE;
    }

    /// What stands in the same way before the content and in the directory.
    fn common(&self, (size, packed): (u32, u32), extra: usize) -> Vec<u8> {
        let (date, time) = dos(self.time);
        let mut out = Vec::with_capacity(64);
        for word in [if self.large { 45 } else { 20 }, self.flags, self.method, time, date] {
            out.extend(u16::to_le_bytes(word));
        }
        let follows = self.flags & FOLLOWS != 0 && self.content == 0;
        let sum = if follows { 0 } else { self.sum.sum() };
        [sum, packed, size].iter().for_each(|word| out.extend(word.to_le_bytes()));
        out.extend((self.name.len() as u16).to_le_bytes());
        out.extend((extra as u16).to_le_bytes());
        out
    }

    fn local(&self) -> Vec<u8> {
        let mut extra = self.unix();
        let sizes = match (self.large, self.flags & FOLLOWS != 0) {
            (true, _) => {
                extra.extend(wide(&[0, 0]));
                (u32::MAX, u32::MAX)
            }
            (false, true) => (0, 0),
            (false, false) => (self.size as u32, self.packed as u32),
        };
        [b"PK\x03\x04", &self.common(sizes, extra.len())[..], &self.name, &extra].concat()
    }

    fn after(&self) -> Vec<u8> {
        let mut out = b"PK\x07\x08".to_vec();
        out.extend(self.sum.sum().to_le_bytes());
        for number in [self.packed, self.size] {
            if self.large { out.extend(number.to_le_bytes()) } else { out.extend((number as u32).to_le_bytes()) }
        }
        out
    }

    fn line(&self) -> Vec<u8> {
        let mut extra = self.unix();
        let far = self.at >= MOST;
        let mut numbers = Vec::new();
        if self.large {
            numbers.extend([self.size, self.packed]);
        }
        if far {
            numbers.push(self.at);
        }
        if !numbers.is_empty() {
            extra.extend(wide(&numbers));
        }
        let sizes = if self.large { (u32::MAX, u32::MAX) } else { (self.size as u32, self.packed as u32) };
        let mut out = b"PK\x01\x02".to_vec();
        out.extend(MADE_BY.to_le_bytes());
        out.extend(self.common(sizes, extra.len()));
        out.extend([0; 6]); // no comment, the first disk, no guess at its content
        let directory = if self.name.ends_with(b"/") { 0x10 } else { 0 };
        out.extend((self.mode << 16 | directory).to_le_bytes());
        out.extend((if far { u32::MAX } else { self.at as u32 }).to_le_bytes());
        [out, self.name.clone(), extra].concat()
    }

    /// Time in UTC and owner.
    fn unix(&self) -> Vec<u8> {
        let mut out = b"UT\x05\x00\x01".to_vec();
        out.extend((self.time.clamp(i32::MIN.into(), i32::MAX.into()) as i32).to_le_bytes());
        out.extend(b"ux\x0b\x00\x01\x04");
        out.extend(self.owner.0.to_le_bytes());
        out.push(4);
        out.extend(self.owner.1.to_le_bytes());
        out
    }
}

/// Numbers that need eight bytes.
fn wide(numbers: &[u64]) -> Vec<u8> {
    let mut out = vec![1, 0, (numbers.len() * 8) as u8, 0];
    numbers.iter().for_each(|n| out.extend(n.to_le_bytes()));
    out
}

/// What ends the archive: how many members, how long their directory is and where it begins.
fn end(count: u64, length: u64, at: u64, here: u64) -> Vec<u8> {
    let mut out = Vec::new();
    if count >= 0xffff || length >= MOST || at >= MOST {
        out.extend(b"PK\x06\x06");
        out.extend(44u64.to_le_bytes());
        out.extend(MADE_BY.to_le_bytes());
        out.extend(45u16.to_le_bytes());
        out.extend([0; 8]);
        [count, count, length, at].iter().for_each(|n| out.extend(n.to_le_bytes()));
        out.extend(b"PK\x06\x07\x00\x00\x00\x00");
        out.extend(here.to_le_bytes());
        out.extend(1u32.to_le_bytes());
    }
    let short = count.min(0xffff) as u16;
    out.extend(b"PK\x05\x06\x00\x00\x00\x00");
    out.extend([short.to_le_bytes(), short.to_le_bytes()].concat());
    out.extend((length.min(MOST) as u32).to_le_bytes());
    out.extend((at.min(MOST) as u32).to_le_bytes());
    out.extend([0; 2]);
    out
}

/// Date and time in the old way, which knows two seconds and the years from 1980 to 2107.
fn dos(seconds: i64) -> (u16, u16) {
    use chrono::{Datelike, Timelike};
    let at = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    if !(1980..=2107).contains(&at.year()) {
        return (1 << 5 | 1, 0);
    }
    let date = ((at.year() - 1980) as u16) << 9 | (at.month() as u16) << 5 | at.day() as u16;
    (date, (at.hour() as u16) << 11 | (at.minute() as u16) << 5 | (at.second() / 2) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_told_as_far_as_the_old_way_goes() {
        assert_eq!(dos(1_795_230_000), (46 << 9 | 11 << 5 | 21, 3 << 11), "2026-11-21 03:00:00");
        assert_eq!((dos(-1), dos(0), dos(i64::MAX)), ((33, 0), (33, 0), (33, 0)));
    }

    #[test]
    fn an_end_has_long_numbers_only_where_they_are_needed() {
        assert_eq!(end(3, 100, 200, 300).len(), 22);
        for large in [end(70_000, 100, 200, 300), end(3, MOST, 200, 300), end(3, 100, MOST, 300)] {
            assert_eq!(large.len(), 56 + 20 + 22);
        }
    }

    /// Of a file beyond 4 GiB only the head is looked at here.
    #[test]
    fn a_member_beyond_4_gib_says_its_sizes_in_eight_bytes() {
        let mut member = Member::new(b"large", 0o100_644, 0);
        member.follows(5 << 30);
        (member.size, member.packed, member.at, member.content) = (5 << 30, 4 << 30, 6 << 30, 1);
        assert_eq!((member.after().len(), member.local()[4], member.line()[6]), (24, 45, 45));
        let line = member.line();
        let extra = line.windows(4).position(|w| w == [1, 0, 24, 0]).expect("sizes and place");
        let numbers: Vec<u64> = (0..3).map(|i| u64::from_le_bytes(line[extra + 4 + 8 * i..][..8].try_into().unwrap())).collect();
        assert_eq!(numbers, [5 << 30, 4 << 30, 6 << 30]);
    }
}
