//! Feeding a dump to psql: filtered, in one transaction that is committed only after the dump's honest end.
//!
//! psql itself forbids client commands while it reads the dump (`\restrict` with a key that no dump can know); the filter
//! before it is the second lock, and the one with the clearer words. Success is what the server says after the commit:
//! a psql that ends well proves nothing.

use super::filter::{Filter, Rules};
use super::only::Only;
use super::session::{Session, explain};
use super::tools::Version;
use crate::base::chance;
use crate::base::error::{Context, Error, Result};
use crate::base::watch::Watch;
use crate::hosting::database::client::Running;
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::process::ChildStdin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

const CHUNK: usize = 256 << 10;
/// How often a cancel is looked for.
const PAUSE: Duration = Duration::from_millis(50);

/// What stands around a dump in its transaction.
#[derive(Default)]
pub struct Around {
    pub before: String,
    pub after: String,
    /// After the commit.
    pub at_last: String,
    pub kept_objects: BTreeSet<String>,
    pub kept_schemas: BTreeSet<String>,
}

impl Around {
    /// A database of its own needs nothing around; the planner gets its statistics.
    pub fn new_database() -> Self {
        Self { at_last: "analyze;".to_owned(), ..Self::default() }
    }
}

/// Imports `dump` as the session's account.
///
/// # Errors
/// `Damaged` for a dump that ends too early, `Permanent` for a hostile one or what the server refuses, the reader's own
/// error when it fails. Nothing is left in the database then.
pub fn feed(session: &Session, around: &Around, dump: &mut dyn Read, watch: &Watch) -> Result<()> {
    feed_only(session, around, None, dump, watch)
}

/// The same; of the dump only what concerns chosen tables is let through.
///
/// # Errors
/// As [`feed`]; `Permanent` where a chosen table has other columns now.
pub fn feed_only(session: &Session, around: &Around, only: Option<Only>, dump: &mut dyn Read, watch: &Watch) -> Result<()> {
    let version = session.psql.version;
    if !version.knows_restrict() {
        return Err(Error::permanent(format!("psql {version} cannot be kept from obeying commands inside a dump (CVE-2025-8714)"))
            .hint("update the package postgresql-client to 13.22, 14.19, 15.14, 16.10, 17.6 or newer"));
    }
    let server = session.server_version()?;
    refuse_power(session)?;
    let rules = Rules { server, kept_objects: around.kept_objects.clone(), kept_schemas: around.kept_schemas.clone(), only };
    let key = chance::word(32);
    let proof = chance::word(32);
    let mut running = session.client()?.start(true, true)?;
    let answers = running.stdout()?;
    // What the dump's own questions answer is of no interest; only the end of it is kept.
    let reader = std::thread::spawn(move || last_bytes(answers));
    let mut pipe = running.child.stdin.take().ok_or_else(|| Error::internal("psql's input is not piped"))?;
    let fed = unless_cancelled(&running, watch, || {
        write_all(&mut pipe, &opening(around, &key), dump, Filter::new(rules), watch)
            .and_then(|()| pipe.write_all(closing(around, &key, &proof).as_bytes()).map_err(Fed::of_pipe))
    });
    drop(pipe); // without the commit the server rolls everything back
    conclude(running, reader, fed, &proof, watch)
}

/// Runs `f`, which may wait long for a psql that builds an index; a cancel ends that psql, and so the waiting.
fn unless_cancelled<T>(running: &Running, watch: &Watch, f: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    let pid = rustix::process::Pid::from_child(&running.child);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                if watch.is_cancelled() {
                    // It is not waited for before `f` ends, so the number is still its own.
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                    return;
                }
                std::thread::park_timeout(PAUSE);
            }
        });
        let result = f();
        done.store(true, Relaxed);
        result
    })
}

/// Why feeding stopped.
enum Fed {
    /// psql closed its input: its own complaint is the cause.
    Closed,
    Failed(Error),
}

impl Fed {
    fn of_pipe(e: std::io::Error) -> Self {
        if e.kind() == ErrorKind::BrokenPipe { Self::Closed } else { Self::Failed(e.into()) }
    }
}

