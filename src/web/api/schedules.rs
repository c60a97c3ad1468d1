//! Schedules, their slots, and the switch that lets all of them rest.

use crate::app::{App, schedules};
use crate::base::error::Result;
use crate::domain::ids::{EnvironmentId, TenantId};
use crate::domain::schedule::Schedule;
use crate::domain::view::{self, ChangeSchedule};
use crate::web::error::Answer;
use crate::web::extract::{Body, Caller, Key, Path};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

pub async fn list(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<Vec<view::Schedule>>> {
    Ok(Json(schedules::list(&app, &actor).await?))
}

pub async fn find(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<view::Schedule>> {
    Ok(Json(schedules::find(&app, &actor, &EnvironmentId(id)).await?))
}

pub async fn change(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Body(new): Body<ChangeSchedule>,
) -> Answer<Json<view::Schedule>> {
    let id = EnvironmentId(id);
    let before = schedules::find(&app, &actor, &id).await?.rule;
    Ok(Json(schedules::set(&app, &actor, &id, changed(before, &new)?).await?))
}

/// `None`: no rule of its own.
fn changed(before: Schedule, new: &ChangeSchedule) -> Result<Option<Schedule>> {
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let rule = before.with(new.enabled, &text(&new.cadence), &text(&new.weekday), &text(&new.hour), &text(&new.zone))?;
    Ok((!new.follow).then_some(rule))
}

pub async fn run(State(app): State<App>, Caller(actor): Caller, Path(id): Path, Key(key): Key) -> Answer<(StatusCode, Json<view::Backup>)> {
    let (backup, fresh) = schedules::run_now(&app, &actor, &EnvironmentId(id), key).await?;
    Ok((if fresh { StatusCode::CREATED } else { StatusCode::OK }, Json(backup)))
}

pub async fn slots(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<Vec<view::Slot>>> {
    Ok(Json(schedules::slots(&app, &actor, &EnvironmentId(id)).await?))
}

pub async fn of_tenant(State(app): State<App>, Caller(actor): Caller, Path(id): Path) -> Answer<Json<view::TenantSchedule>> {
    let found = schedules::of_tenant(&app, &actor, &TenantId(id)).await?;
    Ok(Json(view::TenantSchedule {
        tenant: found.name,
        words: found.rule.words_for_many(),
        rule: found.rule,
        follow: found.follow,
        own_rules: found.own_rules,
        allowed: found.allowed,
    }))
}

pub async fn change_of_tenant(
    State(app): State<App>,
    Caller(actor): Caller,
    Path(id): Path,
    Body(new): Body<ChangeSchedule>,
) -> Answer<Json<view::TenantSchedule>> {
    let tenant = TenantId(id.clone());
    let before = schedules::of_tenant(&app, &actor, &tenant).await?.rule;
    schedules::set_of_tenant(&app, &actor, &tenant, changed(before, &new)?).await?;
    of_tenant(State(app), Caller(actor), Path(id)).await
}

/// Null while schedules run.
pub async fn frozen(State(app): State<App>, Caller(_): Caller) -> Answer<Json<Option<view::Freeze>>> {
    Ok(Json(schedules::frozen(&app).await?))
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct Reason {
    reason: String,
}

pub async fn freeze(State(app): State<App>, Caller(actor): Caller, Body(new): Body<Reason>) -> Answer<Json<Option<view::Freeze>>> {
    schedules::freeze(&app, &actor, &new.reason).await?;
    Ok(Json(schedules::frozen(&app).await?))
}

pub async fn thaw(State(app): State<App>, Caller(actor): Caller) -> Answer<Json<Option<view::Freeze>>> {
    schedules::thaw(&app, &actor).await?;
    Ok(Json(schedules::frozen(&app).await?))
}
