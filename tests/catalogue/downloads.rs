//! Prepared downloads, on both databases: rows, verbs, and links that are good for so many uses.

use super::on_both;
use crate::support::app::{Installation, Things, prepared_rows};
use sitekeep::app::downloads::{self, Landing, Life};
use sitekeep::base::clock::{Clock, Millis};
use sitekeep::base::error::Class;
use sitekeep::base::sql::{Conn, Pool};
use sitekeep::db;
use sitekeep::db::downloads::{End, Made};
use sitekeep::db::links::By;
use sitekeep::domain::downloads::{DownloadState, Form, PrepareDownload};
use sitekeep::domain::element::Element;
use sitekeep::domain::ids::{ArchiveId, DownloadId, LinkId, TenantId};
use sitekeep::domain::links::{DownloadLink, LinkState};
use sitekeep::domain::rights::Role;

const READY: DownloadState = DownloadState::Ready;

#[test]
fn prepared_downloads_and_their_archives_are_kept_and_found() {
    on_both(async |at| {
        let acme = at.tenant("acme").await;
        let shop = at.add_site("acme", "shop", "test").await;
        let things = at.things(&shop).await;
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let conn: &mut Conn = &mut tx;
        let (mut download, archive) = prepared_rows(&acme, &things.backup, &at.admin, now.plus(5));
        download.uses = Some(3);
        let (id, of) = (DownloadId(download.id.clone()), ArchiveId(archive.id.clone()));
        db::downloads::insert(conn, &download, std::slice::from_ref(&archive)).await.unwrap();
        let found = db::downloads::find(conn, &id).await.unwrap().unwrap();
        assert_eq!(
            (found.hours, found.uses, found.state.as_str(), found.initiator.as_str()),
            (24, Some(3), "queued", "admin@example.test")
        );
        let ids: Vec<_> = db::downloads::of_backup(conn, &acme, &things.backup, 9).await.unwrap().into_iter().map(|d| d.id).collect();
        assert_eq!(ids, [id.0.clone(), things.download.0.clone()], "newest first");
        assert!(db::downloads::of_backup(conn, &TenantId::fresh(), &things.backup, 9).await.unwrap().is_empty());
        assert_eq!(db::downloads::archives(conn, &acme, &id).await.unwrap().len(), 1);
        assert!(db::downloads::archive(conn, &of).await.unwrap().unwrap().object.is_none());
        assert_eq!((db::downloads::kept(conn, &acme).await.unwrap(), db::downloads::kept(conn, &TenantId::fresh()).await.unwrap()), (2, 0));
        assert!(db::downloads::started(conn, &acme, &id).await.unwrap() && db::downloads::started(conn, &acme, &id).await.unwrap());
        db::downloads::made(conn, now, &acme, &of, &Made { object: "arc_x.1", size: 77, sha256: "ff" }).await.unwrap();
        let made = db::downloads::archive(conn, &of).await.unwrap().unwrap();
        assert_eq!((made.object.as_deref(), made.size, made.sha256.as_deref()), (Some("arc_x.1"), Some(77), Some("ff")));
        assert!(!db::downloads::gone(conn, &acme, &id, DownloadState::Removed).await.unwrap(), "it is being prepared");
        assert!(!db::downloads::prolong(conn, &acme, &id, now.plus(99)).await.unwrap());
        db::downloads::set_scratch(conn, &acme, &id, Some("[1]")).await.unwrap();
        assert_eq!(db::downloads::scratch(conn, &acme, &id).await.unwrap().as_deref(), Some("[1]"));
        assert!(db::downloads::littered(conn, 9).await.unwrap().is_empty(), "an attempt may be at work on it");
        let end = End { state: READY, expires: Some(now.plus(20)), message: None, hint: None };
        assert!(db::downloads::ended(conn, now, &acme, &id, &end).await.unwrap());
        assert!(!db::downloads::ended(conn, now, &acme, &id, &End { state: DownloadState::Failed, ..end }).await.unwrap(), "once");
        assert!(!db::downloads::started(conn, &acme, &id).await.unwrap());
        assert_eq!(db::downloads::littered(conn, 9).await.unwrap(), [(acme.0.clone(), id.0.clone(), "[1]".to_owned())]);
        db::downloads::set_scratch(conn, &acme, &id, None).await.unwrap();
        assert_eq!(db::downloads::scratch(conn, &acme, &id).await.unwrap(), None);
        assert!(db::downloads::littered(conn, 9).await.unwrap().is_empty());
        let over = async |conn: &mut Conn, at: i64| db::downloads::over(conn, now.plus(at), 9).await.unwrap();
        assert_eq!((over(conn, 19).await, over(conn, 20).await), (vec![], vec![(acme.0.clone(), id.0.clone())]));
        for (until, then) in [(10, 20), (30, 30)] {
            assert!(db::downloads::prolong(conn, &acme, &id, now.plus(until)).await.unwrap());
            assert_eq!(db::downloads::find(conn, &id).await.unwrap().unwrap().expires_at, Some(now.0 + then));
        }
        assert!(db::downloads::gone(conn, &acme, &id, DownloadState::Expired).await.unwrap());
        assert!(!db::downloads::gone(conn, &acme, &id, DownloadState::Removed).await.unwrap());
        assert_eq!((over(conn, 99).await, db::downloads::kept(conn, &acme).await.unwrap()), (vec![], 1));
        tx.commit().await.unwrap();
    });
}

