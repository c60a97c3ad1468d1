//! Recovery keys: shown to be had. No token is told one.

use crate::app::{App, recovery};
use crate::domain::ids::SiteId;
use crate::domain::view;
use crate::web::error::Answer;
use crate::web::extract::{Body, Caller, Path};
use axum::Json;
use axum::extract::State;

pub async fn confirm(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Body(typed): Body<view::ConfirmKey>,
) -> Answer<Json<view::KeyConfirmed>> {
    Ok(Json(recovery::confirm(&app, &actor, &SiteId(id), &typed.key).await?))
}
