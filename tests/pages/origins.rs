//! Where we send people: to our own pages under our own name, whatever a request claims.

use super::world::{FORM, PASSWORD, SAME, World};
use crate::support::http::{encoded, form};

const ODD: &[(&str, &[(&str, &str)])] = &[
    ("", &[("Host", "evil.test")]),
    ("", &[("Host", "evil.test:80")]),
    ("", &[("Host", "sitekeep.test@evil.test")]),
    ("", &[("Host", "sitekeep.test.evil.test")]),
    ("", &[("Host", "sitekeep.test:evil.test")]),
    ("", &[("Host", "evil.test#sitekeep.test")]),
    ("", &[("Host", "evil.test/sitekeep.test")]),
    ("", &[("Host", "sitekeep.test"), ("X-Forwarded-Host", "evil.test")]),
    ("", &[("X-Forwarded-Host", "evil.test, sitekeep.test")]),
    ("", &[("X-Forwarded-Server", "evil.test")]),
    ("", &[("X-Host", "evil.test")]),
    ("", &[("X-Original-Host", "evil.test")]),
    ("", &[("Forwarded", "for=1.2.3.4;host=evil.test;proto=https")]),
    ("", &[("X-Forwarded-Proto", "evil.test"), ("X-Forwarded-Port", "1")]),
    ("", &[("X-Original-URL", "/evil.test"), ("X-Rewrite-URL", "//evil.test")]),
    ("", &[("X-Forwarded-Prefix", "//evil.test")]),
    ("", &[("X-HTTP-Host-Override", "evil.test")]),
    ("", &[("Referer", "http://evil.test/")]),
    ("http://evil.test", &[]),
    ("http://evil.test", &[("Host", "sitekeep.test")]),
    ("http://sitekeep.test@evil.test", &[]),
    ("https://evil.test:443", &[("Host", "evil.test")]),
];

#[test]
fn whatever_host_a_request_names_links_are_ours_and_redirections_are_relative() {
    let world = World::new();
    let things = world.things(&world.shop);
    let cookie = ("Cookie", world.cookie("owner"));
    let mut asked = 0;
    for (authority, odd) in ODD {
        let send = |method: &str, path: &str, more: &[(&str, &str)], body: &str| {
            world.send(method, &format!("{authority}{path}"), &[*odd, &[SAME, FORM][..], more].concat(), body)
        };
        let link = send("POST", &format!("/backups/{}/links?element=code", things.backup), &[cookie], "");
        let mut replies = vec![
            send("GET", "/", &[], ""),
            send("GET", "/signin", &[], ""),
            send("GET", "/signin?next=/jobs", &[cookie], ""),
            send("POST", "/signin", &[], &form(&[("email", "owner@example.test"), ("password", PASSWORD), ("next", "/jobs")])),
            send("POST", &format!("/backups/{}/pin", things.backup), &[cookie], ""),
            send("POST", "/forgotten", &[], &form(&[("email", "owner@example.test")])),
            send("GET", "/", &[cookie], ""),
            send("GET", "/nothing", &[cookie], ""),
        ];
        if link.status == 303 {
            let page = send("GET", link.location(), &[cookie], "");
            let code = page.body.split("id=\"new-link\"").nth(1).and_then(|rest| rest.split('<').next()).expect("the link is shown");
            let url = code.split('>').nth(1).expect("a tag ends").to_owned();
            assert!(url.starts_with("http://sitekeep.test/d/"), "{odd:?}: {url}");
            let landing = url.trim_start_matches("http://sitekeep.test").rsplit_once('/').unwrap().0.to_owned();
            replies.extend([page, send("GET", &landing, &[], "")]);
        }
        replies.push(link);
        for reply in replies {
            asked += 1;
            let location = reply.location();
            assert!(location.is_empty() || location.starts_with('/') && !location.starts_with("//"), "{authority} {odd:?}: {location}");
            assert!(!reply.body.contains("evil"), "{authority} {odd:?}: {}", reply.body);
            assert!(reply.status < 500, "{authority} {odd:?}: {}", reply.status);
        }
    }
    let db = world.db();
    let letters: i64 = db.query_row("select count(*) from letters where subject like '%evil%'", [], |r| r.get(0)).unwrap();
    assert_eq!(letters, 0);
    println!("{asked} answers to {} odd hosts", ODD.len());
}