#[test]
fn a_use_of_an_archive_gets_what_it_was_promised_and_no_more() {
    on_both(async |at| {
        let (acme, things) = furnished(&at).await;
        let link = downloads::link_to(&at.app, &at.admin, &things.archive, Life { hours: None, uses: Some(1) }).await.unwrap();
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let (conn, id): (&mut Conn, LinkId) = (&mut tx, LinkId(link.id));
        let by = By { address: "192.0.2.9", agent: "wget" };
        let go_on = async |conn: &mut Conn, since: i64, from: &str, length: u64| {
            db::links::go_on(conn, now.plus(since), &acme, &id, from, (length, 200)).await.unwrap()
        };
        assert_eq!(go_on(conn, 0, by.address, 1).await, None, "nothing was begun");
        assert_eq!(db::links::begin_use(conn, now, &acme, &id, &by, 100).await.unwrap(), Some(1));
        assert_eq!(db::links::begin_use(conn, now, &acme, &id, &by, 100).await.unwrap(), None, "it is good for one");
        assert_eq!((go_on(conn, 0, "192.0.2.8", 70).await, go_on(conn, 0, by.address, 101).await), (None, None));
        assert_eq!(go_on(conn, 0, by.address, 70).await, Some(1), "while the first part still runs");
        assert_eq!(go_on(conn, 0, by.address, 70).await, None, "240 of 200");
        let end = db::links::End { bytes: 30, unsent: 70, outcome: "broken" };
        db::links::end_use(conn, now.plus(9), &acme, &id, 1, &end).await.unwrap();
        assert_eq!(go_on(conn, 10, by.address, 70).await, None, "too long ago");
        assert_eq!(go_on(conn, 9, by.address, 70).await, Some(1), "what was not sent is given back");
        let uses = db::links::uses(conn, &acme, &id).await.unwrap();
        assert_eq!((uses.len(), uses[0].bytes, uses[0].outcome.as_deref()), (1, 30, None));
    });
}

async fn furnished(at: &Installation) -> (TenantId, Things) {
    let acme = at.tenant("acme").await;
    let shop = at.add_site("acme", "shop", "test").await;
    (acme, at.things(&shop).await)
}

fn token(link: &DownloadLink) -> String {
    link.page.as_deref().expect("it is open").rsplit('/').next().unwrap().to_owned()
}

async fn look(at: &Installation, link: &DownloadLink) -> Landing {
    downloads::look(&at.app, &token(link)).await.unwrap()
}

