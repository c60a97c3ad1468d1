//! What the API says and the CLI reads: the JSON shapes of `/api/v1`.
//!
//! Times are ISO 8601 in UTC. Fields are only ever added.

mod drills;
mod letters;
mod plans;
mod recovery;
mod restores;
mod retention;
mod schedules;
mod servers;

pub use drills::{Drill, RunDrill};
pub use letters::Letter;
pub use plans::TenantPlan;
pub use recovery::{ConfirmKey, KeyConfirmed};
pub use restores::{CreateRestore, Newest, Plan, Restore, RestoreAnswer, Step};
pub use retention::{Fate, Retention, Simulated, SimulatedEnvironment, Simulation, TenantSimulation};
pub use schedules::{ChangeSchedule, Freeze, Schedule, Slot, TenantSchedule};
pub use servers::{AddServer, Server};

use super::element::Element;
use super::site::Definition;
use super::state::BackupState;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Every error: a sentence, what to do, and an id that the server's log repeats.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Problem {
    pub error: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    pub class: crate::base::error::Class,
    pub id: String,
}

/// `GET /whoami`
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Whoami {
    pub account: String,
    pub administrator: bool,
    pub scope: String,
    /// Tenant name to role.
    pub tenants: BTreeMap<String, String>,
}

/// `GET /tenants`, `POST /tenants`
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Tenant {
    pub id: String,
    pub name: String,
    pub state: String,
    pub created: String,
}

/// `GET /sites`
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Site {
    pub id: String,
    pub tenant: String,
    pub name: String,
    pub environments: Vec<Environment>,
    pub created: String,
    /// When somebody showed that they have its recovery key.
    #[serde(default)]
    pub key_confirmed: Option<String>,
}

/// `GET /environments?named=shop.live`, `GET /environments/{id}`
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Environment {
    pub id: String,
    pub tenant: String,
    pub site: String,
    pub name: String,
    pub stack: String,
    pub elements: Vec<Element>,
    pub live: bool,
    pub url: Option<String>,
    pub path: String,
    /// `protected`, `stale`, `failed` or `unprotected`.
    #[serde(default)]
    pub state: String,
    /// Why it is unprotected.
    #[serde(default)]
    pub why: Option<String>,
    /// Of the newest succeeded backup.
    pub last_backup: Option<String>,
    /// What runs now on it, if anything: a job's id.
    pub running: Option<String>,
    /// Only for administrators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Definition>,
}

/// `POST /detections` and, with what was found or given, `POST /sites`. `password` is write-only.
#[derive(Clone, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AddSite {
    pub tenant: String,
    pub site: String,
    pub environment: String,
    /// Read the site's own settings first; what is given below wins over what is found.
    #[serde(default)]
    pub detect: bool,
    pub path: String,
    #[serde(default)]
    pub stack: Option<String>,
    /// `name=path`; replaces what was detected.
    #[serde(default)]
    pub files: Vec<String>,
    #[serde(default)]
    pub settings: Option<String>,
    /// `mysql`, `postgres`, `sqlite` or `none`
    #[serde(default)]
    pub database_engine: Option<String>,
    #[serde(default)]
    pub database_host: Option<String>,
    #[serde(default)]
    pub database_port: Option<u16>,
    #[serde(default)]
    pub database_socket: Option<String>,
    /// A database's name, or SQLite's file.
    #[serde(default)]
    pub database_name: Option<String>,
    #[serde(default)]
    pub database_user: Option<String>,
    #[serde(default)]
    pub database_prefix: Option<String>,
    #[serde(default)]
    pub database_password: Option<String>,
    /// Name of a server account that may create databases and users.
    #[serde(default)]
    pub server: Option<String>,
    #[serde(default)]
    pub owner: Option<String>,
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default)]
    pub expect: Option<String>,
    #[serde(default)]
    pub exclude: Vec<String>,
    #[serde(default)]
    pub hooks: super::site::Hooks,
    /// Is it live? By default, when the environment is called `live`.
    #[serde(default)]
    pub live: Option<bool>,
    /// Only say what would be added.
    #[serde(default)]
    pub dry_run: bool,
}

