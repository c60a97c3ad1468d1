//! Download links.

use crate::app::{App, downloads, downloads::Life};
use crate::domain::browse::Inner;
use crate::domain::ids::{BackupId, LinkId};
use crate::domain::links::{CreateLink, DownloadLink, LinkUse};
use crate::web::error::Answer;
use crate::web::extract::{Body, Caller, Path};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

pub async fn list(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<Vec<DownloadLink>>> {
    Ok(Json(downloads::list(&app, &actor, &BackupId(id)).await?))
}

pub async fn create(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Body(new): Body<CreateLink>,
) -> Answer<(StatusCode, Json<DownloadLink>)> {
    let path = Inner::of_text(new.path.as_deref().unwrap_or_default(), new.path_hex.as_deref())?;
    let link = downloads::create_inside(&app, &actor, &BackupId(id), new.element, &path, Life { hours: new.hours, uses: new.uses }).await?;
    Ok((StatusCode::CREATED, Json(link)))
}

pub async fn revoke(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<DownloadLink>> {
    Ok(Json(downloads::revoke(&app, &actor, &LinkId(id)).await?))
}

pub async fn renew(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<(StatusCode, Json<DownloadLink>)> {
    Ok((StatusCode::CREATED, Json(downloads::renew(&app, &actor, &LinkId(id)).await?)))
}

pub async fn uses(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<Vec<LinkUse>>> {
    Ok(Json(downloads::uses(&app, &actor, &LinkId(id)).await?))
}
