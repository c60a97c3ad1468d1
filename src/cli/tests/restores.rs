use super::far_end::{Answer, FarEnd};
use super::samples::{backup, environment, job, plan, restore, shop, shop_with};
use super::{Outcome, Person};
use serde_json::{Value, json};

const RESTORES: &str = "POST /environments/env_live/restores";
const ALL: [&str; 3] = ["database", "files", "code"];

/// Answers a plan, then queues, and the job ends well.
fn ready(far: &FarEnd, missing: &[&str]) {
    far.says(RESTORES, json!({ "restore": null, "plan": plan(missing) }))
        .says(RESTORES, json!({ "restore": restore("rst_1", "restore", "queued"), "plan": plan(missing) }))
        .says("GET /jobs/job_1", job("succeeded", ""))
        .says("GET /restores/rst_1", restore("rst_1", "restore", "succeeded"));
}

fn sent(far: &FarEnd) -> Vec<Value> {
    far.seen().into_iter().filter(|s| s.what == RESTORES).map(|s| s.body).collect()
}

#[test]
fn a_restore_takes_one_set_and_tells_the_plan_before_the_question() {
    let far = shop_with(&[backup("bak_1", 20, &ALL)]);
    ready(&far, &[]);
    let outcome = Person::at(&far).typing("shop.live\n").run("backup:restore shop.live");
    assert_eq!((outcome.code, outcome.out.as_str()), (0, ""), "{}", outcome.err);
    let told =
        ["from the backup bak_1: 2026-11-20 03:00:00 UTC - Generated on request", "- 12 files of", "Warning: the backup is 20 days old"];
    let asked = "Are you sure you want to restore to live on shop? Type shop.live to go on: ";
    let after =
        ["Restored the files backup to live.", "Restored the database backup to live.", "backup:undo rst_1", "2026-11-28 04:00:00 UTC"];
    let mut at = 0;
    for text in told.iter().chain([&asked]).chain(&after) {
        at += outcome.err[at..].find(text).unwrap_or_else(|| panic!("{text} is not in its place in {}", outcome.err));
    }
    let bodies = sent(&far);
    assert_eq!(
        (bodies[0]["backup"].as_str(), bodies[0]["dry_run"].as_bool(), bodies[0]["element"].as_str()),
        (Some("bak_1"), Some(true), Some("all"))
    );
    assert_eq!(
        (bodies[1]["backup"].as_str(), bodies[1]["dry_run"].as_bool(), bodies[1]["confirm"].as_str()),
        (Some("bak_1"), Some(false), Some("live"))
    );
}

#[test]
fn a_live_environment_wants_its_name_and_another_one_a_yes() {
    let try_it = |live: bool, typed: &str, options: &str| -> (Outcome, usize) {
        let far = FarEnd::start();
        far.says("GET /environments", environment("live", live)).says("GET /environments/env_live/restores", json!([]));
        far.says("GET /environments/env_live/backups", json!([backup("bak_1", 20, &ALL)]));
        ready(&far, &[]);
        let person = if typed.is_empty() { Person::at(&far) } else { Person::at(&far).typing(typed) };
        let outcome = person.run(&format!("backup:restore shop.live{options}"));
        (outcome, sent(&far).len())
    };
    let table = [
        (true, "yes\n", "", 1, 1),
        (true, "live\n", "", 0, 2),
        (true, "acme/shop.live\n", "", 0, 2),
        (false, "yes\n", "", 0, 2),
        (false, "\n", "", 1, 1),
        (true, "", "", 2, 1),
        (false, "", "", 2, 1),
        (true, "", " --yes", 0, 2),
        (true, "", " --confirm=shop.live", 0, 2),
        (true, "", " --confirm=shop.dev", 2, 1),
        (true, "", " --confirm=shop.dev --yes", 2, 1),
        (true, "shop.live\n", " -n", 2, 1),
    ];
    for (live, typed, options, code, requests) in table {
        let (outcome, count) = try_it(live, typed, options);
        assert_eq!((outcome.code, count), (code, requests), "live {live}, typed {typed:?}, options {options:?}: {}", outcome.err);
    }
}

