use super::*;
use crate::base::error::{Class, Error};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

#[test]
fn a_second_repository_in_the_same_place_is_a_conflict() {
    let bench = Bench::new();
    let again = Repository::create(&Location::Local(bench.scratch.at("repo")), &Secret::new("x")).unwrap_err();
    assert_eq!(again.class(), Class::Conflict);
    bench.backup(vec![file("a", b"1")]).unwrap();
    std::fs::remove_file(bench.scratch.at("repo/config")).unwrap();
    let again = Repository::create(&Location::Local(bench.scratch.at("repo")), &Secret::new("x")).unwrap_err();
    assert_eq!(again.class(), Class::Conflict, "what is left of a repository is not overwritten either");
}

#[test]
fn opening_says_what_is_wrong() {
    let bench = Bench::new();
    let place = Location::Local(bench.scratch.at("repo"));
    assert!(Repository::open(&place, &bench.key).is_ok());
    let other = Bench::new();
    let wrong = Repository::open(&place, &other.key).unwrap_err();
    assert!(wrong.to_string().contains("key belongs to another repository"), "{wrong}");
    for bad in ["", "{}", "{\"mac\":{\"k\":\"\",\"r\":\"\"},\"encrypt\":\"\"}"] {
        assert_eq!(Repository::open(&place, &Secret::new(bad)).unwrap_err().class(), Class::Permanent);
    }
    let nowhere = Repository::open(&Location::Local(bench.scratch.at("nowhere")), &bench.key).unwrap_err();
    assert!(nowhere.to_string().contains("there is no repository in") && nowhere.hint_text().is_some());
    std::fs::write(bench.scratch.at("repo/config"), b"garbage").unwrap();
    assert_eq!(Repository::open(&place, &bench.key).unwrap_err().class(), Class::Permanent);
}

#[test]
fn a_snapshot_holds_its_sources_in_order_and_restic_agrees() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    std::fs::create_dir_all(site.join("sub/empty")).unwrap();
    std::fs::write(site.join("sub/a.txt"), b"hello").unwrap();
    std::fs::write(site.join("big"), noise(1, 3_000_000)).unwrap();
    let sources = vec![tree("files/public", &site), file("manifest.json", b"{}"), file("code/changes.patch", b"diff")];
    let stored = bench.backup(sources).unwrap();
    assert!(stored.problems.is_empty() && stored.left_out.is_empty());
    assert_eq!((stored.files, stored.bytes), (4, 3_000_000 + 5 + 2 + 4));
    assert!(stored.stored > 3_000_000 && stored.stored < 3_100_000, "{}", stored.stored);
    bench.judge();
    let totals = bench.repository.prove(&stored.snapshot, &Watch::new()).unwrap();
    assert_eq!(totals, Totals { files: 4, bytes: stored.bytes, dirs: 5, links: 0 });
    assert_eq!(bench.repository.prove_content(&stored.snapshot, &Watch::new()).unwrap(), totals);
    let names: Vec<_> = bench.repository.list(&stored.snapshot, Path::new("")).unwrap().into_iter().map(|e| e.name).collect();
    assert_eq!(names, [&b"code"[..], b"files", b"manifest.json"]);
    let listed = bench.repository.list(&stored.snapshot, Path::new("files/public")).unwrap();
    assert_eq!((listed[0].kind, listed[0].size, listed[1].kind), (Kind::File, 3_000_000, Kind::Directory));
    assert_eq!(bench.repository.file(&stored.snapshot, Path::new("manifest.json"), 100).unwrap(), b"{}");
    assert_eq!(bench.repository.file(&stored.snapshot, Path::new("files/public/big"), 100).unwrap_err().class(), Class::Invalid);
    assert_eq!(bench.repository.file(&stored.snapshot, Path::new("files/none"), 100).unwrap_err().class(), Class::NotFound);
    let (good, text) = bench.restic(&["restore", "latest", "--target", bench.scratch.at("out").to_str().unwrap()]);
    assert!(good, "{text}");
    assert_eq!(picture(&bench.scratch.at("out/files/public")), picture(&site));
    assert_eq!(std::fs::read(bench.scratch.at("out/code/changes.patch")).unwrap(), b"diff");
}

