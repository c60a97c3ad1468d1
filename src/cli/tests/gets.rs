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
