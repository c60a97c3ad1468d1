//! A link in use: opened, watched while it streams, and noted at its end.

use super::{Found, Judged, Landing, address, judge, offer, part_of, stands};
use crate::app::letters::{self, About as Told, Letter};
use crate::app::{App, environments, from_json};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::sql::Conn;
use crate::base::watch::Watch;
use crate::db;
use crate::db::activity::Act;
use crate::domain::element::Element;
use crate::domain::ids::{LinkId, SiteId, TenantId};
use crate::engine::{About, Repository};
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often a running download is asked whether it may go on.
const RECHECK: Duration = Duration::from_secs(2);
/// Streams of one tenant at once: each costs a processor.
const MOST_STREAMS: usize = 4;
/// A second try within this time goes on with the use that broke off.
const SAME_USE: i64 = 3600 * Millis::SECOND;

/// Who asks, and how.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub address: &'a str,
    pub agent: &'a str,
    /// Only what the file is called: no use.
    pub head: bool,
    /// The rest of a file that broke off: if it did, the same use.
    pub again: bool,
}

#[derive(Debug)]
pub enum Opened {
    Ready(Box<Download>),
    /// The answer to `head`.
    Named(Head),
    /// Never [`Landing::Open`].
    Closed(Landing),
}

/// What is known of a file before it is read.
#[derive(Clone, Debug)]
pub struct Head {
    pub filename: String,
    /// Of a file that goes out as it is; what is compressed on the way has no length yet.
    pub length: Option<u64>,
}

/// A download that may begin.
#[derive(Debug)]
pub struct Download {
    app: App,
    found: Found,
    filename: String,
    repository: Repository,
    watch: Watch,
    number: i64,
    _slot: Slot,
}

/// Opens a link for the file of this name.
///
/// # Errors
/// `Transient` while as many streams of its tenant run as may; what the repository says.
pub async fn open(app: &App, token: &str, filename: &str, asked: Asked<'_>) -> Result<Opened> {
    let found = match judge(app, token).await? {
        Judged::Good(found) => *found,
        Judged::Expired(found) => return Ok(Opened::Closed(Landing::Expired(offer(&found)?))),
        Judged::Revoked => return Ok(Opened::Closed(Landing::Revoked)),
        Judged::Unknown => return Ok(Opened::Closed(Landing::Unknown)),
    };
    let real = found.filename()?;
    if real != filename {
        return Ok(Opened::Closed(Landing::Unknown));
    }
    if asked.head {
        return Ok(Opened::Named(head(&found, &real)));
    }
    let watch = Watch::new();
    let slot = Slot::take(&found.link.tenant_id, &watch)?;
    let (tenant, site) = (TenantId(found.backup.tenant_id.clone()), SiteId(found.backup.site_id.clone()));
    let (_, repository) = environments::repository(app, &tenant, &site).await?;
    let number = begin(app, &found, asked).await?;
    Ok(Opened::Ready(Box::new(Download { app: app.clone(), found, filename: real, repository, watch, number, _slot: slot })))
}

fn head(found: &Found, filename: &str) -> Head {
    Head { filename: filename.to_owned(), length: part_of(&found.link).and_then(|part| part.size) }
}

