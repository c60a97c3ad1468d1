//! Signing in: what is told, what is counted, and what is good once.

use super::on_both;
use crate::support::app::{Installation, actor};
use crate::support::server::{Server, data_dir};
use crate::support::{Scratch, wait_for};
use sitekeep::app::access::Actor;
use sitekeep::app::one_time_links::{self, Kind};
use sitekeep::app::signing_in::{self, Outcome};
use sitekeep::app::{App, access, accounts, sessions};
use sitekeep::base::clock::{Clock, Millis};
use sitekeep::base::error::Class;
use sitekeep::base::secret::Secret;
use sitekeep::base::sql::{self, Pool};
use sitekeep::base::{chance, password, totp};
use sitekeep::db;
use sitekeep::db::one_time_links::OneTimeLink;
use sitekeep::domain::ids::{AccountId, OneTimeLinkId};
use sqlx::Row;
use std::time::Duration;

pub const PASSWORD: &str = "tram lamp owl seven";
const HERE: &str = "198.51.100.7";
const ELSEWHERE: &str = "203.0.113.9";

/// The same installation with a clock that the test moves.
pub async fn clocked(at: &Installation) -> (App, Clock) {
    let clock = Clock::fixed(Millis(1_795_230_000_000));
    let pool = Pool::connect(&at.url, 5, clock.clone()).await.unwrap();
    (App { pool, ..at.app.clone() }, clock)
}

/// An account with a password.
pub async fn person(app: &App, email: &str) -> Actor {
    let person = actor(app, email, false).await;
    give_password(app, &person.account).await;
    person
}

async fn give_password(app: &App, account: &AccountId) {
    let hash = password::hash(&Secret::new(PASSWORD)).await.unwrap();
    db::accounts::set_password(&mut app.pool.get().await.unwrap(), account, &hash).await.unwrap();
}

/// A session of this account; gives its cookie.
pub async fn hold(app: &App, account: &AccountId) -> Secret {
    let id = Secret::new(chance::word(40));
    let session = sessions::Session { account: Some(account.clone()), data: "{}".into(), address: HERE.into(), agent: "a browser".into() };
    assert!(sessions::create(app, &id, &session).await.unwrap());
    id
}

async fn sign_in(app: &App, email: &str, typed: &str, address: &str) -> sitekeep::base::error::Result<Outcome> {
    signing_in::password(app, email, &Secret::new(typed), address, "a browser").await
}

/// Turns the second factor on; gives its key and the recovery codes.
async fn with_second_factor(app: &App, who: &Actor) -> (Secret, Vec<Secret>) {
    let enrolment = accounts::start_second_factor(app, who, &Secret::new(PASSWORD)).await.unwrap();
    let now = app.pool.now().await.unwrap();
    let code = totp::code(&enrolment.key, now.plus(-30_000)).unwrap();
    let codes = accounts::confirm_second_factor(app, who, &Secret::new(code), None).await.unwrap();
    (enrolment.key, codes)
}

#[test]
fn unknown_disabled_passwordless_and_mistyped_get_one_sentence() {
    on_both(async |at| {
        let app = &at.app;
        let ann = person(app, "ann@example.test").await;
        person(app, "gone@example.test").await;
        actor(app, "none@example.test", false).await;
        let gone = db::accounts::find_by_email(&mut app.pool.get().await.unwrap(), "gone@example.test").await.unwrap().unwrap();
        accounts::set_state(app, &at.admin, &AccountId(gone.id), false).await.unwrap();
        assert_eq!(sign_in(app, " ANN@example.test ", PASSWORD, HERE).await.unwrap(), Outcome::In(ann.account.clone()));
        let mut said = Vec::new();
        for email in ["ann@example.test", "gone@example.test", "none@example.test", "nobody@example.test", "not an address"] {
            let typed = if email.starts_with("gone") { PASSWORD } else { "canary-that-was-typed" };
            let e = sign_in(app, email, typed, HERE).await.unwrap_err();
            said.push((e.class(), e.to_string()));
        }
        said.dedup();
        assert!(said.len() == 1 && said[0].0 == Class::Unauthenticated, "{said:?}");
        let mut conn = app.pool.get().await.unwrap();
        let rows = sqlx::query("select actor, action, detail, address from activity where action like 'signin%'").fetch_all(&mut *conn);
        let lines: Vec<String> =
            rows.await.unwrap().iter().map(|r| (0..4).map(|n| r.get::<String, _>(n)).collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines.iter().filter(|l| l.contains("signin.failed")).count(), 5);
        assert!(lines.iter().any(|l| l == "ann@example.test signin.password a browser 198.51.100.7"), "{lines:?}");
        assert!(lines.iter().all(|l| !l.contains("canary") && !l.contains("not an address")), "{lines:?}");
    });
}

