//! What the administrators' pages ask the catalogue: plans, uses, removal, the whole activity log, the queue's counts.

use super::on_both;
use crate::support::app::backup_row;
use sitekeep::base::clock::Millis;
use sitekeep::db;
use sitekeep::db::activity::{Act, Filter};
use sitekeep::db::tenants::Plan;
use sitekeep::domain::element::Element;
use sitekeep::domain::ids::{BackupId, ServerId, TenantId};
use sitekeep::domain::rights::Role;
use sitekeep::domain::state::BackupState;
use sitekeep::queue;

#[test]
fn a_tenant_has_a_plan_and_what_it_uses_is_counted() {
    on_both(async |at| {
        let (acme, bolt) = (at.tenant("acme").await, at.tenant("bolt").await);
        let id = at.add_site("acme", "shop", "live").await;
        at.member("ann@example.test", &[(&acme, Role::Owner)]).await;
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let free = Plan { plan: "free".into(), quota_bytes: None, quota_backups: None, jobs_at_once: None, schedules_allowed: 1 };
        assert_eq!(db::tenants::plan(&mut tx, &acme).await.unwrap(), Some(free));
        assert_eq!(db::tenants::plan(&mut tx, &TenantId::fresh()).await.unwrap(), None);
        let paid = Plan {
            plan: "paid".into(),
            quota_bytes: Some(5_000_000_000_000),
            quota_backups: Some(7),
            jobs_at_once: Some(12),
            schedules_allowed: 0,
        };
        assert!(db::tenants::set_plan(&mut tx, &acme, &paid).await.unwrap());
        assert!(!db::tenants::set_plan(&mut tx, &TenantId::fresh(), &paid).await.unwrap());
        assert_eq!(db::tenants::plan(&mut tx, &acme).await.unwrap(), Some(paid));
        let env = db::environments::find(&mut tx, &id).await.unwrap().unwrap();
        for (state, stored) in [(BackupState::Succeeded, 4_000_000_000), (BackupState::Failed, 0), (BackupState::Incomplete, 5)] {
            let row = backup_row(&env, now);
            let backup = BackupId(row.id.clone());
            db::backups::insert(&mut tx, &row, &[Element::Code]).await.unwrap();
            let mut element = db::backups::elements(&mut tx, &acme, &backup).await.unwrap().remove(0);
            element.stored = stored;
            db::backups::set_element(&mut tx, &element).await.unwrap();
            db::backups::ended(&mut tx, now, &acme, &backup, state, None).await.unwrap();
        }
        let used = db::tenants::used(&mut tx, &acme).await.unwrap();
        assert_eq!((used.bytes, used.backups), (4_000_000_005, 2));
        assert_eq!(db::tenants::used(&mut tx, &bolt).await.unwrap().bytes, 0);
        let all = db::tenants::overviews(&mut tx).await.unwrap();
        let seen: Vec<_> = all.iter().map(|t| (t.name.as_str(), t.sites, t.members, t.bytes, t.backups)).collect();
        assert_eq!(seen, [("acme", 1, 1, 4_000_000_005, 2), ("bolt", 0, 0, 0, 0)]);
        let stored = db::sites::stored(&mut tx).await.unwrap();
        assert_eq!(stored.iter().map(|s| (s.site.as_str(), s.backups, s.bytes)).collect::<Vec<_>>(), [("shop", 2, 4_000_000_005)]);
    });
}

#[test]
fn a_server_account_is_changed_and_goes_when_only_removed_environments_name_it() {
    on_both(async |at| {
        let acme = at.tenant("acme").await;
        let id = at.add_site("acme", "shop", "live").await;
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let server = ServerId::fresh().0;
        let row = db::servers::Server {
            id: server.clone(),
            name: "main".into(),
            address: "{}".into(),
            password_sealed: vec![1],
            version: "1".into(),
            for_drills: 0,
            created_at: now.0,
        };
        db::servers::insert(&mut tx, now, &row).await.unwrap();
        assert!(db::servers::rename(&mut tx, &server, "first").await.unwrap());
        assert!(db::servers::set_password(&mut tx, &server, vec![0, 2]).await.unwrap());
        assert!(db::servers::set_version(&mut tx, &server, "2").await.unwrap());
        let found = db::servers::find(&mut tx, &server).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.password_sealed, found.version.as_str()), ("first", vec![0, 2], "2"));
        assert!(db::environments::change(&mut tx, &acme, &id, "{}", Some(vec![3]), Some(&server)).await.unwrap());
        assert_eq!(db::servers::uses(&mut tx).await.unwrap(), [(server.clone(), "acme/shop.live".to_owned())]);
        assert!(db::environments::set_removed(&mut tx, now, &acme, &id).await.unwrap());
        assert!(db::servers::uses(&mut tx).await.unwrap().is_empty());
        assert!(db::servers::remove(&mut tx, &server).await.unwrap());
        assert!(db::environments::find(&mut tx, &id).await.unwrap().unwrap().server_id.is_none());
    });
}

