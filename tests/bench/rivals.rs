//! What people use otherwise, each in the way its manual shows. A restore ends with everything on the disk, as ours does.

use super::measure::{Meter, disk_usage};
use super::peers::{DATABASE, Done, FILES, Part, Peer};
use super::site::dump_command;
use crate::support::wordpress::Wordpress;
use crate::support::{Scratch, tool, write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// What all of them have: a directory to store in, one to restore into, and the site.
struct Desk<'a> {
    site: &'a Wordpress,
    store: PathBuf,
    target: PathBuf,
    password: PathBuf,
}

impl<'a> Desk<'a> {
    fn new(scratch: &Scratch, site: &'a Wordpress, name: &str) -> Self {
        let desk =
            Self { site, store: scratch.join(name), target: scratch.join(format!("{name}-target")), password: scratch.join("password") };
        write(&desk.password, "correct horse battery staple");
        std::fs::create_dir_all(&desk.store).expect("a store can be made");
        desk
    }
    fn dump(&self) -> Command {
        dump_command(self.site.server, &self.site.database_in_use())
    }
    /// Measures the two halves of a backup.
    fn backing_up(&self, meter: &Meter, files: impl FnOnce(), database: impl FnOnce(Command)) -> Done {
        let mut parts = Vec::new();
        let whole = meter.measure(|| {
            parts.push(self.half(FILES, files));
            parts.push(self.half(DATABASE, || database(self.dump())));
        });
        Done { whole, parts }
    }
    fn half(&self, what: &'static str, work: impl FnOnce()) -> Part {
        let (began, before) = (Instant::now(), self.stored());
        work();
        Part { what, wall: began.elapsed().as_secs_f64(), stored: self.stored().saturating_sub(before) }
    }
    fn stored(&self) -> u64 {
        disk_usage(&self.store, &[])
    }
    /// Measures the halves of a restore with an empty directory and an empty database, which are removed afterwards.
    fn restoring(&self, meter: &Meter, files: impl FnOnce(&Path), database: impl FnOnce(Command)) -> Done {
        std::fs::create_dir_all(&self.target).expect("a target can be made");
        let name = self.site.server.create("target").name;
        let mut client = self.site.server.client("mariadb");
        client.args(["--default-character-set=utf8mb4", &name]);
        let mut parts = Vec::new();
        let whole = meter.measure(|| {
            let began = Instant::now();
            files(&self.target);
            super::settle(&self.target);
            parts.push(Part::lasting(FILES, began.elapsed().as_secs_f64()));
            let began = Instant::now();
            database(client);
            super::settle(&self.target);
            parts.push(Part::lasting(DATABASE, began.elapsed().as_secs_f64()));
        });
        self.site.server.sql("mysql", &format!("drop database `{name}`"));
        std::fs::remove_dir_all(&self.target).expect("our own directory can be removed");
        Done { whole, parts }
    }
}

/// Runs `first | second`; both must succeed.
fn pipe(mut first: Command, mut second: Command) {
    let mut from = first.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the first program starts");
    let out = from.stdout.take().expect("its output is a pipe");
    let to = second.stdin(out).stdout(Stdio::null()).status().expect("the second program starts");
    assert!(to.success(), "{second:?} failed");
    assert!(from.wait().expect("a child of ours").success(), "{first:?} failed");
}

fn must(command: &mut Command) {
    drop(crate::support::run(command));
}

pub struct Restic<'a> {
    desk: Desk<'a>,
    cache: PathBuf,
}

impl<'a> Restic<'a> {
    pub fn start(scratch: &Scratch, site: &'a Wordpress) -> Self {
        let peer = Self { desk: Desk::new(scratch, site, "restic"), cache: scratch.join("restic-cache") };
        must(peer.command().arg("init"));
        peer
    }
    fn command(&self) -> Command {
        let mut command = Command::new(tool("restic"));
        command.arg("--quiet").arg("--repo").arg(&self.desk.store).arg("--password-file").arg(&self.desk.password);
        command.arg("--cache-dir").arg(&self.cache);
        command
    }
}

impl Peer for Restic<'_> {
    fn name(&self) -> &'static str {
        "restic"
    }
    fn place(&self) -> &Path {
        &self.desk.store
    }
    fn backup(&mut self, _tag: &str) -> Done {
        self.desk.backing_up(
            &Meter::programs(&["restic"]),
            || must(self.command().args(["backup", "--tag", "files"]).arg(&self.desk.site.root)),
            |dump| {
                let mut stdin = self.command();
                stdin.args(["backup", "--tag", "database", "--stdin", "--stdin-filename", "dump.sql"]);
                pipe(dump, stdin);
            },
        )
    }
    fn restore(&mut self) -> Done {
        self.desk.restoring(
            &Meter::programs(&["restic"]),
            |target| must(self.command().args(["restore", "latest", "--tag", "files", "--target"]).arg(target)),
            |client| {
                let mut dump = self.command();
                dump.args(["dump", "--tag", "database", "latest", "dump.sql"]);
                pipe(dump, client);
            },
        )
    }
    fn stored(&self) -> u64 {
        self.desk.stored()
    }
}

pub struct Borg<'a> {
    desk: Desk<'a>,
    newest: String,
}

