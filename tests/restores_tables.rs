//! Single tables brought back: alone, wholly, and back again, while everything else in the database stays and goes on; by the
//! command, the API and the page.

use crate::support::digest::{self, Digest};
use crate::support::keep::{Keep, text};
use crate::support::mariadb::Mariadb;
use crate::support::panel::{Panel, TENANT, ask};
use crate::support::sqlite_site::SqliteSite;
use crate::support::wagtail::{WORKS, Wagtail};
use crate::support::wordpress::Wordpress;
use crate::support::{give_tree, write};
use serde_json::json;
use sitekeep::domain::view;

/// What differs between two states, by name.
fn differ(a: &Digest, b: &Digest) -> Vec<String> {
    let names: std::collections::BTreeSet<&str> = a.names().chain(b.names()).filter(|name| a.get(name) != b.get(name)).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Without what lies aside until it is dropped.
fn of_the_site(rows: Digest) -> Digest {
    rows.only(|part| !part.split_once(' ').is_some_and(|(_, name)| name.starts_with("sk")))
}

fn shop_rows(shop: &Wordpress) -> Digest {
    of_the_site(shop.server.digest(&shop.database_in_use()))
}

const TRIGGERS: &str =
    "create definer='@USER@'@'127.0.0.1' trigger counted after insert on wp_posts for each row update visits set n = n + 1;
    create definer='@USER@'@'127.0.0.1' view titles as select post_title from wp_posts;";

/// The shop with a counter, a trigger and a view, backed up; then posts are lost, a table is dropped, a trigger is another.
fn damaged_shop(keep: &Keep, more: &[&str]) -> (Wordpress, Digest, Digest, String) {
    let shop = Wordpress::start();
    shop.sql("create table visits (n int not null primary key); insert into visits values (7)");
    shop.sql(&TRIGGERS.replace("@USER@", &shop.database.user));
    shop.page();
    keep.add_shop(&shop, &[&["--expect", "The Corner Shop"], more].concat());
    let backup = keep.back_up("shop.live", &[]);
    let healthy = shop_rows(&shop);
    shop.sql(
        "delete from wp_posts where id % 2 = 0; alter table wp_postmeta add column more int; drop table wp_links; drop trigger counted;
         update wp_users set display_name = 'Somebody else'; update visits set n = 100",
    );
    let damaged = shop_rows(&shop);
    (shop, healthy, damaged, backup)
}

const CHOSEN: [&str; 3] = ["--table=wp_posts", "--table=wp_postmeta", "--table=wp_links"];
const COME_BACK: [&str; 4] = ["table wp_links", "table wp_postmeta", "table wp_posts", "trigger counted"];

#[test]
fn tables_of_a_shop_come_back_alone_with_their_triggers_and_what_is_written_to_others_meanwhile_stays() {
    let keep = Keep::start();
    keep.add_server(Mariadb::shared());
    let (shop, healthy, damaged, backup) = damaged_shop(&keep, &["--server=maria"]);
    let tree = || digest::files(&shop.root).without(&["wp-content/cache", "."]);
    let files = tree();
    let of = format!("--backup={backup}");
    let only = [&[of.as_str()][..], &CHOSEN].concat();
    // A dry run says what is lost, and does nothing.
    let said = keep.must(&[&["backup:restore", "shop.live", "--dry-run"], &only[..]].concat());
    assert!(
        said.contains("Only: table wp_links") && said.contains("comes back with") && said.contains("everything else in it stays"),
        "{said}"
    );
    damaged.assert_same(&shop_rows(&shop), "after a dry run");
    // Between the safety backup and the switch somebody registers.
    let restore = keep.restore_held_at("restore.complete_safety.done", "shop.live", &only, || {
        assert_eq!(shop.page().status, 503, "visitors are kept out meanwhile");
        shop.sql("update wp_users set display_name = 'Registered meanwhile'");
    });
    assert_eq!(restore["tables"], json!(["wp_links", "wp_postmeta", "wp_posts"]));
    let now = shop_rows(&shop);
    assert_eq!(differ(&damaged, &now), [&COME_BACK[..3], &["table wp_users"], &COME_BACK[3..]].concat());
    for name in COME_BACK {
        assert_eq!(now.get(name), healthy.get(name), "{name}");
    }
    assert_eq!(shop.sql("select distinct display_name from wp_users").trim(), "Registered meanwhile");
    assert_eq!(shop.database_in_use(), shop.database.name, "tables stay in their database");
    files.assert_same(&tree(), "files and settings");
    // The trigger works, and the view finds the table.
    shop.write_post("Written since");
    assert_eq!(shop.sql("select n from visits").trim(), "101");
    assert!(shop.sql("select * from titles").contains("Written since"));
    // The undo is exact, but for what was written to other tables.
    let undo = keep.undo(&restore);
    let undone = shop_rows(&shop);
    assert_eq!(differ(&damaged, &undone), ["table visits", "table wp_users"]);
    let again = keep.undo(&undo);
    assert!(shop.sql("select post_title from wp_posts").contains("Written since"), "an undo of the undo brings back what was undone");
    keep.undo(&again);
    undone.assert_same(&shop_rows(&shop), "undone once more");
    let late = keep.data(&["backup:list", "shop.live"]);
    assert!(late.as_array().is_some_and(|all| all.len() > 4), "a safety backup each time");
}

#[test]
fn what_cannot_be_restored_alone_is_refused_with_what_would_help() {
    let keep = Keep::start();
    let shop = Wordpress::start();
    shop.sql(
        "create table people (id int primary key); create table orders (id int primary key, person int, foreign key (person) references people (id));
         create table items (id int primary key, of_order int, constraint of_it foreign key (of_order) references orders (id));
         insert into people values (1); insert into orders values (1, 1); insert into items values (1, 1);
         create table loose (id int primary key, person int)",
    );
    shop.page();
    keep.add_shop(&shop, &["--expect", "The Corner Shop"]);
    let backup = format!("--backup={}", keep.back_up("shop.live", &[]));
    let before = shop_rows(&shop);
    let refused = |tables: &[&str]| keep.refused(&[&["backup:restore", "shop.live", "--yes", &backup], tables].concat());
    refused(&["--table=wp_option"]).assert(2, &["the table wp_option is not in this backup", "wp_options"]);
    refused(&["--table=posts"]).assert(2, &["not in this backup", "wp_posts"]);
    refused(&["--table=orders"]).assert(2, &["foreign key", "items, people"]);
    refused(&["--table=orders", "--table=people"]).assert(2, &["foreign key", "items"]);
    shop.sql("drop table wp_links; create view wp_links as select 1 as n");
    refused(&["--table=wp_links"]).assert(2, &["is a view in the live database"]);
    shop.sql("drop view wp_links; create table wp_links (n int)");
    assert!(keep.data(&["restore:list", "shop.live"]).as_array().is_some_and(Vec::is_empty), "nothing was queued");
    // A key that only the backup has is found when it is imported.
    shop.sql("alter table orders drop foreign key orders_ibfk_1; alter table items drop foreign key of_it");
    let before_it = shop_rows(&shop);
    assert!(refused(&["--table=orders"]).said.contains("people was not chosen"));
    assert_eq!(text(&keep.last_restore("shop.live")["state"]), "failed");
    before_it.assert_same(&shop_rows(&shop), "nothing was changed");
    assert_eq!(shop.sql("show tables like 'sk%'").trim(), "", "nothing is left");
    assert_eq!(differ(&before, &before_it), ["table items", "table orders", "table wp_links"]);
}

/// Tables that foreign keys tie to each other come back together, keys and all.
#[test]
fn tables_that_belong_together_come_back_together() {
    let keep = Keep::start();
    let shop = Wordpress::start();
    shop.sql(
        "create table people (id int primary key); create table orders (id int primary key, person int, key (person),
         constraint who foreign key (person) references people (id) on delete cascade);
         insert into people values (1), (2); insert into orders values (1, 1), (2, 2)",
    );
    shop.page();
    keep.add_shop(&shop, &["--expect", "The Corner Shop"]);
    let backup = format!("--backup={}", keep.back_up("shop.live", &[]));
    let healthy = shop_rows(&shop);
    shop.sql("delete from people where id = 2");
    let damaged = shop_rows(&shop);
    let restore = keep.restore("shop.live", &[&backup, "--table=people", "--table=orders"]);
    healthy.assert_same(&shop_rows(&shop), "restored");
    shop.sql("insert into people values (3); insert into orders values (3, 3); delete from people where id = 3");
    healthy.assert_same(&shop_rows(&shop), "the key works");
    keep.undo(&restore);
    damaged.assert_same(&shop_rows(&shop), "undone");
}

