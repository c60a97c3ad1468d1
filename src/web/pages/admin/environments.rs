//! One environment in the administrators' hands: its settings, a test of them, its removal.

use super::{Administrator, given, lines, port, wrong};
use crate::app::App;
use crate::app::environments::{self, Change, DatabaseChange, Removal};
use crate::base::error::{Error, Result};
use crate::base::secret::Secret;
use crate::domain::ids::EnvironmentId;
use crate::domain::page::EnvironmentSettings;
use crate::domain::paths;
use crate::domain::site::Hooks;
use crate::ui::Shell;
use crate::ui::admin::environments as ui;
use crate::ui::admin::environments::{Typed, TypedRemoval};
use crate::web::page_error::Page;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::Form;

async fn open(app: &App, reader: &Administrator, id: &str, what: &str) -> Result<(Shell, EnvironmentSettings)> {
    let id = EnvironmentId(id.to_owned());
    let settings = environments::form(app, &reader.actor, &id).await?;
    let overview = environments::overview(app, &reader.actor, &id, reader.zone).await?;
    let shell = reader.shell(format!("{what} {}", settings.title()));
    Ok((shell.acting(overview.as_administrator.then_some(overview.card.tenant.as_str())), settings))
}

pub async fn page(State(app): State<App>, reader: Administrator, Path(id): Path<String>) -> Page {
    let (shell, settings) = open(&app, &reader, &id, "Settings of").await?;
    let typed = Typed::of(&settings);
    Ok(Html(ui::page(shell, settings, typed, None)))
}

pub async fn change(State(app): State<App>, reader: Administrator, Path(id): Path<String>, Form(form): Form<Typed>) -> Page<Response> {
    let (shell, settings) = open(&app, &reader, &id, "Settings of").await?;
    let done = match wish(&settings, &form) {
        Ok(change) => environments::change(&app, &reader.actor, &EnvironmentId(id.clone()), change).await,
        Err(e) => Err(e),
    };
    match done {
        Ok(()) => {
            reader.tell(format!("The settings of {} are saved.", settings.title())).await?;
            Ok(Redirect::to(&paths::administer(&id)).into_response())
        }
        Err(e) => {
            let (status, problem) = wrong(&e);
            Ok((status, Html(ui::page(shell, settings, form, problem))).into_response())
        }
    }
}

fn wish(settings: &EnvironmentSettings, t: &Typed) -> Result<Change> {
    let database = match &settings.definition.database {
        Some(_) => Some(DatabaseChange {
            host: given(&t.host),
            port: port(&t.port)?,
            socket: given(&t.socket),
            name: t.database.trim().to_owned(),
            user: t.user.trim().to_owned(),
            prefix: t.prefix.trim().to_owned(),
        }),
        None => None,
    };
    Ok(Change {
        url: given(&t.url),
        expect: given(&t.expect),
        owner: given(&t.owner),
        live: t.live == "yes",
        exclude: lines(&t.exclude),
        hooks: Hooks {
            maintenance_on: command(&t.maintenance_on)?,
            maintenance_off: command(&t.maintenance_off)?,
            reload: command(&t.reload)?,
            clear_caches: command(&t.clear_caches)?,
            boot: command(&t.boot)?,
        },
        server: given(&t.server),
        database,
        password: Some(t.password.clone()).filter(|p| !p.is_empty()).map(Secret::new),
    })
}

/// A program on the first line, one argument on each further one. Nothing in them is special.
fn command(text: &str) -> Result<Option<Vec<String>>> {
    let mut argv: Vec<String> = text.lines().map(str::to_owned).collect();
    while argv.last().is_some_and(|l| l.trim().is_empty()) {
        argv.pop();
    }
    match argv.first() {
        None => Ok(None),
        Some(program) if program.trim().is_empty() || program.trim() != program => {
            Err(Error::invalid("the first line of a hook must be its program alone")
                .hint("arguments stand on the lines below, one on each"))
        }
        Some(program) if program.contains(' ') => Err(Error::invalid(format!("the program of a hook cannot be {program:?}"))
            .hint("write each argument on a line of its own: no shell takes the line apart")),
        Some(_) => Ok(Some(argv)),
    }
}

/// Opens its directory and its database, and says what they are.
pub async fn test(State(app): State<App>, reader: Administrator, Path(id): Path<String>) -> Page<Redirect> {
    let environment = EnvironmentId(id.clone());
    environments::form(&app, &reader.actor, &environment).await?;
    let (sentence, done) = match environments::examine(&app, &environment).await {
        Ok(said) => (format!("It can be reached: {said}."), Ok(())),
        Err(e) => (String::new(), Err(e)),
    };
    reader.settle(&sentence, done).await?;
    Ok(Redirect::to(&paths::administer(&id)))
}

pub async fn removal(State(app): State<App>, reader: Administrator, Path(id): Path<String>) -> Page {
    let (shell, settings) = open(&app, &reader, &id, "Remove").await?;
    let typed = TypedRemoval { last: "yes".into(), ..TypedRemoval::default() };
    Ok(Html(ui::removal(shell, settings, typed, None)))
}

pub async fn remove(
    State(app): State<App>,
    reader: Administrator,
    Path(id): Path<String>,
    Form(form): Form<TypedRemoval>,
) -> Page<Response> {
    let (shell, settings) = open(&app, &reader, &id, "Remove").await?;
    let removal = Removal { trash: form.backups == "trash", last_backup: form.last == "yes", confirm: form.confirm.clone() };
    match environments::remove(&app, &reader.actor, &EnvironmentId(id), &removal).await {
        Ok(Some(backup)) => {
            reader.tell(format!("{} is removed as soon as this backup has succeeded.", settings.title())).await?;
            Ok(Redirect::to(&paths::backup(&backup)).into_response())
        }
        Ok(None) => {
            reader.tell(format!("{} is removed.", settings.title())).await?;
            Ok(Redirect::to("/admin/sites").into_response())
        }
        Err(e) => {
            let (status, problem) = wrong(&e);
            Ok((status, Html(ui::removal(shell, settings, form, problem))).into_response())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_a_program_and_its_arguments_a_line_each() {
        assert_eq!(command("").unwrap(), None);
        assert_eq!(command(" \r\n\r\n").unwrap(), None);
        let argv = command("/usr/bin/php\r\n-r\r\necho 'a b; $HOME';\r\n\r\n").unwrap().unwrap();
        assert_eq!(argv, ["/usr/bin/php", "-r", "echo 'a b; $HOME';"]);
        assert!(command("systemctl reload php-fpm").unwrap_err().to_string().contains("line of its own"));
        assert!(command("\nphp").is_err());
    }
}
