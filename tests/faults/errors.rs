//! A disk that answers with input/output errors of its own (EIO): under the site, and under the repository.

use crate::support::disk::LoopDisk;
use crate::support::little::{self, ENV, Little};
use crate::support::panel::Panel;
use crate::support::write;
use serde_json::json;
use std::path::PathBuf;

/// How the system says it.
const SAID: &str = "Input/output error";

#[test]
fn a_file_that_its_disk_does_not_give_is_named_and_everything_else_is_saved() {
    let disk = LoopDisk::that_will_spoil(64 << 20);
    let panel = Panel::start();
    let site = Little::added_at(&panel, disk.path().join("little"), &[]);
    let film = site.root.join("uploads/film.bin");
    write(&film, little::noise(77, 30 << 20));
    let whole = panel.back_up(ENV, &[]);
    disk.spoil(&film);
    // It looks as if it had been changed: else nobody would read it again.
    std::fs::File::open(&film).unwrap().set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000)).unwrap();
    write(site.root.join("uploads/later.bin"), little::noise(78, 50_000));
    let said = panel.refused(&["backup:create", ENV], 3);
    assert!(said.contains("film.bin") && said.contains(SAID), "{said}");
    let torn = panel.backups(ENV).remove(0);
    assert_eq!(torn.state.word(), "incomplete", "{torn:#?}");
    let problems: Vec<_> = torn.elements.iter().flat_map(|e| &e.problems).collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].path.ends_with("film.bin") && problems[0].reason.contains(SAID), "{problems:?}");
    // The old one has the film.
    panel.must(&["backup:verify", &whole.id]);
}

#[test]
fn a_pack_that_its_disk_does_not_give_stops_a_restore_before_it_changes_anything() {
    let disk = LoopDisk::that_will_spoil(64 << 20);
    let panel = Panel::start_with_store(&disk.path().join("store"), &json!({}));
    let site = Little::added_to(&panel);
    write(site.root.join("uploads/film.bin"), little::noise(77, 30 << 20));
    let backup = panel.back_up(ENV, &[]);
    std::fs::remove_file(site.root.join("uploads/film.bin")).unwrap();
    write(site.root.join("uploads/0.bin"), "written since");
    let before = site.state();
    disk.spoil(&a_large_pack(&panel));
    let said = String::from_utf8_lossy(&panel.restore(ENV, &["--backup", &backup.id]).stderr).into_owned();
    assert!(said.contains(SAID) && said.contains("Hint: "), "{said}");
    assert_eq!(site.state(), before, "the site is what it was");
    let said = panel.refused(&["backup:verify", &backup.id], 1);
    assert!(said.contains(SAID), "{said}");
}

/// Of those with the film the one that was written last: it lies farthest behind.
fn a_large_pack(panel: &Panel) -> PathBuf {
    let (repository, _) = panel.repository(ENV);
    let folders = std::fs::read_dir(repository.join("data")).unwrap().flatten();
    let packs = folders.flat_map(|folder| std::fs::read_dir(folder.path()).unwrap().flatten());
    let large = packs.map(|pack| (pack.metadata().unwrap(), pack.path())).filter(|(meta, _)| meta.len() > 1 << 20);
    large.max_by_key(|(meta, _)| meta.modified().unwrap()).expect("the film fills packs").1
}
