//! The whole product with its first administrator: a server as a process, and everything asked of it by the command
//! line or the API, as people do.

use super::browser::Browser;
use super::server::{PROGRAM, Server, data_dir};
use super::{Running, Scratch, daemon, run, write};
use serde_json::Value;
use sitekeep::domain::view;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// The tenant of every site that a test adds.
pub const TENANT: &str = "acme";

pub struct Panel {
    pub server: Server,
    pub scratch: Scratch,
    environment: Vec<(String, String)>,
}

impl Panel {
    /// On SQLite, with a worker inside the server.
    pub fn start() -> Self {
        Self::start_with(&["serve"], None, "{}")
    }

    /// The same at the product's own pace: one that mostly waits takes nothing from the others.
    pub fn start_calm() -> Self {
        Self::open(Scratch::new(), &["serve"], None, "{}")
    }

    /// `args` of the program, the URL of its own database, and JSON of what is tuned in `app`.
    pub fn start_with(args: &[&str], database_url: Option<&str>, app: &str) -> Self {
        Self::open(Scratch::new(), args, database_url, &format!("{{\"queue\": {{\"poll\": 0.1, \"heartbeat\": 1.0}}, \"app\": {app}}}"))
    }

    /// With points at which attempts can be made to wait (`base::failpoint`): [`Panel::hold`], [`Panel::let_go`].
    pub fn start_armed(args: &[&str]) -> Self {
        Self::open_armed(args, None, &serde_json::json!({ "poll": 0.1, "heartbeat": 0.5 }))
    }

    /// The same, but a lost attempt is noticed within seconds, since somebody sits before a screen.
    pub fn start_armed_and_impatient(database_url: Option<&str>) -> Self {
        let queue = serde_json::json!({ "heartbeat": 0.5, "lease": 6.0, "trust": 5.0, "reap": 1.0 });
        Self::open_armed(&["serve"], database_url, &queue)
    }

    /// The same with what is tuned in `app` as JSON.
    pub fn start_armed_with(app: &Value) -> Self {
        let scratch = Scratch::new();
        let points = scratch.join("points");
        std::fs::create_dir(&points).expect("a directory can be made");
        let queue = serde_json::json!({ "lease": 4.0, "heartbeat": 0.3, "trust": 3.0, "poll": 0.2, "reap": 0.5 });
        let tune = serde_json::json!({ "queue": queue, "app": app, "failpoints": points });
        Self::open(scratch, &["serve"], None, &tune.to_string())
    }

    fn open_armed(args: &[&str], database_url: Option<&str>, queue: &Value) -> Self {
        let scratch = Scratch::new();
        let points = scratch.join("points");
        std::fs::create_dir(&points).expect("a directory can be made");
        let tune = serde_json::json!({ "queue": queue, "failpoints": points });
        Self::open(scratch, args, database_url, &tune.to_string())
    }

    /// With a mail server, and what is tuned of letters as JSON.
    pub fn start_with_mail(smtp_url: &str, letters: &str) -> Self {
        let more = [
            ("SITEKEEP_SMTP_URL", smtp_url),
            ("SITEKEEP_MAIL_FROM", "Sitekeep <keep@sitekeep.test>"),
            ("SITEKEEP_PUBLIC_URL", "https://keep.test/"),
        ];
        let tuned = format!("{{\"queue\": {{\"poll\": 0.1, \"heartbeat\": 1.0}}, \"app\": {{\"letters\": {letters}}}}}");
        Self::open_with(Scratch::new(), &["serve"], None, &tuned, &more)
    }

    /// With its repositories in this folder, and what is tuned in `app` as JSON.
    pub fn start_with_store(store: &Path, app: &Value) -> Self {
        let tune = serde_json::json!({ "queue": { "poll": 0.1, "heartbeat": 1.0 }, "app": app });
        let url = format!("file://{}", store.display());
        Self::open_with(Scratch::new(), &["serve"], None, &tune.to_string(), &[("SITEKEEP_STORE_URL", &url)])
    }

