//! What the dashboard asks the catalogue: logs with filters, days, the fleet, the trash.

use super::on_both;
use crate::support::app::backup_row;
use sitekeep::base::clock::Millis;
use sitekeep::db;
use sitekeep::db::backups::{Backup, BackupElement, Narrow};
use sitekeep::db::environments::Fleet;
use sitekeep::domain::element::Element;
use sitekeep::domain::ids::BackupId;
use sitekeep::domain::rights::Role;
use sitekeep::domain::state::BackupState;

/// A day ago, and a minute more for each number.
fn minute(now: Millis, n: i64) -> Millis {
    now.plus(-Millis::DAY + n * 60_000)
}

#[test]
fn the_log_is_narrowed_in_every_way_and_keeps_its_order() {
    on_both(async |at| {
        let tenant = at.tenant("acme").await;
        let id = at.add_site("acme", "shop", "live").await;
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let env = db::environments::find(&mut tx, &id).await.unwrap().unwrap();
        let made = [
            ("Before the storm 100%", BackupState::Succeeded, &[Element::Code, Element::Files][..], true),
            ("", BackupState::Failed, &[Element::Code], true),
            ("before_storm", BackupState::Incomplete, &[Element::Files], false),
            ("", BackupState::Cancelled, &[Element::Code], true),
        ];
        let mut ids = Vec::new();
        for (n, (note, state, elements, on_demand)) in made.into_iter().enumerate() {
            let row = Backup { note: Some(note.to_owned()).filter(|n| !n.is_empty()), ..backup_row(&env, minute(now, n as i64)) };
            let row = if on_demand { row } else { Backup { reason: "Nightly backup".into(), ..row } };
            db::backups::insert(&mut tx, &row, elements).await.unwrap();
            db::backups::ended(&mut tx, minute(now, n as i64), &tenant, &BackupId(row.id.clone()), state, None).await.unwrap();
            ids.push(row.id);
        }
        let mut seen = async |narrow: Narrow, after: Option<(i64, String)>| -> Vec<usize> {
            let rows = db::backups::log(&mut tx, &tenant, &id, &narrow, after, 10).await.unwrap();
            rows.iter().map(|r| ids.iter().position(|id| *id == r.id).unwrap()).collect()
        };
        let all = Narrow::default();
        assert_eq!(seen(all.clone(), None).await, [3, 2, 1, 0]);
        assert_eq!(seen(all.clone(), Some((minute(now, 2).0, ids[2].clone()))).await, [1, 0]);
        assert_eq!(seen(Narrow { state: Some(BackupState::Failed), ..all.clone() }, None).await, [1]);
        assert_eq!(seen(Narrow { element: Some(Element::Files), ..all.clone() }, None).await, [2, 0]);
        assert_eq!(seen(Narrow { on_demand: Some(false), ..all.clone() }, None).await, [2]);
        assert_eq!(seen(Narrow { on_demand: Some(true), ..all.clone() }, None).await, [3, 1, 0]);
        assert_eq!(seen(Narrow { text: Some("STORM".into()), ..all.clone() }, None).await, [2, 0]);
        assert_eq!(seen(Narrow { text: Some("100%".into()), ..all.clone() }, None).await, [0], "signs of the pattern are taken literally");
        assert_eq!(seen(Narrow { text: Some("e_s".into()), ..all.clone() }, None).await, [2]);
        assert_eq!(seen(Narrow { from: Some(minute(now, 1)), until: Some(minute(now, 3)), ..all.clone() }, None).await, [2, 1]);
        assert_eq!(seen(Narrow { deleted: true, ..all.clone() }, None).await, [0; 0]);
        let chips = db::backups::chips(&mut tx, &tenant, &ids).await.unwrap();
        assert_eq!(chips.iter().filter(|c| c.backup_id == ids[0]).map(|c| c.element.as_str()).collect::<Vec<_>>(), ["code", "files"]);
        let days = db::backups::days(&mut tx, &tenant, &id, now.plus(-30 * Millis::DAY), 0).await.unwrap();
        assert_eq!(days.iter().map(|d| d.count).sum::<i64>(), 4);
    });
}

