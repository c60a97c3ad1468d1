//! What an archive says of itself: facts and files as JSON, or the facts as comments.

use super::About;
use crate::base::error::{Context, Error, Result};
use crate::base::secret::hex;
use rustix::fs::{Mode, OFlags};
use serde_json::Value;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The last member of an archive of files. Nothing of the site can have this name: all of it lies in directories.
pub(super) const NAME: &str = "sitekeep-manifest.json";

/// A million lines are too many for memory, and the size of a member must be known before it begins: so they wait in a
/// file without a name.
pub(super) struct Listing {
    lines: BufWriter<File>,
    size: u64,
}

impl Listing {
    pub fn new() -> Result<Self> {
        Ok(Self { lines: BufWriter::new(unnamed()?), size: 0 })
    }

    pub fn file(&mut self, path: &Path, size: u64, sha256: &str) -> Result<()> {
        let mut line = named(path);
        line.insert("size".into(), size.into());
        line.insert("sha256".into(), sha256.into());
        self.line(line)
    }

    pub fn again(&mut self, path: &Path, first: &Path) -> Result<()> {
        let mut line = named(path);
        line.insert("same_as".into(), first.to_string_lossy().into());
        self.line(line)
    }

    fn line(&mut self, line: serde_json::Map<String, Value>) -> Result<()> {
        let comma = if self.size == 0 { "\n  " } else { ",\n  " };
        let text = format!("{comma}{}", Value::Object(line));
        self.size += text.len() as u64;
        self.lines.write_all(text.as_bytes()).context(|| "writing the list of contents")
    }

    /// The size of the whole manifest, and the manifest.
    pub fn finish(self, about: &About) -> Result<(u64, impl Read)> {
        let what = || "reading the list of contents back";
        let mut file = self.lines.into_inner().map_err(|e| Error::from(e.into_error())).context(what)?;
        file.rewind().context(what)?;
        let facts = serde_json::to_string_pretty(&about.facts).map_err(|e| Error::internal(e.to_string()))?;
        let facts = facts.trim_end_matches('}').trim_end().to_owned();
        let comma = if about.facts.is_empty() { "" } else { "," };
        let (before, after) = (format!("{facts}{comma}\n  \"files\": ["), "\n  ]\n}\n");
        let size = before.len() as u64 + self.size + after.len() as u64;
        Ok((size, std::io::Cursor::new(before).chain(file).chain(after.as_bytes())))
    }
}

/// A temporary file without a name.
pub(super) fn unnamed() -> Result<File> {
    let what = || "making a temporary file for the list of contents";
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let file = rustix::fs::open(std::env::temp_dir(), flags, Mode::from_raw_mode(0o600)).context(what)?;
    Ok(file.into())
}

/// A path as text; where it is not text, its bytes beside it.
fn named(path: &Path) -> serde_json::Map<String, Value> {
    let mut line = serde_json::Map::new();
    line.insert("path".into(), path.to_string_lossy().into());
    if path.to_str().is_none() {
        line.insert("path_hex".into(), hex(path.as_os_str().as_bytes()).into());
    }
    line
}

/// The facts as comments of SQL.
pub(super) fn comments(about: &About) -> String {
    lines(about).into_iter().map(|line| format!("-- {line}\n")).chain(["--\n".to_owned()]).collect()
}

/// The facts as plain ASCII on one line.
pub(super) fn one_line(about: &About) -> String {
    lines(about).join("; ").replace(|c: char| !(' '..='~').contains(&c), "?")
}

fn lines(about: &About) -> Vec<String> {
    let mut out = Vec::new();
    for (key, value) in &about.facts {
        match value {
            Value::Array(items) => out.extend(items.iter().map(|item| format!("{key}: {}", plain(item)))),
            Value::Null => {}
            value => out.push(format!("{key}: {}", plain(value))),
        }
    }
    out
}

/// On one line, without anything that a client or a terminal could take for a command.
fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About {
        let facts = serde_json::json!({ "backup": "bak_x", "left_out": ["a\nb; drop table x;", "c"], "none": null, "n": 1 });
        About { facts: facts.as_object().unwrap().clone(), time: Default::default() }
    }

    #[test]
    fn comments_stay_comments_whatever_they_say() {
        let text = comments(&about());
        assert!(text.lines().all(|line| line == "--" || line.starts_with("-- ")), "{text}");
        assert!(text.contains("-- left_out: a b; drop table x;\n-- left_out: c\n") && !text.contains("none"), "{text}");
        assert!(one_line(&about()).is_ascii());
    }

    #[test]
    fn a_manifest_is_json_of_the_size_that_it_says() {
        for about in [about(), About::default()] {
            let mut listing = Listing::new().unwrap();
            listing.file(Path::new("code/a"), 3, "ff").unwrap();
            listing.again(Path::new("code/\u{1f}\"b"), Path::new("code/a")).unwrap();
            let (size, mut manifest) = listing.finish(&about).unwrap();
            let mut text = String::new();
            manifest.read_to_string(&mut text).unwrap();
            assert_eq!(text.len() as u64, size);
            let json: Value = serde_json::from_str(&text).unwrap();
            assert_eq!((json["files"][0]["size"].as_u64(), json["files"][1]["same_as"].as_str()), (Some(3), Some("code/a")));
        }
    }
}
