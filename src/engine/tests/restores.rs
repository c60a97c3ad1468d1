use super::*;
use crate::base::error::Class;
use std::ffi::OsStr;
use std::os::unix::fs::symlink;

fn set_time(path: &Path, seconds: i64, nanos: i64) {
    let time = rustix::fs::Timespec { tv_sec: seconds, tv_nsec: nanos as _ };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// A tree of everything that is hard to keep.
pub(super) fn zoo(site: &Path) {
    let odd: [&[u8]; 9] =
        [b"\xff\xfe", b"new\nline", b"-rf", b"esc\x1b[31m", b"back\\slash", b"quo\"te", "rtl\u{202e}x".as_bytes(), b"$HOME", b"a b"];
    for name in odd {
        std::fs::write(site.join(OsStr::from_bytes(name)), name).unwrap();
    }
    std::fs::write(site.join("x".repeat(255)), b"long").unwrap();
    std::fs::write(site.join("Case"), b"1").unwrap();
    std::fs::write(site.join("case"), b"2").unwrap();
    std::fs::create_dir_all(site.join("deep/er/and/deeper")).unwrap();
    std::fs::write(site.join("deep/er/empty"), b"").unwrap();
    std::fs::write(site.join("large"), noise(1, 5_000_123)).unwrap();
    std::fs::write(site.join("twice"), noise(1, 5_000_123)).unwrap();
    symlink("deep/er", site.join("link")).unwrap();
    symlink("/nowhere/at/all", site.join("dangling")).unwrap();
    symlink(OsStr::from_bytes(b"\xff raw"), site.join("raw-link")).unwrap();
    std::fs::hard_link(site.join("large"), site.join("deep/second-name")).unwrap();
    std::fs::set_permissions(site.join("case"), PermissionsExt::from_mode(0o4755)).unwrap();
    std::fs::set_permissions(site.join("Case"), PermissionsExt::from_mode(0o400)).unwrap();
    std::fs::set_permissions(site.join("deep/er"), PermissionsExt::from_mode(0o2770)).unwrap();
    std::fs::set_permissions(site.join("deep"), PermissionsExt::from_mode(0o1777)).unwrap();
    if am_root() {
        std::os::unix::fs::chown(site.join("large"), Some(1234), Some(4321)).unwrap();
        std::os::unix::fs::lchown(site.join("link"), Some(1234), Some(4321)).unwrap();
        std::os::unix::fs::chown(site.join("deep/er"), Some(1234), Some(4321)).unwrap();
        std::fs::set_permissions(site.join("deep/er"), PermissionsExt::from_mode(0o2770)).unwrap();
    }
    set_time(&site.join("twice"), -5, 123_456_789);
    set_time(&site.join("link"), 1_000_000_000, 1);
    set_time(&site.join("deep/er/and/deeper"), 1_600_000_000, 999_999_999);
    set_time(&site.join("deep"), 1_500_000_000, 5);
    set_time(site, 1_400_000_000, 7);
}

#[test]
fn a_tree_comes_back_as_it_was_and_as_restic_would_restore_it() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    zoo(&site);
    let stored = bench.backup(vec![tree("files/public", &site)]).unwrap();
    assert_eq!(stored.problems, []);
    let restored = bench.restore(&stored.snapshot, "files/public", "back").unwrap();
    assert_eq!(picture(&bench.scratch.at("back")), picture(&site));
    assert_eq!((restored.files, restored.dirs, restored.links), (16, 4, 3));
    assert_eq!(restored.bytes, stored.bytes);
    let differing = || bench.repository.differing(&stored.snapshot, "files/public".as_ref(), &bench.scratch.at("back"), &Watch::new());
    assert_eq!(differing().unwrap(), Vec::<std::path::PathBuf>::new());
    let totals = bench.repository.prove(&stored.snapshot, &Watch::new()).unwrap();
    assert_eq!((totals.files, totals.links, totals.bytes), (restored.files, restored.links, restored.bytes));
    let inode = |name: &str| std::fs::metadata(bench.scratch.at(name)).unwrap().ino();
    assert_eq!(inode("back/large"), inode("back/deep/second-name"));
    let (good, text) = bench.restic(&["restore", "latest", "--target", bench.scratch.at("out").to_str().unwrap()]);
    assert!(good, "{text}");
    // Targets of links that are not text: restic learnt to keep them after 0.14.
    let (mut by_restic, mut expected) = (picture(&bench.scratch.at("out/files/public")), picture(&site));
    let raw = &b"raw-link"[..];
    assert!(by_restic.remove(raw).is_some() && expected.remove(raw).is_some());
    assert_eq!(by_restic, expected);
    bench.judge();
}

