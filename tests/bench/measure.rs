//! What work costs: time, processor, memory, and what it leaves on the disk while it runs.

use crate::support::running::{Process, processes};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How often memory is looked at. The high-water mark is the kernel's, so only what happens in the last moments of a
/// process can be missed.
const OFTEN: Duration = Duration::from_millis(100);
/// Ticks of `/proc/PID/stat` in a second: always so on Linux.
const TICKS: f64 = 100.0;

#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Seconds.
    pub wall: f64,
    /// Seconds of all processes that worked for it, except the database server.
    pub cpu: f64,
    /// The largest resident size of any one process that was looked at, in bytes.
    pub peak: u64,
    /// How much the watched directories grew at most, deleted files that are still open included, in bytes.
    pub spool: u64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s, {:.1} s of CPU, peak {:.0} MB", self.wall, self.cpu, self.peak as f64 / 1e6)
    }
}

/// Whom to look at.
pub struct Meter {
    /// The process whose children do the work; our own children are always counted.
    pub server: Option<u32>,
    /// Names of the programs whose memory is of interest.
    pub programs: Vec<&'static str>,
    /// Directories that must not grow, each with those in it that may.
    pub watched: Vec<(PathBuf, Vec<PathBuf>)>,
    /// Directories in which Sitekeep's staging may lie; nothing else in them is looked at.
    pub staging: Vec<PathBuf>,
}

impl Meter {
    pub fn programs(names: &[&'static str]) -> Self {
        Self { server: None, programs: names.to_vec(), watched: Vec::new(), staging: Vec::new() }
    }

    /// Does the work and says what it cost.
    pub fn measure(&self, work: impl FnOnce()) -> Cost {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let looking = scope.spawn(|| self.look(&over));
            let (began, before) = (Instant::now(), self.cpu());
            // The thread that looks must end, also when the work panics: else the scope would wait for ever.
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            let (wall, cpu) = (began.elapsed().as_secs_f64(), self.cpu() - before);
            over.store(true, Relaxed);
            let (peak, spool) = looking.join().expect("looking does not panic");
            outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Cost { wall, cpu, peak, spool }
        })
    }

    /// Of our children that have ended, and of the server with its own.
    fn cpu(&self) -> f64 {
        let ours = times(std::process::id()).map_or(0.0, |t| t[2] + t[3]);
        ours + self.server.and_then(times).map_or(0.0, |t| t.iter().sum())
    }

    fn look(&self, over: &AtomicBool) -> (u64, u64) {
        let size = || self.watched.iter().map(|(dir, but)| disk_usage(dir, but)).sum::<u64>() + self.staged();
        let (before, mut peak, mut spool) = (size(), 0, 0);
        while !over.load(Relaxed) {
            let mut unnamed = 0;
            for pid in self.workers() {
                peak = peak.max(high_water(pid));
                unnamed += if self.watched.is_empty() { 0 } else { deleted_and_open(pid) };
            }
            if !self.watched.is_empty() {
                spool = spool.max(size().saturating_sub(before) + unnamed);
            }
            std::thread::sleep(OFTEN);
        }
        (peak, spool)
    }

    fn staged(&self) -> u64 {
        let entries = self.staging.iter().filter_map(|dir| std::fs::read_dir(dir).ok()).flatten().flatten();
        let ours = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b".sitekeep-"));
        ours.map(|entry| disk_usage(&entry.path(), &[])).sum()
    }

    /// Below us and below the server, those that are of interest.
    fn workers(&self) -> Vec<u32> {
        let all: HashMap<u32, Process> = processes().into_iter().map(|p| (p.pid, p)).collect();
        let roots = [Some(std::process::id()), self.server];
        let below = |mut pid: u32| {
            while let Some(process) = all.get(&pid) {
                if roots.contains(&Some(process.parent)) {
                    return true;
                }
                pid = process.parent;
            }
            false
        };
        all.keys().copied().filter(|pid| below(*pid) && self.is_of_interest(*pid)).collect()
    }

    fn is_of_interest(&self, pid: u32) -> bool {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|b| *b == 0).map(String::from_utf8_lossy);
        let program = words.next().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
        let with_verb = format!("{program} {}", words.next().unwrap_or_default());
        self.programs.iter().any(|name| *name == program || *name == with_verb)
    }
}

/// User and system time of a process and of its children that have ended, in seconds.
pub fn times(pid: u32) -> Option<[f64; 4]> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<f64> = stat.rsplit(')').next()?.split_whitespace().skip(11).take(4).filter_map(|f| f.parse().ok()).collect();
    Some([*fields.first()? / TICKS, *fields.get(1)? / TICKS, *fields.get(2)? / TICKS, *fields.get(3)? / TICKS])
}

pub fn high_water(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Bytes of files without a name that the process holds open; memory files are no disk.
fn deleted_and_open(pid: u32) -> u64 {
    let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return 0 };
    let unnamed = open.flatten().filter(|fd| {
        let target = std::fs::read_link(fd.path()).unwrap_or_default().to_string_lossy().into_owned();
        target.ends_with(" (deleted)") && !target.starts_with("/memfd:")
    });
    unnamed.filter_map(|fd| std::fs::metadata(fd.path()).ok()).map(|meta| meta.len()).sum()
}

/// Bytes of all files below `dir`, without what lies in `but`.
pub fn disk_usage(dir: &Path, but: &[PathBuf]) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let of = |entry: std::fs::DirEntry| {
        let path = entry.path();
        match entry.metadata() {
            Ok(_) | Err(_) if but.contains(&path) => 0,
            Ok(meta) if meta.is_dir() => disk_usage(&path, but),
            Ok(meta) => meta.blocks() * 512,
            Err(_) => 0, // it went away meanwhile
        }
    };
    entries.flatten().map(of).sum()
}
