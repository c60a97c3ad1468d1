//! Links that work once. Opening one changes nothing: programs that look at letters open every link.

use super::signing_in::let_in;
use crate::app::access::Actor;
use crate::app::one_time_links::{self, Kind, Opened};
use crate::app::{App, sessions};
use crate::base::error::{Class, Error};
use crate::base::secret::Secret;
use crate::domain::ids::AccountId;
use crate::domain::paths;
use crate::ui;
use crate::ui::one_time::{First, Invitation, Reset, Way};
use crate::web::error::status;
use crate::web::page_error::Page;
use crate::web::reader::{Visitor, broken, problem_of};
use crate::web::session::ACCOUNT;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::Form;

/// What the forms of these pages send.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(default)]
pub struct Typed {
    email: String,
    name: String,
    password: Secret,
    tokens: String,
}

impl Default for Typed {
    fn default() -> Self {
        Self { email: String::new(), name: String::new(), password: Secret::new(""), tokens: String::new() }
    }
}

/// The form again with what is wrong about it, for errors that another try may mend; a link that is dead is a page.
fn again(e: Error, form: impl FnOnce(ui::one_time::Problem) -> String) -> Page<Response> {
    match e.class() {
        Class::Invalid | Class::Conflict | Class::TooMany => Ok((status(e.class()), Html(form(problem_of(&e)))).into_response()),
        _ => Err(e.into()),
    }
}

pub async fn first_form(State(app): State<App>, Path(secret): Path<Secret>) -> Page {
    one_time_links::open(&app, Kind::First, &secret).await?;
    Ok(Html(ui::one_time::first(First { secret: secret.expose().to_owned(), ..First::default() })))
}

pub async fn first(State(app): State<App>, visitor: Visitor, Path(secret): Path<Secret>, Form(typed): Form<Typed>) -> Page<Response> {
    match one_time_links::use_first(&app, &secret, &typed.email, &typed.name, &typed.password, &visitor.address).await {
        Ok(account) => {
            let_in(&visitor, &account).await?;
            visitor.tell("You are the administrator of this Sitekeep.").await?;
            Ok(Redirect::to("/").into_response())
        }
        Err(e) => again(e, |problem| {
            ui::one_time::first(First { secret: secret.expose().to_owned(), email: typed.email, name: typed.name, problem })
        }),
    }
}

pub async fn invitation_form(State(app): State<App>, visitor: Visitor, Path(secret): Path<Secret>) -> Page {
    let opened = one_time_links::open(&app, Kind::Invitation, &secret).await?;
    let actor = signed_in(&app, &visitor).await?;
    Ok(Html(ui::one_time::invitation(shown(&secret, &opened, actor.as_ref()))))
}

fn shown(secret: &Secret, opened: &Opened, actor: Option<&Actor>) -> Invitation {
    let email = opened.email.clone().unwrap_or_default();
    let way = match actor {
        Some(actor) if actor.email.eq_ignore_ascii_case(&email) => Way::Join,
        Some(actor) => Way::Other(actor.email.clone()),
        None if opened.has_account => Way::SignIn,
        None => Way::Account,
    };
    Invitation {
        secret: secret.expose().to_owned(),
        email,
        tenant: opened.tenant.clone().unwrap_or_default(),
        role: opened.role.map_or("", |r| r.name()).to_owned(),
        inviter: opened.inviter.clone().unwrap_or_default(),
        expires: opened.expires_at,
        name: String::new(),
        way,
        problem: None,
    }
}

/// Whoever is signed in, on a page that is for everybody.
async fn signed_in(app: &App, visitor: &Visitor) -> Page<Option<Actor>> {
    let Some(account) = visitor.session.get::<String>(ACCOUNT).await.map_err(broken)? else { return Ok(None) };
    match sessions::actor(app, &AccountId(account), &visitor.address).await {
        Ok(actor) => Ok(Some(actor)),
        Err(e) if e.class() == Class::Unauthenticated => Ok(None),
        Err(e) => Err(e.into()),
    }
}

pub async fn invitation(State(app): State<App>, visitor: Visitor, Path(secret): Path<Secret>, Form(typed): Form<Typed>) -> Page<Response> {
    let opened = one_time_links::open(&app, Kind::Invitation, &secret).await?;
    let actor = signed_in(&app, &visitor).await?;
    let shown = shown(&secret, &opened, actor.as_ref());
    let tenant = shown.tenant.clone();
    match (&shown.way, &actor) {
        (Way::Join | Way::Other(_), Some(actor)) => {
            let joined = one_time_links::join(&app, actor, &secret).await?;
            visitor.tell(format!("You are a member of {tenant} now.")).await?;
            Ok(Redirect::to(&paths::tenant(joined.as_str())).into_response())
        }
        (Way::SignIn, _) => {
            let own = paths::one_time("invitation", secret.expose());
            Ok(Redirect::to(&format!("/signin?next={}", crate::base::words::percent(&own))).into_response())
        }
        _ => match one_time_links::use_invitation(&app, &secret, &typed.name, &typed.password, &visitor.address).await {
            Ok(account) => {
                let_in(&visitor, &account).await?;
                visitor.tell(format!("You are a member of {tenant} now.")).await?;
                Ok(Redirect::to("/").into_response())
            }
            Err(e) => again(e, |problem| ui::one_time::invitation(Invitation { name: typed.name, problem, ..shown })),
        },
    }
}

pub async fn forgotten_form() -> Html<String> {
    Html(ui::one_time::forgotten(String::new(), None))
}

pub async fn forgotten(State(app): State<App>, visitor: Visitor, Form(typed): Form<Typed>) -> Page<Redirect> {
    one_time_links::ask_reset(&app, &typed.email, &visitor.address).await?;
    Ok(Redirect::to("/forgotten/sent"))
}

pub async fn letter_sent() -> Html<String> {
    Html(ui::one_time::letter_sent())
}

pub async fn reset_form(State(app): State<App>, Path(secret): Path<Secret>) -> Page {
    let opened = one_time_links::open(&app, Kind::Reset, &secret).await?;
    let email = opened.email.unwrap_or_default();
    Ok(Html(ui::one_time::reset(Reset { secret: secret.expose().to_owned(), email, ..Reset::default() })))
}

pub async fn reset(State(app): State<App>, visitor: Visitor, Path(secret): Path<Secret>, Form(typed): Form<Typed>) -> Page<Response> {
    let opened = one_time_links::open(&app, Kind::Reset, &secret).await?;
    let tokens = typed.tokens == "1";
    match one_time_links::use_reset(&app, &secret, &typed.password, tokens, &visitor.address).await {
        Ok(_) => Ok(Redirect::to("/signin?after=reset").into_response()),
        Err(e) => again(e, |problem| {
            let email = opened.email.unwrap_or_default();
            ui::one_time::reset(Reset { secret: secret.expose().to_owned(), email, tokens, problem })
        }),
    }
}
