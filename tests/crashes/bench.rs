//! A server with one site that is backed up, points that can be armed, and what the catalogue says.

use super::site::{Site, State};
use crate::support::drupal::Drupal;
use crate::support::mariadb::Database;
use crate::support::postgres::Postgres;
use crate::support::server::{PROGRAM, Server};
use crate::support::sqlite_site::SqliteSite;
use crate::support::{Scratch, run, run_with_input, wait_for};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub struct Bench {
    pub server: Server,
    pub site: Site,
    pub data: PathBuf,
    pub points: PathBuf,
    pub tune: String,
    pub environment: Vec<(String, String)>,
    /// Where the catalogue is on PostgreSQL: a server of its own, which may be killed.
    pub catalogue: Option<(Postgres, Database)>,
    _scratch: Scratch,
    /// The state that the first backup holds, and that backup.
    pub good: State,
    pub backup: String,
}

/// The environment's address.
pub const ENV: &str = "acme/site.main";
const LONG: Duration = Duration::from_secs(120);

impl Bench {
    pub fn gallery(with_server: bool) -> Self {
        Self::open(Site::Gallery(Drupal::start()), with_server, None)
    }
    pub fn notes() -> Self {
        Self::open(Site::Notes(SqliteSite::start()), false, None)
    }
    /// The same with the catalogue on PostgreSQL.
    pub fn notes_on_postgres() -> Self {
        Self::notes_through(|port| port)
    }
    /// The same through something that listens on the port that is given for the server's.
    pub fn notes_through(mut port: impl FnMut(u16) -> u16) -> Self {
        Self::open(Site::Notes(SqliteSite::start()), false, Some(&mut port))
    }

    /// Starts everything, adds the site, and makes a backup of everything.
    fn open(site: Site, with_server: bool, on_postgres: Option<&mut dyn FnMut(u16) -> u16>) -> Self {
        let scratch = Scratch::new();
        let (data, points) = (scratch.join("data"), scratch.join("points"));
        std::fs::create_dir(&points).expect("a directory can be made");
        std::fs::write(points.join("seen"), "").expect("a file can be made");
        let tune = scratch.join("tune.json").display().to_string();
        let queue = serde_json::json!({ "lease": 4.0, "heartbeat": 0.3, "trust": 3.0, "poll": 0.3, "reap": 0.5, "lost_limit": 1000 });
        let text = serde_json::json!({ "queue": queue, "app": { "probe_tries": 2 }, "failpoints": points });
        std::fs::write(&tune, text.to_string()).expect("a file can be written");
        let mut environment = vec![("SITEKEEP_TUNE".to_owned(), tune.clone())];
        let catalogue = on_postgres.map(|port| {
            let server = Postgres::start();
            let mut database = server.create("catalogue");
            database.port = port(database.port);
            std::fs::write(scratch.join("url"), database.url("postgres")).expect("a file can be written");
            environment.push(("SITEKEEP_DATABASE_URL_FILE".to_owned(), scratch.join("url").display().to_string()));
            (server, database)
        });
        let mut setup = Command::new(PROGRAM);
        setup.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("SITEKEEP_DATA_DIR", &data);
        setup.envs(environment.iter().map(|(k, v)| (k, v)));
        run(setup.args(["setup", "--email", "admin@example.test", "--token-out"]).arg(scratch.join("token")));
        let mut server = started(&data, &environment);
        server.token_file = scratch.join("token");
        let good = site.state();
        let mut bench = Self { server, site, data, points, tune, environment, catalogue, _scratch: scratch, good, backup: String::new() };
        bench.add(with_server);
        bench.backup = bench.make_backup();
        bench
    }

    fn add(&self, with_server: bool) {
        let (root, url) = (self.site.root().display().to_string(), format!("{}/", self.site.url()));
        self.server.must(&["tenant:create", "acme"]);
        let mut add = vec!["site:add", "acme/site", "--env", "main", "--path", &root, "--site-url", &url];
        match &self.site {
            Site::Gallery(g) => {
                let port = g.server.port.to_string();
                if with_server {
                    let login = &g.server.administrator;
                    let args = ["server:add", "db", "--engine", "mysql", "--host", "127.0.0.1", "--port", &port, "--user", &login.user];
                    let out = run_with_input(&mut self.server.cli_command(&args), login.password.as_bytes());
                    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
                    add.extend(["--server", "db"]);
                }
                add.extend(["--detect", "--expect", "Gallery"]);
                self.server.must(&add);
            }
            Site::Notes(_) => {
                let database = ["--files", "media=media", "--database-engine", "sqlite", "--database-name", "data/notes.sqlite"];
                add.extend(database);
                add.extend(["--expect", "Notes"]);
                self.server.must(&add);
            }
        }
    }

