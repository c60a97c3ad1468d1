//! What lies in a backup.

use crate::app::{App, browse};
use crate::domain::browse::{FileVersion, Found, Listing};
use crate::domain::compare::Comparison;
use crate::domain::ids::{BackupId, EnvironmentId};
use crate::web::error::Answer;
use crate::web::extract::{Caller, Inside};
use axum::Json;
use axum::extract::{Path, State};

pub async fn list(State(app): State<App>, Caller(actor): Caller, Path(id): Path<String>, Inside(asked): Inside) -> Answer<Json<Listing>> {
    Ok(Json(browse::list(&app, &actor, &BackupId(id), &asked).await?))
}

pub async fn search(State(app): State<App>, Caller(actor): Caller, Path(id): Path<String>, Inside(asked): Inside) -> Answer<Json<Found>> {
    Ok(Json(browse::search(&app, &actor, &BackupId(id), &asked).await?))
}

pub async fn compare(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    Inside(asked): Inside,
) -> Answer<Json<Comparison>> {
    Ok(Json(browse::compare(&app, &actor, &BackupId(id), &asked).await?))
}

pub async fn versions(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path<String>,
    Inside(asked): Inside,
) -> Answer<Json<Vec<FileVersion>>> {
    Ok(Json(browse::versions(&app, &actor, &EnvironmentId(id), &asked).await?))
}
