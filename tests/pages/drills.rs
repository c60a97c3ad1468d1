//! What pages say of drills, and the evidence that can be kept.

use super::world::World;
use serde_json::Value;

#[test]
fn the_badge_leads_to_the_evidence_and_the_evidence_can_be_kept() {
    let world = World::new();
    let things = world.things(&world.shop);
    let (environment, backup) = (format!("/environments/{}", things.environment), format!("/backups/{}", things.backup));
    for path in [&environment, &backup] {
        let page = world.get("viewer", path).body;
        assert!(page.contains("data-state=\"proven\"") && page.contains(&format!("href=\"/drills/{}\"", things.drill)), "{path}: {page}");
        assert!(!page.contains("Run a drill"), "{path}: a viewer runs none");
        assert!(world.get("developer", path).body.contains("Run a drill"), "{path}");
    }
    assert!(world.get("viewer", &environment).body.contains("1 min"), "as the drill measured it");
    let choose = world.get("developer", &format!("{environment}/restore")).body;
    assert!(choose.contains("A restore would take about 1 min."), "{choose}");
    let kept = world.get("viewer", &format!("/drills/{}/evidence", things.drill));
    assert_eq!((kept.status, kept.header("content-type")), (200, Some("application/json")));
    assert!(kept.header("content-disposition").is_some_and(|how| how.starts_with("attachment; filename=")));
    let drill: Value = serde_json::from_str(&kept.body).unwrap();
    assert_eq!((drill["state"].as_str(), drill["backup"].as_str()), (Some("passed"), Some(things.backup.as_str())));
    // A backup that no drill has seen says so.
    assert!(world.get("viewer", &format!("/backups/{}", things.bare)).body.contains("no drill has been run"));
}
