//! Restores: what is asked for, what that would do, and how one goes.

use crate::domain::element::Element;
use crate::domain::state::{RestoreState, StepState};
use serde::{Deserialize, Serialize};

/// `POST /environments/{id}/restores`: into this environment, from a backup of it or of another one.
#[derive(Clone, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CreateRestore {
    /// A backup's id; the newest usable one where it is not given.
    #[serde(default)]
    pub backup: Option<String>,
    /// Where that newest one is looked for; the target itself where it is not given.
    #[serde(default)]
    pub from: Option<String>,
    #[serde(default)]
    pub element: Option<String>,
    #[serde(default)]
    pub note: Option<String>,
    /// Only say what would be overwritten.
    #[serde(default)]
    pub dry_run: bool,
    /// The environment's name, typed; needed for a live one.
    #[serde(default)]
    pub confirm: Option<String>,
    /// Only these files and folders, as they stand in the backup: `files/public/logo.png`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Those whose bytes are no text, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths_hex: Vec<String>,
    /// Only these tables of the database, as the backup names them: `wp_posts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
}

/// The answer to a restore: a restore that was queued, or a plan after `dry_run`.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RestoreAnswer {
    pub restore: Option<Restore>,
    pub plan: Plan,
}

/// What a restore will do, said before it does it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Plan {
    pub backup: String,
    pub from: String,
    pub to: String,
    pub elements: Vec<Element>,
    /// Only these files and folders of them; none: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Only these tables of the database; none: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// Elements that were asked for and are not in the backup.
    pub missing: Vec<Element>,
    /// Sentences: what will be overwritten, kept, carried over.
    pub lines: Vec<String>,
    /// What is newest there now, where it differs from the backup.
    #[serde(default)]
    pub newest: Vec<Newest>,
    pub warnings: Vec<String>,
}

/// The newest file of an element, as it is now.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Newest {
    pub element: Element,
    pub at: String,
}

/// `GET /restores/{id}`
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Restore {
    pub id: String,
    pub tenant: String,
    pub site: String,
    pub environment: String,
    pub backup: String,
    pub safety_backup: Option<String>,
    /// `restore` or `undo`
    pub kind: String,
    pub undo_of: Option<String>,
    #[serde(default)]
    pub undone_by: Option<String>,
    #[serde(default)]
    pub environment_id: String,
    pub state: RestoreState,
    pub elements: Vec<Element>,
    /// Only these files and folders of them; none: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Only these tables of the database; none: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    pub note: Option<String>,
    pub initiator: String,
    pub created: String,
    #[serde(default)]
    pub started: Option<String>,
    pub finished: Option<String>,
    /// Until when an undo is exact.
    pub undo_until: Option<String>,
    pub message: Option<String>,
    pub hint: Option<String>,
    pub steps: Vec<Step>,
    pub job: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Step {
    pub name: String,
    pub title: String,
    pub state: StepState,
    pub started: Option<String>,
    pub finished: Option<String>,
    pub message: Option<String>,
}
