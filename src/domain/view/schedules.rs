//! Schedules, as the API says them.

use crate::domain::schedule;
use serde::{Deserialize, Serialize};

/// `GET /environments/{id}/schedule`, `GET /schedules` (there with the next run alone).
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Schedule {
    pub tenant: String,
    /// `shop.live`
    pub environment: String,
    pub environment_id: String,
    /// It has a rule of its own; otherwise it follows its tenant.
    pub own: bool,
    #[serde(flatten)]
    pub rule: schedule::Schedule,
    /// The time of day in the zone: `02:17`.
    pub at: String,
    /// The rule as a sentence.
    pub words: String,
    /// The next runs.
    pub upcoming: Vec<String>,
    /// The tenant's plan has schedules.
    pub allowed: bool,
    /// Why all schedules rest.
    pub frozen: Option<String>,
}

/// `GET /tenants/{id}/schedule`
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TenantSchedule {
    pub tenant: String,
    #[serde(flatten)]
    pub rule: schedule::Schedule,
    pub words: String,
    /// How many environments follow it, and how many have rules of their own.
    pub follow: u64,
    pub own_rules: u64,
    pub allowed: bool,
}

/// `PATCH /environments/{id}/schedule`, `PATCH /tenants/{id}/schedule`: what is not given stays as it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeSchedule {
    /// No rule of its own: that of the tenant (for a tenant, Sitekeep's default).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub follow: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// `nightly` or `weekly`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cadence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weekday: Option<String>,
    /// `0` to `23`, or `spread`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hour: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// `GET /environments/{id}/slots`
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Slot {
    pub due: String,
    pub state: schedule::SlotState,
    /// Why no backup was made.
    pub why: Option<String>,
    pub backup: Option<String>,
    pub backup_state: Option<String>,
    /// When the backup really began.
    pub ran: Option<String>,
}

/// `GET /freeze`: all schedules rest. `POST /freeze` takes the reason.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Freeze {
    pub since: String,
    pub by: String,
    pub reason: String,
}
