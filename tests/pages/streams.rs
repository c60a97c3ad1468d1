//! What a page follows while it is open.

use super::world::{SAME, World};
use crate::support::app::Things;
use std::time::{Duration, Instant};

/// A loaded machine may be late; on an idle one it is under a second, and the figure is printed.
const LATE: Duration = Duration::from_secs(3);

#[test]
fn a_change_reaches_whoever_follows_it_within_a_second() {
    let world = World::new();
    let things = world.things(&world.shop);
    let db = world.db();
    let queued = "update jobs set phase = ?2 where id = ?1";
    let backup: String = db.query_row("select subject from jobs where id = ?1", [things.job.as_str()], |r| r.get(0)).unwrap();
    let topics =
        [format!("job:{}", things.job), format!("backup:{backup}"), format!("environment:{}", things.environment), "jobs".to_owned()];
    let mut slowest = Duration::ZERO;
    for topic in &topics {
        let mut stream = world.follow("viewer", topic);
        assert_eq!(stream.status, 200, "{topic}");
        let first = stream.next(LATE).unwrap_or_else(|| panic!("{topic}: the first event comes at once"));
        assert!(first < Duration::from_secs(1), "{topic}: {first:?}");
        for round in 0..3 {
            assert!(stream.next(Duration::from_millis(900)).is_none(), "{topic}: nothing changed, and nothing is told");
            db.execute(queued, [things.job.as_str(), &format!("{topic} {round}")]).unwrap();
            let took = stream.next(LATE).unwrap_or_else(|| panic!("{topic}: nothing within {LATE:?}"));
            slowest = slowest.max(took);
        }
    }
    println!("the slowest of {} events came {slowest:?} after its change", 3 * topics.len());
    // A restore, by its steps.
    let mut stream = world.follow("viewer", &format!("restore:{}", things.restore));
    assert!(stream.next(LATE).is_some());
    db.execute("update restores set undone_by = id where id = ?1", [things.restore.as_str()]).unwrap();
    assert!(stream.next(LATE).is_some());
}

#[test]
fn what_others_do_to_a_backup_reaches_whoever_has_its_page_or_the_log_open() {
    let world = World::new();
    let things = world.things(&world.shop);
    let acts = [("note", "Before the sale"), ("pin", ""), ("unpin", ""), ("delete", ""), ("take-back", "")];
    for topic in [format!("backup:{}", things.bare), format!("environment:{}", things.environment)] {
        // The newest good backup could not be deleted.
        let text = "update environments set last_good_id = ?2 where id = ?1";
        world.db().execute(text, [things.environment.as_str(), things.backup.as_str()]).unwrap();
        let mut stream = world.follow("viewer", &topic);
        assert!(stream.next(LATE).is_some());
        for (act, note) in acts {
            let reply = world.post("owner", &format!("/backups/{}/{act}", things.bare), &[("note", &format!("{note} {topic}"))]);
            assert_eq!(reply.status, 303, "{act}");
            assert!(stream.next(LATE).is_some(), "{topic}: nothing was told of {act}");
            // One act may be told in two halves: none of them is taken for the next one.
            while stream.next(Duration::from_secs(1)).is_some() {}
        }
    }
}

#[test]
fn a_sentence_for_the_next_page_is_taken_neither_by_events_nor_by_a_script_that_looks_again() {
    let world = World::new();
    let things = world.things(&world.shop);
    let path = format!("/backups/{}", things.backup);
    let said = "The backup is pinned: it never expires.";
    assert_eq!(world.post("owner", &format!("{path}/pin"), &[]).status, 303);
    let mut stream = world.follow("owner", &format!("backup:{}", things.backup));
    assert!(stream.next(LATE).is_some());
    let again = world.send("GET", &path, &[SAME, ("Cookie", world.cookie("owner")), ("Sitekeep-Again", "1")], "");
    assert!(again.status == 200 && !again.body.contains(said), "{}", again.body);
    assert!(world.get("owner", &path).body.contains(said), "it is there for the page that is gone to");
    assert!(!world.get("owner", &path).body.contains(said), "once");
}

#[test]
fn what_is_not_theirs_cannot_be_followed_and_nonsense_is_refused() {
    let world = World::new();
    let (theirs, never) = (world.things(&world.foreign), Things::nowhere());
    for things in [&theirs, &never] {
        let topics = [
            format!("job:{}", things.job),
            format!("backup:{}", things.backup),
            format!("restore:{}", things.restore),
            format!("drill:{}", things.drill),
            format!("environment:{}", things.environment),
            format!("job:{}", things.environment),
        ];
        for topic in topics {
            let page = world.get("owner", &format!("/events?of={topic}"));
            assert_eq!(page.status, 404, "{topic}");
            assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        }
    }
    for topic in ["", "x", "jobs;", "Job:x", "tenant:x", "everything", "%00", "job%0a:x"] {
        assert_eq!(world.get("owner", &format!("/events?of={topic}")).status, 400, "{topic:?}");
    }
    assert_eq!(world.get("owner", "/events").status, 400, "of what?");
    assert_eq!(world.get("", "/events?of=jobs").status, 303);
}

#[test]
fn streams_end_when_the_server_stops_and_whoever_comes_back_is_told_at_once() {
    let world = World::new();
    let mut streams: Vec<_> = ["owner", "viewer", "stranger"].iter().map(|who| world.follow(who, "jobs")).collect();
    for stream in &mut streams {
        assert!(stream.next(LATE).is_some());
    }
    // A browser that was cut off comes back, and looks again at once.
    drop(streams.remove(0));
    let began = Instant::now();
    let mut again = world.follow("owner", "jobs");
    let told = again.next(LATE).expect("the first event comes at once");
    println!("whoever came back was told after {:?}", began.elapsed());
    assert!(told < Duration::from_secs(1), "{told:?}");
    streams.push(again);
    world.stop.send(true).unwrap();
    for stream in &mut streams {
        let took = stream.end(Duration::from_secs(10)).expect("it ends with the server");
        assert!(took < LATE, "{took:?}");
    }
}
