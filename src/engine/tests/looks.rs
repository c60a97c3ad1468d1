use super::*;
use crate::base::error::Class;
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
