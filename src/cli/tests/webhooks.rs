use super::Person;
use super::far_end::FarEnd;
use super::samples::environment;
use serde_json::json;

fn far() -> FarEnd {
    let far = FarEnd::start();
    far.says("GET /tenants", json!([{ "id": "ten_1", "name": "acme", "state": "active", "created": "2026-11-21T03:00:00Z" }]));
    far
}

#[test]
fn a_webhook_is_added_by_a_file_and_its_secret_is_shown_this_once() {
    let far = far();
    far.says("POST /tenants/ten_1/webhooks", json!({ "id": "whk_1", "secret": "whsec_once" }));
    let mut person = Person::at(&far);
    person.typed = "https://example.com/hook?token=canary\n".into();
    let outcome = person.run("webhook:add acme --url-file=- --format=json");
    assert!(outcome.code == 0 && outcome.out.contains("whsec_once"), "{outcome:?}");
    assert!(outcome.err.contains("only time") && !format!("{outcome:?}").contains("canary"), "{outcome:?}");
    let body = far.only("POST /tenants/ten_1/webhooks").body;
    assert_eq!(body, json!({ "url": "https://example.com/hook?token=canary", "environment": null }));
    assert_eq!(person.run("webhook:add nobody --url-file=-").code, 4);
}

#[test]
fn a_heartbeat_names_its_environment_and_that_its_tenant() {
    let far = far();
    far.says("GET /environments", environment("live", true)).says("POST /tenants/ten_1/webhooks", json!({ "id": "whk_2", "secret": null }));
    let mut person = Person::at(&far);
    person.typed = "https://example.com/beat\n".into();
    let outcome = person.run("webhook:add --heartbeat=shop.live --url-file=-");
    assert!(outcome.code == 0 && outcome.err.contains("after each good backup of acme/shop.live"), "{outcome:?}");
    assert_eq!(far.only("POST /tenants/ten_1/webhooks").body["environment"], "env_live");
}

#[test]
fn webhooks_are_listed_called_and_removed() {
    let far = far();
    let hook = |id: &str, environment: Option<&str>| json!({ "id": id, "host": "example.com", "environment": environment, "created": "2026-11-21T03:00:00Z" });
    far.says("GET /tenants/ten_1/webhooks", json!([hook("whk_1", None), hook("whk_2", Some("shop.live"))]));
    far.says("POST /webhooks/whk_1/test", json!({ "said": "the receiver answered 200" })).says("DELETE /webhooks/whk_1", json!({}));
    let person = Person::at(&far);
    let list = person.run("webhook:list acme --fields=id,kind,environment --format=tsv").out;
    assert_eq!(list, "whk_1\twebhook\t\nwhk_2\theartbeat\tshop.live\n");
    assert!(person.run("webhook:test whk_1").err.contains("the receiver answered 200"));
    assert_eq!(person.run("webhook:remove whk_1").code, 0);
    assert_eq!(far.only("DELETE /webhooks/whk_1").body, serde_json::Value::Null);
}
