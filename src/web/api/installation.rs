//! The installation: who one is, tenants, accounts, tokens, servers.

use crate::app::accounts::{self, CreateAccount, CreateToken};
use crate::app::{App, plans, servers, tenants};
use crate::domain::ids::{AccountId, ServerId, TenantId};
use crate::domain::view;
use crate::web::error::Answer;
use crate::web::extract::{Body, Caller, Path};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

pub async fn whoami(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<view::Whoami>> {
    Ok(Json(accounts::whoami(&app, &actor).await?))
}

pub async fn tenants(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<Vec<view::Tenant>>> {
    Ok(Json(tenants::list(&app, &actor).await?))
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct CreateTenant {
    name: String,
}

pub async fn create_tenant(
    State(app): State<App>,
    Caller(actor): Caller,
    Body(new): Body<CreateTenant>,
) -> Answer<(StatusCode, Json<view::Tenant>)> {
    Ok((StatusCode::CREATED, Json(tenants::create(&app, &actor, &new.name).await?)))
}

pub async fn plan(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<view::TenantPlan>> {
    Ok(Json(plans::find(&app, &actor, &TenantId(id)).await?))
}

pub async fn set_plan(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Body(asked): Body<view::TenantPlan>,
) -> Answer<Json<view::TenantPlan>> {
    let id = TenantId(id);
    let view::TenantPlan { plan: name, bytes, backups, jobs_at_once: jobs, schedules } = asked;
    plans::set(&app, &actor, &id, &plans::Plan { name, bytes, backups, jobs, schedules }).await?;
    Ok(Json(plans::find(&app, &actor, &id).await?))
}

#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub struct CreatedAccount {
    id: AccountId,
    email: String,
}

pub async fn create_account(
    State(app): State<App>,
    Caller(actor): Caller,
    Body(new): Body<CreateAccount>,
) -> Answer<(StatusCode, Json<CreatedAccount>)> {
    let id = accounts::create(&app, &actor, &new).await?;
    Ok((StatusCode::CREATED, Json(CreatedAccount { id, email: new.email })))
}

#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub struct CreatedToken {
    /// Told this once.
    token: String,
}

pub async fn create_token(
    State(app): State<App>,
    Caller(actor): Caller,
    Body(new): Body<CreateToken>,
) -> Answer<(StatusCode, Json<CreatedToken>)> {
    let secret = accounts::create_token(&app, &actor, &new).await?;
    Ok((StatusCode::CREATED, Json(CreatedToken { token: secret.expose().to_owned() })))
}

pub async fn servers(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<Vec<view::Server>>> {
    Ok(Json(servers::list(&app, &actor).await?))
}

pub async fn add_server(
    State(app): State<App>,
    Caller(actor): Caller,
    Body(new): Body<view::AddServer>,
) -> Answer<(StatusCode, Json<view::Server>)> {
    Ok((StatusCode::CREATED, Json(servers::add(&app, &actor, new).await?)))
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeServer {
    for_drills: bool,
}

pub async fn change_server(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Body(change): Body<ChangeServer>,
) -> Answer<Json<view::Server>> {
    Ok(Json(servers::set_for_drills(&app, &actor, &ServerId(id), change.for_drills).await?))
}
