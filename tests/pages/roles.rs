//! Who may ask for which page. The tables below are the reviewed ones; a route or a method that is not in them fails.

use super::world::World;
use crate::support::app::Things;
use crate::support::http::{Reply, encoded, form};
use sitekeep::app::one_time_links;
use sitekeep::base::chance;
use sitekeep::domain::ids::TenantId;
use sitekeep::domain::rights::Role;
use sitekeep::web::pages::ROUTES;
use std::collections::BTreeSet;

/// What the answer is, whatever else it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Page,
    /// The way to another page (303), where nothing bad is said; `{id}` is what was asked for, `*` is any one word.
    To(&'static str),
    /// What was asked for is wrong, or not possible now: whoever gets so far may ask.
    Wrong,
    /// Any answer to somebody who may ask.
    Seen,
    /// Seen, and not allowed.
    No,
    /// As if it were not there.
    Hidden,
}
use Is::{Hidden, No, Page, Seen, To, Wrong};

type Row = (&'static str, &'static str, [Is; 5]);

const COLUMNS: [&str; 5] = ["viewer", "developer", "owner", "stranger", "administrator"];

/// For everybody who is signed in.
const fn anybody(is: Is) -> [Is; 5] {
    [is; 5]
}
/// For every member, and the administrator.
const fn members(is: Is) -> [Is; 5] {
    [is, is, is, Hidden, is]
}
/// For members who may change something.
const fn makers(is: Is) -> [Is; 5] {
    [No, is, is, Hidden, is]
}
/// For owners, and the administrator.
const fn owners(is: Is) -> [Is; 5] {
    [No, No, is, Hidden, is]
}
/// For the administrator alone: for everybody else it is not there.
const fn administrator(is: Is) -> [Is; 5] {
    [Hidden, Hidden, Hidden, Hidden, is]
}
const BACKUP: Is = To("/backups/{id}");

