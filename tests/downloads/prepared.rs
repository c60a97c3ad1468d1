//! Downloads that are prepared: any part of them can be asked for, whoever renews a link goes on with the same file, and
//! what nobody needs any more goes.

use super::{ended, fetched, large, link_to, noise, prepared, status, uses, wget};
use crate::support::app::Installation;
use crate::support::digest::{self, Digest};
use crate::support::disk::SmallDisk;
use crate::support::little::{self, Little};
use crate::support::panel::Panel;
use crate::support::{Scratch, run, tool, wait_for, write};
use serde_json::json;
use sitekeep::app::downloads::{self, Life};
use sitekeep::base::clock::{Clock, Millis};
use sitekeep::base::secret::hex;
use sitekeep::base::sql::Kind;
use sitekeep::db;
use sitekeep::domain::downloads::{Download, DownloadState};
use sitekeep::domain::ids::LinkId;
use sitekeep::domain::links::DownloadLink;
use sitekeep::domain::state::BackupState;
use sitekeep::store::Store;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

pub struct Answer {
    pub status: u16,
    headers: ureq::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

pub fn get(url: &str, headers: &[(&str, &str)]) -> Answer {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut answer = headers.iter().fold(agent.get(url), |request, (name, value)| request.header(*name, *value)).call().unwrap();
    let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
    Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), body }
}

pub fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex(&sha2::Sha256::digest(bytes))
}

fn url(link: &DownloadLink) -> &str {
    link.url.as_deref().expect("it is open")
}

/// What lies in the store.
fn stored(panel: &Panel) -> Vec<PathBuf> {
    let folder = panel.server.data.join("repositories/downloads");
    std::fs::read_dir(folder).map(|dir| dir.flatten().map(|e| e.path()).collect()).unwrap_or_default()
}

#[test]
fn a_download_that_was_cut_goes_on_by_a_renewed_link_to_the_very_same_file() {
    let (panel, backup) = large(64);
    let download = prepared(&panel, &backup, &json!({ "elements": ["files"], "form": "tar.gz" }));
    let archive = download.archives[0].clone();
    let size = archive.size.unwrap() as usize;
    assert_eq!((download.state, archive.sha256.as_ref().unwrap().len()), (DownloadState::Ready, 64), "{download:?}");
    let first = link_to(&panel, &download, "files", &json!({ "uses": 1 }));
    assert_eq!((first.size as usize, first.sha256.as_ref()), (size, archive.sha256.as_ref()));
    // Cut at 30 %: the connection goes away in the middle of the transfer.
    let mut begun = vec![0; size * 3 / 10];
    let mut answer = ureq::get(url(&first)).call().unwrap();
    let etag = answer.headers().get("etag").unwrap().to_str().unwrap().to_owned();
    assert_eq!(etag, format!("\"{}\"", archive.sha256.as_ref().unwrap()));
    answer.body_mut().as_reader().read_exact(&mut begun).unwrap();
    drop(answer);
    wait_for("the use to break", Duration::from_secs(10), || uses(&panel, &first)[0].outcome.as_deref() == Some("broken"));
    // The link opens no more; a new one leads to the same archive.
    assert_eq!(panel.post(&format!("/links/{}/revoke", first.id), &json!({})).0, 200);
    assert_eq!(get(url(&first), &[("Range", &format!("bytes={}-", begun.len()))]).status, 410);
    let (code, said) = panel.post(&format!("/links/{}/renew", first.id), &json!({}));
    assert_eq!(code, 201, "{said}");
    let renewed: DownloadLink = serde_json::from_value(said).unwrap();
    let rest = get(url(&renewed), &[("Range", &format!("bytes={}-", begun.len())), ("If-Range", &etag)]);
    assert_eq!((rest.status, rest.header("content-range")), (206, &*format!("bytes {}-{}/{size}", begun.len(), size - 1)));
    begun.extend(&rest.body);
    assert_eq!((begun.len(), sha256(&begun)), (size, archive.sha256.unwrap()));
    let seen = uses(&panel, &renewed);
    assert_eq!((seen.len(), seen[0].bytes as usize, seen[0].outcome.as_deref()), (1, rest.body.len(), Some("complete")));
}

