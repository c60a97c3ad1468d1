//! What people do in the dashboard, done by a browser: the real panel with real sites is started here, and `end2end/`
//! does the rest. Chromium comes from Debian, the rest of the tools by `npm ci`; both by `scripts/tools`.
//! `SITEKEEP_END2END="fleet --project=phone"` is handed to Playwright, for a part of it.

use crate::support::panel::Panel;
use crate::support::sqlite_site::SqliteSite;
use crate::support::{Running, Scratch, daemon, tool, write};
use serde_json::{Value, json};
use sitekeep::base::clock::Clock;
use sitekeep::base::secret::Secret;
use sitekeep::base::sql::Pool;
use sitekeep::{base, db};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const EMAIL: &str = "admin@example.test";
const PASSWORD: &str = "an orchard of pears";

/// The projects of `end2end/playwright.config.mjs`: each has a site for itself, so that none sees what another one did.
const PROJECTS: [&str; 4] = ["desktop", "phone", "desktop-plain", "phone-plain"];

/// What `make test` runs; `make browser` runs every journey in all four forms.
const PART: &str = "backups downloads first_run fleet interruptions --project=desktop";

/// The whole suite is to be done in this time; it says itself which test hangs long before.
const LONGEST: Duration = Duration::from_secs(2400);

#[test]
fn people_do_their_work_with_a_browser_with_and_without_scripts_at_a_desk_and_on_a_phone() {
    let mut panel = Panel::start_armed_and_impatient();
    let newcomers = [Panel::start(), Panel::start()];
    set_password(&panel);
    let sites: Vec<SqliteSite> = PROJECTS.iter().map(|_| SqliteSite::start()).collect();
    let sites: serde_json::Map<String, Value> =
        PROJECTS.iter().zip(&sites).map(|(name, site)| ((*name).to_owned(), add(&panel, name, site))).collect();
    let token = std::fs::read_to_string(&panel.server.token_file).unwrap();
    let restart = panel.scratch.join("restart");
    let stage = json!({
        "base": panel.server.url, "email": EMAIL, "password": PASSWORD, "token": token.trim(), "sites": sites,
        "points": panel.scratch.join("points"), "restart": restart,
        // One link each for the first administrator, of panels that have none yet.
        "first": newcomers.iter().map(first_link).collect::<Vec<_>>(),
    });
    browse(&stage, &restart, &mut panel);
}

/// What `serve` prints while nobody can sign in.
fn first_link(panel: &Panel) -> String {
    let log = panel.server.log();
    log.split_whitespace().find(|word| word.contains("/first/")).unwrap_or_else(|| panic!("no link in:\n{log}")).to_owned()
}

fn set_password(panel: &Panel) {
    let url = format!("sqlite://{}", panel.server.data.join("catalogue.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let hash = base::password::hash(&Secret::new(PASSWORD)).await.unwrap();
        let pool = Pool::connect(&url, 1, Clock::system()).await.unwrap();
        let mut conn = pool.get().await.unwrap();
        let account = db::accounts::find_by_email(&mut conn, EMAIL).await.unwrap().unwrap();
        assert!(db::accounts::set_password(&mut conn, &account.id.into(), &hash).await.unwrap());
        drop(conn);
        pool.close().await;
    });
}

fn add(panel: &Panel, name: &str, site: &SqliteSite) -> Value {
    let url = format!("{}/", site.url);
    let options = ["--files", "media=media", "--database-engine", "sqlite", "--database-name", "data/notes.sqlite"];
    let id = panel.add_site(name, "live", &site.root, &[&options[..], &["--site-url", &url, "--expect", "Note 6"]].concat());
    json!({ "id": id, "title": format!("{name}.live"), "root": site.root, "database": site.database(), "url": url })
}

/// Runs Playwright to its end; starts the server again when a test asks for it by a file.
fn browse(stage: &Value, restart: &Path, panel: &mut Panel) {
    let scratch = Scratch::new();
    let (file, log) = (scratch.join("stage.json"), scratch.join("playwright.log"));
    write(&file, stage.to_string());
    let mut command = daemon(tool("node"));
    command.arg(playwright()).arg("test").current_dir(end2end()).env("SITEKEEP_STAGE", &file).env("HOME", scratch.path());
    let part = std::env::var("SITEKEEP_END2END").unwrap_or_else(|_| PART.to_owned());
    command.args(part.split_whitespace());
    let mut browser = Running::start(&mut command, &log);
    let began = Instant::now();
    let said = |log: &Path| std::fs::read_to_string(log).unwrap_or_default();
    let status = loop {
        if let Some(status) = browser.exit() {
            break status;
        }
        let ended = panel.server.process().exit();
        assert!(ended.is_none(), "the server ended ({ended:?}); it said:\n{}\nthe browser said:\n{}", panel.server.log(), said(&log));
        if restart.exists() {
            panel.server.start_again();
            std::fs::remove_file(restart).unwrap();
        }
        assert!(began.elapsed() < LONGEST, "the browser was not done after {LONGEST:?}:\n{}", said(&log));
        std::thread::sleep(Duration::from_millis(50));
    };
    println!("{}\ndone after {:?}", said(&log), began.elapsed());
    assert!(status.success(), "what people do in the browser does not work ({status}); the server said:\n{}", panel.server.log());
}

fn end2end() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("end2end")
}

fn playwright() -> PathBuf {
    let path = end2end().join("node_modules/@playwright/test/cli.js");
    assert!(path.is_file(), "{} is missing; install it with: scripts/tools", path.display());
    path
}