#[test]
fn a_wish_is_checked_and_an_equal_one_is_the_same() {
    on_both(async |at| {
        let (acme, things) = furnished(&at).await;
        let ann = at.member("ann@example.test", &[(&acme, Role::Developer)]).await;
        let prepare = async |who, wish: PrepareDownload| downloads::prepare(&at.app, who, &things.backup, &wish, None).await;
        let wish = PrepareDownload::default();
        let (first, fresh) = prepare(&ann, wish.clone()).await.unwrap();
        assert!(fresh && first.state == DownloadState::Queued && first.job.is_some() && first.created_by == ann.email, "{first:?}");
        assert_eq!(first.archives.iter().map(|a| (a.element, a.form)).collect::<Vec<_>>(), [(Element::Code, Form::TarGz)]);
        assert!(first.archives[0].filename.ends_with("_UTC_code.tar.gz"), "{first:?}");
        let (again, fresh) = prepare(&ann, wish.clone()).await.unwrap();
        assert_eq!((again.id.as_str(), fresh), (first.id.as_str(), false));
        let other = PrepareDownload { form: Some(Form::TarZst), ..wish.clone() };
        let (zst, fresh) = prepare(&ann, other).await.unwrap();
        assert!(fresh && zst.archives[0].filename.ends_with(".tar.zst"));
        assert!(prepare(&at.admin, wish.clone()).await.unwrap().1, "another one's wish has another letter");
        let class = async |who, wish| prepare(who, wish).await.unwrap_err().class();
        assert_eq!(class(&ann, PrepareDownload { hours: Some(169), ..wish.clone() }).await, Class::Invalid);
        assert_eq!(class(&ann, PrepareDownload { uses: Some(0), ..wish.clone() }).await, Class::Invalid);
        assert_eq!(class(&ann, PrepareDownload { form: Some(Form::SqlGz), ..wish.clone() }).await, Class::Invalid);
        assert_eq!(class(&ann, PrepareDownload { elements: vec![Element::Files], ..wish.clone() }).await, Class::Conflict);
        let viewer = at.member("vic@example.test", &[(&acme, Role::Viewer)]).await;
        assert_eq!(class(&viewer, wish.clone()).await, Class::Forbidden);
        let e = downloads::prepare(&at.app, &ann, &things.bare, &wish, None).await.unwrap_err();
        assert_eq!(e.class(), Class::Conflict, "{e}");
        assert_eq!(downloads::remove(&at.app, &ann, &DownloadId(first.id.clone())).await.unwrap_err().class(), Class::Conflict);
        let job = sitekeep::domain::ids::JobId(first.job.unwrap());
        sitekeep::app::jobs::cancel(&at.app, &ann, &job).await.unwrap();
        let cancelled = downloads::find_prepared(&at.app, &ann, &DownloadId(first.id)).await.unwrap();
        assert_eq!(cancelled.state, DownloadState::Cancelled);
    });
}

