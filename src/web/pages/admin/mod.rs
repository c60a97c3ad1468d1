//! The administrators' pages. For everybody else none of them is there.

pub mod accounts;
pub mod activity;
pub mod environments;
pub mod installation;
pub mod servers;
pub mod sites;
pub mod tenants;

use crate::app::{App, access};
use crate::base::error::{Error, Result};
use crate::ui::admin::Problem;
use crate::ui::errors::capital;
use crate::web::error::{sentence_of, status};
use crate::web::page_error::PageFailure;
use crate::web::reader::Reader;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use std::ops::Deref;

/// A handler with this argument only runs for an administrator; `app` asks again in every verb.
#[derive(Debug)]
pub struct Administrator(Reader);

impl Deref for Administrator {
    type Target = Reader;
    fn deref(&self) -> &Reader {
        &self.0
    }
}

impl FromRequestParts<App> for Administrator {
    type Rejection = PageFailure;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, PageFailure> {
        let reader = Reader::from_request_parts(parts, app).await?;
        access::administer(&reader.actor)?;
        Ok(Self(reader))
    }
}

/// What stands above a form that is shown again, and the status of that page.
fn wrong(e: &Error) -> (StatusCode, Problem) {
    let (sentence, hint, _) = sentence_of(e);
    (status(e.class()), Some((capital(&sentence), hint.map(|h| capital(&h)))))
}

/// What was typed, or nothing.
fn given(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|t| !t.is_empty())
}

/// The lines of a field, without empty ones.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect()
}

/// A port, or nothing.
fn port(text: &str) -> Result<Option<u16>> {
    let number = |t: String| t.parse().map_err(|_| Error::invalid(format!("{t:?} is not a port")).hint("a port is a number up to 65535"));
    given(text).map(number).transpose()
}

/// A number of something, or nothing.
fn whole(text: &str, what: &str) -> Result<Option<u64>> {
    let number = |t: String| {
        t.parse()
            .map_err(|_| Error::invalid(format!("{t:?} is not a number of {what}")).hint("write a whole number, or nothing for no limit"))
    };
    given(text).map(number).transpose()
}
