//! All sources as one stream of entries, in the order of the format.

use super::content::{Content, Streamed};
use super::dump::{Segments, folder};
use super::walk::Walk;
use super::{Source, meta};
use crate::base::clock::Millis;
use crate::base::error::Error;
use crate::engine::control::Control;
use crate::engine::segments::h64;
use rustic_core::jiff::Timestamp;
use rustic_core::repofile::{Node, NodeType};
use rustic_core::{ReadSource, ReadSourceEntry, RusticResult};
use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub(in crate::engine) type Entry = ReadSourceEntry<Content>;
type Seen = Arc<Mutex<Vec<(PathBuf, Node)>>>;

/// A source, or what is left of one that can be read only once.
pub(in crate::engine) enum Part {
    Source(Source),
    /// What a dump or a stream gave in an earlier pass; its content is in the repository.
    Again(Vec<(PathBuf, Node)>),
}

/// The library's view of all parts of one pass.
pub(in crate::engine) struct Archive {
    entries: Mutex<Option<Entries>>,
}

impl Archive {
    pub fn new(parts: Vec<Part>, time: Millis, fresh: i64, remember: bool, control: &Arc<Control>) -> (Self, Memory) {
        let memory = Memory(parts.iter().map(|_| Seen::default()).collect());
        let entries = Entries {
            parts: parts.into_iter().zip(memory.0.iter().cloned()).collect(),
            current: None,
            ready: VecDeque::new(),
            folders: BTreeSet::new(),
            time: Timestamp::from_millisecond(time.0).unwrap_or(Timestamp::UNIX_EPOCH),
            fresh,
            remember,
            control: control.clone(),
        };
        (Self { entries: Mutex::new(Some(entries)) }, memory)
    }
}

/// What the parts that can be read only once gave, part by part.
pub(in crate::engine) struct Memory(Vec<Seen>);

impl Memory {
    /// The entries of part `number`.
    pub fn of(&self, number: usize) -> Vec<(PathBuf, Node)> {
        self.0.get(number).map(|seen| std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner))).unwrap_or_default()
    }
}

impl ReadSource for Archive {
    type Open = Content;
    type Iter = Entries;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Entries {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner).take();
        entries.unwrap_or_else(|| unreachable!("the library asks for the entries of a source once"))
    }
}

pub(in crate::engine) struct Entries {
    parts: VecDeque<(Part, Seen)>,
    current: Option<Box<dyn Iterator<Item = Entry> + Send>>,
    ready: VecDeque<Entry>,
    /// Folders above the parts that were given already.
    folders: BTreeSet<PathBuf>,
    time: Timestamp,
    fresh: i64,
    /// Keep the entries of parts that can be read only once: there may be another pass.
    remember: bool,
    control: Arc<Control>,
}

impl Entries {
    fn begin(&mut self, part: Part, seen: Seen) {
        let control = self.control.clone();
        let entries: Box<dyn Iterator<Item = Entry> + Send> = match part {
            Part::Source(source) => {
                self.folders_above(source.place());
                match source {
                    Source::Tree(tree) => Box::new(Walk::new(tree, self.fresh, control)),
                    Source::Dump(dump) => self.remembered(Segments::new(dump, control), seen),
                    Source::Stream(stream) => {
                        let mark = u64::from_le_bytes(crate::base::chance::bytes());
                        let data = meta::of_memory(stream.size, self.time, mark);
                        let name = stream.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                        let content = Streamed::new(name, stream.size, stream.reader, stream.finish, control);
                        self.remembered(std::iter::once(entry(stream.path, data, Content::Stream(content))), seen)
                    }
                    Source::File { path, bytes } => {
                        let data = meta::of_memory(bytes.len() as u64, self.time, h64(&bytes));
                        Box::new(std::iter::once(entry(path, data, Content::Memory(bytes))))
                    }
                }
            }
            Part::Again(known) => {
                if let Some((first, _)) = known.first() {
                    self.folders_above(&first.clone());
                }
                let again = known.into_iter().map(|(path, node)| {
                    let open = node.is_file().then_some(Content::Known);
                    ReadSourceEntry { path, node, open }
                });
                self.remembered(again, seen)
            }
        };
        self.current = Some(entries);
    }

    fn remembered(&self, entries: impl Iterator<Item = Entry> + Send + 'static, seen: Seen) -> Box<dyn Iterator<Item = Entry> + Send> {
        if !self.remember {
            return Box::new(entries);
        }
        Box::new(entries.inspect(move |entry| {
            seen.lock().unwrap_or_else(PoisonError::into_inner).push((entry.path.clone(), entry.node.clone()));
        }))
    }

    /// The library invents missing folders, with a mode but without a time; ours are given.
    fn folders_above(&mut self, place: &Path) {
        let above: Vec<PathBuf> = place.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()).map(Path::to_owned).collect();
        for path in above.into_iter().rev() {
            if self.folders.insert(path.clone()) {
                self.ready.push_back(folder(&path));
            }
        }
    }
}

fn entry(path: PathBuf, data: rustic_core::repofile::Metadata, content: Content) -> Entry {
    let node = Node::new_node(path.file_name().unwrap_or_default(), NodeType::File, data);
    ReadSourceEntry { path, node, open: Some(content) }
}

impl Iterator for Entries {
    type Item = RusticResult<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.control.watch.is_cancelled() {
                self.control.fail(Error::cancelled());
            }
            if self.control.is_over() {
                // To the library an iterator that stops looks like the end of the source: the verdict stays *no*.
                self.current = None;
                self.parts.clear();
                return None;
            }
            if let Some(entry) = self.ready.pop_front().or_else(|| self.current.as_mut().and_then(Iterator::next)) {
                if entry.node.is_file() {
                    self.control.watch.add_files(1);
                }
                return Some(Ok(entry));
            }
            self.current = None;
            let Some((part, seen)) = self.parts.pop_front() else {
                if !self.control.is_over() {
                    self.control.complete();
                }
                return None;
            };
            self.begin(part, seen);
        }
    }
}
