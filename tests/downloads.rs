//! Downloads as people make them: a link in `wget`, the file in `tar` and in the plain clients of databases.

mod bucket;
mod custom;
mod killed;
mod letters;
mod prepared;

pub use custom::POINTS as POINTS_ASIDE;
pub use killed::POINTS;

use crate::support::digest;
use crate::support::mariadb::{Database, Mariadb};
use crate::support::panel::{Panel, TENANT, ask};
use crate::support::postgres::Postgres;
use crate::support::{Scratch, hard, run, run_with_input, tool, wait_for, write};
use flate2::read::GzDecoder;
use serde_json::json;
use sitekeep::domain::downloads::Download;
use sitekeep::domain::links::{DownloadLink, LinkUse};
use sitekeep::domain::view;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A site with everything in it that archives get wrong.
fn zoo(scratch: &Scratch) -> PathBuf {
    let root = scratch.join("zoo");
    write(root.join("index.html"), "<h1>Zoo</h1>");
    write(root.join("deep/er/page.html"), "<p>");
    std::fs::create_dir_all(root.join("empty/emptier")).unwrap();
    std::fs::create_dir_all(root.join("uploads/albums")).unwrap();
    let odd: [&[u8]; 7] = [b"new\nline", b"\xff\xfe not text", b"-rf", b"--help", b"a b", b"back\\slash", "rtl\u{202e}x".as_bytes()];
    for name in odd {
        write(root.join(OsStr::from_bytes(name)), name);
        write(root.join("uploads").join(OsStr::from_bytes(name)), name);
    }
    write(root.join("x".repeat(255)), "long");
    write(root.join("uploads/albums").join("y".repeat(255)), "long, and deep");
    write(root.join("uploads/large.bin"), noise(3_000_001));
    std::os::unix::fs::symlink("deep/er", root.join("link")).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", root.join("dangling")).unwrap();
    std::os::unix::fs::symlink(OsStr::from_bytes(b"\xfe"), root.join("uploads/raw")).unwrap();
    std::fs::hard_link(root.join("uploads/large.bin"), root.join("uploads/albums/again.bin")).unwrap();
    crate::support::set_mode(&root.join("deep"), 0o711);
    crate::support::set_mode(&root.join("index.html"), 0o440);
    root
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes
}

fn link(panel: &Panel, backup: &view::Backup, element: &str) -> DownloadLink {
    let (status, said) = panel.post(&format!("/backups/{}/links", backup.id), &json!({ "element": element }));
    assert_eq!(status, 201, "{said}");
    serde_json::from_value(said).unwrap()
}

/// Asks for a download and waits for the end of its job.
#[track_caller]
fn prepared(panel: &Panel, backup: &view::Backup, wish: &serde_json::Value) -> Download {
    let (status, said) = panel.post(&format!("/backups/{}/downloads", backup.id), wish);
    assert_eq!(status, 201, "{said}");
    ended(panel, said["id"].as_str().unwrap())
}

#[track_caller]
fn ended(panel: &Panel, id: &str) -> Download {
    let find = || panel.get::<Download>(&format!("/downloads/{id}"));
    wait_for("the download to be prepared", Duration::from_secs(120), || !find().state.is_moving());
    find()
}

/// A link to the archive of this element.
#[track_caller]
fn link_to(panel: &Panel, download: &Download, element: &str, life: &serde_json::Value) -> DownloadLink {
    let archive = download.archives.iter().find(|a| a.element.name() == element).expect("it was prepared");
    let (status, said) = panel.post(&format!("/archives/{}/links", archive.id), life);
    assert_eq!(status, 201, "{said}");
    serde_json::from_value(said).unwrap()
}

fn uses(panel: &Panel, link: &DownloadLink) -> Vec<LinkUse> {
    panel.get(&format!("/links/{}/uses", link.id))
}

/// The file of a link, by a program that knows nothing but its address.
fn wget(url: &str, into: &Path) -> Output {
    Command::new(tool("wget")).args(["--no-config", "--tries=1", "--content-disposition", "-P"]).arg(into).arg(url).output().unwrap()
}

#[track_caller]
fn fetched(link: &DownloadLink, into: &Path) -> PathBuf {
    let out = wget(link.url.as_deref().expect("it is open"), into);
    assert!(out.status.success(), "wget said:\n{}", String::from_utf8_lossy(&out.stderr));
    into.join(&link.filename)
}

