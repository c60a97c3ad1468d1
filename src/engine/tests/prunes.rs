//! Pruning and checking, judged by stock restic.

use super::*;
use crate::base::error::Class;
use std::time::Duration;

const AT_ONCE: Pruning = Pruning { keep_marked: 0, repack: 1 << 30 };
const LATER: Pruning = Pruning { keep_marked: 2 * 86_400_000, repack: 1 << 30 };

fn three_backups(bench: &Bench) -> Vec<String> {
    let site = bench.scratch.dir("site");
    let mut ids = Vec::new();
    for round in 0..3u64 {
        std::fs::write(site.join("same"), noise(1, 3_000_000)).unwrap();
        std::fs::write(site.join(format!("only {round}")), noise(10 + round, 2_000_000)).unwrap();
        let _ = std::fs::remove_file(site.join(format!("only {}", round.wrapping_sub(1))));
        ids.push(bench.backup(vec![tree("files", &site)]).unwrap().snapshot);
    }
    ids
}

#[test]
fn a_prune_frees_what_no_snapshot_needs_and_keeps_all_that_one_does() {
    let bench = Bench::new();
    let ids = three_backups(&bench);
    let before = bench.repository.size().unwrap();
    bench.repository.forget(&ids[..2]).unwrap();
    let first = bench.repository.prune(LATER, &Watch::new()).unwrap();
    assert!(first.marked > 3_900_000 && first.freed < 10_000, "{first:?}");
    assert!(bench.repository.size().unwrap() + 100_000 > before, "nothing is removed before its time");
    bench.judge();
    let second = bench.repository.prune(AT_ONCE, &Watch::new()).unwrap();
    assert!(second.freed > 3_900_000 && second.size < before - 3_500_000, "{second:?}");
    bench.judge();
    bench.repository.prove_content(&ids[2], &Watch::new()).unwrap();
    bench.restore(&ids[2], "files", "back").unwrap();
    assert_eq!(picture(&bench.scratch.at("site")), picture(&bench.scratch.at("back")));
    // And what is backed up afterwards restores as well, although it builds on what was pruned.
    std::fs::write(bench.scratch.at("site").join("only 0"), noise(10, 2_000_000)).unwrap();
    let fresh = bench.backup(vec![tree("files", &bench.scratch.at("site"))]).unwrap();
    bench.repository.prove_content(&fresh.snapshot, &Watch::new()).unwrap();
    bench.judge();
}

#[test]
fn what_was_marked_and_is_stored_again_comes_back() {
    let bench = Bench::new();
    let ids = three_backups(&bench);
    bench.repository.forget(&ids[1..]).unwrap();
    bench.repository.prune(LATER, &Watch::new()).unwrap();
    let again = bench.backup(vec![tree("files", &bench.scratch.at("site"))]).unwrap();
    bench.repository.prune(LATER, &Watch::new()).unwrap();
    bench.repository.prune(AT_ONCE, &Watch::new()).unwrap();
    for id in [&ids[0], &again.snapshot] {
        bench.repository.prove_content(id, &Watch::new()).unwrap();
    }
    bench.judge();
}

#[test]
fn nothing_is_pruned_while_anybody_else_is_at_work_or_a_folder_cannot_be_listed() {
    let bench = Bench::new();
    let ids = three_backups(&bench);
    bench.repository.forget(&ids[..1]).unwrap();
    let session = bench.repository.session(&Watch::new()).unwrap();
    let lock = session.lock().unwrap();
    assert_eq!(bench.repository.prune(AT_ONCE, &Watch::new()).unwrap_err().class(), Class::Transient);
    drop(lock);
    let alone = session.lock_alone().unwrap();
    let refused = bench.backup(vec![file("a", b"a")]).unwrap_err();
    assert!(refused.to_string().contains("holds the repository for itself"), "{refused}");
    drop(alone);
    // A folder of packs is gone: what is not listed must not count as nothing.
    let folder = bench.objects("data")[0].parent().unwrap().to_owned();
    let aside = bench.scratch.at("aside");
    std::fs::rename(&folder, &aside).unwrap();
    let before = bench.objects("index");
    bench.repository.prune(AT_ONCE, &Watch::new()).unwrap_err();
    assert_eq!(bench.objects("index"), before, "nothing was written or removed");
    std::fs::rename(&aside, &folder).unwrap();
    bench.judge();
}

#[test]
fn a_snapshot_that_lacks_something_stops_a_prune_before_it_removes_anything() {
    let bench = Bench::new();
    let ids = three_backups(&bench);
    bench.repository.forget(&ids[..1]).unwrap();
    for index in bench.objects("index").iter().take(1) {
        std::fs::remove_file(index).unwrap();
    }
    let (packs, indexes) = (bench.objects("data"), bench.objects("index"));
    bench.repository.prune(AT_ONCE, &Watch::new()).unwrap_err();
    assert_eq!((bench.objects("data"), bench.objects("index")), (packs, indexes));
}

#[test]
fn a_check_reads_every_pack_a_part_at_a_time_and_names_those_that_changed() {
    let bench = Bench::new();
    three_backups(&bench);
    let packs = bench.objects("data");
    let (mut after, mut seen, mut rounds) = (None, 0, 0);
    loop {
        let part = bench.repository.check(after.as_deref(), 1, Duration::from_secs(60), &Watch::new()).unwrap();
        (seen, rounds) = (seen + part.packs, rounds + 1);
        assert!(part.damaged.is_empty());
        after = part.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((seen, rounds), (packs.len() as u64, packs.len()));
    let mut bytes = std::fs::read(&packs[1]).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&packs[1], bytes).unwrap();
    let all = bench.repository.check(None, u64::MAX, Duration::from_secs(60), &Watch::new()).unwrap();
    assert_eq!(all.damaged, [packs[1].file_name().unwrap().to_str().unwrap()]);
}
