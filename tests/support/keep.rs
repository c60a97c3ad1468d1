//! Sitekeep as an administrator has it after the first ten minutes: set up, running, with a tenant; and the answers of
//! the command line, read.

use super::mariadb::Mariadb;
use super::restic::Restic;
use super::server::{PROGRAM, Server, data_dir};
use super::wordpress::Wordpress;
use super::{Scratch, run, wait_for, write};
use serde_json::Value;
use sitekeep::base::secret::{Place, Sealer};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

/// The tenant of every site here.
pub const TENANT: &str = "acme";

pub struct Keep {
    pub server: Server,
    pub scratch: Scratch,
}

/// A command that did not succeed: its exit code, and what it said to people.
#[derive(Debug)]
pub struct Refusal {
    pub code: i32,
    pub said: String,
    pub printed: String,
}

impl Keep {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With `environment` for the server beside what it needs.
    pub fn start_with(environment: &[(&str, &str)]) -> Self {
        let scratch = Scratch::new();
        let data = data_dir(&scratch);
        let (tune, points) = (scratch.join("tune.json"), scratch.join("points"));
        std::fs::create_dir(&points).expect("a directory can be made");
        let queue = serde_json::json!({ "poll": 0.1, "heartbeat": 0.5 });
        write(&tune, serde_json::json!({ "queue": queue, "app": { "probe_tries": 2 }, "failpoints": points }).to_string());
        let tune = tune.display().to_string();
        run(Command::new(PROGRAM)
            .args(["setup", "--email", "admin@example.test", "--token-out"])
            .arg(scratch.join("token"))
            .env("SITEKEEP_DATA_DIR", &data)
            .current_dir(scratch.path()));
        let mut all = vec![("SITEKEEP_TUNE", tune.as_str())];
        all.extend(environment);
        let mut server = Server::start(&data, &all);
        server.token_file = scratch.join("token");
        let keep = Self { server, scratch };
        keep.must(&["tenant:create", TENANT]);
        keep
    }

    /// Ends the server and starts another one on the same data, with another environment.
    pub fn start_again_with(&mut self, environment: &[(&str, &str)]) {
        self.server.process().kill_all();
        let tune = self.scratch.join("tune.json").display().to_string();
        let mut all = vec![("SITEKEEP_TUNE", tune.as_str())];
        all.extend(environment);
        let token_file = self.server.token_file.clone();
        self.server = Server::start(&self.server.data.clone(), &all);
        self.server.token_file = token_file;
    }

