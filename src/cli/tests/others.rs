use super::Person;
use super::far_end::FarEnd;
use super::samples::{environment, job};
use serde_json::json;

#[test]
fn a_site_is_added_with_all_that_was_said_and_no_password_in_sight() {
    let far = FarEnd::start();
    let definition = json!({ "stack": "wordpress", "root": "/srv/shop", "files": [{ "name": "public", "path": "/srv/shop/up" }],
        "database": { "engine": "mysql", "at": { "tcp": { "host": "db", "port": 3306 } }, "database": "shop", "user": "shop", "prefix": "wp_" } });
    let added = json!({ "environment": null, "definition": definition, "found": ["wp-config.php: database shop"], "warnings": ["no url"] });
    far.says("POST /sites", added);
    let person = Person::at(&far);
    let file = person.home.join("password");
    std::fs::write(&file, "canary p4ss\nsecond line\n").unwrap();
    let password = format!("--database-password-file={}", file.display());
    let outcome = person.run_words(&[
        "site:add",
        "acme/shop",
        "--env=live",
        "--path=/srv/shop",
        "--detect",
        "--files=public=/srv/shop/up",
        "--exclude=*.log",
        "--exclude=tmp/",
        "--live=false",
        "--site-url=https://shop.example.org",
        "--hook-reload=systemctl reload 'php fpm'",
        "--dry-run",
        &password,
    ]);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(
        outcome.err.contains("wp-config.php: database shop\nWarning: no url\n") && outcome.err.contains("nothing was changed"),
        "{}",
        outcome.err
    );
    assert!(outcome.out.contains("mysql shop on db:3306 as shop, tables wp_*"), "{}", outcome.out);
    assert!(!format!("{outcome:?}").contains("canary"));
    let body = far.only("POST /sites").body;
    let expected = [
        ("tenant", json!("acme")),
        ("site", json!("shop")),
        ("environment", json!("live")),
        ("detect", json!(true)),
        ("dry_run", json!(true)),
        ("live", json!(false)),
        ("exclude", json!(["*.log", "tmp/"])),
        ("database_password", json!("canary p4ss")),
        ("url", json!("https://shop.example.org")),
        ("hooks", json!({ "reload": ["systemctl", "reload", "php fpm"] })),
    ];
    for (key, value) in expected {
        assert_eq!(body[key], value, "{key}");
    }
}

#[test]
fn what_cannot_be_a_site_is_refused_before_anything_is_asked() {
    let far = FarEnd::start();
    let person = Person::at(&far);
    for line in [
        "site:add shop --env=live --path=/srv",
        "site:add acme/Shop --env=live --path=/srv",
        "site:add acme/shop --env=l.ive --path=/srv",
        "site:add acme/shop --env=live --path=srv",
        "site:add acme/shop --env=live --path=/srv --stack=joomla",
        "site:add acme/shop --env=live --path=/srv --hook-reload='x",
    ] {
        assert_eq!(person.run(line).code, 2, "{line}");
    }
    assert_eq!(far.seen().len(), 0);
}

#[test]
fn the_password_of_a_server_is_read_from_standard_input() {
    let far = FarEnd::start();
    far.says("POST /servers", json!({ "id": "srv_1", "name": "main", "engine": "mysql", "address": "db:3306", "user": "root", "version": "10.11", "created": "2026-11-21T03:00:00Z" }));
    let mut person = Person::at(&far);
    person.typed = "canary\n".into();
    let outcome = person.run("server:add main --engine=mysql --host=db --user=root");
    assert!(outcome.code == 0 && !format!("{outcome:?}").contains("canary"), "{}", outcome.err);
    assert_eq!(far.only("POST /servers").body["password"], "canary");
    person.typed.clear();
    assert_eq!(person.run("server:add main --engine=mysql --host=db --user=root").code, 2);
}

#[test]
fn sites_and_environments_are_listed() {
    let far = FarEnd::start();
    let site = |tenant: &str| json!({ "id": "sit_1", "tenant": tenant, "name": "shop", "environments": [environment("dev", false), environment("live", true)], "created": "2026-11-21T03:00:00Z" });
    far.says("GET /sites", json!([site("acme"), site("other")])).says("GET /environments", json!([environment("live", true)]));
    let person = Person::at(&far);
    assert_eq!(person.run("site:list --fields=tenant,environments --format=tsv").out, "acme\tdev, live\nother\tdev, live\n");
    assert_eq!(person.run("env:list acme/shop --field=name").out, "dev\nlive\n");
    assert_eq!((person.run("env:list shop").code, person.run("env:list none").code), (6, 4));
    assert_eq!(person.run("env:info shop.live --field=id").out, "env_live\n");
    assert_eq!(person.run("env:info shop").code, 2);
}

#[test]
fn tenants_accounts_and_tokens_are_made() {
    let far = FarEnd::start();
    far.says("POST /tenants", json!({ "id": "ten_1", "name": "acme", "state": "active", "created": "2026-11-21T03:00:00Z" }));
    far.says("POST /accounts", json!({ "id": "acc_1" })).says("POST /tokens", json!({ "token": "skt_once" }));
    let person = Person::at(&far);
    assert_eq!(person.run("tenant:create acme --field=id").out, "ten_1\n");
    assert_eq!(person.run("account:create bob@example.org --tenant=acme --role=viewer").code, 0);
    assert_eq!(person.run("account:create bob@example.org --tenant=acme --role=boss").code, 2);
    let token = person.run("token:create bob@example.org --scope=view,create --days=7");
    assert_eq!(token.out, "skt_once\n");
    assert!(token.err.contains("only time") && !token.err.contains("skt_once"));
    let body = far.only("POST /tokens").body;
    assert_eq!(body, json!({ "account": "bob@example.org", "label": "command line", "tenant": null, "scope": "view,create", "days": 7 }));
}

#[test]
fn jobs_are_listed_by_environment_and_state() {
    let far = FarEnd::start();
    far.says("GET /environments", environment("live", true))
        .says("GET /jobs", json!([job("running", "files")]))
        .says("GET /jobs/job_1", job("running", "files"));
    let person = Person::at(&far);
    assert_eq!(person.run("job:list shop.live --state=running --field=id").out, "job_1\n");
    assert_eq!(far.only("GET /jobs").query, "environment=env_live&state=running");
    assert!(person.run("job:info job_1").out.contains("Phase          files\n"), "{}", person.run("job:info job_1").out);
}

#[test]
fn quiet_says_nothing_but_what_is_wrong() {
    let far = FarEnd::start();
    far.says("POST /tenants", json!({ "id": "ten_1", "name": "acme", "state": "active", "created": "" }));
    let person = Person::at(&far);
    assert_eq!(person.run("tenant:create acme -q").err, "");
    assert!(person.run("tenant:create Acme -q").err.starts_with("Error: "));
}
