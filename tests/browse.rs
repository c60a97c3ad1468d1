//! Looking inside backups: on pages, by the API and by commands; what is seen, what is taken, and by whom.

use crate::support::browser::{Browser, Page};
use crate::support::digest;
use crate::support::panel::{Panel, TENANT, ask};
use crate::support::sqlite_site::SqliteSite;
use crate::support::{Scratch, write};
use serde_json::{Value, json};
use sitekeep::domain::browse::{Entry, FileVersion, Found, Kind, Listing};
use sitekeep::domain::links::DownloadLink;
use sitekeep::domain::view;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Names that were made to do harm, or only look like it.
const ODD: [&[u8]; 10] = [
    b"new\nline.txt",
    b"<script>alert(1)<script>",
    b"\"onmouseover=alert(1) x=\"",
    b"\xff\xfe not text",
    b"..%2f..%2fetc",
    b"a&b=c#d?e%41+f",
    b"back\\slash",
    b"-rf",
    "rtl\u{202e}gpj.exe".as_bytes(),
    &[b'y'; 255],
];

/// A panel with the site of notes in it, which has odd names among its pictures, and a backup of it.
fn world() -> (Panel, SqliteSite, view::Backup) {
    let (panel, site) = (Panel::start(), SqliteSite::start());
    for name in ODD {
        write(site.media().join("odd").join(OsStr::from_bytes(name)), name);
    }
    write(site.media().join("evil.svg"), "<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>");
    write(site.media().join("evil.png"), "<html><script>alert(2)</script>");
    crate::support::give_tree(&site.root, &site.owner);
    let database = site.database().display().to_string();
    let more = ["--files", "public=media", "--database-engine", "sqlite", "--database-name", &database];
    panel.add_site("notes", "live", &site.root, &more);
    let backup = panel.back_up("notes.live", &[]);
    (panel, site, backup)
}

fn inside(panel: &Panel, backup: &view::Backup, query: &str) -> Listing {
    panel.get(&format!("/backups/{}/browse?{query}", backup.id))
}

fn names(listing: &Listing) -> Vec<&str> {
    listing.entries.iter().map(|e| e.name.as_str()).collect()
}

fn link(panel: &Panel, backup: &view::Backup, body: &Value) -> DownloadLink {
    let (status, said) = panel.post(&format!("/backups/{}/links", backup.id), body);
    assert_eq!(status, 201, "{said}");
    serde_json::from_value(said).unwrap()
}

/// What is behind a link: type, name, length and bytes.
fn taken(link: &DownloadLink) -> (String, String, Option<u64>, Vec<u8>) {
    let mut answer = ureq::get(link.url.as_deref().expect("it is open")).call().unwrap();
    let header = |name: &str| answer.headers().get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
    let (kind, name, length) = (header("content-type"), header("content-disposition"), header("content-length").parse().ok());
    assert_eq!(header("x-content-type-options"), "nosniff");
    (kind, name, length, answer.body_mut().read_to_vec().unwrap())
}

