//! The dump: one consistent view of all transactional tables, made by the server's own tool as the site's user.

use super::super::client::{Ended, Running};
use super::super::{DumpFacts, Dumping, Form, Scope, Syntax, matches};
use super::catalogue::{Catalogue, Table};
use super::rewrite::Outward;
use super::script::{Script, into_io};
use super::session::{Session, explain};
use crate::base::error::{Error, Result};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::process::ChildStdout;
use std::sync::{Arc, Mutex, PoisonError};

/// Starts the dump of what `catalogue` lists.
pub fn start(session: &Session, catalogue: &Catalogue, scope: &Scope) -> Result<Dumping> {
    let structure_only: Vec<&Table> = catalogue
        .tables
        .iter()
        .filter(|t| !scope.complete && t.is_table() && scope.structure_only.iter().any(|p| matches(p, &t.name)))
        .collect();
    let missing = catalogue.unreadable.iter().map(|r| format!("{r}: it belongs to another database user")).collect();
    let facts = DumpFacts {
        structure_only: structure_only.iter().map(|t| t.name.clone()).collect(),
        warnings: catalogue.warnings(),
        missing,
        ..DumpFacts::default()
    };
    let passes = passes(session, catalogue, &structure_only);
    let state = Arc::new(Mutex::new(State { facts, ended: false, failure: None }));
    let reader = Reader { session: session.clone(), passes, lenient: !catalogue.unreadable.is_empty(), now: None, state: state.clone() };
    // The first pass starts at once, so that a tool that cannot be started is told here.
    let mut reader = reader;
    reader.next_pass()?;
    Ok(Dumping {
        form: Form::Sql(Syntax::Mysql),
        reader: Box::new(reader),
        finish: Box::new(move || {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            match state.failure.take() {
                Some(error) => Err(error),
                None if !state.ended => Err(Error::internal("a dump was called finished before it was read to its end")),
                None => Ok(state.facts.clone()),
            }
        }),
    })
}

/// The arguments of each run of the tool. MariaDB's leaves rows out by itself; MySQL's needs a run for the tables that
/// keep only their structure, and that one comes first, because views at the end of the other may need them.
fn passes(session: &Session, catalogue: &Catalogue, structure_only: &[&Table]) -> VecDeque<Vec<String>> {
    let database = &session.account.database;
    let mut main = common(session);
    let hidden = catalogue.ignored().map(|name| format!("--ignore-table={database}.{name}"));
    main.extend(["--routines", "--events"].map(str::to_owned));
    if !catalogue.events {
        main.retain(|a| a != "--events");
    }
    if !catalogue.unreadable.is_empty() {
        main.push("--force".to_owned());
    }
    main.extend(hidden);
    let mut passes = VecDeque::new();
    if session.tools.mariadb {
        main.extend(structure_only.iter().map(|t| format!("--ignore-table-data={database}.{}", t.name)));
    } else if !structure_only.is_empty() {
        main.extend(structure_only.iter().map(|t| format!("--ignore-table={database}.{}", t.name)));
        let mut first = common(session);
        first.extend(["--no-data".to_owned(), "--".to_owned(), database.clone()]);
        first.extend(structure_only.iter().map(|t| t.name.clone()));
        passes.push_back(first);
    }
    main.extend(["--".to_owned(), database.clone()]);
    passes.push_back(main);
    passes
}

fn common(session: &Session) -> Vec<String> {
    const ALWAYS: [&str; 10] = [
        "--single-transaction",
        "--quick",
        "--triggers",
        "--hex-blob",
        "--default-character-set=utf8mb4",
        "--skip-dump-date",
        "--no-tablespaces",
        "--max-allowed-packet=1G",
        "--skip-lock-tables",
        // A table whose default calls a sequence cannot be filled while it is locked and the sequence is not.
        "--skip-add-locks",
    ];
    let mut args: Vec<String> = ALWAYS.map(str::to_owned).into();
    if !session.tools.mariadb {
        args.extend(["--set-gtid-purged=OFF", "--column-statistics=0"].map(str::to_owned));
    }
    args
}

/// What the reader finds out and `finish` asks for.
struct State {
    facts: DumpFacts,
    ended: bool,
    failure: Option<Error>,
}

struct Reader {
    session: Session,
    passes: VecDeque<Vec<String>>,
    /// Routines that the account may not read are left out and named, instead of failing the dump.
    lenient: bool,
    now: Option<(Running, Script<ChildStdout, Outward>)>,
    state: Arc<Mutex<State>>,
}

impl Reader {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the next run of the tool; false when there is none left.
    fn next_pass(&mut self) -> Result<bool> {
        let Some(args) = self.passes.pop_front() else { return Ok(false) };
        let mut running = self.session.tool(&self.session.tools.dump)?.args(args).start(false, true)?;
        let script = Script::new(running.stdout()?, Outward::new(&self.session.account.database));
        self.now = Some((running, script));
        Ok(true)
    }

    /// A run's output is at its end: did it end well?
    fn end_pass(&mut self) -> Result<()> {
        let Some((running, script)) = self.now.take() else { return Ok(()) };
        let ended = running.wait(None)?;
        self.judge(&ended)?;
        if !script.editor.complete {
            return Err(Error::transient(format!("{} ended without the mark that ends a dump", ended.name))
                .hint("the dump was cut off on its way: look for a full disk or a wrapper around the tool"));
        }
        self.state().facts.tables += script.editor.tables;
        Ok(())
    }

    fn judge(&self, ended: &Ended) -> Result<()> {
        let excused = |line: &str| line.contains("insufficient privileges to SHOW CREATE");
        if self.lenient && ended.status.code().is_some() && !ended.complaints.is_empty() && ended.complaints.lines().all(excused) {
            return Ok(());
        }
        ended.success(explain)
    }

    fn step(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some((_, script)) = &mut self.now else { return Ok(0) };
            match script.read(into) {
                Ok(0) if !into.is_empty() => {}
                // A cut-off stream is only the sign: the tool's own complaint is the cause, when it has one.
                Err(error) => {
                    if let Some((running, _)) = self.now.take() {
                        running.wait(None).map_err(into_io)?.success(explain).map_err(into_io)?;
                    }
                    return Err(error);
                }
                read => return read,
            }
            self.end_pass().map_err(into_io)?;
            if !self.next_pass().map_err(into_io)? {
                self.state().ended = true;
                return Ok(0);
            }
        }
    }
}

impl Read for Reader {
    /// A failure of the tool is an error here as well: a reader that only looks for the end must not take it for one.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.step(into);
        match &read {
            Ok(n) => self.state().facts.bytes += *n as u64,
            Err(error) => {
                let inner = error.get_ref().and_then(|e| e.downcast_ref::<Error>()).cloned();
                self.now = None;
                self.state().failure = Some(inner.unwrap_or_else(|| Error::internal(error.to_string())));
            }
        }
        read
    }
}