    /// A second server on the same catalogue, as another machine would start it.
    pub fn beside(&self) -> Server {
        started(&self.data, &self.environment)
    }

    /// Lets the worker stand still. On SQLite its own short transactions hold the lock of the whole catalogue, without which no other
    /// server starts: it is not to stand still in the middle of one.
    pub fn stop_between_transactions(&self) {
        let pid = rustix::process::Pid::from_raw(self.server.pid() as i32).expect("a process has a number");
        let tell = |signal| rustix::process::kill_process(pid, signal).expect("the server runs");
        loop {
            tell(rustix::process::Signal::STOP);
            if self.catalogue.is_some() || is_free(&self.data.join("catalogue.db")) {
                return;
            }
            tell(rustix::process::Signal::CONT);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn make_backup(&self) -> String {
        self.server.must(&["backup:create", ENV, "--yes"]);
        self.ask("select id from backups where reason = 'Generated on request' order by created_at desc, id desc limit 1")
    }

    /// Arms a point: `kill`, `stop`, `error`, `wait`; `kill 1` passes it once before.
    pub fn arm(&self, point: &str, action: &str) {
        let _ = std::fs::remove_file(self.points.join(format!("{point}.hit")));
        let _ = std::fs::remove_file(self.points.join(format!("{point}.go")));
        // Written aside first: half a word would be read as another one.
        let aside = self.points.join("arming");
        std::fs::write(&aside, action).expect("a file can be written");
        std::fs::rename(aside, self.points.join(point)).expect("a file can be renamed");
    }
    pub fn was_hit(&self, point: &str) -> bool {
        self.points.join(format!("{point}.hit")).exists()
    }
    pub fn wait_for_hit(&self, point: &str) {
        wait_for(&format!("{point}; the server said:\n{}", self.server.log()), LONG, || self.was_hit(point));
    }
    /// Lets an attempt that waits at a point go on.
    pub fn go(&self, point: &str) {
        std::fs::write(self.points.join(format!("{point}.go")), "").expect("a file can be written");
    }
    /// What is armed and was not come by.
    pub fn disarm(&self) -> BTreeSet<String> {
        let mut left = BTreeSet::new();
        for entry in std::fs::read_dir(&self.points).expect("our own directory").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == "seen" {
                continue;
            }
            std::fs::remove_file(entry.path()).expect("our own file");
            if !name.ends_with(".hit") && !name.ends_with(".go") {
                left.insert(name);
            }
        }
        left
    }
    /// Every point that an attempt came by since the start.
    pub fn seen(&self) -> BTreeSet<String> {
        std::fs::read_to_string(self.points.join("seen")).expect("our own file").lines().map(str::to_owned).collect()
    }

    /// Queues the restore of the first backup; its id.
    pub fn restore(&self) -> String {
        self.server.must(&["backup:restore", ENV, "--backup", &self.backup, "--yes", "--no-wait", "--field", "id"]).trim().to_owned()
    }
    /// The same of chosen files and folders alone.
    pub fn restore_only(&self, paths: &[&str]) -> String {
        self.restore_parts("--path", paths)
    }
    /// The same of chosen tables.
    pub fn restore_tables(&self, tables: &[&str]) -> String {
        self.restore_parts("--table", tables)
    }
    fn restore_parts(&self, option: &str, parts: &[&str]) -> String {
        let mut args = vec!["backup:restore", ENV, "--backup", &self.backup, "--yes", "--no-wait", "--field", "id"];
        parts.iter().for_each(|part| args.extend([option, part]));
        self.server.must(&args).trim().to_owned()
    }
    pub fn undo(&self, restore: &str) -> String {
        self.server.must(&["backup:undo", restore, "--yes", "--no-wait", "--field", "id"]).trim().to_owned()
    }

    /// One value of the catalogue, as text; empty where there is none.
    pub fn ask(&self, sql: &str) -> String {
        self.column(sql).into_iter().next().unwrap_or_default()
    }
    pub fn column(&self, sql: &str) -> Vec<String> {
        if let Some((server, database)) = &self.catalogue {
            return server.sql(&database.name, sql).lines().map(str::to_owned).collect();
        }
        let db = rusqlite::Connection::open(self.data.join("catalogue.db")).expect("the catalogue opens");
        db.busy_timeout(Duration::from_secs(10)).expect("a time-out can be set");
        let mut statement = db.prepare(sql).unwrap_or_else(|e| panic!("{e} in {sql}"));
        let text = |v: rusqlite::types::Value| match v {
            rusqlite::types::Value::Null => String::new(),
            rusqlite::types::Value::Integer(n) => n.to_string(),
            rusqlite::types::Value::Text(t) => t,
            other => format!("{other:?}"),
        };
        let rows = statement.query_map([], |row| row.get(0).map(text)).expect("the catalogue answers");
        rows.map(|r| r.expect("a row")).collect()
    }

    /// Waits for the end of a restore and of its job; the state.
    pub fn ended(&self, restore: &str) -> String {
        let sql = format!(
            "select r.state from restores r join jobs j on j.id = r.job_id where r.id = '{restore}' \
             and r.state not in ('queued', 'running', 'unwinding') and j.state not in ('queued', 'running', 'retry_wait')"
        );
        let mut state = String::new();
        let began = std::time::Instant::now();
        while state.is_empty() {
            assert!(began.elapsed() < LONG, "{restore} does not end: {:?}\n{}", self.story(restore), self.server.log());
            std::thread::sleep(Duration::from_millis(30));
            state = self.ask(&sql);
        }
        state
    }

    /// What the catalogue knows of a restore, for messages.
    pub fn story(&self, restore: &str) -> Vec<String> {
        let mut all = self.column(&format!("select state || ': ' || coalesce(message, '') from restores where id = '{restore}'"));
        all.extend(self.column(&format!("select name || ' ' || state || ' ' || coalesce(message, '') from restore_steps where restore_id = '{restore}' order by position")));
        all.extend(self.column(&format!(
            "select line from task_log where job_id in (select id from jobs where subject = '{restore}') order by number"
        )));
        all
    }

    /// The ids of the snapshot files on the disk must be those that rows name.
    #[track_caller]
    pub fn assert_no_nameless_snapshot(&self) {
        let named: BTreeSet<String> = self.column("select snapshot from backup_elements where snapshot is not null").into_iter().collect();
        let mut there = BTreeSet::new();
        for repository in std::fs::read_dir(self.data.join("repositories")).expect("there are repositories").flatten() {
            let Ok(list) = std::fs::read_dir(repository.path().join("snapshots")) else { continue };
            there.extend(list.flatten().map(|e| e.file_name().to_string_lossy().into_owned()));
        }
        assert_eq!(there, named, "snapshots on the disk, and those that rows name");
    }

    /// The safety backup of a restore is whole, and verified by the product's own reading.
    #[track_caller]
    pub fn assert_safe(&self, restore: &str) -> String {
        let safety = self.ask(&format!("select safety_backup_id from restores where id = '{restore}'"));
        assert_eq!(self.ask(&format!("select state from backups where id = '{safety}'")), "succeeded", "{:?}", self.story(restore));
        safety
    }

    /// Visitors get the page.
    #[track_caller]
    pub fn assert_open(&self) {
        let page = self.site.page();
        assert!(page.is_ok(), "{page:?}");
    }

    /// From now on a job is given up after so many lost attempts.
    pub fn limit_losses(&mut self, limit: u32) {
        let text = std::fs::read_to_string(&self.tune).expect("our own file");
        let mut tune: serde_json::Value = serde_json::from_str(&text).expect("our own file");
        tune["queue"]["lost_limit"] = limit.into();
        std::fs::write(&self.tune, tune.to_string()).expect("a file can be written");
        self.server.start_again();
    }

    /// SIGKILL for every attempt that runs.
    pub fn kill_attempts(&self) {
        for p in crate::support::running::processes().into_iter().filter(|p| p.parent == self.server.pid()) {
            if let Some(pid) = i32::try_from(p.pid).ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }

    /// Asks a job to end, and waits until its attempt has been told.
    pub fn cancel(&self, job: &str) {
        self.server.must(&["job:cancel", job, "--yes"]);
        let told = || self.server.log().lines().any(|l| l.contains(job) && l.contains("Cancel"));
        wait_for("the cancellation to be heard", LONG, told);
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn started(data: &Path, environment: &[(String, String)]) -> Server {
    let environment: Vec<_> = environment.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    Server::start(data, &environment)
}

fn is_free(catalogue: &Path) -> bool {
    let db = rusqlite::Connection::open(catalogue).expect("the catalogue opens");
    db.busy_timeout(Duration::ZERO).expect("a time-out can be set");
    db.execute_batch("begin immediate; rollback").is_ok()
}
