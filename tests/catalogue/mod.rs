//! The catalogue on both of its databases: every statement, every verb of the product, every key; and the server itself
//! on PostgreSQL, alone and with workers beside it.

mod admin;
mod alarms;
mod copies;
mod dashboard;
mod downloads;
mod drills;
mod letters;
mod links;
mod members;
mod recovery;
mod retention;
mod schedules;
mod sessions;
mod signing_in;

use crate::support::app::{Installation, Things, actor, backup_row, restore_row, step_row};
use crate::support::panel::{Panel, TENANT};
use crate::support::postgres::Postgres;
use crate::support::sqlite_site::SqliteSite;
use crate::support::{digest, wait_for, write};
use sitekeep::app::access::Actor;
use sitekeep::app::accounts::{CreateAccount, CreateToken};
use sitekeep::app::attempt::{Attempt, Ended};
use sitekeep::app::{accounts, backups, environments, jobs, restores, servers, sites, tenants};
use sitekeep::base::clock::Millis;
use sitekeep::base::error::Class;
use sitekeep::base::secret::Secret;
use sitekeep::base::sql::{Conn, Kind};
use sitekeep::base::watch::Watch;
use sitekeep::db;
use sitekeep::db::alarms::NewAlarm;
use sitekeep::db::backups::Narrow;
use sitekeep::domain::alarm::Cause;
use sitekeep::domain::element::Element;
use sitekeep::domain::ids::{
    AccountId, AlarmId, BackupId, EnvironmentId, JobId, RepositoryId, RestoreId, ServerId, SiteId, TenantId, TokenId,
};
use sitekeep::domain::rights::Role;
use sitekeep::domain::schedule::SlotState;
use sitekeep::domain::state::{BackupState, RestoreState, StepState};
use sitekeep::domain::view::{AddServer, CreateBackup, CreateRestore};
use sitekeep::queue;
use sqlx::{AssertSqlSafe, Row};
use std::time::Duration;

/// Runs a test on SQLite and then on PostgreSQL.
pub fn on_both(test: impl AsyncFn(Installation)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for kind in [Kind::Sqlite, Kind::Postgres] {
        eprintln!("on {kind:?}");
        runtime.block_on(async { test(Installation::new(kind).await).await });
    }
}

/// The Rust files of a directory of the repository: name without ending, and text.
fn texts(dir: &str) -> Vec<(String, String)> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    let name = |path: &std::path::Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    let paths = std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    paths.map(|path| (name(&path), std::fs::read_to_string(&path).unwrap())).collect()
}

/// Every function of `src/db`, by its noun.
fn statements() -> Vec<String> {
    let mut all = Vec::new();
    for (noun, text) in texts("src/db") {
        let names = text.lines().filter_map(|l| l.strip_prefix("pub async fn ")).filter_map(|l| l.split('(').next());
        all.extend(names.map(|name| format!("db::{noun}::{name}(")));
    }
    all
}

#[test]
fn every_statement_of_the_product_is_run_in_these_files() {
    let all = statements();
    assert!(all.len() > 40, "{all:?}");
    let here: String = texts("tests/catalogue").into_iter().map(|(_, text)| text).collect();
    let missing: Vec<_> = all.iter().filter(|s| !here.contains(s.as_str())).collect();
    assert!(missing.is_empty(), "run these on both databases, too: {missing:?}");
}

#[test]
fn migrations_run_again_change_nothing() {
    on_both(async |at| {
        let tenant = at.tenant("acme").await;
        at.app.pool.migrate().await.unwrap();
        let again = sitekeep::base::sql::Pool::connect(&at.url, 1, sitekeep::base::clock::Clock::system()).await.unwrap();
        again.migrate().await.unwrap();
        assert!(db::tenants::find(&mut again.get().await.unwrap(), &tenant).await.unwrap().is_some());
    });
}

