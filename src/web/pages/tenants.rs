//! Tenants: who is a member, who is invited, and who did what.

use crate::app::{App, activity, members, one_time_links, tenants};
use crate::base::error::{Class, Result};
use crate::domain::ids::{AccountId, OneTimeLinkId, TenantId};
use crate::domain::paths;
use crate::domain::rights::Role;
use crate::ui;
use crate::ui::tenants::{Invited, Typed};
use crate::web::error::status;
use crate::web::page_error::Page;
use crate::web::reader::{Reader, problem_of};
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::Form;

pub async fn list(State(app): State<App>, reader: Reader) -> Page {
    let cards = tenants::cards(&app, &reader.actor).await?;
    Ok(Html(ui::tenants::list(reader.shell("Members"), cards)))
}

pub async fn page(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page {
    show(&app, &reader, &TenantId(id), Typed::default(), None).await
}

async fn show(app: &App, reader: &Reader, id: &TenantId, typed: Typed, invited: Option<Invited>) -> Page {
    let overview = tenants::overview(app, &reader.actor, id).await?;
    let invitations = match overview.manages {
        true => one_time_links::invitations(app, &reader.actor, id).await?,
        false => Vec::new(),
    };
    let stranger = reader.actor.administrator && overview.card.role.is_none();
    let shell = reader.shell(format!("Members of {}", overview.card.name)).acting(stranger.then_some(overview.card.name.as_str()));
    let page = ui::tenants::Page {
        members: members::list(app, &reader.actor, id).await?,
        acts: activity::of_tenant(app, &reader.actor, id).await?,
        reader: reader.actor.account.0.clone(),
        overview,
        invitations,
        typed,
        invited,
    };
    Ok(Html(ui::tenants::page(shell, page)))
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Invite {
    email: String,
    role: String,
}

/// An administrator is shown the link, once, to hand it over where no letters are sent; everybody else is led back.
pub async fn invite(State(app): State<App>, reader: Reader, Path(id): Path<String>, Form(form): Form<Invite>) -> Page<Response> {
    let id = TenantId(id);
    match ask(&app, &reader, &id, &form).await {
        Ok(one_time_links::Invited { email, link: Some(link), .. }) => {
            let link = format!("{}{}", app.public_url, paths::one_time("invitation", link.expose()));
            Ok(show(&app, &reader, &id, Typed::default(), Some(Invited { email, link })).await?.into_response())
        }
        Ok(invited) => {
            reader.tell(format!("{} is invited. The letter says how to go on.", invited.email)).await?;
            Ok(Redirect::to(&top(&id)).into_response())
        }
        Err(e) if matches!(e.class(), Class::Invalid | Class::Conflict | Class::TooMany | Class::Forbidden) => {
            let typed = Typed { email: form.email, role: form.role, problem: problem_of(&e) };
            Ok((status(e.class()), show(&app, &reader, &id, typed, None).await?).into_response())
        }
        Err(e) => Err(e.into()),
    }
}

async fn ask(app: &App, reader: &Reader, id: &TenantId, form: &Invite) -> Result<one_time_links::Invited> {
    one_time_links::invite(app, &reader.actor, id, &form.email, Role::parse(&form.role)?).await
}

/// The page, from its top on: where the sentence after an act stands.
fn top(id: &TenantId) -> String {
    format!("{}#main", paths::tenant(id.as_str()))
}

pub async fn revoke(State(app): State<App>, reader: Reader, Path((id, invitation)): Path<(String, String)>) -> Page<Redirect> {
    let id = TenantId(id);
    let revoked = one_time_links::revoke_invitation(&app, &reader.actor, &id, &OneTimeLinkId(invitation)).await;
    reader.settle("The invitation is taken back.", revoked).await?;
    Ok(Redirect::to(&top(&id)))
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct NewRole {
    role: String,
}

pub async fn role(
    State(app): State<App>,
    reader: Reader,
    Path((id, account)): Path<(String, String)>,
    Form(form): Form<NewRole>,
) -> Page<Redirect> {
    let id = TenantId(id);
    let changed = match Role::parse(&form.role) {
        Ok(role) => members::set_role(&app, &reader.actor, &id, &AccountId(account), role).await,
        Err(e) => Err(e),
    };
    reader.settle("The role is changed.", changed).await?;
    Ok(Redirect::to(&top(&id)))
}

pub async fn remove(State(app): State<App>, reader: Reader, Path((id, account)): Path<(String, String)>) -> Page<Redirect> {
    let (id, account) = (TenantId(id), AccountId(account));
    let removed = members::remove(&app, &reader.actor, &id, &account).await;
    let left = removed.is_ok() && account == reader.actor.account;
    reader.settle(if left { "You have left the tenant." } else { "The member is removed." }, removed).await?;
    Ok(Redirect::to(&if left { "/tenants".to_owned() } else { top(&id) }))
}
