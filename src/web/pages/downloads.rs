//! Prepared downloads: asked for, removed, linked to. They stand on the page of their backup.

use super::backups::{done, show_link};
use crate::app::{App, downloads, downloads::Life};
use crate::base::error::{Error, Result};
use crate::domain::downloads::{Form as Packing, PrepareDownload};
use crate::domain::element::Element;
use crate::domain::ids::{ArchiveId, BackupId, DownloadId};
use crate::web::page_error::Page;
use crate::web::reader::Reader;
use axum::extract::{Path, State};
use axum::response::Redirect;
use axum_extra::extract::Form;

/// What was typed.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Typed {
    element: Vec<String>,
    form: String,
    database: String,
    hours: String,
    uses: String,
    key: String,
}

impl Typed {
    fn wish(&self) -> Result<PrepareDownload> {
        if self.element.is_empty() {
            return Err(Error::invalid("nothing was chosen").hint("choose what is to be prepared"));
        }
        Ok(PrepareDownload {
            elements: self.element.iter().map(|e| Element::parse(e)).collect::<Result<_>>()?,
            form: packing(&self.form)?,
            database: packing(&self.database)?,
            hours: number(&self.hours, "of hours")?,
            uses: number(&self.uses, "of uses")?,
        })
    }
}

/// A form that may be left out.
fn packing(word: &str) -> Result<Option<Packing>> {
    Some(word).filter(|f| !f.is_empty()).map(Packing::parse).transpose()
}

/// A number that may be left out.
fn number(text: &str, of: &str) -> Result<Option<u32>> {
    let text = text.trim();
    let wrong = |_| Error::invalid(format!("`{text}` is no number {of}")).hint("write digits, or leave it empty");
    Some(text).filter(|t| !t.is_empty()).map(|t| t.parse().map_err(wrong)).transpose()
}

pub async fn prepare(State(app): State<App>, reader: Reader, Path(id): Path<String>, Form(typed): Form<Typed>) -> Page<Redirect> {
    let key = Some(typed.key.clone()).filter(|k| !k.is_empty() && k.len() <= 200);
    let asked = match typed.wish() {
        Ok(wish) => downloads::prepare(&app, &reader.actor, &BackupId(id.clone()), &wish, key).await.map(drop),
        // Whoever may not ask is told that first.
        Err(e) => downloads::list_prepared(&app, &reader.actor, &BackupId(id.clone())).await.and(Err(e)),
    };
    done(&reader, &id, "The download is being prepared. This page shows it when it is ready.", asked).await
}

pub async fn remove(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page<Redirect> {
    let id = DownloadId(id);
    let download = downloads::find_prepared(&app, &reader.actor, &id).await?;
    let removed = downloads::remove(&app, &reader.actor, &id).await.map(drop);
    done(&reader, &download.backup, "The prepared download is removed; links to it open no more.", removed).await
}

pub async fn link(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page<Redirect> {
    let link = downloads::link_to(&app, &reader.actor, &ArchiveId(id), Life::default()).await?;
    show_link(&reader, &link.backup.clone(), Ok(link)).await
}