/// The same with a clock that is moved: the server of this test runs within it.
#[test]
fn a_download_that_was_cut_goes_on_after_its_link_expired_and_was_renewed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let clock = Clock::fixed(Millis(1_795_230_000_000));
    let bytes = noise(40 << 20);
    let (at, link, url) = runtime.block_on(async {
        let at = Installation::with_clock(Kind::Sqlite, clock.clone()).await;
        let acme = at.tenant("acme").await;
        let shop = at.add_site("acme", "shop", "test").await;
        let archive = at.things(&shop).await.archive;
        let store = Store::in_folder(at.scratch.join("repositories/downloads"), at.app.sealer.derive("prepared downloads"), 0);
        let name = format!("{archive}.real");
        let mut part = store.begin(&name).unwrap();
        std::io::Write::write_all(&mut part, &bytes).unwrap();
        let whole = part.finish().unwrap();
        let made = db::downloads::Made { object: &name, size: whole.size, sha256: &whole.sha256 };
        db::downloads::made(&mut at.app.pool.get().await.unwrap(), clock.now(), &acme, &archive, &made).await.unwrap();
        let link = downloads::link_to(&at.app, &at.admin, &archive, Life { hours: Some(1), uses: None }).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = sitekeep::web::router(at.app.clone()).into_make_service_with_connect_info::<std::net::SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        (at, link, url)
    });
    let here = |link: &DownloadLink| link.url.as_deref().unwrap().replace("http://sitekeep.test", &url);
    let mut begun = vec![0; bytes.len() * 3 / 10];
    let mut answer = ureq::get(here(&link)).call().unwrap();
    let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
    answer.body_mut().as_reader().read_exact(&mut begun).unwrap();
    drop(answer);
    clock.advance(3_600_000);
    let range = format!("bytes={}-", begun.len());
    let late = get(&here(&link), &[("Range", &range), ("If-Range", &etag)]);
    let page = String::from_utf8_lossy(&late.body).into_owned();
    assert!(late.status == 410 && page.contains("This link has expired") && page.contains("Renew the link"), "{} {page}", late.status);
    let renewed = runtime.block_on(downloads::renew(&at.app, &at.admin, &LinkId(link.id.clone()))).unwrap();
    let rest = get(&here(&renewed), &[("Range", &range), ("If-Range", &etag)]);
    assert_eq!(rest.status, 206);
    begun.extend(&rest.body);
    assert_eq!(Some(sha256(&begun)), renewed.sha256, "the hash is that of the whole");
    assert!(begun == bytes);
}

#[test]
fn the_rest_of_a_cut_download_is_the_same_use_and_another_one_is_not() {
    let (panel, backup) = large(64);
    let download = prepared(&panel, &backup, &json!({}));
    let (size, hash) = (download.archives[0].size.unwrap(), download.archives[0].sha256.clone().unwrap());
    let link = link_to(&panel, &download, "files", &json!({ "uses": 1 }));
    let out = Scratch::new();
    let part = out.join(&link.filename);
    let mut begun = vec![0; (size * 3 / 10) as usize];
    let mut answer = ureq::get(url(&link)).call().unwrap();
    answer.body_mut().as_reader().read_exact(&mut begun).unwrap();
    drop(answer);
    write(&part, &begun);
    wait_for("the use to break", Duration::from_secs(10), || uses(&panel, &link)[0].outcome.as_deref() == Some("broken"));
    let (code, text, _) = status("GET", url(&link));
    assert!(code == 410 && text.contains("used up"), "{code} {text}");
    // wget goes on by itself, in the one use that the link is good for.
    let got = Command::new(tool("wget")).args(["--no-config", "--tries=1", "-c", "-O"]).arg(&part).arg(url(&link)).output().unwrap();
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    assert_eq!(sha256(&std::fs::read(&part).unwrap()), hash);
    let seen = uses(&panel, &link);
    assert_eq!((seen.len(), seen[0].outcome.as_deref()), (1, Some("complete")), "{seen:?}");
    assert!(seen[0].bytes >= size, "{seen:?}");
    let (code, text, _) = status("GET", url(&link));
    assert!(code == 410 && text.contains("used up") && text.contains("Renew"), "{code} {text}");
    let page = status("GET", url(&link).rsplit_once('/').unwrap().0);
    assert!(page.0 == 410 && page.1.contains("used up"), "{page:?}");
    // What was promised to the use is given out: the rest cannot be had again and again.
    let mut more = 0;
    while get(url(&link), &[("Range", "bytes=1-")]).status == 206 {
        more += 1;
        assert!(more < 3, "one use has no end");
    }
}

