//! How one element is read: `hosting` opens the source, `engine` stores it, and what people must know becomes its manifest.

use crate::app::attempt::Attempt;
use crate::app::environments::Opened;
use crate::base::error::{Error, Result};
use crate::base::watch::Watch;
use crate::db;
use crate::domain::element::Element;
use crate::domain::site::{DatabaseAddress, FilesDir};
use crate::engine::{Dump, Exclude, Label, Problem, Repository, Rule, Source, Stored, Stream, Sums, Syntax, Tree};
use crate::hosting::code;
use crate::hosting::database::{DumpFacts, Form, Scope, database};
use crate::hosting::stack;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// Rows per table, as counted when the backup was made.
pub(crate) type RowCounts = BTreeMap<String, u64>;

/// What a backup says about one of its elements: kept with it, shown to people, read by a restore.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Manifest {
    /// `mysql`, `postgres`, `sqlite`; empty for files and code.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub engine: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stack: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tool: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub charset: String,
    /// Settings of the server by which its values are written.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// `table.column` of FLOAT columns that the dump tool rounds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inexact_columns: Vec<String>,
    /// Tables kept without their rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub structure_only: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rows: RowCounts,
    /// What the rows of each table came to while they were dumped, or a file as a whole; `None` where nothing was added up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sums: Option<Sums>,
    /// Directories of the element `files`, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub directories: Vec<FilesDir>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// The deployed commit, where the code is a Git work tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<Commit>,
    /// Owner and group of the site when it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<(u32, u32)>,
    /// Nothing was left out: a safety backup.
    pub complete: bool,
    /// Files that went away while they were read; that is no problem by itself.
    pub vanished: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct LeftOut {
    pub path: String,
    pub why: String,
}

#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Commit {
    pub commit: String,
    pub tag: Option<String>,
    pub branch: Option<String>,
    /// Paths changed since the commit; kept as `changes.patch`.
    pub changed: Vec<String>,
    pub untracked: u64,
}

/// Reads one element into the repository. `complete` leaves nothing out and takes a missing directory for an empty one:
/// what a safety backup wants.
pub(crate) async fn read_element(
    attempt: &Attempt,
    env: &Opened,
    repository: &Repository,
    element: Element,
    complete: bool,
    (tags, description): (Vec<String>, String),
) -> Result<(Stored, Manifest)> {
    let path = format!("{}/{element}", env.address);
    let found = db::space::repository(&mut *attempt.app.pool.get().await?, &env.tenant, &env.site).await?;
    let afresh = found.is_some_and(|repository| repository.damaged.is_some());
    let label = Label { host: env.address.clone(), path, tags, time: attempt.now().await?, description, afresh };
    attempt.phase(&format!("Reading {element}"), None).await?;
    let (env, repository) = (env.clone(), repository.clone());
    attempt
        .blocking(move |watch| match element {
            Element::Database => read_database(&env, &repository, complete, &label, watch),
            Element::Files => read_files(&env, &repository, complete, &label, watch),
            Element::Code => read_code(&env, &repository, complete, &label, watch),
        })
        .await
        .map_err(|e| e.context(format!("backing up the {element}")))
}

