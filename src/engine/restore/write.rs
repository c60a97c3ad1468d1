//! Fills the files, then makes the links, then finishes the directories.

use super::Failures;
use super::plan::{File, Piece, Plan};
use super::target::{Target, create, reopen};
use crate::base::error::{Error, Result};
use crate::engine::repository::Session;
use crate::engine::trees::Snapshot;
use bytes::Bytes;
use rustic_core::DataId;
use rustix::fs::{Advice, AtFlags};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Relaxed};

/// Pieces of one pack that are read together: at most so many bytes, over holes of at most so many.
const RUN: u32 = 4 << 20;
const HOLE: u32 = 128 << 10;
/// A piece of zeros of at least this size is not written: it stays a hole.
const SPARSE: usize = 4096;
/// The kernel is asked to begin writing a file of this size to the disk as soon as it is whole, while the next ones are
/// being decrypted: otherwise the disk rests until the sync at the end, and everything waits for it then.
const WRITE_SOON: u64 = 256 << 10;

/// Pieces to read in one go.
struct Run {
    pieces: Range<usize>,
    offset: u32,
    length: u32,
}

fn runs(pieces: &[Piece]) -> Vec<Run> {
    let mut out: Vec<Run> = Vec::new();
    for (i, piece) in pieces.iter().enumerate() {
        let end = piece.offset.saturating_add(piece.length);
        if let Some(run) = out.last_mut() {
            let same_pack = pieces[run.pieces.start].pack == piece.pack;
            let near = piece.offset <= run.offset.saturating_add(run.length).saturating_add(HOLE);
            if same_pack && near && end - run.offset <= RUN {
                run.length = run.length.max(end - run.offset);
                run.pieces.end = i + 1;
                continue;
            }
        }
        out.push(Run { pieces: i..i + 1, offset: piece.offset, length: end - piece.offset });
    }
    out
}

/// Writes the content of all files.
pub(super) fn contents(session: &Session, snapshot: &Snapshot, plan: &Plan, target: &Target, failures: &Failures<'_>) -> Result<()> {
    let runs = runs(&plan.pieces);
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).clamp(2, 8);
    let work = || {
        let mut writer = Writer { plan, target, failures, session, folder: None };
        while let Some(run) = runs.get(next.fetch_add(1, Relaxed)) {
            if failures.is_over() {
                return;
            }
            writer.run(snapshot, run);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let died = threads.into_iter().filter_map(|thread| thread.join().err()).count();
        if died > 0 { Err(Error::damaged("a piece of the backup could not be understood while it was restored")) } else { Ok(()) }
    })?;
    let mut writer = Writer { plan, target, failures, session, folder: None };
    for file in plan.files.iter().filter(|file| file.pieces == 0) {
        if failures.is_over() {
            break;
        }
        writer.note(file, |writer| writer.empty(file));
    }
    Ok(())
}

struct Writer<'a> {
    plan: &'a Plan,
    target: &'a Target,
    failures: &'a Failures<'a>,
    session: &'a Session,
    /// The directory that was written to last: neighbours in a pack are mostly neighbours on the disk.
    folder: Option<(usize, OwnedFd)>,
}

