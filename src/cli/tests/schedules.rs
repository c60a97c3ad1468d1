use super::Person;
use super::samples::{backup, job, shop};
use serde_json::{Value, json};

fn schedule(enabled: bool) -> Value {
    let upcoming = if enabled { json!(["2026-11-22T02:17:00Z", "2026-11-23T02:17:00Z"]) } else { json!([]) };
    json!({
        "tenant": "acme", "environment": "shop.live", "environment_id": "env_live", "own": true, "enabled": enabled, "cadence": "nightly",
        "weekday": "friday", "hour": 3, "zone": "Europe/Berlin", "at": "03:17", "words": "every night at 03:17 (Europe/Berlin)",
        "upcoming": upcoming, "allowed": true, "frozen": null
    })
}

#[test]
fn backups_by_themselves_are_switched_on_and_off_in_the_words_of_terminus() {
    let far = shop();
    far.says("PATCH /environments/env_live/schedule", schedule(true)).says("PATCH /environments/env_live/schedule", schedule(false));
    let person = Person::at(&far);
    let on = person.run("backup:automatic:enable shop.live --day=Fri --hour=3 --zone=Europe/Berlin");
    assert!(on.code == 0 && on.err.contains("Backup schedule successfully set."), "{}", on.err);
    let off = person.run("backup:automatic:disable shop.live");
    assert!(off.code == 0 && off.err.contains("Backup schedule successfully canceled."), "{}", off.err);
    let sent: Vec<Value> = far.seen().into_iter().filter(|s| s.what.starts_with("PATCH")).map(|s| s.body).collect();
    let asked = json!({ "enabled": true, "cadence": "nightly", "weekday": "Fri", "hour": "3", "zone": "Europe/Berlin" });
    assert_eq!(sent, [asked, json!({ "enabled": false })]);
}

#[test]
fn the_day_is_shown_alone_and_nothing_at_all_when_it_is_off() {
    let far = shop();
    far.says("GET /environments/env_live/schedule", schedule(true)).says("GET /environments/env_live/schedule", schedule(true));
    far.says("GET /environments/env_live/schedule", schedule(false));
    let person = Person::at(&far);
    assert_eq!(person.run("backup:automatic:info shop.live").out, "Friday\n");
    let all = person.run("backup:automatic:info shop.live --format=json").out;
    let all: Value = serde_json::from_str(&all).unwrap();
    assert_eq!((all["daily_backup_hour"].as_str(), all["weekly_backup_day"].as_str()), (Some("03 Europe/Berlin"), Some("Friday")));
    let none = person.run("backup:automatic:info shop.live --format=json");
    assert!(none.err.contains("Backups are not currently scheduled to be run."), "{}", none.err);
    let none: Value = serde_json::from_str(&none.out).unwrap();
    assert!(["daily_backup_hour", "weekly_backup_day", "expiry"].iter().all(|field| none[*field].is_null()), "{none}");
}

#[test]
fn a_schedule_is_shown_with_its_next_runs_and_run_by_hand() {
    let far = shop();
    far.says("GET /environments/env_live/schedule", schedule(true)).says("GET /schedules", json!([schedule(true)]));
    far.says("POST /environments/env_live/schedule/run", backup("bak_1", 21, &["code"])).says("GET /jobs/job_1", job("succeeded", ""));
    far.says("GET /backups/bak_1", backup("bak_1", 21, &["code"])).says("GET /environments/env_live/slots", json!([]));
    let person = Person::at(&far);
    let info = person.run("schedule:info shop.live --field=upcoming").out;
    assert!(info.contains("2026-11-22 02:17:00 UTC") && info.contains("2026-11-23 02:17:00 UTC"), "{info}");
    let list = person.run("schedule:list").out;
    assert!(list.contains("acme") && list.contains("every night at 03:17 (Europe/Berlin)"), "{list}");
    let run = person.run("schedule:run shop.live");
    assert!(run.code == 0 && run.err.contains("Created a backup of the live environment."), "{}", run.err);
    assert!(person.run("schedule:slots shop.live").err.contains("No slot of acme/shop.live has come yet."));
}
