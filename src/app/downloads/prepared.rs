//! Prepared downloads as people ask for them, look at them, and remove them.

use super::views::{address, prepared, view_of};
use super::{DownloadLink, Found, Life, archive_with, aside, content, fresh, insert, sweep, usable};
use crate::app::activity;
use crate::app::{App, access, access::Actor};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::sql::{Conn, Tx};
use crate::db;
use crate::db::backups::{Backup, BackupElement};
use crate::db::downloads::{Archive, Download as Row};
use crate::domain::downloads::{Archive as ArchiveView, Download, DownloadState, Form, PrepareDownload};
use crate::domain::element::Element;
use crate::domain::ids::{ArchiveId, BackupId, DownloadId, EnvironmentId, SiteId, TenantId};
use crate::domain::rights::Right;
use crate::engine::Location;
use crate::queue::{self, JobClass, Need, NewJob};
use crate::store::Store;

/// The kind of job; its subject is the download.
pub const JOB: &str = "prepare_download";
/// Downloads of a backup that its page shows.
const SHOWN: i64 = 20;

/// What an administrator may tune.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Terms {
    /// How long archives lie ready, in milliseconds (7 days): at least as long as a link to them can live.
    pub keep: i64,
    /// Bytes that stay free on the disk of the store (1 GiB).
    pub reserve: u64,
    /// Downloads of a tenant that may wait, be prepared or lie ready at once (100).
    pub most: i64,
    /// How often it is looked for archives whose time is over, in milliseconds (5 minutes); 0 is never.
    pub sweep_every: u64,
}

impl Default for Terms {
    fn default() -> Self {
        Self { keep: 7 * Millis::DAY, reserve: 1 << 30, most: 100, sweep_every: 300_000 }
    }
}

/// Where archives lie: in the bucket that is configured, or beside the repositories; every worker and every server reaches it.
pub(super) fn store(app: &App) -> Store {
    let key = app.sealer.derive("prepared downloads");
    match (&app.bucket, &app.store) {
        (Some(bucket), _) => Store::in_bucket(bucket.clone(), key),
        (None, Location::Local(folder)) => Store::in_folder(folder.join("downloads"), key, app.settings.downloads.reserve),
    }
}

/// Queues the preparation of elements of a backup. Of equal wishes one waits or runs at a time: asking again returns that one.
///
/// # Errors
/// `Invalid` for a form or a life that does not exist; `Conflict` while there is nothing to download, or no server is set
/// aside on which what was asked for could be made; `Resource` when too much
/// lies ready already.
pub async fn create(app: &App, actor: &Actor, backup: &BackupId, wish: &PrepareDownload, key: Option<String>) -> Result<(Download, bool)> {
    let (hours, uses) = Life { hours: wish.hours, uses: wish.uses }.checked()?;
    let forms = (wish.form.unwrap_or(Form::TarGz).of_trees()?, wish.database.unwrap_or(Form::SqlGz).of_dumps()?);
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let row = access::backup(&mut tx, actor, backup, Right::Download).await?;
    let tenant = TenantId(row.tenant_id.clone());
    let elements = elements(&mut tx, &row, &wish.elements).await?;
    let most = app.settings.downloads.most;
    if db::downloads::kept(&mut tx, &tenant).await? >= most {
        return Err(Error::resource(format!("{most} downloads of this tenant lie ready already"))
            .hint("remove some that nobody needs any more; each goes by itself after a week"));
    }
    let mut new = Row {
        id: DownloadId::fresh().0,
        tenant_id: tenant.0.clone(),
        backup_id: backup.0.clone(),
        state: DownloadState::Queued.word().into(),
        form: forms.0.word().into(),
        hours: hours.into(),
        uses: uses.map(i64::from),
        account_id: actor.account.0.clone(),
        initiator: actor.email.clone(),
        job_id: None,
        created_at: now.0,
        finished_at: None,
        expires_at: None,
        message: None,
        hint: None,
    };
    let archives = planned(&new, &elements, forms)?;
    if archives.iter().any(|a| a.form == Form::Dump.word()) && !aside::is_possible(app, &mut tx).await? {
        return Err(aside::impossible());
    }
    let job = job(&mut tx, &row, &new, &archives, key).await?;
    let queued = queue::enqueue(&mut tx, now, job).await?;
    if !queued.fresh {
        let first = queue::find(&mut tx, &queue::Tenants::All, &queued.id).await?;
        let first = db::downloads::find(&mut tx, &DownloadId(first.subject)).await?;
        let first = first.ok_or_else(|| Error::internal("a job without its download"))?;
        return Ok((view(&mut tx, &first, &row).await?, false));
    }
    new.job_id = Some(queued.id.0);
    db::downloads::insert(&mut tx, &new, &archives).await?;
    let names = archives.iter().map(|a| format!("{} as {}", a.element, a.form)).collect::<Vec<_>>().join(", ");
    let detail = format!("{names}, of {}", address(&row));
    activity::record(&mut tx, now, actor, Some(&tenant), "download.prepare", &new.id, &detail).await?;
    let view = view(&mut tx, &new, &row).await?;
    tx.commit().await?;
    queue::hint();
    Ok((view, true))
}