/// GNU tar must be content, and say nothing.
#[track_caller]
pub fn untar(archive: &Path, into: &Path) {
    std::fs::create_dir_all(into).unwrap();
    let out = Command::new("tar").arg("-xzpf").arg(archive).arg("-C").arg(into).output().unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "tar said:\n{}", String::from_utf8_lossy(&out.stderr));
}

pub fn unpacked(archive: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(std::fs::File::open(archive).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

fn status(method: &str, url: &str) -> (u16, String, ureq::http::HeaderMap) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut answer = agent.run(ureq::http::Request::builder().method(method).uri(url).body(()).unwrap()).unwrap();
    let text = if method == "HEAD" { String::new() } else { answer.body_mut().read_to_string().unwrap_or_default() };
    (answer.status().as_u16(), text, answer.headers().clone())
}

#[test]
fn a_link_gives_files_and_code_to_wget_and_tar_without_signing_in() {
    let panel = Panel::start();
    let root = zoo(&panel.scratch);
    panel.add_site("zoo", "live", &root, &["--files", "public=uploads"]);
    let backup = panel.back_up("zoo.live", &[]);
    let (files, code) = (link(&panel, &backup, "files"), link(&panel, &backup, "code"));
    let out = Scratch::new();
    untar(&fetched(&files, out.path()), &out.join("files"));
    untar(&fetched(&code, out.path()), &out.join("code"));
    digest::files(&root.join("uploads")).assert_same(&digest::files(&out.join("files/files/public")), "files");
    digest::files(&root).without(&["uploads"]).assert_same(&digest::files(&out.join("code/code")), "code");
    let manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("files/sitekeep-manifest.json")).unwrap()).unwrap();
    assert_eq!((manifest["backup"].as_str(), manifest["environment"].as_str()), (Some(backup.id.as_str()), Some("acme/zoo.live")));
    assert_eq!(manifest["files"].as_array().unwrap().len(), 10, "{manifest}");

    // What a browser, a mail scanner and a curious person see.
    let (url, page) = (files.url.clone().unwrap(), files.page.clone().unwrap());
    let (code, _, headers) = status("HEAD", &url);
    let header = |name: &str| headers.get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
    assert_eq!((code, header("content-type"), header("content-length")), (200, "application/gzip".into(), String::new()));
    assert_eq!((header("cache-control"), header("x-robots-tag")), ("private, no-store".into(), "noindex".into()));
    assert_eq!((header("referrer-policy"), header("accept-ranges")), ("no-referrer".into(), "none".into()));
    assert!(header("content-disposition").contains(&format!("filename=\"{}\"", files.filename)));
    let (code, text, _) = status("GET", &page);
    assert!(code == 200 && text.contains(&files.filename) && text.contains("zoo.live"), "{text}");
    for wrong in [format!("{page}/other.tar.gz"), format!("{page}x"), format!("{page}/"), format!("{}x/{}", page, files.filename)] {
        assert_eq!(status("GET", &wrong).0, 404, "{wrong}");
    }
    let seen = uses(&panel, &files);
    assert_eq!((seen.len(), seen[0].outcome.as_deref(), seen[0].address.as_str()), (1, Some("complete"), "127.0.0.1"), "{seen:?}");
    assert!(seen[0].agent.starts_with("Wget") && seen[0].bytes == std::fs::metadata(out.join(&files.filename)).unwrap().len());
    assert_eq!(panel.post(&format!("/links/{}/revoke", files.id), &json!({})).0, 200);
    for url in [&url, &page] {
        let (code, text, _) = status("GET", url);
        assert!(code == 410 && text.contains("taken back"), "{code} {text}");
    }
    for token in [&files, &self::link(&panel, &backup, "code")].map(|l| l.url.clone().unwrap_or_else(|| url.clone())) {
        let token = token.split('/').nth(4).unwrap();
        let log = std::fs::read_to_string(panel.server.data.with_extension("log")).unwrap();
        assert!(token.len() > 80 && !log.is_empty() && !log.contains(token), "the log shows a link");
    }
    in_catalogue(&panel, async |conn| {
        let acme = sitekeep::db::tenants::find_named(conn, TENANT).await.unwrap().unwrap().id.into();
        let acts = sitekeep::db::activity::newest(conn, &acme, 50).await.unwrap();
        let used: Vec<_> = acts.iter().filter(|a| a.action == "download.use").collect();
        assert_eq!(used.len(), 2, "one for each that was downloaded: {acts:?}");
        assert!(used.iter().any(|a| a.object == files.id && a.detail.contains("acme/zoo.live") && a.detail.contains("Wget")), "{used:?}");
    });
}

