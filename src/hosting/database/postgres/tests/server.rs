//! A private PostgreSQL for the tests of this process, with passwords, on a socket in a temporary folder.

use super::super::session::Session;
use super::super::tools::Search;
use crate::base::chance;
use crate::base::secret::Secret;
use crate::domain::site::{Access, Account, DatabaseAddress, Endpoint};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A running server. Its watcher ends it when this process ends, however that happens, because a pipe closes then.
pub struct Server {
    pub dir: PathBuf,
    pub bin: PathBuf,
    watcher: Child,
}

const PORT: u16 = 5432; // only in the socket's name
const SUPERUSER: &str = "master";

/// The server that all tests share.
pub fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(Server::start)
}

impl Server {
    pub fn start() -> Self {
        let bin = Search::usual().psql().unwrap().path.parent().unwrap().to_owned();
        let dir = std::env::temp_dir().join(format!("sitekeep-pg-{}", chance::word(10)));
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("pw"), SUPERUSER).unwrap();
        assert!(Command::new("chmod").arg("755").arg(&dir).status().unwrap().success());
        let (data, as_postgres) = (dir.join("data"), as_postgres(&dir));
        let made = Command::new(&as_postgres[0])
            .args(&as_postgres[1..])
            .arg(bin.join("initdb"))
            .args(["--no-sync", "-A", "scram-sha-256", "-U", SUPERUSER, "-E", "UTF8", "--locale=C.UTF-8"])
            .arg(format!("--pwfile={}", dir.join("pw").display()))
            .arg("-D")
            .arg(&data)
            .current_dir("/")
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let watcher = Command::new("sh")
            .args([
                "-c",
                "d=$1; shift; \"$@\" >\"$d/log\" 2>&1 & p=$!; cat >/dev/null;
  p=$(head -n 1 \"$d/data/postmaster.pid\" 2>/dev/null || echo $p)
while kill -INT $p; do sleep 0.1; done 2>/dev/null; rm -rf \"$d\"",
                "sh",
            ])
            .arg(&dir)
            .args(&as_postgres)
            .arg(bin.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=60", "-c", "shared_buffers=32MB"])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", dir.display()))
            .current_dir("/")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let server = Self { dir, bin, watcher };
        server.wait_until_it_answers();
        server
    }

    pub fn wait_until_it_answers(&self) {
        let end = Instant::now() + Duration::from_secs(30);
        while let Err(e) = self.session(&self.access(SUPERUSER, "postgres", SUPERUSER)).run("select 1;") {
            assert!(Instant::now() < end, "the server does not answer: {e}; {}", std::fs::read_to_string(self.dir.join("log")).unwrap());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `pg_ctl` on this server alone.
    pub fn control(&self, args: &[&str]) {
        let as_postgres = as_postgres(&self.dir);
        let done = Command::new(&as_postgres[0])
            .args(&as_postgres[1..])
            .arg(self.bin.join("pg_ctl"))
            .arg("-D")
            .arg(self.dir.join("data"))
            .arg("-l")
            .arg(self.dir.join("data/log2"))
            .args(args)
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(done.unwrap().success(), "pg_ctl {args:?}");
    }

    pub fn access(&self, user: &str, database: &str, password: &str) -> Access {
        let at = Endpoint::Socket { path: self.dir.clone(), port: Some(PORT) };
        let account = Account { at, database: database.to_owned(), user: user.to_owned(), prefix: String::new() };
        Access { address: DatabaseAddress::Postgres(account), password: Secret::new(password) }
    }

    /// The superuser, as a server account.
    pub fn master(&self) -> Access {
        self.access(SUPERUSER, "postgres", SUPERUSER)
    }

    pub fn session(&self, access: &Access) -> Session {
        Session::open(access, &Search::usual()).unwrap()
    }

    /// A database with an owner of its own, both of a fresh name that libpq could take for an address; the password holds
    /// what pgpass must escape.
    pub fn site(&self) -> Access {
        let name = format!("dbname='x {}", chance::word(8));
        let access = self.access(&name, &name, "pa:ss\\w'ord");
        let master = self.session(&self.master());
        master.run(&format!("create role \"{name}\" login password 'pa:ss\\w''ord';")).unwrap();
        master.run(&format!("create database \"{name}\" owner \"{name}\";")).unwrap();
        access
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

/// PostgreSQL refuses to run as root.
fn as_postgres(dir: &Path) -> Vec<String> {
    if !rustix::process::getuid().is_root() {
        return vec!["env".to_owned()];
    }
    assert!(Command::new("chown").arg("postgres").arg(dir).status().unwrap().success());
    ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"].map(str::to_owned).into()
}
