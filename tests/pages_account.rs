//! The pages of accounts and tenants, used as people use them: forms, cookies, no scripts.

use crate::support::app::Installation;
use crate::support::browser::{Browser, Page};
use crate::support::digest::{Digest, sqlite};
use crate::support::panel::{Panel, ask};
use sitekeep::app::access::Actor;
use sitekeep::app::{members, one_time_links};
use sitekeep::base::clock::Clock;
use sitekeep::base::secret::Secret;
use sitekeep::base::sql::Kind;
use sitekeep::base::{chance, password, totp};
use sitekeep::db;
use sitekeep::db::one_time_links::OneTimeLink;
use sitekeep::domain::ids::{OneTimeLinkId, TenantId};
use sitekeep::domain::rights::Role;
use sitekeep::web::pages::ROUTES;
use std::net::SocketAddr;
use tokio::runtime::Runtime;

const GOOD: &str = "correct horse battery";
const OTHER: &str = "seven yellow lanterns";

/// A server with the tenant `acme`, on a clock that stands still.
struct World {
    at: Installation,
    url: String,
    acme: TenantId,
    clock: Clock,
    runtime: Runtime,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let clock = Clock::fixed(Clock::system().now());
        let (at, acme) = runtime.block_on(async {
            let at = Installation::with_clock(Kind::Sqlite, clock.clone()).await;
            let acme = at.tenant("acme").await;
            (at, acme)
        });
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = sitekeep::web::router(at.app.clone()).into_make_service_with_connect_info::<SocketAddr>();
        runtime.spawn(async move { axum::serve(listener, service).await });
        Self { at, url, acme, clock, runtime }
    }

    fn browser(&self) -> Browser {
        Browser::new(&self.url)
    }
    /// A member of `acme` with a password.
    fn member(&self, email: &str, role: Role) -> Actor {
        self.runtime.block_on(async {
            let actor = self.at.member(email, &[(&self.acme, role)]).await;
            self.give_password(&actor).await;
            actor
        })
    }
    /// The same, signed in.
    fn signed_in(&self, email: &str, role: Role) -> (Actor, Browser) {
        let (actor, browser) = (self.member(email, role), self.browser());
        browser.sign_in(email, GOOD);
        (actor, browser)
    }
    fn administrator(&self) -> Browser {
        self.runtime.block_on(self.give_password(&self.at.admin));
        let browser = self.browser();
        browser.sign_in(&self.at.admin.email, GOOD);
        browser
    }
    async fn give_password(&self, actor: &Actor) {
        let hash = password::hash(&Secret::new(GOOD)).await.unwrap();
        let mut tx = self.at.app.pool.begin().await.unwrap();
        db::accounts::set_password(&mut tx, &actor.account, &hash).await.unwrap();
        tx.commit().await.unwrap();
    }
    /// The path of an invitation, as its letter has it.
    fn invite(&self, email: &str, role: Role) -> String {
        let invited = self.runtime.block_on(one_time_links::invite(&self.at.app, &self.at.admin, &self.acme, email, role)).unwrap();
        format!("/invitation/{}", invited.link.expect("an administrator sees it").expose())
    }
    /// The path of a link for a forgotten password, as its letter has it.
    fn forgot(&self, actor: &Actor) -> String {
        let secret = Secret::new(chance::word(32));
        let now = self.clock.now();
        let link = OneTimeLink {
            id: OneTimeLinkId::fresh().0,
            kind: "reset".into(),
            account_id: Some(actor.account.0.clone()),
            email: None,
            tenant_id: None,
            role: None,
            created_by: None,
            created_at: now.0,
            expires_at: now.plus(3_600_000).0,
            used_at: None,
        };
        self.runtime.block_on(async {
            let mut tx = self.at.app.pool.begin().await.unwrap();
            db::one_time_links::insert(&mut tx, &link, &secret.sha256()).await.unwrap();
            tx.commit().await.unwrap();
        });
        format!("/reset/{}", secret.expose())
    }
    fn tenant(&self) -> String {
        format!("/tenants/{}", self.acme)
    }
    /// Everything that the catalogue holds.
    fn catalogue(&self) -> Digest {
        sqlite(&self.at.scratch.join("catalogue.db"))
    }
}

