//! Snapshots as files that people take away: `.tar.gz`, `.tar.zst` or `.zip` with a list of its contents, `.sql.gz`, `.gz`.
//!
//! An archive is written while it is read, in a few megabytes of memory, and often sent at once. So there is one rule above
//! all: what is not whole must not look whole. A compressed file ends with a sum and a length; when anything goes wrong
//! they are never written ([`compressed`]), and every program that unpacks it says that it breaks off.

mod listing;
mod tape;
mod zip;

use super::feed::{Fed, Feed, Head, Heads};
use super::repository::Session;
use crate::base::clock::Millis;
use crate::base::error::{Context, Error, Result};
use crate::base::secret::hex;
use bytes::Bytes;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use listing::Listing;
use rustic_core::repofile::{Metadata, NodeType};
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tape::{Tape, What};
use zip::Zip;

/// Uploads hardly shrink, and code shrinks well at any level: speed is worth more than the last percent.
const LEVEL: u32 = 4;
const ZSTD_LEVEL: i32 = 3;

/// What an archive is of, for its manifest.
#[derive(Clone, Debug, Default)]
pub struct About {
    pub facts: serde_json::Map<String, serde_json::Value>,
    /// When the backup began: the time of what is made for the archive alone.
    pub time: Millis,
}

/// The one way to compress: only when `work` went well does the sink see the end of the file. The library would write it
/// whenever its encoder is dropped, also after an error, also in a panic.
fn compressed(
    about: &About,
    named: GzBuilder,
    sink: &mut dyn Write,
    work: impl FnOnce(&mut GzEncoder<Gate<'_>>) -> Result<()>,
) -> Result<()> {
    let open = Rc::new(Cell::new(true));
    let gate = Gate { sink, open: open.clone() };
    let seconds = u32::try_from(about.time.0 / Millis::SECOND).unwrap_or_default();
    let mut encoder = named.mtime(seconds).write(gate, Compression::new(LEVEL));
    let shut = Shut(open); // made after the encoder, so gone before it
    work(&mut encoder)?;
    encoder.finish().and_then(|gate| gate.sink.flush()).context(|| "writing the archive")?;
    drop(shut);
    Ok(())
}

struct Gate<'a> {
    sink: &'a mut dyn Write,
    open: Rc<Cell<bool>>,
}

struct Shut(Rc<Cell<bool>>);

impl Drop for Shut {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Write for Gate<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.open.get() { self.sink.write(bytes) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }
    fn flush(&mut self) -> io::Result<()> {
        if self.open.get() { self.sink.flush() } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }
}

pub(super) fn sql(dump: &mut dyn Read, about: &About, sink: &mut dyn Write) -> Result<()> {
    compressed(about, GzBuilder::new(), sink, |out| {
        out.write_all(listing::comments(about).as_bytes()).context(|| "writing the archive")?;
        pour(dump, out)
    })
}

pub(super) fn single(content: &mut dyn Read, path: &Path, about: &About, sink: &mut dyn Write) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().replace(|c: char| !c.is_ascii_graphic(), "_");
    let named = GzBuilder::new().filename(name).comment(listing::one_line(about));
    compressed(about, named, sink, |out| pour(content, out))
}

/// All of it, as it is.
pub(super) fn pour(from: &mut dyn Read, to: &mut dyn Write) -> Result<()> {
    let mut buffer = vec![0u8; 128 << 10];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            n => to.write_all(&buffer[..n]).context(|| "writing the archive")?,
        }
    }
}

/// How the archive of a tree is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    Gzip,
    Zstd,
    Zip,
}

/// What members are written to, one after the other.
trait Medium {
    /// A member out of a snapshot; of a file the content follows, and then [`Medium::close`].
    fn entry(&mut self, path: &Path, what: &What, meta: &Metadata) -> Result<()>;
    /// A member that is in no snapshot, whose content follows.
    fn member(&mut self, name: &str, size: u64, at: Millis) -> Result<()>;
    fn content(&mut self, bytes: &[u8]) -> Result<()>;
    /// The end of a content of so many bytes.
    fn close(&mut self, size: u64) -> Result<()>;
    /// The end of everything.
    fn end(self) -> Result<()>;
}

