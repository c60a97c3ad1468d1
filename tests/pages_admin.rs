//! The administrators' pages: what they show, what they do, and that for everybody else none of them is there.

use crate::support::app::Installation;
use crate::support::browser::{Browser, Page};
use crate::support::mariadb::Mariadb;
use crate::support::panel::Panel;
use crate::support::sqlite_site::SqliteSite;
use crate::support::wait_for;
use sitekeep::app::access::Actor;
use sitekeep::app::{backups, environments, members};
use sitekeep::base::clock::Clock;
use sitekeep::base::error::Class;
use sitekeep::base::secret::Secret;
use sitekeep::base::sql::{Kind, Pool};
use sitekeep::db;
use sitekeep::domain::ids::{AccountId, EnvironmentId, TenantId};
use sitekeep::domain::rights::Role;
use sitekeep::domain::view::CreateBackup;
use sitekeep::web;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::runtime::Runtime;

const PASSWORD: &str = "a long and quiet river";

/// The rooms in the test's own process, behind a real socket.
struct House {
    runtime: Runtime,
    at: Installation,
    url: String,
}

impl House {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let at = runtime.block_on(Installation::new(Kind::Sqlite));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = web::router(at.app.clone()).into_make_service_with_connect_info::<SocketAddr>();
        runtime.spawn(async move { axum::serve(listener, service).await });
        Self { runtime, at, url }
    }
    fn tenant(&self, name: &str) -> TenantId {
        self.runtime.block_on(self.at.tenant(name))
    }
    fn member(&self, email: &str, tenant: &TenantId, role: Role) -> Actor {
        self.runtime.block_on(self.at.member(email, &[(tenant, role)]))
    }
    fn site(&self, tenant: &str, site: &str, environment: &str) -> EnvironmentId {
        self.runtime.block_on(self.at.add_site(tenant, site, environment))
    }
    fn browser_of(&self, actor: &Actor) -> Browser {
        self.runtime.block_on(give_password(&self.at.app.pool, &actor.account));
        let browser = Browser::new(&self.url);
        browser.sign_in(&actor.email, PASSWORD);
        browser
    }
    fn admin(&self) -> Browser {
        self.browser_of(&self.at.admin)
    }
    fn actions(&self, tenant: &TenantId) -> Vec<String> {
        self.runtime.block_on(async {
            let mut conn = self.at.app.pool.get().await.unwrap();
            db::activity::newest(&mut conn, tenant, 50).await.unwrap().into_iter().map(|l| l.action).collect()
        })
    }
}

async fn give_password(pool: &Pool, account: &AccountId) {
    let hash = sitekeep::base::password::hash(&Secret::new(PASSWORD)).await.unwrap();
    db::accounts::set_password(&mut pool.get().await.unwrap(), account, &hash).await.unwrap();
}

/// The id in the first address of the page that begins so.
fn id_after(page: &Page, before: &str) -> String {
    page.between(before, "\"").split('/').next().unwrap().to_owned()
}

const PAGES: [&str; 10] = [
    "/admin/tenants",
    "/admin/accounts",
    "/admin/servers",
    "/admin/stores",
    "/admin/sites",
    "/admin/sites/add",
    "/admin/queue",
    "/admin/activity",
    "/admin/activity.csv",
    "/admin/settings",
];

