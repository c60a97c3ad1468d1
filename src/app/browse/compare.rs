//! What changed from one backup to another of the same environment, or from a backup to the live site.
//!
//! Two backups are compared by the hashes of their content. The live site is compared as a backup begins: by names, sizes
//! and times, without opening a file, with the rights of the site's owner. Either way it takes some seconds at the most:
//! what was found by then is told, and that there may be more.

use super::{Asked, Inner, is_open, stop_later, usable};
use crate::app::backups::{Manifest, RowCounts};
use crate::app::environments::{self, Opened};
use crate::app::{App, access, access::Actor, from_json, restores, servers};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::identity::Identity;
use crate::base::sql::Conn;
use crate::base::watch::Watch;
use crate::db;
use crate::db::backups::{Backup, BackupElement, Narrow};
use crate::domain::browse::Kind;
use crate::domain::compare::{Change, Changes, Comparison, Count, LIVE, LONGEST_PAGE, Moment, PAGE, TABLES, TableChange, Version, What};
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, EnvironmentId, SiteId, TenantId};
use crate::domain::rights::Right;
use crate::domain::state::BackupState;
use crate::domain::walk::{Difference, Differences, Item, ItemKind, Named, Walk};
use crate::engine::Repository;
use crate::hosting::database::database;
use crate::hosting::host::LiveTree;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long the trees of one element may take, and the counting of a live database.
const PATIENCE: Duration = Duration::from_secs(5);
/// Comparisons at once in this process: each takes a processor. Others wait in line.
static COMPARISONS: Semaphore = Semaphore::const_new(2);
/// Backups that are offered to be compared with.
const OFFERED: i64 = 100;

/// A tree of a backup with its place on the live site.
#[derive(Clone, Debug)]
pub(in crate::app) struct Place {
    pub from: PathBuf,
    pub live: PathBuf,
    /// Of the two only the entry of this name.
    pub only: Option<OsString>,
    /// What is not the backup's to say, relative to it.
    pub kept: Vec<PathBuf>,
}

/// A walk that ends by itself after a while.
pub(in crate::app) fn soon(most: usize) -> Walk {
    let watch = Watch::new();
    tokio::spawn(stop_later(watch.clone(), PATIENCE));
    Walk::new(most, watch)
}

/// What is different on the live site from what the backup holds.
pub(in crate::app) async fn against_live(
    repository: Repository,
    snapshot: String,
    places: Vec<Place>,
    owner: Identity,
    mut walk: Walk,
) -> Result<Differences> {
    servers::blocking(move || {
        let look = repository.look(&snapshot)?;
        for place in places {
            walk.except = place.kept.iter().map(|kept| place.from.join(kept)).collect();
            let live = LiveTree::open(&place.live, place.only.as_deref(), &owner)?;
            walk.run(&place.from, &look.below(&place.from, place.only.as_deref()), &live)?;
        }
        Ok(walk.found)
    })
    .await
}

/// Compares a backup with another one (`with`), the one before it (nothing), or the live site (`live`).
///
/// # Errors
/// `NotFound`, also for a backup of another environment; `Forbidden` for the live site, for those who may not restore;
/// `Conflict` for a backup that cannot be looked into.
pub async fn compare(app: &App, actor: &Actor, backup: &BackupId, asked: &Asked) -> Result<Comparison> {
    let only = if asked.element.is_empty() { None } else { Some(asked.element()?) };
    let page = Page::of(asked)?;
    let mut conn = app.pool.get().await?;
    let row = access::backup(&mut conn, actor, backup, Right::View).await?;
    if asked.with == LIVE {
        let environment = EnvironmentId(row.environment_id.clone());
        let env = access::environment(&mut conn, actor, &environment, Right::Restore).await?;
        environments::refuse_going(&env)?;
        drop(conn);
        return with_live(app, &row, only, &page).await;
    }
    let other = match asked.with.is_empty() {
        true => before(&mut conn, &row).await?,
        false => Some(access::backup(&mut conn, actor, &BackupId(asked.with.clone()), Right::View).await?),
    };
    let Some(other) = other else {
        return Ok(Comparison { backup: row.id.clone(), from: None, to: moment(&row), elements: Vec::new() });
    };
    if other.environment_id != row.environment_id {
        return Err(access::hidden("backup"));
    }
    drop(conn);
    let newer = (row.created_at, &row.id) >= (other.created_at, &other.id);
    let (from, to) = if newer { (other, row.clone()) } else { (row.clone(), other) };
    with_backup(app, &row, (&from, &to), only, &page).await
}

