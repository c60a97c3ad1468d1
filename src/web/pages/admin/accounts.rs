//! Accounts: found, invited, disabled, made administrators.

use super::{Administrator, wrong};
use crate::app::{App, accounts, letters, one_time_links, tenants};
use crate::base::error::Result;
use crate::domain::ids::{AccountId, TenantId};
use crate::domain::rights::Role;
use crate::ui::admin::accounts as ui;
use crate::ui::admin::accounts::Invite;
use crate::web::page_error::Page;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::Form;

/// Accounts on one page.
const PAGE: usize = 50;

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    q: String,
    after: String,
}

pub async fn list(State(app): State<App>, reader: Administrator, Query(asked): Query<Asked>) -> Page {
    let page = content(&app, &reader, &asked).await?;
    Ok(Html(ui::page(reader.shell("Accounts"), page)))
}

async fn content(app: &App, reader: &Administrator, asked: &Asked) -> Result<ui::Page> {
    let mut found = accounts::list(app, &reader.actor, &asked.q, Some(&asked.after), PAGE as i64 + 1).await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().filter(|_| more).map(|a| a.email.clone());
    let tenants = tenants::list(app, &reader.actor).await?.into_iter().map(|t| (t.id, t.name)).collect();
    Ok(ui::Page { accounts: found, search: asked.q.clone(), next, tenants, ..ui::Page::default() })
}

/// The link is a secret and is not kept: this answer shows it, and no other page.
pub async fn invite(State(app): State<App>, reader: Administrator, Form(form): Form<Invite>) -> Page<Response> {
    let invited = match Role::parse(&form.role) {
        Ok(role) => one_time_links::invite(&app, &reader.actor, &TenantId(form.tenant.clone()), &form.email, role).await,
        Err(e) => Err(e),
    };
    let mut page = content(&app, &reader, &Asked::default()).await?;
    let status = match invited {
        Ok(invited) => {
            let link = invited.link.map(|secret| letters::invitation_url(&app, &secret).expose().to_owned());
            page.invited = Some((invited.email, link.unwrap_or_default(), invited.expires_at));
            StatusCode::OK
        }
        Err(e) => {
            let (status, problem) = wrong(&e);
            (page.problem, page.typed) = (problem, form);
            status
        }
    };
    Ok((status, Html(ui::page(reader.shell("Accounts"), page))).into_response())
}

/// What is done to one account, by the last word of the address.
pub async fn act(State(app): State<App>, reader: Administrator, Path((id, act)): Path<(String, String)>) -> Page<Redirect> {
    let (actor, id) = (&reader.actor, AccountId(id));
    let (sentence, done) = match act.as_str() {
        "disable" => ("The account is disabled, and signed out everywhere.", accounts::set_state(&app, actor, &id, false).await),
        "enable" => ("The account is enabled.", accounts::set_state(&app, actor, &id, true).await),
        "administrator" => ("It is an administrator's account now.", accounts::set_administrator(&app, actor, &id, true).await),
        "no-administrator" => ("It is no administrator's account any more.", accounts::set_administrator(&app, actor, &id, false).await),
        "no-second-factor" => {
            ("The second factor is removed, and its owner is told.", accounts::remove_second_factor(&app, actor, &id).await)
        }
        _ => return Err(crate::app::access::hidden("page").into()),
    };
    reader.settle(sentence, done).await?;
    Ok(Redirect::to("/admin/accounts"))
}