#[test]
fn every_administrators_page_says_its_facts_and_is_not_there_for_an_owner() {
    let house = House::open();
    let acme = house.tenant("acme");
    let env = house.site("acme", "shop", "live");
    let ann = house.member("ann@example.test", &acme, Role::Owner);
    let (admin, owner) = (house.admin(), house.browser_of(&ann));
    let facts = [
        ("/admin/tenants", "acme active"),
        ("/admin/accounts", "ann@example.test"),
        ("/admin/servers", "No server account"),
        ("/admin/stores", "acme/shop"),
        ("/admin/sites", "shop.live"),
        ("/admin/sites/add", "Look what is there"),
        ("/admin/queue", "No worker has begun anything"),
        ("/admin/activity", "environment.add"),
        ("/admin/settings", "SQLite"),
    ];
    for (path, fact) in facts {
        let page = admin.get(path).is(200);
        assert!(page.text().contains(fact), "{path}: {}", page.text());
        assert!(page.has("class=\"menu here\""), "{path}");
    }
    let of_env = [format!("/admin/environments/{env}"), format!("/admin/environments/{env}/remove"), format!("/admin/tenants/{acme}/plan")];
    let never = owner.get("/admin/nothing").is(404).text();
    let cut = |text: String| text.split("Reference").next().unwrap().to_owned();
    for path in PAGES.iter().map(|p| (*p).to_owned()).chain(of_env) {
        admin.get(&path).is(200);
        assert_eq!(cut(owner.get(&path).is(404).text()), cut(never.clone()), "{path}");
    }
    let writes = web::pages::ROUTES.iter().filter(|r| r.path.starts_with("/admin/") && r.methods.contains(&"POST"));
    for route in writes {
        let path = route.path.replace("{id}", "x").replace("{act}", "disable");
        owner.post(&path, &[("name", "x")]).is(404);
        assert!(Browser::new(&house.url).post(&path, &[("name", "x")]).status == 401, "{path}");
    }
}

#[test]
fn a_tenant_is_made_planned_and_suspended() {
    let house = House::open();
    let admin = house.admin();
    assert!(admin.post("/admin/tenants", &[("name", "Not a name")]).is(400).value("name").as_deref() == Some("Not a name"));
    assert!(admin.submit("/admin/tenants", &[("name", "acme")]).is(200).text().contains("The tenant acme is there"));
    assert!(admin.post("/admin/tenants", &[("name", "acme")]).is(409).text().contains("There is a tenant `acme` already"));
    let id = id_after(&admin.get("/admin/tenants"), "/admin/tenants/");
    let path = format!("/admin/tenants/{id}/plan");
    let wrong = admin.post(&path, &[("plan", "paid"), ("gigabytes", "much"), ("backups", "3")]).is(400);
    assert_eq!((wrong.value("gigabytes").as_deref(), wrong.value("backups").as_deref()), (Some("much"), Some("3")));
    for jobs in ["0", "many", "100000"] {
        admin.post(&path, &[("plan", "paid"), ("jobs", jobs)]).is(400);
    }
    let paid = [("plan", "paid"), ("gigabytes", "2,5"), ("backups", "3"), ("jobs", "8"), ("schedules", "1")];
    admin.post(&path, &paid).leads_to("/admin/tenants");
    assert!(
        admin.get("/admin/tenants").text().contains("paid 8 jobs at once 0 B of 2.5 GB 0 of 3"),
        "{}",
        admin.get("/admin/tenants").text()
    );
    assert_eq!(admin.get(&path).value("gigabytes").as_deref(), Some("2.5"));
    let acme = TenantId(id.clone());
    let env = house.site("acme", "shop", "live");
    let ann = house.member("ann@example.test", &acme, Role::Owner);
    let owner = house.browser_of(&ann);
    let create = format!("/environments/{env}/backups");
    admin.submit(&format!("/admin/tenants/{id}/suspend"), &[]).is(200);
    assert!(admin.get("/admin/tenants").text().contains("suspended"));
    owner.get(&format!("/environments/{env}")).is(200);
    assert!(owner.post(&create, &[("element", "code")]).is(403).text().contains("suspended"));
    admin.submit(&format!("/admin/tenants/{id}/activate"), &[]).is(200);
    owner.post(&create, &[("element", "code")]).is(303);
    assert_eq!(house.actions(&acme)[..4], ["backup.create", "tenant.activate", "tenant.suspend", "environment.add"]);
}

#[test]
fn a_quota_refuses_the_next_backup_and_deletes_nothing() {
    let house = House::open();
    let (acme, admin) = (house.tenant("acme"), house.admin());
    let env = house.site("acme", "shop", "live");
    house.runtime.block_on(house.at.things(&env));
    let ann = house.member("ann@example.test", &acme, Role::Owner);
    let owner = house.browser_of(&ann);
    let (plan, create) = (format!("/admin/tenants/{acme}/plan"), format!("/environments/{env}/backups"));
    admin.post(&plan, &[("plan", "free"), ("gigabytes", ""), ("backups", "1")]).is(303);
    let page = owner.post(&create, &[("element", "code"), ("note", "keep me")]).is(507);
    assert!(page.text().contains("and its plan allows 1") && page.has("keep me"), "{}", page.text());
    admin.post(&plan, &[("plan", "free"), ("gigabytes", "0.000000001"), ("backups", "")]).is(303);
    assert!(owner.post(&create, &[("element", "code")]).is(507).text().contains("has stored 2 B, and its plan allows 1 B"));
    admin.post(&plan, &[("plan", "free"), ("gigabytes", "1"), ("backups", "")]).is(303);
    owner.post(&create, &[("element", "code")]).is(303);
}

