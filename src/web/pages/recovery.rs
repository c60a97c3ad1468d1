//! A site's recovery key: downloaded as a file, and entered once.

use crate::app::{App, recovery};
use crate::base::error::{Class, Error};
use crate::base::secret::Secret;
use crate::domain::ids::SiteId;
use crate::domain::paths;
use crate::ui;
use crate::ui::recovery::Wrong;
use crate::web::error::status;
use crate::web::page_error::Page;
use crate::web::reader::{Reader, problem_of};
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::Form;

pub async fn page(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page {
    show(&app, &reader, &SiteId(id), Wrong::default()).await
}

async fn show(app: &App, reader: &Reader, id: &SiteId, wrong: Wrong) -> Page {
    let key = recovery::page(app, &reader.actor, id).await?;
    let shell = reader.shell(format!("Recovery key of {}", key.site)).acting(key.as_administrator.then_some(key.tenant.as_str()));
    Ok(Html(ui::recovery::page(shell, key, wrong)))
}

/// The page again with what is wrong, where another try may mend it; never with what was typed.
async fn again(app: &App, reader: &Reader, id: &SiteId, e: Error, wrong: Wrong) -> Page<Response> {
    match e.class() {
        Class::Invalid | Class::TooMany => Ok((status(e.class()), show(app, reader, id, wrong).await?).into_response()),
        _ => Err(e.into()),
    }
}

#[derive(Debug, serde::Deserialize)]
pub struct Present {
    #[serde(default = "nothing")]
    password: Secret,
}

/// A field that was not sent is an empty one.
fn nothing() -> Secret {
    Secret::new("")
}

/// The key as a file; like everything of ours it is for no cache.
pub async fn download(State(app): State<App>, reader: Reader, Path(id): Path<String>, Form(form): Form<Present>) -> Page<Response> {
    let id = SiteId(id);
    match recovery::download(&app, &reader.actor, &id, &form.password).await {
        Ok(file) => {
            let disposition = format!("attachment; filename=\"{}\"", file.name);
            let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, disposition)];
            Ok((headers, format!("{}\n", file.key.expose())).into_response())
        }
        Err(e) => {
            let wrong = Wrong { download: problem_of(&e), ..Wrong::default() };
            again(&app, &reader, &id, e, wrong).await
        }
    }
}

#[derive(Debug, serde::Deserialize)]
pub struct Typed {
    #[serde(default = "nothing")]
    key: Secret,
}

pub async fn confirm(State(app): State<App>, reader: Reader, Path(id): Path<String>, Form(form): Form<Typed>) -> Page<Response> {
    let id = SiteId(id);
    match recovery::confirm(&app, &reader.actor, &id, &form.key).await {
        Ok(confirmed) => {
            reader.tell(format!("The recovery key of {} is confirmed.", confirmed.site)).await?;
            Ok(Redirect::to(&format!("{}#main", paths::recovery_key(id.as_str()))).into_response())
        }
        Err(e) => {
            let wrong = Wrong { confirm: problem_of(&e), ..Wrong::default() };
            again(&app, &reader, &id, e, wrong).await
        }
    }
}
