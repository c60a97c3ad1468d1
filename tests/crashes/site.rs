//! A site, the changes that are made to it, and all that a restore brings back or leaves alone.

use crate::support::digest::{self, Digest};
use crate::support::drupal::Drupal;
use crate::support::sqlite_site::SqliteSite;
use crate::support::{give, give_tree, picture, write};
use std::path::{Path, PathBuf};

pub enum Site {
    Gallery(Drupal),
    Notes(SqliteSite),
}

/// What a site consists of, without what every visit or cache changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub files: Digest,
    /// The settings file: after a restore into a new database it names that one.
    pub settings: Digest,
    pub rows: Digest,
}

const SETTINGS: &str = "code sites/default/settings.php";

impl Site {
    pub fn root(&self) -> PathBuf {
        match self {
            Self::Gallery(g) => g.root.clone(),
            Self::Notes(n) => n.root.clone(),
        }
    }
    fn scratch(&self) -> PathBuf {
        match self {
            Self::Gallery(g) => g.scratch.path().to_owned(),
            Self::Notes(n) => n.scratch.path().to_owned(),
        }
    }
    pub fn url(&self) -> &str {
        match self {
            Self::Gallery(g) => &g.url,
            Self::Notes(n) => &n.url,
        }
    }
    pub fn page(&self) -> digest::Page {
        digest::page(&format!("{}/", self.url()))
    }

    /// The database that the site's own settings name.
    pub fn database(&self) -> String {
        let Self::Gallery(g) = self else { return String::new() };
        let text = std::fs::read_to_string(g.settings()).expect("the settings can be read");
        let line = text.lines().rfind(|l| l.trim_start().starts_with("'database' =>")).expect("the settings name a database");
        line.split('\'').nth(3).expect("a name in quotes").to_owned()
    }

    pub fn state(&self) -> State {
        let mut files = tree("code", &self.root());
        let rows = match self {
            Self::Gallery(g) => {
                for (name, what) in entries(&tree("private", &g.private)) {
                    files.insert(name, what);
                }
                g.server.digest(&self.database()).only(|part| {
                    let name = part.rsplit(' ').next().unwrap_or_default();
                    !is_staged(name) && !["cache", "sessions", "watchdog", "semaphore"].iter().any(|c| name.starts_with(c))
                })
            }
            Self::Notes(n) => n.rows().only(|part| !is_staged(part.rsplit(' ').next().unwrap_or_default())),
        };
        let settings = files.clone().only(|name| name == SETTINGS);
        State { files: files.only(|name| name != SETTINGS), settings, rows }
    }

    /// Rows, files and code that a visitor or a developer might have changed; `n` tells one change from another.
    pub fn change(&self, n: u32) {
        let place = |path: PathBuf, bytes: Vec<u8>, owner| {
            write(&path, bytes);
            give_tree(path.parent().expect("it has a directory"), owner);
        };
        match self {
            Self::Gallery(g) => {
                let sql = format!(
                    "insert into node_field_data (title, changed) values ('Visitor {n}', {n}); update node__body set body_value = 'seen {n}';"
                );
                g.server.sql(&self.database(), &sql);
                place(g.root.join("core/CHANGE"), format!("{n}").into(), &g.owner);
                place(g.public().join(format!("2024-03/visitor-{n}.png")), picture(n as usize), &g.owner);
                let _ = std::fs::remove_file(g.public().join("2024-01/two.png"));
                place(g.private.join("contract.txt"), format!("changed {n}").into(), &g.owner);
            }
            Self::Notes(s) => {
                let title = format!("Visitor {n}");
                s.sql(&format!("insert into notes (title, body, photo) values ('{title}', 'hello', '2024/photo-1.png'); update notes set body = '{n}' where id = 2;"));
                write(s.root.join("EDITION"), format!("{n}\n"));
                give(&s.root.join("EDITION"), &s.owner);
                place(s.media().join(format!("2025/visitor-{n}.png")), picture(n as usize), &s.owner);
                let _ = std::fs::remove_file(s.media().join("2024/photo-3.png"));
            }
        }
    }

    /// What restores left on the disk and in the database's server.
    pub fn leftovers(&self) -> Vec<String> {
        let mut found = Vec::new();
        search(&self.scratch(), &mut found);
        if let Self::Gallery(g) = self {
            let like = format!("{}\\_sk%", g.database.name.replace('_', "\\_"));
            found.extend(g.server.sql("mysql", &format!("show databases like '{like}'")).lines().map(|l| format!("database {l}")));
            let tables = g.server.sql(&g.database.name, "show tables");
            found.extend(tables.lines().filter(|t| is_staged(t)).map(|t| format!("table {t}")));
        }
        found.sort();
        found
    }
}

/// Names of tables beside the live ones: `sk12345678_…`, `sko12345678_…`.
fn is_staged(name: &str) -> bool {
    let rest = name.strip_prefix("sko").or_else(|| name.strip_prefix("sk")).unwrap_or_default();
    rest.len() > 8 && rest.as_bytes()[8] == b'_'
}

fn search(dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).expect("the site can be listed").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(".sitekeep") {
            found.push(entry.path().display().to_string());
        } else if entry.file_type().is_ok_and(|t| t.is_dir()) {
            search(&entry.path(), found);
        }
    }
}

/// Content, owner, mode and time of every file; of directories no time, which a file beside theirs changes. Without what
/// is generated, and without the logs of SQLite.
fn tree(name: &str, root: &Path) -> Digest {
    let (whole, plain) = (digest::files(root), digest::content(root));
    let mut all = Digest::default();
    for (part, what) in entries(&whole) {
        let generated = ["css", "js", "styles", "php"].iter().any(|g| part.starts_with(&format!("sites/default/files/{g}")));
        if generated || part.contains(".sitekeep-") || part.ends_with("-wal") || part.ends_with("-shm") {
            continue;
        }
        // The database is compared by its rows.
        let what = match part.as_str() {
            "data/notes.sqlite" => "a database".to_owned(),
            _ if what.starts_with("dir") => plain.get(&part).unwrap_or_default().to_owned(),
            _ => what,
        };
        all.insert(format!("{name} {part}"), what);
    }
    all
}

fn entries(digest: &Digest) -> Vec<(String, String)> {
    digest.names().map(|n| (n.to_owned(), digest.get(n).unwrap_or_default().to_owned())).collect()
}

impl State {
    /// The same site to the byte, its settings included.
    #[track_caller]
    pub fn assert_untouched(&self, site: &Site, what: &str) {
        let now = site.state();
        self.files.assert_same(&now.files, what);
        self.settings.assert_same(&now.settings, what);
        self.rows.assert_same(&now.rows, what);
    }
    /// The same files and rows; the settings may name a new database.
    #[track_caller]
    pub fn assert_restored(&self, site: &Site, what: &str) {
        let now = site.state();
        self.files.assert_same(&now.files, what);
        self.rows.assert_same(&now.rows, what);
    }
}
