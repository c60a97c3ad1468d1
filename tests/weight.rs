//! What a page weighs on the wire at a first visit: its own text with style sheet, script and icon, compressed.

use crate::support::app::{Installation, Things, backup_row};
use crate::support::browser::Browser;
use sitekeep::base::clock::Millis;
use sitekeep::base::secret::Secret;
use sitekeep::base::sql::Kind;
use sitekeep::base::{chance, password};
use sitekeep::db;
use sitekeep::db::backups::{Backup, BackupElement};
use sitekeep::domain::element::Element;
use sitekeep::domain::ids::{BackupId, EnvironmentId, TenantId};
use sitekeep::domain::state::BackupState;
use sitekeep::web::pages::ROUTES;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Bytes of everything that a browser loads for a page that it has never seen.
const LIMIT: usize = 20_000;
const PASSWORD: &str = "light as a feather";
/// More than a page of the log has, and more than a restore offers.
const BACKUPS: i64 = 60;
/// More than a page of the fleet has.
const ENVIRONMENTS: i64 = 125;

struct World {
    runtime: Runtime,
    at: Installation,
    url: String,
    tenant: TenantId,
    things: Things,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (at, tenant, things) = runtime.block_on(async {
            let at = Installation::new(Kind::Sqlite).await;
            let tenant = at.tenant("acme").await;
            let shop = at.add_site("acme", "shop", "live").await;
            let things = at.things(&shop).await;
            fill(&at, &tenant, &things.environment).await;
            (at, tenant, things)
        });
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = sitekeep::web::router(at.app.clone()).into_make_service_with_connect_info::<SocketAddr>();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { runtime, at, url, tenant, things }
    }

    /// The administrator, who sees every page there is.
    fn signed_in(&self) -> Browser {
        self.runtime.block_on(async {
            let hash = password::hash(&Secret::new(PASSWORD)).await.unwrap();
            let mut conn = self.at.app.pool.get().await.unwrap();
            assert!(db::accounts::set_password(&mut conn, &self.at.admin.account, &hash).await.unwrap());
        });
        let browser = Browser::new(&self.url);
        browser.sign_in(&self.at.admin.email, PASSWORD);
        browser
    }

    /// A route as it is asked for.
    fn path(&self, route: &str) -> String {
        let things = &self.things;
        let (site, _) = self.runtime.block_on(self.at.recovery_key(&things.environment));
        let id = match route.split('/').nth(1) {
            Some("environments") => things.environment.as_str(),
            Some("backups") => things.backup.as_str(),
            Some("restores") => things.restore.as_str(),
            Some("drills") => things.drill.as_str(),
            Some("jobs") => things.job.as_str(),
            Some("sites") => site.as_str(),
            // Also below /admin/.
            _ if route.contains("tenants/{id}") => self.tenant.as_str(),
            _ if route.contains("environments/{id}") => things.environment.as_str(),
            _ => self.at.admin.account.as_str(),
        };
        let path = route.replace("{id}", id).replace("{token}", "lnk_of_nobody");
        match route {
            "/environments/{id}/versions" => format!("{path}?element=code&path=code/index.html"),
            "/environments/{id}/restore/preview" => format!("{path}?backup={}&element=code", things.backup),
            _ => path,
        }
    }
}

