//! Retention: which backups stay, which go, and why, in words.
//!
//! [`judge`] is a function of rules, history and time, and nothing else decides: what people see beside each backup, what
//! the simulator shows before a rule is saved, and what the sweep does are the same verdicts. What must never go is
//! guarded here, whatever a rule says: the newest good backup, the last one that was proven, the newest of all, what is
//! pinned, what a restore may still need for its way back, and what somebody asked to keep for a time. Incomplete and
//! failed backups never take the place of a good one.
//!
//! To add a policy: a variant of [`Policy`] with its words, and its arm in `policies`.

mod policies;
mod rules;
#[cfg(test)]
mod tests;
pub mod trust;

pub use rules::{Policy, Rules};

use crate::base::clock::Millis;
use crate::base::units;
use crate::base::words::words;
use crate::domain::element::Element;
use crate::domain::state::{BackupState, Kind, Reason};
use crate::domain::weekday::Weekday;
use std::collections::HashMap;

words! {
    /// What a scheduled backup has become, where the oldest are promoted. One without a label is a daily one.
    Label {
        Daily = "daily",
        Weekly = "weekly",
        Monthly = "monthly",
    }
}

/// A backup as retention sees it. What lies in the trash is no part of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    pub id: String,
    pub created: Millis,
    pub finished: Option<Millis>,
    pub state: BackupState,
    pub reason: Reason,
    /// Its own minimum, in days from its end; 0 is for ever.
    pub keep_for_days: Option<i64>,
    pub pinned: bool,
    /// A restore that can still be undone, or has not ended, refers to it.
    pub needed: bool,
    pub proven: Option<Millis>,
    pub label: Option<Label>,
    /// Those whose content is still there.
    pub elements: Vec<Element>,
}

/// When a backup goes, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goes {
    pub on: Millis,
    pub by: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays, because …; and when it will go, where that can be told.
    Kept { because: String, goes: Option<Goes> },
    /// It goes now, by this rule.
    Goes { by: String },
}

/// What becomes of one backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub id: String,
    pub fate: Fate,
    /// The label that it has from now on.
    pub label: Option<Label>,
    /// Elements that go while the set stays, each by its rule.
    pub elements: Vec<(Element, String)>,
}

impl Verdict {
    pub fn goes_now(&self) -> bool {
        matches!(self.fate, Fate::Goes { .. })
    }
}

/// Rules, and until when: those before a change stand beside the new ones for a while, and what either keeps stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    pub rules: Rules,
    /// None: until somebody changes them.
    pub until: Option<Millis>,
}

/// The fate of every backup of a history, in its order.
pub fn judge(rules: &Rules, history: &[Past], now: Millis) -> Vec<Verdict> {
    let mut newest_first: Vec<&Past> = history.iter().collect();
    newest_first.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
    let guards = Guards::of(&newest_first);
    let mut opinions: HashMap<&str, policies::Opinion> = HashMap::new();
    for (policy, mut group) in groups(rules, &newest_first) {
        if let Policy::PromoteOldest { .. } = policy {
            // Who stays for another reason takes no place among those that are promoted: else a second look, in which others
            // are gone, could promote it.
            group.retain(|past| !guards.set_aside(past, now));
        }
        opinions.extend(policies::apply(&policy, &group, rules, now));
    }
    history.iter().map(|past| verdict(rules, past, opinions.remove(past.id.as_str()), &guards, now)).collect()
}

/// The same by all rules that are in force, the newest last: a backup goes when every one of them lets it go.
pub fn judge_all(in_force: &[InForce], history: &[Past], now: Millis) -> Vec<Verdict> {
    let Some((newest, older)) = in_force.split_last() else { return Vec::new() };
    let mut verdicts = judge(&newest.rules, history, now);
    for before in older {
        for (verdict, old) in verdicts.iter_mut().zip(judge(&before.rules, history, now)) {
            kept_by_either(verdict, old, before.until);
        }
    }
    verdicts
}

/// Nothing goes for now: what would have gone stays because of this.
pub fn hold(verdicts: &mut [Verdict], why: &str) {
    for verdict in verdicts {
        if verdict.goes_now() {
            verdict.fate = Fate::Kept { because: format!("held: {why}"), goes: None };
        }
        verdict.elements.clear();
    }
}

fn kept_by_either(new: &mut Verdict, old: Verdict, until: Option<Millis>) {
    new.elements.retain(|(element, _)| old.goes_now() || old.elements.iter().any(|(e, _)| e == element));
    // Both may label; a label that only the older rules gave is still what the backup is until they end.
    new.label = new.label.or(old.label);
    if let (Fate::Goes { by }, Fate::Kept { because, goes }) = (&new.fate, old.fate) {
        let goes = match until {
            Some(on) => Some(Goes { on, by: by.clone() }),
            None => goes,
        };
        new.fate = Fate::Kept { because: format!("{because}, by the rule before its change"), goes };
        new.elements.clear();
    }
}

/// Each policy with the backups that it judges, newest first. Incomplete ones are judged by the same rule on their own,
/// so that they never take the place of a good one; failed ones by their short rule.
fn groups<'a>(rules: &Rules, newest_first: &[&'a Past]) -> Vec<(Policy, Vec<&'a Past>)> {
    let of = |kind: Kind, state: BackupState| -> Vec<&'a Past> {
        newest_first.iter().copied().filter(|p| p.reason.kind() == kind && p.state == state).collect()
    };
    let mut groups = Vec::new();
    for state in [BackupState::Succeeded, BackupState::Incomplete] {
        groups.push((rules.scheduled.clone(), of(Kind::Scheduled, state)));
        groups.push((rules.on_demand.clone(), of(Kind::OnDemand, state)));
        groups.push((Policy::KeepWithin { days: rules.safety_days }, of(Kind::Safety, state)));
    }
    let failed = newest_first.iter().copied().filter(|p| matches!(p.state, BackupState::Failed | BackupState::Cancelled));
    groups.push((Policy::KeepWithin { days: rules.failed_days }, failed.collect()));
    groups
}

