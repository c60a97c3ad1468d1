//! The smallest site that has all three elements: a page, a few uploads and a SQLite database, in a directory of ours. It
//! needs no web server, so a test that is about the panel alone starts quickly.

use super::panel::Panel;
use super::write;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub struct Little {
    pub root: PathBuf,
}

/// Its address in the panel.
pub const ENV: &str = "acme/little.main";

impl Little {
    /// Makes the site and adds it to the panel.
    pub fn added_to(panel: &Panel) -> Self {
        Self::added_with(panel, &[])
    }

    /// The same with more options for `site:add`.
    pub fn added_with(panel: &Panel, more: &[&str]) -> Self {
        Self::added_at(panel, panel.scratch.join("little"), more)
    }

    /// The same in this directory.
    pub fn added_at(panel: &Panel, root: PathBuf, more: &[&str]) -> Self {
        let little = Self::made(root);
        let options = ["--files", "public=uploads", "--database-engine", "sqlite", "--database-name", "little.sqlite"];
        panel.add_site("little", "main", &little.root, &[&options, more].concat());
        little
    }

    fn made(root: PathBuf) -> Self {
        write(root.join("index.html"), "<h1>Little</h1>\n");
        for n in 0..6 {
            write(root.join(format!("uploads/{n}.bin")), noise(n, 40_000));
        }
        let db = rusqlite::Connection::open(root.join("little.sqlite")).expect("a database can be made");
        db.execute_batch("create table words (id integer primary key, word text); insert into words (word) values ('one'), ('two');")
            .expect("the schema is sound");
        Self { root }
    }

    pub fn words(&self) -> Vec<String> {
        words(&self.root.join("little.sqlite"))
    }

    /// Every file with its bytes, but for the database, whose words stand for it.
    pub fn state(&self) -> (BTreeMap<PathBuf, Vec<u8>>, Vec<String>) {
        let mut files = BTreeMap::new();
        collect(&self.root, &self.root, &mut files);
        (files, self.words())
    }
}

/// The words in a copy of the site's database.
pub fn words(database: &Path) -> Vec<String> {
    let db = rusqlite::Connection::open(database).expect("the database opens");
    let mut statement = db.prepare("select word from words order by id").expect("the table is there");
    let rows = statement.query_map((), |row| row.get(0)).expect("the table can be read");
    rows.collect::<Result<_, _>>().expect("words are text")
}

fn collect(root: &Path, dir: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(dir).expect("our own directory").flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if name.starts_with(".sitekeep-") || name.starts_with("little.sqlite") {
            continue;
        }
        match path.is_dir() {
            true => collect(root, &path, files),
            false => drop(files.insert(path.strip_prefix(root).expect("it is below").into(), std::fs::read(&path).expect("our own file"))),
        }
    }
}

/// Bytes that do not compress, the same for each seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as u8
    };
    (0..length).map(|_| next()).collect()
}