#[test]
fn who_guesses_waits_longer_and_longer_and_the_right_person_still_gets_in() {
    on_both(async |at| {
        let (app, clock) = clocked(&at).await;
        let ann = person(&app, "ann@example.test").await;
        assert!(sign_in(&app, "ann@example.test", PASSWORD, HERE).await.is_ok());
        let mut judged = 0;
        for n in 0..60 {
            let address = format!("203.0.{}.{n}", n % 7);
            judged +=
                usize::from(sign_in(&app, "ann@example.test", "a wrong guess", &address).await.unwrap_err().class() != Class::TooMany);
        }
        assert_eq!(judged, 5, "a thousand addresses are one account");
        let refused = sign_in(&app, "ann@example.test", PASSWORD, ELSEWHERE).await.unwrap_err();
        assert_eq!((refused.class(), refused.hint_text()), (Class::TooMany, Some("try again in 2 seconds")));
        // Known or not, an address is counted alike.
        for _ in 0..5 {
            assert_eq!(sign_in(&app, "nobody@example.test", "x", ELSEWHERE).await.unwrap_err().class(), Class::Unauthenticated);
        }
        let unknown = sign_in(&app, "nobody@example.test", "x", ELSEWHERE).await.unwrap_err();
        assert_eq!(unknown.to_string(), refused.to_string());
        for n in 0..30 {
            let _ = sign_in(&app, &format!("p{n}@example.test"), "x", HERE).await;
        }
        assert_eq!(sign_in(&app, "p@example.test", "x", HERE).await.unwrap_err().class(), Class::TooMany, "her own address");
        // Where she signed in before, she is not kept waiting by strangers; elsewhere, for a while.
        assert_eq!(sign_in(&app, "ann@example.test", PASSWORD, "198.51.100.200").await.unwrap(), Outcome::In(ann.account.clone()));
        clock.advance(2_000);
        assert_eq!(sign_in(&app, "ann@example.test", PASSWORD, ELSEWHERE).await.unwrap(), Outcome::In(ann.account.clone()));
        assert!(sign_in(&app, "ann@example.test", "typing error", ELSEWHERE).await.unwrap_err().class() == Class::Unauthenticated);
        sessions::tidy(&app).await.unwrap();
    });
}

#[test]
fn one_address_does_not_guess_at_many_accounts() {
    on_both(async |at| {
        let (app, _) = clocked(&at).await;
        let mut judged = 0;
        for n in 0..40 {
            let e = sign_in(&app, &format!("p{n}@example.test"), "x", "2001:db8:1:2:3::4").await.unwrap_err();
            judged += usize::from(e.class() != Class::TooMany);
        }
        assert_eq!(judged, 20);
        assert_eq!(sign_in(&app, "a@example.test", "x", "2001:db8:1:2::5").await.unwrap_err().class(), Class::TooMany, "the same /64");
        assert_eq!(sign_in(&app, "a@example.test", "x", "2001:db8:1:3::5").await.unwrap_err().class(), Class::Unauthenticated);
    });
}

