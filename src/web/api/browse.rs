//! What lies in a backup.

use crate::app::{App, browse};
use crate::domain::browse::{FileVersion, Found, Listing};
use crate::domain::compare::Comparison;
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, EnvironmentId};
use crate::web::error::Answer;
use crate::web::extract::{Caller, Inside, Path};
use axum::Json;
use axum::extract::State;

/// What can be asked inside a backup. It is read by [`Inside`], as names of files need not be text; this is how that is described.
#[derive(Debug, schemars::JsonSchema)]
#[allow(dead_code, reason = "a description")]
pub struct Asks {
    element: Option<Element>,
    /// From the element's own root; bytes that are no text as `%XX`.
    path: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    /// 1 to 1000.
    limit: Option<u32>,
    /// Search: a part of a name, in upper or lower case.
    name: Option<String>,
    /// Comparisons: another backup of the environment, or `live`.
    with: Option<String>,
}

pub async fn list(State(app): State<App>, Caller(actor): Caller, Path(id): Path, Inside(asked): Inside) -> Answer<Json<Listing>> {
    Ok(Json(browse::list(&app, &actor, &BackupId(id), &asked).await?))
}

pub async fn search(State(app): State<App>, Caller(actor): Caller, Path(id): Path, Inside(asked): Inside) -> Answer<Json<Found>> {
    Ok(Json(browse::search(&app, &actor, &BackupId(id), &asked).await?))
}

pub async fn compare(State(app): State<App>, Caller(actor): Caller, Path(id): Path, Inside(asked): Inside) -> Answer<Json<Comparison>> {
    Ok(Json(browse::compare(&app, &actor, &BackupId(id), &asked).await?))
}

pub async fn versions(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Inside(asked): Inside,
) -> Answer<Json<Vec<FileVersion>>> {
    Ok(Json(browse::versions(&app, &actor, &EnvironmentId(id), &asked).await?))
}
