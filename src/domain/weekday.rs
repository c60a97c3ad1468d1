//! The days of the week, for schedules and for retention.

use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::words::words;
use crate::base::zone::Zone;

words! {
    Weekday {
        Monday = "monday",
        Tuesday = "tuesday",
        Wednesday = "wednesday",
        Thursday = "thursday",
        Friday = "friday",
        Saturday = "saturday",
        Sunday = "sunday",
    }
}

impl Weekday {
    /// `Friday`.
    pub fn name(self) -> &'static str {
        ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"][self as usize]
    }
    /// By its name or the beginning of it, whatever its case: `Fri`, `friday`.
    ///
    /// # Errors
    /// `Invalid` when it is the beginning of none.
    pub fn from_name(text: &str) -> Result<Self> {
        let text = text.trim().to_lowercase();
        let found = Self::ALL.iter().find(|day| text.len() >= 3 && day.word().starts_with(&text));
        found.copied().ok_or_else(|| Error::invalid(format!("`{text}` is not a day of the week")).hint("it is one of Monday … Sunday"))
    }
    /// Of a day that is counted from 1970-01-01, which was a Thursday.
    pub fn of(day: i64) -> Self {
        Self::ALL[usize::try_from((day + 3).rem_euclid(7)).unwrap_or_default()]
    }
    /// Is it that day there, at that time?
    pub fn is_it(self, zone: Zone, at: Millis) -> bool {
        Self::of(zone.local_day(at)) == self
    }
    /// The beginning of the next such day after the day of `at`.
    pub fn next(self, zone: Zone, at: Millis) -> Millis {
        let today = zone.local_day(at);
        let next = (today + 1..today + 8).find(|day| Self::of(*day) == self);
        zone.moment(next.unwrap_or(today), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_told_by_its_name_or_the_beginning_of_it() {
        assert_eq!(Weekday::from_name(" Fri").unwrap(), Weekday::Friday);
        assert!(Weekday::from_name("fr").is_err() && Weekday::from_name("Mittwoch").is_err());
    }

    #[test]
    fn the_next_day_of_a_name_begins_there_and_is_never_today() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        // A Saturday, 23:30 in Berlin; the clocks go back on the Sunday after it.
        let at = Millis::from_iso("2026-10-24T21:30:00Z").unwrap();
        assert!(Weekday::Saturday.is_it(berlin, at) && !Weekday::Sunday.is_it(berlin, at));
        assert_eq!(Weekday::Sunday.next(berlin, at).iso(), "2026-10-24T22:00:00Z");
        assert_eq!(Weekday::Monday.next(berlin, at).iso(), "2026-10-25T23:00:00Z");
        assert_eq!(Weekday::Saturday.next(berlin, at).iso(), "2026-10-30T23:00:00Z");
    }
}