#[test]
fn snapshots_carry_their_tags_and_time_and_are_forgotten_by_id() {
    let bench = Bench::new();
    let mut first = label("shop.live/database");
    first.time = Millis(1_700_000_000_123);
    let one = bench.repository.backup(vec![file("a", b"1")], &first, &Watch::new()).unwrap();
    let two = bench.backup(vec![file("a", b"2")]).unwrap();
    let all = bench.repository.snapshots().unwrap();
    assert_eq!(all.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), [one.snapshot.as_str(), two.snapshot.as_str()]);
    assert_eq!(all[0].time, first.time);
    let mut tags = all[0].tags.clone();
    tags.sort();
    assert_eq!(tags, ["attempt=1", "job=1"]);
    bench.repository.forget(&[one.snapshot.clone(), one.snapshot.clone()]).unwrap();
    assert_eq!(bench.repository.snapshots().unwrap().len(), 1);
    assert_eq!(bench.repository.prove(&one.snapshot, &Watch::new()).unwrap_err().class(), Class::NotFound);
    for bad in ["../config", "latest", "", &two.snapshot[..8]] {
        assert_eq!(bench.repository.forget(&[bad.to_owned()]).unwrap_err().class(), Class::Invalid, "{bad}");
    }
    bench.judge();
}

#[test]
fn an_unchanged_tree_adds_next_to_nothing_and_a_changed_file_is_read_again() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    for i in 0..50 {
        std::fs::write(site.join(format!("{i}")), noise(i, 50_000)).unwrap();
    }
    let first = bench.backup(vec![tree("files", &site)]).unwrap();
    let second = bench.backup(vec![tree("files", &site)]).unwrap();
    assert!(first.stored > 2_000_000 && second.stored < 20_000, "{} {}", first.stored, second.stored);
    // The same size and, put back by hand, the same time: only the change time tells.
    let path = site.join("7");
    let time = std::fs::metadata(&path).unwrap().modified().unwrap();
    std::fs::write(&path, noise(99, 50_000)).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    let third = bench.backup(vec![tree("files", &site)]).unwrap();
    assert_eq!(bench.repository.file(&third.snapshot, Path::new("files/7"), 1 << 20).unwrap(), noise(99, 50_000));
}

#[test]
fn what_is_left_out_is_listed_with_its_reason() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    for path in ["cache/x", "css/a.css", "keep/a.css", "nested/files/upload"] {
        std::fs::create_dir_all(site.join(path).parent().unwrap()).unwrap();
        std::fs::write(site.join(path), b"x").unwrap();
    }
    rustix::fs::mknodat(rustix::fs::CWD, site.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(site.join("socket")).unwrap();
    let rule = |pattern: &str| Rule { pattern: pattern.into(), why: "it is made again".into() };
    let exclude = Exclude::new(vec![rule("/cache/"), rule("/css/")], vec![("nested/files".into(), "it is in files".into())]).unwrap();
    let stored = bench.backup(vec![Source::Tree(Tree { exclude, ..plain_tree("code", &site) })]).unwrap();
    drop(socket);
    let mut left_out: Vec<_> = stored.left_out.iter().map(|l| (l.path.to_str().unwrap(), l.why.split(':').next().unwrap())).collect();
    left_out.sort_unstable();
    let expected = [
        ("code/cache", "it is made again"),
        ("code/css", "it is made again"),
        ("code/nested/files", "it is in files"),
        ("code/pipe", "it is a named pipe"),
        ("code/socket", "it is a socket"),
    ];
    assert_eq!(left_out, expected);
    assert!(stored.problems.is_empty());
    assert_eq!(stored.files, 1);
}

