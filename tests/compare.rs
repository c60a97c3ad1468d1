//! What changed between two backups, and between a backup and the live site: on the page, by the API, by the command, and
//! by whom.

use crate::support::panel::{Panel, TENANT, ask};
use crate::support::sqlite_site::SqliteSite;
use crate::support::write;
use serde_json::Value;
use sitekeep::domain::compare::{Changes, Comparison, What};
use sitekeep::domain::element::Element;
use sitekeep::domain::view;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

const HOSTILE: &[u8] = b"<script>alert(1)</script>\n\xff.txt";

/// The site of notes with a backup, a change, and a backup of that.
struct World {
    panel: Panel,
    site: SqliteSite,
    first: view::Backup,
    second: view::Backup,
}

fn world() -> World {
    let (panel, site) = (Panel::start(), SqliteSite::start());
    let database = site.database().display().to_string();
    panel.add_site("notes", "live", &site.root, &["--files", "public=media", "--database-engine", "sqlite", "--database-name", &database]);
    let first = panel.back_up("notes.live", &["--note", "the first"]);
    change(&site);
    let second = panel.back_up("notes.live", &["--note", "the second"]);
    World { panel, site, first, second }
}

/// One picture is gone, one is another, one is new; a note more, and another edition.
fn change(site: &SqliteSite) {
    std::fs::remove_file(site.media().join("2024/photo-1.png")).unwrap();
    write(site.media().join("2024/photo-2.png"), "another picture");
    write(site.media().join("2025").join(OsStr::from_bytes(HOSTILE)), "12345");
    write(site.root.join("EDITION"), "2\n");
    site.sql("insert into notes (title, body, photo) values ('one more', 'x', '2024/photo-3.png')");
    crate::support::give_tree(&site.root, &site.owner);
}

impl World {
    fn get(&self, query: &str) -> Comparison {
        self.panel.get(&format!("/backups/{}/compare?{query}", self.second.id))
    }
}

fn of(c: &Comparison, element: Element) -> &Changes {
    c.elements.iter().find(|e| e.element == element).expect("it was compared")
}

fn lines(c: &Changes) -> Vec<(What, Vec<u8>)> {
    c.changes.iter().map(|c| (c.what, c.inner().bytes().to_vec())).collect()
}

#[test]
fn what_changed_between_two_backups_is_told_by_content_whichever_is_named_first() {
    let w = world();
    let compared = w.get("");
    let (from, to) = (compared.from.as_ref().expect("there is one before it"), &compared.to);
    assert_eq!(
        (from.backup.as_deref(), from.reason.as_str(), to.backup.as_deref()),
        (Some(&*w.first.id), "the first", Some(&*w.second.id))
    );
    let files = of(&compared, Element::Files);
    let hostile = [b"files/public/2025/", HOSTILE].concat();
    let expected = [
        (What::Removed, b"files/public/2024/photo-1.png".to_vec()),
        (What::Changed, b"files/public/2024/photo-2.png".to_vec()),
        (What::Added, hostile),
    ];
    assert_eq!(lines(files), expected);
    assert_eq!((files.added.files, files.added.bytes, files.changed.bytes, files.removed.files), (1, 5, 15, 1));
    assert_eq!((files.stopped, files.next.as_deref(), files.not_compared.as_deref()), (false, None, None));
    assert!(lines(of(&compared, Element::Code)).contains(&(What::Changed, b"code/EDITION".to_vec())));
    let database = of(&compared, Element::Database);
    let notes = database.tables.iter().find(|t| t.name == "notes").expect("it has a row more");
    assert_eq!((notes.before, notes.after, database.tables_differ), (Some(6), Some(7), 2));
    // The other way round it is the same story.
    let same: Comparison = w.panel.get(&format!("/backups/{}/compare?with={}", w.first.id, w.second.id));
    assert_eq!((lines(of(&same, Element::Files)), same.to.backup.as_deref()), (lines(files), Some(&*w.second.id)));
    let first: Comparison = w.panel.get(&format!("/backups/{}/compare", w.first.id));
    assert!(first.from.is_none() && first.elements.is_empty(), "there is none before it");
    // Page by page.
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = w.get(&format!("element=files&limit=1&after={after}"));
        assert_eq!((page.elements.len(), of(&page, Element::Files).added.files), (1, 1), "one element, and all of it is counted");
        seen.extend(lines(of(&page, Element::Files)));
        let Some(next) = of(&page, Element::Files).next.clone() else { break };
        after = next;
    }
    assert_eq!(seen, expected);
    // By command.
    let listed = w.panel.must(&["backup:compare", "notes.live", "--format", "json", "--element", "files"]);
    let rows: Vec<Value> = serde_json::from_str(&listed).unwrap();
    assert_eq!(rows.iter().map(|r| r["what"].as_str().unwrap()).collect::<Vec<_>>(), ["removed", "changed", "added"]);
    let listed = w.panel.must(&["backup:compare", "notes.live", "--file", &w.first.id, "--with", &w.second.id]);
    assert!(listed.contains("photo-1.png") && listed.contains("7 rows") && !listed.contains('\u{1b}'), "{listed}");
}