fn untar(archive: &[u8], into: &Path) {
    std::fs::create_dir_all(into).unwrap();
    let file = into.with_extension("tar.gz");
    write(&file, archive);
    let out = Command::new("tar").arg("-xzpf").arg(&file).arg("-C").arg(into).output().unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "tar said:\n{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn whoever_looks_inside_sees_the_site_as_it_was() {
    let (panel, site, backup) = world();
    let elements = inside(&panel, &backup, "");
    assert_eq!((elements.kind, names(&elements).len()), (Kind::Element, 3));
    assert_eq!(names(&inside(&panel, &backup, "element=files")), ["files"]);
    assert_eq!(
        names(&inside(&panel, &backup, "element=files&path=files/public")),
        ["2024", "odd", "evil.png", "evil.svg"],
        "folders first"
    );
    let photos = inside(&panel, &backup, "element=files&path=/files/public/2024/");
    let photo = &photos.entries[0];
    let real = std::fs::metadata(site.media().join("2024/photo-1.png")).unwrap();
    assert_eq!((photo.name.as_str(), photo.kind, photo.size), ("photo-1.png", Kind::File, Some(real.len())));
    assert_eq!((photo.mode.as_deref(), photos.total, photos.next.as_deref()), (Some("0644"), 6, None));
    // Page by page, each entry once.
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = inside(&panel, &backup, &format!("element=files&path=files/public/2024&limit=4&after={after}"));
        seen.extend(page.entries.into_iter().map(|e| e.name));
        let Some(next) = page.next else { break };
        after = next;
    }
    assert_eq!(seen, (1..=6).map(|n| format!("photo-{n}.png")).collect::<Vec<_>>());
    let tables = inside(&panel, &backup, "element=db");
    let notes = tables.entries.iter().find(|e| e.name == "notes").expect("a table of the site");
    assert_eq!((notes.kind, notes.rows), (Kind::Table, Some(6)));
    let one = inside(&panel, &backup, "element=code&path=code/index.php");
    assert_eq!((one.kind, one.entries.len()), (Kind::File, 1));

    let found: Found = panel.get(&format!("/backups/{}/search?element=files&name=PHOTO-", backup.id));
    assert_eq!((found.entries.len(), found.stopped), (6, false));
    assert_eq!(found.entries[0].path, "files/public/2024/photo-1.png");
    // The same by command.
    let listed = panel.must(&["backup:browse", "notes.live", &backup.id, "files/public", "--element", "files"]);
    assert!(listed.contains("2024/") && listed.contains("evil.svg"), "{listed}");
    let listed = panel.must(&["backup:browse", "notes.live", &backup.id, "files/public/odd", "--element", "files", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Vec<Value>>(&listed).unwrap().len(), ODD.len());
    let hits = panel.must(&["backup:browse", "notes.live", &backup.id, "--element", "files", "--search", "photo-3"]);
    assert!(hits.contains("files/public/2024/photo-3.png"), "{hits}");
    let to = panel.scratch.join("photo.png");
    let photo = ["--path", "files/public/2024/photo-2.png", "--to", to.to_str().unwrap()];
    panel.must(&[&["backup:get", "notes.live", "--backup", &backup.id][..], &photo].concat());
    assert_eq!(std::fs::read(&to).unwrap(), std::fs::read(site.media().join("2024/photo-2.png")).unwrap());
}

#[test]
fn one_file_and_one_folder_are_taken_as_they_were_whatever_they_are_called() {
    let (panel, site, backup) = world();
    let odd = inside(&panel, &backup, "element=files&path=files/public/odd");
    assert_eq!(odd.entries.len(), ODD.len());
    for name in ODD {
        let entry = odd.entries.iter().find(|e| e.inner().name() == name).unwrap_or_else(|| panic!("{name:?} in {odd:?}"));
        let link = link(&panel, &backup, &json!({ "element": "files", "path": entry.path, "path_hex": entry.path_hex }));
        let (kind, disposition, length, bytes) = taken(&link);
        assert_eq!((kind.as_str(), length), ("application/octet-stream", Some(name.len() as u64)), "{name:?}");
        assert_eq!(bytes, name, "the bytes of the file are its name");
        assert!(disposition.starts_with("attachment; filename=\"") && disposition.is_ascii(), "{disposition}");
        assert!(!disposition.contains(['\r', '\n', '<']) && disposition.matches('"').count() == 2, "{disposition}");
    }
    let folder = link(&panel, &backup, &json!({ "element": "files", "path": "files/public/odd" }));
    assert_eq!(folder.filename, "odd.tar.gz");
    let (kind, _, length, bytes) = taken(&folder);
    assert_eq!((kind.as_str(), length), ("application/gzip", None));
    let out = Scratch::new();
    untar(&bytes, &out.join("x"));
    digest::files(&site.media().join("odd")).assert_same(&digest::files(&out.join("x/odd")), "the folder");
    let whole = link(&panel, &backup, &json!({ "element": "files", "path": "" }));
    assert!(whole.filename.ends_with("_files.tar.gz") && whole.path.is_none());
    // A link is to one thing: it is renewed to the same, and its page says what it is.
    let (status, renewed) = panel.post(&format!("/links/{}/renew", folder.id), &json!({}));
    assert_eq!((status, renewed["path"].as_str(), renewed["filename"].as_str()), (201, Some("files/public/odd"), Some("odd.tar.gz")));
    let page = Browser::new(&panel.server.url).get(folder.page.as_deref().unwrap().trim_start_matches(&panel.server.url)).is(200);
    assert!(page.text().contains("files/public/odd") && page.text().contains("one folder"), "{}", page.text());
    for missing in ["files/public/nothing", "../notes", "files/../files", "code", "files/public/evil.svg/x"] {
        let (status, said) = panel.post(&format!("/backups/{}/links", backup.id), &json!({ "element": "files", "path": missing }));
        assert_eq!(status, 404, "{missing}: {said}");
    }
    let log = rusqlite::Connection::open(panel.server.data.join("catalogue.db")).unwrap();
    let sql = "select count(*) from activity where action = ?1 and detail like '%files/public/odd%'";
    let count = |action: &str| log.query_row(sql, [action], |r| r.get::<_, i64>(0)).unwrap();
    assert_eq!((count("download.link"), count("download.use")), (12, 11), "each link, and each time that one was used");
}

