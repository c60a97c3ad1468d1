//! One backup, and what is done with it.

use crate::app::{App, backups, downloads, downloads::Life, drills, environments, jobs};
use crate::base::error::Result;
use crate::domain::downloads::Download;
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, EnvironmentId, JobId, LinkId};
use crate::domain::links::DownloadLink;
use crate::domain::page::JobRow;
use crate::domain::paths;
use crate::domain::rights::Right;
use crate::ui;
use crate::web::page_error::Page;
use crate::web::reader::Reader;
use axum::extract::{Path, Query, State};
use axum::response::{Html, Redirect};
use axum_extra::extract::Form;

/// The link that was just made, when the page is shown for it; or a form that is to be open.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Shown {
    link: String,
    prepare: String,
}

pub async fn page(State(app): State<App>, reader: Reader, Path(id): Path<String>, Query(shown): Query<Shown>) -> Page {
    let (app, reader, id) = (&app, &reader, &BackupId(id));
    let backup = backups::find(app, &reader.actor, id).await?;
    let environment = EnvironmentId(backup.environment_id.clone());
    let overview = environments::overview(app, &reader.actor, &environment, reader.zone).await?;
    let (job, log) = job_with_log(app, reader, backup.job.as_deref()).await?;
    let links = match overview.rights.may(Right::Download) {
        true => downloads::list(app, &reader.actor, id).await?,
        false => Vec::new(),
    };
    let (prepared, as_dump) = match overview.rights.may(Right::Download) {
        true => (prepared(app, reader, id).await?, downloads::offers_dump(app, &reader.actor, id).await?),
        false => (Vec::new(), false),
    };
    let new_link = links.iter().find(|l| l.id == shown.link).cloned();
    let title = format!("Backup of {}", overview.card.title());
    let shell = super::environments::shell(reader, &overview, title);
    let badge = drills::badge_of_backup(app, &reader.actor, id).await?;
    let page = ui::backups::Page {
        backup,
        rights: overview.rights,
        badge,
        job,
        log,
        links,
        new_link,
        downloads: prepared,
        as_dump,
        preparing: !shown.prepare.is_empty(),
        letters: app.mailer.is_some(),
    };
    Ok(Html(ui::backups::page(shell, page)))
}

/// The prepared downloads of a backup, with the jobs of those that are on their way.
async fn prepared(app: &App, reader: &Reader, id: &BackupId) -> Result<Vec<(Download, Option<JobRow>)>> {
    let mut all = Vec::new();
    for download in downloads::list_prepared(app, &reader.actor, id).await? {
        let job = download.job.clone().filter(|_| download.state.is_moving()).map(JobId);
        let job = match job {
            Some(job) => jobs::row(app, &reader.actor, &job).await.ok().map(|(row, _)| row),
            None => None,
        };
        all.push((download, job));
    }
    Ok(all)
}

/// The job of a thing with its log; a job that is forgotten has neither.
pub(super) async fn job_with_log(
    app: &App,
    reader: &Reader,
    id: Option<&str>,
) -> Result<(Option<JobRow>, Vec<crate::domain::view::LogLine>)> {
    let Some(id) = id.map(|id| JobId(id.to_owned())) else { return Ok((None, Vec::new())) };
    match jobs::row(app, &reader.actor, &id).await {
        Ok((row, _)) => Ok((Some(row), jobs::log(app, &reader.actor, &id, 0).await?)),
        Err(_) => Ok((None, Vec::new())),
    }
}

#[derive(Debug, serde::Deserialize)]
pub struct Note {
    note: String,
}

pub async fn note(State(app): State<App>, reader: Reader, Path(id): Path<String>, Form(form): Form<Note>) -> Page<Redirect> {
    let edit = backups::Edit { note: Some(form.note), pinned: None };
    done(&reader, &id, "The note is saved.", backups::edit(&app, &reader.actor, &BackupId(id.clone()), &edit).await.map(drop)).await
}

pub async fn pin(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page<Redirect> {
    let edit = backups::Edit { note: None, pinned: Some(true) };
    done(
        &reader,
        &id,
        "The backup is pinned: it never expires.",
        backups::edit(&app, &reader.actor, &BackupId(id.clone()), &edit).await.map(drop),
    )
    .await
}

pub async fn unpin(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page<Redirect> {
    let edit = backups::Edit { note: None, pinned: Some(false) };
    done(
        &reader,
        &id,
        "The backup is not pinned any more.",
        backups::edit(&app, &reader.actor, &BackupId(id.clone()), &edit).await.map(drop),
    )
    .await
}

pub async fn verify(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page<Redirect> {
    match backups::verify(&app, &reader.actor, &BackupId(id.clone())).await {
        Ok(job) => {
            reader.tell("It is queued: everything in the backup is read back.").await?;
            Ok(Redirect::to(&paths::job(&job.id)))
        }
        Err(e) => done(&reader, &id, "", Err(e)).await,
    }
}

pub async fn delete(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page<Redirect> {
    let gone = backups::delete(&app, &reader.actor, &BackupId(id.clone())).await.map(drop);
    done(&reader, &id, "The backup is in the trash, and can be taken back.", gone).await
}

pub async fn take_back(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page<Redirect> {
    let back = backups::take_back(&app, &reader.actor, &BackupId(id.clone())).await.map(drop);
    done(&reader, &id, "The backup is back in the log.", back).await
}

#[derive(Debug, serde::Deserialize)]
pub struct Wanted {
    element: String,
}

/// `Get link`: the page that follows shows it.
pub async fn link(State(app): State<App>, reader: Reader, Path(id): Path<String>, Query(wanted): Query<Wanted>) -> Page<Redirect> {
    let element = Element::parse(&wanted.element)?;
    let made = downloads::create(&app, &reader.actor, &BackupId(id.clone()), element, Life::default()).await;
    show_link(&reader, &id, made).await
}

pub async fn renew_link(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page<Redirect> {
    let id = LinkId(id);
    let old = downloads::find(&app, &reader.actor, &id).await?;
    let made = downloads::renew(&app, &reader.actor, &id).await;
    show_link(&reader, &old.backup, made).await
}

pub async fn revoke_link(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page<Redirect> {
    let link = downloads::revoke(&app, &reader.actor, &LinkId(id)).await?;
    done(&reader, &link.backup, "The link is good no more; what was being downloaded with it stops.", Ok(())).await
}

pub(super) async fn show_link(reader: &Reader, backup: &str, made: Result<DownloadLink>) -> Page<Redirect> {
    match made {
        Ok(link) => Ok(Redirect::to(&format!("{}?link={}", paths::backup(backup), link.id))),
        Err(e) => done(reader, backup, "", Err(e)).await,
    }
}

/// Back to the backup's page, which says how it went. What one may not see stays hidden.
pub(super) async fn done(reader: &Reader, id: &str, sentence: &str, result: Result<()>) -> Page<Redirect> {
    reader.settle(sentence, result).await?;
    Ok(Redirect::to(&paths::backup(id)))
}
