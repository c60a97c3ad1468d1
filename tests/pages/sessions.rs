//! Sessions: nobody's but the one's who began it, and dead at once when they end.

use super::world::World;
use crate::support::http::Events;
use sitekeep::base::secret::Secret;
use std::time::Duration;

fn alive(world: &World, cookie: &str) -> bool {
    let reply = world.with(cookie, "GET", "/", "");
    assert!(matches!(reply.status, 200 | 303), "{}", reply.status);
    reply.status == 200
}

fn value(cookie: &str) -> &str {
    cookie.split_once('=').map_or("", |(_, value)| value)
}

#[test]
fn a_session_that_was_there_before_signing_in_is_worth_nothing_afterwards() {
    let world = World::new();
    let fields = crate::support::http::form(&[("email", "owner@example.test"), ("password", super::world::PASSWORD)]);
    // One that somebody made up, and one that is somebody's.
    for planted in ["sitekeep=AAAAAAAAAAAAAAAAAAAAAA".to_owned(), world.sign_in("developer@example.test")] {
        let reply = world.with(&planted, "POST", "/signin", &fields);
        let fresh = reply.cookie().expect("a new session");
        assert_eq!(reply.status, 303);
        assert_ne!(fresh, planted, "the id is a new one");
        assert!(!alive(&world, &planted), "the old one is dead");
        assert!(world.with(&fresh, "GET", "/", "").body.contains("owner@example.test"));
    }
    // With both in one request, the planted one does not win over the real one.
    let real = world.sign_in("owner@example.test");
    let reply = world.send("GET", "/", &[("Cookie", "sitekeep=BBBBBBBBBBBBBBBBBBBBBB; x=y"), ("Cookie", &real)], "");
    assert!(reply.status == 303 || reply.body.contains("owner@example.test"), "{}", reply.status);
}

#[test]
fn a_session_that_has_ended_is_dead_with_every_cookie_of_it() {
    let world = World::new();
    let (kept, ended) = (world.sign_in("owner@example.test"), world.sign_in("owner@example.test"));
    let reply = world.with(&ended, "POST", "/signout", "");
    assert_eq!((reply.status, reply.location()), (303, "/signin"));
    assert!(reply.header("set-cookie").is_some_and(|c| c.contains("Max-Age=0")), "the browser forgets it: {:?}", reply.headers);
    assert!(!alive(&world, &ended) && alive(&world, &kept), "that one, and no other");
    let page = world.with(&ended, "POST", "/jobs/job_x/cancel", "");
    assert_eq!(page.status, 401);
    assert_eq!(world.with(&ended, "GET", "/events?of=jobs", "").status, 303);
    // Signing out twice is nothing bad.
    assert_eq!(world.with(&ended, "POST", "/signout", "").status, 401);
}

#[test]
fn whoever_reads_the_catalogue_can_sign_in_as_nobody() {
    let world = World::new();
    let cookies: Vec<String> = ["owner", "viewer", "administrator"].map(|who| world.cookie(who).to_owned()).to_vec();
    let db = world.db();
    let mut query = db.prepare("select id, data from sessions").unwrap();
    let rows: Vec<(String, String)> = query.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).unwrap().flatten().collect();
    assert!(rows.len() >= cookies.len());
    for (id, _) in &rows {
        assert!(!alive(&world, &format!("sitekeep={id}")), "the id of a row opens nothing");
    }
    for cookie in &cookies {
        let hash = Secret::new(value(cookie)).sha256();
        assert!(alive(&world, cookie));
        assert!(rows.iter().any(|(id, _)| id.len() >= 40 && value(cookie).len() >= 22 && *id != value(cookie)), "{rows:?}");
        assert!(!rows.iter().any(|(id, data)| id.contains(value(cookie)) || data.contains(value(cookie))), "{hash}");
    }
    // Not in any other place of the file either.
    for file in ["catalogue.db", "catalogue.db-wal"] {
        let bytes = std::fs::read(world.at.scratch.join(file)).unwrap();
        for cookie in &cookies {
            assert!(!bytes.windows(value(cookie).len()).any(|w| w == value(cookie).as_bytes()), "{file} holds a cookie");
        }
    }
}

#[test]
fn a_session_that_is_revoked_or_of_a_disabled_account_is_refused_at_once_and_its_streams_end() {
    let world = World::new();
    for how in ["revoked", "disabled", "expired", "signed out"] {
        world.db().execute("update accounts set state = 'active' where email = 'developer@example.test'", []).unwrap();
        let cookie = world.sign_in("developer@example.test");
        let mut stream = Events::open(world.address, "/events?of=jobs", &[("Cookie", &cookie)]);
        assert_eq!(stream.status, 200);
        assert!(stream.next(Duration::from_secs(3)).is_some());
        assert!(alive(&world, &cookie));
        let db = world.db();
        let id = Secret::new(value(&cookie)).sha256();
        let changed = match how {
            "revoked" => db.execute("delete from sessions where id = ?1", [&id]).unwrap(),
            "expired" => db.execute("update sessions set expires_at = 1 where id = ?1", [&id]).unwrap(),
            "disabled" => db.execute("update accounts set state = 'disabled' where email = 'developer@example.test'", []).unwrap(),
            _ => usize::from(world.with(&cookie, "POST", "/signout", "").status == 303),
        };
        assert_eq!(changed, 1, "{how}");
        assert!(!alive(&world, &cookie), "{how}");
        let took = stream.end(Duration::from_secs(10)).unwrap_or_else(|| panic!("{how}: the stream goes on"));
        println!("{how}: the stream ended after {took:?}");
        assert!(took < Duration::from_secs(4), "{how}: it took {took:?} (2 s on an idle machine)");
    }
}