/// Ways to another site that were tried elsewhere.
fn ways_out() -> Vec<String> {
    let fixed = [
        "//evil.test",
        "///evil.test",
        "////evil.test",
        "/\\evil.test",
        "\\/evil.test",
        "\\\\evil.test",
        "/\\/evil.test",
        "/\t/evil.test",
        "/\n/evil.test",
        "/\r/evil.test",
        "\t//evil.test",
        " //evil.test",
        "http://evil.test",
        "https://evil.test",
        "HTTPS://evil.test",
        "http:evil.test",
        "https:evil.test",
        "http:/evil.test",
        "http:\\\\evil.test",
        "https:///evil.test",
        "ftp://evil.test",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "evil.test",
        "@evil.test",
        ".evil.test",
        "?//evil.test",
        "#//evil.test",
        "",
        " ",
        ".",
        "..",
        "//evil.test/%2f..",
        "/\u{0}/evil.test",
        "/\u{7f}/evil.test",
        "/\u{85}/evil.test",
        "//\u{3002}evil.test",
        "\u{feff}//evil.test",
        "\u{200b}//evil.test",
        "//evil.test\\@sitekeep.test",
        "//sitekeep.test@evil.test",
        "http://sitekeep.test.evil.test",
        "http://sitekeep.test@evil.test",
        "http://sitekeep.test",
        "//sitekeep.test",
        "///\\;@evil.test",
        "/%09/evil.test\r\nSet-Cookie: a=b",
        "/x\r\nLocation: http://evil.test",
        "/x%0d%0aSet-Cookie:a=b",
        "mailto:a@evil.test",
        "file:///etc/passwd",
        "blob:x",
        "/ok/\\evil",
        "////",
        "//",
        "/\\",
        "\\",
    ];
    let mut all: Vec<String> = fixed.iter().map(|s| (*s).to_owned()).collect();
    all.extend(["//evil.test", "/\\evil.test"].map(|s| s.replace('/', "%2f")));
    all.push(format!("//{}", "a".repeat(4000)));
    all
}

/// As a browser would read it: a path of this very site.
fn ours(location: &str) -> bool {
    location.starts_with('/') && !location[1..].starts_with(['/', '\\']) && !location.chars().any(|c| c.is_control() || c == '\\')
}

#[test]
fn nobody_is_led_to_another_site_after_signing_in() {
    let world = World::new();
    let ways = ways_out();
    for way in &ways {
        let inside = world.get("owner", &format!("/signin?next={}", encoded(way)));
        assert!(inside.status == 303 && ours(inside.location()), "{way:?}: {} {:?}", inside.status, inside.location());
        let door = world.get("", &format!("/signin?next={}", encoded(way)));
        let next = door.body.split("name=\"next\" value=\"").nth(1).and_then(|r| r.split('"').next()).expect("the form keeps it");
        assert!(ours(next), "{way:?}: {next:?}");
        let fields = [("email", "owner@example.test"), ("password", PASSWORD), ("next", way.as_str())];
        let entered = world.post("", "/signin", &fields);
        assert!(entered.status == 303 && ours(entered.location()), "{way:?}: {} {:?}", entered.status, entered.location());
        assert!(entered.headers.iter().filter(|(n, _)| n == "set-cookie").count() == 1, "{way:?}: {:?}", entered.headers);
        let fields = [("email", "owner@example.test"), ("password", PASSWORD), ("kept_path", way.as_str()), ("kept_body", "a=b")];
        let resumed = world.post("", "/signin", &fields);
        if resumed.status == 200 {
            let action = resumed.body.split("action=\"").nth(1).and_then(|r| r.split('"').next()).unwrap_or_default();
            assert!(ours(action), "{way:?}: {action:?}");
        }
    }
    println!("{} ways to other sites lead to our own pages", ways.len());
    assert!(ways.len() >= 50);
    assert_eq!(world.get("owner", "/signin?next=/jobs%3Fstate%3Dqueued").location(), "/jobs?state=queued", "our own are followed");
    // A page of ours that looks like another site is no way out either.
    for path in ["//evil.test", "//evil.test/%2e%2e", "/\\evil.test"] {
        let reply = world.get("", path);
        assert!(reply.location().is_empty() || ours(reply.location()), "{path}: {}", reply.location());
    }
}
