//! Members, invitations, and the last who must stay.

use super::on_both;
use super::signing_in::{PASSWORD, hold, person};
use crate::support::app::actor;
use sitekeep::app::access::Actor;
use sitekeep::app::accounts::CreateAccount;
use sitekeep::app::one_time_links::{self, Kind};
use sitekeep::app::{accounts, members, sessions};
use sitekeep::base::error::Class;
use sitekeep::base::secret::Secret;
use sitekeep::db;
use sitekeep::domain::ids::OneTimeLinkId;
use sitekeep::domain::rights::{Right, Role, Scope};

const HERE: &str = "198.51.100.7";

#[test]
fn owners_manage_the_members_of_their_own_tenant_and_nobody_else_does() {
    on_both(async |at| {
        let app = &at.app;
        let (acme, bolt) = (at.tenant("acme").await, at.tenant("bolt").await);
        let ann = at.member("ann@example.test", &[(&acme, Role::Owner)]).await;
        let dev = at.member("dev@example.test", &[(&acme, Role::Developer)]).await;
        let eve = at.member("eve@example.test", &[(&bolt, Role::Owner)]).await;
        let listed = members::list(app, &ann, &acme).await.unwrap();
        assert_eq!(
            listed.iter().map(|m| (m.email.as_str(), m.role.as_str())).collect::<Vec<_>>(),
            [("ann@example.test", "owner"), ("dev@example.test", "developer")]
        );
        assert_eq!(members::list(app, &dev, &acme).await.unwrap().len(), 2, "members see each other, and no more");
        assert_eq!(members::list(app, &eve, &acme).await.unwrap_err().class(), Class::NotFound);
        assert_eq!(members::set_role(app, &dev, &acme, &dev.account, Role::Owner).await.unwrap_err().class(), Class::Forbidden);
        assert_eq!(members::remove(app, &eve, &acme, &dev.account).await.unwrap_err().class(), Class::NotFound);
        assert_eq!(members::set_role(app, &ann, &acme, &eve.account, Role::Viewer).await.unwrap_err().class(), Class::NotFound);
        let narrow = Actor { scope: Scope::of(&[Right::Manage]), ..ann.clone() };
        assert_eq!(members::set_role(app, &narrow, &acme, &dev.account, Role::Owner).await.unwrap_err().class(), Class::Forbidden);
        members::set_role(app, &ann, &acme, &dev.account, Role::Viewer).await.unwrap();
        members::remove(app, &dev, &acme, &dev.account).await.unwrap();
        assert_eq!(members::list(app, &at.admin, &acme).await.unwrap().len(), 1, "an administrator may look, and dev has left");
        let mut conn = app.pool.get().await.unwrap();
        let lines = db::activity::newest(&mut conn, &acme, 9).await.unwrap();
        let mut acts: Vec<_> = lines.iter().map(|l| l.action.as_str()).filter(|a| a.starts_with("member.")).collect();
        acts.sort_unstable();
        assert_eq!(acts, ["member.remove", "member.role"]);
    });
}

#[test]
fn the_last_owner_stays_whoever_takes_him_away_and_how() {
    on_both(async |at| {
        let (app, acme) = (&at.app, at.tenant("acme").await);
        let ann = at.member("ann@example.test", &[(&acme, Role::Owner)]).await;
        let ben = at.member("ben@example.test", &[(&acme, Role::Owner)]).await;
        accounts::set_state(app, &at.admin, &ben.account, false).await.unwrap();
        let mut tx = app.pool.begin().await.unwrap();
        assert!(db::tenants::lock(&mut tx, &acme).await.unwrap());
        assert_eq!(db::tenants::count_owners(&mut tx, &acme).await.unwrap(), 1, "who is disabled does not count");
        assert_eq!(db::tenants::members_of(&mut tx, &acme).await.unwrap().len(), 2);
        drop(tx);
        for actor in [&ann, &at.admin] {
            assert_eq!(members::remove(app, actor, &acme, &ann.account).await.unwrap_err().class(), Class::Conflict);
            let e = members::set_role(app, actor, &acme, &ann.account, Role::Developer).await.unwrap_err();
            assert!(e.class() == Class::Conflict && e.hint_text().is_some(), "{e}");
        }
        let new = CreateAccount {
            email: "ann@example.test".into(),
            administrator: false,
            tenant: Some("acme".into()),
            role: Some("viewer".into()),
        };
        assert_eq!(accounts::create(app, &at.admin, &new).await.unwrap_err().class(), Class::Conflict, "by the API neither");
        members::set_role(app, &ann, &acme, &ann.account, Role::Owner).await.unwrap();
        members::remove(app, &ann, &acme, &ben.account).await.unwrap();
    });
}

