//! What is wrong in a tenant, and who is told: people by letter, programs by webhook.

use crate::app::{App, alarms, environments, recipients, tenants, webhooks};
use crate::base::error::{Class, Result};
use crate::domain::ids::{SiteId, TenantId, WebhookId};
use crate::domain::paths;
use crate::domain::webhook::{AddWebhook, AddedWebhook};
use crate::ui;
use crate::ui::alarms::{Managed, Typed};
use crate::web::error::status;
use crate::web::page_error::Page;
use crate::web::reader::{Reader, problem_of};
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::Form;

pub async fn page(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page {
    show(&app, &reader, &TenantId(id), Typed::default(), None).await
}

async fn show(app: &App, reader: &Reader, id: &TenantId, typed: Typed, added: Option<AddedWebhook>) -> Page {
    let overview = tenants::overview(app, &reader.actor, id).await?;
    let managed = match overview.manages {
        true => Some(Managed {
            recipients: recipients::list(app, &reader.actor, id).await?,
            webhooks: webhooks::list(app, &reader.actor, id).await?,
            digest: alarms::wants_digest(app, &reader.actor, id).await?,
            environments: environments::names(app, &reader.actor, id).await?,
            typed,
            added,
        }),
        false => None,
    };
    let stranger = reader.actor.administrator && overview.card.role.is_none();
    let shell = reader.shell(format!("Alarms of {}", overview.card.name)).acting(stranger.then_some(overview.card.name.as_str()));
    Ok(Html(ui::alarms::page(shell, overview, alarms::list(app, &reader.actor, id).await?, managed)))
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Named {
    site: String,
    emails: String,
}

pub async fn recipients(State(app): State<App>, reader: Reader, Path(id): Path<String>, Form(form): Form<Named>) -> Page<Response> {
    let id = TenantId(id);
    let emails: Vec<String> = form.emails.split([',', '\n', ' ', ';']).map(str::to_owned).collect();
    let set = recipients::set(&app, &reader.actor, &id, &SiteId(form.site.clone()), &emails).await;
    let typed = |problem| Typed { site: form.site.clone(), emails: form.emails.clone(), problem, ..Typed::default() };
    again(&app, &reader, &id, set, "Saved who is told.", typed).await
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct New {
    url: String,
    environment: String,
}

/// The secret of a webhook is shown on the page that answers, this once.
pub async fn add(State(app): State<App>, reader: Reader, Path(id): Path<String>, Form(form): Form<New>) -> Page<Response> {
    let id = TenantId(id);
    let new = AddWebhook { url: form.url.trim().to_owned(), environment: Some(form.environment.clone()).filter(|e| !e.is_empty()) };
    match webhooks::add(&app, &reader.actor, &id, &new).await {
        Ok(added) if added.secret.is_some() => Ok(show(&app, &reader, &id, Typed::default(), Some(added)).await?.into_response()),
        other => {
            let typed = |wrong| Typed { url: form.url.clone(), environment: form.environment.clone(), wrong, ..Typed::default() };
            again(&app, &reader, &id, other.map(drop), "The heartbeat is added.", typed).await
        }
    }
}

/// Led back when it went well; what was typed stays when it can be mended.
async fn again(
    app: &App,
    reader: &Reader,
    id: &TenantId,
    done: Result<()>,
    sentence: &str,
    typed: impl Fn(Option<(String, Option<String>)>) -> Typed,
) -> Page<Response> {
    match done {
        Ok(()) => {
            reader.tell(sentence).await?;
            Ok(Redirect::to(&format!("{}#main", paths::alarms(id.as_str()))).into_response())
        }
        Err(e) if matches!(e.class(), Class::Invalid | Class::Conflict) => {
            Ok((status(e.class()), show(app, reader, id, typed(problem_of(&e)), None).await?).into_response())
        }
        Err(e) => Err(e.into()),
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Digest {
    daily: String,
}

pub async fn digest(State(app): State<App>, reader: Reader, Path(id): Path<String>, Form(form): Form<Digest>) -> Page<Redirect> {
    let set = alarms::set_digest(&app, &reader.actor, &TenantId(id.clone()), form.daily == "yes").await;
    reader.settle("Saved.", set).await?;
    Ok(Redirect::to(&format!("{}#main", paths::alarms(&id))))
}

pub async fn test(State(app): State<App>, reader: Reader, Path((id, webhook)): Path<(String, String)>) -> Page<Redirect> {
    let webhook = WebhookId(webhook);
    webhooks::belongs(&app, &reader.actor, &TenantId(id.clone()), &webhook).await?;
    let tested = webhooks::test(&app, &reader.actor, &webhook).await;
    reader.settle("The test arrived.", tested.map(drop)).await?;
    Ok(Redirect::to(&format!("{}#main", paths::alarms(&id))))
}

pub async fn remove(State(app): State<App>, reader: Reader, Path((id, webhook)): Path<(String, String)>) -> Page<Redirect> {
    let webhook = WebhookId(webhook);
    webhooks::belongs(&app, &reader.actor, &TenantId(id.clone()), &webhook).await?;
    let removed = webhooks::remove(&app, &reader.actor, &webhook).await;
    reader.settle("The webhook is removed.", removed.map(drop)).await?;
    Ok(Redirect::to(&format!("{}#main", paths::alarms(&id))))
}
