//! Who may ask for what: every route with every method, by everybody. The table below is the reviewed one; a route or a
//! method that is not in it fails.

use crate::support::app::{Installation, Things};
use crate::support::panel::{Panel, TENANT, ask};
use crate::support::sqlite_site::SqliteSite;
use serde_json::{Value, json};
use sitekeep::base::sql::Kind;
use sitekeep::db;
use sitekeep::domain::ids::{BackupId, EnvironmentId, TenantId};
use sitekeep::domain::rights::Role;
use sitekeep::domain::state::{BackupState, RestoreState};
use sitekeep::web::api::ROUTES;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::runtime::Runtime;

/// What the answer is, whatever else it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Ok,
    /// What was asked for is wrong: whoever gets so far may ask.
    Wrong,
    /// It cannot go well, also another time: whoever gets so far may ask.
    Useless,
    /// It could be done, but not now.
    Late,
    /// Seen, and not allowed.
    No,
    /// As if it were not there.
    Hidden,
}
use Is::{Hidden, Late, No, Ok as Yes, Useless, Wrong};

/// Whoever has no good token is told so and nothing else.
const STRANGERS: [&str; 4] = ["anonymous", "garbage", "expired", "revoked"];
/// The columns. `elsewhere` owns another tenant; `narrowed` is an administrator whose token may only view; `limited`
/// owns both tenants with a token for the other one; `delegated` is an administrator whose token is for the other one.
const ACTORS: [&str; 8] = ["viewer", "developer", "owner", "elsewhere", "administrator", "narrowed", "limited", "delegated"];

type Row = (&'static str, &'static str, [Is; 8]);

