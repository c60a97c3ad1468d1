//! One slot at a time: made, missed, skipped, refused; and several schedulers at once.

use super::{on_both, slots, work};
use crate::support::app::{Installation, restore_row};
use crate::support::little::Little;
use crate::support::panel::Panel;
use crate::support::wait_for;
use sitekeep::app::{backups, letters, plans, schedules, tenants};
use sitekeep::base::clock::{Clock, Millis};
use sitekeep::base::error::Class;
use sitekeep::base::sql::Pool;
use sitekeep::base::zone::Zone;
use sitekeep::db;
use sitekeep::domain::element::Element;
use sitekeep::domain::ids::{BackupId, EnvironmentId, TenantId};
use sitekeep::domain::page::LogQuery;
use sitekeep::domain::rights::Role;
use sitekeep::domain::schedule::{Cadence, Schedule};
use sitekeep::domain::weekday::Weekday;
use std::time::Duration;

const HOUR: i64 = 3600 * Millis::SECOND;

/// An environment with a rule that is due at three in the night.
async fn shop(at: &Installation) -> (TenantId, EnvironmentId, i64) {
    let tenant = at.tenant("acme").await;
    let id = at.add_site("acme", "shop", "live").await;
    let rule = Schedule { hour: Some(3), ..Schedule::default() };
    schedules::set(&at.app, &at.admin, &id, Some(rule)).await.unwrap();
    (tenant, id.clone(), rule.minute(id.as_str()) * 60 * Millis::SECOND)
}

/// To that hour and minute, so many days after the test began.
fn go(clock: &Clock, day: i64, millis_of_day: i64) {
    let noon = Millis::from_iso("2026-11-21T12:00:00Z").unwrap();
    clock.advance(noon.0 - 12 * HOUR + day * Millis::DAY + millis_of_day - clock.now().0);
}

#[test]
fn a_slot_becomes_a_backup_that_says_when_it_was_due_and_when_it_ran() {
    on_both(async |at, clock| {
        let (tenant, id, due) = shop(&at).await;
        assert_eq!(schedules::fire(&at.app).await.unwrap(), 0, "planned, and not yet due");
        go(&clock, 1, due - 1);
        assert_eq!(schedules::fire(&at.app).await.unwrap(), 0);
        go(&clock, 1, due + 9);
        assert_eq!(schedules::fire(&at.app).await.unwrap(), 1);
        assert_eq!(schedules::fire(&at.app).await.unwrap(), 0, "once is enough");
        go(&clock, 1, due + HOUR);
        assert_eq!(work(&at.app, 9).await, 1);
        let log = backups::log(&at.app, &at.admin, &id, None, 9).await.unwrap();
        let slot = Millis(clock.now().0 - HOUR).iso();
        assert_eq!((log[0].reason.as_str(), log[0].initiator.as_str()), ("Weekly backup", "schedule"), "22 November is a Sunday");
        assert_eq!(log[0].due.as_deref(), Some(slot.as_str()));
        go(&clock, 2, due);
        assert_eq!(schedules::fire(&at.app).await.unwrap(), 1);
        let log = backups::log(&at.app, &at.admin, &id, None, 9).await.unwrap();
        assert_eq!(log[0].reason, "Nightly backup");
        assert_eq!(slots(&at.app, &tenant, &id).await.iter().map(|s| s.1.as_str()).collect::<Vec<_>>(), ["queued", "queued"]);
        let page = schedules::page(&at.app, &at.admin, &id, None).await.unwrap();
        assert_eq!((page.upcoming.len(), page.upcoming[0].0), (5, clock.now().0 + Millis::DAY));
        let here_and_now = (clock.now(), Zone::default());
        let overview =
            sitekeep::app::environments::page(&at.app, &at.admin, &id, LogQuery::default(), here_and_now).await.unwrap().overview;
        assert_eq!(overview.next_run.at, Some(page.upcoming[0]));
        assert_eq!(overview.next_run.said, page.words);
    });
}

#[test]
fn after_a_time_without_service_one_slot_is_made_up_for_and_the_others_are_missed() {
    on_both(async |at, clock| {
        let (tenant, id, due) = shop(&at).await;
        schedules::fire(&at.app).await.unwrap();
        go(&clock, 4, due + 9 * HOUR);
        assert_eq!(schedules::fire(&at.app).await.unwrap(), 1);
        let seen = slots(&at.app, &tenant, &id).await;
        assert_eq!(seen.iter().map(|s| s.1.as_str()).collect::<Vec<_>>(), ["missed", "missed", "missed", "queued"]);
        assert!(seen[0].2.contains("was not running"), "{seen:?}");
        work(&at.app, 9).await;
        go(&clock, 104, due + 9 * HOUR);
        assert_eq!(schedules::fire(&at.app).await.unwrap(), 1);
        let seen = slots(&at.app, &tenant, &id).await;
        assert_eq!(seen.len(), 4 + 31, "they are bounded");
        assert!(seen[4].2.ends_with("so were 69 slots before this one"), "{:?}", seen[4]);
    });
}