#[test]
fn accounts_are_found_invited_and_disabled_and_the_last_administrator_stays() {
    let house = House::open();
    let (acme, admin) = (house.tenant("acme"), house.admin());
    let ann = house.member("ann@example.test", &acme, Role::Developer);
    let found = admin.get("/admin/accounts?q=ANN").is(200).text();
    assert!(found.contains("ann@example.test") && found.contains("acme (developer)"), "{found}");
    assert!(admin.get("/admin/accounts?q=nobody").is(200).text().contains("No account is like this"));
    let fields = [("email", "ben@example.test"), ("tenant", acme.as_str()), ("role", "viewer")];
    let invited = admin.post("/admin/accounts/invite", &fields).is(200);
    let link = invited.between("id=\"invitation\" class=\"wrap\">", "<");
    assert!(link.starts_with("http://sitekeep.test/invitation/") && link.len() > 50, "{link}");
    assert!(!admin.get("/admin/accounts").has(&link), "it is shown once");
    let wrong = admin.post("/admin/accounts/invite", &[("email", "nobody"), ("tenant", acme.as_str()), ("role", "viewer")]).is(400);
    assert_eq!(wrong.value("email").as_deref(), Some("nobody"));
    let act = |id: &str, act: &str| admin.submit(&format!("/admin/accounts/{id}/{act}"), &[]).is(200).text();
    let own = house.at.admin.account.as_str();
    assert!(act(own, "disable").contains("is the last administrator"));
    assert!(act(own, "no-administrator").contains("is the last administrator"));
    let theirs = house.browser_of(&ann);
    theirs.get("/").is(200);
    assert!(act(ann.account.as_str(), "disable").contains("disabled"));
    theirs.get("/").is(303);
    act(ann.account.as_str(), "enable");
    assert!(act(ann.account.as_str(), "administrator").contains("administrator"));
    assert!(act(ann.account.as_str(), "no-second-factor").contains("no second factor"));
    admin.post(&format!("/admin/accounts/{own}/explode"), &[]).is(404);
    admin.post("/admin/accounts/acc_x/disable", &[]).is(404);
}

#[test]
fn a_server_account_is_tried_kept_changed_and_goes_when_nothing_uses_it() {
    let house = House::open();
    let (admin, mariadb) = (house.admin(), Mariadb::shared());
    let port = mariadb.port.to_string();
    let with = |password: &str| {
        let fields = [("name", "main"), ("engine", "mysql"), ("port", port.as_str()), ("user", mariadb.administrator.user.as_str())];
        let mut fields = fields.to_vec();
        fields.push(("password", password));
        admin.post("/admin/servers", &fields)
    };
    let refused = with("not-the-password-0815").is(422);
    assert!(!refused.has("not-the-password-0815"), "a password is never shown again");
    assert_eq!(refused.value("user").as_deref(), Some(mariadb.administrator.user.as_str()));
    with(&mariadb.administrator.password).leads_to("/admin/servers");
    let list = admin.get("/admin/servers");
    assert!(list.text().contains("MariaDB") && list.text().contains("is kept"), "{}", list.text());
    assert!(!list.has(&mariadb.administrator.password));
    let id = id_after(&list, "/admin/servers/");
    assert!(admin.submit(&format!("/admin/servers/{id}/test"), &[]).text().contains("main answers:"));
    let change = format!("/admin/servers/{id}/change");
    admin.post(&change, &[("name", "first"), ("password", "wrong")]).is(422);
    admin.post(&change, &[("name", "first"), ("password", "")]).leads_to("/admin/servers");
    assert!(admin.submit(&format!("/admin/servers/{id}/test"), &[]).text().contains("first answers:"), "with the old password");
    assert!(admin.get("/admin/servers").text().contains("nothing"), "nothing uses it");
    admin.post(&change, &[("name", "first"), ("password", ""), ("for_drills", "yes")]).leads_to("/admin/servers");
    assert!(admin.get("/admin/servers").text().contains("drills") && admin.get(&change).has("name=\"for_drills\" value=\"yes\" checked"));
    house.tenant("acme");
    let mut wish = house.at.wish("acme", "shop", "live");
    wish.server = Some("first".into());
    let added = house.runtime.block_on(sitekeep::app::sites::add(&house.at.app, &house.at.admin, wish)).unwrap();
    assert!(admin.submit(&format!("/admin/servers/{id}/remove"), &[]).text().contains("is used by acme/shop.live"));
    let env = added.environment.unwrap().id;
    admin.post(&format!("/admin/environments/{env}"), &[("live", ""), ("server", "")]).is(303);
    assert!(admin.submit(&format!("/admin/servers/{id}/remove"), &[]).text().contains("is removed from Sitekeep"));
}

