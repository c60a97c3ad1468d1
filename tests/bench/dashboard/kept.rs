//! The seeded catalogue, made once and kept in `target/test-tools`, and the server on it.

use super::seed::{self, Seed};
use super::sink::{self, Sink};
use crate::support::browser::Browser;
use crate::support::postgres::binary;
use crate::support::server::{PROGRAM, Server};
use crate::support::{Running, Scratch, command_as, daemon_as, free_port, give, run, set_mode, template, user_or_self};
use rustix::process::Signal;
use sitekeep::base::clock::Clock;
use sitekeep::base::secret::Secret;
use sitekeep::base::sql::{Kind, Pool};
use sitekeep::base::{chance, password};
use sitekeep::db;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const ADMINISTRATOR: &str = "admin@bench.example.test";
const PASSWORD: &str = "a bench is for sitting on";

/// A server on the seeded catalogue.
pub struct Dashboard {
    pub server: Server,
    /// Of the catalogue.
    pub url: String,
    _postgres: Option<Postgres>,
}

impl Dashboard {
    pub fn start(kind: Kind, seed: Seed) -> Self {
        let source = [include_bytes!("seed.rs").as_slice(), &seed.backups.to_le_bytes()];
        let name = format!("bench-dashboard-{}", kind.name().to_lowercase());
        let place = template::made_once(&name, &template::tools_for_everybody(), &source, |place| make(kind, seed, place));
        let postgres = (kind == Kind::Postgres).then(|| Postgres::start(&place.join("cluster")));
        let url = url_of(&place, postgres.as_ref());
        settle(&url);
        let program = std::env::var_os("BENCH_PROGRAM").map_or_else(|| PROGRAM.into(), PathBuf::from);
        let log = std::env::var("BENCH_LOG").unwrap_or_else(|_| "warn".into());
        let environment = [("SITEKEEP_DATABASE_URL", url.as_str()), ("SITEKEEP_LOG", &log)];
        let server = Server::start_program(&program, &["serve", "--no-worker"], &place.join("data"), &environment);
        Self { server, url, _postgres: postgres }
    }

    /// Signs in by the form; the cookie of the session.
    pub fn sign_in(&self, administrator: bool) -> String {
        let browser = Browser::new(&self.server.url);
        browser.sign_in(if administrator { ADMINISTRATOR } else { seed::OWNER }, PASSWORD);
        browser.cookie().expect("there is a session")
    }
}

/// A catalogue that nobody looked after for days makes its server judge every environment in its first minutes, which it
/// does in the course of an hour else: so it is made to lie in the middle of that hour.
fn settle(url: &str) {
    tokio::runtime::Runtime::new().expect("a runtime starts").block_on(async {
        let pool = Pool::connect(url, 1, Clock::system()).await.expect("the catalogue opens");
        let now = pool.now().await.expect("there is a clock");
        let mut tx = pool.begin().await.expect("a transaction begins");
        let ids: Vec<(String,)> = sqlx::query_as("select id from environments").fetch_all(&mut *tx).await.expect("it is asked");
        for (n, (id,)) in ids.iter().enumerate() {
            let at = now.plus((n + 1) as i64 * 3_600_000 / ids.len() as i64);
            let change = sqlx::query("update environments set retention_at = $1 where id = $2").bind(at.0).bind(id.clone());
            change.execute(&mut *tx).await.expect("it is changed");
        }
        tx.commit().await.expect("it is kept");
        pool.close().await;
    });
}

fn url_of(place: &Path, postgres: Option<&Postgres>) -> String {
    match postgres {
        Some(server) => format!("postgres://sitekeep:{}@127.0.0.1:{}/catalogue", server.password, server.port),
        None => format!("sqlite://{}?mode=rwc", place.join("data/catalogue.db").display()),
    }
}