/// A page with an error shows what was typed, and no password.
#[track_caller]
fn again(page: Page, status: u16, says: &str) -> Page {
    let page = page.is(status);
    assert!(page.text().contains(says), "{says:?} is not on the page: {}", page.text());
    assert!(!page.has(GOOD) && !page.has(OTHER), "a password came back");
    page
}

#[test]
fn the_first_link_makes_an_administrator_who_is_signed_in_and_it_works_once() {
    let world = World::new();
    let secret = world.runtime.block_on(one_time_links::first_link(&world.at.app)).unwrap().expect("nobody has a password");
    let path = format!("/first/{}", secret.expose());
    let browser = world.browser();
    browser.get(&path).is(200);
    assert_eq!(browser.cookie(), None, "whoever only looks gets no cookie");
    let short = browser.post(&path, &[("email", "ann@example.test"), ("name", "Ann"), ("password", "short")]);
    let short = again(short, 400, "at least 10");
    assert_eq!((short.value("email"), short.value("name")), (Some("ann@example.test".into()), Some("Ann".into())));
    let wrong = browser.post(&path, &[("email", "ann"), ("name", "Ann"), ("password", GOOD)]);
    again(wrong, 400, "is not an e-mail address");
    browser.post(&path, &[("email", "ann@example.test"), ("name", "Ann"), ("password", GOOD)]).leads_to("/");
    let home = browser.visit("/");
    assert!(home.text().contains("You are the administrator") && home.has("/admin/accounts"), "{}", home.text());
    for page in [world.browser().get(&path), world.browser().post(&path, &[("email", "eve@example.test"), ("password", GOOD)])] {
        assert!(again(page, 404, "works only once").text().contains("Start the server again"));
    }
    again(world.browser().get("/first/nothing"), 404, "is not known");
}

#[test]
fn somebody_new_accepts_an_invitation_and_is_a_member() {
    let world = World::new();
    let path = world.invite("ben@example.test", Role::Developer);
    let browser = world.browser();
    let page = browser.get(&path).is(200);
    assert!(page.text().contains("admin@example.test invites ben@example.test to acme as a developer"), "{}", page.text());
    let weak = again(browser.post(&path, &[("name", "Ben"), ("password", "password12")]), 400, "password");
    assert_eq!(weak.value("name"), Some("Ben".into()));
    browser.post(&path, &[("name", "Ben"), ("password", GOOD)]).leads_to("/");
    assert!(browser.visit("/").text().contains("You are a member of acme now"));
    assert!(browser.get(&world.tenant()).is(200).text().contains("ben@example.test"));
    again(world.browser().get(&path), 404, "works only once");
    world.browser().sign_in("ben@example.test", GOOD);
}

#[test]
fn somebody_with_an_account_signs_in_to_accept_an_invitation() {
    let world = World::new();
    let bolt = world.runtime.block_on(world.at.tenant("bolt"));
    world.member("ann@example.test", Role::Owner);
    let invited = world.runtime.block_on(one_time_links::invite(&world.at.app, &world.at.admin, &bolt, "ANN@example.test", Role::Viewer));
    let path = format!("/invitation/{}", invited.unwrap().link.unwrap().expose());
    let browser = world.browser();
    let next = format!("/signin?next={path}");
    assert!(browser.get(&path).is(200).has(&format!("href=\"{next}\"")));
    browser.post(&path, &[("name", "Eve"), ("password", OTHER)]).leads_to(&next);
    assert_eq!(browser.get(&next).value("next"), Some(path.clone()));
    let (_, other) = world.signed_in("ben@example.test", Role::Owner);
    assert!(other.get(&path).is(200).text().contains("you are signed in as ben@example.test"));
    other.post(&path, &[]).is(403);
    browser.post("/signin", &[("email", "ann@example.test"), ("password", GOOD), ("next", &path)]).leads_to(&path);
    assert!(browser.get(&path).text().contains("Join bolt"));
    browser.post(&path, &[]).leads_to(&format!("/tenants/{bolt}"));
    let page = browser.visit(&format!("/tenants/{bolt}")).is(200);
    assert!(page.text().contains("You are a member of bolt now") && !page.has("/invitations"), "a viewer invites nobody");
}

