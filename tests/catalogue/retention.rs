//! The statements of retention and of space, on both databases.

use super::on_both;
use crate::support::app::{Installation, backup_row, restore_row};
use sitekeep::base::clock::Millis;
use sitekeep::base::sql::Tx;
use sitekeep::db;
use sitekeep::db::alarms::NewAlarm;
use sitekeep::db::backups::{Backup, BackupElement};
use sitekeep::db::environments::Environment;
use sitekeep::db::retention::{Clock, Stored};
use sitekeep::domain::alarm::Cause;
use sitekeep::domain::element::Element;
use sitekeep::domain::ids::{AlarmId, BackupId, EnvironmentId, RestoreId, SiteId, TenantId};
use sitekeep::domain::state::{BackupState, RestoreState};

struct At {
    tenant: TenantId,
    env: Environment,
    id: EnvironmentId,
    site: SiteId,
    now: Millis,
}

async fn begin(at: &Installation) -> (At, Tx) {
    let tenant = at.tenant("acme").await;
    let id = at.add_site("acme", "shop", "live").await;
    let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
    let env = db::environments::find(&mut tx, &id).await.unwrap().unwrap();
    (At { tenant, site: SiteId(env.site_id.clone()), env, id, now }, tx)
}

/// A good backup with a snapshot of its code, so many days old.
async fn good(a: &At, tx: &mut Tx, days: i64) -> BackupId {
    let at = a.now.plus(-days * Millis::DAY);
    let row: Backup = backup_row(&a.env, at);
    let id = BackupId(row.id.clone());
    db::backups::insert(tx, &row, &[Element::Code]).await.unwrap();
    let element = db::backups::elements(tx, &a.tenant, &id).await.unwrap().remove(0);
    let element = BackupElement { state: "succeeded".into(), snapshot: Some(format!("{days:064}")), size: 7, stored: 5, ..element };
    db::backups::set_element(tx, &element).await.unwrap();
    db::backups::ended(tx, at, &a.tenant, &id, BackupState::Succeeded, None).await.unwrap();
    id
}

#[test]
fn rules_wait_for_their_time_and_then_stand_alone() {
    on_both(async |at| {
        let (a, mut tx) = begin(&at).await;
        assert_eq!(db::retention::of_tenant(&mut tx, &a.tenant).await.unwrap(), Some(Stored::default()));
        let rules = |rules: Option<&str>, next: Option<&str>| Stored {
            rules: rules.map(str::to_owned),
            next: next.map(str::to_owned),
            next_at: next.map(|_| a.now.0 + 10),
        };
        assert!(db::retention::set_tenant(&mut tx, &a.tenant, &rules(Some("{}"), Some("{\"grace_days\":20}"))).await.unwrap());
        assert!(db::retention::set_environment(&mut tx, &a.tenant, &a.id, &rules(Some("{}"), Some("follow"))).await.unwrap());
        assert_eq!(db::retention::take_effect(&mut tx, a.now).await.unwrap(), 0);
        assert_eq!(db::retention::take_effect(&mut tx, a.now.plus(10)).await.unwrap(), 2);
        let tenant = db::retention::of_tenant(&mut tx, &a.tenant).await.unwrap().unwrap();
        assert_eq!(tenant, Stored { rules: Some("{\"grace_days\":20}".into()), next: None, next_at: None });
        assert_eq!(db::retention::of_environment(&mut tx, &a.id).await.unwrap(), Some(Stored::default()), "it follows again");
        let terms = db::retention::terms(&mut tx, &a.tenant, &a.id, Cause::Size).await.unwrap().unwrap();
        assert_eq!((terms.own, terms.above), (Stored::default(), tenant), "both in one answer");
        assert!(db::retention::terms(&mut tx, &TenantId::fresh(), &a.id, Cause::Size).await.unwrap().is_none());
        let followers = db::retention::followers(&mut tx, &a.tenant).await.unwrap();
        assert!(followers.iter().any(|(id, _)| *id == a.id.0), "{followers:?}");
        db::retention::set_environment(&mut tx, &a.tenant, &a.id, &rules(Some("{}"), None)).await.unwrap();
        let without = db::retention::followers(&mut tx, &a.tenant).await.unwrap();
        assert_eq!(without.len() + 1, followers.len(), "it has its own");
        db::retention::set_environment(&mut tx, &a.tenant, &a.id, &Stored::default()).await.unwrap();
    });
}

