//! The verbs of the product: who may do it, in which transaction, in which order.
//!
//! `web` and `cli` call in from one side, `jobs` from the other; below stand the rooms that know SQL, the queue, the
//! engine and the hosted site, and none of them knows another: they meet only here. To find a thing is to be allowed
//! to: there is no look-up by id without an [`access::Actor`] and a right. Nothing slow happens inside a transaction.
//! To add a verb: one function in the noun's file, one transaction for the fact and its consequences.

pub mod access;
pub mod accounts;
pub mod activity;
pub mod alarms;
pub mod attempt;
pub mod backups;
pub mod browse;
pub mod catalogue;
pub mod downloads;
pub mod drills;
pub mod environments;
pub mod events;
pub mod fleet;
mod guesses;
pub mod installation;
pub mod jobs;
pub mod letters;
pub mod members;
pub mod metrics;
pub mod one_time_links;
pub mod outbox;
pub mod plans;
pub mod recipients;
pub mod recovery;
pub mod restores;
pub mod retention;
pub mod schedules;
pub mod servers;
pub mod sessions;
pub mod signing_in;
pub mod sites;
pub mod space;
pub mod stores;
pub mod tenants;
pub mod webhooks;

use crate::base::clock::Millis;
use crate::base::config::Told;
use crate::base::error::{Error, Result};
use crate::base::secret::Sealer;
use crate::base::sql::Pool;
use crate::engine::Location;
use crate::mail::Mailer;
use crate::queue;
use crate::store::Bucket;
use crate::webhooks::Caller;
use std::sync::Arc;

/// What every verb works with. Cloning shares it.
#[derive(Clone, Debug)]
pub struct App {
    pub pool: Pool,
    pub sealer: Sealer,
    /// Where repositories lie.
    pub store: Location,
    /// Where prepared downloads lie, if not beside the repositories.
    pub bucket: Option<Bucket>,
    /// The origin that people use, for links in letters; without a slash at the end.
    pub public_url: String,
    /// None where no mail server is configured, and in attempts, which only write letters.
    pub mailer: Option<Mailer>,
    /// Calls the webhooks of tenants.
    pub caller: Caller,
    pub queue: queue::Settings,
    pub settings: Settings,
    /// How it was configured, for administrators; without secrets.
    pub configured: Arc<Told>,
}

/// What an administrator may tune.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Settings {
    /// How long the old directories and database stay aside after a restore, in milliseconds (7 days).
    pub keep_aside: i64,
    /// How long a hook may run, in milliseconds (2 minutes).
    pub hook_timeout: i64,
    /// How often the site is asked for its page after a switch, one second apart.
    pub probe_tries: u32,
    /// How letters are sent.
    pub letters: outbox::Pace,
    /// An environment whose newest good backup is older is stale, in milliseconds (7 days).
    pub stale_after: i64,
    /// How often it is looked for what is overdue, in milliseconds (1 minute); never: 0.
    pub alarms_every: u64,
    /// How often it is looked for slots that are due, in milliseconds (15 seconds); never where it is 0.
    pub schedules_every: u64,
    /// How often a server looks for backups that are to go, in milliseconds (10 minutes); 0 is never.
    pub retention_every: u64,
    /// How retention is obeyed.
    pub retention: retention::Terms,
    /// How often it is looked for environments whose newest backup is to be drilled, in milliseconds (10 minutes); 0 is never.
    pub drills_every: u64,
    pub drills: drills::Terms,
    /// How downloads are prepared, and how long they lie ready.
    pub downloads: downloads::Terms,
    /// How often it is looked whether a copy of the catalogue is due, in milliseconds (1 minute); 0 is never.
    pub catalogue_every: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keep_aside: 7 * Millis::DAY,
            hook_timeout: 120 * Millis::SECOND,
            probe_tries: 5,
            letters: outbox::Pace::default(),
            stale_after: 7 * Millis::DAY,
            alarms_every: 60_000,
            schedules_every: 15_000,
            retention_every: 600_000,
            retention: retention::Terms::default(),
            drills_every: 600_000,
            drills: drills::Terms::default(),
            downloads: downloads::Terms::default(),
            catalogue_every: 60_000,
        }
    }
}

/// JSON that this program wrote itself.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| Error::internal(format!("the stored {what} cannot be read: {e}")))
}

pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::internal(e.to_string()))
}
