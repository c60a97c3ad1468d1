//! What each policy thinks of each backup of its kind. The guards are not its business.

use super::{Fate, Goes, Label, Past, Policy, Rules};
use crate::base::clock::Millis;
use crate::base::units;
use crate::base::zone::{Period, Stretch, Zone};
use crate::domain::state::Reason;
use std::collections::BTreeMap;

pub(super) struct Opinion {
    pub fate: Fate,
    pub label: Option<Label>,
}

impl Opinion {
    pub fn kept(because: impl Into<String>) -> Self {
        Self { fate: Fate::Kept { because: because.into(), goes: None }, label: None }
    }
    fn until(because: impl Into<String>, on: Millis, by: String) -> Self {
        Self { fate: Fate::Kept { because: because.into(), goes: Some(Goes { on, by }) }, label: None }
    }
    fn goes(by: String) -> Self {
        Self { fate: Fate::Goes { by }, label: None }
    }
}

/// `group` comes newest first.
pub(super) fn apply<'a>(policy: &Policy, group: &[&'a Past], rules: &Rules, now: Millis) -> Vec<(&'a str, Opinion)> {
    let by = format!("the rule to {}", policy.words());
    let each = |opinion: &dyn Fn(usize, &Past) -> Opinion| {
        group.iter().enumerate().map(|(place, past)| (past.id.as_str(), opinion(place, past))).collect()
    };
    match policy {
        Policy::KeepWithin { days } => each(&|_, past| within(past, *days, &by, now)),
        Policy::KeepLast { count } => each(&|place, _| last(place, *count, &by)),
        Policy::NightlyWeekly { nightly_days, weekly_days } => {
            each(&|_, past| within(past, if past.reason == Reason::Weekly { *weekly_days } else { *nightly_days }, &by, now))
        }
        Policy::OnDemand { days, newest } => each(&|place, past| on_demand(place, past, *days, *newest, &by, now)),
        Policy::KeepNewestOfPeriod { daily, weekly, monthly, yearly } => {
            let found = newest_of_periods(group, rules.zone(), [*daily, *weekly, *monthly, *yearly]);
            each(&|place, _| match found.get(&place) {
                Some(period) => Opinion::kept(format!("it is the newest of {period}")),
                None => Opinion::goes(by.clone()),
            })
        }
        Policy::PromoteOldest { daily, weekly, monthly } => promote(group, rules.zone(), [*daily, *weekly, *monthly], &by),
    }
}

fn within(past: &Past, days: i64, by: &str, now: Millis) -> Opinion {
    let end = past.created.plus(days * Millis::DAY);
    if end <= now {
        return Opinion::goes(by.to_owned());
    }
    Opinion::until(format!("it is younger than {}", units::count(days.unsigned_abs(), "day")), end, by.to_owned())
}

fn last(place: usize, count: u32, by: &str) -> Opinion {
    match place < count as usize {
        true => Opinion::kept(format!("it is one of the newest {count}")),
        false => Opinion::goes(by.to_owned()),
    }
}

/// It goes when it is older than so many days *and* not among the newest.
fn on_demand(place: usize, past: &Past, days: i64, newest: u32, by: &str, now: Millis) -> Opinion {
    match (place < newest as usize, within(past, days, by, now)) {
        (true, Opinion { fate: Fate::Goes { .. }, .. }) => Opinion::kept(format!("it is one of the newest {newest} on demand")),
        // While it is among the newest its date is not known: that depends on those that come.
        (true, Opinion { fate: Fate::Kept { because, .. }, .. }) => Opinion::kept(because),
        (false, opinion) => opinion,
    }
}

/// For each place that is kept, the period that it is the newest of. Places run newest first.
fn newest_of_periods(group: &[&Past], zone: Zone, counts: [u32; 4]) -> BTreeMap<usize, Stretch> {
    let mut kept = BTreeMap::new();
    for (period, count) in [Period::Day, Period::Week, Period::Month, Period::Year].into_iter().zip(counts) {
        let (mut left, mut last) = (count, None);
        for (place, past) in group.iter().enumerate() {
            if left == 0 {
                break;
            }
            let stretch = zone.stretch(past.created, period);
            if last != Some(stretch) {
                (left, last) = (left - 1, Some(stretch));
                kept.entry(place).or_insert(stretch);
            }
        }
    }
    kept
}

/// Backups begin as daily ones. When there are too many, the oldest is promoted if its week has come to no weekly one
/// yet, and goes otherwise; in the same way from weekly to monthly. Labels stay on the backup: who was promoted is not
/// judged as a daily one again.
fn promote<'a>(group: &[&'a Past], zone: Zone, [daily, weekly, monthly]: [u32; 3], by: &str) -> Vec<(&'a str, Opinion)> {
    let mut ranks = Ranks { zone, labels: group.iter().map(|p| p.label.unwrap_or(Label::Daily)).collect(), gone: vec![false; group.len()] };
    ranks.thin(group, Label::Daily, daily, Some((Label::Weekly, Period::Week, weekly > 0)));
    ranks.thin(group, Label::Weekly, weekly, Some((Label::Monthly, Period::Month, monthly > 0)));
    ranks.thin(group, Label::Monthly, monthly, None);
    let opinion = |place: usize, past: &Past| {
        let label = ranks.labels[place];
        let count = [daily, weekly, monthly][label as usize];
        let fate = match ranks.gone[place] {
            true => Opinion::goes(by.to_owned()).fate,
            false => Opinion::kept(format!("it is one of the newest {count} {label} ones")).fate,
        };
        // One that goes keeps the label that it had.
        Opinion { fate, label: if ranks.gone[place] { past.label } else { Some(label) } }
    };
    group.iter().enumerate().map(|(place, past)| (past.id.as_str(), opinion(place, past))).collect()
}

struct Ranks {
    zone: Zone,
    labels: Vec<Label>,
    gone: Vec<bool>,
}

impl Ranks {
    /// Thins out those of one label to `count`, oldest first. Promoted is only who is of a later period than all that were
    /// promoted before: so a second look at the same history changes nothing.
    fn thin(&mut self, group: &[&Past], label: Label, count: u32, next: Option<(Label, Period, bool)>) {
        let mut places: Vec<usize> = (0..group.len()).filter(|p| self.labels[*p] == label && !self.gone[*p]).collect();
        let next = next.filter(|(.., wanted)| *wanted).map(|(higher, period, _)| (higher, period));
        let mut latest = next.and_then(|(higher, period)| self.latest(group, higher, period));
        while places.len() > count as usize {
            let Some(oldest) = places.pop() else { return };
            let begun = next.map(|(higher, period)| (higher, self.zone.stretch(group[oldest].created, period)));
            match begun.filter(|(_, stretch)| latest.is_none_or(|latest| *stretch > latest)) {
                Some((higher, stretch)) => (self.labels[oldest], latest) = (higher, Some(stretch)),
                None => self.gone[oldest] = true,
            }
        }
    }

    /// The latest period that has one of this label or a higher one.
    fn latest(&self, group: &[&Past], higher: Label, period: Period) -> Option<Stretch> {
        let promoted = group.iter().zip(&self.labels).filter(|(_, label)| **label as usize >= higher as usize);
        promoted.map(|(past, _)| self.zone.stretch(past.created, period)).max()
    }
}
