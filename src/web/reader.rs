//! Who reads a page: the account behind the session, with all that every page shows of it.

use super::session::ACCOUNT;
use crate::app::access::Actor;
use crate::app::{App, fleet, sessions};
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::zone::Zone;
use crate::base::{chance, secret::Secret};
use crate::domain::ids::AccountId;
use crate::ui::errors::capital;
use crate::ui::{Flash, Shell};
use crate::web::page_error::PageFailure;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header;
use axum::http::request::Parts;
use std::net::SocketAddr;
use tower_sessions::Session;

const FLASH: &str = "flash";

/// A handler with this argument only runs for somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Reader {
    pub actor: Actor,
    pub session: Session,
    pub zone: Zone,
    now: Millis,
    jobs: u64,
    path: String,
    flash: Option<Flash>,
}

impl Reader {
    /// `None` when nobody is signed in.
    pub async fn find(parts: &mut Parts, app: &App) -> Result<Option<Self>> {
        let session = parts.extensions.get::<Session>().cloned().ok_or_else(|| Error::internal("the sessions are not wired"))?;
        let Some(account) = session.get::<String>(ACCOUNT).await.map_err(broken)? else { return Ok(None) };
        let address = address(parts);
        let (actor, zone) = match sessions::reader(app, &AccountId(account), &address).await {
            Ok(found) => found,
            Err(e) if e.class() == Class::Unauthenticated => return Ok(None),
            Err(e) => return Err(e),
        };
        let zone = zone.or_else(|| cookie(parts, "zone")).and_then(|name| Zone::parse(&name).ok()).unwrap_or_default();
        let now = app.pool.moment().await?;
        let jobs = fleet::active_jobs(app, &actor, now).await?;
        let flash = if is_shown(parts) { take_flash(&session).await? } else { None };
        Ok(Some(Self { actor, session, zone, now, jobs, path: parts.uri.path().to_owned(), flash }))
    }

    /// The time of the request, and the zone to show it in.
    pub fn here_and_now(&self) -> (Millis, Zone) {
        (self.now, self.zone)
    }

    /// What surrounds the page.
    pub fn shell(&self, title: impl Into<String>) -> Shell {
        Shell {
            title: title.into(),
            email: self.actor.email.clone(),
            administrator: self.actor.administrator,
            jobs: self.jobs,
            path: self.path.clone(),
            zone: self.zone,
            now: self.now,
            once: chance::word(20),
            flash: self.flash.clone(),
            ..Shell::default()
        }
    }

    /// The cookie of this session.
    pub fn key(&self) -> Option<Secret> {
        self.session.id().map(|id| super::session::key(&id))
    }

    /// A sentence on the next page.
    pub async fn tell(&self, sentence: impl Into<String>) -> Result<()> {
        self.session.insert(FLASH, Flash::good(sentence)).await.map_err(broken)
    }
    /// How an act went, on the next page: `sentence`, or what was wrong. What one may not see stays hidden, and what one may
    /// not do is refused as such.
    ///
    /// # Errors
    /// `NotFound` and `Forbidden`, as they came.
    pub async fn settle(&self, sentence: &str, result: Result<()>) -> Result<()> {
        let flash = match result {
            Ok(()) => Flash::good(sentence),
            Err(e) if matches!(e.class(), Class::NotFound | Class::Forbidden) => return Err(e),
            Err(e) => {
                let (sentence, hint, _) = super::error::sentence_of(&e);
                Flash::bad(capital(&sentence), hint.map(|h| capital(&h)))
            }
        };
        self.session.insert(FLASH, flash).await.map_err(broken)
    }
}

/// Sent by our script when it looks at a page again, to exchange parts of it.
const AGAIN: &str = "sitekeep-again";

/// Does the answer come before somebody's eyes as a page? A sentence that was taken for another one would never be read.
fn is_shown(parts: &Parts) -> bool {
    !parts.headers.contains_key(AGAIN) && parts.uri.path() != "/events"
}

/// Looked at before it is taken: taking what is not there would write the session with every page.
async fn take_flash(session: &Session) -> Result<Option<Flash>> {
    if session.get_value(FLASH).await.map_err(broken)?.is_none() {
        return Ok(None);
    }
    session.remove(FLASH).await.map_err(broken)
}

/// What was wrong, above a form: a sentence and what to do.
pub fn problem_of(e: &Error) -> Option<(String, Option<String>)> {
    let (sentence, hint, _) = super::error::sentence_of(e);
    Some((capital(&sentence), hint.map(|h| capital(&h))))
}

/// An error of the session store, as ours.
pub fn broken(e: tower_sessions::session::Error) -> Error {
    Error::transient(format!("the session cannot be read: {e}")).hint("try again")
}

/// Where a request comes from.
pub fn address(parts: &Parts) -> String {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip().to_string()).unwrap_or_default()
}

/// What a browser calls itself.
pub fn agent(parts: &Parts) -> String {
    let text = parts.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    text.chars().take(300).collect()
}

/// The value of a cookie that a script of ours set, decoded.
fn cookie(parts: &Parts, name: &str) -> Option<String> {
    let all = parts.headers.get_all(header::COOKIE).into_iter().filter_map(|v| v.to_str().ok());
    let found = all.flat_map(|v| v.split(';')).find_map(|pair| pair.trim().split_once('=').filter(|(n, _)| *n == name));
    found.map(|(_, value)| value.replace("%2F", "/"))
}

impl FromRequestParts<App> for Reader {
    type Rejection = PageFailure;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, PageFailure> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Error::internal("a page without its reader").into())
    }
}

/// Where a visitor comes from who may not be signed in: for signing in, and for public pages.
#[derive(Clone, Debug)]
pub struct Visitor {
    pub address: String,
    pub agent: String,
    pub session: Session,
}

impl Visitor {
    /// A sentence on the next page, for one who was let in.
    pub async fn tell(&self, sentence: impl Into<String>) -> Result<()> {
        self.session.insert(FLASH, Flash::good(sentence)).await.map_err(broken)
    }
}

impl FromRequestParts<App> for Visitor {
    type Rejection = PageFailure;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, PageFailure> {
        let session = parts.extensions.get::<Session>().cloned().ok_or_else(|| Error::internal("the sessions are not wired"))?;
        Ok(Self { address: address(parts), agent: agent(parts), session })
    }
}

/// A place to go on to: a path of our own, and nothing else.
pub fn own_path(wanted: &str) -> &str {
    let own = wanted.starts_with('/') && !wanted.starts_with("//") && !wanted.contains(['\\', '\r', '\n', '\t']);
    if own && !wanted.chars().any(char::is_control) { wanted } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_to_another_site() {
        for good in ["/", "/environments/env_1?after=x", "/a//b"] {
            assert_eq!(own_path(good), good);
        }
        for bad in
            ["", "//evil.test", "/\\evil.test", "https://evil.test", "javascript:alert(1)", "evil", "/\t/evil.test", "\\\\evil", "/\r\nx"]
        {
            assert_eq!(own_path(bad), "/", "{bad:?}");
        }
    }
}
