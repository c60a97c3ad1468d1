//! Time zones: those that readers choose, by their IANA names; and how a time is written in one of them.

use super::clock::Millis;
use super::error::{Error, Result};
use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;

/// A reader's time zone; UTC where nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(Tz);

impl Default for Zone {
    fn default() -> Self {
        Self(Tz::UTC)
    }
}

impl Zone {
    /// By its IANA name, as in `Europe/Berlin`.
    ///
    /// # Errors
    /// `Invalid` for a name that the database of zones does not have.
    pub fn parse(name: &str) -> Result<Self> {
        name.parse().map(Self).map_err(|_| {
            Error::invalid(format!("{name:?} is not a time zone")).hint("choose one like Europe/Berlin or America/New_York, or UTC")
        })
    }
    pub fn name(self) -> &'static str {
        self.0.name()
    }
    pub fn tz(self) -> Tz {
        self.0
    }
    /// Every zone that can be chosen, by name.
    pub fn all() -> impl Iterator<Item = &'static str> {
        chrono_tz::TZ_VARIANTS.iter().map(|tz| tz.name())
    }
    /// `2026-11-21 04:00 CET`.
    pub fn minutes(self, at: Millis) -> String {
        self.of(at).format("%Y-%m-%d %H:%M %Z").to_string()
    }
    /// `2026-11-21 04:00:07 CET`.
    pub fn seconds(self, at: Millis) -> String {
        self.of(at).format("%Y-%m-%d %H:%M:%S %Z").to_string()
    }
    /// `04:00:07`, for the lines of a log whose zone is named above them.
    pub fn clock(self, at: Millis) -> String {
        self.of(at).format("%H:%M:%S").to_string()
    }
    /// `2026-11-21`, the day it is there.
    pub fn day(self, at: Millis) -> String {
        self.of(at).format("%Y-%m-%d").to_string()
    }
    /// How far its clocks are ahead of UTC at that time, in milliseconds.
    pub fn offset(self, at: Millis) -> i64 {
        i64::from(self.of(at).offset().fix().local_minus_utc()) * Millis::SECOND
    }
    /// The first moment of a day (`2026-11-21`) there; where the clocks skip midnight, the first one after it.
    ///
    /// # Errors
    /// `Invalid` when it is no day.
    pub fn begin_of(self, day: &str) -> Result<Millis> {
        let wrong = || Error::invalid(format!("{day:?} is not a day")).hint("write it like 2026-11-21");
        let date = chrono::NaiveDate::parse_from_str(day, "%Y-%m-%d").map_err(|_| wrong())?;
        let first = (0..24).find_map(|hour| self.0.from_local_datetime(&date.and_hms_opt(hour, 0, 0)?).earliest());
        first.map(|at| Millis(at.timestamp_millis())).ok_or_else(wrong)
    }
    fn of(self, at: Millis) -> DateTime<Tz> {
        DateTime::from_timestamp_millis(at.0).unwrap_or_default().with_timezone(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_the_readers_zone_and_the_zone_is_named() {
        let at = Millis(1_795_230_007_000);
        assert_eq!(Zone::default().minutes(at), "2026-11-21 03:00 UTC");
        assert_eq!(Zone::parse("Europe/Berlin").unwrap().seconds(at), "2026-11-21 04:00:07 CET");
        assert!(Zone::parse("Europe/Atlantis").unwrap_err().to_string().contains("Europe/Berlin"));
    }

    #[test]
    fn a_day_begins_when_it_begins_there() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        assert_eq!(berlin.begin_of("2026-11-21").unwrap().iso(), "2026-11-20T23:00:00Z");
        // In Beirut the clocks go from midnight to one.
        assert_eq!(Zone::parse("Asia/Beirut").unwrap().begin_of("2026-03-29").unwrap().iso(), "2026-03-28T22:00:00Z");
        assert!(berlin.begin_of("yesterday").is_err());
    }
}
