//! One's own account: who one is, how one signs in, where one is signed in, and one's API tokens.

use crate::app::accounts::{self, CreateToken};
use crate::app::{App, sessions};
use crate::base::error::{Class, Error, Result};
use crate::base::secret::Secret;
use crate::domain::ids::TokenId;
use crate::domain::rights::Right;
use crate::ui;
use crate::ui::account::{Section, Typed};
use crate::web::error::status;
use crate::web::page_error::Page;
use crate::web::reader::{Reader, problem_of};
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::Form;

/// The top of the page: where the sentence after an act stands.
const TOP: &str = "/account#main";

pub async fn page(State(app): State<App>, reader: Reader) -> Page {
    show(&app, &reader, Typed::default(), None).await
}

async fn show(app: &App, reader: &Reader, typed: Typed, wrong: Option<(Section, &Error)>) -> Page {
    let actor = &reader.actor;
    let page = ui::account::Page {
        profile: accounts::profile(app, actor).await?,
        sessions: sessions::list(app, actor, reader.key().as_ref()).await?,
        tokens: accounts::tokens(app, actor).await?,
        rights: Right::ALL.into_iter().filter(|right| actor.administrator || *right != Right::Administer).collect(),
        typed,
        wrong: wrong.map(|(section, e)| (section, problem_of(e))),
    };
    Ok(Html(ui::account::page(reader.shell("Your account"), page)))
}