#[test]
fn tenants_accounts_tokens_and_members_are_kept_and_found() {
    on_both(async |at| {
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let conn: &mut Conn = &mut tx;
        let (acme, bolt, ann) = (TenantId::fresh(), TenantId::fresh(), AccountId::fresh());
        db::tenants::insert(conn, now, &acme, "acme").await.unwrap();
        db::tenants::insert(conn, now, &bolt, "bolt").await.unwrap();
        assert_eq!(db::tenants::find(conn, &acme).await.unwrap().unwrap().name, "acme");
        assert_eq!(db::tenants::find_named(conn, "bolt").await.unwrap().unwrap().id, bolt.0);
        assert!(db::tenants::find_named(conn, "ACME").await.unwrap().is_none());
        let names: Vec<_> = db::tenants::list(conn).await.unwrap().into_iter().map(|t| t.name).collect();
        assert_eq!(names, ["acme", "bolt"]);
        assert!(db::tenants::set_state(conn, &bolt, "suspended").await.unwrap());
        assert!(!db::tenants::find(conn, &bolt).await.unwrap().unwrap().is_active());
        assert!(!db::tenants::set_state(conn, &TenantId::fresh(), "active").await.unwrap());
        db::accounts::insert(conn, now, &ann, "Ann@example.test", true).await.unwrap();
        assert_eq!(db::accounts::find(conn, &ann).await.unwrap().unwrap().administrator, 1);
        assert_eq!(db::accounts::find_by_email(conn, "Ann@example.test").await.unwrap().unwrap().id, ann.0);
        db::tenants::set_member(conn, now, &acme, &ann, Role::Viewer).await.unwrap();
        db::tenants::set_member(conn, now, &acme, &ann, Role::Owner).await.unwrap();
        assert_eq!(db::tenants::role(conn, &acme, &ann).await.unwrap(), Some(Role::Owner));
        assert_eq!(db::tenants::role(conn, &bolt, &ann).await.unwrap(), None);
        let standing = db::tenants::standing(conn, &acme, &ann).await.unwrap().unwrap();
        assert_eq!((standing.state.as_str(), standing.role.as_deref()), ("active", Some("owner")));
        let standing = db::tenants::standing(conn, &bolt, &ann).await.unwrap().unwrap();
        assert_eq!((standing.state.as_str(), standing.role), ("suspended", None));
        assert!(db::tenants::standing(conn, &TenantId::fresh(), &ann).await.unwrap().is_none());
        assert_eq!(db::tenants::of_account(conn, &ann).await.unwrap().len(), 1);
        let token = db::accounts::NewToken {
            id: TokenId::fresh(),
            account: ann.clone(),
            tenant: None,
            label: "laptop ü".into(),
            secret_hash: Secret::new("skt_x").sha256(),
            scope: "all".into(),
            expires_at: now.plus(1000),
        };
        db::accounts::insert_token(conn, now, &token).await.unwrap();
        let hash = token.secret_hash.as_str();
        let bearer = db::accounts::find_bearer(conn, now, hash).await.unwrap().unwrap();
        assert_eq!((bearer.email.as_str(), bearer.tenant_id, bearer.last_used_at), ("Ann@example.test", None, None));
        db::accounts::touch_token(conn, now, &token.id).await.unwrap();
        assert_eq!(db::accounts::find_bearer(conn, now, hash).await.unwrap().unwrap().last_used_at, Some(now.0));
        assert!(db::accounts::find_bearer(conn, now.plus(1000), hash).await.unwrap().is_none(), "expired");
        assert!(db::accounts::revoke_token(conn, now, &token.id).await.unwrap());
        assert!(!db::accounts::revoke_token(conn, now, &token.id).await.unwrap());
        assert!(db::accounts::find_bearer(conn, now, hash).await.unwrap().is_none(), "revoked");
        assert!(db::tenants::remove_member(conn, &acme, &ann).await.unwrap());
        assert!(!db::tenants::remove_member(conn, &acme, &ann).await.unwrap());
        tx.commit().await.unwrap();
        // A name that is taken is a conflict, whichever database says so.
        let mut tx = at.app.pool.begin().await.unwrap();
        assert_eq!(db::tenants::insert(&mut tx, now, &TenantId::fresh(), "acme").await.unwrap_err().class(), Class::Conflict);
    });
}

#[test]
fn servers_sites_repositories_environments_and_acts_are_kept_and_found() {
    on_both(async |at| {
        let (acme, bolt) = (at.tenant("acme").await, at.tenant("bolt").await);
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let conn: &mut Conn = &mut tx;
        let server = db::servers::Server {
            id: ServerId::fresh().0,
            name: "main".into(),
            address: "{}".into(),
            password_sealed: vec![0, 255, 10, 92],
            version: "15".into(),
            for_drills: 0,
            created_at: now.0,
        };
        db::servers::insert(conn, now, &server).await.unwrap();
        assert_eq!(db::servers::find(conn, &server.id).await.unwrap().unwrap().password_sealed, server.password_sealed);
        assert_eq!(db::servers::find_named(conn, "main").await.unwrap().unwrap().id, server.id);
        assert_eq!(db::servers::list(conn).await.unwrap().len(), 1);
        let (site, id) = (SiteId::fresh(), EnvironmentId::fresh());
        db::sites::insert(conn, now, &site, &acme, "shop").await.unwrap();
        assert_eq!(db::sites::find_named(conn, &acme, "shop").await.unwrap().unwrap().id, site.0);
        assert!(db::sites::find_named(conn, &bolt, "shop").await.unwrap().is_none());
        assert_eq!(db::sites::of_tenant(conn, &acme).await.unwrap().len(), 1);
        let repository = db::sites::Repository {
            id: RepositoryId::fresh().0,
            tenant_id: acme.0.clone(),
            site_id: site.0.clone(),
            location: "file:///x".into(),
            password_sealed: vec![1],
            master_key_sealed: vec![0; 3],
        };
        db::sites::insert_repository(conn, now, &repository).await.unwrap();
        assert_eq!(db::sites::repository(conn, &acme, &site).await.unwrap().unwrap().master_key_sealed, [0; 3]);
        assert!(db::sites::repository(conn, &bolt, &site).await.unwrap().is_none());
        let env = db::environments::Environment {
            id: id.0.clone(),
            tenant_id: acme.0.clone(),
            tenant: "acme".into(),
            site_id: site.0.clone(),
            site: "shop".into(),
            name: "live".into(),
            definition: "{\"a\": \"ü\"}".into(),
            password_sealed: None,
            server_id: Some(server.id.clone()),
            state: "active".into(),
            created_at: now.0,
        };
        db::environments::insert(conn, now, &env).await.unwrap();
        let found = db::environments::find(conn, &id).await.unwrap().unwrap();
        assert_eq!((found.tenant.as_str(), found.site.as_str(), found.password_sealed), ("acme", "shop", None));
        assert_eq!(db::environments::named(conn, "shop", "live").await.unwrap().len(), 1);
        assert_eq!(db::environments::of_tenant(conn, &acme).await.unwrap().len(), 1);
        assert_eq!(db::environments::of_site(conn, &acme, &site).await.unwrap().len(), 1);
        assert!(db::environments::of_site(conn, &bolt, &site).await.unwrap().is_empty());
        assert!(db::environments::set_database(conn, &acme, &id, "{}", Some(vec![7, 0])).await.unwrap());
        assert!(!db::environments::set_database(conn, &bolt, &id, "{\"stolen\": 1}", None).await.unwrap(), "another tenant's");
        assert_eq!(db::environments::find(conn, &id).await.unwrap().unwrap().password_sealed, Some(vec![7, 0]));
        for (n, tenant) in [(1, Some(&acme)), (2, Some(&acme)), (3, None)] {
            let act = db::activity::Act { tenant, account: None, actor: "test", action: "x", object: "o", detail: "d", address: "" };
            db::activity::record(conn, now.plus(n), &act).await.unwrap();
        }
        let acts = db::activity::newest(conn, &acme, 2).await.unwrap();
        assert_eq!(acts.iter().map(|a| a.at - now.0).collect::<Vec<_>>(), [2, 1]);
    });
}

