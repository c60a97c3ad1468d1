//! Is it the same site? Digests of trees, databases and pages, made without the product and by other means than its own.
//!
//! A digest is a table of names and descriptions, so that what differs is named: [`Digest::differences`].

mod files;
mod mysql;
mod page;
mod postgres;
mod sqlite;

pub use files::{content, files};
pub use mysql::mysql;
pub use page::{Page, page};
pub use postgres::postgres;
pub use sqlite::sqlite;

use std::collections::BTreeMap;
use std::fmt;

/// What something consists of: a name for each part, and all that is known about it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Digest(BTreeMap<String, String>);

impl Digest {
    pub fn insert(&mut self, name: impl Into<String>, description: impl Into<String>) {
        self.0.insert(name.into(), description.into());
    }
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
    pub fn len(&self) -> usize {
        self.0.len()
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
    /// Without what `unwanted` names: a path with all below it, or a part such as `table cache`.
    #[must_use]
    pub fn without(mut self, unwanted: &[&str]) -> Self {
        let below = |name: &str, top: &str| name.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.0.retain(|name, _| !unwanted.iter().any(|u| below(name, u)));
        self
    }
    /// Only the parts whose name `wanted` says yes to.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|name, _| wanted(name));
        self
    }
    /// One line for each part that is missing (`-`), new (`+`) or different (both).
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let line = |mark: char, name: &str, what: &str| format!("{mark} {name}: {what}");
        let gone = self.0.iter().filter(|(n, w)| other.0.get(*n) != Some(w)).map(|(n, w)| (n, line('-', n, w)));
        let new = other.0.iter().filter(|(n, w)| self.0.get(*n) != Some(w)).map(|(n, w)| (n, line('+', n, w)));
        let mut all: Vec<_> = gone.chain(new).collect();
        all.sort_by(|a, b| a.0.cmp(b.0)); // stable: a part's old line stays before its new one
        all.into_iter().map(|(_, line)| line).collect()
    }
    /// # Panics
    /// When they differ, with the first forty differences.
    #[track_caller]
    pub fn assert_same(&self, other: &Self, what: &str) {
        let different = self.differences(other);
        assert!(
            different.is_empty(),
            "{what}: {} of {} parts differ (- before, + after)\n{}",
            different.len(),
            self.len().max(other.len()),
            different[..different.len().min(40)].join("\n")
        );
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, what)| writeln!(f, "{name}: {what}"))
    }
}

/// The first 32 hex digits of SHA-256: enough to tell apart, short enough to read.
fn hash(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    let mut hex = sitekeep::base::secret::hex(&sha2::Sha256::digest(bytes));
    hex.truncate(32);
    hex
}
