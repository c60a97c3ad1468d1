//! A place away from every site, in which a backup is restored to be looked at, and once perhaps started.
//!
//! It lies in a folder of ours. While a backup is written into it nobody else may enter: it is a staging directory like any
//! other. For the one command that starts the restored site it comes out under another name, and belongs to the site's owner
//! as long as that runs; then it goes back and is removed. A folder that others may write to is refused.

use super::paths::open_dir;
use super::run::{Limits, kill_all, run};
use super::staging::Staging;
use super::switch::exchange;
use crate::base::error::{Context, Error, Result};
use crate::base::identity::Identity;
use rustix::fs::{Gid, Mode, Uid};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

#[derive(Debug)]
pub struct Scratch {
    staging: Staging,
    /// Where it stands while a command runs in it.
    outside: PathBuf,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub succeeded: bool,
    /// In words.
    pub how: String,
    /// The end of what it printed.
    pub output: String,
}

/// Bytes of output that are kept.
const TAIL: usize = 4000;

impl Scratch {
    /// Makes the place of a ticket in `folder`, which is made where it is not there.
    ///
    /// # Errors
    /// `Permanent` when others may write to the folder; as making directories.
    pub fn make(folder: &Path, ticket: &str) -> Result<Self> {
        let folder = prepared(folder)?;
        let staging = Staging::make(&beside(&folder), ticket)?;
        drop(staging.fresh_dir("site")?);
        Ok(Self { outside: outside(&folder, ticket), staging })
    }

    /// Removes what is left of the place of a ticket; one that is not there is no error.
    ///
    /// # Errors
    /// As removing files.
    pub fn clear(folder: &Path, ticket: &str) -> Result<()> {
        let Ok(folder) = folder.canonicalize() else { return Ok(()) };
        match Staging::reopen(&beside(&folder), ticket)? {
            Some(staging) => Self { outside: outside(&folder, ticket), staging }.remove(),
            None => Ok(()),
        }
    }

    /// Where everything lies; entered by us alone.
    pub fn path(&self) -> PathBuf {
        self.staging.path().join("site")
    }

    /// The same while a command runs.
    pub fn path_outside(&self) -> &Path {
        &self.outside
    }

    /// An empty directory in it. Nothing that was restored may lie above it.
    ///
    /// # Errors
    /// As making directories.
    pub fn dir(&self, relative: &Path) -> Result<OwnedFd> {
        super::paths::plain(relative)?;
        let path = self.path().join(relative);
        std::fs::create_dir_all(&path).context(|| format!("making {}", path.display()))?;
        open_dir(&path)
    }

    /// Gives a file in it to somebody.
    ///
    /// # Errors
    /// As changing an owner.
    pub fn give(&self, relative: &Path, who: &Identity) -> Result<()> {
        super::paths::plain(relative)?;
        if !Identity::of_process().is_root() {
            return Ok(());
        }
        let path = self.path().join(relative);
        std::os::unix::fs::lchown(&path, Some(who.uid), Some(who.gid)).context(|| format!("giving {} to its owner", path.display()))
    }

    /// Runs a program in a directory of it with the rights of `who`, who may enter the place until the program has ended.
    /// What it leaves running is ended with it.
    ///
    /// # Errors
    /// `Permanent` when it cannot be started or takes longer than `time`.
    pub fn run(&self, argv: &[String], relative: &Path, who: &Identity, time: Duration) -> Result<Ended> {
        super::paths::plain(relative)?;
        let (program, arguments) = argv.split_first().ok_or_else(|| Error::invalid("the boot command names no program"))?;
        let mut command = Command::new(program);
        command.args(arguments);
        let dir = open_dir(&self.path())?;
        if Identity::of_process().is_root() {
            rustix::fs::fchown(&dir, Some(Uid::from_raw(who.uid)), Some(Gid::from_raw(who.gid)))?;
        }
        rustix::fs::fchmod(&dir, Mode::RWXU)?;
        drop(dir);
        exchange(&self.outside, &self.path())?;
        let ran = run(command, &self.outside.join(relative), who, &Limits { time, head: 1 << 20, tail: TAIL });
        if let Ok(ran) = &ran {
            kill_all(ran.pid);
        }
        self.take_in()?;
        let ran = ran?;
        let out = String::from_utf8_lossy(&ran.out[ran.out.len().saturating_sub(TAIL)..]).into_owned();
        let output = [out.trim_end(), ran.err.trim_end()].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join("\n");
        Ok(Ended { succeeded: ran.status.success(), how: ran.status.to_string(), output })
    }

