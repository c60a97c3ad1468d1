//! The outbox on both databases: every statement, and the letters that tell how a backup or a restore ended.

use super::{on_both, tenant, work};
use crate::support::{give_tree, other_user, set_mode, write};
use sitekeep::app::letters::{self, Letter};
use sitekeep::app::{backups, restores};
use sitekeep::base::clock::Millis;
use sitekeep::base::sql::Conn;
use sitekeep::db;
use sitekeep::db::letters::{Channel, NewLetter};
use sitekeep::domain::ids::{BackupId, LetterId, RestoreId, SiteId, TenantId};
use sitekeep::domain::rights::Role;
use sitekeep::domain::state::BackupState;
use sitekeep::domain::view::{CreateBackup, CreateRestore};

fn letter(tenant: Option<&TenantId>, unique: Option<&str>) -> NewLetter {
    NewLetter {
        id: LetterId::fresh(),
        tenant: tenant.cloned(),
        to: "ann@example.test".into(),
        kind: "test".into(),
        channel: Channel::Mail,
        subject: "Ünïcode 😀".into(),
        body_sealed: vec![0, 1, 255],
        unique: unique.map(str::to_owned),
    }
}

#[test]
fn letters_are_queued_claimed_by_one_and_come_to_one_end() {
    on_both(async |at| {
        let (acme, pool) = (at.tenant("acme").await, &at.app.pool);
        let (now, mut conn) = (pool.now().await.unwrap(), pool.get().await.unwrap());
        let conn: &mut Conn = &mut conn;
        let until = now.plus(1000);
        assert!(db::letters::insert(conn, now, &letter(Some(&acme), Some("k"))).await.unwrap());
        assert!(!db::letters::insert(conn, now, &letter(Some(&acme), Some("k"))).await.unwrap(), "the same key again");
        assert!(db::letters::claim(pool, now.plus(-1), until, Channel::Mail).await.unwrap().is_none(), "before its time");
        let first = db::letters::claim(pool, now, until, Channel::Mail).await.unwrap().unwrap();
        assert_eq!((first.tries, first.body_sealed.as_deref()), (1, Some([0, 1, 255].as_slice())));
        assert!(db::letters::claim(pool, now, until, Channel::Mail).await.unwrap().is_none(), "it is being sent");
        // Whoever sent it died: the next one takes it, and the one before changes nothing any more.
        let second = db::letters::claim(pool, until, until.plus(1000), Channel::Mail).await.unwrap().unwrap();
        assert_eq!((second.id.as_str(), second.tries), (first.id.as_str(), 2));
        assert!(!db::letters::sent(conn, now, &first).await.unwrap());
        assert!(!db::letters::failed(conn, &first, "no").await.unwrap());
        assert!(!db::letters::retry_later(conn, &first, now, "no").await.unwrap());
        assert!(db::letters::retry_later(conn, &second, until.plus(5), "451 later").await.unwrap());
        assert!(db::letters::claim(pool, until, until, Channel::Mail).await.unwrap().is_none(), "it waits");
        let third = db::letters::claim(pool, until.plus(5), until.plus(9), Channel::Mail).await.unwrap().unwrap();
        assert!(db::letters::sent(conn, until, &third).await.unwrap());
        for unique in [None, None] {
            assert!(db::letters::insert(conn, now.plus(1), &letter(None, unique)).await.unwrap(), "without a key there may be many");
        }
        let refused = db::letters::claim(pool, until, until.plus(1), Channel::Mail).await.unwrap().unwrap();
        assert!(db::letters::failed(conn, &refused, "550 no").await.unwrap());
        assert_eq!(db::letters::give_up(conn, now, "too early").await.unwrap(), 0);
        assert_eq!(db::letters::give_up(conn, now.plus(1), "too late").await.unwrap(), 1);
        let all = db::letters::list(conn, 10).await.unwrap();
        let mut ends: Vec<_> = all.iter().map(|l| (l.state.as_str(), l.last_error.as_deref(), l.sent_at.is_some())).collect();
        ends.sort();
        assert_eq!(ends, [("failed", Some("550 no"), false), ("failed", Some("too late"), false), ("sent", None, true)]);
        assert_eq!(db::letters::list(conn, 1).await.unwrap().len(), 1);
        let ours = db::letters::of_tenant(conn, &acme, 10).await.unwrap();
        assert_eq!((ours.len(), ours[0].subject.as_str()), (1, "Ünïcode 😀"));
        assert!(db::letters::about(conn, &acme, "k").await.unwrap().is_empty(), "the key is no id with a colon");
        assert!(db::letters::insert(conn, now, &letter(Some(&acme), Some("bak_1:failed:x"))).await.unwrap());
        assert_eq!(db::letters::about(conn, &acme, "bak_1").await.unwrap().len(), 1);
        assert!(db::letters::about(conn, &TenantId::fresh(), "bak_1").await.unwrap().is_empty());
        db::letters::give_up(conn, now.plus(1), "too late").await.unwrap();
        let left: i64 =
            sqlx::query_scalar("select count(*) from letters where body_sealed is not null").fetch_one(&mut *conn).await.unwrap();
        assert_eq!(left, 0, "nothing is kept of what a letter said");
        assert!(db::letters::insert(conn, now, &letter(None, None)).await.unwrap());
        assert_eq!(db::letters::tidy(conn, now).await.unwrap(), 0, "it was written no earlier");
        let before = db::letters::list(conn, 99).await.unwrap().len();
        assert_eq!(db::letters::tidy(conn, now.plus(2)).await.unwrap() as usize, before - 1);
        assert_eq!(db::letters::list(conn, 99).await.unwrap()[0].state, "queued", "what has not left yet is kept");
    });
}

