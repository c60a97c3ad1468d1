//! The log of an environment as its page shows it, and what a restore can choose from it.

use super::Overview;
use crate::base::clock::Millis;
use crate::domain::element::Element;
use crate::domain::state::BackupState;
use crate::domain::view::Fate;

/// A page of an environment's log.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub rows: Vec<LogRow>,
    /// The id after which older ones follow.
    pub older: Option<String>,
    /// Of the trash: why nothing in it is purged for now.
    pub held: Option<String>,
    pub asked: LogQuery,
}

/// What a reader asked the log for.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct LogQuery {
    pub element: String,
    pub state: String,
    /// `demand` or `scheduled`
    pub how: String,
    pub q: String,
    /// Days in the reader's zone, both included.
    pub from: String,
    pub until: String,
    pub after: String,
    /// `1`: the trash instead of the log.
    pub trash: String,
}

impl LogQuery {
    pub fn narrows(&self) -> bool {
        [&self.element, &self.state, &self.how, &self.q, &self.from, &self.until].iter().any(|s| !s.is_empty())
    }
}

/// One backup in a log.
#[derive(Clone, Debug)]
pub struct LogRow {
    pub id: String,
    pub state: BackupState,
    pub reason: String,
    pub initiator: String,
    pub created: Millis,
    /// The slot of the schedule that it was made for, and when it really began.
    pub due: Option<Millis>,
    pub started: Option<Millis>,
    /// What retention says of it; none of what lies in the trash.
    pub fate: Option<Fate>,
    /// In the trash: when it is purged, and who threw it there.
    pub purge: Option<Millis>,
    pub deleted_by: Option<String>,
    pub pinned: bool,
    pub proven: Option<Millis>,
    pub deleted: Option<Millis>,
    pub job: Option<String>,
    pub size: u64,
    pub message: Option<String>,
    pub elements: Vec<Chip>,
}

#[derive(Clone, Debug)]
pub struct Chip {
    pub element: Element,
    pub state: BackupState,
    pub size: u64,
    pub files: u64,
}

/// One choice of the restore dialog: `date/time - reason`.
#[derive(Clone, Debug)]
pub struct Choice {
    pub id: String,
    pub created: Millis,
    pub reason: String,
    pub state: BackupState,
    pub elements: Vec<Element>,
    pub size: u64,
}

/// What the restore dialog offers.
#[derive(Clone, Debug)]
pub struct RestoreChoices {
    pub overview: Overview,
    pub choices: Vec<Choice>,
    /// More backups than are shown.
    pub more: bool,
    /// Where it can be restored into: id, `site.env`, and whether that is live.
    pub destinations: Vec<(String, String, bool)>,
    /// The tables of one backup, for whoever wants to choose among them.
    pub tables: Option<TableChoices>,
}

/// The tables of a backup, beside those that are there now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableChoices {
    pub tables: Vec<TableChoice>,
    /// Why it cannot be said what is there now.
    pub problem: Option<String>,
}

/// A table with its rows: in the backup, and now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableChoice {
    pub name: String,
    pub then: u64,
    /// The backup left its rows out.
    pub empty: bool,
    pub now: Option<u64>,
}
