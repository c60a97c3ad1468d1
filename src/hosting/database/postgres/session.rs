//! A way to one database: how its programs are started with the account's credentials, and what their errors mean.

use super::tools::{Program, Search, Version};
use crate::base::error::{Class, Error, Result};
use crate::base::secret::Secret;
use crate::domain::site::{Access, Account, DatabaseAddress, Endpoint};
use crate::hosting::database::client::{CREDENTIALS_PATH, Tool};
use std::time::Duration;

/// How long one of our own questions may take; counting the rows of a large site is the longest of them.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What every one of our own scripts begins with: no name is looked up where somebody could have put another, no lock
/// is waited for longer than a site can bear.
const PREFACE: &str = "set standard_conforming_strings = on; set client_min_messages = warning; set search_path = pg_catalog;
set statement_timeout = 0; set lock_timeout = '60s'; set idle_in_transaction_session_timeout = 0; set row_security = off;\n";

/// An account with the programs that can use it. Nothing is connected until something is run.
#[derive(Clone)]
pub struct Session {
    pub account: Account,
    pub psql: Program,
    password: Secret,
    search: Search,
}

/// The rows of an answer, as text; NULL is the empty text.
pub type Rows = Vec<Vec<String>>;

impl Session {
    /// # Errors
    /// `Permanent` without psql; `Invalid` for an address that libpq cannot hold.
    pub fn open(access: &Access, search: &Search) -> Result<Self> {
        let DatabaseAddress::Postgres(account) = &access.address else {
            return Err(Error::invalid(format!("the account for {} is not one of PostgreSQL", access.address.label())));
        };
        let password = access.password.expose();
        if [&account.database, &account.user].iter().any(|s| s.contains('\0')) || password.contains(['\0', '\n', '\r']) {
            return Err(Error::invalid("the name, the user or the password of the database holds a character that PostgreSQL cannot take"));
        }
        Ok(Self { account: account.clone(), psql: search.psql()?, password: access.password.clone(), search: search.clone() })
    }

    /// The same account in another database of the server.
    pub fn of_database(&self, database: &str) -> Self {
        Self { account: Account { database: database.to_owned(), ..self.account.clone() }, ..self.clone() }
    }

    pub fn pg_dump(&self, server: Version) -> Result<Program> {
        self.search.pg_dump(server)
    }

    /// A program with this account's credentials. The name of the database stands in the environment, because in an
    /// argument `postgres://…` or `host=…` would be read as an address.
    pub fn tool(&self, program: &Program) -> Result<Tool> {
        let (host, port) = match &self.account.at {
            Endpoint::Socket { path, port } => (path.to_string_lossy().into_owned(), port.unwrap_or(5432)),
            Endpoint::Tcp { host, port } => (host.clone(), *port),
        };
        let escaped = self.password.expose().replace('\\', "\\\\").replace(':', "\\:");
        let tool = Tool::new(&program.path)
            .env("PGHOST", &host)
            .env("PGPORT", &port.to_string())
            .env("PGDATABASE", &self.account.database)
            .env("PGUSER", &self.account.user)
            .env("PGPASSFILE", CREDENTIALS_PATH)
            .env("PGSSLMODE", "prefer")
            .env("PGGSSENCMODE", "disable")
            .env("PGCONNECT_TIMEOUT", "15")
            .env("PGCLIENTENCODING", "UTF8")
            .env("PGAPPNAME", "sitekeep");
        tool.credentials(&format!("*:*:*:*:{escaped}\n"), &self.password)
    }

