//! Where a database can be had as a dump for `pg_restore`, its backup's page offers that, and there alone.

use super::world::World;
use rusqlite::params;
use sitekeep::base::secret::{Place, Secret};
use sitekeep::db;
use sitekeep::domain::ids::ServerId;

/// An account of a server that is set aside for drills. Nothing listens there.
fn set_aside(world: &World, engine: &str) {
    let id = ServerId::fresh();
    let app = &world.at.app;
    let at = serde_json::json!({ "tcp": { "host": "127.0.0.1", "port": 1 } });
    let address = serde_json::json!({ "engine": engine, "at": at, "database": "x", "user": "x", "prefix": "" }).to_string();
    world.runtime.block_on(async {
        let now = app.pool.now().await.unwrap();
        let place = Place { table: "servers", column: "password", tenant: "-", row: &id.0 };
        let row = db::servers::Server {
            id: id.0.clone(),
            name: engine.into(),
            address,
            password_sealed: app.sealer.seal(place, &Secret::new("x")),
            version: "15".into(),
            for_drills: 1,
            created_at: now.0,
        };
        db::servers::insert(&mut app.pool.get().await.unwrap(), now, &row).await.unwrap();
    });
}

#[test]
fn a_page_offers_a_dump_for_pg_restore_where_one_can_be_made_and_takes_the_wish() {
    let world = World::new();
    let backup = world.things(&world.shop).backup.0;
    let path = format!("/backups/{backup}");
    let with_database = "insert into backup_elements (tenant_id, backup_id, element, state, snapshot, size, files, stored, manifest, problems)
        select tenant_id, backup_id, 'database', state, snapshot, size, files, stored, ?2, problems from backup_elements where backup_id = ?1 limit 1";
    assert_eq!(world.db().execute(with_database, params![backup, "{\"engine\":\"postgres\"}"]).unwrap(), 1);
    let offers = |who: &str| world.get(who, &path).body.contains("for pg_restore");
    let wish = [("element", "database"), ("database", "dump"), ("hours", "24"), ("uses", "")];
    set_aside(&world, "mysql");
    assert!(!offers("developer"), "no server of PostgreSQL is set aside");
    world.post("developer", &format!("{path}/downloads"), &wish);
    assert!(world.told("developer").contains("No PostgreSQL server is set aside"), "{}", world.told("developer"));
    set_aside(&world, "postgres");
    assert!(offers("developer") && !offers("viewer"));
    let reply = world.post("developer", &format!("{path}/downloads"), &wish);
    assert_eq!(reply.status, 303, "{}", reply.body);
    let archive = "select form from archives where backup_id = ?1 and element = 'database'";
    assert_eq!(world.db().query_row(archive, [&backup], |r| r.get::<_, String>(0)).unwrap(), "dump");
    world.db().execute("update backup_elements set manifest = '{\"engine\":\"mysql\"}' where backup_id = ?1", [&backup]).unwrap();
    assert!(!offers("developer"), "of another engine");
}

#[test]
fn the_page_of_a_drill_says_which_tables_came_back_to_the_byte() {
    let world = World::new();
    let drill = world.things(&world.shop).drill.0;
    let table = |name: &str, equal: Option<bool>| serde_json::json!({ "name": name, "expected": 1, "found": 1, "equal": equal });
    let set = |tables: &[serde_json::Value]| {
        let evidence = serde_json::json!({ "database": { "engine": "mysql", "server": "drills", "tables": tables } });
        assert_eq!(world.db().execute("update drills set evidence = ?2 where id = ?1", [&drill, &evidence.to_string()]).unwrap(), 1);
        world.get("viewer", &format!("/drills/{drill}")).body
    };
    let page = set(&[table("posts", Some(true)), table("users", Some(true))]);
    assert!(page.contains("2 tables equal to the byte, by checksum"), "{page}");
    let page = set(&[table("posts", Some(true)), table("users", Some(false))]);
    assert!(page.contains("1 table equal to the byte, 1 table with other values"), "{page}");
    assert!(page.find(">users<") < page.find(">posts<"), "what differs comes first");
    assert!(!set(&[table("posts", None)]).contains("to the byte"), "of a backup without checksums");
}
