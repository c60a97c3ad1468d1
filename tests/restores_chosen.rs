//! Single files and folders brought back: alone, wholly, and back again; by the page, the API and the command.

use crate::support::digest::{self, Digest};
use crate::support::panel::{Panel, TENANT, ask};
use crate::support::sqlite_site::SqliteSite;
use crate::support::{give_tree, write};
use serde_json::{Value, json};
use sitekeep::domain::view;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const HOSTILE: &[u8] = b"<i>\xff\n%41 &x";

struct World {
    panel: Panel,
    site: SqliteSite,
    backup: view::Backup,
}

/// The site of notes with a hostile name among its pictures and generated pictures that no backup has, and a backup of it.
fn world() -> World {
    world_with("{}")
}

fn world_with(app: &str) -> World {
    let (panel, site) = (Panel::start_with(&["serve"], None, app), SqliteSite::start());
    write(site.media().join("2024/odd").join(OsStr::from_bytes(HOSTILE)), "odd");
    write(site.media().join("2024/thumbs/photo-1.png"), "generated");
    give_tree(&site.root, &site.owner);
    let database = site.database().display().to_string();
    let more = ["--files", "public=media", "--database-engine", "sqlite", "--database-name", &database, "--exclude", "thumbs/", "--live"];
    panel.add_site("notes", "live", &site.root, &more);
    let backup = panel.back_up("notes.live", &[]);
    World { panel, site, backup }
}

impl World {
    fn files(&self) -> Digest {
        digest::files(&self.site.root).without(&["data/notes.sqlite-wal", "data/notes.sqlite-shm", ".sitekeep-"])
    }
    /// Every file and folder but for the times of folders.
    fn content(&self) -> Digest {
        digest::content(&self.site.root).without(&["data", ".sitekeep-"])
    }
    fn damage(&self) {
        write(self.site.media().join("2024/photo-1.png"), "another");
        std::fs::remove_file(self.site.media().join("2024/photo-2.png")).unwrap();
        write(self.site.media().join("2024/odd/new.txt"), "made since");
        write(self.site.media().join("2024/thumbs/photo-1.png"), "generated again");
        write(self.site.root.join("EDITION"), "defaced\n");
        std::fs::remove_file(self.site.media().join("2024/odd").join(OsStr::from_bytes(HOSTILE))).unwrap();
        give_tree(&self.site.root, &self.site.owner);
    }
    fn restore(&self, paths: &[&str]) -> view::Restore {
        let only: Vec<&str> = paths.iter().flat_map(|path| ["--path", path]).collect();
        self.panel.must_restore("notes.live", &[&["--backup", &self.backup.id], &only[..]].concat())
    }
    fn undo(&self, restore: &view::Restore) -> view::Restore {
        self.panel.must_undo(&restore.id, "notes.live")
    }
    fn refused(&self, path: &str) -> String {
        let out = self.panel.restore("notes.live", &["--backup", &self.backup.id, "--path", path]);
        assert!(!out.status.success(), "{path} was restored");
        String::from_utf8_lossy(&out.stderr).into_owned()
    }
}