    /// psql that reads a script and stops at its first error.
    pub fn client(&self) -> Result<Tool> {
        let args = ["-X", "-w", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-f", "-"];
        Ok(self.tool(&self.psql)?.args(args))
    }

    /// Runs a script of our own; what it answers is text.
    pub fn run(&self, script: &str) -> Result<String> {
        self.run_hiding(script, None)
    }

    /// As [`Session::run`], for a script that holds a secret.
    pub fn run_hiding(&self, script: &str, secret: Option<&Secret>) -> Result<String> {
        let mut tool = self.client()?;
        if let Some(secret) = secret {
            tool = tool.hide(secret);
        }
        let out = tool.output(format!("{PREFACE}{script}\n").as_bytes(), Some(PATIENCE), explain)?;
        Ok(String::from_utf8_lossy(&out).trim_end_matches('\n').to_owned())
    }

    /// Runs questions of the form `select json_build_array(…)`: no name, however odd, can break a row.
    pub fn ask(&self, questions: &str) -> Result<Rows> {
        self.run(questions)?.lines().map(row).collect()
    }

    pub fn server_version(&self) -> Result<Version> {
        let number = self.run("show server_version_num;")?;
        number.parse().map(Version::of_number).map_err(|_| Error::permanent(format!("{number:?} is not a version of PostgreSQL")))
    }
}

fn row(line: &str) -> Result<Vec<String>> {
    use serde_json::Value;
    let values: Vec<Value> =
        serde_json::from_str(line).map_err(|e| Error::internal(format!("the database server's answer cannot be read: {e}")))?;
    let text = |v| match v {
        Value::String(s) => s,
        Value::Null => String::new(),
        other => other.to_string(),
    };
    Ok(values.into_iter().map(text).collect())
}

/// A name for SQL.
pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text for SQL, with `standard_conforming_strings` on.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What a tool's complaints mean. psql tells the SQLSTATE (it runs with VERBOSITY=verbose); libpq and pg_dump have words
/// alone, which the server may write in its own language: then it is taken as something that a person must see.
pub fn explain(complaints: &str) -> Error {
    let cause = cause(complaints);
    let (state, message) = match split_state(&cause) {
        Some((state, message)) => (Some(state), message),
        None => (None, cause.as_str()),
    };
    let class = state.and_then(class_of_state).unwrap_or_else(|| class_of_words(complaints));
    let error = Error::new(class, message.to_owned());
    match hint_of(state, complaints) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The first error among the complaints, with its detail; what the server was asked is left out.
fn cause(complaints: &str) -> String {
    const MARKS: [&str; 6] = ["ERROR:  ", "FATAL:  ", "PANIC:  ", "psql: error: ", "pg_dump: error: ", "error: "];
    let lines: Vec<&str> = complaints.lines().collect();
    // A refused connection is told in one line per way tried; the last one is the server's own word.
    let connection = lines.iter().rposition(|l| l.contains("connection to server"));
    let at = connection.or_else(|| lines.iter().position(|l| MARKS.iter().any(|m| l.contains(m))));
    let Some(at) = at else { return complaints.lines().last().unwrap_or_default().trim().to_owned() };
    let line = lines[at];
    let from = ["ERROR:  ", "FATAL:  ", "PANIC:  "].iter().filter_map(|m| line.find(m).map(|i| i + m.len())).min();
    let from = from.or_else(|| MARKS[3..].iter().find_map(|m| line.find(m).map(|i| i + m.len()))).unwrap_or(0);
    let detail = lines[at + 1..].iter().find_map(|l| l.split_once("DETAIL:  ")).map(|(_, d)| format!(" ({d})")).unwrap_or_default();
    format!("{}{detail}", line[from..].trim())
}

fn split_state(cause: &str) -> Option<(&str, &str)> {
    let (state, message) = cause.split_once(": ")?;
    (state.len() == 5 && state.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())).then(|| (state, message.trim_start()))
}

fn class_of_state(state: &str) -> Option<Class> {
    Some(match state {
        "53100" | "53200" => Class::Resource,
        "53300" | "53000" | "40001" | "40P01" | "55P03" | "55006" | "57P01" | "57P02" | "57P03" | "58030" => Class::Transient,
        _ if state.starts_with("08") => Class::Transient,
        _ => Class::Permanent,
    })
}

fn class_of_words(text: &str) -> Class {
    const TRANSIENT: [&str; 13] = [
        "Connection refused",
        "No such file or directory",
        "timeout expired",
        "starting up",
        "shutting down",
        "recovery mode",
        "too many clients",
        "remaining connection slots",
        "server closed the connection unexpectedly",
        "terminating connection",
        "lock timeout",
        "deadlock detected",
        "Connection reset by peer",
    ];
    match text {
        t if t.contains("No space left on device") || t.contains("out of memory") => Class::Resource,
        t if TRANSIENT.iter().any(|w| t.contains(w)) => Class::Transient,
        _ => Class::Permanent,
    }
}

fn hint_of(state: Option<&str>, text: &str) -> Option<&'static str> {
    let has = |words: &[&str]| words.iter().any(|w| text.contains(w));
    match state {
        _ if has(&["password authentication failed", "no password supplied", "Peer authentication failed"]) => {
            Some("look whether the user and the password in the site's settings are those of the database server")
        }
        _ if has(&["no pg_hba.conf entry"]) => {
            Some("allow this user and this database in the server's pg_hba.conf, with the method scram-sha-256")
        }
        _ if has(&["Connection refused", "No such file or directory"]) => {
            Some("look whether the database server runs, and whether it listens at this address")
        }
        _ if has(&["max_locks_per_transaction"]) => Some("raise max_locks_per_transaction on the database server, then restart it"),
        Some("42501") => Some("the database account lacks a right that is needed here"),
        Some("53100") => Some("free space where the database server keeps its data"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_the_server_said_and_not_what_it_was_asked() {
        let text = "psql:<stdin>:3: ERROR:  42601: syntax error at or near \"x\"\nLINE 1: create role a password 'hidden' x;\n   ^\n\
            LOCATION:  scanner_yyerror, scan.l:1180";
        let e = explain(text);
        assert_eq!((e.class(), e.sentence().as_str()), (Class::Permanent, "syntax error at or near \"x\""));
        let text = "psql:<stdin>:9: ERROR:  23503: insert violates fk\nDETAIL:  Key (p)=(9) is not present.\nLOCATION:  ri.c";
        assert_eq!(explain(text).sentence(), "insert violates fk (Key (p)=(9) is not present.)");
    }

    #[test]
    fn errors_that_pass_are_told_from_those_that_a_person_must_mend() {
        for (text, class) in [
            (
                "psql: error: connection to server on socket \"/x/.s.PGSQL.5\" failed: No such file or directory\n\tIs it running?",
                Class::Transient,
            ),
            (
                "psql: error: connection to server at \"h\", port 1 failed: FATAL:  password authentication failed for user \"u\"",
                Class::Permanent,
            ),
            ("psql:<stdin>:1: ERROR:  55P03: canceling statement due to lock timeout", Class::Transient),
            ("psql:<stdin>:1: ERROR:  53100: could not extend file", Class::Resource),
            ("psql:<stdin>:1: FATAL:  57P01: terminating connection due to administrator command", Class::Transient),
            ("pg_dump: error: query failed: server closed the connection unexpectedly\n\tThis probably means", Class::Transient),
            ("pg_dump: error: query failed: ERROR:  permission denied for table secrets", Class::Permanent),
            ("something new", Class::Permanent),
        ] {
            assert_eq!(explain(text).class(), class, "{text}");
        }
        assert!(
            explain("psql: error: x failed: FATAL:  password authentication failed for user \"u\"")
                .hint_text()
                .unwrap()
                .contains("password")
        );
    }

    #[test]
    fn names_and_texts_are_quoted_for_sql() {
        assert_eq!(ident("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's"), "'it''s'");
    }
}