#[test]
fn the_store_and_the_database_are_tested_and_a_store_that_fails_says_why() {
    let house = House::open();
    let admin = house.admin();
    assert!(admin.submit("/admin/stores/test", &[]).text().contains("The store works"));
    let folder = house.at.scratch.join("repositories");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "nothing is left in the store");
    std::fs::remove_dir(&folder).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    let failed = admin.submit("/admin/stores/test", &[]).text();
    assert!(failed.contains("repositories") && !failed.contains("The store works"), "{failed}");
    assert!(admin.submit("/admin/settings/database", &[]).text().contains("its schema is up to date"));
    let letter = admin.post("/admin/settings/letter", &[("to", "ann@example.test")]).is(409);
    assert!(letter.text().contains("No mail server is configured"));
}

#[test]
fn a_site_is_added_in_two_steps_changed_and_its_hooks_are_no_affair_of_its_owner() {
    let house = House::open();
    let (acme, site, admin) = (house.tenant("acme"), SqliteSite::start(), house.admin());
    let root = site.root.display().to_string();
    let first =
        [("tenant", "acme"), ("site", "notes"), ("environment", "live"), ("path", root.as_str()), ("detect", "yes"), ("act", "look")];
    let found = admin.post("/admin/sites/add", &first).is(200);
    assert!(found.text().contains("This was found") && found.has("Add the environment"), "{}", found.text());
    let database = site.database().display().to_string();
    let mut second = first[..5].to_vec();
    second.extend([("act", "add"), ("files", "public=media"), ("engine", "sqlite"), ("database", "data/none.sqlite"), ("url", &site.url)]);
    let wrong = admin.post("/admin/sites/add", &second).is(400);
    assert!(wrong.text().contains("none.sqlite") && wrong.value("url").as_deref() == Some(site.url.as_str()), "{}", wrong.text());
    second.retain(|(name, _)| *name != "database");
    second.extend([("database", database.as_str()), ("expect", "Note 1"), ("live", "yes")]);
    let added = admin.submit("/admin/sites/add", &second).is(200);
    assert!(added.text().contains("notes.live is added"), "{}", added.text());
    let id = id_after(&added, "/admin/environments/");
    let path = format!("/admin/environments/{id}");
    let page = admin.get(&path).is(200);
    assert_eq!((page.value("expect").as_deref(), page.value("database").as_deref()), (Some("Note 1"), Some(database.as_str())));
    assert!(page.has("as an administrator"), "the page says in whose tenant this is");
    assert!(admin.submit(&format!("{path}/test"), &[]).text().contains("It can be reached"));
    let change = [("url", site.url.as_str()), ("live", "yes"), ("database", &database), ("exclude", "*.tmp\n\n/cache")];
    let with = |more: &[(&str, &str)]| admin.post(&path, &[&change[..], more].concat());
    assert!(with(&[("reload", "touch /tmp/x")]).is(400).has("touch /tmp/x"));
    assert!(with(&[("owner", "no-such-user")]).status >= 400);
    with(&[("reload", "touch\r\n/tmp/a b; x\r\n")]).leads_to(&path);
    let again = admin.get(&path);
    assert!(again.has("touch\n/tmp/a b; x") && again.has("*.tmp\n/cache"), "{}", again.body);
    assert!(!again.body.contains("maxlength"), "a browser must not cut what is there already");
    assert_eq!(house.actions(&acme)[0], "environment.change");
    let owner = house.browser_of(&house.member("ann@example.test", &acme, Role::Owner));
    owner.post(&path, &[("reload", "id")]).is(404);
    assert!(!owner.get(&format!("/environments/{id}")).is(200).has("/admin/"));
}

