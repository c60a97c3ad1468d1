//! Time zones: those that readers choose, by their IANA names; and how a time is written in one of them.

use super::clock::Millis;
use super::error::{Error, Result};
use chrono::{DateTime, Datelike, NaiveDate, Offset, TimeZone};
use chrono_tz::Tz;

/// A reader's time zone, or that of a schedule; UTC where nothing is known. Stored as its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "&'static str")]
pub struct Zone(Tz);

impl TryFrom<String> for Zone {
    type Error = Error;
    fn try_from(name: String) -> Result<Self> {
        Self::parse(&name)
    }
}

impl From<Zone> for &'static str {
    fn from(zone: Zone) -> Self {
        zone.name()
    }
}

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
    /// `Sun`, the day of the week that it is there.
    pub fn of_week(self, at: Millis) -> String {
        self.of(at).format("%a").to_string()
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
        let date = NaiveDate::parse_from_str(day, "%Y-%m-%d").map_err(|_| wrong())?;
        let first = (0..24).find_map(|hour| self.0.from_local_datetime(&date.and_hms_opt(hour, 0, 0)?).earliest());
        first.map(|at| Millis(at.timestamp_millis())).ok_or_else(wrong)
    }
    /// The day that it is there, counted from 1970-01-01.
    pub fn local_day(self, at: Millis) -> i64 {
        (at.0 + self.offset(at)).div_euclid(Millis::DAY)
    }
    /// Samoa had no 30 December 2011: where a zone crosses the date line, a day is left out.
    pub fn has_day(self, day: i64) -> bool {
        self.local_day(self.moment(day, 0)) == day
    }
    /// The moment at which the clocks there show `minute` (of the day) on `day`: the first one where they show it twice, and
    /// where they leap over it the first moment after the leap.
    pub fn moment(self, day: i64, minute: i64) -> Millis {
        let wall = day * Millis::DAY + minute * 60 * Millis::SECOND;
        let local = DateTime::from_timestamp_millis(wall).unwrap_or_default().naive_utc();
        match self.0.from_local_datetime(&local).earliest() {
            Some(at) => Millis(at.timestamp_millis()),
            None => self.after_leap(wall),
        }
    }
    /// Halves the time around the leap until the second is found in which the clocks have passed `wall`.
    fn after_leap(self, wall: i64) -> Millis {
        // No zone is further than 14 hours from UTC, and no leap longer than a day.
        let (mut before, mut after) = (wall / 1000 - 38 * 3600, wall / 1000 + 38 * 3600);
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            let at = Millis(middle * 1000);
            if at.0 + self.offset(at) < wall { before = middle } else { after = middle }
        }
        Millis(after * 1000)
    }
    /// The day, week, month or year that it is there.
    pub fn stretch(self, at: Millis, period: Period) -> Stretch {
        let date = self.of(at).date_naive();
        let (year, nth) = match period {
            Period::Day => (date.year(), date.ordinal()),
            Period::Week => (date.iso_week().year(), date.iso_week().week()),
            Period::Month => (date.year(), date.month()),
            Period::Year => (date.year(), 1),
        };
        Stretch { period, year, nth }
    }
    fn of(self, at: Millis) -> DateTime<Tz> {
        DateTime::from_timestamp_millis(at.0).unwrap_or_default().with_timezone(&self.0)
    }
}

/// How the calendar is cut; weeks are those of ISO 8601.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    Day,
    Week,
    Month,
    Year,
}

/// One day, week, month or year. Those of one period stand in the order of time; it is numbers, because a rule asks for
/// thousands where people read a few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    period: Period,
    year: i32,
    /// Of its year, from 1.
    nth: u32,
}

/// `2026-11-21`, `2026-W47`, `2026-11` or `2026`.
impl std::fmt::Display for Stretch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { period, year, nth } = *self;
        match period {
            Period::Day => write!(f, "{}", NaiveDate::from_yo_opt(year, nth).unwrap_or_default()),
            Period::Week => write!(f, "{year}-W{nth:02}"),
            Period::Month => write!(f, "{year}-{nth:02}"),
            Period::Year => write!(f, "{year}"),
        }
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
    fn a_stretch_of_the_calendar_is_written_as_people_write_it_and_stands_in_its_order() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let at = |time: &str| Millis(DateTime::parse_from_rfc3339(time).unwrap().timestamp_millis());
        let words = |at: Millis| [Period::Day, Period::Week, Period::Month, Period::Year].map(|p| berlin.stretch(at, p).to_string());
        assert_eq!(words(at("2026-11-21T03:00:00Z")), ["2026-11-21", "2026-W47", "2026-11", "2026"]);
        // There it is the next day and the next month, and the first week of the next year begins in the old one.
        assert_eq!(words(at("2025-11-30T23:30:00Z")), ["2025-12-01", "2025-W49", "2025-12", "2025"]);
        assert_eq!(words(at("2024-12-30T12:00:00Z")), ["2024-12-30", "2025-W01", "2024-12", "2024"]);
        let mut last = [Period::Day, Period::Week, Period::Month, Period::Year].map(|p| berlin.stretch(at("2019-12-01T12:00:00Z"), p));
        for day in 1..3_000 {
            let at = at("2019-12-01T12:00:00Z").plus(day * Millis::DAY);
            for (stretch, form) in last.iter_mut().zip(["%Y-%m-%d", "%G-W%V", "%Y-%m", "%Y"]) {
                let next = berlin.stretch(at, stretch.period);
                assert_eq!(next.to_string(), berlin.of(at).format(form).to_string());
                assert!(next >= *stretch, "{stretch} before {next}");
                *stretch = next;
            }
        }
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
