//! Downloads: links to one element of a backup, which open without signing in until they expire or are taken back.
//!
//! A link is good as long as whoever made it may still download: that is asked again each time it is used, and every two
//! seconds while it is used ([`stream`]). How its text is made: [`token`]. It leads to what is written while it is sent
//! ([`content`]), or to an archive that was prepared: asked for in [`prepared`], made by a job in [`prepare`], and gone
//! when its time is over ([`sweep`]). A dump for `pg_restore` is made out of one that is imported [`aside`].

mod aside;
mod content;
mod prepare;
mod prepared;
mod slots;
mod stream;
mod sweep;
mod token;
mod views;

pub use prepare::{run, settle};
pub use prepared::{JOB, Terms, create as prepare, find as find_prepared, link_to, list as list_prepared, offers_dump, remove};
pub use slots::stop_all;
pub use stream::{Asked, Download, Head, Opened, open};
pub use sweep::sweep;

use super::{App, access, access::Actor, browse};
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::sql::Conn;
use crate::db;
use crate::db::backups::{Backup, BackupElement};
use crate::db::downloads::Archive;
use crate::db::links::Link;
use crate::domain::browse::Inner;
use crate::domain::downloads::{DownloadState, MOST_USES};
use crate::domain::element::Element;
use crate::domain::ids::{ArchiveId, BackupId, DownloadId, EnvironmentId, LinkId, TenantId};
use crate::domain::links::{DownloadLink, HOURS, LinkUse, MOST_HOURS, Offer, Part};
use crate::domain::rights::Right;
use crate::domain::state::BackupState;
use token::Signer;
use views::{address, offer, view_of};

const HOUR: i64 = 3600 * Millis::SECOND;

/// What a link says of itself to whoever opens it.
#[derive(Clone, Debug)]
pub enum Landing {
    Open(Offer),
    /// Good once; [`renew`] makes another, for who may.
    Expired(Offer),
    /// Used as often as it may be.
    Used(Offer),
    /// What was prepared is gone, before its link.
    Gone(Offer),
    /// Taken back, or whoever made it may not download any more: the two are not told apart.
    Revoked,
    Unknown,
}

/// A link with what it leads to.
#[derive(Clone, Debug)]
struct Found {
    link: Link,
    backup: Backup,
    element: BackupElement,
    /// What was prepared, where it leads to that, and how that stands.
    archive: Option<(Archive, DownloadState)>,
}

/// How long a link lives in hours (1 to 168, 24 by default), and how often it may be used (1 to 1000, or as often as one
/// likes).
#[derive(Clone, Copy, Debug, Default)]
pub struct Life {
    pub hours: Option<u32>,
    pub uses: Option<u32>,
}

impl Life {
    pub fn hours(hours: Option<u32>) -> Self {
        Self { hours, uses: None }
    }

    /// Its hours and uses.
    fn checked(self) -> Result<(u32, Option<u32>)> {
        let hours = self.hours.unwrap_or(HOURS);
        if !(1..=MOST_HOURS).contains(&hours) {
            return Err(Error::invalid(format!("a link cannot live for {hours} hours")).hint("choose 1 hour to 168 hours, which is 7 days"));
        }
        match self.uses {
            Some(uses) if !(1..=MOST_USES).contains(&uses) => {
                Err(Error::invalid(format!("a link cannot be used {uses} times")).hint(format!("choose 1 to {MOST_USES}")))
            }
            uses => Ok((hours, uses)),
        }
    }
}

/// Makes a link to an element of a backup.
///
/// # Errors
/// `Invalid` for a life that no link has; `Conflict` while there is nothing to download yet.
pub async fn create(app: &App, actor: &Actor, backup: &BackupId, element: Element, life: Life) -> Result<DownloadLink> {
    make(app, actor, backup, element, None, life).await
}