impl Writer<'_> {
    fn run(&mut self, snapshot: &Snapshot, run: &Run) {
        let pieces = &self.plan.pieces[run.pieces.clone()];
        let pack = self.plan.packs[pieces[0].pack as usize];
        // Failed: the single reads below say which file it is that cannot be read.
        let _announced = self.session.adapter.announce(pack, run.offset, run.length).ok();
        let mut last: Option<(DataId, Result<Bytes>)> = None;
        for piece in pieces {
            if self.failures.is_over() {
                return;
            }
            // Equal pieces of several files lie at one place, so they follow each other here.
            let (_, content) = match last.take() {
                Some(known) if known.0 == piece.id => last.insert(known),
                _ => last.insert((piece.id, snapshot.data(&piece.id))),
            };
            let content = content.clone();
            self.note(&self.plan.files[piece.file as usize], |writer| writer.piece(piece, &content?));
        }
    }

    fn note(&mut self, file: &File, write: impl FnOnce(&mut Self) -> Result<()>) {
        if let Err(e) = write(self) {
            self.failures.note(&self.plan.path(file.folder, &file.name), e);
        }
    }

    fn piece(&mut self, piece: &Piece, content: &[u8]) -> Result<()> {
        let file = &self.plan.files[piece.file as usize];
        let hole = content.len() >= SPARSE && content.iter().all(|byte| *byte == 0);
        let handle = {
            let mut made = file.made.lock().unwrap_or_else(PoisonError::into_inner);
            let folder = self.folder(file.folder)?;
            if *made {
                reopen(folder, &file.name)?
            } else {
                let handle = create(folder, &file.name)?;
                if file.pieces > 1 || hole {
                    handle.set_len(file.size)?;
                }
                *made = true;
                handle
            }
        };
        if !hole {
            handle.write_all_at(content, piece.at)?;
        }
        self.session.control.watch.add_bytes(content.len() as u64);
        if file.left.fetch_sub(1, AcqRel) == 1 {
            file.kept.apply(&handle)?;
            if file.size >= WRITE_SOON {
                // It does not wait, and keeps in memory what is not yet written. Only advice: the sync is the promise.
                let _ = rustix::fs::fadvise(&handle, 0, None, Advice::DontNeed);
            }
            self.session.control.watch.add_files(1);
        }
        Ok(())
    }

    fn empty(&mut self, file: &File) -> Result<()> {
        let handle = create(self.folder(file.folder)?, &file.name)?;
        self.session.control.watch.add_files(1);
        Ok(file.kept.apply(&handle)?)
    }

    fn folder(&mut self, number: usize) -> Result<&OwnedFd> {
        let known = self.folder.take().filter(|(known, _)| *known == number);
        let folder = match known {
            Some(known) => known,
            None => (number, self.target.folder(&self.plan.folders[number].path)?),
        };
        Ok(&self.folder.insert(folder).1)
    }
}

/// Hard links, then symbolic ones.
pub(super) fn links(plan: &Plan, target: &Target, failures: &Failures<'_>) {
    let failed: std::collections::HashSet<_> = failures.paths().into_iter().collect();
    for link in &plan.hard_links {
        let file = &plan.files[link.file];
        let (from, to) = (plan.path(file.folder, &file.name), plan.path(link.folder, &link.name));
        if failed.contains(&from) {
            failures.note(&to, Error::damaged(format!("it is another name of {}, which could not be restored", from.display())));
            continue;
        }
        let linked = target.folder(&plan.folders[file.folder].path).and_then(|old| {
            let new = target.folder(&plan.folders[link.folder].path)?;
            rustix::fs::linkat(&old, &file.name, &new, &link.name, AtFlags::empty())
        });
        if let Err(e) = linked {
            failures.note(&to, e.into());
        }
    }
    for link in &plan.links {
        let made = target.folder(&plan.folders[link.folder].path).and_then(|folder| {
            rustix::fs::symlinkat(&link.to, &folder, &link.name)?;
            link.kept.apply_to_link(&folder, &link.name)
        });
        if let Err(e) = made {
            failures.note(&plan.path(link.folder, &link.name), e.into());
        }
    }
}

/// Owner, mode and time of the directories, from the leaves up: what is written into one changes its time.
pub(super) fn folders(plan: &Plan, target: &Target, failures: &Failures<'_>) {
    for folder in plan.folders.iter().rev() {
        if let Err(e) = target.folder(&folder.path).and_then(|fd| folder.kept.apply(fd)) {
            failures.note(&folder.path, e.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(pack: u32, offset: u32, length: u32) -> Piece {
        Piece { pack, offset, length, id: DataId::default(), file: 0, at: 0 }
    }

    #[test]
    fn neighbouring_pieces_are_read_together_and_distant_ones_are_not() {
        let pieces =
            [piece(0, 0, 10), piece(0, 10, 10), piece(0, 10, 10), piece(0, 20 + HOLE, 5), piece(0, 500_000, 5), piece(1, 500_005, 5)];
        let runs: Vec<_> = runs(&pieces).into_iter().map(|r| (r.pieces, r.offset, r.length)).collect();
        assert_eq!(runs, [(0..4, 0, 25 + HOLE), (4..5, 500_000, 5), (5..6, 500_005, 5)]);
    }

    #[test]
    fn a_piece_larger_than_a_run_is_a_run() {
        assert_eq!(runs(&[piece(0, 0, RUN + 1), piece(0, RUN + 1, 1)]).len(), 2);
    }
}
