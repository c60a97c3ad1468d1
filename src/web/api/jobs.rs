//! Jobs.

use crate::app::{App, jobs};
use crate::domain::ids::{EnvironmentId, JobId};
use crate::domain::view;
use crate::web::error::Answer;
use crate::web::extract::{Caller, Path, Query};
use axum::Json;
use axum::extract::State;

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct Filter {
    environment: Option<String>,
    state: Option<String>,
}

pub async fn list(State(app): State<App>, Caller(actor): Caller, Query(filter): Query<Filter>) -> Answer<Json<Vec<view::Job>>> {
    let environment = filter.environment.map(EnvironmentId);
    Ok(Json(jobs::list(&app, &actor, environment.as_ref(), filter.state.as_deref()).await?))
}

pub async fn find(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<view::Job>> {
    Ok(Json(jobs::find(&app, &actor, &JobId(id)).await?))
}

pub async fn cancel(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<view::Job>> {
    Ok(Json(jobs::cancel(&app, &actor, &JobId(id)).await?))
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct After {
    #[serde(default)]
    after: i64,
}

pub async fn log(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Query(query): Query<After>,
) -> Answer<Json<Vec<view::LogLine>>> {
    Ok(Json(jobs::log(&app, &actor, &JobId(id), query.after).await?))
}
