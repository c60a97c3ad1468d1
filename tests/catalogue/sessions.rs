//! Sessions, and every statement about signing in.

use super::on_both;
use super::signing_in::{PASSWORD, clocked, hold, person};
use sitekeep::app::{access, accounts, sessions};
use sitekeep::base::clock::Millis;
use sitekeep::base::error::Class;
use sitekeep::base::secret::Secret;
use sitekeep::base::sql::Conn;
use sitekeep::db;
use sitekeep::db::one_time_links::OneTimeLink;
use sitekeep::domain::ids::{AccountId, JobId, OneTimeLinkId, TokenId};
use sitekeep::domain::rights::{Right, Role};

const HOUR: i64 = 3600 * Millis::SECOND;

#[test]
fn accounts_are_found_however_they_are_written_listed_in_pages_and_counted() {
    on_both(async |at| {
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let conn: &mut Conn = &mut tx;
        let (ann, ben) = (AccountId::fresh(), AccountId::fresh());
        db::accounts::insert(conn, now, &ann, "Ann@example.test", false).await.unwrap();
        db::accounts::insert(conn, now, &ben, "ben_100%@example.test", false).await.unwrap();
        assert_eq!(db::accounts::find_by_email(conn, "aNN@Example.test").await.unwrap().unwrap().id, ann.0);
        assert!(db::accounts::set_password(conn, &ann, "hash").await.unwrap());
        assert!(db::accounts::set_name(conn, &ann, "Ann Ö.").await.unwrap());
        assert!(db::accounts::set_zone(conn, &ann, Some("Europe/Vienna")).await.unwrap());
        let found = db::accounts::find(conn, &ann).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.zone.as_deref(), found.is_active()), ("Ann Ö.", Some("Europe/Vienna"), true));
        assert_eq!(db::accounts::credentials(conn, &ann).await.unwrap().unwrap().password_hash.as_deref(), Some("hash"));
        assert_eq!(db::accounts::credentials_by_email(conn, "ANN@example.test").await.unwrap().unwrap().id, ann.0);
        assert!(!db::accounts::any_administrator_with_password(conn).await.unwrap());
        assert_eq!(db::accounts::count_administrators(conn).await.unwrap(), 1);
        assert!(db::accounts::set_administrator(conn, &ann, true).await.unwrap());
        assert!(db::accounts::any_administrator_with_password(conn).await.unwrap());
        assert_eq!(db::accounts::count_administrators(conn).await.unwrap(), 2);
        assert!(db::accounts::set_state(conn, &ann, "disabled").await.unwrap());
        assert_eq!(db::accounts::count_administrators(conn).await.unwrap(), 1);
        assert!(db::accounts::lock(conn, &ann).await.unwrap() && !db::accounts::lock(conn, &AccountId::fresh()).await.unwrap());
        db::accounts::lock_administrators(conn).await.unwrap();
        let first = db::accounts::list(conn, "", "", 2).await.unwrap();
        assert_eq!(first.iter().map(|a| a.email.as_str()).collect::<Vec<_>>(), ["admin@example.test", "Ann@example.test"]);
        assert_eq!((first[1].has_password, first[1].second_factor, first[1].state.as_str()), (1, 0, "disabled"));
        assert_eq!(db::accounts::list(conn, "", "Ann@example.test", 2).await.unwrap()[0].id, ben.0);
        for (search, n) in [("ann", 1), ("ANN ", 1), ("_100%", 1), ("%", 1), ("b_n", 0), ("example", 3)] {
            assert_eq!(db::accounts::list(conn, search, "", 9).await.unwrap().len(), n, "{search}");
        }
        tx.commit().await.unwrap();
        let mut tx = at.app.pool.begin().await.unwrap();
        let twin = db::accounts::insert(&mut tx, now, &AccountId::fresh(), "ANN@EXAMPLE.TEST", false).await;
        assert_eq!(twin.unwrap_err().class(), Class::Conflict, "one person, one account");
    });
}

