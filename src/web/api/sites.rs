//! Sites and environments.

use crate::app::{App, environments, sites};
use crate::domain::ids::EnvironmentId;
use crate::domain::view;
use crate::web::error::Answer;
use crate::web::extract::{Body, Caller, Path, Query};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

pub async fn list(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<Vec<view::Site>>> {
    Ok(Json(sites::list(&app, &actor).await?))
}

pub async fn add(State(app): State<App>, Caller(actor): Caller, Body(new): Body<view::AddSite>) -> Answer<(StatusCode, Json<view::Added>)> {
    let added = sites::add(&app, &actor, new).await?;
    let status = if added.environment.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(added)))
}

/// What would be found and added; nothing is.
pub async fn detect(State(app): State<App>, Caller(actor): Caller, Body(new): Body<view::AddSite>) -> Answer<Json<view::Added>> {
    let asked = view::AddSite { detect: true, dry_run: true, ..new };
    Ok(Json(sites::add(&app, &actor, asked).await?))
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct Named {
    named: String,
}

pub async fn environment_named(
    State(app): State<App>,
    Caller(actor): Caller,
    Query(query): Query<Named>,
) -> Answer<Json<view::Environment>> {
    Ok(Json(environments::named(&app, &actor, &query.named).await?))
}

pub async fn environment(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<view::Environment>> {
    Ok(Json(environments::find(&app, &actor, &EnvironmentId(id)).await?))
}
