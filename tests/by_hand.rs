//! docs/restore-by-hand.md, followed to the letter: each command of the page is given to a shell as it stands there, and only
//! the names of its example are exchanged for those of a site of the test's own.

use crate::support::drupal::Drupal;
use crate::support::little::{self, Little};
use crate::support::mariadb::Mariadb;
use crate::support::panel::Panel;
use crate::support::postgres::{self, Postgres};
use crate::support::wagtail::Wagtail;
use crate::support::{assert_success, digest, gallery, hard, tool, write};
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../docs/restore-by-hand.md");

/// What only one of the database servers needs.
const OF_MYSQL: &str = "mariadb shop";
const OF_POSTGRES: &str = "psql";

/// The commands that the page names, in their order. Indented lines that begin with no command show what one prints.
fn commands() -> Vec<&'static str> {
    let known = ["sitekeep", "export", "restic", "cd", "find", OF_MYSQL, OF_POSTGRES];
    let indented = PAGE.lines().filter_map(|line| line.strip_prefix("    "));
    indented.filter(|line| known.iter().any(|word| line.starts_with(&format!("{word} ")))).collect()
}

/// Somebody with the page before them, and a copy of the repository.
struct Reader<'a> {
    panel: &'a Panel,
    /// What the page says, and what it is here.
    names: Vec<(&'static str, String)>,
    home: PathBuf,
}

impl<'a> Reader<'a> {
    /// Of a site of the tenant `acme` with a backup of all elements.
    fn new(panel: &'a Panel, site: &str, environment: &str, backup: &str) -> Self {
        let repository = panel.repository(&format!("{site}.{environment}")).0;
        let names = vec![
            ("acme/shop.live", format!("acme/{site}.{environment}")),
            ("acme/shop", format!("acme/{site}")),
            ("/var/lib/sitekeep/repositories/rep_qjdyjk4a6pg4k17v0fz0", repository.display().to_string()),
            ("bak_eetkqw2sxtrjm0zhcm3k", backup.to_owned()),
        ];
        Self { panel, names, home: panel.scratch.join("home") }
    }

    /// The database of the page's example is this one, and `options` is a file in the reader's home that says how to log in.
    fn with_database(mut self, command: &'static str, name: &str, options: (&str, &str)) -> Self {
        self.names.push((command, command.replace("shop", name)));
        write(self.home.join(options.0), options.1);
        crate::support::set_mode(&self.home.join(options.0), 0o600);
        self
    }

    fn exchanged(&self, line: &str) -> String {
        self.names.iter().fold(line.to_owned(), |line, (there, here)| line.replace(there, here))
    }

