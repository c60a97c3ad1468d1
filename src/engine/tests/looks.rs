use super::*;
use crate::base::error::Class;
use crate::domain::walk::{Difference, Differences, Walk};
use std::ffi::OsStr;
use std::time::Instant;

#[test]
fn a_folder_is_listed_page_by_page_with_names_as_they_are() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    let odd: [&[u8]; 6] = [b"new\nline", b"\xff\xfe", b"a\\nb", b"..x", "rtl\u{202e}x".as_bytes(), &[b'x'; 255]];
    for name in odd {
        std::fs::write(site.join(OsStr::from_bytes(name)), name).unwrap();
    }
    std::fs::create_dir_all(site.join("zoo/inner")).unwrap();
    std::fs::write(site.join("zoo/inner/File.TXT"), b"found").unwrap();
    std::os::unix::fs::symlink("/etc", site.join("away")).unwrap();
    let stored = bench.backup(vec![tree("files", &site)]).unwrap();
    let look = bench.repository.look(&stored.snapshot).unwrap();
    let folder = look.folder(Path::new("files")).unwrap();
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let (page, more) = folder.page(after.as_ref(), 3);
        names.extend(page.iter().map(|e| e.name.clone()));
        after = page.last().map(|e| Mark { is_folder: e.kind == Kind::Directory, name: e.name.clone() });
        if !more {
            break;
        }
    }
    let mut expected: Vec<Vec<u8>> = odd.iter().map(|n| n.to_vec()).chain([b"away".to_vec()]).collect();
    expected.sort();
    expected.insert(0, b"zoo".to_vec());
    assert_eq!(names, expected, "folders first, then by name, each once");
    // The library's own reading agrees, in every field.
    let mut same = bench.repository.list(&stored.snapshot, Path::new("files")).unwrap();
    same.sort_by_key(|e| (e.kind != Kind::Directory, e.name.clone()));
    assert_eq!(same, folder.entries);
    let nowhere = ["..", "files/..", "../files", "/files", "files/away/passwd", "files/nothing", "files/zoo/../zoo", "Files"];
    for path in nowhere {
        assert_eq!(look.entry(Path::new(path)).unwrap_err().class(), Class::NotFound, "{path}");
        assert!(matches!(look.folder(Path::new(path)).unwrap_err().class(), Class::NotFound | Class::Invalid), "{path}");
    }
    let hits = look.search(Path::new(""), &|name| name.ends_with(b".TXT"), 9, &Watch::new()).unwrap();
    assert_eq!((hits.found[0].0.as_path(), hits.found.len(), hits.stopped), (Path::new("files/zoo/inner/File.TXT"), 1, false));
    let watch = Watch::new();
    watch.cancel();
    assert!(look.search(Path::new(""), &|_| true, 9, &watch).unwrap().stopped);
    assert!(look.search(Path::new(""), &|_| true, 2, &Watch::new()).unwrap().stopped);
    assert_eq!(look.beginning(Path::new("files/zoo/inner/File.TXT"), 3).unwrap(), b"fou");
    // What was kept is not another repository's, and not in the way of what comes later.
    assert!(Bench::new().repository.look(&stored.snapshot).is_err());
    std::fs::write(site.join("zoo/inner/File.TXT"), b"changed").unwrap();
    let later = bench.backup(vec![tree("files", &site)]).unwrap();
    let then = bench.repository.look(&later.snapshot).unwrap();
    let file = Path::new("files/zoo/inner/File.TXT");
    assert_eq!((then.beginning(file, 99).unwrap(), look.beginning(file, 99).unwrap()), (b"changed".to_vec(), b"found".to_vec()));
    assert_ne!(then.version(file).unwrap().content, look.version(file).unwrap().content);
    let other = Path::new("files/..x");
    assert_eq!(then.version(other).unwrap().content, look.version(other).unwrap().content);
    bench.repository.forget(std::slice::from_ref(&stored.snapshot)).unwrap();
    assert_eq!(bench.repository.look(&stored.snapshot).unwrap_err().class(), Class::NotFound, "also while its index is kept");
}

#[test]
fn a_folder_of_a_hundred_thousand_entries_is_turned_page_by_page_at_once() {
    let bench = Bench::new();
    let site = PathBuf::from(format!("/dev/shm/sitekeep-{}", chance::word(12)));
    std::fs::create_dir(&site).unwrap();
    for n in 0..100_000 {
        std::fs::File::create(site.join(format!("photo-{n:06}.jpg"))).unwrap();
    }
    let stored = bench.backup(vec![tree("files", &site)]);
    std::fs::remove_dir_all(&site).unwrap();
    let snapshot = stored.unwrap().snapshot;
    let page = |after: &str| {
        let began = Instant::now();
        let look = bench.repository.look(&snapshot).unwrap();
        let folder = look.folder(Path::new("files")).unwrap();
        let (page, more) = folder.page(Some(&Mark { is_folder: false, name: after.into() }), 200);
        (page[0].name.clone(), page.len(), more, folder.entries.len(), began.elapsed())
    };
    let (name, _, more, all, first) = page("");
    assert_eq!((name, more, all), (b"photo-000000.jpg".to_vec(), true, 100_000));
    let (name, length, more, _, again) = page("photo-099799.jpg");
    assert_eq!((name, length, more), (b"photo-099800.jpg".to_vec(), 200, false));
    println!("100,000 entries: the first page took {first:?}, the last one {again:?}");
    assert!(again.as_millis() < 300, "{again:?}");
}

