//! The rules as they are stored: named policies with their numbers.

use crate::base::error::{Error, Result};
use crate::base::units;
use crate::base::zone::Zone;
use crate::domain::element::Element;
use crate::domain::weekday::Weekday;
use std::collections::BTreeMap;

/// How one kind of backups is thinned out.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(tag = "policy", rename_all = "snake_case", deny_unknown_fields)]
pub enum Policy {
    /// Those of the last days.
    KeepWithin { days: i64 },
    /// The newest.
    KeepLast { count: u32 },
    /// Nightly ones for a week, weekly ones for a month.
    NightlyWeekly { nightly_days: i64, weekly_days: i64 },
    /// So many daily ones; the oldest daily one of a week becomes weekly, the oldest weekly one of a month monthly.
    PromoteOldest { daily: u32, weekly: u32, monthly: u32 },
    /// The newest of each of the last days, weeks, months and years that have any.
    KeepNewestOfPeriod { daily: u32, weekly: u32, monthly: u32, yearly: u32 },
    /// Those of the last days, and the newest for ever.
    OnDemand { days: i64, newest: u32 },
}

/// A policy as a form or a command shows it: its name, and its numbers with what each counts and what it usually is.
pub type Form = (&'static str, &'static [(&'static str, i64)]);

impl Policy {
    pub const FORMS: [Form; 6] = [
        ("promote_oldest", &[("daily", 7), ("weekly", 4), ("monthly", 12)]),
        ("keep_newest_of_period", &[("daily", 7), ("weekly", 4), ("monthly", 12), ("yearly", 2)]),
        ("nightly_weekly", &[("nightly_days", 8), ("weekly_days", 32)]),
        ("keep_within", &[("days", 30)]),
        ("keep_last", &[("count", 10)]),
        ("on_demand", &[("days", 30), ("newest", 3)]),
    ];

    /// By its name and its numbers, in the order of its form.
    ///
    /// # Errors
    /// `Invalid` for an unknown name, or another number of numbers.
    pub fn of(name: &str, numbers: &[i64]) -> Result<Self> {
        let count = |n: i64| u32::try_from(n).map_err(|_| Error::invalid(format!("{n} cannot be counted")));
        Ok(match (name, numbers) {
            ("promote_oldest", [d, w, m]) => Self::PromoteOldest { daily: count(*d)?, weekly: count(*w)?, monthly: count(*m)? },
            ("keep_newest_of_period", [d, w, m, y]) => {
                Self::KeepNewestOfPeriod { daily: count(*d)?, weekly: count(*w)?, monthly: count(*m)?, yearly: count(*y)? }
            }
            ("nightly_weekly", [nightly, weekly]) => Self::NightlyWeekly { nightly_days: *nightly, weekly_days: *weekly },
            ("keep_within", [days]) => Self::KeepWithin { days: *days },
            ("keep_last", [n]) => Self::KeepLast { count: count(*n)? },
            ("on_demand", [days, newest]) => Self::OnDemand { days: *days, newest: count(*newest)? },
            _ => return Err(unknown(name)),
        })
    }

    /// Its numbers in the order of its form.
    pub fn numbers(&self) -> Vec<i64> {
        match self {
            Self::KeepWithin { days } => vec![*days],
            Self::KeepLast { count } => vec![i64::from(*count)],
            Self::NightlyWeekly { nightly_days, weekly_days } => vec![*nightly_days, *weekly_days],
            Self::PromoteOldest { daily, weekly, monthly } => [*daily, *weekly, *monthly].map(i64::from).to_vec(),
            Self::KeepNewestOfPeriod { daily, weekly, monthly, yearly } => [*daily, *weekly, *monthly, *yearly].map(i64::from).to_vec(),
            Self::OnDemand { days, newest } => vec![*days, i64::from(*newest)],
        }
    }

    /// As it is typed: `promote_oldest:7,4,12`.
    ///
    /// # Errors
    /// `Invalid` when it is not like that.
    pub fn parse(text: &str) -> Result<Self> {
        let (name, numbers) = text.split_once(':').ok_or_else(|| unknown(text))?;
        let numbers = numbers.split(',').map(|n| n.trim().parse().map_err(|_| unknown(text))).collect::<Result<Vec<i64>>>()?;
        Self::of(name.trim(), &numbers)
    }

    /// What [`Policy::parse`] reads.
    pub fn short(&self) -> String {
        format!("{}:{}", self.name(), self.numbers().iter().map(i64::to_string).collect::<Vec<_>>().join(","))
    }

    /// As it is stored.
    pub fn name(&self) -> &'static str {
        match self {
            Self::KeepWithin { .. } => "keep_within",
            Self::KeepLast { .. } => "keep_last",
            Self::NightlyWeekly { .. } => "nightly_weekly",
            Self::PromoteOldest { .. } => "promote_oldest",
            Self::KeepNewestOfPeriod { .. } => "keep_newest_of_period",
            Self::OnDemand { .. } => "on_demand",
        }
    }

    /// For people, after "the rule to …".
    pub fn words(&self) -> String {
        let days = |n: &i64| units::count(n.unsigned_abs(), "day");
        match self {
            Self::KeepWithin { days: n } => format!("keep the last {}", days(n)),
            Self::KeepLast { count } => format!("keep the last {count}"),
            Self::NightlyWeekly { nightly_days, weekly_days } => {
                format!("keep nightly ones for {} and weekly ones for {}", days(nightly_days), days(weekly_days))
            }
            Self::PromoteOldest { daily, weekly, monthly } => {
                format!("keep {daily} daily, {weekly} weekly and {monthly} monthly ones by promoting the oldest")
            }
            Self::KeepNewestOfPeriod { daily, weekly, monthly, yearly } => {
                format!("keep the newest of {daily} days, {weekly} weeks, {monthly} months and {yearly} years")
            }
            Self::OnDemand { days: n, newest } => format!("keep {}, and the newest {newest} for ever", days(n)),
        }
    }

    fn check(&self) -> Result<()> {
        let days = |n: i64| (1..=36_500).contains(&n);
        let counts = |of: &[u32]| of.iter().all(|n| *n <= 1000) && of.iter().any(|n| *n > 0);
        let fine = match self {
            Self::KeepWithin { days: n } => days(*n),
            Self::KeepLast { count } => counts(&[*count]),
            Self::NightlyWeekly { nightly_days, weekly_days } => days(*nightly_days) && days(*weekly_days),
            Self::PromoteOldest { daily, weekly, monthly } => *daily > 0 && counts(&[*daily, *weekly, *monthly]),
            Self::KeepNewestOfPeriod { daily, weekly, monthly, yearly } => counts(&[*daily, *weekly, *monthly, *yearly]),
            Self::OnDemand { days: n, newest } => days(*n) && *newest <= 1000,
        };
        if fine {
            return Ok(());
        }
        Err(Error::invalid(format!("the rule to {} cannot be meant so", self.words()))
            .hint("days are 1 to 36500, counts are up to 1000, and something must be kept"))
    }
}

fn unknown(text: &str) -> Error {
    let forms =
        Policy::FORMS.map(|(name, numbers)| format!("{name}:{}", numbers.iter().map(|n| n.1.to_string()).collect::<Vec<_>>().join(",")));
    Error::invalid(format!("{text:?} is no rule of retention")).hint(format!("write it like one of {}", forms.join(", ")))
}

/// What is kept of an environment, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    pub scheduled: Policy,
    pub on_demand: Policy,
    /// Backups made before a restore and the like: so many days, once no undo needs them any more.
    pub safety_days: i64,
    /// Failed and cancelled ones, which hold nothing.
    pub failed_days: i64,
    /// Elements that go earlier than their set.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub elements: BTreeMap<Element, i64>,
    /// The only day of the week on which backups go; any day where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purge_on: Option<Weekday>,
    /// How long a backup lies in the trash before it is purged.
    pub grace_days: i64,
    /// Where days, weeks and months begin.
    pub zone: String,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            scheduled: Policy::PromoteOldest { daily: 7, weekly: 4, monthly: 12 },
            on_demand: Policy::OnDemand { days: 30, newest: 3 },
            safety_days: 30,
            failed_days: 14,
            elements: BTreeMap::new(),
            purge_on: None,
            grace_days: 14,
            zone: "UTC".into(),
        }
    }
}

