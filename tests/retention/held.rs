//! An abnormal size holds everything: what shrank may be what was destroyed.

use super::{HOUR, World, block_on, keep_last};
use crate::support::write;
use sitekeep::app::retention::{Change, set};
use sitekeep::app::{alarms, backups, environments};
use sitekeep::base::clock::Millis;
use sitekeep::base::watch::Watch;
use sitekeep::base::zone::Zone;
use sitekeep::domain::alarm::Cause;
use sitekeep::domain::element::Element;
use sitekeep::domain::ids::BackupId;
use sitekeep::domain::page::LogQuery;
use sitekeep::domain::retention::Rules;
use sitekeep::domain::state::BackupState;
use sitekeep::domain::view::CreateBackup;
use std::collections::BTreeMap;

const WHOLE: usize = 30_000;
const SHRUNKEN: usize = 300;

/// A backup of uploads of so many words; of one element where it is named.
async fn back_up(w: &World, words: usize, element: Option<&str>) -> BackupId {
    let uploads = w.at.directory().join("uploads");
    for old in std::fs::read_dir(&uploads).unwrap().flatten() {
        std::fs::remove_file(old.path()).unwrap();
    }
    write(uploads.join("film"), (0..words).map(|_| sitekeep::base::chance::word(10)).collect::<String>());
    let wish = CreateBackup { element: element.map(str::to_owned), ..CreateBackup::default() };
    let (made, _) = backups::create(&w.at.app, &w.owner, &w.id, &wish, None).await.unwrap();
    w.work().await;
    let made = backups::find(&w.at.app, &w.owner, &BackupId(made.id)).await.unwrap();
    assert_eq!(made.state, BackupState::Succeeded, "{made:?}");
    BackupId(made.id)
}

async fn odd(w: &World) -> bool {
    let all = alarms::list(&w.at.app, &w.owner, &w.tenant).await.unwrap();
    all.iter().any(|a| a.cause == Cause::Size && a.closed.is_none())
}

/// Four good backups, a day between them, and rules in force that keep one of them.
async fn world() -> (World, Vec<BackupId>) {
    let mut w = World::new().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(back_up(&w, WHOLE, None).await);
        w.days(1).await;
    }
    let rules = Rules { elements: BTreeMap::from([(Element::Files, 1)]), ..keep_last(1) };
    set(&w.at.app, &w.owner, &w.id, &Change::To(rules)).await.unwrap();
    w.clock.advance(25 * HOUR);
    (w, ids)
}

#[test]
fn while_a_size_is_abnormal_nothing_of_the_environment_goes_and_the_reason_is_told() {
    block_on(async {
        let (mut w, ids) = world().await;
        backups::delete(&w.at.app, &w.owner, &ids[0]).await.unwrap();
        back_up(&w, SHRUNKEN, None).await;
        assert!(odd(&w).await && w.letters("alarm").await == 1, "the owner was told");
        assert_eq!(w.sweep().await.thrown, 0, "the rules are in force");
        let held =
            |fate: &sitekeep::domain::view::Fate| fate.because.as_deref().is_some_and(|b| b.starts_with("held: the size of a backup"));
        let fates = w.fates().await;
        assert!(fates.values().filter(|f| held(f)).count() >= 2, "{fates:?}");
        let shown = backups::find(&w.at.app, &w.owner, &ids[1]).await.unwrap();
        assert!(shown.fate.as_ref().is_some_and(held), "{:?}", shown.fate);
        // Long after the brake of a day, and beyond the time in the trash.
        for _ in 0..17 {
            w.days(1).await;
        }
        for id in &ids {
            let row = w.find(&id.0).await;
            assert_eq!((row.deleted_at.is_some(), row.expired_at), (*id == ids[0], None), "{row:?}");
            let shown = backups::find(&w.at.app, &w.owner, id).await.unwrap();
            assert!(shown.elements.iter().all(|e| e.snapshot.is_some()), "no element went: {shown:?}");
        }
        let trash = LogQuery { trash: "1".into(), ..LogQuery::default() };
        let page = environments::page(&w.at.app, &w.owner, &w.id, trash, (w.clock.now(), Zone::default())).await.unwrap();
        assert!(page.log.held.is_some_and(|why| why.contains("alarm is open")) && page.log.rows.len() == 1, "the trash says so");
        assert!(w.letters("purge_ahead").await > 0, "the letter came, and says so");
        backups::take_back(&w.at.app, &w.owner, &ids[0]).await.unwrap();
        for id in &ids {
            backups::read_back(&w.at.app, id, &Watch::new()).await.unwrap();
        }
        // The new size is a day old and more: it is as it should be, and the rules are obeyed again, after their own brake.
        back_up(&w, SHRUNKEN, None).await;
        assert!(!odd(&w).await);
        let mut thrown = 0;
        for _ in 0..2 {
            w.clock.advance(25 * HOUR);
            thrown += w.sweep().await.thrown;
        }
        assert!(thrown >= 2, "{thrown}");
    });
}

#[test]
fn whoever_shrank_a_site_frees_nothing_within_a_day_by_more_backups_of_it() {
    block_on(async {
        let (mut w, ids) = world().await;
        back_up(&w, SHRUNKEN, None).await;
        for hour in 0..23 {
            // Whatever backups are made: of everything, or of the parts that did not shrink.
            back_up(&w, SHRUNKEN + hour, if hour % 2 == 0 { None } else { Some("code") }).await;
            assert!(odd(&w).await, "hour {hour}");
            for id in &ids {
                let _ = backups::delete(&w.at.app, &w.owner, id).await;
            }
            assert_eq!(w.sweep().await.thrown, 0);
            w.clock.advance(HOUR);
        }
        for id in &ids {
            if w.find(&id.0).await.deleted_at.is_some() {
                backups::take_back(&w.at.app, &w.owner, id).await.unwrap();
            }
            backups::read_back(&w.at.app, id, &Watch::new()).await.unwrap();
        }
        // A day later a part of the site still says nothing about the rest.
        w.clock.advance(Millis::DAY);
        back_up(&w, SHRUNKEN, Some("code")).await;
        assert!(odd(&w).await);
        // What was there is there again.
        back_up(&w, WHOLE, None).await;
        assert!(!odd(&w).await);
    });
}

#[test]
fn a_backup_of_one_element_does_not_hide_that_another_one_shrank() {
    block_on(async {
        let (w, _) = world().await;
        back_up(&w, WHOLE, Some("code")).await;
        assert!(!odd(&w).await);
        back_up(&w, SHRUNKEN, None).await;
        assert!(odd(&w).await, "the files are compared with those of the last backup that has them");
    });
}
