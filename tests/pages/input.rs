//! What is typed wrongly, sent twice, or no longer there: a sentence, what was typed, and nothing changed.

use super::world::{FORM, SAME, World};
use crate::support::app::Things;
use crate::support::http::{Reply, encoded, form};

/// Refused with this status and these words; what was typed is there again; nothing changed.
#[track_caller]
fn refused(world: &World, what: &str, status: u16, says: &str, kept: &str, send: impl FnOnce() -> Reply) {
    let before = world.catalogue();
    let reply = send();
    assert_eq!(reply.status, status, "{what}: {} {}", reply.location(), reply.body);
    assert!(reply.body.contains(says), "{what}: {says:?} is not in {}", reply.body);
    assert!(reply.body.contains("<!DOCTYPE html>") && reply.body.contains("</html>"), "{what} is a page");
    assert!(reply.body.contains(kept), "{what}: {kept:?} is lost: {}", reply.body);
    before.assert_same(&world.catalogue(), what);
}

/// An act from a page of a thing is answered by that page, which says what was wrong; nothing changed but that sentence.
#[track_caller]
fn told(world: &World, what: &str, says: &str, send: impl FnOnce() -> Reply) {
    let mut before = world.catalogue();
    let reply = send();
    assert_eq!(reply.status, 303, "{what}: {}", reply.body);
    let page = world.get("owner", reply.location());
    let shown = page.body.contains(says) && page.body.contains("data-kind=\"bad\"");
    assert!(page.status == 200 && shown, "{what}: {says:?} is not in {}", page.body);
    let after = world.catalogue();
    before.insert("table sessions", after.get("table sessions").unwrap_or_default());
    before.assert_same(&after, what);
}

fn env(things: &Things, rest: &str) -> String {
    format!("/environments/{}{rest}", things.environment)
}

#[test]
fn a_backup_that_is_asked_for_wrongly_is_not_made_and_what_was_typed_is_kept() {
    let world = World::new();
    let things = world.things(&world.shop);
    let path = env(&things, "/backups");
    let note = "my own words & <more>";
    let kept = "my own words &amp; &lt;more>";
    let create = |fields: &[(&str, &str)]| world.post("owner", &path, &[&[("note", note)], fields].concat());
    refused(&world, "no element", 400, "Nothing was chosen", kept, || create(&[]));
    refused(&world, "an unknown element", 400, "is not an element", kept, || create(&[("element", "soul")]));
    refused(&world, "one that it does not have", 400, "his environment has no database", kept, || create(&[("element", "database")]));
    for days in ["0", "-1", "99999999999", "36501", "1.5", "ten", "", " ", "1e3", "0x10", "\u{663}", "9".repeat(400).as_str()] {
        let fields = [("element", "code"), ("keep", "days"), ("days", days)];
        refused(&world, &format!("{days:?} days"), 400, "is not a number of days", kept, || create(&fields));
    }
    refused(&world, "an unknown way to keep", 400, "is not a number of days", kept, || create(&[("element", "code"), ("keep", "a while")]));
    let long = "x".repeat(10_000);
    let own = |note: &str| world.post("owner", &path, &[("element", "code"), ("note", note)]);
    refused(&world, "a long note", 400, "note is too long", &long, || own(&long));
    for control in ["a\u{0}b", "a\u{1b}[31mb", "a\u{7}b", "a\u{7f}b", "a\u{85}b"] {
        refused(&world, &format!("{control:?}"), 400, "control characters", "Create", || own(control));
    }
    // What can just be read is taken.
    for good in ["Ünïcödé 🎉 \u{202e}rtl", "two\nlines", "two\r\nlines", &"y".repeat(2_000)] {
        let reply = world.post("owner", &format!("/backups/{}/note", things.backup), &[("note", good)]);
        assert_eq!(reply.status, 303);
        assert!(!world.get("owner", reply.location()).body.contains("data-kind=\"bad\" role=\"alert\""), "{good:?} is a good note");
    }
    let note = format!("/backups/{}/note", things.backup);
    told(&world, "a long note later", "note is too long", || world.post("owner", &note, &[("note", &long)]));
    told(&world, "control characters later", "control characters", || world.post("owner", &note, &[("note", "a\u{1}b")]));
}