#[test]
fn a_forgotten_password_is_answered_the_same_for_everybody_and_set_anew_with_the_link() {
    let world = World::new();
    let (ann, old) = world.signed_in("ann@example.test", Role::Owner);
    let token = world.runtime.block_on(world.at.token(&ann.account, None, "all", 30));
    let asked: Vec<String> = ["ann@example.test", "nobody@example.test", "nonsense"]
        .map(|email| world.browser().submit("/forgotten", &[("email", email)]).is(200).body)
        .into();
    assert!(asked.iter().all(|page| page == &asked[0]) && asked[0].contains("If there is an account"));
    let path = world.forgot(&ann);
    let browser = world.browser();
    assert!(browser.get(&path).is(200).text().contains("ann@example.test"));
    let short = again(browser.post(&path, &[("password", "short"), ("tokens", "1")]), 400, "at least 10");
    assert!(short.between("name=\"tokens\"", ">").contains("checked"), "what was chosen is kept");
    browser.post(&path, &[("password", OTHER)]).leads_to("/signin?after=reset");
    assert!(browser.visit("/signin?after=reset").text().contains("The new password is set"));
    old.get("/account").leads_to("/signin?next=/account");
    assert_eq!(ask(&world.url, &token, "GET", "/whoami", None).0, 200, "tokens stay unless it is wished otherwise");
    again(browser.get(&path), 404, "works only once");
    again(browser.post("/signin", &[("email", "ann@example.test"), ("password", GOOD)]), 401, "is not right");
    browser.sign_in("ann@example.test", OTHER);
    world.browser().post(&world.forgot(&ann), &[("password", GOOD), ("tokens", "1")]).leads_to("/signin?after=reset");
    assert_eq!(ask(&world.url, &token, "GET", "/whoami", None).0, 401);
    let late = world.forgot(&ann);
    world.clock.advance(3_600_001);
    again(world.browser().get(&late), 404, "expired");
}

#[test]
fn a_cookie_from_before_signing_in_is_worth_nothing_afterwards() {
    let world = World::new();
    let ann = world.member("ann@example.test", Role::Owner);
    let (_, eve) = world.signed_in("eve@example.test", Role::Viewer);
    for planted in [eve.cookie().unwrap(), "A".repeat(22)] {
        let browser = world.browser();
        browser.set_cookie(&planted);
        browser.sign_in(&ann.email, GOOD);
        assert_ne!(browser.cookie(), Some(planted.clone()));
        let attacker = world.browser();
        attacker.set_cookie(&planted);
        assert!(!attacker.visit("/account").has("ann@example.test"));
        assert!(browser.get("/account").is(200).has("ann@example.test"));
    }
}

#[test]
fn a_wrong_password_shows_the_form_again_and_signing_out_ends_the_session() {
    let world = World::new();
    let (_, browser) = world.signed_in("ann@example.test", Role::Owner);
    let wrong = again(world.browser().post("/signin", &[("email", "ann@example.test"), ("password", OTHER)]), 401, "is not right");
    assert_eq!(wrong.value("email"), Some("ann@example.test".into()));
    let stolen = world.browser();
    stolen.set_cookie(&browser.cookie().unwrap());
    stolen.get("/account").is(200);
    browser.post("/signout", &[]).leads_to("/signin");
    assert_eq!(browser.cookie(), None);
    stolen.get("/account").leads_to("/signin?next=/account");
}