#[test]
fn of_a_hundred_who_come_at_once_one_gets_a_link_that_is_good_for_one() {
    let panel = Panel::start();
    Little::added_to(&panel);
    let backup = panel.back_up("little.main", &[]);
    let download = prepared(&panel, &backup, &json!({ "elements": ["code"] }));
    let ready = link_to(&panel, &download, "code", &json!({ "uses": 1 }));
    let (code, said) = panel.post(&format!("/backups/{}/links", backup.id), &json!({ "element": "code", "uses": 1 }));
    assert_eq!(code, 201, "{said}");
    let streamed: DownloadLink = serde_json::from_value(said).unwrap();
    for (link, range) in [(&ready, None), (&streamed, None)] {
        let (good, other) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|s| {
            for _ in 0..100 {
                s.spawn(|| {
                    let headers: Vec<(&str, &str)> = range.into_iter().collect();
                    match get(url(link), &headers).status {
                        200 | 206 => good.fetch_add(1, SeqCst),
                        // Used up, or as many at once as there may be.
                        410 | 503 => other.fetch_add(1, SeqCst),
                        status => panic!("{status}"),
                    };
                });
            }
        });
        assert_eq!((good.load(SeqCst), other.load(SeqCst)), (1, 99));
        assert_eq!(uses(&panel, link).len(), 1);
    }
}

#[test]
fn a_program_gets_the_part_that_it_asks_for_and_is_told_what_there_is() {
    let panel = Panel::start();
    Little::added_to(&panel);
    let backup = panel.back_up("little.main", &[]);
    let download = prepared(&panel, &backup, &json!({ "elements": ["files"] }));
    let link = link_to(&panel, &download, "files", &json!({}));
    let whole = get(url(&link), &[]);
    let (size, etag) = (whole.body.len(), whole.header("etag").to_owned());
    assert_eq!((whole.status, sha256(&whole.body)), (200, link.sha256.clone().unwrap()));
    assert_eq!((whole.header("accept-ranges"), whole.header("content-type")), ("bytes", "application/gzip"));
    assert_eq!((whole.header("content-encoding"), whole.header("content-length")), ("", &*size.to_string()));
    assert!(whole.header("content-disposition").contains(&format!("filename=\"{}\"", link.filename)));
    assert_eq!((whole.header("cache-control"), whole.header("referrer-policy")), ("private, no-store", "no-referrer"));
    let (code, _, head) = status("HEAD", url(&link));
    assert_eq!((code, head["content-length"].to_str().unwrap(), head["etag"].to_str().unwrap()), (200, &*size.to_string(), &*etag));
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=-7", size - 7, size - 1),
        ("bytes=5-", 5, size - 1),
        ("bytes=70000-70009", 70_000, 70_009),
    ] {
        let part = get(url(&link), &[("Range", range), ("If-Range", &etag), ("Accept-Encoding", "gzip, br")]);
        assert_eq!((part.status, part.header("content-range")), (206, &*format!("bytes {first}-{last}/{size}")), "{range}");
        assert_eq!((part.header("content-length"), part.header("content-encoding")), (&*(last - first + 1).to_string(), ""));
        assert!(part.body == whole.body[first..=last], "{range}");
    }
    let beyond = get(url(&link), &[("Range", &format!("bytes={size}-"))]);
    assert_eq!((beyond.status, beyond.header("content-range")), (416, &*format!("bytes */{size}")));
    for headers in [&[("Range", "bytes=5-"), ("If-Range", "\"another\"")][..], &[("Range", "bytes=0-1,4-5")], &[("Range", "lines=1-2")]] {
        let all = get(url(&link), headers);
        assert!(all.status == 200 && all.body == whole.body, "{headers:?}");
    }
    // The page says what it is, how big, until when, and its hash.
    let (code, page, _) = status("GET", link.page.as_deref().unwrap());
    for word in [&*link.filename, link.sha256.as_deref().unwrap(), "wget -c", "Good until", "little.main"] {
        assert!(code == 200 && page.contains(word), "{word} is not in {page}");
    }
    // Uses that were no rest of another one, each with its bytes.
    let seen = uses(&panel, &link);
    assert!(seen.iter().all(|u| u.outcome.as_deref() == Some("complete") && u.address == "127.0.0.1"), "{seen:?}");
    assert!(seen.len() == 4 && seen.last().unwrap().bytes as usize > size, "parts belong to the use before them: {seen:?}");
}