/// Backups of the same environment that it can be compared with, newest first.
///
/// # Errors
/// `NotFound`.
pub async fn others(app: &App, actor: &Actor, backup: &BackupId) -> Result<Vec<Moment>> {
    let mut conn = app.pool.get().await?;
    let row = access::backup(&mut conn, actor, backup, Right::View).await?;
    let (tenant, environment) = (TenantId(row.tenant_id.clone()), EnvironmentId(row.environment_id.clone()));
    let log = db::backups::log(&mut conn, &tenant, &environment, &Narrow::default(), None, OFFERED).await?;
    Ok(log.iter().filter(|other| other.id != row.id && is_usable(other)).map(moment).collect())
}

fn is_usable(row: &Backup) -> bool {
    BackupState::parse(&row.state).is_ok_and(BackupState::is_usable)
}

fn moment(row: &Backup) -> Moment {
    let reason = row.note.clone().unwrap_or_else(|| row.reason.clone());
    Moment { backup: Some(row.id.clone()), at: Millis(row.created_at).iso(), reason }
}

/// The newest usable one that is older.
async fn before(conn: &mut Conn, row: &Backup) -> Result<Option<Backup>> {
    let (tenant, environment) = (TenantId(row.tenant_id.clone()), EnvironmentId(row.environment_id.clone()));
    let after = Some((row.created_at, row.id.clone()));
    let older = db::backups::log(conn, &tenant, &environment, &Narrow::default(), after, OFFERED).await?;
    Ok(older.into_iter().find(is_usable))
}

/// Which changes are listed.
struct Page {
    after: Option<PathBuf>,
    limit: usize,
}

impl Page {
    fn of(asked: &Asked) -> Result<Self> {
        let wrong = |_| Error::invalid("`after` is not where a page ended").hint("give what `next` said");
        let after = match asked.after.as_str() {
            "" => None,
            digits => Some(Inner::of_text("", Some(digits)).map_err(wrong)?.path().to_owned()),
        };
        Ok(Self { after, limit: asked.limit.unwrap_or(PAGE).clamp(1, LONGEST_PAGE) })
    }
    fn walk(&self) -> Walk {
        let mut walk = soon(self.limit);
        walk.after.clone_from(&self.after);
        walk
    }
}

fn wanted(only: Option<Element>) -> impl Iterator<Item = Element> {
    Element::ALL.into_iter().filter(move |e| only.is_none_or(|only| only == *e))
}

async fn with_backup(app: &App, row: &Backup, (from, to): (&Backup, &Backup), only: Option<Element>, page: &Page) -> Result<Comparison> {
    [from, to].into_iter().try_for_each(is_open)?;
    let mut elements = Vec::new();
    let mut why_not = None;
    for element in wanted(only) {
        let mut conn = app.pool.get().await?;
        let (then, now) = (usable(&mut conn, from, element).await, usable(&mut conn, to, element).await);
        drop(conn);
        match (then, now) {
            (Ok(then), Ok(now)) => elements.push(between(app, row, element, (&then, &now), page).await?),
            (Ok(_), Err(_)) => elements.push(Changes::not_compared(element, "only the older backup holds it")),
            (Err(_), Ok(_)) => elements.push(Changes::not_compared(element, "only the newer backup holds it")),
            (Err(e), Err(_)) => why_not = Some(e),
        }
    }
    match why_not {
        Some(e) if elements.is_empty() => Err(e),
        _ => Ok(Comparison { backup: row.id.clone(), from: Some(moment(from)), to: moment(to), elements }),
    }
}

async fn between(app: &App, row: &Backup, element: Element, (then, now): (&BackupElement, &BackupElement), page: &Page) -> Result<Changes> {
    let (older, newer): (Manifest, Manifest) = (from_json("manifest", &then.manifest)?, from_json("manifest", &now.manifest)?);
    if element == Element::Database {
        return Ok(tables(&older.rows, &newer.rows));
    }
    let (a, b) = (snapshot(then)?, snapshot(now)?);
    let (_, repository) = environments::repository(app, &TenantId(row.tenant_id.clone()), &SiteId(row.site_id.clone())).await?;
    let mut walk = page.walk();
    walk.except = older.left_out.iter().chain(&newer.left_out).map(|l| PathBuf::from(&l.path)).collect();
    let left_out = walk.except.iter().map(|path| path.display().to_string()).collect();
    let _turn = COMPARISONS.acquire().await.map_err(|e| Error::internal(e.to_string()))?;
    let found = servers::blocking(move || {
        let (before, after) = (repository.look(&a)?, repository.look(&b)?);
        let root = Path::new("");
        walk.run(root, &before.below(root, None), &after.below(root, None))?;
        Ok(walk.found)
    })
    .await?;
    Ok(told(element, found, left_out))
}

fn snapshot(held: &BackupElement) -> Result<String> {
    held.snapshot.clone().ok_or_else(|| Error::internal("an element without a snapshot"))
}