    /// With its catalogue on a disk of so many bytes, and its repositories elsewhere.
    pub fn start_on_small_disk(bytes: u64) -> (Self, super::disk::SmallDisk) {
        let scratch = Scratch::new();
        let disk = super::disk::SmallDisk::at(data_dir(&scratch), bytes);
        let url = format!("file://{}", scratch.join("store").display());
        let queue = serde_json::json!({ "lease": 4.0, "heartbeat": 0.3, "trust": 3.0, "poll": 0.2, "reap": 0.5, "lost_limit": 1000 });
        let tune = serde_json::json!({ "queue": queue, "app": {} }).to_string();
        (Self::open_with(scratch, &["serve"], None, &tune, &[("SITEKEEP_STORE_URL", &url)]), disk)
    }

    /// With all that is its own in this directory.
    pub fn start_at(data: &Path) -> Self {
        let tune = serde_json::json!({ "queue": { "poll": 0.1, "heartbeat": 1.0 } }).to_string();
        Self::open_at(Scratch::new(), data.to_owned(), &["serve"], None, &tune, &[])
    }

    /// With prepared downloads in this bucket, and what is tuned in `app` as JSON.
    pub fn start_with_bucket(url: &str, app: &Value) -> Self {
        let tune = serde_json::json!({ "queue": { "poll": 0.1, "heartbeat": 1.0 }, "app": app });
        Self::open_with(Scratch::new(), &["serve"], None, &tune.to_string(), &[("SITEKEEP_DOWNLOADS_URL", url)])
    }

    /// With a mail server, points, the product's own address in letters, and what is tuned in `app` as JSON.
    pub fn start_armed_with_mail(smtp_url: &str, app: &Value) -> Self {
        Self::start_armed_with_mail_and(smtp_url, app, &[])
    }

    /// The same with more in its environment.
    pub fn start_armed_with_mail_and(smtp_url: &str, app: &Value, environment: &[(&str, &str)]) -> Self {
        let scratch = Scratch::new();
        let points = scratch.join("points");
        std::fs::create_dir(&points).expect("a directory can be made");
        let queue = serde_json::json!({ "lease": 4.0, "heartbeat": 0.3, "trust": 3.0, "poll": 0.2, "reap": 0.5, "lost_limit": 1000 });
        let tune = serde_json::json!({ "queue": queue, "app": app, "failpoints": points });
        let more = [("SITEKEEP_SMTP_URL", smtp_url), ("SITEKEEP_MAIL_FROM", "Sitekeep <keep@sitekeep.test>")];
        Self::open_with(scratch, &["serve"], None, &tune.to_string(), &[&more[..], environment].concat())
    }

    fn open(scratch: Scratch, args: &[&str], database_url: Option<&str>, tuned: &str) -> Self {
        Self::open_with(scratch, args, database_url, tuned, &[])
    }

    fn open_with(scratch: Scratch, args: &[&str], database_url: Option<&str>, tuned: &str, more: &[(&str, &str)]) -> Self {
        let data = data_dir(&scratch);
        Self::open_at(scratch, data, args, database_url, tuned, more)
    }

    fn open_at(scratch: Scratch, data: PathBuf, args: &[&str], database_url: Option<&str>, tuned: &str, more: &[(&str, &str)]) -> Self {
        let tune = scratch.join("tune.json");
        write(&tune, super::server::tuned(tuned));
        let mut environment = vec![("SITEKEEP_TUNE".to_owned(), tune.display().to_string())];
        environment.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        if let Some(url) = database_url {
            let file = scratch.join("database-url");
            write(&file, url);
            environment.push(("SITEKEEP_DATABASE_URL_FILE".to_owned(), file.display().to_string()));
        }
        std::fs::create_dir_all(&data).expect("a data directory can be made");
        super::set_mode(&data, 0o700);
        let token = data.join("token");
        run(ours(&["setup", "--email", "admin@example.test"], &data, &environment).arg("--token-out").arg(&token));
        let named: Vec<(&str, &str)> = environment.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let server = Server::start_program(Path::new(PROGRAM), args, &data, &named);
        let panel = Self { server, scratch, environment };
        panel.must(&["tenant:create", TENANT]);
        panel
    }

