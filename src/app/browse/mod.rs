//! Looking inside a backup: its elements, folders and files, a glance at one of them, names that are searched for, and all
//! versions of a file; and what changed from one backup to another, or to the live site.
//!
//! Whoever may view sees names, sizes and times; what is *in* a file is for those who may download. Where the reader may
//! look is decided first, from the catalogue; the repository is opened only then, and only the tree of that element is
//! read. A backup in the trash, or one that has expired, shows nothing.

mod compare;
mod glance;
mod versions;

pub(in crate::app) use compare::{Place, against_live, soon};
pub use compare::{compare, others};
pub use glance::{Picture, picture, preview};
pub use versions::versions;

use super::downloads::{is_open, usable};
use super::{App, access, access::Actor, environments, from_json, servers};
use crate::app::backups::Manifest;
use crate::base::error::{Class, Error, Result};
use crate::base::watch::Watch;
use crate::base::words::shown;
use crate::db;
use crate::db::backups::{Backup, BackupElement};
use crate::domain::browse::{Asked, Entry, Found, HITS, Inner, Kind, LONGEST_PAGE, Listing, PAGE};
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, SiteId, TenantId};
use crate::domain::links::Part;
use crate::domain::rights::Right;
use crate::engine::{self, Look, Mark, Repository};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long a search may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Searches at once in this process: each takes a processor. Others wait in line.
static SEARCHES: Semaphore = Semaphore::const_new(2);

/// An element in which somebody may look around.
struct Opened {
    row: Backup,
    held: BackupElement,
    element: Element,
}

impl Opened {
    /// The repository with the snapshot of the element.
    async fn repository(&self, app: &App) -> Result<(Repository, String)> {
        let (tenant, site) = (TenantId(self.row.tenant_id.clone()), SiteId(self.row.site_id.clone()));
        let snapshot = self.held.snapshot.clone().ok_or_else(|| Error::internal("an element without a snapshot"))?;
        Ok((environments::repository(app, &tenant, &site).await?.1, snapshot))
    }

    /// Looks into the snapshot, on a thread for that.
    async fn look<T: Send + 'static>(&self, app: &App, at: impl FnOnce(&Look) -> Result<T> + Send + 'static) -> Result<T> {
        let (repository, snapshot) = self.repository(app).await?;
        servers::blocking(move || at(&repository.look(&snapshot)?)).await
    }

    fn manifest(&self) -> Result<Manifest> {
        from_json("manifest", &self.held.manifest)
    }
}

/// Finds the element, if the actor has this right.
///
/// # Errors
/// `NotFound`, `Forbidden`; `Conflict` for a backup that has not ended well, lies in the trash, or has expired.
async fn open(app: &App, actor: &Actor, backup: &BackupId, element: &str, right: Right) -> Result<Opened> {
    let mut conn = app.pool.get().await?;
    let row = access::backup(&mut conn, actor, backup, right).await?;
    let element = Element::parse(element)?;
    let held = usable(&mut conn, &row, element).await?;
    Ok(Opened { row, held, element })
}

/// A page of a folder; or a file by itself. Without an element: the elements of the backup.
///
/// # Errors
/// `NotFound`, also for a path that is not in it; `Conflict` for a backup that cannot be looked into.
pub async fn list(app: &App, actor: &Actor, backup: &BackupId, asked: &Asked) -> Result<Listing> {
    if asked.element.is_empty() {
        return elements(app, actor, backup).await;
    }
    let opened = open(app, actor, backup, &asked.element, Right::View).await?;
    let (path, _) = asked.path.text();
    if opened.element == Element::Database {
        return if asked.path.is_root() { tables(&opened) } else { Err(nothing(&path)) };
    }
    let (after, limit) = (mark(&asked.after)?, asked.limit.unwrap_or(PAGE).clamp(1, LONGEST_PAGE));
    let (id, element, at) = (opened.row.id.clone(), opened.element, asked.path.clone());
    opened.look(app, move |look| folder(look, id, element, &at, after.as_ref(), limit)).await
}

fn folder(look: &Look, backup: String, element: Element, at: &Inner, after: Option<&Mark>, limit: usize) -> Result<Listing> {
    let (path, path_hex) = at.text();
    let listing = |kind, entries, total, next| Listing { backup, element: Some(element), kind, path, path_hex, entries, total, next };
    let found = match look.folder(at.path()) {
        Err(e) if e.class() == Class::Invalid && !at.is_root() => {
            let entry = entry(at, &look.entry(at.path())?);
            return Ok(listing(entry.kind, vec![entry], 1, None));
        }
        found => found?,
    };
    let (page, more) = found.page(after, limit);
    let next = page.last().filter(|_| more).map(|last| mark_of(last.kind == engine::Kind::Directory, &last.name));
    let entries = page.iter().map(|e| entry(&at.join(&e.name), e)).collect();
    let kind = if at.is_root() { Kind::Element } else { Kind::Folder };
    Ok(listing(kind, entries, found.entries.len() as u64, next))
}

fn entry(path: &Inner, e: &engine::Entry) -> Entry {
    let kind = match e.kind {
        engine::Kind::File => Kind::File,
        engine::Kind::Directory => Kind::Folder,
        engine::Kind::Link => Kind::Link,
        engine::Kind::Other => Kind::Other,
    };
    Entry {
        size: (kind == Kind::File).then_some(e.size),
        modified: e.mtime.map(crate::base::clock::Millis::iso),
        mode: e.mode.map(|mode| format!("{mode:04o}")),
        ..Entry::named(path, kind)
    }
}

/// Where a page ended: `d` or `f` for folders and the rest, and the name.
fn mark_of(is_folder: bool, name: &[u8]) -> String {
    format!("{}{}", if is_folder { 'd' } else { 'f' }, crate::base::secret::hex(name))
}