/// Can the database of a backup be had as a dump for `pg_restore`?
pub async fn offers_dump(app: &App, actor: &Actor, backup: &BackupId) -> Result<bool> {
    let mut conn = app.pool.get().await?;
    let row = access::backup(&mut conn, actor, backup, Right::Download).await?;
    let elements = held(&mut conn, &row).await?;
    let database = elements.iter().find(|e| e.element == Element::Database.name() && e.snapshot.is_some());
    match database {
        Some(database) if content::engine(database)? == "postgres" => aside::is_possible(app, &mut conn).await,
        _ => Ok(false),
    }
}

/// The elements asked for; all that the backup holds where none is named.
async fn elements(conn: &mut Conn, backup: &Backup, named: &[Element]) -> Result<Vec<BackupElement>> {
    let mut named = named.to_vec();
    if named.is_empty() {
        named =
            held(conn, backup).await?.iter().filter(|e| e.snapshot.is_some()).map(|e| Element::parse(&e.element)).collect::<Result<_>>()?;
    }
    named.sort_unstable();
    named.dedup();
    let mut all = Vec::with_capacity(named.len());
    for element in named {
        all.push(usable(conn, backup, element).await?);
    }
    if all.is_empty() {
        // Says why there is none.
        usable(conn, backup, Element::Files).await?;
    }
    Ok(all)
}

fn planned(download: &Row, elements: &[BackupElement], (trees, dump): (Form, Form)) -> Result<Vec<Archive>> {
    let archive = |e: &BackupElement| {
        Ok(Archive {
            id: ArchiveId::fresh().0,
            tenant_id: download.tenant_id.clone(),
            download_id: download.id.clone(),
            backup_id: download.backup_id.clone(),
            element: e.element.clone(),
            form: Form::of(Element::parse(&e.element)?, &content::engine(e)?, trees, dump)?.word().into(),
            object: None,
            size: None,
            sha256: None,
        })
    };
    elements.iter().map(archive).collect()
}

async fn job(tx: &mut Tx, backup: &Backup, download: &Row, archives: &[Archive], key: Option<String>) -> Result<NewJob> {
    let (tenant, site) = (TenantId(backup.tenant_id.clone()), SiteId(backup.site_id.clone()));
    let repository = db::sites::repository(tx, &tenant, &site).await?;
    let repository = repository.ok_or_else(|| Error::internal("the site has no repository"))?;
    let wish: Vec<String> = archives.iter().map(|a| format!("{}.{}", a.element, a.form)).collect();
    let life = format!("{}h,{}", download.hours, download.uses.map_or_else(|| "any".into(), |uses| uses.to_string()));
    Ok(NewJob {
        tenant,
        kind: JOB.into(),
        subject: download.id.clone(),
        environment: Some(EnvironmentId(backup.environment_id.clone())),
        class: JobClass::Download,
        needs: vec![Need::shared(format!("repo:{}", repository.id))],
        // The letter goes to who asked: another one's wish is another.
        unique: Some(format!("download:{}:{}:{}:{life}", backup.id, download.account_id, wish.join(","))),
        idempotency: key,
        run_at: None,
        initiator: Some(download.account_id.clone().into()),
    })
}

/// One prepared download.
pub async fn find(app: &App, actor: &Actor, id: &DownloadId) -> Result<Download> {
    let mut conn = app.pool.get().await?;
    let row = access::download(&mut conn, actor, id, Right::Download).await?;
    let backup = access::backup(&mut conn, actor, &BackupId(row.backup_id.clone()), Right::Download).await?;
    view(&mut conn, &row, &backup).await
}

/// The newest prepared downloads of a backup.
pub async fn list(app: &App, actor: &Actor, backup: &BackupId) -> Result<Vec<Download>> {
    let mut conn = app.pool.get().await?;
    let row = access::backup(&mut conn, actor, backup, Right::Download).await?;
    let rows = db::downloads::of_backup(&mut conn, &TenantId(row.tenant_id.clone()), backup, SHOWN).await?;
    let elements = held(&mut conn, &row).await?;
    let mut all = Vec::with_capacity(rows.len());
    for download in rows {
        all.push(view_with(&mut conn, &download, &row, &elements).await?);
    }
    Ok(all)
}