/// The same to one file or folder of an element, which must be there.
///
/// # Errors
/// As [`create`]; `NotFound`; `Invalid` for what is neither a file nor a folder.
pub async fn create_inside(
    app: &App,
    actor: &Actor,
    backup: &BackupId,
    element: Element,
    path: &Inner,
    life: Life,
) -> Result<DownloadLink> {
    if path.is_root() {
        return create(app, actor, backup, element, life).await;
    }
    let part = browse::part(app, actor, backup, element, path).await?;
    make(app, actor, backup, element, Some(part), life).await
}

async fn make(app: &App, actor: &Actor, backup: &BackupId, element: Element, part: Option<Part>, life: Life) -> Result<DownloadLink> {
    let (hours, uses) = life.checked()?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let row = access::backup(&mut tx, actor, backup, Right::Download).await?;
    let tenant = TenantId(row.tenant_id.clone());
    let held = usable(&mut tx, &row, element).await?;
    let mut link = fresh((&actor.account.0, &actor.email), &row, element, now, hours);
    link.max_uses = uses.map(i64::from);
    if let Some(part) = &part {
        link.path = Some(format!("{}{}", part.path.query(), if part.is_folder() { "/" } else { "" }));
        link.path_size = part.size.map(|size| i64::try_from(size).unwrap_or(i64::MAX));
    }
    insert(&mut tx, app, &mut link).await?;
    let what = part.map_or_else(|| element.to_string(), |part| format!("{element}: {}", part.path.shown()));
    let detail = format!("{what} of {}, for {hours} h", address(&row));
    activity::record(&mut tx, now, actor, Some(&tenant), "download.link", &link.id, &detail).await?;
    tx.commit().await?;
    view_of(app, now, &Found { link, backup: row, element: held, archive: None })
}

/// Writes a link that was made, with the hash of its text.
async fn insert(conn: &mut Conn, app: &App, link: &mut Link) -> Result<()> {
    link.secret_hash = Signer::of(&app.sealer).sign(link).sha256();
    db::links::insert(conn, link).await
}

/// `by`: the account and its address.
fn fresh(by: (&str, &str), backup: &Backup, element: Element, now: Millis, hours: u32) -> Link {
    Link {
        id: LinkId::fresh().0,
        tenant_id: backup.tenant_id.clone(),
        backup_id: backup.id.clone(),
        element: element.name().into(),
        path: None,
        path_size: None,
        archive_id: None,
        max_uses: None,
        secret_hash: String::new(),
        created_by: by.0.to_owned(),
        created_by_email: by.1.to_owned(),
        created_at: now.0,
        expires_at: now.plus(i64::from(hours) * HOUR).0,
        revoked_at: None,
        revoked_by: None,
        uses: 0,
        last_used_at: None,
    }
}

/// Can anything be seen of what is in it?
pub(super) fn is_open(backup: &Backup) -> Result<()> {
    if !BackupState::parse(&backup.state)?.is_usable() {
        return Err(Error::conflict(format!("the backup is {}", backup.state)).hint("only a finished one can be downloaded"));
    }
    if backup.deleted_at.is_some() {
        return Err(Error::conflict("the backup is in the trash").hint("take it back first"));
    }
    if backup.expired_at.is_some() {
        return Err(Error::conflict("the backup has expired").hint("what was in it is gone; choose another backup"));
    }
    Ok(())
}

/// The element of a backup that can be downloaded.
pub(super) async fn usable(conn: &mut Conn, backup: &Backup, element: Element) -> Result<BackupElement> {
    is_open(backup)?;
    let elements = db::backups::elements(conn, &TenantId(backup.tenant_id.clone()), &BackupId(backup.id.clone())).await?;
    let found = elements.into_iter().find(|e| e.element == element.name() && e.snapshot.is_some());
    found.ok_or_else(|| Error::conflict(format!("this backup holds no {element}")).hint("choose an element that it has, or another backup"))
}

/// The links to a backup, newest first.
pub async fn list(app: &App, actor: &Actor, backup: &BackupId) -> Result<Vec<DownloadLink>> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let row = access::backup(&mut conn, actor, backup, Right::Download).await?;
    let links = db::links::of_backup(&mut conn, &TenantId(row.tenant_id), backup).await?;
    views(app, &mut conn, now, links).await
}

