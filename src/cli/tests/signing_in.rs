use super::Person;
use super::far_end::{Answer, FarEnd};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;

fn me() -> serde_json::Value {
    json!({ "account": "ann@example.org", "administrator": false, "scope": "all", "tenants": { "acme": "owner" } })
}

#[test]
fn a_token_is_checked_with_the_server_before_it_is_kept() {
    let far = FarEnd::start();
    far.on("GET /whoami", Answer::Json(401, json!({ "error": "the token is not good", "class": "unauthenticated", "id": "r" })))
        .says("GET /whoami", me());
    let person = Person::stranger().typing("skt_canary\n");
    let refused = person.run(&format!("auth:login --url={}", far.url));
    assert_eq!((refused.code, person.credentials().exists()), (5, false), "{}", refused.err);
    let kept = person.run(&format!("auth:login --url={}/", far.url));
    assert_eq!(kept.code, 0, "{}", kept.err);
    assert!(kept.err.contains("as ann@example.org") && !kept.err.contains("canary"));
    assert_eq!(std::fs::metadata(person.credentials()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(far.seen()[1].headers["authorization"], "Bearer skt_canary");
    assert_eq!(person.run("auth:whoami --field=tenants").out, "acme (owner)\n");
    assert_eq!(person.run("auth:logout").code, 0);
    let after = person.run(&format!("whoami --url={}", far.url));
    assert_eq!(after.code, 5);
    assert!(after.err.contains("You are not logged in"), "{}", after.err);
}

#[test]
fn a_token_is_only_sent_to_the_server_it_was_given_for() {
    let (far, other) = (FarEnd::start(), FarEnd::start());
    far.says("GET /whoami", me());
    let outcome = Person::at(&far).run(&format!("whoami --url={}", other.url));
    assert_eq!((outcome.code, other.seen().len()), (5, 0));
}

#[test]
fn a_token_comes_from_a_file_or_with_a_warning_from_a_variable() {
    let far = FarEnd::start();
    far.says("GET /whoami", me());
    let mut person = Person::stranger();
    person.variables.insert("SITEKEEP_URL", far.url.clone());
    person.variables.insert("SITEKEEP_TOKEN", "skt_plain".into());
    let warned = person.run("whoami");
    assert!(warned.code == 0 && warned.err.contains("SITEKEEP_TOKEN_FILE") && !warned.err.contains("skt_plain"), "{}", warned.err);
    let file = person.home.join("token");
    std::fs::write(&file, "skt_file\n").unwrap();
    person.variables.insert("SITEKEEP_TOKEN_FILE", file.display().to_string());
    assert_eq!(person.run("whoami").err, "");
    let used: Vec<String> = far.seen().into_iter().map(|s| s.headers["authorization"].clone()).collect();
    assert_eq!(used, ["Bearer skt_plain", "Bearer skt_file"]);
}

#[test]
fn a_redirect_is_not_followed_with_a_token() {
    let (far, other) = (FarEnd::start(), FarEnd::start());
    let location: &'static str = Box::leak(format!("Location: {}/api/v1/whoami", other.url).into_boxed_str());
    far.on("GET /whoami", Answer::Text(302, location, ""));
    let outcome = Person::at(&far).run("whoami");
    assert_eq!((outcome.code, other.seen().len()), (2, 0), "{}", outcome.err);
    assert!(outcome.err.contains(&other.url));
}

#[test]
fn what_is_no_answer_of_ours_is_told_apart_from_silence() {
    let far = FarEnd::start();
    far.on("GET /whoami", Answer::Text(200, "Content-Type: text/html", "<html>")).on("GET /whoami", Answer::Silence);
    let person = Person::at(&far);
    let page = person.run("whoami");
    assert!(page.code == 1 && page.err.contains("is this the URL of a Sitekeep server"), "{}", page.err);
    assert_eq!(person.run("whoami").code, 7);
    drop(far);
    let gone = person.run("whoami");
    assert!(gone.code == 7 && gone.err.contains("cannot be reached") && gone.err.contains("Hint: "), "{}", gone.err);
}

#[test]
fn a_job_of_cron_without_a_home_needs_only_a_url_and_a_token() {
    let far = FarEnd::start();
    far.says("GET /whoami", me());
    let mut person = Person::stranger();
    let file = person.home.join("token");
    std::fs::write(&file, "skt_file\n").unwrap();
    person.variables.remove("HOME");
    let options = format!("--url={} --token-file={}", far.url, file.display());
    assert_eq!(person.run(&format!("whoami --field=url {options}")).out, format!("{}\n", far.url));
    let outcome = person.run("whoami");
    assert!(outcome.code == 2 && outcome.err.contains("set HOME"), "{}", outcome.err);
}