#[test]
fn of_many_who_claim_at_once_no_two_get_the_same_letter() {
    on_both(async |at| {
        let pool = &at.app.pool;
        let now = pool.now().await.unwrap();
        for _ in 0..40 {
            db::letters::insert(&mut pool.get().await.unwrap(), now, &letter(None, None)).await.unwrap();
        }
        let claimants: Vec<_> = (0..4)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move {
                    let mut got = Vec::new();
                    while let Some(letter) = db::letters::claim(&pool, now, now.plus(Millis::DAY), Channel::Mail).await.unwrap() {
                        got.push(letter.id);
                    }
                    got
                })
            })
            .collect();
        let mut all = Vec::new();
        for claimant in claimants {
            all.extend(claimant.await.unwrap());
        }
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 40);
        let tries: Vec<_> = db::letters::list(&mut pool.get().await.unwrap(), 50).await.unwrap().iter().map(|l| l.tries).collect();
        assert_eq!(tries, [1; 40], "each was claimed once");
    });
}

#[test]
fn owners_and_whoever_began_it_are_told_and_nobody_else() {
    on_both(async |at| {
        let (acme, bolt) = (at.tenant("acme").await, at.tenant("bolt").await);
        at.member("owner@example.test", &[(&acme, Role::Owner)]).await;
        at.member("stranger@example.test", &[(&bolt, Role::Owner)]).await;
        at.member("viewer@example.test", &[(&acme, Role::Viewer)]).await;
        let dev = at.member("dev@example.test", &[(&acme, Role::Developer)]).await;
        let gone = at.member("gone@example.test", &[(&bolt, Role::Owner)]).await;
        let (mut conn, site) = (at.app.pool.get().await.unwrap(), SiteId::fresh());
        let mut told = async |who: Option<&str>| db::letters::recipients(&mut conn, &acme, Some(&site), true, who).await.unwrap();
        assert_eq!(told(None).await, ["owner@example.test"]);
        assert_eq!(told(Some(dev.account.as_str())).await, ["dev@example.test", "owner@example.test"]);
        assert_eq!(told(Some(gone.account.as_str())).await, ["owner@example.test"], "who is no member any more is not told");
        assert_eq!(told(Some(at.admin.account.as_str())).await, ["admin@example.test", "owner@example.test"]);
        let quiet = db::letters::recipients(&mut conn, &acme, Some(&site), false, Some(dev.account.as_str())).await.unwrap();
        assert_eq!(quiet, ["dev@example.test"], "what is no news is told to who began it alone");
    });
}

