//! A private MariaDB server: one for the whole run (`shared`), or one of a test's own that may be killed.

use super::digest::{self, Digest};
use super::{Running, Scratch, daemon_as, free_port, run_with_input, set_mode, tool, user_or_self};
use sitekeep::base::chance;
use sitekeep::base::identity::{self, Identity};
use sitekeep::base::secret::Secret;
use sitekeep::domain::site::{Access, Account, DatabaseAddress, Endpoint};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

pub struct Mariadb {
    pub port: u16,
    pub socket: PathBuf,
    /// May create databases and users: what an administrator gives to `server:add`.
    pub administrator: Login,
    running: Mutex<Running>,
    scratch: Scratch,
    owner: Identity,
}

/// A user of a database server.
#[derive(Clone, Debug)]
pub struct Login {
    pub user: String,
    pub password: String,
}

/// A database with the one account that may use it, and nothing else.
#[derive(Clone, Debug)]
pub struct Database {
    pub name: String,
    pub user: String,
    pub password: String,
    pub port: u16,
    /// MariaDB: the socket file. PostgreSQL: the directory it lies in.
    pub socket: PathBuf,
}

impl Mariadb {
    /// The server of this run.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Mariadb> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    /// A server of the test's own, in under a second. It runs as `mysql`, never as root.
    pub fn start() -> Self {
        let scratch = Scratch::new();
        let owner = user_or_self("mysql");
        let dir = scratch.dir_of("mariadb", &owner);
        set_mode(&dir, 0o755);
        // A server that starts removes temporary tables it finds in its temporary directory, those of a running
        // neighbour too, which then crashes: so none of them may share one.
        let temporary = scratch.dir_of("mariadb/tmp", &owner);
        let data = dir.join("data");
        let me = identity::name_of(Identity::of_process().uid).expect("whoever runs the tests has a name");
        let mut install = Command::new(tool("mariadb-install-db"));
        install
            .args(["--no-defaults", "--skip-test-db", "--innodb-log-file-size=16M", "--auth-root-authentication-method=socket"])
            .arg(format!("--auth-root-socket-user={me}"))
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--tmpdir={}", temporary.display()))
            .env("TMPDIR", &temporary);
        if super::is_root() {
            install.arg("--user=mysql");
        }
        super::run(&mut install);
        let (port, socket) = (free_port(), dir.join("sock"));
        let running = Mutex::new(launch(&scratch, &owner, port));
        let administrator = Login { user: "keeper".into(), password: chance::word(24) };
        let server = Self { port, socket, administrator, running, scratch, owner };
        server.wait();
        for host in HOSTS {
            let Login { user, password } = &server.administrator;
            server.sql("mysql", &format!("grant all on *.* to '{user}'@'{host}' identified by '{password}' with grant option"));
        }
        server
    }

    /// As root, through the socket: the answer's lines, columns separated by tabs.
    ///
    /// # Panics
    /// When the server refuses, with its message.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self.try_sql(database, sql).unwrap_or_else(|e| panic!("{e}\nin: {sql}"))
    }

    pub fn try_sql(&self, database: &str, sql: &str) -> Result<String, String> {
        let out =
            run_with_input(self.client("mariadb").args(["-N", "-B", "--default-character-set=utf8mb4"]).arg(database), sql.as_bytes());
        if out.status.success() {
            Ok(String::from_utf8_lossy(&out.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&out.stderr).into_owned())
        }
    }

    /// A new database named after `stem`, with an account that has all rights on it and none elsewhere.
    pub fn create(&self, stem: &str) -> Database {
        let name = format!("{stem}_{}", chance::word(6));
        let (user, password) = (name.clone(), chance::word(24));
        self.sql("mysql", &format!("create database `{name}` character set utf8mb4 collate utf8mb4_unicode_ci"));
        for host in HOSTS {
            // In a GRANT the name is a pattern: an underscore that is not escaped would open other databases too.
            let pattern = name.replace('_', "\\_");
            self.sql("mysql", &format!("grant all on `{pattern}`.* to '{user}'@'{host}' identified by '{password}'"));
        }
        Database { name, user, password, port: self.port, socket: self.socket.clone() }
    }

    /// The whole database as text, to be loaded into another one.
    pub fn dump(&self, database: &str) -> Vec<u8> {
        super::run(self.client("mariadb-dump").args(["--single-transaction", "--routines", "--events", "--hex-blob", database]))
    }

    /// What the database holds: per table rows, checksum and content; views, triggers, routines, events, sequences.
    pub fn digest(&self, database: &str) -> Digest {
        digest::mysql(self, database)
    }

    /// The same without what was put aside: tables, views and the rest whose name begins with `prefix`.
    pub fn digest_without(&self, database: &str, prefix: &str) -> Digest {
        self.digest(database).only(|part| !part.rsplit(' ').next().is_some_and(|name| name.starts_with(prefix)))
    }

    /// A client program that logs in as root through the socket.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(tool(program));
        command.arg("--no-defaults").arg("-S").arg(&self.socket);
        command
    }

    /// The server's process, to stop or kill it. Only for a server of the test's own.
    pub fn process(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts it again on its data and its port, after it was killed.
    pub fn start_again(&self) {
        self.process().kill_all();
        *self.process() = launch(&self.scratch, &self.owner, self.port);
        self.wait();
    }

    fn wait(&self) {
        let mut ping = self.client("mariadb-admin");
        ping.arg("ping");
        self.process().wait_until("MariaDB", Duration::from_secs(60), || ping.output().is_ok_and(|o| o.status.success()));
    }
}

/// A user of MySQL is a name and where it comes from: through the socket, or by TCP without a name.
const HOSTS: [&str; 2] = ["localhost", "127.0.0.1"];

fn launch(scratch: &Scratch, owner: &Identity, port: u16) -> Running {
    let dir = scratch.join("mariadb");
    let mut command = daemon_as(owner, tool("mariadbd"));
    command
        .args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--event-scheduler=OFF"])
        .args(["--character-set-server=utf8mb4", "--collation-server=utf8mb4_unicode_ci"])
        // Small, and without waiting for the disk: what is killed here is the process, never the machine.
        .args(["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M", "--innodb-flush-log-at-trx-commit=2"])
        .args([format!("--datadir={}", dir.join("data").display()), format!("--socket={}", dir.join("sock").display())])
        .arg(format!("--tmpdir={}", dir.join("tmp").display()))
        .args([format!("--pid-file={}", dir.join("pid").display()), format!("--port={port}")]);
    Running::start(&mut command, &scratch.join("mariadb.log"))
}

impl Database {
    /// The address and password of a MariaDB database, by TCP.
    pub fn mysql(&self) -> Access {
        Access { address: DatabaseAddress::Mysql(self.account()), password: Secret::new(&*self.password) }
    }
    /// The address and password of a PostgreSQL database, by TCP.
    pub fn postgres(&self) -> Access {
        Access { address: DatabaseAddress::Postgres(self.account()), password: Secret::new(&*self.password) }
    }
    fn account(&self) -> Account {
        let at = Endpoint::Tcp { host: "127.0.0.1".into(), port: self.port };
        Account { at, database: self.name.clone(), user: self.user.clone(), prefix: String::new() }
    }
    /// `user:password@127.0.0.1:port/name`, after a scheme.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}:{}@127.0.0.1:{}/{}", self.user, self.password, self.port, self.name)
    }
}
