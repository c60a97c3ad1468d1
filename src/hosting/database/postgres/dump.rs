//! pg_dump's plain text, as it comes, and the proof that it came to its end.

use super::catalogue::{self, Table};
use super::session::{Session, explain, ident};
use crate::base::error::{Error, Result};
use crate::hosting::database::client::Running;
use crate::hosting::database::{DumpFacts, Dumping, Form, Scope, Syntax, matches};
use std::io::Read;
use std::process::ChildStdout;
use std::sync::{Arc, Mutex, PoisonError};

const TRAILER: &str = "-- PostgreSQL database dump complete";
/// The trailer, two empty comments and a line with a key of 64 characters fit into it.
const TAIL: usize = 512;

/// Starts pg_dump.
pub fn start(session: &Session, scope: &Scope) -> Result<Dumping> {
    let program = session.pg_dump(session.server_version()?)?;
    let tables = catalogue::tables(session)?;
    let emptied: Vec<&Table> = if scope.complete { Vec::new() } else { tables.iter().filter(|t| is_emptied(t, scope)).collect() };
    let facts = DumpFacts {
        bytes: 0,
        structure_only: emptied.iter().map(|t| t.label()).collect(),
        tables: tables.len() as u64,
        missing: Vec::new(),
        warnings: catalogue::warnings(session)?,
    };
    let ours = catalogue::own_schemas(session)?;
    let mut running = session.tool(&program)?.args(arguments("plain", &emptied, &ours)).start(false, true)?;
    let seen = Arc::new(Mutex::new(Seen::default()));
    let reader = Reader { from: running.stdout()?, seen: Arc::clone(&seen) };
    let finish = move || finish(running, &seen, facts);
    Ok(Dumping { form: Form::Sql(Syntax::Postgres), reader: Box::new(reader), finish: Box::new(finish) })
}

/// Starts pg_dump in its custom format. Such a dump has no last line: that it is whole is what pg_dump's exit says.
pub fn archive(session: &Session) -> Result<Dumping> {
    let program = session.pg_dump(session.server_version()?)?;
    let mut running = session.tool(&program)?.args(arguments("custom", &[], &[])).start(false, true)?;
    let reader = Box::new(running.stdout()?);
    let finish = Box::new(move || running.wait(None)?.success(explain).map(|()| DumpFacts::default()));
    Ok(Dumping { form: Form::Archive, reader, finish })
}

/// By the table's name alone, or with its schema, or by the name of the table that it is a partition of.
fn is_emptied(table: &Table, scope: &Scope) -> bool {
    let names = [Some(&table.name), table.root.as_ref()];
    scope.structure_only.iter().any(|p| matches(p, &table.label()) || names.iter().flatten().any(|n| matches(p, n)))
}

fn arguments(format: &str, emptied: &[&Table], ours: &[String]) -> Vec<String> {
    let fixed = [
        "--encoding=UTF8",
        "--no-owner",
        "--no-privileges",
        "--no-tablespaces",
        "--no-security-labels",
        "--no-publications",
        "--no-subscriptions",
        "--blobs",
        "--lock-wait-timeout=300000",
        "--no-password",
    ];
    let mut all: Vec<String> = fixed.map(str::to_owned).into();
    all.push(format!("--format={format}"));
    // Between double quotes no character of a name is taken for a pattern.
    all.extend(emptied.iter().map(|t| format!("--exclude-table-data={}.{}", ident(&t.schema), ident(&t.name))));
    all.extend(ours.iter().map(|s| format!("--exclude-schema={}", ident(s))));
    all
}

#[derive(Default)]
struct Seen {
    bytes: u64,
    tail: Vec<u8>,
    at_end: bool,
}

struct Reader {
    from: ChildStdout,
    seen: Arc<Mutex<Seen>>,
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = self.from.read(into)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.bytes += n as u64;
        seen.at_end |= n == 0 && !into.is_empty();
        let part = &into[n.saturating_sub(TAIL)..n];
        seen.tail.extend_from_slice(part);
        let excess = seen.tail.len().saturating_sub(TAIL);
        seen.tail.drain(..excess);
        Ok(n)
    }
}

fn finish(running: Running, seen: &Mutex<Seen>, facts: DumpFacts) -> Result<DumpFacts> {
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if !seen.at_end {
        return Err(Error::internal("the dump was not read to its end")); // dropping `running` kills pg_dump
    }
    let ended = running.wait(None)?;
    ended.success(explain)?;
    if !is_complete(&seen.tail) {
        return Err(Error::permanent("pg_dump ended without an error, but its last line is missing: the dump is cut")
            .hint("look whether the disk of /tmp or of the database server is full, and whether pg_dump is a wrapper script"));
    }
    let mut facts = DumpFacts { bytes: seen.bytes, ..facts };
    if !ended.complaints.is_empty() {
        facts.warnings.push(format!("pg_dump says: {}", ended.complaints));
    }
    Ok(facts)
}

/// The trailer is followed by empty comments, and since 2025 by the line that ends `\restrict`.
fn is_complete(tail: &[u8]) -> bool {
    let text = String::from_utf8_lossy(tail);
    let mut lines = text.lines().rev().filter(|l| !l.is_empty() && *l != "--" && !l.starts_with("\\unrestrict "));
    text.ends_with('\n') && lines.next() == Some(TRAILER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_last_line_makes_a_dump_complete() {
        let end = "1\tx\n\\.\n\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n\n";
        assert!(is_complete(end.as_bytes()));
        let old = end.replace("\\unrestrict abc\n\n", "");
        assert!(is_complete(old.as_bytes()), "older versions write no key");
        let trailer_ends = end.find("complete").unwrap() + "complete\n".len();
        for cut in 0..trailer_ends {
            assert!(!is_complete(&end.as_bytes()[..cut]), "cut after {cut} bytes");
        }
    }
}
