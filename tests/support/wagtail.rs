//! A real Wagtail (a CMS in Django) on PostgreSQL, served by gunicorn as a user of its own.
//!
//! Its Python environment and its filled site are made once and kept; a test gets a copy of tree and database. The
//! settings read `.env`; after that file was changed, `bin/reload` makes gunicorn read it again.

use super::digest::{self, Digest, Page};
use super::mariadb::Database;
use super::postgres::Postgres;
use super::{
    FIXTURES, Running, Scratch, command_as, copy_tree, daemon_as, free_port, give, give_tree, other_user, set_mode, template, write,
};
use rustix::process::Signal;
use sitekeep::base::chance;
use sitekeep::base::identity::Identity;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A running site. Its code is `root`, its files `root/media`, its settings file `root/.env`.
pub struct Wagtail {
    pub root: PathBuf,
    pub url: String,
    pub database: Database,
    pub owner: Identity,
    pub server: &'static Postgres,
    web: Running,
    pub scratch: Scratch,
}

/// Pages below the front page.
pub const WORKS: usize = 15;

impl Wagtail {
    /// A copy of the studio: 15 pages with pictures.
    pub fn start() -> Self {
        let (server, python) = (Postgres::shared(), super::python::environment("wagtail", "python", &template::tools_for_everybody()));
        let kept = kept(server, &python);
        let (scratch, owner, port) = (Scratch::new(), other_user(), free_port());
        let home = scratch.dir_of("home", &owner);
        let root = home.join("studio");
        copy_tree(&kept.join("tree"), &root);
        let database = server.create("studio");
        let dump = String::from_utf8(std::fs::read(kept.join("dump.sql")).expect("the kept dump can be read")).expect("a dump is text");
        server.sql_as(&database, &dump);
        configure(&root, &database, &owner);
        let mut web = serve(&python, &scratch, &root, &owner, port);
        let url = format!("http://127.0.0.1:{port}");
        web.wait_until("gunicorn", Duration::from_secs(60), || digest::page(&format!("{url}/")).is_ok());
        Self { root, url, database, owner, server, web, scratch }
    }
    pub fn media(&self) -> PathBuf {
        self.root.join("media")
    }
    pub fn env_file(&self) -> PathBuf {
        self.root.join(".env")
    }
    /// The command for the reload hook: a program that the owner runs.
    pub fn reload_hook(&self) -> Vec<String> {
        vec![self.root.join("bin/reload").display().to_string()]
    }
    /// Runs the reload hook as the owner, as the product would.
    pub fn reload(&self) {
        let hook = self.reload_hook();
        super::run(command_as(&self.owner, &hook[0]).args(&hook[1..]).current_dir("/"));
    }
    /// Writes `.env` for another database; it counts after [`Wagtail::reload`].
    pub fn use_database(&self, database: &Database) {
        configure(&self.root, database, &self.owner);
    }
    /// The database that `.env` names now.
    pub fn database_in_use(&self) -> String {
        let text = std::fs::read_to_string(self.env_file()).expect("the settings can be read");
        let line = text.lines().find(|l| l.starts_with("DATABASE_URL=")).expect("the settings name a database");
        line.rsplit('/').next().expect("an URL has a path").trim_matches(['"', '\'']).to_owned()
    }
    /// The front page.
    pub fn page(&self) -> Page {
        digest::page(&format!("{}/", self.url))
    }
    pub fn rows(&self) -> Digest {
        self.server.digest(&self.database.name)
    }
    /// SQL in the database in use.
    pub fn sql(&self, sql: &str) -> String {
        self.server.sql(&self.database_in_use(), sql)
    }
    pub fn web(&mut self) -> &mut Running {
        &mut self.web
    }
}

/// `tree` and `dump.sql` of the studio, built when there is none of this make.
fn kept(server: &Postgres, python: &Path) -> PathBuf {
    let mut ingredients = vec![python.display().to_string().into_bytes(), b"1".to_vec()];
    for name in ["content.py", "site/studio/settings.py", "site/studio/urls.py", "site/pages/models.py", "site/bin/reload"] {
        ingredients.push(std::fs::read(format!("{FIXTURES}/wagtail/{name}")).expect("a fixture can be read"));
    }
    let ingredients: Vec<&[u8]> = ingredients.iter().map(Vec::as_slice).collect();
    template::made_once("wagtail", &template::tools(), &ingredients, |dir| build(server, python, dir))
}

fn build(server: &Postgres, python: &Path, dir: &Path) {
    let (scratch, owner) = (Scratch::new(), other_user());
    let root = scratch.join("studio");
    copy_tree(Path::new(&format!("{FIXTURES}/wagtail/site")), &root);
    set_mode(&root.join("bin/reload"), 0o755);
    std::fs::create_dir(root.join("media")).expect("a directory can be made");
    give_tree(&root, &owner);
    let database = server.create("studio_template");
    configure(&root, &database, &owner);
    let content = scratch.join("content.py");
    std::fs::copy(format!("{FIXTURES}/wagtail/content.py"), &content).expect("a fixture can be copied");
    let exec = format!("exec(open('{}').read())", content.display());
    for args in [&["makemigrations", "pages"][..], &["migrate"], &["collectstatic", "--noinput"], &["shell", "-c", &exec]] {
        let mut manage = command_as(&owner, python.join("bin/python"));
        manage.env("PYTHONDONTWRITEBYTECODE", "1").env("HOME", scratch.path()).current_dir(&root);
        super::run(manage.arg("manage.py").args(args).args(["-v", "0"]));
    }
    std::fs::create_dir_all(dir).expect("a directory can be made");
    copy_tree(&root, &dir.join("tree"));
    write(dir.join("dump.sql"), server.dump(&database.name));
    server.sql("postgres", &format!("drop database {}", database.name));
}

fn configure(root: &Path, database: &Database, owner: &Identity) {
    let path = root.join(".env");
    let text = format!(
        "# Settings of the studio\n# DATABASE_URL=postgres://decoy:decoy@127.0.0.1/decoy\nSECRET_KEY='{}'\nexport LANGUAGE=en\n\n\
         DATABASE_URL={}\nMAIL_PASSWORD=\"unrelated = value # not a comment\"\n",
        chance::word(32),
        database.url("postgres")
    );
    write(&path, text);
    give(&path, owner);
    set_mode(&path, 0o600);
}

fn serve(python: &Path, scratch: &Scratch, root: &Path, owner: &Identity, port: u16) -> Running {
    let mut command = daemon_as(owner, python.join("bin/gunicorn"));
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("HOME", scratch.join("home"))
        .current_dir("/")
        .args(["--bind", &format!("127.0.0.1:{port}"), "--workers", "2", "--graceful-timeout", "5", "--pid"])
        .arg(scratch.join("home/gunicorn.pid"))
        .arg("--chdir")
        .arg(root)
        .arg("studio.wsgi");
    Running::start_ending_with(&mut command, &scratch.join("gunicorn.log"), Signal::KILL)
}
