//! Restores of a Wagtail on PostgreSQL, through the real server, queue, worker and command line: into a new database with
//! a server account, into schemas beside the live ones without.

use crate::support::digest::{self, Digest};
use crate::support::panel::Panel;
use crate::support::postgres::Postgres;
use crate::support::restic::Restic;
use crate::support::wagtail::{WORKS, Wagtail};
use crate::support::{Scratch, hard, run, wait_for, write};
use sitekeep::domain::element::Element;
use sitekeep::domain::state::{BackupState, RestoreState, StepState};
use std::path::Path;
use std::time::Duration;

const STUDIO: &str = "studio.live";

/// A studio with hard objects, kept by a panel. `hook`: gunicorn is told when its settings change.
fn kept(panel: &Panel, server_account: bool, hook: bool) -> Wagtail {
    let site = Wagtail::start();
    hard::postgres(site.server, &site.database);
    if server_account {
        panel.add_server("postgres", site.server.port, &site.server.administrator);
    }
    let (url, reload) = (format!("{}/", site.url), site.reload_hook().join(" "));
    let expect = format!("Work number {WORKS}");
    let mut options = vec!["--detect", "--site-url", &url, "--expect", &expect];
    if server_account {
        options.extend(["--server", "main"]);
    }
    if hook {
        options.extend(["--hook-reload", &reload]);
    }
    panel.add_site("studio", "live", &site.root, &options);
    site
}

/// Everything that a restore gives back and an undo must bring back.
#[derive(Clone, Debug)]
struct State {
    rows: Digest,
    /// Without the top directory, whose time tells that something in it was exchanged, and without the settings.
    files: Digest,
    settings: String,
    page: digest::Page,
}

fn state(site: &Wagtail) -> State {
    let settings = std::fs::read_to_string(site.env_file()).unwrap();
    let files = digest::files(&site.root);
    let mut rest = Digest::default();
    rest.insert(".env", files.get(".env").expect("the settings are there"));
    files.names().filter(|n| *n != "." && *n != ".env").for_each(|n| rest.insert(n, files.get(n).unwrap()));
    State { rows: site.server.digest_without(&site.database_in_use(), "sk_"), files: rest, settings, page: site.page() }
}

impl State {
    #[track_caller]
    fn assert_same_data(&self, other: &Self, what: &str) {
        self.rows.assert_same(&other.rows, &format!("{what}: rows"));
        let without = |d: &Digest| d.clone().without(&[".env"]);
        without(&self.files).assert_same(&without(&other.files), &format!("{what}: files"));
        assert_eq!(other.page, self.page, "{what}: page");
    }
    /// To the byte and the time, the settings too.
    #[track_caller]
    fn assert_exact(&self, other: &Self, what: &str) {
        self.files.assert_same(&other.files, &format!("{what}: files"));
        self.rows.assert_same(&other.rows, &format!("{what}: rows"));
        assert_eq!(other.settings, self.settings, "{what}: settings");
        assert_eq!(other.page, self.page, "{what}: page");
    }
}

fn damage(site: &Wagtail) {
    site.server.sql_as(
        &site.database,
        "update wagtailcore_page set title = 'Ruin' where depth = 2;
         delete from wagtailcore_referenceindex;
         delete from django_migrations where id % 2 = 0;
         update hard.assorted set bytes = '' where id = 2;
         delete from hard.\"Odd; \"\"name\"\"\" where \"select\" = 1;
         drop materialized view hard.totals;
         drop index hard.hard_first_word;
         select nextval('hard.counter');
         create table public.rubbish (x int); insert into public.rubbish values (1);
         create schema intruder; create table intruder.t (x int);",
    );
    let images = site.media().join("images");
    let first = std::fs::read_dir(&images).unwrap().next().expect("there are pictures").unwrap().path();
    std::fs::remove_file(first).unwrap();
    write(site.media().join("intruder.html"), "<h1>was here</h1>");
    write(site.root.join("pages/models.py.bak"), "forgotten");
    let urls = site.root.join("studio/urls.py");
    let text = std::fs::read_to_string(&urls).unwrap();
    write(&urls, format!("{text}\n# edited on the server\n"));
    site.reload();
    wait_for("the damage", Duration::from_secs(60), || site.page().says("Ruin"));
}