fn conclude(
    mut running: Running,
    reader: JoinHandle<Vec<u8>>,
    fed: std::result::Result<(), Fed>,
    proof: &str,
    watch: &Watch,
) -> Result<()> {
    if let Err(Fed::Failed(error)) = fed {
        drop(running); // killed: the server rolls back
        let _ = reader.join();
        return Err(error);
    }
    while running.child.try_wait().context(|| "waiting for psql")?.is_none() {
        watch.check()?; // dropping `running` ends it
        std::thread::sleep(PAUSE);
    }
    watch.check()?;
    let ended = running.wait(None)?;
    let said = reader.join().unwrap_or_default();
    ended.success(explain)?;
    if !String::from_utf8_lossy(&said).lines().any(|l| l == proof) {
        return Err(Error::damaged("the database server did not confirm that the dump was imported to its end")
            .hint("the dump may have been tampered with; choose another backup"));
    }
    Ok(())
}

fn write_all(pipe: &mut ChildStdin, opening: &str, dump: &mut dyn Read, mut filter: Filter, watch: &Watch) -> std::result::Result<(), Fed> {
    pipe.write_all(opening.as_bytes()).map_err(Fed::of_pipe)?;
    let mut chunk = vec![0; CHUNK];
    let mut out = Vec::with_capacity(CHUNK + 1024);
    loop {
        watch.check().map_err(Fed::Failed)?;
        let n = match dump.read(&mut chunk) {
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return Err(Fed::Failed(Error::from(e).context("reading the dump"))),
        };
        out.clear();
        if n == 0 {
            filter.end(&mut out).map_err(Fed::Failed)?;
            return pipe.write_all(&out).map_err(Fed::of_pipe);
        }
        filter.push(&chunk[..n], &mut out).map_err(Fed::Failed)?;
        pipe.write_all(&out).map_err(Fed::of_pipe)?;
        watch.add_bytes(n as u64);
    }
}

fn opening(around: &Around, key: &str) -> String {
    format!(
        "set standard_conforming_strings = on; set client_min_messages = warning; set statement_timeout = 0; set lock_timeout = '60s';
set idle_in_transaction_session_timeout = 0; set search_path = pg_catalog; set synchronous_commit = off;
begin;\n{}\n\\restrict {key}\n",
        around.before
    )
}

/// Whatever the dump has set is taken back before our own words are read.
fn closing(around: &Around, key: &str, proof: &str) -> String {
    format!(
        "\n\\unrestrict {key}\nreset session authorization; reset role; set search_path = pg_catalog; set standard_conforming_strings = on;
set client_min_messages = warning; set row_security = off; set check_function_bodies = on; set statement_timeout = 0;
set lock_timeout = '60s';
{}\nset constraints all immediate; set local synchronous_commit = on;\ncommit;\n{}\nselect '{proof}';\n",
        around.after, around.at_last
    )
}

fn last_bytes(mut from: impl Read) -> Vec<u8> {
    const KEPT: usize = 4096;
    let (mut chunk, mut kept) = ([0u8; 8192], Vec::new());
    while let Ok(n @ 1..) = from.read(&mut chunk) {
        kept.extend_from_slice(&chunk[..n]);
        let excess = kept.len().saturating_sub(KEPT);
        kept.drain(..excess);
    }
    kept
}

/// A dump may run programs and read files of the server's host through an account that may: such an account never
/// reads one.
fn refuse_power(session: &Session) -> Result<()> {
    let roles = "('pg_execute_server_program'), ('pg_read_server_files'), ('pg_write_server_files')";
    let powerful = session.run(&format!(
        "select coalesce((select rolsuper from pg_roles where rolname = current_user), true)
            or exists (select from (values {roles}) r(name) where exists (select from pg_roles p where p.rolname = r.name)
              and pg_has_role(r.name, 'member'));"
    ));
    match powerful.context(|| "looking at the rights of the database account")?.as_str() {
        "f" => Ok(()),
        _ => Err(Error::permanent(format!(
            "the database user {} is a superuser of its server, or may run programs there: no dump is read with such rights",
            session.account.user
        ))
        .hint("give the site a database user of its own, or seal a server account with `sitekeep server:add`")),
    }
}

/// What a psql must be able to do before a restore can be promised.
pub fn warning(psql: Version) -> Option<String> {
    (!psql.knows_restrict())
        .then(|| format!("psql {psql} is too old to restore safely (CVE-2025-8714): update postgresql-client; backups are not concerned"))
}
