//! Links: `/d/TOKEN` is a page for people, `/d/TOKEN/NAME` the file itself, for browsers and `wget`. Nobody signs in here:
//! the link says it all, and so it is never written to a log.

use super::page_error::PageFailure;
use crate::app::App;
use crate::app::downloads::{self, Asked, Download, Head, Landing, Opened};
use crate::base::error::Error;
use crate::base::watch::Watch;
use crate::base::words::percent;
use crate::ui;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Pieces of 32 KiB between the thread that reads and the connection.
const PIECES: usize = 8;
/// The other side may stand still for so many ticks; then its place is given to others.
const TICK: Duration = Duration::from_millis(500);
const TICKS: usize = 240;

/// What a link leads to, as a page for people. Looking at it is no use of it.
pub async fn page(State(app): State<App>, token: Result<Path<String>, PathRejection>) -> Response {
    let Ok(Path(token)) = token else { return refused(&Landing::Unknown) };
    let shown = async {
        let now = app.pool.now().await?;
        Ok::<_, Error>((downloads::look(&app, &token).await?, now))
    };
    match shown.await {
        Ok((Landing::Open(offer), now)) => {
            let url = format!("{}/d/{token}/{}", app.public_url, percent(&offer.filename));
            kept_private(Html(ui::downloads::page(&offer, &url, now)).into_response())
        }
        Ok((closed, _)) => refused(&closed),
        Err(e) => kept_private(PageFailure(e).into_response()),
    }
}

/// The file: an archive that lies ready, any part of it, or what is written while it is read, which has no parts.
pub async fn file(State(app): State<App>, names: Result<Path<(String, String)>, PathRejection>, request: Request) -> Response {
    let Ok(Path((token, name))) = names else { return refused(&Landing::Unknown) };
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip().to_string()).unwrap_or_default();
    let asked = Asked {
        address: &address,
        agent: request.headers().get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or("an unnamed program"),
        head: request.method() == Method::HEAD,
        range: text(request.headers(), header::RANGE),
        if_range: text(request.headers(), header::IF_RANGE),
    };
    match downloads::open(&app, &token, &name, asked).await {
        Ok(Opened::Beyond(size)) => beyond(size),
        Ok(Opened::Named(head)) => attached(&head, Body::from_stream(stream::empty::<io::Result<Bytes>>())),
        Ok(Opened::Ready(download)) => {
            let head = download.head();
            attached(&head, streamed(*download))
        }
        Ok(Opened::Closed(landing)) => refused(&landing),
        Err(e) => kept_private(PageFailure(e).into_response()),
    }
}

/// A header; one that is no text is none. Several of one name are not what anybody sends.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|v| v.to_str().ok())
}

/// There is nothing at that place: how long the file is.
fn beyond(size: u64) -> Response {
    let mut response = kept_private(StatusCode::RANGE_NOT_SATISFIABLE.into_response());
    if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

/// Why a link does not open, and what to do: a page for people; programs see the status.
fn refused(landing: &Landing) -> Response {
    let (status, page) = match landing {
        Landing::Expired(offer) => (StatusCode::GONE, ui::downloads::expired(offer)),
        Landing::Used(offer) => (StatusCode::GONE, ui::downloads::used(offer)),
        Landing::Gone(offer) => (StatusCode::GONE, ui::downloads::gone(offer)),
        Landing::Revoked => (StatusCode::GONE, ui::downloads::revoked()),
        Landing::Open(_) | Landing::Unknown => (StatusCode::NOT_FOUND, ui::downloads::unknown()),
    };
    let mut response = kept_private((status, Html(page)).into_response());
    if matches!(landing, Landing::Expired(_) | Landing::Used(_)) {
        // Its form must say where it comes from, or it is taken for another site's where browsers send no more than that.
        response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    }
    response
}

/// Not in a cache, not in a search engine, and not told to the next page.
fn kept_private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex"));
    response
}