#[test]
fn a_second_factor_is_turned_on_asked_for_and_turned_off() {
    let world = World::new();
    let (_, browser) = world.signed_in("ann@example.test", Role::Owner);
    let elsewhere = world.browser();
    elsewhere.sign_in("ann@example.test", GOOD);
    browser.get("/account/second-factor").leads_to("/account#second-factor");
    again(browser.post("/account/second-factor", &[("password", OTHER)]), 400, "not right");
    let page = browser.submit("/account/second-factor", &[("password", GOOD)]).is(200);
    assert!(page.has("src=\"data:image/svg+xml;base64,"));
    let key = Secret::new(page.between("Secret</dt><dd><code>", "<").replace(' ', ""));
    let code = |world: &World| totp::code(&key, world.clock.now()).unwrap();
    let wrong = again(browser.post("/account/second-factor/confirm", &[("code", "12345")]), 400, "not right");
    assert!(wrong.has("data:image/svg+xml"), "the same picture again");
    let shown = browser.post("/account/second-factor/confirm", &[("code", &code(&world))]).is(200);
    assert_eq!(shown.header("cache-control"), Some("no-store"));
    let codes: Vec<&str> = shown.body.split("<li><code>").skip(1).filter_map(|rest| rest.split('<').next()).collect();
    assert_eq!(codes.len(), 10, "{}", shown.text());
    let account = browser.get("/account").is(200);
    assert!(account.text().contains("10 recovery codes left") && codes.iter().all(|code| !account.has(code)));
    elsewhere.get("/account").leads_to("/signin?next=/account");

    world.clock.advance(60_000);
    let (one, two) = (world.browser(), world.browser());
    for browser in [&one, &two] {
        let page = browser.post("/signin", &[("email", "ann@example.test"), ("password", GOOD), ("next", "/account")]).is(200);
        assert!(page.text().contains("Six digits"));
        browser.get("/account").leads_to("/signin?next=/account");
    }
    let good = code(&world);
    let send =
        |browser: &Browser, code: &str| browser.post("/signin", &[("email", "ann@example.test"), ("code", code), ("next", "/account")]);
    again(send(&one, "000000"), 401, "not right");
    send(&one, &good).leads_to("/account");
    again(send(&two, &good), 401, "only once");
    send(&two, codes[3]).leads_to("/account");
    assert!(two.get("/account").text().contains("9 recovery codes left"));

    let renewed = two.post("/account/second-factor/codes", &[("password", GOOD)]).is(200);
    assert!(!renewed.has(codes[4]) && renewed.text().contains("old ones are good no more"));
    again(two.post("/account/second-factor/off", &[("password", OTHER)]), 400, "not right");
    two.post("/account/second-factor/off", &[("password", GOOD)]).leads_to("/account#main");
    world.browser().sign_in("ann@example.test", GOOD);
}

#[test]
fn an_unknown_zone_is_refused_and_nothing_is_lost() {
    let world = World::new();
    let (_, browser) = world.signed_in("ann@example.test", Role::Owner);
    let wrong = browser.post("/account/profile", &[("name", "Ann <b>"), ("zone", "Mars/Olympus")]);
    let wrong = again(wrong, 400, "is not a time zone");
    assert!(wrong.text().contains("Europe/Vienna"), "an example helps");
    assert_eq!(wrong.value("name"), Some("Ann <b>".into()));
    assert_eq!(browser.get("/account").value("name"), Some(String::new()), "neither is kept without the other");
    let good = browser.submit("/account/profile", &[("name", "Ann <b>"), ("zone", "Asia/Kolkata")]).is(200);
    assert!(good.text().contains("are saved") && good.text().contains("Times are shown in Asia/Kolkata"));
    assert!(good.has("value=\"Asia/Kolkata\" selected"));
    assert!(browser.get(&world.tenant()).text().contains("IST"), "times of the activity are in it");
    again(browser.post("/account/profile", &[("name", &"x".repeat(101)), ("zone", "UTC")]), 400, "at most 100");
}

