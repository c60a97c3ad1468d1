//! The queue: durable jobs, claimed under leases, tried again by the kind of failure, never run twice at once.
//!
//! A job is done at least once, and its effect happens exactly once: whoever writes anything on behalf of a job shows
//! the token of its lease ([`fence`]), and a token that is no longer the live one writes nothing. A worker that dies
//! loses its lease within [`Settings::lease`]; the next one takes the job over.
//!
//! The room must never know what a backup is: jobs are a kind, a subject, and what they need. It must never hold a
//! transaction open while a job works, and never judge a lease by a worker's clock.
//!
//! Whose turn it is stands in `line.rs`; a rule about claiming is a condition of the one statement in `claim.rs`; a rule about ends is in `end.rs`; how often
//! something is tried again is the table in `retry.rs`. To add a kind of job nothing changes here: see `jobs`.

mod blocked;
mod claim;
mod end;
mod enqueue;
mod job;
mod lease;
mod line;
mod log;
mod read;
mod retry;
mod settings;
mod upkeep;
mod worker;

pub use claim::{claim, claim_another};
pub use end::{cancel, finish, lost, lost_in, reap, release, release_in};
pub use enqueue::enqueue;
pub use job::{
    Attempt, Claimed, Ended, Enqueued, Finished, Job, JobClass, Lease, Level, LogLine, Mode, Need, NewJob, Outcome, Progress, State,
};
pub use lease::{fence, heartbeat, progress};
pub use log::log;
pub use read::{Filter, SeenWorker, Tenants, active, attempts, counts, find, list, log_after, log_length, workers};
pub use settings::Settings;
pub use upkeep::tidy;
pub use worker::{Runner, Settling, Shutdown, hint, until_signal, work};

#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
