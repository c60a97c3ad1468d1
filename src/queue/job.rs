//! What the queue handles: jobs, leases, attempts, and how they end.

use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::words::words;
use crate::domain::ids::{AccountId, EnvironmentId, JobId, TenantId};

words! {
    /// In the order in which the queue serves them.
    JobClass {
        /// It has steps to undo: once an attempt of it has begun, only an attempt may end it, and it is never cut short.
        Restore = "restore",
        Download = "download",
        OnDemand = "on_demand",
        Scheduled = "scheduled",
        Verify = "verify",
        Upkeep = "upkeep",
    }
    /// How a job needs a resource: beside others, or alone.
    Mode {
        Shared = "shared",
        Exclusive = "exclusive",
    }
    /// Of a job. The last four are final: to try again, a person makes a new job.
    State {
        Queued = "queued",
        Running = "running",
        /// It failed in a way that passes, and waits for its next try.
        RetryWait = "retry_wait",
        Succeeded = "succeeded",
        Incomplete = "incomplete",
        Failed = "failed",
        Cancelled = "cancelled",
    }
    /// Of a line of the task log.
    Level {
        Info = "info",
        Warning = "warning",
        Error = "error",
    }
}

impl JobClass {
    /// Its place in the line; smaller is served earlier.
    pub(super) fn place(self) -> i64 {
        self as i64
    }
}

impl State {
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Incomplete | Self::Failed | Self::Cancelled)
    }
}

/// Something a job must have while it runs: `env:<id>`, `repo:<id>`, `host:<name>`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Need {
    pub resource: String,
    pub mode: Mode,
}

impl Need {
    pub fn shared(resource: impl Into<String>) -> Self {
        Self { resource: resource.into(), mode: Mode::Shared }
    }
    pub fn exclusive(resource: impl Into<String>) -> Self {
        Self { resource: resource.into(), mode: Mode::Exclusive }
    }
}

/// A job to be queued.
#[derive(Clone, Debug)]
pub struct NewJob {
    pub tenant: TenantId,
    /// `create_backup`, `run_restore`, …; shown to people with spaces.
    pub kind: String,
    /// The id of what it works on.
    pub subject: String,
    pub environment: Option<EnvironmentId>,
    pub class: JobClass,
    /// Taken all or none, when it is claimed.
    pub needs: Vec<Need>,
    /// At most one job of a tenant with this key has not ended yet.
    pub unique: Option<String>,
    /// At most one job of a tenant with this key in 24 hours.
    pub idempotency: Option<String>,
    /// Not before; at once where it is not given.
    pub run_at: Option<Millis>,
    pub initiator: Option<AccountId>,
}

/// What [`enqueue`](super::enqueue()) made, or found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueued {
    pub id: JobId,
    /// False: an equal job was there first, and `id` names it.
    pub fresh: bool,
}

/// The right to run a job, until it is lost. Whoever writes on behalf of the job shows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Lease {
    pub job: JobId,
    /// Counts claims from 1, also those that counted for nothing.
    pub attempt: i64,
    pub token: String,
}

#[derive(Clone, Debug)]
pub struct Claimed {
    pub job: Job,
    pub lease: Lease,
}

/// A job as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub id: JobId,
    pub tenant: TenantId,
    pub kind: String,
    pub subject: String,
    pub environment: Option<EnvironmentId>,
    pub class: JobClass,
    pub state: State,
    pub initiator: Option<AccountId>,
    pub run_at: Millis,
    /// The number of the newest attempt; 0 before the first.
    pub attempt: i64,
    pub worker: Option<String>,
    pub cancel_requested: bool,
    pub phase: String,
    pub bytes: u64,
    pub bytes_total: Option<u64>,
    pub files: u64,
    /// What it waits for, in words.
    pub blocked_on: Option<String>,
    pub error_class: Option<Class>,
    pub message: Option<String>,
    pub hint: Option<String>,
    pub created: Millis,
    /// When its first attempt began.
    pub started: Option<Millis>,
    pub finished: Option<Millis>,
}

/// How far an attempt has come. Any change of it is a sign of life.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Progress {
    pub phase: String,
    pub bytes: u64,
    pub bytes_total: Option<u64>,
    pub files: u64,
}

/// How an attempt ended, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// A final state.
    pub state: State,
    /// Of a failure: decides whether it is tried again.
    pub class: Option<Class>,
    pub message: Option<String>,
    pub hint: Option<String>,
    /// Never try again, whatever the class.
    pub final_: bool,
}

