//! A site with SQLite: everything of it lies in the scratch folder.

use super::{World, block_on};
use crate::support::write;
use sitekeep::app::drills;
use sitekeep::base::clock::Millis;
use sitekeep::base::secret::Secret;
use sitekeep::domain::drill::{DrillState, Fault, Proof};
use sitekeep::domain::ids::DrillId;
use sitekeep::domain::view::{AddSite, RunDrill};
use sitekeep::engine::{Location, Repository, Source, Stream};
use std::io::Cursor;
use std::path::{Path, PathBuf};

async fn world() -> World {
    world_with(|_| ()).await
}

async fn world_with(more: impl FnOnce(&mut AddSite)) -> World {
    World::new(|wish| {
        more(wish);
        let path = Path::new(&wish.path).join("shop.sqlite");
        let db = rusqlite::Connection::open(&path).unwrap();
        db.execute_batch(
            "create table words (id integer primary key, word text); insert into words (word) values ('one'), ('two');
             create table many (n int); with recursive c(n) as (select 1 union all select n + 1 from c where n < 500) insert into many select n from c;",
        )
        .unwrap();
        wish.database_engine = Some("sqlite".into());
        wish.database_name = Some("shop.sqlite".into());
        wish.hooks.boot = Some(["sh", "boot.sh"].map(str::to_owned).into());
        // The copy finds its page, its uploads and its database where it is, and is nobody else's.
        write(
            Path::new(&wish.path).join("boot.sh"),
            "set -e\ntest -f index.html\ntest -f uploads/2026/49.bin\ntest -s shop.sqlite\ntest -w shop.sqlite\necho up in $PWD as $(id -un)\n",
        );
    })
    .await
}

#[test]
fn a_copy_whose_settings_lead_to_the_live_database_is_not_started() {
    block_on(async {
        let w = world_with(|wish| {
            let live = Path::new(&wish.path).join("shop.sqlite");
            write(Path::new(&wish.path).join("config.ini"), format!("database = {}\n", live.display()));
            wish.settings = Some("config.ini".into());
        })
        .await;
        let backup = w.back_up().await;
        let drill = w.drill(&backup).await;
        let evidence = drill.evidence.unwrap();
        assert_eq!((drill.state, evidence.boot), (DrillState::Partly, None), "{:?}", evidence.not_drilled);
        assert!(evidence.not_drilled.iter().any(|why| why.contains("settings name the live database")), "{:?}", evidence.not_drilled);
    });
}

fn files_below(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        if entry.path().is_dir() { files_below(&entry.path(), found) } else { found.push(entry.path()) }
    }
}

/// The largest pack, which holds contents of files.
fn pack(repository: &Path) -> PathBuf {
    let mut all = Vec::new();
    files_below(&repository.join("data"), &mut all);
    all.into_iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap()
}

#[test]
fn a_site_with_sqlite_is_restored_whole_started_and_cleared_away() {
    block_on(async {
        let w = world().await;
        assert_eq!(w.overview().await.badge.proof, Proof::Never);
        let backup = w.back_up().await;
        let drill = w.drill(&backup).await;
        assert_eq!((drill.state, drill.fault, drill.message.as_deref()), (DrillState::Passed, None, None), "{drill:#?}");
        let evidence = drill.evidence.clone().unwrap();
        assert_eq!(evidence.elements.len(), 3, "{evidence:#?}");
        for compared in &evidence.elements {
            assert!(compared.files.expected == compared.files.found && compared.bytes.expected == compared.bytes.found, "{compared:?}");
        }
        let files = evidence.elements.iter().find(|c| c.element.name() == "files").unwrap();
        assert_eq!((files.files.found, files.hashed), (50, 50));
        let tables = evidence.database.unwrap().tables;
        let seen: Vec<_> = tables.iter().map(|t| (t.name.as_str(), t.expected, t.found)).collect();
        assert_eq!(seen, [("many", Some(500), Some(500)), ("words", Some(2), Some(2))]);
        let boot = evidence.boot.unwrap();
        assert!(boot.succeeded && boot.output.contains("/drills/run-") && boot.output.contains("/code as "), "{boot:?}");
        // It is what the pages say, until it is no news any more.
        let o = w.overview().await;
        assert_eq!((o.badge.proof, o.badge.drill.as_deref()), (Proof::Proven, Some(drill.id.as_str())));
        assert_eq!(o.restore_takes, drill.restore_took);
        assert!(o.last_proven.is_some());
        assert_eq!(drills::badge_of_backup(&w.at.app, &w.owner, &backup).await.unwrap().proof, Proof::Proven);
        w.clock.advance(15 * Millis::DAY);
        assert_eq!(w.overview().await.badge.proof, Proof::Stale);
    });
}

