//! Named points at which a test lets an attempt die, stand still, fail or wait.
//!
//! They are compiled in with the debug assertions, not by a feature of their own: what `cargo test` builds has them, so
//! that there is one build for all tests, and a release has nothing of them, not even the names. A test arms a point by
//! writing what shall happen into a file of its name, in the directory that `failpoints` of the tuning file names:
//! `kill`, `stop`, `error`, or `wait` (until the file `NAME.go` is there); `kill 2` lets it be passed twice before. It
//! happens once: the file becomes `NAME.hit`.
//! A file `seen` there collects the names of all points that were passed.

/// The points that stand in the code by their full name. Those around each step of a restore are named by
/// `app::restores::failpoints`. A point that is in no list makes the test of the lists fail.
#[cfg(debug_assertions)]
pub const FIXED: &[&str] = &[
    "backup.begin",
    "backup.element.begin",
    "backup.indexed",
    "backup.element.stored",
    "backup.element.noted",
    "backup.prove",
    "backup.proven",
    "backup.end",
    "backup.ended",
    "cleanup.begin",
    "cleanup.expired",
    "cleanup.forgotten",
    "cleanup.noted",
    "prune.begin",
    "prune.planned",
    "prune.pack_written",
    "prune.index_written",
    "prune.index_removed",
    "prune.pack_removed",
    "prune.pruned",
    "cleanup.end",
    "cleanup.ended",
    "drill.begin",
    "drill.database.made",
    "drill.database.imported",
    "drill.done",
    "download.begin",
    "download.database.made",
    "download.database.imported",
    "download.part.begun",
    "download.part.written",
    "download.part.synced",
    "download.part.placed",
    "download.archive.noted",
    "download.end",
    "download.ended",
    "restore.begin",
    "restore.unwind",
    "restore.safety.named",
    "restore.safety.stored",
    "restore.safety.proven",
    "restore.safety.noted",
    "restore.trees.written",
    "restore.trees.exchanged",
    "restore.trees.exchanged_back",
    "restore.trees.carried_back",
    "restore.database.made",
    "restore.database.imported",
    "restore.database.switched",
    "restore.database.remembered",
    "restore.settings.written",
    "restore.settings.exchanged",
    "restore.end",
    "restore.ended",
];

/// Does what a test wants to happen here; otherwise nothing.
///
/// # Errors
/// What a test armed with `error`.
#[cfg(not(debug_assertions))]
#[inline]
pub fn hit(_: std::fmt::Arguments<'_>) -> super::error::Result<()> {
    Ok(())
}

/// In a release there is nothing to arm.
#[cfg(not(debug_assertions))]
pub fn arm_from(_: Option<std::path::PathBuf>) {}

#[cfg(debug_assertions)]
pub use armed::{arm_from, hit};

#[cfg(debug_assertions)]
mod armed {
    use super::super::error::{Error, Result};
    use rustix::process::{Signal, getpid, kill_process};
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::sync::OnceLock;
    use std::time::{Duration, Instant};

    static DIRECTORY: OnceLock<Option<PathBuf>> = OnceLock::new();
    /// A test that forgot to say `go` fails by itself; nothing waits for ever.
    const PATIENCE: Duration = Duration::from_secs(120);

    /// Once per process: where a test arms the points.
    pub fn arm_from(directory: Option<PathBuf>) {
        let _ = DIRECTORY.set(directory);
    }

    /// Does what a test wants to happen here; otherwise nothing. It blocks, as what happens here in earnest would.
    ///
    /// # Errors
    /// What a test armed with `error`.
    pub fn hit(name: std::fmt::Arguments<'_>) -> Result<()> {
        let Some(Some(directory)) = DIRECTORY.get() else { return Ok(()) };
        let name = name.to_string();
        note(&directory.join("seen"), &name);
        let (armed, done) = (directory.join(&name), directory.join(format!("{name}.hit")));
        let Ok(action) = std::fs::read_to_string(&armed) else { return Ok(()) };
        let (action, passes) = action.trim().split_once(' ').unwrap_or((action.trim(), "0"));
        if let Ok(left @ 1..) = passes.parse::<u32>() {
            let _ = std::fs::write(&armed, format!("{action} {}", left - 1));
            return Ok(());
        }
        if std::fs::rename(&armed, &done).is_err() {
            return Ok(()); // another process was here first
        }
        match action {
            "kill" => signal(Signal::KILL),
            "stop" => signal(Signal::STOP),
            "error" => return Err(Error::permanent(format!("a test failed the step at {name}"))),
            _ => wait(&directory.join(format!("{name}.go"))),
        }
        Ok(())
    }

    fn note(seen: &Path, name: &str) {
        if let Ok(mut file) = std::fs::File::options().append(true).open(seen) {
            let _ = file.write_all(format!("{name}\n").as_bytes());
        }
    }

    fn signal(signal: Signal) {
        let _ = kill_process(getpid(), signal);
        // A signal to oneself may arrive on another thread a moment later.
        std::thread::sleep(Duration::from_millis(if signal == Signal::KILL { 60_000 } else { 200 }));
    }

    fn wait(go: &Path) {
        let end = Instant::now() + PATIENCE;
        while !go.exists() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
