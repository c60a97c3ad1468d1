use super::Person;
use super::far_end::Answer;
use super::samples::{backup, element, job, shop, shop_with};
use serde_json::{Value, json};

#[test]
fn the_list_has_terminus_columns_and_a_row_for_each_element() {
    let far = shop_with(&[backup("bak_2", 20, &["database", "files"]), backup("bak_1", 19, &["code"])]);
    let outcome = Person::at(&far).run("backup:list shop.live");
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
    let lines: Vec<&str> = outcome.out.lines().collect();
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["Filename", "Size", "Date", "Expiry", "Initiator"]);
    assert_eq!(
        lines[1].split("  ").filter(|c| !c.is_empty()).map(str::trim).collect::<Vec<_>>(),
        [
            "shop_live_2026-11-20T03-00-00_UTC_database.sql.gz",
            "1.2 MB",
            "2026-11-20 03:00:00 UTC",
            "2026-12-21 03:00:00 UTC",
            "ann@example.org"
        ]
    );
    assert_eq!(lines.len(), 4);
}

#[test]
fn the_json_of_the_list_has_what_scripts_for_terminus_read_and_more() {
    let far = shop_with(&[backup("bak_2", 20, &["database", "files"])]);
    let outcome = Person::at(&far).run("backups shop.live --format=json --filter=type=files");
    let rows: Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 1);
    for key in ["file", "size", "date", "expiry", "initiator", "id", "state", "reason", "element", "note"] {
        assert!(rows[0].get(key).is_some(), "{key} is missing from {rows}");
    }
}

#[test]
fn no_backups_is_a_warning_and_not_a_failure() {
    let far = shop_with(&[]);
    let person = Person::at(&far);
    let outcome = person.run("backup:list shop.live");
    assert_eq!((outcome.code, outcome.out.as_str(), outcome.err.as_str()), (0, "", "Warning: You have no backups.\n"));
    assert_eq!(person.run("backup:list shop.live --format=json").out, "[]\n");
}

#[test]
fn the_list_shows_what_can_be_used_and_does_not_hide_what_is_wrong() {
    let mut failed = backup("bak_3", 21, &["database"]);
    failed["state"] = json!("failed");
    failed["elements"][0]["state"] = json!("failed");
    failed["message"] = json!("the dump has no end");
    let mut incomplete = backup("bak_2", 20, &["files"]);
    incomplete["state"] = json!("incomplete");
    incomplete["elements"][0]["state"] = json!("incomplete");
    let backups = [failed, incomplete];
    let far = shop_with(&backups);
    let outcome = Person::at(&far).run("backup:list shop.live --field=id");
    assert_eq!(outcome.out, "bak_2\n");
    assert!(outcome.err.contains("_files.tar.gz is incomplete") && outcome.err.contains("failed: the dump has no end"), "{}", outcome.err);
    let far = shop_with(&backups);
    assert_eq!(
        Person::at(&far).run("backup:list shop.live --all --fields=id,state --format=tsv").out,
        "bak_3\tfailed\nbak_2\tincomplete\n"
    );
}

#[test]
fn the_list_goes_through_all_pages_and_ends_when_a_server_repeats_itself() {
    let far = shop();
    let path = "GET /environments/env_live/backups";
    far.says(path, json!([backup("bak_3", 21, &["code"]), backup("bak_2", 20, &["code"])]))
        .says(path, json!([backup("bak_1", 19, &["code"])]));
    assert_eq!(Person::at(&far).run("backup:list shop.live --field=id").out, "bak_3\nbak_2\nbak_1\n");
    let queries: Vec<String> = far.seen().into_iter().filter(|s| s.what == path).map(|s| s.query).collect();
    assert_eq!(queries, ["limit=100", "limit=100&after=bak_2", "limit=100&after=bak_1"]);
}

#[test]
fn a_backup_is_made_followed_and_told() {
    let far = shop();
    let mut queued = backup("bak_1", 21, &[]);
    queued["state"] = json!("queued");
    far.says("POST /environments/env_live/backups", queued)
        .says("GET /jobs/job_1", job("queued", ""))
        .says("GET /jobs/job_1", job("running", "database"))
        .says("GET /jobs/job_1", job("running", "database"))
        .says("GET /jobs/job_1", job("running", "files"))
        .says("GET /jobs/job_1", job("succeeded", ""))
        .says("GET /backups/bak_1", backup("bak_1", 21, &["database", "files"]));
    let person = Person::at(&far);
    let outcome = person.run_words(&["backup:create", "shop.live", "--keep-for=30", "--note=before the sale", "--element=db"]);
    assert_eq!((outcome.code, outcome.out.as_str()), (0, ""));
    let lines: Vec<&str> = outcome.err.lines().collect();
    assert_eq!(lines[..4], ["waiting for a worker", "database", "files", "Created a backup of the live environment."]);
    let sent = far.only("POST /environments/env_live/backups");
    assert_eq!(sent.body, json!({ "element": "db", "note": "before the sale", "keep_for": 30 }));
    assert!(sent.headers.contains_key("idempotency-key"));
    assert_eq!(person.run("backup:create shop.live --field=id").out, "bak_1\n");
}