#[test]
fn backups_restores_and_their_journal_are_kept_and_a_final_state_stays() {
    on_both(async |at| {
        let acme = at.tenant("acme").await;
        let id = at.add_site("acme", "shop", "test").await;
        at.confirm_key(&id).await;
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let conn: &mut Conn = &mut tx;
        let env = db::environments::find(conn, &id).await.unwrap().unwrap();
        let row = backup_row(&env, now);
        let backup = BackupId(row.id.clone());
        db::backups::insert(conn, &row, &[Element::Code, Element::Files]).await.unwrap();
        db::backups::set_job(conn, &acme, &backup, "job_x").await.unwrap();
        db::backups::started(conn, now, &acme, &backup).await.unwrap();
        db::backups::set_note(conn, &acme, &backup, Some("a note")).await.unwrap();
        db::backups::set_pinned(conn, &acme, &backup, true).await.unwrap();
        let mut code = db::backups::elements(conn, &acme, &backup).await.unwrap().remove(0);
        (code.state, code.snapshot, code.size) = ("succeeded".into(), Some("abc".into()), 5_000_000_000);
        db::backups::set_element(conn, &code).await.unwrap();
        let card = db::environments::card(conn, now, &id).await.unwrap().unwrap();
        assert_eq!((card.health.as_str(), card.last_good_id), ("unprotected", None));
        assert!(db::backups::ended(conn, now.plus(5), &acme, &backup, BackupState::Succeeded, None).await.unwrap());
        let message = Some(("why".to_owned(), None));
        assert!(!db::backups::ended(conn, now, &acme, &backup, BackupState::Failed, message).await.unwrap(), "it ended before");
        db::backups::started(conn, now, &acme, &backup).await.unwrap();
        let found = db::backups::find(conn, &backup).await.unwrap().unwrap();
        assert_eq!((found.state.as_str(), found.note.as_deref(), found.pinned), ("succeeded", Some("a note"), 1));
        let card = db::environments::card(conn, now, &id).await.unwrap().unwrap();
        assert_eq!((card.health.as_str(), card.last_good_id.as_deref()), ("protected", Some(row.id.as_str())));
        assert_eq!((card.last_good_size, card.last_proven_at), (Some(5_000_000_000), Some(now.0 + 5)));
        let elements = db::backups::elements(conn, &acme, &backup).await.unwrap();
        assert_eq!(elements.iter().map(|e| (e.state.as_str(), e.size)).collect::<Vec<_>>(), [("succeeded", 5_000_000_000), ("failed", 0)]);
        db::backups::reopened(conn, &acme, &backup).await.unwrap();
        assert_eq!(db::backups::log(conn, &acme, &id, &Narrow::default(), None, 10).await.unwrap()[0].state, "running");

        let row = restore_row(&env, &backup.0, now);
        let restore = RestoreId(row.id.clone());
        let step = step_row(&row);
        db::restores::insert(conn, &row, std::slice::from_ref(&step)).await.unwrap();
        db::restores::set_job(conn, &acme, &restore, "job_y").await.unwrap();
        db::restores::set_state(conn, now, &acme, &restore, RestoreState::Running).await.unwrap();
        let changed = db::restores::Step { secret_sealed: Some(vec![0, 1]), message: Some("m".into()), ..step };
        db::restores::set_step(conn, now, &changed, StepState::Started).await.unwrap();
        assert_eq!(db::restores::steps(conn, &acme, &restore).await.unwrap()[0].finished_at, None);
        db::restores::set_step(conn, now.plus(3), &changed, StepState::Done).await.unwrap();
        let step = db::restores::steps(conn, &acme, &restore).await.unwrap().remove(0);
        assert_eq!((step.started_at, step.finished_at, step.secret_sealed), (Some(now.0), Some(now.0 + 3), Some(vec![0, 1])));
        db::restores::set_safety_backup(conn, &acme, &restore, &backup).await.unwrap();
        db::restores::set_message(conn, &acme, &restore, "first", None).await.unwrap();
        db::restores::set_message(conn, &acme, &restore, "second", Some("hint")).await.unwrap();
        assert!(db::restores::ended(conn, now, &acme, &restore, RestoreState::Stuck, None).await.unwrap());
        db::restores::set_state(conn, now, &acme, &restore, RestoreState::Running).await.unwrap();
        let found = db::restores::find(conn, &restore).await.unwrap().unwrap();
        assert_eq!((found.state.as_str(), found.message.as_deref(), found.hint.as_deref()), ("stuck", Some("first"), Some("hint")));
        db::restores::set_hint(conn, &acme, &restore, "another").await.unwrap();
        db::restores::go_back(conn, &acme, &restore, "job_z").await.unwrap();
        let found = db::restores::find(conn, &restore).await.unwrap().unwrap();
        assert_eq!((found.state.as_str(), found.hint, found.job_id.as_deref()), ("unwinding", None, Some("job_z")));
        assert!(db::restores::ended(conn, now, &acme, &restore, RestoreState::Succeeded, Some(now.plus(9))).await.unwrap());
        assert_eq!(db::restores::log(conn, &acme, &id, 5).await.unwrap()[0].undo_until, Some(now.0 + 9));
        db::restores::aside_gone(conn, &acme, &restore, None).await.unwrap();
        db::restores::aside_gone(conn, &acme, &restore, Some(&restore)).await.unwrap();
        db::restores::aside_gone(conn, &acme, &restore, None).await.unwrap();
        let found = db::restores::find(conn, &restore).await.unwrap().unwrap();
        assert_eq!((found.undo_until, found.undone_by), (None, Some(restore.0.clone())));
        // Two restores of one environment at once: the database itself says no.
        db::restores::insert(conn, &restore_row(&env, &backup.0, now), &[]).await.unwrap();
        let second = db::restores::insert(conn, &restore_row(&env, &backup.0, now), &[]).await;
        assert_eq!(second.unwrap_err().class(), Class::Conflict);
    });
}