impl Outcome {
    pub fn succeeded() -> Self {
        Self { state: State::Succeeded, class: None, message: None, hint: None, final_: true }
    }
    pub fn incomplete(message: impl Into<String>) -> Self {
        Self { state: State::Incomplete, message: Some(message.into()), ..Self::succeeded() }
    }
    pub fn cancelled() -> Self {
        Self { state: State::Cancelled, ..Self::succeeded() }
    }
    /// A failure, tried again by its class; an error of class `Cancelled` is a cancellation.
    pub fn failed(e: &Error) -> Self {
        if e.class() == Class::Cancelled {
            return Self::cancelled();
        }
        Self {
            state: State::Failed,
            class: Some(e.class()),
            message: Some(e.sentence()),
            hint: e.hint_text().map(str::to_owned),
            final_: false,
        }
    }
    /// A failure that must not be tried again.
    #[must_use]
    pub fn and_final(mut self) -> Self {
        self.final_ = true;
        self
    }
}

/// What became of the job when its attempt finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// A final state, or `RetryWait`.
    pub state: State,
    pub will_retry_at: Option<Millis>,
}

/// What became of a job whose attempt ended without a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It is queued again.
    Requeued,
    /// Too many attempts were lost.
    Failed,
    /// Somebody had asked for the end.
    Cancelled,
}

/// One try at a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    pub number: i64,
    pub worker: String,
    pub started: Millis,
    pub ended: Option<Millis>,
    /// `succeeded`, `incomplete`, `failed`, `cancelled`, `lost`, `released`; `None` while it runs.
    pub outcome: Option<String>,
    pub error_class: Option<Class>,
    pub message: Option<String>,
}

/// A line that people read.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// Counts from 1 over all attempts.
    pub number: i64,
    pub attempt: i64,
    pub at: Millis,
    pub level: Level,
    pub text: String,
}

/// The columns of [`JobRow`], in any statement that answers with a job.
macro_rules! job_columns {
    () => {
        "id, tenant_id, kind, subject, environment_id, class, state, initiator_id, run_at, attempt, worker, cancel_requested, \
         phase, bytes, bytes_total, files, blocked_on, error_class, message, hint, created_at, started_at, finished_at"
    };
}
pub(super) use job_columns;

#[derive(sqlx::FromRow)]
pub(super) struct JobRow {
    id: String,
    tenant_id: String,
    kind: String,
    subject: String,
    environment_id: Option<String>,
    class: String,
    state: String,
    initiator_id: Option<String>,
    run_at: i64,
    attempt: i64,
    worker: Option<String>,
    cancel_requested: i64,
    phase: String,
    bytes: i64,
    bytes_total: Option<i64>,
    files: i64,
    blocked_on: Option<String>,
    error_class: Option<String>,
    message: Option<String>,
    hint: Option<String>,
    created_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
}

impl TryFrom<JobRow> for Job {
    type Error = Error;

    fn try_from(r: JobRow) -> Result<Self> {
        Ok(Self {
            id: r.id.into(),
            tenant: r.tenant_id.into(),
            kind: r.kind,
            subject: r.subject,
            environment: r.environment_id.map(Into::into),
            class: JobClass::parse(&r.class)?,
            state: State::parse(&r.state)?,
            initiator: r.initiator_id.map(Into::into),
            run_at: Millis(r.run_at),
            attempt: r.attempt,
            worker: r.worker,
            cancel_requested: r.cancel_requested != 0,
            phase: r.phase,
            bytes: unsigned(r.bytes),
            bytes_total: r.bytes_total.map(unsigned),
            files: unsigned(r.files),
            blocked_on: r.blocked_on,
            error_class: r.error_class.as_deref().and_then(parse_class),
            message: r.message,
            hint: r.hint,
            created: Millis(r.created_at),
            started: r.started_at.map(Millis),
            finished: r.finished_at.map(Millis),
        })
    }
}

/// The catalogue counts in signed 64 bits; no file is larger.
pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
pub(super) fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// A class of error as the word that is stored.
pub(super) fn class_word(class: Class) -> String {
    serde_json::to_value(class).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
/// A word that a later version wrote is no reason to fail.
pub(super) fn parse_class(word: &str) -> Option<Class> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}