fn compared(bench: &Bench, before: &str, after: &str, change: impl FnOnce(&mut Walk)) -> Differences {
    let (before, after) = (bench.repository.look(before).unwrap(), bench.repository.look(after).unwrap());
    let mut walk = Walk::new(100, Watch::new());
    change(&mut walk);
    walk.run(Path::new(""), &before.below(Path::new(""), None), &after.below(Path::new(""), None)).unwrap();
    walk.found
}

#[test]
fn two_snapshots_are_compared_by_their_content_and_by_nothing_else() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    for (path, text) in [("a/same", "same"), ("a/renewed", "one"), ("b/gone", "gone"), ("b/touched", "t"), ("turn", "file")] {
        std::fs::create_dir_all(site.join(path).parent().unwrap()).unwrap();
        std::fs::write(site.join(path), text).unwrap();
    }
    std::os::unix::fs::symlink("here", site.join("link")).unwrap();
    std::os::unix::fs::symlink("there", site.join("way")).unwrap();
    let before = bench.backup(vec![tree("files", &site)]).unwrap().snapshot;
    assert!(compared(&bench, &before, &before, |_| {}).is_none());
    std::fs::write(site.join("a/renewed"), "two").unwrap(); // of the same size
    std::fs::remove_file(site.join("b/gone")).unwrap();
    std::fs::set_permissions(site.join("b/touched"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::remove_file(site.join("turn")).unwrap();
    std::fs::create_dir_all(site.join("turn/into")).unwrap();
    std::fs::write(site.join("turn/into/x"), "12345").unwrap();
    std::fs::write(site.join(OsStr::from_bytes(b"odd\xff\n")), "1").unwrap();
    std::fs::remove_file(site.join("link")).unwrap();
    std::os::unix::fs::symlink("elsewhere", site.join("link")).unwrap();
    let after = bench.backup(vec![tree("files", &site)]).unwrap().snapshot;
    let found = compared(&bench, &before, &after, |_| {});
    let of = |d: &Difference| (d.path.as_os_str().as_bytes().to_vec(), d.before.is_some(), d.after.is_some());
    let expected: [(&[u8], bool, bool); 6] = [
        (b"files/a/renewed", true, true),
        (b"files/b/gone", true, false),
        (b"files/link", true, true),
        (b"files/odd\xff\n", false, true),
        (b"files/turn", true, false),
        (b"files/turn/into/x", false, true),
    ];
    assert_eq!(found.page.iter().map(of).collect::<Vec<_>>(), expected.map(|(p, a, b)| (p.to_vec(), a, b)));
    assert_eq!((found.added.bytes, found.removed.bytes, found.touched, found.unread), (6, 8, 1, 0));
    // From one place alone, and only an entry of it.
    let (then, now) = (bench.repository.look(&before).unwrap(), bench.repository.look(&after).unwrap());
    let mut walk = Walk::new(9, Watch::new());
    let (root, only) = (Path::new("files/a"), Some(OsStr::new("renewed")));
    walk.run(root, &then.below(root, only), &now.below(root, only)).unwrap();
    assert_eq!((walk.found.changed.count, walk.found.added.count), (1, 0));
    let mut walk = Walk::new(9, Watch::new());
    let root = Path::new("files/turn");
    walk.run(root, &then.below(root, None), &now.below(root, None)).unwrap();
    assert_eq!((walk.found.added.count, walk.found.removed.count), (1, 0), "there was no folder there");
}

#[test]
fn a_hundred_thousand_changes_in_one_folder_are_counted_and_turned_page_by_page() {
    let bench = Bench::new();
    let site = PathBuf::from(format!("/dev/shm/sitekeep-{}", chance::word(12)));
    std::fs::create_dir_all(site.join("same")).unwrap();
    for n in 0..20_000 {
        std::fs::File::create(site.join(format!("same/{n}"))).unwrap();
    }
    let before = bench.backup(vec![tree("files", &site)]).unwrap().snapshot;
    std::fs::create_dir(site.join("new")).unwrap();
    for n in 0..100_000 {
        std::fs::File::create(site.join(format!("new/photo-{n:06}.jpg"))).unwrap();
    }
    let stored = bench.backup(vec![tree("files", &site)]);
    std::fs::remove_dir_all(&site).unwrap();
    let after = stored.unwrap().snapshot;
    let began = Instant::now();
    let found = compared(&bench, &before, &after, |_| {});
    let first = began.elapsed();
    assert_eq!((found.added.count, found.page.len(), found.more), (100_000, 100, true));
    let mark = Some(PathBuf::from("files/new/photo-099989.jpg"));
    let found = compared(&bench, &before, &after, |walk| walk.after = mark);
    assert_eq!((found.added.count, found.page.len(), found.more), (100_000, 10, false));
    println!("100,000 changes: the first page took {first:?}");
    let began = Instant::now();
    assert!(compared(&bench, &after, &after, |_| {}).is_none());
    assert!(began.elapsed().as_millis() < 500, "what is equal is not read: {:?}", began.elapsed());
}