/// The newest links to backups of an environment.
pub async fn of_environment(app: &App, actor: &Actor, environment: &EnvironmentId) -> Result<Vec<DownloadLink>> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let env = access::environment(&mut conn, actor, environment, Right::Download).await?;
    let links = db::links::of_environment(&mut conn, &TenantId(env.tenant_id), environment, 200).await?;
    views(app, &mut conn, now, links).await
}

async fn views(app: &App, conn: &mut Conn, now: Millis, links: Vec<Link>) -> Result<Vec<DownloadLink>> {
    let mut all = Vec::with_capacity(links.len());
    for link in links {
        if let Some(found) = complete(conn, link).await? {
            all.push(view_of(app, now, &found)?);
        }
    }
    Ok(all)
}

/// One link.
pub async fn find(app: &App, actor: &Actor, id: &LinkId) -> Result<DownloadLink> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let link = access::link(&mut conn, actor, id, Right::Download).await?;
    let found = complete(&mut conn, link).await?.ok_or_else(|| access::hidden("link"))?;
    view_of(app, now, &found)
}

/// Takes a link back: what is being downloaded with it stops within seconds. Doing it again changes nothing.
pub async fn revoke(app: &App, actor: &Actor, id: &LinkId) -> Result<DownloadLink> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let link = access::link(&mut tx, actor, id, Right::Download).await?;
    let tenant = TenantId(link.tenant_id);
    if db::links::revoke(&mut tx, now, &tenant, id, &actor.email).await? {
        activity::record(&mut tx, now, actor, Some(&tenant), "download.revoke", id.as_str(), "").await?;
    }
    let link = db::links::find(&mut tx, id).await?.ok_or_else(|| access::hidden("link"))?;
    let found = complete(&mut tx, link).await?.ok_or_else(|| access::hidden("link"))?;
    tx.commit().await?;
    view_of(app, now, &found)
}

/// A new link to the same thing, with as long a life as the old one had.
///
/// # Errors
/// `Conflict` when what was prepared is gone.
pub async fn renew(app: &App, actor: &Actor, id: &LinkId) -> Result<DownloadLink> {
    let mut conn = app.pool.get().await?;
    let link = access::link(&mut conn, actor, id, Right::Download).await?;
    drop(conn);
    let hours = u32::try_from((link.expires_at - link.created_at) / HOUR).unwrap_or(HOURS).clamp(1, MOST_HOURS);
    let life = Life { hours: Some(hours), uses: link.max_uses.and_then(|uses| u32::try_from(uses).ok()) };
    if let Some(archive) = link.archive_id {
        return link_to(app, actor, &ArchiveId(archive), life).await;
    }
    let (backup, element) = (BackupId(link.backup_id.clone()), Element::parse(&link.element)?);
    let path = part_of(&link).map(|part| part.path).unwrap_or_default();
    create_inside(app, actor, &backup, element, &path, life).await
}

/// Who used a link, newest first.
pub async fn uses(app: &App, actor: &Actor, id: &LinkId) -> Result<Vec<LinkUse>> {
    let mut conn = app.pool.get().await?;
    let link = access::link(&mut conn, actor, id, Right::Download).await?;
    let uses = db::links::uses(&mut conn, &TenantId(link.tenant_id), id).await?;
    let view = |u: db::links::Use| LinkUse {
        number: u.number.unsigned_abs(),
        at: Millis(u.at).iso(),
        address: u.address,
        agent: u.agent,
        bytes: u.bytes.unsigned_abs(),
        ended: u.ended_at.map(|at| Millis(at).iso()),
        outcome: u.outcome,
    };
    Ok(uses.into_iter().map(view).collect())
}

/// What the page of a link shows. Looking is no use of it.
pub async fn look(app: &App, token: &str) -> Result<Landing> {
    Ok(match judge(app, token).await? {
        Judged::Good(found) if found.is_used_up() => Landing::Used(offer(&found)?),
        Judged::Good(found) => Landing::Open(offer(&found)?),
        Judged::Bad(landing) => *landing,
    })
}

