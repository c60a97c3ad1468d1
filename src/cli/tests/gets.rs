use super::Person;
use super::far_end::{Answer, FarEnd};
use super::samples::{self, backup};
use serde_json::{Value, json};

const NAME: &str = "shop_live_files.tar.gz";

fn link(far: &FarEnd) -> Value {
    json!({
        "id": "lnk_1", "backup": "bak_1", "environment": "acme/shop.live", "element": "files", "filename": NAME, "size": 9, "state": "open",
        "url": format!("https://elsewhere.example.org/d/to.ken/{NAME}"), "page": format!("{}/d/to.ken", far.url),
        "created": "2026-11-21T03:00:00Z", "created_by": "ann@example.org", "expires": "2026-11-22T03:00:00Z",
        "revoked": null, "revoked_by": null, "uses": 0, "last_used": null
    })
}

fn shop() -> FarEnd {
    let far = samples::shop();
    far.says("GET /environments/env_live/backups", json!([backup("bak_1", 3, &["code", "files", "database"])]));
    let link = link(&far);
    far.says("POST /backups/bak_1/links", link);
    far
}

#[test]
fn get_prints_a_link_to_the_newest_files_and_nothing_else() {
    let far = shop();
    let done = Person::at(&far).run("backup:get shop.live");
    assert_eq!((done.code, done.out.as_str()), (0, &*format!("https://elsewhere.example.org/d/to.ken/{NAME}\n")), "{}", done.err);
    assert_eq!(far.only("POST /backups/bak_1/links").body, json!({ "element": "files", "hours": null }));
    let done = Person::at(&far).run("backup:get shop.live --element=db --hours=2 --format=json");
    assert_eq!(serde_json::from_str::<Value>(&done.out).unwrap()["expires"], "2026-11-22T03:00:00Z");
    assert_eq!(far.seen().last().unwrap().body, json!({ "element": "database", "hours": 2 }));
}

