//! Schedules and slots, on both databases.

use super::on_both;
use crate::support::app::backup_row;
use sitekeep::base::clock::Millis;
use sitekeep::base::sql::Conn;
use sitekeep::db;
use sitekeep::domain::element::Element;
use sitekeep::domain::ids::{BackupId, EnvironmentId, TenantId};
use sitekeep::domain::rights::Role;
use sitekeep::domain::schedule::SlotState;

#[test]
fn schedules_are_due_taken_and_planned() {
    on_both(async |at| {
        let acme = at.tenant("acme").await;
        let shop = at.add_site("acme", "shop", "test").await;
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let conn: &mut Conn = &mut tx;
        // Every environment has one from its beginning; another one is none.
        db::schedules::insert(conn, now, &acme, &shop).await.unwrap();
        assert_eq!(db::schedules::due(conn, now, 9).await.unwrap(), std::slice::from_ref(&shop.0));
        assert!(db::schedules::take(conn, now, &shop).await.unwrap());
        assert!(db::schedules::set_next(conn, &shop, Some(now.plus(50)), now.plus(7)).await.unwrap());
        assert!(!db::schedules::take(conn, now.plus(49), &shop).await.unwrap());
        assert!(db::schedules::due(conn, now.plus(49), 9).await.unwrap().is_empty());
        assert_eq!(db::schedules::due(conn, now.plus(50), 9).await.unwrap().len(), 1);
        let facts = db::schedules::facts(conn, &shop).await.unwrap().unwrap();
        assert_eq!((facts.rule.as_deref(), facts.tenant_rule, facts.next_at), (None, None, Some(now.0 + 50)));
        assert_eq!((facts.settled_at, facts.allowed, facts.tenant_state.as_str()), (now.0 + 7, 1, "active"));
        assert_eq!((facts.environment_state.as_str(), facts.frozen, facts.running, facts.stuck), ("active", None, None, None));
        assert!(db::schedules::facts(conn, &EnvironmentId::fresh()).await.unwrap().is_none());
        assert!(db::schedules::set_next(conn, &shop, None, now).await.unwrap());
        assert!(!db::schedules::take(conn, now.plus(Millis::DAY), &shop).await.unwrap(), "it is switched off");
        tx.commit().await.unwrap();
    });
}

#[test]
fn rules_are_an_environments_own_or_its_tenants() {
    on_both(async |at| {
        let (acme, bolt) = (at.tenant("acme").await, at.tenant("bolt").await);
        let (shop, wiki) = (at.add_site("acme", "shop", "test").await, at.add_site("acme", "wiki", "test").await);
        at.add_site("bolt", "forge", "test").await;
        let ann = at.member("ann@example.test", &[(&acme, Role::Owner)]).await;
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let conn: &mut Conn = &mut tx;
        for id in [&shop, &wiki] {
            db::schedules::set_next(conn, id, Some(now.plus(Millis::DAY)), now.plus(5)).await.unwrap();
        }
        assert!(db::schedules::set_rule(conn, now, &acme, &shop, Some("{\"hour\":3}")).await.unwrap());
        assert!(!db::schedules::set_rule(conn, now, &bolt, &shop, None).await.unwrap(), "it is another tenant's");
        let facts = db::schedules::facts(conn, &shop).await.unwrap().unwrap();
        assert_eq!((facts.next_at, facts.settled_at, facts.planned_from), (Some(0), now.0 + 5, now.0));
        assert!(db::schedules::set_of_tenant(conn, now.plus(9), &acme, Some("{\"hour\":4}")).await.unwrap());
        assert!(!db::schedules::set_of_tenant(conn, now, &TenantId::fresh(), None).await.unwrap());
        assert_eq!(db::schedules::of_tenant(conn, &acme).await.unwrap().as_deref(), Some("{\"hour\":4}"));
        assert_eq!(db::schedules::of_tenant(conn, &bolt).await.unwrap(), None);
        let both = [db::schedules::facts(conn, &shop).await.unwrap().unwrap(), db::schedules::facts(conn, &wiki).await.unwrap().unwrap()];
        assert_eq!(both.each_ref().map(|f| f.planned_from), [now.0, now.0 + 9], "who has its own does not follow");
        assert_eq!(both[1].tenant_rule.as_deref(), Some("{\"hour\":4}"));
        assert_eq!(db::schedules::followers(conn, &acme).await.unwrap(), (1, 1));
        assert_eq!(db::schedules::followers(conn, &TenantId::fresh()).await.unwrap(), (0, 0));
        let names = async |conn: &mut Conn, member: Option<&str>, tenant: Option<&str>| {
            let all = db::schedules::list(conn, member, tenant).await.unwrap();
            all.into_iter().map(|l| l.site).collect::<Vec<_>>()
        };
        assert_eq!(names(conn, None, None).await, ["shop", "wiki", "forge"]);
        assert_eq!(names(conn, Some(ann.account.as_str()), None).await, ["shop", "wiki"]);
        assert_eq!(names(conn, Some(ann.account.as_str()), Some(bolt.as_str())).await, Vec::<String>::new());
        assert!(db::schedules::allowed(conn, &acme).await.unwrap());
        let plan = db::tenants::Plan { plan: "free".into(), ..db::tenants::Plan::default() };
        db::tenants::set_plan(conn, &acme, &plan).await.unwrap();
        assert!(!db::schedules::allowed(conn, &acme).await.unwrap());
        tx.commit().await.unwrap();
    });
}

