//! What goes wrong is said in a sentence with a hint, and changes nothing.

use crate::support::disk::SmallDisk;
use crate::support::drupal::Drupal;
use crate::support::gallery::{self, State};
use crate::support::keep::{Keep, text};
use crate::support::{Scratch, copy_tree, digest, give, give_tree, set_mode, web_user, write};
use std::path::Path;

fn add_args<'a>(path: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["site:add", "acme/gallery", "--env=live", "--detect", "--path", path], more].concat()
}

fn repositories(keep: &Keep) -> usize {
    std::fs::read_dir(keep.server.data.join("repositories")).map_or(0, |dir| dir.count())
}

#[test]
fn a_wrong_database_password_is_refused_when_a_site_is_added() {
    let keep = Keep::start();
    let site = Drupal::start();
    let wrong = keep.secret("wrong", "not-the-password-7431");
    let root = site.root.display().to_string();
    let refused = keep.refused(&add_args(&root, &["--database-password-file", &wrong]));
    refused.assert(1, &["Access denied", "password"]);
    assert!(!refused.said.contains("not-the-password-7431"));
    assert_eq!(keep.data(&["site:list"]), serde_json::json!([]));
    assert_eq!(repositories(&keep), 0, "no repository is left over");
}

#[test]
fn a_password_that_was_changed_makes_the_backup_fail_and_the_next_one_after_it_succeed() {
    let keep = Keep::start();
    let site = gallery::kept(&keep, &[]);
    let whole = keep.back_up("gallery.live", &[]);
    let account = |password: &str| {
        for host in ["localhost", "127.0.0.1"] {
            let user = &site.database.user;
            site.server.sql("mysql", &format!("alter user '{user}'@'{host}' identified by '{password}'"));
        }
    };
    account("changed-behind-our-back");
    let refused = keep.refused(&["backup:create", "gallery.live"]);
    refused.assert(1, &["backing up the database", "Access denied", "user and password"]);
    assert!(!refused.said.contains(&site.database.password));
    let said = keep.says(&["backup:list", "gallery.live"]);
    assert!(said.contains("failed") && said.contains("Access denied"), "{said}");
    let jobs = keep.data(&["job:list", "--fields=kind,state"]);
    assert_eq!(jobs[0]["state"], "failed", "{jobs:#}");
    account(&site.database.password);
    keep.back_up("gallery.live", &[]);
    keep.must(&["backup:verify", &whole]);
}

#[test]
fn a_missing_dump_tool_is_named_with_its_package() {
    let mut keep = Keep::start();
    let site = gallery::kept(&keep, &[]);
    keep.start_again_with(&[("PATH", "/nonexistent")]);
    keep.refused(&["backup:create", "gallery.live"]).assert(1, &["not installed", "mariadb-client"]);
    let root = site.root.display().to_string();
    keep.refused(&["site:add", "acme/other", "--env=live", "--detect", "--path", &root]).assert(1, &["not installed", "mariadb-client"]);
    keep.start_again_with(&[]);
    keep.back_up("gallery.live", &[]);
}

#[test]
fn files_that_cannot_be_read_make_the_backup_incomplete_and_are_listed() {
    let keep = Keep::start();
    let site = gallery::kept(&keep, &[]);
    let (secret, closed) = (site.public().join("of-root.txt"), site.public().join("closed"));
    write(&secret, "only root may read this");
    set_mode(&secret, 0o600);
    write(closed.join("inside.txt"), "only root may come here");
    set_mode(&closed, 0o700);
    let refused = keep.refused(&["backup:create", "gallery.live", "--format=json"]);
    assert_eq!(refused.code, 3, "{refused:?}");
    for part in ["incomplete", "files/public/of-root.txt", "files/public/closed"] {
        assert!(refused.said.contains(part), "{part}: {}", refused.said);
    }
    let made: serde_json::Value = serde_json::from_str(&refused.printed).expect("it prints the backup");
    let (id, listed) = (text(&made["id"]), keep.element("gallery.live", &text(&made["id"]), "files"));
    assert_eq!(listed["state"], "incomplete");
    assert_eq!(listed["problems"].as_array().map(Vec::len), Some(2), "{listed:#}");
    let said = keep.says(&["backup:list", "gallery.live"]);
    assert!(said.contains("is incomplete"), "{said}");
    // A restore says so, brings back what there is, and takes nothing away that the backup could not hold.
    std::fs::remove_file(site.public().join("2024-01/one.png")).expect("it is there");
    let said = keep.says(&["backup:restore", "gallery.live", "--yes", "--backup", &id, "--element=files"]);
    assert!(said.contains("This backup is incomplete"), "{said}");
    assert!(site.public().join("2024-01/one.png").is_file());
    for (path, content) in [(&secret, "only root may read this"), (&closed.join("inside.txt"), "only root may come here")] {
        assert_eq!(std::fs::read_to_string(path).ok().as_deref(), Some(content), "{} is still there", path.display());
    }
}