#[test]
fn of_twenty_owners_who_are_all_removed_at_once_one_stays() {
    on_both(async |at| {
        let (app, acme) = (&at.app, at.tenant("acme").await);
        let mut owners = Vec::new();
        for n in 0..20 {
            owners.push(at.member(&format!("o{n}@example.test"), &[(&acme, Role::Owner)]).await);
        }
        let tries = owners.into_iter().enumerate().map(|(n, who)| {
            let (app, acme, admin) = (app.clone(), acme.clone(), at.admin.clone());
            tokio::spawn(async move {
                match n % 3 {
                    0 => members::remove(&app, &who, &acme, &who.account).await,
                    1 => members::remove(&app, &admin, &acme, &who.account).await,
                    _ => members::set_role(&app, &who, &acme, &who.account, Role::Viewer).await,
                }
            })
        });
        let ends = futures_util::future::join_all(tries).await;
        let refused: Vec<_> = ends.into_iter().filter_map(|e| e.unwrap().err()).collect();
        assert!(refused.len() == 1 && refused[0].class() == Class::Conflict, "{refused:?}");
        assert_eq!(db::tenants::count_owners(&mut app.pool.get().await.unwrap(), &acme).await.unwrap(), 1);
    });
}

#[test]
fn the_last_administrator_stays_also_when_twenty_are_taken_away_at_once() {
    on_both(async |at| {
        let app = &at.app;
        assert_eq!(accounts::set_state(app, &at.admin, &at.admin.account, false).await.unwrap_err().class(), Class::Conflict);
        let alone = accounts::set_administrator(app, &at.admin, &at.admin.account, false).await.unwrap_err();
        assert_eq!(alone.class(), Class::Conflict);
        let ann = person(app, "ann@example.test").await;
        let session = hold(app, &ann.account).await;
        accounts::set_administrator(app, &at.admin, &ann.account, true).await.unwrap();
        assert!(sessions::load(app, &session).await.unwrap().is_none(), "with more rights she signs in anew");
        let mut all = vec![at.admin.clone(), Actor { administrator: true, ..ann }];
        for n in 2..20 {
            all.push(actor(app, &format!("a{n}@example.test"), true).await);
        }
        let tries = (0..20).map(|n| {
            let (app, who, whom) = (app.clone(), all[n].clone(), all[(n + 1) % 20].clone());
            tokio::spawn(async move {
                match n % 2 {
                    0 => accounts::set_state(&app, &who, &whom.account, false).await,
                    _ => accounts::set_administrator(&app, &who, &whom.account, false).await,
                }
            })
        });
        for end in futures_util::future::join_all(tries).await {
            // Whoever was taken away first is an administrator no more, and is told what strangers are.
            let end = end.unwrap();
            assert!(end.as_ref().is_ok() || matches!(end.as_ref().unwrap_err().class(), Class::Conflict | Class::NotFound), "{end:?}");
        }
        assert!(db::accounts::count_administrators(&mut app.pool.get().await.unwrap()).await.unwrap() >= 1);
        let page = accounts::list(app, &at.admin, "a1", None, 50).await.unwrap();
        assert_eq!(page.len(), 10, "a10 to a19");
        assert_eq!(accounts::list(app, &at.member("x@example.test", &[]).await, "", None, 5).await.unwrap_err().class(), Class::NotFound);
    });
}