#[test]
fn slots_are_settled_once_and_what_a_wrong_clock_settled_is_taken_back() {
    on_both(async |at| {
        let acme = at.tenant("acme").await;
        let shop = at.add_site("acme", "shop", "test").await;
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let conn: &mut Conn = &mut tx;
        let env = db::environments::find(conn, &shop).await.unwrap().unwrap();
        let mut backup = backup_row(&env, now);
        let slot = now.plus(-100);
        backup.slot_at = Some(slot.0);
        db::backups::insert(conn, &backup, &[Element::Code]).await.unwrap();
        let whose = (&acme, &shop);
        let facts = db::schedules::facts(conn, &shop).await.unwrap().unwrap();
        assert_eq!(facts.running.as_ref(), Some(&backup.id), "it has not ended");
        assert!(db::schedules::settle(conn, now, whose, slot, SlotState::Queued, None, Some(&backup.id)).await.unwrap());
        assert!(!db::schedules::settle(conn, now, whose, slot, SlotState::Missed, Some("late"), None).await.unwrap());
        let found = db::schedules::slot(conn, &acme, &shop, slot).await.unwrap().unwrap();
        assert_eq!((found.state.as_str(), found.backup_state.as_deref(), found.at), ("queued", Some("queued"), now.0));
        assert!(db::schedules::slot(conn, &acme, &shop, now).await.unwrap().is_none());
        assert!(db::schedules::settle(conn, now, whose, slot.plus(-9), SlotState::Missed, Some("late"), None).await.unwrap());
        assert!(db::schedules::settle(conn, now, whose, now.plus(9), SlotState::Skipped, Some("early"), None).await.unwrap());
        let past = db::schedules::slots(conn, &acme, &shop, now, 9).await.unwrap();
        assert_eq!(past.iter().map(|s| s.state.as_str()).collect::<Vec<_>>(), ["queued", "missed"]);
        // The clock was two days ahead, and is right again.
        db::schedules::set_rule(conn, slot.plus(-1000), &acme, &shop, None).await.unwrap();
        db::schedules::set_next(conn, &shop, Some(now.plus(3 * Millis::DAY)), now.plus(2 * Millis::DAY)).await.unwrap();
        assert_eq!(db::schedules::rewind(conn, now, now.plus(3 * Millis::DAY)).await.unwrap(), 0, "not so far");
        assert_eq!(db::schedules::rewind(conn, now, now.plus(Millis::DAY)).await.unwrap(), 1);
        let facts = db::schedules::facts(conn, &shop).await.unwrap().unwrap();
        assert_eq!((facts.next_at, facts.settled_at), (Some(0), slot.0), "the last slot that is past");
        db::schedules::unsettle(conn, &acme, &shop, slot).await.unwrap();
        assert!(db::schedules::slot(conn, &acme, &shop, slot).await.unwrap().is_none());
        let backup = db::backups::find(conn, &BackupId(backup.id.clone())).await.unwrap().unwrap();
        assert_eq!((backup.slot_at, backup.state.as_str()), (None, "queued"), "it stays a backup");
        tx.commit().await.unwrap();
    });
}