#[test]
fn a_removed_environment_is_in_no_list_keeps_its_name_for_people_and_frees_it() {
    on_both(async |at| {
        let acme = at.tenant("acme").await;
        let id = at.add_site("acme", "shop", "live").await;
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let env = db::environments::find(&mut tx, &id).await.unwrap().unwrap();
        let rows = [backup_row(&env, now), backup_row(&env, now)];
        for row in &rows {
            db::backups::insert(&mut tx, row, &[Element::Code]).await.unwrap();
            db::backups::ended(&mut tx, now, &acme, &BackupId(row.id.clone()), BackupState::Succeeded, None).await.unwrap();
        }
        let last = BackupId(rows[1].id.clone());
        assert!(db::environments::lock(&mut tx, &id).await.unwrap());
        assert!(db::environments::set_removing(&mut tx, &acme, &id, &last, true).await.unwrap());
        assert!(db::environments::stays(&mut tx, &acme, &id, "no luck").await.unwrap());
        assert!(!db::environments::stays(&mut tx, &acme, &id, "again").await.unwrap());
        assert_eq!(db::environments::removal(&mut tx, &id).await.unwrap().unwrap().message.as_deref(), Some("no luck"));
        assert!(db::environments::set_removing(&mut tx, &acme, &id, &last, true).await.unwrap());
        let removal = db::environments::removal(&mut tx, &id).await.unwrap().unwrap();
        assert_eq!((removal.state.as_str(), removal.backup_id, removal.trash), ("removing", Some(last.0.clone()), 1));
        assert_eq!(db::backups::trash_all(&mut tx, &acme, &id, Some(last.as_str()), now, "ann").await.unwrap(), 1);
        assert!(db::environments::set_removed(&mut tx, now, &acme, &id).await.unwrap());
        assert!(!db::environments::set_removed(&mut tx, now, &acme, &id).await.unwrap());
        assert!(db::environments::of_tenant(&mut tx, &acme).await.unwrap().is_empty());
        assert!(db::environments::named(&mut tx, "shop", "live").await.unwrap().is_empty());
        assert!(db::environments::fleet(&mut tx, Millis(0), &db::environments::Fleet::default(), 9).await.unwrap().is_empty());
        assert!(db::environments::healths(&mut tx, Millis(0), None).await.unwrap().is_empty());
        let found = db::environments::find(&mut tx, &id).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.is_removed()), ("live", true));
        assert_eq!(db::backups::find(&mut tx, &last).await.unwrap().unwrap().environment, "live");
        tx.commit().await.unwrap();
        at.add_site("acme", "shop", "live").await;
    });
}

#[test]
fn the_whole_log_is_paged_filtered_and_says_when_an_administrator_acted_elsewhere() {
    on_both(async |at| {
        let (acme, bolt) = (at.tenant("acme").await, at.tenant("bolt").await);
        let ann = at.member("ann@example.test", &[(&acme, Role::Owner)]).await;
        let (now, mut tx) = (at.app.pool.now().await.unwrap().plus(1000), at.app.pool.begin().await.unwrap());
        db::tenants::set_member(&mut tx, now, &bolt, &at.admin.account, Role::Owner).await.unwrap();
        let made = [
            (Some(&acme), &ann, "backup.create", 0),
            (Some(&acme), &at.admin, "backup.delete", 1),
            (Some(&bolt), &at.admin, "backup_x", 0),
            (None, &at.admin, "server.add", 0),
        ];
        for (n, (tenant, who, action, _)) in made.iter().enumerate() {
            let act = Act { tenant: *tenant, account: Some(&who.account), actor: &who.email, action, object: "o", detail: "", address: "" };
            db::activity::record(&mut tx, now.plus(n as i64), &act).await.unwrap();
        }
        let all = Filter { from: Some(now), ..Filter::default() };
        let page = db::activity::page(&mut tx, &all, None, 3).await.unwrap();
        assert_eq!(page.iter().map(|l| l.action.as_str()).collect::<Vec<_>>(), ["server.add", "backup_x", "backup.delete"]);
        assert_eq!(page.iter().map(|l| l.as_administrator).collect::<Vec<_>>(), [0, 0, 1]);
        assert_eq!(db::activity::at(&mut tx, &page[2].id).await.unwrap(), Some(now.0 + 1));
        assert_eq!(db::activity::newest(&mut tx, &acme, 1).await.unwrap()[0].administrator, 1);
        let rest = db::activity::page(&mut tx, &all, Some((page[2].at, page[2].id.clone())), 3).await.unwrap();
        assert_eq!((rest.len(), rest[0].action.as_str(), rest[0].tenant.as_deref()), (1, "backup.create", Some("acme")));
        let mut count = async |f: Filter| db::activity::page(&mut tx, &f, None, 9).await.unwrap().len();
        assert_eq!(count(Filter { tenant: Some(acme.0.clone()), ..all.clone() }).await, 2);
        assert_eq!(count(Filter { actor: Some("ANN@".into()), ..all.clone() }).await, 1);
        assert_eq!(count(Filter { action: Some("backup.".into()), ..all.clone() }).await, 2);
        assert_eq!(count(Filter { action: Some("backup_".into()), ..all.clone() }).await, 1, "signs of the pattern are taken literally");
        assert_eq!(count(Filter { until: Some(now.plus(2)), ..all.clone() }).await, 2);
    });
}

#[test]
fn the_queue_is_counted_and_its_workers_are_seen() {
    on_both(async |at| {
        at.tenant("acme").await;
        let env = at.add_site("acme", "shop", "live").await;
        at.things(&env).await;
        let now = at.app.pool.now().await.unwrap();
        queue::claim(&at.app.pool, "worker-1", &at.app.queue).await.unwrap().expect("a job waits");
        let mut conn = at.app.pool.get().await.unwrap();
        let counts = queue::counts(&mut conn).await.unwrap();
        assert_eq!(counts, [(queue::State::Running, 1)]);
        let seen = queue::workers(&mut conn, now.plus(-1000)).await.unwrap();
        assert_eq!(seen.iter().map(|w| (w.name.as_str(), w.running)).collect::<Vec<_>>(), [("worker-1", 1)]);
        assert!(queue::workers(&mut conn, now.plus(Millis::DAY)).await.unwrap().is_empty());
    });
}
