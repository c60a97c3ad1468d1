//! Archives in a bucket: any server that speaks S3.
//!
//! An object of S3 is there when all of it was sent, but one of gigabytes is sent in parts, and parts that nobody completed
//! lie there unseen, and are paid for. So an archive is many objects, `NAME/000000` and on, and `NAME/whole`, which is
//! written last and says how long all of them are: without it there is a part, which every listing shows and the sweep finds.

use super::{Found, Place, Writing, checked, cut, gone};
use crate::base::error::{Class, Error, Result};
use crate::base::failpoint;
use crate::base::secret::Secret;
use rusty_s3::actions::{ListObjectsV2, S3Action};
use rusty_s3::{Credentials, UrlStyle};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::time::Duration;
use ureq::http;

/// Bytes of one object: what is held in memory while an archive is written.
const PIECE: usize = 8 << 20;
const WHOLE: &str = "whole";
/// How long a signature is good, and how long one object may take: 8 MiB by then, or the bucket has gone to sleep.
const SIGNED: Duration = Duration::from_secs(900);
/// Pauses between tries of one request.
const PAUSES: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(4)];

/// A bucket, and a prefix in it that is ours.
#[derive(Clone)]
pub struct Bucket {
    bucket: rusty_s3::Bucket,
    credentials: Credentials,
    /// Empty, or with a slash at its end.
    prefix: String,
    agent: ureq::Agent,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "bucket {} /{}", self.bucket.name(), self.prefix)
    }
}

impl Bucket {
    /// Reads `s3+https://KEY:SECRET@HOST/BUCKET/PREFIX?region=REGION`, or `s3+http` on a network of one's own. What an URL
    /// cannot hold is written `%2F`; the region is `us-east-1` where none is said.
    ///
    /// # Errors
    /// `Invalid` for another address; the sentence holds no part of it.
    pub fn at(url: &Secret) -> Result<Self> {
        let wrong = |why: &str| {
            Error::invalid(format!("this is not the address of a bucket: {why}"))
                .hint("it is written s3+https://KEY:SECRET@HOST/BUCKET/PREFIX?region=REGION")
        };
        let plain = url.expose().strip_prefix("s3+").filter(|rest| rest.starts_with("https://") || rest.starts_with("http://"));
        let mut url = url::Url::parse(plain.ok_or_else(|| wrong("it begins neither with s3+https:// nor with s3+http://"))?)
            .map_err(|e| wrong(&e.to_string()))?;
        let decoded = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
        let (key, secret) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
        if key.is_empty() || secret.is_empty() {
            return Err(wrong("the key or its secret is missing"));
        }
        let path = decoded(url.path());
        let (name, prefix) = path.trim_matches('/').split_once('/').unwrap_or((path.trim_matches('/'), ""));
        if name.is_empty() {
            return Err(wrong("the bucket is missing"));
        }
        let region = url.query_pairs().find(|(k, _)| k == "region").map_or_else(|| "us-east-1".to_owned(), |(_, v)| v.into_owned());
        let (name, prefix) = (name.to_owned(), if prefix.is_empty() { String::new() } else { format!("{prefix}/") });
        let _ = (url.set_username(""), url.set_password(None));
        url.set_path("");
        url.set_query(None);
        let bucket = rusty_s3::Bucket::new(url, UrlStyle::Path, name, region).map_err(|e| wrong(&e.to_string()))?;
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
        let config = config.timeout_connect(Some(Duration::from_secs(10))).timeout_recv_response(Some(Duration::from_secs(60)));
        let config = config.timeout_send_body(Some(SIGNED)).timeout_recv_body(Some(SIGNED));
        Ok(Self { bucket, credentials: Credentials::new(key, secret), prefix, agent: config.build().new_agent() })
    }

    fn key(&self, name: &str, piece: &str) -> String {
        format!("{}{name}/{piece}", self.prefix)
    }