#[test]
fn old_slots_are_forgotten_and_the_newest_that_is_past_never_is() {
    on_both(async |at| {
        let acme = at.tenant("acme").await;
        let (shop, wiki) = (at.add_site("acme", "shop", "test").await, at.add_site("acme", "wiki", "test").await);
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let conn: &mut Conn = &mut tx;
        let day = |n: i64| now.plus(-n * Millis::DAY);
        for n in [900, 500, 401, 399, 1] {
            assert!(db::schedules::settle(conn, day(n), (&acme, &shop), day(n), SlotState::Missed, None, None).await.unwrap());
        }
        // Settled late, and so no older than that; one of a time that is yet to come; and an environment at rest for years.
        assert!(db::schedules::settle(conn, day(2), (&acme, &shop), day(450), SlotState::Missed, None, None).await.unwrap());
        assert!(db::schedules::settle(conn, day(-9), (&acme, &wiki), day(-9), SlotState::Missed, None, None).await.unwrap());
        for n in [900, 800] {
            assert!(db::schedules::settle(conn, day(n), (&acme, &wiki), day(n), SlotState::Missed, None, None).await.unwrap());
        }
        let left = async |conn: &mut Conn, id: &EnvironmentId| {
            let all = db::schedules::slots(conn, &acme, id, now, 99).await.unwrap();
            all.into_iter().map(|s| (now.0 - s.slot_at) / Millis::DAY).collect::<Vec<_>>()
        };
        assert_eq!(db::schedules::forget(conn, now, &TenantId::fresh(), &shop, day(400)).await.unwrap(), 0, "not of another tenant");
        assert_eq!(db::schedules::forget(conn, now, &acme, &shop, day(400)).await.unwrap(), 3);
        assert_eq!(left(conn, &shop).await, [1, 399, 450]);
        assert_eq!(left(conn, &wiki).await, [800, 900], "another environment's");
        assert_eq!(db::schedules::forget(conn, now, &acme, &wiki, day(400)).await.unwrap(), 1);
        assert_eq!(left(conn, &wiki).await, [800]);
        // A clock that was ahead is right again: the schedule goes on from that slot, as it did before.
        db::schedules::set_rule(conn, day(1000), &acme, &wiki, None).await.unwrap();
        db::schedules::set_next(conn, &wiki, Some(day(-11)), day(-10)).await.unwrap();
        assert_eq!(db::schedules::rewind(conn, now, day(-1)).await.unwrap(), 1);
        assert_eq!(db::schedules::facts(conn, &wiki).await.unwrap().unwrap().settled_at, day(800).0);
        tx.commit().await.unwrap();
    });
}

#[test]
fn all_schedules_rest_once_and_wake_once() {
    on_both(async |at| {
        at.tenant("acme").await;
        let shop = at.add_site("acme", "shop", "test").await;
        let now = at.app.pool.now().await.unwrap();
        let conn: &mut Conn = &mut at.app.pool.get().await.unwrap();
        assert!(db::schedules::frozen(conn).await.unwrap().is_none());
        assert!(db::schedules::freeze(conn, now, "ada@example.test", "the storage moves").await.unwrap());
        assert!(!db::schedules::freeze(conn, now, "eve@example.test", "again").await.unwrap());
        let found = db::schedules::frozen(conn).await.unwrap().unwrap();
        assert_eq!((found.frozen_at, found.frozen_by.as_str(), found.reason.as_str()), (now.0, "ada@example.test", "the storage moves"));
        assert_eq!(db::schedules::facts(conn, &shop).await.unwrap().unwrap().frozen.as_deref(), Some("the storage moves"));
        assert!(db::schedules::thaw(conn).await.unwrap());
        assert!(!db::schedules::thaw(conn).await.unwrap());
    });
}
