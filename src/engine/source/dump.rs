//! A dump as folders of segments, each held in memory only until it is read.

use super::content::Content;
use super::entries::Entry;
use super::{Finish, meta};
use crate::base::error::Error;
use crate::engine::control::Control;
use crate::engine::segments::{Segment, Splitter, h64, splitter};
use rustic_core::ReadSourceEntry;
use rustic_core::jiff::Timestamp;
use rustic_core::repofile::{Node, NodeType};
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Gives the entries of one dump.
pub(super) struct Segments {
    name: PathBuf,
    source: Option<(Box<dyn Splitter>, Finish)>,
    folder: String,
    ready: VecDeque<Entry>,
    control: Arc<Control>,
}

impl Segments {
    pub fn new(dump: super::Dump, control: Arc<Control>) -> Self {
        let ready = VecDeque::from([folder(&dump.name)]);
        let source = Some((splitter(dump.syntax, dump.reader), dump.finish));
        Self { name: dump.name, source, folder: String::new(), ready, control }
    }

    fn push(&mut self, segment: Segment) {
        let Segment { folder: table, name, content } = segment;
        let at = self.name.join(&table);
        if self.folder != table {
            self.ready.push_back(folder(&at));
            self.folder = table;
        }
        // Constant time: the tree of an unchanged table stays the same. The hash as change time: see `of_memory`.
        let data = meta::of_memory(content.len() as u64, Timestamp::UNIX_EPOCH, h64(&content));
        let node = Node::new_node(OsStr::new(&name), NodeType::File, data);
        self.control.watch.add_bytes(content.len() as u64);
        self.ready.push_back(ReadSourceEntry { path: at.join(&name), node, open: Some(Content::Memory(content)) });
    }

    /// The dump was read to its end: only now is it known whether its program did well, and only now may it count.
    fn finish(&mut self) {
        if let Some((mut splitter, finish)) = self.source.take() {
            self.control.summed(splitter.sums());
            drop(splitter);
            if let Err(e) = finish() {
                self.control.fail(e);
            }
        }
    }

    /// The dump is broken. Where it simply stops, the program that wrote it knows better why.
    fn broken(&mut self, error: io::Error) {
        if error.kind() == io::ErrorKind::InvalidData {
            self.finish();
        }
        self.source = None;
        self.control.fail(Error::from(error).context("reading the dump"));
    }
}

impl Iterator for Segments {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Some(entry);
            }
            let (splitter, _) = self.source.as_mut()?;
            match splitter.next() {
                Ok(Some(segment)) => self.push(segment),
                Ok(None) => self.finish(),
                Err(e) => self.broken(e),
            }
        }
    }
}

/// An entry for a folder that exists only in the snapshot.
pub(super) fn folder(path: &Path) -> Entry {
    let name = path.file_name().unwrap_or_default();
    ReadSourceEntry { path: path.to_owned(), node: Node::new_node(name, NodeType::Dir, meta::of_folder()), open: None }
}
