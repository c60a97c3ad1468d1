//! A link in use: opened, watched while it streams, and noted at its end.

use super::content::Content;
use super::slots::Slot;
use super::{Found, Judged, Landing, address, archive_with, judge, offer, part_of, stands};
use crate::app::letters::{self, About as Told, Letter};
use crate::app::{App, environments};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::sql::Conn;
use crate::base::watch::Watch;
use crate::db;
use crate::db::activity::Act;
use crate::db::links::{By, End};
use crate::domain::downloads::DownloadState;
use crate::domain::ids::{ArchiveId, LinkId, SiteId, TenantId};
use crate::domain::ranges::Wanted;
use crate::store::Reader;
use std::io::{self, Read, Write};
use std::time::Duration;

/// How often a running download is asked whether it may go on.
const RECHECK: Duration = Duration::from_secs(2);
/// A further try within this time goes on with the use that broke off.
const SAME_USE: i64 = 3600 * Millis::SECOND;
/// What may have been lost on the way of an archive, within one use.
const LOST: u64 = 16 << 20;

/// Who asks, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    pub address: &'a str,
    pub agent: &'a str,
    /// Only what the file is called: no use.
    pub head: bool,
    /// The headers of that name, as they were sent.
    pub range: Option<&'a str>,
    pub if_range: Option<&'a str>,
}

impl Asked<'_> {
    /// The rest of a file is wanted, from a byte beyond its first.
    fn is_rest(&self) -> bool {
        matches!(Wanted::of(self.range, None, "", u64::MAX), Wanted::Part(1.., _))
    }
}

#[derive(Debug)]
pub enum Opened {
    Ready(Box<Download>),
    /// The answer to `head`.
    Named(Head),
    /// A part was asked for that lies beyond the end of a file of this size.
    Beyond(u64),
    /// Never [`Landing::Open`].
    Closed(Landing),
}

/// What is known of a file before it is read.
#[derive(Clone, Debug)]
pub struct Head {
    pub filename: String,
    /// Of the whole file, where it is known: what is compressed on the way has no length yet.
    pub length: Option<u64>,
    /// The hash of an archive that lies ready: any part of it can be asked for.
    pub sha256: Option<String>,
    /// The bytes of it that follow, the first and the last; all of them where there are none.
    pub part: Option<(u64, u64)>,
}

impl Head {
    /// For programs that ask for the rest of the very same file.
    pub fn etag(&self) -> Option<String> {
        self.sha256.as_ref().map(|hash| format!("\"{hash}\""))
    }
}

/// A download that may begin.
#[derive(Debug)]
pub struct Download {
    app: App,
    found: Found,
    head: Head,
    from: Source,
    watch: Watch,
    number: i64,
    _slot: Slot,
}

/// Where its bytes come from.
#[derive(Debug)]
enum Source {
    /// Written while it is sent.
    Repository(Content),
    /// So many bytes of an archive.
    Store(Reader, u64),
}

/// Opens a link for the file of this name.
///
/// # Errors
/// `Transient` while as many streams of its tenant run as may; what the repository or the store says.
pub async fn open(app: &App, token: &str, filename: &str, asked: Asked<'_>) -> Result<Opened> {
    let found = match judge(app, token).await? {
        Judged::Good(found) => *found,
        Judged::Bad(landing) => return Ok(Opened::Closed(*landing)),
    };
    let mut head = head(&found)?;
    if head.filename != filename {
        return Ok(Opened::Closed(Landing::Unknown));
    }
    if asked.head {
        return Ok(Opened::Named(head));
    }
    if found.is_used_up() && !asked.is_rest() {
        return Ok(Opened::Closed(Landing::Used(offer(&found)?)));
    }
    if let (Some(etag), Some(size)) = (head.etag(), head.length) {
        match Wanted::of(asked.range, asked.if_range, &etag, size) {
            Wanted::Beyond => return Ok(Opened::Beyond(size)),
            Wanted::Part(first, last) => head.part = Some((first, last)),
            Wanted::Whole => {}
        }
    }
    ready(app, found, head, asked).await
}

fn head(found: &Found) -> Result<Head> {
    let prepared = found.prepared();
    let length = prepared.as_ref().map(|p| p.size).or_else(|| part_of(&found.link)?.size);
    Ok(Head { filename: found.filename()?, length, sha256: prepared.map(|p| p.sha256), part: None })
}

