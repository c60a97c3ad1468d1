//! Two tenants with one of each thing, a server, and a signed-in browser for everybody.

use crate::support::app::{Installation, Things};
use crate::support::digest::{Digest, sqlite};
use crate::support::http::{Events, Reply, form, http};
use rusqlite::Connection;
use sitekeep::app::access::Actor;
use sitekeep::app::accounts;
use sitekeep::base::chance;
use sitekeep::base::password;
use sitekeep::base::secret::Secret;
use sitekeep::base::sql::Kind;
use sitekeep::db;
use sitekeep::domain::ids::{AccountId, EnvironmentId, TenantId};
use sitekeep::domain::rights::Role;
use sitekeep::web::Stop;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::runtime::Runtime;
use tokio::sync::watch;

pub const PASSWORD: &str = "correct horse battery";
/// Members of `acme`; `stranger` owns the other tenant; `administrator` is a member of none.
pub const PEOPLE: [&str; 5] = ["viewer", "developer", "owner", "stranger", "administrator"];
/// Stands in everything of the other tenant that has words.
pub const CANARY: &str = "canary7";

pub struct World {
    pub at: Installation,
    pub address: SocketAddr,
    pub acme: TenantId,
    /// Of the stranger; its name begins with the canary.
    pub other: TenantId,
    pub shop: EnvironmentId,
    pub foreign: EnvironmentId,
    pub actors: BTreeMap<&'static str, Actor>,
    cookies: BTreeMap<&'static str, String>,
    pub stop: watch::Sender<bool>,
    pub runtime: Runtime,
}

impl World {
    pub fn new() -> Self {
        Self::at("http://sitekeep.test")
    }

    /// One whose address for the public is this.
    pub fn at(public_url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (at, acme, other, shop, foreign, actors) = runtime.block_on(furnished(public_url));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let router = sitekeep::web::router_until(at.app.clone(), Stop::new(stopped));
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        runtime.spawn(async move { axum::serve(listener, service).await });
        let mut world = Self { at, address, acme, other, shop, foreign, actors, cookies: BTreeMap::new(), stop, runtime };
        for who in PEOPLE.into_iter().chain(["disabled"]) {
            let cookie = world.sign_in(&world.actors[who].email);
            world.cookies.insert(who, cookie);
        }
        let disabled = world.actors["disabled"].account.clone();
        world.db().execute("update accounts set state = 'disabled' where id = ?1", [disabled.as_str()]).unwrap();
        world
    }

    /// The catalogue, for a test that changes it behind the product's back.
    pub fn db(&self) -> Connection {
        let db = Connection::open(self.at.scratch.join("catalogue.db")).unwrap();
        db.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        db
    }
    /// Everything that the catalogue holds.
    pub fn catalogue(&self) -> Digest {
        sqlite(&self.at.scratch.join("catalogue.db"))
    }
    pub fn things(&self, like: &EnvironmentId) -> Things {
        self.runtime.block_on(self.at.things(like))
    }

    /// A new session; `name=value` of its cookie.
    #[track_caller]
    pub fn sign_in(&self, email: &str) -> String {
        let body = form(&[("email", email), ("password", PASSWORD), ("next", "/")]);
        let reply = self.send("POST", "/signin", &[SAME, FORM], &body);
        assert_eq!((reply.status, reply.location()), (303, "/"), "{email}: {}", reply.body);
        reply.cookie().expect("a session has a cookie")
    }
    /// Nobody's is empty.
    pub fn cookie(&self, who: &str) -> &str {
        self.cookies.get(who).map_or("", String::as_str)
    }

