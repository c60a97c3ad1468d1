//! Prepared downloads, and links to their archives.

use crate::app::{App, downloads, downloads::Life};
use crate::domain::downloads::{Download, LinkArchive, PrepareDownload};
use crate::domain::ids::{ArchiveId, BackupId, DownloadId};
use crate::domain::links::DownloadLink;
use crate::web::error::Answer;
use crate::web::extract::{Body, Caller, Key, Path};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

pub async fn list(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<Vec<Download>>> {
    Ok(Json(downloads::list_prepared(&app, &actor, &BackupId(id)).await?))
}

pub async fn prepare(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Key(key): Key,
    Body(wish): Body<PrepareDownload>,
) -> Answer<(StatusCode, Json<Download>)> {
    let (download, fresh) = downloads::prepare(&app, &actor, &BackupId(id), &wish, key).await?;
    Ok((if fresh { StatusCode::CREATED } else { StatusCode::OK }, Json(download)))
}

pub async fn find(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<Download>> {
    Ok(Json(downloads::find_prepared(&app, &actor, &DownloadId(id)).await?))
}

pub async fn remove(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<Download>> {
    Ok(Json(downloads::remove(&app, &actor, &DownloadId(id)).await?))
}

pub async fn link(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Body(new): Body<LinkArchive>,
) -> Answer<(StatusCode, Json<DownloadLink>)> {
    let life = Life { hours: new.hours, uses: new.uses };
    Ok((StatusCode::CREATED, Json(downloads::link_to(&app, &actor, &ArchiveId(id), life).await?)))
}
