//! Plans as the API shows them.

use serde::{Deserialize, Serialize};

/// `GET /tenants/{id}/plan`, `PUT /tenants/{id}/plan`: what a tenant may use; no limit where none is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantPlan {
    /// A word for people.
    pub plan: String,
    #[serde(default)]
    pub bytes: Option<u64>,
    #[serde(default)]
    pub backups: Option<u64>,
    /// So many of its jobs run at once; as many as of everybody where none is given. A restore runs beside them.
    #[serde(default)]
    pub jobs_at_once: Option<u64>,
    /// Backups may be made by a schedule.
    #[serde(default = "yes")]
    pub schedules: bool,
}

fn yes() -> bool {
    true
}
