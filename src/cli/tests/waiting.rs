use super::Person;
use super::far_end::Answer;
use super::samples::{backup, job, shop};
use serde_json::json;
use std::time::Duration;

fn queued() -> serde_json::Value {
    let mut queued = backup("bak_1", 21, &[]);
    queued["state"] = json!("queued");
    queued
}

#[test]
fn a_server_that_restarts_is_waited_for_with_a_note() {
    let far = shop();
    far.says("POST /environments/env_live/backups", queued())
        .says("GET /jobs/job_1", job("running", "database"))
        .on("GET /jobs/job_1", Answer::Silence)
        .on("GET /jobs/job_1", Answer::Text(502, "X-Proxy: yes", "Bad Gateway"))
        .says("GET /jobs/job_1", job("succeeded", ""))
        .says("GET /backups/bak_1", backup("bak_1", 21, &["database"]));
    let mut person = Person::at(&far);
    person.pace.patience = Duration::from_secs(20);
    let outcome = person.run("backup:create shop.live");
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(outcome.err.matches("The server does not answer").count(), 1, "{}", outcome.err);
    assert!(outcome.err.contains("The server answers again."));
}

#[test]
fn a_server_that_stays_away_is_given_up_and_the_job_is_named() {
    let far = shop();
    far.says("POST /environments/env_live/backups", queued()).on("GET /jobs/job_1", Answer::Silence);
    let outcome = Person::at(&far).run("backup:create shop.live");
    assert!(outcome.code == 7 && outcome.err.contains("sitekeep job:info job_1"), "{}", outcome.err);
}

#[test]
fn a_request_whose_answer_was_lost_is_sent_again_under_the_same_key() {
    let far = shop();
    let path = "POST /environments/env_live/backups";
    far.on(path, Answer::Silence).says(path, backup("bak_1", 21, &["database"]));
    let outcome = Person::at(&far).run("backup:create shop.live");
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let keys: Vec<String> = far.seen().into_iter().filter(|s| s.what == path).map(|s| s.headers["idempotency-key"].clone()).collect();
    assert!(keys.len() == 2 && keys[0] == keys[1], "{keys:?}");
}

#[test]
fn the_log_is_followed_to_the_end_and_each_line_is_shown_once() {
    let far = shop();
    let line = |n: i64, level: &str, text: &str| json!({ "number": n, "at": "2026-11-21T03:00:00Z", "level": level, "text": text });
    let path = "GET /jobs/job_1/log";
    far.says("GET /jobs/job_1", job("running", "database")).says("GET /jobs/job_1", job("succeeded", ""));
    far.says(path, json!([line(1, "info", "begins"), line(2, "warning", "slow\u{1b}[2J")])).says(path, json!([]));
    far.says(path, json!([line(2, "warning", "slow"), line(3, "info", "ends")])).says(path, json!([]));
    let outcome = Person::at(&far).run("job:log job_1 --follow");
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(
        outcome.out,
        "2026-11-21 03:00:00 UTC  begins\n2026-11-21 03:00:00 UTC  warning: slow\\u{1b}[2J\n2026-11-21 03:00:00 UTC  ends\n"
    );
}

#[test]
fn a_job_is_asked_to_stop() {
    let far = shop();
    let mut asked = job("running", "files");
    asked["cancel_requested"] = json!(true);
    far.says("POST /jobs/job_1/cancel", asked);
    let outcome = Person::at(&far).run("job:cancel job_1");
    assert!(outcome.code == 0 && outcome.err.contains("Asked the job job_1 to stop"), "{}", outcome.err);
}
