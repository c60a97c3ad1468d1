//! Histories made by a seed: with failures, clock jumps, pins, by every policy.

use super::*;
use crate::base::zone::{Period, Zone};
use std::collections::BTreeMap;

const DAY: i64 = Millis::DAY;
/// 2025-01-01T03:00:00Z.
const BEGIN: Millis = Millis(1_735_700_400_000);

fn past(id: &str, created: Millis, reason: Reason) -> Past {
    Past {
        id: id.into(),
        created,
        finished: Some(created.plus(60_000)),
        state: BackupState::Succeeded,
        reason,
        keep_for_days: None,
        pinned: false,
        needed: false,
        proven: Some(created.plus(60_000)),
        label: None,
        elements: vec![Element::Database, Element::Files],
    }
}

fn aged(ages: &[i64], now: Millis, reason: Reason) -> Vec<Past> {
    ages.iter().map(|age| past(&age.to_string(), now.plus(-age * DAY - 1), reason)).collect()
}

fn kept(rules: &Rules, history: &[Past], now: Millis) -> Vec<String> {
    judge(rules, history, now).into_iter().filter(|v| !v.goes_now()).map(|v| v.id).collect()
}

fn scheduled(policy: Policy) -> Rules {
    Rules { scheduled: policy, ..Rules::default() }
}

/// A stream of numbers from a seed.
struct Seed(u64);