fn studio(panel: &Panel, server: bool) -> Wagtail {
    let site = Wagtail::start();
    if server {
        panel.add_server("postgres", site.server.port, &site.server.administrator);
    }
    site.server.sql_as(
        &site.database,
        "create table people (id serial primary key, name text not null, upper_name text generated always as (upper(name)) stored);
         create table orders (id int generated always as identity primary key, person int not null references people on delete cascade);
         create table gone (id serial primary key, person int references people, at timestamptz default now());
         create index gone_at on gone (at); comment on column gone.at is 'it''s when';
         create function twice() returns trigger language plpgsql as $$ begin insert into log values (new.name); return new; end $$;
         create table log (what text); create trigger twice after insert on people for each row execute function twice();
         create view names as select name from people;
         insert into people (name) values ('ada'), ('bob'); insert into orders (person) values (1), (2); insert into gone (person) values (1);",
    );
    let url = format!("{}/", site.url);
    let expect = format!("Work number {WORKS}");
    let options: &[&str] = if server { &["--server", "main"] } else { &[] };
    panel.add_site("studio", "live", &site.root, &[&["--detect", "--site-url", &url, "--expect", &expect], options].concat());
    site
}

fn studio_rows(site: &Wagtail) -> Digest {
    site.server
        .digest_without(&site.database_in_use(), "sk_")
        .without(&["schema"])
        .only(|part| !part.contains(" sk_") && !part.contains("seq"))
}

