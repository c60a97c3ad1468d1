//! Schedules: of an environment, of a tenant; a backup now.

use super::environments::shell;
use crate::app::{App, environments, schedules};
use crate::base::error::{Class, Result};
use crate::domain::ids::{EnvironmentId, TenantId};
use crate::domain::paths;
use crate::domain::schedule::Schedule;
use crate::ui::schedules as ui;
use crate::web::error::status;
use crate::web::page_error::Page;
use crate::web::reader::{Reader, problem_of};
use axum::extract::{Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::Form;

/// What is chosen; the same in a question that only tries it.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Chosen {
    enabled: String,
    cadence: String,
    weekday: String,
    hour: String,
    zone: String,
    preview: String,
}

impl Chosen {
    fn rule(&self) -> Result<Schedule> {
        Schedule::default().with(Some(self.enabled == "1"), &self.cadence, &self.weekday, &self.hour, &self.zone)
    }
    /// The rule that is only tried, and what was wrong about it.
    fn tried(&self) -> (Option<Schedule>, ui::Problem) {
        if self.preview.is_empty() {
            return (None, None);
        }
        match self.rule() {
            Ok(rule) => (Some(rule), None),
            Err(e) => (None, problem_of(&e)),
        }
    }
}

pub async fn page(State(app): State<App>, reader: Reader, Path(id): Path<String>, Query(asked): Query<Chosen>) -> Page {
    let (tried, wrong) = asked.tried();
    show(&app, &reader, &EnvironmentId(id), tried, wrong).await
}

async fn show(app: &App, reader: &Reader, id: &EnvironmentId, tried: Option<Schedule>, wrong: ui::Problem) -> Page {
    let overview = environments::overview(app, &reader.actor, id, reader.zone).await?;
    let schedule = schedules::page(app, &reader.actor, id, tried).await?;
    let shell = shell(reader, &overview, format!("Schedule of {}", overview.card.title()));
    Ok(Html(ui::page(shell, overview, schedule, wrong)))
}

pub async fn save(State(app): State<App>, reader: Reader, Path(id): Path<String>, Form(form): Form<Chosen>) -> Page<Response> {
    let id = EnvironmentId(id);
    let saved = match form.rule() {
        Ok(rule) => schedules::set(&app, &reader.actor, &id, Some(rule)).await,
        Err(e) => Err(e),
    };
    match saved {
        Ok(schedule) => {
            reader.tell(format!("The schedule is saved: backups are made {}.", schedule.words)).await?;
            Ok(Redirect::to(&paths::schedule(id.as_str())).into_response())
        }
        Err(e) if matches!(e.class(), Class::Invalid | Class::Conflict) => {
            let page = show(&app, &reader, &id, form.rule().ok(), problem_of(&e)).await?;
            Ok((status(e.class()), page).into_response())
        }
        Err(e) => Err(e.into()),
    }
}

pub async fn follow(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page<Redirect> {
    let id = EnvironmentId(id);
    let followed = schedules::set(&app, &reader.actor, &id, None).await.map(drop);
    reader.settle("The schedule of the tenant counts from now on.", followed).await?;
    Ok(Redirect::to(&paths::schedule(id.as_str())))
}

pub async fn run(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page<Redirect> {
    let (backup, fresh) = schedules::run_now(&app, &reader.actor, &EnvironmentId(id), None).await?;
    reader.tell(if fresh { "The backup is queued." } else { "A backup of this environment is under way already; this is it." }).await?;
    Ok(Redirect::to(&paths::backup(&backup.id)))
}

pub async fn of_tenant(State(app): State<App>, reader: Reader, Path(id): Path<String>, Query(asked): Query<Chosen>) -> Page {
    let (tried, wrong) = asked.tried();
    show_tenant(&app, &reader, &TenantId(id), tried, wrong).await
}

async fn show_tenant(app: &App, reader: &Reader, id: &TenantId, tried: Option<Schedule>, wrong: ui::Problem) -> Page {
    let found = schedules::of_tenant(app, &reader.actor, id).await?;
    let shown = tried.unwrap_or(found.rule);
    let shell = reader.shell(format!("Schedule of {}", found.name));
    Ok(Html(ui::tenant(shell, found, shown, wrong)))
}

pub async fn save_of_tenant(State(app): State<App>, reader: Reader, Path(id): Path<String>, Form(form): Form<Chosen>) -> Page<Response> {
    let id = TenantId(id);
    let saved = match form.rule() {
        Ok(rule) => schedules::set_of_tenant(&app, &reader.actor, &id, Some(rule)).await.map(|()| rule),
        Err(e) => Err(e),
    };
    match saved {
        Ok(rule) => {
            reader.tell(format!("The schedule is saved: backups are made {}.", rule.words_for_many())).await?;
            Ok(Redirect::to(&paths::tenant_schedule(id.as_str())).into_response())
        }
        Err(e) if matches!(e.class(), Class::Invalid | Class::Conflict) => {
            let page = show_tenant(&app, &reader, &id, form.rule().ok(), problem_of(&e)).await?;
            Ok((status(e.class()), page).into_response())
        }
        Err(e) => Err(e.into()),
    }
}
