//! Sitekeep as people run it: `sitekeep serve` with its worker, and the command line.

use super::measure::{Cost, Meter};
use super::peers::Part;
use crate::support::server::{PROGRAM, Server};
use crate::support::wordpress::Wordpress;
use crate::support::{Scratch, run, write};
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Panel {
    pub server: Server,
    repositories: PathBuf,
    spool: PathBuf,
}

/// The seconds of each step of a restore.
pub type Steps = Vec<(String, f64)>;

impl Panel {
    pub fn start(scratch: &Scratch) -> Self {
        let data = scratch.join("data");
        std::fs::create_dir(&data).expect("a data directory can be made");
        crate::support::set_mode(&data, 0o700);
        let spool = scratch.join("spool");
        std::fs::create_dir(&spool).expect("a temporary directory can be made");
        let token = data.join("token");
        tool(&data, &["setup", "--email", "bench@example.test", "--token-out", &token.display().to_string()]);
        let program = std::env::var_os("BENCH_PROGRAM").map_or_else(|| PROGRAM.into(), PathBuf::from);
        let spool_dir = [("TMPDIR", spool.to_str().expect("a path of ours is text"))];
        let server = Server::start_program(&program, &["serve"], &data, &spool_dir);
        server.must(&["tenant:create", "bench"]);
        Self { server, repositories: data.join("repositories"), spool }
    }

    /// What the administrator of the machine does.
    pub fn tool(&self, args: &[&str]) {
        tool(&self.server.data, args);
    }

    /// The WordPress with its database, and the account that lets restores make a new one.
    pub fn add_wordpress(&self, site: &Wordpress) {
        let password = self.server.data.join("server-password");
        let keeper = &site.server.administrator;
        write(&password, &keeper.password);
        let (file, port, root) = (password.display().to_string(), site.server.port.to_string(), site.root.display().to_string());
        let add = ["server:add", "db", "--engine", "mysql", "--host", "127.0.0.1", "--port", &port];
        self.server.must(&[&add[..], &["--user", &keeper.user, "--password-file", &file]].concat());
        let url = format!("{}/", site.url);
        let add = ["site:add", "bench/site", "--env", "dev", "--path", &root, "--detect", "--server", "db"];
        self.server.must(&[&add[..], &["--site-url", &url, "--expect", "The Corner Shop"]].concat());
    }

    /// A directory without a database.
    pub fn add_directory(&self, root: &Path) {
        let (root, files) = (root.display().to_string(), format!("public={}", root.join("files").display()));
        self.server.must(&["site:add", "bench/site", "--env", "dev", "--path", &root, "--files", &files, "--database-engine", "none"]);
    }

    /// `backup:create`, watched.
    pub fn backup(&self, site: &Path) -> Cost {
        self.meter(site).measure(|| drop(self.server.must(&["backup:create", "bench/site.dev"])))
    }

    /// `backup:restore` of the newest backup, watched; and what each step took.
    pub fn restore(&self, site: &Path) -> (Cost, Steps) {
        let cost = self.meter(site).measure(|| drop(self.server.must(&["backup:restore", "bench/site.dev", "--yes"])));
        (cost, self.steps())
    }

    fn meter(&self, site: &Path) -> Meter {
        let watched = vec![(self.server.data.clone(), vec![self.repositories.clone()]), (self.spool.clone(), Vec::new())];
        let staging = [Some(site), site.parent()].into_iter().flatten().map(Path::to_owned).collect();
        Meter { server: Some(self.server.pid()), programs: vec!["sitekeep attempt"], watched, staging }
    }

    /// Asks the API.
    pub fn ask(&self, method: &str, path: &str, body: Option<&serde_json::Value>) -> serde_json::Value {
        let token = std::fs::read_to_string(&self.server.token_file).expect("the token can be read");
        let (status, said) = crate::support::panel::ask(&self.server.url, token.trim(), method, path, body);
        assert!([200, 201].contains(&status), "{method} {path}: {status} {said}");
        said
    }

    /// The newest backup, as the API tells it.
    pub fn newest(&self) -> serde_json::Value {
        let environment = self.ask("GET", "/environments?named=bench/site.dev", None);
        self.ask("GET", &format!("/environments/{}/backups?limit=1", environment["id"].as_str().expect("an id")), None)[0].take()
    }

    /// What one element of the newest backup took, from its reading to its proof.
    pub fn element(&self, named: &str, what: &'static str) -> Part {
        let backup = self.newest();
        let elements = backup["elements"].as_array().expect("a backup has elements");
        let element = elements.iter().find(|e| e["element"] == named).expect("a backup of everything has each element");
        let wall = seconds_between(&element["started"], &element["finished"]).expect("an element that is done began and ended");
        Part { what, wall, stored: element["stored"].as_u64().expect("a count of bytes") }
    }

    /// There is one.
    pub fn repository(&self) -> PathBuf {
        let mut found: Vec<PathBuf> = Vec::new();
        let mut folders = vec![self.repositories.clone()];
        while let Some(folder) = folders.pop() {
            if folder.join("config").is_file() {
                found.push(folder);
                continue;
            }
            folders.extend(std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|e| e.path()).filter(|p| p.is_dir()));
        }
        found.pop().expect("the panel has a repository")
    }

    /// What the repositories hold, in bytes.
    pub fn stored(&self) -> u64 {
        super::measure::disk_usage(&self.repositories, &[])
    }

    /// From the restore's journal.
    fn steps(&self) -> Steps {
        let id = self.server.must(&["restore:list", "bench/site.dev", "--format", "list", "--field", "id"]);
        let id = id.lines().next().expect("there is a restore");
        let restore = self.ask("GET", &format!("/restores/{id}"), None);
        let steps = restore["steps"].as_array().expect("a restore has steps").iter();
        let took =
            |step: &serde_json::Value| Some((step["name"].as_str()?.to_owned(), seconds_between(&step["started"], &step["finished"])?));
        steps.filter_map(took).collect()
    }
}

fn seconds_between(from: &serde_json::Value, to: &serde_json::Value) -> Option<f64> {
    let time = |value: &serde_json::Value| value.as_str().and_then(|t| chrono::DateTime::parse_from_rfc3339(t).ok());
    Some(time(to)?.signed_duration_since(time(from)?).num_milliseconds() as f64 / 1000.0)
}

fn tool(data: &Path, args: &[&str]) {
    run(Command::new(PROGRAM).args(args).env("SITEKEEP_DATA_DIR", data).current_dir(data));
}
