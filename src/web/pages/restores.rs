//! Restores: what to choose from, what would be lost, the run with its steps, and undo.

use crate::app::{App, backups, environments, restores};
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::domain::browse::Inner;
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, EnvironmentId, RestoreId};
use crate::domain::page::{Choice, RestoreChoices};
use crate::domain::{paths, view};
use crate::ui;
use crate::ui::restore::{Chosen, Preview};
use crate::web::error::{sentence_of, status};
use crate::web::page_error::Page;
use crate::web::reader::{Reader, problem_of};
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::{Form, Query};

/// What was chosen: by the first page's form, and again by the second one's.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    backup: String,
    element: Vec<String>,
    /// Only these files and folders, as they stand in addresses.
    path: Vec<String>,
    /// Only these tables.
    table: Vec<String>,
    /// `tables`: they are to be chosen.
    choose: String,
    /// The destination; where it is not given, the environment itself.
    to: String,
    /// The environment whose backups were offered.
    from: String,
    confirm: String,
    key: String,
}

impl Asked {
    fn elements(&self) -> Result<Vec<Element>> {
        self.element.iter().map(|e| Element::parse(e)).collect()
    }
    fn chosen(&self, id: &str) -> Result<Chosen> {
        let to = if self.to.is_empty() { id } else { &self.to };
        let paths = self.path.iter().map(|path| Inner::of_query(path)).collect();
        Ok(Chosen {
            backup: self.backup.clone(),
            elements: self.elements()?,
            paths,
            tables: self.table.clone(),
            choosing: self.choose == "tables" && !self.backup.is_empty(),
            to: to.to_owned(),
            problem: None,
        })
    }
}

pub async fn choose(State(app): State<App>, reader: Reader, Path(id): Path<String>, Query(asked): Query<Asked>) -> Page {
    let mut chosen = asked.chosen(&id)?;
    let mut choices = choices(&app, &reader, &id, &asked.backup).await?;
    with_tables(&app, &reader, &mut choices, &mut chosen).await?;
    let shell = super::environments::shell(&reader, &choices.overview, format!("Restore {}", choices.overview.card.title()));
    Ok(Html(ui::restore::choose(shell, choices, chosen)))
}

/// The tables of the backup, where some of them are to be chosen.
async fn with_tables(app: &App, reader: &Reader, choices: &mut RestoreChoices, chosen: &mut Chosen) -> Result<()> {
    if !chosen.choosing {
        return Ok(());
    }
    let (to, backup) = (EnvironmentId(chosen.to.clone()), BackupId(chosen.backup.clone()));
    match restores::tables(app, &reader.actor, &to, &backup).await {
        Ok(tables) => choices.tables = Some(tables),
        Err(e) if matches!(e.class(), Class::NotFound | Class::Forbidden) => return Err(e),
        Err(e) => chosen.problem = chosen.problem.take().or_else(|| problem_of(&e)),
    }
    Ok(())
}

/// The newest ones, and the one that was asked for by name where it is older.
async fn choices(app: &App, reader: &Reader, id: &str, wanted: &str) -> Result<RestoreChoices> {
    let mut choices = backups::choices(app, &reader.actor, &EnvironmentId(id.to_owned()), None, reader.zone).await?;
    if !wanted.is_empty() && !choices.choices.iter().any(|c| c.id == wanted) {
        let b = backups::find(app, &reader.actor, &BackupId(wanted.to_owned())).await?;
        if b.state.is_usable() && b.deleted.is_none() {
            let elements = b.elements.iter().filter(|e| e.snapshot.is_some()).map(|e| e.element).collect();
            let created = Millis::from_iso(&b.created).unwrap_or_default();
            choices.choices.push(Choice { id: b.id, created, reason: b.reason, state: b.state, elements, size: b.size });
        }
    }
    Ok(choices)
}

pub async fn preview(State(app): State<App>, reader: Reader, Path(id): Path<String>, Query(asked): Query<Asked>) -> Page<Response> {
    match preview_of(&app, &reader, &id, &asked, None).await {
        Ok(page) => Ok(page.into_response()),
        Err(e) if e.class() == Class::NotFound => Err(e.into()),
        Err(e) => choose_again(&app, &reader, &id, &asked, &e).await,
    }
}

/// The first page once more, with what is wrong about what was chosen.
async fn choose_again(app: &App, reader: &Reader, id: &str, asked: &Asked, e: &Error) -> Page<Response> {
    let (sentence, hint, _) = sentence_of(e);
    let mut chosen = asked.chosen(id).unwrap_or_default();
    chosen.problem = Some((ui::errors::capital(&sentence), hint.map(|h| ui::errors::capital(&h))));
    let mut choices = choices(app, reader, id, &asked.backup).await?;
    with_tables(app, reader, &mut choices, &mut chosen).await?;
    let shell = super::environments::shell(reader, &choices.overview, format!("Restore {}", choices.overview.card.title()));
    Ok((status(e.class()), Html(ui::restore::choose(shell, choices, chosen))).into_response())
}