const STUDIO_BACK: [&str; 3] = ["table public.gone", "table public.people", "table public.wagtailcore_page"];

fn structure(site: &Wagtail) -> String {
    site.server.digest_without(&site.database_in_use(), "sk_").get("schema").expect("it is there").to_owned()
}

#[test]
fn tables_of_a_studio_in_postgresql_come_back_alone_and_keys_to_others_are_proven() {
    for server in [true, false] {
        let panel = Panel::start();
        let site = studio(&panel, server);
        let backup = panel.back_up("studio.live", &[]).id;
        let (healthy, shape) = (studio_rows(&site), structure(&site));
        site.server.sql_as(
            &site.database,
            "update people set name = 'eve' where id = 1; insert into people (name) values ('new'); drop table gone;
             update wagtailcore_page set title = 'Ruin' where depth = 2; insert into log values ('since')",
        );
        let damaged = studio_rows(&site);
        let only = ["--backup", &backup, "--table=people", "--table=gone", "--table=wagtailcore_page"];
        let restore = panel.must_restore("studio.live", &only);
        let now = studio_rows(&site);
        assert_eq!(differ(&damaged, &now), STUDIO_BACK, "server account: {server}");
        for name in STUDIO_BACK {
            assert_eq!(now.get(name), healthy.get(name), "{name}");
        }
        assert_eq!(structure(&site), shape, "keys, indexes, triggers, defaults and comments");
        assert_eq!(site.database_in_use(), site.database.name);
        // No number is given twice, the trigger fires, and the key still cascades.
        assert_eq!(site.sql("insert into people (name) values ('later') returning id").trim(), "4");
        assert_eq!(site.sql("insert into gone (person) values (4) returning id").trim(), "2");
        site.sql("delete from gone where id = 2; insert into orders (person) values (4); delete from people where id = 4");
        assert_eq!(site.sql("select count(*) from orders").trim(), "2");
        let undo = panel.must_undo(&restore.id, "studio.live");
        assert_eq!(differ(&damaged, &studio_rows(&site)), ["table public.log"], "undone, but for what was written elsewhere");
        let again = panel.must_undo(&undo.id, "studio.live");
        assert_eq!(structure(&site), shape, "and back again");
        panel.must_undo(&again.id, "studio.live");
        assert_eq!(differ(&damaged, &studio_rows(&site)), ["table public.log"], "and undone again");
    }
}