#[test]
fn a_directory_that_is_no_known_site_is_taken_as_any_other_and_that_is_said() {
    let keep = Keep::start();
    let scratch = Scratch::new();
    let dir = scratch.dir_of("pages", &web_user());
    write(dir.join("index.html"), "<h1>Pages</h1>");
    let said = keep.says(&["site:add", "acme/pages", "--env=live", "--detect", "--path", &dir.display().to_string()]);
    assert!(said.contains("no WordPress, Drupal or Django in"), "{said}");
    keep.refused(&["backup:create", "pages.live", "--element=database"]).assert(2, &["has no database", "it has: code"]);
    keep.back_up("pages.live", &[]);
    keep.refused(&["site:add", "acme/none", "--env=live", "--detect", "--path=/nowhere/at/all"]).assert(2, &["/nowhere/at/all"]);
    let root = dir.display().to_string();
    keep.refused(&["site:add", "acme/pages", "--env=live", "--detect", "--path", &root]).assert(6, &["acme/pages.live"]);
    keep.refused(&["site:add", "nobody/pages", "--env=live", "--detect", "--path", &root]).assert(4, &["no tenant `nobody`"]);
    keep.refused(&["site:add", "acme/more", "--env=live", "--detect", "--server=none", "--path", &root]).assert(4, &["no server `none`"]);
}

#[test]
fn settings_that_cannot_be_read_as_text_name_the_option_that_helps() {
    let keep = Keep::start();
    let site = Drupal::start();
    let good = std::fs::read_to_string(site.settings()).expect("they can be read");
    let root = site.root.display().to_string();
    let password = format!("'{}'", site.database.password);
    let name = format!("'{}'", site.database.name);
    for bad in [
        good.replace(&password, "getenv('DB_PASSWORD')"),
        good.replace(&name, "file_get_contents('/etc/db-name')"),
        good.replacen("utf8mb4_general_ci',\n);", "utf8mb4_general_ci',\n", 1),
        "no PHP at all".to_owned(),
    ] {
        assert_ne!(bad, good);
        std::fs::write(site.settings(), bad).expect("it can be written");
        let refused = keep.refused(&add_args(&root, &[]));
        assert_eq!(refused.code, 2, "{refused:?}");
        refused.assert(2, &["settings.php"]);
        assert!(!refused.said.contains(&site.database.password), "{refused:?}");
    }
    assert_eq!(keep.data(&["site:list"]), serde_json::json!([]));
    // What is given by options is taken instead, where the file can be read at all.
    std::fs::write(site.settings(), good).expect("it can be written");
    keep.must(&add_args(&root, &[]));
}

#[test]
fn a_site_that_is_not_there_is_not_found() {
    let keep = Keep::start();
    let site = gallery::kept(&keep, &[]);
    keep.refused(&["backup:create", "nowhere.live"]).assert(4, &["nowhere"]);
    keep.refused(&["backup:create", "gallery.nowhere"]).assert(4, &["gallery.nowhere"]);
    keep.refused(&["backup:create", "nobody/gallery.live"]).assert(4, &["gallery.live"]);
    keep.refused(&["backup:create", "gallery"]).assert(2, &["gallery"]);
    keep.refused(&["backup:restore", "gallery.live", "--yes"]).assert(4, &["No backups available"]);
    keep.refused(&["backup:restore", "gallery.live", "--yes", "--backup=bak_none"]).assert(4, &["backup"]);
    keep.refused(&["backup:undo", "gallery.live", "--yes"]).assert(4, &["no restore"]);
    // The sentence that Terminus users know is its own hint: it names what may be given.
    let refused = keep.refused(&["backup:create", "gallery.live", "--element=themes"]);
    assert!(refused.code == 2 && refused.said.contains("code, files, database, db, all"), "{refused:?}");
    assert_eq!(keep.data(&["job:list"]), serde_json::json!([]), "nothing was queued for {}", site.url);
}

