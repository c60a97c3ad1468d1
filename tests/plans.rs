//! How the databases find what a page shows: no statement reads a whole table that grows.
//!
//! The statements are not listed here: they are heard while all pages are visited, so that none can be forgotten. That is
//! done in a process of its own, where nobody else speaks to a database.

use crate::pages::every_page;
use crate::support::app::Installation;
use crate::support::postgres::Postgres;
use crate::support::run_with_input;
use sitekeep::base::sql::Kind;
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::process::Command;
use std::sync::Mutex;
use tracing::field::{Field, Visit};

/// Tables with a row for each act, not for each thing that somebody set up.
const GROWING: [&str; 12] = [
    "backups",
    "backup_elements",
    "jobs",
    "activity",
    "task_log",
    "sessions",
    "restores",
    "restore_steps",
    "download_links",
    "download_uses",
    "letters",
    "attempts",
];
/// Indexes that hold only what is under way, or in the trash: they stay small.
const SMALL: [&str; 6] = ["jobs_line", "jobs_running", "jobs_blocked", "restores_one_at_a_time", "backups_trash", "jobs_active"];

static HEARD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Hears what sqlx says of each statement.
struct Ear;

#[derive(Default)]
struct Statement {
    summary: String,
    whole: String,
}

impl Visit for Statement {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.trim().clone_into(&mut self.whole),
            _ => {}
        }
    }
    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

