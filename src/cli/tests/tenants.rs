use super::Person;
use super::far_end::FarEnd;
use serde_json::{Value, json};

fn far() -> FarEnd {
    let far = FarEnd::start();
    far.says("GET /tenants", json!([{ "id": "ten_1", "name": "acme", "state": "active", "created": "2026-11-21T03:00:00Z" }]));
    far.says("GET /tenants/ten_1/plan", plan(None));
    far
}

fn plan(jobs: Option<u64>) -> Value {
    json!({ "plan": "paid", "bytes": 5_000_000_000_u64, "backups": null, "jobs_at_once": jobs, "schedules": true })
}

#[test]
fn the_rules_of_a_tenant_are_changed_and_tried_on_every_environment_that_follows() {
    let far = far();
    let rules = json!({ "follows": true, "rules": crate::domain::retention::Rules::default(), "before": null, "effective": null });
    let row =
        |name: &str, goes: u64| json!({ "id": format!("env_{name}"), "environment": name, "backups": 9, "goes_now": 0, "goes_then": goes });
    far.says("GET /tenants/ten_1/retention", rules.clone()).says("PUT /tenants/ten_1/retention", rules);
    let answer = json!({ "goes_now": 0, "goes_then": 11, "environments": [row("shop.live", 8), row("wiki.live", 3)] });
    far.says("POST /tenants/ten_1/retention/simulation", answer);
    let person = Person::at(&far);
    let tried = person.run("retention:simulate --tenant=acme --on-demand=keep_last:1 --fields=environment,goes_then --format=tsv");
    assert_eq!((tried.code, tried.out.as_str()), (0, "shop.live\t8\nwiki.live\t3\n"), "{}", tried.err);
    assert!(tried.err.contains("11 of 18 in 2 environments would go"), "{}", tried.err);
    assert_eq!(person.run("retention:set --tenant=acme --on-demand=keep_last:1").code, 0);
    assert_eq!(far.only("PUT /tenants/ten_1/retention").body["rules"]["on_demand"], json!({ "policy": "keep_last", "count": 1 }));
    assert_eq!(person.run("retention:info --tenant=nobody").code, 4);
}

#[test]
fn a_plan_is_shown_and_what_is_given_of_it_is_changed() {
    let far = far();
    far.says("PUT /tenants/ten_1/plan", plan(Some(8)));
    let person = Person::at(&far);
    let shown = person.run("tenant:plan acme --fields=plan,space,backups,jobs --format=tsv");
    assert_eq!((shown.code, shown.out.as_str()), (0, "paid\t5.0 GB\tno limit\tas everybody\n"), "{}", shown.err);
    let changed = person.run("tenant:plan acme --jobs=8 --space=none --schedules=off --field=jobs");
    assert_eq!((changed.code, changed.out.as_str()), (0, "8\n"), "{}", changed.err);
    let sent = far.only("PUT /tenants/ten_1/plan").body;
    assert_eq!(sent, json!({ "plan": "paid", "bytes": null, "backups": null, "jobs_at_once": 8, "schedules": false }));
    for wrong in ["--jobs=many", "--space=-1", "--backups=1.5"] {
        assert_eq!(person.run(&format!("tenant:plan acme {wrong}")).code, 2, "{wrong}");
    }
}