#[test]
fn what_stands_against_a_slot_is_written_down() {
    on_both(async |at, clock| {
        let (tenant, id, due) = shop(&at).await;
        schedules::fire(&at.app).await.unwrap();
        let mut day = 0;
        let mut next = async || {
            day += 1;
            go(&clock, day, due);
            let queued = schedules::fire(&at.app).await.unwrap();
            (queued, slots(&at.app, &tenant, &id).await.pop().unwrap())
        };
        assert_eq!(next().await.0, 1);
        let (queued, slot) = next().await;
        assert!(queued == 0 && slot.1 == "skipped" && slot.2.contains("was still queued or running"), "{slot:?}");
        work(&at.app, 9).await;
        schedules::freeze(&at.app, &at.admin, "the storage moves").await.unwrap();
        let (queued, slot) = next().await;
        assert!(queued == 0 && slot.1 == "skipped" && slot.2.contains("the storage moves"), "{slot:?}");
        schedules::thaw(&at.app, &at.admin).await.unwrap();
        tenants::set_active(&at.app, &at.admin, &tenant, false).await.unwrap();
        let (queued, slot) = next().await;
        assert!(queued == 0 && slot.1 == "refused" && slot.2.contains("suspended"), "{slot:?}");
        tenants::set_active(&at.app, &at.admin, &tenant, true).await.unwrap();
        let free = plans::Plan { name: "free".into(), backups: Some(1), schedules: true, ..plans::Plan::default() };
        plans::set(&at.app, &at.admin, &tenant, &free).await.unwrap();
        let (queued, slot) = next().await;
        assert!(queued == 0 && slot.1 == "refused" && slot.2.contains("its plan allows 1"), "{slot:?}");
        plans::set(&at.app, &at.admin, &tenant, &plans::Plan { backups: None, schedules: false, ..free.clone() }).await.unwrap();
        let (queued, slot) = next().await;
        assert!(queued == 0 && slot.1 == "refused" && slot.2.contains("no schedules"), "{slot:?}");
        let e = schedules::set(&at.app, &at.admin, &id, Some(Schedule::default())).await.unwrap_err();
        assert_eq!(e.class(), Class::Conflict, "{e}");
        plans::set(&at.app, &at.admin, &tenant, &plans::Plan { backups: None, ..free }).await.unwrap();
        stuck(&at, &id).await;
        let (queued, slot) = next().await;
        assert!(queued == 0 && slot.1 == "refused" && slot.2.contains("is stuck"), "{slot:?}");
    });
}

async fn stuck(at: &Installation, id: &EnvironmentId) {
    let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
    let env = db::environments::find(&mut tx, id).await.unwrap().unwrap();
    let backup = crate::support::app::backup_row(&env, now);
    db::backups::insert(&mut tx, &backup, &[Element::Code]).await.unwrap();
    let mut restore = restore_row(&env, &backup.id, now);
    restore.state = "stuck".into();
    db::restores::insert(&mut tx, &restore, &[]).await.unwrap();
    tx.commit().await.unwrap();
}

#[test]
fn schedulers_at_once_settle_each_slot_once() {
    on_both(async |at, clock| {
        let tenant = at.tenant("acme").await;
        let first = at.add_site("acme", "shop", "live").await;
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let like = db::environments::find(&mut tx, &first).await.unwrap().unwrap();
        for n in 0..39 {
            let row = db::environments::Environment { id: EnvironmentId::fresh().0, name: format!("copy{n}"), ..like.clone() };
            db::environments::insert(&mut tx, now, &row).await.unwrap();
        }
        tx.commit().await.unwrap();
        let mut apps = Vec::new();
        for _ in 0..4 {
            let mut app = at.app.clone();
            app.pool = Pool::connect(&at.url, 2, clock.clone()).await.unwrap();
            apps.push(app);
        }
        schedules::fire(&at.app).await.unwrap();
        for day in 1..4 {
            go(&clock, day, 7 * HOUR);
            let fired: Vec<_> = apps.iter().cloned().map(|app| tokio::spawn(async move { schedules::fire(&app).await.unwrap() })).collect();
            let mut all = 0;
            for one in fired {
                all += one.await.unwrap();
            }
            assert_eq!(all, 40);
            assert_eq!(work(&at.app, 100).await, 40);
        }
        assert_eq!(slots(&at.app, &tenant, &first).await.len(), 3);
    });
}

