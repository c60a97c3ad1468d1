//! Promises in numbers: memory stays bounded whatever the site's size, and nothing is copied to the disk on the way.

use super::panel::Panel;
use super::{big_site, site, size};
use crate::support::{Scratch, give_tree, tool, web_user};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::{Command, Stdio};

/// The largest resident size of an attempt, in bytes.
const MEMORY: u64 = 300 << 20;
/// The catalogue with its log may grow by so much while a backup runs; a spool file would be as large as the site.
const SPOOL: u64 = 24 << 20;

#[test]
#[ignore = "memory is measured of a release build, with a site of gigabytes that takes minutes to make, so `make bench` does it"]
fn bench_memory_and_disk_stay_bounded_for_a_big_site() {
    let (scratch, site) = (Scratch::new(), big_site());
    println!("\n{}", site::describe(&site));
    let panel = Panel::start(&scratch);
    panel.add_wordpress(&site);
    check(&panel, &site.root);
}

#[test]
#[ignore = "memory is measured of a release build, with a site of gigabytes that takes minutes to make, so `make bench` does it"]
fn bench_memory_and_disk_stay_bounded_for_many_small_files() {
    let scratch = Scratch::new();
    let (root, count) = (scratch.join("site"), size("BENCH_FILES", 20_000));
    site::small_files(&root.join("files"), count);
    std::fs::write(root.join("index.html"), "a site of files").expect("a file can be written");
    give_tree(&root, &web_user());
    println!("\n{count} small files");
    let panel = Panel::start(&scratch);
    panel.add_directory(&root);
    check(&panel, &root);
}

/// A first backup, an unchanged second one, and a restore; each ends with a proof or begins with one.
fn check(panel: &Panel, root: &Path) {
    let first = panel.backup(root);
    println!("first backup and proof: {first}; besides the repository the disk grew by {:.1} MB", first.spool as f64 / 1e6);
    let second = panel.backup(root);
    println!("unchanged: {second}; besides the repository the disk grew by {:.1} MB", second.spool as f64 / 1e6);
    let (restore, steps) = panel.restore(root);
    println!("restore: {restore}");
    for (step, seconds) in steps {
        println!("  {step}: {seconds:.2} s");
    }
    for (what, cost) in [("the first backup", first), ("the second backup", second), ("the restore", restore)] {
        assert!(cost.peak > 0, "the attempt of {what} was not seen");
        assert!(cost.peak < MEMORY, "{what} took {:.0} MB of memory", cost.peak as f64 / 1e6);
    }
    for (what, cost) in [("the first backup", first), ("the second backup", second)] {
        assert!(cost.spool < SPOOL, "{what} put {:.1} MB on the disk besides the repository", cost.spool as f64 / 1e6);
    }
}

const GB: u64 = 1 << 30;

#[test]
#[ignore = "tens of gigabytes, and minutes: `make bench` does it; that holes stay holes is checked on a small file in src/engine/tests/restores.rs"]
fn bench_a_file_of_sixteen_gigabytes_and_one_of_sixty_four_that_is_nearly_all_holes() {
    let scratch = Scratch::new();
    let (root, huge, holes) = (scratch.join("site"), size("BENCH_HUGE_GB", 16) * GB, size("BENCH_HOLES_GB", 64) * GB);
    std::fs::create_dir_all(root.join("files")).expect("a directory can be made");
    std::fs::write(root.join("index.html"), "a site of files").expect("a file can be written");
    let files = [root.join("files/huge.bin"), root.join("files/holes.img")];
    let (mut file, mut dice) = (std::fs::File::create(&files[0]).expect("a file can be made"), site::Dice::new(1, huge));
    for _ in 0..huge >> 24 {
        file.write_all(&dice.bytes(16 << 20)).expect("there is room");
    }
    let file = std::fs::File::create(&files[1]).and_then(|f| f.set_len(holes).map(|()| f)).expect("a file can be made");
    for at in [0, holes / 3, holes - 5] {
        file.write_all_at(b"island", at).expect("there is room");
    }
    give_tree(&root, &web_user());
    let panel = Panel::start(&scratch);
    panel.add_directory(&root);
    let sums = files.each_ref().map(|path| sum(std::fs::File::open(path).expect("it was made above").into()));
    println!("\none file of {} GB, one of {} GB with three islands", huge / GB, holes / GB);
    let first = panel.backup(&root);
    println!("first backup: {first}");
    println!("unchanged: {}", panel.backup(&root));
    judged_by_restic(&panel, &scratch, &sums);
    files.iter().for_each(|path| std::fs::remove_file(path).expect("it was made above"));
    let (restore, _) = panel.restore(&root);
    println!("restore: {restore}");
    assert_eq!(files.each_ref().map(|path| sum(std::fs::File::open(path).expect("it came back").into())), sums);
    let taken = files[1].metadata().expect("it came back").blocks() * 512;
    println!("of the one with the islands {:.1} MB lie on the disk", taken as f64 / 1e6);
    assert!(taken < 64 << 20, "the holes are holes no more");
    for (what, cost) in [("the backup", first), ("the restore", restore)] {
        assert!(cost.peak > 0 && cost.peak < MEMORY, "{what} took {:.0} MB of memory", cost.peak as f64 / 1e6);
    }
}

/// What stock restic gives of the two files.
fn judged_by_restic(panel: &Panel, scratch: &Scratch, sums: &[String; 2]) {
    let password = scratch.join("restic-password");
    panel.tool(&["recovery:key", "bench/site", "--out", &password.display().to_string()]);
    let backup = panel.newest();
    let elements = backup["elements"].as_array().expect("a backup has elements");
    let files = elements.iter().find(|e| e["element"] == "files").expect("its files are one of them");
    for (name, expected) in ["huge.bin", "holes.img"].into_iter().zip(sums) {
        let mut restic = Command::new(tool("restic"));
        restic.arg("--repo").arg(panel.repository()).arg("--password-file").arg(&password).args(["--no-lock", "dump"]);
        restic.args([files["snapshot"].as_str().expect("a name"), &format!("/files/public/{name}")]);
        let mut restic = restic.stdout(Stdio::piped()).spawn().expect("restic starts");
        let given = sum(restic.stdout.take().expect("its output is a pipe").into());
        assert!(restic.wait().expect("a child of ours").success());
        assert_eq!(&given, expected, "{name}");
    }
    println!("stock restic gives both as they were");
}

fn sum(of: Stdio) -> String {
    let said = Command::new("sha256sum").stdin(of).output().expect("sha256sum is on every machine");
    String::from_utf8_lossy(&said.stdout).split_whitespace().next().expect("a sum").to_owned()
}