#[test]
fn no_path_leads_out_of_the_backup() {
    let (panel, _site, backup) = world();
    let token = std::fs::read_to_string(&panel.server.token_file).unwrap();
    let deep = "../".repeat(40) + "etc/passwd";
    let long = "x/".repeat(5_000);
    let tried = [
        "..",
        "../..",
        "/etc/passwd",
        "files/../../etc/passwd",
        "files/public/..",
        "files/./../code",
        "%2e%2e/%2e%2e/etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "files/public/%00",
        "files/public/odd/..%c0%af",
        "..\\..\\etc",
        "\u{2025}/etc",
        "files/public/2024/photo-1.png/",
        "code/.env",
        "%ff",
        deep.as_str(),
        long.as_str(),
    ];
    for path in tried {
        let (status, said) =
            ask(&panel.server.url, token.trim(), "GET", &format!("/backups/{}/browse?element=files&path={path}", backup.id), None);
        let photo = path.ends_with("photo-1.png/");
        assert_eq!(status, if photo { 200 } else { 404 }, "{path}: {said}");
        assert!(photo || !said.to_string().contains("root:") && said["entries"].is_null(), "{path}: {said}");
    }
    for (query, expected) in [("element=all", 400), ("element=files&after=x", 400), ("element=db&path=notes", 404), ("path=files", 200)] {
        let status = ask(&panel.server.url, token.trim(), "GET", &format!("/backups/{}/browse?{query}", backup.id), None).0;
        assert_eq!(status, expected, "{query}");
    }
}

/// The page of a path.
fn page(browser: &Browser, backup: &view::Backup, element: &str, path: &[u8]) -> Page {
    let path: String = path.iter().map(|b| format!("%{b:02X}")).collect();
    browser.get(&format!("/backups/{}/browse?element={element}&path={path}", backup.id))
}