#[test]
fn pages_of_the_log_hold_each_backup_once_though_all_were_made_in_one_moment() {
    on_both(async |at| {
        at.tenant("acme").await;
        let id = at.add_site("acme", "shop", "test").await;
        let (now, mut tx) = (Millis(1_795_230_000_000), at.app.pool.begin().await.unwrap());
        let env = db::environments::find(&mut tx, &id).await.unwrap().unwrap();
        for n in 0..25 {
            // Five moments, five backups in each.
            let row = backup_row(&env, now.plus(n / 5));
            db::backups::insert(&mut tx, &row, &[Element::Code]).await.unwrap();
        }
        tx.commit().await.unwrap();
        let whole = backups::log(&at.app, &at.admin, &id, None, 500).await.unwrap();
        assert_eq!(whole.len(), 25);
        assert!(whole.is_sorted_by(|a, b| a.created >= b.created));
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let page = backups::log(&at.app, &at.admin, &id, after.as_ref(), 4).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(BackupId(last.id.clone()));
            paged.extend(page);
        }
        let ids = |all: &[sitekeep::domain::view::Backup]| all.iter().map(|b| b.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&paged), ids(&whole));
    });
}

#[test]
fn the_verbs_of_an_administrator_work() {
    on_both(async |at| {
        let (app, admin) = (&at.app, &at.admin);
        at.tenant("acme").await;
        assert_eq!(tenants::create(app, admin, "acme").await.unwrap_err().class(), Class::Conflict);
        let new = |email: &str, role: &str| CreateAccount {
            email: email.into(),
            administrator: false,
            tenant: Some("acme".into()),
            role: Some(role.into()),
        };
        let id = accounts::create(app, admin, &new("ann@example.test", "viewer")).await.unwrap();
        assert_eq!(
            accounts::create(app, admin, &new("ann@example.test", "owner")).await.unwrap(),
            id,
            "an account that exists becomes a member"
        );
        let token = CreateToken { account: Some("ann@example.test".into()), label: "l".into(), tenant: None, scope: "all".into(), days: 1 };
        let secret = accounts::create_token(app, admin, &token).await.unwrap();
        let ann = sitekeep::app::access::authenticate(app, &secret, "192.0.2.7").await.unwrap();
        let me = accounts::whoami(app, &ann).await.unwrap();
        assert_eq!((me.account.as_str(), me.tenants["acme"].as_str()), ("ann@example.test", "owner"));
        let postgres = Postgres::shared();
        let login = &postgres.administrator;
        let server = || AddServer {
            name: "main".into(),
            engine: "postgres".into(),
            host: None,
            port: Some(postgres.port),
            socket: None,
            user: login.user.clone(),
            password: login.password.clone(),
            for_drills: false,
        };
        servers::add(app, admin, server()).await.unwrap();
        assert_eq!(servers::add(app, admin, server()).await.unwrap_err().class(), Class::Conflict);
        assert_eq!(servers::list(app, admin).await.unwrap()[0].name, "main");
        let id = at.add_site("acme", "shop", "test").await;
        let again = sites::add(app, admin, at.wish("acme", "shop", "test")).await.unwrap_err();
        assert_eq!((again.class(), again.sentence().contains("acme/shop.test")), (Class::Conflict, true), "{again}");
        at.add_site("acme", "shop", "dev").await;
        // Two people add a new site at once: one of them is told, in words.
        let (one, other) = tokio::join!(
            sites::add(app, admin, at.wish("acme", "forge", "live")),
            sites::add(app, admin, at.wish("acme", "forge", "test"))
        );
        let late = one.err().or(other.err());
        assert!(late.as_ref().is_none_or(|e| e.sentence().contains("just now")), "{late:?}");
        let listed = sites::list(app, &ann).await.unwrap();
        assert_eq!(listed.iter().map(|s| s.environments.len()).collect::<Vec<_>>(), [if late.is_some() { 1 } else { 2 }, 2]);
        assert_eq!(environments::named(app, &ann, "shop.test").await.unwrap().id, id.0);
        assert_eq!(environments::find(app, &ann, &id).await.unwrap().name, "test");
        assert!(environments::examine(app, &id).await.unwrap().contains("no database"));
        let acts = db::activity::newest(&mut app.pool.get().await.unwrap(), &tenant(&at, "acme").await, 10).await.unwrap();
        assert!(acts.iter().any(|a| a.action == "environment.add" && a.detail == "acme/shop.dev"), "{acts:?}");
    });
}

