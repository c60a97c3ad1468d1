//! The first page: the sites of a reader.

use crate::app::{App, fleet};
use crate::domain::page::FleetQuery;
use crate::ui;
use crate::web::page_error::Page;
use crate::web::reader::Reader;
use axum::extract::{Query, State};
use axum::response::Html;

pub async fn page(State(app): State<App>, reader: Reader, Query(asked): Query<FleetQuery>) -> Page {
    let fleet = fleet::page(&app, &reader.actor, asked).await?;
    let moving = fleet.sites.iter().flat_map(|s| &s.environments).any(|e| e.running.is_some());
    Ok(Html(ui::fleet::page(reader.shell("Sites").live("jobs".into(), moving), fleet)))
}