#[test]
fn what_is_wrong_with_files_or_their_repository_is_found_and_named() {
    block_on(async {
        let w = world().await;
        let good = w.back_up().await;
        let (root, (place, _)) = (w.at.directory(), w.repository().await);
        // A tenth of the files: what is stored is the next backup's, and what was written down is this one's.
        (45..50).for_each(|n| std::fs::remove_file(root.join(format!("uploads/2026/{n}.bin"))).unwrap());
        let fewer = w.back_up().await;
        let whole = w.element(&good, "files").await;
        let lacking = w.element(&fewer, "files").await.snapshot;
        w.set_element(&sitekeep::db::backups::BackupElement { snapshot: lacking, ..whole.clone() }).await;
        let drill = w.drill(&good).await;
        w.assert_failed(&drill, Fault::Files);
        assert!(drill.message.as_ref().unwrap().contains("5 of 50 files"), "{drill:#?}");
        assert!(w.alarm().await.unwrap().contains("5 of 50 files"));
        assert_eq!(w.overview().await.badge.proof, Proof::Failed);
        // A file that is empty where its bytes were counted.
        write(root.join("uploads/2026/0.bin"), "");
        (45..50).for_each(|n| write(root.join(format!("uploads/2026/{n}.bin")), "x"));
        let emptied = w.back_up().await;
        let hollow = w.element(&emptied, "files").await.snapshot;
        w.set_element(&sitekeep::db::backups::BackupElement { snapshot: hollow, ..whole.clone() }).await;
        w.assert_failed(&w.drill(&good).await, Fault::Content);
        w.set_element(&whole).await;
        // Flipped bits, and a pack that is gone.
        let pack = pack(&place);
        let sound = std::fs::read(&pack).unwrap();
        let mut flipped = sound.clone();
        let middle = sound.len() / 2;
        flipped[middle..middle + 4].iter_mut().for_each(|b| *b ^= 0x55);
        write(&pack, &flipped);
        w.assert_failed(&w.drill(&good).await, Fault::Altered);
        std::fs::remove_file(&pack).unwrap();
        w.assert_failed(&w.drill(&good).await, Fault::Lost);
        write(&pack, &sound);
        // The key of another repository.
        let other = Location::parse(&format!("file://{}", w.at.scratch.join("other").display())).unwrap();
        let (_, wrong) = Repository::create(&other, &Secret::new("a recovery key")).unwrap();
        let row = w.repository_row().await;
        let sealed = sitekeep::base::secret::Place { table: "repositories", column: "master_key", tenant: &row.tenant_id, row: &row.id };
        let right = w.at.app.sealer.open(sealed, &row.master_key_sealed).unwrap();
        w.set_key(&wrong).await;
        w.assert_failed(&w.drill(&good).await, Fault::Key);
        w.set_key(&right).await;
        // Everything is as it was: the alarm is over.
        assert_eq!(w.drill(&good).await.state, DrillState::Passed);
        assert_eq!((w.alarm().await, w.overview().await.badge.proof), (None, Proof::Proven));
    });
}

