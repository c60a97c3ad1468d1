//! The times and limits of the queue. The defaults are the product's; tests shorten them.

use std::time::Duration;

/// Times are given in seconds where they are read from a file.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long a claim or a heartbeat makes the lease last, by the database's clock.
    #[serde(with = "seconds")]
    pub lease: Duration,
    /// How often a worker sends a heartbeat. A request to cancel is seen this late.
    #[serde(with = "seconds")]
    pub heartbeat: Duration,
    /// How long a worker trusts its last heartbeat, by its own monotonic clock, from before it was sent. Shorter than the
    /// lease: the attempt is dead before another one may begin.
    #[serde(with = "seconds")]
    pub trust: Duration,
    /// How often a worker with a free slot looks for work, give or take a fifth.
    #[serde(with = "seconds")]
    pub poll: Duration,
    /// How often a worker looks for leases that ran out, give or take a fifth.
    #[serde(with = "seconds")]
    pub reap: Duration,
    /// An attempt without any progress for so long is killed.
    #[serde(with = "seconds")]
    pub stuck_after: Duration,
    /// Between SIGTERM and SIGKILL.
    #[serde(with = "seconds")]
    pub term_grace: Duration,
    /// A job that could not have what it needs for so long keeps younger jobs away from it.
    #[serde(with = "seconds")]
    pub patience: Duration,
    /// When a lease ran out and nobody saw its attempt die, what it shared is given to nobody alone for so long.
    #[serde(with = "seconds")]
    pub quarantine: Duration,
    /// The oldest job that waits, of each tenant and class, moves up one class each time so much has passed (never before a
    /// restore).
    #[serde(with = "seconds")]
    pub ageing: Duration,
    /// So many attempts may be lost before the job is given up.
    pub lost_limit: u32,
    /// So many jobs of one tenant run at once whose plan does not say; a restore may always run.
    pub tenant_running: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            heartbeat: Duration::from_secs(5),
            trust: Duration::from_secs(25),
            poll: Duration::from_secs(1),
            reap: Duration::from_secs(5),
            stuck_after: Duration::from_secs(15 * 60),
            term_grace: Duration::from_secs(10),
            patience: Duration::from_secs(15 * 60),
            quarantine: Duration::from_secs(10 * 60),
            ageing: Duration::from_secs(6 * 3600),
            lost_limit: 3,
            tenant_running: 4,
        }
    }
}

/// As the catalogue counts time.
pub(super) fn millis(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}

mod seconds {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::time::Duration;

    pub fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_f64(d.as_secs_f64())
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(d)?).map_err(D::Error::custom)
    }
}
