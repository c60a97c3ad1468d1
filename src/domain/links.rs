//! Download links as people see them.

use super::browse::Inner;
use super::element::Element;
use crate::base::clock::Millis;
use crate::base::words::is_hostile;
use serde::{Deserialize, Serialize};

/// Hours that a link lives, when nobody says how long, and at most.
pub const HOURS: u32 = 24;
pub const MOST_HOURS: u32 = 7 * 24;

/// What a link leads to, for whoever opens it.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The ids of the link and of its backup.
    pub link: String,
    pub backup: String,
    /// `tenant/site.env`
    pub environment: String,
    pub element: Element,
    pub filename: String,
    /// Of what is in it, before it is compressed.
    pub size: u64,
    pub files: u64,
    /// One file or folder of the element.
    pub part: Option<Part>,
    /// An archive that lies ready.
    pub prepared: Option<Prepared>,
    /// How often it may still be used, where that is limited.
    pub uses_left: Option<u64>,
    /// When the backup was made.
    pub taken: Millis,
    pub expires: Millis,
}

/// An archive that lies ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Of the archive itself, in bytes.
    pub size: u64,
    pub sha256: String,
}

/// A part of an element that a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub path: Inner,
    /// Of a file, in bytes; a folder has none.
    pub size: Option<u64>,
}

impl Part {
    pub fn is_folder(&self) -> bool {
        self.size.is_none()
    }
    /// What its file is called: its own name, without what no file should be called.
    pub fn filename(&self) -> String {
        let text = String::from_utf8_lossy(self.path.name());
        let plain = text.replace(|c: char| is_hostile(c) || matches!(c, '/' | '\\' | char::REPLACEMENT_CHARACTER), "_");
        if self.is_folder() { format!("{plain}.tar.gz") } else { plain }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    Open,
    Expired,
    /// As often as it may be.
    Used,
    Revoked,
}

/// `POST /backups/{id}/links`
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateLink {
    pub element: Element,
    /// One file or folder of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The same in bytes, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    /// 1 to 168; 24 where it is not given.
    #[serde(default)]
    pub hours: Option<u32>,
    /// 1 to 1000; as often as one likes where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
}

/// `GET /backups/{id}/links`
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DownloadLink {
    pub id: String,
    pub backup: String,
    /// `tenant/site.env`
    pub environment: String,
    pub element: Element,
    /// One file or folder of it; and its bytes, where they are no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    /// The prepared archive that it leads to, and its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    pub filename: String,
    /// Of a prepared archive; otherwise of what is in it, before it is compressed, and 0 for a folder, which nobody has
    /// measured.
    pub size: u64,
    pub state: LinkState,
    /// The file itself, and a page about it; only while it is open.
    pub url: Option<String>,
    pub page: Option<String>,
    pub created: String,
    pub created_by: String,
    pub expires: String,
    pub revoked: Option<String>,
    pub revoked_by: Option<String>,
    pub uses: u64,
    /// How often it may be used, where that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_uses: Option<u64>,
    pub last_used: Option<String>,
}

/// `GET /links/{id}/uses`
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LinkUse {
    pub number: u64,
    pub at: String,
    pub address: String,
    pub agent: String,
    /// Compressed, as they left.
    pub bytes: u64,
    pub ended: Option<String>,
    /// `complete`, `stopped` (it was taken back), `broken` (the other side went away), `failed`.
    pub outcome: Option<String>,
}
