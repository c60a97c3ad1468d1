//! Time comes in as a parameter: rooms ask a [`Clock`], tests own one.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

/// Milliseconds since 1970-01-01T00:00:00Z, as stored in the catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    pub const SECOND: i64 = 1_000;
    pub const DAY: i64 = 86_400_000;

    #[must_use]
    pub fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
    /// Reads what [`Millis::iso`] wrote.
    pub fn from_iso(text: &str) -> Option<Self> {
        chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| Self(at.timestamp_millis()))
    }
    /// `2026-11-21T03:00:00Z`, for machines.
    pub fn iso(self) -> String {
        self.utc().format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
    /// `2026-11-21 03:00:00 UTC`, for people; the zone is always named.
    pub fn for_people(self) -> String {
        self.utc().format("%Y-%m-%d %H:%M:%S UTC").to_string()
    }
    /// `2026-11-21T03-00-00_UTC`, for file names.
    pub fn for_file_names(self) -> String {
        self.utc().format("%Y-%m-%dT%H-%M-%S_UTC").to_string()
    }
    fn utc(self) -> chrono::DateTime<chrono::Utc> {
        chrono::DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }
}

/// The wall clock of this process, or one that a test moves.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    pub fn system() -> Self {
        Self(None)
    }
    /// A clock that stands still until it is moved.
    pub fn fixed(at: Millis) -> Self {
        Self(Some(Arc::new(AtomicI64::new(at.0))))
    }
    /// Moves a fixed clock; the system's clock is not ours to move.
    pub fn advance(&self, millis: i64) {
        if let Some(at) = &self.0 {
            at.fetch_add(millis, SeqCst);
        }
    }
    #[allow(clippy::disallowed_methods)] // the one place that reads the system's clock
    pub fn now(&self) -> Millis {
        match &self.0 {
            Some(at) => Millis(at.load(SeqCst)),
            None => Millis(chrono::Utc::now().timestamp_millis()),
        }
    }
    pub fn is_fixed(&self) -> bool {
        self.0.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_always_read_the_zone() {
        let t = Millis(1_795_230_000_000);
        assert_eq!(t.for_people(), "2026-11-21 03:00:00 UTC");
        assert_eq!(t.iso(), "2026-11-21T03:00:00Z");
        assert_eq!(t.for_file_names(), "2026-11-21T03-00-00_UTC");
    }
}