#[test]
fn a_dry_run_says_the_plan_on_standard_output_and_changes_nothing() {
    let far = shop_with(&[backup("bak_1", 20, &["database", "files"])]);
    far.says(RESTORES, json!({ "restore": null, "plan": plan(&["code"]) }));
    let person = Person::at(&far);
    let outcome = person.run("backup:restore shop.live --dry-run");
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(outcome.out.contains("- 12 files of /srv/shop/uploads are replaced\n"));
    assert!(outcome.err.contains("This backup lacks: code.") && outcome.err.contains("Nothing was changed."));
    assert_eq!(sent(&far).len(), 1);
}

#[test]
fn sets_are_never_mixed_and_a_newer_part_is_mentioned() {
    let far = shop_with(&[backup("bak_2", 21, &["database"]), backup("bak_1", 20, &ALL)]);
    ready(&far, &[]);
    let outcome = Person::at(&far).run("backup:restore shop.live -y");
    assert!(outcome.err.contains("The newer backup bak_2 of 2026-11-21 03:00:00 UTC has only database"), "{}", outcome.err);
    assert_eq!(sent(&far)[1]["backup"], "bak_1");

    let parts = [backup("bak_2", 21, &["database"]), backup("bak_1", 20, &["files"])];
    let far = shop_with(&parts);
    ready(&far, &["files", "code"]);
    let outcome = Person::at(&far).run("backup:restore shop.live -y");
    assert!(outcome.err.contains("This backup lacks: files, code."), "{}", outcome.err);
    assert_eq!(sent(&far)[1]["backup"], "bak_2", "the newest, where none has all");

    let far = shop_with(&parts);
    let outcome = Person::at(&far).run("backup:restore shop.live --element=db,files -y");
    assert_eq!((outcome.code, sent(&far).len()), (4, 0), "what was typed is wanted whole: {}", outcome.err);
}

#[test]
fn a_second_restore_does_not_bring_back_what_the_first_one_replaced() {
    let far = FarEnd::start();
    far.says("GET /environments", environment("live", true));
    far.says("GET /environments/env_live/restores", json!([restore("rst_0", "restore", "succeeded")]));
    far.says("GET /environments/env_live/backups", json!([backup("bak_safe", 21, &ALL), backup("bak_1", 20, &ALL)]));
    ready(&far, &[]);
    assert_eq!(Person::at(&far).run("backup:restore shop.live -y").code, 0);
    assert_eq!(sent(&far)[0]["backup"], "bak_1");
}

#[test]
fn a_file_means_its_element_and_its_set_once() {
    let far = shop_with(&[backup("bak_2", 21, &ALL), backup("bak_1", 20, &ALL)]);
    ready(&far, &[]);
    let outcome = Person::at(&far).run("backup:restore shop.live --file=shop_live_2026-11-20T03-00-00_UTC_database.sql.gz -y");
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!((sent(&far).len(), &sent(&far)[1]["backup"], &sent(&far)[1]["element"]), (2, &json!("bak_1"), &json!("database")));
}

#[test]
fn contradictions_and_nothing_to_restore_have_known_sentences() {
    let far = shop_with(&[]);
    let person = Person::at(&far);
    let outcome = person.run("backup:restore shop.live --file=x --element=code");
    assert_eq!((outcome.code, outcome.err.as_str()), (2, "Error: You cannot specify a file and an element at the same time.\n"));
    let outcome = person.run("backup:restore shop.live");
    assert_eq!(
        (outcome.code, outcome.err.as_str()),
        (4, "Error: No backups available. Create one with `sitekeep backup:create shop.live`\n")
    );
    let far = shop();
    let mut other = backup("bak_9", 20, &ALL);
    other["environment"] = json!("dev");
    far.says("GET /backups/bak_9", other);
    let outcome = Person::at(&far).run("backup:restore shop.live --backup=bak_9 -y");
    assert!(outcome.code == 4 && outcome.err.contains("it is one of acme/shop.dev"), "{}", outcome.err);
}

