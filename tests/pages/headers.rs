//! What stands in the head of every answer.

use super::roles::request;
use super::world::{FORM, PASSWORD, SAME, World};
use crate::support::http::{Reply, form};
use sitekeep::web::pages::ROUTES;

/// Every answer, whatever it is; assets alone may be kept.
#[track_caller]
fn guarded(what: &str, reply: &Reply, kept: bool) {
    let header = |name: &str| reply.header(name).unwrap_or_else(|| panic!("{what}: no {name}: {:?}", reply.headers)).to_owned();
    let policy = header("content-security-policy");
    for part in
        ["default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"]
    {
        assert!(policy.split(';').any(|p| p.trim() == part), "{what}: {part} is not in {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{what}: {policy}");
    assert_eq!((header("x-content-type-options"), header("x-frame-options")), ("nosniff".into(), "DENY".into()), "{what}");
    assert!(["same-origin", "no-referrer"].contains(&header("referrer-policy").as_str()), "{what}");
    if !kept {
        assert!(header("cache-control").contains("no-store"), "{what}: {}", header("cache-control"));
    }
    assert!(reply.header("server").is_none() && reply.header("x-powered-by").is_none(), "{what} says what it runs on");
    assert!(reply.header("access-control-allow-origin").is_none(), "{what} is nobody else's to read");
}

#[test]
fn every_answer_says_that_nobody_may_frame_keep_or_guess_at_it() {
    let world = World::new();
    let things = world.things(&world.shop);
    let mut seen = std::collections::BTreeMap::<u16, usize>::new();
    let mut check = |what: String, reply: Reply| {
        guarded(&what, &reply, false);
        *seen.entry(reply.status).or_default() += 1;
    };
    for route in ROUTES.iter().filter(|r| r.path != "/events" && r.path != "/signout") {
        for who in ["owner", "viewer", "stranger", "administrator", ""] {
            for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS"] {
                let things = world.things(&world.shop);
                let (path, body) =
                    request(&world, if route.methods.contains(&method) { method } else { route.methods[0] }, route.path, &things);
                check(format!("{method} {path} by {who}"), world.ask(who, method, &path, &body));
            }
        }
        let (path, body) = request(&world, route.methods[0], route.path, &things);
        check(format!("cross-site {path}"), world.send("POST", &path, &[("Origin", "http://evil.test"), FORM], &body));
        check(
            format!("no form {path}"),
            world.send("POST", &path, &[SAME, ("Cookie", world.cookie("owner")), ("Content-Type", "x/y")], "{"),
        );
    }
    for path in [
        "/nothing",
        "/d/x",
        "/d/x/y.tar.gz",
        "/d/%ff/%ff",
        "/healthz",
        "/api/v1/whoami",
        "/api/v1/nothing",
        "/api",
        "/assets/x",
        "/%00",
        "/..%2f",
    ] {
        check(path.to_owned(), world.get("owner", path));
        check(path.to_owned(), world.ask("", "POST", path, ""));
    }
    let stream = world.follow("owner", "jobs:");
    assert_eq!(stream.status, 200);
    println!("answers by status: {seen:?}");
    assert!([200, 303, 400, 401, 403, 404, 405].iter().all(|s| seen.contains_key(s)), "{seen:?}");
    assert!(!seen.keys().any(|s| *s >= 500), "{seen:?}");
    // Assets are kept by browsers: they are named by what is in them.
    let page = world.get("owner", "/").body;
    for part in page.split("=\"/assets/").skip(1) {
        let path = format!("/assets/{}", part.split('"').next().unwrap_or_default());
        let asset = world.get("", &path);
        assert_eq!(asset.status, 200, "{path}");
        guarded(&path, &asset, true);
        assert!(asset.header("set-cookie").is_none());
    }
}

#[test]
fn the_cookie_of_a_session_is_for_us_alone() {
    for (url, name, secure) in [("http://sitekeep.test", "sitekeep", false), ("https://keep.test/panel", "__Host-sitekeep", true)] {
        let world = World::at(url);
        let body = form(&[("email", "owner@example.test"), ("password", PASSWORD), ("next", "/")]);
        let reply = world.send("POST", "/signin", &[SAME, FORM], &body);
        let cookies: Vec<&str> = reply.headers.iter().filter(|(n, _)| n == "set-cookie").map(|(_, v)| v.as_str()).collect();
        assert_eq!(cookies.len(), 1, "{cookies:?}");
        let mut parts = cookies[0].split(';').map(str::trim);
        let (found, value) = parts.next().unwrap().split_once('=').unwrap();
        assert!(found == name && value.len() >= 22, "128 bits at least: {cookies:?}");
        let parts: Vec<String> = parts.map(str::to_lowercase).collect();
        let has = |part: &str| parts.iter().any(|p| p == part);
        assert!(has("httponly") && has("samesite=lax") && has("path=/"), "{cookies:?}");
        assert_eq!(has("secure"), secure, "{cookies:?}");
        assert!(!parts.iter().any(|p| p.starts_with("domain")), "{cookies:?}");
        assert_eq!(world.get("owner", "/").status, 200, "the cookie is taken under its name");
        // Whoever only looks gets none.
        for path in ["/signin", "/", "/nothing", "/d/x"] {
            assert_eq!(world.get("", path).header("set-cookie"), None, "{path}");
        }
        if secure {
            let plain = world.cookie("owner").replace("__Host-", "");
            assert_eq!(world.with(&plain, "GET", "/", "").status, 303, "a cookie without the prefix may be from a neighbour");
        }
    }
}