#[test]
fn a_letter_exists_exactly_if_its_fact_does() {
    on_both(async |at| {
        let now = at.app.pool.now().await.unwrap();
        let test = Letter::Test { to: "ann@example.test".into() };
        let mut tx = at.app.pool.begin().await.unwrap();
        letters::send(&mut tx, &at.app, now, None, &test, None).await.unwrap();
        tx.rollback().await.unwrap();
        assert!(letters::log(&at.app, &at.admin, 10).await.unwrap().is_empty());
        let mut tx = at.app.pool.begin().await.unwrap();
        for _ in 0..2 {
            letters::send(&mut tx, &at.app, now, None, &test, Some("once".into())).await.unwrap();
        }
        assert!(letters::send(&mut tx, &at.app, now, None, &Letter::Test { to: "a@b\r\nc".into() }, None).await.is_err());
        tx.commit().await.unwrap();
        let log = letters::log(&at.app, &at.admin, 10).await.unwrap();
        assert_eq!((log.len(), log[0].state.as_str(), log[0].kind.as_str()), (1, "queued", "test"));
        let owner = at.member("owner@example.test", &[]).await;
        assert!(letters::log(&at.app, &owner, 10).await.is_err(), "it is for administrators");
    });
}

#[test]
fn owners_hear_of_a_backup_that_failed_or_is_incomplete_and_of_a_restore_but_not_of_a_good_backup() {
    on_both(async |at| {
        at.tenant("acme").await;
        let root = at.directory();
        write(root.join("closed"), "x");
        give_tree(&root, &other_user());
        set_mode(&root.join("closed"), 0o644);
        let id = at.add_site("acme", "shop", "test").await;
        let acme = tenant(&at, "acme").await;
        let owner = at.member("owner@example.test", &[(&acme, Role::Owner)]).await;
        // The catalogue takes an address that no mail can be written to: nothing fails for that.
        at.member("no..mail@example.test", &[(&acme, Role::Owner)]).await;
        let back_up = async || {
            let (made, _) = backups::create(&at.app, &owner, &id, &CreateBackup::default(), None).await.unwrap();
            work(&at).await;
            backups::find(&at.app, &owner, &BackupId(made.id)).await.unwrap()
        };
        let subjects = async || -> Vec<String> {
            let mut conn = at.app.pool.get().await.unwrap();
            let mut all = db::letters::of_tenant(&mut conn, &acme, 50).await.unwrap();
            assert!(all.iter().all(|l| l.to_address == "owner@example.test" && l.state == "queued"), "{all:?}");
            all.sort_by_key(|l| l.created_at);
            all.into_iter().map(|l| l.subject).collect()
        };
        let good = back_up().await;
        assert_eq!((good.state, subjects().await.len()), (BackupState::Succeeded, 0));
        set_mode(&root.join("closed"), 0);
        assert_eq!(back_up().await.state, BackupState::Incomplete);
        assert_eq!(subjects().await, ["shop.test: the backup is incomplete"]);
        set_mode(&root.join("closed"), 0o644);
        let wish = CreateRestore { backup: Some(good.id), ..CreateRestore::default() };
        restores::create(&at.app, &owner, &id, &wish, None).await.unwrap();
        work(&at).await;
        let last = restores::log(&at.app, &owner, &id).await.unwrap().remove(0).id;
        assert_eq!(letters::of_restore(&at.app, &owner, &RestoreId(last)).await.unwrap().len(), 1);
        assert_eq!(subjects().await[1..], ["shop.test: the restore succeeded"]);
        std::fs::rename(&root, root.with_extension("away")).unwrap();
        let failed = back_up().await;
        assert_eq!(failed.state, BackupState::Failed);
        assert_eq!(subjects().await[2..], ["shop.test: the backup failed"]);
        let told = letters::of_backup(&at.app, &owner, &BackupId(failed.id.clone())).await.unwrap();
        assert_eq!((told.len(), told[0].to.as_str()), (1, "owner@example.test"));
        let viewer = at.member("stranger@example.test", &[]).await;
        assert!(letters::of_backup(&at.app, &viewer, &BackupId(failed.id.clone())).await.is_err());
        // A settled end tells no second time.
        let (mut tx, now) = (at.app.pool.begin().await.unwrap(), at.app.pool.now().await.unwrap());
        let state = BackupState::Failed;
        backups::settle(&mut tx, &at.app, now.plus(Millis::SECOND), &BackupId(failed.id), state, "again").await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(subjects().await.len(), 3);
    });
}
