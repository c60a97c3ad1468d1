//! A site with the shape of Drupal 8 and later: its tree, its settings, its tables with their caches; a few lines of PHP
//! in place of its kernel read the settings and show what the database and the files hold.

use super::digest::{self, Digest, Page};
use super::mariadb::{Database, Mariadb};
use super::{FIXTURES, Running, Scratch, free_port, give_tree, php, set_mode, web_user, wordpress, write};
use sitekeep::base::identity::Identity;
use std::path::PathBuf;

/// A running site. Its code is `root`, its files `sites/default/files` inside and `private` beside it.
pub struct Drupal {
    pub root: PathBuf,
    pub private: PathBuf,
    pub url: String,
    pub database: Database,
    pub owner: Identity,
    pub server: &'static Mariadb,
    web: Running,
    pub scratch: Scratch,
}

impl Drupal {
    pub fn start() -> Self {
        let server = Mariadb::shared();
        let (scratch, owner, port) = (Scratch::new(), web_user(), free_port());
        let (root, private) = (scratch.join("gallery"), scratch.join("private"));
        let fixture = |name: &str| std::fs::read_to_string(format!("{FIXTURES}/drupal/{name}")).expect("a fixture can be read");
        let database = server.create("gallery");
        wordpress::load(server, &database.name, fixture("schema.sql").as_bytes());
        for (path, text) in TREE {
            write(root.join(path), text);
        }
        write(root.join("index.php"), fixture("index.php"));
        let mark = |t: String, (name, value): (&str, &str)| t.replace(name, value);
        let (port_of_database, private_path) = (database.port.to_string(), private.display().to_string());
        let values = [
            ("@NAME@", database.name.as_str()),
            ("@USER@", &database.user),
            ("@PASSWORD@", &database.password),
            ("@PORT@", &port_of_database),
            ("@PRIVATE@", &private_path),
        ];
        write(root.join("sites/default/settings.php"), values.into_iter().fold(fixture("settings.php"), mark));
        for (i, name) in ["2024-01/one.png", "2024-01/two.png", "2024-02/three.png"].into_iter().enumerate() {
            write(root.join("sites/default/files").join(name), super::picture(i));
        }
        write(private.join("contract.txt"), "between the gallery and a painter");
        write(private.join(".htaccess"), "Require all denied\n");
        give_tree(&root, &owner);
        give_tree(&private, &owner);
        set_mode(&root.join("sites/default/settings.php"), 0o440);
        set_mode(&root.join("sites/default"), 0o555);
        let web = php::serve(&scratch, &root, &owner, port);
        Self { root, private, url: format!("http://127.0.0.1:{port}"), database, owner, server, web, scratch }
    }
    pub fn public(&self) -> PathBuf {
        self.root.join("sites/default/files")
    }
    pub fn settings(&self) -> PathBuf {
        self.root.join("sites/default/settings.php")
    }
    pub fn page(&self) -> Page {
        digest::page(&format!("{}/", self.url))
    }
    pub fn rows(&self) -> Digest {
        self.server.digest(&self.database.name)
    }
    pub fn web(&mut self) -> &mut Running {
        &mut self.web
    }
}

/// What a Drupal tree is recognised by, what it generates, and a little of everything else.
const TREE: [(&str, &str); 15] = [
    ("composer.json", "{\"require\": {\"drupal/core-recommended\": \"^10\"}}\n"),
    ("autoload.php", "<?php\nreturn require __DIR__ . '/vendor/autoload.php';\n"),
    ("core/lib/Drupal.php", "<?php\nclass Drupal {\n  const VERSION = '10.2.7';\n}\n"),
    ("core/core.services.yml", "services: {}\n"),
    ("core/modules/node/node.info.yml", "name: Node\n"),
    ("vendor/autoload.php", "<?php\n"),
    ("modules/README.txt", "modules\n"),
    ("themes/README.txt", "themes\n"),
    ("config/sync/system.site.yml", "name: Gallery\n"),
    ("sites/default/default.settings.php", "<?php\n$databases = [];\n"),
    ("sites/default/services.yml", "parameters: {}\n"),
    ("sites/default/files/.htaccess", "Options -ExecCGI\n"),
    ("sites/default/files/css/css_generated.css", "body{color:#333}"),
    ("sites/default/files/js/js_generated.js", "1;"),
    ("sites/default/files/styles/thumbnail/public/2024-01/one.png.webp", "a smaller picture"),
];