async fn ready(app: &App, found: Found, head: Head, asked: Asked<'_>) -> Result<Opened> {
    let watch = Watch::new();
    let slot = Slot::take(&found, &watch)?;
    let from = source(app, &found, &head).await?;
    let Some(number) = begin(app, &found, &head, asked).await? else {
        return Ok(Opened::Closed(Landing::Used(offer(&found)?)));
    };
    Ok(Opened::Ready(Box::new(Download { app: app.clone(), found, head, from, watch, number, _slot: slot })))
}

/// Opened before the use is counted: what cannot be had is not used.
async fn source(app: &App, found: &Found, head: &Head) -> Result<Source> {
    if let Some((archive, _)) = &found.archive {
        let (first, length) = span(head);
        let (store, size) = (super::prepared::store(app), head.length.unwrap_or_default());
        let object = archive.object.clone().ok_or_else(|| Error::internal("a link to an archive that is not made"))?;
        let reader = crate::app::servers::blocking(move || store.open(&object, size, first)).await?;
        return Ok(Source::Store(reader, length));
    }
    let (tenant, site) = (TenantId(found.backup.tenant_id.clone()), SiteId(found.backup.site_id.clone()));
    let (_, repository) = environments::repository(app, &tenant, &site).await?;
    Content::streamed(repository, &found.backup, &found.element, part_of(&found.link)).map(Source::Repository)
}

/// Where the bytes that follow begin, and how many those are.
fn span(head: &Head) -> (u64, u64) {
    let size = head.length.unwrap_or_default();
    head.part.map_or(Wanted::Whole, |(first, last)| Wanted::Part(first, last)).span(size)
}

/// Notes the use; none when it was used as often as it may be. One that goes on with another is not counted, nor told, again.
async fn begin(app: &App, found: &Found, head: &Head, asked: Asked<'_>) -> Result<Option<i64>> {
    let now = app.pool.now().await?;
    let (tenant, id) = (TenantId(found.link.tenant_id.clone()), LinkId(found.link.id.clone()));
    let mut tx = app.pool.begin().await?;
    let promised = found.archive.as_ref().map(|_| span(head).1);
    if asked.is_rest()
        && let Some(number) = goes_on(&mut tx, now, found, promised, asked.address).await?
    {
        tx.commit().await?;
        return Ok(Some(number));
    }
    let agent: String = asked.agent.chars().filter(|c| !c.is_control()).take(200).collect();
    let by = By { address: asked.address, agent: &agent };
    let Some(number) = db::links::begin_use(&mut tx, now, &tenant, &id, &by, promised.unwrap_or_default()).await? else {
        return Ok(None);
    };
    tell_owner(&mut tx, app, now, found, asked.address, &agent).await?;
    tx.commit().await?;
    Ok(Some(number))
}

/// The use that a request for the rest of a file belongs to. A file that is written while it is sent begins anew, so one that
/// broke off is taken up once; of an archive a use gets all bytes once, and as much again as can be lost on the way.
async fn goes_on(conn: &mut Conn, now: Millis, found: &Found, promised: Option<u64>, from: &str) -> Result<Option<i64>> {
    let (tenant, id) = (TenantId(found.link.tenant_id.clone()), LinkId(found.link.id.clone()));
    let since = now.plus(-SAME_USE);
    match (promised, found.prepared()) {
        (Some(length), Some(archive)) => {
            let most = archive.size + LOST.min(archive.size);
            db::links::go_on(conn, since, &tenant, &id, from, (length, most)).await
        }
        _ => db::links::take_broken_use(conn, since, &tenant, &id, from).await,
    }
}

/// A link was used: the one place where people learn of it, in the transaction that counts the use.
async fn tell_owner(conn: &mut Conn, app: &App, now: Millis, found: &Found, from: &str, agent: &str) -> Result<()> {
    let tenant = TenantId(found.link.tenant_id.clone());
    let made_by = &found.link.created_by_email;
    let act = Act {
        tenant: Some(&tenant),
        account: None,
        actor: "download link",
        action: "download.use",
        object: &found.link.id,
        detail: &format!("{} of {}, by a link of {made_by}, with {agent}", what(found), address(&found.backup)),
        address: from,
    };
    db::activity::record(conn, now, &act).await?;
    let (backup, filename) = (&found.backup, found.filename()?);
    let letter = |to: String| Letter::DownloadUsed {
        to,
        environment: format!("{}.{}", backup.site, backup.environment),
        element: found.link.element.clone(),
        filename: filename.clone(),
        address: from.to_owned(),
        at: now,
        url: format!("{}/backups/{}", app.public_url, backup.id),
    };
    // One letter for each link: who takes it ten times is in the activity log ten times.
    let site = SiteId(backup.site_id.clone());
    let about = Told { tenant: &tenant, site: Some(&site), initiator: Some(&found.link.created_by), news: true, what: &found.link.id };
    letters::tell(conn, app, now, &about, letter).await;
    Ok(())
}

