//! A dump for `pg_restore`: the backup holds a plain one, so it is imported into a scratch database of a server that is set
//! aside, and dumped from there.
//!
//! The name of that database is noted before it is made. Whoever made it drops it; after an attempt that was killed the next
//! one does, and where there is none, the sweep.

use super::content;
use crate::app::attempt::Attempt;
use crate::app::servers::{self, blocking};
use crate::app::{App, from_json, to_json};
use crate::base::error::{Context, Error, Result};
use crate::base::failpoint;
use crate::base::sql::Conn;
use crate::base::watch::Watch;
use crate::db;
use crate::db::backups::BackupElement;
use crate::domain::ids::{DownloadId, TenantId};
use crate::domain::site::Access;
use crate::engine::Repository;
use crate::hosting::database::{Means, Staged, database, scratch as databases};
use std::io::{self, Read, Write};

const ENGINE: &str = "postgres";

/// Is there a server on which it can be made?
pub(super) async fn is_possible(app: &App, conn: &mut Conn) -> Result<bool> {
    Ok(servers::for_drills(app, conn, ENGINE).await?.is_some())
}

pub(super) fn impossible() -> Error {
    Error::conflict("no PostgreSQL server is set aside, on which a dump for `pg_restore` could be made")
        .hint("take the dump as sql.gz; or an administrator sets a server aside with `sitekeep server:add --engine postgres --for-drills`")
}

/// Imports the dump of an element; the account that reaches what was imported.
pub(super) async fn import(
    attempt: &Attempt,
    of: (&TenantId, &DownloadId),
    repository: &Repository,
    element: &BackupElement,
) -> Result<Access> {
    let found = servers::for_drills(&attempt.app, &mut *attempt.app.pool.get().await?, ENGINE).await?;
    let (server, _, by) = found.ok_or_else(impossible)?;
    let snapshot = element.snapshot.clone().ok_or_else(|| Error::internal("a dump of nothing"))?;
    let (name, charset) = (databases::name(), content::charset(element)?);
    note(attempt, of, Some(&(server, name.clone()))).await?;
    let access = attempt.blocking(move |_| databases::make(&by, &name, &charset)).await?;
    failpoint::hit(format_args!("download.database.made"))?;
    let (repository, to, ticket) = (repository.clone(), access.clone(), of.1.0.clone());
    attempt
        .blocking(move |watch| {
            let mut dump = repository.dump(&snapshot, "database".as_ref(), watch)?;
            let staged = Staged { ticket, means: Means::NewDatabase, address: to.address.clone() };
            database(to.clone()).import(&staged, &to.password, &mut dump, watch)
        })
        .await
        .map_err(|e| e.context("importing the dump on the server that is set aside"))?;
    failpoint::hit(format_args!("download.database.imported"))?;
    Ok(access)
}

/// Writes the dump for `pg_restore` of what was imported.
pub(super) fn write(imported: &Access, sink: &mut dyn Write, watch: &Watch) -> Result<()> {
    let mut archive = databases::archive(imported)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        watch.check()?;
        match archive.reader.read(&mut buffer) {
            Ok(0) => return (archive.finish)().map(drop),
            Ok(n) => sink.write_all(&buffer[..n]).context(|| "writing the archive")?,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::from(e).context("reading the dump")),
        }
    }
}

async fn note(attempt: &Attempt, (tenant, id): (&TenantId, &DownloadId), scratch: Option<&(String, String)>) -> Result<()> {
    let text = scratch.map(to_json).transpose()?;
    let mut tx = attempt.begin().await?;
    db::downloads::set_scratch(&mut tx, tenant, id, text.as_deref()).await?;
    tx.commit().await.map_err(Into::into)
}

/// Drops what this download has made aside, by this attempt or by one before it.
pub(super) async fn clear(attempt: &Attempt, of: (&TenantId, &DownloadId)) -> Result<()> {
    let text = db::downloads::scratch(&mut *attempt.app.pool.get().await?, of.0, of.1).await?;
    let Some(text) = text else { return Ok(()) };
    attempt.fence().await?;
    drop_noted(&attempt.app, &text).await?;
    note(attempt, of, None).await
}

/// Drops what downloads have left that have ended: their last attempt was killed. What cannot be dropped now stays noted.
pub(super) async fn sweep(app: &App) -> Result<()> {
    let left = db::downloads::littered(&mut *app.pool.get().await?, 100).await?;
    for (tenant, id, text) in left {
        match drop_noted(app, &text).await {
            Ok(()) => {
                db::downloads::set_scratch(&mut *app.pool.get().await?, &TenantId(tenant), &DownloadId(id), None).await?;
            }
            Err(e) => tracing::warn!("the scratch database of the download {id} stays until the next sweep: {e}"),
        }
    }
    Ok(())
}

async fn drop_noted(app: &App, text: &str) -> Result<()> {
    let (server, name): (String, String) = from_json("scratch database of a download", text)?;
    match servers::known(app, &mut *app.pool.get().await?, &server).await? {
        Some(access) => blocking(move || databases::drop(&access, &name)).await,
        // Nobody can reach it any more by what we know.
        None => {
            tracing::warn!("the scratch database {name} stays: the account of its server was removed");
            Ok(())
        }
    }
}