#[test]
fn an_environment_is_removed_at_once_and_its_backups_stay_or_go_into_the_trash() {
    let house = House::open();
    let (acme, admin) = (house.tenant("acme"), house.admin());
    let owner = house.browser_of(&house.member("ann@example.test", &acme, Role::Owner));
    let other = house.site("acme", "shop", "test");
    for (trash, choice) in [(false, "keep"), (true, "trash")] {
        let env = house.site("acme", "shop", "live");
        let things = house.runtime.block_on(house.at.things(&env));
        let name = house.runtime.block_on(environments::find(&house.at.app, &house.at.admin, &things.environment)).unwrap().name;
        let path = format!("/admin/environments/{}/remove", things.environment);
        let typed = format!("shop.{name}");
        let wrong = admin.post(&path, &[("backups", choice), ("confirm", "shop")]).is(400);
        assert!(wrong.text().contains("was not typed"), "{}", wrong.text());
        assert!(admin.post(&path, &[("backups", choice), ("confirm", &typed)]).is(409).text().contains("has not ended yet"));
        admin.post(&format!("/jobs/{}/cancel", things.job), &[]).is(303);
        admin.post(&path, &[("backups", choice), ("confirm", &typed)]).leads_to("/admin/sites");
        assert!(!admin.get("/admin/sites").text().split("is removed").last().unwrap().contains(&name), "it is in no list");
        assert!(!owner.get("/").text().contains(&name));
        let page = owner.get(&format!("/environments/{}", things.environment)).is(200);
        assert!(page.text().contains("This environment was removed") && page.text().contains(&typed));
        let backup = owner.get(&format!("/backups/{}", things.backup)).is(200);
        assert_eq!(backup.text().contains("in the trash"), trash, "{}", backup.text());
        owner.post(&format!("/environments/{}/backups", things.environment), &[("element", "code")]).is(404);
        if !trash {
            let choose = owner.get(&format!("/environments/{}/restore", things.environment)).is(200);
            assert!(choose.has(other.as_str()), "into another environment: {}", choose.text());
        }
        // The name is free again.
        let gone = house.runtime.block_on(async {
            let app = &house.at.app;
            let removal = environments::Removal { confirm: "shop.live".into(), trash, ..environments::Removal::default() };
            environments::remove(app, &house.at.admin, &env, &removal).await
        });
        assert_eq!(gone.unwrap(), None);
    }
    let removals = house.actions(&acme).into_iter().filter(|a| a == "environment.remove").count();
    assert_eq!(removals, 4);
}

