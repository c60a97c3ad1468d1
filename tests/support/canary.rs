//! Does a secret show where it must not? Watches the arguments and environments of processes while something runs, and
//! searches directories afterwards. Give every secret of a test a text of its own: a canary.

use super::running::processes;
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

/// Looks every 5 ms until it is stopped.
pub struct Canary {
    stop: Arc<AtomicBool>,
    looks: Arc<AtomicU64>,
    thread: Option<JoinHandle<BTreeSet<String>>>,
}

/// Which processes are looked at; never the one that runs the tests, which knows every canary.
#[derive(Clone, Copy, Debug)]
pub enum Among {
    /// Every process of the host that we may look into.
    Everybody,
    /// A process, its session and all that descends from it.
    Tree(u32),
}

impl Canary {
    /// Begins to look for any of `secrets`.
    pub fn watch(among: Among, secrets: &[&str]) -> Self {
        let (stop, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopping, looking) = (stop.clone(), looks.clone());
        let secrets: Vec<String> = secrets.iter().map(|s| (*s).to_owned()).collect();
        let thread = std::thread::spawn(move || {
            let (mut seen, mut family) = (BTreeSet::new(), HashSet::new());
            while !stopping.load(Relaxed) {
                look(among, &secrets, &mut family, &mut seen);
                looking.fetch_add(1, Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
            seen
        });
        Self { stop, looks, thread: Some(thread) }
    }
    /// Ends the watch; one sentence for each place where a secret was seen.
    ///
    /// # Panics
    /// When it never came to look: then it proves nothing.
    pub fn stop(mut self) -> Vec<String> {
        self.stop.store(true, Relaxed);
        let seen = self.thread.take().map(|t| t.join().expect("the watch does not panic")).unwrap_or_default();
        assert!(self.looks.load(Relaxed) > 0, "the watch never came to look");
        seen.into_iter().collect()
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

fn look(among: Among, secrets: &[String], family: &mut HashSet<u32>, seen: &mut BTreeSet<String>) {
    let all = processes();
    if let Among::Tree(root) = among {
        family.insert(root);
        // Parents may stand after their children in the list, so it is read until nobody joins any more.
        loop {
            let before = family.len();
            family.extend(all.iter().filter(|p| p.session == root || family.contains(&p.parent)).map(|p| p.pid).collect::<Vec<_>>());
            if family.len() == before {
                break;
            }
        }
    }
    for process in all.iter().filter(|p| p.pid != std::process::id()) {
        if matches!(among, Among::Tree(_)) && !family.contains(&process.pid) {
            continue;
        }
        for place in ["cmdline", "environ"] {
            let bytes = std::fs::read(format!("/proc/{}/{place}", process.pid)).unwrap_or_default();
            for (number, secret) in secrets.iter().enumerate() {
                if memchr::memmem::find(&bytes, secret.as_bytes()).is_some() {
                    let first = bytes.split(|b| *b == 0).next().unwrap_or_default();
                    let what = if place == "cmdline" { first.escape_ascii().to_string() } else { String::new() };
                    seen.insert(format!("secret {number} in the {place} of a process {what}"));
                }
            }
        }
    }
}

/// Files below `dir` (which may be a file) that hold `secret`, in their bytes or in their names.
pub fn grep(dir: &Path, secret: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(path) = todo.pop() {
        let Ok(meta) = path.symlink_metadata() else { continue };
        let named = path.file_name().is_some_and(|n| n.to_string_lossy().contains(secret));
        if meta.is_dir() {
            todo.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|e| e.path()));
        }
        let held = meta.is_file() && std::fs::read(&path).is_ok_and(|b| memchr::memmem::find(&b, secret.as_bytes()).is_some());
        if named || held {
            found.push(path);
        }
    }
    found.sort();
    found
}