#[test]
fn a_missing_root_is_an_error_or_an_empty_directory_as_asked() {
    let bench = Bench::new();
    let missing = bench.scratch.at("missing");
    let error = bench.backup(vec![tree("files", &missing)]).unwrap_err();
    assert!(error.to_string().contains("missing") && error.hint_text().is_some());
    assert!(bench.repository.snapshots().unwrap().is_empty());
    let stored = bench.backup(vec![Source::Tree(Tree { absent_is_empty: true, ..plain_tree("files", &missing) })]).unwrap();
    assert!(bench.repository.list(&stored.snapshot, Path::new("files")).unwrap().is_empty());
    std::os::unix::fs::symlink(bench.scratch.dir("real"), bench.scratch.at("link")).unwrap();
    assert!(bench.backup(vec![tree("files", &bench.scratch.at("link"))]).unwrap_err().to_string().contains("link"));
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_and_never_silent() {
    if !am_root() {
        return; // only root can act as another user
    }
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    std::fs::create_dir(site.join("closed")).unwrap();
    for path in ["secret", "open", "closed/x"] {
        std::fs::write(site.join(path), b"content").unwrap();
    }
    std::fs::set_permissions(site.join("secret"), PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::set_permissions(site.join("closed"), PermissionsExt::from_mode(0o700)).unwrap();
    let identity = Identity { uid: 65534, gid: 65534, groups: vec![65534] };
    let stored = bench.backup(vec![Source::Tree(Tree { identity, ..plain_tree("files", &site) })]).unwrap();
    let problems: Vec<_> = stored.problems.iter().map(|p| p.path.to_str().unwrap()).collect();
    assert_eq!(problems, ["files/closed", "files/secret"]);
    assert!(stored.problems[1].reason.contains("ermission denied"));
    assert_eq!(stored.files, 1);
    assert_eq!(bench.repository.prove(&stored.snapshot, &Watch::new()).unwrap().files, 1);
}

/// A file of holes, so large that whoever reads it can be disturbed.
pub fn large(path: &Path) {
    std::fs::File::create(path).unwrap().set_len(200 << 20).unwrap();
}

/// Appends to a file for as long as it lives.
pub struct Restless(Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>);

impl Restless {
    pub fn new(path: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut file = std::fs::File::options().append(true).open(path).unwrap();
            while !stopped.load(SeqCst) {
                file.write_all(b"line\n").unwrap();
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        });
        Self(stop, Some(thread))
    }
}

impl Drop for Restless {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
        self.1.take().unwrap().join().unwrap();
    }
}

#[test]
fn a_file_that_comes_to_rest_is_read_again_and_whole() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    large(&site.join("growing"));
    let (watch, path) = (Watch::new(), site.join("growing"));
    let seen = watch.clone();
    let writer = std::thread::spawn(move || {
        while seen.bytes() == 0 {
            std::thread::yield_now();
        }
        std::fs::File::options().append(true).open(path).unwrap().write_all(b"the end").unwrap();
    });
    let sources = vec![tree("files", &site), file("manifest.json", b"{}")];
    let stored = bench.repository.backup(sources, &label("x"), &watch).unwrap();
    writer.join().unwrap();
    assert_eq!(stored.problems, []);
    assert_eq!(stored.bytes, (200 << 20) + 7 + 2);
    let kept = bench.repository.file(&stored.snapshot, Path::new("files/growing"), 1 << 30).unwrap();
    assert!(kept.ends_with(b"\0the end"));
    assert_eq!(bench.repository.snapshots().unwrap().len(), 1, "the first pass left no snapshot");
    bench.judge();
}

#[test]
fn a_file_that_never_rests_makes_the_backup_incomplete() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    large(&site.join("log"));
    std::fs::write(site.join("still"), b"still").unwrap();
    let writer = Restless::new(site.join("log"));
    let stored = bench.backup(vec![tree("files", &site)]).unwrap();
    drop(writer);
    assert_eq!(stored.problems.len(), 1);
    assert_eq!(stored.problems[0].path, Path::new("files/log"));
    assert!(stored.problems[0].reason.contains("changed"));
    bench.repository.prove(&stored.snapshot, &Watch::new()).unwrap();
    bench.judge();
}

#[test]
fn files_that_come_and_go_do_no_harm() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    for i in 0..300 {
        std::fs::write(site.join(format!("stays-{i}")), noise(i, 2000)).unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, dir) = (stop.clone(), site.clone());
    let churn = std::thread::spawn(move || {
        for i in (0..40).cycle() {
            if stopped.load(SeqCst) {
                return;
            }
            let path = dir.join(format!("session-{i}"));
            std::fs::write(&path, b"x").unwrap();
            std::fs::remove_file(&path).unwrap();
        }
    });
    let stored = bench.backup(vec![tree("files", &site)]);
    stop.store(true, SeqCst);
    churn.join().unwrap();
    let stored = stored.unwrap();
    assert!(stored.files >= 300);
    assert!(stored.problems.iter().all(|p| p.path.to_str().unwrap().contains("session-")), "{:?}", stored.problems);
    bench.judge();
}

