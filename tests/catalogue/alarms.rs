//! Alarms, recipients and webhooks on both databases.

use super::on_both;
use crate::support::app::backup_row;
use sitekeep::app::{alarms, recipients, webhooks};
use sitekeep::base::clock::Millis;
use sitekeep::base::error::Class;
use sitekeep::base::sql::Conn;
use sitekeep::db;
use sitekeep::db::alarms::NewAlarm;
use sitekeep::db::backups::BackupElement;
use sitekeep::db::letters::Channel;
use sitekeep::db::webhooks::{Kind, NewWebhook};
use sitekeep::domain::alarm::Cause;
use sitekeep::domain::element::Element;
use sitekeep::domain::ids::{AlarmId, BackupId, EnvironmentId, SiteId, TenantId, WebhookId};
use sitekeep::domain::rights::Role;
use sitekeep::domain::state::BackupState;
use sitekeep::domain::webhook::AddWebhook;

#[test]
fn one_alarm_of_each_cause_is_open_at_a_time_and_another_one_after_it_was_closed() {
    on_both(async |at| {
        let (acme, bolt) = (at.tenant("acme").await, at.tenant("bolt").await);
        let shop = at.add_site("acme", "shop", "test").await;
        let (now, mut conn) = (at.app.pool.now().await.unwrap(), at.app.pool.get().await.unwrap());
        let conn: &mut Conn = &mut conn;
        let open = async |conn: &mut Conn, cause| {
            let id = AlarmId::fresh();
            let alarm = NewAlarm { id: &id, tenant: &acme, environment: &shop, cause, message: "said", hint: Some("do") };
            db::alarms::open(conn, now, &alarm).await.unwrap()
        };
        assert!(open(conn, Cause::Failed).await);
        assert!(!open(conn, Cause::Failed).await, "it is open");
        assert!(open(conn, Cause::Overdue).await, "another cause");
        assert_eq!(db::alarms::opened(conn, &acme, &shop, Cause::Failed).await.unwrap(), Some(now));
        assert_eq!(db::alarms::opened(conn, &acme, &shop, Cause::Size).await.unwrap(), None);
        let found = db::alarms::open_of(conn, &acme, &shop).await.unwrap();
        let mut found: Vec<_> = found.iter().map(|a| (a.cause.as_str(), a.site.as_str(), a.environment.as_str())).collect();
        found.sort_unstable();
        assert_eq!(found, [("failed", "shop", "test"), ("overdue", "shop", "test")]);
        assert!(db::alarms::open_of(conn, &bolt, &shop).await.unwrap().is_empty(), "not of another tenant");
        assert_eq!(db::alarms::counts(conn).await.unwrap(), [("failed".to_owned(), 1), ("overdue".to_owned(), 1)]);
        assert!(!db::alarms::close(conn, now, &bolt, &shop, Cause::Failed).await.unwrap());
        assert!(db::alarms::close(conn, now, &acme, &shop, Cause::Failed).await.unwrap());
        assert!(!db::alarms::close(conn, now, &acme, &shop, Cause::Failed).await.unwrap(), "it is closed");
        assert!(open(conn, Cause::Failed).await, "a new one");
        assert_eq!(db::alarms::of_tenant(conn, &acme, 10).await.unwrap().len(), 3);
        assert!(db::alarms::of_tenant(conn, &bolt, 10).await.unwrap().is_empty());
        let foreign = NewAlarm { id: &AlarmId::fresh(), tenant: &bolt, environment: &shop, cause: Cause::Size, message: "", hint: None };
        assert!(db::alarms::open(conn, now, &foreign).await.is_err(), "no row points across tenants");
    });
}

#[test]
fn a_backup_is_weighed_against_the_good_one_before_it() {
    on_both(async |at| {
        let acme = at.tenant("acme").await;
        let shop = at.add_site("acme", "shop", "test").await;
        let now = at.app.pool.now().await.unwrap();
        let mut conn = at.app.pool.get().await.unwrap();
        let conn: &mut Conn = &mut conn;
        let env = db::environments::find(conn, &shop).await.unwrap().unwrap();
        let mut last = BackupId::fresh();
        for (n, size, state) in [(0, 900, BackupState::Succeeded), (1, 5, BackupState::Failed), (2, 1000, BackupState::Succeeded)] {
            let row = backup_row(&env, now.plus(n));
            last = BackupId(row.id.clone());
            db::backups::insert(conn, &row, &[Element::Code]).await.unwrap();
            let element = BackupElement {
                tenant_id: acme.0.clone(),
                backup_id: row.id.clone(),
                element: "code".into(),
                state: state.word().into(),
                snapshot: None,
                size,
                files: 1,
                stored: 1,
                manifest: "{}".into(),
                problems: "[]".into(),
                started_at: None,
                finished_at: None,
            };
            db::backups::set_element(conn, &element).await.unwrap();
            db::backups::ended(conn, now, &acme, &last, state, None).await.unwrap();
        }
        let sizes = db::alarms::sizes(conn, &acme, &last, None).await.unwrap();
        assert_eq!(sizes.iter().map(|s| (s.element.as_str(), s.before, s.now)).collect::<Vec<_>>(), [("code", 900, 1000)]);
        assert!(db::alarms::sizes(conn, &TenantId::fresh(), &last, None).await.unwrap().is_empty());
        assert!(db::alarms::sizes(conn, &acme, &last, Some(now)).await.unwrap().is_empty(), "nothing ended before that");
    });
}