#[test]
fn changing_the_password_ends_the_other_sessions_and_keeps_this_one() {
    let world = World::new();
    let (_, browser) = world.signed_in("ann@example.test", Role::Owner);
    let elsewhere = world.browser();
    elsewhere.sign_in("ann@example.test", GOOD);
    let change = |old: &str, new: &str| browser.post("/account/password", &[("old_password", old), ("password", new)]);
    again(change(OTHER, OTHER), 400, "present password is not right");
    again(change(GOOD, "short"), 400, "at least 10");
    again(change(GOOD, GOOD), 400, "the password that you have");
    elsewhere.get("/account").is(200);
    change(GOOD, OTHER).leads_to("/account#main");
    browser.get("/account").is(200);
    elsewhere.get("/account").leads_to("/signin?next=/account");
}

#[test]
fn sessions_are_listed_and_ended_one_by_one_or_all_but_this() {
    let world = World::new();
    let (_, browser) = world.signed_in("ann@example.test", Role::Owner);
    let phone = world.browser().called("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1");
    let curl = world.browser().called("curl/8.14.1");
    for other in [&phone, &curl] {
        other.sign_in("ann@example.test", GOOD);
    }
    let page = browser.get("/account").is(200);
    for name in ["Firefox on Linux", "Safari on iPhone", "curl/8.14.1", "127.0.0.1", "now, this browser"] {
        assert!(page.text().contains(name), "{name}: {}", page.text());
    }
    let id = page.body.split("/account/sessions/").filter_map(|rest| rest.split_once("/end#")).map(|(id, _)| id.to_owned()).next().unwrap();
    let (_, eve) = world.signed_in("eve@example.test", Role::Viewer);
    again(eve.post(&format!("/account/sessions/{id}/end"), &[]), 404, "no such session");
    browser.post(&format!("/account/sessions/{id}/end"), &[]).leads_to("/account#main");
    let in_now = |browser: &Browser| browser.get("/account").status == 200;
    assert_ne!(in_now(&phone), in_now(&curl), "one of the two");
    browser.post("/account/sessions/end-others", &[]).leads_to("/account#main");
    assert!(in_now(&browser) && !in_now(&phone) && !in_now(&curl) && in_now(&eve));
}

#[test]
fn a_token_is_shown_once_works_as_narrow_as_it_was_made_and_is_revoked() {
    let world = World::new();
    let (_, browser) = world.signed_in("ann@example.test", Role::Owner);
    let make = |label: &str, scope: &[&str], days: &str| {
        let mut fields = vec![("label", label), ("days", days)];
        fields.extend(scope.iter().map(|s| ("scope", *s)));
        browser.post("/account/tokens", &fields)
    };
    for (label, days, says) in [("deploy", "soon", "not a number of days"), ("deploy", "400", "1 to 366"), (" ", "5", "needs a name")] {
        let page = again(make(label, &["restore"], days), 400, says);
        assert_eq!((page.value("label").unwrap().as_str(), page.value("days").unwrap().as_str()), (label, days));
        assert!(page.between("value=\"restore\"", ">").contains("checked"));
    }
    again(make("deploy", &["root"], "5"), 400, "is not a right");
    let shown = make("deploy", &["create"], "30").is(200);
    assert_eq!(shown.header("cache-control"), Some("no-store"));
    let token = shown.between("<code class=\"wrap\">", "<");
    let account = browser.get("/account").is(200);
    assert!(account.has("deploy") && !account.has(&token));
    let (status, who) = ask(&world.url, &token, "GET", "/whoami", None);
    assert_eq!((status, who["scope"].as_str(), who["account"].as_str()), (200, Some("view,create"), Some("ann@example.test")));
    let all = make("laptop", &["all", "create"], "1").is(200).between("<code class=\"wrap\">", "<");
    assert_eq!(ask(&world.url, &all, "GET", "/whoami", None).1["scope"], "all");
    let id = account.between("/account/tokens/", "/revoke");
    let (_, eve) = world.signed_in("eve@example.test", Role::Viewer);
    again(eve.post(&format!("/account/tokens/{id}/revoke"), &[]), 404, "no such token");
    browser.post(&format!("/account/tokens/{id}/revoke"), &[]).leads_to("/account#main");
    assert_eq!(ask(&world.url, &token, "GET", "/whoami", None).0, 401);
}

