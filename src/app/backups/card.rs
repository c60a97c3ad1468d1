//! What a snapshot says of its backup, in its description: enough to list it again when the catalogue is lost. It lies encrypted
//! in the repository, and whoever has the recovery key reads it; what only administrators may see is not in it.

use super::super::environments::Opened;
use crate::app::to_json;
use crate::base::error::Result;
use crate::db::backups::Backup;
use crate::domain::site::{Definition, Hooks};

#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Card {
    pub tenant: String,
    pub site: String,
    pub environment: String,
    /// In milliseconds.
    pub created: i64,
    pub reason: String,
    /// As it was when the backup was made.
    pub note: Option<String>,
    pub initiator: String,
    pub keep_for_days: Option<i64>,
    pub protected: bool,
    /// All elements that the backup was to have.
    pub elements: Vec<String>,
    /// Without hooks.
    pub definition: Option<Definition>,
}

/// The card of a backup, as text.
pub(crate) fn of(row: &Backup, env: &Opened, elements: Vec<String>) -> Result<String> {
    to_json(&Card {
        tenant: row.tenant.clone(),
        site: row.site.clone(),
        environment: row.environment.clone(),
        created: row.created_at,
        reason: row.reason.clone(),
        note: row.note.clone(),
        initiator: row.initiator.clone(),
        keep_for_days: row.keep_for_days,
        protected: row.protected == 1,
        elements,
        definition: Some(Definition { hooks: Hooks::default(), ..env.definition.clone() }),
    })
}