#[test]
fn a_reader_walks_through_pages_and_nothing_in_a_file_runs() {
    let (panel, site, backup) = world();
    let browser = panel.administrator();
    let start = browser.get(&format!("/backups/{}", backup.id)).is(200);
    assert!(start.has(&format!("/backups/{}/browse?element=files&amp;path=files", backup.id)), "{}", start.body);
    browser.get(&format!("/backups/{}/browse", backup.id)).is(200);
    let folder = page(&browser, &backup, "files", b"files/public/odd").is(200);
    assert!(!folder.has("<script>alert") && !folder.has("\"\"onmouseover"), "{}", folder.body);
    assert!(!folder.has("\u{202e}") && folder.text().contains("rtl\\u{202e}gpj.exe"), "{}", folder.text());
    for name in ODD {
        let file = page(&browser, &backup, "files", &[b"files/public/odd/", name].concat()).is(200);
        assert!(!file.has("<script>alert") && !file.has("\"\"onmouseover") && file.text().contains("Get link"), "{}", file.body);
    }
    // A text as text, a picture as a picture, and nothing by its name.
    let edition = page(&browser, &backup, "code", b"code/EDITION").is(200);
    assert!(edition.text().contains("1 (corrected by hand)"), "{}", edition.text());
    for name in ["evil.svg", "evil.png"] {
        let path = format!("files/public/{name}");
        let file = page(&browser, &backup, "files", path.as_bytes()).is(200);
        assert!(file.has("&lt;") && !file.has("<img") && !file.has("<script>alert"), "{}", file.body);
        assert_eq!(browser.get(&format!("/backups/{}/picture?element=files&path={path}", backup.id)).status, 400);
    }
    let photo = page(&browser, &backup, "files", b"files/public/2024/photo-1.png").is(200);
    let source = format!("/backups/{}", photo.between("<img src=\"/backups/", "\""));
    let mut answer = ureq::get(format!("{}{source}", panel.server.url))
        .header("Cookie", format!("sitekeep={}", browser.cookie().unwrap()))
        .call()
        .unwrap();
    let header = |name: &str| answer.headers().get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
    assert_eq!((header("content-type"), header("x-content-type-options")), ("image/png".into(), "nosniff".into()));
    assert_eq!(header("content-security-policy"), "sandbox; default-src 'none'");
    assert_eq!(answer.body_mut().read_to_vec().unwrap(), std::fs::read(site.media().join("2024/photo-1.png")).unwrap());
    // Searching, and taking, without scripts.
    let hits = browser.get(&format!("/backups/{}/browse?element=files&name=photo-4", backup.id)).is(200);
    assert!(hits.text().contains("files/public/2024/photo-4.png"), "{}", hits.text());
    let made = browser.submit(&format!("/backups/{}/browse?element=files&path=files/public/2024/photo-4.png", backup.id), &[]).is(200);
    let url = made.between("id=\"new-link\" class=\"wrap\">", "<");
    let bytes = ureq::get(url).call().unwrap().body_mut().read_to_vec().unwrap();
    assert_eq!(bytes, std::fs::read(site.media().join("2024/photo-4.png")).unwrap());
}

#[test]
fn names_are_for_viewers_contents_for_those_who_may_download_and_nothing_for_others() {
    let (panel, _site, backup) = world();
    panel.must(&["tenant:create", "bolt"]);
    let token = |tenant: &str, role: &str| {
        let email = format!("{role}@{tenant}.test");
        panel.must(&["account:create", &email, "--tenant", tenant, "--role", role]);
        panel.must(&["token:create", &email]).trim().to_owned()
    };
    let (viewer, developer, stranger) = (token(TENANT, "viewer"), token(TENANT, "developer"), token("bolt", "owner"));
    let environment = panel.environment("notes.live").id;
    let routes = [
        format!("/backups/{}/browse?element=files&path=files", backup.id),
        format!("/backups/{}/browse", backup.id),
        format!("/backups/{}/search?element=files&name=x", backup.id),
        format!("/environments/{environment}/versions?element=code&path=code/index.php"),
    ];
    let body = json!({ "element": "files", "path": "files/public/evil.svg" });
    let take = format!("/backups/{}/links", backup.id);
    for path in &routes {
        let asked = [&viewer, &developer, &stranger].map(|who| ask(&panel.server.url, who, "GET", path, None).0);
        assert_eq!(asked, [200, 200, 404], "{path}");
    }
    let asked = [&viewer, &developer, &stranger].map(|who| ask(&panel.server.url, who, "POST", &take, Some(&body)).0);
    assert_eq!(asked, [403, 201, 404]);
    // What lies in the trash shows nothing, to nobody.
    panel.back_up("notes.live", &[]);
    let browser = panel.administrator();
    browser.post(&format!("/backups/{}/delete", backup.id), &[]).is(303);
    for path in &routes[..3] {
        let (status, said) = ask(&panel.server.url, &developer, "GET", path, None);
        let nothing = said["entries"].as_array().is_some_and(Vec::is_empty);
        assert!(status == 409 || path.ends_with("/browse") && nothing, "{path}: {status} {said}");
    }
    assert_eq!(page(&browser, &backup, "files", b"files").status, 409);
}

