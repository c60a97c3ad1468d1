//! The supervisor with real children: what it does when they finish, crash, hang, or do not listen.

use super::processes::{ScriptRunner, gone, quick};
use crate::base::clock::Clock;
use crate::base::sql::Pool;
use crate::domain::ids::JobId;
use crate::queue::testing::{Bench, on_both_for_real, postgres};
use crate::queue::*;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A worker inside this process.
pub(super) struct Hand {
    tell: watch::Sender<bool>,
    beats: Pool,
    work: JoinHandle<crate::base::error::Result<()>>,
}

impl Hand {
    pub(super) async fn with(b: &Bench, slots: usize, settings: Settings) -> Self {
        Self::on(b, b.pool.clone(), slots, settings).await
    }
    async fn on(b: &Bench, pool: Pool, slots: usize, settings: Settings) -> Self {
        let beats = Pool::connect(&named(&b.url), 2, b.clock.clone()).await.unwrap();
        let (tell, shutdown) = watch::channel(false);
        let runner = Arc::new(ScriptRunner { url: b.url.clone() });
        let work = tokio::spawn(work(pool, beats.clone(), settings, "hand".into(), slots, runner, shutdown));
        Self { tell, beats, work }
    }
    async fn of(b: &Bench) -> Self {
        Self::with(b, 4, quick()).await
    }
    pub(super) async fn stop(self) {
        let _ = self.tell.send(true);
        self.work.await.unwrap().unwrap();
        self.beats.close().await;
    }
}

/// On PostgreSQL: a URL whose connections can be told from those of the test and of the attempts.
fn named(url: &str) -> String {
    if url.starts_with("postgres") { format!("{url}&application_name=hand") } else { url.to_owned() }
}

/// A file that a script writes to.
struct Notes(PathBuf);