impl<'a> Borg<'a> {
    /// The comparison does not need it: it is made where it is there.
    pub fn is_installed() -> bool {
        Command::new("borg").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    }
    pub fn start(scratch: &Scratch, site: &'a Wordpress) -> Self {
        let peer = Self { desk: Desk::new(scratch, site, "borg"), newest: String::new() };
        must(peer.command().args(["init", "--encryption", "repokey"]).arg(&peer.desk.store));
        peer
    }
    fn command(&self) -> Command {
        let mut command = Command::new("borg");
        command.env("BORG_PASSCOMMAND", format!("cat {}", self.desk.password.display()));
        command.env("BORG_BASE_DIR", self.desk.store.with_extension("base"));
        command
    }
    fn archive(&self, part: &str) -> String {
        format!("{}::{}-{part}", self.desk.store.display(), self.newest)
    }
}

impl Peer for Borg<'_> {
    fn name(&self) -> &'static str {
        "Borg"
    }
    fn place(&self) -> &Path {
        &self.desk.store
    }
    fn backup(&mut self, tag: &str) -> Done {
        self.newest = tag.to_owned();
        self.desk.backing_up(
            &Meter::programs(&["borg", "python3 /usr/bin/borg"]),
            || must(self.command().args(["create", "--compression", "zstd,3", &self.archive("files")]).arg(&self.desk.site.root)),
            |dump| {
                let mut stdin = self.command();
                stdin.args(["create", "--compression", "zstd,3", "--stdin-name", "dump.sql", &self.archive("database"), "-"]);
                pipe(dump, stdin);
            },
        )
    }
    fn restore(&mut self) -> Done {
        self.desk.restoring(
            &Meter::programs(&["borg", "python3 /usr/bin/borg"]),
            |target| must(self.command().arg("extract").arg(self.archive("files")).current_dir(target)),
            |client| {
                let mut dump = self.command();
                dump.args(["extract", "--stdout", &self.archive("database")]);
                pipe(dump, client);
            },
        )
    }
    fn stored(&self) -> u64 {
        self.desk.stored()
    }
}

/// `tar czf` and `mysqldump | gzip`: the whole again each night.
pub struct Tar<'a> {
    desk: Desk<'a>,
    newest: String,
}

impl<'a> Tar<'a> {
    pub fn start(scratch: &Scratch, site: &'a Wordpress) -> Self {
        Self { desk: Desk::new(scratch, site, "tar"), newest: String::new() }
    }
    fn file(&self, suffix: &str) -> PathBuf {
        self.desk.store.join(format!("{}.{suffix}", self.newest))
    }
}

impl Peer for Tar<'_> {
    fn name(&self) -> &'static str {
        "tar, mysqldump, gzip"
    }
    fn is_slow(&self) -> bool {
        true
    }
    fn place(&self) -> &Path {
        &self.desk.store
    }
    fn backup(&mut self, tag: &str) -> Done {
        self.newest = tag.to_owned();
        self.desk.backing_up(
            &Meter::programs(&["tar", "gzip", "mariadb-dump"]),
            || must(Command::new("tar").arg("czf").arg(self.file("tar.gz")).arg("-C").arg(&self.desk.site.root).arg(".")),
            |mut dump| {
                let out = std::fs::File::create(self.file("sql.gz")).expect("a file can be made");
                let mut dump = dump.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the dump starts");
                let from = dump.stdout.take().expect("its output is a pipe");
                assert!(Command::new("gzip").stdin(from).stdout(out).status().expect("gzip starts").success());
                assert!(dump.wait().expect("a child of ours").success());
            },
        )
    }
    fn restore(&mut self) -> Done {
        self.desk.restoring(
            &Meter::programs(&["tar", "gzip"]),
            |target| must(Command::new("tar").arg("xzf").arg(self.file("tar.gz")).arg("-C").arg(target)),
            |client| {
                let mut dump = Command::new("gzip");
                dump.arg("-dc").arg(self.file("sql.gz"));
                pipe(dump, client);
            },
        )
    }
    fn stored(&self) -> u64 {
        self.desk.stored()
    }
}

/// No program at all: files copied, the dump as it is. What the disk and the database give anybody.
pub struct Plain<'a> {
    desk: Desk<'a>,
}

impl<'a> Plain<'a> {
    pub fn start(scratch: &Scratch, site: &'a Wordpress) -> Self {
        Self { desk: Desk::new(scratch, site, "plain") }
    }
    fn copy(from: &Path, to: &Path) {
        must(Command::new("cp").arg("-a").arg(from.join(".")).arg(to));
    }
}

impl Peer for Plain<'_> {
    fn name(&self) -> &'static str {
        "cp, mysqldump"
    }
    fn is_slow(&self) -> bool {
        true
    }
    fn place(&self) -> &Path {
        &self.desk.store
    }
    /// A dump goes nowhere: how long it takes to be read is the question.
    fn backup(&mut self, _tag: &str) -> Done {
        let store = self.desk.store.join("files");
        std::fs::create_dir_all(&store).expect("a directory can be made");
        self.desk.backing_up(
            &Meter::programs(&["cp", "mariadb-dump"]),
            || Self::copy(&self.desk.site.root, &store),
            |mut dump| must(dump.stdin(Stdio::null()).stdout(Stdio::null())),
        )
    }
    fn restore(&mut self) -> Done {
        let sql = self.desk.store.join("dump.sql");
        let into = std::fs::File::create(&sql).expect("a file can be made");
        assert!(self.desk.dump().stdin(Stdio::null()).stdout(into).status().expect("the dump starts").success());
        super::settle(&self.desk.store);
        self.desk.restoring(
            &Meter::programs(&["cp"]),
            |target| Self::copy(&self.desk.store.join("files"), target),
            |mut client| {
                let from = std::fs::File::open(&sql).expect("it was written above");
                assert!(client.stdin(from).stdout(Stdio::null()).status().expect("the client starts").success());
            },
        )
    }
    fn stored(&self) -> u64 {
        self.desk.stored()
    }
}