#[test]
fn tokens_of_an_account_are_listed_and_ended_by_it_alone() {
    on_both(async |at| {
        let (ann, ben) = (at.member("ann@example.test", &[]).await, at.member("ben@example.test", &[]).await);
        let tenant = at.tenant("acme").await;
        for actor in [&ann, &ann, &ann, &ben] {
            at.token(&actor.account, Some(&tenant), "view", 9).await;
        }
        at.token(&ann.account, None, "all", -1).await;
        let now = at.app.pool.now().await.unwrap();
        let shown = accounts::tokens(&at.app, &ann).await.unwrap();
        assert_eq!((shown.len(), shown[0].tenant.as_deref(), shown[0].scope.as_str()), (3, Some("acme"), "view"));
        let id = TokenId(shown[0].id.clone());
        assert_eq!(accounts::revoke_token(&at.app, &ben, &id).await.unwrap_err().class(), Class::NotFound);
        accounts::revoke_token(&at.app, &ann, &id).await.unwrap();
        let mut conn = at.app.pool.get().await.unwrap();
        assert!(!db::accounts::revoke_own_token(&mut conn, now, &ann.account, &id).await.unwrap());
        assert_eq!(db::accounts::tokens_of_account(&mut conn, now, &ann.account).await.unwrap().len(), 2);
        assert_eq!(db::accounts::revoke_tokens_of_account(&mut conn, now, &ann.account).await.unwrap(), 3, "the expired one, too");
        assert_eq!(db::accounts::tokens_of_account(&mut conn, now, &ben.account).await.unwrap().len(), 1);
    });
}

#[test]
fn guesses_places_and_second_factors_are_counted_and_kept() {
    on_both(async |at| {
        let ann = at.member("ann@example.test", &[]).await.account;
        let (now, mut tx) = (Millis(1_000_000), at.app.pool.begin().await.unwrap());
        let conn: &mut Conn = &mut tx;
        for n in 1..=3 {
            assert_eq!(db::guesses::count(conn, now, "k", Millis(0)).await.unwrap(), Some(n));
        }
        db::guesses::block(conn, "k", now.plus(10)).await.unwrap();
        assert_eq!(db::guesses::count(conn, now.plus(9), "k", Millis(0)).await.unwrap(), None);
        assert_eq!(db::guesses::blocked_until(conn, "k").await.unwrap(), Some(now.0 + 10));
        db::guesses::give_back(conn, "k").await.unwrap();
        assert_eq!(db::guesses::count(conn, now.plus(9), "k", Millis(0)).await.unwrap(), Some(3));
        assert_eq!(db::guesses::count(conn, now.plus(20), "k", now.plus(9)).await.unwrap(), Some(1), "long ago");
        assert_eq!(db::guesses::tidy(conn, now.plus(20), now).await.unwrap(), 0);
        assert_eq!(db::guesses::tidy(conn, now.plus(20), now.plus(20)).await.unwrap(), 1);
        db::guesses::count(conn, now, "k", Millis(0)).await.unwrap();
        db::guesses::forget(conn, "k").await.unwrap();
        assert_eq!(db::guesses::blocked_until(conn, "k").await.unwrap(), None);

        db::places::seen(conn, now, &ann, "n").await.unwrap();
        db::places::seen(conn, now.plus(5), &ann, "n").await.unwrap();
        assert!(db::places::is_known(conn, "ANN@example.test", "n", now).await.unwrap());
        assert!(!db::places::is_known(conn, "ann@example.test", "n", now.plus(5)).await.unwrap());
        assert!(!db::places::is_known(conn, "ben@example.test", "n", now).await.unwrap());
        assert_eq!(db::places::tidy(conn, now).await.unwrap(), 0);
        db::places::forget(conn, &ann).await.unwrap();
        assert_eq!(db::places::tidy(conn, now.plus(5)).await.unwrap(), 0);

        assert!(!db::second_factors::confirm(conn, &ann, 1).await.unwrap(), "nothing waits");
        assert!(db::second_factors::set_pending(conn, &ann, Some(vec![0, 255])).await.unwrap());
        assert!(!db::second_factors::take_step(conn, &ann, 8).await.unwrap(), "not yet");
        assert!(db::second_factors::confirm(conn, &ann, 7).await.unwrap());
        let kept = db::accounts::credentials(conn, &ann).await.unwrap().unwrap();
        assert_eq!((kept.totp_sealed, kept.totp_pending_sealed), (Some(vec![0, 255]), None));
        assert!(!db::second_factors::take_step(conn, &ann, 7).await.unwrap());
        assert!(db::second_factors::take_step(conn, &ann, 8).await.unwrap());
        let hashes = ["a".to_owned(), "b".to_owned()];
        db::second_factors::set_recovery_codes(conn, &ann, &hashes).await.unwrap();
        db::second_factors::set_recovery_codes(conn, &ann, &hashes).await.unwrap();
        assert!(db::second_factors::use_recovery_code(conn, now, &ann, "a").await.unwrap());
        assert!(!db::second_factors::use_recovery_code(conn, now, &ann, "a").await.unwrap());
        assert_eq!(db::second_factors::recovery_codes_left(conn, &ann).await.unwrap(), 1);
        assert!(db::second_factors::remove(conn, &ann).await.unwrap());
        assert!(!db::second_factors::remove(conn, &ann).await.unwrap());
        assert_eq!(db::second_factors::recovery_codes_left(conn, &ann).await.unwrap(), 0);
    });
}