#[test]
fn holes_stay_holes() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    let file = std::fs::File::create(site.join("sparse")).unwrap();
    file.set_len(64 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"in the middle", 33 << 20).unwrap();
    std::fs::File::create(site.join("one-hole")).unwrap().set_len(9000).unwrap();
    let stored = bench.backup(vec![tree("files", &site)]).unwrap();
    bench.restore(&stored.snapshot, "files", "back").unwrap();
    assert_eq!(picture(&bench.scratch.at("back")), picture(&site));
    assert!(std::fs::metadata(bench.scratch.at("back/sparse")).unwrap().blocks() * 512 <= 2 << 20);
    assert_eq!(std::fs::metadata(bench.scratch.at("back/one-hole")).unwrap().blocks(), 0);
}

#[test]
fn attributes_and_access_lists_come_back() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    std::fs::write(site.join("a"), b"1").unwrap();
    std::fs::create_dir(site.join("d")).unwrap();
    let set =
        |path: &str, name: &str, value: &[u8]| rustix::fs::lsetxattr(site.join(path), name, value, rustix::fs::XattrFlags::empty()).is_ok();
    if !set("a", "user.checksum", b"\x00\xff") {
        return; // this file system has no attributes
    }
    let entry = |tag: u16, rights: u16, id: u32| [tag.to_le_bytes(), rights.to_le_bytes()].concat().into_iter().chain(id.to_le_bytes());
    let none = u32::MAX;
    let list: Vec<u8> = [2, 0, 0, 0]
        .into_iter()
        .chain(entry(0x01, 7, none))
        .chain(entry(0x02, 6, 12345))
        .chain(entry(0x04, 5, none))
        .chain(entry(0x10, 7, none))
        .chain(entry(0x20, 0, none))
        .collect();
    let acls = set("a", "system.posix_acl_access", &list) && set("d", "system.posix_acl_default", &list);
    let stored = bench.backup(vec![tree("files", &site)]).unwrap();
    bench.restore(&stored.snapshot, "files", "back").unwrap();
    let get = |root: &str, path: &str, name: &str| {
        let mut value = vec![0; 1000];
        let n = rustix::fs::lgetxattr(bench.scratch.at(root).join(path), name, &mut value).unwrap();
        value[..n].to_vec()
    };
    assert_eq!(get("back", "a", "user.checksum"), b"\x00\xff");
    if acls {
        assert_eq!(get("back", "a", "system.posix_acl_access"), list);
        assert_eq!(get("back", "d", "system.posix_acl_default"), list);
        let mode = std::fs::metadata(bench.scratch.at("back/a")).unwrap().permissions().mode();
        assert_eq!(mode, std::fs::metadata(site.join("a")).unwrap().permissions().mode());
    }
    bench.judge();
}

#[test]
fn owners_can_be_mapped_to_another_site() {
    if !am_root() {
        return; // everything stays ours then
    }
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    for (name, owner) in [("mine", 1001), ("foreign", 5)] {
        std::fs::write(site.join(name), b"x").unwrap();
        std::os::unix::fs::chown(site.join(name), Some(owner), Some(owner)).unwrap();
        std::fs::set_permissions(site.join(name), PermissionsExt::from_mode(0o6755)).unwrap();
    }
    let stored = bench.backup(vec![tree("files", &site)]).unwrap();
    let owners = Owners { map: Some((1001, 1001, 2002, 2003)), as_recorded: false, drop_setid: true };
    let into = open(&bench.scratch.dir("back"));
    bench.repository.restore_tree(&stored.snapshot, Path::new("files"), &into, &owners, &Watch::new()).unwrap();
    for name in ["mine", "foreign"] {
        let meta = std::fs::metadata(bench.scratch.at("back").join(name)).unwrap();
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (2002, 2003, 0o755), "{name}");
    }
}

#[test]
fn nothing_is_restored_over_what_is_there() {
    let bench = Bench::new();
    let stored = bench.backup(vec![file("files/a", b"1")]).unwrap();
    std::fs::write(bench.scratch.dir("back").join("other"), b"x").unwrap();
    assert_eq!(bench.restore(&stored.snapshot, "files", "back").unwrap_err().class(), Class::Conflict);
    assert_eq!(bench.restore(&stored.snapshot, "none", "new").unwrap_err().class(), Class::NotFound);
    assert_eq!(bench.restore(&stored.snapshot, "files/a", "new").unwrap_err().class(), Class::Invalid);
    assert_eq!(bench.restore(&"0".repeat(64), "files", "new").unwrap_err().class(), Class::NotFound);
}

#[test]
fn deep_trees_and_long_paths_come_back() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    const DEPTH: u64 = 400;
    let mut at = open(&site);
    let name = "d".repeat(20);
    for _ in 0..DEPTH {
        rustix::fs::mkdirat(&at, &name, 0o755.into()).unwrap();
        let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::RDONLY;
        at = rustix::fs::openat(&at, &name, flags, 0.into()).unwrap();
    }
    let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    rustix::io::write(rustix::fs::openat(&at, "bottom", flags, 0o644.into()).unwrap(), b"deep").unwrap();
    let stored = bench.backup(vec![tree("files", &site)]).unwrap();
    assert_eq!(stored.problems, []);
    bench.repository.prove(&stored.snapshot, &Watch::new()).unwrap();
    let restored = bench.restore(&stored.snapshot, "files", "back").unwrap();
    assert_eq!((restored.files, restored.dirs), (1, DEPTH));
}

