//! Alarms, and who is told of them.

use crate::app::{App, alarms, recipients, webhooks};
use crate::domain::alarm::Alarm;
use crate::domain::ids::{SiteId, TenantId, WebhookId};
use crate::domain::webhook::{AddWebhook, AddedWebhook, Recipients, SetRecipients, Webhook};
use crate::web::error::Answer;
use crate::web::extract::{Body, Caller, Path};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

pub async fn list(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<Vec<Alarm>>> {
    Ok(Json(alarms::list(&app, &actor, &TenantId(id)).await?))
}

pub async fn recipients(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<Vec<Recipients>>> {
    Ok(Json(recipients::list(&app, &actor, &TenantId(id)).await?))
}

pub async fn set_recipients(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Body(new): Body<SetRecipients>,
) -> Answer<Json<Vec<Recipients>>> {
    let id = TenantId(id);
    recipients::set(&app, &actor, &id, &SiteId(new.site), &new.emails).await?;
    Ok(Json(recipients::list(&app, &actor, &id).await?))
}

pub async fn webhooks(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<Vec<Webhook>>> {
    Ok(Json(webhooks::list(&app, &actor, &TenantId(id)).await?))
}

pub async fn add_webhook(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Body(new): Body<AddWebhook>,
) -> Answer<(StatusCode, Json<AddedWebhook>)> {
    Ok((StatusCode::CREATED, Json(webhooks::add(&app, &actor, &TenantId(id), &new).await?)))
}

/// Nothing is left to tell.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub struct Removed {}

pub async fn remove_webhook(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<Removed>> {
    webhooks::remove(&app, &actor, &WebhookId(id)).await?;
    Ok(Json(Removed {}))
}

#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub struct Tested {
    said: String,
}

pub async fn test_webhook(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<Tested>> {
    let said = webhooks::test(&app, &actor, &WebhookId(id)).await?;
    Ok(Json(Tested { said }))
}
