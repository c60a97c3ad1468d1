//! Server accounts: added, tested, changed, removed.

use super::{Administrator, given, port, wrong};
use crate::app::{App, access, servers};
use crate::base::error::Result;
use crate::base::secret::Secret;
use crate::domain::ids::ServerId;
use crate::domain::page::ServerRow;
use crate::domain::view::AddServer;
use crate::ui::admin::servers as ui;
use crate::ui::admin::servers::Typed;
use crate::web::page_error::Page;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::Form;

pub async fn list(State(app): State<App>, reader: Administrator) -> Page {
    let rows = servers::overview(&app, &reader.actor).await?;
    Ok(Html(ui::list(reader.shell("Servers"), rows, Typed::default(), None)))
}

pub async fn add(State(app): State<App>, reader: Administrator, Form(form): Form<Typed>) -> Page<Response> {
    match try_add(&app, &reader, &form).await {
        Ok(name) => {
            reader.tell(format!("The server account {name} answers, and is kept.")).await?;
            Ok(Redirect::to("/admin/servers").into_response())
        }
        Err(e) => {
            let (status, problem) = wrong(&e);
            let rows = servers::overview(&app, &reader.actor).await?;
            Ok((status, Html(ui::list(reader.shell("Servers"), rows, form, problem))).into_response())
        }
    }
}

async fn try_add(app: &App, reader: &Administrator, form: &Typed) -> Result<String> {
    let new = AddServer {
        name: form.name.trim().to_owned(),
        engine: form.engine.clone(),
        host: given(&form.host),
        port: port(&form.port)?,
        socket: given(&form.socket),
        user: form.user.trim().to_owned(),
        password: form.password.clone(),
        for_drills: form.for_drills == "yes",
    };
    Ok(servers::add(app, &reader.actor, new).await?.name)
}

async fn row(app: &App, reader: &Administrator, id: &str) -> Result<ServerRow> {
    let rows = servers::overview(app, &reader.actor).await?;
    rows.into_iter().find(|r| r.server.id == id).ok_or_else(|| access::hidden("server"))
}

pub async fn form(State(app): State<App>, reader: Administrator, Path(id): Path<String>) -> Page {
    let row = row(&app, &reader, &id).await?;
    let name = row.server.name.clone();
    let drills = row.server.for_drills;
    Ok(Html(ui::change(reader.shell(format!("Change {name}")), row, name, drills, None)))
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Change {
    name: String,
    password: String,
    for_drills: String,
}

pub async fn change(State(app): State<App>, reader: Administrator, Path(id): Path<String>, Form(form): Form<Change>) -> Page<Response> {
    let row = row(&app, &reader, &id).await?;
    let password = Some(form.password).filter(|p| !p.is_empty()).map(Secret::new);
    let drills = form.for_drills == "yes";
    match servers::change(&app, &reader.actor, &ServerId(id), form.name.trim(), password, drills).await {
        Ok(()) => {
            reader.tell("The server account is changed.").await?;
            Ok(Redirect::to("/admin/servers").into_response())
        }
        Err(e) => {
            let (status, problem) = wrong(&e);
            let title = format!("Change {}", row.server.name);
            Ok((status, Html(ui::change(reader.shell(title), row, form.name, drills, problem))).into_response())
        }
    }
}

pub async fn test(State(app): State<App>, reader: Administrator, Path(id): Path<String>) -> Page<Redirect> {
    let (sentence, done) = match servers::test(&app, &reader.actor, &ServerId(id)).await {
        Ok(said) => (format!("{said}."), Ok(())),
        Err(e) => (String::new(), Err(e)),
    };
    reader.settle(&sentence, done).await?;
    Ok(Redirect::to("/admin/servers"))
}

pub async fn remove(State(app): State<App>, reader: Administrator, Path(id): Path<String>) -> Page<Redirect> {
    let done = servers::remove(&app, &reader.actor, &ServerId(id)).await;
    reader.settle("The server account is removed from Sitekeep; on the server it is still there.", done).await?;
    Ok(Redirect::to("/admin/servers"))
}