    /// The next attempt that comes to this point waits there.
    pub fn hold(&self, point: &str) {
        let aside = self.scratch.join("arming");
        write(&aside, "wait");
        std::fs::rename(aside, self.scratch.join("points").join(point)).expect("a file can be renamed");
    }
    /// Waits until an attempt has come to the point.
    #[track_caller]
    pub fn wait_for_hold(&self, point: &str) {
        let hit = self.scratch.join("points").join(format!("{point}.hit"));
        super::wait_for(&format!("{point}; the server said:\n{}", self.server.log()), Duration::from_secs(60), || hit.exists());
    }
    /// Lets it go on.
    pub fn let_go(&self, point: &str) {
        write(self.scratch.join("points").join(format!("{point}.go")), "");
    }

    /// Runs the program on the panel's data, not against its server: `doctor`, `recovery:key`, a second `serve`.
    pub fn tool(&self, args: &[&str], more: &[(&str, &str)]) -> Output {
        ours(args, &self.server.data, &self.environment).envs(more.iter().copied()).output().expect("our own program starts")
    }

    /// The same, and it runs on.
    pub fn start_tool(&self, args: &[&str]) -> std::process::Child {
        ours(args, &self.server.data, &self.environment).spawn().expect("our own program starts")
    }

    /// A shell of the user that runs the server, in a home of its own; it finds the program, and `tools` before others.
    pub fn shell(&self, home: &Path, tools: &[PathBuf]) -> Command {
        let mut shell = Command::new("bash");
        prepare(&mut shell, &self.server.data, &self.environment);
        let theirs = tools.iter().map(PathBuf::as_path).chain([Path::new(PROGRAM)]).filter_map(Path::parent);
        let path = std::env::var("PATH").unwrap_or_default();
        let all = theirs.map(Path::to_path_buf).chain(std::env::split_paths(&path));
        shell.env("PATH", std::env::join_paths(all).expect("directories have no colon")).env("HOME", home).current_dir(home);
        shell.env("SITEKEEP_URL", &self.server.url).env("SITEKEEP_TOKEN_FILE", &self.server.token_file);
        shell
    }

    /// The administrator, at a browser.
    pub fn administrator(&self) -> Browser {
        let (file, password) = (self.scratch.join("password"), "seven yellow lanterns");
        write(&file, password);
        let email = "admin@example.test";
        let out = self.tool(&["setup", "--email", email, "--password-file", &file.display().to_string()], &[]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let browser = Browser::new(&self.server.url);
        browser.sign_in(email, password);
        browser
    }

    /// A worker beside the server, on the same data.
    pub fn worker(&self, name: &str) -> Running {
        self.worker_with(name, &[])
    }
    /// The same with other settings.
    pub fn worker_with(&self, name: &str, more: &[(&str, &str)]) -> Running {
        let mut command = daemon(PROGRAM);
        prepare(&mut command, &self.server.data, &self.environment);
        command.envs(more.iter().copied());
        Running::start(command.arg("work"), &self.scratch.join(format!("{name}.log")))
    }

    pub fn cli(&self, args: &[&str]) -> Output {
        self.server.cli(args)
    }
    #[track_caller]
    pub fn must(&self, args: &[&str]) -> String {
        self.server.must(args)
    }
    /// Runs a command that must fail, with this exit code; gives what it said on standard error.
    #[track_caller]
    pub fn refused(&self, args: &[&str], code: i32) -> String {
        let out = self.cli(args);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(code), "sitekeep {args:?} said:\n{said}\nthe server said:\n{}", self.server.log());
        said
    }

