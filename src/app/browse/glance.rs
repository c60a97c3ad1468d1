//! A glance at a file without taking it: the beginning of a text, or a picture.
//!
//! What a file is, its first bytes say; its name says nothing. Pictures are the four kinds that browsers draw without
//! running anything; all else is text, as text, or nothing.

use super::{Asked, open};
use crate::app::{App, access::Actor};
use crate::base::error::{Error, Result};
use crate::base::words::is_hostile;
use crate::domain::browse::{Preview, TEXT};
use crate::domain::element::Element;
use crate::domain::ids::BackupId;
use crate::domain::rights::Right;

/// Bytes of a picture that is shown.
const LARGEST: u64 = 8 << 20;

/// A picture as it is, with the type that its own bytes name.
#[derive(Debug)]
pub struct Picture {
    pub kind: &'static str,
    pub bytes: Vec<u8>,
}

/// What of a file can be shown.
///
/// # Errors
/// `Forbidden` for whoever may not download; `NotFound`.
pub async fn preview(app: &App, actor: &Actor, backup: &BackupId, asked: &Asked) -> Result<Preview> {
    let (bytes, size) = beginning(app, actor, backup, asked, TEXT).await?;
    Ok(judge(&bytes, size))
}

/// A picture, whole.
///
/// # Errors
/// As [`preview`]; `Invalid` for what is no picture, or a large one.
pub async fn picture(app: &App, actor: &Actor, backup: &BackupId, asked: &Asked) -> Result<Picture> {
    let most = usize::try_from(LARGEST).unwrap_or(usize::MAX);
    let (bytes, size) = beginning(app, actor, backup, asked, most).await?;
    match picture_kind(&bytes).filter(|_| size <= LARGEST) {
        Some(kind) => Ok(Picture { kind, bytes }),
        None => Err(Error::invalid("this is no picture that can be shown").hint("download it")),
    }
}

async fn beginning(app: &App, actor: &Actor, backup: &BackupId, asked: &Asked, most: usize) -> Result<(Vec<u8>, u64)> {
    let opened = open(app, actor, backup, &asked.element, Right::Download).await?;
    if opened.element == Element::Database {
        return Err(super::nothing(&asked.path.shown()));
    }
    let at = asked.path.clone();
    opened.look(app, move |look| Ok((look.beginning(at.path(), most)?, look.entry(at.path())?.size))).await
}

fn judge(bytes: &[u8], size: u64) -> Preview {
    if picture_kind(bytes).is_some() {
        return if size <= LARGEST { Preview::Picture } else { Preview::None("This picture is too large to be shown.") };
    }
    if size == 0 {
        return Preview::None("This file is empty.");
    }
    match text(bytes) {
        Some(text) => Preview::Text { text, cut: size > bytes.len() as u64 },
        None => Preview::None("This file is no text, and no picture that can be shown."),
    }
}

/// By the bytes that the formats begin with.
fn picture_kind(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// Text, with what could turn or hide it made visible; `None` for what is no text. The last character may be cut in two.
fn text(bytes: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(bytes.len());
    let mut odd = 0;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' | '\t' => out.push(c),
                '\r' => {}
                '\0' => return None,
                c if is_hostile(c) => {
                    odd += usize::from(c.is_control());
                    out.extend(c.escape_default());
                }
                c => out.push(c),
            }
        }
        odd += chunk.invalid().len();
        chunk.invalid().iter().for_each(|b| out.push_str(&format!("\\x{b:02x}")));
    }
    (odd <= bytes.len() / 10 + 3).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_begins_as_a_picture_is_one() {
        let webp = b"RIFF\0\0\0\0WEBPVP8 ";
        for (bytes, kind) in
            [(&b"\x89PNG\r\n\x1a\n"[..], "image/png"), (b"\xff\xd8\xff\xe0", "image/jpeg"), (b"GIF89a", "image/gif"), (webp, "image/webp")]
        {
            assert_eq!((picture_kind(bytes), judge(bytes, 99)), (Some(kind), Preview::Picture));
        }
        for other in [&b"<svg onload=alert(1)>"[..], b"<html>", b"GIF", b"PNG", b"RIFF\0\0\0\0WAVE", b""] {
            assert_eq!(picture_kind(other), None);
        }
        assert!(matches!(judge(b"\xff\xd8\xff", LARGEST + 1), Preview::None(_)));
    }

    #[test]
    fn text_is_text_and_bytes_are_not() {
        let shown = |bytes: &[u8]| text(bytes);
        assert_eq!(shown(b"<svg onload=alert(1)>\r\n\tx").as_deref(), Some("<svg onload=alert(1)>\n\tx"));
        assert_eq!(shown("a\u{202e}b".as_bytes()).as_deref(), Some("a\\u{202e}b"));
        assert_eq!(shown(b"f\xfc\xdfe").as_deref(), Some("f\\xfc\\xdfe"), "old text");
        assert_eq!((shown(b"a\0b"), shown(&[0xfe; 100])), (None, None));
        assert_eq!(judge(b"abc", 4), Preview::Text { text: "abc".into(), cut: true });
    }
}
