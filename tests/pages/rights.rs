//! Rights that are taken away while something goes on: an open page, a stream, a job that waits. For a running download:
//! `a_running_download_stops_when_its_link_is_revoked_its_maker_removed_or_its_tenant_suspended`.

use super::world::World;
use crate::support::digest;
use crate::support::panel::{Panel, TENANT, ask};
use crate::support::sqlite_site::SqliteSite;
use crate::support::wait_for;
use serde_json::{Value, json};
use sitekeep::domain::state::{BackupState, RestoreState};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Loss {
    Removed,
    Demoted,
    Suspended,
}
use Loss::{Demoted, Removed, Suspended};

impl Loss {
    /// What is done to the catalogue: to the membership of an account, by its e-mail address.
    fn text(self) -> &'static str {
        match self {
            Removed => "delete from members where account_id = (select id from accounts where email = ?1)",
            Demoted => "update members set role = 'viewer' where account_id = (select id from accounts where email = ?1)",
            Suspended => {
                "update tenants set state = 'suspended' where id in
                 (select tenant_id from members m join accounts a on a.id = m.account_id where a.email = ?1)"
            }
        }
    }
}

#[test]
fn rights_that_were_taken_away_are_gone_with_the_next_request_and_what_was_followed_ends() {
    for loss in [Removed, Demoted, Suspended] {
        let world = World::new();
        let things = world.things(&world.shop);
        let (backup, environment) = (format!("/backups/{}", things.backup), format!("/environments/{}", things.environment));
        let page = world.get("developer", &backup).body;
        assert!(page.contains(&format!("{backup}/note")), "the page that is open offers to change the note");
        let mut stream = world.follow("developer", &format!("environment:{}", things.environment));
        assert!(stream.next(Duration::from_secs(3)).is_some());
        assert_eq!(world.db().execute(loss.text(), ["developer@example.test"]).unwrap(), 1);
        let before = world.catalogue();
        let (seen, changed) = if loss == Removed { (404, 404) } else { (200, 403) };
        for path in [backup.clone(), environment.clone(), format!("/jobs/{}", things.job), format!("/restores/{}", things.restore)] {
            assert_eq!(world.get("developer", &path).status, seen, "{loss:?}: {path}");
        }
        let acts = [
            (format!("{backup}/note"), vec![("note", "still me")]),
            (format!("{backup}/pin"), vec![]),
            (format!("{backup}/links?element=code"), vec![]),
            (format!("{environment}/backups"), vec![("element", "code")]),
            (format!("{environment}/restores"), vec![("backup", things.backup.as_str()), ("element", "code")]),
            (format!("/jobs/{}/cancel", things.job), vec![]),
            (format!("/restores/{}/undo", things.restore), vec![]),
            (format!("/links/{}/revoke", things.link), vec![]),
        ];
        for (path, fields) in &acts {
            let reply = world.post("developer", path, fields);
            assert_eq!(reply.status, changed, "{loss:?}: {path} {}", reply.location());
        }
        before.assert_same(&world.catalogue(), "nothing was changed any more");
        let listed = world.get("developer", "/").body.contains("shop");
        assert_eq!(listed, loss != Removed, "{loss:?}");
        if loss == Removed {
            let took = stream.end(Duration::from_secs(10)).expect("the stream ends");
            println!("{loss:?}: the stream ended after {took:?}");
            assert!(took <= Duration::from_secs(5), "{took:?}");
        } else {
            assert!(stream.end(Duration::from_secs(2)).is_none(), "{loss:?}: what may still be seen may still be followed");
        }
    }
}

#[test]
fn the_fleet_offers_a_backup_to_whoever_may_make_one() {
    let world = World::new();
    let form = format!("href=\"/environments/{}/backup\"", world.shop);
    let offered = |who: &str| world.get(who, "/").body.contains(&form);
    for (who, may) in [("viewer", false), ("developer", true), ("owner", true), ("administrator", true)] {
        assert_eq!(offered(who), may, "{who}");
    }
    world.db().execute("update tenants set state = 'suspended' where id = ?1", [world.acme.as_str()]).unwrap();
    for (who, may) in [("owner", false), ("administrator", true)] {
        assert_eq!(offered(who), may, "{who}, while the tenant is suspended");
    }
}

/// A job carries no right of its own: whoever asked for it must still have it when it begins.
#[test]
fn a_backup_and_a_restore_that_wait_are_refused_when_whoever_asked_may_no_longer() {
    let panel = Panel::start_with(&["serve", "--no-worker"], None, "{}");
    let site = SqliteSite::start();
    let id = panel.add_site("notes", "test", &site.root, &["--files", "media=media"]);
    let worker = panel.worker("first");
    panel.must(&["backup:create", "notes.test"]);
    drop(worker);
    let good = panel.backups("notes.test")[0].id.clone();
    let before = digest::files(&site.root);
    for loss in [Demoted, Suspended] {
        let email = format!("{loss:?}@example.test").to_lowercase();
        panel.must(&["account:create", &email, "--tenant", TENANT, "--role", "developer"]);
        let token = panel.must(&["token:create", &email]).trim().to_owned();
        let ask = |path: &str, body: Value| ask(&panel.server.url, &token, "POST", path, Some(&body));
        let (status, said) = ask(&format!("/environments/{id}/restores"), json!({ "backup": good, "element": "files" }));
        assert_eq!(status, 201, "{said}");
        let (status, said) = ask(&format!("/environments/{id}/backups"), json!({}));
        assert_eq!(status, 201, "{said}");
        let catalogue = rusqlite::Connection::open(panel.server.data.join("catalogue.db")).unwrap();
        catalogue.busy_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(catalogue.execute(loss.text(), [&email]).unwrap(), 1);
        let _worker = panel.worker("second");
        let ended = || panel.last_restore("notes.test").state.is_final() && panel.backups("notes.test")[0].state.is_final();
        wait_for("the worker to refuse", Duration::from_secs(90), ended);
        let (restore, refused) = (panel.last_restore("notes.test"), panel.backups("notes.test").remove(0));
        assert_eq!((restore.state, refused.state), (RestoreState::Failed, BackupState::Failed), "{loss:?}");
        for message in [restore.message, refused.message] {
            assert!(message.as_deref().unwrap().contains("may no longer do it"), "{loss:?}: {message:?}");
        }
        assert!(refused.elements.iter().all(|e| e.snapshot.is_none()), "{loss:?}: nothing was read");
        before.assert_same(&digest::files(&site.root), "nothing was touched");
        catalogue.execute("update tenants set state = 'active'", []).unwrap();
    }
}
