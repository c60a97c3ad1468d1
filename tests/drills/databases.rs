//! Sites on MariaDB and PostgreSQL: imported on a server that is set aside, where no site lives.

use crate::support::hard;
use crate::support::keep::{Keep, text};
use crate::support::wordpress::Wordpress;

use super::{World, block_on};
use crate::support::mariadb::{Database, Login, Mariadb};
use crate::support::postgres::Postgres;
use sitekeep::app::servers;
use sitekeep::domain::drill::{DrillState, Fault, Proof};
use sitekeep::domain::view::{AddServer, AddSite};
use sitekeep::engine::{Source, Stream};
use std::io::Cursor;

pub fn on(engine: &str, db: &Database, wish: &mut AddSite) {
    wish.database_engine = Some(engine.into());
    wish.database_host = Some("127.0.0.1".into());
    wish.database_port = Some(db.port);
    wish.database_name = Some(db.name.clone());
    wish.database_user = Some(db.user.clone());
    wish.database_password = Some(db.password.clone());
}

pub async fn set_aside(w: &World, engine: &str, port: u16, login: &Login) {
    let server = AddServer {
        name: "drills".into(),
        engine: engine.into(),
        host: None,
        port: Some(port),
        socket: None,
        user: login.user.clone(),
        password: login.password.clone(),
        for_drills: true,
    };
    servers::add(&w.at.app, &w.at.admin, server).await.unwrap();
}

/// A dump as a program without care would have stored it, in one piece: our own refuses what is cut off inside a row.
pub fn dump(bytes: Vec<u8>) -> Source {
    let (size, reader) = (bytes.len() as u64, Box::new(Cursor::new(bytes)));
    Source::Stream(Stream { path: "database/dump".into(), size, reader, finish: Box::new(|| Ok(())) })
}

pub const SHOP: &str = "
    create table posts (id int primary key, title varchar(200), body text);
    create table users (id int primary key, name varchar(50));
    create table empty_one (x int);
    insert into users values (1, 'Zoë'), (2, 'José'), (3, '日本');";

/// Two hundred posts, in letters of many languages.
pub fn posts() -> String {
    (1..=200).map(|n| format!("insert into posts values ({n}, 'naïve café {n}', 'Größe und Maß');\n")).collect()
}

#[test]
fn a_dump_of_mariadb_is_imported_aside_and_what_is_wrong_with_one_is_named() {
    block_on(async {
        let (live, aside) = (Mariadb::shared(), Mariadb::start());
        let db = live.create("drilled");
        live.sql(&db.name, &format!("{SHOP}{}", posts()));
        let w = World::new(|wish| on("mysql", &db, wish)).await;
        let good = w.back_up().await;
        let left = || aside.sql("mysql", "show databases like 'sk\\_drill%'; select user from mysql.user where user like 'sk\\_drill%'");
        // Nothing is set aside: it is said, and is not green.
        let drill = w.drill(&good).await;
        assert_eq!((drill.state, w.overview().await.badge.proof), (DrillState::Partly, Proof::Partly), "{drill:#?}");
        assert!(drill.message.as_ref().unwrap().contains("no mysql server is set aside for drills"), "{drill:#?}");
        set_aside(&w, "mysql", aside.port, &aside.administrator).await;
        let drill = w.drill(&good).await;
        assert_eq!(drill.state, DrillState::Passed, "{drill:#?}");
        let database = drill.evidence.unwrap().database.unwrap();
        let rows: Vec<_> = database.tables.iter().map(|t| (t.name.as_str(), t.expected, t.found)).collect();
        assert_eq!(rows, [("empty_one", Some(0), Some(0)), ("posts", Some(200), Some(200)), ("users", Some(3), Some(3))]);
        assert_eq!((database.server.as_deref(), left().as_str()), (Some("drills"), ""));
        // What may be wrong with a dump.
        let text = w.dump(&good).await;
        let said = String::from_utf8(text.clone()).unwrap();
        let latin: Vec<u8> = said.chars().map(|c| if (c as u32) < 256 { c as u32 as u8 } else { b'?' }).collect();
        let without_users: String = said.split_inclusive(";\n").filter(|s| !s.contains("`users`")).collect();
        let whole = w.element(&good, "database").await;
        for (bytes, fault) in [
            (text[..text.len() / 2].to_vec(), Fault::Truncated),
            (text[..said.find("CREATE TABLE `users`").unwrap()].to_vec(), Fault::Truncated),
            (without_users.clone().into_bytes(), Fault::Tables),
            (latin, Fault::Charset),
            (said.replace("SET NAMES utf8mb4", "SET NAMES latin1").into_bytes(), Fault::Charset),
            (said.replace("INSERT INTO `posts`", "INSERT INTO `nowhere`").into_bytes(), Fault::Refused),
            (Vec::new(), Fault::Empty),
        ] {
            w.replace(&good, "database", dump(bytes)).await;
            let drill = w.drill(&good).await;
            w.assert_failed(&drill, fault);
            assert_eq!(left(), "", "{fault}");
            w.set_element(&whole).await;
        }
        assert!(w.alarm().await.is_some());
        assert_eq!(w.drill(&good).await.state, DrillState::Passed);
        assert_eq!(w.alarm().await, None);
        assert_eq!(live.sql("mysql", "show databases like 'sk\\_drill%'"), "", "the site's own server is left alone");
    });
}