#[test]
fn many_guesses_at_once_are_counted_before_they_are_judged() {
    on_both(async |at| {
        let (app, _) = clocked(&at).await;
        person(&app, "ann@example.test").await;
        let tries = (0..50).map(|_| {
            tokio::spawn({
                let app = app.clone();
                async move { sign_in(&app, "ann@example.test", "a wrong guess", HERE).await.unwrap_err().class() }
            })
        });
        let ends = futures_util::future::join_all(tries).await;
        let judged = ends.into_iter().filter(|e| *e.as_ref().unwrap() == Class::Unauthenticated).count();
        assert_eq!(judged, 5);
    });
}

#[test]
fn a_code_is_good_for_one_of_a_hundred_at_once_and_only_in_its_time() {
    on_both(async |at| {
        let (app, clock) = clocked(&at).await;
        let ann = person(&app, "ann@example.test").await;
        let (key, _) = with_second_factor(&app, &ann).await;
        assert_eq!(sign_in(&app, "ann@example.test", PASSWORD, HERE).await.unwrap(), Outcome::CodeNeeded(ann.account.clone()));
        let now = app.pool.now().await.unwrap();
        for early in [-2, 2] {
            let code = Secret::new(totp::code(&key, now.plus(early * 30_000)).unwrap());
            assert_eq!(signing_in::code(&app, &ann.account, &code, HERE).await.unwrap_err().class(), Class::Unauthenticated, "{early}");
        }
        let code = totp::code(&key, now).unwrap();
        let tries = (0..100).map(|_| {
            tokio::spawn({
                let (app, account, code) = (app.clone(), ann.account.clone(), Secret::new(code.clone()));
                async move { signing_in::code(&app, &account, &code, HERE).await.is_ok() }
            })
        });
        let good = futures_util::future::join_all(tries).await.into_iter().filter(|e| *e.as_ref().unwrap()).count();
        assert_eq!(good, 1);
        clock.advance(3600 * Millis::SECOND);
        let code = Secret::new(totp::code(&key, app.pool.now().await.unwrap()).unwrap());
        signing_in::code(&app, &ann.account, &code, HERE).await.unwrap();
        assert!(signing_in::code(&app, &ann.account, &code, HERE).await.is_err(), "the same code again");
    });
}

#[test]
fn a_step_is_taken_by_one_of_a_hundred_at_once() {
    on_both(async |at| {
        let ann = person(&at.app, "ann@example.test").await;
        with_second_factor(&at.app, &ann).await;
        let tries = (0..100).map(|_| {
            tokio::spawn({
                let (pool, account) = (at.app.pool.clone(), ann.account.clone());
                async move {
                    let mut tx = pool.begin().await.unwrap();
                    let taken = db::second_factors::take_step(&mut tx, &account, i64::MAX / 2).await.unwrap();
                    tx.commit().await.unwrap();
                    taken
                }
            })
        });
        let taken = futures_util::future::join_all(tries).await.into_iter().filter(|e| *e.as_ref().unwrap()).count();
        assert_eq!(taken, 1);
    });
}

#[test]
fn five_codes_may_be_tried_in_five_minutes() {
    on_both(async |at| {
        let (app, clock) = clocked(&at).await;
        let ann = person(&app, "ann@example.test").await;
        let (key, _) = with_second_factor(&app, &ann).await;
        for n in 0..5 {
            let e = signing_in::code(&app, &ann.account, &Secret::new(format!("00000{n}")), HERE).await.unwrap_err();
            assert_eq!(e.class(), Class::Unauthenticated);
        }
        let right = || async { Secret::new(totp::code(&key, app.pool.now().await.unwrap()).unwrap()) };
        let e = signing_in::code(&app, &ann.account, &right().await, HERE).await.unwrap_err();
        assert_eq!((e.class(), e.hint_text()), (Class::TooMany, Some("try again in 5 minutes (300 seconds)")));
        clock.advance(300_000);
        signing_in::code(&app, &ann.account, &right().await, HERE).await.unwrap();
    });
}

