//! Reading single files, directories and whole dumps.

use super::feed::{Fed, Feed, Heads};
use super::repository::Session;
use super::trees::{Snapshot, check_depth, name_of};
use super::{Entry, Kind, SnapshotInfo};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::watch::Watch;
use crate::domain::tree::{Mark, MarkKind, Marks};
use bytes::Bytes;
use rustic_core::repofile::{Node, NodeType};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

pub(super) fn list(session: &Session, snapshot: &str, dir: &Path) -> Result<Vec<Entry>> {
    let snapshot = Snapshot::open(session, snapshot)?;
    let nodes = snapshot.children(&snapshot.find(dir)?)?;
    let entry = |node: Node| Entry {
        name: name_of(&node).into_vec(),
        kind: match node.node_type {
            NodeType::File => Kind::File,
            NodeType::Dir => Kind::Directory,
            NodeType::Symlink { .. } => Kind::Link,
            _ => Kind::Other,
        },
        size: if node.is_file() { node.meta.size } else { 0 },
        mtime: node.meta.mtime.map(|t| Millis(t.as_millisecond())),
        mode: node.meta.mode.map(super::source::meta::from_go),
    };
    let mut entries: Vec<Entry> = nodes.into_iter().map(entry).collect();
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// Everything below `dir` that is no directory, by its path relative to it; `None` when that is more than `limit`.
pub(super) fn marks(session: &Session, snapshot: &str, dir: &Path, limit: usize) -> Result<Option<Marks>> {
    let snapshot = Snapshot::open(session, snapshot)?;
    let mut marks = Marks::new();
    let mut pending = vec![(PathBuf::new(), snapshot.find(dir)?)];
    while let Some((path, node)) = pending.pop() {
        check_depth(&path)?;
        session.control.watch.check()?;
        for child in snapshot.children(&node)? {
            let below = path.join(name_of(&child));
            if child.is_dir() {
                pending.push((below, child));
            } else {
                marks.insert(below, mark(&child));
            }
        }
        if marks.len() > limit {
            return Ok(None);
        }
    }
    Ok(Some(marks))
}

fn mark(node: &Node) -> Mark {
    match node.node_type {
        NodeType::File => {
            let modified = node.meta.mtime.map_or(0, |t| t.as_nanosecond());
            Mark { kind: MarkKind::File, size: node.meta.size, modified }
        }
        NodeType::Symlink { .. } => Mark { kind: MarkKind::Link, size: 0, modified: 0 },
        _ => Mark { kind: MarkKind::Other, size: 0, modified: 0 },
    }
}

pub(super) fn file(session: &Session, snapshot: &str, path: &Path, limit: u64) -> Result<Vec<u8>> {
    let snapshot = Snapshot::open(session, snapshot)?;
    let node = snapshot.find(path)?;
    if !node.is_file() {
        return Err(Error::invalid(format!("{} is not a file", path.display())));
    }
    if node.meta.size > limit {
        return Err(Error::invalid(format!("{} is too large to be shown: {} bytes", path.display(), node.meta.size)));
    }
    let mut out = Vec::with_capacity(usize::try_from(node.meta.size).unwrap_or_default());
    for (id, _) in snapshot.places(&node).map_err(|e| e.context(path.display().to_string()))? {
        out.extend_from_slice(&snapshot.data(&id)?);
    }
    Ok(out)
}

/// The content of all files below `from`, in order.
pub(super) fn dump(session: Session, snapshot: &str, from: &Path) -> Result<Box<dyn Read + Send>> {
    let watch = session.control.watch.clone();
    let feed = Feed::open(session, snapshot, from, Heads::None)?;
    let (portion, current) = (Vec::new().into_iter(), Bytes::new());
    Ok(Box::new(DumpReader { feed, portion, current, ended: None, watch }))
}

struct DumpReader {
    feed: Feed,
    portion: std::vec::IntoIter<Bytes>,
    current: Bytes,
    /// How it ended.
    ended: Option<Result<()>>,
    watch: Watch,
}

impl DumpReader {
    /// Fills `current`; `false` at the end. An error comes again and again: whoever reads on after one must never see
    /// what looks like the end of a good dump.
    fn advance(&mut self) -> Result<bool> {
        loop {
            if let Some(next) = self.portion.next() {
                self.current = next;
                return Ok(true);
            }
            if let Some(ended) = &self.ended {
                return ended.clone().map(|()| false);
            }
            match self.feed.next() {
                Ok(Some(Fed::Content(pieces))) => self.portion = pieces.into_iter(),
                Ok(Some(Fed::Head(_))) => {}
                Ok(None) => self.ended = Some(Ok(())),
                Err(e) => self.ended = Some(Err(e)),
            }
        }
    }
}

impl Read for DumpReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            if !self.advance().map_err(io::Error::other)? {
                return Ok(0);
            }
        }
        let n = buffer.len().min(self.current.len());
        buffer[..n].copy_from_slice(&self.current.split_to(n));
        self.watch.add_bytes(n as u64);
        Ok(n)
    }
}

/// A snapshot without what it holds.
pub(super) fn info(s: rustic_core::repofile::SnapshotFile) -> SnapshotInfo {
    let summary = s.summary.unwrap_or_default();
    SnapshotInfo {
        id: s.id.to_hex().to_string(),
        tags: s.tags.iter().cloned().collect(),
        time: Millis(s.time.timestamp().as_millisecond()),
        host: s.hostname,
        description: s.description.unwrap_or_default(),
        files: summary.total_files_processed,
        bytes: summary.total_bytes_processed,
        stored: summary.data_added_packed,
    }
}
