//! Errors as pages: the same sentence and hint as the API's, for people.

use super::error::{sentence_of, status};
use crate::base::chance;
use crate::base::error::{Class, Error};
use crate::ui;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};

/// An error on its way to a reader.
#[derive(Debug)]
pub struct PageFailure(pub Error);

impl<E: Into<Error>> From<E> for PageFailure {
    fn from(e: E) -> Self {
        Self(e.into())
    }
}

/// What the handler of a page answers.
pub type Page<T = Html<String>> = Result<T, PageFailure>;

impl IntoResponse for PageFailure {
    fn into_response(self) -> Response {
        if self.0.class() == Class::Unauthenticated {
            return Redirect::to("/signin").into_response();
        }
        let (sentence, hint, id) = sentence_of(&self.0);
        (status(self.0.class()), Html(ui::errors::page(status(self.0.class()).as_u16(), &sentence, hint.as_deref(), &id))).into_response()
    }
}

/// What the framework refuses in a line of plain text, as a page: a form that cannot be read, a method that is not taken.
pub async fn as_page(response: Response) -> Response {
    let status = response.status();
    let is_page = response.headers().get(header::CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"text/html"));
    if is_page || !status.is_client_error() {
        return response;
    }
    let (sentence, hint) = match status {
        StatusCode::METHOD_NOT_ALLOWED => ("this page cannot be asked for in this way", "open it in your browser"),
        StatusCode::PAYLOAD_TOO_LARGE => ("what was sent is too large", "a form may have 1 MiB"),
        _ => ("what was sent is not what this page takes", "send the page's own form"),
    };
    let mut page = (status, Html(ui::errors::page(status.as_u16(), sentence, Some(hint), &chance::word(10)))).into_response();
    if let Some(allowed) = response.headers().get(header::ALLOW) {
        page.headers_mut().insert(header::ALLOW, allowed.clone());
    }
    page
}

/// For an address that no page has.
pub async fn no_page() -> PageFailure {
    PageFailure(crate::app::access::hidden("page"))
}
