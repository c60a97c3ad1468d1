//! One folder as it is shown, read from a tree without what is not shown: of a hundred thousand files that is most of it.

use super::nodes::{name, nodes};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::engine::source::meta::from_go;
use crate::engine::{Entry, Kind};
use rustic_core::TreeId;
use rustic_core::jiff::Timestamp;
use serde::Deserialize;
use std::borrow::Cow;

/// What a folder holds: folders first, then all the rest, each by the bytes of their names.
#[derive(Debug, Default)]
pub struct Folder {
    pub entries: Vec<Entry>,
    /// Where the first of the entries go on: the folders.
    trees: Vec<TreeId>,
}

/// Where a page of a folder ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub is_folder: bool,
    pub name: Vec<u8>,
}

impl Folder {
    /// The entries after a mark, and whether there are more.
    pub fn page(&self, after: Option<&Mark>, most: usize) -> (&[Entry], bool) {
        let folders = self.trees.len();
        let begin = match after {
            None => 0,
            Some(m) if m.is_folder => self.entries[..folders].partition_point(|e| e.name <= m.name),
            Some(m) => folders + self.entries[folders..].partition_point(|e| e.name <= m.name),
        };
        let rest = &self.entries[begin..];
        (&rest[..most.min(rest.len())], rest.len() > most)
    }

    /// An entry by its name, and where it goes on if it is a folder.
    pub(super) fn find(&self, name: &[u8]) -> Option<(&Entry, Option<TreeId>)> {
        let (folders, rest) = self.entries.split_at(self.trees.len());
        let among = |of: &[Entry]| of.binary_search_by(|e| e.name.as_slice().cmp(name)).ok();
        match among(folders) {
            Some(at) => Some((&folders[at], Some(self.trees[at]))),
            None => among(rest).map(|at| (&rest[at], None)),
        }
    }

    pub(super) fn folders(&self) -> impl DoubleEndedIterator<Item = (&Entry, TreeId)> {
        self.entries.iter().zip(self.trees.iter().copied())
    }

    /// About how many bytes it takes in memory.
    pub(super) fn weight(&self) -> u64 {
        let each = size_of::<Entry>() + 16;
        (self.entries.iter().map(|e| e.name.len() + each).sum::<usize>() + self.trees.len() * size_of::<TreeId>()) as u64
    }

    /// Reads a tree as it is stored.
    pub(super) fn read(tree: &[u8]) -> Result<Self> {
        let lines: Vec<Line<'_>> = nodes(tree)?;
        let (mut folders, mut rest) = (Vec::new(), Vec::with_capacity(lines.len()));
        for line in &lines {
            let entry = line.entry()?;
            match (entry.kind, line.subtree) {
                (Kind::Directory, Some(tree)) => folders.push((entry, tree)),
                (Kind::Directory, None) => return Err(Error::damaged("a directory has no content")),
                _ => rest.push(entry),
            }
        }
        folders.sort_unstable_by(|a, b| a.0.name.cmp(&b.0.name));
        rest.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let (mut entries, trees): (Vec<Entry>, Vec<TreeId>) = folders.into_iter().unzip();
        entries.append(&mut rest);
        Ok(Self { entries, trees })
    }
}

/// What is shown of a node. The rest is passed over.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: &'a str,
    mode: Option<u32>,
    mtime: Option<&'a str>,
    #[serde(default)]
    size: u64,
    subtree: Option<TreeId>,
}

impl Line<'_> {
    fn entry(&self) -> Result<Entry> {
        let name = name(&self.name)?;
        let kind = match self.kind {
            "file" => Kind::File,
            "dir" => Kind::Directory,
            "symlink" => Kind::Link,
            _ => Kind::Other,
        };
        let mtime = self.mtime.and_then(|text| text.parse::<Timestamp>().ok());
        Ok(Entry {
            name,
            kind,
            size: if kind == Kind::File { self.size } else { 0 },
            mtime: mtime.map(|at| Millis(at.as_millisecond())),
            mode: self.mode.map(from_go),
        })
    }
}
