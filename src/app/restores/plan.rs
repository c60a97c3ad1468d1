//! What a restore will do, said before it does it: what is overwritten, what stays, what is lost.

use super::parts::{self, Part};
use super::{Chosen, tables, targets};
use crate::app::backups::{Manifest, RowCounts};
use crate::app::servers::blocking;
use crate::app::{App, browse, environments, from_json};
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::units;
use crate::base::words::shown;
use crate::db::backups::{Backup, BackupElement};
use crate::domain::browse::Inner;
use crate::domain::element::Element;
use crate::domain::ids::{EnvironmentId, SiteId, TenantId};
use crate::domain::state::BackupState;
use crate::domain::view::{FileProblem, Newest, Plan};
use crate::domain::walk::Differences;
use crate::engine::Repository;
use crate::hosting::database::database;
use crate::hosting::host;
use crate::hosting::stack::{self, Maintenance};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Tables named in a plan; the rest are counted.
const TABLES_NAMED: usize = 20;

pub(super) async fn plan(app: &App, chosen: &Chosen) -> Result<Plan> {
    let env = environments::open(app, &EnvironmentId(chosen.target.id.clone())).await?;
    let b = &chosen.backup;
    let mut plan = Plan {
        backup: b.id.clone(),
        from: format!("{}/{}.{}", b.tenant, b.site, b.environment),
        to: env.address.clone(),
        elements: chosen.elements.clone(),
        missing: chosen.missing.clone(),
        paths: chosen.only.paths.iter().map(Inner::shown).collect(),
        tables: chosen.only.tables.clone(),
        ..Plan::default()
    };
    let reason = b.note.clone().unwrap_or_else(|| b.reason.clone());
    plan.lines.push(format!("{} goes back to the backup of {} - {reason}", env.address, Millis(b.created_at).for_people()));
    for element in &chosen.elements {
        let Some(source) = chosen.source.iter().find(|e| e.element == element.name()) else { continue };
        let manifest: Manifest = from_json("manifest", &source.manifest)?;
        match element {
            Element::Database if !chosen.only.tables.is_empty() => tables::lines(&env, &manifest, &chosen.only.tables, &mut plan).await?,
            Element::Database => database_lines(&env, &manifest, &mut plan).await,
            _ if !chosen.only.paths.is_empty() => part_lines(app, &env, *element, chosen, source, &manifest, &mut plan).await?,
            Element::Files => {
                let lacks = |name: &str| !manifest.directories.iter().any(|d| d.name == name);
                let lacking = env.definition.files.iter().filter(|d| lacks(&d.name));
                plan.warnings
                    .extend(lacking.map(|d| format!("the backup has no directory `{}`: {} stays as it is", d.name, d.path.display())));
                tree_lines(app, &env, *element, (b, source), &manifest, &mut plan).await;
            }
            Element::Code => tree_lines(app, &env, *element, (b, source), &manifest, &mut plan).await,
        }
    }
    plan.warnings.extend(chosen.missing.iter().map(|e| format!("the backup has no {e}: it stays as it is")));
    if b.state == BackupState::Incomplete.word() {
        plan.warnings
            .push("the backup is incomplete: some files could not be read when it was made; those that are still there stay".into());
    }
    safeguards(&env, &mut plan);
    Ok(plan)
}

fn safeguards(env: &environments::Opened, plan: &mut Plan) {
    let hooked = env.definition.hooks.maintenance_on.is_some();
    if let (false, Maintenance::None { why }) = (hooked, stack::stack(env.definition.stack).maintenance(&env.definition)) {
        plan.warnings.push(format!("visitors are not kept out meanwhile: {why}"));
    }
    if env.definition.url.is_none() {
        plan.warnings.push("no URL is set for this environment, so the site is not asked for its page afterwards".into());
    }
    plan.lines.push("A safety backup is made first; the old state stays aside, and an undo brings it back exactly".into());
}

