//! The recovery key of a site: taken away by whoever answers for it, and entered once.

use super::world::{PASSWORD, World};
use sitekeep::domain::ids::EnvironmentId;

/// The page of the key of an environment's site, and the key.
fn key_of(world: &World, environment: &EnvironmentId) -> (String, String) {
    let (site, key) = world.runtime.block_on(world.at.recovery_key(environment));
    (format!("/sites/{site}/recovery-key"), key.expose().to_owned())
}

fn activity(world: &World, action: &str) -> i64 {
    world.db().query_row("select count(*) from activity where action = ?1", [action], |r| r.get(0)).unwrap()
}

#[test]
fn an_owner_downloads_the_key_and_enters_it_once_and_then_the_site_is_protected() {
    let world = World::new();
    let environment = world.things(&world.shop).environment;
    let home = format!("/environments/{environment}");
    let (page, key) = key_of(&world, &world.shop);
    let before = world.get("owner", &home).body;
    assert!(before.contains("data-state=\"unprotected\"") && before.contains(&format!("href=\"{page}\"")), "{before}");
    assert!(world.get("owner", "/").body.contains("Its recovery key was never confirmed"));
    assert!(!world.get("viewer", &home).body.contains(&page), "who may not is shown no way");

    let file = world.post("owner", &page, &[("password", PASSWORD)]);
    assert_eq!((file.status, file.body.as_str()), (200, format!("{key}\n").as_str()));
    assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"acme_shop_recovery-key.txt\""));
    assert_eq!((file.header("cache-control"), file.header("content-type")), (Some("no-store"), Some("text/plain; charset=utf-8")));
    assert_eq!((activity(&world, "recovery.download"), activity(&world, "recovery.confirm")), (1, 0));

    let confirm = format!("{page}/confirm");
    let done = world.post("owner", &confirm, &[("key", &format!(" {key}\r\n"))]);
    assert_eq!((done.status, done.location()), (303, format!("{page}#main").as_str()));
    let told = world.get("owner", &page).body;
    assert!(told.contains("The recovery key of acme/shop is confirmed.") && told.contains("owner@example.test entered it"), "{told}");
    assert!(!told.contains(&key), "no page has the key");
    assert!(world.get("owner", &home).body.contains("data-state=\"protected\""));
    // A second time changes nothing.
    assert_eq!(world.post("administrator", &confirm, &[("key", &key)]).status, 303);
    assert_eq!(activity(&world, "recovery.confirm"), 1);
    assert!(world.get("owner", &page).body.contains("owner@example.test entered it"));
}

#[test]
fn a_wrong_key_is_not_shown_again_confirms_nothing_and_five_of_them_are_enough() {
    let world = World::new();
    let (page, key) = key_of(&world, &world.shop);
    let (_, foreign) = key_of(&world, &world.foreign);
    let confirm = format!("{page}/confirm");
    for typed in ["wr0ng-key-that-was-typed", &foreign, &key[1..], ""] {
        let reply = world.post("owner", &confirm, &[("key", typed)]);
        assert_eq!(reply.status, 400, "{typed}");
        assert!(reply.body.contains("This is not the recovery key of acme/shop"), "{}", reply.body);
        assert!(typed.is_empty() || !reply.body.contains(typed), "what was typed is not on the page");
    }
    assert_eq!(world.post("owner", &confirm, &[("key", "a fifth")]).status, 400);
    assert_eq!(world.post("owner", &confirm, &[("key", &key)]).status, 429, "the right one has to wait now, too");
    assert_eq!(activity(&world, "recovery.confirm"), 0);
    assert_eq!(world.post("administrator", &confirm, &[("key", &key)]).status, 303, "nobody else waits for it");
}

#[test]
fn without_the_password_nobody_gets_the_key_and_five_wrong_ones_are_enough() {
    let world = World::new();
    let (page, key) = key_of(&world, &world.shop);
    for typed in ["", "wrong", PASSWORD.to_uppercase().as_str(), "x", "y"] {
        let reply = world.post("owner", &page, &[("password", typed)]);
        assert_eq!(reply.status, 400, "{typed}");
        assert!(reply.body.contains("Your present password is not right") && !reply.body.contains(&key));
    }
    let reply = world.post("owner", &page, &[("password", PASSWORD)]);
    assert!(reply.status == 429 && !reply.body.contains(&key));
    assert_eq!(activity(&world, "recovery.download"), 0);
    // Roles are asked before passwords.
    for (who, status) in [("viewer", 403), ("developer", 403), ("stranger", 404)] {
        let reply = world.post(who, &page, &[("password", PASSWORD)]);
        assert!(reply.status == status && !reply.body.contains(&key), "{who}: {}", reply.status);
        assert_eq!(world.post(who, &format!("{page}/confirm"), &[("key", &key)]).status, status, "{who}");
    }
    assert_eq!(activity(&world, "recovery.confirm"), 0);
}
