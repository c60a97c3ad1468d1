//! Schedules, as pages show them.

use crate::base::clock::Millis;
use crate::base::zone::Zone;
use crate::domain::schedule::{Schedule, SlotState};

/// When the schedule of an environment makes a backup next.
#[derive(Clone, Debug)]
pub struct NextRun {
    /// None while it makes none.
    pub at: Option<Millis>,
    /// The zone of the schedule.
    pub zone: Zone,
    /// The rule, or why there is no next run.
    pub said: String,
}

/// The schedule of an environment on its own page.
#[derive(Clone, Debug)]
pub struct SchedulePage {
    pub saved: Schedule,
    /// What the form is filled with: the saved one, or one that is tried.
    pub shown: Schedule,
    /// `shown` as a sentence, and its next runs.
    pub words: String,
    pub upcoming: Vec<Millis>,
    /// It has a rule of its own.
    pub own: bool,
    pub tenant_rule: Schedule,
    /// The tenant's plan has schedules.
    pub allowed: bool,
    /// Why all schedules rest.
    pub frozen: Option<String>,
    pub may_change: bool,
    /// What became of the newest slots, newest first.
    pub slots: Vec<SlotRow>,
}

#[derive(Clone, Debug)]
pub struct SlotRow {
    pub at: Millis,
    pub state: SlotState,
    pub why: Option<String>,
    pub backup: Option<String>,
    pub backup_state: Option<String>,
    /// When the backup really began.
    pub ran: Option<Millis>,
}

/// The rule of a tenant.
#[derive(Clone, Debug)]
pub struct TenantSchedule {
    pub id: String,
    pub name: String,
    pub rule: Schedule,
    /// False: Sitekeep's own default.
    pub own: bool,
    /// How many environments follow it, and how many have rules of their own.
    pub follow: u64,
    pub own_rules: u64,
    pub allowed: bool,
    pub may_change: bool,
}