/// The answer to `POST /sites`.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Added {
    /// `None` after a dry run.
    pub environment: Option<Environment>,
    pub definition: Definition,
    /// What was found and where, line by line, for people.
    pub found: Vec<String>,
    pub warnings: Vec<String>,
}

/// `GET /environments/{id}/backups`, `GET /backups/{id}`
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Backup {
    pub id: String,
    pub tenant: String,
    pub site: String,
    pub environment: String,
    pub state: BackupState,
    /// The note, or why it exists.
    pub reason: String,
    pub note: Option<String>,
    pub initiator: String,
    /// The slot of the schedule that it was made for.
    #[serde(default)]
    pub due: Option<String>,
    pub created: String,
    pub started: Option<String>,
    pub finished: Option<String>,
    pub expires: Option<String>,
    /// What retention says of it; none of what lies in the trash or was purged.
    #[serde(default)]
    pub fate: Option<Fate>,
    /// In the trash: when it is purged.
    #[serde(default)]
    pub purge: Option<String>,
    /// Since when nothing can be restored from it.
    #[serde(default)]
    pub expired: Option<String>,
    /// Why it is kept.
    #[serde(default)]
    pub kept: Option<String>,
    /// When every piece of it was last found in the repository, or read back.
    #[serde(default)]
    pub proven: Option<String>,
    /// In the trash since.
    #[serde(default)]
    pub deleted: Option<String>,
    #[serde(default)]
    pub environment_id: String,
    pub pinned: bool,
    pub protected: bool,
    pub size: u64,
    pub elements: Vec<BackupElement>,
    pub warnings: Vec<String>,
    /// Why it failed, and what to do.
    pub message: Option<String>,
    #[serde(default)]
    pub hint: Option<String>,
    pub job: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BackupElement {
    pub element: Element,
    pub state: BackupState,
    /// `shop_live_2026-11-21T03-00-00_UTC_database.sql.gz`
    pub filename: String,
    pub size: u64,
    pub files: u64,
    /// New bytes it took in the repository.
    pub stored: u64,
    pub snapshot: Option<String>,
    pub started: Option<String>,
    pub finished: Option<String>,
    /// Tools, versions, what was left out and why, tables, commit, columns that are not bit-exact.
    pub manifest: serde_json::Value,
    /// Files that could not be read, or changed while they were read: path and reason.
    pub problems: Vec<FileProblem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FileProblem {
    pub path: String,
    pub reason: String,
}

/// `POST /environments/{id}/backups`
#[derive(Clone, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CreateBackup {
    /// `all`, or a list with commas.
    #[serde(default)]
    pub element: Option<String>,
    #[serde(default)]
    pub note: Option<String>,
    /// Days; 0 is for ever; by the policy where it is not given.
    #[serde(default)]
    pub keep_for: Option<u32>,
}

/// `GET /jobs`, `GET /jobs/{id}`
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Job {
    pub id: String,
    pub tenant: String,
    /// `create_backup`, `run_restore`, …
    pub kind: String,
    /// The id of the backup or restore it works on.
    pub subject: String,
    /// `tenant/site.env`, where it works on one.
    pub environment: Option<String>,
    pub state: String,
    pub attempt: i64,
    pub phase: String,
    pub bytes: u64,
    pub bytes_total: Option<u64>,
    pub files: u64,
    /// What it waits for, in words.
    pub blocked_on: Option<String>,
    pub message: Option<String>,
    pub hint: Option<String>,
    pub created: String,
    pub started: Option<String>,
    pub finished: Option<String>,
    pub cancel_requested: bool,
}

/// `GET /jobs/{id}/log?after=12`
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LogLine {
    pub number: i64,
    pub at: String,
    /// `info`, `warning`, `error`
    pub level: String,
    pub text: String,
}
