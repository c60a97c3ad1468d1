//! Reading single files, directories and whole dumps.

use super::repository::Session;
use super::trees::{Place, STACK, Snapshot, check_depth, name_of};
use super::{Entry, Kind};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::watch::Watch;
use bytes::Bytes;
use rustic_core::DataId;
use rustic_core::repofile::{Node, NodeType};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Bytes of content that are fetched together, and how many such portions are in flight.
const PORTION: u64 = 2 << 20;
const PORTIONS: usize = 6;

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
    };
    let mut entries: Vec<Entry> = nodes.into_iter().map(entry).collect();
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
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

/// Three kinds of threads: one walks the trees and hands out portions, some fetch them, the reader takes them in order.
pub(super) fn dump(session: Session, snapshot: &str, from: &Path) -> Result<Box<dyn Read + Send>> {
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
    let planner = Planner { snapshot, work, order, portion: Vec::new(), size: 0 };
    threads.push(std::thread::Builder::new().stack_size(STACK).spawn(move || planner.run(&node))?);
    let (portion, current) = (Vec::new().into_iter(), Bytes::new());
    Ok(Box::new(DumpReader { ordered: Some(ordered), portion, current, ended: None, watch, threads, _lock: lock }))
}

fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 4))
}

type Fetched = Result<Vec<Bytes>>;

/// What the reader is told, in the order of the dump. Without an `End` there was none: the planner died.
enum Next {
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
}

impl Planner {
    fn run(mut self, node: &Node) {
        if self.walk(node, Path::new("")).and_then(|()| self.flush()).is_ok() {
            let _ = self.order.send(Next::End); // a reader that has gone away needs nothing
        }
    }

    fn walk(&mut self, node: &Node, path: &Path) -> Result<(), Gone> {
        if node.is_file() {
            return match self.snapshot.places(node) {
                Ok(pieces) => pieces.into_iter().try_for_each(|piece| self.add(piece)),
                Err(e) => self.fail(e.context(path.display().to_string())),
            };
        }
        if !node.is_dir() {
            return Ok(());
        }
        let mut children = match check_depth(path).and_then(|()| self.snapshot.children(node)) {
            Ok(children) => children,
            Err(e) => return self.fail(e.context(path.display().to_string())),
        };
        children.sort_by_key(name_of);
        children.iter().try_for_each(|child| self.walk(child, &path.join(name_of(child))))
    }

    fn add(&mut self, piece: (DataId, Place)) -> Result<(), Gone> {
        let elsewhere =
            self.portion.last().is_some_and(|(_, last)| last.pack != piece.1.pack || piece.1.offset != last.offset + last.length);
        if elsewhere && self.size > PORTION / 8 || self.size + u64::from(piece.1.size) > PORTION {
            self.flush()?;
        }
        self.size += u64::from(piece.1.size);
        self.portion.push(piece);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Gone> {
        let pieces = std::mem::take(&mut self.portion);
        self.size = 0;
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

struct DumpReader {
    ordered: Option<Receiver<Next>>,
    portion: std::vec::IntoIter<Bytes>,
    current: Bytes,
    /// How it ended.
    ended: Option<Result<()>>,
    watch: Watch,
    threads: Vec<JoinHandle<()>>,
    /// Last: it goes when the threads have gone.
    _lock: Option<super::backend::lock::Lock>,
}

impl DumpReader {
    /// The next pieces; `None` at the honest end.
    fn fetched(&mut self) -> Result<Option<Vec<Bytes>>> {
        self.watch.check()?;
        let died = || Error::internal("a thread that reads the dump ended without a word");
        match self.ordered.as_ref().and_then(|ordered| ordered.recv().ok()) {
            Some(Next::Portion(portion)) => portion.recv().unwrap_or_else(|_| Err(died())).map(Some),
            Some(Next::End) => Ok(None),
            None => Err(died()),
        }
    }

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
            match self.fetched() {
                Ok(Some(pieces)) => self.portion = pieces.into_iter(),
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

impl Drop for DumpReader {
    fn drop(&mut self) {
        self.ordered = None; // the threads see that nobody listens
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
