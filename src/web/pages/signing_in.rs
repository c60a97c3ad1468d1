//! Signing in with e-mail, password and a code, and out again.

use crate::app::signing_in::{self, Outcome};
use crate::app::{App, sessions};
use crate::base::error::{Class, Error, Result};
use crate::base::secret::Secret;
use crate::base::zone::Zone;
use crate::domain::ids::AccountId;
use crate::ui;
use crate::ui::signing_in::{Kept, SignIn};
use crate::web::error::{sentence_of, status};
use crate::web::page_error::Page;
use crate::web::reader::{Reader, Visitor, broken, own_path};
use crate::web::session::{ACCOUNT, ADDRESS, AGENT};
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::Form;

/// The account whose password was right and whose code is still to be typed.
const PENDING: &str = "pending";

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Asked {
    next: String,
    /// What was done before: `reset`.
    after: String,
}

pub async fn form(State(app): State<App>, visitor: Visitor, Query(asked): Query<Asked>) -> Page<Response> {
    let next = own_path(&asked.next).to_owned();
    if let Some(account) = visitor.session.get::<String>(ACCOUNT).await.map_err(broken)?
        && sessions::actor(&app, &AccountId(account), &visitor.address).await.is_ok()
    {
        return Ok(Redirect::to(&next).into_response());
    }
    let notice = (asked.after == "reset").then(|| "The new password is set. Sign in with it.".to_owned());
    Ok(Html(ui::signing_in::page(SignIn { next, notice, ..SignIn::default() })).into_response())
}

#[derive(Debug, serde::Deserialize)]
#[serde(default)]
pub struct SignInForm {
    email: String,
    password: Secret,
    code: Secret,
    next: String,
    /// A form that was being filled in when the session ended: where it goes, and what was in it.
    kept_path: String,
    kept_body: String,
}

impl Default for SignInForm {
    fn default() -> Self {
        let (nothing, text) = (|| Secret::new(""), String::new);
        Self { email: text(), password: nothing(), code: nothing(), next: text(), kept_path: text(), kept_body: text() }
    }
}

pub async fn enter(State(app): State<App>, visitor: Visitor, Form(form): Form<SignInForm>) -> Page<Response> {
    let next = own_path(&form.next).to_owned();
    let kept = (!form.kept_path.is_empty()).then(|| Kept { path: own_path(&form.kept_path).to_owned(), body: form.kept_body.clone() });
    let again = |code: bool, e: &Error| {
        let (sentence, hint, _) = sentence_of(e);
        let problem = Some((ui::errors::capital(&sentence), hint.map(|h| ui::errors::capital(&h))));
        let page = SignIn { email: form.email.clone(), next: next.clone(), kept: kept.clone(), code, problem, ..SignIn::default() };
        (status(e.class()), Html(ui::signing_in::page(page))).into_response()
    };
    let pending = visitor.session.get::<String>(PENDING).await.map_err(broken)?.map(AccountId);
    let account = match pending.filter(|_| form.password.expose().is_empty() && !form.code.expose().is_empty()) {
        Some(account) => match signing_in::code(&app, &account, &form.code, &visitor.address).await {
            Ok(()) => account,
            Err(e) if asks_again(&e) => return Ok(again(true, &e)),
            Err(e) => return Err(e.into()),
        },
        None => match signing_in::password(&app, &form.email, &form.password, &visitor.address, &visitor.agent).await {
            Ok(Outcome::In(account)) => account,
            Ok(Outcome::CodeNeeded(account)) => {
                visitor.session.cycle_id().await.map_err(broken)?;
                visitor.session.insert(PENDING, &account.0).await.map_err(broken)?;
                let page = SignIn { email: form.email.clone(), next, kept, code: true, ..SignIn::default() };
                return Ok(Html(ui::signing_in::page(page)).into_response());
            }
            Err(e) if asks_again(&e) => return Ok(again(false, &e)),
            Err(e) => return Err(e.into()),
        },
    };
    let_in(&visitor, &account).await?;
    Ok(match kept {
        Some(kept) => Html(ui::signing_in::resume(kept, Zone::default())).into_response(),
        None => Redirect::to(&next).into_response(),
    })
}

fn asks_again(e: &Error) -> bool {
    matches!(e.class(), Class::Unauthenticated | Class::TooMany | Class::Invalid)
}

/// A new session under a new id: one that somebody else put into the browser before is worth nothing.
pub(super) async fn let_in(visitor: &Visitor, account: &AccountId) -> Result<()> {
    let session = &visitor.session;
    session.clear().await;
    session.cycle_id().await.map_err(broken)?;
    session.insert(ACCOUNT, &account.0).await.map_err(broken)?;
    session.insert(ADDRESS, &visitor.address).await.map_err(broken)?;
    session.insert(AGENT, &visitor.agent).await.map_err(broken)
}

pub async fn leave(State(app): State<App>, reader: Reader) -> Page<Redirect> {
    if let Some(key) = reader.key() {
        signing_in::sign_out(&app, &reader.actor, &key).await?;
    }
    reader.session.flush().await.map_err(broken)?;
    Ok(Redirect::to("/signin"))
}

/// The page for somebody whose session ended while they filled in a form, or who pressed a button without having one.
pub fn interrupted(path: &str, body: &str) -> Html<String> {
    let kept = Kept { path: path.to_owned(), body: without_secrets(body) };
    let (what, hint) = match body.is_empty() {
        true => ("Sign in to go on", "What you asked for can be sent afterwards."),
        false => ("Your session has ended", "Sign in again: what you had typed is kept, and you can send it afterwards."),
    };
    let problem = Some((what.to_owned(), Some(hint.to_owned())));
    Html(ui::signing_in::page(SignIn { kept: Some(kept), problem, ..SignIn::default() }))
}

/// Passwords are typed again rather than carried around in a page.
fn without_secrets(body: &str) -> String {
    let secret =
        |pair: &&str| ["password", "secret", "code", "old", "new"].iter().any(|s| pair.split('=').next().unwrap_or_default().contains(s));
    body.split('&').filter(|pair| !secret(pair)).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_kept_with_a_form() {
        assert_eq!(without_secrets("note=a%26b&password=x&database_password=y&element=code"), "note=a%26b&element=code");
    }
}
