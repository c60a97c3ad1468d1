//! The description of the API: whole, true, and what a fuzzer makes of it.

use crate::support::panel::Panel;
use crate::support::sqlite_site::SqliteSite;
use crate::support::{python, template, write};
use serde_json::{Value, json};
use sitekeep::web::api::ROUTES;
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

/// Of each operation.
const EXAMPLES: &str = "25";

fn description(panel: &Panel) -> Value {
    let mut answer = ureq::get(format!("{}/api/v1/openapi.json", panel.server.url)).call().expect("nobody needs a token for it");
    assert_eq!(answer.headers()["content-type"], "application/json");
    answer.body_mut().read_json().expect("it is JSON")
}

#[test]
fn the_description_has_every_route_with_every_method_and_each_says_what_it_answers() {
    let described = description(&Panel::start_calm());
    assert_eq!(described["openapi"], "3.1.0");
    let operations = described["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().iter().map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    });
    let (mut named, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for (name, operation) in operations {
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{name}");
        assert!(operation["responses"]["default"].is_object(), "{name}");
        assert!(!operation["responses"]["200"]["content"]["application/json"]["schema"].is_null(), "{name}");
        assert_eq!(name.contains("{id}"), operation["parameters"].to_string().contains(r#""in":"path""#), "{name}");
        assert!(ids.insert(operation["operationId"].to_string()), "{name} has the id of another");
        named.insert(name);
    }
    let routes: BTreeSet<String> = ROUTES.iter().flat_map(|r| r.methods.iter().map(|m| format!("{m} {}", r.path))).collect();
    assert_eq!(named, routes);
}

/// A panel with a site of which there is one of each thing that has an id; and its description, which names them.
fn world() -> (Panel, SqliteSite, Value) {
    let (panel, site) = (Panel::start(), SqliteSite::start());
    let database = site.database().display().to_string();
    let more = ["--files", "public=media", "--database-engine", "sqlite", "--database-name", &database];
    panel.add_site("notes", "live", &site.root, &more);
    let backup = panel.back_up("notes.live", &[]);
    let restore = panel.must_restore("notes.live", &["--element", "files"]);
    let environment = panel.environment("notes.live").id;
    let tenant = panel.get::<Vec<Value>>("/tenants")[0]["id"].as_str().unwrap().to_owned();
    let made = |path: &str, body: Value| {
        let (status, said) = panel.post(path, &body);
        assert!([200, 201].contains(&status), "{path}: {status} {said}");
        said["id"].as_str().unwrap().to_owned()
    };
    let link = made(&format!("/backups/{}/links", backup.id), json!({ "element": "code" }));
    let drill = made(&format!("/environments/{environment}/drills"), json!({}));
    let download = made(&format!("/backups/{}/downloads", backup.id), json!({ "elements": ["code"] }));
    let webhook = made(&format!("/tenants/{tenant}/webhooks"), json!({ "url": "https://localhost/hook" }));
    let archive = archive_of(&panel, &download);
    let job = backup.job.clone().unwrap();
    let ids = [
        ("tenants", tenant),
        ("environments", environment),
        ("backups", backup.id),
        ("restores", restore.id),
        ("drills", drill),
        ("links", link),
        ("downloads", download),
        ("archives", archive),
        ("webhooks", webhook),
        ("jobs", job),
    ];
    let mut described = description(&panel);
    for (noun, id) in &ids {
        name_in(&mut described, noun, id);
    }
    (panel, site, described)
}

fn archive_of(panel: &Panel, download: &str) -> String {
    for _ in 0..300 {
        let found: Value = panel.get(&format!("/downloads/{download}"));
        if let Some(archive) = found["archives"][0]["id"].as_str().filter(|_| found["state"] == "ready") {
            return archive.to_owned();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("nothing was prepared: {}", panel.get::<Value>(&format!("/downloads/{download}")));
}

/// Says which things there are of a noun, beside one that is not there: a fuzzer would never guess one.
fn name_in(described: &mut Value, noun: &str, id: &str) {
    let paths = described["paths"].as_object_mut().unwrap();
    for operation in paths
        .iter_mut()
        .filter(|(path, _)| path.starts_with(&format!("/{noun}/{{id}}")))
        .flat_map(|(_, m)| m.as_object_mut().unwrap().values_mut())
    {
        let parameter = operation["parameters"].as_array_mut().unwrap().iter_mut().find(|p| p["in"] == "path").unwrap();
        parameter["schema"] = json!({ "type": "string", "enum": [id, "no_such_thing"] });
    }
}

#[test]
fn a_fuzzer_finds_no_error_of_the_server_and_no_answer_that_is_not_as_described() {
    let (panel, _site, described) = world();
    let file = panel.scratch.join("openapi.json");
    write(&file, described.to_string());
    let home = python::environment("schemathesis", "schemathesis", &template::tools());
    let out = Command::new(home.join("bin/schemathesis"))
        .args(["run", "--url", &format!("{}/api/v1", panel.server.url), "--header", &format!("Authorization: Bearer {}", panel.token())])
        .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"])
        .args([
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            EXAMPLES,
            "--seed",
            "7",
            "--workers",
            "1",
            "--request-timeout",
            "120",
            "--no-color",
        ])
        .args(["--generation-database", "none", "--suppress-health-check", "all", "--continue-on-failure"])
        .arg(&file)
        .current_dir(panel.scratch.path())
        .output()
        .expect("the fuzzer starts");
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}\n{}", String::from_utf8_lossy(&out.stderr));
    println!("{}", said.lines().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n"));
}
