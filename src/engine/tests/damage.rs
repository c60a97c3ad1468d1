use super::*;
use crate::base::error::Class;
use std::io::Read;

fn site(bench: &Bench) -> String {
    let site = bench.scratch.dir("site");
    std::fs::create_dir(site.join("sub")).unwrap();
    for i in 0..20 {
        std::fs::write(site.join(format!("sub/{i}")), noise(i, 30_000)).unwrap();
    }
    bench.backup(vec![tree("files", &site)]).unwrap().snapshot
}

/// Everything that reads: each must end well or say `Damaged`, and never restore anything else than what was stored.
fn read_all(bench: &Bench, snapshot: &str, into: &str) -> Result<(), Class> {
    let mut dump = Vec::new();
    let dumped = bench.repository.dump(snapshot, Path::new("files"), &Watch::new());
    let dumped = dumped.map_err(|e| e.class()).and_then(|mut r| r.read_to_end(&mut dump).map_err(|_| Class::Damaged));
    let proven = bench.repository.prove_content(snapshot, &Watch::new()).map_err(|e| e.class());
    let restored = bench.restore(snapshot, "files", into).map_err(|e| e.class());
    assert_eq!(restored.is_ok(), proven.is_ok(), "proof and restore disagree");
    assert_eq!(restored.is_ok(), dumped.is_ok());
    for path in files_below(&bench.scratch.at(into)) {
        let relative = path.strip_prefix(bench.scratch.at(into)).unwrap();
        assert!(std::fs::read(&path).unwrap() == std::fs::read(bench.scratch.at("site").join(relative)).unwrap(), "{relative:?} is wrong");
    }
    proven?;
    restored?;
    Ok(())
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is_and_never_panics() {
    let bench = Bench::new();
    let snapshot = site(&bench);
    assert_eq!(read_all(&bench, &snapshot, "good"), Ok(()));
    let mut objects: Vec<_> = ["data", "index", "snapshots"].iter().flat_map(|folder| bench.objects(folder)).collect();
    objects.push(bench.scratch.at("repo/config"));
    let mut tried = 0;
    for path in objects {
        let whole = std::fs::read(&path).unwrap();
        for part in 0..6 {
            let at = (whole.len() - 1) * part / 6;
            let mut altered = whole.clone();
            altered[at] ^= 0x10;
            std::fs::write(&path, &altered).unwrap();
            tried += 1;
            let result = read_all(&bench, &snapshot, &format!("out-{tried}"));
            assert_eq!(result, Err(Class::Damaged), "bit {at} of {}", path.display());
        }
        std::fs::write(&path, &whole).unwrap();
    }
    assert!(tried >= 24);
    assert_eq!(read_all(&bench, &snapshot, "good-again"), Ok(()));
}

#[test]
fn what_was_cut_short_or_is_missing_is_damage() {
    let bench = Bench::new();
    let snapshot = site(&bench);
    for (number, path) in bench.objects("data").into_iter().chain(bench.objects("index")).enumerate() {
        let whole = std::fs::read(&path).unwrap();
        for len in [0, 10, whole.len() / 2] {
            std::fs::write(&path, &whole[..len]).unwrap();
            assert_eq!(read_all(&bench, &snapshot, &format!("cut-{number}-{len}")), Err(Class::Damaged), "{} cut to {len}", path.display());
            let proof = bench.repository.prove(&snapshot, &Watch::new()).unwrap_err();
            assert_eq!(proof.class(), Class::Damaged, "the quick proof sees it, too");
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read_all(&bench, &snapshot, &format!("gone-{number}")), Err(Class::Damaged), "{} removed", path.display());
        std::fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn the_snapshots_that_need_a_damaged_pack_are_named_and_no_others() {
    let bench = Bench::new();
    let back_up = |a, b| bench.backup(vec![file("files/a", &noise(a, 50_000)), file("files/b", &noise(b, 50_000))]).unwrap().snapshot;
    let one = back_up(1, 2);
    let first = bench.objects("data");
    let (two, three) = (back_up(1, 3), back_up(4, 5));
    let later: Vec<_> = bench.objects("data").into_iter().filter(|p| !first.contains(p)).collect();
    let all = [one.clone(), two.clone(), three.clone()];
    let needing = |packs: &[PathBuf]| {
        let names: Vec<String> = packs.iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect();
        bench.repository.needing(&names, &all, &Watch::new()).unwrap()
    };
    let holds = |wanted: &[&String]| wanted.iter().map(|s| (*s).clone()).collect::<Vec<_>>();
    assert_eq!(needing(&first), holds(&[&one, &two]), "what the second shares with the first");
    assert_eq!(needing(&later), holds(&[&two, &three]));
    assert!(needing(&[]).is_empty());
    // What cannot even be read is named, whatever packs are asked for.
    std::fs::remove_file(bench.scratch.at("repo/snapshots").join(&three)).unwrap();
    assert_eq!(needing(&[]), holds(&[&three]));
}

#[test]
fn a_storage_that_serves_one_blob_for_another_is_found_out() {
    let bench = Bench::new();
    let sources = |a, b| vec![file("files/a", &noise(a, 50_000)), file("files/b", &noise(b, 50_000))];
    let one = bench.backup(sources(1, 2)).unwrap();
    let packs = bench.objects("data");
    let two = bench.backup(sources(3, 4)).unwrap();
    // The data packs of both are of equal size and layout, and both are sealed with the right key.
    let larger = |paths: Vec<PathBuf>| paths.into_iter().max_by_key(|p| std::fs::metadata(p).unwrap().len()).unwrap();
    let first = larger(packs.clone());
    let second = larger(bench.objects("data").into_iter().filter(|p| !packs.contains(p)).collect());
    std::fs::copy(&second, &first).unwrap();
    assert!(bench.repository.prove(&one.snapshot, &Watch::new()).is_ok(), "lengths are right");
    assert_eq!(bench.repository.prove_content(&one.snapshot, &Watch::new()).unwrap_err().class(), Class::Damaged);
    let error = bench.restore(&one.snapshot, "files", "back").unwrap_err();
    assert_eq!(error.class(), Class::Damaged);
    assert!(error.to_string().contains("2 of 2") && error.to_string().contains("a: "), "{error}");
    assert!(files_below(&bench.scratch.at("back")).is_empty());
    bench.restore(&two.snapshot, "files", "back-two").unwrap();
}

#[test]
fn a_missing_folder_is_an_error_and_not_a_shorter_list() {
    let bench = Bench::new();
    let snapshot = site(&bench);
    std::fs::rename(bench.scratch.at("repo/snapshots"), bench.scratch.at("aside")).unwrap();
    assert!(bench.repository.snapshots().is_err());
    std::fs::rename(bench.scratch.at("aside"), bench.scratch.at("repo/snapshots")).unwrap();
    let folder = bench.objects("data")[0].parent().unwrap().to_owned();
    std::fs::remove_dir_all(folder).unwrap();
    assert_eq!(bench.repository.prove(&snapshot, &Watch::new()).unwrap_err().class(), Class::Damaged);
}

/// A file system of `size` bytes in memory; `None` where we may not mount one.
struct Small(PathBuf);

impl Small {
    fn mount(at: PathBuf, options: &str) -> Option<Self> {
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&at).output().ok()?;
        done.status.success().then_some(Self(at))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_under_the_repository_is_said_and_harms_no_earlier_backup() {
    let scratch = Scratch::new();
    let Some(_small) = Small::mount(scratch.dir("disk"), "size=6m") else { return };
    let place = Location::Local(scratch.at("disk/repo"));
    let (repository, _) = Repository::create(&place, &Secret::new(PASSWORD)).unwrap();
    let first = repository.backup(vec![file("files/a", &noise(1, 500_000))], &label("x"), &Watch::new()).unwrap();
    for size in [6, 20, 60] {
        let site = scratch.dir(&format!("site-{size}"));
        for i in 0..size {
            std::fs::write(site.join(format!("{i}")), noise(100 + i, 1 << 20)).unwrap();
        }
        let error = repository.backup(vec![tree("files", &site)], &label("x"), &Watch::new()).unwrap_err();
        assert_eq!(error.class(), Class::Resource, "{error}");
        assert!(error.hint_text().is_some_and(|h| h.contains("full")));
        assert_eq!(repository.snapshots().unwrap().len(), 1);
    }
    std::fs::write(scratch.at("disk/filler"), noise(7, 8 << 20)).unwrap_err();
    repository.prove_content(&first.snapshot, &Watch::new()).unwrap();
    let into = open(&scratch.dir("back"));
    repository.restore_tree(&first.snapshot, Path::new("files"), &into, &RECORDED, &Watch::new()).unwrap();
    let left: Vec<_> = files_below(&scratch.at("disk/repo")).into_iter().filter(|p| p.to_str().unwrap().contains(".tmp-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_full_disk_under_the_restore_is_said_and_leaves_no_half_file() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    for i in 0..30 {
        std::fs::write(site.join(format!("{i}")), noise(i, 700_000)).unwrap();
    }
    let stored = bench.backup(vec![tree("files", &site)]).unwrap();
    for options in ["size=5m", "size=50m,nr_inodes=12"] {
        let Some(_small) = Small::mount(bench.scratch.dir("disk"), options) else { return };
        let error = bench.restore(&stored.snapshot, "files", "disk").unwrap_err();
        assert_eq!(error.class(), Class::Resource, "{error}");
        for path in files_below(&bench.scratch.at("disk")) {
            assert_eq!(std::fs::metadata(&path).unwrap().len(), 700_000);
        }
    }
}

#[test]
fn another_file_system_in_a_site_is_left_out_and_told_and_links_in_circles_are_links() {
    let bench = Bench::new();
    let site = bench.scratch.dir("site");
    std::fs::write(site.join("index.html"), b"hello").unwrap();
    for (name, target) in [("circle", "circle"), ("up", ".."), ("root", "/"), ("there", "back"), ("back", "there")] {
        std::os::unix::fs::symlink(target, site.join(name)).unwrap();
    }
    let Some(_small) = Small::mount(bench.scratch.dir("site/mounted"), "size=1m") else { return };
    std::fs::write(site.join("mounted/inner"), b"on another file system").unwrap();
    let stored = bench.backup(vec![tree("files", &site)]).unwrap();
    assert!(stored.left_out.iter().any(|l| l.path.ends_with("mounted")), "{:?}", stored.left_out);
    bench.restore(&stored.snapshot, "files", "back").unwrap();
    let restored = picture(&bench.scratch.at("back"));
    assert!(!restored.keys().any(|name| name.ends_with(b"inner")));
    let links = restored
        .keys()
        .filter(|n| std::fs::symlink_metadata(bench.scratch.at("back").join(std::ffi::OsStr::from_bytes(n))).unwrap().is_symlink());
    assert_eq!(links.count(), 5);
}
