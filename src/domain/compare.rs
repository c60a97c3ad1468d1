//! What changed between two backups, or between a backup and the live site: as the API and the pages say it.
//!
//! How two trees are compared is told in [`super::walk`].

use super::browse::{Inner, Kind};
use super::element::Element;
use crate::base::words::words;
use serde::{Deserialize, Serialize};

/// Changes on a page, where nobody says how many, and at most.
pub const PAGE: usize = 100;
pub const LONGEST_PAGE: usize = 1000;
/// Tables that are named; the rest are counted.
pub const TABLES: usize = 200;
/// What stands in the place of a backup's id for the site as it is now.
pub const LIVE: &str = "live";

words! {
    /// What became of something.
    What {
        Added = "added",
        Changed = "changed",
        Removed = "removed",
    }
}

/// `GET /backups/{id}/compare`: what happened from the older of two backups to the newer one, or from a backup to the
/// live site.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Comparison {
    pub backup: String,
    /// None where there is no earlier backup to compare with.
    pub from: Option<Moment>,
    pub to: Moment,
    pub elements: Vec<Changes>,
}

/// A site as it was, or is.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Moment {
    /// None: the site as it is now.
    pub backup: Option<String>,
    pub at: String,
    pub reason: String,
}

/// What changed in one element.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Changes {
    pub element: Element,
    /// Why it was not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_compared: Option<String>,
    pub added: Count,
    pub changed: Count,
    pub removed: Count,
    /// Files with the same content and another time, owner or mode.
    pub touched: u64,
    /// Folders that could not be read on the live site: nothing is said of what is in them.
    pub unread: u64,
    /// It stopped early: each count is at least that much.
    pub stopped: bool,
    /// Files and folders that one of the two left out on purpose, so that nothing can be said of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// A page of what changed, in the order of the paths.
    pub changes: Vec<Change>,
    /// What to ask for `after` these; none at the end.
    pub next: Option<String>,
    /// Tables whose number of rows differs; at most 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableChange>,
    /// Tables that were compared.
    pub tables_compared: u64,
    pub tables_differ: u64,
}

/// How many files, and how many bytes: of what was removed as they were, otherwise as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Count {
    pub files: u64,
    pub bytes: u64,
}

/// A file, link or other thing that is not a folder.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Change {
    pub what: What,
    pub path: String,
    /// Its bytes, where they are no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    pub kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Version>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Version>,
}

/// A file on one of the two sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Version {
    pub size: u64,
    pub modified: Option<String>,
}

/// The rows of a table; none where there is no such table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TableChange {
    pub name: String,
    pub before: Option<u64>,
    pub after: Option<u64>,
}

impl Changes {
    pub fn of(element: Element) -> Self {
        Self {
            element,
            not_compared: None,
            added: Count::default(),
            changed: Count::default(),
            removed: Count::default(),
            touched: 0,
            unread: 0,
            stopped: false,
            left_out: Vec::new(),
            changes: Vec::new(),
            next: None,
            tables: Vec::new(),
            tables_compared: 0,
            tables_differ: 0,
        }
    }
    pub fn not_compared(element: Element, why: impl Into<String>) -> Self {
        Self { not_compared: Some(why.into()), ..Self::of(element) }
    }
    /// Nothing was found to differ.
    pub fn is_none(&self) -> bool {
        self.added.files + self.changed.files + self.removed.files + self.touched + self.tables_differ == 0
    }
}

impl Change {
    /// Where it lies.
    pub fn inner(&self) -> Inner {
        Inner::of_text(&self.path, self.path_hex.as_deref()).unwrap_or_default()
    }
}