#[test]
fn an_environment_goes_after_its_last_backup_and_stays_when_that_fails() {
    let (panel, site) = (Panel::start(), SqliteSite::start());
    let add = |name| panel.add_site("notes", name, &site.root, &["--files", "public=media"]);
    let (live, test) = (add("live"), add("test"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = format!("sqlite://{}", panel.server.data.join("catalogue.db").display());
    let pool = runtime.block_on(async {
        let pool = Pool::connect(&url, 2, Clock::system()).await.unwrap();
        let admin = db::accounts::find_by_email(&mut pool.get().await.unwrap(), "admin@example.test").await.unwrap().unwrap();
        give_password(&pool, &AccountId(admin.id)).await;
        pool
    });
    let admin = Browser::new(&panel.server.url);
    admin.sign_in("admin@example.test", PASSWORD);
    let state = |id: &str| {
        runtime.block_on(async {
            let removal = db::environments::removal(&mut pool.get().await.unwrap(), &EnvironmentId(id.to_owned())).await.unwrap().unwrap();
            (removal.state, removal.message)
        })
    };
    let fields = |name: &'static str| [("backups", "trash"), ("last", "yes"), ("confirm", name)];
    let page = admin.submit(&format!("/admin/environments/{live}/remove"), &fields("notes.live")).is(200);
    assert!(page.text().contains("is removed as soon as this backup has succeeded"), "{}", page.text());
    wait_for("the removal", Duration::from_secs(60), || state(&live).0 == "removed");
    let log = admin.get(&format!("/environments/{live}")).is(200).text();
    assert!(log.contains("This environment was removed") && log.contains("Pre-delete backup"), "the last backup is kept: {log}");
    // Its directory is gone: no last backup can succeed.
    std::fs::rename(&site.root, site.root.with_extension("away")).unwrap();
    admin.submit(&format!("/admin/environments/{test}/remove"), &fields("notes.test")).is(200);
    wait_for("the end of the removal", Duration::from_secs(120), || state(&test).0 == "active");
    assert!(state(&test).1.unwrap().contains("nothing was removed"));
    assert!(admin.get(&format!("/environments/{test}")).is(200).text().contains("was to be removed, and stayed"));
    std::fs::rename(site.root.with_extension("away"), &site.root).unwrap();
    assert!(admin.get("/admin/queue").is(200).text().contains("Workers"));
    runtime.block_on(pool.close());
}

#[test]
fn the_activity_log_is_filtered_marks_administrators_and_is_taken_away_without_formulas() {
    let house = House::open();
    let (acme, _bolt, admin) = (house.tenant("acme"), house.tenant("bolt"), house.admin());
    let env = house.site("acme", "shop", "live");
    let ann = house.member("ann@example.test", &acme, Role::Owner);
    house.runtime.block_on(async {
        let app = &house.at.app;
        let new = |note: &str| CreateBackup { note: Some(note.into()), ..CreateBackup::default() };
        let key = |key: &str| Some(key.to_owned());
        backups::create(app, &ann, &env, &new("=1+1, \"quoted\""), key("a")).await.unwrap();
        members::set_role(app, &house.at.admin, &acme, &ann.account, Role::Owner).await.unwrap();
    });
    let text = |query: &str| admin.get(&format!("/admin/activity{query}")).is(200).text();
    assert!(text("").contains("as an administrator"));
    let hers = text("?actor=ANN%40");
    assert!(hers.contains("backup.create") && !hers.contains("tenant.create"), "{hers}");
    let acts = text(&format!("?tenant={acme}&action=tenant"));
    assert!(acts.contains("tenant.create") && !acts.contains("environment.add"), "{acts}");
    assert!(text("?until=2020-01-01").contains("Nothing was done"));
    assert!(text("?from=2020-01-01").contains("backup.create"));
    admin.get("/admin/activity?from=yesterday").is(400);
    let table = admin.get(&format!("/admin/activity.csv?tenant={acme}")).is(200);
    assert_eq!(table.header("content-disposition"), Some("attachment; filename=\"sitekeep-activity.csv\""));
    assert!(table.header("content-type").unwrap().starts_with("text/csv"));
    let lines: Vec<&str> = table.body.split("\r\n").collect();
    assert_eq!(lines[0], "time,tenant,actor,as administrator,action,object,detail,address");
    assert!(lines.iter().any(|l| l.contains(",\"'=1+1, \"\"quoted\"\"\",")), "{lines:?}");
    assert!(lines.iter().any(|l| l.contains(",yes,member.role,")), "{lines:?}");
    assert!(!table.body.contains("bolt"));
}

#[test]
fn what_is_being_removed_takes_no_new_work() {
    let house = House::open();
    house.tenant("acme");
    let env = house.site("acme", "shop", "live");
    let app = &house.at.app;
    let removal = environments::Removal { confirm: "acme/shop.live".into(), last_backup: true, trash: false };
    let asked = house.runtime.block_on(environments::remove(app, &house.at.admin, &env, &removal)).unwrap();
    assert!(asked.is_some());
    let refused = house.runtime.block_on(backups::create(app, &house.at.admin, &env, &CreateBackup::default(), None)).unwrap_err();
    assert_eq!((refused.class(), refused.sentence().contains("is being removed")), (Class::Conflict, true));
    let admin = house.admin();
    assert!(admin.get(&format!("/environments/{env}")).text().contains("This environment is being removed"));
    admin.post(&format!("/admin/environments/{env}"), &[]).is(409);
}
