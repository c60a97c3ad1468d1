//! Letters as administrators see them.

use serde::{Deserialize, Serialize};

/// A letter on the administrator's page: never what it says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Letter {
    pub id: String,
    pub to: String,
    pub kind: String,
    pub subject: String,
    /// `queued`, `sending`, `sent`, `failed`
    pub state: String,
    pub tries: i64,
    pub created: String,
    pub sent: Option<String>,
    pub next_try: Option<String>,
    /// Why it did not leave, in the server's words.
    pub error: Option<String>,
}