fn read_database(env: &Opened, repository: &Repository, complete: bool, label: &Label, watch: &Watch) -> Result<(Stored, Manifest)> {
    let access = env.access.clone().ok_or_else(|| Error::permanent("this environment has no database any more"))?;
    let prefix = access.address.account().map(|a| a.prefix.clone()).unwrap_or_default();
    let engine = access.address.engine();
    let site = database(access.clone());
    let facts = site.check()?;
    let structure_only = if complete { Vec::new() } else { stack::stack(env.definition.stack).structure_only(&prefix) };
    let dumping = site.dump(&Scope { structure_only, complete })?;
    let said: Arc<Mutex<Option<DumpFacts>>> = Arc::default();
    let heard = said.clone();
    let finish = dumping.finish;
    let finish = Box::new(move || {
        let facts = finish()?;
        *heard.lock().expect("no one panics while holding it") = Some(facts);
        Ok(())
    });
    let source = match dumping.form {
        Form::Sql(_) => {
            let syntax = if matches!(access.address, DatabaseAddress::Postgres(_)) { Syntax::Postgres } else { Syntax::Mysql };
            Source::Dump(Dump { name: PathBuf::from("database"), syntax, reader: dumping.reader, finish })
        }
        Form::Archive => return Err(Error::internal("the dump of a site is text, or a file")),
        Form::Image { size } => {
            Source::Stream(Stream { path: PathBuf::from("database/database.sqlite"), size, reader: dumping.reader, finish })
        }
    };
    let mut stored = repository.backup(vec![source], label, watch)?;
    let dump = said.lock().expect("no one panics while holding it").take();
    let dump = dump.ok_or_else(|| Error::internal("the dump ended without saying how"))?;
    // What the site's account may not read is missing from the dump: never green for that.
    stored.problems.extend(dump.missing.into_iter().map(|what| Problem { path: PathBuf::from("database"), reason: what }));
    let mut warnings = facts.warnings;
    for warning in dump.warnings {
        // What was said when the database was looked at need not be said of its dump again.
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    if !facts.inexact_columns.is_empty() {
        warnings.push(format!(
            "the dump tool rounds FLOAT columns to six digits, so these do not come back bit-exact: {}",
            facts.inexact_columns.join(", ")
        ));
    }
    let manifest = Manifest {
        engine: engine.into(),
        stack: env.definition.stack.name().into(),
        server_version: facts.server_version,
        tool: facts.tool,
        charset: facts.charset,
        inexact_columns: facts.inexact_columns,
        settings: facts.settings,
        rows: counted(site.counts()?, &dump.structure_only),
        sums: Some(std::mem::take(&mut stored.sums)),
        structure_only: dump.structure_only,
        complete,
        warnings,
        ..Manifest::default()
    };
    Ok((stored, manifest))
}

/// What the backup holds of what was counted: a table that keeps only its structure has no rows in it.
fn counted(mut rows: RowCounts, structure_only: &[String]) -> RowCounts {
    rows.iter_mut().filter(|(table, _)| structure_only.contains(*table)).for_each(|(_, n)| *n = 0);
    rows
}

/// Leftovers of our own restores are never a part of a site.
fn always_left_out() -> Rule {
    Rule { pattern: ".sitekeep-*".into(), why: "Sitekeep's own staging".into() }
}

fn rules(env: &Opened, element: Element, complete: bool) -> Vec<Rule> {
    let mut rules = vec![always_left_out()];
    if !complete {
        let by_stack = stack::stack(env.definition.stack).left_out(&env.definition, element);
        rules.extend(by_stack.into_iter().map(|(pattern, why)| Rule { pattern, why: why.into() }));
        rules.extend(env.definition.exclude.iter().map(|p| Rule { pattern: p.clone(), why: "excluded for this environment".into() }));
    }
    rules
}

fn read_files(env: &Opened, repository: &Repository, complete: bool, label: &Label, watch: &Watch) -> Result<(Stored, Manifest)> {
    let mut directories = env.definition.files.clone();
    directories.sort_by(|a, b| a.name.cmp(&b.name));
    let sources = directories
        .iter()
        .map(|dir| {
            Ok(Source::Tree(Tree {
                name: PathBuf::from("files").join(&dir.name),
                root: dir.path.clone(),
                identity: env.owner.clone(),
                exclude: Exclude::new(rules(env, Element::Files, complete), Vec::new())?,
                absent_is_empty: complete,
            }))
        })
        .collect::<Result<Vec<_>>>()?;
    let stored = repository.backup(sources, label, watch)?;
    let manifest = tree_manifest(env, complete, &stored);
    Ok((stored, Manifest { directories, ..manifest }))
}

fn read_code(env: &Opened, repository: &Repository, complete: bool, label: &Label, watch: &Watch) -> Result<(Stored, Manifest)> {
    let git = code::inspect(&env.definition.root, &env.owner)?;
    let nested = env.definition.nested().into_iter().map(|p| (p, "it belongs to another element".to_owned())).collect();
    let mut sources = Vec::new();
    if let Some(git) = git.as_ref().filter(|g| !g.patch.is_empty()) {
        sources.push(Source::File { path: PathBuf::from("changes.patch"), bytes: git.patch.clone() });
    }
    sources.push(Source::Tree(Tree {
        name: PathBuf::from("code"),
        root: env.definition.root.clone(),
        identity: env.owner.clone(),
        exclude: Exclude::new(rules(env, Element::Code, complete), nested)?,
        absent_is_empty: complete,
    }));
    let stored = repository.backup(sources, label, watch)?;
    let mut manifest = tree_manifest(env, complete, &stored);
    if let Some(git) = git {
        manifest.warnings.extend(git.warnings);
        if !git.changed.is_empty() {
            let shown = git.changed.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
            manifest.warnings.push(format!("{} changed since the commit and kept as a patch: {shown}", git.changed.len()));
        }
        manifest.git =
            Some(Commit { commit: git.commit, tag: git.tag, branch: git.branch, changed: git.changed, untracked: git.untracked });
    }
    Ok((stored, manifest))
}

fn tree_manifest(env: &Opened, complete: bool, stored: &Stored) -> Manifest {
    let nested: Vec<String> = env.definition.nested().iter().map(|p| p.display().to_string()).collect();
    let left_out = stored
        .left_out
        .iter()
        .map(|l| LeftOut { path: l.path.display().to_string(), why: l.why.clone() })
        .filter(|l| !nested.iter().any(|n| l.path.ends_with(n.as_str())))
        .collect();
    Manifest {
        stack: env.definition.stack.name().into(),
        owner: Some((env.owner.uid, env.owner.gid)),
        left_out,
        vanished: stored.vanished,
        complete,
        ..Manifest::default()
    }
}