#[test]
fn the_versions_of_a_file_say_where_it_changed() {
    let (panel, site, first) = world();
    let second = panel.back_up("notes.live", &["--note", "nothing happened"]);
    write(site.root.join("EDITION"), "2\n");
    crate::support::give_tree(&site.root, &site.owner);
    let third = panel.back_up("notes.live", &["--note", "second edition"]);
    std::fs::remove_file(site.root.join("EDITION")).unwrap();
    panel.back_up("notes.live", &["--element", "code"]);
    let environment = panel.environment("notes.live").id;
    let versions: Vec<FileVersion> = panel.get(&format!("/environments/{environment}/versions?element=code&path=code/EDITION"));
    let told: Vec<(&str, bool, u64)> = versions.iter().map(|v| (v.backup.as_str(), v.changed, v.size)).collect();
    assert_eq!(told, [(third.id.as_str(), true, 2), (second.id.as_str(), false, 22), (first.id.as_str(), true, 22)]);
    assert_eq!((versions[2].content == versions[1].content, versions[0].content == versions[1].content), (true, false));
    assert_eq!(versions[0].reason, "second edition");
    let listed = panel.must(&["backup:versions", "notes.live", "code/EDITION", "--element", "code"]);
    assert!(listed.contains("second edition") && listed.contains("as before"), "{listed}");
    let shown = panel.administrator().get(&format!("/environments/{environment}/versions?element=code&path=code/EDITION")).is(200);
    assert!(shown.text().contains("It is in 3 backups, with 2 different contents."), "{}", shown.text());
}

/// Through the whole product; the engine's own time is in `src/engine/tests/looks.rs`.
#[test]
fn a_folder_of_thirty_thousand_files_answers_within_three_hundred_milliseconds_and_weighs_little() {
    let panel = Panel::start();
    let root = panel.scratch.join("many");
    write(root.join("index.html"), "<h1>");
    std::fs::create_dir_all(root.join("uploads")).unwrap();
    for n in 0..30_000 {
        std::fs::File::create(root.join(format!("uploads/{:05}-photo.jpg", n * 7919 % 30_011))).unwrap();
    }
    panel.add_site("many", "live", &root, &["--files", "public=uploads"]);
    let backup = panel.back_up("many.live", &["--element", "files"]);
    let timed = |after: &str| {
        let began = Instant::now();
        let page = inside(&panel, &backup, &format!("element=files&path=files/public&after={after}"));
        (page, began.elapsed())
    };
    let (page, first) = timed("");
    assert_eq!((page.entries.len(), page.total), (200, 30_000));
    let (_, second) = timed(page.next.as_deref().unwrap());
    println!("30,000 entries through the API: the first page took {first:?}, the second one {second:?}");
    assert!(second < Duration::from_millis(300), "{second:?}");
    let browser = panel.administrator();
    let path = format!("{}/backups/{}/browse?element=files&path=files/public", panel.server.url, backup.id);
    let agent = ureq::get(path).header("Cookie", format!("sitekeep={}", browser.cookie().unwrap())).header("Accept-Encoding", "br");
    let weight = agent.call().unwrap().body_mut().read_to_vec().unwrap().len();
    println!("a page of 200 entries weighs {weight} bytes");
    assert!(weight < 8_000, "{weight}");
    let entry: &Entry = &page.entries[0];
    assert_eq!(entry.size, Some(0));
}