/// The page again with what is wrong, where another try may mend it.
async fn again(app: &App, reader: &Reader, section: Section, typed: Typed, e: Error) -> Page<Response> {
    match e.class() {
        Class::Invalid | Class::Conflict | Class::TooMany | Class::Forbidden => {
            Ok((status(e.class()), show(app, reader, typed, Some((section, &e))).await?).into_response())
        }
        _ => Err(e.into()),
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Profile {
    name: String,
    zone: String,
}

pub async fn profile(State(app): State<App>, reader: Reader, Form(form): Form<Profile>) -> Page<Response> {
    match accounts::set_profile(&app, &reader.actor, &form.name, Some(&form.zone)).await {
        Ok(()) => done(&reader, "Your name and time zone are saved.").await,
        Err(e) => {
            let typed = Typed { name: Some(form.name), zone: Some(form.zone), ..Typed::default() };
            again(&app, &reader, Section::Profile, typed, e).await
        }
    }
}

async fn done(reader: &Reader, sentence: &str) -> Page<Response> {
    reader.tell(sentence).await?;
    Ok(Redirect::to(TOP).into_response())
}

#[derive(Debug, serde::Deserialize)]
pub struct Change {
    #[serde(default = "nothing")]
    old_password: Secret,
    #[serde(default = "nothing")]
    password: Secret,
}

/// A field that was not sent is an empty one.
fn nothing() -> Secret {
    Secret::new("")
}

pub async fn password(State(app): State<App>, reader: Reader, Form(form): Form<Change>) -> Page<Response> {
    match accounts::change_password(&app, &reader.actor, &form.old_password, &form.password, reader.key().as_ref()).await {
        Ok(()) => done(&reader, "Your password is changed. Every other browser was signed out.").await,
        Err(e) => again(&app, &reader, Section::Password, Typed::default(), e).await,
    }
}

#[derive(Debug, serde::Deserialize)]
pub struct Present {
    #[serde(default = "nothing")]
    password: Secret,
}

pub async fn start(State(app): State<App>, reader: Reader, Form(form): Form<Present>) -> Page<Response> {
    match accounts::start_second_factor(&app, &reader.actor, &form.password).await {
        // To the top: the fragment of the form's address would be kept otherwise.
        Ok(_) => Ok(Redirect::to("/account/second-factor#main").into_response()),
        Err(e) => again(&app, &reader, Section::SecondFactor, Typed::default(), e).await,
    }
}

/// The second step, while a key waits to be confirmed.
pub async fn enrolment(State(app): State<App>, reader: Reader) -> Page<Response> {
    Ok(match enrolling(&app, &reader, None).await? {
        Some(page) => page.into_response(),
        None => Redirect::to("/account#second-factor").into_response(),
    })
}

async fn enrolling(app: &App, reader: &Reader, wrong: Option<&Error>) -> Result<Option<Html<String>>> {
    let pending = accounts::pending_second_factor(app, &reader.actor).await?;
    let shell = reader.shell("Turn the second factor on");
    Ok(pending.map(|e| Html(ui::account::enrolment(shell, &e.key, &e.picture, wrong.and_then(problem_of)))))
}

#[derive(Debug, serde::Deserialize)]
pub struct Code {
    #[serde(default = "nothing")]
    code: Secret,
}

pub async fn confirm(State(app): State<App>, reader: Reader, Form(form): Form<Code>) -> Page<Response> {
    match accounts::confirm_second_factor(&app, &reader.actor, &form.code, reader.key().as_ref()).await {
        Ok(codes) => Ok(Html(ui::account::codes(reader.shell("Your recovery codes"), &codes, true)).into_response()),
        Err(e) if e.class() == Class::Invalid => match enrolling(&app, &reader, Some(&e)).await? {
            Some(page) => Ok((status(e.class()), page).into_response()),
            None => Err(e.into()),
        },
        Err(e) => again(&app, &reader, Section::SecondFactor, Typed::default(), e).await,
    }
}

pub async fn codes(State(app): State<App>, reader: Reader, Form(form): Form<Present>) -> Page<Response> {
    match accounts::renew_recovery_codes(&app, &reader.actor, &form.password).await {
        Ok(codes) => Ok(Html(ui::account::codes(reader.shell("Your recovery codes"), &codes, false)).into_response()),
        Err(e) => again(&app, &reader, Section::SecondFactor, Typed::default(), e).await,
    }
}

pub async fn off(State(app): State<App>, reader: Reader, Form(form): Form<Present>) -> Page<Response> {
    match accounts::disable_second_factor(&app, &reader.actor, &form.password).await {
        Ok(()) => done(&reader, "The second factor is off. Your password alone signs you in.").await,
        Err(e) => again(&app, &reader, Section::SecondFactor, Typed::default(), e).await,
    }
}

pub async fn end_session(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page<Redirect> {
    let ended = sessions::revoke(&app, &reader.actor, &id).await;
    reader.settle("That browser is signed out.", ended).await?;
    Ok(Redirect::to(TOP))
}

pub async fn end_others(State(app): State<App>, reader: Reader) -> Page<Redirect> {
    let key = reader.key().ok_or_else(|| Error::internal("a reader without a session"))?;
    let ended = sessions::revoke_others(&app, &reader.actor, &key).await.map(drop);
    reader.settle("Every other browser is signed out.", ended).await?;
    Ok(Redirect::to(TOP))
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Token {
    label: String,
    scope: Vec<String>,
    days: String,
}

/// The answer is the page that shows the token: it stands nowhere else.
pub async fn create_token(State(app): State<App>, reader: Reader, Form(form): Form<Token>) -> Page<Response> {
    match ask_token(&app, &reader, &form).await {
        Ok(token) => Ok(Html(ui::account::created(reader.shell("Your new token"), &form.label, &token)).into_response()),
        Err(e) => {
            let typed = Typed { label: form.label, scope: form.scope, days: form.days, ..Typed::default() };
            again(&app, &reader, Section::Tokens, typed, e).await
        }
    }
}

async fn ask_token(app: &App, reader: &Reader, form: &Token) -> Result<Secret> {
    let all = form.scope.iter().any(|s| s == "all");
    let scope = if all { "all".to_owned() } else { [&["view".to_owned()], form.scope.as_slice()].concat().join(",") };
    let days = form.days.trim().parse();
    let days = days.map_err(|_| Error::invalid(format!("{:?} is not a number of days", form.days)).hint("choose 1 to 366 days"))?;
    let new = CreateToken { account: None, label: form.label.clone(), tenant: None, scope, days };
    accounts::create_token(app, &reader.actor, &new).await
}

pub async fn revoke_token(State(app): State<App>, reader: Reader, Path(id): Path<String>) -> Page<Redirect> {
    let ended = accounts::revoke_token(&app, &reader.actor, &TokenId(id)).await;
    reader.settle("The token is revoked.", ended).await?;
    Ok(Redirect::to(TOP))
}
