//! Drills.

use crate::app::{App, drills};
use crate::domain::ids::{DrillId, EnvironmentId};
use crate::domain::view;
use crate::web::error::Answer;
use crate::web::extract::{Body, Caller, Key, Path};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

pub async fn log(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<Vec<view::Drill>>> {
    Ok(Json(drills::log(&app, &actor, &EnvironmentId(id)).await?))
}

pub async fn create(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Key(key): Key,
    Body(new): Body<view::RunDrill>,
) -> Answer<(StatusCode, Json<view::Drill>)> {
    let (drill, fresh) = drills::create(&app, &actor, &EnvironmentId(id), &new, key).await?;
    Ok((if fresh { StatusCode::CREATED } else { StatusCode::OK }, Json(drill)))
}

pub async fn find(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<view::Drill>> {
    Ok(Json(drills::find(&app, &actor, &DrillId(id)).await?))
}
