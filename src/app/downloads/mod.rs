//! Downloads: links to one element of a backup, which open without signing in until they expire or are taken back.
//!
//! A link is good as long as whoever made it may still download: that is asked again each time it is used, and every two
//! seconds while it is used ([`stream`]). How its text is made: [`token`].

mod stream;
mod token;

pub use stream::{Asked, Download, Head, Opened, open, stop_all};

use super::{App, access, access::Actor, backups, browse, from_json};
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::sql::Conn;
use crate::base::words::percent;
use crate::db;
use crate::db::backups::{Backup, BackupElement};
use crate::db::links::Link;
use crate::domain::browse::Inner;
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, EnvironmentId, LinkId, TenantId};
use crate::domain::links::{DownloadLink, HOURS, LinkState, LinkUse, MOST_HOURS, Offer, Part};
use crate::domain::rights::Right;
use crate::domain::state::BackupState;
use token::Signer;

const HOUR: i64 = 3600 * Millis::SECOND;

/// What a link says of itself to whoever opens it.
#[derive(Clone, Debug)]
pub enum Landing {
    Open(Offer),
    /// Good once; [`renew`] makes another, for who may.
    Expired(Offer),
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
}

/// Makes a link to an element of a backup. `hours`: 1 to 168, 24 by default.
///
/// # Errors
/// `Invalid` for another number of hours; `Conflict` while there is nothing to download yet.
pub async fn create(app: &App, actor: &Actor, backup: &BackupId, element: Element, hours: Option<u32>) -> Result<DownloadLink> {
    make(app, actor, backup, element, None, hours).await
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
    hours: Option<u32>,
) -> Result<DownloadLink> {
    if path.is_root() {
        return create(app, actor, backup, element, hours).await;
    }
    let part = browse::part(app, actor, backup, element, path).await?;
    make(app, actor, backup, element, Some(part), hours).await
}

async fn make(
    app: &App,
    actor: &Actor,
    backup: &BackupId,
    element: Element,
    part: Option<Part>,
    hours: Option<u32>,
) -> Result<DownloadLink> {
    let hours = hours.unwrap_or(HOURS);
    if !(1..=MOST_HOURS).contains(&hours) {
        return Err(Error::invalid(format!("a link cannot live for {hours} hours")).hint("choose 1 hour to 168 hours, which is 7 days"));
    }
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let row = access::backup(&mut tx, actor, backup, Right::Download).await?;
    let tenant = TenantId(row.tenant_id.clone());
    let held = usable(&mut tx, &row, element).await?;
    let mut link = fresh(actor, &row, element, now, now.plus(i64::from(hours) * HOUR));
    if let Some(part) = &part {
        link.path = Some(format!("{}{}", part.path.query(), if part.is_folder() { "/" } else { "" }));
        link.path_size = part.size.map(|size| i64::try_from(size).unwrap_or(i64::MAX));
    }
    link.secret_hash = Signer::of(&app.sealer).sign(&link).sha256();
    db::links::insert(&mut tx, &link).await?;
    let what = part.map_or_else(|| element.to_string(), |part| format!("{element}: {}", part.path.shown()));
    let detail = format!("{what} of {}, for {hours} h", address(&row));
    activity::record(&mut tx, now, actor, Some(&tenant), "download.link", &link.id, &detail).await?;
    tx.commit().await?;
    view_of(app, now, &Found { link, backup: row, element: held })
}

fn fresh(actor: &Actor, backup: &Backup, element: Element, now: Millis, expires: Millis) -> Link {
    Link {
        id: LinkId::fresh().0,
        tenant_id: backup.tenant_id.clone(),
        backup_id: backup.id.clone(),
        element: element.name().into(),
        path: None,
        path_size: None,
        secret_hash: String::new(),
        created_by: actor.account.0.clone(),
        created_by_email: actor.email.clone(),
        created_at: now.0,
        expires_at: expires.0,
        revoked_at: None,
        revoked_by: None,
        uses: 0,
        last_used_at: None,
    }
}