#[test]
fn a_dump_of_postgresql_is_imported_aside_and_what_is_wrong_with_one_is_named() {
    block_on(async {
        let (live, aside) = (Postgres::shared(), Postgres::start());
        let db = live.create("drilled");
        live.sql_as(&db, &format!("{SHOP}{}", posts()));
        let w = World::new(|wish| on("postgres", &db, wish)).await;
        set_aside(&w, "postgres", aside.port, &aside.administrator).await;
        let left = || {
            aside.sql("postgres", "select datname from pg_database where datname like 'sk_drill%' union all select rolname from pg_roles where rolname like 'sk_drill%'")
        };
        let good = w.back_up().await;
        let drill = w.drill(&good).await;
        assert_eq!(drill.state, DrillState::Passed, "{drill:#?}");
        assert_eq!((drill.evidence.unwrap().database.unwrap().tables.len(), left().as_str()), (3, ""));
        let text = w.dump(&good).await;
        let said = String::from_utf8(text.clone()).unwrap();
        let latin: Vec<u8> = said.chars().map(|c| if (c as u32) < 256 { c as u32 as u8 } else { b'?' }).collect();
        for (bytes, fault) in [
            (text[..text.len() / 2].to_vec(), Fault::Truncated),
            (latin, Fault::Charset),
            (said.replace("public.users", "public.others").into_bytes(), Fault::Tables),
            (said.replace("CREATE TABLE public.users", "CREATE TABLE public.others").into_bytes(), Fault::Refused),
            (Vec::new(), Fault::Empty),
        ] {
            let whole = w.replace(&good, "database", dump(bytes)).await;
            w.assert_failed(&w.drill(&good).await, fault);
            assert_eq!(left(), "", "{fault}");
            w.set_element(&whole).await;
        }
        assert_eq!(w.drill(&good).await.state, DrillState::Passed);
    });
}

/// A server that is set aside, under the name `drills`.
fn set_aside_by(keep: &Keep, engine: &str, port: u16, login: &Login) {
    let (file, port) = (keep.secret("aside-password", &login.password), port.to_string());
    let at = ["server:add", "drills", "--engine", engine, "--port", &port, "--user", &login.user];
    keep.must(&[&at[..], &["--password-file", &file, "--for-drills"]].concat());
}

#[test]
fn a_whole_wordpress_with_everything_that_is_hard_is_drilled_and_starts_from_its_copy() {
    let (shop, aside) = (Wordpress::start(), Mariadb::start());
    hard::mysql(shop.server, &shop.database);
    crate::restores_mysql::odd_files(&shop);
    let keep = Keep::start();
    set_aside_by(&keep, "mysql", aside.port, &aside.administrator);
    let boot = "php -d display_errors=1 -r 'require \"wp-load.php\"; echo get_option(\"blogname\"), \" from \", DB_NAME;'";
    keep.add_shop(&shop, &["--hook-boot", boot]);
    let backup = keep.back_up("shop.live", &[]);
    let before = shop.page();
    let drill = keep.data(&["backup:drill", "shop.live"]);
    assert_eq!((text(&drill["state"]).as_str(), text(&drill["backup"])), ("passed", backup), "{drill:#}");
    let evidence = keep.evidence(&text(&drill["id"]));
    let output = text(&evidence["boot"]["output"]);
    assert!(output.starts_with("The Corner Shop from sk_drill_"), "{evidence:#}");
    assert_eq!(before, shop.page());
    assert_eq!(aside.sql("mysql", "show databases like 'sk\\_drill%'"), "");
    assert!(keep.must(&["drill:list", "shop.live"]).contains("passed"));
    assert!(keep.must(&["env:info", "shop.live"]).contains("shop"));
}

#[test]
fn everything_that_is_hard_in_postgresql_is_drilled_whole() {
    block_on(async {
        let (live, aside) = (Postgres::shared(), Postgres::start());
        let db = live.create("hard");
        hard::postgres(live, &db);
        let w = World::new(|wish| on("postgres", &db, wish)).await;
        set_aside(&w, "postgres", aside.port, &aside.administrator).await;
        let drill = w.drill(&w.back_up().await).await;
        assert_eq!(drill.state, DrillState::Passed, "{drill:#?}");
    });
}
