//! What people do in the dashboard, done by a browser: real panels with real sites are started here, and `end2end/` does
//! the rest. Chromium comes from Debian, the rest of the tools by `npm ci`; both by `scripts/tools`.
//! `SITEKEEP_END2END="fleet --project=phone"` is handed to Playwright, for a part of it.

use crate::support::panel::Panel;
use crate::support::postgres::Postgres;
use crate::support::sqlite_site::SqliteSite;
use crate::support::{Running, Scratch, daemon, tool, write};
use serde_json::{Value, json};
use sitekeep::app::access::Actor;
use sitekeep::app::{App, Settings, downloads};
use sitekeep::base::clock::{Clock, Millis};
use sitekeep::base::secret::{Sealer, Secret};
use sitekeep::base::sql::{Kind, Pool};
use sitekeep::domain::element::Element;
use sitekeep::domain::ids::{AccountId, BackupId};
use sitekeep::domain::rights::Scope;
use sitekeep::engine::Location;
use sitekeep::{base, db, queue};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const EMAIL: &str = "admin@example.test";
const PASSWORD: &str = "an orchard of pears";

/// The projects of `end2end/playwright.config.mjs`, and where the catalogue of each is: on both databases people read with
/// scripts and without.
const FORMS: [(&str, Kind); 4] =
    [("desktop", Kind::Sqlite), ("phone", Kind::Postgres), ("desktop-plain", Kind::Postgres), ("phone-plain", Kind::Sqlite)];

/// What `make test` runs; `make browser` runs every journey in all four forms.
const PART: &str = "backups browse tests/compare downloads first_run fleet interruptions prepared proof tests/recovery retention schedules --project=desktop";

/// The whole suite is to be done in this time; it says itself which test hangs long before.
const LONGEST: Duration = Duration::from_secs(2400);

/// One form of reader with all that it works on: nothing is shared, so that two forms can be at work at the same time, and
/// none sees what another one did, holds its jobs at a point or kills its server.
struct Stage {
    name: &'static str,
    /// The address of its catalogue.
    catalogue: String,
    panel: Panel,
    site: SqliteSite,
    /// Has no account yet.
    newcomer: Panel,
}

#[test]
fn people_do_their_work_with_a_browser_with_and_without_scripts_at_a_desk_and_on_a_phone() {
    let part = std::env::var("SITEKEEP_END2END").unwrap_or_else(|_| PART.to_owned());
    let mut stages: Vec<Stage> = std::thread::scope(|scope| {
        let all: Vec<_> = forms(&part).map(|form| scope.spawn(move || Stage::set(form))).collect();
        all.into_iter().map(|one| one.join().expect("a stage can be set")).collect()
    });
    let told: serde_json::Map<String, Value> = stages.iter().map(|s| (s.name.to_owned(), s.told())).collect();
    browse(&json!({ "email": EMAIL, "password": PASSWORD, "forms": told }), &part, &mut stages);
}

/// Those that a part names; all where it names none.
fn forms(part: &str) -> impl Iterator<Item = (&'static str, Kind)> {
    let named: Vec<&str> = part.split_whitespace().filter_map(|word| word.strip_prefix("--project=")).collect();
    FORMS.into_iter().filter(|(form, _)| named.is_empty() || named.contains(form)).collect::<Vec<_>>().into_iter()
}

