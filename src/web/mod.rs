//! What the network can ask: the JSON API under `/api/v1`, and `/healthz`.
//!
//! Handlers are thin: they parse, call one verb of `app`, and answer. No handler sees `db`, `queue` or `engine`, and none
//! decides who may do what. To add a route: a line in [`api::ROUTES`], a handler, and its line in `tests/access.rs`.

pub mod api;
mod error;
mod extract;

use crate::app::App;
use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware;
use axum::response::Response;
use axum::routing::get;

/// The whole router.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .nest("/api/v1", api::router())
        .fallback(error::no_route)
        .layer(axum::extract::DefaultBodyLimit::max(1 << 20))
        .layer(middleware::map_response(private))
        .with_state(app)
}

/// Nothing of ours is for a cache, a frame, or a guess at its type.
async fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    headers.entry(header::X_FRAME_OPTIONS).or_insert(HeaderValue::from_static("DENY"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    response
}