#[test]
fn links_are_kept_found_by_their_secret_and_taken_once() {
    on_both(async |at| {
        let (acme, ann) = (at.tenant("acme").await, at.member("ann@example.test", &[]).await.account);
        let (now, mut tx) = (Millis(1_000_000), at.app.pool.begin().await.unwrap());
        let conn: &mut Conn = &mut tx;
        let link = |kind: &str| OneTimeLink {
            id: OneTimeLinkId::fresh().0,
            kind: kind.into(),
            account_id: (kind == "reset").then(|| ann.0.clone()),
            email: (kind == "invitation").then(|| "Ben@example.test".to_owned()),
            tenant_id: (kind == "invitation").then(|| acme.0.clone()),
            role: (kind == "invitation").then(|| Role::Viewer.name().to_owned()),
            created_by: Some(ann.0.clone()),
            created_at: now.0,
            expires_at: now.0 + 10,
            used_at: None,
        };
        let (first, reset, invitation) = (link("first"), link("reset"), link("invitation"));
        for (link, hash) in [(&first, "f"), (&reset, "r"), (&invitation, "i")] {
            db::one_time_links::insert(conn, link, hash).await.unwrap();
        }
        assert_eq!(db::one_time_links::find(conn, "reset", "r").await.unwrap().unwrap().id, reset.id);
        assert!(db::one_time_links::find(conn, "first", "r").await.unwrap().is_none(), "another kind");
        assert!(!db::one_time_links::take(conn, now.plus(10), &reset.id).await.unwrap(), "expired");
        assert!(db::one_time_links::take(conn, now.plus(9), &reset.id).await.unwrap());
        assert!(!db::one_time_links::take(conn, now.plus(9), &reset.id).await.unwrap());
        assert_eq!(db::one_time_links::drop_resets(conn, &ann).await.unwrap(), 0, "what was used stays");
        assert_eq!(db::one_time_links::drop_first(conn).await.unwrap(), 1);
        let waiting = db::one_time_links::invitations(conn, now, &acme).await.unwrap();
        assert_eq!((waiting.len(), waiting[0].inviter.as_deref()), (1, Some("ann@example.test")));
        assert!(db::one_time_links::invitations(conn, now.plus(10), &acme).await.unwrap().is_empty());
        assert_eq!(db::one_time_links::drop_invitations(conn, &acme, "ben@EXAMPLE.test").await.unwrap(), 1);
        let again = link("invitation");
        let id = OneTimeLinkId(again.id.clone());
        db::one_time_links::insert(conn, &again, "j").await.unwrap();
        assert_eq!(db::one_time_links::revoke_invitation(conn, &acme, &id).await.unwrap().as_deref(), Some("Ben@example.test"));
        assert_eq!(db::one_time_links::revoke_invitation(conn, &acme, &id).await.unwrap(), None);
        assert_eq!(db::one_time_links::tidy(conn, now.plus(10)).await.unwrap(), 1);
    });
}