/// For those who are signed in. Whoever is not is led to the door, by every one of these.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    //                                              viewer developer owner stranger administrator
    ("GET",  "/",                                   anybody(Page)),
    ("POST", "/signout",                            anybody(To("/signin"))),
    ("GET",  "/events",                             members(Page)),
    ("GET",  "/environments/{id}",                  members(Page)),
    ("GET",  "/environments/{id}/backup",           makers(Page)),
    ("POST", "/environments/{id}/backups",          makers(To("/backups/*"))),
    ("GET",  "/environments/{id}/schedule",         members(Page)),
    ("POST", "/environments/{id}/schedule",         owners(To("/environments/{id}/schedule"))),
    ("POST", "/environments/{id}/schedule/follow",  owners(To("/environments/{id}/schedule"))),
    ("POST", "/environments/{id}/schedule/run",     makers(To("/backups/*"))),
    ("GET",  "/environments/{id}/restore",          makers(Page)),
    ("GET",  "/environments/{id}/restore/preview",  makers(Page)),
    ("POST", "/environments/{id}/restores",         makers(To("/restores/*"))),
    ("GET",  "/environments/{id}/versions",         members(Page)),
    ("POST", "/environments/{id}/drills",           makers(To("/drills/*"))),
    ("GET",  "/environments/{id}/retention",        members(Page)),
    ("POST", "/environments/{id}/retention",        owners(To("/environments/{id}/retention"))),
    ("GET",  "/sites/{id}/recovery-key",            owners(Page)),
    // Without the password, and with another key: `tests/pages/recovery.rs` has the right ones.
    ("POST", "/sites/{id}/recovery-key",            owners(Wrong)),
    ("POST", "/sites/{id}/recovery-key/confirm",    owners(Wrong)),
    ("GET",  "/backups/{id}",                       members(Page)),
    ("GET",  "/backups/{id}/browse",                members(Page)),
    // Of a file that is not there, and of a backup that holds nothing: `tests/browse.rs` has real ones.
    ("POST", "/backups/{id}/browse",                makers(Hidden)),
    ("GET",  "/backups/{id}/picture",               makers(Wrong)),
    ("GET",  "/backups/{id}/compare",               members(Page)),
    ("POST", "/backups/{id}/note",                  makers(BACKUP)),
    ("POST", "/backups/{id}/pin",                   makers(BACKUP)),
    ("POST", "/backups/{id}/unpin",                 makers(BACKUP)),
    ("POST", "/backups/{id}/verify",                makers(To("/jobs/*"))),
    ("POST", "/backups/{id}/delete",                [No, No, BACKUP, Hidden, BACKUP]),
    ("POST", "/backups/{id}/take-back",             [No, No, BACKUP, Hidden, BACKUP]),
    ("POST", "/backups/{id}/links",                 makers(To("/backups/{id}?link=*"))),
    ("POST", "/backups/{id}/downloads",             makers(BACKUP)),
    ("POST", "/downloads/{id}/remove",              makers(To("/backups/*"))),
    ("POST", "/archives/{id}/links",                makers(To("/backups/*"))),
    ("POST", "/links/{id}/renew",                   makers(To("/backups/*"))),
    ("POST", "/links/{id}/revoke",                  makers(To("/backups/*"))),
    ("GET",  "/drills/{id}",                        members(Page)),
    ("GET",  "/drills/{id}/evidence",               members(Seen)),
    ("GET",  "/restores/{id}",                      members(Page)),
    ("POST", "/restores/{id}/undo",                 makers(To("/restores/*"))),
    ("GET",  "/jobs",                               anybody(Page)),
    ("GET",  "/jobs/{id}",                          members(Page)),
    ("POST", "/jobs/{id}/cancel",                   makers(To("/jobs/{id}"))),
    ("POST", "/jobs/{id}/retry",                    makers(To("/backups/*"))),

    ("GET",  "/account",                            anybody(Page)),
    ("POST", "/account/profile",                    anybody(To("/account#main"))),
    ("POST", "/account/password",                   anybody(Wrong)),
    ("GET",  "/account/second-factor",              anybody(To("/account#second-factor"))),
    ("POST", "/account/second-factor",              anybody(Wrong)),
    ("POST", "/account/second-factor/confirm",      anybody(Wrong)),
    ("POST", "/account/second-factor/codes",        anybody(Wrong)),
    ("POST", "/account/second-factor/off",          anybody(Wrong)),
    ("POST", "/account/sessions/end-others",        anybody(To("/account#main"))),
    // Of somebody else: one's own are theirs alone.
    ("POST", "/account/sessions/{id}/end",          anybody(Hidden)),
    ("POST", "/account/tokens",                     anybody(Page)),
    ("POST", "/account/tokens/{id}/revoke",         anybody(Hidden)),
    ("GET",  "/tenants",                            anybody(Page)),
    ("GET",  "/tenants/{id}",                       members(Page)),
    ("GET",  "/tenants/{id}/alarms",                members(Page)),
    ("POST", "/tenants/{id}/recipients",            owners(To("/tenants/{id}/alarms#main"))),
    ("POST", "/tenants/{id}/digest",                owners(To("/tenants/{id}/alarms#main"))),
    ("POST", "/tenants/{id}/webhooks",              owners(Seen)),
    ("POST", "/tenants/{id}/webhooks/{webhook}/test", owners(Seen)),
    ("POST", "/tenants/{id}/webhooks/{webhook}/remove", owners(To("/tenants/{id}/alarms#main"))),
    ("GET",  "/tenants/{id}/schedule",              members(Page)),
    ("POST", "/tenants/{id}/schedule",              owners(To("/tenants/{id}/schedule"))),
    ("GET",  "/tenants/{id}/retention",             members(Page)),
    ("POST", "/tenants/{id}/retention",             owners(To("/tenants/{id}/retention"))),
    ("POST", "/tenants/{id}/invitations",           owners(Seen)),
    ("POST", "/tenants/{id}/invitations/{invitation}/revoke", owners(To("/tenants/{id}#main"))),
    ("POST", "/tenants/{id}/members/{account}/role", owners(To("/tenants/{id}#main"))),
    ("POST", "/tenants/{id}/members/{account}/remove", owners(To("/tenants/{id}#main"))),

    ("GET",  "/admin/tenants",                      administrator(Page)),
    ("POST", "/admin/tenants",                      administrator(Seen)),
    ("POST", "/admin/tenants/{id}/suspend",         administrator(Seen)),
    ("POST", "/admin/tenants/{id}/activate",        administrator(Seen)),
    ("GET",  "/admin/tenants/{id}/plan",            administrator(Page)),
    ("POST", "/admin/tenants/{id}/plan",            administrator(Seen)),
    ("GET",  "/admin/accounts",                     administrator(Page)),
    ("POST", "/admin/accounts/invite",              administrator(Seen)),
    ("POST", "/admin/accounts/{id}/{act}",          administrator(Seen)),
    ("GET",  "/admin/servers",                      administrator(Page)),
    ("POST", "/admin/servers",                      administrator(Seen)),
    // Of a server that is not there: `tests/pages_admin.rs` has real ones.
    ("GET",  "/admin/servers/{id}/change",          anybody(Hidden)),
    ("POST", "/admin/servers/{id}/change",          anybody(Hidden)),
    ("POST", "/admin/servers/{id}/test",            anybody(Hidden)),
    ("POST", "/admin/servers/{id}/remove",          anybody(Hidden)),
    ("GET",  "/admin/stores",                       administrator(Page)),
    ("POST", "/admin/stores/test",                  administrator(Seen)),
    ("GET",  "/admin/sites",                        administrator(Page)),
    ("GET",  "/admin/sites/add",                    administrator(Page)),
    ("POST", "/admin/sites/add",                    administrator(Seen)),
    ("GET",  "/admin/environments/{id}",            administrator(Page)),
    ("POST", "/admin/environments/{id}",            administrator(Seen)),
    ("POST", "/admin/environments/{id}/test",       administrator(Seen)),
    ("GET",  "/admin/environments/{id}/remove",     administrator(Page)),
    ("POST", "/admin/environments/{id}/remove",     administrator(Seen)),
    ("GET",  "/admin/queue",                        administrator(Page)),
    ("GET",  "/admin/activity",                     administrator(Page)),
    ("GET",  "/admin/activity.csv",                 administrator(Page)),
    ("GET",  "/admin/settings",                     administrator(Page)),
    ("POST", "/admin/settings/freeze",              administrator(Seen)),
    ("POST", "/admin/settings/thaw",                administrator(Seen)),
    ("POST", "/admin/settings/database",            administrator(Seen)),
    ("POST", "/admin/settings/letter",              administrator(Seen)),
];

