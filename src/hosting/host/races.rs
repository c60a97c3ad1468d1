//! What the site's owner can do while root works: a process of another user swaps names for a second against each act,
//! and nothing outside of its site may change. Where we are not root there is no other user, and nothing to test.

use super::testing::{Scratch, give, other_user};
use super::{Carried, Staging, carry, empty_dir, exchange, read_file, replace_file, tree_size};
use crate::base::identity::Identity;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A directory of root's that the owner may look into, with a file that it may not change.
struct Canary(PathBuf);

impl Canary {
    fn new(s: &Scratch) -> Self {
        s.file("canary/file", "untouched");
        s.file("canary/dir/inner", "untouched");
        Self(s.path().join("canary"))
    }
    fn check(&self) {
        for file in ["file", "dir/inner"] {
            let path = self.0.join(file);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "untouched", "{} was changed", path.display());
        }
        for entry in ["", "file", "dir", "dir/inner"] {
            assert_eq!(std::fs::symlink_metadata(self.0.join(entry)).unwrap().uid(), 0, "{entry:?} was given away");
        }
        let names = |d: &Path| std::fs::read_dir(d).unwrap().count();
        assert_eq!((names(&self.0), names(&self.0.join("dir"))), (2, 1), "something came into the canary's directories");
    }
}

/// Runs `act` for a second, or until enough was fought, while the owner runs `attack` as fast as it can; both may fail as they like. Some acts must
/// succeed and many rounds must have been fought, or nothing was tested.
fn race(who: &Identity, attack: impl Fn() + Send + 'static, mut act: impl FnMut() -> bool) {
    let stop = Arc::new(AtomicBool::new(false));
    let (flag, who) = (stop.clone(), who.clone());
    let attacker = std::thread::spawn(move || {
        who.act(|| {
            let mut rounds = 0u64;
            while !flag.load(Ordering::Relaxed) {
                attack();
                rounds += 1;
            }
            rounds
        })
    });
    let began = Instant::now();
    let (mut rounds, mut done) = (0u64, 0u64);
    // On a busy machine a second holds few rounds: then it takes longer.
    let enough = |rounds, done| began.elapsed() > Duration::from_secs(1) && rounds > 10 && done > 0;
    while !enough(rounds, done) && began.elapsed() < Duration::from_secs(30) {
        done += u64::from(act());
        rounds += 1;
    }
    stop.store(true, Ordering::Relaxed);
    let attacks = attacker.join().unwrap();
    assert!(done > 0 && rounds > 10 && attacks > 10, "{attacks} attacks, {rounds} rounds, {done} done");
}

/// The name is in turn a link to `target`, a directory, and absent.
fn swap(name: &Path, target: &Path) {
    let _ = std::fs::remove_dir(name).or_else(|_| std::fs::rename(name, name.with_extension("away")));
    let _ = symlink(target, name);
    let _ = std::fs::remove_file(name);
    let _ = std::fs::rename(name.with_extension("away"), name).or_else(|_| std::fs::create_dir(name));
}

#[test]
fn an_owner_who_swaps_links_into_a_path_gets_no_file_replaced_outside() {
    let Some(who) = other_user() else { return };
    let s = Scratch::new();
    let canary = Canary::new(&s);
    let settings = s.file("home/conf/file", "settings");
    give(&s.path().join("home"), &who);
    let meta = std::fs::metadata(&settings).unwrap();
    let (conf, target) = (s.path().join("home/conf"), canary.0.clone());
    race(&who, move || swap(&conf, &target), || replace_file(&settings, b"written", &meta).is_ok());
    canary.check();
}

#[test]
fn an_owner_who_swaps_the_new_file_before_it_has_its_owner_gets_nothing_given() {
    let Some(who) = other_user() else { return };
    let s = Scratch::new();
    let canary = Canary::new(&s);
    let settings = s.file("home/file", "settings");
    let home = s.path().join("home");
    give(&home, &who);
    let meta = std::fs::metadata(&settings).unwrap();
    let target = canary.0.join("file");
    let attack = move || {
        for entry in std::fs::read_dir(&home).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(".sitekeep-") {
                let _ = std::fs::remove_file(entry.path());
                let _ = symlink(&target, entry.path());
            }
        }
    };
    race(&who, attack, || replace_file(&settings, b"written", &meta).is_ok());
    canary.check();
}