#[test]
fn a_cancelled_backup_leaves_no_snapshot_and_no_lock() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    std::fs::File::create(site.join("large")).unwrap().set_len(8 << 30).unwrap();
    let watch = Watch::new();
    let canceller = watch.clone();
    let thread = std::thread::spawn(move || {
        while canceller.bytes() == 0 {
            std::thread::yield_now();
        }
        canceller.cancel();
    });
    let error = bench.repository.backup(vec![tree("files", &site)], &label("x"), &watch).unwrap_err();
    thread.join().unwrap();
    assert_eq!(error.class(), Class::Cancelled);
    assert!(bench.repository.snapshots().unwrap().is_empty());
    assert!(bench.objects("locks").is_empty());
    bench.judge();
}

fn stream(size: u64, content: Vec<u8>, finish: Result<(), Error>) -> Source {
    Source::Stream(Stream {
        path: "database/database.sqlite".into(),
        size,
        reader: Box::new(std::io::Cursor::new(content)),
        finish: Box::new(move || finish),
    })
}

#[test]
fn a_stream_is_one_file_and_must_have_the_announced_size_and_a_good_end() {
    let bench = Bench::new();
    let content = noise(5, 3_500_000);
    let stored = bench.backup(vec![stream(3_500_000, content.clone(), Ok(()))]).unwrap();
    let mut back = Vec::new();
    bench.repository.dump(&stored.snapshot, Path::new("database"), &Watch::new()).unwrap().read_to_end(&mut back).unwrap();
    assert!(back == content);
    for (size, said) in [(3_499_999, Ok(())), (3_500_001, Ok(())), (3_500_000, Err(Error::permanent("the tool failed")))] {
        let wanted = said.clone().err().map(|e| e.to_string());
        let error = bench.backup(vec![stream(size, content.clone(), said)]).unwrap_err();
        assert!(wanted.is_none_or(|w| w == error.to_string()), "{error}");
        assert_eq!(bench.repository.snapshots().unwrap().len(), 1);
    }
    // Equal in size and time, and not the same.
    let other = noise(6, 3_500_000);
    let mut same_time = label("shop.live/files");
    same_time.time = Millis(1);
    for content in [&content, &other] {
        let stored = bench.repository.backup(vec![stream(3_500_000, content.clone(), Ok(()))], &same_time, &Watch::new()).unwrap();
        assert!(bench.repository.file(&stored.snapshot, Path::new("database/database.sqlite"), 1 << 30).unwrap() == *content);
    }
    bench.judge();
}

#[test]
fn restic_sees_our_lock_while_we_work_and_we_see_its_exclusive_one() {
    let bench = Bench::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    let reader = Box::new(Waiting(receiver));
    let source = Source::Stream(Stream { path: "x".into(), size: 0, reader, finish: Box::new(|| Ok(())) });
    let repository = bench.repository.clone();
    let backup = std::thread::spawn(move || repository.backup(vec![source], &label("x"), &Watch::new()));
    while bench.objects("locks").is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let (good, text) = bench.restic(&["prune"]);
    assert!(!good && text.contains("locked"), "{text}");
    let (good, text) = bench.restic(&["snapshots"]);
    assert!(good, "{text}");
    drop(sender);
    backup.join().unwrap().unwrap();
    assert!(bench.objects("locks").is_empty());
    let (good, text) = bench.restic(&["prune"]);
    assert!(good, "{text}");
}

/// Blocks until the sender is dropped, then ends.
struct Waiting(std::sync::mpsc::Receiver<()>);

impl Read for Waiting {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        let _ = self.0.recv();
        Ok(0)
    }
}

#[test]
fn half_written_files_of_dead_processes_are_swept() {
    let bench = Bench::new();
    let host: String = rustix::system::uname().nodename().to_string_lossy().chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    let dead = bench.scratch.at(&format!("repo/data/00/.tmp-{host}-99999999-0-aaaa"));
    let living = bench.scratch.at(&format!("repo/data/00/.tmp-{host}-{}-0-aaaa", std::process::id()));
    std::fs::write(&dead, b"x").unwrap();
    std::fs::write(&living, b"x").unwrap();
    bench.backup(vec![file("a", b"1")]).unwrap();
    assert!(!dead.exists() && living.exists());
}