/// What is said of the studio in the panel itself.
#[test]
fn the_env_file_of_a_studio_is_read_and_each_element_is_backed_up_with_what_is_known_of_it() {
    let panel = Panel::start();
    let site = kept(&panel, false, true);
    let environment = panel.environment(STUDIO);
    assert_eq!(environment.elements, Element::ALL);
    let definition = environment.definition.expect("administrators see it");
    assert_eq!(definition.settings.as_deref(), Some(site.env_file().as_path()));
    assert_eq!(definition.database.expect("it was found").label(), site.database.name);
    assert_eq!(definition.files[0].path, site.media());
    let backup = panel.back_up(STUDIO, &["--note", "Before the storm"]);
    assert_eq!((backup.state, backup.elements.len()), (BackupState::Succeeded, 3));
    let database = backup.elements.iter().find(|e| e.element == Element::Database).unwrap();
    let manifest = &database.manifest;
    assert_eq!(manifest["engine"], "postgres");
    assert!(manifest["tool"].as_str().unwrap().contains("pg_dump"), "{manifest}");
    assert!(manifest["rows"].to_string().contains("wagtailcore_page"), "{manifest}");
    assert!(backup.warnings.iter().any(|w| w.contains("large object")), "what is not exact is said: {:?}", backup.warnings);
    panel.must(&["backup:verify", &backup.id]);
    let log = panel.task_log(backup.job.as_deref().unwrap());
    assert!(!log.contains(&site.database.password) && log.contains("Read the database"), "{log}");
}

#[test]
fn with_a_server_account_a_studio_comes_back_in_a_new_database_and_an_undo_is_exact() {
    let panel = Panel::start();
    let site = kept(&panel, true, true);
    let healthy = state(&site);
    panel.back_up(STUDIO, &["--note", "Before the storm"]);
    damage(&site);
    let damaged = state(&site);
    assert!(healthy.rows.differences(&damaged.rows).len() > 8 && healthy.files.differences(&damaged.files).len() > 4);
    let plan = panel.must(&["backup:restore", STUDIO, "--dry-run"]);
    assert!(plan.contains("wagtailcore_referenceindex") && plan.contains("rubbish"), "the plan says what will be lost: {plan}");
    damaged.assert_exact(&state(&site), "a dry run changes nothing");

    let restore = panel.must_restore(STUDIO, &[]);
    assert_eq!(restore.state, RestoreState::Succeeded);
    assert!(restore.steps.iter().all(|s| matches!(s.state, StepState::Done | StepState::Skipped)), "{:?}", restore.steps);
    let restored = state(&site);
    healthy.assert_same_data(&restored, "restored");
    let new = site.database_in_use();
    assert_ne!(new, site.database.name, "the data came back in a database of its own");
    let others = |text: &str| text.lines().filter(|l| !l.starts_with("DATABASE_URL=")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(others(&restored.settings), others(&healthy.settings), "only the address of the database was rewritten");
    site.server.sql(&new, "update wagtailcore_page set title = 'The new one' where depth = 2");
    assert!(site.page().says("The new one"), "the page comes from the new database");
    assert!(connects(&site, &site.database.name).is_err(), "the old database is closed");
    site.server.sql(&new, "update wagtailcore_page set title = 'The Studio' where depth = 2");
    let later = state(&site);

    let undo = panel.must_undo(&restore.id, STUDIO);
    assert_eq!((undo.state, undo.kind.as_str()), (RestoreState::Succeeded, "undo"));
    damaged.assert_exact(&state(&site), "undone");
    assert_eq!(site.database_in_use(), site.database.name);
    panel.must_undo(&undo.id, STUDIO);
    later.assert_exact(&state(&site), "the undo undone");
    // What came back is backed up like any other site.
    let again = panel.back_up(STUDIO, &[]);
    assert_eq!(again.state, BackupState::Succeeded);
    assert!(panel.backups(STUDIO).iter().filter(|b| b.protected).count() >= 3, "each of them took a safety backup first");
}

/// As the role that owns the database, with a password, as an application would.
fn connects(site: &Wagtail, database: &str) -> Result<String, String> {
    let mut psql = std::process::Command::new(crate::support::postgres::binary("psql"));
    psql.args(["-X", "-A", "-t", "-h", "127.0.0.1", "-p", &site.database.port.to_string(), "-U", &site.database.user, "-d", database]);
    psql.args(["-c", "select 1"]).env("PGPASSWORD", &site.database.password);
    let out = psql.output().unwrap();
    if out.status.success() { Ok(String::from_utf8_lossy(&out.stdout).into()) } else { Err(String::from_utf8_lossy(&out.stderr).into()) }
}

#[test]
fn without_a_server_account_a_studio_comes_back_beside_its_own_data_and_an_undo_is_exact() {
    let panel = Panel::start();
    let site = kept(&panel, false, true);
    let healthy = state(&site);
    panel.back_up(STUDIO, &[]);
    damage(&site);
    let damaged = state(&site);
    let restore = panel.must_restore(STUDIO, &[]);
    assert_eq!(restore.state, RestoreState::Succeeded);
    healthy.assert_same_data(&state(&site), "restored");
    assert_eq!(site.database_in_use(), site.database.name);
    healthy.files.assert_same(&state(&site).files, "the settings were not touched");
    let undo = panel.must_undo(&restore.id, STUDIO);
    damaged.assert_exact(&state(&site), "undone");
    panel.must_undo(&undo.id, STUDIO);
    healthy.assert_same_data(&state(&site), "the undo undone");
}

#[test]
fn an_application_that_was_not_told_is_never_believed_when_it_answers_from_the_old_database() {
    let panel = Panel::start_with(&["serve"], None, "{\"probe_tries\": 2}");
    let site = kept(&panel, true, false);
    panel.back_up(STUDIO, &[]);
    damage(&site);
    let damaged = state(&site);
    let out = panel.restore(STUDIO, &[]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1), "{said}");
    let restore = panel.last_restore(STUDIO);
    assert_eq!(restore.state, RestoreState::Unwound, "{restore:?}");
    assert!(restore.message.as_deref().unwrap().contains("does not answer as it should"), "{:?}", restore.message);
    assert!(said.contains("reload"), "the way out is named: {said}");
    // Each process of the application finds out by one failed request that its old connection was cut.
    wait_for("the old page", Duration::from_secs(60), || (0..8).all(|_| site.page().is_ok()));
    damaged.assert_exact(&state(&site), "everything is as before");
    let left = site.server.sql("postgres", &format!("select datname from pg_database where datname like '{}_sk_%'", site.database.name));
    assert_eq!(left.trim(), "", "nothing is left of the new database");
    assert!(panel.refused(&["backup:undo", &restore.id, "--yes", "--confirm", STUDIO], 6).contains("unwound"));
    // The environment is not locked: the next one may begin.
    panel.back_up(STUDIO, &[]);
}

