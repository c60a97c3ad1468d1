//! What the tests stand on: private servers, real sites, digests that say whether two sites are the same, and a second
//! opinion on repositories.
//!
//! Everything listens on 127.0.0.1 only, lies in a [`Scratch`] directory and ends with the test, or with the whole run
//! when it is shared (`Mariadb::shared()`, `Postgres::shared()`), even when the run is killed (`keeper.rs`). A tool that
//! is missing is a failure with the line that installs it, never a skip. To add a thing: one file, one noun, and a test
//! in `tests/support_test.rs` that shows it to work before any test of the product stands on it.
#![allow(dead_code)] // a bench of tools: which of them are in use changes with the tests

pub mod app;
pub mod browser;
pub mod bucket;
pub mod canary;
pub mod digest;
pub mod disk;
pub mod drupal;
pub mod gallery;
pub mod hard;
pub mod http;
pub mod keep;
mod keeper;
pub mod little;
pub mod mariadb;
pub mod panel;
pub mod php;
pub mod postgres;
pub mod python;
pub mod receiver;
pub mod restic;
pub mod running;
pub mod server;
pub mod smtp;
pub mod sqlite_site;
pub mod template;
pub mod visitors;
pub mod wagtail;
pub mod wordpress;

pub use running::Running;

use sitekeep::base::chance;
use sitekeep::base::identity::Identity;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The directory of fixtures: texts that are not Rust.
pub const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

/// What the tests need of Debian, one package a line; `scripts/tools` installs it.
const PACKAGES: &str = include_str!("../fixtures/packages");

/// A temporary directory with a short path (a socket's may have 107 bytes at most), open to every user for passing
/// through, removed at the end. `SITEKEEP_TEST_KEEP=1` leaves it for a look.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        let base = Some(std::env::temp_dir()).filter(|t| t.as_os_str().len() <= 40).unwrap_or_else(|| PathBuf::from("/tmp"));
        // Without links in it: what is compared with the product's resolved paths must be resolved too.
        let base = base.canonicalize().expect("the temporary directory exists");
        let path = base.join(format!("sk-{}", chance::word(10)));
        std::fs::create_dir(&path).expect("a temporary directory can be made");
        set_mode(&path, 0o755);
        keeper::made(&path);
        Self(path)
    }
    pub fn path(&self) -> &Path {
        &self.0
    }
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
    /// A new directory in it that belongs to `who`.
    pub fn dir_of(&self, name: &str, who: &Identity) -> PathBuf {
        let path = self.join(name);
        std::fs::create_dir_all(&path).expect("a directory in the scratch place can be made");
        give(&path, who);
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::env::var_os("SITEKEEP_TEST_KEEP").is_none() {
            if std::fs::remove_dir_all(&self.0).is_err() {
                // Not root: a directory that is closed to its owner too cannot be emptied.
                let _ = Command::new("chmod").args(["-R", "u+rwX"]).arg(&self.0).stderr(Stdio::null()).status();
                let _ = std::fs::remove_dir_all(&self.0);
            }
            keeper::removed(&self.0);
        } else {
            eprintln!("kept: {}", self.0.display());
        }
    }
}

/// A port nobody listens on, below the range from which the system takes ports for outgoing connections, and not given
/// to anybody else in this run. Always of five digits.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut given = GIVEN.lock().expect("no one panics while holding it");
    let given = given.get_or_insert_with(HashSet::new);
    loop {
        let port = 20_000 + u16::from_le_bytes(chance::bytes()) % 12_000;
        if !given.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            given.insert(port);
            return port;
        }
    }
}

/// Do we run as the superuser? Then sites and servers get users of their own; otherwise all is ours.
pub fn is_root() -> bool {
    Identity::of_process().is_root()
}

/// The owner of sites served by PHP: `www-data`; not root: ourselves.
pub fn web_user() -> Identity {
    user_or_self("www-data")
}

/// A second owner, so that two sites do not share one: `sitekeep-test`, a system user made when it is first asked for;
/// not root: ourselves.
pub fn other_user() -> Identity {
    const NAME: &str = "sitekeep-test";
    static MAKING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = MAKING.lock();
    if is_root() && Identity::of_user(NAME).is_err() {
        let made = Command::new(tool("useradd")).args(["--system", "--no-create-home", "--shell", "/usr/sbin/nologin", NAME]).output();
        // Another run may have been quicker: what counts is that the user is there.
        assert!(Identity::of_user(NAME).is_ok(), "the user {NAME} cannot be made: {made:?}");
    }
    user_or_self(NAME)
}

pub(crate) fn user_or_self(name: &str) -> Identity {
    if !is_root() {
        return Identity::of_process();
    }
    Identity::of_user(name).unwrap_or_else(|e| panic!("{e}\n{}", apt_line()))
}

/// Gives a file or directory to a user; without root's rights it stays ours, who is that user.
pub fn give(path: &Path, who: &Identity) {
    if is_root() {
        std::os::unix::fs::lchown(path, Some(who.uid), Some(who.gid)).unwrap_or_else(|e| panic!("chown {}: {e}", path.display()));
    }
}

