//! What can be wrong with an environment, and when a backup is of a size that cannot be right.

use super::element::Element;
use crate::base::units;
use crate::base::words::words;
use serde::{Deserialize, Serialize};

words! {
    /// Why there is an alarm. One of each is open at a time, and told once.
    Cause {
        /// No good backup within one and a half intervals of the schedule.
        Overdue = "overdue",
        Failed = "failed",
        Incomplete = "incomplete",
        /// An element shrank by half, or grew tenfold.
        Size = "size",
        /// Packs of the site's repository are not what was written.
        Check = "check",
        /// A backup could not be restored whole into a scratch place.
        Drill = "drill",
    }
}

impl Cause {
    /// As a heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Overdue => "No good backup in time",
            Self::Failed => "The backup failed",
            Self::Incomplete => "The backup is incomplete",
            Self::Size => "The size of the backup is abnormal",
            Self::Check => "The repository could not be read back",
            Self::Drill => "The restore drill failed",
        }
    }
}

/// An alarm as people see it. Times are ISO 8601 in UTC.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Alarm {
    pub id: String,
    /// The environment's id.
    pub environment: String,
    /// `site.environment`
    pub address: String,
    pub cause: Cause,
    pub message: String,
    pub hint: Option<String>,
    pub opened: String,
    /// None as long as it is so.
    pub closed: Option<String>,
}

/// Below this an element is too small to say anything, in bytes.
const TELLING: u64 = 64 * 1024;

/// An element's size in two backups, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub element: Element,
    pub before: u64,
    pub now: u64,
}

impl Sizes {
    /// What is odd about them, in words: it shrank by half or more, or grew tenfold or more.
    pub fn odd(&self) -> Option<String> {
        let Self { element, before, now } = *self;
        if before.max(now) < TELLING {
            return None;
        }
        let told = |what: &str| Some(format!("the {element} {what}: {} before, {} now", units::size(before), units::size(now)));
        match () {
            () if now.saturating_mul(2) <= before => told("shrank by half or more"),
            () if before > 0 && now / 10 >= before => told("grew tenfold or more"),
            () => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odd(before: u64, now: u64) -> Option<String> {
        Sizes { element: Element::Database, before, now }.odd()
    }

    #[test]
    fn half_and_tenfold_are_odd_and_what_lies_between_is_not() {
        const MB: u64 = 1_000_000;
        for (before, now) in [(10, 6), (10, 10), (10, 99), (1, 9)] {
            assert_eq!(odd(before * MB, now * MB), None, "{before} to {now}");
        }
        assert_eq!(odd(10 * MB, 5 * MB).unwrap(), "the database shrank by half or more: 10.0 MB before, 5.0 MB now");
        assert_eq!(odd(MB, 10 * MB).unwrap(), "the database grew tenfold or more: 1.0 MB before, 10.0 MB now");
        assert!(odd(MB, 0).is_some(), "nothing is left");
    }

    #[test]
    fn what_is_small_or_was_not_there_is_not_odd() {
        assert_eq!(odd(1000, 10), None);
        assert_eq!(odd(10, 60_000), None);
        assert_eq!(odd(0, 1 << 40), None, "the first that is not empty");
    }
}
