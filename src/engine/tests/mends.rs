//! Repositories that were damaged, mended, and backed up into again; judged by stock restic.

use super::*;
use std::time::Duration;

fn site(bench: &Bench) -> PathBuf {
    let site = bench.scratch.dir("site");
    for i in 0..8 {
        std::fs::create_dir_all(site.join(format!("d{i}"))).unwrap();
        std::fs::write(site.join(format!("d{i}/f")), noise(i, 60_000)).unwrap();
    }
    site
}

fn checked(bench: &Bench) -> Checked {
    bench.repository.check(None, u64::MAX, Duration::from_secs(600), &Watch::new()).unwrap()
}

fn all_are_whole(bench: &Bench, snapshots: &[String], when: &str) {
    for id in snapshots {
        bench.repository.prove_content(id, &Watch::new()).unwrap_or_else(|e| panic!("{when}: {e}"));
    }
    let found = checked(bench);
    assert!(found.damaged.is_empty() && found.others.is_empty(), "{when}: {found:?}");
}

#[test]
fn after_damage_to_a_pack_what_is_whole_is_saved_and_the_next_backup_brings_back_the_rest() {
    let bench = Bench::new();
    let site = site(&bench);
    let mut snapshots = vec![bench.backup(vec![tree("files", &site)]).unwrap().snapshot];
    for (number, how) in ["flip", "flip the end", "cut", "gone", "flip", "cut"].into_iter().enumerate() {
        let packs = bench.objects("data");
        let path = &packs[number % packs.len()];
        let (name, whole) = (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap());
        let mut altered = whole.clone();
        match how {
            "flip" => altered[whole.len() / 2] ^= 1,
            "flip the end" => *altered.last_mut().unwrap() ^= 0x40,
            "cut" => altered.truncate(whole.len() / 2),
            _ => altered.clear(),
        }
        if altered.is_empty() {
            std::fs::remove_file(path).unwrap()
        } else {
            std::fs::write(path, altered).unwrap()
        }
        let when = format!("{how}, pack {number}");
        let damaged = checked(&bench).damaged;
        assert!(how == "gone" || damaged == [name.clone()], "{when}: {damaged:?}");
        let mended = bench.repository.mend(&[name], &Watch::new()).unwrap();
        assert_eq!(mended.packs, 1, "{when}");
        match how {
            "flip" => assert!(mended.lost == 1, "{when}: {mended:?}"),
            "flip the end" => assert!(mended.lost == 0 && mended.saved > 0, "{when}: {mended:?}"),
            _ => assert!(mended.lost > 0, "{when}: {mended:?}"),
        }
        assert!(checked(&bench).damaged.is_empty(), "{when}: what is damaged is not there any more");
        let afresh = Label { afresh: true, ..label("shop.live/files") };
        snapshots.push(bench.repository.backup(vec![tree("files", &site)], &afresh, &Watch::new()).unwrap().snapshot);
        all_are_whole(&bench, &snapshots, &when);
    }
    bench.judge();
    let again = bench.repository.mend(&[], &Watch::new()).unwrap();
    assert_eq!(again, Mended::default(), "where nothing is wrong nothing is done");
    bench.judge();
}

/// A disk that does not answer for a moment is no reason to remove what lies on it.
#[test]
fn what_the_storage_does_not_give_now_is_not_removed() {
    let bench = Bench::new();
    let snapshot = bench.backup(vec![tree("files", &site(&bench))]).unwrap().snapshot;
    for folder in ["data", "index"] {
        let path = bench.objects(folder).remove(0);
        let (name, aside) = (path.file_name().unwrap().to_string_lossy().into_owned(), bench.scratch.dir("aside").join(folder));
        std::fs::rename(&path, &aside).unwrap();
        // Whoever reads a link to itself gets an error that is not "it is not there".
        std::os::unix::fs::symlink(&path, &path).unwrap();
        let packs = if folder == "data" { vec![name] } else { Vec::new() };
        let before = bench.objects("data").len() + bench.objects("index").len();
        let tried = bench.repository.mend(&packs, &Watch::new());
        if folder == "data" {
            assert!(tried.unwrap_err().to_string().contains("reading data/"), "it is said");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::rename(&aside, &path).unwrap();
        assert!(bench.objects("data").len() + bench.objects("index").len() >= before, "{folder}: nothing was removed");
        all_are_whole(&bench, std::slice::from_ref(&snapshot), folder);
    }
    bench.judge();
}

#[test]
fn an_index_that_is_damaged_or_gone_is_made_again_from_the_packs() {
    let bench = Bench::new();
    let site = site(&bench);
    let mut snapshots = Vec::new();
    for round in 0..3 {
        std::fs::write(site.join("more"), noise(100 + round, 40_000)).unwrap();
        snapshots.push(bench.backup(vec![tree("files", &site)]).unwrap().snapshot);
    }
    for how in ["flip", "cut", "gone"] {
        for path in bench.objects("index") {
            let whole = std::fs::read(&path).unwrap();
            match how {
                "flip" => std::fs::write(&path, [&whole[..9], &[whole[9] ^ 1], &whole[10..]].concat()).unwrap(),
                "cut" => std::fs::write(&path, &whole[..whole.len() / 2]).unwrap(),
                _ => std::fs::remove_file(&path).unwrap(),
            }
        }
        assert!(!checked(&bench).others.is_empty(), "{how}");
        assert!(bench.repository.prove(&snapshots[0], &Watch::new()).is_err(), "{how}");
        bench.repository.mend(&[], &Watch::new()).unwrap();
        all_are_whole(&bench, &snapshots, how);
    }
    bench.judge();
}