#[test]
fn a_recovery_code_is_good_once_and_the_second_factor_comes_and_goes_with_the_password() {
    on_both(async |at| {
        let app = &at.app;
        let ann = person(app, "ann@example.test").await;
        let wrong = accounts::start_second_factor(app, &ann, &Secret::new("not this one")).await.unwrap_err();
        assert_eq!(wrong.class(), Class::Invalid);
        assert!(accounts::pending_second_factor(app, &ann).await.unwrap().is_none());
        let (before, here) = (hold(app, &ann.account).await, hold(app, &ann.account).await);
        let key = accounts::start_second_factor(app, &ann, &Secret::new(PASSWORD)).await.unwrap().key;
        assert_eq!(accounts::pending_second_factor(app, &ann).await.unwrap().unwrap().key, key);
        assert!(matches!(sign_in(app, "ann@example.test", PASSWORD, HERE).await.unwrap(), Outcome::In(_)), "not confirmed yet");
        let bad = accounts::confirm_second_factor(app, &ann, &Secret::new("000000"), Some(&here)).await;
        assert_eq!(bad.unwrap_err().class(), Class::Invalid);
        let code = Secret::new(totp::code(&key, app.pool.now().await.unwrap()).unwrap());
        let codes = accounts::confirm_second_factor(app, &ann, &code, Some(&here)).await.unwrap();
        assert_eq!(codes.len(), 10);
        assert!(sessions::load(app, &before).await.unwrap().is_none() && sessions::load(app, &here).await.unwrap().is_some());
        assert!(signing_in::code(app, &ann.account, &code, HERE).await.is_err(), "what confirmed it is used up");
        signing_in::code(app, &ann.account, &codes[0], HERE).await.unwrap();
        assert!(signing_in::code(app, &ann.account, &codes[0], HERE).await.is_err());
        let typed = Secret::new(codes[1].expose().to_uppercase().replace('-', " "));
        signing_in::code(app, &ann.account, &typed, HERE).await.unwrap();
        assert_eq!(accounts::profile(app, &ann).await.unwrap().recovery_codes, 8);
        let renewed = accounts::renew_recovery_codes(app, &ann, &Secret::new(PASSWORD)).await.unwrap();
        assert!(signing_in::code(app, &ann.account, &codes[2], HERE).await.is_err(), "replaced");
        signing_in::code(app, &ann.account, &renewed[0], HERE).await.unwrap();
        assert!(accounts::start_second_factor(app, &ann, &Secret::new(PASSWORD)).await.is_err(), "there is one already");
        assert!(accounts::disable_second_factor(app, &ann, &Secret::new("not this one")).await.is_err());
        accounts::disable_second_factor(app, &ann, &Secret::new(PASSWORD)).await.unwrap();
        assert!(matches!(sign_in(app, "ann@example.test", PASSWORD, HERE).await.unwrap(), Outcome::In(_)));
        assert!(signing_in::code(app, &ann.account, &renewed[1], HERE).await.is_err());
        with_second_factor(app, &ann).await;
        accounts::remove_second_factor(app, &at.admin, &ann.account).await.unwrap();
        assert!(!accounts::profile(app, &ann).await.unwrap().second_factor);
    });
}

#[test]
fn signing_out_ends_the_session() {
    on_both(async |at| {
        let ann = person(&at.app, "ann@example.test").await;
        let here = hold(&at.app, &ann.account).await;
        signing_in::sign_out(&at.app, &ann, &here).await.unwrap();
        assert!(sessions::load(&at.app, &here).await.unwrap().is_none());
    });
}

