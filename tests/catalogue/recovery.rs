//! Recovery keys that were confirmed.

use super::on_both;
use sitekeep::db;
use sitekeep::domain::ids::{SiteId, TenantId};

#[test]
fn the_first_confirmation_of_a_key_is_kept_and_is_of_its_own_tenant_and_site_alone() {
    on_both(async |at| {
        let (acme, bolt) = (at.tenant("acme").await, at.tenant("bolt").await);
        let shop = at.add_site("acme", "shop", "live").await;
        at.add_site("acme", "wiki", "live").await;
        let (site, _) = at.recovery_key(&shop).await;
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        assert!(db::sites::find(&mut tx, &SiteId("sit_none".into())).await.unwrap().is_none());
        let found = db::sites::find(&mut tx, &site).await.unwrap().unwrap();
        assert_eq!((found.tenant.as_str(), found.name.as_str(), found.key_confirmed_at), ("acme", "shop", None));
        assert!(!db::sites::confirm_key(&mut tx, now, &bolt, &site, "eve@example.test").await.unwrap(), "it is another tenant's");
        assert!(db::sites::confirm_key(&mut tx, now, &acme, &site, "ann@example.test").await.unwrap());
        assert!(!db::sites::confirm_key(&mut tx, now.plus(5), &acme, &site, "ben@example.test").await.unwrap(), "it was confirmed before");
        let found = db::sites::find(&mut tx, &site).await.unwrap().unwrap();
        assert_eq!((found.key_confirmed_at, found.key_confirmed_by.as_deref()), (Some(now.0), Some("ann@example.test")));
        let of_all = db::sites::of_tenant(&mut tx, &TenantId(acme.0.clone())).await.unwrap();
        assert_eq!(of_all.iter().filter(|s| s.key_confirmed_at.is_some()).count(), 1);
    });
}