impl Stage {
    fn set((name, kind): (&'static str, Kind)) -> Self {
        let postgres = (kind == Kind::Postgres).then(|| Postgres::shared().create("panel").url("postgres"));
        let panel = Panel::start_armed_and_impatient(postgres.as_deref());
        let catalogue = postgres.unwrap_or_else(|| format!("sqlite://{}", panel.server.data.join("catalogue.db").display()));
        let stage = Self { name, catalogue, panel, site: SqliteSite::start(), newcomer: Panel::start_calm() };
        stage.set_password();
        stage
    }

    /// What `end2end/support/stage.mjs` reads.
    fn told(&self) -> Value {
        let (panel, site) = (&self.panel, &self.site);
        let title = format!("{}.live", self.name);
        let url = format!("{}/", site.url);
        let options = ["--files", "media=media", "--database-engine", "sqlite", "--database-name", "data/notes.sqlite"];
        let id = panel.add_site(self.name, "live", &site.root, &[&options[..], &["--site-url", &url, "--expect", "Note 6"]].concat());
        panel.confirm_key(self.name);
        // A second one, which nobody backs up.
        let leaflet = panel.scratch.join("leaflet");
        write(leaflet.join("index.html"), "<h1>Leaflet</h1>");
        panel.add_site("leaflet", "live", &leaflet, &[]);
        let backup = panel.back_up(&title, &["--note", "Before the browser came"]);
        let token = std::fs::read_to_string(&panel.server.token_file).unwrap();
        json!({
            "base": panel.server.url, "token": token.trim(), "points": panel.scratch.join("points"), "restart": self.restart(),
            "site": { "id": id, "title": title, "root": site.root, "database": site.database(), "url": url },
            "backup": backup.id, "expired": self.expired_link(&backup.id), "first": first_link(&self.newcomer),
        })
    }

    /// A test that makes this file wants the server killed and started again.
    fn restart(&self) -> PathBuf {
        self.panel.scratch.join("restart")
    }

    fn set_password(&self) {
        wait_for(async {
            let hash = base::password::hash(&Secret::new(PASSWORD)).await.unwrap();
            let pool = Pool::connect(&self.catalogue, 1, Clock::system()).await.unwrap();
            let mut conn = pool.get().await.unwrap();
            let account = db::accounts::find_by_email(&mut conn, EMAIL).await.unwrap().unwrap();
            assert!(db::accounts::set_password(&mut conn, &account.id.into(), &hash).await.unwrap());
            drop(conn);
            pool.close().await;
        });
    }

    /// The page of a link to the files of a backup that was made for an hour, two hours ago: by the product itself, whose clock
    /// stood there. (The signature covers the expiry: one that is changed afterwards is no link at all.)
    fn expired_link(&self, backup: &str) -> String {
        wait_for(async {
            let two_hours_ago = Clock::fixed(Clock::system().now().plus(-2 * 3600 * Millis::SECOND));
            let app = self.app_at(two_hours_ago).await;
            let mut conn = app.pool.get().await.unwrap();
            let account = db::accounts::find_by_email(&mut conn, EMAIL).await.unwrap().unwrap();
            drop(conn);
            let actor = Actor {
                account: AccountId(account.id),
                email: account.email,
                administrator: true,
                scope: Scope::all(),
                tenant: None,
                address: "192.0.2.1".into(),
            };
            let made = downloads::create(&app, &actor, &BackupId(backup.to_owned()), Element::Files, downloads::Life::hours(Some(1)))
                .await
                .unwrap();
            app.pool.close().await;
            made.page.expect("it was good then")
        })
    }

    /// The rooms of a panel put together in this process, at another time.
    async fn app_at(&self, clock: Clock) -> App {
        let data = &self.panel.server.data;
        App {
            pool: Pool::connect(&self.catalogue, 1, clock).await.unwrap(),
            sealer: Sealer::load(&data.join("master.key")).unwrap(),
            store: Location::parse(&format!("file://{}", data.join("repositories").display())).unwrap(),
            bucket: None,
            public_url: self.panel.server.url.clone(),
            mailer: None,
            caller: sitekeep::webhooks::Caller::default(),
            queue: queue::Settings::default(),
            settings: Settings::default(),
            configured: std::sync::Arc::default(),
        }
    }
}

/// What `serve` prints while nobody can sign in.
fn first_link(panel: &Panel) -> String {
    let log = panel.server.log();
    log.split_whitespace().find(|word| word.contains("/first/")).unwrap_or_else(|| panic!("no link in:\n{log}")).to_owned()
}

fn wait_for<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Runs Playwright to its end; starts a server again when a test asks for it.
fn browse(told: &Value, part: &str, stages: &mut [Stage]) {
    let scratch = Scratch::new();
    let (file, log) = (scratch.join("stage.json"), scratch.join("playwright.log"));
    write(&file, told.to_string());
    let mut command = daemon(tool("node"));
    command.arg(playwright()).arg("test").current_dir(end2end()).env("SITEKEEP_STAGE", &file).env("HOME", scratch.path());
    command.args(part.split_whitespace());
    let mut browser = Running::start(&mut command, &log);
    let began = Instant::now();
    let said = |log: &Path| std::fs::read_to_string(log).unwrap_or_default();
    let status = loop {
        if let Some(status) = browser.exit() {
            break status;
        }
        for stage in &mut *stages {
            attend(stage, || said(&log));
        }
        assert!(began.elapsed() < LONGEST, "the browser was not done after {LONGEST:?}:\n{}", said(&log));
        std::thread::sleep(Duration::from_millis(50));
    };
    println!("{}\ndone after {:?}", said(&log), began.elapsed());
    let logs: String = stages.iter().map(|s| format!("{}:\n{}\n", s.name, s.panel.server.log())).collect();
    assert!(status.success(), "what people do in the browser does not work ({status}); the servers said:\n{logs}");
}

fn attend(stage: &mut Stage, said: impl Fn() -> String) {
    let ended = stage.panel.server.process().exit();
    let log = stage.panel.server.log();
    assert!(ended.is_none(), "the server of {} ended ({ended:?}); it said:\n{log}\nthe browser said:\n{}", stage.name, said());
    let restart = stage.restart();
    if restart.exists() {
        stage.panel.server.start_again();
        std::fs::remove_file(restart).unwrap();
    }
}

fn end2end() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("end2end")
}

fn playwright() -> PathBuf {
    let path = end2end().join("node_modules/@playwright/test/cli.js");
    assert!(path.is_file(), "{} is missing; install it with: scripts/tools", path.display());
    path
}