#[test]
fn rows_of_sessions_are_kept_found_and_ended() {
    on_both(async |at| {
        let ann = at.member("ann@example.test", &[]).await.account;
        let (now, mut tx) = (Millis(1_000_000), at.app.pool.begin().await.unwrap());
        let conn: &mut Conn = &mut tx;
        let row = |id: &str| db::sessions::Session {
            id: id.into(),
            account_id: None,
            data: "{}".into(),
            address: "192.0.2.1".into(),
            agent: "a".into(),
            created_at: now.0,
            seen_at: now.0,
            expires_at: now.0 + 10,
        };
        for id in ["a", "b", "c"] {
            assert!(db::sessions::insert(conn, &row(id)).await.unwrap());
        }
        assert!(!db::sessions::insert(conn, &row("a")).await.unwrap(), "taken");
        assert!(db::sessions::update(conn, "a", Some(&ann), "{\"x\":1}").await.unwrap());
        assert!(db::sessions::update(conn, "b", Some(&ann), "{}").await.unwrap());
        assert!(!db::sessions::update(conn, "z", Some(&ann), "{}").await.unwrap());
        assert_eq!(db::sessions::find(conn, now, "a").await.unwrap().unwrap().data, "{\"x\":1}");
        assert!(db::sessions::find(conn, now.plus(10), "a").await.unwrap().is_none(), "expired");
        db::sessions::touch(conn, now.plus(1), "a", now.plus(20)).await.unwrap();
        assert_eq!(db::sessions::find(conn, now.plus(10), "a").await.unwrap().unwrap().seen_at, now.0 + 1);
        assert_eq!(db::sessions::of_account(conn, now, &ann).await.unwrap()[0].id, "a", "the last used first");
        assert!(!db::sessions::delete_own(conn, &AccountId::fresh(), "a").await.unwrap());
        assert!(db::sessions::delete_own(conn, &ann, "a").await.unwrap());
        assert_eq!(db::sessions::delete_others(conn, &ann, Some("b")).await.unwrap(), 0);
        assert_eq!(db::sessions::delete_others(conn, &ann, None).await.unwrap(), 1);
        assert!(db::sessions::insert(conn, &row("d")).await.unwrap());
        assert!(db::sessions::delete(conn, "d").await.unwrap() && !db::sessions::delete(conn, "d").await.unwrap());
        assert_eq!(db::sessions::tidy(conn, now.plus(9)).await.unwrap(), 0);
        assert_eq!(db::sessions::tidy(conn, now.plus(10)).await.unwrap(), 1);
    });
}

#[test]
fn a_session_ends_unused_after_twelve_hours_and_used_after_seven_days() {
    on_both(async |at| {
        let (app, clock) = clocked(&at).await;
        let ann = at.member("ann@example.test", &[]).await;
        let (idle, used) = (hold(&app, &ann.account).await, hold(&app, &ann.account).await);
        clock.advance(12 * HOUR - 1);
        let before = sessions::load(&app, &used).await.unwrap().unwrap();
        clock.advance(1);
        assert!(sessions::load(&app, &idle).await.unwrap().is_none());
        let after = sessions::load(&app, &used).await.unwrap().unwrap();
        assert_eq!(before.expires_at, after.expires_at, "noted at most every five minutes");
        for _ in 0..13 {
            clock.advance(12 * HOUR - 2);
            assert!(sessions::load(&app, &used).await.unwrap().is_some());
        }
        clock.advance(26);
        assert!(sessions::load(&app, &used).await.unwrap().is_none(), "the seventh day is over");
        sessions::tidy(&app).await.unwrap();
        let mut conn = app.pool.get().await.unwrap();
        assert!(!db::sessions::delete(&mut conn, &used.sha256()).await.unwrap(), "tidied away");
    });
}

