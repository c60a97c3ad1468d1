//! When backups of an environment are made: a rule, and its slots as a function of the rule and the environment's id.
//!
//! A slot belongs to a day of the schedule's zone. Where the clocks leap over its time it is the first moment after the leap;
//! where they show its time twice it is the first of the two. So every day that there is has one slot, and none has two.

use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::words::words;
use crate::base::zone::Zone;
use crate::domain::state::Reason;
use crate::domain::weekday::Weekday;

words! {
    Cadence {
        Nightly = "nightly",
        Weekly = "weekly",
    }
    /// What became of a slot. `queued`: a backup was made for it.
    SlotState {
        Queued = "queued",
        Missed = "missed",
        Skipped = "skipped",
        Refused = "refused",
    }
}

/// When no hour is chosen, the hours over which environments are spread.
const NIGHT: u64 = 6;
/// Inside the hour, environments are spread over so many minutes.
const WINDOW: u64 = 30;

/// The rule. Switched off it keeps all that it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Schedule {
    pub enabled: bool,
    pub cadence: Cadence,
    /// The day of a weekly one; of a nightly one the day whose backup counts as the weekly one.
    pub weekday: Weekday,
    /// Where it is not given, the environment's id chooses one of the night.
    pub hour: Option<u8>,
    pub zone: Zone,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { enabled: true, cadence: Cadence::Nightly, weekday: Weekday::Sunday, hour: None, zone: Zone::default() }
    }
}

impl Schedule {
    /// # Errors
    /// `Invalid` for an hour that no day has.
    pub fn check(&self) -> Result<()> {
        match self.hour {
            Some(hour) if hour > 23 => Err(Error::invalid(format!("{hour} is not an hour")).hint("an hour is a number from 0 to 23")),
            _ => Ok(()),
        }
    }

    /// The rule with what was given; every part is a word of people. Empty is as good as not given.
    ///
    /// # Errors
    /// `Invalid` for a word that is none.
    pub fn with(mut self, enabled: Option<bool>, cadence: &str, weekday: &str, hour: &str, zone: &str) -> Result<Self> {
        self.enabled = enabled.unwrap_or(self.enabled);
        if !cadence.is_empty() {
            self.cadence = Cadence::parse(cadence)?;
        }
        if !weekday.is_empty() {
            self.weekday = Weekday::from_name(weekday)?;
        }
        match hour.trim() {
            "" => {}
            "spread" => self.hour = None,
            text => {
                let wrong = || Error::invalid(format!("{text:?} is not an hour")).hint("an hour is a number from 0 to 23, or `spread`");
                self.hour = Some(text.parse().map_err(|_| wrong())?);
            }
        }
        if !zone.trim().is_empty() {
            self.zone = Zone::parse(zone.trim())?;
        }
        self.check()?;
        Ok(self)
    }

    /// The longest time between two slots, but for what clocks leap.
    pub fn interval(&self) -> i64 {
        match self.cadence {
            Cadence::Nightly => Millis::DAY,
            Cadence::Weekly => 7 * Millis::DAY,
        }
    }

    /// The minute of the day at which an environment has its slots, by the clocks of the zone.
    pub fn minute(&self, seed: &str) -> i64 {
        let hash = spread(seed);
        let hour = self.hour.map_or(hash / WINDOW % NIGHT, u64::from);
        i64::try_from(hour * 60 + hash % WINDOW).unwrap_or_default()
    }

    /// The first slot after a moment, enabled or not.
    pub fn next_after(&self, seed: &str, after: Millis) -> Millis {
        let first = self.zone.local_day(after) - 1;
        // A week, a day left out at the date line, and one on each side.
        let slot = (first..=first + 16).filter_map(|day| self.slot_of(seed, day)).find(|slot| *slot > after);
        slot.unwrap_or_else(|| after.plus(self.interval()))
    }

    /// The next `count` slots after a moment.
    pub fn next(&self, seed: &str, after: Millis, count: usize) -> Vec<Millis> {
        std::iter::successors(Some(self.next_after(seed, after)), |slot| Some(self.next_after(seed, *slot))).take(count).collect()
    }

    /// The slots after `after` and not after `until`: the newest `most` of them, oldest first, and how many there are.
    pub fn between(&self, seed: &str, after: Millis, until: Millis, most: usize) -> (Vec<Millis>, usize) {
        let mut newest = std::collections::VecDeque::new();
        let mut slot = self.next_after(seed, after);
        let mut all = 0;
        while slot <= until {
            newest.push_back(slot);
            all += 1;
            if newest.len() > most {
                newest.pop_front();
            }
            slot = self.next_after(seed, slot);
        }
        (newest.into(), all)
    }

    /// Why the backup of a slot is made: one a week is the weekly one.
    pub fn reason(&self, seed: &str, slot: Millis) -> Reason {
        let day = self.zone.local_day(slot);
        let of = [day, day - 1].into_iter().find(|day| self.slot_of(seed, *day) == Some(slot)).unwrap_or(day);
        match self.cadence {
            Cadence::Nightly if Weekday::of(of) != self.weekday => Reason::Nightly,
            _ => Reason::Weekly,
        }
    }

    /// Does this rule make fewer backups than that one? For those who must be told.
    pub fn is_thinner_than(&self, before: &Self) -> bool {
        before.enabled && (!self.enabled || self.interval() > before.interval())
    }

    /// Of a day of the zone. A day that is left out has none, unless it would be the only one of its week.
    fn slot_of(&self, seed: &str, day: i64) -> Option<Millis> {
        let wanted = match self.cadence {
            Cadence::Nightly => self.zone.has_day(day),
            Cadence::Weekly => Weekday::of(day) == self.weekday,
        };
        wanted.then(|| self.zone.moment(day, self.minute(seed)))
    }

    /// `every night at 02:17 (Europe/Berlin), the weekly backup on Sundays`.
    pub fn words(&self, seed: &str) -> String {
        self.sentence(&format!("at {} ({})", self.at(seed), self.zone.name()))
    }

    /// `02:17`, by the clocks of the zone.
    pub fn at(&self, seed: &str) -> String {
        let minute = self.minute(seed);
        format!("{:02}:{:02}", minute / 60, minute % 60)
    }

    /// The same for many environments, which are spread.
    pub fn words_for_many(&self) -> String {
        let at = match self.hour {
            Some(hour) => format!("between {hour:02}:00 and {hour:02}:{WINDOW:02} ({})", self.zone.name()),
            None => format!("between 00:00 and {:02}:{WINDOW:02} ({})", NIGHT - 1, self.zone.name()),
        };
        self.sentence(&at)
    }

    fn sentence(&self, at: &str) -> String {
        let day = self.weekday.name();
        let said = match self.cadence {
            Cadence::Nightly => format!("every night {at}, the weekly backup on {day}s"),
            Cadence::Weekly => format!("every {day} {at}"),
        };
        if self.enabled { said } else { format!("by hand alone (switched off: {said})") }
    }
}

/// FNV-1a, 64 bits, and a last stir: the same for ever, whatever a library does.
fn spread(seed: &str) -> u64 {
    let hash = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
}

#[cfg(test)]
mod tests;
