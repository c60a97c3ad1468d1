//! Looking inside a backup: paths, and what the API and the pages say of what lies there.

use super::element::Element;
use crate::base::error::{Error, Result};
use crate::base::secret::hex;
use crate::base::words::{percent_bytes, shown, unpercent, words};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Entries on a page, where nobody says how many, and at most.
pub const PAGE: usize = 200;
pub const LONGEST_PAGE: usize = 1000;
/// Hits of a search.
pub const HITS: usize = 200;
/// Bytes of a text that are shown.
pub const TEXT: usize = 64 << 10;

words! {
    /// What lies in a backup.
    Kind {
        Element = "element",
        Folder = "folder",
        File = "file",
        Link = "link",
        /// A device, pipe or socket, as other programs store them.
        Other = "other",
        Table = "table",
    }
}

/// A path within an element: bytes, which need not be text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inner(Vec<u8>);

impl Inner {
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let begin = bytes.iter().position(|b| *b != b'/').unwrap_or(bytes.len());
        let end = bytes.iter().rposition(|b| *b != b'/').map_or(begin, |at| at + 1);
        Self(bytes[begin..end].to_vec())
    }
    /// As the API has it: text, or the bytes in hexadecimal digits.
    ///
    /// # Errors
    /// `Invalid` for other digits.
    pub fn of_text(text: &str, digits: Option<&str>) -> Result<Self> {
        let Some(digits) = digits else { return Ok(Self::of_bytes(text.as_bytes())) };
        let wrong = || Error::invalid("`path_hex` is not an even number of hexadecimal digits");
        let byte = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|p| u8::from_str_radix(p, 16).ok()).ok_or_else(wrong);
        if digits.len() % 2 == 1 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        Ok(Self::of_bytes(&digits.as_bytes().chunks(2).map(byte).collect::<Result<Vec<u8>>>()?))
    }
    pub fn of_path(path: &Path) -> Self {
        Self::of_bytes(path.as_os_str().as_bytes())
    }
    /// As [`Inner::query`] wrote it.
    pub fn of_query(text: &str) -> Self {
        Self::of_bytes(&unpercent(text))
    }
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }
    /// The last name of it.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|b| *b == b'/').next().unwrap_or_default()
    }
    /// The folder that it is in; the root is in itself.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0.iter().rposition(|b| *b == b'/').map(|at| self.0[..at].to_vec()).unwrap_or_default())
    }
    #[must_use]
    pub fn join(&self, name: &[u8]) -> Self {
        if self.is_root() { Self(name.to_vec()) } else { Self([&self.0, name].join(&b'/')) }
    }
    /// The root, and all folders on the way to it, and it itself.
    pub fn way(&self) -> Vec<Self> {
        let mut way = vec![self.clone()];
        while let Some(last) = way.last().filter(|last| !last.is_root()) {
            way.push(last.parent());
        }
        way.reverse();
        way
    }
    /// For people.
    pub fn shown(&self) -> String {
        shown(&self.0)
    }
    /// For the query of an address.
    pub fn query(&self) -> String {
        percent_bytes(&self.0)
    }
    /// For the API.
    pub fn text(&self) -> (String, Option<String>) {
        text_of(&self.0)
    }
}

/// Bytes as text; where they are no text, something like it, and the bytes in hexadecimal digits.
pub fn text_of(bytes: &[u8]) -> (String, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (shown(bytes), Some(hex(bytes))),
    }
}

/// What a reader asks for, in a query whose values need not be text.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub element: String,
    pub path: Inner,
    /// Where the page before ended.
    pub after: String,
    pub limit: Option<usize>,
    /// A part of a name.
    pub name: String,
    /// The link that was just made, on a page that shows it.
    pub link: String,
    /// The other backup, or `live`.
    pub with: String,
}

impl Asked {
    pub fn read(query: &str) -> Self {
        let mut asked = Self::default();
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let text = || String::from_utf8_lossy(&unpercent(value)).into_owned();
            match key {
                "element" => asked.element = text(),
                "path" => asked.path = Inner::of_query(value),
                "after" => asked.after = text(),
                "limit" => asked.limit = text().parse().ok(),
                "name" => asked.name = text(),
                "link" => asked.link = text(),
                "with" => asked.with = text(),
                _ => {}
            }
        }
        asked
    }
    /// # Errors
    /// `Invalid` where none is named, or one that there is not.
    pub fn element(&self) -> Result<Element> {
        Element::parse(&self.element)
    }
}

/// `GET /backups/{id}/browse`: a folder, or a single file.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Listing {
    pub backup: String,
    /// Without one the entries are the elements of the backup.
    pub element: Option<Element>,
    /// Of what was asked for: a file has one entry, itself.
    pub kind: Kind,
    pub path: String,
    /// Its bytes, where they are no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    /// Folders first, then by name.
    pub entries: Vec<Entry>,
    /// In the folder altogether.
    pub total: u64,
    /// What to ask for `after` these; none at the end.
    pub next: Option<String>,
}

/// One of the things in a backup.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Entry {
    pub name: String,
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    pub kind: Kind,
    /// Bytes of a file or an element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// `0644`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Of a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

impl Entry {
    pub fn named(path: &Inner, kind: Kind) -> Self {
        let ((text, path_hex), (name, _)) = (path.text(), text_of(path.name()));
        Self { name, path: text, path_hex, kind, size: None, modified: None, mode: None, rows: None }
    }
    /// Where it lies.
    pub fn inner(&self) -> Inner {
        Inner::of_text(&self.path, self.path_hex.as_deref()).unwrap_or_default()
    }
}

impl Listing {
    pub fn inner(&self) -> Inner {
        Inner::of_text(&self.path, self.path_hex.as_deref()).unwrap_or_default()
    }
}

/// `GET /backups/{id}/search`
#[derive(Clone, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Found {
    pub entries: Vec<Entry>,
    /// Names that were looked at.
    pub looked: u64,
    /// There may be more: it stopped at 200 hits, or after three seconds.
    pub stopped: bool,
}

/// `GET /environments/{id}/versions`: a file in one backup.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FileVersion {
    pub backup: String,
    /// When the backup was made.
    pub created: String,
    pub reason: String,
    pub name: String,
    pub size: u64,
    pub modified: Option<String>,
    /// The same wherever the content is the same.
    pub content: String,
    /// Its content is another than in the backup before, or there was none.
    pub changed: bool,
}

/// What is shown of a file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preview {
    Text {
        text: String,
        /// There is more of it.
        cut: bool,
    },
    Picture,
    /// Neither, or too large.
    None(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_through_a_query_and_through_json_as_it_is() {
        for bytes in [&b""[..], b"files/public/a b", b"files/\xff\n", "code/\u{202e}x&=%41".as_bytes()] {
            let path = Inner::of_bytes(bytes);
            assert_eq!(Asked::read(&format!("element=files&path={}&after=", path.query())).path, path);
            let (text, digits) = path.text();
            assert_eq!(Inner::of_text(&text, digits.as_deref()).unwrap(), path);
        }
        let path = Inner::of_bytes(b"/a//b/c/");
        assert_eq!((path.name(), path.parent().shown()), (&b"c"[..], "a//b".to_owned()));
        assert_eq!(Inner::of_bytes(b"a/b").way().iter().map(Inner::shown).collect::<Vec<_>>(), ["", "a", "a/b"]);
        assert!(Inner::of_text("", Some("f")).is_err() && Inner::of_text("", Some("+f")).is_err());
    }
}