#[test]
fn everything_that_is_prepared_is_unpacked_by_stock_tools() {
    let panel = Panel::start();
    let root = super::zoo(&panel.scratch);
    panel.add_site("zoo", "live", &root, &["--files", "public=uploads"]);
    Little::added_to(&panel);
    let backup = panel.back_up("zoo.live", &[]);
    let out = Scratch::new();
    for form in ["tar.gz", "tar.zst"] {
        let download = prepared(&panel, &backup, &json!({ "form": form }));
        assert_eq!((download.state, download.archives.len()), (DownloadState::Ready, 2), "{download:?}");
        for element in ["code", "files"] {
            let link = link_to(&panel, &download, element, &json!({}));
            let into = out.join(format!("{form}-{element}"));
            std::fs::create_dir_all(&into).unwrap();
            let file = fetched(&link, out.path());
            assert!(link.filename.ends_with(&format!("_UTC_{element}.{form}")), "{}", link.filename);
            assert_eq!(sha256(&std::fs::read(&file).unwrap()), link.sha256.clone().unwrap());
            let unpack = if form == "tar.zst" { "--zstd" } else { "-z" };
            run(Command::new("tar").args([unpack, "-xpf"]).arg(&file).arg("-C").arg(&into));
            assert!(into.join("sitekeep-manifest.json").is_file());
        }
        digest::files(&root.join("uploads")).assert_same(&digest::files(&out.join(format!("{form}-files/files/public"))), form);
        digest::files(&root).without(&["uploads"]).assert_same(&digest::files(&out.join(format!("{form}-code/code"))), form);
    }
    let download = prepared(&panel, &backup, &json!({ "form": "zip" }));
    for (element, from, into) in [("files", root.join("uploads"), "files/public"), ("code", root.clone(), "code")] {
        let file = fetched(&link_to(&panel, &download, element, &json!({})), out.path());
        run(Command::new(tool("unzip")).args(["-q", "-t"]).arg(&file));
        let at = out.join(format!("zip-{element}"));
        run(Command::new(tool("unzip")).args(["-q"]).arg(&file).arg("-d").arg(&at));
        // Names that are no text, or two lines, are another program's to spell; all others with content, mode and links.
        let text = |d: Digest| d.only(|name| !name.contains('\\') && name != "newline" && !name.starts_with("uploads"));
        text(digest::content(&from)).assert_same(&text(digest::content(&at.join(into))), element);
        let listed = run(Command::new("python3")
            .args(["-c", "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(len(z.namelist()))"])
            .arg(&file));
        assert!(String::from_utf8_lossy(&listed).trim().parse::<usize>().unwrap() > 10);
    }
    let backup = panel.back_up("little.main", &[]);
    let download = prepared(&panel, &backup, &json!({ "elements": ["database"] }));
    let link = link_to(&panel, &download, "database", &json!({}));
    assert!(link.filename.ends_with("_UTC_database.sqlite"), "{}", link.filename);
    assert_eq!(little::words(&fetched(&link, out.path())), ["one", "two"]);
    // On the disk nobody reads any of it.
    let canary = b"SQLite format 3";
    assert!(stored(&panel).iter().all(|path| !std::fs::read(path).unwrap().windows(canary.len()).any(|w| w == canary)));
}

#[test]
fn what_is_removed_stops_being_downloaded_and_leaves_nothing() {
    let (panel, backup) = large(48);
    let download = prepared(&panel, &backup, &json!({}));
    let link = link_to(&panel, &download, "files", &json!({}));
    assert_eq!(stored(&panel).len(), 1);
    let mut body = ureq::get(url(&link)).call().unwrap().into_body().into_reader();
    body.read_exact(&mut [0; 100_000]).unwrap();
    let token = std::fs::read_to_string(&panel.server.token_file).unwrap();
    let (code, said) = crate::support::panel::ask(&panel.server.url, token.trim(), "DELETE", &format!("/downloads/{}", download.id), None);
    assert_eq!((code, said["state"].as_str()), (200, Some("removed")), "{said}");
    assert_eq!(stored(&panel), Vec::<PathBuf>::new());
    wait_for("the transfer to stop", Duration::from_secs(5), || uses(&panel, &link)[0].outcome.as_deref() == Some("stopped"));
    let (_, ended) = super::to_the_end(&mut body);
    assert!(ended.is_err(), "the client saw a clean end");
    assert_eq!(status("GET", url(&link)).0, 410);
}