#[test]
fn whoever_is_named_for_a_site_is_told_instead_of_the_owners() {
    on_both(async |at| {
        let (acme, bolt) = (at.tenant("acme").await, at.tenant("bolt").await);
        at.add_site("acme", "shop", "test").await;
        let owner = at.member("owner@example.test", &[(&acme, Role::Owner)]).await;
        let viewer = at.member("viewer@example.test", &[(&acme, Role::Viewer)]).await;
        let stranger = at.member("stranger@example.test", &[(&bolt, Role::Owner)]).await;
        let site = SiteId(recipients::list(&at.app, &owner, &acme).await.unwrap().remove(0).site);
        let told = async || {
            let mut conn = at.app.pool.get().await.unwrap();
            db::letters::recipients(&mut conn, &acme, Some(&site), true, None).await.unwrap()
        };
        assert_eq!(told().await, ["owner@example.test"]);
        let both = ["b@example.test".to_owned(), " a@example.test ".into(), String::new(), "b@example.test".into()];
        recipients::set(&at.app, &owner, &acme, &site, &both).await.unwrap();
        assert_eq!(told().await, ["a@example.test", "b@example.test"]);
        let mut conn = at.app.pool.get().await.unwrap();
        assert_eq!(db::recipients::of_site(&mut conn, &acme, &site).await.unwrap().len(), 2);
        assert!(
            db::recipients::replace(&mut conn, &bolt, &site, &["x@example.test".into()]).await.is_err(),
            "no row points across tenants"
        );
        drop(conn);
        for (who, class) in [(&viewer, Class::Forbidden), (&stranger, Class::NotFound)] {
            assert_eq!(recipients::set(&at.app, who, &acme, &site, &[]).await.unwrap_err().class(), class, "{}", who.email);
        }
        for wrong in ["no address", "a@b\r\nBcc: c@d"] {
            assert_eq!(recipients::set(&at.app, &owner, &acme, &site, &[wrong.into()]).await.unwrap_err().class(), Class::Invalid);
        }
        let foreign = recipients::set(&at.app, &stranger, &bolt, &site, &[]).await.unwrap_err();
        assert_eq!(foreign.class(), Class::NotFound, "another tenant's site is not there");
        assert_eq!(told().await.len(), 2, "nothing was changed");
        recipients::set(&at.app, &owner, &acme, &site, &[]).await.unwrap();
        assert_eq!(told().await, ["owner@example.test"]);
    });
}