#[test]
fn a_database_file_that_is_cut_off_or_lacks_a_table_is_found_and_a_site_that_does_not_start() {
    block_on(async {
        let w = world().await;
        let good = w.back_up().await;
        let image = w.dump(&good).await;
        let stream = |bytes: Vec<u8>| {
            Source::Stream(Stream {
                path: "database/database.sqlite".into(),
                size: bytes.len() as u64,
                reader: Box::new(Cursor::new(bytes)),
                finish: Box::new(|| Ok(())),
            })
        };
        let whole = w.replace(&good, "database", stream(image[..image.len() / 2].to_vec())).await;
        let cut = w.element(&good, "database").await;
        w.set_element(&sitekeep::db::backups::BackupElement { size: whole.size, ..cut }).await;
        w.assert_failed(&w.drill(&good).await, Fault::Truncated);
        // Another file in its place.
        let other = w.at.scratch.join("other.sqlite");
        rusqlite::Connection::open(&other)
            .unwrap()
            .execute_batch("create table words (word text); insert into words values ('x'), ('y')")
            .unwrap();
        w.replace(&good, "database", stream(std::fs::read(&other).unwrap())).await;
        let drill = w.drill(&good).await;
        w.assert_failed(&drill, Fault::Tables);
        assert!(drill.message.unwrap().ends_with("many"));
        w.set_element(&whole).await;
        assert_eq!(w.drill(&good).await.state, DrillState::Passed);
        write(w.at.directory().join("boot.sh"), "echo no luck; exit 7");
        let broken = w.back_up().await;
        let drill = w.drill(&broken).await;
        w.assert_failed(&drill, Fault::Boot);
        assert!(drill.message.unwrap().contains("exit status: 7: no luck"));
    });
}

#[test]
fn each_environment_has_its_turn_once_a_week_and_one_drill_at_a_time() {
    block_on(async {
        let w = world().await;
        let app = &w.at.app;
        assert_eq!(drills::due(app).await.unwrap(), 0, "there is nothing to drill");
        let old = w.back_up().await;
        w.clock.advance(1000);
        w.back_up().await;
        // Some that cannot be drilled, for what they have is gone, do not stand before it.
        let catalogue = rusqlite::Connection::open(w.at.scratch.join("catalogue.db")).unwrap();
        catalogue.execute("update backups set deleted_at = 1, expired_at = 1 where id = ?1", [&old.0]).unwrap();
        for name in ["one", "two", "three"] {
            let id = w.at.add_site("acme", name, "live").await;
            catalogue.execute("update environments set last_good_id = ?2 where id = ?1", [&id.0, &old.0]).unwrap();
        }
        assert_eq!((drills::due(app).await.unwrap(), drills::due(app).await.unwrap()), (1, 0));
        let (again, fresh) = drills::create(app, &w.owner, &w.id, &RunDrill::default(), None).await.unwrap();
        assert!(!fresh && again.initiator == "schedule", "{again:?}");
        w.work().await;
        assert_eq!(drills::find(app, &w.owner, &DrillId(again.id)).await.unwrap().state, DrillState::Passed);
        w.clock.advance(6 * Millis::DAY);
        assert_eq!(drills::due(app).await.unwrap(), 0);
        w.clock.advance(Millis::DAY + 1);
        assert_eq!(drills::due(app).await.unwrap(), 1);
        w.work().await;
        assert_eq!(drills::log(app, &w.owner, &w.id).await.unwrap().len(), 2);
    });
}

#[test]
fn a_drill_that_is_cancelled_while_it_waits_is_neither_good_nor_bad() {
    block_on(async {
        let w = world().await;
        w.back_up().await;
        let (drill, _) = drills::create(&w.at.app, &w.owner, &w.id, &RunDrill::default(), None).await.unwrap();
        let job = sitekeep::domain::ids::JobId(drill.job.unwrap());
        sitekeep::app::jobs::cancel(&w.at.app, &w.owner, &job).await.unwrap();
        assert_eq!(drills::find(&w.at.app, &w.owner, &DrillId(drill.id)).await.unwrap().state, DrillState::Cancelled);
        assert_eq!((w.alarm().await, w.overview().await.badge.proof), (None, Proof::Never));
    });
}
