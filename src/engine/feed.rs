//! What lies below a directory of a snapshot, in the order of its names: read ahead by several threads in bounded memory.
//!
//! Three kinds of threads: one walks the trees and hands out portions, some fetch them, the reader takes them in order.

use super::repository::Session;
use super::trees::{Place, STACK, Snapshot, check_depth, name_of};
use crate::base::error::{Error, Result};
use crate::base::watch::Watch;
use bytes::Bytes;
use rustic_core::DataId;
use rustic_core::repofile::Node;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Bytes of content that are fetched together, and how many such portions are in flight.
const PORTION: u64 = 2 << 20;
const PORTIONS: usize = 6;
/// Heads and pieces that wait for one portion, however small they are.
const MOST: usize = 1024;

/// An entry, told before its content.
pub(super) struct Head {
    /// Below the directory that is read.
    pub path: PathBuf,
    pub node: Node,
    /// It is another name of this file, and has no content of its own.
    pub same_as: Option<PathBuf>,
}

impl Head {
    /// The same in another directory.
    pub fn below(mut self, top: &Path) -> Self {
        self.path = if self.path.as_os_str().is_empty() { top.to_owned() } else { top.join(self.path) };
        self.same_as = self.same_as.map(|first| top.join(first));
        self
    }
}

/// What comes out. Contents follow in the order of their heads, with no mark between them: the sizes tell them apart.
pub(super) enum Fed {
    Head(Box<Head>),
    Content(Vec<Bytes>),
}

/// What is told beside contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heads {
    None,
    /// The entries; a further name of a file as that.
    Linked,
    /// The entries; a further name of a file as a file of its own.
    Copied,
}

/// The reader's end.
pub(super) struct Feed {
    ordered: Option<Receiver<Next>>,
    watch: Watch,
    threads: Vec<JoinHandle<()>>,
    /// Last: it goes when the threads have gone.
    _lock: Option<super::backend::lock::Lock>,
}

impl Feed {
    pub fn open(session: Session, snapshot: &str, from: &Path, heads: Heads) -> Result<Self> {
        let lock = session.lock_for_reading()?;
        let snapshot = Arc::new(Snapshot::open(&session, snapshot)?);
        let node = snapshot.find(from)?;
        let watch = session.control.watch.clone();
        let session = Arc::new(session);
        let (work, todo) = sync_channel::<Portion>(PORTIONS);
        let (order, ordered) = sync_channel(PORTIONS);
        let todo = Arc::new(Mutex::new(todo));
        let mut threads = Vec::new();
        for _ in 0..workers() {
            let (session, snapshot, todo) = (session.clone(), snapshot.clone(), todo.clone());
            threads.push(std::thread::spawn(move || fetch_all(&session, &snapshot, &todo)));
        }
        let names = Names::new();
        let top = !from.as_os_str().is_empty();
        let planner = Planner { snapshot, work, order, portion: Vec::new(), size: 0, waiting: 0, heads, names, top };
        threads.push(std::thread::Builder::new().stack_size(STACK).spawn(move || planner.run(&node))?);
        Ok(Self { ordered: Some(ordered), watch, threads, _lock: lock })
    }

    /// `None` at the honest end, and only there.
    pub fn next(&mut self) -> Result<Option<Fed>> {
        self.watch.check()?;
        let died = || Error::internal("a thread that reads the backup ended without a word");
        match self.ordered.as_ref().and_then(|ordered| ordered.recv().ok()) {
            Some(Next::Head(head)) => Ok(Some(Fed::Head(head))),
            Some(Next::Portion(portion)) => portion.recv().unwrap_or_else(|_| Err(died())).map(|c| Some(Fed::Content(c))),
            Some(Next::End) => Ok(None),
            None => Err(died()),
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.ordered = None; // the threads see that nobody listens
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 4))
}

type Fetched = Result<Vec<Bytes>>;

/// What the reader is told, in order. Without an `End` there was none: the planner died.
enum Next {
    Head(Box<Head>),
    Portion(Receiver<Fetched>),
    End,
}

/// Pieces to fetch, and whom to tell.
struct Portion {
    pieces: Vec<(DataId, Place)>,
    done: SyncSender<Fetched>,
}

/// The reader has gone away: nobody is left to tell.
struct Gone;

struct Planner {
    snapshot: Arc<Snapshot>,
    work: SyncSender<Portion>,
    order: SyncSender<Next>,
    portion: Vec<(DataId, Place)>,
    size: u64,
    /// Heads that were told since the last portion.
    waiting: usize,
    heads: Heads,
    names: Names,
    /// What is read has a head itself, with an empty path: all but the root, which has no name.
    top: bool,
}

/// Files with several names, by device and inode: the first name, and what is in it.
type Names = HashMap<(u64, u64), (PathBuf, Vec<DataId>)>;

impl Planner {
    fn run(mut self, node: &Node) {
        if self.walk(node, Path::new("")).and_then(|()| self.flush()).is_ok() {
            let _ = self.order.send(Next::End); // a reader that has gone away needs nothing
        }
    }

