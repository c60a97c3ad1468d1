//! The catalogue read out as a whole, and written into another one, whichever of the two databases each of them is.

use super::on_both;
use crate::support::app::{Installation, backup_row};
use serde_json::Value;
use sitekeep::app::catalogue;
use sitekeep::base::clock::{Clock, Millis};
use sitekeep::base::sql::Kind;
use sitekeep::db;
use sitekeep::db::backups::BackupElement;
use sitekeep::db::copy::Table;
use sitekeep::domain::element::Element;
use sitekeep::domain::ids::{BackupId, CopyId, TenantId};
use sitekeep::domain::rights::Role;

type Rows = Vec<(Table, Vec<Value>)>;

/// Every table of what it is about, with its rows.
async fn whole(at: &Installation) -> Rows {
    let mut tx = at.app.pool.snapshot().await.unwrap();
    let mut all = Vec::new();
    for table in db::copy::tables(&mut tx, at.app.pool.kind()).await.unwrap() {
        if table.name == "_sqlx_migrations" {
            continue; // its columns are of kinds that we have nowhere
        }
        let mut rows = Vec::new();
        let count = db::copy::each(&mut tx, &table, async |row| {
            rows.push(row);
            Ok(())
        });
        assert_eq!(count.await.unwrap() as usize, rows.len());
        rows.sort_by_key(ToString::to_string);
        all.push((table, rows));
    }
    all
}

#[test]
fn a_catalogue_that_is_read_from_one_database_and_written_into_the_other_is_the_same_row_by_row() {
    on_both(async |at| {
        at.tenant("acme").await;
        let shop = at.add_site("acme", "shop", "live").await;
        at.things(&shop).await;
        let rows = whole(&at).await;
        assert!(rows.iter().any(|(t, rows)| t.name == "restores" && rows.len() == 1));
        for kind in [Kind::Sqlite, Kind::Postgres] {
            let other = Installation::new(kind).await;
            let mut tx = other.app.pool.begin().await.unwrap();
            db::copy::loosen(&mut tx, kind).await.unwrap();
            // The other way round than they refer to each other, too.
            for (table, rows) in rows.iter().rev() {
                db::copy::clear(&mut tx, table).await.unwrap();
                for row in rows {
                    db::copy::put(&mut tx, table, row.as_array().unwrap().clone()).await.unwrap();
                }
            }
            db::copy::tighten(&mut tx, kind).await.unwrap();
            tx.commit().await.unwrap();
            let there = whole(&other).await;
            let named =
                |all: &Rows| all.iter().map(|(t, rows)| (t.name.clone(), rows.clone())).collect::<std::collections::BTreeMap<_, _>>();
            assert_eq!(named(&there), named(&rows), "into {kind:?}");
            let mut tx = other.app.pool.begin().await.unwrap();
            db::copy::settle(&mut tx, at.app.pool.now().await.unwrap(), "why", "hint").await.unwrap();
            let left = db::copy::put(&mut tx, &rows[0].0, vec![]).await;
            assert!(left.unwrap_err().to_string().contains("another number of columns"));
        }
    });
}

#[test]
fn a_row_that_refers_to_nothing_is_refused_at_the_end_and_nothing_of_it_stays() {
    on_both(async |at| {
        at.tenant("acme").await;
        at.add_site("acme", "shop", "live").await;
        let kind = at.app.pool.kind();
        let rows = whole(&at).await;
        let (table, rows) = rows.into_iter().find(|(t, _)| t.name == "environments").unwrap();
        let mut row = rows[0].as_array().unwrap().clone();
        for (cell, (name, _)) in row.iter_mut().zip(&table.columns) {
            match name.as_str() {
                "id" | "name" => *cell = "other".into(),
                "site_id" => *cell = "sit_nowhere".into(),
                _ => {}
            }
        }
        let mut tx = at.app.pool.begin().await.unwrap();
        db::copy::loosen(&mut tx, kind).await.unwrap();
        db::copy::put(&mut tx, &table, row).await.unwrap();
        let ended = match db::copy::tighten(&mut tx, kind).await {
            Ok(()) => tx.commit().await.map_err(Into::into),
            Err(e) => Err(e),
        };
        assert!(ended.is_err());
        assert_eq!(whole(&at).await.into_iter().find(|(t, _)| t.name == "environments").unwrap().1.len(), 1);
    });
}

#[test]
fn an_empty_catalogue_is_told_from_a_used_one_and_one_that_is_being_made_again() {
    on_both(async |at| {
        let kind = at.app.pool.kind();
        let mut conn = at.app.pool.get().await.unwrap();
        let tables = db::copy::tables(&mut conn, kind).await.unwrap();
        assert!(db::copy::is_used(&mut conn, &tables).await.unwrap(), "it has an administrator");
        assert!(!db::copy::is_begun(&tables));
        assert!(!db::copy::is_used(&mut conn, &[]).await.unwrap());
        db::copy::mark(&mut conn, at.app.pool.now().await.unwrap()).await.unwrap();
        let tables = db::copy::tables(&mut conn, kind).await.unwrap();
        assert!(db::copy::is_begun(&tables));
        db::copy::raze(&mut conn, kind, &tables).await.unwrap();
        let left = db::copy::tables(&mut conn, kind).await.unwrap();
        assert_eq!(left.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["rebuilding"]);
        drop(conn);
        at.app.pool.migrate_to(20261121000200).await.unwrap();
        assert!(at.app.pool.migrate_to(1).await.unwrap_err().to_string().contains("does not know"));
        at.app.pool.migrate().await.unwrap();
        let mut conn = at.app.pool.get().await.unwrap();
        db::copy::unmark(&mut conn).await.unwrap();
        let tables = db::copy::tables(&mut conn, kind).await.unwrap();
        assert!(!db::copy::is_begun(&tables) && !db::copy::is_used(&mut conn, &tables).await.unwrap());
    });
}