#[test]
fn an_invitation_makes_an_account_or_joins_the_one_that_is_signed_in() {
    on_both(async |at| {
        let (app, admin) = (&at.app, &at.admin);
        let (acme, bolt) = (at.tenant("acme").await, at.tenant("bolt").await);
        let ann = at.member("ann@example.test", &[(&acme, Role::Owner)]).await;
        let dev = at.member("dev@example.test", &[(&acme, Role::Developer)]).await;
        let ben = person(app, "ben@example.test").await;
        assert_eq!(one_time_links::invite(app, &dev, &acme, "x@example.test", Role::Viewer).await.unwrap_err().class(), Class::Forbidden);
        assert_eq!(one_time_links::invite(app, &ann, &bolt, "x@example.test", Role::Viewer).await.unwrap_err().class(), Class::NotFound);
        assert_eq!(one_time_links::invite(app, &ann, &acme, "DEV@example.test", Role::Viewer).await.unwrap_err().class(), Class::Conflict);
        assert!(one_time_links::invite(app, &ann, &acme, "not one", Role::Viewer).await.is_err());
        let narrow = Actor { scope: Scope::of(&[Right::Manage]), ..ann.clone() };
        let lacks = one_time_links::invite(app, &narrow, &acme, "x@example.test", Role::Developer).await.unwrap_err();
        assert_eq!(lacks.class(), Class::Forbidden, "nobody gives what he lacks");
        let sent = one_time_links::invite(app, &ann, &acme, "new@example.test", Role::Viewer).await.unwrap();
        assert!(sent.link.is_none(), "an owner cannot accept in somebody else's name");
        // The same again, by an administrator, replaces it.
        let link = one_time_links::invite(app, admin, &acme, "New@example.test", Role::Developer).await.unwrap().link.unwrap();
        let waiting = one_time_links::invitations(app, &ann, &acme).await.unwrap();
        assert_eq!((waiting.len(), waiting[0].role.as_str()), (1, "developer"));
        let shown = one_time_links::open(app, Kind::Invitation, &link).await.unwrap();
        assert_eq!((shown.tenant.as_deref(), shown.role, shown.has_account), (Some("acme"), Some(Role::Developer), false));
        assert_eq!(shown.inviter.as_deref(), Some("admin@example.test"));
        let wrong = one_time_links::join(app, &ben, &link).await.unwrap_err();
        assert!(wrong.class() == Class::Forbidden && wrong.hint_text().unwrap().contains("New@example.test"), "{wrong}");
        let id = one_time_links::use_invitation(app, &link, "New", &Secret::new(PASSWORD), HERE).await.unwrap();
        let new = sessions::actor(app, &id, HERE).await.unwrap();
        assert_eq!((new.email.as_str(), new.administrator), ("New@example.test", false));
        assert!(one_time_links::use_invitation(app, &link, "New", &Secret::new(PASSWORD), HERE).await.is_err(), "once");
        // Whoever has an account signs in and joins; the link does not touch his password.
        let link = one_time_links::invite(app, admin, &acme, "ben@example.test", Role::Viewer).await.unwrap().link.unwrap();
        assert!(one_time_links::open(app, Kind::Invitation, &link).await.unwrap().has_account);
        let stolen = one_time_links::use_invitation(app, &link, "Ben", &Secret::new("eleven other words"), HERE).await.unwrap_err();
        assert!(stolen.class() == Class::Conflict && stolen.hint_text().unwrap().contains("sign in"), "{stolen}");
        assert_eq!(one_time_links::join(app, &ben, &link).await.unwrap(), acme);
        let roles: Vec<_> = members::list(app, &ann, &acme).await.unwrap().into_iter().map(|m| (m.email, m.role)).collect();
        assert!(roles.contains(&("ben@example.test".into(), "viewer".into())), "{roles:?}");
        assert!(roles.contains(&("New@example.test".into(), "developer".into())), "{roles:?}");
    });
}

#[test]
fn an_invitation_is_worth_what_its_sender_may_do_and_can_be_taken_back() {
    on_both(async |at| {
        let (app, acme) = (&at.app, at.tenant("acme").await);
        at.member("ann@example.test", &[(&acme, Role::Owner)]).await;
        let chief = actor(app, "chief@example.test", true).await;
        let link = one_time_links::invite(app, &chief, &acme, "new@example.test", Role::Owner).await.unwrap().link.unwrap();
        accounts::set_administrator(app, &at.admin, &chief.account, false).await.unwrap();
        let stale = one_time_links::use_invitation(app, &link, "", &Secret::new(PASSWORD), HERE).await.unwrap_err();
        assert!(stale.class() == Class::Forbidden && stale.hint_text().is_some(), "{stale}");
        let mut conn = app.pool.get().await.unwrap();
        assert!(db::accounts::find_by_email(&mut conn, "new@example.test").await.unwrap().is_none(), "nothing was made");
        drop(conn);
        let sent = one_time_links::invite(app, &at.admin, &acme, "new@example.test", Role::Viewer).await.unwrap();
        let bolt = at.tenant("bolt").await;
        let eve = at.member("eve@example.test", &[(&bolt, Role::Owner)]).await;
        assert_eq!(one_time_links::revoke_invitation(app, &eve, &bolt, &sent.id).await.unwrap_err().class(), Class::NotFound);
        one_time_links::revoke_invitation(app, &at.admin, &acme, &sent.id).await.unwrap();
        let gone = one_time_links::open(app, Kind::Invitation, &sent.link.unwrap()).await.unwrap_err();
        assert!(gone.hint_text().unwrap().contains("another invitation"), "{gone}");
        let none = OneTimeLinkId::fresh();
        assert_eq!(one_time_links::revoke_invitation(app, &at.admin, &acme, &none).await.unwrap_err().class(), Class::NotFound);
    });
}