#[test]
fn another_environment_can_be_the_target() {
    for option in ["--to=acme/shop.dev", "--to-env=dev"] {
        let far = FarEnd::start();
        far.says("GET /environments", environment("live", true)).says("GET /environments", environment("dev", false));
        far.says("GET /environments/env_live/restores", json!([]))
            .says("GET /environments/env_live/backups", json!([backup("bak_1", 20, &ALL)]));
        far.says("POST /environments/env_dev/restores", json!({ "restore": null, "plan": plan(&[]) }));
        let outcome = Person::at(&far).run(&format!("backup:restore shop.live {option} --dry-run"));
        assert_eq!(outcome.code, 0, "{}", outcome.err);
        assert!(outcome.out.starts_with("Restore to acme/shop.dev from the backup bak_1"), "{}", outcome.out);
        assert_eq!(far.seen()[1].query, "named=acme%2Fshop.dev");
    }
}

#[test]
fn a_restore_that_went_wrong_says_in_what_state_it_left_the_site() {
    let table = [
        ("unwound", "Everything was switched back: live is as it was before."),
        ("stuck", "stays locked until somebody has looked"),
        ("failed", "the probe found the wrong page"),
        ("cancelled", "the probe found the wrong page"),
    ];
    for (state, sentence) in table {
        let far = shop_with(&[backup("bak_1", 20, &ALL)]);
        let mut end = restore("rst_1", "restore", state);
        end["message"] = json!("the probe found the wrong page");
        far.says(RESTORES, json!({ "restore": null, "plan": plan(&[]) }))
            .says(RESTORES, json!({ "restore": restore("rst_1", "restore", "queued"), "plan": plan(&[]) }))
            .says("GET /jobs/job_1", job("failed", ""))
            .says("GET /restores/rst_1", end);
        let outcome = Person::at(&far).run("backup:restore shop.live -y");
        assert!(
            outcome.code == 1 && outcome.err.contains(sentence) && outcome.err.contains("restore:info rst_1"),
            "{state}: {}",
            outcome.err
        );
    }
}

#[test]
fn a_refused_restore_is_a_conflict() {
    let far = shop_with(&[backup("bak_1", 20, &ALL)]);
    far.on(RESTORES, Answer::Json(409, json!({ "error": "another restore runs", "hint": "wait for it", "class": "conflict", "id": "r" })));
    let outcome = Person::at(&far).run("backup:restore shop.live -y");
    assert_eq!((outcome.code, outcome.err.as_str()), (6, "Error: another restore runs\nHint: wait for it\n"));
}

#[test]
fn undo_takes_the_last_restore_that_took_effect() {
    let far = FarEnd::start();
    far.says("GET /environments", environment("live", true));
    let all = [restore("rst_3", "restore", "failed"), restore("rst_2", "restore", "succeeded"), restore("rst_1", "restore", "succeeded")];
    far.says("GET /environments/env_live/restores", json!(all));
    far.says("POST /restores/rst_2/undo", restore("rst_4", "undo", "queued")).says("GET /jobs/job_1", job("succeeded", ""));
    far.says("GET /restores/rst_4", restore("rst_4", "undo", "succeeded"));
    let outcome = Person::at(&far).typing("shop.live\n").run("backup:undo shop.live");
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(outcome.err.contains("Brought back the database of live."), "{}", outcome.err);
    assert!(far.only("POST /restores/rst_2/undo").headers.contains_key("idempotency-key"));
}

#[test]
fn an_undo_that_was_done_is_not_done_again_by_accident() {
    let far = FarEnd::start();
    let mut undo = restore("rst_2", "undo", "succeeded");
    undo["undo_of"] = json!("rst_1");
    far.says("GET /environments", environment("live", true)).says("GET /environments/env_live/restores", json!([undo]));
    let outcome = Person::at(&far).run("backup:undo shop.live -y");
    assert!(outcome.code == 6 && outcome.err.contains("rst_1") && outcome.err.contains("backup:undo rst_2"), "{}", outcome.err);
}

#[test]
fn restores_are_listed_and_shown_with_their_steps() {
    let far = FarEnd::start();
    far.says("GET /environments", environment("live", true)).says("GET /restores/rst_1", restore("rst_1", "restore", "succeeded"));
    far.says("GET /environments/env_live/restores", json!([restore("rst_1", "restore", "succeeded")]));
    let person = Person::at(&far);
    assert_eq!(person.run("restore:list shop.live --fields=id,elements --format=tsv").out, "rst_1\tdatabase, files\n");
    let shown = person.run("restore:info rst_1").out;
    assert!(shown.lines().any(|line| line.split_whitespace().eq(["Steps", "Check:", "done"])), "{shown}");
}