    #[track_caller]
    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        http(self.address, method, target, headers, body)
    }
    #[track_caller]
    pub fn get(&self, who: &str, path: &str) -> Reply {
        self.with(self.cookie(who), "GET", path, "")
    }
    /// Sends a form from a page of ours.
    #[track_caller]
    pub fn post(&self, who: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.with(self.cookie(who), "POST", path, &form(fields))
    }
    #[track_caller]
    pub fn ask(&self, who: &str, method: &str, path: &str, body: &str) -> Reply {
        self.with(self.cookie(who), method, path, body)
    }
    #[track_caller]
    pub fn with(&self, cookie: &str, method: &str, path: &str, body: &str) -> Reply {
        let mut headers = vec![SAME, FORM];
        if !cookie.is_empty() {
            headers.push(("Cookie", cookie));
        }
        self.send(method, path, &headers, body)
    }
    /// What a page follows while it is open.
    #[track_caller]
    pub fn follow(&self, who: &str, topic: &str) -> Events {
        Events::open(self.address, &format!("/events?of={topic}"), &[SAME, ("Cookie", self.cookie(who))])
    }
    /// The sentence that the next page shows after an act.
    #[track_caller]
    pub fn told(&self, who: &str) -> String {
        let page = self.get(who, "/jobs?state=cancelled").body;
        let note = page.split("<main").nth(1).unwrap_or_default().split("<h1").next().unwrap_or_default();
        note.split("<span>").nth(1).unwrap_or_default().split('<').next().unwrap_or_default().to_owned()
    }
}

pub const SAME: (&str, &str) = ("Sec-Fetch-Site", "same-origin");
pub const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