#[test]
fn the_first_link_makes_one_administrator_and_no_second() {
    on_both(async |at| {
        let app = &at.app;
        let old = one_time_links::first_link(app).await.unwrap().unwrap();
        let link = one_time_links::first_link(app).await.unwrap().unwrap();
        let unknown = one_time_links::open(app, Kind::First, &old).await.unwrap_err();
        assert!(unknown.class() == Class::NotFound && unknown.hint_text().unwrap().contains("start the server again"), "{unknown}");
        assert!(one_time_links::open(app, Kind::Reset, &link).await.is_err(), "of another kind");
        one_time_links::open(app, Kind::First, &link).await.unwrap();
        let new = Secret::new(PASSWORD);
        let weak = one_time_links::use_first(app, &link, "you@example.test", "", &Secret::new("short"), HERE).await;
        assert_eq!(weak.unwrap_err().class(), Class::Invalid);
        let tries = (0..4).map(|n| {
            tokio::spawn({
                let (app, link, new) = (app.clone(), link.clone(), new.clone());
                async move { one_time_links::use_first(&app, &link, &format!("you{n}@example.test"), "You", &new, HERE).await }
            })
        });
        let ends = futures_util::future::join_all(tries).await;
        let made: Vec<_> = ends.into_iter().filter_map(|e| e.unwrap().ok()).collect();
        assert_eq!(made.len(), 1);
        assert!(one_time_links::first_link(app).await.unwrap().is_none());
        let me = sessions::actor(app, &made[0], HERE).await.unwrap();
        assert!(me.administrator && access::administer(&me).is_ok());
        assert_eq!(sign_in(app, &me.email, PASSWORD, HERE).await.unwrap(), Outcome::In(made[0].clone()));
        let used = one_time_links::open(app, Kind::First, &link).await.unwrap_err();
        assert!(used.sentence().contains("has been used"), "{used}");
    });
}

#[test]
fn the_first_link_gives_a_password_to_the_administrator_of_the_setup() {
    on_both(async |at| {
        let (app, link) = (&at.app, one_time_links::first_link(&at.app).await.unwrap().unwrap());
        person(app, "ann@example.test").await;
        let new = Secret::new("eleven other words");
        let taken = one_time_links::use_first(app, &link, "ann@example.test", "", &new, HERE).await;
        assert_eq!(taken.unwrap_err().class(), Class::Conflict, "an account of somebody else");
        let id = one_time_links::use_first(app, &link, "Admin@example.test", "Admin", &new, HERE).await.unwrap();
        assert_eq!(id, at.admin.account);
    });
}

async fn reset_link(app: &App, account: &AccountId, lives: i64) -> Secret {
    let (secret, now) = (Secret::new(chance::word(32)), app.pool.now().await.unwrap());
    let link = OneTimeLink {
        id: OneTimeLinkId::fresh().0,
        kind: "reset".into(),
        account_id: Some(account.0.clone()),
        email: None,
        tenant_id: None,
        role: None,
        created_by: None,
        created_at: now.0,
        expires_at: now.0 + lives,
        used_at: None,
    };
    db::one_time_links::insert(&mut app.pool.get().await.unwrap(), &link, &secret.sha256()).await.unwrap();
    secret
}