#[test]
fn what_a_repository_does_not_hold_any_more_is_expired_and_nothing_else() {
    on_both(async |at| {
        let acme = at.tenant("acme").await;
        let id = at.add_site("acme", "shop", "live").await;
        let (site, _) = at.recovery_key(&id).await;
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let env = db::environments::find(&mut tx, &id).await.unwrap().unwrap();
        let mut made = Vec::new();
        for snapshots in [["a", "b"], ["c", "d"], ["e", "f"]] {
            let row = backup_row(&env, now);
            db::backups::insert(&mut tx, &row, &[Element::Code, Element::Files]).await.unwrap();
            for (e, snapshot) in db::backups::elements(&mut tx, &acme, &BackupId(row.id.clone())).await.unwrap().into_iter().zip(snapshots)
            {
                let e = BackupElement { snapshot: Some(snapshot.into()), state: "succeeded".into(), ..e };
                db::backups::set_element(&mut tx, &e).await.unwrap();
            }
            made.push(BackupId(row.id));
        }
        let unfinished = db::copy::unfinished_backups(&mut tx, &acme, &site).await.unwrap();
        assert_eq!(unfinished.len(), 3);
        let there: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
        assert_eq!(db::copy::expire_missing(&mut tx, now, &TenantId("ten_other".into()), &site, &there).await.unwrap(), 0);
        assert_eq!(db::copy::expire_missing(&mut tx, now, &acme, &site, &there).await.unwrap(), 3);
        assert_eq!(db::copy::expire_missing(&mut tx, now, &acme, &site, &there).await.unwrap(), 0);
        let mut expired = Vec::new();
        for id in &made {
            expired.push(db::backups::find(&mut tx, id).await.unwrap().unwrap().expired_at.is_some());
        }
        assert_eq!(expired, [false, false, true]);
        let half = db::backups::elements(&mut tx, &acme, &made[1]).await.unwrap();
        assert_eq!(half.iter().filter(|e| e.snapshot.is_some()).count(), 1);
        db::environments::refresh_all(&mut tx).await.unwrap();
    });
}

#[test]
fn copies_are_listed_newest_first_and_the_oldest_are_beyond_what_is_kept() {
    on_both(async |at| {
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        assert_eq!(db::copies::last_added(&mut tx).await.unwrap(), 0);
        db::copies::lock(&mut tx).await.unwrap();
        let mut ids = Vec::new();
        for n in 0..4 {
            let id = CopyId::fresh();
            db::copies::begin(&mut tx, now.plus(n), &id).await.unwrap();
            ids.push(id);
        }
        for id in &ids[..3] {
            db::copies::ended(&mut tx, now.plus(9), id, "abc", (7, 8, 9)).await.unwrap();
        }
        db::copies::failed(&mut tx, now.plus(9), &ids[3], "the disk is full").await.unwrap();
        let newest = db::copies::newest(&mut tx, 2).await.unwrap();
        assert_eq!((newest[0].message.as_deref(), newest[1].id.as_str()), (Some("the disk is full"), ids[2].as_str()));
        assert_eq!(db::copies::good(&mut tx).await.unwrap().unwrap().id, ids[2].0);
        let beyond = db::copies::beyond(&mut tx, 1).await.unwrap();
        assert_eq!(beyond.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), [ids[1].as_str(), ids[0].as_str()]);
        db::copies::drop_row(&mut tx, &ids[1]).await.unwrap();
        assert_eq!(db::copies::beyond(&mut tx, 1).await.unwrap().len(), 1);
    });
}

#[test]
fn administrators_hear_once_that_the_catalogue_was_not_copied_for_two_days() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for kind in [Kind::Sqlite, Kind::Postgres] {
        runtime.block_on(async {
            let clock = Clock::fixed(Millis(1_795_230_000_000));
            let at = Installation::with_clock(kind, clock.clone()).await;
            at.member("owner@example.test", &[(&at.tenant("acme").await, Role::Owner)]).await;
            at.add_site("acme", "shop", "live").await;
            let kept = at.scratch.join("repositories");
            let _ = std::fs::remove_dir_all(&kept);
            std::fs::write(&kept, "no directory").unwrap();
            let told = async || {
                let mut conn = at.app.pool.get().await.unwrap();
                db::letters::list(&mut conn, 50).await.unwrap().into_iter().filter(|l| l.kind == "catalogue_late").collect::<Vec<_>>()
            };
            assert!(catalogue::due(&at.app).await.is_err(), "there is no place for a copy");
            assert!(told().await.is_empty(), "one failure is no news yet");
            for _ in 0..2 {
                clock.advance(2 * Millis::DAY + 1);
                assert!(catalogue::due(&at.app).await.is_err());
            }
            let letters = told().await;
            let administrators = db::accounts::administrators(&mut at.app.pool.get().await.unwrap()).await.unwrap();
            assert_eq!(administrators, ["admin@example.test"]);
            assert_eq!(letters.iter().map(|l| l.to_address.as_str()).collect::<Vec<_>>(), ["admin@example.test"], "once, and no owner");
            std::fs::remove_file(&kept).unwrap();
            clock.advance(Millis::DAY);
            assert!(catalogue::due(&at.app).await.unwrap(), "the way is free");
            std::fs::rename(&kept, at.scratch.join("elsewhere")).unwrap();
            std::fs::write(&kept, "no directory").unwrap();
            clock.advance(3 * Millis::DAY);
            assert!(catalogue::due(&at.app).await.is_err());
            assert_eq!(told().await.len(), 2, "it is late anew");
        });
    }
}