/// What is prepared of the database is to the byte what is written while it is sent, and what the client is given below.
#[track_caller]
fn same_when_prepared(panel: &Panel, backup: &view::Backup, sql: &[u8]) {
    let download = prepared(panel, backup, &json!({ "elements": ["database"] }));
    let (out, link) = (Scratch::new(), link_to(panel, &download, "database", &json!({})));
    assert!(link.filename.ends_with("_UTC_database.sql.gz"), "{}", link.filename);
    assert_eq!(unpacked(&fetched(&link, out.path())), sql);
}

fn add_database(panel: &Panel, engine: &str, database: &Database) {
    let root = panel.scratch.join("site");
    write(root.join("index.html"), "<h1>");
    let password = panel.scratch.join("site-password");
    write(&password, &database.password);
    let (port, password) = (database.port.to_string(), password.display().to_string());
    let options = ["--database-engine", engine, "--database-host", "127.0.0.1", "--database-port", &port];
    let account = ["--database-name", &database.name, "--database-user", &database.user, "--database-password-file", &password];
    panel.add_site("shop", "live", &root, &[&options[..], &account[..]].concat());
}

#[test]
fn a_dump_of_mariadb_is_loaded_by_the_plain_client() {
    let panel = Panel::start();
    let server = Mariadb::shared();
    let database = server.create("taken");
    hard::mysql(server, &database);
    add_database(&panel, "mysql", &database);
    let backup = panel.back_up("shop.live", &["--element", "database"]);
    let out = Scratch::new();
    let sql = unpacked(&fetched(&link(&panel, &backup, "database"), out.path()));
    assert!(String::from_utf8_lossy(&sql[..2000]).contains(&format!("-- backup: {}\n", backup.id)));
    same_when_prepared(&panel, &backup, &sql);
    let empty = server.create("by_hand");
    let client = out.join("client.cnf");
    write(&client, format!("[client]\nuser={}\npassword={}\n", empty.user, empty.password));
    let mut mariadb = Command::new(tool("mariadb"));
    mariadb.arg(format!("--defaults-file={}", client.display())).args(["-h127.0.0.1", "-P", &empty.port.to_string(), &empty.name]);
    let loaded = run_with_input(&mut mariadb, &sql);
    crate::support::assert_success(&mariadb, &loaded);
    let (before, after) = (server.digest(&database.name), server.digest(&empty.name));
    assert!(hard::MYSQL_PARTS.iter().all(|part| before.get(part).is_some()));
    hard::but_checksums(&before).assert_same(&hard::but_checksums(&after), "the database");
}

#[test]
fn a_dump_of_postgresql_is_loaded_by_the_plain_client() {
    let panel = Panel::start();
    let server = Postgres::shared();
    let database = server.create("taken");
    hard::postgres(server, &database);
    add_database(&panel, "postgres", &database);
    let backup = panel.back_up("shop.live", &["--element", "database"]);
    let out = Scratch::new();
    let sql = unpacked(&fetched(&link(&panel, &backup, "database"), out.path()));
    same_when_prepared(&panel, &backup, &sql);
    let empty = server.create("by_hand");
    let mut psql = server.psql(&empty.name);
    psql.args(["-v", "ON_ERROR_STOP=1", "-q"]);
    let loaded = run_with_input(&mut psql, &sql);
    crate::support::assert_success(&psql, &loaded);
    let (before, after) = (server.digest(&database.name), server.digest(&empty.name));
    assert!(hard::POSTGRES_PARTS.iter().all(|part| before.get(part).is_some()));
    before.assert_same(&after, "the database");
}

#[test]
fn a_sqlite_database_comes_as_the_file_that_it_is() {
    let panel = Panel::start();
    crate::support::little::Little::added_to(&panel);
    let backup = panel.back_up("little.main", &[]);
    let out = Scratch::new();
    let file = fetched(&link(&panel, &backup, "database"), out.path());
    write(out.join("little.sqlite"), unpacked(&file));
    let to = out.join("by-command.gz");
    panel.must(&["backup:get", "little.main", "--element", "db", "--to", to.to_str().unwrap()]);
    assert_eq!(std::fs::read(&to).unwrap(), std::fs::read(&file).unwrap(), "the same file, whoever takes it");
    panel.refused(&["backup:get", "little.main", "--element", "db", "--to", to.to_str().unwrap()], 6);
    let printed = panel.must(&["backup:get", "little.main", "--file", file.file_name().unwrap().to_str().unwrap()]);
    assert_eq!(wget(printed.trim(), &out.join("again")).status.code(), Some(0), "{printed}");
    assert_eq!(crate::support::little::words(&out.join("little.sqlite")), ["one", "two"]);
    run(Command::new("gzip").arg("-t").arg(&file));
}

