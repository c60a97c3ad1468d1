//! The statements of drills, on both databases.

use super::on_both;
use crate::support::app::{PASSED, backup_row, drill_row};
use sitekeep::base::clock::Millis;
use sitekeep::db;
use sitekeep::db::drills::End;
use sitekeep::domain::drill::{DrillState, Fault};
use sitekeep::domain::element::Element;
use sitekeep::domain::ids::{BackupId, DrillId, ServerId};
use sitekeep::domain::state::BackupState;

#[test]
fn a_drill_begins_ends_once_and_is_found_by_its_environment_and_its_backup() {
    on_both(async |at| {
        let tenant = at.tenant("acme").await;
        let id = at.add_site("acme", "shop", "live").await;
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let env = db::environments::find(&mut tx, &id).await.unwrap().unwrap();
        let backup = backup_row(&env, now);
        db::backups::insert(&mut tx, &backup, &[Element::Code]).await.unwrap();
        let backup = BackupId(backup.id);
        let due = async |tx: &mut sitekeep::base::sql::Tx, since: Millis| db::drills::due(tx, since, 9).await.unwrap();
        assert!(due(&mut tx, now).await.is_empty(), "there is no good backup yet");
        db::backups::ended(&mut tx, now, &tenant, &backup, BackupState::Succeeded, None).await.unwrap();
        assert_eq!(due(&mut tx, now).await, std::slice::from_ref(&id.0));
        let row = drill_row(&env, &backup.0, now);
        db::drills::insert(&mut tx, &row).await.unwrap();
        let first = DrillId(row.id);
        assert_eq!(db::drills::unended(&mut tx).await.unwrap(), 1);
        assert!(due(&mut tx, now.plus(-1)).await.is_empty() && !due(&mut tx, now).await.is_empty());
        assert!(db::drills::started(&mut tx, now, &tenant, &first).await.unwrap());
        db::drills::set_scratch(&mut tx, &tenant, &first, Some("{\"x\":1}")).await.unwrap();
        let left = db::drills::littered(&mut tx, 9).await.unwrap();
        assert_eq!(left, [(tenant.0.clone(), first.0.clone(), "{\"x\":1}".to_owned())]);
        db::drills::set_scratch(&mut tx, &tenant, &first, None).await.unwrap();
        assert!(db::drills::littered(&mut tx, 9).await.unwrap().is_empty());
        let failed = End {
            state: DrillState::Failed,
            fault: Some(Fault::Tables),
            message: Some("tables are missing"),
            hint: Some("look"),
            evidence: "{\"findings\":[]}",
            restore_took: None,
        };
        assert!(db::drills::ended(&mut tx, now.plus(5), &tenant, &first, &failed).await.unwrap());
        assert!(!db::drills::ended(&mut tx, now.plus(6), &tenant, &first, &PASSED).await.unwrap(), "a final state stays");
        assert!(!db::drills::started(&mut tx, now, &tenant, &first).await.unwrap());
        let found = db::drills::find(&mut tx, &first).await.unwrap().unwrap();
        assert_eq!((found.state.as_str(), found.fault.as_deref(), found.finished_at), ("failed", Some("tables"), Some(now.0 + 5)));
        assert_eq!((found.tenant.as_str(), found.site.as_str(), found.environment.as_str()), ("acme", "shop", "live"));
        assert_eq!(db::drills::evidence(&mut tx, &tenant, &first).await.unwrap().as_deref(), Some("{\"findings\":[]}"));
        let second = drill_row(&env, &backup.0, now.plus(9));
        db::drills::insert(&mut tx, &second).await.unwrap();
        let ids = |rows: Vec<db::drills::Drill>| rows.into_iter().map(|r| r.id).collect::<Vec<_>>();
        let both = [second.id.clone(), first.0.clone()];
        assert_eq!(ids(db::drills::log(&mut tx, &tenant, &id, 9).await.unwrap()), both);
        assert_eq!(ids(db::drills::of_backup(&mut tx, &tenant, &backup, 9).await.unwrap()), both);
        assert_eq!(ids(db::drills::of_backup(&mut tx, &tenant, &backup, 1).await.unwrap()), both[..1]);
    });
}

#[test]
fn a_server_is_set_aside_for_drills_and_taken_back() {
    on_both(async |at| {
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        let server = db::servers::Server {
            id: ServerId::fresh().0,
            name: "main".into(),
            address: "{}".into(),
            password_sealed: vec![1],
            version: "1".into(),
            for_drills: 1,
            created_at: now.0,
        };
        db::servers::insert(&mut tx, now, &server).await.unwrap();
        assert_eq!(db::servers::list(&mut tx).await.unwrap()[0].for_drills, 1);
        assert!(db::servers::set_for_drills(&mut tx, &server.id, false).await.unwrap());
        assert_eq!(db::servers::find(&mut tx, &server.id).await.unwrap().unwrap().for_drills, 0);
        assert!(!db::servers::set_for_drills(&mut tx, "srv_nothing", true).await.unwrap());
    });
}