    /// Back into the staging directory, where nobody else may enter.
    fn take_in(&self) -> Result<()> {
        if std::fs::symlink_metadata(&self.outside).is_ok() {
            exchange(&self.path(), &self.outside)?;
        }
        Ok(())
    }

    /// Removes it with all that is in it.
    ///
    /// # Errors
    /// As removing files; [`Scratch::clear`] goes on.
    pub fn remove(self) -> Result<()> {
        self.take_in()?;
        self.staging.remove()
    }
}

fn beside(folder: &Path) -> PathBuf {
    folder.join("site")
}

fn outside(folder: &Path, ticket: &str) -> PathBuf {
    folder.join(format!("run-{ticket}"))
}

/// A real directory that only we may write to. Others pass through it: a site's owner on the way to his own copy.
fn prepared(folder: &Path) -> Result<PathBuf> {
    let what = || format!("making the folder for drills {}", folder.display());
    if !folder.exists() {
        std::fs::create_dir_all(folder).context(what)?;
        rustix::fs::chmod(folder, Mode::from_raw_mode(0o711)).context(what)?;
    }
    let meta = std::fs::symlink_metadata(folder).context(what)?;
    if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o022 != 0 {
        return Err(Error::permanent(format!("{} is not a folder that only Sitekeep may write to", folder.display()))
            .hint("remove it, or name another folder in SITEKEEP_DRILL_DIR"));
    }
    folder.canonicalize().context(what)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scratch as Place, owner};
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    #[test]
    fn the_owner_enters_while_the_command_runs_and_nothing_stays() {
        let place = Place::new();
        let folder = place.path().join("drills");
        let scratch = Scratch::make(&folder, "d1").unwrap();
        drop(scratch.dir(Path::new("code")).unwrap());
        std::fs::write(scratch.path().join("code/page"), "here").unwrap();
        std::fs::set_permissions(scratch.path().join("code/page"), std::fs::Permissions::from_mode(0o644)).unwrap();
        let time = Duration::from_secs(10);
        let ran = scratch.run(&argv(&["sh", "-c", "cat page; echo; ls ..; exit 3"]), Path::new("code"), &owner(), time).unwrap();
        assert_eq!((ran.succeeded, ran.output.as_str()), (false, "here\ncode"), "{ran:?}");
        assert!(scratch.path().join("code/page").exists() && !scratch.path_outside().exists(), "it is ours alone again");
        let e = scratch.run(&argv(&["sleep", "60"]), Path::new("code"), &owner(), Duration::from_secs(1)).unwrap_err();
        assert!(e.to_string().contains("did not end within 1 seconds"), "{e}");
        scratch.remove().unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn what_was_left_outside_by_a_command_that_was_killed_is_cleared() {
        let place = Place::new();
        let folder = place.path().join("drills");
        let scratch = Scratch::make(&folder, "d1").unwrap();
        drop(scratch.dir(Path::new("code")).unwrap());
        exchange(&scratch.outside, &scratch.path()).unwrap();
        drop(scratch);
        Scratch::clear(&folder, "d1").unwrap();
        Scratch::clear(&folder, "d1").unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        Scratch::clear(&place.path().join("never"), "d1").unwrap();
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_refused() {
        let place = Place::new();
        let folder = place.dir("open");
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Scratch::make(&folder, "d1").unwrap_err().to_string().contains("SITEKEEP_DRILL_DIR"));
        let link = place.path().join("link");
        std::os::unix::fs::symlink(place.dir("mine"), &link).unwrap();
        assert!(Scratch::make(&link, "d1").is_err());
    }
}
