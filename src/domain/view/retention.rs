//! Retention as the API and the pages show it.

use crate::domain::retention::Rules;
use crate::domain::state::BackupState;
use serde::{Deserialize, Serialize};

/// What becomes of one backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Fate {
    /// With the next sweep.
    pub goes_now: bool,
    /// Kept because …
    pub because: Option<String>,
    /// Goes on … by …, where that can be told.
    pub goes: Option<String>,
    pub by: Option<String>,
    /// `daily`, `weekly` or `monthly`, where the oldest are promoted.
    pub label: Option<String>,
    /// Elements that go before the set.
    pub elements: Vec<String>,
}

/// `GET /environments/{id}/retention`, `GET /tenants/{id}/retention`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Retention {
    /// It has no rules of its own.
    pub follows: bool,
    /// What it will be once everything is in force.
    pub rules: Rules,
    /// What stands beside it until then.
    pub before: Option<Rules>,
    pub effective: Option<String>,
}

/// `POST /environments/{id}/retention/simulation`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Simulation {
    /// How many go by the rules in force, and how many would by those that are tried.
    pub goes_now: usize,
    pub goes_then: usize,
    /// Newest first.
    pub rows: Vec<Simulated>,
}

/// `POST /tenants/{id}/retention/simulation`: what a tenant's rules would make of the environments that follow it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TenantSimulation {
    pub goes_now: usize,
    pub goes_then: usize,
    /// By name; those with rules of their own are not among them.
    pub environments: Vec<SimulatedEnvironment>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SimulatedEnvironment {
    pub id: String,
    /// `site.environment`
    pub environment: String,
    pub backups: usize,
    /// How many go by the rules in force, and how many would by those that are tried.
    pub goes_now: usize,
    pub goes_then: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Simulated {
    pub id: String,
    pub created: String,
    pub reason: String,
    pub state: BackupState,
    pub now: Fate,
    pub then: Fate,
}