#[test]
fn in_postgresql_nothing_is_changed_where_rows_would_refer_to_what_is_not_there() {
    let panel = Panel::start();
    let site = studio(&panel, false);
    let backup = panel.back_up("studio.live", &[]).id;
    site.server.sql_as(&site.database, "insert into people (name) values ('new'); insert into orders (person) values (3)");
    let refused = |tables: &[&str]| {
        let before = studio_rows(&site);
        let out = panel.restore("studio.live", &[&["--backup", &backup], tables].concat());
        assert!(!out.status.success());
        before.assert_same(&studio_rows(&site), "nothing was changed");
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    let said = refused(&["--table=people"]);
    assert!(said.contains("1 rows of the table public.orders would refer to rows of the table public.people"), "{said}");
    assert_eq!(panel.last_restore("studio.live").state.word(), "failed", "before anything was locked");
    assert!(refused(&["--table=names"]).contains("not in this backup"));
    site.server.sql_as(&site.database, "alter table log add column more int");
    let said = refused(&["--table=log"]);
    assert!(said.contains("other columns now than in the backup (new: more"), "{said}");
    let left = site.sql("select count(*) from pg_namespace where nspname like 'sk_%'");
    assert_eq!(left.trim(), "0", "nothing is left");
    // Together they come back.
    panel.must_restore("studio.live", &["--backup", &backup, "--table=people", "--table=orders"]);
    assert_eq!(site.sql("select count(*) from orders").trim(), "2");
}

fn notes(panel: &Panel, mode: &str) -> SqliteSite {
    let site = SqliteSite::start();
    site.sql(&format!(
        "pragma journal_mode = {mode}; create table people (id integer primary key autoincrement, name text not null);
         create table orders (id integer primary key, person integer not null references people (id)); create table bare (x);
         insert into people (name) values ('ada'), ('bob'); insert into orders (person) values (1), (2); insert into bare values (1), (2);
         delete from bare where x = 1"
    ));
    let url = format!("{}/", site.url);
    let options = ["--files", "media=media", "--database-engine", "sqlite", "--database-name", "data/notes.sqlite"];
    panel.add_site("notes", "live", &site.root, &[&options[..], &["--site-url", &url, "--expect", "Notes"]].concat());
    site
}

#[test]
fn tables_of_a_file_come_back_inside_it_and_programs_that_have_it_open_see_them() {
    for mode in ["wal", "delete"] {
        let panel = Panel::start();
        let site = notes(&panel, mode);
        let backup = panel.back_up("notes.live", &[]).id;
        let healthy = site.rows();
        site.sql("delete from notes where id > 2; drop trigger noted; alter table notes add column more; drop table bare; insert into people (name) values ('eve')");
        let damaged = of_the_site(site.rows());
        let files = digest::files(&site.root).without(&["data"]);
        let open = rusqlite::Connection::open(site.database()).unwrap();
        let count = || open.query_row("select count(*) from notes", [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count(), 2);
        let restore = panel.must_restore("notes.live", &["--backup", &backup, "--table=notes", "--table=bare"]);
        assert_eq!(count(), 6, "{mode}: it was open all the time");
        let now = of_the_site(site.rows());
        assert_eq!(differ(&damaged, &now), ["table bare", "table notes", "trigger noted"], "{mode}");
        for name in ["table bare", "table notes", "trigger noted", "index notes_title"] {
            assert_eq!(now.get(name), healthy.get(name), "{name}");
        }
        files.assert_same(&digest::files(&site.root).without(&["data"]), "files");
        assert_eq!(open.query_row("select rowid from bare", [], |row| row.get::<_, i64>(0)).unwrap(), 2, "rows keep their numbers");
        site.sql("insert into people (name) values ('since')");
        let undo = panel.must_undo(&restore.id, "notes.live");
        assert_eq!(differ(&damaged, &of_the_site(site.rows())), ["table people", "table sqlite_sequence"], "{mode}: undone");
        panel.must_undo(&undo.id, "notes.live");
        assert_eq!(count(), 6, "{mode}: and back again");
        let counted: view::Backup = panel.back_up("notes.live", &[]);
        assert!(counted.state.is_usable());
    }
}

#[test]
fn in_a_file_nothing_is_changed_where_rows_would_refer_to_what_is_not_there_or_a_view_would_break() {
    let panel = Panel::start();
    let site = notes(&panel, "wal");
    let backup = panel.back_up("notes.live", &[]).id;
    site.sql("insert into people (name) values ('eve'); insert into orders (person) values (3); alter table notes add column more; create view mores as select more from notes");
    let before = site.rows();
    for (table, what) in [("people", "1 row of the table orders would refer"), ("notes", "the view mores needs something")] {
        let out = panel.restore("notes.live", &["--backup", &backup, "--table", table]);
        assert!(!out.status.success());
        let last = panel.last_restore("notes.live");
        assert!(last.message.as_deref().is_some_and(|m| m.contains(what)), "{last:?}");
        before.assert_same(&site.rows(), table);
    }
    let said = String::from_utf8_lossy(&panel.restore("notes.live", &["--backup", &backup, "--table", "titles"]).stderr).into_owned();
    assert!(said.contains("is not in this backup"), "{said}");
    // Together they come back, and nothing of all that is left beside the file.
    let restore = panel.must_restore("notes.live", &["--backup", &backup, "--table=people", "--table=orders"]);
    panel.must_undo(&restore.id, "notes.live");
    before.assert_same(&site.rows(), "undone");
}

#[test]
fn the_way_from_a_backup_to_two_of_its_tables_is_walked_without_scripts() {
    let panel = Panel::start();
    let site = notes(&panel, "wal");
    let backup = panel.back_up("notes.live", &[]).id;
    site.sql("delete from notes where id > 2; delete from bare");
    let browser = panel.administrator();
    let environment = panel.environment("notes.live").id;
    let home = format!("/environments/{environment}/restore");
    // From the tables of a backup …
    let inside = browser.get(&format!("/backups/{backup}/browse?element=database")).is(200);
    assert!(inside.text().contains("Restore these tables") && inside.has("name=\"table\" value=\"notes\""), "{}", inside.body);
    let form = browser.get(&format!("{home}?backup={backup}&table=notes&table=bare")).is(200);
    assert!(form.text().contains("Only this") && form.text().contains("Table bare") && !form.has("name=\"element\""), "{}", form.body);
    // … or from the form of a restore, with what is there now.
    let all = browser.get(&format!("{home}?backup={backup}&choose=tables")).is(200);
    assert!(all.text().contains("6 rows in the backup · 2 rows now"), "{}", all.text());
    let none = browser.get(&format!("{home}/preview?backup={backup}&choose=tables&to={environment}"));
    assert!(none.status == 400 && none.text().contains("No table was chosen") && none.has("value=\"bare\""), "{}", none.text());
    let page = browser.get(&format!("{home}/preview?backup={backup}&choose=tables&to={environment}&table=notes&table=bare")).is(200);
    let text = page.text();
    assert!(text.contains("you will lose the 2 rows that it has now; it comes back with 6 rows"), "{text}");
    assert!(text.contains("Everything else in it stays as it is") && text.contains("only table bare, table notes"), "{text}");
    let unknown = browser.get(&format!("{home}/preview?backup={backup}&to={environment}&table=note"));
    assert!(unknown.status == 400 && unknown.text().contains("Did you mean notes?"), "{} {}", unknown.status, unknown.text());
    let fields =
        [("backup", backup.as_str()), ("table", "notes"), ("table", "bare"), ("from", environment.as_str()), ("confirm", "notes.live")];
    browser.post(&format!("/environments/{environment}/restores"), &fields).is(303);
    let restore = panel.finished_restore("notes.live");
    assert_eq!(restore.tables, ["bare", "notes"]);
    let page = browser.get(&format!("/restores/{}", restore.id)).is(200);
    assert!(page.text().contains("table bare, table notes"), "{}", page.text());
    browser.post(&format!("/restores/{}/undo", restore.id), &[]).is(303);
    assert_eq!(panel.finished_restore("notes.live").kind, "undo");
}

/// A file together with a table; into another environment; for those who may; and late, out of the safety backup.
#[test]
fn tables_go_with_files_into_another_environment_for_those_who_may_and_a_late_undo_brings_them_back() {
    let panel = Panel::start_with(&["serve"], None, r#"{"keep_aside": 1000}"#);
    let site = notes(&panel, "wal");
    let backup = panel.back_up("notes.live", &[]).id;
    write(site.media().join("2024/photo-1.png"), "another");
    give_tree(&site.root, &site.owner);
    site.sql("delete from notes where id > 2");
    let both = panel.must_restore("notes.live", &["--backup", &backup, "--table=notes", "--path=files/media/2024/photo-1.png"]);
    assert_eq!((both.elements.len(), both.paths.len(), both.tables.len()), (2, 1, 1));
    assert!(site.page().says("Note 6") && std::fs::read(site.media().join("2024/photo-1.png")).unwrap() != b"another");
    site.sql("insert into people (name) values ('since')");
    std::thread::sleep(std::time::Duration::from_secs(2));
    let undo = panel.must_undo(&both.id, "notes.live");
    assert_eq!((undo.kind.as_str(), undo.tables.as_slice()), ("restore", &["notes".to_owned()][..]));
    let count = |sql: &str| rusqlite::Connection::open(site.database()).unwrap().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((count("select count(*) from notes"), count("select count(*) from people where name = 'since'")), (2, 1));
    panel.must(&["tenant:create", "bolt"]);
    let token = |tenant: &str, role: &str| {
        let email = format!("{role}@{tenant}.test");
        panel.must(&["account:create", &email, "--tenant", tenant, "--role", role]);
        panel.must(&["token:create", &email]).trim().to_owned()
    };
    let everybody = [token(TENANT, "viewer"), token(TENANT, "developer"), token("bolt", "owner")];
    let path = format!("/environments/{}/restores", panel.environment("notes.live").id);
    let body = json!({ "backup": backup, "tables": ["notes"], "dry_run": true });
    let asked = everybody.map(|who| ask(&panel.server.url, &who, "POST", &path, Some(&body)).0);
    assert_eq!(asked, [403, 200, 404]);
    let bad = [json!({ "tables": [""] }), json!({ "tables": ["a\0b"] }), json!({ "element": "files", "tables": ["notes"] })];
    for body in bad {
        let (status, said) = panel.post(&path, &body);
        assert_eq!(status, 400, "{said}");
    }
}