#[test]
fn the_snapshots_of_a_site_are_listed_with_the_backups_that_have_them() {
    on_both(async |at| {
        let (a, mut tx) = begin(&at).await;
        let (old, new) = (good(&a, &mut tx, 2).await, good(&a, &mut tx, 1).await);
        let all = db::space::snapshots(&mut tx, &a.tenant, &a.site).await.unwrap();
        let ids: Vec<_> = all.iter().map(|s| (s.backup_id.as_str(), s.snapshot.as_str(), s.environment.as_str())).collect();
        let [one, two] = [1, 2].map(|days| format!("{days:064}"));
        assert_eq!(ids, [(new.as_str(), one.as_str(), "shop.live"), (old.as_str(), two.as_str(), "shop.live")]);
        assert!(db::space::snapshots(&mut tx, &TenantId::fresh(), &a.site).await.unwrap().is_empty());
    });
}

#[test]
fn an_environment_is_taken_by_one_sweep_alone() {
    on_both(async |at| {
        let (a, mut tx) = begin(&at).await;
        let due = db::retention::due(&mut tx, a.now, 10).await.unwrap();
        assert_eq!((due.len(), due[0].id.as_str(), due[0].retention_at), (1, a.id.as_str(), 0));
        assert!(db::retention::claim(&mut tx, &due[0], a.now.plus(1)).await.unwrap());
        assert!(!db::retention::claim(&mut tx, &due[0], a.now.plus(1)).await.unwrap());
        assert!(db::retention::due(&mut tx, a.now, 10).await.unwrap().is_empty());
        db::retention::set_hold(&mut tx, &a.id, Some(a.now)).await.unwrap();
        assert_eq!(db::retention::due(&mut tx, a.now.plus(1), 10).await.unwrap()[0].retention_hold_until, Some(a.now.0));
        let holds = db::retention::terms(&mut tx, &a.tenant, &a.id, Cause::Size).await.unwrap().unwrap().holds;
        assert_eq!((holds.until, holds.alarm_since), (Some(a.now.0), None));
        for cause in [Cause::Failed, Cause::Size] {
            let id = AlarmId::fresh();
            let alarm = NewAlarm { id: &id, tenant: &a.tenant, environment: &a.id, cause, message: "said", hint: None };
            assert!(db::alarms::open(&mut tx, a.now.plus(3), &alarm).await.unwrap());
            let since = db::retention::terms(&mut tx, &a.tenant, &a.id, Cause::Size).await.unwrap().unwrap().holds.alarm_since;
            assert_eq!(since, (cause == Cause::Size).then_some(a.now.0 + 3));
        }
    });
}

#[test]
fn what_is_judged_comes_with_what_a_restore_needs_and_without_the_trash() {
    on_both(async |at| {
        let (a, mut tx) = begin(&at).await;
        let (old, new) = (good(&a, &mut tx, 9).await, good(&a, &mut tx, 1).await);
        let restore = restore_row(&a.env, &old.0, a.now);
        db::restores::insert(&mut tx, &restore, &[]).await.unwrap();
        let seen = |history: &[db::retention::Past]| history.iter().map(|p| (p.id.clone(), p.needed)).collect::<Vec<_>>();
        let history = db::retention::history(&mut tx, &a.tenant, &a.id).await.unwrap();
        assert_eq!(seen(&history), [(new.0.clone(), 0), (old.0.clone(), 1)]);
        let until = Some(a.now.plus(1));
        db::restores::ended(&mut tx, a.now, &a.tenant, &RestoreId(restore.id), RestoreState::Succeeded, until).await.unwrap();
        assert_eq!(db::retention::history(&mut tx, &a.tenant, &a.id).await.unwrap()[1].needed, 1, "while it can be undone");
        db::retention::set_label(&mut tx, &a.tenant, &new, Some("weekly")).await.unwrap();
        assert_eq!(db::retention::history(&mut tx, &a.tenant, &a.id).await.unwrap()[0].label.as_deref(), Some("weekly"));
        db::retention::set_element_purge(&mut tx, &a.tenant, &new, "code", Some((a.now, "a rule"))).await.unwrap();
        let there = db::retention::elements(&mut tx, &a.tenant, &a.id).await.unwrap();
        assert_eq!(there.iter().filter(|t| t.purge_at == Some(a.now.0)).map(|t| t.backup_id.as_str()).collect::<Vec<_>>(), [new.as_str()]);
        assert!(db::retention::throw_away(&mut tx, a.now, &a.tenant, &new, "a rule", a.now).await.unwrap());
        assert!(!db::retention::throw_away(&mut tx, a.now, &a.tenant, &new, "a rule", a.now).await.unwrap());
        assert_eq!(seen(&db::retention::history(&mut tx, &a.tenant, &a.id).await.unwrap()), [(old.0.clone(), 1)]);
        assert_eq!(db::environments::card(&mut tx, a.now, &a.id).await.unwrap().unwrap().last_good_id, Some(old.0));
    });
}