/// The site alone on a small disk; nobody serves it.
fn on_a_small_disk(keep: &Keep, disk: &SmallDisk) -> (Drupal, std::path::PathBuf) {
    let site = Drupal::start();
    let root = disk.path().join("gallery");
    copy_tree(&site.root, &root);
    copy_tree(&site.private, &disk.path().join("private"));
    let settings = root.join("sites/default/settings.php");
    let text = std::fs::read_to_string(&settings).expect("it can be read");
    let there = disk.path().join("private").display().to_string();
    std::fs::write(&settings, text.replace(&site.private.display().to_string(), &there)).expect("it can be written");
    give_tree(disk.path(), &web_user());
    keep.add("gallery", "live", &root.display().to_string(), &[]);
    (site, root)
}

#[test]
fn a_restore_without_space_is_refused_before_anything_is_touched() {
    let keep = Keep::start();
    let disk = SmallDisk::new(100 << 20);
    let (site, root) = on_a_small_disk(&keep, &disk);
    keep.back_up("gallery.live", &[]);
    write(root.join("modules/since.txt"), "written since");
    give(&root.join("modules/since.txt"), &web_user());
    site.server.sql(&site.database.name, "delete from node_field_data where nid = 1");
    disk.fill(40 << 20);
    let state = |root: &Path| (digest::files(root), digest::files(&disk.path().join("private")), site.rows());
    let before = state(&root);
    keep.refused(&["backup:restore", "gallery.live", "--yes"]).assert(1, &["not enough space", "are needed and", "not touched"]);
    let after = state(&root);
    before.0.assert_same(&after.0, "code and files");
    before.1.assert_same(&after.1, "private files");
    before.2.assert_same(&after.2, "rows");
    let restore = keep.last_restore("gallery.live");
    assert_eq!(restore["state"], "failed", "{restore:#}");
    let steps: Vec<String> = restore["steps"].as_array().expect("it has steps").iter().map(text).collect();
    assert!(steps[0].contains("failed") || steps[0].contains("undone"), "{steps:#?}");
    assert!(steps[1..].iter().all(|s| s.contains("planned")), "{steps:#?}");
    disk.empty();
    keep.restore("gallery.live", &[]);
    assert!(!root.join("modules/since.txt").exists());
}

#[test]
fn a_second_backup_while_one_runs_is_the_first() {
    let keep = Keep::start();
    let site = gallery::kept(&keep, &[]);
    // A dump waits for a table that somebody holds: so the first one runs for as long as it is wanted.
    let name = site.database.name.clone();
    let holder = std::thread::spawn(move || {
        crate::support::mariadb::Mariadb::shared().sql(&name, "lock tables node__body write; select sleep(5); unlock tables");
    });
    std::thread::sleep(std::time::Duration::from_millis(700));
    let ask = |element: &str| keep.data(&["backup:create", "gallery.live", "--no-wait", "--element", element]);
    let first = ask("all");
    let said = keep.says(&["backup:create", "gallery.live", "--no-wait"]);
    assert!(said.contains("running already") && said.contains(&text(&first["id"])), "{said}");
    assert_eq!(ask("all")["id"], first["id"]);
    holder.join().expect("it lets go");
    let id = text(&first["id"]);
    crate::support::wait_for("the backup", std::time::Duration::from_secs(60), || {
        keep.data(&["backup:info", "gallery.live", "--backup", &id])["state"] == "succeeded"
    });
    assert_ne!(keep.back_up("gallery.live", &[]), id);
    State::of(&site);
}
