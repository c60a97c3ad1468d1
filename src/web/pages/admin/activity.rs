//! The activity log of the installation, as a page and as a table to take away.

use super::Administrator;
use crate::app::{App, activity};
use crate::domain::page::ActivityQuery;
use crate::ui::admin::activity as ui;
use crate::web::page_error::Page;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

pub async fn page(State(app): State<App>, reader: Administrator, Query(asked): Query<ActivityQuery>) -> Page {
    let page = activity::page(&app, &reader.actor, asked, reader.zone).await?;
    Ok(Html(ui::page(reader.shell("Activity"), page)))
}

pub async fn table(State(app): State<App>, reader: Administrator, Query(asked): Query<ActivityQuery>) -> Page<Response> {
    let text = activity::table(&app, &reader.actor, &asked, reader.zone).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"sitekeep-activity.csv\""),
    ];
    Ok((headers, text).into_response())
}