    /// Asks, and again when the answer may be another one then.
    fn ask<'a>(&'a self, action: impl S3Action<'a>, method: &str, range: Option<u64>, body: &[u8]) -> Result<http::Response<ureq::Body>> {
        let url = action.sign(SIGNED);
        let mut pauses = PAUSES.iter();
        loop {
            let mut request = http::Request::builder().method(method).uri(url.as_str());
            if let Some(from) = range {
                request = request.header("Range", format!("bytes={from}-"));
            }
            let request = request.body(body).map_err(|e| Error::internal(format!("a request to a bucket: {e}")))?;
            let said = match self.agent.run(request) {
                Ok(answer) if answer.status().is_success() => return Ok(answer),
                Ok(answer) => refused(answer.status().as_u16()),
                // Its text may hold the address, which is signed.
                Err(e) => {
                    tracing::debug!("asking a bucket: {e}");
                    Error::transient("the bucket of prepared downloads does not answer")
                        .hint("is the address in SITEKEEP_DOWNLOADS_URL right?")
                }
            };
            match pauses.next() {
                Some(pause) if said.class() == Class::Transient => std::thread::sleep(*pause),
                _ => return Err(said),
            }
        }
    }

    fn put(&self, name: &str, piece: &str, bytes: &[u8]) -> Result<()> {
        let key = self.key(name, piece);
        self.ask(self.bucket.put_object(Some(&self.credentials), &key), "PUT", None, bytes).map(drop)
    }

    fn get(&self, name: &str, piece: &str, from: u64) -> Result<http::Response<ureq::Body>> {
        let key = self.key(name, piece);
        let range = (from > 0).then_some(from);
        self.ask(self.bucket.get_object(Some(&self.credentials), &key), "GET", range, &[])
    }

    fn delete(&self, name: &str, piece: &str) -> Result<()> {
        let key = self.key(name, piece);
        match self.ask(self.bucket.delete_object(Some(&self.credentials), &key), "DELETE", None, &[]) {
            Err(e) if e.class() != Class::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// How long the archive is; `None` where none is whole.
    fn length(&self, name: &str) -> Result<Option<u64>> {
        match self.get(name, WHOLE, 0) {
            Err(e) if e.class() == Class::NotFound => Ok(None),
            other => {
                let text = other?.body_mut().read_to_string().map_err(|e| Error::transient(format!("reading from the bucket: {e}")))?;
                text.trim().parse().map(Some).map_err(|_| cut())
            }
        }
    }

    /// The objects below a key: the rest of each key, and the seconds since it was written.
    fn below(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        let (mut all, mut token) = (Vec::new(), None::<String>);
        loop {
            let mut action: ListObjectsV2<'_> = self.bucket.list_objects_v2(Some(&self.credentials));
            action.with_prefix(prefix.to_owned());
            if let Some(token) = &token {
                action.with_continuation_token(token.clone());
            }
            let mut answer = self.ask(action, "GET", None, &[])?;
            let now = answer.headers().get("date").and_then(|v| v.to_str().ok()).map(str::to_owned);
            let text = answer.body_mut().read_to_string().map_err(|e| Error::transient(format!("reading from the bucket: {e}")))?;
            let found =
                ListObjectsV2::parse_response(&text).map_err(|e| Error::permanent(format!("the bucket's list cannot be read: {e}")))?;
            let since = |modified: &Option<String>| idle(now.as_deref(), modified.as_deref());
            all.extend(found.contents.iter().filter_map(|o| Some((o.key.strip_prefix(prefix)?.to_owned(), since(&o.last_modified)))));
            token = found.next_continuation_token;
            if token.is_none() {
                return Ok(all);
            }
        }
    }

    /// What lies there of a part.
    fn clear(&self, name: &str) -> Result<()> {
        let pieces = self.below(&self.key(name, ""))?;
        pieces.iter().try_for_each(|(piece, _)| self.delete(name, piece))
    }
}

/// Seconds since then; both times are the bucket's own, since its clock need not be ours. 0 where one is not said.
fn idle(now: Option<&str>, modified: Option<&str>) -> u64 {
    let now = now.and_then(|text| chrono::DateTime::parse_from_rfc2822(text).ok());
    let at = modified.and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
    now.zip(at).map_or(0, |(now, at)| (now - at).num_seconds().max(0).unsigned_abs())
}

fn refused(status: u16) -> Error {
    match status {
        404 => gone(),
        401 | 403 => Error::permanent("the bucket of prepared downloads refuses our key")
            .hint("it must be allowed to put, get, list and delete: look at SITEKEEP_DOWNLOADS_URL"),
        408 | 429 | 500.. => Error::transient(format!("the bucket of prepared downloads answers {status}")),
        _ => Error::permanent(format!("the bucket of prepared downloads answers {status}")).hint("look at SITEKEEP_DOWNLOADS_URL"),
    }
}

impl Place for Bucket {
    fn begin(&self, name: &str) -> Result<Box<dyn Writing>> {
        if !self.below(&self.key(name, ""))?.is_empty() {
            return Err(Error::conflict("an archive of this name is in the bucket already"));
        }
        Ok(Box::new(Part {
            bucket: self.clone(),
            name: name.to_owned(),
            buffer: Vec::with_capacity(PIECE),
            pieces: 0,
            length: 0,
            placed: false,
        }))
    }

    fn open(&self, name: &str, length: u64, from: u64) -> Result<Box<dyn Read + Send>> {
        match self.length(name)? {
            None => Err(gone()),
            Some(found) if found != length => Err(cut()),
            Some(_) => Ok(Box::new(Pieces { bucket: self.clone(), name: name.to_owned(), at: from, length, current: None })),
        }
    }

    fn has(&self, name: &str, length: u64) -> bool {
        self.length(name).is_ok_and(|found| found == Some(length))
    }

    fn remove(&self, found: &Found) -> Result<()> {
        if found.part && self.length(&found.name)?.is_some() {
            return Ok(()); // it became whole meanwhile
        }
        // First it is no whole one any more.
        self.delete(&found.name, WHOLE)?;
        self.clear(&found.name)
    }

    fn list(&self) -> Result<Vec<Found>> {
        let mut names: BTreeMap<String, Found> = BTreeMap::new();
        for (key, idle) in self.below(&self.prefix)? {
            let Some((name, piece)) = key.split_once('/') else { continue };
            let Ok(name) = checked(name) else { continue };
            let found = names.entry(name.to_owned()).or_insert_with(|| Found { name: name.to_owned(), part: true, idle });
            found.part &= piece != WHOLE;
            found.idle = found.idle.min(idle);
        }
        Ok(names.into_values().collect())
    }
}

struct Part {
    bucket: Bucket,
    name: String,
    buffer: Vec<u8>,
    pieces: u64,
    length: u64,
    placed: bool,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} pieces of {} in {:?}", self.pieces, self.name, self.bucket)
    }
}

