//! One attempt at preparing a download.
//!
//! The archives come one after the other: each is written beside its place, comes into it whole, and only then is noted, so
//! that an attempt after one that died does not make it again. When all of them lie there, one transaction writes the links,
//! the letter that holds them, and the end of the job: before it there is no link to anything, and after it there is one
//! letter.

use super::content::Content;
use super::prepared::{self, JOB};
use super::views::address;
use super::{Signer, aside, content, fresh, insert, sweep, usable};
use crate::app::attempt::{Attempt, Ended};
use crate::app::letters::{self, About as Told, Letter, Link};
use crate::app::{App, access, environments};
use crate::base::chance;
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::failpoint;
use crate::base::secret::Secret;
use crate::base::sql::Conn;
use crate::base::units;
use crate::base::watch::Watch;
use crate::db;
use crate::db::activity::Act;
use crate::db::backups::{Backup, BackupElement};
use crate::db::downloads::{Archive, Download as Row, End, Made};
use crate::domain::downloads::{DownloadState, Form};
use crate::domain::element::Element;
use crate::domain::ids::{ArchiveId, BackupId, DownloadId, SiteId, TenantId};
use crate::domain::rights::Right;
use crate::engine::Repository;
use crate::queue::{self, Outcome};
use crate::store::{Whole, behind};
use std::io::Write;

/// What an attempt works on.
struct Work {
    row: Row,
    backup: Backup,
    elements: Vec<BackupElement>,
    archives: Vec<Archive>,
}

/// One attempt.
///
/// # Errors
/// What kept its end from being written.
pub async fn run(attempt: &Attempt, id: &DownloadId) -> Result<Ended> {
    match prepare(attempt, id).await {
        Ok(()) => Ok(Ended::Finished),
        Err(e) if e.class() == Class::Fenced => Err(e),
        Err(e) if e.class() == Class::Cancelled && !attempt.cancel_requested().await? => Ok(Ended::Released),
        Err(e) => gave_up(attempt, id, e).await,
    }
}

async fn prepare(attempt: &Attempt, id: &DownloadId) -> Result<()> {
    let mut work = begin(attempt, id).await?;
    failpoint::hit(format_args!("download.begin"))?;
    let (tenant, site) = (TenantId(work.backup.tenant_id.clone()), SiteId(work.backup.site_id.clone()));
    let (_, repository) = environments::repository(&attempt.app, &tenant, &site).await?;
    let store = prepared::store(&attempt.app);
    let download = DownloadId(work.row.id.clone());
    aside::clear(attempt, (&tenant, &download)).await?; // what an attempt left that was killed
    for archive in &mut work.archives {
        attempt.watch.check()?;
        let made = archive.object.clone().zip(archive.size);
        if made.is_some_and(|(object, size)| store.has(&object, size.unsigned_abs())) {
            continue;
        }
        let element = work.elements.iter().find(|e| e.element == archive.element);
        let element = element.ok_or_else(|| Error::internal("an archive of nothing"))?;
        attempt.phase(&format!("Preparing the {}", archive.element), Some(element.size.unsigned_abs())).await?;
        make(attempt, &repository, &work.backup, element, archive)
            .await
            .map_err(|e| e.context(format!("preparing the {}", archive.element)))?;
    }
    end(attempt, &work).await
}

/// Whoever asked may still download, and there still is something.
async fn begin(attempt: &Attempt, id: &DownloadId) -> Result<Work> {
    let mut tx = attempt.begin().await?;
    let row = db::downloads::find(&mut tx, id).await?.ok_or_else(|| access::hidden("download"))?;
    let tenant = TenantId(row.tenant_id.clone());
    access::recheck(&mut tx, Some(&row.account_id), &tenant, Right::Download).await?;
    if !db::downloads::started(&mut tx, &tenant, id).await? {
        return Err(Error::conflict("this download has ended already"));
    }
    let backup = db::backups::find(&mut tx, &BackupId(row.backup_id.clone())).await?.ok_or_else(|| access::hidden("backup"))?;
    let archives = db::downloads::archives(&mut tx, &tenant, id).await?;
    let mut elements = Vec::new();
    for archive in &archives {
        elements.push(usable(&mut tx, &backup, Element::parse(&archive.element)?).await?);
    }
    tx.commit().await?;
    Ok(Work { row, backup, elements, archives })
}