/// Backups with all their elements and notes that differ, as people write them; and a fleet.
async fn fill(at: &Installation, tenant: &TenantId, environment: &EnvironmentId) {
    let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
    let mut env = db::environments::find(&mut tx, environment).await.unwrap().unwrap();
    for n in 0..BACKUPS {
        let created = now.plus(-n * 7 * 3_600 * Millis::SECOND - n * 1_234_567);
        let note = (n % 3 == 0).then(|| format!("before the change {} of {}", chance::word(7), chance::word(9)));
        let row = Backup { note, created_at: created.0, keep_for_days: (n % 2 == 0).then_some(30), ..backup_row(&env, created) };
        let all = [Element::Code, Element::Database, Element::Files];
        db::backups::insert(&mut tx, &row, &all).await.unwrap();
        for (part, element) in (1_i64..).zip(all) {
            let element = BackupElement {
                tenant_id: row.tenant_id.clone(),
                backup_id: row.id.clone(),
                element: element.name().into(),
                state: "succeeded".into(),
                snapshot: Some("0".repeat(64)),
                size: part * 123_456_789 + n * 9_876_543,
                files: part * 1_000 + n,
                stored: n * 54_321,
                manifest: "{}".into(),
                problems: "[]".into(),
                started_at: Some(created.0),
                finished_at: Some(created.0 + 60_000),
            };
            db::backups::set_element(&mut tx, &element).await.unwrap();
        }
        let ended = created.plus(61_000 + n * 333);
        db::backups::ended(&mut tx, ended, tenant, &BackupId(row.id), BackupState::Succeeded, None).await.unwrap();
    }
    for n in 0..ENVIRONMENTS {
        env.id = EnvironmentId::fresh().0;
        env.name = format!("{}-{n}", chance::word(6));
        db::environments::insert(&mut tx, now, &env).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// The bytes of an answer as they come over the wire.
fn bytes(url: &str, path: &str, cookie: Option<&str>, encoding: &str) -> Vec<u8> {
    let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).max_redirects_will_error(false);
    let agent = config.timeout_global(Some(Duration::from_secs(60))).build().new_agent();
    let mut request = agent.get(format!("{url}{path}")).header("Accept-Encoding", encoding);
    if let Some(cookie) = cookie {
        request = request.header("Cookie", format!("sitekeep={cookie}"));
    }
    let mut answer = request.call().unwrap_or_else(|e| panic!("{path}: {e}"));
    assert!(answer.status().as_u16() != 303 && answer.status().as_u16() < 500, "{path}: {}", answer.status());
    let compressed = answer.headers().get("content-encoding").is_some_and(|v| v == encoding);
    let body = answer.body_mut().read_to_vec().expect("an answer has an end");
    assert!(compressed || encoding == "identity" || body.len() < 1_000, "{path} is not compressed");
    body
}

#[test]
fn a_first_visit_of_any_page_weighs_less_than_twenty_kilobytes() {
    let world = World::new();
    let browser = world.signed_in();
    let cookie = browser.cookie();
    let front = browser.get("/").is(200);
    let assets = [("rel=\"stylesheet\" href=\"", "\""), ("rel=\"icon\" href=\"", "\""), ("type=\"module\" src=\"", "\"")];
    let assets = assets.map(|(before, after)| front.between(before, after));
    let routes = ROUTES.iter().filter(|r| r.methods.contains(&"GET") && !["/events", "/account/second-factor"].contains(&r.path));
    let (mut heavy, mut heaviest) = (Vec::new(), (0, String::new()));
    for route in routes {
        let path = world.path(route.path);
        for encoding in ["gzip", "br"] {
            let cookie = cookie.as_deref().filter(|_| !route.public);
            let text = bytes(&world.url, &path, cookie, encoding).len();
            let whole: usize = text + assets.iter().map(|asset| bytes(&world.url, asset, None, encoding).len()).sum::<usize>();
            eprintln!("{whole:6} bytes, {text:6} without style, script and icon: {} ({encoding})", route.path);
            heaviest = heaviest.max((whole, route.path.to_owned()));
            if whole > LIMIT {
                heavy.push(format!("{} {whole} ({encoding})", route.path));
            }
        }
    }
    assert!(heavy.is_empty(), "more than {LIMIT} bytes: {heavy:?}");
    assert!(heaviest.0 > 8_000, "style, script and a page weigh something: {heaviest:?}");
}

#[test]
fn the_page_of_a_log_that_is_weighed_is_a_full_one() {
    let world = World::new();
    let browser = world.signed_in();
    let log = browser.get(&world.path("/environments/{id}")).is(200);
    assert_eq!(log.body.matches("<tr role=\"row\">").count(), 21, "20 backups and the head");
    let choices = browser.get(&world.path("/environments/{id}/restore")).is(200);
    assert_eq!(choices.body.matches("name=\"backup\"").count(), 50);
}