async fn preview_of(
    app: &App,
    reader: &Reader,
    id: &str,
    asked: &Asked,
    problem: Option<(String, Option<String>)>,
) -> Result<Html<String>> {
    let mut chosen = asked.chosen(id)?;
    chosen.problem = problem;
    complete(&chosen)?;
    let choices = choices(app, reader, id, &asked.backup).await?;
    let choice = choices.choices.iter().find(|c| c.id == asked.backup).cloned();
    let choice = choice.ok_or_else(no_backup)?;
    let destination = choices.destinations.iter().find(|d| d.0 == chosen.to).map(|d| (d.1.clone(), d.2));
    let destination = destination.ok_or_else(|| crate::app::access::hidden("environment"))?;
    let new = wish(&chosen, true, None);
    let plan = restores::create(app, &reader.actor, &EnvironmentId(chosen.to.clone()), &new, None).await?.plan;
    let shell = super::environments::shell(reader, &choices.overview, format!("Restore {}", destination.0));
    let undo_days = app.settings.keep_aside / Millis::DAY;
    Ok(Html(ui::restore::preview(shell, Preview { choices, choice, plan, chosen, destination, typed: asked.confirm.clone(), undo_days })))
}

fn no_backup() -> Error {
    Error::invalid("no backup was chosen").hint("choose one of the list")
}

/// Was enough chosen to say what would happen?
fn complete(chosen: &Chosen) -> Result<()> {
    if chosen.backup.is_empty() {
        return Err(no_backup());
    }
    if chosen.choosing && chosen.tables.is_empty() {
        return Err(Error::invalid("no table was chosen").hint("choose at least one"));
    }
    if chosen.elements.is_empty() && chosen.is_whole() {
        return Err(Error::invalid("nothing was chosen to be restored").hint("choose at least one element"));
    }
    Ok(())
}

fn wish(chosen: &Chosen, dry_run: bool, confirm: Option<String>) -> view::CreateRestore {
    let elements = chosen.elements.iter().map(|e| e.name()).collect::<Vec<_>>().join(",");
    let (text, bytes): (Vec<_>, Vec<_>) = chosen.paths.iter().map(Inner::text).partition(|(_, digits)| digits.is_none());
    view::CreateRestore {
        backup: Some(chosen.backup.clone()),
        element: Some(elements).filter(|_| chosen.is_whole()),
        tables: chosen.tables.clone(),
        paths: text.into_iter().map(|(text, _)| text).collect(),
        paths_hex: bytes.into_iter().filter_map(|(_, digits)| digits).collect(),
        dry_run,
        confirm,
        ..view::CreateRestore::default()
    }
}

/// `id` is the destination.
pub async fn create(State(app): State<App>, reader: Reader, Path(id): Path<String>, Form(asked): Form<Asked>) -> Page<Response> {
    match begin(&app, &reader, &id, &asked).await {
        Ok(restore) => Ok(Redirect::to(&paths::restore(&restore.id)).into_response()),
        Err(e) if matches!(e.class(), Class::Invalid | Class::Conflict) => {
            let from = if asked.from.is_empty() { id.clone() } else { asked.from.clone() };
            again(&app, &reader, &from, &Asked { to: id, ..asked }, &e).await
        }
        Err(e) => Err(e.into()),
    }
}

async fn begin(app: &App, reader: &Reader, id: &str, asked: &Asked) -> Result<view::Restore> {
    let chosen = asked.chosen(id)?;
    complete(&chosen)?;
    let key = Some(asked.key.clone()).filter(|k| !k.is_empty() && k.len() <= 200);
    let new = wish(&chosen, false, Some(asked.confirm.trim().to_owned()));
    let answer = restores::create(app, &reader.actor, &EnvironmentId(id.to_owned()), &new, key).await?;
    answer.restore.ok_or_else(|| Error::internal("a restore that was not queued"))
}

/// The page that was sent once more, with what is wrong about it. Where too little was chosen for that, the page before
/// it, which is where one chooses.
async fn again(app: &App, reader: &Reader, from: &str, asked: &Asked, e: &Error) -> Page<Response> {
    let (sentence, hint, _) = sentence_of(e);
    let problem = Some((ui::errors::capital(&sentence), hint.map(|h| ui::errors::capital(&h))));
    match preview_of(app, reader, from, asked, problem).await {
        Ok(page) => Ok((status(e.class()), page).into_response()),
        Err(_) => choose_again(app, reader, from, asked, e).await,
    }
}

pub async fn page(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page {
    let restore = restores::find(&app, &reader.actor, &RestoreId(id)).await?;
    let environment = EnvironmentId(restore.environment_id.clone());
    let overview = environments::overview(&app, &reader.actor, &environment, reader.zone).await?;
    let backup = backups::find(&app, &reader.actor, &BackupId(restore.backup.clone())).await?;
    let (job, log) = super::backups::job_with_log(&app, &reader, restore.job.as_deref()).await?;
    let shell = super::environments::shell(&reader, &overview, format!("Restore of {}", overview.card.title()));
    Ok(Html(ui::restores::page(shell, ui::restores::Page { restore, backup, rights: overview.rights, job, log, problem: None })))
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Undo {
    key: String,
}

pub async fn undo(State(app): State<App>, reader: Reader, Path(id): Path<String>, Form(form): Form<Undo>) -> Page<Redirect> {
    let key = Some(form.key).filter(|k| !k.is_empty() && k.len() <= 200);
    match restores::undo(&app, &reader.actor, &RestoreId(id.clone()), key).await {
        Ok(undo) => Ok(Redirect::to(&paths::restore(&undo.id))),
        Err(e) => {
            reader.settle("", Err(e)).await?;
            Ok(Redirect::to(&paths::restore(&id)))
        }
    }
}