#[test]
fn rules_and_schedules_that_mean_nothing_are_not_saved_and_rules_stay_as_they_were_typed() {
    let world = World::new();
    let things = world.things(&world.shop);
    for path in [env(&things, "/retention"), format!("/tenants/{}/retention", world.acme)] {
        let set = |fields: &[(&str, &str)]| world.post("owner", &path, &[&[("grace_days", "12"), ("files_days", "7")], fields].concat());
        let zone = [("zone", "Europe/Atlantis")];
        refused(&world, "no zone", 400, "Europe/Atlantis", "name=\"zone\" value=\"Europe/Atlantis\"", || set(&zone));
        for days in ["0", "-1", "ten", "1.5", "99999999999999999999"] {
            let kept = format!("name=\"safety_days\" type=\"number\" min=\"1\" max=\"36500\" value=\"{days}\"");
            refused(&world, days, 400, "role=\"alert\"", &kept, || set(&[("safety_days", days)]));
            let reply = set(&[("safety_days", days)]);
            let others = ["name=\"grace_days\" type=\"number\" min=\"1\" max=\"36500\" value=\"12\"", "max=\"36500\" value=\"7\""];
            assert!(others.iter().all(|field| reply.body.contains(field)), "{days}: {}", reply.body);
        }
        let policy = [("scheduled", "keep_last"), ("scheduled.keep_last.count", "many")];
        refused(&world, "no count", 400, "role=\"alert\"", "value=\"many\"", || set(&policy));
        refused(&world, "no policy", 400, "role=\"alert\"", "value=\"12\"", || set(&[("scheduled", "forever")]));
    }
    for path in [env(&things, "/schedule"), format!("/tenants/{}/schedule", world.acme)] {
        for (field, value) in [("cadence", "hourly"), ("weekday", "someday"), ("hour", "24"), ("zone", "Mars/Olympus")] {
            refused(&world, value, 400, value, "Save the schedule of", || world.post("owner", &path, &[(field, value)]));
        }
    }
}

#[test]
fn a_restore_for_which_too_little_was_chosen_shows_the_choice_again() {
    let world = World::new();
    let things = world.things(&world.shop);
    let path = env(&things, "/restores");
    let backup = things.backup.as_str();
    let ticked = "value=\"code\" checked";
    let send = |fields: &[(&str, &str)]| world.post("owner", &path, fields);
    refused(&world, "no backup", 400, "No backup was chosen", ticked, || send(&[("element", "code")]));
    refused(&world, "nothing at all", 400, "No backup was chosen", &format!("action=\"{}", env(&things, "/restore")), || send(&[]));
    let picked = format!("value=\"{backup}\" checked");
    refused(&world, "no element", 400, "Nothing was chosen to be restored", &picked, || send(&[("backup", backup)]));
    refused(&world, "another place to come from", 400, "No backup was chosen", ticked, || {
        send(&[("element", "code"), ("from", things.environment.as_str())])
    });
    assert_eq!(world.post("viewer", &path, &[]).status, 403);
    assert_eq!(world.post("stranger", &path, &[]).status, 404);
    assert_eq!(send(&[("backup", "bak_nowhere"), ("element", "code")]).status, 404);
}