#[test]
fn an_archive_that_was_altered_on_the_disk_breaks_off_before_the_eyes_of_the_client() {
    let (panel, backup) = large(24);
    let download = prepared(&panel, &backup, &json!({}));
    let link = link_to(&panel, &download, "files", &json!({}));
    let file = stored(&panel).remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let out = Scratch::new();
    assert!(!wget(url(&link), out.path()).status.success());
    assert_eq!(uses(&panel, &link)[0].outcome.as_deref(), Some("failed"));
    assert!(panel.server.log().contains("altered since it was made"), "the server says so, too");
    bytes.truncate(middle);
    std::fs::write(&file, &bytes).unwrap();
    let (code, text, _) = status("GET", url(&link));
    assert!(code == 422 && text.contains("Prepare the download again"), "{code} {text}");
    assert_eq!(uses(&panel, &link).len(), 1, "what cannot be had is not used");
}

#[test]
fn without_room_nothing_is_prepared_nothing_is_left_and_it_is_said_why() {
    let panel = Panel::start_with(&["serve"], None, &json!({ "downloads": { "reserve": u64::MAX / 4 } }).to_string());
    Little::added_to(&panel);
    let backup = panel.back_up("little.main", &[]);
    let download = prepared(&panel, &backup, &json!({}));
    assert_eq!(download.state, DownloadState::Failed);
    assert!(download.message.as_deref().unwrap().contains("too little space"), "{download:?}");
    assert!(download.hint.as_deref().unwrap().contains("make room"), "{download:?}");
    assert_eq!(stored(&panel), Vec::<PathBuf>::new());
    assert_eq!(panel.backups("little.main")[0].state, BackupState::Succeeded);
}

#[test]
fn a_disk_that_fills_while_it_is_prepared_is_left_as_it_was() {
    let disk = SmallDisk::new(80 << 20);
    let store = disk.path().join("store");
    let panel = Panel::start_with_store(&store, &json!({ "downloads": { "reserve": 0 } }));
    let root = panel.scratch.join("large");
    write(root.join("index.html"), "<h1>");
    write(root.join("uploads/a.bin"), noise(20 << 20));
    panel.add_site("large", "live", &root, &["--files", "public=uploads"]);
    let backup = panel.back_up("large.live", &["--element", "files"]);
    disk.fill(12 << 20);
    let download = prepared(&panel, &backup, &json!({}));
    assert_eq!(download.state, DownloadState::Failed, "{download:?}");
    assert!(download.message.as_deref().unwrap().to_lowercase().contains("space"), "{download:?}");
    let left: Vec<PathBuf> = std::fs::read_dir(store.join("downloads")).unwrap().flatten().map(|e| e.path()).collect();
    assert_eq!(left, Vec::<PathBuf>::new());
    disk.empty();
    let again = prepared(&panel, &backup, &json!({}));
    assert_eq!(again.state, DownloadState::Ready, "{again:?}");
    panel.must(&["backup:verify", &backup.id]);
}

#[test]
fn what_lies_there_beyond_its_time_or_belongs_to_nobody_is_swept() {
    let tuned = json!({ "downloads": { "sweep_every": 300 } });
    let panel = Panel::start_with(&["serve"], None, &tuned.to_string());
    Little::added_to(&panel);
    let backup = panel.back_up("little.main", &[]);
    let download = prepared(&panel, &backup, &json!({}));
    let kept = prepared(&panel, &backup, &json!({ "form": "tar.zst", "elements": ["files"] }));
    let link = link_to(&panel, &download, "files", &json!({}));
    let folder = panel.server.data.join("repositories/downloads");
    let left = |name: &str| write(folder.join(name), "left by somebody who died");
    left(&format!("{}.aaaaaaaa.part", download.archives[0].id));
    left(&format!("{}.bbbbbbbb", download.archives[0].id));
    left("arc_of_nobody.cccccccc");
    old(&folder.join("arc_of_nobody.cccccccc"));
    left("arc_of_nobody.dddddddd.part");
    let there = |name: &str| stored(&panel).iter().any(|p| p.file_name().is_some_and(|n| n.to_string_lossy().contains(name)));
    wait_for("what was left", Duration::from_secs(20), || !["aaaaaaaa", "bbbbbbbb", "cccccccc"].iter().any(|n| there(n)));
    assert!(there("dddddddd"), "it is younger than a day: somebody may be at work");
    assert_eq!(get(url(&link), &[]).status, 200, "what lies ready stays");
    let catalogue = rusqlite::Connection::open(panel.server.data.join("catalogue.db")).unwrap();
    catalogue.busy_timeout(Duration::from_secs(10)).unwrap();
    catalogue.execute("update downloads set expires_at = 1 where id = ?1", [&download.id]).unwrap();
    wait_for("its end", Duration::from_secs(20), || {
        panel.get::<Download>(&format!("/downloads/{}", download.id)).state == DownloadState::Expired
            && !download.archives.iter().any(|a| there(&a.id))
    });
    let (code, text, _) = status("GET", url(&link));
    assert!(code == 410 && text.contains("This download is gone") && text.contains("prepare it again"), "{code} {text}");
    assert!(there(&kept.archives[0].id), "another one stays");
}

