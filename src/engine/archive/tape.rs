//! Members of a tar file, in GNU's dialect: every name that a file can have fits, to the byte; owners are numbers.
//!
//! Times finer than a second, and extended attributes, go into a record of the POSIX kind before the member, which GNU
//! tar, libarchive and others read beside their own.

use super::Medium;
use crate::base::clock::Millis;
use crate::base::error::{Context, Error, Result};
use crate::engine::source::meta::{from_go, keeps_attribute};
use rustic_core::repofile::Metadata;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tar::{EntryType, Header};

const BLOCK: usize = 512;
/// What fits into the field of a header.
const SHORT: usize = 100;

/// What stands in the place of a member.
pub(super) enum What {
    Directory,
    File(u64),
    Link(PathBuf),
    /// Another name of a file that came before.
    HardLink(PathBuf),
}

pub(super) struct Tape<W: Write> {
    out: W,
}

impl<W: Write> Medium for Tape<W> {
    fn entry(&mut self, path: &Path, what: &What, meta: &Metadata) -> Result<()> {
        let (kind, size, link) = match what {
            What::Directory => (EntryType::Directory, 0, None),
            What::File(size) => (EntryType::Regular, *size, None),
            What::Link(to) => (EntryType::Symlink, 0, Some(target(to)?)),
            What::HardLink(to) => (EntryType::Link, 0, Some(to.as_os_str().as_bytes())),
        };
        let mut name = path.as_os_str().as_bytes().to_vec();
        if kind == EntryType::Directory {
            name.push(b'/');
        }
        let nanos = meta.mtime.map_or(0, |t| t.as_nanosecond());
        let records = records(nanos, meta);
        if !records.is_empty() {
            self.special(b"././@PaxHeader", EntryType::XHeader, &records)?;
        }
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode(meta, kind));
        header.set_uid(meta.uid.unwrap_or(0).into());
        header.set_gid(meta.gid.unwrap_or(0).into());
        header.set_mtime(u64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(0));
        header.set_size(size);
        if let Some(link) = link {
            self.long(EntryType::GNULongLink, link)?;
            put(&mut header.as_old_mut().linkname, link);
        }
        self.long(EntryType::GNULongName, &name)?;
        self.head(header, &name)
    }

    fn member(&mut self, name: &str, size: u64, at: Millis) -> Result<()> {
        let mut header = ours(EntryType::Regular, size);
        header.set_mtime(u64::try_from(at.0 / Millis::SECOND).unwrap_or(0));
        self.head(header, name.as_bytes())
    }

    fn content(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).context(|| "writing the archive")
    }

    /// Fills the last block of a content of `size` bytes.
    fn close(&mut self, size: u64) -> Result<()> {
        let over = (size % BLOCK as u64) as usize;
        self.content(&[0; BLOCK][..if over == 0 { 0 } else { BLOCK - over }])
    }

    /// Two empty blocks say that nothing follows.
    fn end(mut self) -> Result<()> {
        self.content(&[0; 2 * BLOCK])
    }
}

impl<W: Write> Tape<W> {
    pub fn new(out: W) -> Self {
        Self { out }
    }

    /// A name that is too long for the header goes before it.
    fn long(&mut self, kind: EntryType, name: &[u8]) -> Result<()> {
        if name.len() <= SHORT {
            return Ok(());
        }
        self.special(b"././@LongLink", kind, &[name, &[0]].concat())
    }

    fn special(&mut self, name: &[u8], kind: EntryType, content: &[u8]) -> Result<()> {
        self.head(ours(kind, content.len() as u64), name)?;
        self.content(content)?;
        self.close(content.len() as u64)
    }

    fn head(&mut self, mut header: Header, name: &[u8]) -> Result<()> {
        put(&mut header.as_old_mut().name, name);
        header.set_cksum();
        self.content(header.as_bytes())
    }
}

/// A header of what is in no snapshot: nobody's, and of no time.
fn ours(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header
}

fn put(field: &mut [u8; SHORT], name: &[u8]) {
    let fits = name.len().min(SHORT);
    field[..fits].copy_from_slice(&name[..fits]);
}

/// As in a restore: programs lose the right to run as somebody else; a directory's only hands down its group.
pub(super) fn mode(meta: &Metadata, kind: EntryType) -> u32 {
    let is_dir = kind == EntryType::Directory;
    let mode = from_go(meta.mode.unwrap_or(if is_dir { 0o700 } else { 0o600 }));
    if is_dir { mode } else { mode & !0o6000 }
}

/// Where a link leads, if that can be the text of one.
pub(super) fn target(to: &Path) -> Result<&[u8]> {
    let bytes = to.as_os_str().as_bytes();
    if bytes.is_empty() || bytes.len() > 4095 || bytes.contains(&0) {
        return Err(Error::damaged("it cannot be where a link leads: this repository was tampered with"));
    }
    Ok(bytes)
}

/// What the header has no room for.
fn records(nanos: i128, meta: &Metadata) -> Vec<u8> {
    let mut out = Vec::new();
    if nanos < 0 || nanos % 1_000_000_000 != 0 {
        let (sign, nanos) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
        let time = format!("{sign}{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
        record(&mut out, "mtime", time.as_bytes());
    }
    for attribute in &meta.extended_attributes {
        // An equals sign would end the key.
        if keeps_attribute(attribute.name.as_bytes()) && !attribute.name.contains('=') {
            let value = attribute.value.as_deref().unwrap_or_default();
            record(&mut out, &format!("SCHILY.xattr.{}", attribute.name), value);
        }
    }
    out
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself.
fn record(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(format!("{length} {key}=").as_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        for length in [0, 1, 80, 88, 89, 90, 91, 980, 985, 986, 987, 988, 9_980, 9_985] {
            let mut out = Vec::new();
            record(&mut out, "mtime", &vec![b'x'; length]);
            let said: usize = std::str::from_utf8(&out[..out.iter().position(|b| *b == b' ').unwrap()]).unwrap().parse().unwrap();
            assert_eq!(said, out.len(), "a value of {length}");
        }
    }

    #[test]
    fn programs_lose_setid_and_a_time_before_1970_is_kept() {
        let meta = Metadata { mode: Some(1 << 23 | 1 << 22 | 0o755), ..Metadata::default() };
        assert_eq!(mode(&meta, EntryType::Regular), 0o755);
        assert_eq!(mode(&meta, EntryType::Directory), 0o6755);
        assert_eq!(records(-4_876_543_211, &Metadata::default()), b"22 mtime=-4.876543211\n".to_vec());
        assert!(records(5_000_000_000, &Metadata::default()).is_empty());
        assert!(target(Path::new("")).is_err() && target(Path::new("../x")).is_ok());
    }
}