/// The element of a backup that can be downloaded.
pub(super) async fn usable(conn: &mut Conn, backup: &Backup, element: Element) -> Result<BackupElement> {
    if !BackupState::parse(&backup.state)?.is_usable() {
        return Err(Error::conflict(format!("the backup is {}", backup.state)).hint("only a finished one can be downloaded"));
    }
    if backup.deleted_at.is_some() {
        return Err(Error::conflict("the backup is in the trash").hint("take it back first"));
    }
    if backup.expired_at.is_some() {
        return Err(Error::conflict("the backup has expired").hint("what was in it is gone; choose another backup"));
    }
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
pub async fn renew(app: &App, actor: &Actor, id: &LinkId) -> Result<DownloadLink> {
    let mut conn = app.pool.get().await?;
    let link = access::link(&mut conn, actor, id, Right::Download).await?;
    drop(conn);
    let hours = u32::try_from((link.expires_at - link.created_at) / HOUR).unwrap_or(HOURS).clamp(1, MOST_HOURS);
    let (backup, element) = (BackupId(link.backup_id.clone()), Element::parse(&link.element)?);
    let path = part_of(&link).map(|part| part.path).unwrap_or_default();
    create_inside(app, actor, &backup, element, &path, Some(hours)).await
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
        Judged::Good(found) => Landing::Open(offer(&found)?),
        Judged::Expired(found) => Landing::Expired(offer(&found)?),
        Judged::Revoked => Landing::Revoked,
        Judged::Unknown => Landing::Unknown,
    })
}

enum Judged {
    Good(Box<Found>),
    Expired(Box<Found>),
    Revoked,
    Unknown,
}

/// The signature first, before anything is looked up; then the row; then whoever made it; the expiry last, by the clock of
/// the database.
async fn judge(app: &App, token: &str) -> Result<Judged> {
    let signer = Signer::of(&app.sealer);
    let Some(claim) = signer.verify(token) else { return Ok(Judged::Unknown) };
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let Some(link) = db::links::find(&mut conn, &claim.id).await?.filter(|link| signer.is_of(&claim, token, link)) else {
        return Ok(Judged::Unknown);
    };
    if !stands(&mut conn, &link).await? {
        return Ok(Judged::Revoked);
    }
    let expired = now.0 >= link.expires_at;
    let Some(found) = complete(&mut conn, link).await? else { return Ok(Judged::Unknown) };
    let deleted = found.backup.deleted_at.is_some();
    if deleted || !BackupState::parse(&found.backup.state)?.is_usable() || found.element.snapshot.is_none() {
        return Ok(Judged::Revoked);
    }
    Ok(if expired { Judged::Expired(Box::new(found)) } else { Judged::Good(Box::new(found)) })
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
    let element = elements.into_iter().find(|e| e.element == link.element);
    Ok(element.map(|element| Found { link, backup, element }))
}

fn address(backup: &Backup) -> String {
    format!("{}/{}.{}", backup.tenant, backup.site, backup.environment)
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

    fn manifest(&self) -> Result<serde_json::Value> {
        from_json("manifest", &self.element.manifest)
    }

    fn filename(&self) -> Result<String> {
        if let Some(part) = part_of(&self.link) {
            return Ok(part.filename());
        }
        let manifest = self.manifest()?;
        let engine = manifest.get("engine").and_then(|v| v.as_str()).unwrap_or_default();
        Ok(backups::file_name(&self.backup, self.element()?, engine))
    }
}

fn offer(found: &Found) -> Result<Offer> {
    Ok(Offer {
        link: found.link.id.clone(),
        backup: found.backup.id.clone(),
        environment: address(&found.backup),
        element: found.element()?,
        filename: found.filename()?,
        size: found.element.size.unsigned_abs(),
        files: found.element.files.unsigned_abs(),
        part: part_of(&found.link),
        taken: Millis(found.backup.created_at),
        expires: Millis(found.link.expires_at),
    })
}

fn view_of(app: &App, now: Millis, found: &Found) -> Result<DownloadLink> {
    let link = &found.link;
    let state = match link.revoked_at {
        Some(_) => LinkState::Revoked,
        None if now.0 >= link.expires_at => LinkState::Expired,
        None => LinkState::Open,
    };
    let filename = found.filename()?;
    let page = (state == LinkState::Open).then(|| format!("{}/d/{}", app.public_url, Signer::of(&app.sealer).sign(link).expose()));
    let iso = |at: Option<i64>| at.map(|at| Millis(at).iso());
    let part = part_of(link);
    let size = part.as_ref().map_or(found.element.size.unsigned_abs(), |part| part.size.unwrap_or_default());
    let (path, path_hex) = part.map(|part| part.path.text()).unzip();
    Ok(DownloadLink {
        id: link.id.clone(),
        backup: link.backup_id.clone(),
        environment: address(&found.backup),
        element: found.element()?,
        path,
        path_hex: path_hex.flatten(),
        url: page.as_ref().map(|page| format!("{page}/{}", percent(&filename))),
        page,
        filename,
        size,
        state,
        created: Millis(link.created_at).iso(),
        created_by: link.created_by_email.clone(),
        expires: Millis(link.expires_at).iso(),
        revoked: iso(link.revoked_at),
        revoked_by: link.revoked_by.clone(),
        uses: link.uses.unsigned_abs(),
        last_used: iso(link.last_used_at),
    })
}
