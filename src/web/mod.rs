//! What the network can ask: the pages, the JSON API under `/api/v1`, downloads, `/healthz`.
//!
//! Handlers are thin: they parse, call one verb of `app`, and answer. No handler sees `db`, `queue` or `engine`, and none
//! decides who may do what. To add a page: a line in [`pages::ROUTES`], a handler, and its line in `tests/pages.rs`; to add
//! to the API: a line in [`api::ROUTES`], a handler, and its line in `tests/access.rs`.

pub mod api;
mod assets;
mod downloads;
mod error;
mod extract;
mod guard;
mod page_error;
pub mod pages;
mod reader;
mod session;
mod stop;

pub use stop::Stop;

use crate::app::{App, installation, metrics};
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router, middleware};
use error::Answer;
use extract::Caller;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};

/// The whole router, for a server that never stops.
pub fn router(app: App) -> Router {
    router_until(app, Stop::never())
}

/// The whole router; answers that go on for ever end with `stop`.
pub fn router_until(app: App, stop: Stop) -> Router {
    let api = api::router().fallback(error::no_route);
    Router::new()
        .merge(pages::router(&app))
        .merge(assets::router())
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .route("/d/{token}", get(downloads::page))
        .route("/d/{token}/{name}", get(downloads::file))
        .nest("/api/v1", api)
        .fallback(page_error::no_page)
        .layer(axum::extract::DefaultBodyLimit::max(1 << 20))
        .layer(Extension(stop))
        // What is compressed already only costs time to be compressed again; and a file keeps its length.
        .layer(
            CompressionLayer::new().compress_when(
                DefaultPredicate::new()
                    .and(NotForContentType::const_new("application/gzip"))
                    .and(NotForContentType::const_new("application/octet-stream")),
            ),
        )
        .layer(middleware::map_response(private))
        .with_state(app)
}

/// Does it work, catalogue included?
async fn health(State(app): State<App>) -> Response {
    match installation::alive(&app).await {
        Ok(()) => "ok\n".into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the catalogue does not answer\n").into_response(),
    }
}

/// For Prometheus, with the API token of an administrator.
async fn metrics(State(app): State<App>, Caller(actor): Caller) -> Answer<([(HeaderName, &'static str); 1], String)> {
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::text(&app, &actor).await?))
}

/// Only our own files, no frame around us, nothing of ours in anybody's cache.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types sitekeep";

/// Nothing of ours is for a cache, a frame, or a guess at its type.
async fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    headers.entry(header::X_FRAME_OPTIONS).or_insert(HeaderValue::from_static("DENY"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    response
}
