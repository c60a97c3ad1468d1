//! Backups.

use crate::app::{App, backups};
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, EnvironmentId};
use crate::domain::state::BackupState;
use crate::domain::view;
use crate::web::error::Answer;
use crate::web::extract::{Body, Caller, Key, Path, Query};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct Page {
    /// The id of the last backup seen.
    after: Option<String>,
    limit: Option<i64>,
    element: Option<String>,
    state: Option<String>,
}

pub async fn log(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Query(page): Query<Page>,
) -> Answer<Json<Vec<view::Backup>>> {
    let element = page.element.as_deref().map(Element::parse).transpose()?;
    let state = page.state.as_deref().map(BackupState::parse).transpose()?;
    let after = page.after.map(BackupId);
    let mut log = backups::log(&app, &actor, &EnvironmentId(id), after.as_ref(), page.limit.unwrap_or(100)).await?;
    log.retain(|b| state.is_none_or(|s| b.state == s) && element.is_none_or(|e| b.elements.iter().any(|x| x.element == e)));
    Ok(Json(log))
}

pub async fn create(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Key(key): Key,
    Body(new): Body<view::CreateBackup>,
) -> Answer<(StatusCode, Json<view::Backup>)> {
    let (backup, fresh) = backups::create(&app, &actor, &EnvironmentId(id), &new, key).await?;
    Ok((if fresh { StatusCode::CREATED } else { StatusCode::OK }, Json(backup)))
}

pub async fn find(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<view::Backup>> {
    Ok(Json(backups::find(&app, &actor, &BackupId(id)).await?))
}

pub async fn edit(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Body(edit): Body<backups::Edit>,
) -> Answer<Json<view::Backup>> {
    Ok(Json(backups::edit(&app, &actor, &BackupId(id), &edit).await?))
}

pub async fn verify(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<view::Job>> {
    Ok(Json(backups::verify(&app, &actor, &BackupId(id)).await?))
}