#[test]
fn who_makes_fewer_backups_is_heard_of_and_who_makes_more_is_not() {
    on_both(async |at, _| {
        let (tenant, id, _) = shop(&at).await;
        let wiki = at.add_site("acme", "wiki", "live").await;
        let ann = at.member("ann@example.test", &[(&tenant, Role::Owner)]).await;
        let vic = at.member("vic@example.test", &[(&tenant, Role::Developer)]).await;
        let letters = async || letters::log(&at.app, &at.admin, 50).await.unwrap();
        let nightly = Schedule { hour: Some(4), ..Schedule::default() };
        let weekly = Schedule { cadence: Cadence::Weekly, weekday: Weekday::Friday, ..nightly };
        schedules::set(&at.app, &ann, &id, Some(nightly)).await.unwrap();
        assert!(letters().await.is_empty());
        assert_eq!(schedules::set(&at.app, &vic, &id, Some(weekly)).await.unwrap_err().class(), Class::Forbidden);
        schedules::set(&at.app, &ann, &id, Some(weekly)).await.unwrap();
        schedules::set(&at.app, &ann, &id, Some(Schedule { enabled: false, ..weekly })).await.unwrap();
        let told = letters().await;
        assert_eq!(told.len(), 2);
        assert!(told.iter().all(|l| l.to == ann.email && l.subject == "shop.live: fewer backups are made from now on"), "{told:?}");
        let kept = schedules::find(&at.app, &ann, &id).await.unwrap();
        assert!(
            !kept.rule.enabled && kept.rule.weekday == Weekday::Friday && kept.rule.hour == Some(4),
            "nothing is lost by switching off"
        );
        assert!(kept.upcoming.is_empty());
        // The tenant's rule is that of whoever has none.
        schedules::set_of_tenant(&at.app, &ann, &tenant, Some(weekly)).await.unwrap();
        assert_eq!(letters().await.len(), 3);
        let followed = schedules::find(&at.app, &ann, &wiki).await.unwrap();
        assert!(!followed.own && followed.rule == weekly);
        assert!(schedules::find(&at.app, &ann, &id).await.unwrap().own);
        schedules::set(&at.app, &ann, &id, None).await.unwrap();
        assert_eq!(schedules::find(&at.app, &ann, &id).await.unwrap().rule, weekly);
        let acts = db::activity::newest(&mut at.app.pool.get().await.unwrap(), &tenant, 50).await.unwrap();
        assert_eq!(acts.iter().filter(|a| a.action == "schedule.change").count(), 6, "{acts:?}");
        assert_eq!(schedules::freeze(&at.app, &ann, "mine").await.unwrap_err().class(), Class::NotFound);
        assert_eq!(schedules::freeze(&at.app, &at.admin, " ").await.unwrap_err().class(), Class::Invalid);
        assert_eq!(schedules::thaw(&at.app, &at.admin).await.unwrap_err().class(), Class::Conflict);
    });
}

#[test]
fn the_server_itself_makes_the_backup_that_is_due() {
    let panel = Panel::start_with(&["serve"], None, r#"{"schedules_every": 200}"#);
    Little::added_to(&panel);
    // As if it had been planned a day ago: the newest slot is made up for.
    let db = rusqlite::Connection::open(panel.server.data.join("catalogue.db")).unwrap();
    db.busy_timeout(Duration::from_secs(10)).unwrap();
    let changed = "update schedules set planned_from = planned_from - 86000000, settled_at = planned_from - 86000000, next_at = 0";
    db.execute(changed, []).unwrap();
    let state = "select coalesce(max(state || ' ' || initiator || ' ' || reason), '') from backups where slot_at is not null";
    let state = || db.query_row(state, [], |row| row.get::<_, String>(0)).unwrap();
    wait_for("the backup of the schedule", Duration::from_secs(60), || state().starts_with("succeeded schedule "));
    assert!(state().ends_with("Nightly backup") || state().ends_with("Weekly backup"), "{}", state());
    let slots: i64 =
        db.query_row("select count(*) from slots where state = 'queued' and backup_id is not null", [], |row| row.get(0)).unwrap();
    assert_eq!(slots, 1);
}

#[test]
fn a_scheduled_backup_is_found_by_its_id_with_its_slot() {
    on_both(async |at, clock| {
        let (_, id, due) = shop(&at).await;
        schedules::fire(&at.app).await.unwrap();
        go(&clock, 1, due + 5000);
        schedules::fire(&at.app).await.unwrap();
        let slots = schedules::slots(&at.app, &at.admin, &id).await.unwrap();
        let backup = backups::find(&at.app, &at.admin, &BackupId(slots[0].backup.clone().unwrap())).await.unwrap();
        assert_eq!(backup.due.as_deref(), Some(slots[0].due.as_str()));
        assert_eq!(slots[0].ran, None);
        let listed = schedules::list(&at.app, &at.admin).await.unwrap();
        assert_eq!((listed.len(), listed[0].upcoming.len(), listed[0].environment.as_str()), (1, 1, "shop.live"));
    });
}