/// Makes one archive and notes it. The name is new for each try, and so is its key.
async fn make(attempt: &Attempt, repository: &Repository, backup: &Backup, element: &BackupElement, archive: &mut Archive) -> Result<()> {
    let object = format!("{}.{}", archive.id, chance::word(8));
    let whole = match Form::parse(&archive.form)? {
        Form::Dump => made_aside(attempt, repository, element, archive, object.clone()).await?,
        form => {
            let content = Content::prepared(repository.clone(), backup, element, form)?;
            stored(attempt, object.clone(), move |sink, watch| content.write(sink, watch)).await?
        }
    };
    let now = attempt.now().await?;
    let mut tx = attempt.begin().await?;
    let (tenant, id) = (TenantId(archive.tenant_id.clone()), ArchiveId(archive.id.clone()));
    let made = Made { object: &object, size: whole.size, sha256: &whole.sha256 };
    db::downloads::made(&mut tx, now, &tenant, &id, &made).await?;
    tx.commit().await?;
    attempt.info(format!("The {} has {}, SHA-256 {}", archive.element, units::size(whole.size), whole.sha256)).await;
    (archive.size, archive.sha256, archive.object) = (i64::try_from(whole.size).ok(), Some(whole.sha256), Some(object));
    failpoint::hit(format_args!("download.archive.noted"))
}

/// Writes an archive into the store, whole or not at all.
async fn stored(
    attempt: &Attempt,
    name: String,
    write: impl FnOnce(&mut dyn Write, &Watch) -> Result<()> + Send + 'static,
) -> Result<Whole> {
    let store = prepared::store(&attempt.app);
    attempt
        .blocking(move |watch| {
            let mut part = store.begin(&name)?;
            failpoint::hit(format_args!("download.part.begun"))?;
            behind(&mut part, |out| write(out, watch))?;
            part.finish()
        })
        .await
}

/// The same out of a database that is imported aside, and dropped whatever came of it.
async fn made_aside(attempt: &Attempt, repository: &Repository, element: &BackupElement, archive: &Archive, name: String) -> Result<Whole> {
    let of = (&TenantId(archive.tenant_id.clone()), &DownloadId(archive.download_id.clone()));
    let made = match aside::import(attempt, of, repository, element).await {
        Ok(imported) => stored(attempt, name, move |sink, watch| aside::write(&imported, sink, watch)).await,
        Err(e) => Err(e),
    };
    match aside::clear(attempt, of).await {
        Err(e) if made.is_ok() => return Err(e),
        // What went wrong first explains more; the sweep comes back to what is noted.
        Err(e) => tracing::warn!("the scratch database of {} stays until the next sweep: {e}", of.1),
        Ok(()) => {}
    }
    made
}

/// The last transaction: links, the letter with them, the end of the download and of the job.
async fn end(attempt: &Attempt, work: &Work) -> Result<()> {
    let (app, row) = (&attempt.app, &work.row);
    let now = attempt.now().await?;
    let mut tx = attempt.begin().await?;
    let (tenant, id) = (TenantId(row.tenant_id.clone()), DownloadId(row.id.clone()));
    access::recheck(&mut tx, Some(&row.account_id), &tenant, Right::Download).await?;
    let expires = now.plus(app.settings.downloads.keep.max(row.hours * super::HOUR));
    let ended = End { state: DownloadState::Ready, expires: Some(expires), message: None, hint: None };
    if db::downloads::ended(&mut tx, now, &tenant, &id, &ended).await? {
        let links = links(&mut tx, app, now, work).await?;
        tell(&mut tx, app, now, work, links).await;
        ready(&mut tx, now, work).await?;
    }
    queue::finish(&mut tx, now, &attempt.lease, Outcome::succeeded()).await?;
    failpoint::hit(format_args!("download.end"))?;
    tx.commit().await?;
    failpoint::hit(format_args!("download.ended"))
}

