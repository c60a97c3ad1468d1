//! What changed between two backups, or between a backup and the live site.

use crate::app::{App, backups, browse, environments};
use crate::base::error::Class;
use crate::domain::ids::{BackupId, EnvironmentId};
use crate::domain::rights::Right;
use crate::ui;
use crate::web::extract::Inside;
use crate::web::page_error::Page;
use crate::web::reader::{Reader, problem_of};
use axum::extract::{Path, State};
use axum::response::Html;

pub async fn page(State(app): State<App>, reader: Reader, Path(id): Path<String>, Inside(asked): Inside) -> Page {
    let id = BackupId(id);
    let backup = backups::find(&app, &reader.actor, &id).await?;
    let (comparison, problem) = match browse::compare(&app, &reader.actor, &id, &asked).await {
        Ok(comparison) => (Some(comparison), None),
        Err(e) if e.class() == Class::Conflict => (None, problem_of(&e)),
        Err(e) => return Err(e.into()),
    };
    let others = browse::others(&app, &reader.actor, &id).await?;
    let environment = EnvironmentId(backup.environment_id.clone());
    let overview = environments::overview(&app, &reader.actor, &environment, reader.zone).await?;
    let shell = super::environments::shell(&reader, &overview, format!("What changed on {}", overview.card.title()));
    let may_restore = overview.rights.may(Right::Restore);
    let page = ui::compare::Page {
        backup,
        comparison,
        problem,
        others,
        may_restore,
        with: asked.with,
        element: asked.element,
        after: asked.after,
    };
    Ok(Html(ui::compare::page(shell, page)))
}
