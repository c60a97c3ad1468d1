//! An environment with its log, and the form that creates a backup.

use crate::app::{App, backups, environments};
use crate::domain::ids::EnvironmentId;
use crate::domain::page::{LogQuery, Overview};
use crate::domain::{paths, view};
use crate::ui;
use crate::ui::create::Typed;
use crate::web::error::sentence_of;
use crate::web::page_error::Page;
use crate::web::reader::Reader;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::Form;

pub async fn page(State(app): State<App>, reader: Reader, Path(id): Path<String>, Query(asked): Query<LogQuery>) -> Page {
    let id = EnvironmentId(id);
    let page = environments::page(&app, &reader.actor, &id, asked, reader.here_and_now()).await?;
    let shell = shell(&reader, &page.overview, page.overview.card.title());
    Ok(Html(ui::environments::page(shell, page)))
}

/// The shell of a page about an environment: it says when an administrator acts in somebody's tenant.
pub(super) fn shell(reader: &Reader, overview: &Overview, title: String) -> ui::Shell {
    reader.shell(title).acting(overview.as_administrator.then_some(overview.card.tenant.as_str()))
}

pub async fn create_form(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page {
    let id = EnvironmentId(id);
    backups::may_create(&app, &reader.actor, &id).await?;
    let overview = environments::overview(&app, &reader.actor, &id, reader.zone).await?;
    let shell = shell(&reader, &overview, format!("Create a backup of {}", overview.card.title()));
    Ok(Html(ui::create::page(shell, overview, Typed::default())))
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Create {
    element: Vec<String>,
    note: String,
    keep: String,
    days: String,
    key: String,
}

pub async fn create(State(app): State<App>, reader: Reader, Path(id): Path<String>, Form(form): Form<Create>) -> Page<Response> {
    let id = EnvironmentId(id);
    match ask(&app, &reader, &id, &form).await {
        Ok((backup, fresh)) => {
            let sentence = if fresh { "The backup is queued" } else { "A backup of this environment is under way already; this is it" };
            reader.tell(format!("{sentence}.")).await?;
            Ok(Redirect::to(&paths::backup(&backup.id)).into_response())
        }
        // What was typed is shown again with what is wrong about it.
        Err(e) => {
            let overview = environments::overview(&app, &reader.actor, &id, reader.zone).await?;
            let status = crate::web::error::status(e.class());
            let (sentence, hint, _) = sentence_of(&e);
            let typed = Typed {
                elements: form.element,
                note: form.note,
                keep: form.keep,
                days: form.days,
                problem: Some((ui::errors::capital(&sentence), hint)),
            };
            let shell = shell(&reader, &overview, format!("Create a backup of {}", overview.card.title()));
            let status = if status == StatusCode::NOT_FOUND { return Err(e.into()) } else { status };
            Ok((status, Html(ui::create::page(shell, overview, typed))).into_response())
        }
    }
}

async fn ask(app: &App, reader: &Reader, id: &EnvironmentId, form: &Create) -> crate::base::error::Result<(view::Backup, bool)> {
    if form.element.is_empty() {
        return Err(crate::base::error::Error::invalid("nothing was chosen to be backed up").hint("choose at least one element"));
    }
    let new = view::CreateBackup {
        element: Some(form.element.join(",")),
        note: Some(form.note.clone()),
        keep_for: keep_for(&form.keep, &form.days)?,
    };
    let key = Some(form.key.clone()).filter(|k| !k.is_empty() && k.len() <= 200);
    backups::create(app, &reader.actor, id, &new, key).await
}

/// Days to keep it; 0 is for ever, nothing is by the policy.
fn keep_for(keep: &str, days: &str) -> crate::base::error::Result<Option<u32>> {
    let number = match keep {
        "" | "policy" => return Ok(None),
        "days" => days.trim(),
        fixed => fixed,
    };
    let days = number.parse::<u32>().ok().filter(|n| *n <= 36_500 && (keep != "days" || *n > 0));
    days.map(Some).ok_or_else(|| {
        crate::base::error::Error::invalid(format!("{number:?} is not a number of days")).hint("write a number from 1 to 36500")
    })
}
