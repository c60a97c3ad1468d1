//! Jobs: the list, one with its log, cancel, try again.

use crate::app::{App, jobs};
use crate::domain::ids::JobId;
use crate::domain::paths;
use crate::domain::rights::Right;
use crate::ui;
use crate::web::page_error::Page;
use crate::web::reader::Reader;
use axum::extract::{Path, Query, State};
use axum::response::{Html, Redirect};

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    pub state: String,
    pub after: String,
}

pub async fn list(State(app): State<App>, reader: Reader, Query(asked): Query<Asked>) -> Page {
    let (rows, older) = jobs::page(&app, &reader.actor, &asked.state, &asked.after).await?;
    Ok(Html(ui::jobs::list(reader.shell("Jobs"), "Jobs", rows, older, asked.state)))
}

pub async fn page(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page {
    let id = JobId(id);
    let (job, rights) = jobs::row(&app, &reader.actor, &id).await?;
    let log = jobs::log(&app, &reader.actor, &id, 0).await?;
    let may_cancel = rights.may(jobs::right_to_cancel(&job.kind)) && job.kind != "drop_aside";
    let may_retry = job.kind == "create_backup" && job.state != "succeeded" && rights.may(Right::Create);
    Ok(Html(ui::jobs::page(reader.shell("Job"), job, log, may_cancel, may_retry)))
}

pub async fn cancel(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page<Redirect> {
    let asked = jobs::cancel(&app, &reader.actor, &JobId(id.clone())).await.map(drop);
    reader.settle("It was asked to end.", asked).await?;
    Ok(Redirect::to(&paths::job(&id)))
}

pub async fn retry(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page<Redirect> {
    match jobs::retry(&app, &reader.actor, &JobId(id.clone())).await {
        Ok(backup) => {
            reader.tell("A new backup like it is queued.").await?;
            Ok(Redirect::to(&paths::backup(&backup)))
        }
        Err(e) => {
            reader.settle("", Err(e)).await?;
            Ok(Redirect::to(&paths::job(&id)))
        }
    }
}