async fn with_live(app: &App, row: &Backup, only: Option<Element>, page: &Page) -> Result<Comparison> {
    let env = environments::open(app, &EnvironmentId(row.environment_id.clone())).await?;
    let mut elements = Vec::new();
    let mut why_not = None;
    for element in wanted(only).filter(|e| env.definition.elements().contains(e)) {
        let held = usable(&mut *app.pool.get().await?, row, element).await;
        match held {
            Ok(held) => elements.push(live(app, row, &env, element, &held, page).await?),
            Err(e) => why_not = Some(e),
        }
    }
    let to = Moment { backup: None, at: app.pool.now().await?.iso(), reason: "the live site".into() };
    match why_not {
        Some(e) if elements.is_empty() => Err(e),
        _ => Ok(Comparison { backup: row.id.clone(), from: Some(moment(row)), to, elements }),
    }
}

/// What cannot be read of the live site is said of that element alone.
async fn live(app: &App, row: &Backup, env: &Opened, element: Element, held: &BackupElement, page: &Page) -> Result<Changes> {
    let manifest: Manifest = from_json("manifest", &held.manifest)?;
    let _turn = COMPARISONS.acquire().await.map_err(|e| Error::internal(e.to_string()))?;
    let why = |e: Error| Changes::not_compared(element, e.sentence());
    if element == Element::Database {
        let Some(access) = env.access.clone() else { return Ok(Changes::not_compared(element, "this environment has no database")) };
        let counting = servers::blocking(move || database(access).counts());
        return Ok(match tokio::time::timeout(PATIENCE, counting).await {
            Ok(Ok(now)) => tables(&manifest.rows, &now),
            Ok(Err(e)) => why(e),
            Err(_) => Changes::not_compared(element, "the live database takes too long to count its rows"),
        });
    }
    let (_, repository) = environments::repository(app, &TenantId(row.tenant_id.clone()), &SiteId(row.site_id.clone())).await?;
    let places = restores::places(env, element, &manifest);
    let left_out = manifest.left_out.iter().map(|l| l.path.clone()).collect();
    let found = against_live(repository, snapshot(held)?, places, env.owner.clone(), page.walk()).await;
    Ok(found.map_or_else(why, |found| told(element, found, left_out)))
}

fn told(element: Element, found: Differences, left_out: Vec<String>) -> Changes {
    let count = |named: &Named| Count { files: named.count, bytes: named.bytes };
    let last = found.page.last().filter(|_| found.more).map(|d| crate::base::secret::hex(Inner::of_path(&d.path).bytes()));
    Changes {
        added: count(&found.added),
        changed: count(&found.changed),
        removed: count(&found.removed),
        touched: found.touched,
        unread: found.unread,
        stopped: found.stopped,
        left_out,
        next: last,
        changes: found.page.into_iter().map(change).collect(),
        ..Changes::of(element)
    }
}

fn change(d: Difference) -> Change {
    let version = |item: &Item| Version { size: item.size, modified: item.modified.map(Millis::iso) };
    let kind = match d.after.as_ref().or(d.before.as_ref()).map(|i| i.kind) {
        Some(ItemKind::Link) => Kind::Link,
        Some(ItemKind::File) => Kind::File,
        Some(ItemKind::Folder) => Kind::Folder,
        _ => Kind::Other,
    };
    let what = match (&d.before, &d.after) {
        (None, _) => What::Added,
        (_, None) => What::Removed,
        _ => What::Changed,
    };
    let (path, path_hex) = Inner::of_path(&d.path).text();
    Change { what, path, path_hex, kind, before: d.before.as_ref().map(version), after: d.after.as_ref().map(version) }
}

/// Per table, where the number of rows differs.
fn tables(then: &RowCounts, now: &RowCounts) -> Changes {
    let names: std::collections::BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let mut changes = Changes { tables_compared: names.len() as u64, ..Changes::of(Element::Database) };
    for name in names {
        let (before, after) = (then.get(name).copied(), now.get(name).copied());
        if before != after {
            changes.tables_differ += 1;
            if changes.tables.len() < TABLES {
                changes.tables.push(TableChange { name: name.clone(), before, after });
            }
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_named_where_their_rows_differ_and_only_so_many() {
        let of = |rows: &[(&str, u64)]| rows.iter().map(|(t, n)| ((*t).to_owned(), *n)).collect::<RowCounts>();
        let found = tables(&of(&[("a", 1), ("b", 2), ("c", 3)]), &of(&[("a", 1), ("b", 5), ("d", 1)]));
        let lines: Vec<_> = found.tables.iter().map(|t| (t.name.as_str(), t.before, t.after)).collect();
        assert_eq!(lines, [("b", Some(2), Some(5)), ("c", Some(3), None), ("d", None, Some(1))]);
        assert_eq!((found.tables_compared, found.tables_differ, found.is_none()), (4, 3, false));
        let many: RowCounts = (0..900).map(|n| (format!("t{n}"), 1)).collect();
        let found = tables(&RowCounts::new(), &many);
        assert_eq!((found.tables.len(), found.tables_differ), (TABLES, 900));
    }
}