#[test]
fn beside_the_live_data_even_an_application_that_was_not_told_answers_from_what_was_restored() {
    let panel = Panel::start();
    let site = kept(&panel, false, false);
    let healthy = state(&site);
    panel.back_up(STUDIO, &[]);
    damage(&site);
    let restore = panel.must_restore(STUDIO, &["--element", "database"]);
    assert_eq!((restore.state, &restore.elements[..]), (RestoreState::Succeeded, &[Element::Database][..]));
    let now = state(&site);
    healthy.rows.assert_same(&now.rows, "rows");
    assert!(now.page.says("The Studio") && !now.page.says("Ruin"), "{:?}", now.page);
    assert!(site.media().join("intruder.html").exists(), "only the database was asked for");
}

#[test]
fn what_lies_aside_is_dropped_when_its_time_is_over_and_an_undo_then_restores_the_safety_backup() {
    let panel = Panel::start_with(&["serve"], None, "{\"keep_aside\": 1000}");
    let site = kept(&panel, true, true);
    let healthy = state(&site);
    panel.back_up(STUDIO, &[]);
    damage(&site);
    let damaged = state(&site);
    let restore = panel.must_restore(STUDIO, &[]);
    let dropping = || panel.jobs(STUDIO).into_iter().find(|j| j.kind == "drop_aside" && j.finished.is_some());
    wait_for("the old database to be dropped", Duration::from_secs(60), || dropping().is_some());
    let job = dropping().unwrap();
    assert_eq!(job.state, "succeeded", "{}", panel.task_log(&job.id));
    assert_eq!(panel.last_restore(STUDIO).undo_until, None);
    let there = site.server.sql("postgres", &format!("select count(*) from pg_database where datname = '{}'", site.database.name));
    assert_eq!(there.trim(), "0", "the database before the restore is gone");
    healthy.assert_same_data(&state(&site), "what is live was not touched");
    let home = site.root.parent().unwrap();
    assert_eq!(staging(home), Vec::<String>::new());
    let undo = panel.must_undo(&restore.id, STUDIO);
    assert_eq!((undo.state, undo.kind.as_str()), (RestoreState::Succeeded, "restore"));
    damaged.assert_same_data(&state(&site), "the safety backup came back");
}

/// Staging directories that lie about.
fn staging(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().flatten().map(|e| e.file_name().to_string_lossy().into_owned());
    names.filter(|n| n.starts_with(".sitekeep-")).collect()
}

#[test]
fn stock_restic_and_psql_give_a_studio_back_without_us() {
    let panel = Panel::start();
    let site = kept(&panel, false, true);
    let rows = site.rows();
    let (code, media) = (digest::files(&site.root).without(&["media"]), digest::files(&site.media()));
    let backup = panel.back_up(STUDIO, &[]);
    let (repository, password) = panel.repository(STUDIO);
    let restic = Restic::open(&repository, &password);
    restic.check();
    assert!(restic.locks().is_empty(), "no lock is left behind");
    assert_eq!(restic.snapshots().len(), 3);
    let into = Scratch::new();
    for e in &backup.elements {
        let target = into.join(e.element.name());
        restic.restore(e.snapshot.as_deref().unwrap(), &target);
    }
    code.assert_same(&digest::files(&into.join("code/code")), "the code");
    media.assert_same(&digest::files(&into.join("files/files/media")), "the media");
    let server = Postgres::shared();
    let copy = server.create("by_hand");
    // As the manual says: cat the segments in the order of their names, and pipe them to psql.
    let script = format!("cd {} && find . -type f | LC_ALL=C sort | xargs -d '\\n' cat", into.join("database/database").display());
    let dump = run(std::process::Command::new("sh").args(["-c", &script]));
    server.sql_as(&copy, &String::from_utf8(dump).unwrap());
    rows.assert_same(&server.digest(&copy.name), "imported by hand");
}
