use super::*;
use crate::base::error::Class;
use crate::engine::source::meta;
use rustic_core::repofile::{Node, NodeType};
use rustic_core::{BackupOptions, ReadSource, ReadSourceEntry, RusticResult, SnapshotOptions};
use std::ffi::OsStr;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// A source that names its files as it likes: where each lies for the library, and what it is called in the tree.
pub(super) struct Hostile(pub Vec<(PathBuf, String, NodeType)>);

impl ReadSource for Hostile {
    type Open = Pwned;
    type Iter = std::vec::IntoIter<RusticResult<ReadSourceEntry<Self::Open>>>;
    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }
    fn entries(&self) -> Self::Iter {
        let entry = |(path, name, kind): &(PathBuf, String, NodeType)| {
            let data = meta::of_memory(6, rustic_core::jiff::Timestamp::UNIX_EPOCH, 0);
            let node = Node::new_node(OsStr::new(name), kind.clone(), data);
            let open = node.is_file().then_some(Pwned);
            Ok(ReadSourceEntry { path: path.clone(), node, open })
        };
        self.0.iter().map(entry).collect::<Vec<_>>().into_iter()
    }
}

pub(super) struct Pwned;

impl rustic_core::ReadSourceOpen for Pwned {
    type Reader = &'static [u8];
    fn open(self) -> RusticResult<&'static [u8]> {
        Ok(b"pwned!")
    }
}

fn hostile(bench: &Bench, nodes: Vec<(String, NodeType)>) -> String {
    let place = |(number, (name, kind))| (PathBuf::from(format!("files/{number}")), name, kind);
    planted(bench, Hostile(nodes.into_iter().enumerate().map(place).collect()))
}

/// Stores it as it is; the snapshot.
pub(super) fn planted(bench: &Bench, source: Hostile) -> String {
    let session = bench.repository.session(&Watch::new()).unwrap();
    session.control.begin(true);
    session.control.complete();
    let repository = session.open().unwrap().to_indexed_ids().unwrap();
    let mut options = BackupOptions::default();
    options.parent_opts.force = true;
    let snapshot = SnapshotOptions::default().to_snapshot().unwrap();
    let written = repository.archive(&options, &source, snapshot, &[PathBuf::from("x")]).unwrap();
    written.id.to_hex().to_string()
}

/// How an archive of it ends; it must not look whole.
fn archive(bench: &Bench, snapshot: &str) -> Class {
    let mut out = Vec::new();
    let error = bench.repository.archive(snapshot, &About::default(), Packing::Gzip, &mut out, &Watch::new()).unwrap_err();
    assert!(std::io::copy(&mut flate2::read::GzDecoder::new(&out[..]), &mut std::io::sink()).is_err());
    error.class()
}

#[test]
fn names_that_are_paths_are_refused_by_everything_that_reads() {
    let bench = Bench::new();
    let abs = bench.scratch.at("abs-pwned");
    for name in ["../../pwned", abs.to_str().unwrap(), "..", ".", "", "a/b", "nul\0"] {
        let snapshot = hostile(&bench, vec![("good".into(), NodeType::File), (name.into(), NodeType::File)]);
        let into = format!("in-{}", chance::word(4));
        assert_eq!(bench.restore(&snapshot, "files", &into).unwrap_err().class(), Class::Damaged, "{name:?}");
        assert_eq!(bench.repository.list(&snapshot, Path::new("files")).unwrap_err().class(), Class::Damaged);
        assert_eq!(archive(&bench, &snapshot), Class::Damaged);
        assert_eq!(bench.repository.prove(&snapshot, &Watch::new()).unwrap_err().class(), Class::Damaged);
        assert!(files_below(&bench.scratch.at(&into)).is_empty());
    }
    assert!(!abs.exists() && !bench.scratch.at("pwned").exists() && !bench.scratch.at("../pwned").exists());
}

#[test]
fn a_link_and_a_file_of_one_name_do_not_lead_out_of_the_target() {
    let bench = Bench::new();
    let outside = bench.scratch.at("outside");
    let link = NodeType::from_link(&outside);
    let nodes =
        vec![("x".to_owned(), link.clone()), ("x".to_owned(), NodeType::File), ("y".to_owned(), NodeType::File), ("y".to_owned(), link)];
    let snapshot = hostile(&bench, nodes);
    assert_eq!(bench.restore(&snapshot, "files", "back").unwrap_err().class(), Class::Damaged);
    assert_eq!(archive(&bench, &snapshot), Class::Damaged, "it would lead whoever unpacks it astray");
    assert!(!outside.exists());
}