async fn tenant(at: &Installation, name: &str) -> TenantId {
    let mut conn = at.app.pool.get().await.unwrap();
    TenantId(db::tenants::find_named(&mut conn, name).await.unwrap().unwrap().id)
}

/// Claims the next job and runs it here to its end.
pub async fn work(at: &Installation) -> String {
    let claimed = queue::claim(&at.app.pool, "here", &at.app.queue).await.unwrap().expect("there is something to do");
    let attempt = Attempt::new(at.app.clone(), claimed.lease, Watch::new());
    let ended = sitekeep::jobs::run(&attempt, &claimed.job.kind, &claimed.job.subject).await.unwrap();
    assert_eq!(ended, Ended::Finished);
    claimed.job.id.0
}

#[test]
fn a_backup_a_restore_its_undo_and_what_follows_work_from_the_first_row_to_the_last() {
    on_both(async |at| {
        at.tenant("acme").await;
        let id = at.add_site("acme", "shop", "test").await;
        let app = &at.app;
        let owner = at.member("owner@example.test", &[(&tenant(&at, "acme").await, Role::Owner)]).await;
        let wish = CreateBackup { element: Some("all".into()), note: Some(" Before ".into()), keep_for: Some(30) };
        let (first, fresh) = backups::create(app, &owner, &id, &wish, Some("key".into())).await.unwrap();
        let (same, again) = backups::create(app, &owner, &id, &wish, None).await.unwrap();
        assert_eq!((fresh, again, &same.id), (true, false, &first.id), "one waits at a time");
        assert_eq!(work(&at).await, first.job.clone().unwrap());
        let (same, again) = backups::create(app, &owner, &id, &wish, Some("key".into())).await.unwrap();
        assert_eq!((again, &same.id), (false, &first.id), "the same request again");
        let backup = BackupId(first.id.clone());
        let made = backups::find(app, &owner, &backup).await.unwrap();
        assert_eq!((made.state, made.reason.as_str(), made.elements.len()), (BackupState::Succeeded, "Before", 2), "{made:?}");
        let reading = backups::verify(app, &owner, &backup).await.unwrap();
        assert_eq!(backups::verify(app, &owner, &backup).await.unwrap().id, reading.id, "it waits already");
        assert_eq!(work(&at).await, reading.id);
        let read = jobs::find(app, &owner, &JobId(reading.id)).await.unwrap();
        assert!(read.state == "succeeded" && read.message.as_deref().is_some_and(|m| m.ends_with("read back whole")), "{read:?}");
        let edit = backups::Edit { note: Some("Kept".into()), pinned: Some(true) };
        assert!(backups::edit(app, &owner, &backup, &edit).await.unwrap().pinned);
        let job = JobId(first.job.unwrap());
        assert_eq!(jobs::find(app, &owner, &job).await.unwrap().state, "succeeded");
        let lines = jobs::log(app, &owner, &job, 0).await.unwrap();
        assert!(lines.len() > 3 && jobs::log(app, &owner, &job, lines[1].number).await.unwrap().len() == lines.len() - 2);

        let root = at.directory();
        let healthy = digest::files(&root).only(|n| n != ".");
        write(root.join("index.html"), "closed");
        let damaged = digest::files(&root).only(|n| n != ".");
        let wish = CreateRestore { dry_run: true, ..CreateRestore::default() };
        assert!(restores::create(app, &owner, &id, &wish, None).await.unwrap().restore.is_none());
        let wish = CreateRestore { note: Some("storm".into()), ..CreateRestore::default() };
        let restore = restores::create(app, &owner, &id, &wish, None).await.unwrap().restore.unwrap();
        assert_eq!(restores::create(app, &owner, &id, &wish, None).await.unwrap().restore.unwrap().id, restore.id);
        work(&at).await;
        let restore = RestoreId(restore.id);
        let done = restores::find(app, &owner, &restore).await.unwrap();
        assert_eq!(done.state, RestoreState::Succeeded, "{done:?}");
        healthy.assert_same(&digest::files(&root).only(|n| n != "."), "restored");
        let undo = restores::undo(app, &owner, &restore, None).await.unwrap();
        work(&at).await;
        assert_eq!(restores::find(app, &owner, &RestoreId(undo.id.clone())).await.unwrap().state, RestoreState::Succeeded);
        damaged.assert_same(&digest::files(&root).only(|n| n != "."), "undone");
        assert_eq!(restores::undo(app, &owner, &restore, None).await.unwrap_err().class(), Class::Conflict);
        assert_eq!(restores::log(app, &owner, &id).await.unwrap().len(), 2);

        let (waiting, _) = backups::create(app, &owner, &id, &CreateBackup::default(), None).await.unwrap();
        let cancelled = jobs::cancel(app, &owner, &JobId(waiting.job.unwrap())).await.unwrap();
        assert_eq!(cancelled.state, "cancelled");
        assert_eq!(backups::find(app, &owner, &BackupId(waiting.id)).await.unwrap().state, BackupState::Cancelled);
        let all = jobs::list(app, &owner, Some(&id), None).await.unwrap();
        assert!(all.iter().any(|j| j.kind == "drop_aside" && j.state == "queued"), "{all:?}");
        assert_eq!(jobs::list(app, &owner, Some(&id), Some("cancelled")).await.unwrap().len(), 1);
        let acts = db::activity::newest(&mut app.pool.get().await.unwrap(), &tenant(&at, "acme").await, 50).await.unwrap();
        for action in ["backup.create", "backup.edit", "restore.create", "restore.undo", "job.cancel"] {
            let one = acts.iter().find(|a| a.action == action).unwrap_or_else(|| panic!("{action} was not recorded"));
            assert_eq!(one.actor, "owner@example.test", "{action}");
        }
    });
}