#[test]
fn webhooks_belong_to_their_tenant_and_a_heartbeat_to_one_environment() {
    on_both(async |at| {
        let (acme, bolt) = (at.tenant("acme").await, at.tenant("bolt").await);
        let (shop, forge) = (at.add_site("acme", "shop", "test").await, at.add_site("bolt", "forge", "test").await);
        let owner = at.member("owner@example.test", &[(&acme, Role::Owner)]).await;
        let developer = at.member("dev@example.test", &[(&acme, Role::Developer)]).await;
        let new =
            |url: &str, environment: Option<&EnvironmentId>| AddWebhook { url: url.into(), environment: environment.map(|e| e.0.clone()) };
        let hook = webhooks::add(&at.app, &owner, &acme, &new("https://example.com/x?token=canary", None)).await.unwrap();
        assert!(hook.secret.unwrap().starts_with("whsec_"));
        let beat = webhooks::add(&at.app, &owner, &acme, &new("https://example.com/beat", Some(&shop))).await.unwrap();
        assert_eq!(beat.secret, None);
        for (who, tenant, wish, class) in [
            (&owner, &acme, new("http://127.0.0.1/", None), Class::Invalid),
            (&owner, &acme, new("https://example.com/", Some(&shop)), Class::Conflict),
            (&owner, &acme, new("https://example.com/", Some(&forge)), Class::NotFound),
            (&owner, &bolt, new("https://example.com/", None), Class::NotFound),
            (&developer, &acme, new("https://example.com/", None), Class::Forbidden),
            (&at.admin, &acme, new("https://example.com/", Some(&forge)), Class::NotFound),
        ] {
            assert_eq!(webhooks::add(&at.app, who, tenant, &wish).await.unwrap_err().class(), class, "{wish:?}");
        }
        let list = webhooks::list(&at.app, &owner, &acme).await.unwrap();
        let seen: Vec<_> = list.iter().map(|w| (w.host.as_str(), w.environment.as_deref())).collect();
        assert_eq!(seen, [("example.com", Some("acme/shop.test")), ("example.com", None)]);
        assert!(!serde_json::to_string(&list).unwrap().contains("canary"));
        let mut conn = at.app.pool.get().await.unwrap();
        assert!(db::webhooks::find(&mut conn, &WebhookId::fresh()).await.unwrap().is_none());
        assert_eq!(db::webhooks::of_tenant(&mut conn, &bolt).await.unwrap().len(), 0);
        let row = NewWebhook {
            id: WebhookId::fresh(),
            tenant: bolt.clone(),
            environment: Some(shop.clone()),
            kind: Kind::Heartbeat,
            host: "x".into(),
            target_sealed: vec![1],
            created_by: owner.account.clone(),
        };
        assert!(db::webhooks::insert(&mut conn, Millis(0), &row).await.is_err(), "no row points across tenants");
        assert!(!db::webhooks::remove(&mut conn, &bolt, &WebhookId(hook.id.clone())).await.unwrap());
        drop(conn);
        assert_eq!(webhooks::remove(&at.app, &developer, &WebhookId(hook.id.clone())).await.unwrap_err().class(), Class::Forbidden);
        webhooks::remove(&at.app, &owner, &WebhookId(hook.id)).await.unwrap();
        assert_eq!(webhooks::list(&at.app, &owner, &acme).await.unwrap().len(), 1);
        assert!(alarms::list(&at.app, &owner, &acme).await.unwrap().is_empty());
        let due = db::letters::claim(&at.app.pool, at.app.pool.now().await.unwrap(), Millis(i64::MAX), Channel::Call).await.unwrap();
        assert!(due.is_none(), "nothing happened that is told");
    });
}

#[test]
fn the_dead_mans_switch_asks_for_whoever_has_a_schedule_and_the_daily_letter_is_taken_once() {
    on_both(async |at| {
        let acme = at.tenant("acme").await;
        let shop = at.add_site("acme", "shop", "test").await;
        at.member("owner@example.test", &[(&acme, Role::Owner)]).await;
        let now = at.app.pool.now().await.unwrap();
        let mut conn = at.app.pool.get().await.unwrap();
        let conn: &mut Conn = &mut conn;
        assert!(db::alarms::quiet(conn, now.plus(-60_000)).await.unwrap().is_empty());
        let quiet = db::alarms::quiet(conn, now.plus(60_000)).await.unwrap();
        assert_eq!(quiet.iter().map(|q| (q.environment_id.as_str(), q.last_good_at)).collect::<Vec<_>>(), [(shop.as_str(), None)]);
        let id = AlarmId::fresh();
        let alarm = NewAlarm { id: &id, tenant: &acme, environment: &shop, cause: Cause::Overdue, message: "late", hint: None };
        assert!(db::alarms::open(conn, now, &alarm).await.unwrap());
        assert_eq!(db::alarms::close_unexpected(conn, now).await.unwrap(), 0);
        db::schedules::set_next(conn, &shop, None, now).await.unwrap();
        assert!(db::alarms::quiet(conn, now.plus(60_000)).await.unwrap().is_empty(), "it has no schedule any more");
        assert_eq!(db::alarms::close_unexpected(conn, now).await.unwrap(), 1);
        let standings = db::alarms::standings(conn, &acme).await.unwrap();
        assert_eq!(standings.iter().map(|s| (s.site.as_str(), s.last_good_at, s.open)).collect::<Vec<_>>(), [("shop", None, 0)]);
        assert_eq!(db::alarms::undigested(conn, 7).await.unwrap(), std::slice::from_ref(&acme.0));
        assert!(db::alarms::digest(conn, &acme, 7).await.unwrap());
        assert!(!db::alarms::digest(conn, &acme, 7).await.unwrap(), "somebody has it");
        assert!(db::alarms::undigested(conn, 7).await.unwrap().is_empty());
        assert!(db::alarms::wants_digest(conn, &acme).await.unwrap());
        db::alarms::set_digest(conn, &acme, false).await.unwrap();
        assert!(!db::alarms::wants_digest(conn, &acme).await.unwrap());
        assert!(db::alarms::undigested(conn, 8).await.unwrap().is_empty());
        assert_eq!(db::letters::owners(conn, &acme).await.unwrap(), ["owner@example.test"]);
        let gauges = db::environments::gauges(conn, now).await.unwrap();
        assert_eq!(gauges.iter().map(|g| (g.site.as_str(), g.health.as_str())).collect::<Vec<_>>(), [("shop", "unprotected")]);
    });
}