#[test]
fn an_owner_invites_changes_roles_and_removes_and_a_removed_member_sees_nothing_at_once() {
    let world = World::new();
    let (ann, owner) = world.signed_in("ann@example.test", Role::Owner);
    let (ben, developer) = world.signed_in("ben@example.test", Role::Developer);
    let tenant = world.tenant();
    let invite =
        |browser: &Browser, email: &str, role: &str| browser.post(&format!("{tenant}/invitations"), &[("email", email), ("role", role)]);
    let wrong = again(invite(&owner, "nonsense", "viewer"), 400, "is not an e-mail address");
    assert_eq!(wrong.value("email"), Some("nonsense".into()));
    again(invite(&owner, "cy@example.test", "king"), 400, "is not a role");
    again(invite(&owner, "ben@example.test", "viewer"), 409, "is a member already");
    invite(&owner, "cy@example.test", "viewer").leads_to(&format!("{tenant}#main"));
    let page = owner.visit(&tenant).is(200);
    assert!(page.text().contains("cy@example.test is invited") && !page.has("/invitation/"), "an owner never sees the link");
    let seen = developer.get(&tenant).is(200);
    assert!(seen.has("ann@example.test") && !seen.has("cy@example.test</th>") && !seen.has("/invitations") && !seen.has("/role"));
    invite(&developer, "dan@example.test", "viewer").is(403);
    let id = page.between("/invitations/", "/revoke");
    owner.post(&format!("{tenant}/invitations/{id}/revoke"), &[]).leads_to(&format!("{tenant}#main"));
    assert!(!owner.visit(&tenant).has("/revoke"));

    let act = |browser: &Browser, who: &Actor, act: &str, role: &str| {
        browser.submit(&format!("{tenant}/members/{}/{act}", who.account), &[("role", role)])
    };
    assert!(act(&owner, &ann, "role", "viewer").text().contains("last owner"));
    assert!(act(&owner, &ann, "remove", "").text().contains("last owner"));
    assert!(act(&developer, &ben, "role", "owner").text().contains("may not"));
    assert!(act(&owner, &ben, "role", "viewer").text().contains("The role is changed"));
    act(&owner, &ben, "remove", "").is(200);
    again(developer.get(&tenant), 404, "no such tenant");
    again(invite(&developer, "dan@example.test", "viewer"), 404, "no such tenant");
    assert!(developer.get("/tenants").is(200).text().contains("member of no tenant"));
    world.runtime.block_on(async {
        let mut tx = world.at.app.pool.begin().await.unwrap();
        db::tenants::set_member(&mut tx, world.clock.now(), &world.acme, &ben.account, Role::Viewer).await.unwrap();
        tx.commit().await.unwrap();
    });
    developer.post(&format!("{tenant}/members/{}/remove", ben.account), &[]).leads_to("/tenants");
    assert!(developer.visit("/tenants").text().contains("You have left the tenant"));
}

#[test]
fn an_administrator_sees_every_tenant_and_their_acts_are_marked() {
    let world = World::new();
    let (_, owner) = world.signed_in("ann@example.test", Role::Owner);
    let admin = world.administrator();
    assert!(admin.get("/tenants").is(200).has(&world.tenant()));
    assert!(admin.get(&world.tenant()).is(200).text().contains("You act in acme as an administrator"));
    let fields = [("email", "ben@example.test"), ("role", "viewer")];
    let shown = admin.post(&format!("{}/invitations", world.tenant()), &fields).is(200);
    let link = shown.between("http://sitekeep.test/invitation/", "<");
    assert!(world.browser().get(&format!("/invitation/{link}")).is(200).has("ben@example.test"));
    let page = owner.get(&world.tenant()).is(200);
    assert!(page.text().contains("admin@example.test administrator invited ben@example.test as viewer"), "{}", page.text());
    assert!(!page.has(&link));
    world.runtime.block_on(members::list(&world.at.app, &world.at.admin, &world.acme)).unwrap();
}