fn piece(number: u64) -> String {
    format!("{number:06}")
}

impl Part {
    fn send(&mut self) -> Result<()> {
        self.bucket.put(&self.name, &piece(self.pieces), &self.buffer)?;
        self.pieces += 1;
        self.buffer.clear();
        Ok(())
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(PIECE - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..n]);
        self.length += n as u64;
        if self.buffer.len() == PIECE {
            self.send().map_err(io::Error::other)?;
        }
        Ok(n)
    }
    /// What is buffered waits until it is a piece.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Writing for Part {
    fn place(mut self: Box<Self>) -> Result<()> {
        let what = || "writing the archive into its bucket";
        if !self.buffer.is_empty() {
            self.send().map_err(|e| e.context(what()))?;
        }
        failpoint::hit(format_args!("download.part.synced"))?;
        self.bucket.put(&self.name, WHOLE, self.length.to_string().as_bytes()).map_err(|e| e.context(what()))?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.placed && self.pieces > 0 {
            let _ = self.bucket.clear(&self.name); // what stays is swept later
        }
    }
}

/// The objects of an archive, one after the other.
struct Pieces {
    bucket: Bucket,
    name: String,
    at: u64,
    length: u64,
    /// What is being read, and how many bytes it has left.
    current: Option<(ureq::BodyReader<'static>, u64)>,
}

impl Pieces {
    fn next(&mut self) -> Result<(ureq::BodyReader<'static>, u64)> {
        let (number, skipped) = (self.at / PIECE as u64, self.at % PIECE as u64);
        let left = (self.length - self.at).min(PIECE as u64 - skipped);
        let answer = self.bucket.get(&self.name, &piece(number), skipped)?;
        if skipped > 0 && answer.status().as_u16() != 206 {
            return Err(Error::permanent("the bucket of prepared downloads does not know ranges"));
        }
        Ok((answer.into_body().into_reader(), left))
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.length || buffer.is_empty() {
            return Ok(0);
        }
        let (mut reader, left) = match self.current.take() {
            Some(current) => current,
            None => self.next().map_err(io::Error::other)?,
        };
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let n = reader.read(&mut buffer[..most])?;
        if n == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "an object of the archive ended before its length"));
        }
        self.at += n as u64;
        self.current = (left > n as u64).then_some((reader, left - n as u64));
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(url: &str) -> String {
        Bucket::at(&Secret::new(url)).unwrap_err().to_string()
    }

    #[test]
    fn how_long_an_object_lies_there_is_told_by_the_buckets_own_clock() {
        let since = |now: &str, modified: &str| idle(Some(now), Some(modified));
        assert_eq!(since("Thu, 26 Nov 2026 15:00:10 GMT", "2026-11-26T15:00:00.000Z"), 10);
        assert_eq!(since("Thu, 26 Nov 2026 15:00:00 GMT", "2026-11-26T15:00:05.000Z"), 0);
        assert_eq!((since("now", "2026-11-26T15:00:00Z"), idle(None, Some("2026-11-26T15:00:00Z"))), (0, 0));
    }

    #[test]
    fn the_address_of_a_bucket_is_read_whole_and_a_wrong_one_shows_no_secret() {
        let bucket = Bucket::at(&Secret::new("s3+https://key:a%2Fb@s3.example.com:9000/copies/down/loads?region=eu-1")).unwrap();
        assert_eq!((bucket.bucket.name(), bucket.bucket.region(), bucket.prefix.as_str()), ("copies", "eu-1", "down/loads/"));
        assert_eq!((bucket.credentials.key(), bucket.credentials.secret()), ("key", "a/b"));
        assert_eq!(bucket.bucket.base_url().as_str(), "https://s3.example.com:9000/copies/");
        assert_eq!(format!("{bucket:?}"), "bucket copies /down/loads/");
        let plain = Bucket::at(&Secret::new("s3+http://key:secret@127.0.0.1/copies")).unwrap();
        assert_eq!((plain.bucket.region(), plain.key("arc_1.x", "000000")), ("us-east-1", "arc_1.x/000000".to_owned()));
        for url in [
            "https://k:hidden@h/b",
            "s3+ftp://k:hidden@h/b",
            "s3+https://hidden@h/b",
            "s3+https://k:hidden@h/",
            "s3+https://k:hidden@",
            "hidden",
        ] {
            let said = wrong(url);
            assert!(said.contains("not the address of a bucket") && !said.contains("hidden"), "{url}: {said}");
        }
    }
}