    /// Adds `acme/<site>.<environment>` and returns its id.
    #[track_caller]
    pub fn add_site(&self, site: &str, environment: &str, path: &Path, options: &[&str]) -> String {
        let name = format!("{TENANT}/{site}");
        let path = path.display().to_string();
        let mut args = vec!["site:add", &name, "--env", environment, "--path", &path];
        args.extend(options);
        self.must(&args);
        self.environment(&format!("{site}.{environment}")).id
    }

    /// Takes the recovery key of `acme/<site>` away and enters it, as its owner would.
    #[track_caller]
    pub fn confirm_key(&self, site: &str) {
        let (name, file) = (format!("{TENANT}/{site}"), self.scratch.join(format!("{site}.key")).display().to_string());
        let out = self.tool(&["recovery:key", &name, "--out", &file], &[]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        self.must(&["recovery:confirm", &name, "--file", &file]);
    }

    /// Seals a server account under the name `main`.
    #[track_caller]
    pub fn add_server(&self, engine: &str, port: u16, login: &super::mariadb::Login) {
        let password = self.scratch.join("server-password");
        write(&password, &login.password);
        let (port, password) = (port.to_string(), password.display().to_string());
        let options = ["--host", "127.0.0.1", "--port", &port, "--user", &login.user, "--password-file", &password];
        self.must(&[&["server:add", "main", "--engine", engine][..], &options].concat());
    }

    /// Backs up an environment, which must succeed; gives the backup.
    #[track_caller]
    pub fn back_up(&self, environment: &str, options: &[&str]) -> view::Backup {
        self.must(&[&["backup:create", environment][..], options].concat());
        self.backups(environment).remove(0)
    }

    /// Restores with every question answered; the command line's whole answer.
    pub fn restore(&self, environment: &str, options: &[&str]) -> Output {
        self.cli(&[&["backup:restore", environment, "--yes", "--confirm", environment][..], options].concat())
    }
    #[track_caller]
    pub fn must_restore(&self, environment: &str, options: &[&str]) -> view::Restore {
        self.must(&[&["backup:restore", environment, "--yes", "--confirm", environment][..], options].concat());
        self.last_restore(environment)
    }
    #[track_caller]
    pub fn must_undo(&self, what: &str, environment: &str) -> view::Restore {
        self.must(&["backup:undo", what, "--yes", "--confirm", environment]);
        self.last_restore(environment)
    }

    pub fn environment(&self, name: &str) -> view::Environment {
        self.get(&format!("/environments?named={name}"))
    }
    /// The backups of an environment, newest first.
    pub fn backups(&self, environment: &str) -> Vec<view::Backup> {
        self.get(&format!("/environments/{}/backups?limit=500", self.environment(environment).id))
    }
    pub fn restores(&self, environment: &str) -> Vec<view::Restore> {
        self.get(&format!("/environments/{}/restores", self.environment(environment).id))
    }
    /// The newest restore or undo when it has ended, well.
    pub fn finished_restore(&self, environment: &str) -> view::Restore {
        super::wait_for("the restore's end", Duration::from_secs(60), || self.last_restore(environment).state.is_final());
        let last = self.last_restore(environment);
        assert_eq!(last.state.word(), "succeeded", "{last:?}");
        last
    }
    pub fn last_restore(&self, environment: &str) -> view::Restore {
        self.restores(environment).remove(0)
    }
    /// The jobs of an environment, newest first.
    pub fn jobs(&self, environment: &str) -> Vec<view::Job> {
        self.get(&format!("/jobs?environment={}", self.environment(environment).id))
    }
    /// The task log of a job, one line each.
    pub fn task_log(&self, job: &str) -> String {
        let lines: Vec<view::LogLine> = self.get(&format!("/jobs/{job}/log"));
        lines.into_iter().map(|l| format!("{} {}\n", l.level, l.text)).collect()
    }

    /// The administrator's.
    pub fn token(&self) -> String {
        std::fs::read_to_string(&self.server.token_file).expect("setup wrote a token").trim().to_owned()
    }

    /// One column of a catalogue on SQLite, as text.
    pub fn column(&self, sql: &str) -> Vec<String> {
        let db = rusqlite::Connection::open(self.server.data.join("catalogue.db")).expect("the catalogue opens");
        db.busy_timeout(Duration::from_secs(10)).expect("a time-out can be set");
        let mut statement = db.prepare(sql).unwrap_or_else(|e| panic!("{e} in {sql}"));
        let rows = statement.query_map([], |row| row.get(0)).expect("the catalogue answers");
        rows.map(|r| r.unwrap_or_else(|e| panic!("{e} in {sql}"))).collect()
    }

    /// Asks the API as the administrator.
    #[track_caller]
    pub fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> T {
        let (status, body) = ask(&self.server.url, &self.token(), "GET", path, None);
        assert_eq!(status, 200, "GET {path}: {body}");
        serde_json::from_value(body).unwrap_or_else(|e| panic!("GET {path}: {e}"))
    }

    /// Sends JSON to the API as the administrator; status and answer.
    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        ask(&self.server.url, &self.token(), "POST", path, Some(body))
    }

