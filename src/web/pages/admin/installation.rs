//! The installation itself: its queue, its store, how it is configured, and tests of its parts.

use super::{Administrator, wrong};
use crate::app::{App, installation, letters, schedules, stores};
use crate::base::error::Result;
use crate::ui::admin::{queue as queue_ui, settings as settings_ui, stores as stores_ui};
use crate::web::page_error::Page;
use crate::web::pages::jobs::Asked;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::Form;

pub async fn queue(State(app): State<App>, reader: Administrator, Query(asked): Query<Asked>) -> Page {
    let queue = installation::queue(&app, &reader.actor, &asked.state, &asked.after).await?;
    Ok(Html(queue_ui::page(reader.shell("Queue"), queue)))
}

pub async fn stores(State(app): State<App>, reader: Administrator) -> Page {
    let store = stores::overview(&app, &reader.actor).await?;
    Ok(Html(stores_ui::page(reader.shell("Stores"), store)))
}

pub async fn test_store(State(app): State<App>, reader: Administrator) -> Page<Redirect> {
    let tried = stores::test(&app, &reader.actor).await;
    tell(&reader, tried, |took| format!("The store works: a small object was written, read back and removed in {took} ms.")).await?;
    Ok(Redirect::to("/admin/stores"))
}

/// What a test said, on the next page.
async fn tell<T>(reader: &Administrator, tried: Result<T>, sentence: impl Fn(T) -> String) -> Result<()> {
    match tried {
        Ok(said) => reader.tell(sentence(said)).await,
        Err(e) => reader.settle("", Err(e)).await,
    }
}

pub async fn settings(State(app): State<App>, reader: Administrator) -> Page {
    let overview = installation::overview(&app, &reader.actor).await?;
    let own = reader.actor.email.clone();
    Ok(Html(settings_ui::page(reader.shell("Settings"), overview, own, None)))
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Why {
    reason: String,
}

pub async fn freeze(State(app): State<App>, reader: Administrator, Form(form): Form<Why>) -> Page<Redirect> {
    let frozen = schedules::freeze(&app, &reader.actor, &form.reason).await;
    reader.settle("All schedules rest. Backups by hand are made as ever.", frozen).await?;
    Ok(Redirect::to("/admin/settings"))
}

pub async fn thaw(State(app): State<App>, reader: Administrator) -> Page<Redirect> {
    let thawed = schedules::thaw(&app, &reader.actor).await;
    reader.settle("Schedules run again. What they skipped is not made up for.", thawed).await?;
    Ok(Redirect::to("/admin/settings"))
}

pub async fn test_database(State(app): State<App>, reader: Administrator) -> Page<Redirect> {
    let tried = installation::test_database(&app, &reader.actor).await;
    tell(&reader, tried, |took| format!("The database answers within {took} ms, and its schema is up to date.")).await?;
    Ok(Redirect::to("/admin/settings"))
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct To {
    to: String,
}

pub async fn test_letter(State(app): State<App>, reader: Administrator, Form(form): Form<To>) -> Page<Response> {
    match letters::test(&app, &reader.actor, form.to.trim()).await {
        Ok(said) => {
            reader.tell(format!("The mail server took the letter to {}: {said}", form.to.trim())).await?;
            Ok(Redirect::to("/admin/settings").into_response())
        }
        Err(e) => {
            let (status, problem) = wrong(&e);
            let overview = installation::overview(&app, &reader.actor).await?;
            Ok((status, Html(settings_ui::page(reader.shell("Settings"), overview, form.to, problem))).into_response())
        }
    }
}
