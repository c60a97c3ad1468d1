//! Properties of slots over decades of days in zones with and without odd clocks.

use super::*;

/// Both changes, half an hour, a quarter, a day left out, a change at midnight and before it, and none at all.
const ZONES: [&str; 14] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "Asia/Beirut",
    "America/Havana",
    "America/Nuuk",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Antarctica/Troll",
];

fn rule(zone: &str, hour: Option<u8>) -> Schedule {
    Schedule { zone: Zone::parse(zone).unwrap(), hour, ..Schedule::default() }
}

fn at(iso: &str) -> Millis {
    Millis::from_iso(iso).unwrap()
}

/// Every slot in a time, in order.
fn all(rule: &Schedule, seed: &str, from: Millis, until: Millis) -> Vec<Millis> {
    rule.between(seed, from, until, usize::MAX).0
}

#[test]
fn slots_only_go_forward_and_no_day_is_without_its_own() {
    let (from, until) = (at("2009-12-20T00:00:00Z"), at("2013-01-10T00:00:00Z"));
    let later = (at("2023-12-20T00:00:00Z"), at("2027-01-10T00:00:00Z"));
    for (i, zone) in ZONES.iter().enumerate() {
        for (from, until) in [(from, until), later] {
            for hour in (0..24).map(Some).chain([None]) {
                let seed = format!("env_{i}{hour:?}");
                let rule = rule(zone, hour);
                let slots = all(&rule, &seed, from, until);
                assert!(slots.windows(2).all(|w| w[0] < w[1]), "{zone} {hour:?}");
                let tz = rule.zone;
                let days: Vec<i64> = (tz.local_day(from) + 1..tz.local_day(until)).filter(|day| tz.has_day(*day)).collect();
                let inside: Vec<&Millis> = slots.iter().filter(|s| **s >= tz.moment(days[0], 0)).take(days.len()).collect();
                for (day, slot) in days.iter().zip(inside) {
                    // A leap over the end of a day ends in the first moment of the next.
                    let end = tz.moment(day + 1, 0);
                    assert!(tz.moment(*day, 0) <= *slot && *slot <= end, "{zone} {hour:?}: {} is not of {day}", slot.iso());
                }
            }
        }
    }
}

#[test]
fn the_next_slot_is_the_same_from_every_moment_before_it() {
    for (i, zone) in ZONES.iter().enumerate() {
        for cadence in [Cadence::Nightly, Cadence::Weekly] {
            let (rule, seed) = (Schedule { cadence, ..rule(zone, Some(2)) }, format!("env_{i}"));
            let slots = all(&rule, &seed, at("2024-02-20T00:00:00Z"), at("2025-03-02T00:00:00Z"));
            for pair in slots.windows(2) {
                for step in 0..48 {
                    let moment = pair[0].plus((pair[1].0 - pair[0].0) * step / 48);
                    assert_eq!(rule.next_after(&seed, moment), pair[1], "{zone} {cadence} {}", moment.iso());
                }
                assert_eq!(rule.next_after(&seed, Millis(pair[1].0 - 1)), pair[1]);
            }
            let most = if cadence == Cadence::Nightly { 26 } else { 7 * 24 + 2 };
            assert!(slots.windows(2).all(|w| w[1].0 - w[0].0 <= most * 3_600_000), "{zone}");
        }
    }
}

#[test]
fn a_time_that_the_clocks_leap_over_is_the_first_moment_after_the_leap() {
    let zone = |name: &str| Zone::parse(name).unwrap();
    let day = |z: Zone, text: &str| z.local_day(at(&format!("{text}T12:00:00Z")));
    let moment = |name: &str, text: &str, hour: i64, minute: i64| {
        let zone = zone(name);
        zone.moment(day(zone, text), hour * 60 + minute).iso()
    };
    assert_eq!(moment("Europe/Berlin", "2026-03-29", 2, 17), "2026-03-29T01:00:00Z");
    assert_eq!(moment("Australia/Lord_Howe", "2026-10-04", 2, 10), "2026-10-03T15:30:00Z");
    assert_eq!(moment("Asia/Beirut", "2026-03-29", 0, 5), "2026-03-28T22:00:00Z");
    // At an hour before midnight the clocks of Nuuk leap into the next day.
    assert_eq!(moment("America/Nuuk", "2026-03-28", 23, 20), "2026-03-29T01:00:00Z");
    // Shown twice: the first time.
    assert_eq!(moment("Europe/Berlin", "2026-10-25", 2, 17), "2026-10-25T00:17:00Z");
    assert_eq!(moment("America/Havana", "2026-11-01", 0, 20), "2026-11-01T04:20:00Z");
}

