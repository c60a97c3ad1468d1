//! What handlers take in: the actor, a JSON body, the idempotency key.

use super::error::Failure;
use crate::app::App;
use crate::app::access::{self, Actor};
use crate::base::error::Error;
use crate::base::secret::Secret;
use crate::domain::browse::Asked;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use axum::http::header;
use axum::http::request::Parts;
use std::net::SocketAddr;

/// A handler with this argument only runs for somebody whose token is good.
#[derive(Debug)]
pub struct Caller(pub Actor);

impl FromRequestParts<App> for Caller {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip().to_string()).unwrap_or_default();
        let token = parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.strip_prefix("Bearer "));
        let token = token.ok_or_else(access::unauthenticated)?;
        Ok(Self(access::authenticate(app, &Secret::new(token.trim()), &address).await?))
    }
}

/// What `{id}` in a path stands for. One that is no text names nothing.
#[derive(Debug)]
pub struct Path(pub String);

impl FromRequestParts<App> for Path {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let found = axum::extract::Path::<String>::from_request_parts(parts, app).await;
        found.map(|id| Self(id.0)).map_err(|_| access::hidden("page").into())
    }
}

/// What stands after the question mark.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: serde::de::DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Failure> {
        let found = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        let why = |e: &dyn std::error::Error| e.source().map_or_else(|| e.to_string(), ToString::to_string);
        found.map(|q| Self(q.0)).map_err(|e| Error::invalid(format!("the query is not what this route takes: {}", why(&e))).into())
    }
}

/// A JSON body. It must say that it is JSON: a form of another site cannot.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: serde::de::DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Failure;
    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if kind.split(';').next().map(str::trim) != Some("application/json") {
            return Err(Error::invalid("the body must be JSON").hint("send the header `Content-Type: application/json`").into());
        }
        let bytes = bytes::Bytes::from_request(request, app).await.map_err(|e| Error::invalid(format!("the body cannot be read: {e}")))?;
        let value = serde_json::from_slice(&bytes).map_err(|e| Error::invalid(format!("the body is not what this route takes: {e}")))?;
        Ok(Self(value))
    }
}

/// What is asked for inside a backup. Its values are bytes: names of files need not be text, which the framework's own
/// reader of queries takes them for.
#[derive(Debug)]
pub struct Inside(pub Asked);

impl<S: Send + Sync> FromRequestParts<S> for Inside {
    type Rejection = std::convert::Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(Asked::read(parts.uri.query().unwrap_or_default())))
    }
}

/// The header `Idempotency-Key`: the same key within 24 hours gives the same job.
#[derive(Debug)]
pub struct Key(pub Option<String>);

impl FromRequestParts<App> for Key {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Failure> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let text = value.to_str().ok().filter(|v| !v.is_empty() && v.len() <= 200);
        match text {
            Some(key) => Ok(Self(Some(key.to_owned()))),
            None => Err(Error::invalid("the idempotency key must have 1 to 200 plain characters").into()),
        }
    }
}