    /// Gives these lines to a shell, one after the other; gives what they printed.
    fn types(&self, lines: &[&str]) -> String {
        let script = lines.iter().map(|line| format!("{}\n", self.exchanged(line))).collect::<String>();
        write(self.home.join("typed"), format!("set -euo pipefail\n{script}"));
        let mut shell = self.panel.shell(&self.home, &[tool("restic"), tool("mariadb"), postgres::binary("psql")]);
        let out = shell.env("PGSERVICE", "shop").arg("typed").output().expect("a shell starts");
        assert_success(&shell, &out);
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// From the first line of the page to the last, but for those of `other` databases.
    fn follows(&mut self, other: &[&str]) -> PathBuf {
        let all: Vec<&str> = commands().into_iter().filter(|line| !other.iter().any(|of| line.starts_with(of))).collect();
        let tagged = all.iter().position(|line| line.contains("--tag backup=")).expect("the page shows how to find a backup");
        let (before, after) = all.split_at(tagged + 1);
        let list = self.types(before);
        let list = list.rsplit("Tags").next().expect("the last list is of one backup");
        for (there, element) in [("773432b2", "files"), ("2c30ff24", "code"), ("bed6c337", "database")] {
            self.names.push((there, snapshot(list, element)));
        }
        let export = all.iter().find(|line| line.starts_with("export")).expect("the page says where the repository is");
        self.types(&[&[*export], after].concat());
        self.home.join("back")
    }
}

/// The id in the list that restic printed for people.
fn snapshot(list: &str, element: &str) -> String {
    let mut id = "";
    for line in list.lines() {
        id = line.split_whitespace().next().filter(|word| word.len() == 8 && !line.starts_with(' ')).unwrap_or(id);
        if line.contains(&format!("element={element}")) {
            return id.to_owned();
        }
    }
    panic!("no {element} in:\n{list}");
}

/// Lines of the page are found at all, and none is passed over because its command is unknown.
#[test]
fn the_page_names_every_step_from_the_key_to_the_check() {
    let lines = commands();
    for step in ["sitekeep recovery:key", "sitekeep recovery:confirm", "export", "restic snapshots", "cd", "find", OF_MYSQL, OF_POSTGRES] {
        assert!(lines.iter().any(|line| line.starts_with(step)), "{step} is not in {lines:#?}");
    }
    assert_eq!(lines.iter().filter(|line| line.starts_with("restic restore")).count(), 3, "{lines:#?}");
    assert_eq!(lines.last(), Some(&"restic check --read-data"));
    let code = |line: &&str| line.strip_prefix("    ").is_some_and(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    let shown = ["bed6c337"];
    for line in PAGE.lines().filter(code).map(str::trim_start) {
        assert!(lines.contains(&line) || shown.iter().any(|id| line.starts_with(id)), "what is this? {line}");
    }
}

#[test]
fn the_page_followed_line_by_line_gives_a_gallery_on_mysql_back() {
    let panel = Panel::start();
    let site = Drupal::start();
    hard::mysql(site.server, &site.database);
    panel.add_site("gallery", "live", &site.root, &["--detect", "--site-url", &site.url]);
    let backup = panel.back_up("gallery.live", &[]);
    let server = Mariadb::shared();
    let empty = server.create("by_hand");
    let options = format!("[client]\nhost=127.0.0.1\nport={}\nuser={}\npassword={}\n", server.port, empty.user, empty.password);
    let mut reader = Reader::new(&panel, "gallery", "live", &backup.id).with_database(OF_MYSQL, &empty.name, (".my.cnf", &options));
    let back = reader.follows(&[OF_POSTGRES]);
    let code = digest::files(&site.root).without(&gallery::GENERATED).without(&["sites/default/files"]);
    code.assert_same(&digest::files(&back.join("code")), "code");
    digest::files(&site.private).assert_same(&digest::files(&back.join("files/private")), "private files");
    let (before, after) = (gallery::rows(&site).without(&gallery::EMPTIED), server.digest(&empty.name).without(&gallery::EMPTIED));
    hard::but_checksums(&before).assert_same(&hard::but_checksums(&after), "the database");
}

#[test]
fn the_page_followed_line_by_line_gives_a_studio_on_postgresql_back() {
    let panel = Panel::start();
    let site = Wagtail::start();
    hard::postgres(site.server, &site.database);
    panel.add_site("studio", "live", &site.root, &["--detect", "--site-url", &format!("{}/", site.url)]);
    let backup = panel.back_up("studio.live", &[]);
    let server = Postgres::shared();
    let empty = server.create("by_hand");
    let login = format!("host=127.0.0.1\nport={}\nuser={}\npassword={}\n", server.port, empty.user, empty.password);
    let mut reader = Reader::new(&panel, "studio", "live", &backup.id).with_database(
        "psql -v ON_ERROR_STOP=1 shop",
        &empty.name,
        (".pg_service.conf", &format!("[shop]\n{login}")),
    );
    let back = reader.follows(&[OF_MYSQL]);
    digest::files(&site.root).without(&["media"]).assert_same(&digest::files(&back.join("code")), "the code");
    digest::files(&site.media()).assert_same(&digest::files(&back.join("files/media")), "the media");
    site.rows().assert_same(&server.digest(&empty.name), "imported by hand");
}

#[test]
fn the_page_followed_line_by_line_gives_a_site_on_sqlite_back() {
    let panel = Panel::start();
    let site = Little::added_to(&panel);
    let backup = panel.back_up(little::ENV, &[]);
    let mut reader = Reader::new(&panel, "little", "main", &backup.id);
    let back = reader.follows(&[OF_MYSQL, OF_POSTGRES]);
    assert_eq!(little::words(&back.join("database/database.sqlite")), site.words());
    same(&site.root.join("index.html"), &back.join("code/index.html"));
    (0..6).for_each(|n| same(&site.root.join(format!("uploads/{n}.bin")), &back.join(format!("files/public/{n}.bin"))));
}

#[track_caller]
fn same(one: &Path, other: &Path) {
    assert_eq!(std::fs::read(one).unwrap(), std::fs::read(other).unwrap_or_else(|e| panic!("{}: {e}", other.display())));
}