/// Two days old.
fn old(path: &Path) {
    run(Command::new("touch").args(["-d", "2 days ago"]).arg(path));
}

#[test]
fn a_download_that_is_cancelled_leaves_nothing() {
    let panel = Panel::start_armed_and_impatient(None);
    Little::added_to(&panel);
    let backup = panel.back_up("little.main", &[]);
    panel.hold("download.part.written");
    let (code, said) = panel.post(&format!("/backups/{}/downloads", backup.id), &json!({}));
    assert_eq!(code, 201, "{said}");
    panel.wait_for_hold("download.part.written");
    assert!(stored(&panel).iter().all(|p| p.extension().is_some_and(|e| e == "part")), "{:?}", stored(&panel));
    panel.must(&["job:cancel", said["job"].as_str().unwrap()]);
    std::thread::sleep(Duration::from_secs(2)); // the wish reaches the attempt
    panel.let_go("download.part.written");
    let download = ended(&panel, said["id"].as_str().unwrap());
    assert_eq!(download.state, DownloadState::Cancelled, "{download:?}");
    wait_for("the store to be empty", Duration::from_secs(10), || stored(&panel).is_empty());
    assert!(panel.get::<Vec<DownloadLink>>(&format!("/backups/{}/links", backup.id)).is_empty());
}

#[test]
fn a_large_archive_takes_little_memory_to_be_sent() {
    let (mut panel, backup) = large(160);
    let download = prepared(&panel, &backup, &json!({}));
    let link = link_to(&panel, &download, "files", &json!({}));
    let peak = |panel: &mut Panel| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", panel.server.pid())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    let before = peak(&mut panel);
    let mut answer = ureq::get(url(&link)).call().unwrap();
    assert!(std::io::copy(&mut answer.body_mut().as_reader(), &mut std::io::sink()).unwrap() > 160_000_000);
    let after = peak(&mut panel);
    assert!(after - before < 40, "from {before} to {after} MB for a file of 160");
}

#[test]
fn the_command_goes_on_with_what_is_there_and_checks_the_whole() {
    let (panel, _) = large(16);
    let out = Scratch::new();
    let get = |to: &Path| panel.cli(&["backup:get", "large.live", "--prepare", "--to", to.to_str().unwrap()]);
    let first = get(&out.join("first.tar.gz"));
    let said = String::from_utf8_lossy(&first.stderr).into_owned();
    assert!(first.status.success() && said.contains("SHA-256"), "{said}");
    let bytes = std::fs::read(out.join("first.tar.gz")).unwrap();
    let hash = sha256(&bytes);
    assert!(said.contains(&hash), "{said}");
    let backup = panel.backups("large.live").remove(0);
    assert_eq!(panel.get::<Vec<Download>>(&format!("/backups/{}/downloads", backup.id)).len(), 1);
    // As if the command had been killed at 30 %.
    let name = &backup.elements[0].filename;
    write(out.join(format!(".{name}.{}.part", &hash[..16])), &bytes[..bytes.len() * 3 / 10]);
    let second = get(&out.join("second.tar.gz"));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(second.status.success() && said.contains(" on\n"), "{said}");
    assert!(std::fs::read(out.join("second.tar.gz")).unwrap() == bytes);
    let links = panel.get::<Vec<DownloadLink>>(&format!("/backups/{}/links", backup.id));
    let last = uses(&panel, &links[0]);
    assert_eq!((last.len(), last[0].bytes as usize), (1, bytes.len() - bytes.len() * 3 / 10), "only the rest came");
    assert_eq!(panel.get::<Vec<Download>>(&format!("/backups/{}/downloads", backup.id)).len(), 1, "what lies ready is not prepared again");
    assert_eq!(get(&out.join("second.tar.gz")).status.code(), Some(6), "nothing is written over");
}
