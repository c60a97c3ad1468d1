//! Git: which commit is deployed, and what was changed since. The repository is the owner's, and so is its configuration,
//! which can name programs for nearly everything that git does.
//!
//! So git runs as the repository's owner, with an environment of its own, no system or user configuration, no network,
//! and every configured program taken away on the command line: monitors, hooks, external differs, text converters,
//! pagers, and the clean filters by the names that the configuration gives them. A filter that is added between the two
//! calls would still run, as the owner, who could have run it anyway; with root's rights nothing is run.

use super::host::{Limits, Ran, run};
use crate::base::error::{Context, Error, Result};
use crate::base::identity::Identity;
use rustix::fs::{Mode, OFlags};
use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Git {
    /// The commit checked out; empty when there is none yet.
    pub commit: String,
    /// A tag of that commit; the newest by version order when there are several.
    pub tag: Option<String>,
    /// `None` when no branch is checked out.
    pub branch: Option<String>,
    /// Tracked files that differ from the commit, at most 10,000.
    pub changed: Vec<String>,
    /// Files that are neither tracked nor ignored.
    pub untracked: u64,
    /// `git diff HEAD --binary`, to be applied to the commit; empty when it is larger than 32 MiB.
    pub patch: Vec<u8>,
    pub warnings: Vec<String>,
}

const PATCH: usize = 32 << 20;
const LISTED: usize = 10_000;
const TIME: Duration = Duration::from_secs(600);

/// Configuration that runs programs, changes the repository, or changes how a patch reads.
const DISARMED: [&str; 17] = [
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.pager=cat",
    "core.sshCommand=false",
    "core.gitProxy=none",
    "core.alternateRefsCommand=false",
    "core.untrackedCache=keep",
    "core.splitIndex=false",
    "core.quotePath=true",
    "credential.helper=",
    "protocol.allow=never",
    "diff.external=",
    "diff.autoRefreshIndex=true",
    "submodule.recurse=false",
    "safe.directory=*",
];

/// Looks at the Git work tree in `root`; `None` when there is none.
///
/// # Errors
/// `Permanent` when git is missing or cannot read the repository; the sentence holds what git said.
pub fn inspect(root: &Path, who: &Identity) -> Result<Option<Git>> {
    let at = root.join(".git");
    let Ok(meta) = who.act(|| std::fs::symlink_metadata(&at)) else { return Ok(None) };
    // A site that belongs to root may hold a repository that somebody else writes to: its owner's rights then.
    let who = if who.is_root() && meta.uid() != 0 { Identity::of_path(&at)? } else { who.clone() };
    let git = Repository::open(root, who)?;
    git.look().map(Some).context(|| format!("looking at the Git work tree in {}", root.display()))
}

struct Repository<'a> {
    root: &'a Path,
    who: Identity,
    /// `filter.NAME.clean=` and so on, for every filter that the configuration names.
    filters: Vec<String>,
    index: Option<IndexCopy>,
}

/// A copy of the index in a directory of the owner's. git writes the index anew after it compared files (`git diff`
/// does so in spite of GIT_OPTIONAL_LOCKS), and looking at a site must not change it.
struct IndexCopy(PathBuf, Identity);

impl IndexCopy {
    /// `None` when there is no index, or no place for a copy: then git works on the index itself.
    fn make(git_dir: &Path, who: &Identity) -> Option<Self> {
        let dir = std::env::temp_dir().join(format!("sitekeep-index-{}", crate::base::chance::word(16)));
        let copy = Self(dir.clone(), who.clone());
        let make = || -> std::io::Result<()> {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let mut from = File::from(rustix::fs::open(git_dir.join("index"), flags, Mode::empty())?);
            let meta = from.metadata()?;
            if !meta.is_file() {
                return Err(std::io::ErrorKind::InvalidInput.into());
            }
            DirBuilder::new().mode(0o700).create(&dir)?;
            let mut to = File::create_new(dir.join("index"))?;
            std::io::copy(&mut from, &mut to)?;
            // The time tells git which entries may have changed in the moment in which the index was written.
            to.set_modified(meta.modified()?)
        };
        who.act(make).ok().map(|()| copy)
    }
}

impl Drop for IndexCopy {
    fn drop(&mut self) {
        let _ = self.1.act(|| std::fs::remove_dir_all(&self.0));
    }
}

impl<'a> Repository<'a> {
    fn open(root: &'a Path, who: Identity) -> Result<Self> {
        let index = IndexCopy::make(&root.join(".git"), &who);
        let mut repository = Self { root, who, filters: Vec::new(), index };
        let listed = repository.git(&["config", "--list", "--name-only", "-z", "--includes"], 4 << 20)?;
        if listed.cut {
            return Err(Error::permanent("the configuration of the Git repository is larger than 4 MB"));
        }
        if !listed.status.success() {
            return Err(failed(&listed).context(format!("reading the configuration of the Git repository in {}", root.display())));
        }
        repository.filters = disarm(&listed.out)?;
        Ok(repository)
    }