impl tracing::Subscriber for Ear {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut said = Statement::default();
        event.record(&mut said);
        let text = if said.whole.is_empty() { said.summary } else { said.whole };
        HEARD.lock().unwrap().insert(text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// What a plan may call this table within a statement: its name and its aliases.
fn names(statement: &str, table: &str) -> BTreeSet<String> {
    const WORDS: [&str; 12] = ["where", "set", "join", "left", "inner", "on", "order", "group", "limit", "values", "using", "returning"];
    let spaced = statement.to_lowercase().replace([',', '(', ')', ';'], " , ");
    let words: Vec<&str> = spaced.split_whitespace().filter(|w| *w != "as").collect();
    let mut names = BTreeSet::from([table.to_owned()]);
    for pair in words.windows(2).filter(|pair| pair[0] == table) {
        if pair[1].chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !WORDS.contains(&pair[1]) {
            names.insert(pair[1].to_owned());
        }
    }
    names
}

/// The steps of SQLite's plan that read a whole table which grows.
fn scans_of_sqlite(db: &rusqlite::Connection, statement: &str) -> Vec<String> {
    let mut query = match db.prepare(&format!("explain query plan {statement}")) {
        Ok(query) => query,
        Err(e) => return vec![format!("it cannot be explained: {e}")],
    };
    let steps: Vec<String> = query.raw_query().mapped(|r| r.get(3)).map(Result::unwrap).collect();
    let whole = |step: &&String| {
        let Some(rest) = step.strip_prefix("SCAN ") else { return false };
        let mut words = rest.split_whitespace();
        let table = words.next().unwrap_or_default();
        let grows = GROWING.iter().any(|t| names(statement, t).contains(table));
        let index = rest.split_once("INDEX ").and_then(|(_, i)| i.split_whitespace().next());
        // An index read in its order, for as many rows as a page has, is no whole table.
        let bounded = index.is_some_and(|i| SMALL.contains(&i) || statement.contains(" limit "));
        grows && !bounded
    };
    steps.iter().filter(whole).cloned().collect()
}

/// The same of PostgreSQL, which reads a whole table only where no index serves: that is what is told here.
fn scans_of_postgres(statements: &[String]) -> Vec<String> {
    // One that does, to see that it is seen.
    let statements = &[statements, &["select id from backups b where b.note = $1".to_owned()]].concat();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let at = runtime.block_on(Installation::new(Kind::Postgres));
    let mut script = "set plan_cache_mode = force_generic_plan; set enable_seqscan = off;\n".to_owned();
    for (n, statement) in statements.iter().enumerate() {
        let holders = (1..100).take_while(|n| statement.contains(&format!("${n}"))).count();
        let nulls = if holders == 0 { String::new() } else { format!("({})", vec!["null"; holders].join(", ")) };
        let _ = writeln!(script, "\\echo STATEMENT {n}\nprepare p{n} as {statement};\nexplain execute p{n}{nulls};"); // a string takes everything
    }
    let name = at.url.split(['/', '?']).filter(|part| !part.is_empty()).nth(2).unwrap().to_owned();
    let mut psql = Postgres::shared().psql(&name);
    psql.args(["-v", "ON_ERROR_STOP=0"]);
    let out = run_with_input(&mut psql, script.as_bytes());
    let (said, errors) = (String::from_utf8_lossy(&out.stdout).into_owned(), String::from_utf8_lossy(&out.stderr).into_owned());
    assert!(said.contains("Index"), "{errors}");
    let mut found: Vec<String> = Vec::new();
    for part in said.split("STATEMENT ").skip(1) {
        let (n, plan) = part.split_once('\n').unwrap();
        let lines = plan.lines().filter(|line| {
            let table = line.split("Seq Scan on ").nth(1).and_then(|t| t.split_whitespace().next());
            table.is_some_and(|t| GROWING.contains(&t))
        });
        found.extend(lines.map(|line| format!("{}\n    PostgreSQL: {}", statements[n.parse::<usize>().unwrap()], line.trim())));
    }
    assert!(found.pop().is_some_and(|bad| bad.contains("b.note")), "{said}");
    let unexplained = errors.lines().filter(|l| l.contains("ERROR")).count();
    println!("{unexplained} statements cannot be explained by PostgreSQL without their values:\n{errors}");
    assert!(unexplained * 10 < statements.len(), "{errors}");
    found
}

#[test]
fn no_statement_of_a_page_reads_a_whole_table_that_grows() {
    const ALONE: &str = "SITEKEEP_TEST_PLANS";
    if std::env::var_os(ALONE).is_none() {
        let name = "plans::no_statement_of_a_page_reads_a_whole_table_that_grows";
        let out = Command::new(std::env::current_exe().unwrap()).args([name, "--exact", "--nocapture"]).env(ALONE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&out.stdout).into_owned();
        println!("{said}");
        assert!(out.status.success(), "{said}\n{}", String::from_utf8_lossy(&out.stderr));
        return;
    }
    tracing::subscriber::set_global_default(Ear).unwrap();
    let world = every_page::world();
    HEARD.lock().unwrap().clear();
    every_page::visit(&world);
    let kinds = ["select ", "with ", "insert ", "update ", "delete "];
    let heard = HEARD.lock().unwrap().clone();
    let statements: Vec<String> = heard.into_iter().filter(|s| kinds.iter().any(|k| s.to_lowercase().starts_with(k))).collect();
    assert!(!statements.iter().any(|s| s.contains('…')), "a statement was cut: {statements:?}");
    let db = world.db();
    let mut found: Vec<String> =
        statements.iter().flat_map(|s| scans_of_sqlite(&db, s).into_iter().map(move |step| format!("{s}\n    SQLite: {step}"))).collect();
    found.extend(scans_of_postgres(&statements));
    println!("{} statements of pages, {} scans", statements.len(), found.len());
    assert!(statements.len() >= 40, "only {} were heard", statements.len());
    assert!(found.is_empty(), "these read a whole table:\n{}", found.join("\n"));
}

#[test]
fn a_scan_of_a_whole_table_is_seen() {
    let db = rusqlite::Connection::open_in_memory().unwrap();
    db.execute_batch("create table backups (id text primary key, note text); create table sites (id text primary key, name text)").unwrap();
    for bad in ["select id from backups b where b.note = $1", "delete from backups where note like $1", "select count(*) from backups as x"]
    {
        assert_eq!(scans_of_sqlite(&db, bad).len(), 1, "{bad}");
    }
    for good in
        ["select note from backups where id = $1", "select id from sites where name = $1", "update backups set note = $1 where id = $2"]
    {
        assert_eq!(scans_of_sqlite(&db, good), Vec::<String>::new(), "{good}");
    }
}