fn mark(text: &str) -> Result<Option<Mark>> {
    let wrong = || Error::invalid("`after` is not where a page ended").hint("give what `next` said");
    if text.is_empty() {
        return Ok(None);
    }
    let (kind, digits) = text.split_at_checked(1).ok_or_else(wrong)?;
    let name = Inner::of_text("", Some(digits)).map_err(|_| wrong())?.bytes().to_vec();
    match kind {
        "d" => Ok(Some(Mark { is_folder: true, name })),
        "f" => Ok(Some(Mark { is_folder: false, name })),
        _ => Err(wrong()),
    }
}

async fn elements(app: &App, actor: &Actor, backup: &BackupId) -> Result<Listing> {
    let mut conn = app.pool.get().await?;
    let row = access::backup(&mut conn, actor, backup, Right::View).await?;
    let held = db::backups::elements(&mut conn, &TenantId(row.tenant_id.clone()), backup).await?;
    let mut entries = Vec::new();
    for e in held {
        let usable = usable(&mut conn, &row, Element::parse(&e.element)?).await.is_ok();
        let entry = Entry { size: Some(e.size.unsigned_abs()), ..Entry::named(&Inner::of_bytes(e.element.as_bytes()), Kind::Element) };
        entries.extend(usable.then_some(entry));
    }
    let total = entries.len() as u64;
    Ok(Listing { backup: row.id, element: None, kind: Kind::Element, path: String::new(), path_hex: None, entries, total, next: None })
}

/// A database is kept as a dump: its tables are what can be told of it.
fn tables(opened: &Opened) -> Result<Listing> {
    let manifest = opened.manifest()?;
    let table = |name: &String, rows: Option<u64>| Entry { rows, ..Entry::named(&Inner::of_bytes(name.as_bytes()), Kind::Table) };
    let entries: Vec<Entry> = manifest.rows.iter().map(|(name, rows)| table(name, Some(*rows))).collect();
    Ok(Listing {
        backup: opened.row.id.clone(),
        element: Some(opened.element),
        kind: Kind::Element,
        path: String::new(),
        path_hex: None,
        total: entries.len() as u64,
        entries,
        next: None,
    })
}

fn nothing(path: &str) -> Error {
    Error::not_found(format!("{} is not in this backup", shown(path.as_bytes()))).hint("a database is taken as a whole")
}

/// Everything in an element whose name has this text in it, in upper or lower case. Without an element: the elements.
///
/// # Errors
/// As [`list`]; `Invalid` without a text.
pub async fn search(app: &App, actor: &Actor, backup: &BackupId, asked: &Asked) -> Result<Found> {
    let text = asked.name.trim().to_lowercase();
    if asked.element.is_empty() {
        return Ok(among(elements(app, actor, backup).await?.entries, &text));
    }
    let opened = open(app, actor, backup, &asked.element, Right::View).await?;
    if text.is_empty() || text.len() > 255 {
        return Err(Error::invalid("there is no name to search for").hint("give a part of a name, of at most 255 bytes"));
    }
    if opened.element == Element::Database {
        return Ok(among(tables(&opened)?.entries, &text));
    }
    let (watch, from) = (Watch::new(), asked.path.clone());
    let _turn = SEARCHES.acquire().await.map_err(|e| Error::internal(e.to_string()))?;
    let patience = tokio::spawn(stop_later(watch.clone(), PATIENCE));
    let searched = opened.look(app, move |look| {
        let wanted = |name: &[u8]| String::from_utf8_lossy(name).to_lowercase().contains(&text);
        look.search(from.path(), &wanted, HITS, &watch)
    });
    let hits = searched.await;
    patience.abort();
    let hits = hits?;
    let of = |(path, e): &(std::path::PathBuf, engine::Entry)| entry(&Inner::of_path(path), e);
    Ok(Found { entries: hits.found.iter().map(of).collect(), looked: hits.looked, stopped: hits.stopped })
}

fn among(mut entries: Vec<Entry>, text: &str) -> Found {
    let looked = entries.len() as u64;
    entries.retain(|e| e.name.to_lowercase().contains(text));
    Found { entries, looked, stopped: false }
}

async fn stop_later(watch: Watch, after: Duration) {
    tokio::time::sleep(after).await;
    watch.cancel();
}

/// What a link to this path would lead to.
///
/// # Errors
/// As [`list`], for whoever may download; `Invalid` for what is neither a file nor a folder.
pub(super) async fn part(app: &App, actor: &Actor, backup: &BackupId, element: Element, path: &Inner) -> Result<Part> {
    let opened = open(app, actor, backup, element.name(), Right::Download).await?;
    if opened.element == Element::Database {
        return Err(nothing(&path.shown()));
    }
    let at = path.clone();
    let found = opened.look(app, move |look| look.entry(at.path())).await?;
    match found.kind {
        engine::Kind::File => Ok(Part { path: path.clone(), size: Some(found.size) }),
        engine::Kind::Directory => Ok(Part { path: path.clone(), size: None }),
        _ => Err(Error::invalid(format!("{} is neither a file nor a folder", path.shown())).hint("take the folder that it is in")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_page_ended_reads_back_and_nothing_else_does() {
        for (is_folder, name) in [(true, &b"a b"[..]), (false, b"\xff\n"), (false, b"x")] {
            assert_eq!(mark(&mark_of(is_folder, name)).unwrap(), Some(Mark { is_folder, name: name.to_vec() }));
        }
        assert_eq!(mark("").unwrap(), None);
        for bad in ["x00", "d0", "fzz", "ü", "d+1"] {
            assert_eq!(mark(bad).unwrap_err().class(), Class::Invalid, "{bad}");
        }
    }
}
