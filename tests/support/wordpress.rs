//! A real WordPress from Debian's package, filled by WordPress' own functions, on MariaDB.
//!
//! It is installed once and kept; a test gets a copy of tree and database under a port of its own in about a second.

use super::digest::{self, Digest, Page};
use super::mariadb::{Database, Mariadb};
use super::{FIXTURES, Running, Scratch, copy_tree, free_port, give_tree, php, set_mode, template, web_user, write};
use sitekeep::base::identity::Identity;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A running site. Its code is `root`, its uploads `wp-content/uploads`.
pub struct Wordpress {
    pub root: PathBuf,
    pub url: String,
    pub database: Database,
    pub owner: Identity,
    pub server: &'static Mariadb,
    web: Running,
    pub scratch: Scratch,
}

/// Posts of the shop; WordPress adds its own "Hello world!".
pub const POSTS: usize = 20;
const PACKAGE: &str = "/usr/share/wordpress";
/// Stands for the port in the kept dump. As long as any port, so lengths inside serialised values stay true.
const PORT: &str = "127.0.0.1:10000";

impl Wordpress {
    /// A copy of the shop: 20 posts with pictures, comments and odd texts, owned and served by `www-data`.
    pub fn start() -> Self {
        let server = Mariadb::shared();
        let kept = kept(server);
        let (scratch, owner, port) = (Scratch::new(), web_user(), free_port());
        let root = scratch.join("shop");
        copy_tree(&kept.join("tree"), &root);
        let database = server.create("shop");
        let dump = std::fs::read(kept.join("dump.sql")).expect("the kept dump can be read");
        let here = format!("127.0.0.1:{port}");
        load(server, &database.name, &replace(&dump, PORT.as_bytes(), here.as_bytes()));
        let url = format!("http://{here}");
        configure(&root, &database, &url, &owner);
        let web = php::serve(&scratch, &root, &owner, port);
        Self { root, url, database, owner, server, web, scratch }
    }
    pub fn uploads(&self) -> PathBuf {
        self.root.join("wp-content/uploads")
    }
    pub fn config(&self) -> PathBuf {
        self.root.join("wp-config.php")
    }
    /// The front page.
    pub fn page(&self) -> Page {
        digest::page(&format!("{}/", self.url))
    }
    pub fn files(&self) -> Digest {
        digest::files(&self.root)
    }
    /// The database that was made for it; after a restore the site may use another, see [`Wordpress::database_in_use`].
    pub fn rows(&self) -> Digest {
        self.server.digest(&self.database.name)
    }
    /// The database that its settings name now.
    pub fn database_in_use(&self) -> String {
        let text = std::fs::read_to_string(self.config()).expect("the settings can be read");
        let line = text.lines().find(|l| l.starts_with("define( 'DB_NAME'")).expect("the settings name a database");
        line.split('\'').nth(3).expect("the name is quoted").to_owned()
    }
    /// SQL in the database in use.
    pub fn sql(&self, sql: &str) -> String {
        self.server.sql(&self.database_in_use(), sql)
    }
    /// What a writer does: a new post, seen on the front page.
    pub fn write_post(&self, title: &str) {
        self.sql(&format!(
            "insert into wp_posts (post_author, post_date, post_date_gmt, post_content, post_title, post_excerpt, post_name, to_ping, pinged, \
             post_content_filtered, post_modified, post_modified_gmt) values (1, now(), utc_timestamp(), 'written later', '{title}', '', \
             '{}', '', '', '', now(), utc_timestamp())",
            title.to_lowercase().replace(' ', "-")
        ));
    }
    pub fn web(&mut self) -> &mut Running {
        &mut self.web
    }
}

/// `tree` and `dump.sql` of the shop, installed when there is none of this make.
fn kept(server: &Mariadb) -> PathBuf {
    let part = |name: &str| std::fs::read(format!("{FIXTURES}/wordpress/{name}")).expect("a fixture can be read");
    let version = std::fs::read(format!("{PACKAGE}/wp-includes/version.php"))
        .unwrap_or_else(|e| panic!("WordPress is missing ({e}); install it with:\n{}", super::apt_line()));
    let ingredients = [part("install.php"), part("wp-config.php"), version, b"1".to_vec()];
    template::made_once("wordpress", &template::tools(), &ingredients.each_ref().map(Vec::as_slice), |dir| install(server, dir))
}

fn install(server: &Mariadb, dir: &Path) {
    let (scratch, owner) = (Scratch::new(), web_user());
    let root = scratch.join("shop");
    // With links followed: a tree of its own, as a hosting customer has it.
    super::run(Command::new("cp").args(["-rL", "--", PACKAGE]).arg(&root));
    write(root.join(".htaccess"), "# BEGIN WordPress\n# END WordPress\n");
    without_sources(&root.join("wp-includes/js/dist"));
    for (path, text) in
        [("index.php", "<?php // Silence is golden.\n"), ("cache/front.html", "an old page"), ("upgrade/left.txt", "an old download")]
    {
        write(root.join("wp-content").join(path), text);
    }
    std::fs::create_dir_all(root.join("wp-content/uploads")).expect("a directory can be made");
    give_tree(&root, &owner);
    let database = server.create("shop_template");
    let url = format!("http://{PORT}");
    configure(&root, &database, &url, &owner);
    let script = scratch.join("install.php");
    std::fs::copy(format!("{FIXTURES}/wordpress/install.php"), &script).expect("a fixture can be copied");
    super::run(php::script(&owner, &script).arg(&root).args([&url, &POSTS.to_string()]));
    std::fs::create_dir_all(dir).expect("a directory can be made");
    copy_tree(&root, &dir.join("tree"));
    write(dir.join("dump.sql"), server.dump(&database.name));
    server.sql("mysql", &format!("drop database `{}`", database.name));
}

/// The sources of scripts that are there in their small form too; 20 MB that no page asks for.
fn without_sources(dist: &Path) {
    for entry in std::fs::read_dir(dist).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_source = path.extension().is_some_and(|e| e == "js") && path.with_extension("min.js").is_file();
        if is_source {
            std::fs::remove_file(path).expect("our own copy can be changed");
        }
    }
}

fn configure(root: &Path, database: &Database, url: &str, owner: &Identity) {
    let text = std::fs::read_to_string(format!("{FIXTURES}/wordpress/wp-config.php")).expect("a fixture can be read");
    let host = format!("127.0.0.1:{}", database.port);
    let values = [
        ("@NAME@", &database.name),
        ("@USER@", &database.user),
        ("@PASSWORD@", &database.password),
        ("@HOST@", &host),
        ("@URL@", &url.to_owned()),
    ];
    let path = root.join("wp-config.php");
    write(&path, values.iter().fold(text, |t, (mark, value)| t.replace(mark, value)));
    super::give(&path, owner);
    set_mode(&path, 0o640);
}

/// Loads a dump as root.
pub fn load(server: &Mariadb, database: &str, dump: &[u8]) {
    let mut client = server.client("mariadb");
    let out = super::run_with_input(client.arg(database), dump);
    super::assert_success(&client, &out);
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}