/// What differs between two states, by name.
fn differ(a: &Digest, b: &Digest) -> Vec<String> {
    let names: std::collections::BTreeSet<&str> = a.names().chain(b.names()).filter(|name| a.get(name) != b.get(name)).collect();
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn one_file_comes_back_alone_whether_it_is_there_or_gone_and_every_undo_is_exact() {
    let w = world();
    let (healthy, rows) = (w.content(), w.site.rows());
    w.damage();
    let (damaged, exact) = (w.content(), w.files());
    let there = w.restore(&["files/public/2024/photo-1.png"]);
    assert_eq!((there.paths.clone(), there.elements.len()), (vec!["files/public/2024/photo-1.png".to_owned()], 1));
    assert_eq!(differ(&damaged, &w.content()), ["media/2024/photo-1.png"]);
    assert_eq!(w.content().get("media/2024/photo-1.png"), healthy.get("media/2024/photo-1.png"));
    assert!(w.panel.get::<view::Backup>(&format!("/backups/{}", there.safety_backup.as_deref().unwrap())).state.is_usable());
    w.undo(&there);
    exact.assert_same(&w.files(), "to the byte and the time");
    // One that is gone, named as it lies on the site; its undo takes it away again, and the undo of that brings it back.
    let gone = w.restore(&["media/2024/photo-2.png"]);
    assert_eq!(differ(&damaged, &w.content()), ["media/2024/photo-2.png"]);
    assert_eq!(w.content().get("media/2024/photo-2.png"), healthy.get("media/2024/photo-2.png"));
    let restored = w.files();
    let undone = w.undo(&gone);
    exact.assert_same(&w.files(), "it is gone again");
    let again = w.undo(&undone);
    restored.assert_same(&w.files(), "and back again");
    w.undo(&again);
    exact.assert_same(&w.files(), "and gone again");
    // Of the code, in one restore with one of the files.
    let both = w.restore(&["code/EDITION", "files/public/2024/photo-2.png"]);
    assert_eq!((differ(&damaged, &w.content()).len(), both.elements.len()), (2, 2));
    rows.assert_same(&w.site.rows(), "the database is not touched");
    let log = w.panel.task_log(both.job.as_deref().unwrap());
    assert!(log.contains("1 file, "), "{log}");
    w.undo(&both);
    exact.assert_same(&w.files(), "both undone");
    assert!(w.site.page().is_ok());
}

#[test]
fn a_folder_comes_back_with_what_backups_leave_out_and_one_that_is_gone_with_nothing_else() {
    let w = world();
    let healthy = w.content();
    w.damage();
    let exact = w.files();
    let folder = w.restore(&["files/public/2024"]);
    let now = w.content();
    assert_eq!(differ(&healthy, &now), ["EDITION", "media/2024/thumbs/photo-1.png"], "generated pictures stay as they are");
    assert!(now.get("media/2024/odd/new.txt").is_none(), "what was made since is gone");
    w.undo(&folder);
    exact.assert_same(&w.files(), "to the byte and the time");
    // The folder that it lay in is gone.
    std::fs::remove_dir_all(w.site.media()).unwrap();
    let (bare, exact) = (w.content(), w.files());
    let deep = w.restore(&["files/public/2024/photo-3.png", "files/public/2024/odd"]);
    let names = ["media", "media/2024", "media/2024/odd", "media/2024/photo-3.png"];
    let came = differ(&bare, &w.content());
    assert!(names.iter().all(|n| came.contains(&(*n).to_owned())) && came.len() == 5, "{came:?}");
    for name in came {
        assert_eq!(w.content().get(&name), healthy.get(&name), "{name}");
    }
    w.undo(&deep);
    exact.assert_same(&w.files(), "gone again");
    // A whole directory of files is a folder like any other.
    w.restore(&["files/public"]);
    assert!(w.site.media().join("2024/photo-6.png").is_file());
}

#[test]
fn what_cannot_be_restored_alone_is_refused_before_anything_is_done() {
    let w = world();
    w.damage();
    let exact = w.files();
    assert!(w.refused("files/public/2024/thumbs").contains("left out"));
    assert!(w.refused("code/media/2024/photo-1.png").contains("not a part of the code"));
    assert!(w.refused("code/data/notes.sqlite").contains("not a part of the code"));
    assert!(w.refused("files/public/nothing").contains("is not in this backup"));
    assert!(w.refused("files/private/x").contains("none of the directories"));
    assert!(w.refused("code/../../../etc/passwd").contains("not the path"));
    // A way through a link of the owner's leads nowhere, whatever lies behind it.
    let outside = w.panel.scratch.join("outside");
    write(outside.join("photo-3.png"), "untouched");
    std::fs::rename(w.site.media().join("2024"), w.site.media().join("2024-moved")).unwrap();
    std::os::unix::fs::symlink(&outside, w.site.media().join("2024")).unwrap();
    assert!(w.refused("files/public/2024/photo-3.png").contains("symbolic link"));
    assert_eq!(std::fs::read_to_string(outside.join("photo-3.png")).unwrap(), "untouched");
    std::fs::remove_file(w.site.media().join("2024")).unwrap();
    std::fs::rename(w.site.media().join("2024-moved"), w.site.media().join("2024")).unwrap();
    assert_eq!(differ(&exact, &w.files()).len(), 1, "the time of the folder alone");
    assert!(w.panel.restores("notes.live").is_empty(), "nothing was queued");
    let environment = w.panel.environment("notes.live").id;
    let post = |body: &Value| w.panel.post(&format!("/environments/{environment}/restores"), body);
    let wrong = json!({ "backup": w.backup.id, "element": "database", "paths": ["code/EDITION"], "dry_run": true });
    assert_eq!(post(&wrong).0, 400);
    // A live environment wants its name, and a name of bytes is given as bytes.
    let odd = [b"files/public/2024/odd/", HOSTILE].concat();
    let digits: String = odd.iter().map(|b| format!("{b:02x}")).collect();
    let untyped = json!({ "backup": w.backup.id, "paths_hex": [digits] });
    assert_eq!(post(&untyped).0, 400);
    let typed = json!({ "backup": w.backup.id, "paths_hex": [digits], "confirm": "notes.live" });
    let (status, said) = post(&typed);
    assert_eq!(status, 201, "{said}");
    let (again, same) = post(&typed);
    assert!(again == 201 && same["restore"]["id"] == said["restore"]["id"] || again == 409, "{same}");
}

#[test]
fn the_way_from_a_backup_to_one_file_of_it_is_walked_without_scripts() {
    let w = world();
    w.damage();
    let (damaged, exact) = (w.content(), w.files());
    let browser = w.panel.administrator();
    let odd: String = [b"files/public/2024/odd/", HOSTILE].concat().iter().map(|b| format!("%{b:02X}")).collect();
    let inside = browser.get(&format!("/backups/{}/browse?element=files&path={odd}", w.backup.id)).is(200);
    let environment = w.panel.environment("notes.live").id;
    let link = inside.between(&format!("<a href=\"/environments/{environment}/restore"), "\"").replace("&amp;", "&");
    let form = browser.get(&format!("/environments/{environment}/restore{link}")).is(200);
    assert!(form.text().contains("Only this") && !form.has("name=\"element\""), "{}", form.body);
    assert!(!form.has("<i>"), "{}", form.body);
    let path = form.value("path").expect("it is in the form");
    let asked = |path: &str| {
        path.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect::<String>()
    };
    let preview = format!("/environments/{environment}/restore/preview?backup={}&to={environment}&path={}", w.backup.id, asked(&path));
    let page = browser.get(&preview).is(200);
    let text = page.text();
    assert!(text.contains("comes back, where nothing is now") && text.contains("Everything else stays as it is"), "{text}");
    let fields = |confirm: &'static str| {
        vec![("backup", w.backup.id.as_str()), ("path", path.as_str()), ("from", environment.as_str()), ("confirm", confirm)]
    };
    let action = format!("/environments/{environment}/restores");
    let again = browser.post(&action, &fields("another.live")).is(400);
    assert!(again.has("role=\"alert\"") && again.value("path").as_deref() == Some(path.as_str()), "{}", again.body);
    w.content().assert_same(&damaged, "nothing was changed yet");
    browser.post(&action, &fields("notes.live")).is(303);
    let restore = w.panel.finished_restore("notes.live");
    let name = String::from_utf8_lossy(HOSTILE).into_owned();
    assert_eq!(differ(&damaged, &w.content()).len(), 1, "{name}");
    let page = browser.get(&format!("/restores/{}", restore.id)).is(200);
    assert!(page.text().contains("Only") && page.text().contains("2024/odd/") && !page.has("<i>"), "{}", page.text());
    browser.post(&format!("/restores/{}/undo", restore.id), &[]).is(303);
    w.panel.finished_restore("notes.live");
    exact.assert_same(&w.files(), "undone");
    // What is not there leads back to the form, with a sentence.
    let missing = browser
        .get(&format!("/environments/{environment}/restore/preview?backup={}&to={environment}&path=files%2Fpublic%2Fno", w.backup.id));
    assert!(missing.status == 400 && missing.text().contains("is not in this backup"), "{} {}", missing.status, missing.text());
}

