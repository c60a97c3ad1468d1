//! The states that people see, as words of the catalogue.

use crate::base::words::words;

words! {
    /// A backup, and each of its elements. `succeeded` is proven; `incomplete` is kept, and is never green.
    BackupState {
        Queued = "queued",
        Running = "running",
        Succeeded = "succeeded",
        Incomplete = "incomplete",
        Failed = "failed",
        Cancelled = "cancelled",
    }
    /// A restore or an undo. `unwound`: it failed after the switch had begun and everything was switched back.
    /// `stuck`: the way back failed too; the environment stays locked until a person has looked.
    RestoreState {
        Queued = "queued",
        Running = "running",
        Succeeded = "succeeded",
        Unwinding = "unwinding",
        Unwound = "unwound",
        Failed = "failed",
        Cancelled = "cancelled",
        Stuck = "stuck",
    }
    StepState {
        Planned = "planned",
        Started = "started",
        Done = "done",
        Undoing = "undoing",
        Undone = "undone",
        Failed = "failed",
        Skipped = "skipped",
    }
    /// Why a backup exists; shown in lists unless a note was given.
    Reason {
        OnRequest = "Generated on request",
        BeforeRestore = "Generated before being restored to a previous version",
        Nightly = "Nightly backup",
        Weekly = "Weekly backup",
        PreClone = "Pre-clone backup",
        PreMigration = "Pre-migration backup",
        PreDelete = "Pre-delete backup",
    }
}

/// How retention sees a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Scheduled,
    OnDemand,
    /// Made before something that may have to be taken back.
    Safety,
}

impl Reason {
    pub fn kind(self) -> Kind {
        match self {
            Self::Nightly | Self::Weekly => Kind::Scheduled,
            Self::BeforeRestore | Self::PreClone | Self::PreMigration | Self::PreDelete => Kind::Safety,
            Self::OnRequest => Kind::OnDemand,
        }
    }
}

impl BackupState {
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
    /// Can something be restored from it?
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Succeeded | Self::Incomplete)
    }
}

impl RestoreState {
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running | Self::Unwinding)
    }
}