    /// The directory of an environment's repository, and the password that opens it with stock restic.
    pub fn repository(&self, environment: &str) -> (PathBuf, String) {
        let wanted = self.environment(environment);
        let environment = self.environment.clone();
        let data = self.server.data.clone();
        let url = environment.iter().find(|(k, _)| k == "SITEKEEP_DATABASE_URL_FILE").map_or_else(
            || format!("sqlite://{}", data.join("catalogue.db").display()),
            |(_, file)| std::fs::read_to_string(file).expect("it was written above"),
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        runtime.block_on(async {
            use sitekeep::base::secret::{Place, Sealer};
            let pool =
                sitekeep::base::sql::Pool::connect(&url, 1, sitekeep::base::clock::Clock::system()).await.expect("the catalogue opens");
            let mut conn = pool.get().await.expect("a connection is free");
            let id = sitekeep::domain::ids::EnvironmentId(wanted.id);
            let row = sitekeep::db::environments::find(&mut conn, &id).await.expect("it reads").expect("it is there");
            let (tenant, site) = (row.tenant_id.clone().into(), row.site_id.into());
            let repository = sitekeep::db::sites::repository(&mut conn, &tenant, &site).await.expect("it reads").expect("it is there");
            let sealer = Sealer::load(&data.join("master.key")).expect("the key is there");
            let place = Place { table: "repositories", column: "password", tenant: &row.tenant_id, row: &repository.id };
            let password = sealer.open(place, &repository.password_sealed).expect("it opens").expose().to_owned();
            drop(conn);
            pool.close().await;
            (PathBuf::from(repository.location.trim_start_matches("file://")), password)
        })
    }
}

/// One question to the API: status and body.
pub fn ask(url: &str, token: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60))).build().new_agent();
    let mut request = ureq::http::Request::builder().method(method).uri(format!("{url}/api/v1{path}"));
    request = request.header("Authorization", format!("Bearer {token}")).header("Content-Type", "application/json");
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut answer = agent.run(request.body(body).expect("a request is well-formed")).unwrap_or_else(|e| panic!("{method} {path}: {e}"));
    let text = answer.body_mut().read_to_string().expect("an answer is text");
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn ours(args: &[&str], data: &Path, environment: &[(String, String)]) -> Command {
    let mut command = Command::new(PROGRAM);
    prepare(&mut command, data, environment);
    command.args(args);
    command
}

fn prepare(command: &mut Command, data: &Path, environment: &[(String, String)]) {
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LANG", "C.UTF-8");
    command
        .env("SITEKEEP_DATA_DIR", data)
        .env("SITEKEEP_DRILL_DIR", data.with_extension("drills"))
        .envs(environment.iter().map(|(k, v)| (k, v)))
        .current_dir(data);
}
