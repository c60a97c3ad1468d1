//! Download links, on both databases: rows, verbs, and what a link says at every moment of its life.

use super::on_both;
use crate::support::app::Installation;
use sitekeep::app::downloads::{self, Landing, Life};
use sitekeep::base::clock::{Clock, Millis};
use sitekeep::base::error::Class;
use sitekeep::base::sql::{Conn, Pool};
use sitekeep::db;
use sitekeep::domain::element::Element;
use sitekeep::domain::ids::{BackupId, LinkId, TenantId};
use sitekeep::domain::links::{DownloadLink, LinkState};
use sitekeep::domain::rights::Role;

#[test]
fn links_and_their_uses_are_kept_and_found() {
    on_both(async |at| {
        let acme = at.tenant("acme").await;
        let shop = at.add_site("acme", "shop", "test").await;
        let things = at.things(&shop).await;
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let conn: &mut Conn = &mut tx;
        let first = db::links::find(conn, &things.link).await.unwrap().expect("it was made");
        assert_eq!((&first.path, first.path_size), (&None, None), "to a whole element");
        let (path, path_size) = (Some("files/a%0Ab".to_owned()), Some(7));
        let link = db::links::Link { id: LinkId::fresh().0, secret_hash: "h".into(), created_at: now.0 + 5, path, path_size, ..first };
        db::links::insert(conn, &link).await.unwrap();
        let id = LinkId(link.id.clone());
        let ids = |links: Vec<db::links::Link>| links.into_iter().map(|l| l.id).collect::<Vec<_>>();
        let both = [link.id.clone(), things.link.0.clone()];
        assert_eq!(ids(db::links::of_backup(conn, &acme, &things.backup).await.unwrap()), both);
        assert_eq!(ids(db::links::of_environment(conn, &acme, &things.environment, 9).await.unwrap()), both);
        assert_eq!(ids(db::links::of_environment(conn, &acme, &things.environment, 1).await.unwrap()), both[..1]);
        assert!(db::links::of_backup(conn, &TenantId::fresh(), &things.backup).await.unwrap().is_empty());
        let by = |agent: &'static str| db::links::By { address: "192.0.2.9", agent };
        assert_eq!(db::links::begin_use(conn, now, &acme, &id, &by("wget ü"), 0).await.unwrap(), Some(1));
        assert_eq!(db::links::begin_use(conn, now.plus(9), &acme, &id, &by("wget"), 0).await.unwrap(), Some(2));
        let broken = async |conn: &mut Conn, since: i64, from: &str| {
            db::links::take_broken_use(conn, now.plus(since), &acme, &id, from).await.unwrap()
        };
        assert_eq!(broken(conn, 0, "192.0.2.9").await, None, "both still run");
        let end = |bytes, outcome| db::links::End { bytes, unsent: 0, outcome };
        db::links::end_use(conn, now.plus(20), &acme, &id, 2, &end(700, "broken")).await.unwrap();
        assert_eq!(broken(conn, 10, "192.0.2.9").await, None, "it is too long ago");
        assert_eq!((broken(conn, 9, "192.0.2.8").await, broken(conn, 9, "192.0.2.9").await), (None, Some(2)));
        assert_eq!(broken(conn, 9, "192.0.2.9").await, None, "somebody has taken it up");
        db::links::end_use(conn, now.plus(30), &acme, &id, 2, &end(1000, "complete")).await.unwrap();
        let uses = db::links::uses(conn, &acme, &id).await.unwrap();
        assert_eq!((uses[0].number, uses[0].bytes, uses[0].outcome.as_deref()), (2, 1700, Some("complete")));
        assert_eq!((uses[1].agent.as_str(), uses[1].ended_at, uses.len()), ("wget ü", None, 2));
        assert!(db::links::revoke(conn, now, &acme, &id, "ann@example.test").await.unwrap());
        assert!(!db::links::revoke(conn, now, &acme, &id, "bob@example.test").await.unwrap());
        let found = db::links::find(conn, &id).await.unwrap().unwrap();
        assert_eq!((found.path.as_deref(), found.path_size), (Some("files/a%0Ab"), Some(7)));
        assert_eq!((found.uses, found.last_used_at, found.revoked_by.as_deref()), (2, Some(now.0 + 9), Some("ann@example.test")));
        tx.commit().await.unwrap();
    });
}

fn token(link: &DownloadLink) -> String {
    link.page.as_deref().expect("it is open").rsplit('/').next().unwrap().to_owned()
}

/// One letter for what a link says.
async fn says(at: &Installation, token: &str) -> char {
    match downloads::look(&at.app, token).await.unwrap() {
        Landing::Open(_) => 'o',
        Landing::Expired(_) => 'e',
        Landing::Used(_) => 'x',
        Landing::Gone(_) => 'g',
        Landing::Revoked => 'r',
        Landing::Unknown => 'u',
    }
}

