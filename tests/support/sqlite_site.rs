//! A site of its own making: a few lines of PHP, notes in SQLite (in WAL mode), pictures, and its code in a Git work tree.

use super::digest::{self, Digest, Page};
use super::{FIXTURES, Running, Scratch, command_as, free_port, give_tree, other_user, php, tool, write};
use sitekeep::base::identity::Identity;
use std::path::PathBuf;

/// A running site. Its code is `root`, its pictures `media` and its database `data/notes.sqlite`, both ignored by Git.
pub struct SqliteSite {
    pub root: PathBuf,
    pub url: String,
    pub owner: Identity,
    web: Running,
    pub scratch: Scratch,
}

/// The tag of the deployed commit.
pub const TAG: &str = "v1.2";

impl SqliteSite {
    /// A deployed commit with a tag, one uncommitted change (in `EDITION`) and one untracked file (`notes.txt`).
    pub fn start() -> Self {
        let (scratch, owner, port) = (Scratch::new(), other_user(), free_port());
        let root = scratch.join("notes");
        std::fs::create_dir_all(root.join("data")).expect("a directory can be made");
        std::fs::copy(format!("{FIXTURES}/sqlite_site/index.php"), root.join("index.php")).expect("a fixture can be copied");
        write(root.join("EDITION"), "1\n");
        write(root.join(".gitignore"), "/media/\n/data/\n/.env\n");
        write(root.join(".env"), "MODE=production\n");
        for i in 1..=6 {
            write(root.join(format!("media/2024/photo-{i}.png")), super::picture(i));
        }
        database(&root.join("data/notes.sqlite"));
        give_tree(&root, &owner);
        let site = Self { web: php::serve(&scratch, &root, &owner, port), url: format!("http://127.0.0.1:{port}"), root, owner, scratch };
        site.git(&["init", "-q", "-b", "main"]);
        site.git(&["add", "-A"]);
        site.git(&["commit", "-q", "-m", "First edition"]);
        site.git(&["tag", TAG]);
        write(site.root.join("EDITION"), "1 (corrected by hand)\n");
        write(site.root.join("notes.txt"), "not committed yet\n");
        give_tree(&site.root, &site.owner);
        site
    }
    pub fn database(&self) -> PathBuf {
        self.root.join("data/notes.sqlite")
    }
    pub fn media(&self) -> PathBuf {
        self.root.join("media")
    }
    pub fn page(&self) -> Page {
        digest::page(&format!("{}/", self.url))
    }
    pub fn rows(&self) -> Digest {
        digest::sqlite(&self.database())
    }
    /// SQL as the application would send it.
    pub fn sql(&self, sql: &str) {
        let db = rusqlite::Connection::open(self.database()).expect("the database opens");
        db.busy_timeout(std::time::Duration::from_secs(10)).expect("a time-out can be set");
        db.execute_batch(sql).unwrap_or_else(|e| panic!("{e}\nin: {sql}"));
        drop(db);
        give_tree(&self.root.join("data"), &self.owner);
    }
    /// Git as the owner, in the work tree; gives what it printed.
    pub fn git(&self, args: &[&str]) -> String {
        let mut git = command_as(&self.owner, tool("git"));
        git.current_dir(&self.root).env("GIT_CONFIG_NOSYSTEM", "1").args(["-c", "user.name=Owner", "-c", "user.email=owner@example.test"]);
        String::from_utf8(super::run(git.args(args))).expect("Git prints text").trim().to_owned()
    }
    pub fn web(&mut self) -> &mut Running {
        &mut self.web
    }
}

fn database(path: &std::path::Path) {
    let db = rusqlite::Connection::open(path).expect("a database can be made");
    db.execute_batch(
        "pragma journal_mode = wal;
         create table notes (id integer primary key, title text not null, body text not null, photo text not null, extra blob);
         create index notes_title on notes (title);
         create table log (at text, what text);
         create trigger noted after insert on notes begin insert into log values (datetime('now'), 'noted; ' || new.id); end;
         create view titles as select title from notes;
         pragma user_version = 7;",
    )
    .expect("the schema is sound");
    for i in 1..=6 {
        let odd = ["naïve café", "日本語 🎉", "it's; -- odd \\"][i % 3];
        db.execute(
            "insert into notes (title, body, photo, extra) values (?1, ?2, ?3, ?4)",
            rusqlite::params![
                format!("Note {i}"),
                format!("{odd} {}", "text ".repeat(200)),
                format!("2024/photo-{i}.png"),
                vec![i as u8, 0, 255]
            ],
        )
        .expect("a row fits");
    }
}