#[test]
fn a_part_goes_into_another_environment_and_not_to_whom_it_does_not_belong() {
    let w = world();
    let other = w.panel.scratch.join("other");
    write(other.join("index.html"), "<h1>");
    write(other.join("uploads/mine.txt"), "mine");
    w.panel.add_site("notes", "test", &other, &["--files", "public=uploads"]);
    w.panel.must(&["backup:restore", "notes.live", "--backup", &w.backup.id, "--to-env", "test", "--yes", "--path", "files/public/2024"]);
    assert!(other.join("uploads/2024/photo-1.png").is_file() && other.join("uploads/mine.txt").is_file());
    w.panel.must(&["tenant:create", "bolt"]);
    let token = |tenant: &str, role: &str| {
        let email = format!("{role}@{tenant}.test");
        w.panel.must(&["account:create", &email, "--tenant", tenant, "--role", role]);
        w.panel.must(&["token:create", &email]).trim().to_owned()
    };
    let everybody = [token(TENANT, "viewer"), token(TENANT, "developer"), token("bolt", "owner")];
    let path = format!("/environments/{}/restores", w.panel.environment("notes.live").id);
    let body = json!({ "backup": w.backup.id, "paths": ["code/EDITION"], "dry_run": true });
    let asked = everybody.map(|who| ask(&w.panel.server.url, &who, "POST", &path, Some(&body)).0);
    assert_eq!(asked, [403, 200, 404]);
}

/// When what was replaced is dropped, an undo restores the same part of the safety backup, and nothing else.
#[test]
fn a_late_undo_brings_back_that_part_alone() {
    let w = world_with(r#"{"keep_aside": 1000}"#);
    w.damage();
    let first = w.restore(&["code/EDITION"]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    write(w.site.root.join("notes.txt"), "written since");
    give_tree(&w.site.root, &w.site.owner);
    let undo = w.undo(&first);
    assert_eq!((undo.kind.as_str(), undo.paths.as_slice()), ("restore", &["code/EDITION".to_owned()][..]));
    assert_eq!(read(&w.site.root.join("EDITION")), "defaced\n");
    assert_eq!(read(&w.site.root.join("notes.txt")), "written since");
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