fn what(found: &Found) -> String {
    let element = &found.link.element;
    part_of(&found.link).map_or_else(|| element.clone(), |part| format!("{element}: {}", part.path.shown()))
}

impl Download {
    pub fn head(&self) -> Head {
        self.head.clone()
    }

    /// Cancelled when the link may not be used any more: whoever waits for the other side looks here, too.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Writes the file, or the part that was asked for; gives how many bytes that are. Blocks: it belongs on a thread for
    /// that, inside the runtime.
    ///
    /// # Errors
    /// What went wrong; what was written until then does not look like a whole file.
    pub fn run(mut self, sink: impl Write + Send) -> Result<u64> {
        let runtime = tokio::runtime::Handle::current();
        let guard = runtime.spawn(keep_watch(self.app.clone(), self.found.link.clone(), self.watch.clone()));
        let mut counted = Counted { sink, bytes: 0, refused: false };
        let ended = match &mut self.from {
            Source::Repository(content) => content.write(&mut counted, &self.watch),
            Source::Store(reader, length) => pour(reader, *length, &mut counted, &self.watch),
        };
        guard.abort();
        let outcome = match &ended {
            Ok(()) => "complete",
            Err(_) if self.watch.is_cancelled() => "stopped",
            Err(_) if counted.refused => "broken",
            Err(e) => {
                tracing::error!("the download of {} ended early: {e}", self.head.filename);
                "failed"
            }
        };
        if let Err(e) = runtime.block_on(self.note_end(counted.bytes, outcome)) {
            tracing::error!("the end of the download of {} could not be noted: {e}", self.head.filename);
        }
        ended.map(|()| counted.bytes)
    }

    async fn note_end(&self, bytes: u64, outcome: &'static str) -> Result<()> {
        let now = self.app.pool.now().await?;
        let (tenant, id) = (TenantId(self.found.link.tenant_id.clone()), LinkId(self.found.link.id.clone()));
        let unsent = match &self.from {
            Source::Store(_, length) => length.saturating_sub(bytes),
            Source::Repository(_) => 0,
        };
        let mut conn = self.app.pool.get().await?;
        db::links::end_use(&mut conn, now, &tenant, &id, self.number, &End { bytes, unsent, outcome }).await
    }
}

/// So many bytes, in pieces.
fn pour(from: &mut Reader, length: u64, to: &mut dyn Write, watch: &Watch) -> Result<()> {
    let (mut left, mut buffer) = (length, vec![0; 64 << 10]);
    while left > 0 {
        watch.check()?;
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let n = from.read(&mut buffer[..most])?;
        if n == 0 {
            return Err(Error::damaged("the prepared archive ended before its size"));
        }
        to.write_all(&buffer[..n])?;
        left -= n as u64;
    }
    Ok(())
}

/// Stops a download once its link does not stand any more, or twice nobody could say.
async fn keep_watch(app: App, link: db::links::Link, watch: Watch) {
    let mut unanswered = 0;
    loop {
        tokio::time::sleep(RECHECK).await;
        let answer = tokio::time::timeout(RECHECK, still_stands(&app, &link)).await;
        match answer {
            Ok(Ok(true)) => unanswered = 0,
            Ok(Ok(false)) => return watch.cancel(),
            Ok(Err(_)) | Err(_) => unanswered += 1,
        }
        if unanswered == 2 {
            return watch.cancel();
        }
    }
}

async fn still_stands(app: &App, link: &db::links::Link) -> Result<bool> {
    let mut conn = app.pool.get().await?;
    if let Some(archive) = &link.archive_id
        && archive_with(&mut conn, &ArchiveId(archive.clone())).await?.1 == DownloadState::Removed
    {
        return Ok(false);
    }
    match db::links::find(&mut conn, &LinkId(link.id.clone())).await? {
        Some(link) => stands(&mut conn, &link).await,
        None => Ok(false),
    }
}

/// Counts what went out, and remembers whether the other side went away.
struct Counted<W> {
    sink: W,
    bytes: u64,
    refused: bool,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.sink.write(bytes) {
            Ok(n) => {
                self.bytes += n as u64;
                Ok(n)
            }
            Err(e) => {
                self.refused = true;
                Err(e)
            }
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush().inspect_err(|_| self.refused = true)
    }
}