enum Judged {
    /// Good, but it may be used up: whoever goes on with a use is not told so.
    Good(Box<Found>),
    /// Never [`Landing::Open`].
    Bad(Box<Landing>),
}

/// The signature first, before anything is looked up; then the row; then whoever made it; the expiry last, by the clock of
/// the database.
async fn judge(app: &App, token: &str) -> Result<Judged> {
    let signer = Signer::of(&app.sealer);
    let Some(claim) = signer.verify(token) else { return Ok(bad(Landing::Unknown)) };
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let Some(link) = db::links::find(&mut conn, &claim.id).await?.filter(|link| signer.is_of(&claim, token, link)) else {
        return Ok(bad(Landing::Unknown));
    };
    if !stands(&mut conn, &link).await? {
        return Ok(bad(Landing::Revoked));
    }
    let expired = now.0 >= link.expires_at;
    let Some(found) = complete(&mut conn, link).await? else { return Ok(bad(Landing::Unknown)) };
    let deleted = found.backup.deleted_at.is_some();
    let state = found.archive.as_ref().map(|(_, state)| *state);
    if deleted || !BackupState::parse(&found.backup.state)?.is_usable() || found.element.snapshot.is_none() {
        return Ok(bad(Landing::Revoked));
    }
    Ok(match state {
        Some(DownloadState::Removed) => bad(Landing::Revoked),
        Some(state) if state != DownloadState::Ready => bad(Landing::Gone(offer(&found)?)),
        _ if expired => bad(Landing::Expired(offer(&found)?)),
        _ => Judged::Good(Box::new(found)),
    })
}

fn bad(landing: Landing) -> Judged {
    Judged::Bad(Box::new(landing))
}

/// Not taken back, its tenant active, and whoever made it may still download.
async fn stands(conn: &mut Conn, link: &Link) -> Result<bool> {
    let tenant = TenantId(link.tenant_id.clone());
    let active = db::tenants::find(conn, &tenant).await?.is_some_and(|t| t.is_active());
    if !active || link.revoked_at.is_some() {
        return Ok(false);
    }
    match access::recheck(conn, Some(&link.created_by), &tenant, Right::Download).await {
        Err(e) if e.class() == Class::Forbidden => Ok(false),
        other => other.map(|()| true),
    }
}

/// The link with what it leads to; `None` when that is gone.
async fn complete(conn: &mut Conn, link: Link) -> Result<Option<Found>> {
    let (tenant, id) = (TenantId(link.tenant_id.clone()), BackupId(link.backup_id.clone()));
    let Some(backup) = db::backups::find(conn, &id).await?.filter(|b| b.tenant_id == link.tenant_id) else { return Ok(None) };
    let elements = db::backups::elements(conn, &tenant, &id).await?;
    let Some(element) = elements.into_iter().find(|e| e.element == link.element) else { return Ok(None) };
    let archive = match &link.archive_id {
        Some(id) => Some(archive_with(conn, &ArchiveId(id.clone())).await?),
        None => None,
    };
    Ok(Some(Found { link, backup, element, archive }))
}

/// An archive, and how what it belongs to stands.
async fn archive_with(conn: &mut Conn, id: &ArchiveId) -> Result<(Archive, DownloadState)> {
    let archive = db::downloads::archive(conn, id).await?.ok_or_else(|| access::hidden("archive"))?;
    let download = db::downloads::find(conn, &DownloadId(archive.download_id.clone())).await?;
    let download = download.ok_or_else(|| Error::internal("an archive without its download"))?;
    Ok((archive, DownloadState::parse(&download.state)?))
}

/// The file or folder that a link leads to, where that is not a whole element.
fn part_of(link: &Link) -> Option<Part> {
    let text = link.path.as_deref()?;
    let size = link.path_size.map(i64::unsigned_abs).filter(|_| !text.ends_with('/'));
    Some(Part { path: Inner::of_query(text), size })
}

impl Found {
    fn element(&self) -> Result<Element> {
        Element::parse(&self.link.element)
    }

    fn is_used_up(&self) -> bool {
        self.link.max_uses.is_some_and(|most| self.link.uses >= most)
    }
}