    /// Runs git on this repository. Its output is cut at `limit` bytes.
    fn git(&self, arguments: &[&str], limit: usize) -> Result<Ran> {
        let mut command = Command::new("git");
        for setting in DISARMED.iter().copied().chain(self.filters.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        let git_dir = self.root.join(".git");
        command.arg("--no-pager").arg("--no-optional-locks").arg("--literal-pathspecs");
        command.arg("--git-dir").arg(git_dir).arg("--work-tree").arg(self.root).args(arguments);
        for (key, value) in [
            ("HOME", "/nonexistent"),
            ("XDG_CONFIG_HOME", "/nonexistent"),
            ("LC_ALL", "C"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_SYSTEM", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ALLOW_PROTOCOL", "none"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_PAGER", "cat"),
            ("GIT_EDITOR", "false"),
        ] {
            command.env(key, value);
        }
        if let Some(copy) = &self.index {
            command.env("GIT_INDEX_FILE", copy.0.join("index"));
        }
        run(command, self.root, &self.who, &Limits { time: TIME, head: limit, tail: 4096 }).map_err(|e| {
            if e.sentence().contains("no such program") {
                Error::permanent("git is not installed on this host").hint("apt-get install git")
            } else {
                e
            }
        })
    }

    /// One line of output, or nothing when git says that there is none.
    fn line(&self, arguments: &[&str]) -> Result<Option<String>> {
        let ran = self.git(arguments, 1 << 16)?;
        let text = String::from_utf8_lossy(&ran.out);
        Ok(text.lines().next().filter(|l| ran.status.success() && !l.is_empty()).map(str::to_owned))
    }

    fn look(&self) -> Result<Git> {
        let mut git = Git {
            commit: self.line(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])?.unwrap_or_default(),
            tag: None,
            branch: self.line(&["symbolic-ref", "--quiet", "--short", "HEAD"])?,
            changed: Vec::new(),
            untracked: 0,
            patch: Vec::new(),
            warnings: Vec::new(),
        };
        self.status(&mut git)?;
        if who_has_submodules(self.root, &self.who) {
            git.warnings.push("there are submodules: changes inside them are not looked for".to_owned());
        }
        if git.commit.is_empty() {
            git.warnings.push("nothing was committed yet".to_owned());
            return Ok(git);
        }
        git.tag = self.line(&["tag", "--points-at", "HEAD", "--sort=-version:refname", "--no-column"])?;
        self.patch(&mut git)?;
        Ok(git)
    }

    fn status(&self, git: &mut Git) -> Result<()> {
        let arguments = ["status", "--porcelain=v1", "-z", "--untracked-files=all", "--ignore-submodules=dirty", "--no-renames"];
        let ran = self.git(&arguments, 16 << 20)?;
        if !ran.status.success() {
            return Err(failed(&ran));
        }
        for entry in ran.out.split(|b| *b == 0).filter(|e| e.len() > 3) {
            if entry.starts_with(b"??") {
                git.untracked += 1;
            } else if git.changed.len() < LISTED {
                git.changed.push(String::from_utf8_lossy(&entry[3..]).into_owned());
            }
        }
        if ran.cut || git.changed.len() == LISTED {
            git.warnings.push("so many files differ from the commit that the list is cut off".to_owned());
        }
        Ok(())
    }

    fn patch(&self, git: &mut Git) -> Result<()> {
        if git.changed.is_empty() {
            return Ok(());
        }
        let plain = ["--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-relative", "--src-prefix=a/", "--dst-prefix=b/"];
        let whole = [
            "--binary",
            "--full-index",
            "--unified=3",
            "--inter-hunk-context=0",
            "--submodule=short",
            "--ignore-submodules=dirty",
            "HEAD",
            "--",
        ];
        let ran = self.git(&[&["diff"], &plain[..], &whole[..]].concat(), PATCH)?;
        if !ran.status.success() && !ran.cut {
            return Err(failed(&ran));
        }
        if ran.cut {
            let size = crate::base::units::size(PATCH as u64);
            git.warnings.push(format!("the changes since the commit are more than {size}: they are not kept as a patch"));
        } else {
            git.patch = ran.out;
        }
        Ok(())
    }
}

/// The settings that take the programs from every filter in a list of configured names.
fn disarm(names: &[u8]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for name in names.split(|b| *b == 0) {
        let name = String::from_utf8_lossy(name);
        let Some((driver, _)) = name.strip_prefix("filter.").and_then(|n| n.rsplit_once('.')) else { continue };
        // `-c` cannot say such a name, and no filter that is meant to work has one.
        if driver.contains(['=', '\n']) || driver.contains('\u{fffd}') {
            return Err(Error::permanent(format!("the Git configuration names a filter {driver:?} that cannot be switched off"))
                .hint("remove it from .git/config"));
        }
        for setting in [format!("filter.{driver}.clean="), format!("filter.{driver}.process="), format!("filter.{driver}.required=false")] {
            if !found.contains(&setting) {
                found.push(setting);
            }
        }
        if found.len() > 3000 {
            return Err(Error::permanent("the Git configuration names more than a thousand filters"));
        }
    }
    Ok(found)
}

fn who_has_submodules(root: &Path, who: &Identity) -> bool {
    who.act(|| std::fs::symlink_metadata(root.join(".gitmodules"))).is_ok()
}

fn failed(ran: &Ran) -> Error {
    let last: String = ran.err.lines().next_back().unwrap_or("git said nothing").chars().filter(|c| !c.is_control()).take(300).collect();
    Error::permanent(format!("git ended with {}: {last}", ran.status))
}

#[cfg(test)]
#[path = "code_tests.rs"]
mod tests;
