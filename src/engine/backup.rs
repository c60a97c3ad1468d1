//! One snapshot, in up to three passes.
//!
//! A file's size is written down before the file is read, so a file that changes meanwhile cannot be mended where it
//! stands. Instead the whole source is walked once more: the first pass's snapshot, which never reaches the storage,
//! serves as the base, so that only what changed is read again. What a dump or a stream gave is not asked for twice; its
//! entries are repeated from memory.

use super::control::Control;
use super::failure::Ours;
use super::repository::Session;
use super::source::entries::{Archive, Memory, Part};
use super::source::{Source, arrange};
use super::{Label, Stored};
use crate::base::clock::{Clock, Millis};
use crate::base::error::{Error, Result};
use crate::base::failpoint;
use rustic_core::repofile::SnapshotFile;
use rustic_core::{BackupOptions, SnapshotOptions, jiff};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a changing file is given to come to rest before each further pass.
const PAUSES: [Duration; 2] = [Duration::from_millis(400), Duration::from_secs(2)];
/// File systems stamp times by a clock that ticks every few milliseconds, some only every second or two.
const TICK: i64 = 2 * Millis::SECOND;

pub(super) fn run(session: &Session, sources: Vec<Source>, label: &Label) -> Result<Stored> {
    session.control.watch.check()?;
    let mut parts: Vec<Part> = arrange(sources)?.into_iter().map(Part::Source).collect();
    allow_many_files();
    session.open()?; // a wrong place or key is told before a lock is written
    let _lock = session.lock()?;
    if let Err(e) = session.objects.sweep(Clock::system().now()) {
        tracing::warn!("sweeping temporary files: {e}");
    }
    let has_trees = parts.iter().any(|p| matches!(p, Part::Source(Source::Tree(_))));
    let (mut base, mut stored) = (None, 0);
    for pause in PAUSES.iter().map(Some).chain([None]) {
        let last = pause.is_none() || !has_trees;
        session.control.begin(last);
        let repeat = if last { None } else { Some(repeatable(&parts)) };
        let (archive, memory) = Archive::new(parts, label.time, fresh(label), !last, &session.control);
        let written = pass(session, &archive, label, base)?;
        stored += written.summary.as_ref().map_or(0, |s| s.data_added_packed);
        match (pause, repeat) {
            (Some(pause), Some(repeat)) if session.control.was_drafted() => {
                wait(&session.control, *pause)?;
                parts = again(repeat, &memory);
                base = Some(written.id.to_hex().to_string());
            }
            _ => {
                session.objects.settle().map_err(|e| super::backend::adapter::cannot_write("the snapshot", e))?;
                return Ok(report(session, &written, stored));
            }
        }
    }
    Err(Error::internal("a backup ended without a last pass"))
}

fn pass(session: &Session, archive: &Archive, label: &Label, base: Option<String>) -> Result<SnapshotFile> {
    let repository = session.open()?.to_indexed_ids().ours()?;
    failpoint::hit(format_args!("backup.indexed"))?;
    let mut options = BackupOptions::default();
    options.no_scan = true;
    // A directory that is as it was is not looked for in the index, and would stay lost.
    options.parent_opts.force = label.afresh && base.is_none();
    options.parent_opts.parents = base.into_iter().collect();
    let outcome = repository.archive(&options, archive, describe(label)?, &[PathBuf::from(&label.path)]).ours();
    // What made us stop explains more than what the library says about having been stopped.
    session.control.watch.check()?;
    match (session.control.fatal(), outcome) {
        (Some(fatal), _) => Err(fatal),
        (None, outcome) => outcome,
    }
}

fn describe(label: &Label) -> Result<SnapshotFile> {
    let time = jiff::Timestamp::from_millisecond(label.time.0).map_err(|e| Error::internal(format!("the time of a backup: {e}")))?;
    let mut options =
        SnapshotOptions::default().host(label.host.clone()).command(String::new()).time(time.to_zoned(jiff::tz::TimeZone::UTC));
    for tag in &label.tags {
        if tag.contains(',') {
            return Err(Error::internal(format!("the tag {tag:?} has a comma in it")));
        }
        options = options.add_tags(tag).ours()?;
    }
    let mut snapshot = options.to_snapshot().ours()?;
    snapshot.description = Some(label.description.clone()).filter(|d| !d.is_empty());
    snapshot.program_version = concat!("sitekeep ", env!("CARGO_PKG_VERSION")).to_owned();
    Ok(snapshot)
}

/// The second since which a file's change may go unseen.
fn fresh(label: &Label) -> i64 {
    (label.time.0.min(Clock::system().now().0) - TICK).div_euclid(Millis::SECOND)
}

/// What stands in for each part in another pass; a gap is filled with what the part gave.
fn repeatable(parts: &[Part]) -> Vec<Option<Source>> {
    let copy = |part: &Part| match part {
        Part::Source(Source::Tree(tree)) => Some(Source::Tree(tree.clone())),
        Part::Source(Source::File { path, bytes }) => Some(Source::File { path: path.clone(), bytes: bytes.clone() }),
        _ => None,
    };
    parts.iter().map(copy).collect()
}

fn again(repeat: Vec<Option<Source>>, memory: &Memory) -> Vec<Part> {
    let part = |(number, source): (usize, Option<Source>)| source.map_or_else(|| Part::Again(memory.of(number)), Part::Source);
    repeat.into_iter().enumerate().map(part).collect()
}

fn wait(control: &Control, pause: Duration) -> Result<()> {
    let until = Instant::now() + pause;
    while Instant::now() < until {
        control.watch.check()?;
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn report(session: &Session, written: &SnapshotFile, stored: u64) -> Stored {
    let mut report = session.control.take_report();
    let summary = written.summary.clone().unwrap_or_default();
    Stored {
        snapshot: written.id.to_hex().to_string(),
        files: summary.total_files_processed.saturating_sub(report.links),
        bytes: summary.total_bytes_processed,
        stored,
        vanished: report.vanished,
        left_out: std::mem::take(&mut report.left_out),
        problems: report.into_problems(),
        sums: session.control.sums(),
    }
}

/// A deep tree holds one open directory for each level. Raising the soft limit to the hard one needs no rights.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
}