impl Seed {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

fn any_policy(seed: &mut Seed) -> Policy {
    let mut n = |most: u64| seed.below(most) as u32 + 1;
    let (a, b, c, d) = (n(12), n(6), n(5), n(3));
    match n(6) {
        1 => Policy::KeepWithin { days: a.into() },
        2 => Policy::KeepLast { count: a },
        3 => Policy::NightlyWeekly { nightly_days: a.into(), weekly_days: i64::from(b) * 7 },
        4 => Policy::PromoteOldest { daily: a, weekly: b, monthly: c },
        5 => Policy::KeepNewestOfPeriod { daily: a, weekly: b, monthly: c, yearly: d },
        _ => Policy::OnDemand { days: a.into(), newest: b },
    }
}

fn any_rules(seed: &mut Seed) -> Rules {
    let mut rules = Rules { scheduled: any_policy(seed), on_demand: any_policy(seed), ..Rules::default() };
    rules.zone = seed.one_of(&["UTC", "Europe/Berlin", "Pacific/Auckland", "America/New_York"]).into();
    rules.purge_on = seed.one_of(&[None, None, Some(Weekday::Monday), Some(Weekday::Sunday)]);
    if seed.below(3) == 0 {
        rules.elements.insert(Element::Files, seed.below(9) as i64 + 1);
        rules.elements.insert(Element::Database, seed.below(15) as i64 + 1);
    }
    rules
}

fn any_past(seed: &mut Seed, number: usize, at: Millis) -> Past {
    let reasons = [Reason::Nightly, Reason::Nightly, Reason::Nightly, Reason::Weekly, Reason::OnRequest, Reason::BeforeRestore];
    let mut one = past(&format!("b{number:04}"), at, seed.one_of(&reasons));
    let states = [BackupState::Succeeded, BackupState::Succeeded, BackupState::Succeeded, BackupState::Incomplete, BackupState::Failed];
    one.state = seed.one_of(&states);
    one.proven = one.state.is_usable().then_some(at.plus(seed.below(9) as i64 * DAY));
    one.pinned = seed.below(25) == 0;
    one.needed = seed.below(25) == 0;
    one.keep_for_days = seed.one_of(&[None, None, None, None, Some(0), Some(3), Some(90)]);
    one
}

/// Does what the verdicts say.
fn obey(history: &mut Vec<Past>, verdicts: Vec<Verdict>) {
    let mut fates: HashMap<String, Verdict> = verdicts.into_iter().map(|v| (v.id.clone(), v)).collect();
    history.retain_mut(|past| {
        let verdict = fates.remove(&past.id).expect("every backup has a verdict");
        past.label = verdict.label;
        past.elements.retain(|e| !verdict.elements.iter().any(|(gone, _)| gone == e));
        !verdict.goes_now()
    });
}

fn ids(history: &[Past], of: impl Fn(&Past) -> bool) -> Vec<&str> {
    history.iter().filter(|p| of(p)).map(|p| p.id.as_str()).collect()
}

#[test]
fn whatever_the_policy_and_the_history_a_good_backup_stays_and_a_second_look_changes_nothing() {
    for number in 0..400 {
        let seed = &mut Seed(number);
        let (rules, mut history, mut now) = (any_rules(seed), Vec::new(), BEGIN);
        for step in 0..120 {
            // Mostly a day goes by; sometimes the clock jumps by a year, and sometimes back.
            now = now.plus(
                DAY + seed.below(7_200_000) as i64 + seed.one_of(&[0, 0, 0, 0, 0, 0, 0, 0, 365, -20]) * i64::from(step % 17 == 0) * DAY,
            );
            history.push(any_past(seed, step, now));
            let good = ids(&history, |p| p.state == BackupState::Succeeded).len();
            let last = history.iter().filter(|p| p.state == BackupState::Succeeded).max_by_key(|p| (p.created, p.id.clone())).cloned();
            let guarded: Vec<String> =
                ids(&history, |p| p.pinned || p.needed || p.keep_for_days == Some(0)).into_iter().map(str::to_owned).collect();
            obey_and_look_again(&rules, &mut history, now, number);
            assert!(good == 0 || history.iter().any(|p| p.state == BackupState::Succeeded), "seed {number}: no good one is left");
            if let Some(last) = last {
                let there = history.iter().find(|p| p.id == last.id).unwrap_or_else(|| panic!("seed {number}: the last good one went"));
                assert_eq!(there.elements, last.elements, "seed {number}: the last good one lost an element");
            }
            assert!(guarded.iter().all(|id| history.iter().any(|p| p.id == *id)), "seed {number}: what is pinned or needed went");
        }
    }
}

fn obey_and_look_again(rules: &Rules, history: &mut Vec<Past>, now: Millis, number: u64) {
    let verdicts = judge(rules, history, now);
    obey(history, verdicts);
    let before = history.clone();
    let again = judge(rules, history, now);
    assert!(again.iter().all(|v| !v.goes_now()), "seed {number}: a second look lets more go: {again:#?}");
    obey(history, again);
    assert_eq!(*history, before, "seed {number}: a second look changes something");
}

#[test]
fn an_incomplete_or_failed_backup_never_takes_the_place_of_a_good_one() {
    for number in 0..200 {
        let seed = &mut Seed(number);
        let (rules, now) = (any_rules(seed), BEGIN.plus(100 * DAY));
        let history: Vec<Past> = (0..60).map(|n| any_past(seed, n, BEGIN.plus(n as i64 * DAY))).collect();
        let good: Vec<Past> = history.iter().filter(|p| p.state == BackupState::Succeeded).cloned().collect();
        let with_the_others = kept(&rules, &history, now);
        // Alone, the newest good one may also be the newest of all: that guard never lets another go.
        for id in kept(&rules, &good, now) {
            assert!(with_the_others.contains(&id), "seed {number}: {id} went because of one that is not good");
        }
    }
}

#[test]
fn on_demand_those_of_thirty_days_stay_and_the_newest_three_for_ever() {
    let now = BEGIN.plus(100 * DAY);
    let of = |ages: &[i64]| kept(&Rules::default(), &aged(ages, now, Reason::OnRequest), now);
    assert_eq!(of(&[1, 2, 3, 40, 50]), ["1", "2", "3"]);
    assert_eq!(of(&[40, 50, 60, 70]), ["40", "50", "60"]);
    assert_eq!(of(&[1, 5, 10, 20, 29, 31]), ["1", "5", "10", "20", "29"]);
}

/// A backup each night for so many days, the rules obeyed each time.
fn nights(rules: &Rules, days: i64, broken: impl Fn(i64) -> bool) -> (Vec<Past>, Millis) {
    let (mut history, mut now) = (Vec::new(), BEGIN);
    for day in 0..days {
        now = BEGIN.plus(day * DAY);
        let reason = if day % 7 == 6 { Reason::Weekly } else { Reason::Nightly };
        let mut one = past(&format!("d{day:03}"), now, reason);
        if broken(day) {
            one.state = BackupState::Failed;
        }
        history.push(one);
        let verdicts = judge(rules, &history, now.plus(3_600_000));
        obey(&mut history, verdicts);
    }
    (history, now)
}

fn labelled(history: &[Past]) -> [usize; 3] {
    let good = |label| history.iter().filter(|p| p.state == BackupState::Succeeded && p.label.unwrap_or(Label::Daily) == label).count();
    [good(Label::Daily), good(Label::Weekly), good(Label::Monthly)]
}

#[test]
fn four_hundred_nights_give_seven_daily_four_weekly_and_twelve_monthly_ones() {
    let (history, _) = nights(&Rules::default(), 400, |_| false);
    assert_eq!(labelled(&history), [7, 4, 12]);
    assert_eq!(history.len(), 23);
    // With a failure every fifth night, too; those that failed are not among them.
    let (history, _) = nights(&Rules::default(), 400, |day| day % 5 == 0);
    assert_eq!(labelled(&history), [7, 4, 12]);
    // The oldest is about a year old: nothing of the year is missing.
    assert!(history[0].created < BEGIN.plus(60 * DAY));
}

#[test]
fn the_newest_of_each_period_is_kept_in_its_zone() {
    let policy = Policy::KeepNewestOfPeriod { daily: 7, weekly: 4, monthly: 12, yearly: 2 };
    let rules = Rules { zone: "Europe/Berlin".into(), ..scheduled(policy) };
    let (history, _) = nights(&rules, 400, |_| false);
    // 7 days; of the 4 weeks two lie in them or end with them; of the 12 months one, and of the 2 years one lies in those.
    let berlin = Zone::parse("Europe/Berlin").unwrap();
    for (period, least) in [(Period::Day, 7), (Period::Week, 4), (Period::Month, 12), (Period::Year, 2)] {
        let periods: std::collections::BTreeSet<_> = history.iter().map(|p| berlin.stretch(p.created, period)).collect();
        assert!(periods.len() >= least, "{period:?}: {periods:?}");
    }
    assert!(history.len() <= 7 + 4 + 12 + 2 && history.len() >= 7 + 11, "{}", history.len());
}

#[test]
fn nightly_ones_stay_a_week_and_weekly_ones_a_month() {
    let (history, now) = nights(&scheduled(Policy::NightlyWeekly { nightly_days: 8, weekly_days: 32 }), 60, |_| false);
    let (weekly, nightly): (Vec<&Past>, Vec<&Past>) = history.iter().partition(|p| p.reason == Reason::Weekly);
    assert!(nightly.iter().all(|p| p.created > now.plus(-8 * DAY)) && nightly.len() == 7, "{}", nightly.len());
    assert!(weekly.iter().all(|p| p.created > now.plus(-32 * DAY)) && (4..=5).contains(&weekly.len()));
}

#[test]
fn each_verdict_says_why_and_when_where_that_can_be_told() {
    let now = BEGIN.plus(100 * DAY);
    let rules = scheduled(Policy::KeepWithin { days: 10 });
    let mut history = aged(&[1, 5, 11, 12, 13, 14], now, Reason::Nightly);
    history[2].pinned = true;
    history[3].keep_for_days = Some(20);
    history[4].needed = true;
    let words: Vec<String> = judge(&rules, &history, now)
        .into_iter()
        .map(|v| match v.fate {
            Fate::Kept { because, goes: None } => because,
            Fate::Kept { because, goes: Some(goes) } => format!("{because}; {} {}", goes.on.iso(), goes.by),
            Fate::Goes { by } => format!("goes by {by}"),
        })
        .collect();
    assert_eq!(words[0], "it is the newest good backup, which never goes");
    assert_eq!(words[1], format!("it is younger than 10 days; {} the rule to keep the last 10 days", now.plus(5 * DAY - 1).iso()));
    assert_eq!(words[2], "it is pinned");
    let asked = history[3].finished.unwrap().plus(20 * DAY).iso();
    assert_eq!(words[3], format!("somebody asked to keep it for 20 days; {asked} the rule to keep the last 10 days"));
    assert_eq!(words[4], "a restore that can still be undone needs it");
    assert_eq!(words[5], "goes by the rule to keep the last 10 days");
}

#[test]
fn an_element_goes_by_its_own_rule_while_the_set_stays_and_never_from_the_last_good_one() {
    let now = BEGIN.plus(100 * DAY);
    let mut rules = scheduled(Policy::KeepWithin { days: 30 });
    rules.elements = BTreeMap::from([(Element::Files, 7), (Element::Database, 14)]);
    let verdicts = judge(&rules, &aged(&[8, 9, 15], now, Reason::Nightly), now);
    assert!(verdicts[0].elements.is_empty() && !verdicts[0].goes_now(), "the last good one stays whole");
    assert_eq!(verdicts[1].elements, [(Element::Files, "the rule to keep files for 7 days".to_owned())]);
    assert!(verdicts[2].goes_now(), "nothing would be left of it");
}

#[test]
fn backups_go_on_one_day_of_the_week_where_that_is_asked() {
    let now = BEGIN.plus(100 * DAY); // a Friday
    let rules = Rules { purge_on: Some(Weekday::Monday), ..scheduled(Policy::KeepWithin { days: 10 }) };
    let history = aged(&[1, 2, 11], now, Reason::Nightly);
    let Fate::Kept { because, goes: Some(goes) } = &judge(&rules, &history, now)[2].fate else { panic!("it went on a Friday") };
    assert_eq!((because.as_str(), goes.on.iso().as_str()), ("backups go on Mondays only", "2025-04-14T00:00:00Z"));
    assert!(judge(&rules, &history, goes.on)[2].goes_now());
}

#[test]
fn until_a_change_is_in_force_what_either_rule_keeps_stays() {
    let now = BEGIN.plus(100 * DAY);
    let history = aged(&[1, 5, 9, 15], now, Reason::Nightly);
    let (long, short) = (scheduled(Policy::KeepWithin { days: 10 }), scheduled(Policy::KeepWithin { days: 3 }));
    let until = Some(now.plus(DAY));
    let shortened = [InForce { rules: long.clone(), until }, InForce { rules: short.clone(), until: None }];
    let verdicts = judge_all(&shortened, &history, now);
    assert_eq!(verdicts.iter().map(Verdict::goes_now).collect::<Vec<_>>(), [false, false, false, true]);
    let Fate::Kept { goes: Some(goes), .. } = &verdicts[1].fate else { panic!("the date of the change is not told") };
    assert_eq!(goes.on, now.plus(DAY));
    // Lengthened: at once.
    let lengthened = [InForce { rules: short, until }, InForce { rules: long, until: None }];
    assert_eq!(judge_all(&lengthened, &history, now).iter().filter(|v| v.goes_now()).count(), 1);
}

#[test]
fn rules_read_back_as_they_were_written_and_those_that_keep_nothing_are_refused() {
    let mut seed = Seed(7);
    for _ in 0..50 {
        let rules = any_rules(&mut seed);
        rules.check().unwrap();
        assert_eq!(serde_json::from_str::<Rules>(&serde_json::to_string(&rules).unwrap()).unwrap(), rules);
        assert_eq!(Policy::parse(&rules.scheduled.short()).unwrap(), rules.scheduled);
    }
    assert_eq!(serde_json::from_str::<Rules>("{}").unwrap(), Rules::default());
    for (name, numbers) in Policy::FORMS {
        Policy::of(name, &numbers.iter().map(|n| n.1).collect::<Vec<_>>()).unwrap();
    }
    assert!(Policy::parse("keep_last:1,2").is_err() && Policy::parse("keep_all").is_err() && Policy::parse("keep_last:-1").is_err());
    assert!(scheduled(Policy::KeepLast { count: 0 }).check().is_err());
    assert!(scheduled(Policy::KeepWithin { days: 0 }).check().is_err());
    assert!(Rules { grace_days: 1, ..Rules::default() }.check().is_err());
    assert!(Rules { zone: "Mars/Olympus".into(), ..Rules::default() }.check().is_err());
}