/// Notes the use. One that goes on with a broken one is not counted, nor told, again.
async fn begin(app: &App, found: &Found, asked: Asked<'_>) -> Result<i64> {
    let now = app.pool.now().await?;
    let (tenant, id) = (TenantId(found.link.tenant_id.clone()), LinkId(found.link.id.clone()));
    let mut tx = app.pool.begin().await?;
    if asked.again
        && let Some(number) = db::links::broken_use(&mut tx, now.plus(-SAME_USE), &tenant, &id, asked.address).await?
    {
        return Ok(number);
    }
    let agent: String = asked.agent.chars().filter(|c| !c.is_control()).take(200).collect();
    let number = db::links::begin_use(&mut tx, now, &tenant, &id, asked.address, &agent).await?;
    tell_owner(&mut tx, app, now, found, asked.address, &agent).await?;
    tx.commit().await?;
    Ok(number)
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
        head(&self.found, &self.filename)
    }

    /// Cancelled when the link may not be used any more: whoever waits for the other side looks here, too.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Writes the file; gives its size. Blocks: it belongs on a thread for that, inside the runtime.
    ///
    /// # Errors
    /// What went wrong; what was written until then does not look like a whole file.
    pub fn run(self, sink: impl Write + Send) -> Result<u64> {
        let runtime = tokio::runtime::Handle::current();
        let guard = runtime.spawn(keep_watch(self.app.clone(), LinkId(self.found.link.id.clone()), self.watch.clone()));
        let mut counted = Counted { sink, bytes: 0, refused: false };
        let ended = self.write(&mut counted);
        guard.abort();
        let outcome = match &ended {
            Ok(()) => "complete",
            Err(_) if self.watch.is_cancelled() => "stopped",
            Err(_) if counted.refused => "broken",
            Err(e) => {
                tracing::error!("the download of {} ended early: {e}", self.filename);
                "failed"
            }
        };
        if let Err(e) = runtime.block_on(self.note_end(counted.bytes, outcome)) {
            tracing::error!("the end of the download of {} could not be noted: {e}", self.filename);
        }
        ended.map(|()| counted.bytes)
    }

    fn write(&self, sink: &mut dyn Write) -> Result<()> {
        let found = &self.found;
        let snapshot = found.element.snapshot.as_deref().ok_or_else(|| Error::internal("a link to nothing"))?;
        let manifest = found.manifest()?;
        let about = About { facts: told(found, &manifest)?, time: Millis(found.backup.created_at) };
        if let Some(part) = part_of(&found.link) {
            return match part.is_folder() {
                true => self.repository.archive_folder(snapshot, part.path.path(), &about, sink, &self.watch),
                false => self.repository.plain_file(snapshot, part.path.path(), sink, &self.watch),
            };
        }
        match (found.element()?, manifest["engine"].as_str()) {
            (Element::Database, Some("sqlite")) => {
                self.repository.archive_file(snapshot, Path::new("database/database.sqlite"), &about, sink, &self.watch)
            }
            (Element::Database, _) => self.repository.archive_sql(snapshot, Path::new("database"), &about, sink, &self.watch),
            (Element::Files | Element::Code, _) => self.repository.archive(snapshot, &about, sink, &self.watch),
        }
    }

    async fn note_end(&self, bytes: u64, outcome: &'static str) -> Result<()> {
        let now = self.app.pool.now().await?;
        let (tenant, id) = (TenantId(self.found.link.tenant_id.clone()), LinkId(self.found.link.id.clone()));
        let mut conn = self.app.pool.get().await?;
        db::links::end_use(&mut conn, now, &tenant, &id, self.number, bytes, outcome).await
    }
}

/// What the file says of itself.
fn told(found: &Found, manifest: &Value) -> Result<Map<String, Value>> {
    let problems: Value = from_json("list of problems", &found.element.problems)?;
    let mut facts = json!({
        "sitekeep": env!("CARGO_PKG_VERSION"),
        "backup": found.backup.id,
        "environment": address(&found.backup),
        "element": found.link.element,
        "path": part_of(&found.link).map(|part| part.path.shown()),
        "time": Millis(found.backup.created_at).iso(),
        "state": found.element.state,
        "problems": problems,
    });
    for key in ["engine", "server_version", "tool", "charset", "structure_only", "left_out", "git", "warnings", "complete"] {
        facts[key] = manifest.get(key).cloned().unwrap_or_default();
    }
    match facts {
        Value::Object(facts) => Ok(facts.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        _ => Err(Error::internal("facts are an object")),
    }
}

/// Stops a download once its link does not stand any more, or twice nobody could say.
async fn keep_watch(app: App, id: LinkId, watch: Watch) {
    let mut unanswered = 0;
    loop {
        tokio::time::sleep(RECHECK).await;
        let answer = tokio::time::timeout(RECHECK, still_stands(&app, &id)).await;
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

async fn still_stands(app: &App, id: &LinkId) -> Result<bool> {
    let mut conn = app.pool.get().await?;
    match db::links::find(&mut conn, id).await? {
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

/// The streams that run in this process: number, tenant, and how to stop them.
static STREAMS: Mutex<Vec<(u64, String, Watch)>> = Mutex::new(Vec::new());
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// The place of one of them.
#[derive(Debug)]
struct Slot(u64);

impl Slot {
    fn take(tenant: &str, watch: &Watch) -> Result<Self> {
        let mut streams = STREAMS.lock().unwrap_or_else(PoisonError::into_inner);
        if streams.iter().filter(|(_, of, _)| of == tenant).count() >= MOST_STREAMS {
            return Err(Error::transient(format!("{MOST_STREAMS} downloads of this tenant are running already"))
                .hint("wait until one of them has ended, then try again: the link stays good"));
        }
        let number = NUMBER.fetch_add(1, Relaxed);
        streams.push((number, tenant.to_owned(), watch.clone()));
        Ok(Self(number))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        STREAMS.lock().unwrap_or_else(PoisonError::into_inner).retain(|(number, _, _)| *number != self.0);
    }
}

/// Stops every download of this process at its next piece: a server that ends cannot wait for hours.
pub fn stop_all() {
    STREAMS.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|(_, _, watch)| watch.cancel());
}