/// A file of the site is nothing but bytes, whatever it is called; its length tells whoever takes it whether that is all.
fn attached(head: &Head, body: Body) -> Response {
    let mut response = kept_private(Response::new(body));
    if head.part.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    let headers = response.headers_mut();
    let gzip = head.sha256.is_some() && head.filename.ends_with(".gz") || head.length.is_none();
    let kind = if gzip { "application/gzip" } else { "application/octet-stream" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let ranges = if head.sha256.is_some() { "bytes" } else { "none" };
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static(ranges));
    headers.insert(header::CONTENT_DISPOSITION, disposition(&head.filename));
    if let Some(tag) = head.etag().and_then(|tag| HeaderValue::try_from(tag).ok()) {
        headers.insert(header::ETAG, tag);
    }
    let Some(size) = head.length else { return response };
    let length = head.part.map_or(size, |(first, last)| last - first + 1);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(range) = head.part.and_then(|(first, last)| HeaderValue::try_from(format!("bytes {first}-{last}/{size}")).ok()) {
        headers.insert(header::CONTENT_RANGE, range);
    }
    response
}

/// RFC 6266: a name in ASCII for old programs, and the whole name for all others.
fn disposition(name: &str) -> HeaderValue {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let ascii = name.replace(|c: char| !safe(c), "_");
    let mut whole = String::new();
    for byte in name.bytes() {
        if safe(char::from(byte)) {
            whole.push(char::from(byte));
        } else {
            let _ = write!(whole, "%{byte:02X}"); // a string takes everything
        }
    }
    let text = format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{whole}");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("attachment"))
}

enum Piece {
    Bytes(Bytes),
    /// All of it was sent. A channel that ends without it broke off.
    End,
}

/// A thread reads and writes into the channel, the connection takes from it.
fn streamed(download: Download) -> Body {
    let (to, from) = channel(PIECES);
    let watch = download.watch();
    let mut pipe = Pipe { to, watch: watch.clone(), runtime: tokio::runtime::Handle::current() };
    tokio::task::spawn_blocking(move || {
        if download.run(&mut pipe).is_ok() {
            let _ = pipe.send(Piece::End); // who has gone away needs no end
        }
    });
    Body::from_stream(stream::unfold(Some((from, watch)), |state| async move {
        let (mut from, watch) = state?;
        match next(&mut from, &watch).await {
            Ok(Some(bytes)) => Some((Ok(bytes), Some((from, watch)))),
            Ok(None) => None,
            Err(e) => Some((Err(e), None)),
        }
    }))
}

/// An error closes the connection before its time, so that the other side knows.
async fn next(from: &mut Receiver<Piece>, watch: &Watch) -> io::Result<Option<Bytes>> {
    let piece = from.recv().await;
    match piece {
        Some(Piece::End) => Ok(None),
        Some(Piece::Bytes(bytes)) if !watch.is_cancelled() => Ok(Some(bytes)),
        _ => Err(io::Error::other("the download broke off")),
    }
}

struct Pipe {
    to: Sender<Piece>,
    watch: Watch,
    runtime: tokio::runtime::Handle,
}

impl Pipe {
    fn send(&self, piece: Piece) -> io::Result<()> {
        self.runtime.block_on(async {
            for _ in 0..TICKS {
                if self.watch.is_cancelled() {
                    return Err(io::Error::other("the link is not good any more"));
                }
                match tokio::time::timeout(TICK, self.to.reserve()).await {
                    Ok(Ok(place)) => {
                        place.send(piece);
                        return Ok(());
                    }
                    Ok(Err(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
                    Err(_) => {}
                }
            }
            Err(io::ErrorKind::TimedOut.into())
        })
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(Piece::Bytes(Bytes::copy_from_slice(bytes)))?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_breaks_out_of_its_header() {
        assert_eq!(
            disposition("shop_live_2026-11-21T03-00-00_UTC_files.tar.gz"),
            "attachment; filename=\"shop_live_2026-11-21T03-00-00_UTC_files.tar.gz\"; \
             filename*=UTF-8''shop_live_2026-11-21T03-00-00_UTC_files.tar.gz"
        );
        for odd in ["a\r\nSet-Cookie: x=1", "a\"; filename=b", "a;b", "ü🎉.gz", "\u{202e}zg.exe", "a'b%41", "\0", ""] {
            let value = disposition(odd);
            let text = value.to_str().unwrap();
            assert_eq!(text.matches(['"', ';']).count(), 4, "{text}");
            assert!(!text.contains(char::is_control) && text.matches('\'').count() == 2, "{text}");
        }
    }
}
