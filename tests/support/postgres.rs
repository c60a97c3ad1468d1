//! A private PostgreSQL server: one for the whole run (`shared`), or one of a test's own that may be killed.

use super::digest::{self, Digest};
use super::mariadb::{Database, Login};
use super::{Running, Scratch, apt_line, command_as, daemon_as, free_port, run_with_input, user_or_self};
use rustix::process::Signal;
use sitekeep::base::chance;
use sitekeep::base::identity::Identity;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

pub struct Postgres {
    pub port: u16,
    /// The directory that holds `.s.PGSQL.<port>`.
    pub socket: PathBuf,
    /// May create databases and roles, and is not a superuser: what an administrator gives to `server:add`.
    pub administrator: Login,
    running: Mutex<Running>,
    scratch: Scratch,
    owner: Identity,
    settings: &'static [&'static str],
}

/// Without waiting for the disk: what a test kills is the process, never the machine.
const QUICK: &[&str] = &["listen_addresses=127.0.0.1", "shared_buffers=32MB", "max_connections=60", "fsync=off", "full_page_writes=off"];
/// As people have it.
const DURABLE: &[&str] = &["listen_addresses=127.0.0.1", "shared_buffers=128MB", "max_connections=60"];

impl Postgres {
    /// The server of this run.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Postgres> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    /// A server of the test's own, in about a second. It refuses root, so it runs as `postgres`.
    pub fn start() -> Self {
        Self::start_with(QUICK)
    }

    /// The same, and what was committed is on the disk: for figures.
    pub fn start_durable() -> Self {
        Self::start_with(DURABLE)
    }

    fn start_with(settings: &'static [&'static str]) -> Self {
        let scratch = Scratch::new();
        let owner = user_or_self("postgres");
        let dir = scratch.dir_of("postgres", &owner);
        let mut init = command_as(&owner, binary("initdb"));
        init.current_dir(&dir).arg("-D").arg(dir.join("data")).args(["-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-U", "postgres"]);
        super::run(init.args(["--auth-local=trust", "--auth-host=scram-sha-256"]));
        let port = free_port();
        let running = Mutex::new(launch(&scratch, &owner, port, settings));
        let administrator = Login { user: "keeper".into(), password: chance::word(24) };
        let server = Self { port, socket: dir, administrator, running, scratch, owner, settings };
        server.wait();
        let Login { user, password } = &server.administrator;
        server.sql("postgres", &format!("create role {user} login createdb createrole password '{password}'"));
        server
    }

    /// As superuser, through the socket: the answer's lines, columns separated by `|`.
    ///
    /// # Panics
    /// When the server refuses, with its message.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self.try_sql(database, sql).unwrap_or_else(|e| panic!("{e}\nin: {sql}"))
    }

    pub fn try_sql(&self, database: &str, sql: &str) -> Result<String, String> {
        let out = run_with_input(&mut self.psql(database), sql.as_bytes());
        if out.status.success() {
            Ok(String::from_utf8_lossy(&out.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&out.stderr).into_owned())
        }
    }

    /// A new database named after `stem` that belongs to a role of the same name; no other ordinary role may connect.
    pub fn create(&self, stem: &str) -> Database {
        let name = format!("{stem}_{}", chance::word(6));
        let password = chance::word(24);
        self.sql("postgres", &format!("create role {name} login password '{password}'"));
        self.sql("postgres", &format!("create database {name} owner {name}"));
        self.sql("postgres", &format!("revoke connect on database {name} from public"));
        Database { user: name.clone(), name, password, port: self.port, socket: self.socket.clone() }
    }

    /// Runs SQL as the database's own role, so that what it makes belongs to that role.
    pub fn sql_as(&self, database: &Database, sql: &str) -> String {
        self.sql(&database.name, &format!("set role {};\n{sql}", database.user))
    }

    /// The whole database as text, to be loaded into another one by [`Postgres::sql_as`].
    pub fn dump(&self, database: &str) -> Vec<u8> {
        super::run(self.client("pg_dump").args(["--no-owner", "--no-privileges", "-d", database]))
    }

    /// What the database holds: per table its rows in order; sequences, large objects, the schema's text.
    pub fn digest(&self, database: &str) -> Digest {
        digest::postgres(self, database, None)
    }

    /// The same without what was put aside: schemas whose name begins with `prefix`.
    pub fn digest_without(&self, database: &str, prefix: &str) -> Digest {
        digest::postgres(self, database, Some(prefix)).only(|part| !part.split(' ').nth(1).is_some_and(|name| name.starts_with(prefix)))
    }

    /// A client program that logs in as superuser through the socket.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(binary(program));
        command.arg("-h").arg(&self.socket).args(["-p", &self.port.to_string(), "-U", "postgres"]);
        command
    }

    pub fn psql(&self, database: &str) -> Command {
        let mut command = self.client("psql");
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database]).env("PGOPTIONS", "-c client_min_messages=warning");
        command
    }

    /// The server's process, to stop or kill it. Only for a server of the test's own.
    pub fn process(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts it again on its data and its port, after it was killed.
    pub fn start_again(&self) {
        self.process().kill_all();
        *self.process() = launch(&self.scratch, &self.owner, self.port, self.settings);
        self.wait();
    }

    fn wait(&self) {
        let mut ready = self.client("pg_isready");
        ready.arg("-q");
        self.process().wait_until("PostgreSQL", Duration::from_secs(60), || ready.status().is_ok_and(|s| s.success()));
    }
}

fn launch(scratch: &Scratch, owner: &Identity, port: u16, settings: &[&str]) -> Running {
    let dir = scratch.join("postgres");
    let mut command = daemon_as(owner, binary("postgres"));
    command.current_dir(&dir).arg("-D").arg(dir.join("data")).arg("-k").arg(&dir).args(["-p", &port.to_string()]);
    for setting in settings {
        command.args(["-c", setting]);
    }
    // SIGQUIT: it ends at once and still gives its shared memory back.
    Running::start_ending_with(&mut command, &scratch.join("postgres.log"), Signal::QUIT)
}

/// Debian's `psql` and `pg_dump` on the path are slow wrappers in Perl; the real ones lie by version.
pub fn binary(name: &str) -> PathBuf {
    let version = |p: &Path| p.file_name().and_then(|n| n.to_str()).and_then(|n| n.parse::<u32>().ok());
    std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.join("bin").join(name).is_file())
        .max_by_key(|p| version(p))
        .map(|p| p.join("bin").join(name))
        .unwrap_or_else(|| panic!("`{name}` of PostgreSQL is missing; install it with:\n{}", apt_line()))
}
