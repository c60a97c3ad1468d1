//! What the pages of the dashboard show: filled by `app`, rendered by `ui`. Times are moments; the page knows the zone.

mod catalogue;
mod log;
mod recovery;
mod schedules;

pub use catalogue::{CatalogueCopies, CatalogueCopy};
pub use log::{Chip, Choice, Log, LogQuery, LogRow, RestoreChoices, TableChoice, TableChoices};
pub use recovery::RecoveryKey;
pub use schedules::{NextRun, SchedulePage, SlotRow, TenantSchedule};

use super::alarm::Alarm;
use super::element::Element;
use super::rights::Right;
use super::state::BackupState;
use crate::base::clock::Millis;
use crate::base::words::words;

words! {
    /// How an environment stands, judged from its backups, and from whether they could be opened without us.
    Health {
        /// The newest backup is good, and young enough.
        Protected = "protected",
        /// The newest good backup is too old.
        Stale = "stale",
        /// The newest backup is not good.
        Failed = "failed",
        /// There is no good backup, or nobody ever showed that they have the key that opens it.
        Unprotected = "unprotected",
    }
}

/// Bytes that a backup's note may have.
pub const LONGEST_NOTE: usize = 2000;

/// An environment in a list.
#[derive(Clone, Debug)]
pub struct EnvironmentCard {
    pub id: String,
    pub tenant: String,
    pub site_id: String,
    pub site: String,
    pub name: String,
    pub stack: String,
    pub live: bool,
    pub health: Health,
    /// Somebody has entered the recovery key of its site.
    pub key_confirmed: bool,
    pub last_good: Option<Millis>,
    /// The newest backup that ended, when it is not the last good one: its state and when.
    pub last_ended: Option<(BackupState, Millis)>,
    /// The job that runs on it now.
    pub running: Option<String>,
}

impl EnvironmentCard {
    /// `shop.live`
    pub fn title(&self) -> String {
        format!("{}.{}", self.site, self.name)
    }

    /// Why it is unprotected.
    pub fn unprotected_because(&self) -> Option<&'static str> {
        match (self.health, self.last_good, self.key_confirmed) {
            (Health::Unprotected, None, true) => Some("there is no good backup yet"),
            (Health::Unprotected, None, false) => Some("there is no good backup yet, and its recovery key was never confirmed"),
            (Health::Unprotected, Some(_), _) => Some("its recovery key was never confirmed"),
            _ => None,
        }
    }
}

/// A site with its environments.
#[derive(Clone, Debug)]
pub struct SiteCard {
    pub tenant: String,
    pub name: String,
    /// Of the reader, in its tenant.
    pub rights: Rights,
    pub environments: Vec<EnvironmentCard>,
}

/// The sites of a reader.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    pub sites: Vec<SiteCard>,
    /// How many environments are in each state, over all pages.
    pub counts: Vec<(Health, u64)>,
    /// Where the next page begins.
    pub next: Option<String>,
    pub asked: FleetQuery,
    /// Why all schedules rest.
    pub frozen: Option<String>,
    /// Does the reader belong to more than one tenant?
    pub several_tenants: bool,
}

/// What a reader asked the fleet for.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct FleetQuery {
    pub q: String,
    pub state: String,
    pub after: String,
}

/// What the reader may do in a tenant.
#[derive(Clone, Debug, Default)]
pub struct Rights(pub Vec<Right>);

impl Rights {
    pub fn may(&self, right: Right) -> bool {
        self.0.contains(&right)
    }
}

/// An environment above its log.
#[derive(Clone, Debug)]
pub struct Overview {
    pub card: EnvironmentCard,
    pub tenant_id: String,
    pub site_id: String,
    pub tenant_suspended: bool,
    pub url: Option<String>,
    pub elements: Vec<Element>,
    pub last_good_id: Option<String>,
    pub last_proven: Option<Millis>,
    pub next_run: NextRun,
    pub badge: super::drill::Badge,
    /// About how long a restore of the last good backup takes, in milliseconds.
    pub restore_takes: Option<i64>,
    /// The last thirty days, oldest first.
    pub days: Vec<Day>,
    pub rights: Rights,
    /// The newest restore that can still be undone exactly: its id and until when.
    pub undo: Option<(String, Millis)>,
    /// A restore that could go neither forward nor back.
    pub stuck: Option<String>,
    /// The reader acts here as an administrator, not as a member.
    pub as_administrator: bool,
    /// It is to go when its last backup has succeeded.
    pub removing: bool,
    pub removed: Option<Millis>,
    /// Why it was not removed.
    pub stayed: Option<String>,
    /// What is wrong with it now.
    pub alarms: Vec<Alarm>,
}