#[test]
fn the_live_site_is_compared_by_size_and_time_and_a_restore_says_the_same() {
    let w = world();
    let quiet = w.get("with=live");
    assert!(quiet.elements.iter().all(Changes::is_none) && quiet.elements.len() == 3, "{quiet:?}");
    assert_eq!((quiet.from.unwrap().backup, quiet.to.backup), (Some(w.second.id.clone()), None));
    let since: Comparison = w.panel.get(&format!("/backups/{}/compare?with=live", w.first.id));
    let files = of(&since, Element::Files);
    assert_eq!((files.added.files, files.changed.files, files.removed.files), (1, 1, 1));
    assert_eq!(of(&since, Element::Database).tables.len(), 2);
    // What is not there, and what may not be read, is said.
    std::fs::remove_dir_all(w.site.media().join("2024")).unwrap();
    let gone = w.get("with=live&element=files");
    assert_eq!((of(&gone, Element::Files).removed.files, of(&gone, Element::Files).unread), (5, 0));
    let plan: Value =
        serde_json::from_str(&w.panel.must(&["backup:restore", "notes.live", "--backup", &w.first.id, "--dry-run", "--format", "json"]))
            .unwrap();
    let said: Vec<&str> = plan["lines"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
    let told = |line: &str| assert!(said.iter().any(|l| l.starts_with(line)), "{line}\n{said:#?}");
    told("files: 6 files come back: 2024/photo-1.png");
    told("files: 1 file goes away: 2025/");
    told("files: you will lose 1 file of what was done since: 0 newer than in the backup, 1 new one (5 B)");
    told("code: 1 file changes: EDITION");
    told("code: you will lose 1 file of what was done since: 1 newer than in the backup");
}

#[test]
fn the_page_shows_it_without_scripts_and_names_of_files_as_text() {
    let w = world();
    let browser = w.panel.administrator();
    let page = browser.get(&format!("/backups/{}", w.second.id)).is(200);
    assert!(page.has(&format!("/backups/{}/compare?", w.second.id)), "{}", page.body);
    let page = browser.get(&format!("/backups/{}/compare", w.second.id)).is(200);
    let text = page.text();
    assert!(text.contains("1 file added (5 B), 1 file changed (15 B), 1 file removed"), "{text}");
    assert!(text.contains("2 of 2 tables") && text.contains("the first"), "{text}");
    assert!(page.has("&lt;script&gt;") && !page.has("<script>alert"), "{}", page.body);
    assert!(page.has(&format!("/backups/{}/browse?element=files&amp;path=files/public/2024/photo-1.png", w.first.id)), "{}", page.body);
    let live = browser.get(&format!("/backups/{}/compare?with=live", w.second.id)).is(200);
    assert!(live.text().contains("no file is opened") && live.text().contains("Nothing changed."), "{}", live.text());
    let turned = browser.get(&format!("/backups/{}/compare?element=files&limit=1", w.second.id)).is(200);
    assert!(turned.has("rel=\"next\"") && turned.text().contains("All elements"), "{}", turned.text());
    let alone = browser.get(&format!("/backups/{}/compare", w.first.id)).is(200);
    assert!(alone.text().contains("there is none before it"), "{}", alone.text());
}

#[test]
fn only_two_backups_of_one_environment_are_compared_and_only_for_those_who_see_both() {
    let w = world();
    w.panel.must(&["tenant:create", "bolt"]);
    let other = w.panel.scratch.join("other");
    write(other.join("index.html"), "<h1>");
    w.panel.add_site("notes", "test", &other, &[]);
    let elsewhere = w.panel.back_up("notes.test", &[]);
    let token = |tenant: &str, role: &str| {
        let email = format!("{role}@{tenant}.test");
        w.panel.must(&["account:create", &email, "--tenant", tenant, "--role", role]);
        w.panel.must(&["token:create", &email]).trim().to_owned()
    };
    let (viewer, developer, stranger) = (token(TENANT, "viewer"), token(TENANT, "developer"), token("bolt", "owner"));
    let asked = |query: &str| {
        let path = format!("/backups/{}/compare?{query}", w.second.id);
        [&viewer, &developer, &stranger].map(|who| ask(&w.panel.server.url, who, "GET", &path, None))
    };
    assert_eq!(asked("").map(|a| a.0), [200, 200, 404]);
    assert_eq!(asked(&format!("with={}", w.first.id)).map(|a| a.0), [200, 200, 404]);
    assert_eq!(asked("with=live").map(|a| a.0), [403, 200, 404], "the live site is for those who may restore to it");
    let (foreign, nothing) = (asked(&format!("with={}", elsewhere.id)), asked("with=bkp_nothing"));
    assert_eq!((foreign.clone().map(|a| a.0), nothing.clone().map(|a| a.0)), ([404, 404, 404], [404, 404, 404]));
    for (a, b) in foreign.iter().zip(&nothing) {
        assert_eq!((&a.1["error"], &a.1["hint"]), (&b.1["error"], &b.1["hint"]), "one cannot be told from the other");
    }
    // What lies in the trash shows nothing.
    let browser = w.panel.administrator();
    browser.post(&format!("/backups/{}/delete", w.first.id), &[]).is(303);
    assert_eq!(asked(&format!("with={}", w.first.id)).map(|a| a.0), [409, 409, 404]);
    let page = browser.get(&format!("/backups/{}/compare?with={}", w.second.id, w.first.id)).is(200);
    assert!(page.text().contains("trash"), "{}", page.text());
}