#[test]
fn a_reset_sets_the_password_once_ends_every_session_and_still_asks_for_the_code() {
    on_both(async |at| {
        let app = &at.app;
        let ann = person(app, "ann@example.test").await;
        with_second_factor(app, &ann).await;
        let (session, token) = (hold(app, &ann.account).await, Secret::new(at.token(&ann.account, None, "all", 9).await));
        let (link, other, new) =
            (reset_link(app, &ann.account, 1000).await, reset_link(app, &ann.account, 60_000).await, "eleven other words");
        tokio::time::sleep(Duration::from_millis(1001)).await;
        let late = one_time_links::use_reset(app, &link, &Secret::new(new), false, HERE).await.unwrap_err();
        assert!(late.sentence().contains("expired") && late.hint_text().unwrap().contains("ask for another link"), "{late}");
        assert_eq!(one_time_links::open(app, Kind::Reset, &other).await.unwrap().email.as_deref(), Some("ann@example.test"));
        for _ in 0..7 {
            let _ = sign_in(app, "ann@example.test", "a wrong guess", ELSEWHERE).await;
        }
        let spare = reset_link(app, &ann.account, 60_000).await;
        assert_eq!(one_time_links::use_reset(app, &other, &Secret::new(new), false, ELSEWHERE).await.unwrap(), ann.account);
        assert!(sessions::load(app, &session).await.unwrap().is_none());
        assert!(access::authenticate(app, &token, "").await.is_ok(), "tokens by choice");
        assert_eq!(sign_in(app, "ann@example.test", new, ELSEWHERE).await.unwrap(), Outcome::CodeNeeded(ann.account.clone()));
        let used = one_time_links::use_reset(app, &other, &Secret::new(PASSWORD), false, HERE).await.unwrap_err();
        assert!(used.sentence().contains("has been used") && used.hint_text().is_some(), "{used}");
        assert!(one_time_links::open(app, Kind::Reset, &spare).await.is_err(), "the others are void, too");
        let link = reset_link(app, &ann.account, 60_000).await;
        one_time_links::use_reset(app, &link, &Secret::new(PASSWORD), true, HERE).await.unwrap();
        assert!(access::authenticate(app, &token, "").await.is_err());
        let link = reset_link(app, &ann.account, 60_000).await;
        accounts::set_state(app, &at.admin, &ann.account, false).await.unwrap();
        assert!(one_time_links::use_reset(app, &link, &Secret::new(PASSWORD), false, HERE).await.is_err());
    });
}

async fn links(app: &App) -> i64 {
    let mut conn = app.pool.get().await.unwrap();
    sqlx::query("select count(*) from one_time_links where kind = 'reset'").fetch_one(&mut *conn).await.unwrap().get(0)
}

#[test]
fn whoever_asks_for_a_reset_is_told_nothing_and_only_the_first_are_sent() {
    on_both(async |at| {
        let app = at.app.clone();
        person(&app, "ann@example.test").await;
        for n in 0..6 {
            one_time_links::ask_reset(&app, "Ann@example.test", &format!("198.51.100.{n}")).await.unwrap();
            one_time_links::ask_reset(&app, "nobody@example.test", &format!("198.51.100.{n}")).await.unwrap();
        }
        let handle = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            wait_for("three letters", Duration::from_secs(10), || handle.block_on(links(&app)) == 3);
            std::thread::sleep(Duration::from_millis(200));
            assert_eq!(handle.block_on(links(&app)), 3);
        })
        .await
        .unwrap();
    });
}

#[test]
fn a_server_without_an_administrator_who_can_sign_in_prints_a_link_that_makes_one() {
    let scratch = Scratch::new();
    let data = data_dir(&scratch);
    let mut server = Server::start(&data, &[("SITEKEEP_PUBLIC_URL", "https://keep.example.test")]);
    let link = |log: &str| log.split_once("https://keep.example.test/first/").map(|(_, rest)| Secret::new(&rest[..32]));
    let secret = link(&server.log()).expect("the log has a link");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let like = Installation::new(sql::Kind::Sqlite).await.app;
        let url = format!("sqlite://{}?mode=rw", data.join("catalogue.db").display());
        let app = App { pool: Pool::connect(&url, 2, Clock::system()).await.unwrap(), ..like };
        one_time_links::use_first(&app, &secret, "you@example.test", "You", &Secret::new(PASSWORD), HERE).await.unwrap();
        app.pool.close().await;
    });
    server.kill();
    let fresh = Server::start(&data, &[("SITEKEEP_PUBLIC_URL", "https://keep.example.test")]);
    let log = fresh.log();
    let (_, last) = log.rsplit_once("Sitekeep listens on").unwrap();
    assert!(link(last).is_none(), "{log}");
}
