//! Drills: run now, and the page with the evidence.

use crate::app::{App, drills, environments};
use crate::base::error::Error;
use crate::domain::ids::{DrillId, EnvironmentId};
use crate::domain::{paths, view};
use crate::ui;
use crate::web::page_error::Page;
use crate::web::reader::Reader;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::Form;

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    /// The newest good one where it is not given.
    backup: String,
}

pub async fn run(State(app): State<App>, reader: Reader, Path(id): Path<String>, Form(asked): Form<Asked>) -> Page<Redirect> {
    let new = view::RunDrill { backup: Some(asked.backup).filter(|b| !b.is_empty()) };
    match drills::create(&app, &reader.actor, &EnvironmentId(id.clone()), &new, None).await {
        Ok((drill, fresh)) => {
            reader
                .tell(if fresh { "The drill is queued." } else { "A drill of this environment is under way already; this is it." })
                .await?;
            Ok(Redirect::to(&paths::drill(&drill.id)))
        }
        Err(e) => {
            reader.settle("", Err(e)).await?;
            Ok(Redirect::to(&paths::environment(&id)))
        }
    }
}

pub async fn page(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page {
    let drill = drills::find(&app, &reader.actor, &DrillId(id)).await?;
    let environment = EnvironmentId(drill.environment_id.clone());
    let overview = environments::overview(&app, &reader.actor, &environment, reader.zone).await?;
    let (job, log) = super::backups::job_with_log(&app, &reader, drill.job.as_deref()).await?;
    let shell = super::environments::shell(&reader, &overview, format!("Drill of {}", overview.card.title()));
    Ok(Html(ui::drills::page(shell, ui::drills::Page { drill, rights: overview.rights, job, log })))
}

/// Everything that the drill compared, to be kept.
pub async fn evidence(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page<Response> {
    let drill = drills::find(&app, &reader.actor, &DrillId(id)).await?;
    let text = serde_json::to_string_pretty(&drill).map_err(|e| Error::internal(e.to_string()))?;
    let named = format!("attachment; filename=\"{}_{}_{}.json\"", drill.site, drill.environment, drill.id);
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_DISPOSITION, named)];
    Ok((headers, text).into_response())
}