async fn tree_lines(
    app: &App,
    env: &environments::Opened,
    element: Element,
    (backup, source): (&Backup, &BackupElement),
    manifest: &Manifest,
    plan: &mut Plan,
) {
    let roots: Vec<_> = match element {
        Element::Code => vec![env.definition.root.clone()],
        _ => {
            env.definition.files.iter().filter(|f| manifest.directories.iter().any(|d| d.name == f.name)).map(|f| f.path.clone()).collect()
        }
    };
    for root in &roots {
        let nested = if element == Element::Code { env.definition.nested() } else { Vec::new() };
        let (path, owner) = (root.clone(), env.owner.clone());
        let now = match blocking(move || host::tree_size(&path, &nested, &owner)).await {
            Ok(size) => format!("now {}, {}", units::count(size.files, "file"), units::size(size.bytes)),
            Err(e) => format!("now not readable: {}", e.sentence()),
        };
        plan.lines.push(format!("{element}: {} is replaced ({now})", root.display()));
    }
    file_lines(app, env, element, (backup, source), manifest, plan).await;
    let (files, size) = (units::count(source.files.unsigned_abs(), "file"), units::size(source.size.unsigned_abs()));
    plan.lines.push(format!("{element}: the backup holds {files}, {size}"));
    if !manifest.left_out.is_empty() {
        let named: Vec<&str> = manifest.left_out.iter().take(10).map(|l| l.path.as_str()).collect();
        plan.lines.push(format!("{element}: not in the backup and kept as they are: {}", named.join(", ")));
    }
    if let Some(commit) = &manifest.git {
        plan.lines.push(format!("code: commit {}{}", commit.commit, commit.tag.as_ref().map(|t| format!(", tag {t}")).unwrap_or_default()));
    }
}

/// Which files come back, change and go away. It takes some seconds at the most, since a person waits for the answer; and
/// that it cannot be told is no reason not to restore.
async fn file_lines(
    app: &App,
    env: &environments::Opened,
    element: Element,
    (backup, source): (&Backup, &BackupElement),
    manifest: &Manifest,
    plan: &mut Plan,
) {
    let Some(snapshot) = source.snapshot.clone() else { return };
    let compared = async {
        let repository = repository_of(app, backup).await?;
        let places = targets::places(env, element, manifest);
        browse::against_live(repository, snapshot, places, env.owner.clone(), browse::soon(0)).await
    };
    found_lines(element, compared.await, plan);
}

async fn repository_of(app: &App, backup: &Backup) -> Result<Repository> {
    let (tenant, site) = (TenantId(backup.tenant_id.clone()), SiteId(backup.site_id.clone()));
    Ok(environments::repository(app, &tenant, &site).await?.1)
}

/// Chosen files and folders: each is looked for in the backup and on the live site, and what is wrong with one ends it here.
async fn part_lines(
    app: &App,
    env: &environments::Opened,
    element: Element,
    chosen: &Chosen,
    source: &BackupElement,
    manifest: &Manifest,
    plan: &mut Plan,
) -> Result<()> {
    let mut parts = parts::of(&env.definition, &chosen.only.paths)?;
    parts.retain(|part| part.element == element);
    let places = parts::places(env, element, manifest, &parts)?;
    let elsewhere = chosen.backup.environment_id != chosen.target.id;
    if let Some(part) = parts.iter().find(|part| elsewhere && env.definition.settings.as_ref() == Some(&part.live())) {
        return Err(Error::invalid(format!("{} holds the settings of another environment", part.shown())).hint("choose other files"));
    }
    let snapshot = source.snapshot.clone().ok_or_else(|| Error::internal("an element without a snapshot"))?;
    let problems: Vec<FileProblem> = from_json("problems", &source.problems)?;
    let repository = repository_of(app, &chosen.backup).await?;
    let (look, at) = (repository.clone(), snapshot.clone());
    let lines = blocking(move || {
        parts::check(&look, &at, &problems, &parts)?;
        parts.iter().map(|part| part_line(element, part)).collect::<Result<Vec<_>>>()
    })
    .await?;
    plan.lines.extend(lines);
    let compared = browse::against_live(repository, snapshot, places, env.owner.clone(), browse::soon(0)).await;
    found_lines(element, compared, plan);
    plan.lines.push(format!("{element}: everything else stays as it is"));
    Ok(())
}

fn part_line(element: Element, part: &Part) -> Result<String> {
    let live = part.live();
    let way = parts::top(&part.root, &part.below).map_err(|e| e.with_class(Class::Invalid))?;
    let there = way == part.below && host::inode(&live)?.is_some();
    let shown = shown(live.as_os_str().as_bytes());
    Ok(if there { format!("{element}: {shown} is replaced") } else { format!("{element}: {shown} comes back, where nothing is now") })
}

fn found_lines(element: Element, found: Result<Differences>, plan: &mut Plan) {
    match found {
        Ok(found) => {
            plan.lines.extend(difference_lines(element, &found));
            let newest = found.newest.filter(|_| !found.is_none());
            plan.newest.extend(newest.map(|at| Newest { element, at: at.iso() }));
        }
        Err(e) => plan.warnings.push(format!("the {element} cannot be compared with the backup: {}", e.sentence())),
    }
}

