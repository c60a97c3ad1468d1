//! Restores and undo.

use crate::app::{App, restores};
use crate::domain::ids::{EnvironmentId, RestoreId};
use crate::domain::view;
use crate::web::error::Answer;
use crate::web::extract::{Body, Caller, Key, Path};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

pub async fn log(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<Vec<view::Restore>>> {
    Ok(Json(restores::log(&app, &actor, &EnvironmentId(id)).await?))
}

pub async fn create(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Key(key): Key,
    Body(new): Body<view::CreateRestore>,
) -> Answer<(StatusCode, Json<view::RestoreAnswer>)> {
    let answer = restores::create(&app, &actor, &EnvironmentId(id), &new, key).await?;
    let status = if answer.restore.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(answer)))
}

pub async fn find(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<view::Restore>> {
    Ok(Json(restores::find(&app, &actor, &RestoreId(id)).await?))
}

pub async fn undo(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Key(key): Key,
) -> Answer<(StatusCode, Json<view::Restore>)> {
    Ok((StatusCode::CREATED, Json(restores::undo(&app, &actor, &RestoreId(id), key).await?)))
}