impl Rules {
    /// The shortest time in the trash that a rule can say: a week, so that somebody has looked.
    pub const SHORTEST_GRACE: i64 = 7;

    /// # Errors
    /// `Invalid`, naming the number that cannot be meant.
    pub fn check(&self) -> Result<()> {
        self.scheduled.check()?;
        self.on_demand.check()?;
        Zone::parse(&self.zone)?;
        let within = |what: &str, days: i64, least: i64| {
            let fine = (least..=36_500).contains(&days);
            fine.then_some(()).ok_or_else(|| Error::invalid(format!("{what} cannot be {days}")).hint(format!("{least} days are the least")))
        };
        within("the days of safety backups", self.safety_days, 1)?;
        within("the days of failed backups", self.failed_days, 1)?;
        within("the days in the trash", self.grace_days, Self::SHORTEST_GRACE)?;
        self.elements.iter().try_for_each(|(element, days)| within(&format!("the days of {element}"), *days, 1))
    }

    /// All of it in one sentence, for letters and the activity log.
    pub fn words(&self) -> String {
        let days = |n: i64| units::count(n.unsigned_abs(), "day");
        let mut words = format!("scheduled: {}; on demand: {}", self.scheduled.words(), self.on_demand.words());
        words += &format!("; before restores and the like: {}; failed: {}", days(self.safety_days), days(self.failed_days));
        for (element, n) in &self.elements {
            words += &format!("; {element}: {}", days(*n));
        }
        if let Some(day) = self.purge_on {
            words += &format!("; on {}s only", day.name());
        }
        words + &format!("; {} in the trash", days(self.grace_days))
    }

    pub(super) fn zone(&self) -> Zone {
        Zone::parse(&self.zone).unwrap_or_default()
    }
}