/// A composite foreign key of the catalogue, as the database itself tells it.
#[derive(Debug)]
struct Key {
    table: String,
    to: String,
    /// Own column and the one it refers to, in order.
    columns: Vec<(String, String)>,
}

async fn keys(conn: &mut Conn, kind: Kind) -> Vec<Key> {
    let sql = match kind {
        Kind::Sqlite => {
            "select m.name || ':' || f.id, m.name, f.\"table\", f.\"from\", f.\"to\" from sqlite_schema m, pragma_foreign_key_list(m.name) f
             where m.type = 'table' order by 1, f.seq"
        }
        Kind::Postgres => {
            "select c.oid::text, c.conrelid::regclass::text, c.confrelid::regclass::text, a.attname::text, b.attname::text
             from pg_constraint c, unnest(c.conkey, c.confkey) with ordinality k(own, other, n), pg_attribute a, pg_attribute b
             where c.contype = 'f' and a.attrelid = c.conrelid and a.attnum = k.own and b.attrelid = c.confrelid and b.attnum = k.other
             order by 1, k.n"
        }
    };
    let mut keys: Vec<(String, Key)> = Vec::new();
    for row in sqlx::query(sql).fetch_all(conn).await.unwrap() {
        let [id, table, to, own, other] = [0, 1, 2, 3, 4].map(|i| row.get::<String, _>(i));
        match keys.last_mut().filter(|k| k.0 == id) {
            Some((_, key)) => key.columns.push((own, other)),
            None => keys.push((id, Key { table, to, columns: vec![(own, other)] })),
        }
    }
    keys.into_iter().map(|k| k.1).collect()
}