/// For everybody: what those see who are signed in, and what all others see.
#[rustfmt::skip]
const DOOR: &[(&str, &str, Is, Is)] = &[
    ("GET",  "/signin",             To("/"), Page),
    ("POST", "/signin",             Wrong,   Wrong),
    ("GET",  "/forgotten",          Page,    Page),
    ("POST", "/forgotten",          To("/forgotten/sent"), To("/forgotten/sent")),
    ("GET",  "/forgotten/sent",     Page,    Page),
    // With a secret that is none: `tests/pages_account.rs` has real ones.
    ("GET",  "/first/{token}",      Hidden,  Hidden),
    ("POST", "/first/{token}",      Wrong,   Wrong),
    ("GET",  "/invitation/{token}", Hidden,  Hidden),
    ("POST", "/invitation/{token}", Hidden,  Hidden),
    ("GET",  "/reset/{token}",      Hidden,  Hidden),
    ("POST", "/reset/{token}",      Hidden,  Hidden),
];

/// The path and the form of a good request to a route, about these things.
pub fn request(world: &World, method: &str, route: &str, things: &Things) -> (String, String) {
    let path = filled(world, route, things);
    let backup = things.backup.as_str();
    match (method, route) {
        ("GET", "/events") => (format!("{path}?of=environment:{}", things.environment), String::new()),
        ("GET", "/environments/{id}/restore/preview") => (format!("{path}?backup={backup}&element=code"), String::new()),
        ("POST", "/environments/{id}/backups") => (path, form(&[("element", "code")])),
        ("POST", "/environments/{id}/restores") => (path, form(&[("backup", backup), ("element", "code")])),
        ("POST", "/backups/{id}/browse") | ("GET", "/backups/{id}/picture") => (format!("{path}?element=code&path=code/x"), String::new()),
        ("GET", "/environments/{id}/versions") => (format!("{path}?element=code&path=code/x"), String::new()),
        ("POST", "/backups/{id}/note") => (path, form(&[("note", "mine")])),
        ("POST", "/backups/{id}/links") => (format!("{path}?element=code"), String::new()),
        ("POST", "/backups/{id}/downloads") => (path, form(&[("element", "code"), ("form", "tar.zst"), ("hours", "72"), ("uses", "")])),
        ("POST", "/backups/{id}/delete") => {
            let other = "update environments set last_good_id = ?2 where id = ?1";
            world.db().execute(other, [things.environment.as_str(), backup]).unwrap();
            (path, String::new())
        }
        ("POST", "/jobs/{id}/retry") => {
            let ended = "update jobs set state = 'failed', finished_at = created_at where id = ?1";
            world.db().execute(ended, [things.job.as_str()]).unwrap();
            let ended = "update backups set state = 'failed', finished_at = created_at where job_id = ?1";
            world.db().execute(ended, [things.job.as_str()]).unwrap();
            (path, String::new())
        }
        ("POST", "/account/profile") => (path, form(&[("name", "Somebody"), ("zone", "Europe/Vienna")])),
        ("POST", "/account/tokens") => (path, form(&[("label", "mine"), ("scope", "view"), ("days", "1")])),
        ("POST", "/tenants/{id}/recipients") => (path, form(&[("site", &site_of(world, things)), ("emails", "")])),
        ("POST", "/tenants/{id}/webhooks") => (path, form(&[("url", "https://example.com/hook")])),
        ("POST", "/environments/{id}/schedule" | "/tenants/{id}/schedule") => {
            (path, form(&[("enabled", "1"), ("cadence", "nightly"), ("weekday", "friday"), ("hour", "3"), ("zone", "Europe/Berlin")]))
        }
        ("POST", "/tenants/{id}/invitations") => (path, form(&[("email", &fresh_email()), ("role", "viewer")])),
        ("POST", "/tenants/{id}/members/{account}/role") => (path, form(&[("role", "developer")])),
        ("POST", "/admin/tenants") => (path, form(&[("name", &chance::word(8))])),
        ("POST", "/admin/accounts/invite") => {
            (path, form(&[("email", &fresh_email()), ("tenant", world.acme.as_str()), ("role", "viewer")]))
        }
        _ => (path, String::new()),
    }
}