/// An environment with its log.
#[derive(Clone, Debug)]
pub struct EnvironmentPage {
    pub overview: Overview,
    pub log: Log,
    /// Jobs that run or wait on it.
    pub jobs: Vec<JobRow>,
    /// Bytes in the repository of its site, by day.
    pub growth: Vec<(i64, i64)>,
}

/// One day of the strip.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// `2026-11-21`
    pub day: String,
    pub good: u64,
    pub incomplete: u64,
    pub failed: u64,
}

/// A job among others.
#[derive(Clone, Debug)]
pub struct JobRow {
    pub id: String,
    pub kind: String,
    pub subject: String,
    pub tenant: String,
    pub environment: Option<String>,
    pub state: String,
    pub phase: String,
    pub bytes: u64,
    pub bytes_total: Option<u64>,
    pub files: u64,
    pub attempt: i64,
    pub worker: Option<String>,
    pub initiator: Option<String>,
    pub blocked_on: Option<String>,
    pub message: Option<String>,
    pub hint: Option<String>,
    pub created: Millis,
    pub started: Option<Millis>,
    pub finished: Option<Millis>,
    pub cancel_requested: bool,
}

/// What administrators change about an environment.
#[derive(Clone, Debug)]
pub struct EnvironmentSettings {
    pub id: String,
    pub tenant: String,
    pub site: String,
    pub name: String,
    pub definition: super::site::Definition,
    pub has_password: bool,
    pub server: Option<String>,
    /// The server accounts that can be chosen.
    pub servers: Vec<String>,
}

impl EnvironmentSettings {
    /// `shop.live`
    pub fn title(&self) -> String {
        format!("{}.{}", self.site, self.name)
    }
}

/// A tenant in the administrators' list.
#[derive(Clone, Debug)]
pub struct TenantRow {
    pub id: String,
    pub name: String,
    pub active: bool,
    pub plan: String,
    pub quota_bytes: Option<u64>,
    pub quota_backups: Option<u64>,
    pub jobs_at_once: Option<u64>,
    /// Its plan has schedules.
    pub schedules: bool,
    pub sites: u64,
    pub members: u64,
    pub bytes: u64,
    pub backups: u64,
}

/// A server account in the administrators' list, with the environments that use it.
#[derive(Clone, Debug)]
pub struct ServerRow {
    pub server: super::view::Server,
    pub used_by: Vec<String>,
}

/// Where repositories lie, and what is in them.
#[derive(Clone, Debug)]
pub struct Store {
    pub location: String,
    pub kind: &'static str,
    pub free: Result<u64, String>,
    /// By the catalogue: bytes of all repositories.
    pub bytes: u64,
    pub repositories: Vec<Repository>,
    /// How all of them grew together: days since 1970-01-01, and bytes on the storage.
    pub growth: Vec<(i64, i64)>,
    /// Why nothing is deleted at the moment: the clock is not believed; and since when.
    pub doubt: Option<(String, Option<Millis>)>,
    /// The catalogue's own copies.
    pub copies: CatalogueCopies,
}

#[derive(Clone, Debug)]
pub struct Repository {
    pub tenant: String,
    pub site: String,
    pub location: String,
    pub backups: u64,
    pub bytes: u64,
    pub health: super::space::RepositoryHealth,
}

/// The queue of the whole installation.
#[derive(Clone, Debug)]
pub struct Queue {
    pub jobs: Vec<JobRow>,
    pub older: Option<String>,
    pub asked: String,
    /// State and how many.
    pub counts: Vec<(String, u64)>,
    pub workers: Vec<Worker>,
}

#[derive(Clone, Debug)]
pub struct Worker {
    pub name: String,
    pub running: u64,
    pub last: Millis,
}

/// What is asked of the activity log.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct ActivityQuery {
    /// A tenant's id.
    pub tenant: String,
    pub actor: String,
    pub action: String,
    /// Days in the reader's zone, both included.
    pub from: String,
    pub until: String,
    pub after: String,
}

/// A page of the activity log.
#[derive(Clone, Debug, Default)]
pub struct Activity {
    pub lines: Vec<ActivityLine>,
    pub older: Option<String>,
    pub asked: ActivityQuery,
    /// The tenants that can be chosen: id and name.
    pub tenants: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub struct ActivityLine {
    pub at: Millis,
    pub tenant: Option<String>,
    pub actor: String,
    pub action: String,
    pub object: String,
    pub detail: String,
    pub address: String,
    /// By an administrator in a tenant that he was no member of.
    pub as_administrator: bool,
}

/// How the installation is configured.
#[derive(Clone, Debug)]
pub struct Installation {
    pub told: crate::base::config::Told,
    pub version: &'static str,
    /// Kind of the catalogue's database, and how its schema stands.
    pub database: &'static str,
    pub schema: String,
    pub mail: bool,
    /// All schedules rest.
    pub frozen: Option<super::view::Freeze>,
    pub letters: Vec<super::view::Letter>,
}