#[test]
fn no_row_can_point_across_tenants_whatever_it_points_to() {
    on_both(async |at| {
        let (acme, bolt) = (at.tenant("acme").await, at.tenant("bolt").await);
        let (shop, forge) = (at.add_site("acme", "shop", "test").await, at.add_site("bolt", "forge", "test").await);
        let (ours, theirs) = (at.things(&shop).await, at.things(&forge).await);
        // A line in each table that refers to another one.
        for (things, tenant) in [(&ours, &acme), (&theirs, &bolt)] {
            whole_history(&at, things, tenant).await;
        }
        let kind = at.app.pool.kind();
        let keys = keys(&mut at.app.pool.get().await.unwrap(), kind).await;
        let owned: Vec<&str> = keys.iter().filter(|k| k.columns.iter().any(|c| c.0 == "tenant_id")).map(|k| k.table.as_str()).collect();
        let composite: Vec<&Key> = keys.iter().filter(|k| k.columns.len() > 1).collect();
        for key in &keys {
            let guarded = key.columns.iter().any(|c| c.0 == "tenant_id" && (c.1 == "tenant_id" || key.to == "tenants"));
            assert!(guarded || !owned.contains(&key.to.as_str()), "{key:?} refers to a tenant's row without the tenant");
        }
        assert!(composite.len() >= 13, "{composite:?}");
        for key in composite {
            // Of the other columns one at a time would do; together they name a row that is really there, in the other tenant.
            let others: Vec<&(String, String)> = key.columns.iter().filter(|c| c.0 != "tenant_id").collect();
            let set = others.iter().map(|(own, to)| {
                let (parent, child) = (&key.to, &key.table);
                let theirs = format!("select min(p.{to}) from {parent} p where p.tenant_id = '{bolt}'");
                // Rather one that nothing refers to, so that no primary key answers first.
                let free = format!("{theirs} and not exists (select 1 from {child} c where c.{own} = p.{to})");
                format!("{own} = coalesce(({free}), ({theirs}))")
            });
            let set: Vec<String> = set.collect();
            let there = format!("select count(*) from {} where tenant_id = '{bolt}' and {} is not null", key.to, others[0].1);
            let sql = format!("update {} set {} where tenant_id = '{acme}'", key.table, set.join(", "));
            let mut tx = at.app.pool.begin().await.unwrap();
            let count: i64 = sqlx::query_scalar(AssertSqlSafe(there)).fetch_one(&mut *tx).await.unwrap();
            let rows: i64 = sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {} where tenant_id = '{acme}'", key.table)))
                .fetch_one(&mut *tx)
                .await
                .unwrap();
            assert!(count > 0 && rows > 0, "{key:?}: nothing to try it on");
            // One row, so that a unique key does not answer first.
            let one = match kind {
                Kind::Sqlite => format!("{sql} and rowid = (select min(rowid) from {} where tenant_id = '{acme}')", key.table),
                Kind::Postgres => format!("{sql} and ctid = (select min(ctid) from {} where tenant_id = '{acme}')", key.table),
            };
            let refused = sqlx::query(AssertSqlSafe(one)).execute(&mut *tx).await;
            let error = refused.expect_err(&format!("{key:?} let a row point across tenants"));
            assert!(error.as_database_error().is_some_and(|e| e.is_foreign_key_violation()), "{key:?}: {error}");
        }
    });
}

/// Rows in the tables that the things themselves leave empty.
async fn whole_history(at: &Installation, things: &Things, tenant: &TenantId) {
    let claimed = queue::claim(&at.app.pool, "here", &at.app.queue).await.unwrap().expect("the queued job");
    queue::log(&at.app.pool, &claimed.lease, queue::Level::Info, "a line").await.unwrap();
    let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
    let env = db::environments::find(&mut tx, &things.environment).await.unwrap().unwrap();
    let row = restore_row(&env, &things.backup.0, now);
    db::restores::insert(&mut tx, &row, &[step_row(&row)]).await.unwrap();
    let job = queue::NewJob {
        tenant: tenant.clone(),
        kind: "x".into(),
        subject: "x".into(),
        environment: None,
        class: queue::JobClass::Upkeep,
        needs: vec![queue::Need::shared(format!("need:{tenant}"))],
        unique: None,
        idempotency: None,
        run_at: Some(now.plus(Millis::DAY)),
        initiator: None,
    };
    queue::enqueue(&mut tx, now, job).await.unwrap();
    let slot = (tenant, &things.environment);
    db::schedules::settle(&mut tx, now, slot, now, SlotState::Queued, None, Some(&things.backup.0)).await.unwrap();
    let by = db::links::By { address: "192.0.2.1", agent: "wget" };
    db::links::begin_use(&mut tx, now, tenant, &things.link, &by, 0).await.unwrap();
    let alarm = NewAlarm {
        id: &AlarmId::fresh(),
        tenant,
        environment: &things.environment,
        cause: Cause::Overdue,
        message: "it is late",
        hint: None,
    };
    db::alarms::open(&mut tx, now, &alarm).await.unwrap();
    db::recipients::replace(&mut tx, tenant, &SiteId(env.site_id.clone()), &["ann@example.test".into()]).await.unwrap();
    let repository = db::space::repository(&mut tx, tenant, &SiteId(env.site_id.clone())).await.unwrap().unwrap();
    db::space::measured(&mut tx, now, tenant, &repository.id, 1).await.unwrap();
    tx.commit().await.unwrap();
    sitekeep::app::downloads::link_to(&at.app, &at.admin, &things.archive, Default::default()).await.unwrap();
}