#[test]
fn a_link_ends_to_the_millisecond_by_the_clock_of_the_database() {
    on_both(async |mut at| {
        let clock = Clock::fixed(Millis(1_795_230_000_000));
        at.app.pool = Pool::connect(&at.url, 3, clock.clone()).await.unwrap();
        at.tenant("acme").await;
        let shop = at.add_site("acme", "shop", "test").await;
        let things = at.things(&shop).await;
        let link = downloads::create(&at.app, &at.admin, &things.backup, Element::Code, Life::hours(Some(1))).await.unwrap();
        assert_eq!((link.state, link.uses, link.expires.as_str()), (LinkState::Open, 0, "2026-11-21T04:00:00Z"));
        assert!(link.page.as_deref().unwrap().starts_with("http://sitekeep.test/d/"), "{:?}", link.page);
        assert_eq!(link.url.clone().unwrap(), format!("{}/{}", link.page.clone().unwrap(), link.filename));
        let token = token(&link);
        assert_eq!(says(&at, &token).await, 'o');
        clock.advance(3_600_000 - 1);
        assert_eq!(says(&at, &token).await, 'o', "one millisecond before");
        clock.advance(1);
        assert_eq!(says(&at, &token).await, 'e', "at the moment itself");
        clock.advance(1);
        let Landing::Expired(facts) = downloads::look(&at.app, &token).await.unwrap() else { panic!("one after") };
        assert_eq!((facts.backup, facts.link), (things.backup.0.clone(), link.id.clone()));
        let listed = downloads::list(&at.app, &at.admin, &things.backup).await.unwrap();
        let old = listed.iter().find(|l| l.id == link.id).unwrap();
        assert_eq!((old.state, old.url.as_deref()), (LinkState::Expired, None));
        let renewed = downloads::renew(&at.app, &at.admin, &LinkId(link.id)).await.unwrap();
        assert_eq!(renewed.expires, "2026-11-21T05:00:00Z", "as long as the old one");
        assert_eq!(says(&at, &self::token(&renewed)).await, 'o');
        for hours in [0, 169] {
            let e = downloads::create(&at.app, &at.admin, &things.backup, Element::Code, Life::hours(Some(hours))).await.unwrap_err();
            assert_eq!(e.class(), Class::Invalid);
        }
        let e = downloads::create(&at.app, &at.admin, &things.backup, Element::Files, Life::default()).await.unwrap_err();
        assert_eq!(e.class(), Class::Conflict, "{e}");
        let e = downloads::create(&at.app, &at.admin, &things.bare, Element::Code, Life::default()).await.unwrap_err();
        assert_eq!(e.class(), Class::Conflict, "{e}");
    });
}

#[test]
fn a_link_is_as_good_as_whoever_made_it_and_their_tenant() {
    on_both(async |at| {
        let acme = at.tenant("acme").await;
        let shop = at.add_site("acme", "shop", "test").await;
        let things = at.things(&shop).await;
        let ann = at.member("ann@example.test", &[(&acme, Role::Developer)]).await;
        let link = downloads::create(&at.app, &ann, &things.backup, Element::Code, Life::default()).await.unwrap();
        let (token, id) = (token(&link), LinkId(link.id));
        assert_eq!(says(&at, &token).await, 'o');
        let now = at.app.pool.now().await.unwrap();
        let conn: &mut Conn = &mut at.app.pool.get().await.unwrap();
        db::tenants::set_member(conn, now, &acme, &ann.account, Role::Viewer).await.unwrap();
        assert_eq!(says(&at, &token).await, 'r', "a viewer may not download");
        db::tenants::remove_member(conn, &acme, &ann.account).await.unwrap();
        assert_eq!(says(&at, &token).await, 'r', "a stranger even less");
        db::tenants::set_member(conn, now, &acme, &ann.account, Role::Owner).await.unwrap();
        assert_eq!(says(&at, &token).await, 'o');
        db::tenants::set_state(conn, &acme, "suspended").await.unwrap();
        assert_eq!(says(&at, &token).await, 'r', "the tenant rests");
        db::tenants::set_state(conn, &acme, "active").await.unwrap();
        let viewer = at.member("vic@example.test", &[(&acme, Role::Viewer)]).await;
        assert_eq!(downloads::revoke(&at.app, &viewer, &id).await.unwrap_err().class(), Class::Forbidden);
        let revoked = downloads::revoke(&at.app, &ann, &id).await.unwrap();
        assert_eq!((revoked.state, revoked.revoked_by.as_deref(), revoked.url), (LinkState::Revoked, Some("ann@example.test"), None));
        assert_eq!(downloads::revoke(&at.app, &ann, &id).await.unwrap().state, LinkState::Revoked, "again, and nothing happens");
        assert_eq!(says(&at, &token).await, 'r');
        let all = downloads::of_environment(&at.app, &ann, &things.environment).await.unwrap();
        assert_eq!((all.len(), all.iter().filter(|l| l.state == LinkState::Revoked).count()), (2, 1));
        assert!(downloads::uses(&at.app, &ann, &id).await.unwrap().is_empty());
        let acts = db::activity::newest(conn, &acme, 50).await.unwrap();
        let count = |action: &str| acts.iter().filter(|a| a.action == action).count();
        assert_eq!((count("download.link"), count("download.revoke")), (2, 1));
        assert!(acts.iter().all(|a| !a.detail.contains(&token) && !a.object.contains(&token)));
        for wrong in [String::new(), "x".into(), token.to_uppercase(), format!("{token}="), BackupId::fresh().0] {
            assert_eq!(says(&at, &wrong).await, 'u', "{wrong}");
        }
    });
}