#[test]
fn an_owner_who_swaps_the_staging_directory_gets_nothing_moved_outside() {
    let Some(who) = other_user() else { return };
    let s = Scratch::new();
    let canary = Canary::new(&s);
    s.file("home/live/a", "live");
    let home = s.path().join("home");
    give(&home, &who);
    let live = home.join("live");
    let (h, target) = (home.clone(), canary.0.clone());
    let attack = move || {
        let _ = std::fs::rename(h.join(".sitekeep-t"), h.join("stolen"));
        let _ = symlink(&target, h.join(".sitekeep-t"));
        let _ = std::fs::rename(h.join("stolen"), h.join(".sitekeep-t")); // fails while the link is there
        let _ = std::fs::remove_file(h.join(".sitekeep-t"));
        let _ = std::fs::create_dir(h.join(".sitekeep-t"));
        let _ = std::fs::remove_dir(h.join(".sitekeep-t"));
        let _ = std::fs::rename(h.join("stolen"), h.join(".sitekeep-t"));
    };
    race(&who, attack, || {
        let Ok(staging) = Staging::make(&live, "t") else { return false };
        if let Ok(dir) = staging.fresh_dir("dir") {
            let _ = staging.dress(&dir, &live);
        }
        let done = exchange(&live, &staging.path().join("dir")).is_ok();
        let _ = staging.remove();
        done
    });
    canary.check();
}

#[test]
fn an_owner_who_swaps_folders_above_a_single_file_gets_nothing_exchanged_outside() {
    let Some(who) = other_user() else { return };
    let s = Scratch::new();
    let canary = Canary::new(&s);
    let live = s.file("home/folder/inner", "live");
    give(&s.path().join("home"), &who);
    let staging = Staging::make(&s.path().join("home"), "t").unwrap();
    let (folder, target, staged) = (s.path().join("home/folder"), canary.0.join("dir"), staging.path().join("part"));
    race(
        &who,
        move || swap(&folder, &target),
        || {
            std::fs::write(&staged, "staged").unwrap();
            exchange(&live, &staged).is_ok()
        },
    );
    canary.check();
}

#[test]
fn an_owner_who_swaps_parents_while_something_is_carried_gets_no_directory_given() {
    let Some(who) = other_user() else { return };
    let s = Scratch::new();
    let canary = Canary::new(&s);
    let live = s.dir("home/live");
    let staging = Staging::make(&live, "t").unwrap();
    staging.fresh_dir("code").unwrap();
    let old = staging.path().join("code");
    s.file("home/.sitekeep-t/code/dir/sub/inner", "upload");
    give(&live, &who);
    give(&s.path().join("home/live"), &who);
    std::os::unix::fs::chown(s.path().join("home"), Some(who.uid), Some(who.gid)).unwrap();
    give(&old, &who);
    let (h, target) = (s.path().join("home/live"), canary.0.clone());
    let attack = move || {
        swap(&h.join("dir"), &target);
        swap(&h.join("dir/sub"), &target.join("dir"));
    };
    race(&who, attack, || {
        let inner = Path::new("dir/sub/inner");
        let there = carry(&old, &live, inner).is_ok_and(|c| c != Carried::Absent);
        let back = carry(&live, &old, inner).is_ok_and(|c| c != Carried::Absent);
        there || back
    });
    canary.check();
}

#[test]
fn an_owner_who_swaps_directories_while_a_tree_is_removed_loses_only_its_own() {
    let Some(who) = other_user() else { return };
    let s = Scratch::new();
    let canary = Canary::new(&s);
    let top = s.dir("home/top");
    give(&s.path().join("home"), &who);
    let (t, target) = (top.clone(), canary.0.clone());
    let attack = move || {
        let _ = std::fs::create_dir_all(t.join("a/dir"));
        let _ = std::fs::write(t.join("a/dir/inner"), "mine");
        swap(&t.join("a"), &target);
        swap(&t.join("a/dir"), &target.join("dir"));
    };
    let root = Identity::of_process();
    race(&who, attack, || {
        empty_dir(&top, &root).is_ok() // the worst case: with root's rights
    });
    canary.check();
}

#[test]
fn a_reader_with_the_owners_rights_sees_nothing_that_the_owner_cannot() {
    let Some(who) = other_user() else { return };
    let s = Scratch::new();
    let secret = s.file("secret/file", "secret of root");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings = s.file("home/file", "settings");
    let home = s.path().join("home");
    give(&home, &who);
    let (name, target) = (settings.clone(), secret);
    let attack = move || {
        let _ = std::fs::remove_file(&name);
        let _ = symlink(&target, &name);
        let _ = std::fs::remove_file(&name);
        let _ = std::fs::hard_link(&target, &name);
        let _ = rustix::fs::mknodat(rustix::fs::CWD, &name, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0);
        let _ = std::fs::remove_file(&name);
        let _ = std::fs::write(&name, "settings");
    };
    race(&who, attack, || {
        if let Ok(Some(content)) = read_file(&settings, &who, 100) {
            assert!(content.bytes.is_empty() || content.bytes == b"settings");
        }
        tree_size(&home, &[], &who).is_ok()
    });
}