/// What will be lost, and what comes instead. The tree of the backup is the one before, the live one the one after: what was
/// added since goes away.
fn difference_lines(element: Element, d: &Differences) -> Vec<String> {
    let mut lines = Vec::new();
    if d.is_none() && !d.stopped {
        lines.push(format!("{element}: every file is as in the backup"));
    }
    let least = if d.stopped { "at least " } else { "" };
    let all = [(&d.removed, "comes back", "come back"), (&d.changed, "changes", "change"), (&d.added, "goes away", "go away")];
    for (named, one, many) in all.into_iter().filter(|(named, ..)| named.count > 0) {
        let verb = if named.count == 1 { one } else { many };
        let names: Vec<String> = named.first.iter().map(|p| shown(within(p).as_os_str().as_bytes())).collect();
        let more = if named.count > names.len() as u64 { ", …" } else { "" };
        lines.push(format!("{element}: {least}{} {verb}: {}{more}", units::count(named.count, "file"), names.join(", ")));
    }
    let lost = d.newer + d.added.count;
    if lost > 0 {
        let (files, new) = (units::count(lost, "file"), units::count(d.added.count, "new one"));
        let size = units::size(d.added.bytes);
        lines.push(format!(
            "{element}: you will lose {least}{files} of what was done since: {} newer than in the backup, {new} ({size})",
            d.newer
        ));
    }
    if d.stopped {
        lines.push(format!("{element}: there are too many files to compare all of them while you wait"));
    }
    if d.unread > 0 {
        lines.push(format!("{element}: {} cannot be read now, and nothing is said of what is in there", units::count(d.unread, "folder")));
    }
    lines
}

/// A path without the name of its tree: people know the directory.
fn within(path: &Path) -> &Path {
    let tree = if path.starts_with("files") { 2 } else { 1 };
    let mut parts = path.components();
    parts.by_ref().take(tree).for_each(drop);
    parts.as_path()
}

async fn database_lines(env: &environments::Opened, manifest: &Manifest, plan: &mut Plan) {
    let Some(access) = env.access.clone() else { return };
    plan.lines.push(format!("database: the database {} is replaced", access.address.label()));
    match blocking(move || database(access).counts()).await {
        Ok(live) => plan.lines.extend(differences(&live, &manifest.rows)),
        Err(e) => plan.warnings.push(format!("the live database cannot be read: {}", e.sentence())),
    }
    if !manifest.structure_only.is_empty() {
        plan.lines.push(format!("database: these come back empty: {}", manifest.structure_only.join(", ")));
    }
    if !manifest.inexact_columns.is_empty() {
        plan.warnings.push(format!("these columns do not come back bit-exact: {}", manifest.inexact_columns.join(", ")));
    }
}

/// Per table, where the number of rows differs.
fn differences(live: &RowCounts, backup: &RowCounts) -> Vec<String> {
    let mut names: Vec<&String> = live.keys().chain(backup.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut lines = Vec::new();
    for name in names {
        match (live.get(name), backup.get(name)) {
            (Some(now), Some(then)) if now == then => {}
            (Some(now), Some(then)) => {
                lines.push(format!("database: table {name} has {} now and {then} in the backup", units::count(*now, "row")))
            }
            (Some(now), None) => {
                lines.push(format!("database: table {name} ({}) is not in the backup and goes away", units::count(*now, "row")))
            }
            (None, Some(then)) => lines.push(format!("database: table {name} comes back with {}", units::count(*then, "row"))),
            (None, None) => {}
        }
    }
    if lines.is_empty() {
        return vec!["database: every table has as many rows now as in the backup".into()];
    }
    let more = lines.len().saturating_sub(TABLES_NAMED);
    lines.truncate(TABLES_NAMED);
    if more > 0 {
        lines.push(format!("database: {} differ, too", units::count(more as u64, "more table")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tables_that_differ_are_named() {
        let of = |rows: &[(&str, u64)]| rows.iter().map(|(t, n)| ((*t).to_owned(), *n)).collect::<RowCounts>();
        let lines = differences(&of(&[("a", 1), ("b", 2), ("c", 3)]), &of(&[("a", 1), ("b", 5), ("d", 1)]));
        assert_eq!(
            lines,
            [
                "database: table b has 2 rows now and 5 in the backup",
                "database: table c (3 rows) is not in the backup and goes away",
                "database: table d comes back with 1 row"
            ]
        );
        assert_eq!(differences(&of(&[("a", 1)]), &of(&[("a", 1)])).len(), 1);
    }
}