#[test]
fn a_link_to_an_archive_ends_with_its_time_its_uses_or_its_archive() {
    on_both(async |mut at| {
        let clock = Clock::fixed(Millis(1_795_230_000_000));
        at.app.pool = Pool::connect(&at.url, 3, clock.clone()).await.unwrap();
        let (acme, things) = furnished(&at).await;
        let life = Life { hours: Some(48), uses: Some(2) };
        let link = downloads::link_to(&at.app, &at.admin, &things.archive, life).await.unwrap();
        assert_eq!((link.size, link.sha256.as_deref(), link.most_uses), (1, Some("5eaf"), Some(2)));
        let kept = downloads::find_prepared(&at.app, &at.admin, &things.download).await.unwrap();
        assert_eq!(kept.expires.as_deref(), Some(link.expires.as_str()), "it lies ready as long as its link lives");
        let Landing::Open(offer) = look(&at, &link).await else { panic!("it is open") };
        assert_eq!((offer.uses_left, offer.prepared.unwrap().sha256.as_str()), (Some(2), "5eaf"));
        let now = at.app.pool.now().await.unwrap();
        for _ in 0..2 {
            let conn: &mut Conn = &mut at.app.pool.get().await.unwrap();
            let by = By { address: "192.0.2.9", agent: "wget" };
            assert!(db::links::begin_use(conn, now, &acme, &LinkId(link.id.clone()), &by, 1).await.unwrap().is_some());
        }
        assert!(matches!(look(&at, &link).await, Landing::Used(_)));
        let listed = downloads::list(&at.app, &at.admin, &things.backup).await.unwrap();
        assert_eq!(listed.iter().find(|l| l.id == link.id).map(|l| (l.state, l.url.clone())), Some((LinkState::Used, None)));
        let renewed = downloads::renew(&at.app, &at.admin, &LinkId(link.id.clone())).await.unwrap();
        assert_eq!((renewed.archive.clone(), renewed.most_uses, renewed.uses), (Some(things.archive.0.clone()), Some(2), 0));
        clock.advance(48 * 3_600_000);
        assert!(matches!(look(&at, &renewed).await, Landing::Expired(_)));
        let again = downloads::renew(&at.app, &at.admin, &LinkId(renewed.id.clone())).await.unwrap();
        assert!(matches!(look(&at, &again).await, Landing::Open(_)), "renewed after its end, and the archive with it");
        clock.advance(48 * 3_600_000 - 1);
        downloads::sweep(&at.app).await.unwrap();
        assert!(matches!(look(&at, &again).await, Landing::Open(_)), "a millisecond before");
        clock.advance(1);
        downloads::sweep(&at.app).await.unwrap();
        assert!(matches!(look(&at, &again).await, Landing::Gone(_)));
        let e = downloads::renew(&at.app, &at.admin, &LinkId(again.id.clone())).await.unwrap_err();
        assert!(e.class() == Class::Conflict && e.to_string().contains("prepare the download again"), "{e}");
        let acts = db::activity::newest(&mut at.app.pool.get().await.unwrap(), &acme, 50).await.unwrap();
        assert_eq!(acts.iter().filter(|a| a.action == "download.expire" && a.object == things.download.0).count(), 1, "{acts:?}");
    });
}

#[test]
fn what_was_removed_opens_no_more_and_goes_with_its_backup() {
    on_both(async |at| {
        let (acme, things) = furnished(&at).await;
        let link = downloads::link_to(&at.app, &at.admin, &things.archive, Life::default()).await.unwrap();
        let removed = downloads::remove(&at.app, &at.admin, &things.download).await.unwrap();
        assert_eq!(removed.state, DownloadState::Removed);
        assert!(matches!(look(&at, &link).await, Landing::Revoked));
        assert_eq!(
            downloads::remove(&at.app, &at.admin, &things.download).await.unwrap().state,
            DownloadState::Removed,
            "again, and nothing happens"
        );
        // Another one, whose backup is thrown away, taken back, and purged.
        let (download, archive) = at.prepared(&acme, &things.backup).await;
        let link = downloads::link_to(&at.app, &at.admin, &archive, Life::default()).await.unwrap();
        let conn: &mut Conn = &mut at.app.pool.get().await.unwrap();
        let now = at.app.pool.now().await.unwrap();
        assert!(db::retention::throw_away(conn, now, &acme, &things.backup, "ann", now.plus(9)).await.unwrap());
        assert!(matches!(look(&at, &link).await, Landing::Revoked), "in the trash");
        downloads::sweep(&at.app).await.unwrap();
        let state = async || db::downloads::find(&mut at.app.pool.get().await.unwrap(), &download).await.unwrap().unwrap().state;
        assert_eq!(state().await, "ready", "it may be taken back");
        let purged = format!("update backups set expired_at = {} where id = '{}'", now.0, things.backup);
        sqlx::query(sqlx::AssertSqlSafe(purged)).execute(&mut *conn).await.unwrap();
        downloads::sweep(&at.app).await.unwrap();
        assert_eq!(state().await, "expired");
    });
}
