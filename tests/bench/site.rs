//! Makes a WordPress big: posts with comments and meta, and uploads as photographs are. The same seed gives the same rows
//! and the same bytes.

use crate::support::give;
use crate::support::mariadb::Mariadb;
use crate::support::wordpress::Wordpress;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The numbers of made posts begin here.
pub const FIRST_POST: u64 = 1_000_000;
const WORDS: &str = "market garden bicycle river stone morning bread letter window harbour winter copper paper engine island orchard \
                     silver cattle thunder valley bridge lantern carpet mountain library naïve café Straße señor über 東京 москва 🎉";
/// Bytes of rows in one statement.
const STATEMENT: usize = 1 << 20;

/// A small generator of numbers (splitmix64), good enough for bytes that do not compress.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64, what: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ what.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        dice.next();
        dice
    }
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut out: Vec<u8> = (0..count.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        out.truncate(count);
        out
    }
    fn text(&mut self, words: &[&str], count: u64, out: &mut String) {
        for n in 0..count {
            if n > 0 {
                out.push(' ');
            }
            out.push_str(words[self.below(words.len() as u64) as usize]);
        }
    }
}

/// Fills the site.
pub fn fill(site: &Wordpress, posts: u64, gb: f64, seed: u64) {
    add_posts(site, FIRST_POST..FIRST_POST + posts, seed);
    uploads(site, "2019", (gb * 1e9) as u64, seed);
}

pub fn describe(site: &Wordpress) -> String {
    let count = |table: &str| site.sql(&format!("select count(*) from wp_{table}")).trim().to_owned();
    let (files, bytes) = totals(&site.root);
    site.sql("analyze table wp_posts, wp_postmeta, wp_comments");
    let dump = site.sql("select round(sum(data_length) / 1e6) from information_schema.tables where table_schema = database()");
    format!(
        "{} posts, {} comments, {} meta rows (about {} MB of rows); {files} files of {:.2} GB",
        count("posts"),
        count("comments"),
        count("postmeta"),
        dump.trim(),
        bytes as f64 / 1e9
    )
}

fn totals(dir: &Path) -> (u64, u64) {
    let (mut files, mut bytes) = (0, 0);
    for entry in std::fs::read_dir(dir).expect("the site can be read").flatten() {
        let meta = entry.metadata().expect("the site rests");
        let (f, b) = if meta.is_dir() { totals(&entry.path()) } else { (1, meta.len()) };
        (files, bytes) = (files + f, bytes + b);
    }
    (files, bytes)
}

/// Posts by their numbers, each with two meta rows and up to three comments.
pub fn add_posts(site: &Wordpress, ids: std::ops::Range<u64>, seed: u64) {
    let words: Vec<&str> = WORDS.split(' ').filter(|w| !w.is_empty()).collect();
    let database = site.database_in_use();
    let mut client = site
        .server
        .client("mariadb")
        .args(["--default-character-set=utf8mb4", &database])
        .stdin(Stdio::piped())
        .spawn()
        .expect("the client starts");
    let mut pipe = client.stdin.take().expect("its input is a pipe");
    pipe.write_all(b"set unique_checks=0, foreign_key_checks=0, sql_mode='', autocommit=0;\n").expect("the client reads");
    let [mut posts, mut meta, mut comments] = [
        "insert into wp_posts (ID, post_author, post_date, post_date_gmt, post_content, post_title, post_excerpt, post_name, to_ping, pinged, \
         post_modified, post_modified_gmt, post_content_filtered, guid) values ",
        "insert into wp_postmeta (post_id, meta_key, meta_value) values ",
        "insert into wp_comments (comment_post_ID, comment_author, comment_author_email, comment_date, comment_date_gmt, comment_content) values ",
    ]
    .map(|head| Rows { head, text: String::new() });
    for id in ids {
        let mut dice = Dice::new(seed, id);
        let day = format!("{}-{:02}-{:02} 0{}:00:00", 2014 + id % 10, id % 12 + 1, id % 28 + 1, id % 10);
        let mut body = String::new();
        for _ in 0..2 + dice.below(7) {
            body.push_str("<!-- wp:paragraph -->\\n<p>");
            let long = 30 + dice.below(90);
            dice.text(&words, long, &mut body);
            body.push_str("</p>\\n<!-- /wp:paragraph -->\\n");
        }
        posts.add(
            &mut pipe,
            &format!("({id},1,'{day}','{day}','{body}','Made {id}','','made-{id}','','','{day}','{day}','','http://a.test/?p={id}')"),
        );
        meta.add(&mut pipe, &format!("({id},'_edit_last','1'),({id},'_settings','a:1:{{s:1:\"n\";i:{id};}}')"));
        for _ in 0..id % 4 {
            let mut said = String::new();
            let long = 5 + dice.below(45);
            dice.text(&words, long, &mut said);
            comments.add(&mut pipe, &format!("({id},'Reader {}','r@example.test','{day}','{day}','{said}')", dice.below(10_000)));
        }
    }
    [&mut posts, &mut meta, &mut comments].into_iter().for_each(|rows| rows.send(&mut pipe));
    pipe.write_all(b"commit;\n").expect("the client reads");
    drop(pipe);
    assert!(client.wait().expect("the client ends").success(), "the rows were refused");
}