#[test]
fn an_environment_stands_as_its_backups_say_whatever_happens_to_them() {
    on_both(async |at| {
        let tenant = at.tenant("acme").await;
        let id = at.add_site("acme", "shop", "live").await;
        at.confirm_key(&id).await;
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let env = db::environments::find(&mut tx, &id).await.unwrap().unwrap();
        let stale = now.plus(-7 * Millis::DAY);
        let health = async |tx: &mut sitekeep::base::sql::Tx, before: Millis| {
            let card = db::environments::card(tx, before, &id).await.unwrap().unwrap();
            (card.health, card.last_good_id)
        };
        assert_eq!(health(&mut tx, stale).await, ("unprotected".into(), None));
        let mut made = Vec::new();
        for (days, state) in [(9, BackupState::Succeeded), (1, BackupState::Succeeded), (0, BackupState::Incomplete)] {
            let at = now.plus(-days * Millis::DAY);
            let row = backup_row(&env, at);
            let backup = BackupId(row.id.clone());
            db::backups::insert(&mut tx, &row, &[Element::Code]).await.unwrap();
            db::backups::ended(&mut tx, at, &tenant, &backup, state, None).await.unwrap();
            made.push(backup);
        }
        let [old, good, part] = &made[..] else { panic!("three were made") };
        assert_eq!(health(&mut tx, stale).await, ("failed".into(), Some(good.0.clone())));
        db::backups::set_deleted(&mut tx, &tenant, part, Some((now, "ann@example.test"))).await.unwrap();
        assert_eq!(health(&mut tx, stale).await, ("protected".into(), Some(good.0.clone())));
        db::backups::set_deleted(&mut tx, &tenant, good, Some((now, "ann@example.test"))).await.unwrap();
        assert_eq!(health(&mut tx, stale).await, ("stale".into(), Some(old.0.clone())));
        db::backups::set_deleted(&mut tx, &tenant, good, None).await.unwrap();
        assert_eq!(health(&mut tx, stale).await, ("protected".into(), Some(good.0.clone())));
        db::backups::proven(&mut tx, now, &tenant, good).await.unwrap();
        db::environments::refresh_health(&mut tx, &tenant, good).await.unwrap();
        assert_eq!(db::environments::card(&mut tx, stale, &id).await.unwrap().unwrap().last_proven_at, Some(now.0));
    });
}

#[test]
fn the_fleet_shows_what_its_reader_may_see_page_by_page() {
    on_both(async |at| {
        let (acme, bolt) = (at.tenant("acme").await, at.tenant("bolt").await);
        let shop = at.add_site("acme", "shop", "live").await;
        at.confirm_key(&shop).await;
        at.add_site("acme", "wiki", "live").await;
        at.add_site("bolt", "forge", "live").await;
        let ann = at.member("ann@example.test", &[(&acme, Role::Viewer)]).await;
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let env = db::environments::find(&mut tx, &shop).await.unwrap().unwrap();
        let row = backup_row(&env, now);
        db::backups::insert(&mut tx, &row, &[Element::Code]).await.unwrap();
        let element =
            BackupElement { size: 7, ..db::backups::elements(&mut tx, &acme, &BackupId(row.id.clone())).await.unwrap().remove(0) };
        db::backups::set_element(&mut tx, &element).await.unwrap();
        db::backups::ended(&mut tx, now, &acme, &BackupId(row.id), BackupState::Succeeded, None).await.unwrap();
        let stale = now.plus(-Millis::DAY);
        let mut names = async |f: Fleet<'_>, limit: i64| -> Vec<String> {
            let rows = db::environments::fleet(&mut tx, stale, &f, limit).await.unwrap();
            rows.into_iter().map(|c| format!("{}/{}.{}", c.tenant, c.site, c.name)).collect()
        };
        let all = Fleet::default;
        assert_eq!(names(all(), 10).await, ["acme/shop.live", "acme/wiki.live", "bolt/forge.live"]);
        let hers = || Fleet { member: Some(ann.account.as_str()), ..all() };
        assert_eq!(names(hers(), 10).await, ["acme/shop.live", "acme/wiki.live"]);
        assert_eq!(names(Fleet { after: Some(("acme", "shop")), ..all() }, 1).await, ["acme/wiki.live"]);
        assert_eq!(names(Fleet { text: Some("t/f"), ..all() }, 10).await, ["bolt/forge.live"]);
        assert_eq!(names(Fleet { text: Some("%"), ..all() }, 10).await, [""; 0]);
        assert_eq!(names(Fleet { health: Some("protected"), ..all() }, 10).await, ["acme/shop.live"]);
        assert_eq!(names(Fleet { health: Some("running"), ..all() }, 10).await, [""; 0]);
        assert_eq!(names(Fleet { tenant: Some(bolt.as_str()), ..all() }, 10).await, ["bolt/forge.live"]);
        let counts = db::environments::healths(&mut tx, stale, Some(ann.account.as_str())).await.unwrap();
        assert_eq!(counts, [("protected".to_owned(), 1), ("unprotected".to_owned(), 1)]);
        let names = db::environments::addresses(&mut tx, &[shop.0.clone(), "env_none".into()]).await.unwrap();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), [(shop.0.clone(), "acme/shop.live".to_owned())]);
        let names = db::tenants::names(&mut tx, &[acme.0.clone(), bolt.0.clone()]).await.unwrap();
        assert_eq!((names[&acme.0].as_str(), names[&bolt.0].as_str()), ("acme", "bolt"));
        let emails = db::accounts::emails(&mut tx, std::slice::from_ref(&ann.account.0)).await.unwrap();
        assert_eq!(emails[&ann.account.0], "ann@example.test");
        assert!(db::accounts::emails(&mut tx, &[]).await.unwrap().is_empty());
        assert_eq!(db::accounts::zone_of(&mut tx, "Ann@Example.test").await.unwrap(), None);
        db::accounts::set_zone(&mut tx, &ann.account, Some("Europe/Berlin")).await.unwrap();
        assert_eq!(db::accounts::zone_of(&mut tx, "Ann@Example.test").await.unwrap().as_deref(), Some("Europe/Berlin"));
    });
}
