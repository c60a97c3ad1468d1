//! Every value of every table, by checksum: what no count of rows can notice.

use super::databases::{SHOP, dump, on, posts, set_aside};
use super::{World, block_on};
use crate::support::hard;
use crate::support::mariadb::Mariadb;
use crate::support::postgres::Postgres;
use sitekeep::db::backups::BackupElement;
use sitekeep::domain::drill::{Database, DrillState, Fault};
use sitekeep::domain::ids::BackupId;
use sitekeep::domain::view::Drill;
use sitekeep::engine::{Source, Stream};
use std::io::Cursor;
use std::path::Path;

/// More that is awkward than a shop has: emoji, bytes that are no text, numbers at the edge, times.
const MORE_MYSQL: &str = "
    create table awkward (e text, b blob, f float, d double, t timestamp null, z date, g int generated always as (length(b)) stored);
    set sql_mode = '';
    insert into awkward (e, b, f, d, t, z) values ('🎉''\\\\\n', unhex('00ff5c27f09f'), 0.1, -1e-300, '2026-03-29 02:30:00', '0000-00-00'), (null, null, null, null, null, null);
    create view looked as select e from awkward;";
const MORE_POSTGRES: &str = "
    create table awkward (e text, b bytea, f real, d double precision, t timestamptz, n numeric, m money, g int generated always as (length(b)) stored);
    insert into awkward (e, b, f, d, t, n, m) values ('🎉''\\
', '\\x00ff5c27f09f', 0.1, '-Infinity', '2026-03-29 02:30:00+01', 'NaN', 1234.5), (null, null, null, null, null, null, null);
    create view looked as select e from awkward;";

fn database(drill: &Drill) -> Database {
    drill.evidence.clone().and_then(|e| e.database).expect("it was imported")
}

#[track_caller]
fn assert_equal(drill: &Drill, tables: usize) {
    assert_eq!(drill.state, DrillState::Passed, "{drill:#?}");
    let database = database(drill);
    assert!(database.tables.iter().all(|t| t.equal == Some(true)), "{database:#?}");
    assert!(database.tables.len() >= tables, "{database:#?}");
    assert_eq!(database.equality(), Some(format!("{} tables equal to the byte", database.tables.len())));
}

/// Red, by the checksum of this table alone.
#[track_caller]
fn assert_other(w: &World, drill: &Drill, table: &str) {
    w.assert_failed(drill, Fault::Values);
    let found = &drill.evidence.as_ref().unwrap().findings;
    assert!(found.len() == 1 && found[0].message.ends_with(&format!(": {table}")), "{found:#?}");
    if let Some(database) = drill.evidence.as_ref().unwrap().database.as_ref() {
        let other: Vec<&str> = database.tables.iter().filter(|t| t.equal != Some(true)).map(|t| t.name.as_str()).collect();
        assert_eq!(other, [table]);
    }
}

async fn with_manifest(w: &World, backup: &BackupId, change: impl FnOnce(&mut serde_json::Value)) -> BackupElement {
    let was = w.element(backup, "database").await;
    let mut manifest: serde_json::Value = serde_json::from_str(&was.manifest).unwrap();
    change(&mut manifest);
    w.set_element(&BackupElement { manifest: manifest.to_string(), ..was.clone() }).await;
    was
}

/// As a program writes it that takes text for another encoding than it is in, and says it is Unicode: valid, and wrong.
fn misread(dump: &str) -> Vec<u8> {
    let (before, after) = dump.split_once("café 77").expect("there is a post 77");
    [before, "cafÃ© 77", after].concat().into_bytes()
}

#[test]
fn one_value_that_is_another_turns_a_dump_of_mariadb_red_with_the_name_of_its_table() {
    block_on(async {
        let (live, aside) = (Mariadb::shared(), Mariadb::start());
        let db = live.create("summed");
        live.sql(&db.name, &format!("{SHOP}{}{MORE_MYSQL}", posts()));
        hard::mysql(live, &db);
        let w = World::new(|wish| on("mysql", &db, wish)).await;
        let good = w.back_up().await;
        let text = String::from_utf8(w.dump(&good).await).unwrap();
        // Where nothing can be imported, what is wrong with the dump itself is found all the same.
        assert_eq!(w.drill(&good).await.state, DrillState::Partly);
        let whole = w.replace(&good, "database", dump(misread(&text))).await;
        assert_other(&w, &w.drill(&good).await, "posts");
        set_aside(&w, "mysql", aside.port, &aside.administrator).await;
        assert_other(&w, &w.drill(&good).await, "posts");
        // A backup of before there were checksums is judged as it was then: nobody notices.
        let misread = with_manifest(&w, &good, |manifest| drop(manifest.as_object_mut().unwrap().remove("sums"))).await;
        let old = w.drill(&good).await;
        assert_eq!((old.state, database(&old).equality()), (DrillState::Passed, None), "{old:#?}");
        w.set_element(&misread).await;
        // The dump is right, and what comes of it is not.
        let end = "-- Dump completed";
        let later = text.replace(end, &format!("UPDATE `users` SET name = 'Zoe' WHERE id = 1;\n{end}"));
        w.set_element(&whole).await;
        w.replace(&good, "database", dump(later.into_bytes())).await;
        assert_other(&w, &w.drill(&good).await, "users");
        // From another release's server the same might only be written in another way: that is said, and is not green.
        with_manifest(&w, &good, |manifest| manifest["server_version"] = "9.1.0-MariaDB".into()).await;
        let drill = w.drill(&good).await;
        assert_eq!(drill.state, DrillState::Partly, "{drill:#?}");
        assert!(drill.message.as_ref().unwrap().ends_with("cannot be compared: users"), "{drill:#?}");
        w.set_element(&whole).await;
        assert_equal(&w.drill(&good).await, 15);
    });
}

#[test]
fn one_value_that_is_another_turns_a_dump_of_postgresql_red_with_the_name_of_its_table() {
    block_on(async {
        let (live, aside) = (Postgres::shared(), Postgres::start());
        let db = live.create("summed");
        live.sql_as(&db, &format!("{SHOP}{}{MORE_POSTGRES}", posts()));
        hard::postgres(live, &db);
        // Written in another way than on the server that is set aside.
        let name = &db.name;
        live.sql(
            "postgres",
            &format!("alter database {name} set timezone = 'Asia/Kolkata'; alter database {name} set bytea_output = 'escape'"),
        );
        let w = World::new(|wish| on("postgres", &db, wish)).await;
        let good = w.back_up().await;
        let text = String::from_utf8(w.dump(&good).await).unwrap();
        set_aside(&w, "postgres", aside.port, &aside.administrator).await;
        assert_equal(&w.drill(&good).await, 10);
        let whole = w.replace(&good, "database", dump(misread(&text))).await;
        assert_other(&w, &w.drill(&good).await, "posts");
        w.set_element(&whole).await;
        // A table outside of `public`, without a key.
        let odd = text.replace("\n2\t\\\\.\n", "\n2\t\\\\,\n");
        assert_ne!(odd, text);
        w.replace(&good, "database", dump(odd.into_bytes())).await;
        assert_other(&w, &w.drill(&good).await, "hard.Odd; \"name\"");
        w.set_element(&whole).await;
        // Large objects are of no table.
        let object = text.replace("\\x00ff00ff0a", "\\x00ff00ff0b");
        assert_ne!(object, text);
        w.replace(&good, "database", dump(object.into_bytes())).await;
        let drill = w.drill(&good).await;
        w.assert_failed(&drill, Fault::Values);
        assert!(drill.message.unwrap().ends_with(": large objects"));
    });
}

#[test]
fn one_byte_that_is_another_turns_a_file_of_sqlite_red() {
    block_on(async {
        let w = World::new(|wish| {
            let db = rusqlite::Connection::open(Path::new(&wish.path).join("shop.sqlite")).unwrap();
            let words = "create table words (word text, b blob, f real); insert into words values ('first 🎉', x'00ff', 0.1), ('second', null, null);";
            db.execute_batch(&format!("{words} create table none (x); create view v as select word from words;")).unwrap();
            wish.database_engine = Some("sqlite".into());
            wish.database_name = Some("shop.sqlite".into());
        })
        .await;
        let good = w.back_up().await;
        assert_equal(&w.drill(&good).await, 2);
        let mut image = w.dump(&good).await;
        let at = image.windows(6).position(|w| w == b"second").unwrap();
        image[at] = b'z';
        let (size, reader) = (image.len() as u64, Box::new(Cursor::new(image)));
        let source = Source::Stream(Stream { path: "database/database.sqlite".into(), size, reader, finish: Box::new(|| Ok(())) });
        w.replace(&good, "database", source).await;
        let drill = w.drill(&good).await;
        w.assert_failed(&drill, Fault::Values);
        assert!(drill.message.as_ref().unwrap().contains("not, byte for byte"), "{drill:#?}");
        assert_eq!(database(&drill).equality(), None);
    });
}
