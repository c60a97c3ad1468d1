//! Drills.

use crate::domain::drill::{DrillState, Evidence, Fault};
use serde::{Deserialize, Serialize};

/// `GET /drills/{id}`; the list of an environment's leaves the evidence out.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Drill {
    pub id: String,
    pub tenant: String,
    pub site: String,
    pub environment: String,
    pub environment_id: String,
    pub backup: String,
    pub state: DrillState,
    /// What was found wrong first.
    pub fault: Option<Fault>,
    pub message: Option<String>,
    pub hint: Option<String>,
    pub initiator: String,
    pub created: String,
    pub started: Option<String>,
    pub finished: Option<String>,
    /// How long everything took to be restored, in milliseconds.
    pub restore_took: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    pub job: Option<String>,
}

/// `POST /environments/{id}/drills`
#[derive(Clone, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunDrill {
    /// A backup's id; the newest good one where it is not given.
    #[serde(default)]
    pub backup: Option<String>,
}