fn verdict(rules: &Rules, past: &Past, opinion: Option<policies::Opinion>, guards: &Guards, now: Millis) -> Verdict {
    let opinion = opinion.unwrap_or_else(|| policies::Opinion::kept("it has not ended yet"));
    let fate = match (guards.keep(past, now), opinion.fate) {
        (Some((because, goes)), Fate::Goes { by }) => Fate::Kept { because, goes: goes.map(|on| Goes { on, by }) },
        (Some((because, asked)), Fate::Kept { goes, .. }) => {
            // Its own minimum and the rule's date: it goes when both are over. Where the guard has no end, it has none.
            let goes = goes.zip(asked).map(|(goes, asked)| Goes { on: goes.on.max(asked), ..goes });
            Fate::Kept { because, goes }
        }
        (None, fate) => fate,
    };
    let mut verdict = Verdict { id: past.id.clone(), fate, label: opinion.label.or(past.label), elements: Vec::new() };
    if guards.keep(past, now).is_none() {
        elements(rules, past, &mut verdict, now);
    }
    on_the_day(rules, &mut verdict, now);
    verdict
}

/// Elements with a shorter rule of their own; when nothing would be left, the whole set goes.
fn elements(rules: &Rules, past: &Past, verdict: &mut Verdict, now: Millis) {
    if verdict.goes_now() || !past.state.is_usable() {
        return;
    }
    for element in &past.elements {
        if let Some(days) = rules.elements.get(element)
            && past.created.plus(days * Millis::DAY) <= now
        {
            verdict.elements.push((*element, format!("the rule to keep {element} for {}", units::count(days.unsigned_abs(), "day"))));
        }
    }
    if !past.elements.is_empty() && verdict.elements.len() == past.elements.len() {
        let by = verdict.elements.drain(..).map(|(_, by)| by).next_back().unwrap_or_default();
        verdict.fate = Fate::Goes { by };
    }
}

/// Where backups go on one day of the week only, dates move to the next such day.
fn on_the_day(rules: &Rules, verdict: &mut Verdict, now: Millis) {
    let Some(day) = rules.purge_on else { return };
    let zone = rules.zone();
    if day.is_it(zone, now) {
        return shift(verdict, day, rules);
    }
    if let Fate::Goes { by } = &verdict.fate {
        let goes = Goes { on: day.next(zone, now), by: by.clone() };
        verdict.fate = Fate::Kept { because: format!("backups go on {}s only", day.name()), goes: Some(goes) };
    }
    verdict.elements.clear();
    shift(verdict, day, rules);
}

fn shift(verdict: &mut Verdict, day: Weekday, rules: &Rules) {
    if let Fate::Kept { goes: Some(goes), .. } = &mut verdict.fate
        && !day.is_it(rules.zone(), goes.on)
    {
        goes.on = day.next(rules.zone(), goes.on);
    }
}

/// What no rule may take.
struct Guards<'a> {
    last_good: Option<&'a str>,
    last_proven: Option<&'a str>,
    newest: Option<&'a str>,
}

impl<'a> Guards<'a> {
    fn of(newest_first: &[&'a Past]) -> Self {
        let good = || newest_first.iter().filter(|p| p.state == BackupState::Succeeded);
        // Among those proven at the same time the newest; a proof of an incomplete one counts only where there is no other.
        let proven = good().filter(|p| p.proven.is_some()).max_by_key(|p| (p.proven, p.created));
        Self {
            last_good: good().map(|p| p.id.as_str()).next(),
            last_proven: proven.map(|p| p.id.as_str()),
            newest: newest_first.iter().find(|p| p.finished.is_some()).map(|p| p.id.as_str()),
        }
    }

    /// Does it stay for another reason than being the newest?
    fn set_aside(&self, past: &Past, now: Millis) -> bool {
        let newest = [self.last_good, self.newest].contains(&Some(past.id.as_str()));
        !newest && self.keep(past, now).is_some()
    }

    /// Why it stays whatever the rules say, and until when, where that has an end.
    fn keep(&self, past: &Past, now: Millis) -> Option<(String, Option<Millis>)> {
        let for_ever = |why: &str| Some((why.to_owned(), None));
        let is = |id: Option<&str>| id == Some(past.id.as_str());
        if !past.state.is_final() || past.finished.is_none() {
            return for_ever("it has not ended yet");
        }
        if past.pinned {
            return for_ever("it is pinned");
        }
        if past.keep_for_days == Some(0) {
            return for_ever("somebody asked to keep it for ever");
        }
        if past.needed {
            return for_ever("a restore that can still be undone needs it");
        }
        if is(self.last_good) {
            return for_ever("it is the newest good backup, which never goes");
        }
        if is(self.last_proven) {
            return for_ever("it is the last one that was proven, which never goes");
        }
        if is(self.newest) {
            return for_ever("it is the newest of all");
        }
        asked(past, now)
    }
}

/// Its own minimum, while that lasts.
fn asked(past: &Past, now: Millis) -> Option<(String, Option<Millis>)> {
    let days = past.keep_for_days.filter(|days| *days > 0)?;
    let until = past.finished?.plus(days * Millis::DAY);
    let because = format!("somebody asked to keep it for {}", units::count(days.unsigned_abs(), "day"));
    (now < until).then_some((because, Some(until)))
}