/// The path with what it is asked for, and the answers in the order of the columns.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    //                                                  viewer developer owner elsewhere admin narrowed limited delegated
    ("GET",   "/whoami",                               [Yes,    Yes,    Yes,    Yes,    Yes,   Yes,    Yes,    Yes]),
    ("GET",   "/tenants",                              [Yes,    Yes,    Yes,    Yes,    Yes,   Yes,    Yes,    Yes]),
    ("POST",  "/tenants",                              [Hidden, Hidden, Hidden, Hidden, Yes,   Hidden, Hidden, Hidden]),
    ("GET",   "/tenants/{id}/plan",                    [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("PUT",   "/tenants/{id}/plan",                    [Hidden, Hidden, Hidden, Hidden, Yes,   Hidden, Hidden, Hidden]),
    ("GET",   "/tenants/{id}/alarms",                  [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("GET",   "/tenants/{id}/recipients",              [No,     No,     Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("PUT",   "/tenants/{id}/recipients",              [No,     No,     Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("GET",   "/tenants/{id}/webhooks",                [No,     No,     Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("POST",  "/tenants/{id}/webhooks",                [No,     No,     Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("DELETE", "/webhooks/{id}",                       [No,     No,     Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("POST",  "/webhooks/{id}/test",                   [No,     No,     Useless, Hidden, Useless, No,  Hidden, Hidden]),
    ("GET",   "/tenants/{id}/schedule",                [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("PATCH", "/tenants/{id}/schedule",                [No,     No,     Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("GET",   "/schedules",                            [Yes,    Yes,    Yes,    Yes,    Yes,   Yes,    Yes,    Yes]),
    ("GET",   "/freeze",                               [Yes,    Yes,    Yes,    Yes,    Yes,   Yes,    Yes,    Yes]),
    // Refused, as it names no reason; and as nothing rests.
    ("POST",  "/freeze",                               [Hidden, Hidden, Hidden, Hidden, Wrong, Hidden, Hidden, Hidden]),
    ("POST",  "/thaw",                                 [Hidden, Hidden, Hidden, Hidden, Late,  Hidden, Hidden, Hidden]),
    ("POST",  "/accounts",                             [Hidden, Hidden, Hidden, Hidden, Yes,   Hidden, Hidden, Hidden]),
    ("POST",  "/tokens",                               [Yes,    Yes,    Yes,    Yes,    Yes,   Yes,    Yes,    Yes]),
    ("GET",   "/servers",                              [Hidden, Hidden, Hidden, Hidden, Yes,   Hidden, Hidden, Hidden]),
    ("POST",  "/servers",                              [Hidden, Hidden, Hidden, Hidden, Wrong, Hidden, Hidden, Hidden]),
    // Of a server that is not there: `tests/drills` has real ones.
    ("PATCH", "/servers/{id}",                         [Hidden, Hidden, Hidden, Hidden, Hidden, Hidden, Hidden, Hidden]),
    ("POST",  "/detections",                           [Hidden, Hidden, Hidden, Hidden, Yes,   Hidden, Hidden, Hidden]),
    ("GET",   "/sites",                                [Yes,    Yes,    Yes,    Yes,    Yes,   Yes,    Yes,    Yes]),
    ("POST",  "/sites",                                [Hidden, Hidden, Hidden, Hidden, Yes,   Hidden, Hidden, Hidden]),
    // Another key: `tests/recovery.rs` has the right one.
    ("POST",  "/sites/{id}/recovery-key/confirm",      [No,     No,     Wrong,  Hidden, Wrong, No,     Hidden, Hidden]),
    ("GET",   "/environments",                         [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("GET",   "/environments/{id}",                    [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("GET",   "/environments/{id}/backups",            [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("POST",  "/environments/{id}/backups",            [No,     Yes,    Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("GET",   "/environments/{id}/schedule",           [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("PATCH", "/environments/{id}/schedule",           [No,     No,     Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("POST",  "/environments/{id}/schedule/run",       [No,     Yes,    Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("GET",   "/environments/{id}/slots",              [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("GET",   "/environments/{id}/versions",           [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("GET",   "/environments/{id}/restores",           [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("POST",  "/environments/{id}/restores",           [No,     Yes,    Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("GET",   "/environments/{id}/drills",             [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("POST",  "/environments/{id}/drills",             [No,     Yes,    Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("GET",   "/environments/{id}/retention",          [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("PUT",   "/environments/{id}/retention",          [No,     No,     Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("POST",  "/environments/{id}/retention/simulation", [Yes,  Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("GET",   "/tenants/{id}/retention",               [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("PUT",   "/tenants/{id}/retention",               [No,     No,     Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("POST",  "/tenants/{id}/retention/simulation",    [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("GET",   "/backups/{id}",                         [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("PATCH", "/backups/{id}",                         [No,     Yes,    Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("POST",  "/backups/{id}/verify",                  [No,     Yes,    Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("GET",   "/backups/{id}/browse",                  [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("GET",   "/backups/{id}/search",                  [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("GET",   "/backups/{id}/compare",                 [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("GET",   "/backups/{id}/links",                   [No,     Yes,    Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("POST",  "/backups/{id}/links",                   [No,     Yes,    Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("GET",   "/backups/{id}/downloads",               [No,     Yes,    Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("POST",  "/backups/{id}/downloads",               [No,     Yes,    Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("GET",   "/downloads/{id}",                       [No,     Yes,    Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("DELETE", "/downloads/{id}",                      [No,     Yes,    Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("POST",  "/archives/{id}/links",                  [No,     Yes,    Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("POST",  "/links/{id}/revoke",                    [No,     Yes,    Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("POST",  "/links/{id}/renew",                     [No,     Yes,    Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("GET",   "/links/{id}/uses",                      [No,     Yes,    Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("GET",   "/drills/{id}",                          [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("GET",   "/restores/{id}",                        [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("POST",  "/restores/{id}/undo",                   [No,     Yes,    Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("GET",   "/jobs",                                 [Yes,    Yes,    Yes,    Yes,    Yes,   Yes,    Yes,    Yes]),
    ("GET",   "/jobs/{id}",                            [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
    ("POST",  "/jobs/{id}/cancel",                     [No,     Yes,    Yes,    Hidden, Yes,   No,     Hidden, Hidden]),
    ("GET",   "/jobs/{id}/log",                        [Yes,    Yes,    Yes,    Hidden, Yes,   Yes,    Hidden, Hidden]),
];

/// An installation with two tenants, a listener, and a token for everybody.
struct World {
    at: Installation,
    url: String,
    acme: TenantId,
    /// Of `acme`, and of `bolt`.
    shop: EnvironmentId,
    foreign: EnvironmentId,
    tokens: Vec<(&'static str, String)>,
    runtime: Runtime,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (at, acme, shop, foreign, tokens) = runtime.block_on(async {
            let at = Installation::new(Kind::Sqlite).await;
            let (acme, bolt) = (at.tenant("acme").await, at.tenant("bolt").await);
            let (shop, foreign) = (at.add_site("acme", "shop", "test").await, at.add_site("bolt", "forge", "test").await);
            let tokens = everybody(&at, &acme, &bolt).await;
            (at, acme, shop, foreign, tokens)
        });
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = sitekeep::web::router(at.app.clone());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { at, url, acme, shop, foreign, tokens, runtime }
    }

    fn token(&self, who: &str) -> &str {
        &self.tokens.iter().find(|(name, _)| *name == who).unwrap_or_else(|| panic!("nobody is called {who}")).1
    }
    fn ask(&self, who: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        ask(&self.url, self.token(who), method, path, body)
    }
    fn things(&self, like: &EnvironmentId) -> Things {
        self.runtime.block_on(self.at.things(like))
    }
}

async fn everybody(at: &Installation, acme: &TenantId, bolt: &TenantId) -> Vec<(&'static str, String)> {
    let mut tokens = vec![("anonymous", String::new()), ("garbage", format!("skt_{}", "x".repeat(40)))];
    for (name, role) in [("viewer", Role::Viewer), ("developer", Role::Developer), ("owner", Role::Owner)] {
        let actor = at.member(&format!("{name}@example.test"), &[(acme, role)]).await;
        tokens.push((name, at.token(&actor.account, None, "all", 30).await));
        if name == "owner" {
            tokens.push(("expired", at.token(&actor.account, None, "all", -1).await));
            tokens.push(("revoked", revoked(at, &actor.account).await));
        }
    }
    let elsewhere = at.member("elsewhere@example.test", &[(bolt, Role::Owner)]).await;
    tokens.push(("elsewhere", at.token(&elsewhere.account, None, "all", 30).await));
    let both = at.member("both@example.test", &[(acme, Role::Owner), (bolt, Role::Owner)]).await;
    tokens.push(("both", at.token(&both.account, None, "all", 30).await));
    tokens.push(("limited", at.token(&both.account, Some(bolt), "all", 30).await));
    let admin = &at.admin.account;
    tokens.push(("administrator", at.token(admin, None, "all", 30).await));
    tokens.push(("narrowed", at.token(admin, None, "view", 30).await));
    tokens.push(("delegated", at.token(admin, Some(bolt), "all", 30).await));
    tokens
}

async fn revoked(at: &Installation, account: &sitekeep::domain::ids::AccountId) -> String {
    let token = at.token(account, None, "all", 30).await;
    let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
    let hash = sitekeep::base::secret::Secret::new(token.as_str()).sha256();
    let bearer = db::accounts::find_bearer(&mut tx, now, &hash).await.unwrap().expect("it was good");
    assert!(db::accounts::revoke_token(&mut tx, now, &sitekeep::domain::ids::TokenId(bearer.token_id)).await.unwrap());
    tx.commit().await.unwrap();
    token
}

/// The path and the body of a good request to a route, about these things.
fn request(world: &World, method: &str, route: &str, things: &Things) -> (String, Option<Value>) {
    let fresh = sitekeep::base::chance::word(8);
    let id = match route.split('/').nth(1) {
        Some("environments") => things.environment.as_str(),
        Some("backups") if route.ends_with("/verify") => things.bare.as_str(),
        Some("backups") => things.backup.as_str(),
        Some("restores") => things.restore.as_str(),
        Some("drills") => things.drill.as_str(),
        Some("links") => things.link.as_str(),
        Some("downloads") => things.download.as_str(),
        Some("archives") => things.archive.as_str(),
        Some("tenants") => things.tenant.as_str(),
        Some("webhooks") => things.webhook.as_str(),
        _ => things.job.as_str(),
    };
    let path = match route.strip_prefix("/sites/{id}") {
        Some(rest) => format!("/sites/{}{rest}", site_of(world, things)),
        None => route.replace("{id}", id),
    };
    let wish = || serde_json::to_value(world.at.wish("acme", "shop", &fresh)).unwrap();
    match (method, route) {
        ("GET", "/environments") => (format!("{path}?named=acme/shop.test"), None),
        ("GET", "/backups/{id}/search") => (format!("{path}?name=x"), None),
        ("GET", "/environments/{id}/versions") => (format!("{path}?element=code&path=code/index.html"), None),
        ("GET", _) => (path, None),
        (_, "/sites/{id}/recovery-key/confirm") => (path, Some(json!({ "key": "another" }))),
        (_, "/tenants") => (path, Some(json!({ "name": fresh }))),
        (_, "/accounts") => (path, Some(json!({ "email": format!("{fresh}@example.test") }))),
        (_, "/tokens") => (path, Some(json!({ "label": "mine", "scope": "view" }))),
        (_, "/servers") => (path, Some(json!({ "name": fresh, "engine": "oracle", "user": "u", "password": "p" }))),
        (_, "/detections" | "/sites") => (path, Some(wish())),
        (_, "/environments/{id}/backups") => (path, Some(json!({ "element": "code" }))),
        (_, "/environments/{id}/restores") => (path, Some(json!({ "backup": things.backup.as_str(), "element": "code" }))),
        (_, "/backups/{id}/links") => (path, Some(json!({ "element": "code" }))),
        (_, "/tenants/{id}/plan") => (path, Some(json!({ "plan": "paid", "jobs_at_once": 8 }))),
        (_, "/tenants/{id}/recipients") => (path, Some(json!({ "site": site_of(world, things), "emails": [] }))),
        (_, "/tenants/{id}/webhooks") => (path, Some(json!({ "url": "https://example.com/hook" }))),
        (_, "/environments/{id}/schedule" | "/tenants/{id}/schedule") => (path, Some(json!({ "cadence": "weekly" }))),
        (_, "/freeze") => (path, Some(json!({ "reason": " " }))),
        (_, "/servers/{id}") => (path, Some(json!({ "for_drills": true }))),
        (_, "/backups/{id}") => (path, Some(json!({ "pinned": true }))),
        _ => (path, Some(json!({}))),
    }
}

/// The id of the site that an environment belongs to.
fn site_of(world: &World, things: &Things) -> String {
    let found = world.runtime.block_on(async {
        let mut conn = world.at.app.pool.get().await.unwrap();
        db::environments::find(&mut conn, &things.environment).await.unwrap()
    });
    found.map_or_else(|| "sit_nowhere".to_owned(), |e| e.site_id)
}

fn is(status: u16) -> Option<Is> {
    match status {
        200 | 201 => Some(Yes),
        400 => Some(Wrong),
        422 => Some(Useless),
        403 => Some(No),
        404 => Some(Hidden),
        409 => Some(Late),
        _ => None,
    }
}

#[test]
fn the_table_names_every_route_with_every_method_and_no_other() {
    let routes: BTreeSet<(&str, &str)> = ROUTES.iter().flat_map(|r| r.methods.iter().map(|m| (*m, r.path))).collect();
    let table: BTreeSet<(&str, &str)> = TABLE.iter().map(|row| (row.0, row.1)).collect();
    assert_eq!(table.len(), TABLE.len(), "a line stands twice");
    let missing: Vec<_> = routes.difference(&table).collect();
    let gone: Vec<_> = table.difference(&routes).collect();
    assert!(missing.is_empty(), "these routes have no line in TABLE: say who may ask them: {missing:?}");
    assert!(gone.is_empty(), "there are no such routes: {gone:?}");
}

#[test]
fn every_route_answers_everybody_as_the_table_says() {
    let world = World::new();
    let mut wrong = Vec::new();
    for (method, route, expected) in TABLE {
        for who in STRANGERS {
            let things = world.things(&world.shop);
            let (path, body) = request(&world, method, route, &things);
            let (status, said) = world.ask(who, method, &path, body.as_ref());
            if status != 401 || said["class"] != "unauthenticated" {
                wrong.push(format!("{method} {route} by {who}: {status} {said}"));
            }
        }
        for (who, expected) in ACTORS.iter().zip(expected) {
            let things = world.things(&world.shop);
            let (path, body) = request(&world, method, route, &things);
            let (status, said) = world.ask(who, method, &path, body.as_ref());
            if is(status) != Some(*expected) {
                wrong.push(format!("{method} {route} by {who} should be {expected:?}: {status} {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_route_takes_the_methods_it_names_and_no_other() {
    let world = World::new();
    let things = world.things(&world.shop);
    for route in ROUTES {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let (path, _) = request(&world, method, route.path, &things);
            let (status, said) = world.ask("anonymous", method, &path, None);
            let expected = if route.methods.contains(&method) { 401 } else { 405 };
            assert_eq!(status, expected, "{method} {}: {said}", route.path);
        }
    }
    for path in ["", "/", "/nothing", "/backups", "/environments/x/y"] {
        assert_eq!(world.ask("administrator", "GET", path, None).0, 404, "{path}");
    }
}

/// Status, headers and body to the byte, but for the date, the error's id, and whether the connection is kept (it is closed
/// when the answer was quicker than the question's body).
fn whole(world: &World, who: &str, method: &str, path: &str, body: Option<&Value>) -> String {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let request = ureq::http::Request::builder().method(method).uri(format!("{}/api/v1{path}", world.url));
    let request = request.header("Authorization", format!("Bearer {}", world.token(who))).header("Content-Type", "application/json");
    let mut answer = agent.run(request.body(body.map(Value::to_string).unwrap_or_default()).unwrap()).unwrap();
    let mut headers: Vec<String> =
        answer.headers().iter().filter(|h| h.0 != "date" && h.0 != "connection").map(|(k, v)| format!("{k}: {v:?}")).collect();
    headers.sort();
    let text = answer.body_mut().read_to_string().unwrap();
    let id = serde_json::from_str::<Value>(&text).unwrap()["id"].as_str().expect("an error has an id").to_owned();
    format!("{} {headers:?}\n{}", answer.status().as_u16(), text.replace(&id, "-"))
}

/// An answer without what differs in every answer: the error's id.
fn without_ids(mut said: Value) -> String {
    said["id"] = Value::Null;
    said.to_string()
}

#[test]
fn what_belongs_to_others_cannot_be_told_from_what_never_was() {
    let world = World::new();
    let nowhere = Things::nowhere();
    let mut compared = 0;
    for (method, route, _) in TABLE.iter().filter(|row| row.1.contains("{id}")) {
        for who in ["elsewhere", "limited", "delegated"] {
            let things = world.things(&world.shop);
            let [foreign, random] = [&things, &nowhere].map(|things| {
                let (path, body) = request(&world, method, route, things);
                whole(&world, who, method, &path, body.as_ref())
            });
            assert!(foreign.starts_with("404 "), "{method} {route} by {who}: {foreign}");
            assert_eq!(foreign, random, "{method} {route} by {who}");
            compared += 1;
        }
    }
    assert!(compared >= 3 * 13, "only {compared} were compared");
    let named = |name: &str| without_ids(world.ask("elsewhere", "GET", &format!("/environments?named={name}"), None).1);
    assert_eq!(named("acme/shop.test").replace("acme/shop.test", ""), named("acme/nowhere.test").replace("acme/nowhere.test", ""));
}

#[test]
fn lists_show_nothing_of_others() {
    let world = World::new();
    let (mine, others) = (world.things(&world.foreign), world.things(&world.shop));
    for who in ["elsewhere", "limited", "delegated"] {
        for path in ["/tenants", "/sites", "/jobs", "/whoami", "/schedules"] {
            let (status, said) = world.ask(who, "GET", path, None);
            let text = said.to_string();
            assert_eq!(status, 200, "{path} by {who}");
            for hidden in ["acme", "shop", others.job.as_str(), others.environment.as_str(), world.acme.as_str()] {
                assert!(!text.contains(hidden), "{path} shows {hidden} to {who}: {text}");
            }
        }
        assert!(world.ask(who, "GET", "/jobs", None).1.to_string().contains(mine.job.as_str()), "{who} sees what is theirs");
    }
    for path in ["/sites", "/environments?named=acme/shop.test"] {
        let (_, said) = world.ask("owner", "GET", path, None);
        assert!(!said.to_string().contains("\"definition\":{"), "definitions are for administrators: {said}");
        assert!(world.ask("administrator", "GET", path, None).1.to_string().contains("\"definition\":{"));
    }
}

#[test]
fn a_child_of_another_parent_is_refused_wherever_one_is_named() {
    let world = World::new();
    let (mine, others) = (world.things(&world.foreign), world.things(&world.shop));
    let (environment, shop) = (&mine.environment, &others.environment);
    let restores = format!("/environments/{environment}/restores");
    for (field, theirs, random) in
        [("backup", others.backup.as_str(), BackupId::fresh().0), ("from", shop.as_str(), EnvironmentId::fresh().0)]
    {
        let foreign = world.ask("elsewhere", "POST", &restores, Some(&json!({ field: theirs })));
        let nowhere = world.ask("elsewhere", "POST", &restores, Some(&json!({ field: random })));
        assert_eq!((foreign.0, nowhere.0), (404, 404), "{field}: {}", foreign.1);
        assert_eq!(without_ids(foreign.1), without_ids(nowhere.1), "{field}");
        // Whoever may see both tenants still cannot carry anything from one to the other.
        let (status, said) = world.ask("both", "POST", &restores, Some(&json!({ field: theirs })));
        assert_eq!((status, said["error"].as_str().unwrap()), (400, "the backup belongs to another tenant"), "{field}");
    }
    let get = |who: &str, path: String| world.ask(who, "GET", &path, None).0;
    assert_eq!(get("elsewhere", format!("/environments/{environment}/backups?after={}", others.backup)), 404);
    assert_eq!(get("elsewhere", format!("/jobs?environment={shop}")), 404);
    assert_eq!(get("owner", format!("/backups/{}", others.environment)), 404, "an id of another kind names nothing");
    // A key of one tenant says nothing in another.
    let keyed = |who: &str, environment: &EnvironmentId| {
        let url = format!("{}/api/v1/environments/{environment}/backups", world.url);
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let request = agent.post(&url).header("Authorization", format!("Bearer {}", world.token(who)));
        let mut answer = request.header("Idempotency-Key", "the same").content_type("application/json").send("{}").unwrap();
        let said: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
        (answer.status().as_u16(), said["id"].as_str().unwrap_or_default().to_owned())
    };
    let (theirs, ours) = (keyed("owner", shop), keyed("elsewhere", environment));
    assert_eq!((theirs.0, ours.0), (201, 201));
    assert_ne!(theirs.1, ours.1);
    assert_eq!(keyed("owner", shop), (200, theirs.1), "the same key gives the same backup");
    let other = world.things(&world.shop);
    assert_eq!(keyed("owner", &other.environment).0, 409, "and is no good for another environment");
}

#[test]
fn a_token_makes_none_that_may_more_than_itself() {
    let world = World::new();
    let make = |who: &str, body: Value| world.ask(who, "POST", "/tokens", Some(&body)).0;
    assert_eq!(make("narrowed", json!({ "label": "x" })), 403, "a wider scope");
    assert_eq!(make("narrowed", json!({ "label": "x", "scope": "view", "account": "owner@example.test" })), 404, "for another account");
    assert_eq!(make("owner", json!({ "label": "x", "account": "viewer@example.test" })), 404);
    assert_eq!(make("limited", json!({ "label": "x", "tenant": "acme" })), 404, "for another tenant");
    assert_eq!(make("elsewhere", json!({ "label": "x", "tenant": "acme" })), 404);
    assert_eq!(make("owner", json!({ "label": "x", "days": 4000 })), 400);
    assert_eq!(make("administrator", json!({ "label": "x", "account": "viewer@example.test", "days": 1 })), 201);
    // A token of a limited one is limited, too.
    let (_, said) = world.ask("limited", "POST", "/tokens", Some(&json!({ "label": "x" })));
    let (status, _) = ask(&world.url, said["token"].as_str().unwrap(), "GET", &format!("/environments/{}", world.shop), None);
    assert_eq!(status, 404);
}

#[test]
fn a_suspended_tenant_can_be_seen_and_nothing_more() {
    let world = World::new();
    let suspend = |state: &'static str| {
        world.runtime.block_on(async {
            let mut conn = world.at.app.pool.get().await.unwrap();
            assert!(db::tenants::set_state(&mut conn, &world.acme, state).await.unwrap());
        });
    };
    let status = |who: &str, (method, route, _): &Row| {
        let things = world.things(&world.shop);
        let (path, body) = request(&world, method, route, &things);
        world.ask(who, method, &path, body.as_ref()).0
    };
    let expected = |is: Is| match is {
        Useless => &[422][..],
        Wrong => &[400],
        _ => &[200, 201],
    };
    let theirs = || TABLE.iter().filter(|row| row.1.contains("{id}") && row.2[2] != Hidden && row.2[4] != Hidden);
    suspend("suspended");
    for row in theirs() {
        let changes = row.2[0] == No;
        assert_eq!(status("owner", row), if changes { 403 } else { 200 }, "{row:?}");
        let seen = expected(row.2[4]);
        assert!(seen.contains(&status("administrator", row)), "{row:?}: administrators see to it");
    }
    suspend("active");
    for row in theirs() {
        let seen = expected(row.2[2]);
        assert!(seen.contains(&status("owner", row)), "{row:?}");
    }
}

#[test]
fn a_request_that_is_no_json_or_has_no_good_token_form_is_refused() {
    let world = World::new();
    let things = world.things(&world.shop);
    let url = format!("{}/api/v1/environments/{}/backups", world.url, things.environment);
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let bearer = format!("Bearer {}", world.token("owner"));
    // What a form of another site could send.
    for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"] {
        let answer = agent.post(&url).header("Authorization", &bearer).content_type(kind).send("{}").unwrap();
        assert_eq!(answer.status(), 400, "{kind}");
    }
    for header in [world.token("owner").to_owned(), format!("Basic {}", world.token("owner")), "Bearer ".into(), "Bearer \u{7f}".into()] {
        let request = ureq::http::Request::get(format!("{}/api/v1/whoami", world.url)).header("Authorization", header.as_bytes());
        let Ok(request) = request.body(()) else { continue };
        assert_eq!(agent.run(request).unwrap().status(), 401, "{header}");
    }
    let large = agent.post(&url).header("Authorization", &bearer).content_type("application/json").send(" ".repeat(2 << 20));
    assert!(large.map_or(true, |a| a.status().is_client_error()), "a body has an end");
}

/// Whoever lost the right between asking and the work does not get it.
#[test]
fn a_member_who_was_removed_while_the_job_waited_gets_nothing() {
    let panel = Panel::start_with(&["serve", "--no-worker"], None, "{}");
    let site = SqliteSite::start();
    let id = panel.add_site("notes", "test", &site.root, &["--files", "media=media"]);
    let (good, gone) = (token(&panel, "developer", "stays@example.test"), token(&panel, "developer", "leaves@example.test"));
    let ask = |token: &str, path: &str, body: Value| ask(&panel.server.url, token, "POST", path, Some(&body));
    // A backup to restore, made by the one who stays.
    let worker = panel.worker("first");
    panel.must(&["backup:create", "notes.test"]);
    drop(worker);
    let backup = panel.backups("notes.test")[0].id.clone();
    let before = crate::support::digest::files(&site.root);
    let (status, said) = ask(&gone, &format!("/environments/{id}/restores"), json!({ "backup": backup, "element": "files" }));
    assert_eq!(status, 201, "{said}");
    let (status, said) = ask(&gone, &format!("/environments/{id}/backups"), json!({}));
    assert_eq!(status, 201, "{said}");
    remove_member(&panel, "leaves@example.test");
    let _worker = panel.worker("second");
    let ended = || panel.last_restore("notes.test").state.is_final() && panel.backups("notes.test")[0].state.is_final();
    crate::support::wait_for("the worker to refuse", Duration::from_secs(60), ended);
    let (restore, refused) = (panel.last_restore("notes.test"), panel.backups("notes.test").remove(0));
    assert_eq!((restore.state, refused.state), (RestoreState::Failed, BackupState::Failed));
    for message in [restore.message, refused.message] {
        assert!(message.as_deref().unwrap().contains("may no longer do it"), "{message:?}");
    }
    before.assert_same(&crate::support::digest::files(&site.root), "nothing was touched");
    // The other one goes on.
    assert_eq!(ask(&good, &format!("/environments/{id}/backups"), json!({})).0, 201);
    crate::support::wait_for("the backup", Duration::from_secs(60), || panel.backups("notes.test")[0].state == BackupState::Succeeded);
}

fn token(panel: &Panel, role: &str, email: &str) -> String {
    panel.must(&["account:create", email, "--tenant", TENANT, "--role", role]);
    panel.must(&["token:create", email]).trim().to_owned()
}

fn remove_member(panel: &Panel, email: &str) {
    let catalogue = rusqlite::Connection::open(panel.server.data.join("catalogue.db")).unwrap();
    let sql = "delete from members where account_id = (select id from accounts where email = ?1)";
    assert_eq!(catalogue.execute(sql, [email]).unwrap(), 1);
}

#[test]
fn metrics_are_for_administrators_and_health_is_for_everybody() {
    let world = World::new();
    let things = world.things(&world.shop);
    let get = |path: &str, who: &str| {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let request = agent.get(format!("{}{path}", world.url)).header("Authorization", format!("Bearer {}", world.token(who)));
        let mut answer = request.call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    };
    for who in ACTORS.into_iter().filter(|who| *who != "administrator") {
        let (status, said) = get("/metrics", who);
        assert!(status == 404 && !said.contains("shop"), "{who}: {status} {said}");
    }
    assert_eq!(get("/metrics", "anonymous").0, 401);
    let (status, said) = get("/metrics", "administrator");
    assert_eq!(status, 200);
    for line in [
        "# TYPE sitekeep_jobs gauge",
        "sitekeep_jobs{state=\"queued\"} 1",
        "sitekeep_environment_state{tenant=\"acme\",site=\"shop\",environment=\"test\",state=\"unprotected\"} 1",
    ] {
        assert!(said.lines().any(|l| l == line), "{line} is not in:\n{said}");
    }
    let name = &things.environment.as_str()[4..14];
    assert!(
        said.contains(&format!("sitekeep_last_good_backup_timestamp_seconds{{tenant=\"acme\",site=\"shop\",environment=\"{name}\"}} ")),
        "{said}"
    );
    assert_eq!(get("/healthz", "anonymous"), (200, "ok\n".into()));
}