#[test]
fn special_files_in_a_repository_are_not_made() {
    let bench = Bench::new();
    let snapshot = hostile(&bench, vec![("dev".into(), NodeType::Chardev { device: 259 }), ("pipe".into(), NodeType::Fifo)]);
    let error = bench.restore(&snapshot, "files", "back").unwrap_err();
    assert!(error.to_string().contains("device"), "{error}");
    assert_eq!(archive(&bench, &snapshot), Class::Damaged);
    assert!(files_below(&bench.scratch.at("back")).is_empty());
}

#[test]
fn paths_asked_for_are_looked_up_and_never_opened() {
    let bench = Bench::new();
    let stored = bench.backup(vec![file("files/a", b"1")]).unwrap();
    for path in ["/etc/passwd", "../x", "files/../files/a", "files/a/b", "files/."] {
        let found = bench.repository.file(&stored.snapshot, Path::new(path), 100);
        assert!(matches!(found.unwrap_err().class(), Class::NotFound | Class::Invalid), "{path}");
    }
}

#[test]
fn a_site_that_swaps_files_for_links_under_our_hands_gets_nothing_of_others() {
    if !am_root() {
        return; // only root can read what the site's user cannot
    }
    let bench = Bench::new();
    const NOBODY: u32 = 65534;
    let secret = bench.scratch.dir("secret");
    std::fs::set_permissions(&bench.scratch.0, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::create_dir(secret.join("d")).unwrap();
    std::fs::write(secret.join("f"), b"TOP SECRET").unwrap();
    std::fs::write(secret.join("d/f"), b"TOP SECRET").unwrap();
    std::fs::set_permissions(secret.join("f"), PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::set_permissions(secret.join("d/f"), PermissionsExt::from_mode(0o600)).unwrap();
    let site = bench.scratch.dir("site");
    for i in 0..200 {
        std::fs::create_dir(site.join(format!("dir-{i}"))).unwrap();
        std::fs::write(site.join(format!("dir-{i}/f")), b"harmless").unwrap();
    }
    std::fs::hard_link(secret.join("f"), site.join("hard")).unwrap();
    Command::new("chown").args(["-R", "65534:65534"]).arg(&site).status().unwrap();
    std::os::unix::fs::chown(secret.join("f"), Some(0), Some(0)).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = {
        let (stop, site, secret) = (stop.clone(), site.clone(), secret.clone());
        let nobody = Identity { uid: NOBODY, gid: NOBODY, groups: vec![NOBODY] };
        std::thread::spawn(move || nobody.act(|| swap(&stop, &site, &secret)))
    };
    for _ in 0..4 {
        let identity = Identity { uid: NOBODY, gid: NOBODY, groups: vec![NOBODY] };
        let stored = bench.backup(vec![Source::Tree(Tree { identity, ..plain_tree("files", &site) })]).unwrap();
        let mut all = Vec::new();
        let mut reader = bench.repository.dump(&stored.snapshot, Path::new("files"), &Watch::new()).unwrap();
        std::io::Read::read_to_end(&mut reader, &mut all).unwrap();
        assert!(!all.windows(10).any(|w| w == b"TOP SECRET"), "what the site's user cannot read is in its backup");
        assert!(stored.problems.iter().any(|p| p.path == Path::new("files/hard")), "and the attempt is told");
    }
    stop.store(true, SeqCst);
    swapper.join().unwrap();
}

/// Exchanges directories and files with links to what is not the site's, as fast as it can.
fn swap(stop: &AtomicBool, site: &Path, secret: &Path) {
    for i in (0..200).cycle() {
        if stop.load(SeqCst) {
            return;
        }
        let (dir, aside) = (site.join(format!("dir-{i}")), site.join(format!("aside-{i}")));
        let _ = std::fs::rename(&dir, &aside);
        let _ = symlink(secret.join("d"), &dir);
        let _ = std::fs::remove_file(&dir);
        let _ = std::fs::rename(&aside, &dir);
        let _ = std::fs::rename(dir.join("f"), dir.join("g"));
        let _ = symlink(secret.join("f"), dir.join("f"));
        let _ = std::fs::rename(dir.join("g"), dir.join("f"));
    }
}

#[test]
fn a_pipe_in_the_place_of_a_file_does_not_hold_us() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, path) = (stop.clone(), site.join("x"));
    let swapper = std::thread::spawn(move || {
        while !stopped.load(SeqCst) {
            let _ = std::fs::write(path.with_extension("new"), b"file");
            let _ = std::fs::rename(path.with_extension("new"), &path);
            let _ = rustix::fs::mknodat(rustix::fs::CWD, path.with_extension("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0);
            let _ = std::fs::rename(path.with_extension("pipe"), &path);
        }
    });
    for _ in 0..3 {
        bench.backup(vec![tree("files", &site)]).unwrap();
    }
    stop.store(true, SeqCst);
    swapper.join().unwrap();
    bench.judge();
}