#[test]
fn the_trash_has_its_dates_its_notices_and_its_end() {
    on_both(async |at| {
        let (a, mut tx) = begin(&at).await;
        let (old, new) = (good(&a, &mut tx, 9).await, good(&a, &mut tx, 1).await);
        db::backups::set_deleted(&mut tx, &a.tenant, &old, Some((a.now, "ann@example.test"))).await.unwrap();
        assert_eq!(db::retention::date_the_trash(&mut tx, &a.tenant, &a.id, a.now).await.unwrap(), 1);
        assert_eq!(db::retention::date_the_trash(&mut tx, &a.tenant, &a.id, a.now).await.unwrap(), 0);
        db::retention::set_purge(&mut tx, &a.tenant, &old, a.now.plus(-5)).await.unwrap();
        assert_eq!(db::backups::find(&mut tx, &old).await.unwrap().unwrap().purge_at, Some(a.now.0), "never sooner than was said");
        assert_eq!(db::purges::unnoticed_tenants(&mut tx, a.now.plus(1)).await.unwrap(), std::slice::from_ref(&a.tenant.0));
        let told = db::purges::unnoticed(&mut tx, &a.tenant).await.unwrap();
        assert_eq!((told.len(), told[0].environment.as_str(), told[0].deleted_by.as_str()), (1, "shop.live", "ann@example.test"));
        let over = async |tx: &mut Tx, told: Millis| db::purges::over(tx, a.now, &a.tenant, &a.site, told, 9).await.unwrap().len();
        assert_eq!(over(&mut tx, a.now).await, 0, "nobody was told");
        db::purges::set_noticed(&mut tx, a.now, &a.tenant, &old).await.unwrap();
        assert!(db::purges::unnoticed_tenants(&mut tx, a.now.plus(1)).await.unwrap().is_empty());
        assert_eq!((over(&mut tx, a.now.plus(-1)).await, over(&mut tx, a.now).await), (0, 1));
        assert_eq!(db::purges::repositories_due(&mut tx, a.now, a.now).await.unwrap().len(), 1);
        assert_eq!(db::purges::last_resort(&mut tx, &a.tenant, &a.id).await.unwrap(), Some(new.0.clone()));
        assert!(db::backups::hold(&mut tx, &a.tenant, &old).await.unwrap());
        assert!(db::purges::expire(&mut tx, a.now, &a.tenant, &old).await.unwrap());
        assert!(!db::purges::expire(&mut tx, a.now, &a.tenant, &old).await.unwrap());
        assert!(!db::backups::hold(&mut tx, &a.tenant, &old).await.unwrap());
        assert!(db::backups::elements(&mut tx, &a.tenant, &old).await.unwrap()[0].snapshot.is_none(), "nothing can be restored from it");
        let unwanted = db::purges::unwanted(&mut tx, &a.tenant, &a.site).await.unwrap();
        assert_eq!((unwanted.len(), unwanted[0].backup_id.as_str()), (1, old.as_str()));
        db::purges::forgotten(&mut tx, &a.tenant, &unwanted[0]).await.unwrap();
        assert!(db::purges::unwanted(&mut tx, &a.tenant, &a.site).await.unwrap().is_empty());
        // An element on its own; never of the newest good one.
        let older = good(&a, &mut tx, 5).await;
        for id in [&older, &new] {
            db::retention::set_element_purge(&mut tx, &a.tenant, id, "code", Some((a.now, "a rule"))).await.unwrap();
        }
        assert_eq!(db::purges::expire_elements(&mut tx, a.now, &a.tenant, &a.site).await.unwrap(), 1);
        assert_eq!(db::purges::unwanted(&mut tx, &a.tenant, &a.site).await.unwrap()[0].backup_id, older.0);
        let used = db::space::usage(&mut tx, &a.tenant, Some(&a.id)).await.unwrap();
        assert_eq!((used.len(), used[0].backups, used[0].size, used[0].stored), (1, 2, 14, 10));
    });
}

