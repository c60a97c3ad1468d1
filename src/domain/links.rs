//! Download links as people see them.

use super::element::Element;
use crate::base::clock::Millis;
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
    /// When the backup was made.
    pub taken: Millis,
    pub expires: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    Open,
    Expired,
    Revoked,
}

/// `POST /backups/{id}/links`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateLink {
    pub element: Element,
    /// 1 to 168; 24 where it is not given.
    #[serde(default)]
    pub hours: Option<u32>,
}

/// `GET /backups/{id}/links`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DownloadLink {
    pub id: String,
    pub backup: String,
    /// `tenant/site.env`
    pub environment: String,
    pub element: Element,
    pub filename: String,
    /// Of what is in it, before it is compressed.
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
    pub last_used: Option<String>,
}

/// `GET /links/{id}/uses`
#[derive(Clone, Debug, Serialize, Deserialize)]
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
