//! What the parts of one run share: the watch, the first fatal error, the list of what went wrong, and the verdict on
//! whether a snapshot may be written.
//!
//! The library logs an unreadable file and goes on, reads to the end after a failed write, and takes an iterator that
//! stops early for the end of the source. So nothing is allowed by default: the verdict is *yes* only when the source
//! said that it came to its honest end, every stream was finished, and nobody reported a fatal error.

use super::{LeftOut, Problem, Sums};
use crate::base::error::{Error, Result};
use crate::base::watch::Watch;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// More than this many left-out paths are not listed one by one.
const LEFT_OUT_LISTED: usize = 1000;

/// Shared by source, backend and caller of one run.
#[derive(Default)]
pub(super) struct Control {
    pub watch: Watch,
    state: Mutex<State>,
    /// What dumps and streams came to. They are read in the first pass alone, so that no pass begins anew with this.
    sums: Mutex<Sums>,
}

#[derive(Default)]
struct State {
    fatal: Option<Error>,
    /// The source's iterator came to its end.
    complete: bool,
    /// Streams handed out and not yet finished well.
    streams: u32,
    /// This is the last pass: what changed while it was read is reported, not read again.
    last: bool,
    drafted: bool,
    report: Report,
}

/// What one pass over the source saw.
#[derive(Default)]
pub(super) struct Report {
    pub problems: BTreeMap<PathBuf, String>,
    /// Files that changed between being listed and being read.
    pub changed: BTreeMap<PathBuf, String>,
    pub vanished: u64,
    pub links: u64,
    pub left_out: Vec<LeftOut>,
}

impl Report {
    /// Problems in the order of their paths.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut all = self.problems;
        for (path, reason) in self.changed {
            all.entry(path).or_insert(reason);
        }
        all.into_iter().map(|(path, reason)| Problem { path, reason }).collect()
    }
}

/// What may happen to the snapshot that the library wants to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is what the source held.
    Keep,
    /// Files changed under the reader: it only serves as the base of another pass, and never reaches the storage.
    Draft,
}

impl Control {
    pub fn new(watch: &Watch) -> Self {
        Self { watch: watch.clone(), state: Mutex::default(), sums: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new pass begins: nothing is permitted, nothing has gone wrong yet.
    pub fn begin(&self, last: bool) {
        *self.state() = State { last, ..State::default() };
    }

    /// The run cannot succeed any more. The first reason is kept.
    pub fn fail(&self, error: Error) {
        self.state().fatal.get_or_insert(error);
    }
    pub fn fatal(&self) -> Option<Error> {
        self.state().fatal.clone()
    }
    /// Should reading stop?
    pub fn is_over(&self) -> bool {
        self.watch.is_cancelled() || self.state().fatal.is_some()
    }

    /// The source's iterator came to its honest end.
    pub fn complete(&self) {
        self.state().complete = true;
    }
    pub fn stream_begins(&self) {
        self.state().streams += 1;
    }
    pub fn stream_ended_well(&self) {
        self.state().streams -= 1;
    }

    /// Default deny, see the head of this file.
    pub fn verdict(&self) -> Result<Verdict> {
        self.watch.check()?;
        let mut state = self.state();
        if let Some(fatal) = &state.fatal {
            return Err(fatal.clone());
        }
        if !state.complete || state.streams > 0 {
            return Err(Error::internal("the source was not read to its end, so no snapshot is written"));
        }
        let draft = !state.report.changed.is_empty() && !state.last;
        state.drafted = draft;
        Ok(if draft { Verdict::Draft } else { Verdict::Keep })
    }
    pub fn was_drafted(&self) -> bool {
        self.state().drafted
    }

    /// Something could not be read: the element is incomplete.
    pub fn problem(&self, path: &Path, reason: impl Into<String>) {
        self.state().report.problems.entry(path.to_owned()).or_insert_with(|| reason.into());
    }
    /// A file changed while it was read: another pass may find it at rest.
    pub fn changed(&self, path: &Path, reason: &str) {
        self.state().report.changed.entry(path.to_owned()).or_insert_with(|| reason.to_owned());
    }
    /// It was listed, and gone when it was to be read: neither an error nor incomplete.
    pub fn vanished(&self) {
        self.state().report.vanished += 1;
    }
    pub fn link(&self) {
        self.state().report.links += 1;
    }
    pub fn leave_out(&self, path: &Path, why: &str) {
        let left_out = &mut self.state().report.left_out;
        if left_out.len() < LEFT_OUT_LISTED {
            left_out.push(LeftOut { path: path.to_owned(), why: why.to_owned() });
        }
    }
    /// What came out of a dump or a stream came to this.
    pub fn summed(&self, sums: Sums) {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner).extend(sums);
    }
    pub fn sums(&self) -> Sums {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    pub fn take_report(&self) -> Report {
        std::mem::take(&mut self.state().report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_denied_until_everything_said_yes() {
        let control = Control::default();
        assert!(control.verdict().is_err(), "nobody said that the source is complete");
        control.stream_begins();
        control.complete();
        assert!(control.verdict().is_err(), "a stream is still open");
        control.stream_ended_well();
        assert_eq!(control.verdict().unwrap(), Verdict::Keep);
        control.changed(Path::new("a"), "changed");
        assert_eq!(control.verdict().unwrap(), Verdict::Draft);
        control.fail(Error::resource("full"));
        control.fail(Error::internal("a consequence"));
        assert_eq!(control.verdict().unwrap_err().to_string(), "full");
        control.begin(true);
        assert!(control.verdict().is_err());
        control.complete();
        control.watch.cancel();
        assert_eq!(control.verdict().unwrap_err().class(), crate::base::error::Class::Cancelled);
    }
}