#[test]
fn names_are_unique_among_what_one_may_see_only() {
    on_both(async |at| {
        let (acme, bolt) = (at.tenant("acme").await, at.tenant("bolt").await);
        let (one, other) = (at.add_site("acme", "shop", "live").await, at.add_site("bolt", "shop", "live").await);
        let ann: Actor = at.member("ann@example.test", &[(&acme, Role::Viewer)]).await;
        assert_eq!(environments::named(&at.app, &ann, "shop.live").await.unwrap().id, one.0);
        let both = at.member("both@example.test", &[(&acme, Role::Viewer), (&bolt, Role::Viewer)]).await;
        let e = environments::named(&at.app, &both, "shop.live").await.unwrap_err();
        assert_eq!((e.class(), e.hint_text().unwrap().contains("bolt/shop.live")), (Class::Invalid, true));
        assert_eq!(environments::named(&at.app, &both, "bolt/shop.live").await.unwrap().id, other.0);
        let nobody = actor(&at.app, "nobody@example.test", false).await;
        assert_eq!(environments::named(&at.app, &nobody, "shop.live").await.unwrap_err().class(), Class::NotFound);
    });
}

fn on_postgres(args: &[&str]) -> Panel {
    let url = Postgres::shared().create("panel").url("postgres");
    Panel::start_with(args, Some(&url), "{}")
}

#[test]
fn the_server_on_postgresql_backs_a_site_up_restores_it_and_takes_it_back() {
    let panel = on_postgres(&["serve"]);
    let site = SqliteSite::start();
    let (url, options) =
        (format!("{}/", site.url), ["--files", "media=media", "--database-engine", "sqlite", "--database-name", "data/notes.sqlite"]);
    panel.add_site("notes", "live", &site.root, &[&options[..], &["--site-url", &url, "--expect", "Note 6"]].concat());
    assert!(!panel.server.data.join("catalogue.db").exists(), "nothing is kept in SQLite");
    let (rows, page) = (site.rows(), site.page());
    panel.back_up("notes.live", &["--note", "ü — before"]);
    site.sql("delete from notes where id < 3");
    let damaged = site.rows();
    let restore = panel.must_restore("notes.live", &[]);
    rows.assert_same(&site.rows(), "restored");
    assert_eq!(site.page(), page);
    panel.must_undo(&restore.id, "notes.live");
    damaged.assert_same(&site.rows(), "undone");
    let (repository, password) = panel.repository("notes.live");
    crate::support::restic::Restic::open(&repository, &password).check();
    assert_eq!(panel.backups("notes.live").last().unwrap().reason, "ü — before");
}

#[test]
fn two_workers_beside_a_server_share_the_work_and_never_one_environment() {
    let panel = on_postgres(&["serve", "--no-worker"]);
    let site = SqliteSite::start();
    let names: Vec<String> = (1..=6).map(|n| format!("copy{n}")).collect();
    for name in &names {
        let root = site.scratch.join(name);
        crate::support::copy_tree(&site.root, &root);
        panel.add_site("notes", name, &root, &["--files", "media=media"]);
    }
    for name in &names {
        panel.must(&["backup:create", &format!("notes.{name}"), "--no-wait"]);
    }
    assert_eq!(panel.backups("notes.copy1")[0].state, BackupState::Queued, "the server itself does no work");
    let _workers = [panel.worker("one"), panel.worker("two")];
    // While they work, each environment is wanted again, and restored.
    let done = |name: &String| panel.backups(&format!("notes.{name}"))[0].state == BackupState::Succeeded;
    wait_for("the backups", Duration::from_secs(120), || names.iter().all(done));
    for name in &names {
        let name = format!("notes.{name}");
        panel.must(&["backup:create", &name, "--no-wait"]);
        panel.must(&["backup:restore", &name, "--yes", "--no-wait", "--element", "files"]);
    }
    let rested = || panel.get::<Vec<sitekeep::domain::view::Job>>("/jobs").iter().all(|j| j.kind == "drop_aside" || j.finished.is_some());
    wait_for("everything", Duration::from_secs(120), rested);
    for name in &names {
        assert_eq!(panel.last_restore(&format!("notes.{name}")).state, RestoreState::Succeeded);
    }
    for log in ["one", "two"] {
        let text = std::fs::read_to_string(panel.scratch.join(format!("{log}.log"))).unwrap();
        assert!(text.contains("begins"), "the worker {log} did nothing:\n{text}");
    }
    let url = std::fs::read_to_string(panel.scratch.join("database-url")).unwrap();
    let database = url.rsplit('/').next().unwrap();
    // Two attempts on one environment never overlap; the server's clock wrote the times.
    let overlap = "select count(*) from attempts a join jobs j on j.id = a.job_id join attempts b on true join jobs k on k.id = b.job_id
        where j.environment_id = k.environment_id and j.id < k.id and a.started_at < b.ended_at and b.started_at < a.ended_at";
    assert_eq!(Postgres::shared().sql(database, overlap).trim(), "0");
    assert_eq!(Postgres::shared().sql(database, "select count(*) from attempts where outcome <> 'succeeded'").trim(), "0");
    assert_eq!(panel.environment("notes.copy1").tenant, TENANT);
}