/// The id of the site that an environment belongs to.
fn site_of(world: &World, things: &Things) -> String {
    let site = world.db().query_row("select site_id from environments where id = ?1", [things.environment.as_str()], |r| r.get(0));
    site.unwrap_or_else(|_| "sit_nowhere".to_owned())
}

fn fresh_email() -> String {
    format!("{}@example.test", chance::word(8))
}

/// The path of a route with ids of what is there. What is taken away by some of them is made for them alone.
fn filled(world: &World, route: &str, things: &Things) -> String {
    let member = |of: &TenantId| world.runtime.block_on(world.at.member(&fresh_email(), &[(of, Role::Viewer)])).account.0;
    let one = |sql: &str| world.db().query_row(sql, [], |r| r.get::<_, String>(0)).unwrap();
    let first = match route.split('/').skip(1).take(2).collect::<Vec<_>>()[..] {
        ["environments", _] | ["admin", "environments"] => things.environment.0.clone(),
        ["backups", _] if ["picture", "verify", "delete", "take-back"].iter().any(|act| route.ends_with(act)) => things.bare.0.clone(),
        ["backups", _] => things.backup.0.clone(),
        ["sites", _] => site_of(world, things),
        ["restores", _] => things.restore.0.clone(),
        ["drills", _] => things.drill.0.clone(),
        ["links", _] => things.link.0.clone(),
        ["downloads", _] => things.download.0.clone(),
        ["archives", _] => things.archive.0.clone(),
        ["tenants", _] => things.tenant.0.clone(),
        ["admin", "tenants"] if route.contains("{id}") => world.runtime.block_on(world.at.tenant(&chance::word(8))).0,
        ["admin", "accounts"] if route.contains("{id}") => member(&world.acme),
        ["admin", "servers"] => "srv_nothing".to_owned(),
        ["account", "sessions"] => one("select s.id from sessions s join accounts a on a.id = s.account_id where a.state = 'disabled'"),
        ["account", "tokens"] => "tok_nothing".to_owned(),
        _ => things.job.0.clone(),
    };
    let mut path = route.replace("{id}", &first).replace("{token}", "nothing").replace("{act}", "disable");
    path = path.replace("{webhook}", things.webhook.as_str());
    if path.contains("{account}") {
        path = path.replace("{account}", &member(&world.acme));
    }
    if path.contains("{invitation}") {
        let email = fresh_email();
        let invite = one_time_links::invite(&world.at.app, &world.at.admin, &world.acme, &email, Role::Viewer);
        world.runtime.block_on(invite).unwrap();
        path = path.replace("{invitation}", &one("select id from one_time_links where kind = 'invitation' order by rowid desc limit 1"));
    }
    path
}