    /// It must succeed; gives what it printed.
    #[track_caller]
    pub fn must(&self, args: &[&str]) -> String {
        self.server.must(args)
    }
    /// It must succeed; gives its data.
    #[track_caller]
    pub fn data(&self, args: &[&str]) -> Value {
        read(&self.must(&[args, &["--format=json"]].concat()))
    }
    /// It must succeed; gives what it said to people, on standard error.
    #[track_caller]
    pub fn says(&self, args: &[&str]) -> String {
        let out = self.server.cli(args);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "sitekeep {args:?}: {}\n{said}\nthe server said:\n{}", out.status, self.server.log());
        said
    }
    /// It must not succeed.
    #[track_caller]
    pub fn refused(&self, args: &[&str]) -> Refusal {
        let out = self.server.cli(args);
        assert!(!out.status.success(), "sitekeep {args:?} should not have succeeded:\n{}", both(&out));
        Refusal {
            code: out.status.code().expect("it ended by itself"),
            said: String::from_utf8_lossy(&out.stderr).into_owned(),
            printed: String::from_utf8_lossy(&out.stdout).into_owned(),
        }
    }

    /// Seals the server account that may create databases, as `maria`.
    pub fn add_server(&self, mariadb: &Mariadb) {
        let file = self.secret("server-password", &mariadb.administrator.password);
        let port = mariadb.port.to_string();
        let user = &mariadb.administrator.user;
        self.must(&[
            "server:add",
            "maria",
            "--engine=mysql",
            "--host=127.0.0.1",
            "--port",
            &port,
            "--user",
            user,
            "--password-file",
            &file,
        ]);
    }
    /// A file that holds a secret, for options that take one.
    pub fn secret(&self, name: &str, value: &str) -> String {
        let path = self.scratch.join(name);
        write(&path, value);
        path.display().to_string()
    }
    /// Adds `acme/shop.live` as its settings describe it; gives what was said.
    #[track_caller]
    pub fn add_shop(&self, shop: &Wordpress, more: &[&str]) -> String {
        self.add("shop", "live", &shop.root.display().to_string(), &[&["--site-url", &shop.url], more].concat())
    }
    /// Adds an environment by what is found in `path`.
    #[track_caller]
    pub fn add(&self, site: &str, env: &str, path: &str, more: &[&str]) -> String {
        let site = format!("{TENANT}/{site}");
        self.says(&[&["site:add", &site, "--env", env, "--path", path, "--detect"], more].concat())
    }

    /// A whole backup; gives its id.
    #[track_caller]
    pub fn back_up(&self, environment: &str, more: &[&str]) -> String {
        text(&self.data(&[&["backup:create", environment], more].concat())["id"])
    }
    /// The answers to whoever asks for the backup's elements, by their names.
    #[track_caller]
    pub fn element(&self, environment: &str, backup: &str, element: &str) -> Value {
        let fields = "--fields=file,state,bytes,files,snapshot,problems,manifest";
        let (backup, element) = (format!("--backup={backup}"), format!("--element={element}"));
        self.data(&["backup:info", environment, &backup, &element, fields])
    }
    /// What a drill compared, as its page has it to be downloaded.
    pub fn evidence(&self, drill: &str) -> Value {
        let token = std::fs::read_to_string(&self.server.token_file).expect("setup wrote a token");
        super::panel::ask(&self.server.url, token.trim(), "GET", &format!("/drills/{drill}"), None).1["evidence"].clone()
    }
    /// A restore that succeeds; gives its row with its steps.
    #[track_caller]
    pub fn restore(&self, environment: &str, more: &[&str]) -> Value {
        let done = self.data(&[&["backup:restore", environment, "--yes"], more].concat());
        self.data(&["restore:info", &text(&done["id"])])
    }
    /// The same; while it stands still between two of its steps, at a point of `base::failpoint`, `look` is called.
    #[track_caller]
    pub fn restore_held_at(&self, point: &str, environment: &str, more: &[&str], look: impl FnOnce()) -> Value {
        let file = |suffix: &str| self.scratch.join("points").join(format!("{point}{suffix}"));
        write(file(""), "wait");
        std::thread::scope(|scope| {
            let restore = scope.spawn(|| self.restore(environment, more));
            wait_for("the restore stands still", Duration::from_secs(60), || file(".hit").exists() || restore.is_finished());
            look();
            write(file(".go"), "");
            restore.join().expect("the restore succeeds")
        })
    }
    /// An undo that succeeds, of a restore or of another undo.
    #[track_caller]
    pub fn undo(&self, restore: &Value) -> Value {
        let done = self.data(&["backup:undo", &text(&restore["id"]), "--yes"]);
        self.data(&["restore:info", &text(&done["id"])])
    }
    /// The newest restore of an environment.
    #[track_caller]
    pub fn last_restore(&self, environment: &str) -> Value {
        let all = self.data(&["restore:list", environment]);
        self.data(&["restore:info", &text(&all[0]["id"])])
    }

    /// The only site's repository, opened by restic with the password that is sealed in the catalogue.
    pub fn restic(&self) -> Restic {
        let (location, password) = self.repository();
        Restic::open(&location, &password)
    }
    /// Where the only site's repository lies, and its password.
    pub fn repository(&self) -> (PathBuf, String) {
        let catalogue = rusqlite::Connection::open(self.server.data.join("catalogue.db")).expect("the catalogue opens");
        let (id, tenant, location, sealed): (String, String, String, Vec<u8>) = catalogue
            .query_row("select id, tenant_id, location, password_sealed from repositories", (), |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?))
            })
            .expect("there is one repository");
        let sealer = Sealer::load(&self.server.data.join("master.key")).expect("the key can be read");
        let place = Place { table: "repositories", column: "password", tenant: &tenant, row: &id };
        let password = sealer.open(place, &sealed).expect("the key opens it");
        (PathBuf::from(location.strip_prefix("file://").expect("it lies in a directory")), password.expose().to_owned())
    }
}

impl Refusal {
    /// # Panics
    /// Unless it ended with this code, said each of `parts`, and gave a hint or a command.
    #[track_caller]
    pub fn assert(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for part in parts {
            assert!(self.said.contains(part), "it should say `{part}`:\n{}", self.said);
        }
        assert!(self.said.contains("Hint: ") || self.said.contains("`sitekeep "), "it gives no hint:\n{}", self.said);
        assert!(!self.said.contains("internal") && !self.said.contains("panicked"), "{}", self.said);
    }
}

/// A text in an answer.
#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn read(printed: &str) -> Value {
    serde_json::from_str(printed).unwrap_or_else(|e| panic!("{e} in what was printed:\n{printed}"))
}

fn both(out: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&out.stderr), String::from_utf8_lossy(&out.stdout))
}
