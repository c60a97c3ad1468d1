//! Requests that other sites cause: refused, with nothing done; and pages that are only read change nothing.

use super::roles::request;
use super::world::{FORM, World};
use sitekeep::web::pages::ROUTES;

/// What a browser says of a request that another site caused, and one that says nothing.
const FROM_ELSEWHERE: &[&[(&str, &str)]] = &[
    &[("Sec-Fetch-Site", "cross-site")],
    &[("Sec-Fetch-Site", "same-site")],
    &[("Sec-Fetch-Site", "cross-site"), ("Origin", "http://sitekeep.test")],
    &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")],
    &[("Sec-Fetch-Site", "Same-Origin")],
    &[("Origin", "http://evil.test")],
    &[("Origin", "null")],
    &[("Origin", "http://sitekeep.test.evil.test")],
    &[("Origin", "http://evil.test/http://sitekeep.test")],
    &[("Origin", "https://sitekeep.test")],
    &[("Origin", "http://sitekeep.test:8080")],
    &[("Origin", "")],
    &[("Referer", "http://sitekeep.test/")],
    &[],
];

#[test]
fn no_form_of_another_site_does_anything() {
    let world = World::new();
    let things = world.things(&world.shop);
    let mut asked = 0;
    for route in ROUTES.iter().filter(|r| r.methods.contains(&"POST")) {
        let (path, body) = request(&world, "POST", route.path, &things);
        let before = world.catalogue();
        for said in FROM_ELSEWHERE {
            for kind in [FORM.1, "text/plain", "multipart/form-data; boundary=x", "application/json"] {
                for who in ["owner", "administrator"] {
                    let headers = [said, &[("Cookie", world.cookie(who)), ("Content-Type", kind)][..]].concat();
                    let reply = world.send("POST", &path, &headers, &body);
                    assert_eq!(reply.status, 403, "{path} with {said:?}: {}", reply.body);
                    assert!(reply.body.contains("was sent by another site"), "{}", reply.body);
                    asked += 1;
                }
            }
        }
        // Other methods that change things are no way around.
        for method in ["PUT", "PATCH", "DELETE"] {
            let reply = world.send(method, &path, &[("Cookie", world.cookie("owner")), ("Origin", "http://evil.test"), FORM], &body);
            assert_eq!(reply.status, 403, "{method} {path}");
        }
        before.assert_same(&world.catalogue(), route.path);
    }
    // The same from our own pages does something: the check is not what refuses everything.
    let reply = world.send(
        "POST",
        &format!("/backups/{}/pin", things.backup),
        &[("Cookie", world.cookie("owner")), ("Origin", "http://sitekeep.test"), FORM],
        "",
    );
    assert_eq!(reply.status, 303);
    println!("{asked} forms of other sites were refused");
}

#[test]
fn a_page_that_is_read_changes_nothing() {
    let world = World::new();
    let things = world.things(&world.shop);
    let theirs = world.things(&world.foreign);
    // What a path names is made before the catalogue is looked at.
    let routes = ROUTES.iter().filter(|r| r.methods.contains(&"GET") && r.path != "/events");
    let paths: Vec<String> = routes.flat_map(|r| [&things, &theirs].map(|things| request(&world, "GET", r.path, things).0)).collect();
    let before = world.catalogue();
    for who in ["owner", "viewer", "administrator", "stranger", ""] {
        for path in &paths {
            let reply = world.get(who, path);
            assert!(reply.status < 500, "{path} by {who}: {}", reply.status);
            world.ask(who, "HEAD", path, "");
        }
        for path in ["/signout", "/assets/x.css", "/nothing", "/d/x/y", "/favicon.ico", "/robots.txt"] {
            world.get(who, path);
        }
        for act in ["pin", "unpin", "note", "delete", "verify", "take-back", "links?element=code"] {
            let expected = if who.is_empty() { 303 } else { 405 };
            assert_eq!(world.get(who, &format!("/backups/{}/{act}", things.backup)).status, expected, "{act}");
        }
    }
    before.assert_same(&world.catalogue(), "reading changes nothing");
}
