//! What is kept: rules of environments and tenants, and the simulator.

use crate::app::{App, retention};
use crate::domain::ids::{EnvironmentId, TenantId};
use crate::domain::retention::Rules;
use crate::domain::view;
use crate::web::error::Answer;
use crate::web::extract::{Body, Caller, Path};
use axum::Json;
use axum::extract::State;

pub async fn info(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<view::Retention>> {
    Ok(Json(retention::info(&app, &actor, &EnvironmentId(id)).await?))
}

pub async fn info_of_tenant(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<view::Retention>> {
    Ok(Json(retention::info_of_tenant(&app, &actor, &TenantId(id)).await?))
}

/// Rules, or none: then it follows what stands above.
#[derive(Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Asked {
    rules: Option<Rules>,
}

impl Asked {
    fn change(self) -> retention::Change {
        self.rules.map_or(retention::Change::Follow, retention::Change::To)
    }
}

pub async fn set(State(app): State<App>, Caller(actor): Caller, Path(id): Path, Body(asked): Body<Asked>) -> Answer<Json<view::Retention>> {
    Ok(Json(retention::set(&app, &actor, &EnvironmentId(id), &asked.change()).await?))
}

pub async fn set_of_tenant(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Body(asked): Body<Asked>,
) -> Answer<Json<view::Retention>> {
    Ok(Json(retention::set_of_tenant(&app, &actor, &TenantId(id), &asked.change()).await?))
}

pub async fn simulate(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Body(asked): Body<Asked>,
) -> Answer<Json<view::Simulation>> {
    Ok(Json(retention::simulate(&app, &actor, &EnvironmentId(id), asked.rules.as_ref()).await?))
}

pub async fn simulate_tenant(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Body(asked): Body<Asked>,
) -> Answer<Json<view::TenantSimulation>> {
    Ok(Json(retention::simulate_tenant(&app, &actor, &TenantId(id), asked.rules.as_ref()).await?))
}
