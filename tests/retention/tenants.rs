//! A tenant's default, tried on the real backups of every environment that follows it.

use super::{HOUR, World, block_on, keep_last};
use sitekeep::app::retention::{Change, set, set_of_tenant, simulate_tenant};
use sitekeep::domain::retention::Rules;
use sitekeep::domain::state::BackupState;

#[test]
fn what_a_tenants_rules_would_do_is_shown_for_each_environment_that_follows_and_done_there_alone() {
    block_on(async {
        let mut w = World::new().await;
        for day in 1..=5 {
            w.row(day, "Generated on request", BackupState::Succeeded).await;
        }
        let own = w.at.add_site("acme", "wiki", "live").await;
        let shop = std::mem::replace(&mut w.id, own.clone());
        for day in 1..=3 {
            w.row(day, "Generated on request", BackupState::Succeeded).await;
        }
        let tried = simulate_tenant(&w.at.app, &w.owner, &w.tenant, Some(&keep_last(1))).await.unwrap();
        let seen: Vec<_> = tried.environments.iter().map(|e| (e.environment.as_str(), e.backups, e.goes_now, e.goes_then)).collect();
        assert_eq!(seen, [("shop.live", 5, 0, 4), ("wiki.live", 3, 0, 2)]);
        assert_eq!((tried.goes_now, tried.goes_then), (0, 6));
        // One has rules of its own, and is not among them, from the moment on at which it says so.
        set(&w.at.app, &w.owner, &own, &Change::To(Rules::default())).await.unwrap();
        let tried = simulate_tenant(&w.at.app, &w.owner, &w.tenant, Some(&keep_last(1))).await.unwrap();
        assert_eq!((tried.environments.len(), tried.environments[0].id.as_str(), tried.goes_then), (1, shop.as_str(), 4));
        let wrong = simulate_tenant(&w.at.app, &w.owner, &w.tenant, Some(&Rules { grace_days: 0, ..Rules::default() })).await;
        assert_eq!(wrong.unwrap_err().class(), sitekeep::base::error::Class::Invalid);
        // What was shown is what is done: after the day of the change, and another one for the brake.
        set_of_tenant(&w.at.app, &w.owner, &w.tenant, &Change::To(keep_last(1))).await.unwrap();
        w.clock.advance(25 * HOUR);
        assert_eq!(w.sweep().await.thrown, 0);
        w.clock.advance(25 * HOUR);
        assert_eq!(w.sweep().await.thrown, 4);
    });
}