/// A panel with a site whose files take a while to download.
fn large(megabytes: usize) -> (Panel, view::Backup) {
    large_in(Panel::start(), megabytes)
}

fn large_in(panel: Panel, megabytes: usize) -> (Panel, view::Backup) {
    let root = panel.scratch.join("large");
    write(root.join("index.html"), "<h1>");
    for n in 0..megabytes / 8 {
        write(root.join(format!("uploads/{n}.bin")), noise(8 << 20));
    }
    panel.add_site("large", "live", &root, &["--files", "public=uploads"]);
    let backup = panel.back_up("large.live", &["--element", "files"]);
    (panel, backup)
}

/// A member with this role, with a token.
fn member(panel: &Panel, role: &str) -> String {
    let email = format!("{role}@example.test");
    let (status, said) = panel.post("/accounts", &json!({ "email": email, "tenant": TENANT, "role": role }));
    assert!(status < 300, "{said}");
    let (status, said) = panel.post("/tokens", &json!({ "label": "test", "account": email, "scope": "all" }));
    assert!(status < 300, "{said}");
    said["token"].as_str().unwrap().to_owned()
}

/// Changes the catalogue behind the server's back.
fn in_catalogue(panel: &Panel, change: impl AsyncFn(&mut sitekeep::base::sql::Conn)) {
    use sitekeep::base::{clock::Clock, sql::Pool};
    let url = format!("sqlite://{}", panel.server.data.join("catalogue.db").display());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let pool = Pool::connect(&url, 1, Clock::system()).await.unwrap();
        change(&mut *pool.get().await.unwrap()).await;
        pool.close().await;
    });
}

/// Reads on; how many bytes came, and how it ended.
fn to_the_end(body: &mut impl Read) -> (usize, std::io::Result<()>) {
    let (mut read, mut buffer) = (0, vec![0; 1 << 16]);
    loop {
        match body.read(&mut buffer) {
            Ok(0) => return (read, Ok(())),
            Ok(n) => read += n,
            Err(e) => return (read, Err(e)),
        }
    }
}

/// What ends a link whose maker is the developer, or the administrator where the tenant itself is to rest.
fn end(panel: &Panel, what: &str, link: &DownloadLink) {
    use sitekeep::db::{accounts, tenants};
    if what == "revoked" {
        assert_eq!(panel.post(&format!("/links/{}/revoke", link.id), &json!({})).0, 200);
        return;
    }
    in_catalogue(panel, async |conn| {
        let acme = tenants::find_named(conn, TENANT).await.unwrap().unwrap().id.into();
        let account = accounts::find_by_email(conn, "developer@example.test").await.unwrap().unwrap().id.into();
        assert!(match what {
            "removed" => tenants::remove_member(conn, &acme, &account).await.unwrap(),
            _ => tenants::set_state(conn, &acme, "suspended").await.unwrap(),
        });
    });
}

#[test]
fn a_running_download_stops_when_its_link_is_revoked_its_maker_removed_or_its_tenant_suspended() {
    let (panel, backup) = large(48);
    let token = member(&panel, "developer");
    for what in ["revoked", "removed", "suspended"] {
        // Suspended last, by a link of the administrator, whom a suspension does not bind elsewhere.
        let made = match what {
            "suspended" => link(&panel, &backup, "files"),
            _ => {
                let (status, said) =
                    ask(&panel.server.url, &token, "POST", &format!("/backups/{}/links", backup.id), Some(&json!({ "element": "files" })));
                assert_eq!(status, 201, "{said}");
                serde_json::from_value(said).unwrap()
            }
        };
        let mut body = ureq::get(made.url.as_deref().unwrap()).call().unwrap().into_body().into_reader();
        let mut first = vec![0; 100_000];
        body.read_exact(&mut first).unwrap();
        end(&panel, what, &made);
        let began = Instant::now();
        let outcome = || uses(&panel, &made).first().and_then(|u| u.outcome.clone());
        wait_for(what, Duration::from_secs(5), || outcome().as_deref() == Some("stopped"));
        assert!(began.elapsed() <= Duration::from_secs(5), "{what}: it took {:?}", began.elapsed());
        let (rest, ended) = to_the_end(&mut body);
        assert!(ended.is_err(), "{what}: the client saw a clean end after {rest} bytes");
        assert!(rest < 40 << 20, "{what}: {rest} bytes still came");
        let (code, text, _) = status("GET", made.url.as_deref().unwrap());
        assert!(code == 410 && text.contains("taken back"), "{what}: {code} {text}");
    }
}