#[test]
fn a_session_that_was_ended_is_not_made_again_and_its_cookie_stands_nowhere() {
    on_both(async |at| {
        let app = &at.app;
        let (ann, ben) = (at.member("ann@example.test", &[]).await, at.member("ben@example.test", &[]).await);
        let (here, there, bens) = (hold(app, &ann.account).await, hold(app, &ann.account).await, hold(app, &ben.account).await);
        let shown = sessions::list(app, &ann, Some(&here)).await.unwrap();
        assert_eq!(shown.iter().map(|s| s.current).filter(|c| *c).count(), 1);
        assert!(shown.len() == 2 && shown.iter().all(|s| s.id != here.expose() && !s.id.contains(there.expose())));
        let other = shown.iter().find(|s| !s.current).unwrap();
        assert_eq!(sessions::revoke(app, &ben, &other.id).await.unwrap_err().class(), Class::NotFound);
        sessions::revoke(app, &ann, &other.id).await.unwrap();
        assert!(sessions::load(app, &there).await.unwrap().is_none());
        let late = sessions::Session { account: Some(ann.account.clone()), data: "{}".into(), ..sessions::Session::default() };
        assert!(!sessions::save(app, &there, &late).await.unwrap(), "a request that was under way");
        assert!(sessions::load(app, &there).await.unwrap().is_none());
        assert!(!sessions::create(app, &bens, &late).await.unwrap(), "a value that is taken stays its owner's");
        hold(app, &ann.account).await;
        assert_eq!(sessions::revoke_others(app, &ann, &here).await.unwrap(), 1);
        assert!(sessions::load(app, &here).await.unwrap().is_some() && sessions::load(app, &bens).await.unwrap().is_some());
        sessions::delete(app, &here).await.unwrap();
        assert!(sessions::load(app, &here).await.unwrap().is_none());
    });
}

#[test]
fn a_disabled_account_has_no_session_no_token_and_no_actor_from_that_moment() {
    on_both(async |at| {
        let (app, admin) = (&at.app, &at.admin);
        let ann = person(app, "ann@example.test").await;
        let (session, token) = (hold(app, &ann.account).await, Secret::new(at.token(&ann.account, None, "all", 9).await));
        assert!(access::authenticate(app, &token, "").await.is_ok() && sessions::actor(app, &ann.account, "").await.is_ok());
        assert_eq!(accounts::set_state(app, &ann, &admin.account, false).await.unwrap_err().class(), Class::NotFound);
        accounts::set_state(app, admin, &ann.account, false).await.unwrap();
        let unknown = access::authenticate(app, &Secret::new("skt_x"), "").await.unwrap_err();
        assert_eq!(access::authenticate(app, &token, "").await.unwrap_err().to_string(), unknown.to_string());
        assert_eq!(sessions::actor(app, &ann.account, "").await.unwrap_err().class(), Class::Unauthenticated);
        assert!(sessions::load(app, &session).await.unwrap().is_none());
        let tenant = at.tenant("acme").await;
        let mut conn = app.pool.get().await.unwrap();
        db::tenants::set_member(&mut conn, Millis(1), &tenant, &ann.account, Role::Owner).await.unwrap();
        let queued = access::recheck(&mut conn, Some(ann.account.as_str()), &tenant, Right::Restore).await;
        assert_eq!(queued.unwrap_err().class(), Class::Forbidden, "nor does a job that she asked for");
        drop(conn);
        let late = hold(app, &ann.account).await;
        assert!(sessions::load(app, &late).await.unwrap().is_none(), "one that was just being made is no good either");
        accounts::set_state(app, admin, &ann.account, true).await.unwrap();
        assert!(access::authenticate(app, &token, "").await.is_ok());
        assert!(sessions::load(app, &session).await.unwrap().is_none(), "what was ended stays so");
    });
}

