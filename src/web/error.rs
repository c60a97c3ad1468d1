//! Errors, translated once at the edge: a status, a sentence, a hint, and an id that the server's log repeats.

use crate::base::chance;
use crate::base::error::{Class, Error};
use crate::domain::view::Problem;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// An error on its way out.
#[derive(Debug)]
pub struct Failure(pub Error);

impl<E: Into<Error>> From<E> for Failure {
    fn from(e: E) -> Self {
        Self(e.into())
    }
}

/// What a handler answers.
pub type Answer<T> = Result<T, Failure>;

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let e = self.0;
        let status = status(e.class());
        let (sentence, hint, id) = sentence_of(&e);
        let mut response = (status, Json(Problem { error: sentence, hint, class: e.class(), id })).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// What a person is told: sentence, hint, and an id that the server's log repeats.
pub fn sentence_of(e: &Error) -> (String, Option<String>, String) {
    let id = chance::word(10);
    if status(e.class()).is_server_error() {
        tracing::error!("{id}: {e}");
    }
    // A defect of ours is for the log; people get its id.
    if e.class() == Class::Internal {
        let sentence = format!("something went wrong inside Sitekeep (error {id})");
        return (sentence, Some("the server's log says more under this id".to_owned()), id);
    }
    (e.sentence(), e.hint_text().map(str::to_owned), id)
}

pub fn status(class: Class) -> StatusCode {
    match class {
        Class::Invalid => StatusCode::BAD_REQUEST,
        Class::Unauthenticated => StatusCode::UNAUTHORIZED,
        Class::Forbidden => StatusCode::FORBIDDEN,
        Class::NotFound => StatusCode::NOT_FOUND,
        Class::Conflict | Class::Cancelled | Class::Fenced => StatusCode::CONFLICT,
        Class::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Class::Transient => StatusCode::SERVICE_UNAVAILABLE,
        Class::Resource => StatusCode::INSUFFICIENT_STORAGE,
        Class::Permanent | Class::Damaged => StatusCode::UNPROCESSABLE_ENTITY,
        Class::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// For a path that no route has.
pub async fn no_route() -> Failure {
    Failure(crate::app::access::hidden("page"))
}