/// Set up as administrators do it, then filled behind the product's back.
fn make(kind: Kind, seed: Seed, place: &Path) {
    let data = place.join("data");
    std::fs::create_dir_all(&data).expect("a directory can be made");
    set_mode(&data, 0o700);
    let postgres = (kind == Kind::Postgres).then(|| Postgres::make(&place.join("cluster")));
    let url = url_of(place, postgres.as_ref());
    let mut setup = Command::new(PROGRAM);
    setup.args(["setup", "--email", ADMINISTRATOR, "--token-out"]).arg(data.join("token"));
    run(setup.env("SITEKEEP_DATA_DIR", &data).env("SITEKEEP_DATABASE_URL", &url).current_dir(&data));
    let began = Instant::now();
    let psql = || postgres.as_ref().expect("it is the one").psql("catalogue");
    let mut sink: Box<dyn Sink + '_> = match kind {
        Kind::Sqlite => Box::new(sink::Sqlite::open(&data.join("catalogue.db"))),
        Kind::Postgres => Box::new(sink::Postgres(&psql)),
    };
    seed.write(&mut *sink);
    sink.finish(&seed::derived());
    drop(sink);
    println!("{} backups were written to {} in {:.0} s", seed.backups, kind.name(), began.elapsed().as_secs_f64());
    set_passwords(&url);
}

fn set_passwords(url: &str) {
    tokio::runtime::Runtime::new().expect("a runtime starts").block_on(async {
        let pool = Pool::connect(url, 1, Clock::system()).await.expect("the catalogue opens");
        let hash = password::hash(&Secret::new(PASSWORD)).await.expect("it is long enough");
        let mut tx = pool.begin().await.expect("a transaction begins");
        for email in [ADMINISTRATOR, seed::OWNER] {
            let account = db::accounts::find_by_email(&mut tx, email).await.expect("it is asked").expect("it is there");
            db::accounts::set_password(&mut tx, &account.id.into(), &hash).await.expect("it is set");
        }
        tx.commit().await.expect("it is kept");
        pool.close().await;
    });
}

/// A server on a directory that is kept.
struct Postgres {
    port: u16,
    password: String,
    socket: PathBuf,
    _running: Running,
    _scratch: Scratch,
}

impl Postgres {
    fn make(cluster: &Path) -> Self {
        let owner = user_or_self("postgres");
        std::fs::create_dir_all(cluster).expect("a directory can be made");
        give(cluster, &owner);
        let mut init = command_as(&owner, binary("initdb"));
        init.current_dir(cluster).arg("-D").arg(cluster.join("data")).args([
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "-U",
            "postgres",
        ]);
        run(init.args(["--auth-local=trust", "--auth-host=scram-sha-256"]));
        let server = Self::launch(cluster);
        server.sql("create role sitekeep login");
        server.sql("create database catalogue owner sitekeep");
        server.set_password()
    }

    fn start(cluster: &Path) -> Self {
        Self::launch(cluster).set_password()
    }

    fn set_password(self) -> Self {
        self.sql(&format!("alter role sitekeep password '{}'", self.password));
        self
    }

    fn launch(cluster: &Path) -> Self {
        let (scratch, owner, port) = (Scratch::new(), user_or_self("postgres"), free_port());
        let socket = scratch.dir_of("postgres", &owner);
        let mut command = daemon_as(&owner, binary("postgres"));
        command.current_dir(cluster).arg("-D").arg(cluster.join("data")).arg("-k").arg(&socket).args(["-p", &port.to_string()]);
        // Nothing that matters is written here, and what is measured is reading.
        for setting in ["listen_addresses=127.0.0.1", "shared_buffers=256MB", "fsync=off", "max_wal_size=8GB"] {
            command.args(["-c", setting]);
        }
        let mut running = Running::start_ending_with(&mut command, &scratch.join("postgres.log"), Signal::INT);
        let mut ready = Command::new(binary("pg_isready"));
        ready.arg("-q").arg("-h").arg(&socket).args(["-p", &port.to_string()]);
        running.wait_until("PostgreSQL", Duration::from_secs(120), || ready.status().is_ok_and(|s| s.success()));
        Self { port, password: chance::word(24), socket, _running: running, _scratch: scratch }
    }

    fn psql(&self, database: &str) -> Command {
        let mut command = Command::new(binary("psql"));
        command.arg("-h").arg(&self.socket).args(["-p", &self.port.to_string(), "-U", "postgres", "-X", "-q", "-v", "ON_ERROR_STOP=1"]);
        command.args(["-d", database]);
        command
    }

    fn sql(&self, sql: &str) {
        run(self.psql("postgres").args(["-c", sql]));
    }
}
