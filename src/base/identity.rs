//! Whose rights are used: the site's, wherever a file of a site is touched.
//!
//! The worker may run as root; a hostile site owner then tries to make it read or write, through links and renames,
//! what only root may. So the thread that opens a site's file first becomes the site's user (its *effective* ids and
//! groups, for this thread alone, which also drops root's powers over files), and the kernel refuses what the owner
//! could not have done. Where the worker is not root it is that user already, and nothing changes.

use super::error::{Context, Error, Result};
use rustix::process::{Gid, Uid};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// A user with its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
}

impl Identity {
    /// The user who runs this process.
    pub fn of_process() -> Self {
        Self::with_groups(rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw())
    }

    /// The owner of a file or directory (not of what a link points to).
    pub fn of_path(path: &Path) -> Result<Self> {
        let meta = std::fs::symlink_metadata(path).context(|| format!("looking at {}", path.display()))?;
        Ok(Self::with_groups(meta.uid(), meta.gid()))
    }

    /// A user by its name in /etc/passwd.
    ///
    /// # Errors
    /// `Invalid` when there is none.
    pub fn of_user(name: &str) -> Result<Self> {
        let passwd = std::fs::read_to_string("/etc/passwd").context(|| "reading /etc/passwd")?;
        let found = passwd.lines().find_map(|line| {
            let f: Vec<&str> = line.split(':').collect();
            (f.len() > 3 && f[0] == name).then(|| Some((f[2].parse().ok()?, f[3].parse().ok()?))).flatten()
        });
        let (uid, gid) =
            found.ok_or_else(|| Error::invalid(format!("there is no user `{name}` on this host")).hint("`getent passwd` lists them"))?;
        Ok(Self::with_groups(uid, gid))
    }

    fn with_groups(uid: u32, gid: u32) -> Self {
        let name = name_of(uid);
        let mut groups: Vec<u32> = std::fs::read_to_string("/etc/group")
            .unwrap_or_default()
            .lines()
            .filter_map(|line| {
                let f: Vec<&str> = line.split(':').collect();
                let member = f.len() > 3 && name.as_deref().is_some_and(|n| f[3].split(',').any(|m| m == n));
                if member { f[2].parse().ok() } else { None }
            })
            .collect();
        groups.push(gid);
        groups.sort_unstable();
        groups.dedup();
        Self { uid, gid, groups }
    }

    /// Is this the superuser?
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Runs `f` on this thread with this identity's rights over files.
    ///
    /// # Panics
    /// When the kernel refuses to change or to restore the ids: going on with the wrong rights would be worse.
    pub fn act<T>(&self, f: impl FnOnce() -> T) -> T {
        let _back = Borrowed::take(self);
        f()
    }

    /// Makes a child process start with this identity (all its ids; it cannot go back).
    pub fn apply(&self, command: &mut Command) {
        if rustix::process::getuid().is_root() && !self.is_root() {
            command.gid(self.gid).uid(self.uid);
        }
    }
}

/// The user's name in /etc/passwd.
pub fn name_of(uid: u32) -> Option<String> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd.lines().find(|l| l.split(':').nth(2).and_then(|u| u.parse::<u32>().ok()) == Some(uid))?;
    line.split(':').next().map(str::to_owned)
}

/// While it lives, this thread has borrowed rights; dropping it gives the old ones back, also in a panic.
struct Borrowed {
    groups: Vec<Gid>,
    active: bool,
}

impl Borrowed {
    fn take(who: &Identity) -> Self {
        use rustix::thread as t;
        if !rustix::process::getuid().is_root() || who.is_root() || !rustix::process::geteuid().is_root() {
            return Self { groups: Vec::new(), active: false };
        }
        let before = rustix::process::getgroups().expect("the groups of this process can be read");
        let groups: Vec<Gid> = who.groups.iter().map(|g| Gid::from_raw(*g)).collect();
        t::set_thread_groups(&groups).expect("root may set a thread's groups");
        let real = rustix::process::getgid();
        t::set_thread_res_gid(real, Gid::from_raw(who.gid), Gid::ROOT).expect("root may set a thread's group");
        t::set_thread_res_uid(Uid::ROOT, Uid::from_raw(who.uid), Uid::ROOT).expect("root may set a thread's user");
        Self { groups: before, active: true }
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        use rustix::thread as t;
        if self.active {
            t::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).expect("the real user is still root");
            t::set_thread_res_gid(rustix::process::getgid(), Gid::ROOT, Gid::ROOT).expect("the real group is still root's");
            t::set_thread_groups(&self.groups).expect("root may set a thread's groups");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borrowed_rights_end_with_the_closure_and_hold_only_on_its_thread() {
        if !rustix::process::getuid().is_root() {
            return; // not root: there is nothing to borrow, and act() is the identity function
        }
        let nobody = Identity { uid: 65534, gid: 65534, groups: vec![65534] };
        let shadow = || std::fs::File::open("/etc/shadow").is_ok();
        assert!(shadow());
        nobody.act(|| {
            assert!(!shadow(), "root's rights over files are dropped");
            assert!(
                std::thread::spawn(|| std::fs::File::open("/etc/shadow").is_err()).join().unwrap(),
                "a thread started inside inherits them"
            );
        });
        assert!(shadow());
        let caught = std::panic::catch_unwind(|| nobody.act(|| panic!("inside")));
        assert!(caught.is_err() && shadow(), "a panic gives root's rights back");
    }
}