pub(super) fn files(session: Session, snapshot: &str, about: &About, packing: Packing, sink: &mut dyn Write) -> Result<()> {
    match packing {
        Packing::Gzip => folder(session, snapshot, Path::new(""), about, sink),
        Packing::Zstd => {
            // Dropped after an error it writes no end.
            let what = || "writing the archive";
            let mut encoder = zstd::stream::write::Encoder::new(sink, ZSTD_LEVEL).context(what)?;
            encoder.include_checksum(true).context(what)?;
            pack(session, snapshot, Path::new(""), about, Heads::Linked, Tape::new(&mut encoder))?;
            encoder.finish().and_then(|sink| sink.flush()).context(what)
        }
        Packing::Zip => pack(session, snapshot, Path::new(""), about, Heads::Copied, Zip::new(sink)?),
    }
}

/// What lies below `from`, in a directory of its name.
pub(super) fn folder(session: Session, snapshot: &str, from: &Path, about: &About, sink: &mut dyn Write) -> Result<()> {
    compressed(about, GzBuilder::new(), sink, |out| pack(session, snapshot, from, about, Heads::Linked, Tape::new(out)))
}

fn pack(session: Session, snapshot: &str, from: &Path, about: &About, heads: Heads, out: impl Medium) -> Result<()> {
    let watch = session.control.watch.clone();
    let top = Path::new(from.file_name().unwrap_or_default());
    let mut feed = Feed::open(session, snapshot, from, heads)?;
    let mut packer = Packer { out, listing: Listing::new()?, heads: VecDeque::new(), current: None };
    while let Some(fed) = feed.next()? {
        match fed {
            Fed::Head(head) => packer.heads.push_back(head.below(top)),
            Fed::Content(pieces) => pieces.iter().try_for_each(|piece| {
                watch.check()?;
                watch.add_bytes(piece.len() as u64);
                packer.piece(piece)
            })?,
        }
        packer.heads()?;
    }
    packer.end(about)
}

/// Puts heads and contents together again.
struct Packer<M: Medium> {
    out: M,
    listing: Listing,
    /// Told, and waiting for the content of those before them.
    heads: VecDeque<Head>,
    current: Option<Open>,
}

/// A file whose content is on its way.
struct Open {
    path: PathBuf,
    size: u64,
    left: u64,
    hash: Sha256,
}

impl<M: Medium> Packer<M> {
    fn heads(&mut self) -> Result<()> {
        while self.current.is_none()
            && let Some(head) = self.heads.pop_front()
        {
            let path = head.path.display().to_string();
            self.head(head).map_err(|e| e.context(path))?;
        }
        Ok(())
    }

    fn head(&mut self, head: Head) -> Result<()> {
        let Head { path, node, same_as } = head;
        let what = match (&node.node_type, same_as) {
            (NodeType::Dir, _) => What::Directory,
            (NodeType::Symlink { .. }, _) => What::Link(node.node_type.to_link().to_owned()),
            (NodeType::File, Some(first)) => {
                self.listing.again(&path, &first)?;
                What::HardLink(first)
            }
            (NodeType::File, None) => What::File(node.meta.size),
            _ => return Err(Error::damaged("it is a device, a pipe or a socket, which Sitekeep never stores")),
        };
        self.out.entry(&path, &what, &node.meta)?;
        if let What::File(size) = what {
            self.current = Some(Open { path, size, left: size, hash: Sha256::new() });
            self.close_if_whole()?;
        }
        Ok(())
    }

    fn piece(&mut self, piece: &Bytes) -> Result<()> {
        self.heads()?;
        let open = self.current.as_mut().ok_or_else(|| Error::internal("content came without a file that it belongs to"))?;
        let length = piece.len() as u64;
        open.left = open
            .left
            .checked_sub(length)
            .ok_or_else(|| Error::damaged("more of it is stored than its size says").context(open.path.display().to_string()))?;
        open.hash.update(piece);
        self.out.content(piece)?;
        self.close_if_whole()
    }

    fn close_if_whole(&mut self) -> Result<()> {
        if let Some(open) = self.current.take_if(|open| open.left == 0) {
            self.out.close(open.size)?;
            self.listing.file(&open.path, open.size, &hex(&open.hash.finalize()))?;
        }
        Ok(())
    }

    fn end(mut self, about: &About) -> Result<()> {
        if self.current.is_some() || !self.heads.is_empty() {
            return Err(Error::damaged("the content of a file ended before its size"));
        }
        let (size, mut manifest) = self.listing.finish(about)?;
        self.out.member(listing::NAME, size, about.time)?;
        let mut buffer = vec![0u8; 64 << 10];
        loop {
            match manifest.read(&mut buffer)? {
                0 => break,
                n => self.out.content(&buffer[..n])?,
            }
        }
        self.out.close(size)?;
        self.out.end()
    }
}