#[test]
fn get_downloads_to_a_place_that_is_free_from_the_server_that_was_asked() {
    let far = shop();
    far.on(&format!("GET /d/to.ken/{NAME}"), Answer::Text(200, "Content-Type: application/gzip", "the bytes"));
    let person = Person::at(&far);
    let target = person.home.join("down").join("mine.tar.gz");
    std::fs::create_dir(person.home.join("down")).unwrap();
    let get = |to: &std::path::Path| person.run_words(&["backup:get", "shop.live", "--to", to.to_str().unwrap()]);
    let done = get(&target);
    assert_eq!((done.code, done.out.as_str()), (0, ""), "{}", done.err);
    assert_eq!(std::fs::read(&target).unwrap(), b"the bytes");
    assert!(done.err.contains("Downloading") && !done.err.contains("to.ken"), "{}", done.err);
    let asked = far.seen().into_iter().find(|s| s.what.starts_with("GET /d/")).unwrap();
    assert!(!asked.headers.contains_key("authorization"), "the token stays where it belongs");
    std::fs::write(&target, "precious").unwrap();
    let again = get(&target);
    assert!(again.code != 0 && again.err.contains("already exists"), "{}", again.err);
    assert_eq!(std::fs::read(&target).unwrap(), b"precious");
    assert_eq!(get(&person.home.join("down")).code, 0, "into a directory, by its own name");
    let there: Vec<_> = std::fs::read_dir(person.home.join("down")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(there.len(), 2, "nothing else is left: {there:?}");
    let other = there.iter().find(|path| **path != target).unwrap();
    assert!(std::fs::read(other).unwrap() == b"the bytes" && other.extension().is_some_and(|e| e == "gz"));
}

#[test]
fn a_download_that_breaks_off_leaves_nothing_in_the_way() {
    let far = shop();
    far.on(&format!("GET /d/to.ken/{NAME}"), Answer::Text(200, "Transfer-Encoding: chunked", "4\r\nhalf\r\n"));
    let person = Person::at(&far);
    let done = person.run_words(&["backup:get", "shop.live", "--to", person.home.to_str().unwrap()]);
    assert!(done.code != 0, "{}", done.err);
    assert!(!std::fs::read_dir(&person.home).unwrap().flatten().any(|e| e.file_name().to_string_lossy().contains("shop_live")));
}

const HASH: &str = "ed6a79ee2ef2df03a57fa1ed0aa93cc24ffc2ff36c8dfdc3eda86a5bcf2e8a79";

fn archive(state: &str) -> Value {
    let archives = json!([{ "id": "arc_1", "element": "files", "form": "tar.gz", "filename": NAME, "size": 9, "sha256": HASH }]);
    json!({
        "id": "dwn_1", "backup": "bak_1", "environment": "acme/shop.live", "state": state, "created": "2026-11-21T03:00:00Z",
        "created_by": "ann@example.org", "finished": null, "expires": null, "message": null, "hint": null, "job": "job_1",
        "archives": archives
    })
}

/// A far end at which the archive lies ready, with this hash.
fn with_archive(hash: &str) -> FarEnd {
    let far = shop();
    far.says("GET /backups/bak_1/downloads", json!([archive("removed"), archive("ready")]));
    let mut link = link(&far);
    (link["sha256"], link["archive"]) = (hash.into(), "arc_1".into());
    far.says("POST /archives/arc_1/links", link);
    far
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    crate::base::secret::hex(&sha2::Sha256::digest(bytes))
}

fn get(person: &Person, to: &std::path::Path) -> (u8, String) {
    let done = person.run_words(&["backup:get", "shop.live", "--prepare", "--to", to.to_str().unwrap()]);
    (done.code, done.err)
}

#[test]
fn what_breaks_off_is_gone_on_with_at_once_and_at_the_next_call() {
    let far = with_archive(&sha256(b"the bytes"));
    let file = format!("GET /d/to.ken/{NAME}");
    far.on(&file, Answer::Text(200, "Transfer-Encoding: chunked", "4\r\nthe \r\n"));
    far.on(&file, Answer::Text(206, "Content-Range: bytes 4-8/9\r\nTransfer-Encoding: chunked", "2\r\nby\r\n"));
    for _ in 0..4 {
        far.on(&file, Answer::Silence);
    }
    far.on(&file, Answer::Text(206, "Content-Range: bytes 6-8/9", "tes"));
    let person = Person::at(&far);
    let target = person.home.join("mine.tar.gz");
    let (code, said) = get(&person, &target);
    assert!(code == 7 && said.contains("6 B of 9 B are there") && said.contains("the same command goes on"), "{code} {said}");
    assert!(!target.exists(), "no part is called a backup");
    let (code, said) = get(&person, &target);
    assert!(code == 0 && said.contains("from 6 B on") && said.contains("SHA-256"), "{code} {said}");
    assert_eq!(std::fs::read(&target).unwrap(), b"the bytes");
    assert!(!std::fs::read_dir(&person.home).unwrap().flatten().any(|e| e.file_name().to_string_lossy().ends_with(".part")));
    let asked: Vec<_> = far
        .seen()
        .into_iter()
        .filter(|s| s.what == file)
        .map(|s| (s.headers.get("range").cloned(), s.headers.get("if-range").cloned()))
        .collect();
    assert_eq!(asked[0], (None, None));
    assert_eq!(asked[1], (Some("bytes=4-".into()), Some(format!("\"{}\"", sha256(b"the bytes")))));
    assert_eq!(asked.last().unwrap().0.as_deref(), Some("bytes=6-"));
}

#[test]
fn what_has_another_hash_is_not_kept_and_another_file_begins_anew() {
    let far = with_archive(&sha256(b"the bytes"));
    let file = format!("GET /d/to.ken/{NAME}");
    far.on(&file, Answer::Text(200, "X-None: x", "the bytez"));
    far.on(&file, Answer::Text(200, "Transfer-Encoding: chunked", "4\r\nold \r\n"));
    // Asked for the rest of what it has no more, the server gives all of what it has.
    far.on(&file, Answer::Text(200, "X-None: x", "the bytes"));
    let person = Person::at(&far);
    let (code, said) = get(&person, &person.home);
    assert!(code == 1 && said.contains("has the SHA-256"), "{code} {said}");
    assert!(!std::fs::read_dir(&person.home).unwrap().flatten().any(|e| e.file_name().to_string_lossy().contains("shop_live")));
    let (code, said) = get(&person, &person.home);
    assert_eq!(code, 0, "{said}");
    assert_eq!(std::fs::read(person.home.join(NAME)).unwrap(), b"the bytes");
    let (code, said) = get(&person, &person.home);
    assert!(code == 6 && said.contains("already exists"), "{code} {said}");
}

#[test]
fn get_has_an_archive_prepared_where_none_lies_ready() {
    let far = shop();
    far.says("GET /backups/bak_1/downloads", json!([]));
    far.says("POST /backups/bak_1/downloads", archive("queued"));
    far.says("GET /jobs/job_1", samples::job("succeeded", ""));
    far.says("GET /downloads/dwn_1", archive("ready"));
    let mut link = link(&far);
    (link["sha256"], link["archive"]) = (HASH.into(), "arc_1".into());
    far.says("POST /archives/arc_1/links", link);
    let done = Person::at(&far).run("backup:get shop.live --prepare --hours=2 --uses=1");
    assert_eq!((done.code, done.out.as_str()), (0, &*format!("https://elsewhere.example.org/d/to.ken/{NAME}\n")), "{}", done.err);
    assert_eq!(far.only("POST /backups/bak_1/downloads").body, json!({ "elements": ["files"], "form": "tar.gz", "hours": 2, "uses": 1 }));
    assert_eq!(far.only("POST /archives/arc_1/links").body, json!({ "hours": 2, "uses": 1 }));
    let done = Person::at(&far).run("backup:get shop.live --prepare --form=rar");
    assert!(done.code == 2, "{}", done.err);
}

#[test]
fn get_says_what_it_does_not_take() {
    let far = shop();
    let refused = |line: &str| {
        let done = Person::at(&far).run(line);
        assert!(done.code != 0 && done.out.is_empty(), "{line}");
        done.err
    };
    assert!(refused("backup:get shop.live --element=all").contains("The backup element \"all\" is not supported for this command."));
    assert!(
        refused("backup:get shop.live --element=x").contains("Element should be one of the following items: code, files, database, db")
    );
    assert!(refused("backup:get shop.live --element=db --file=x").contains("You cannot specify a file and an element at the same time."));
    assert_eq!(far.count("POST /backups/bak_1/links"), 0);
}