#[test]
fn an_incomplete_backup_has_a_code_of_its_own_and_says_what_is_missing() {
    let far = shop();
    let mut done = backup("bak_1", 21, &["files"]);
    done["state"] = json!("incomplete");
    done["elements"][0]["state"] = json!("incomplete");
    done["elements"][0]["problems"] =
        (0..12).map(|n| json!({ "path": format!("up/{n}\u{1b}[2J"), "reason": "permission denied" })).collect();
    far.says("POST /environments/env_live/backups", done);
    let outcome = Person::at(&far).run("backup:create shop.live");
    assert_eq!(outcome.code, 3);
    assert!(outcome.err.contains("is incomplete") && outcome.err.contains("up/0\\u{1b}[2J: permission denied"), "{}", outcome.err);
    assert!(outcome.err.contains("and 2 more") && !outcome.err.contains('\u{1b}'));
}

#[test]
fn a_failed_backup_tells_why_and_what_to_do() {
    let far = shop();
    let (mut queued, mut done, mut ended) = (backup("bak_1", 21, &[]), backup("bak_1", 21, &[]), job("failed", ""));
    queued["state"] = json!("queued");
    done["state"] = json!("failed");
    done["message"] = json!("the password of the database is wrong");
    ended["hint"] = json!("give the new one");
    far.says("POST /environments/env_live/backups", queued).says("GET /jobs/job_1", ended).says("GET /backups/bak_1", done);
    let outcome = Person::at(&far).run("backup:create shop.live");
    assert_eq!((outcome.code, outcome.err.as_str()), (1, "Error: the password of the database is wrong\nHint: give the new one\n"));
}

#[test]
fn a_backup_that_runs_already_is_followed_and_not_made_twice() {
    let far = shop();
    let mut running = backup("bak_1", 21, &[]);
    running["state"] = json!("running");
    far.on("POST /environments/env_live/backups", Answer::Json(200, running));
    let outcome = Person::at(&far).run("backup:create shop.live --no-wait");
    assert!(outcome.code == 0 && outcome.err.contains("is running already (bak_1)"), "{}", outcome.err);
    assert_eq!(far.count("GET /jobs/job_1"), 0);
}

#[test]
fn a_wrong_element_is_refused_before_anything_is_asked() {
    let far = shop();
    let outcome = Person::at(&far).run("backup:create shop.live --element=everything");
    assert_eq!((outcome.code, far.seen().len()), (2, 0));
    assert_eq!(outcome.err, "Error: Element should be one of the following items: code, files, database, db, all\n");
}

#[test]
fn info_shows_the_newest_files_or_what_was_asked_for() {
    let all = ["database", "files", "code"];
    let backups = [backup("bak_2", 20, &["database"]), backup("bak_1", 19, &all)];
    let ask = |options: &str| {
        let far = shop_with(&backups);
        far.says("GET /backups/bak_1", backups[1].clone());
        Person::at(&far).run(&format!("backup:info shop.live{options}"))
    };
    assert!(ask("").out.starts_with("Filename   shop_live_2026-11-19T03-00-00_UTC_files.tar.gz\n"), "{}", ask("").out);
    assert_eq!(ask(" --element=db --field=file").out, "shop_live_2026-11-20T03-00-00_UTC_database.sql.gz\n");
    assert_eq!(ask(" --file=shop_live_2026-11-19T03-00-00_UTC_code.tar.gz --field=element").out, "code\n");
    assert_eq!(
        ask(" --backup=bak_1 --field=elements").out,
        "database: succeeded, 1.2 MB, files: succeeded, 1.2 MB, code: succeeded, 1.2 MB\n"
    );
    assert_eq!(ask(" --file=a --element=code").code, 2);
    let missing = ask(" --file=shop_live_none");
    assert!(missing.code == 4 && missing.err.contains("backup:list shop.live"), "{}", missing.err);
}

#[test]
fn a_backup_is_pinned_by_its_id_and_by_the_name_of_its_file() {
    let far = shop_with(&[backup("bak_1", 19, &["code"])]);
    let mut pinned = backup("bak_1", 19, &["code"]);
    pinned["pinned"] = json!(true);
    far.says("GET /backups/bak_1", backup("bak_1", 19, &["code"])).says("PATCH /backups/bak_1", pinned);
    let file = element("code", "succeeded", 19)["filename"].as_str().unwrap().to_owned();
    let person = Person::at(&far);
    for reference in ["bak_1", &file] {
        let outcome = person.run(&format!("backup:pin {reference} --field=expiry"));
        assert_eq!((outcome.code, outcome.out.as_str()), (0, "Never (pinned)\n"), "{}", outcome.err);
    }
    person.run_words(&["backup:note", "bak_1", "golden"]);
    let sent: Vec<Value> = far.seen().into_iter().filter(|s| s.what.starts_with("PATCH")).map(|s| s.body).collect();
    assert_eq!(sent, [json!({ "pinned": true }), json!({ "pinned": true }), json!({ "note": "golden" })]);
    assert_eq!(person.run("backup:unpin bak_none").code, 4);
}

#[test]
fn a_proof_is_waited_for() {
    let far = shop();
    far.says("GET /backups/bak_1", backup("bak_1", 19, &["code"])).says("POST /backups/bak_1/verify", job("queued", ""));
    let mut bad = job("failed", "");
    bad["message"] = json!("two blobs cannot be read");
    far.says("GET /jobs/job_1", job("succeeded", "")).says("GET /jobs/job_1", bad);
    let person = Person::at(&far);
    let good = person.run("backup:verify bak_1");
    assert!(good.code == 0 && good.err.contains("can be read back whole"), "{}", good.err);
    let bad = person.run("backup:verify bak_1");
    assert_eq!((bad.code, bad.err.as_str()), (1, "Error: two blobs cannot be read\n"));
}
