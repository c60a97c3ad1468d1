//! What stands before every page: requests that other sites caused are refused, and who reads is found out.

use super::pages::signing_in;
use super::reader::Reader;
use crate::app::App;
use crate::base::error::Error;
use crate::web::page_error::PageFailure;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

/// A form that was being filled in when the session ended; more is not kept.
const KEPT: usize = 64 << 10;

/// Only our own pages may change anything. Browsers say where a request comes from; one with a cookie that says nothing
/// is refused, too.
pub async fn same_origin(State(app): State<App>, request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if safe || is_ours(request.headers(), &app.public_url) {
        return next.run(request).await;
    }
    PageFailure(Error::forbidden("this request was sent by another site").hint("open the page in Sitekeep and send it from there"))
        .into_response()
}

fn is_ours(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            origin == origin_of(public_url) || text("host").is_some_and(|host| origin.split("://").nth(1) == Some(host))
        }
        (None, None) => !headers.contains_key(header::COOKIE),
    }
}

/// `https://keep.example` of `https://keep.example/panel`
pub fn origin_of(url: &str) -> &str {
    let after = url.find("://").map_or(0, |i| i + 3);
    url[after..].find('/').map_or(url, |i| &url[..after + i])
}

/// Nobody sees a page who is not signed in. What was typed into a form is not lost with the session.
pub async fn signed_in(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match Reader::find(&mut parts, &app).await {
        Ok(Some(reader)) => {
            parts.extensions.insert(reader);
            next.run(Request::from_parts(parts, body)).await
        }
        Ok(None) if parts.method == Method::POST => keep_form(parts.uri.path(), &parts.headers, body).await,
        Ok(None) => {
            let to = parts.uri.path_and_query().map_or("/", |p| p.as_str());
            Redirect::to(&format!("/signin?next={}", crate::base::words::percent(to))).into_response()
        }
        Err(e) => PageFailure(e).into_response(),
    }
}

async fn keep_form(path: &str, headers: &HeaderMap, body: Body) -> Response {
    let form = headers.get(header::CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    let bytes = if form { axum::body::to_bytes(body, KEPT).await.unwrap_or_default() } else { bytes::Bytes::new() };
    let page = signing_in::interrupted(path, &String::from_utf8_lossy(&bytes));
    (StatusCode::UNAUTHORIZED, page).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_may_change_anything() {
        let ours = |pairs: &[(&str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
            }
            is_ours(&headers, "https://keep.example/panel")
        };
        assert!(ours(&[("sec-fetch-site", "same-origin"), ("cookie", "a=b")]));
        assert!(ours(&[("sec-fetch-site", "none"), ("cookie", "a=b")]));
        assert!(!ours(&[("sec-fetch-site", "cross-site"), ("origin", "https://keep.example")]));
        assert!(!ours(&[("sec-fetch-site", "same-site"), ("cookie", "a=b")]));
        assert!(ours(&[("origin", "https://keep.example"), ("cookie", "a=b")]));
        assert!(!ours(&[("origin", "https://keep.example.evil.test"), ("host", "keep.example"), ("cookie", "a=b")]));
        assert!(!ours(&[("origin", "null"), ("host", "keep.example"), ("cookie", "a=b")]));
        assert!(ours(&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080"), ("cookie", "a=b")]));
        assert!(!ours(&[("cookie", "a=b")]), "a cookie without any word of where it comes from");
        assert!(ours(&[]), "a tool without a cookie");
    }
}