#[test]
fn a_tree_without_an_end_is_cut_and_told() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    let mut at = open(&site);
    for _ in 0..1100 {
        rustix::fs::mkdirat(&at, "d", 0o755.into()).unwrap();
        at = rustix::fs::openat(&at, "d", rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::RDONLY, 0.into()).unwrap();
    }
    let stored = bench.backup(vec![tree("files", &site)]).unwrap();
    assert_eq!(stored.problems.len(), 1);
    assert!(stored.problems[0].reason.contains("deeper than 1000"));
    let totals = bench.repository.prove(&stored.snapshot, &Watch::new()).unwrap();
    assert_eq!(totals.dirs, 1001);
    assert_eq!(bench.restore(&stored.snapshot, "files", "back").unwrap().dirs, 1000);
    let mut dump = bench.repository.dump(&stored.snapshot, Path::new("files"), &Watch::new()).unwrap();
    assert_eq!(std::io::Read::read_to_end(&mut dump, &mut Vec::new()).unwrap(), 0);
}

#[test]
fn a_cancelled_restore_says_so() {
    let bench = Bench::new();
    let stored = bench.backup(vec![file("files/a", b"1")]).unwrap();
    let watch = Watch::new();
    watch.cancel();
    let into = open(&bench.scratch.dir("back"));
    let error = bench.repository.restore_tree(&stored.snapshot, Path::new("files"), &into, &RECORDED, &watch).unwrap_err();
    assert_eq!(error.class(), Class::Cancelled);
}

#[test]
fn what_the_disk_made_of_a_restore_is_read_back_and_every_other_byte_is_noticed() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    zoo(&site);
    let stored = bench.backup(vec![tree("files", &site)]).unwrap();
    bench.restore(&stored.snapshot, "files", "back").unwrap();
    let back = bench.scratch.at("back");
    let differing = || {
        let mut found = bench.repository.differing(&stored.snapshot, "files".as_ref(), &back, &Watch::new()).unwrap();
        found.sort();
        found.into_iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(differing(), Vec::<String>::new());
    // One bit in the last piece of a large file, whose size and time stay.
    let mut bytes = std::fs::read(back.join("twice")).unwrap();
    bytes[5_000_000] ^= 1;
    std::fs::write(back.join("twice"), bytes).unwrap();
    assert_eq!(differing(), ["twice"]);
    std::fs::write(back.join("deep/er/empty"), "a").unwrap();
    std::fs::write(back.join("a b"), "a").unwrap();
    std::fs::remove_file(back.join("-rf")).unwrap();
    std::fs::remove_file(back.join("$HOME")).unwrap();
    symlink("twice", back.join("$HOME")).unwrap();
    assert_eq!(differing(), ["$HOME", "-rf", "a b", "deep/er/empty", "twice"]);
}

#[test]
fn chosen_parts_come_with_the_folders_above_them_and_nothing_else() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    zoo(&site);
    let stored = bench.backup(vec![tree("files/public", &site)]).unwrap();
    let write = |from: &str, parts: &[&str], into: &str| {
        let parts: Vec<PathBuf> = parts.iter().map(PathBuf::from).collect();
        let fd = open(&bench.scratch.dir(into));
        bench.repository.restore_parts(&stored.snapshot, Path::new(from), &parts, &fd, &RECORDED, &Watch::new())
    };
    let restored = write("files/public", &["files/public/deep/er", "files/public/large", "files/public/link"], "some").unwrap();
    assert_eq!((restored.files, restored.dirs, restored.links), (2, 4, 1));
    let (all, some) = (picture(&site), picture(&bench.scratch.at("some")));
    for path in ["deep", "deep/er", "deep/er/empty", "deep/er/and/deeper", "link"] {
        assert_eq!(some.get(path.as_bytes()), all.get(path.as_bytes()), "{path}");
    }
    assert_eq!(std::fs::read(bench.scratch.at("some/large")).unwrap(), std::fs::read(site.join("large")).unwrap());
    assert!(!bench.scratch.at("some/deep/second-name").exists() && !bench.scratch.at("some/twice").exists());
    // A name that only begins like one of them is another; and the tree itself is a part of what is above it.
    assert_eq!(write("files/public", &["files/public/Case"], "one").unwrap().files, 1);
    assert_eq!(write("files", &["files/public"], "whole").unwrap().files, 16);
    assert_eq!(write("files/public", &["files/public/large", "files/public/gone"], "none").unwrap_err().class(), Class::NotFound);
}
