//! Every environment, and the form that adds one.

use super::{Administrator, given, lines, port, wrong};
use crate::app::{App, fleet, servers, sites, tenants};
use crate::base::error::Result;
use crate::domain::page::FleetQuery;
use crate::domain::paths;
use crate::domain::view::{AddSite, Added};
use crate::ui::admin::Problem;
use crate::ui::admin::sites as ui;
use crate::ui::admin::sites::{Offers, Typed};
use crate::web::page_error::Page;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::Form;

pub async fn list(State(app): State<App>, reader: Administrator, Query(asked): Query<FleetQuery>) -> Page {
    let fleet = fleet::page(&app, &reader.actor, asked).await?;
    Ok(Html(ui::list(reader.shell("Sites"), fleet)))
}

pub async fn form(State(app): State<App>, reader: Administrator, Query(asked): Query<Typed>) -> Page {
    let typed = Typed { detect: "yes".into(), password: String::new(), ..asked };
    Ok(Html(show(&app, &reader, typed, None, false, None).await?))
}

async fn show(app: &App, reader: &Administrator, typed: Typed, found: Option<Added>, second: bool, problem: Problem) -> Result<String> {
    let offers = Offers {
        tenants: tenants::list(app, &reader.actor).await?.into_iter().map(|t| t.name).collect(),
        servers: servers::list(app, &reader.actor).await?.into_iter().map(|s| s.name).collect(),
    };
    Ok(ui::add(reader.shell("Add a site"), offers, typed, found, second, problem))
}

/// Looks, and shows what was found in a form; or adds what that form says. What was found is found again then, so that
/// no password ever stands in a page.
pub async fn add(State(app): State<App>, reader: Administrator, Form(mut form): Form<Typed>) -> Page<Response> {
    let adds = form.act == "add";
    let tried = match wish(&form, adds) {
        Ok(new) => sites::add(&app, &reader.actor, new).await,
        Err(e) => Err(e),
    };
    match tried {
        Ok(Added { environment: Some(environment), .. }) => {
            reader.tell(format!("{}.{} is added. Take its first backup now.", environment.site, environment.name)).await?;
            Ok(Redirect::to(&paths::environment(&environment.id)).into_response())
        }
        Ok(added) => {
            form.fill(&added);
            Ok(Html(show(&app, &reader, form, Some(added), true, None).await?).into_response())
        }
        // What could not be read can be typed: all fields are shown.
        Err(e) => {
            let (status, problem) = wrong(&e);
            let second = !form.path.trim().is_empty();
            Ok((status, Html(show(&app, &reader, form, None, second, problem).await?)).into_response())
        }
    }
}

fn wish(t: &Typed, adds: bool) -> Result<AddSite> {
    Ok(AddSite {
        tenant: t.tenant.clone(),
        site: t.site.trim().to_owned(),
        environment: t.environment.trim().to_owned(),
        detect: t.detect == "yes",
        path: t.path.trim().to_owned(),
        stack: given(&t.stack),
        files: lines(&t.files),
        settings: given(&t.settings),
        database_engine: given(&t.engine),
        database_host: given(&t.host),
        database_port: port(&t.port)?,
        database_socket: given(&t.socket),
        database_name: given(&t.database),
        database_user: given(&t.user),
        database_prefix: given(&t.prefix),
        database_password: Some(t.password.clone()).filter(|p| !p.is_empty()),
        server: given(&t.server),
        owner: given(&t.owner),
        url: given(&t.url),
        expect: given(&t.expect),
        exclude: lines(&t.exclude),
        live: if adds { Some(t.live == "yes") } else { None },
        dry_run: !adds,
        ..AddSite::default()
    })
}