type Furnished = (Installation, TenantId, TenantId, EnvironmentId, EnvironmentId, BTreeMap<&'static str, Actor>);

async fn furnished(public_url: &str) -> Furnished {
    let mut at = Installation::new(Kind::Sqlite).await;
    public_url.clone_into(&mut at.app.public_url);
    let names = [CANARY, "-tenant"].concat();
    let (acme, other) = (at.tenant("acme").await, at.tenant(&names).await);
    let shop = at.add_site("acme", "shop", "test").await;
    let foreign = at.add_site(&names, &format!("{CANARY}-site"), &format!("{CANARY}-env")).await;
    let mut actors = BTreeMap::from([("administrator", at.admin.clone())]);
    for (name, role) in [("viewer", Role::Viewer), ("developer", Role::Developer), ("owner", Role::Owner), ("disabled", Role::Owner)] {
        actors.insert(name, at.member(&format!("{name}@example.test"), &[(&acme, role)]).await);
    }
    actors.insert("stranger", at.member(&format!("{CANARY}@example.test"), &[(&other, Role::Owner)]).await);
    let hash = password::hash(&Secret::new(PASSWORD)).await.unwrap();
    let mut tx = at.app.pool.begin().await.unwrap();
    for actor in actors.values() {
        db::accounts::set_password(&mut tx, &actor.account, &hash).await.unwrap();
    }
    tx.commit().await.unwrap();
    (at, acme, other, shop, foreign, actors)
}

/// Puts a word wherever a site, its owner or its machine can put words: notes, names of files, messages, logs.
pub fn mark(world: &World, things: &Things, word: &str) {
    let db = world.db();
    let manifest = serde_json::json!({
        "left_out": [{ "path": format!("left/{word}"), "why": word }], "structure_only": [word], "tool": word,
        "server_version": word, "git": { "commit": "0123abc", "tag": word }, "warnings": [word],
    });
    let problems = serde_json::json!([{ "path": format!("files/{word}"), "reason": word }]);
    let backups = [things.backup.as_str(), things.bare.as_str()];
    for id in backups {
        let text = "update backups set note = ?2, initiator = ?2, message = ?2, hint = ?2, job_id = ?3 where id = ?1";
        assert_eq!(db.execute(text, [id, word, things.job.as_str()]).unwrap(), 1);
        let text = "update backup_elements set manifest = ?2, problems = ?3 where backup_id = ?1";
        assert_eq!(db.execute(text, [id, &manifest.to_string(), &problems.to_string()]).unwrap(), 1);
    }
    let text = "update restores set note = ?2, initiator = ?2, message = ?2, hint = ?2, job_id = ?3 where id = ?1";
    assert_eq!(db.execute(text, [things.restore.as_str(), word, things.job.as_str()]).unwrap(), 1);
    let evidence = serde_json::json!({
        "findings": [{ "fault": "tables", "message": word }], "not_drilled": [word],
        "database": { "engine": word, "server": word, "server_version": word, "charset": word, "tables": [{ "name": word, "expected": 1, "found": null }] },
        "boot": { "succeeded": false, "how": word, "output": word, "took": 1 },
    });
    let text = "update drills set state = 'failed', fault = 'tables', initiator = ?2, message = ?2, hint = ?2, evidence = ?3, job_id = ?4 where id = ?1";
    let values = rusqlite::params![things.drill.as_str(), word, evidence.to_string(), things.job.as_str()];
    assert_eq!(db.execute(text, values).unwrap(), 1);
    let tenant: String = db.query_row("select tenant_id from restores where id = ?1", [things.restore.as_str()], |r| r.get(0)).unwrap();
    let text = "insert or replace into restore_steps (tenant_id, restore_id, position, name, state, journal, message) values (?1, ?2, 0, 'preflight', 'done', '{}', ?3)";
    db.execute(text, [&tenant, things.restore.as_str(), word]).unwrap();
    let text = "update jobs set phase = ?2, blocked_on = ?2, message = ?2, hint = ?2 where id = ?1";
    assert_eq!(db.execute(text, [things.job.as_str(), word]).unwrap(), 1);
    let text =
        "insert or replace into task_log (tenant_id, job_id, number, attempt, at, level, line) values (?1, ?2, 1, 1, 0, 'warning', ?3)";
    db.execute(text, [&tenant, things.job.as_str(), word]).unwrap();
    let owner = if tenant == world.acme.0 { "owner" } else { "stranger" };
    let owner = world.actors[owner].account.as_str();
    db.execute("update accounts set name = ?2 where id = ?1", [owner, word]).unwrap();
    db.execute("update sessions set agent = ?2, address = ?2 where account_id = ?1", [owner, word]).unwrap();
    let text = "insert or replace into activity (id, tenant_id, at, account_id, actor, action, object, detail, address)
                values ('act_' || ?1, ?1, 9e12, null, ?2, ?2, ?2, ?2, ?2)";
    db.execute(text, [&*tenant, word]).unwrap();
    let text = "update downloads set initiator = ?2, message = ?2, hint = ?2 where id = ?1";
    assert_eq!(db.execute(text, [things.download.as_str(), word]).unwrap(), 1);
    let text = "update archives set sha256 = ?2 where id = ?1";
    assert_eq!(db.execute(text, [things.archive.as_str(), word]).unwrap(), 1);
    let text = "update download_links set created_by_email = ?2 where id = ?1";
    assert_eq!(db.execute(text, [things.link.as_str(), word]).unwrap(), 1);
}

/// A page without what differs in every answer: the id of an error, and the key of a form.
pub fn steady(body: &str) -> String {
    let mut text = blank(body, "Reference <code>", "</code>");
    text = blank(&text, "name=\"key\" value=\"", "\"");
    text
}

fn blank(text: &str, before: &str, after: &str) -> String {
    let mut parts = text.split(before);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(before);
        out.push_str(part.find(after).map_or(part, |at| &part[at..]));
    }
    out
}

/// A token of an account, for the lists of ids.
pub async fn token_id(world: &World, who: &AccountId) -> String {
    let now = world.at.app.pool.now().await.unwrap();
    let mut tx = world.at.app.pool.begin().await.unwrap();
    accounts::insert_token(&mut tx, now, who, None, &chance::word(5), &sitekeep::domain::rights::Scope::all(), 1).await.unwrap();
    tx.commit().await.unwrap();
    let db = world.db();
    db.query_row("select id from api_tokens where account_id = ?1", [who.as_str()], |r| r.get(0)).unwrap()
}
