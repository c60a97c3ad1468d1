//! What is shown before it is saved, and pictures that say in words what they show.

use super::world::World;

#[test]
fn a_tenants_rules_are_tried_on_every_environment_that_follows_and_nothing_is_saved() {
    let world = World::new();
    let things = world.things(&world.shop);
    let before = world.catalogue();
    let path = format!("/tenants/{}/retention", world.acme);
    let page = world.get("owner", &path);
    assert!(page.status == 200 && page.body.contains("What becomes of the backups") && page.body.contains("formmethod=\"get\""));
    let asked = format!("{path}?preview=1&scheduled=keep_last&scheduled.keep_last.count=1&on_demand=keep_last&on_demand.keep_last.count=1");
    for who in ["owner", "viewer", "administrator"] {
        let page = world.get(who, &asked);
        assert_eq!(page.status, 200, "{}", page.body);
        for said in
            ["What these rules would do", "would go; by the rules in force", &format!("/environments/{}/retention", things.environment)]
        {
            assert!(page.body.contains(said), "{who}: {said} is not in {}", page.body);
        }
        assert!(!page.body.contains("canary"), "nothing of another tenant");
    }
    let wrong = world.get("owner", &format!("{path}?preview=1&grace_days=0"));
    assert!(wrong.status == 400 && wrong.body.contains("What becomes of the backups"), "{}", wrong.body);
    before.assert_same(&world.catalogue(), "nothing was saved");
    assert_eq!(world.get("stranger", &asked).status, 404);
}

#[test]
fn the_growth_of_an_environment_is_a_picture_with_the_same_in_words() {
    let world = World::new();
    let path = format!("/environments/{}", world.shop);
    assert!(!world.get("viewer", &path).body.contains("class=\"growth\""), "one day is no growth");
    let today = sitekeep::base::clock::Clock::system().now().0 / 86_400_000;
    let text = "insert into repository_sizes (tenant_id, repository_id, day, bytes)
                select r.tenant_id, r.id, ?2, ?3 from repositories r where r.tenant_id = ?1";
    for (day, bytes) in [(today - 9, 2_000_000), (today - 1, 5_000_000)] {
        assert!(world.db().execute(text, rusqlite::params![world.acme.as_str(), day, bytes]).unwrap() > 0);
    }
    let page = world.get("viewer", &path).body;
    let words = "Size over 8 days: from 2.0 MB to 5.0 MB, at most 5.0 MB";
    assert!(page.contains(&format!("aria-label=\"{words}\"")) && page.matches(words).count() == 2, "{page}");
}