/// Removes what lies ready; what is being downloaded of it stops within seconds. Doing it again changes nothing.
///
/// # Errors
/// `Conflict` while it is prepared: then its job is to be cancelled.
pub async fn remove(app: &App, actor: &Actor, id: &DownloadId) -> Result<Download> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let row = access::download(&mut tx, actor, id, Right::Download).await?;
    if DownloadState::parse(&row.state)?.is_moving() {
        return Err(Error::conflict("the download is being prepared").hint("cancel its job first"));
    }
    let tenant = TenantId(row.tenant_id.clone());
    if db::downloads::gone(&mut tx, &tenant, id, DownloadState::Removed).await? {
        activity::record(&mut tx, now, actor, Some(&tenant), "download.remove", id.as_str(), "").await?;
    }
    tx.commit().await?;
    if let Err(e) = sweep::clear(app, &tenant, id).await {
        tracing::warn!("the archives of {id} stay until the next sweep: {e}");
    }
    find(app, actor, id).await
}

/// Makes a link to an archive that lies ready, and lets that lie there as long as the link lives.
///
/// # Errors
/// `Invalid` for a life that no link has; `Conflict` when the archive is not there, or not any more.
pub async fn link_to(app: &App, actor: &Actor, id: &ArchiveId, life: Life) -> Result<DownloadLink> {
    let (hours, uses) = life.checked()?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    access::archive(&mut tx, actor, id, Right::Download).await?;
    let (archive, state) = archive_with(&mut tx, id).await?;
    let gone = || Error::conflict("what was prepared is not there any more").hint("prepare the download again");
    let backup = access::backup(&mut tx, actor, &BackupId(archive.backup_id.clone()), Right::Download).await?;
    let element = Element::parse(&archive.element)?;
    let held = usable(&mut tx, &backup, element).await?;
    let mut link = fresh((&actor.account.0, &actor.email), &backup, element, now, hours);
    (link.max_uses, link.archive_id) = (uses.map(i64::from), Some(id.0.clone()));
    let tenant = TenantId(archive.tenant_id.clone());
    if state != DownloadState::Ready
        || !db::downloads::prolong(&mut tx, &tenant, &DownloadId(archive.download_id.clone()), Millis(link.expires_at)).await?
    {
        return Err(gone());
    }
    insert(&mut tx, app, &mut link).await?;
    let detail = format!("prepared {element} of {}, for {hours} h", address(&backup));
    activity::record(&mut tx, now, actor, Some(&tenant), "download.link", &link.id, &detail).await?;
    tx.commit().await?;
    view_of(app, now, &Found { link, backup, element: held, archive: Some((archive, state)) })
}

/// How a prepared download looks to people.
async fn view(conn: &mut Conn, row: &Row, backup: &Backup) -> Result<Download> {
    let elements = held(conn, backup).await?;
    view_with(conn, row, backup, &elements).await
}

async fn held(conn: &mut Conn, backup: &Backup) -> Result<Vec<BackupElement>> {
    db::backups::elements(conn, &TenantId(backup.tenant_id.clone()), &BackupId(backup.id.clone())).await
}

async fn view_with(conn: &mut Conn, row: &Row, backup: &Backup, elements: &[BackupElement]) -> Result<Download> {
    let archives = db::downloads::archives(conn, &TenantId(row.tenant_id.clone()), &DownloadId(row.id.clone())).await?;
    let archive = |a: &Archive| {
        let element = elements.iter().find(|e| e.element == a.element).ok_or_else(|| Error::internal("an archive of nothing"))?;
        let made = prepared(a);
        Ok(ArchiveView {
            id: a.id.clone(),
            element: Element::parse(&a.element)?,
            form: Form::parse(&a.form)?,
            filename: content::filename(backup, element, Some(&a.form))?,
            size: made.as_ref().map(|m| m.size),
            sha256: made.map(|m| m.sha256),
        })
    };
    let iso = |at: Option<i64>| at.map(|at| Millis(at).iso());
    Ok(Download {
        id: row.id.clone(),
        backup: row.backup_id.clone(),
        environment: address(backup),
        state: DownloadState::parse(&row.state)?,
        created: Millis(row.created_at).iso(),
        created_by: row.initiator.clone(),
        finished: iso(row.finished_at),
        expires: iso(row.expires_at),
        message: row.message.clone(),
        hint: row.hint.clone(),
        job: row.job_id.clone(),
        archives: archives.iter().map(archive).collect::<Result<_>>()?,
    })
}