/// What is seen without signing in; the list is reviewed, so that nothing becomes public by mistake.
const PUBLIC: [&str; 6] = ["/signin", "/forgotten", "/forgotten/sent", "/first/{token}", "/invitation/{token}", "/reset/{token}"];

#[test]
fn without_a_session_the_pages_of_the_door_are_seen_and_no_other() {
    let world = World::new();
    let browser = world.browser();
    for route in ROUTES {
        let path = route.path.replace(['{', '}'], "");
        assert_eq!(route.public, PUBLIC.contains(&route.path), "{path}");
        for method in route.methods.iter().filter(|_| !route.public) {
            match *method {
                "GET" => assert!(browser.get(&path).is(303).location.unwrap().starts_with("/signin?next=/"), "{path}"),
                _ => assert!(browser.post(&path, &[]).is(401).has("action=\"/signin\""), "{path}"),
            }
        }
    }
    assert_eq!(browser.cookie(), None);
}

#[test]
fn what_another_site_sends_changes_nothing() {
    let world = World::new();
    let (ann, browser) = world.signed_in("ann@example.test", Role::Owner);
    let first = world.runtime.block_on(one_time_links::first_link(&world.at.app)).unwrap().unwrap();
    let invitation = world.invite("new@example.test", Role::Viewer);
    let reset = world.forgot(&ann);
    let fields = [
        ("email", "eve@example.test"),
        ("name", "Eve"),
        ("password", OTHER),
        ("old_password", GOOD),
        ("zone", "UTC"),
        ("role", "viewer"),
        ("label", "x"),
        ("days", "5"),
    ];
    let foreign = browser.as_other_site();
    let stranger = world.browser().as_other_site();
    let before = world.catalogue();
    let posts = ROUTES.iter().filter(|r| r.methods.contains(&"POST"));
    for route in posts {
        let secret = |path: &str| path.rsplit('/').next().unwrap().to_owned();
        let path = match route.path.split('/').nth(1) {
            Some("first") => route.path.replace("{token}", first.expose()),
            Some("invitation") => route.path.replace("{token}", &secret(&invitation)),
            Some("reset") => route.path.replace("{token}", &secret(&reset)),
            Some("tenants") => route.path.replace("{id}", world.acme.as_str()).replace("{account}", ann.account.as_str()),
            _ => route.path.replace("{id}", "some"),
        };
        for browser in [&foreign, &stranger] {
            let page = browser.post(&path, &fields).is(403);
            assert!(page.text().contains("sent by another site"), "{path}");
        }
    }
    before.assert_same(&world.catalogue(), "the catalogue");
    browser.get("/account").is(200);
}

#[test]
fn setup_gives_an_administrator_the_password_of_a_file() {
    let panel = Panel::start();
    let file = panel.scratch.join("password");
    let setup = |text: &str| {
        std::fs::write(&file, text).unwrap();
        panel.tool(&["setup", "--email", "admin@example.test", "--password-file", &file.display().to_string()], &[])
    };
    let short = setup("short\n");
    assert!(!short.status.success() && String::from_utf8_lossy(&short.stderr).contains("at least 10"));
    assert!(setup(&format!("{GOOD}\n")).status.success());
    let browser = Browser::new(&panel.server.url);
    browser.sign_in("admin@example.test", GOOD);
    browser.get("/account").is(200);
    assert!(setup(OTHER).status.success());
    browser.get("/account").leads_to("/signin?next=/account");
    browser.sign_in("admin@example.test", OTHER);
}