/// A link to each archive, made by whoever asked.
async fn links(conn: &mut Conn, app: &App, now: Millis, work: &Work) -> Result<Vec<Link>> {
    let (row, mut links) = (&work.row, Vec::new());
    for (archive, element) in work.archives.iter().zip(&work.elements) {
        let hours = u32::try_from(row.hours).unwrap_or(super::HOURS);
        let by = (row.account_id.as_str(), row.initiator.as_str());
        let mut link = fresh(by, &work.backup, Element::parse(&archive.element)?, now, hours);
        (link.max_uses, link.archive_id) = (row.uses, Some(archive.id.clone()));
        insert(conn, app, &mut link).await?;
        links.push(Link {
            element: archive.element.clone(),
            filename: content::filename(&work.backup, element, Some(&archive.form))?,
            size: archive.size.unwrap_or_default().unsigned_abs(),
            sha256: archive.sha256.clone().unwrap_or_default(),
            // The page about it: a mail scanner that looks at it uses nothing up.
            url: Secret::new(format!("{}/d/{}", app.public_url, Signer::of(&app.sealer).sign(&link).expose())),
        });
    }
    Ok(links)
}

async fn tell(conn: &mut Conn, app: &App, now: Millis, work: &Work, links: Vec<Link>) {
    let (row, backup) = (&work.row, &work.backup);
    let (tenant, site) = (TenantId(row.tenant_id.clone()), SiteId(backup.site_id.clone()));
    let letter = |to: String| Letter::LinksReady {
        to,
        environment: format!("{}.{}", backup.site, backup.environment),
        links: links.clone(),
        expires: now.plus(row.hours * super::HOUR),
        url: format!("{}/backups/{}", app.public_url, backup.id),
    };
    let about = Told { tenant: &tenant, site: Some(&site), initiator: Some(&row.account_id), news: false, what: &row.id };
    letters::tell(conn, app, now, &about, letter).await;
}

async fn ready(conn: &mut Conn, now: Millis, work: &Work) -> Result<()> {
    let tenant = TenantId(work.row.tenant_id.clone());
    let size: u64 = work.archives.iter().filter_map(|a| a.size).map(i64::unsigned_abs).sum();
    let detail = format!("{} of {}, {}", units::count(work.archives.len() as u64, "archive"), address(&work.backup), units::size(size));
    let act = Act {
        tenant: Some(&tenant),
        account: None,
        actor: JOB,
        action: "download.ready",
        object: &work.row.id,
        detail: &detail,
        address: "",
    };
    db::activity::record(conn, now, &act).await
}

/// What is in the way of everybody, as a full disk, is told at once: whoever waits for a download can do something else.
async fn gave_up(attempt: &Attempt, id: &DownloadId, e: Error) -> Result<Ended> {
    attempt.log(queue::Level::Error, e.to_string()).await;
    let now = attempt.now().await?;
    let mut tx = attempt.begin().await?;
    let outcome = Outcome::failed(&e);
    let outcome = if e.class() == Class::Resource { outcome.and_final() } else { outcome };
    let finished = queue::finish(&mut tx, now, &attempt.lease, outcome).await?;
    let row = db::downloads::find(&mut tx, id).await?;
    if finished.will_retry_at.is_none() {
        over(&mut tx, now, id, e.class() == Class::Cancelled, &e.sentence(), e.hint_text()).await?;
    }
    tx.commit().await?;
    if let Some(row) = row.filter(|_| finished.will_retry_at.is_none())
        && let Err(e) = sweep::clear(&attempt.app, &TenantId(row.tenant_id), id).await
    {
        tracing::warn!("the archives of {id} stay until the next sweep: {e}");
    }
    Ok(Ended::Finished)
}

/// A job that ended without its attempt saying so: cancelled while it waited, or its worker crashed too often. Runs in the
/// transaction that ended it; what it left in the store is swept.
pub async fn settle(conn: &mut Conn, now: Millis, id: &DownloadId, cancelled: bool, why: &str) -> Result<()> {
    over(conn, now, id, cancelled, why, None).await
}

async fn over(conn: &mut Conn, now: Millis, id: &DownloadId, cancelled: bool, why: &str, hint: Option<&str>) -> Result<()> {
    let Some(row) = db::downloads::find(conn, id).await? else { return Ok(()) };
    let state = if cancelled { DownloadState::Cancelled } else { DownloadState::Failed };
    let end = End { state, expires: None, message: Some(why), hint };
    db::downloads::ended(conn, now, &TenantId(row.tenant_id), id, &end).await.map(drop)
}