#[test]
fn a_form_that_is_sent_twice_is_one_request() {
    let world = World::new();
    let things = world.things(&world.shop);
    let count = |table: &str| {
        let text = format!("select count(*) from {table} where environment_id = ?1");
        world.db().query_row(&text, [things.environment.as_str()], |r| r.get::<_, i64>(0)).unwrap()
    };
    let (backups, restores) = (count("backups"), count("restores"));
    let send = |key: &str| world.post("owner", &env(&things, "/backups"), &[("element", "code"), ("key", key)]).location().to_owned();
    let twice: Vec<String> = std::thread::scope(|s| {
        let threads: Vec<_> = (0..8).map(|_| s.spawn(|| send("the key of one page"))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(twice.iter().all(|to| *to == twice[0] && to.starts_with("/backups/bak_")), "{twice:?}");
    assert_eq!(count("backups"), backups + 1);
    assert_eq!(send("of another page"), twice[0], "and two tabs give one that waits");
    assert_eq!(count("backups"), backups + 1);
    let restore = || {
        let fields = [("backup", things.backup.as_str()), ("element", "code"), ("key", "restore")];
        world.post("owner", &env(&things, "/restores"), &fields).location().to_owned()
    };
    let twice: Vec<String> = std::thread::scope(|s| {
        let threads: Vec<_> = (0..8).map(|_| s.spawn(restore)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(twice.iter().all(|to| *to == twice[0] && to.starts_with("/restores/rst_")), "{twice:?}");
    assert_eq!(count("restores"), restores + 1);
}

#[test]
fn filters_and_pages_that_cannot_be_read_are_refused() {
    let world = World::new();
    let things = world.things(&world.shop);
    let home = env(&things, "");
    let get = |path: String| move |world: &World| world.get("owner", &path);
    let cases: Vec<(String, u16)> = vec![
        (format!("{home}?state=lost"), 400),
        (format!("{home}?element=soul"), 400),
        (format!("{home}?from=yesterday"), 400),
        (format!("{home}?from=2026-02-30"), 400),
        (format!("{home}?until=2026-13-01"), 400),
        (format!("{home}?until=99999-01-01"), 400),
        (format!("{home}?from=-1"), 400),
        (format!("{home}?after=bak_nothing"), 404),
        (format!("{home}?after={}", things.job), 404),
        ("/jobs?state=lost".into(), 400),
        ("/jobs?after=job_nothing".into(), 404),
        ("/jobs?after=%00".into(), 404),
        (format!("{home}/restore?backup=bak_nothing"), 404),
        (format!("{home}/restore?element=soul"), 400),
        (format!("{home}/restore/preview?element=code"), 400),
        (format!("{home}/restore/preview?backup={}", things.backup), 400),
        (format!("{home}/restore/preview?backup={}&element=soul", things.backup), 400),
        ("/environments/%ff".into(), 400),
        ("/environments/%00".into(), 404),
        (format!("/environments/{}", "x".repeat(5000)), 404),
        ("/backups/..%2f..%2fetc".into(), 404),
    ];
    for (path, status) in &cases {
        refused(&world, path, *status, "<h1>", "", || get(path.clone())(&world));
    }
    // What is unknown and harms nobody is shown as nothing.
    for path in
        ["/?state=nonsense", "/?after=nonsense", "/?q=%00", "/?q=%25%5f%27%22", "/?q=%ff", &format!("{home}?how=nonsense&trash=7&q=%25")]
    {
        assert!(matches!(world.get("owner", path).status, 200 | 400), "{path}");
    }
    let long = format!("/?q={}", "x".repeat(20_000));
    assert!(matches!(world.get("owner", &long).status, 200 | 414 | 431), "a long search");
}

#[test]
fn a_zone_that_does_not_exist_is_utc() {
    let world = World::new();
    let things = world.things(&world.shop);
    let with = |zone: &str| world.with(&format!("{}; zone={zone}", world.cookie("owner")), "GET", &env(&things, ""), "");
    assert!(with("Europe%2FVienna").body.contains("Times are shown in Europe/Vienna"));
    for rubbish in ["", "Nowhere", "<script>", "..%2F..%2Fetc%2Fpasswd", "%00", "UTC;x", "\u{fc}", &"z".repeat(3000), "Europe/Vienna%0d%0a"]
    {
        let page = with(rubbish);
        assert!(page.status == 200 && page.body.contains("Times are shown in UTC"), "{rubbish:?}: {}", page.status);
        assert!(!page.body.contains("<script>"));
    }
}

#[test]
fn bodies_that_are_too_large_or_no_forms_are_refused_as_a_page() {
    let world = World::new();
    let things = world.things(&world.shop);
    let cookie = ("Cookie", world.cookie("owner"));
    let paths = [env(&things, "/backups"), format!("/backups/{}/note", things.backup), env(&things, "/restores")];
    for path in &paths {
        let large = format!("element=code&note={}", "x".repeat(1 << 20));
        refused(&world, "a large form", 413, "too large", "", || world.send("POST", path, &[SAME, FORM, cookie], &large));
        for kind in ["application/json", "text/plain", "multipart/form-data; boundary=x", "x", ""] {
            let send = || world.send("POST", path, &[SAME, cookie, ("Content-Type", kind)], "note=x&element=code");
            refused(&world, kind, 415, "not what this page takes", "", send);
        }
        let send = || world.send("POST", path, &[SAME, cookie], "");
        refused(&world, "nothing at all", 415, "not what this page takes", "", send);
    }
    for body in ["element=%zz&note=%", "note=%ff%fe", "note", "=&=&=", "&&&&", "note=a&note=b", "\u{0}"] {
        let reply = world.send("POST", &paths[1], &[SAME, FORM, cookie], body);
        assert!(reply.status < 500, "{body:?}: {}", reply.status);
    }
    for (name, value) in [("Cookie", "sitekeep=\u{1}"), ("Cookie", "=;=;sitekeep"), ("Accept-Language", "\u{fc}"), ("Range", "bytes=x")] {
        assert!(world.send("GET", "/", &[SAME, (name, value)], "").status < 500, "{name}: {value:?}");
    }
}

#[test]
fn a_restore_that_is_asked_for_wrongly_does_not_begin() {
    let world = World::new();
    let things = world.things(&world.shop);
    let path = env(&things, "/restores");
    let (backup, bare) = (things.backup.as_str(), things.bare.as_str());
    let restore = |fields: &[(&str, &str)]| world.post("owner", &path, fields);
    refused(&world, "no element", 400, "<h1>", "", || restore(&[("backup", backup)]));
    refused(&world, "no backup", 400, "<h1>", "", || restore(&[("element", "code")]));
    refused(&world, "an unknown element", 400, "is not an element", "", || restore(&[("backup", backup), ("element", "soul")]));
    refused(&world, "a backup that never was", 404, "There is nothing here", "", || restore(&[("backup", "bak_x"), ("element", "code")]));
    refused(&world, "one without that element", 400, "<h1>", "", || restore(&[("backup", bare), ("element", "files")]));
    // Live: its name must be typed.
    let text = "update environments set definition = json_set(definition, '$.live', json('true')) where id = ?1";
    assert_eq!(world.db().execute(text, [things.environment.as_str()]).unwrap(), 1);
    for typed in ["", "yes", "shop", "SHOP.TEST", "shop.test", "acme/shop.test"] {
        let fields = [("backup", backup), ("element", "code"), ("confirm", typed)];
        let again = if typed.is_empty() { String::new() } else { format!("value=\"{typed}\"") };
        refused(&world, &format!("{typed:?} for a live one"), 400, "name was not typed", &again, || restore(&fields));
    }
    // In the trash: not offered, not restored.
    let trashed = "update backups set deleted_at = 1, deleted_by = 'x' where id = ?1";
    assert_eq!(world.db().execute(trashed, [backup]).unwrap(), 1);
    let name: String =
        world.db().query_row("select name from environments where id = ?1", [things.environment.as_str()], |r| r.get(0)).unwrap();
    let before = world.catalogue();
    let reply = restore(&[("backup", backup), ("element", "code"), ("confirm", &name)]);
    assert!((400..500).contains(&reply.status), "a backup in the trash: {} {}", reply.status, reply.location());
    before.assert_same(&world.catalogue(), "a restore of what is in the trash");
    assert!(!world.get("owner", &env(&things, "/restore")).body.contains(backup));
    let link = world.post("owner", &format!("/backups/{backup}/links?element=code"), &[]);
    assert!(!link.location().contains("link="), "a link to what is in the trash: {}", link.location());
}

#[test]
fn what_may_not_go_stays_and_the_page_says_why() {
    let world = World::new();
    let things = world.things(&world.shop);
    let act = |id: &str, act: &str| world.post("owner", &format!("/backups/{id}/{act}"), &[]);
    let good = "update environments set last_good_id = ?2 where id = ?1";
    world.db().execute(good, [things.environment.as_str(), things.bare.as_str()]).unwrap();
    told(&world, "the last good one", "newest good backup", || act(things.bare.as_str(), "delete"));
    told(&world, "the way back of a restore", "can still be undone needs this backup", || act(things.backup.as_str(), "delete"));
    // The same where it was restored into another environment.
    let elsewhere = world.runtime.block_on(world.at.add_site("acme", "elsewhere", "live"));
    let moved = "update restores set environment_id = ?2, site_id = (select site_id from environments where id = ?2) where id = ?1";
    assert_eq!(world.db().execute(moved, [things.restore.as_str(), elsewhere.as_str()]).unwrap(), 1);
    told(&world, "the way back elsewhere", "can still be undone needs this backup", || act(things.backup.as_str(), "delete"));
    let queued: String = world.db().query_row("select subject from jobs where id = ?1", [things.job.as_str()], |r| r.get(0)).unwrap();
    told(&world, "one that waits", "has not ended yet", || act(&queued, "delete"));
    assert_eq!(act(things.bare.as_str(), "pin").status, 303);
    told(&world, "a pinned one", "is pinned", || act(things.bare.as_str(), "delete"));
    told(&world, "a job that waits", "cannot be tried again", || world.post("owner", &format!("/jobs/{}/retry", things.job), &[]));
    let unknown = || world.post("owner", &format!("/backups/{}/links?element=soul", things.backup), &[]);
    refused(&world, "a link to nothing", 400, "is not an element", "", unknown);
    refused(&world, "a link to no element", 400, "not what this page takes", "", || act(things.backup.as_str(), "links"));
    for path in ["/environments/env_gone", "/environments/env_gone/backup", "/backups/bak_gone", "/restores/rst_gone", "/jobs/job_gone"] {
        refused(&world, path, 404, "There is nothing here", "Reference", || world.get("owner", path));
    }
    let gone = || world.post("owner", "/environments/env_gone/backups", &[("element", "code")]);
    refused(&world, "a backup of what is gone", 404, "There is nothing here", "", gone);
}

#[test]
fn what_was_typed_while_the_session_ended_can_be_sent_after_signing_in_again() {
    let world = World::new();
    let things = world.things(&world.shop);
    let path = env(&things, "/backups");
    let body = form(&[("element", "code"), ("note", "long & \"quoted\" <words>"), ("key", "k")]);
    let door = world.with("", "POST", &path, &body);
    assert!(door.status == 401 && door.body.contains("Your session has ended"));
    // A button without a form around it, pressed by somebody who was never signed in.
    let bare = world.with("", "POST", "/links/dl_something/renew", "");
    assert!(bare.status == 401 && bare.body.contains("Sign in to go on") && !bare.body.contains("has ended"));
    let value = |name: &str| {
        let rest = door.body.split(&format!("name=\"{name}\" value=\"")).nth(1).expect("it is kept");
        rest.split('"').next().unwrap_or_default().replace("&quot;", "\"").replace("&lt;", "<").replace("&amp;", "&")
    };
    let fields = [
        ("email", "owner@example.test"),
        ("password", super::world::PASSWORD),
        ("kept_path", &*value("kept_path")),
        ("kept_body", &*value("kept_body")),
    ];
    let resumed = world.post("", "/signin", &fields);
    assert_eq!(resumed.status, 200);
    assert!(resumed.body.contains(&format!("action=\"{path}\"")) && resumed.body.contains("&lt;words&gt;"), "{}", resumed.body);
    assert!(encoded("x") == "x" && !resumed.body.contains("<words>"));
}