impl Notes {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("sitekeep-notes-{}", crate::base::chance::word(10))))
    }
    fn read(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap_or_default()
    }
    async fn until_written(&self) -> String {
        for _ in 0..400 {
            if self.read().ends_with('\n') {
                return self.read().trim().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the script never wrote");
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn queue_up(b: &Bench, script: String) -> JobId {
    let id = b.enqueue(b.wanted(&script)).await;
    hint();
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_finishes_is_the_end_of_its_job() {
    on_both_for_real(async |b| {
        let hand = Hand::of(b).await;
        let id = queue_up(b, "attempt:finish".into()).await;
        let job = b.until(&id, State::Succeeded).await;
        assert_eq!((job.attempt, job.phase.as_str(), job.bytes), (1, "nearly done", 42));
        hand.stop().await;
        assert_eq!(b.number("select count(*) from told").await, 0, "it told its own result");
        assert_eq!(b.lines(&id).await, ["attempt 1 starts on worker hand", "at work", "succeeded"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_crashes_is_made_again_and_a_job_that_always_crashes_is_given_up() {
    on_both_for_real(async |b| {
        let hand = Hand::of(b).await;
        for (script, how) in [
            ("echo some last words >&2; exit 101", "its process ended with status 101 and without a result"),
            ("kill -9 $$", "its process was killed by signal 9 (perhaps because memory ran out)"),
            ("exit 0", "its process ended with status 0 and without a result"),
            ("missing", "starting the attempt's process: No such file or directory"),
        ] {
            let id = queue_up(b, script.into()).await;
            let job = b.until(&id, State::Failed).await;
            assert_eq!(job.message, Some(format!("worker crashed 3 times; the last time, {how}")));
            assert_eq!(b.outcomes(&id).await, ["lost", "lost", "lost"]);
            assert_eq!((b.told(&id, Ended::Requeued).await, b.told(&id, Ended::Failed).await), (2, 1));
        }
        hand.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_without_progress_is_killed_with_all_that_it_started() {
    on_both_for_real(async |b| {
        let notes = Notes::new();
        let hand = Hand::with(b, 1, Settings { lost_limit: 1, stuck_after: Duration::from_secs(1), ..quick() }).await;
        let id = queue_up(b, format!("sleep 1000 & echo $! > {}; wait", notes.0.display())).await;
        let grandchild = notes.until_written().await;
        let job = b.until(&id, State::Failed).await;
        assert_eq!(job.message.as_deref(), Some("worker crashed 1 time; the last time, it made no progress for 1 s and was stopped"));
        gone(&grandchild).await;
        hand.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_keeps_an_attempt_alive_far_beyond_the_time_without_any() {
    on_both_for_real(async |b| {
        let hand = Hand::with(b, 1, Settings { stuck_after: Duration::from_millis(1500), ..quick() }).await;
        let id = queue_up(b, "attempt:slowly".into()).await;
        let job = b.until(&id, State::Succeeded).await;
        assert_eq!(job.attempt, 1);
        hand.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_attempt_is_asked_to_end_and_killed_if_it_does_not_listen() {
    on_both_for_real(async |b| {
        let hand = Hand::of(b).await;
        let listens = queue_up(b, "attempt:until told".into()).await;
        b.until(&listens, State::Running).await;
        tokio::time::sleep(Duration::from_millis(500)).await; // it has to install its handler
        b.cancel(&listens).await;
        b.until(&listens, State::Cancelled).await;
        assert_eq!(b.attempts(&listens).await[0].message.as_deref(), Some("in its own words"));

        let notes = Notes::new();
        let deaf = format!("trap '' TERM; echo $$ > {}; while :; do sleep 0.1; done", notes.0.display());
        let deaf = queue_up(b, deaf).await;
        let pid = notes.until_written().await;
        b.cancel(&deaf).await;
        b.until(&deaf, State::Cancelled).await;
        assert!(!PathBuf::from(format!("/proc/{pid}")).exists(), "the state is written only after the child is dead");
        assert_eq!((b.told(&deaf, Ended::Cancelled).await, b.outcomes(&deaf).await), (1, vec!["lost".to_owned()]));
        hand.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_is_cancelled_takes_the_time_it_needs_to_put_things_back() {
    on_both_for_real(async |b| {
        let notes = Notes::new();
        let hand = Hand::of(b).await;
        let file = notes.0.display();
        let script = format!("trap 'sleep 2; echo back >> {file}; exit 3' TERM; echo begun >> {file}; while :; do sleep 0.1; done");
        let id = b.enqueue(NewJob { class: JobClass::Restore, ..b.wanted(&script) }).await;
        notes.until_written().await;
        b.cancel(&id).await;
        while b.outcomes(&id).await[0] == "-" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(notes.read().starts_with("begun\nback\n"), "{:?}", notes.read());
        assert_eq!(b.told(&id, Ended::Cancelled).await, 0, "it did not say that all is well, so another attempt looks");
        b.until(&id, State::Failed).await;
        hand.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_stops_gives_its_jobs_back_without_counting_the_attempts() {
    on_both_for_real(async |b| {
        let notes = Notes::new();
        let hand = Hand::of(b).await;
        let kind = queue_up(b, "sleep 1000 & trap 'exit 0' TERM; wait".into()).await;
        let deaf = queue_up(b, format!("trap '' TERM; echo $$ > {}; while :; do sleep 0.1; done", notes.0.display())).await;
        b.until(&kind, State::Running).await;
        let pid = notes.until_written().await;
        let before = Instant::now();
        hand.stop().await;
        assert!(before.elapsed() < Duration::from_secs(5));
        gone(&pid).await;
        for id in [&kind, &deaf] {
            let job = b.job(id).await;
            assert_eq!((job.state, job.message.as_deref()), (State::Queued, Some("the worker was stopped; the job will start again")));
            assert_eq!((b.outcomes(id).await, b.told(id, Ended::Requeued).await), (vec!["released".to_owned()], 1));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_cannot_reach_the_database_kills_its_attempt_before_the_lease_ends() {
    on_both_for_real(async |b| {
        let notes = Notes::new();
        let hand = Hand::with(b, 1, Settings { lost_limit: 1, ..quick() }).await;
        let id = queue_up(b, format!("echo $$ > {}; sleep 1000", notes.0.display())).await;
        let pid = notes.until_written().await;
        hand.beats.close().await;
        let job = b.until(&id, State::Failed).await;
        let words = "worker crashed 1 time; the last time, its worker lost touch with the database and stopped it";
        assert_eq!(job.message.as_deref(), Some(words));
        gone(&pid).await;
        hand.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_finds_a_slot_when_all_are_taken() {
    on_both_for_real(async |b| {
        let hand = Hand::with(b, 1, quick()).await;
        let long = queue_up(b, "sleep 1000 & trap 'exit 0' TERM; wait".into()).await;
        b.until(&long, State::Running).await;
        let waits = queue_up(b, "attempt:finish".into()).await;
        let restore = b.enqueue(NewJob { class: JobClass::Restore, ..b.wanted("attempt:finish") }).await;
        b.until(&restore, State::Succeeded).await;
        assert_eq!(b.job(&waits).await.state, State::Queued);
        hand.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_wakes_a_worker_that_would_have_slept() {
    on_both_for_real(async |b| {
        let hand = Hand::with(b, 1, Settings { poll: Duration::from_secs(3600), ..quick() }).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let id = b.enqueue(b.wanted("attempt:finish")).await;
        while b.job(&id).await.state != State::Succeeded {
            hint(); // again and again: other tests of this process have workers, too
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        hand.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_drop_again_and_again_cost_no_attempt() {
    let b = &postgres(Clock::system()).await;
    let pool = Pool::connect(&named(&b.url), 4, b.clock.clone()).await.unwrap();
    let hand = Hand::on(b, pool, 4, quick()).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(queue_up(b, "attempt:slowly".into()).await);
    }
    let drop_all = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                    where application_name = 'hand' and datname = current_database()";
    let mut dropped = 0;
    for _ in 0..20 {
        dropped += b.number(drop_all).await;
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert!(dropped > 10, "{dropped}");
    for id in &ids {
        let job = b.until(id, State::Succeeded).await;
        assert_eq!(job.attempt, 1, "{:?}", b.lines(id).await);
    }
    hand.stop().await;
}