/// The first id in a path of a route.
fn id_in(path: &str) -> &str {
    path.split(['/', '?']).find(|part| part.contains('_')).unwrap_or_default()
}

fn fits(pattern: &str, location: &str, path: &str) -> bool {
    let wanted = pattern.replace("{id}", id_in(path));
    match wanted.split_once('*') {
        Some((before, after)) => location.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).is_some_and(|w| w.len() > 10),
        None => wanted == location,
    }
}

/// Does an answer fit? For a way to another page: does that page say that it went well?
fn is(world: &World, who: &str, path: &str, expected: Is, reply: &Reply) -> bool {
    match (expected, reply.status) {
        (Page, 200) | (No, 403) | (Hidden, 404) => true,
        (Wrong, 400 | 401 | 409 | 429) => true,
        (Seen, 200 | 303 | 400 | 409 | 422 | 429) => true,
        (To("/account#second-factor"), 303) => reply.location() == "/account#second-factor",
        (To(pattern), 303) if fits(pattern, reply.location(), path) => {
            let there = reply.location().split('#').next().unwrap_or_default();
            let next = if there == "/signin" { return true } else { world.get(who, there) };
            next.status == 200 && !next.body.contains("data-kind=\"bad\" role=\"alert\"")
        }
        _ => false,
    }
}

#[test]
fn the_tables_name_every_page_with_every_method_and_no_other() {
    let routes = |public: bool| {
        let of = ROUTES.iter().filter(move |r| r.public == public);
        of.flat_map(|r| r.methods.iter().map(|m| (*m, r.path))).collect::<BTreeSet<(&str, &str)>>()
    };
    let table: BTreeSet<(&str, &str)> = TABLE.iter().map(|row| (row.0, row.1)).collect();
    let door: BTreeSet<(&str, &str)> = DOOR.iter().map(|row| (row.0, row.1)).collect();
    assert_eq!((table.len(), door.len()), (TABLE.len(), DOOR.len()), "a line stands twice");
    for (name, routes, table) in [("TABLE", routes(false), table), ("DOOR", routes(true), door)] {
        let missing: Vec<_> = routes.difference(&table).collect();
        let gone: Vec<_> = table.difference(&routes).collect();
        assert!(missing.is_empty(), "these pages have no line in {name}: say who may ask for them: {missing:?}");
        assert!(gone.is_empty(), "{name} names pages that are not there: {gone:?}");
    }
}