    fn walk(&mut self, node: &Node, path: &Path) -> Result<(), Gone> {
        if node.is_file() {
            return self.file(node, path);
        }
        self.head(node, path, None)?;
        if !node.is_dir() {
            return Ok(());
        }
        let children = match check_depth(path).and_then(|()| self.snapshot.children(node)).and_then(sorted) {
            Ok(children) => children,
            Err(e) => return self.fail(e.context(path.display().to_string())),
        };
        children.iter().try_for_each(|child| self.walk(child, &path.join(name_of(child))))
    }

    fn file(&mut self, node: &Node, path: &Path) -> Result<(), Gone> {
        let pieces = match self.snapshot.places(node) {
            Ok(pieces) => pieces,
            Err(e) => return self.fail(e.context(path.display().to_string())),
        };
        if let Some(first) = self.known(node, path) {
            return self.head(node, path, Some(first));
        }
        self.head(node, path, None)?;
        pieces.into_iter().try_for_each(|piece| self.add(piece))
    }

    /// The name under which the same file was told before. Only with an equal content is it another name of it: the file
    /// may have been replaced between the two.
    fn known(&mut self, node: &Node, path: &Path) -> Option<PathBuf> {
        if self.heads != Heads::Linked || node.meta.links <= 1 || node.meta.inode == 0 {
            return None;
        }
        let content = node.content.clone().unwrap_or_default();
        match self.names.entry((node.meta.device_id, node.meta.inode)) {
            std::collections::hash_map::Entry::Occupied(known) if known.get().1 == content => Some(known.get().0.clone()),
            std::collections::hash_map::Entry::Occupied(_) => None,
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert((path.to_owned(), content));
                None
            }
        }
    }

    fn head(&mut self, node: &Node, path: &Path, same_as: Option<PathBuf>) -> Result<(), Gone> {
        if self.heads == Heads::None || (path.as_os_str().is_empty() && !self.top) {
            return Ok(());
        }
        if self.waiting >= MOST {
            self.flush()?;
        }
        self.waiting += 1;
        let head = Head { path: path.to_owned(), node: node.clone(), same_as };
        self.order.send(Next::Head(Box::new(head))).map_err(|_| Gone)
    }

    fn add(&mut self, piece: (DataId, Place)) -> Result<(), Gone> {
        let elsewhere =
            self.portion.last().is_some_and(|(_, last)| last.pack != piece.1.pack || piece.1.offset != last.offset + last.length);
        let full = self.size + u64::from(piece.1.size) > PORTION || self.portion.len() >= MOST;
        if elsewhere && self.size > PORTION / 8 || full {
            self.flush()?;
        }
        self.size += u64::from(piece.1.size);
        self.portion.push(piece);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Gone> {
        let pieces = std::mem::take(&mut self.portion);
        (self.size, self.waiting) = (0, 0);
        if pieces.is_empty() {
            return Ok(());
        }
        let (done, receiver) = sync_channel(1);
        self.order.send(Next::Portion(receiver)).map_err(|_| Gone)?;
        self.work.send(Portion { pieces, done }).map_err(|_| Gone)
    }

    /// The reader gets the error after all that came before it, and nothing after it.
    fn fail(&mut self, error: Error) -> Result<(), Gone> {
        self.flush()?;
        let (done, receiver) = sync_channel(1);
        let _ = done.send(Err(error)); // it has room for one
        let _ = self.order.send(Next::Portion(receiver));
        Err(Gone)
    }
}

/// By the bytes of their names. Two of one name are no file system's: unpacked one after the other, a link and a directory
/// would lead out of where they are unpacked.
fn sorted(mut nodes: Vec<Node>) -> Result<Vec<Node>> {
    nodes.sort_by_key(name_of);
    match nodes.windows(2).find(|pair| name_of(&pair[0]) == name_of(&pair[1])) {
        Some(pair) => Err(Error::damaged(format!("two entries are called {:?}: this repository was tampered with", name_of(&pair[0])))),
        None => Ok(nodes),
    }
}

fn fetch_all(session: &Session, snapshot: &Snapshot, todo: &Mutex<Receiver<Portion>>) {
    loop {
        let next = todo.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(portion) = next else { return };
        let fetched = super::failure::reading(|| fetch(session, snapshot, &portion.pieces));
        let _ = portion.done.send(fetched); // a reader that has gone away needs nothing
    }
}

fn fetch(session: &Session, snapshot: &Snapshot, pieces: &[(DataId, Place)]) -> Fetched {
    // One read of the storage where the pieces lie side by side; where they do not, or it fails, one for each.
    let side_by_side = pieces.windows(2).all(|p| p[0].1.pack == p[1].1.pack && p[1].1.offset == p[0].1.offset + p[0].1.length);
    let _announced = match (pieces.first(), pieces.last()) {
        (Some((_, first)), Some((_, last))) if side_by_side && pieces.len() > 1 => {
            session.adapter.announce(first.pack, first.offset, last.offset + last.length - first.offset).ok()
        }
        _ => None,
    };
    pieces.iter().map(|(id, _)| snapshot.data(id)).collect()
}