#[test]
fn a_day_that_was_left_out_has_no_slot_but_a_week_is_never_without() {
    let nightly = rule("Pacific/Apia", Some(3));
    let (from, until) = (at("2011-12-28T20:00:00Z"), at("2012-01-02T00:00:00Z"));
    let days = |slots: Vec<Millis>| slots.into_iter().map(|s| nightly.zone.day(s)).collect::<Vec<_>>();
    assert_eq!(days(all(&nightly, "env_a", from, until)), ["2011-12-29", "2011-12-31", "2012-01-01", "2012-01-02"]);
    let weekly = Schedule { cadence: Cadence::Weekly, weekday: Weekday::Friday, ..nightly };
    let slots = all(&weekly, "env_a", at("2011-12-20T00:00:00Z"), at("2012-01-10T00:00:00Z"));
    assert_eq!(days(slots), ["2011-12-23", "2011-12-31", "2012-01-06"]);
}

#[test]
fn one_backup_a_week_is_the_weekly_one() {
    for zone in ZONES {
        let rule = rule(zone, None);
        let slots = all(&rule, "env_x", at("2026-01-01T00:00:00Z"), at("2026-12-31T00:00:00Z"));
        for week in slots.chunks_exact(7) {
            assert_eq!(week.iter().filter(|s| rule.reason("env_x", **s) == Reason::Weekly).count(), 1, "{zone}");
        }
        let weekly = Schedule { cadence: Cadence::Weekly, ..rule };
        for slot in weekly.next("env_x", at("2026-01-01T00:00:00Z"), 52) {
            assert_eq!(weekly.reason("env_x", slot), Reason::Weekly);
            assert_eq!(weekly.zone.of_week(slot), "Sun");
        }
    }
}

#[test]
fn environments_are_spread_over_the_night_and_inside_the_half_hour() {
    let (any, two) = (rule("UTC", None), rule("UTC", Some(2)));
    let mut hours = [0; 24];
    let mut minutes = [0; 30];
    for n in 0..6000 {
        let seed = format!("env_{n}");
        hours[usize::try_from(any.minute(&seed) / 60).unwrap()] += 1;
        assert_eq!(two.minute(&seed) / 60, 2);
        minutes[usize::try_from(two.minute(&seed) % 60).unwrap()] += 1;
    }
    assert!(hours[..6].iter().all(|n| (850..1150).contains(n)) && hours[6..].iter().all(|n| *n == 0), "{hours:?}");
    assert!(minutes.iter().all(|n| (130..270).contains(n)), "{minutes:?}");
}

#[test]
fn many_slots_are_counted_and_the_newest_are_given() {
    let rule = rule("UTC", Some(3));
    let (newest, all) = rule.between("env_a", at("2026-01-01T12:00:00Z"), at("2027-01-01T12:00:00Z"), 3);
    assert_eq!((newest.len(), all), (3, 365));
    assert_eq!(newest[2], rule.next_after("env_a", at("2026-12-31T12:00:00Z")));
}

#[test]
fn a_rule_reads_back_as_it_was_written_and_knows_what_is_thinner() {
    let rule = Schedule { cadence: Cadence::Weekly, weekday: Weekday::Friday, hour: Some(4), ..rule("Europe/Berlin", None) };
    let text = serde_json::to_string(&rule).unwrap();
    assert_eq!(text, r#"{"enabled":true,"cadence":"weekly","weekday":"friday","hour":4,"zone":"Europe/Berlin"}"#);
    assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), rule);
    assert!(serde_json::from_str::<Schedule>(r#"{"zone":"Europe/Atlantis"}"#).is_err());
    let nightly = Schedule { cadence: Cadence::Nightly, ..rule };
    let off = Schedule { enabled: false, ..nightly };
    assert!(rule.is_thinner_than(&nightly) && off.is_thinner_than(&rule) && off.is_thinner_than(&nightly));
    assert!(!nightly.is_thinner_than(&rule) && !nightly.is_thinner_than(&off) && !off.is_thinner_than(&off));
    assert!(rule.words("env_a").starts_with("every Friday at 04:"), "{}", rule.words("env_a"));
    assert!(off.words_for_many().starts_with("by hand alone (switched off: every night between 04:00 and 04:30 (Europe/Berlin)"));
    assert!(Schedule { hour: Some(24), ..rule }.check().is_err());
}
