//! Promises in numbers: memory stays bounded whatever the site's size, and nothing is copied to the disk on the way.

use super::panel::Panel;
use super::{big_site, site, size};
use crate::support::{Scratch, give_tree, web_user};
use std::path::Path;

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
