//! What lies in the store beyond its time, or was left there by somebody who died.

use super::prepared::store;
use super::{archive_with, aside};
use crate::app::App;
use crate::app::servers::blocking;
use crate::base::error::{Class, Result};
use crate::base::sql::Conn;
use crate::db;
use crate::db::activity::Act;
use crate::domain::downloads::DownloadState;
use crate::domain::ids::{ArchiveId, DownloadId, TenantId};
use crate::store::Found;

/// Downloads that one round ends.
const AT_ONCE: i64 = 200;
/// Seconds after which something of which the catalogue knows nothing is no archive that is being made.
const FORGOTTEN: u64 = 24 * 3600;

/// One round. Any number of processes may do it at once: each act can be repeated.
///
/// # Errors
/// What the catalogue or the disk says; the next round goes on.
pub async fn sweep(app: &App) -> Result<()> {
    expire(app).await?;
    aside::sweep(app).await?;
    let at = store(app);
    for found in blocking(move || at.list()).await? {
        if !is_wanted(&mut *app.pool.get().await?, &found).await? {
            let at = store(app);
            tracing::info!("removing {} from the downloads", found.name);
            blocking(move || at.remove(&found)).await?;
        }
    }
    Ok(())
}

/// First it is written down that nothing is given out any more, then the files go.
async fn expire(app: &App) -> Result<()> {
    let now = app.pool.now().await?;
    let over = db::downloads::over(&mut *app.pool.get().await?, now, AT_ONCE).await?;
    for (tenant, id) in over {
        let (tenant, id) = (TenantId(tenant), DownloadId(id));
        let mut tx = app.pool.begin().await?;
        if db::downloads::gone(&mut tx, &tenant, &id, DownloadState::Expired).await? {
            let act = Act {
                tenant: Some(&tenant),
                account: None,
                actor: "downloads",
                action: "download.expire",
                object: &id.0,
                detail: "",
                address: "",
            };
            db::activity::record(&mut tx, now, &act).await?;
        }
        tx.commit().await?;
    }
    Ok(())
}

/// Is it an archive that lies ready, or may an attempt be at work on it?
async fn is_wanted(conn: &mut Conn, found: &Found) -> Result<bool> {
    let id = ArchiveId(found.name.split('.').next().unwrap_or_default().to_owned());
    let (archive, state) = match archive_with(conn, &id).await {
        Err(e) if e.class() == Class::NotFound => return Ok(found.idle < FORGOTTEN),
        other => other?,
    };
    let noted = archive.object.as_deref() == Some(found.name.as_str()) && !found.part;
    Ok(match state {
        DownloadState::Ready => noted,
        // What an attempt that died has left goes when the download has ended.
        state => state.is_moving(),
    })
}

/// Removes all that there is of a download that has ended.
pub(super) async fn clear(app: &App, tenant: &TenantId, id: &DownloadId) -> Result<()> {
    let archives = db::downloads::archives(&mut *app.pool.get().await?, tenant, id).await?;
    let at = store(app);
    blocking(move || {
        let is_of_it = |name: &str| archives.iter().any(|a| name.split('.').next() == Some(a.id.as_str()));
        at.list()?.iter().filter(|found| is_of_it(&found.name)).try_for_each(|found| at.remove(found))
    })
    .await
}