#[test]
fn a_catalogue_that_does_not_answer_takes_nobodys_rights_away() {
    on_both(async |at| {
        let (app, acme) = (&at.app, at.tenant("acme").await);
        let ann = at.member("ann@example.test", &[(&acme, Role::Owner)]).await;
        let mut tx = app.pool.begin().await.unwrap();
        access::recheck(&mut tx, Some(ann.account.as_str()), &acme, Right::Restore).await.unwrap();
        sqlx::query("alter table members rename to elsewhere").execute(&mut *tx).await.unwrap();
        let unsaid = access::recheck(&mut tx, Some(ann.account.as_str()), &acme, Right::Restore).await.unwrap_err();
        assert_eq!(unsaid.class(), Class::Internal, "{unsaid}");
        tx.rollback().await.unwrap();
        let mut tx = app.pool.begin().await.unwrap();
        sqlx::query("alter table jobs rename to elsewhere").execute(&mut *tx).await.unwrap();
        let unsaid = access::job(&mut tx, &ann, &JobId::fresh(), Right::View).await.unwrap_err();
        assert_eq!(unsaid.class(), Class::Internal, "{unsaid}");
    });
}

#[test]
fn a_new_password_ends_the_other_sessions_and_needs_the_old_one() {
    on_both(async |at| {
        let app = &at.app;
        let ann = person(app, "ann@example.test").await;
        let (here, there) = (hold(app, &ann.account).await, hold(app, &ann.account).await);
        let (old, new) = (Secret::new(PASSWORD), Secret::new("eleven other words"));
        let wrong = accounts::change_password(app, &ann, &new, &new, Some(&here)).await.unwrap_err();
        assert_eq!(wrong.class(), Class::Invalid);
        assert!(accounts::change_password(app, &ann, &old, &Secret::new("password12"), None).await.is_err());
        assert!(sessions::load(app, &there).await.unwrap().is_some());
        accounts::change_password(app, &ann, &old, &new, Some(&here)).await.unwrap();
        assert!(sessions::load(app, &here).await.unwrap().is_some());
        assert!(sessions::load(app, &there).await.unwrap().is_none());
        for _ in 0..5 {
            assert_eq!(accounts::change_password(app, &ann, &old, &new, None).await.unwrap_err().class(), Class::Invalid);
        }
        assert_eq!(accounts::change_password(app, &ann, &new, &old, None).await.unwrap_err().class(), Class::TooMany);
    });
}

#[test]
fn people_set_their_name_and_zone_and_a_narrow_token_does_not() {
    on_both(async |at| {
        let (app, ann) = (&at.app, at.member("ann@example.test", &[]).await);
        accounts::set_name(app, &ann, "  Ann  ").await.unwrap();
        accounts::set_zone(app, &ann, Some("America/New_York")).await.unwrap();
        assert!(accounts::set_zone(app, &ann, Some("Mars/Phobos")).await.unwrap_err().hint_text().is_some());
        assert!(accounts::set_name(app, &ann, "a\nb").await.is_err());
        let me = accounts::profile(app, &ann).await.unwrap();
        assert_eq!((me.name.as_str(), me.zone.as_deref()), ("Ann", Some("America/New_York")));
        assert_eq!((me.has_password, me.second_factor, me.recovery_codes), (false, false, 0));
        let narrow = access::authenticate(app, &Secret::new(at.token(&ann.account, None, "view,manage", 9).await), "").await.unwrap();
        assert_eq!(accounts::set_name(app, &narrow, "x").await.unwrap_err().class(), Class::Forbidden);
        assert_eq!(accounts::tokens(app, &narrow).await.unwrap_err().class(), Class::Forbidden);
        assert_eq!(sessions::list(app, &narrow, None).await.unwrap_err().class(), Class::Forbidden);
    });
}