#[test]
fn every_page_answers_everybody_as_the_table_says() {
    let world = World::new();
    let mut wrong = Vec::new();
    let mut asked = 0;
    for (method, route, expected) in TABLE.iter().filter(|row| row.1 != "/signout" && row.1 != "/events") {
        for (who, expected) in COLUMNS.iter().zip(expected) {
            // What was guessed wrongly before keeps nobody out now.
            world.db().execute("delete from guesses", []).unwrap();
            let things = world.things(&world.shop);
            let (path, body) = request(&world, method, route, &things);
            let reply = world.ask(who, method, &path, &body);
            asked += 1;
            if !is(&world, who, &path, *expected, &reply) {
                let said = world.told(who);
                wrong.push(format!("{method} {route} by {who} should be {expected:?}: {} {} {said}", reply.status, reply.location()));
            }
        }
    }
    for (method, route, inside, outside) in DOOR {
        for (who, expected) in [("owner", inside), ("", outside), ("disabled", outside)] {
            let (path, _) = request(&world, method, route, &world.things(&world.shop));
            let reply = world.ask(who, method, &path, "");
            asked += 1;
            if !is(&world, who, route, *expected, &reply) {
                wrong.push(format!("{method} {route} by {who:?} should be {expected:?}: {} {}", reply.status, reply.location()));
            }
        }
    }
    println!("{asked} answers were compared with the tables");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn whoever_is_not_signed_in_is_led_to_the_door_and_changes_nothing() {
    let world = World::new();
    let things = world.things(&world.shop);
    let asked: Vec<_> = TABLE.iter().map(|(method, route, _)| (method, request(&world, method, route, &things))).collect();
    let before = world.catalogue();
    let garbage = "sitekeep=AAAAAAAAAAAAAAAAAAAAAA";
    for (method, (path, body)) in &asked {
        for cookie in ["", world.cookie("disabled"), garbage, "sitekeep=", "sitekeep=\"; x"] {
            let reply = world.with(cookie, method, path, body);
            match **method {
                "GET" => assert_eq!(
                    (reply.status, reply.location()),
                    (303, &*format!("/signin?next={}", encoded(path).replace("%2F", "/"))),
                    "{path} {cookie}"
                ),
                _ => assert!(reply.status == 401 && reply.body.contains("name=\"password\""), "{method} {path} {cookie}: {}", reply.status),
            }
            // What somebody typed is given back to them; nothing else is known of anybody.
            let known = |word: &str| reply.body.contains(word) && !body.contains(word);
            assert!(!known("shop") && !known("acme"), "{path}: {}", reply.body);
        }
    }
    before.assert_same(&world.catalogue(), "nobody changed anything");
}

#[test]
fn a_page_takes_the_methods_it_names_and_no_other_and_head_is_get_without_its_text() {
    let world = World::new();
    let things = world.things(&world.shop);
    let mut asked = 0;
    for route in ROUTES.iter().filter(|r| r.path != "/signout") {
        let (path, _) = request(&world, route.methods[0], route.path, &things);
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "OPTIONS"] {
            if !route.methods.contains(&method) {
                let reply = world.ask("owner", method, &path, "");
                assert_eq!(reply.status, 405, "{method} {path}");
                asked += 1;
            }
        }
        for who in
            ["owner", "viewer", "stranger", "", "disabled"].iter().filter(|_| route.methods.contains(&"GET") && route.path != "/events")
        {
            let (get, head) = (world.ask(who, "GET", &path, ""), world.ask(who, "HEAD", &path, ""));
            assert_eq!((get.status, get.location()), (head.status, head.location()), "HEAD {path} by {who:?}");
            assert!(head.body.is_empty());
            asked += 2;
        }
        if !route.methods.contains(&"GET") {
            assert_eq!(world.ask("owner", "HEAD", &path, "").status, 405, "HEAD {path}");
        }
    }
    println!("{asked} answers by method");
    for path in ["/nothing", "/environments", "/backups", "/backups/x/y/z", "//", "/environments/"] {
        let reply = world.get("owner", path);
        assert!(reply.status == 404 && reply.body.contains("There is nothing here"), "{path}: {}", reply.status);
    }
}

/// Signing out, and streams, which do not end by themselves.
#[test]
fn streams_and_signing_out_answer_as_the_table_says() {
    let world = World::new();
    let things = world.things(&world.shop);
    for (who, expected) in COLUMNS.iter().zip(members(Page)) {
        let status = world.follow(who, &format!("environment:{}", things.environment)).status;
        assert_eq!(status, if expected == Page { 200 } else { 404 }, "{who}");
    }
    for who in COLUMNS {
        let reply = world.post(who, "/signout", &[]);
        assert!(is(&world, who, "/signout", To("/signin"), &reply), "{who}: {}", reply.status);
        assert_eq!(world.get(who, "/").location(), "/signin?next=/", "{who}");
    }
}