#[test]
fn a_server_that_is_asked_to_end_does_not_wait_for_downloads() {
    let (mut panel, backup) = large(48);
    let made = link(&panel, &backup, "files");
    let open = || {
        let mut body = ureq::get(made.url.as_deref().unwrap()).call().unwrap().into_body().into_reader();
        body.read_exact(&mut [0; 1000]).unwrap();
        body
    };
    let (mut listens, _stands_still) = (open(), open());
    panel.server.process().term();
    let status = panel.server.process().wait(Duration::from_secs(25));
    assert!(status.success(), "{status}");
    let (rest, ended) = to_the_end(&mut listens);
    assert!(ended.is_err(), "a clean end after {rest} bytes");
    in_catalogue(&panel, async |conn| {
        let link = sitekeep::db::links::find(conn, &made.id.clone().into()).await.unwrap().unwrap();
        let uses = sitekeep::db::links::uses(conn, &link.tenant_id.into(), &link.id.into()).await.unwrap();
        assert!(uses.len() == 2 && uses.iter().all(|u| u.outcome.as_deref() == Some("stopped")), "{uses:?}");
    });
}

#[test]
fn a_damaged_pack_breaks_the_download_off_before_the_eyes_of_the_client() {
    let (panel, backup) = large(24);
    let made = link(&panel, &backup, "files");
    let (repository, _) = panel.repository("large.live");
    let mut packs: Vec<PathBuf> = Vec::new();
    for dir in std::fs::read_dir(repository.join("data")).unwrap().flatten() {
        packs.extend(std::fs::read_dir(dir.path()).unwrap().flatten().map(|f| f.path()));
    }
    let larger = packs.into_iter().max_by_key(|p| std::fs::metadata(p).unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&larger).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&larger, &bytes).unwrap();
    let out = Scratch::new();
    let got = wget(made.url.as_deref().unwrap(), out.path());
    assert!(!got.status.success(), "wget was content:\n{}", String::from_utf8_lossy(&got.stderr));
    let part = out.join(&made.filename);
    assert!(!part.exists() || !Command::new("gzip").arg("-t").arg(&part).output().unwrap().status.success());
    assert_eq!(uses(&panel, &made)[0].outcome.as_deref(), Some("failed"));
    assert!(panel.server.log().contains("ended early"), "the server says so, too");
}

#[test]
fn a_large_download_takes_little_memory_and_a_fifth_at_once_waits() {
    let (mut panel, backup) = large(160);
    let peak = |panel: &mut Panel| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", panel.server.pid())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    let made = link(&panel, &backup, "files");
    let before = peak(&mut panel);
    let out = Scratch::new();
    fetched(&made, out.path());
    let after = peak(&mut panel);
    assert!(after - before < 90, "from {before} to {after} MB for a file of 160");
    // Four that stand still, and one more.
    let open: Vec<_> = (0..4).map(|_| ureq::get(made.url.as_deref().unwrap()).call().unwrap().into_body().into_reader()).collect();
    let (code, text, _) = status("GET", made.url.as_deref().unwrap());
    assert!(code == 503 && text.contains("4 downloads"), "{code} {text}");
    drop(open);
    // It broke off four times; a try for the rest is none of its own, though all of it comes.
    wait_for("a free place", Duration::from_secs(20), || {
        status("HEAD", made.url.as_deref().unwrap()).0 == 200 && {
            let all = uses(&panel, &made);
            all.iter().filter(|u| u.outcome.as_deref() == Some("broken")).count() == 4
        }
    });
    let counted = || panel.get::<Vec<DownloadLink>>(&format!("/backups/{}/links", backup.id))[0].uses;
    assert_eq!((counted(), uses(&panel, &made).len()), (5, 5));
    let mut rest = ureq::get(made.url.as_deref().unwrap()).header("Range", "bytes=1000-").call().unwrap();
    assert_eq!((rest.status().as_u16(), rest.headers().get("content-range")), (200, None));
    assert!(std::io::copy(&mut rest.body_mut().as_reader(), &mut std::io::sink()).unwrap() > 160_000_000);
    drop(rest);
    wait_for("its end", Duration::from_secs(5), || uses(&panel, &made)[0].outcome.as_deref() == Some("complete"));
    assert_eq!(counted(), 5);
}