struct Rows {
    head: &'static str,
    text: String,
}

impl Rows {
    fn add(&mut self, pipe: &mut impl Write, row: &str) {
        self.text.push_str(if self.text.is_empty() { self.head } else { "," });
        self.text.push_str(row);
        if self.text.len() > STATEMENT {
            self.send(pipe);
        }
    }
    fn send(&mut self, pipe: &mut impl Write) {
        if !self.text.is_empty() {
            self.text.push_str(";\n");
            pipe.write_all(self.text.as_bytes()).expect("the client reads");
            self.text.clear();
        }
    }
}

/// The size of a file: thumbnails, photographs, now and then a film.
fn photograph(dice: &mut Dice) -> u64 {
    match dice.below(1000) {
        0..600 => 4_000 + dice.below(26_000) + dice.below(30_000),
        600..998 => 100_000 + dice.below(900_000) * (1 + dice.below(3)),
        _ => 15_000_000 + dice.below(25_000_000),
    }
}

/// Writes `bytes` of uploads into folders of a year; gives their paths.
pub fn uploads(site: &Wordpress, year: &str, bytes: u64, seed: u64) -> Vec<PathBuf> {
    let (mut done, mut paths, mut n) = (0, Vec::new(), 0);
    while done < bytes {
        let mut dice = Dice::new(seed, n);
        let size = photograph(&mut dice).min(bytes - done + 2_000);
        let path = site.uploads().join(format!("{year}/{:02}/{seed}-{n:06}.jpg", n / 20 % 12 + 1));
        write_file(site, &path, size, &mut dice);
        paths.push(path);
        (done, n) = (done + size, n + 1);
    }
    paths
}

/// A file as a camera writes it: it begins as a JPEG and does not compress.
pub fn write_file(site: &Wordpress, path: &Path, size: u64, dice: &mut Dice) {
    let folder = path.parent().expect("an upload has a folder");
    if !folder.is_dir() {
        std::fs::create_dir_all(folder).expect("a folder can be made");
        [folder, folder.parent().expect("a month has a year")].into_iter().for_each(|dir| give(dir, &site.owner));
    }
    let mut file = File::create(path).expect("a file can be made");
    file.write_all(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00").expect("a file can be written");
    let mut left = size;
    while left > 0 {
        let part = left.min(1 << 20);
        file.write_all(&dice.bytes(part as usize)).expect("a file can be written");
        left -= part;
    }
    give(path, &site.owner);
}

/// A directory of many small files, a hundred to a folder, all different.
pub fn small_files(root: &Path, count: u64) {
    for n in 0..count {
        let folder = root.join(format!("{:02}/{:03}", n / 20_000, n / 100 % 200));
        if n % 100 == 0 {
            std::fs::create_dir_all(&folder).expect("a folder can be made");
        }
        let mut dice = Dice::new(7, n);
        let size = 200 + dice.below(3_000) as usize;
        std::fs::write(folder.join(format!("file-with-a-usual-name-{n:07}.html")), dice.bytes(size)).expect("a file can be written");
    }
}

/// How a dump is made for the programs that cannot make one: with the arguments that Sitekeep uses.
pub fn dump_command(server: &Mariadb, database: &str) -> std::process::Command {
    let mut command = server.client("mariadb-dump");
    command.args(["--single-transaction", "--quick", "--triggers", "--routines", "--events", "--hex-blob", "--skip-dump-date"]);
    command.args([
        "--default-character-set=utf8mb4",
        "--no-tablespaces",
        "--max-allowed-packet=1G",
        "--skip-lock-tables",
        "--skip-add-locks",
    ]);
    command.arg(database);
    command
}
