//! What lies in a backup: folders, files, a glance at them, and links to them.

use crate::app::{App, backups, browse, downloads, environments};
use crate::base::error::Result;
use crate::domain::browse::{Asked, Kind};
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, EnvironmentId};
use crate::domain::links::DownloadLink;
use crate::domain::paths;
use crate::domain::rights::Right;
use crate::ui;
use crate::web::extract::Inside;
use crate::web::page_error::Page;
use crate::web::reader::{Reader, problem_of};
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Redirect, Response};

pub async fn page(State(app): State<App>, reader: Reader, Path(id): Path<String>, Inside(asked): Inside) -> Page {
    let (app, reader, id) = (&app, &reader, &BackupId(id));
    let listing = browse::list(app, &reader.actor, id, &asked).await?;
    let backup = backups::find(app, &reader.actor, id).await?;
    let environment = EnvironmentId(backup.environment_id.clone());
    let overview = environments::overview(app, &reader.actor, &environment, reader.zone).await?;
    let may_restore = overview.rights.may(Right::Restore);
    let may_take = overview.rights.may(Right::Download);
    let preview = match listing.kind == Kind::File && may_take {
        true => Some(browse::preview(app, &reader.actor, id, &asked).await?),
        false => None,
    };
    let (found, problem) = match browse_for(app, reader, id, &asked).await {
        Ok(found) => (found, None),
        Err(e) => (None, problem_of(&e)),
    };
    let new_link = link_of(app, reader, id, &asked.link, may_take).await?;
    let shell = super::environments::shell(reader, &overview, format!("Inside the backup of {}", overview.card.title()));
    let page = ui::browse::Page {
        backup,
        listing,
        after: asked.after,
        name: asked.name,
        found,
        problem,
        preview,
        may_take,
        may_restore,
        new_link,
    };
    Ok(Html(ui::browse::page(shell, page)))
}

/// Only where something is searched for.
async fn browse_for(app: &App, reader: &Reader, id: &BackupId, asked: &Asked) -> Result<Option<crate::domain::browse::Found>> {
    if asked.name.is_empty() || asked.element.is_empty() {
        return Ok(None);
    }
    browse::search(app, &reader.actor, id, asked).await.map(Some)
}

async fn link_of(app: &App, reader: &Reader, id: &BackupId, link: &str, may: bool) -> Result<Option<DownloadLink>> {
    if link.is_empty() || !may {
        return Ok(None);
    }
    Ok(downloads::list(app, &reader.actor, id).await?.into_iter().find(|l| l.id == link))
}

/// `Get link` for a file or folder: the page that follows shows it.
pub async fn link(State(app): State<App>, reader: Reader, Path(id): Path<String>, Inside(asked): Inside) -> Page<Redirect> {
    let id = BackupId(id);
    backups::find(&app, &reader.actor, &id).await?;
    let element = Element::parse(&asked.element)?;
    let made = downloads::create_inside(&app, &reader.actor, &id, element, &asked.path, downloads::Life::default()).await;
    let here = paths::inside(id.as_str(), &format!("element={element}&path={}", asked.path.query()));
    match made {
        Ok(link) => Ok(Redirect::to(&format!("{here}&link={}", link.id))),
        Err(e) => {
            reader.settle("", Err(e)).await?;
            Ok(Redirect::to(&here))
        }
    }
}

/// A picture by itself: nothing in it runs, wherever it is opened.
pub async fn picture(State(app): State<App>, reader: Reader, Path(id): Path<String>, Inside(asked): Inside) -> Page<Response> {
    let picture = browse::picture(&app, &reader.actor, &BackupId(id), &asked).await?;
    let fixed = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
    let headers = [
        fixed(header::CONTENT_TYPE, picture.kind),
        fixed(header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
        fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        fixed(header::CONTENT_DISPOSITION, "inline"),
        fixed(HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    Ok((headers, picture.bytes).into_response())
}

pub async fn versions(State(app): State<App>, reader: Reader, Path(id): Path<String>, Inside(asked): Inside) -> Page {
    let id = EnvironmentId(id);
    let versions = browse::versions(&app, &reader.actor, &id, &asked).await?;
    let overview = environments::overview(&app, &reader.actor, &id, reader.zone).await?;
    let shell = super::environments::shell(&reader, &overview, format!("Versions of a file of {}", overview.card.title()));
    Ok(Html(ui::browse::versions(shell, &overview.card, &asked, versions)))
}