/// Gives a whole tree to a user, following no link.
pub fn give_tree(path: &Path, who: &Identity) {
    if !is_root() {
        return;
    }
    give(path, who);
    if path.symlink_metadata().is_ok_and(|m| m.is_dir()) {
        for entry in std::fs::read_dir(path).expect("our own tree can be read") {
            give_tree(&entry.expect("our own tree can be read").path(), who);
        }
    }
}

pub fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap_or_else(|e| panic!("chmod {}: {e}", path.display()));
}

/// Writes a file, with the directories above it.
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
    let path = path.as_ref();
    std::fs::create_dir_all(path.parent().expect("a file has a directory")).expect("a directory can be made");
    std::fs::write(path, bytes).unwrap_or_else(|e| panic!("writing {}: {e}", path.display()));
}

/// The line that installs what the tests need.
pub fn apt_line() -> String {
    format!("apt-get install --no-install-recommends {}", PACKAGES.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The path of a program.
///
/// # Panics
/// When it is missing, with the line that installs it.
pub fn tool(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|p| p.is_file())
        .unwrap_or_else(|| panic!("`{name}` is missing; install it with:\n{}", apt_line()))
}

/// Runs a command to its end and gives what it printed.
///
/// # Panics
/// When it fails, with what it said on standard error.
pub fn run(command: &mut Command) -> Vec<u8> {
    let out = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("starting {command:?}: {e}"));
    assert_success(command, &out);
    out.stdout
}

/// The same with something to read on standard input.
pub fn run_with_input(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("starting {command:?}: {e}"));
    let mut stdin = child.stdin.take().expect("its standard input is a pipe");
    std::thread::scope(|s| {
        // A thread of its own: a program that answers before it has read everything would otherwise wait for ever.
        s.spawn(move || stdin.write_all(input));
        child.wait_with_output().expect("a child of ours can be waited for")
    })
}

pub fn assert_success(command: &Command, out: &Output) {
    assert!(
        out.status.success(),
        "{command:?} failed ({}):\n{}\n{}",
        out.status,
        String::from_utf8_lossy(&out.stderr),
        String::from_utf8_lossy(&out.stdout)
    );
}

/// A command that runs as `who`, with an environment of its own: `PATH`, `LANG` and a `HOME` that leads nowhere.
pub fn command_as(who: &Identity, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin").env("LANG", "C.UTF-8").env("HOME", "/nonexistent");
    who.apply(&mut command);
    command
}

/// A command for [`Running`]: `setsid` opens a session and then becomes the program, so the process id is the session's.
pub fn daemon(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(tool("setsid"));
    command.arg(program);
    command
}

/// The same as another user, with the environment of [`command_as`].
pub fn daemon_as(who: &Identity, program: impl AsRef<OsStr>) -> Command {
    let mut command = command_as(who, tool("setsid"));
    command.arg(program);
    command
}

/// Waits until `done`, looking every 20 ms.
///
/// # Panics
/// When it took longer than `limit`, naming `what`.
pub fn wait_for(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < limit, "waited {limit:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// `cp -a`: a copy of a tree with owners, modes, times, links and holes.
pub fn copy_tree(from: &Path, to: &Path) {
    run(Command::new("cp").args(["-a", "--reflink=auto", "--"]).arg(from).arg(to));
}

/// A small real PNG that differs for each number: 64 by 64 squares of colour, stored without compression.
pub fn picture(number: usize) -> Vec<u8> {
    const SIDE: usize = 64;
    let mut pixels = Vec::new();
    for y in 0..SIDE {
        pixels.push(0); // each line begins with its filter: none
        for x in 0..SIDE {
            let spot = (x / 8 * 31 + y / 8 * 17 + number * 67) as u8;
            pixels.extend([spot, spot.wrapping_mul(3), (number as u8).wrapping_mul(29)]);
        }
    }
    let mut deflated = vec![0x78, 0x01, 0x01];
    let length = pixels.len() as u16;
    deflated.extend(length.to_le_bytes());
    deflated.extend((!length).to_le_bytes());
    deflated.extend(&pixels);
    let (a, b) = pixels.iter().fold((1u32, 0u32), |(a, b), p| ((a + u32::from(*p)) % 65_521, (b + a + u32::from(*p)) % 65_521));
    deflated.extend((b << 16 | a).to_be_bytes());
    let side = (SIDE as u32).to_be_bytes();
    let header = [&side[..], &side[..], &[8, 2, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &deflated), chunk(b"IEND", &[])].concat()
}

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let named = [kind, body].concat();
    let crc = !named
        .iter()
        .fold(!0u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { 0xEDB8_8320 ^ (c >> 1) } else { c >> 1 }));
    [&(body.len() as u32).to_be_bytes()[..], &named, &crc.to_be_bytes()].concat()
}