#[test]
fn a_backup_that_a_restore_needs_or_that_is_pinned_does_not_expire() {
    on_both(async |at| {
        let (a, mut tx) = begin(&at).await;
        let (old, _) = (good(&a, &mut tx, 9).await, good(&a, &mut tx, 1).await);
        db::backups::set_deleted(&mut tx, &a.tenant, &old, Some((a.now, "ann@example.test"))).await.unwrap();
        db::retention::set_purge(&mut tx, &a.tenant, &old, a.now).await.unwrap();
        db::backups::set_pinned(&mut tx, &a.tenant, &old, true).await.unwrap();
        assert!(!db::purges::expire(&mut tx, a.now, &a.tenant, &old).await.unwrap());
        db::backups::set_pinned(&mut tx, &a.tenant, &old, false).await.unwrap();
        db::restores::insert(&mut tx, &restore_row(&a.env, &old.0, a.now), &[]).await.unwrap();
        assert!(!db::purges::expire(&mut tx, a.now, &a.tenant, &old).await.unwrap());
    });
}

#[test]
fn the_clock_and_the_repositories_are_remembered() {
    on_both(async |at| {
        let (a, mut tx) = begin(&at).await;
        let clock = Clock { read_at: a.now.0, doubt: Some("it jumped".into()), doubted_at: Some(a.now.0), agreeing: 1 };
        db::retention::set_clock(&mut tx, &clock).await.unwrap();
        assert_eq!(db::retention::clock(&mut tx).await.unwrap(), clock);
        let repository = db::space::repository(&mut tx, &a.tenant, &a.site).await.unwrap().unwrap();
        assert_eq!(db::space::unmeasured(&mut tx, a.now, 5).await.unwrap().len(), 1);
        db::space::measured(&mut tx, a.now, &a.tenant, &repository.id, 100).await.unwrap();
        db::space::measured(&mut tx, a.now, &a.tenant, &repository.id, 90).await.unwrap();
        assert!(db::space::unmeasured(&mut tx, a.now, 5).await.unwrap().is_empty());
        let day = a.now.0.div_euclid(Millis::DAY);
        assert_eq!(db::space::growth(&mut tx, &a.tenant, Some(&a.site), day).await.unwrap(), [(day, 90)]);
        assert_eq!(db::space::growth(&mut tx, &a.tenant, None, day).await.unwrap(), [(day, 90)]);
        assert_eq!(db::space::growth_of_all(&mut tx, day).await.unwrap(), [(day, 90)]);
        db::space::cleaned(&mut tx, a.now, &a.tenant, &repository.id, 7, Some(a.now)).await.unwrap();
        assert_eq!(db::purges::repositories_due(&mut tx, a.now, a.now).await.unwrap()[0].2, repository.id);
        db::space::pause(&mut tx, &a.tenant, &a.site, a.now.plus(1)).await.unwrap();
        assert!(db::purges::repositories_due(&mut tx, a.now, a.now).await.unwrap().is_empty());
        assert_eq!(db::space::unchecked(&mut tx, a.now.plus(1), 5).await.unwrap().len(), 1);
        db::space::checked(&mut tx, a.now, &a.tenant, &repository.id, Some("aa"), None).await.unwrap();
        db::space::checked(&mut tx, a.now.plus(5), &a.tenant, &repository.id, None, Some("packs aa")).await.unwrap();
        let all = db::space::repositories(&mut tx).await.unwrap();
        assert_eq!((all.len(), all[0].bytes, all[0].marked_bytes, all[0].checked_at), (1, Some(90), Some(7), Some(a.now.0 + 5)));
        assert_eq!((all[0].damaged.as_deref(), all[0].check_after.as_deref(), all[0].check_began_at), (Some("packs aa"), None, None));
    });
}
