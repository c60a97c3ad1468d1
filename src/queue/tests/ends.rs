//! Leases, and every way in which an attempt ends.

use crate::base::error::{Class, Error};
use crate::queue::testing::on_both;
use crate::queue::*;

#[tokio::test]
async fn a_heartbeat_keeps_the_lease_and_without_one_it_runs_out() {
    on_both(async |b| {
        let (settings, id) = (Settings::default(), b.enqueue(b.wanted("x")).await);
        let lease = b.lease().await;
        for _ in 0..5 {
            b.advance(25);
            assert!(!heartbeat(&b.pool, &lease, &settings).await.unwrap());
            assert!(reap(&b.pool, &settings).await.unwrap().is_empty());
        }
        b.advance(30);
        assert!(reap(&b.pool, &settings).await.unwrap().is_empty(), "it lasts to its very end");
        b.advance(1);
        assert_eq!(reap(&b.pool, &settings).await.unwrap(), [(id.clone(), Ended::Requeued)]);
        let job = b.job(&id).await;
        assert_eq!(job.state, State::Queued);
        assert_eq!(job.message.as_deref(), Some("worker lost, retrying (1/3): worker w1 was not heard of any more"));
        assert_eq!(b.lease().await.attempt, 2, "and it may be claimed at once");
    })
    .await;
}

#[tokio::test]
async fn whoever_lost_the_lease_writes_nothing() {
    on_both(async |b| {
        let settings = Settings::default();
        let id = b.enqueue(NewJob { needs: vec![Need::exclusive("env:one")], ..b.wanted("x") }).await;
        let zombie = b.lease().await;
        b.advance(31);
        reap(&b.pool, &settings).await.unwrap();
        let alive = b.lease().await;
        assert_eq!((&alive.job, alive.attempt), (&id, 2));
        let before = (b.job(&id).await, b.lines(&id).await, b.attempts(&id).await);

        let step = Progress { phase: "reading".into(), bytes: 7, bytes_total: None, files: 1 };
        assert_eq!(heartbeat(&b.pool, &zombie, &settings).await.unwrap_err().class(), Class::Fenced);
        assert_eq!(progress(&b.pool, &zombie, &step).await.unwrap_err().class(), Class::Fenced);
        assert_eq!(log(&b.pool, &zombie, Level::Info, "boo").await.unwrap_err().class(), Class::Fenced);
        assert_eq!(b.finish(&zombie, Outcome::succeeded()).await.unwrap_err().class(), Class::Fenced);
        assert_eq!(lost(&b.pool, &zombie, "boo", &settings).await.unwrap_err().class(), Class::Fenced);
        assert_eq!(release(&b.pool, &zombie).await.unwrap_err().class(), Class::Fenced);
        let mut tx = b.pool.begin().await.unwrap();
        assert_eq!(fence(&mut tx, &zombie).await.unwrap_err().class(), Class::Fenced);
        drop(tx);

        assert_eq!((b.job(&id).await, b.lines(&id).await, b.attempts(&id).await), before);
        assert_eq!(b.number("select count(*) from job_needs where token is not null").await, 1);
        let mut tx = b.pool.begin().await.unwrap();
        fence(&mut tx, &alive).await.unwrap();
        finish(&mut tx, b.clock.now(), &alive, Outcome::succeeded()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(b.finish(&alive, Outcome::succeeded()).await.unwrap_err().class(), Class::Fenced, "an end is an end");
        assert_eq!(b.job(&id).await.state, State::Succeeded);
    })
    .await;
}

#[tokio::test]
async fn a_finish_that_is_rolled_back_has_not_happened() {
    on_both(async |b| {
        let id = b.enqueue(b.wanted("x")).await;
        let lease = b.lease().await;
        let mut tx = b.pool.begin().await.unwrap();
        finish(&mut tx, b.clock.now(), &lease, Outcome::succeeded()).await.unwrap();
        tx.rollback().await.unwrap();
        assert_eq!(b.job(&id).await.state, State::Running);
        b.finish(&lease, Outcome::incomplete("3 files could not be read")).await.unwrap();
        let job = b.job(&id).await;
        assert_eq!((job.state, job.message.as_deref()), (State::Incomplete, Some("3 files could not be read")));
        assert_eq!(job.finished, Some(b.clock.now()));
        let not_an_end = Outcome { state: State::Queued, ..Outcome::succeeded() };
        assert_eq!(b.finish(&lease, not_an_end).await.unwrap_err().class(), Class::Internal);
    })
    .await;
}

#[tokio::test]
async fn a_job_whose_worker_dies_three_times_is_given_up() {
    on_both(async |b| {
        let settings = Settings::default();
        let id = b.enqueue(NewJob { needs: vec![Need::exclusive("env:one")], ..b.wanted("x") }).await;
        for expected in [Ended::Requeued, Ended::Requeued, Ended::Failed] {
            let lease = b.lease().await;
            assert_eq!(lost(&b.pool, &lease, "its process was killed by signal 9", &settings).await.unwrap(), expected);
        }
        let job = b.job(&id).await;
        let message = "worker crashed 3 times; the last time, its process was killed by signal 9";
        assert_eq!((job.state, job.message.as_deref()), (State::Failed, Some(message)));
        assert!(job.hint.is_some());
        assert_eq!(b.outcomes(&id).await, ["lost", "lost", "lost"]);
        assert_eq!(b.number("select count(*) from job_needs").await, 0);
        assert!(b.claim().await.is_none());
    })
    .await;
}

#[tokio::test]
async fn what_may_pass_is_tried_again_later_each_time_and_then_given_up() {
    on_both(async |b| {
        // Class, and the pauses in seconds.
        let table: [(Class, &[i64]); 5] = [
            (Class::Transient, &[30, 60, 120, 240, 480]),
            (Class::Resource, &[900, 900]),
            (Class::Permanent, &[]),
            (Class::Damaged, &[]),
            (Class::Internal, &[]),
        ];
        for (class, pauses) in table {
            let id = b.enqueue(b.wanted("x")).await;
            let error = Error::new(class, "no good").hint("do better");
            for pause in pauses {
                let lease = b.lease().await;
                let done = b.finish(&lease, Outcome::failed(&error)).await.unwrap();
                let wait = done.will_retry_at.unwrap().0 - b.clock.now().0;
                assert!((wait as f64 / (*pause * 1000) as f64 - 1.0).abs() <= 0.2001, "{class:?}: {wait} ms instead of {pause} s");
                let job = b.job(&id).await;
                assert_eq!((done.state, job.state, job.run_at), (State::RetryWait, State::RetryWait, done.will_retry_at.unwrap()));
                assert_eq!(
                    (job.message.as_deref(), job.hint.as_deref(), job.error_class),
                    (Some("no good"), Some("do better"), Some(class))
                );
                b.clock.advance(wait - 1);
                assert!(b.claim().await.is_none());
                b.clock.advance(1);
            }
            let lease = b.lease().await;
            let done = b.finish(&lease, Outcome::failed(&error)).await.unwrap();
            assert_eq!(done, Finished { state: State::Failed, will_retry_at: None }, "{class:?}");
            assert_eq!(b.outcomes(&id).await.len(), pauses.len() + 1);
        }
    })
    .await;
}

#[tokio::test]
async fn a_final_failure_and_one_a_day_after_the_start_are_not_tried_again() {
    on_both(async |b| {
        let error = Error::transient("the line dropped");
        b.enqueue(b.wanted("x")).await;
        let done = b.finish(&b.lease().await, Outcome::failed(&error).and_final()).await.unwrap();
        assert_eq!(done.state, State::Failed);
        b.enqueue(b.wanted("x")).await;
        let lease = b.lease().await;
        b.advance(24 * 3600);
        assert_eq!(b.finish(&lease, Outcome::failed(&error)).await.unwrap().state, State::Failed);
    })
    .await;
}

#[tokio::test]
async fn a_release_puts_the_job_back_and_counts_for_nothing() {
    on_both(async |b| {
        let settings = Settings::default();
        let id = b.enqueue(NewJob { needs: vec![Need::exclusive("env:one")], ..b.wanted("x") }).await;
        for n in 1..=5 {
            let lease = b.lease().await;
            assert_eq!(lease.attempt, n, "numbers are never used twice: what an attempt left behind carries one");
            assert_eq!(release(&b.pool, &lease).await.unwrap(), Ended::Requeued);
        }
        for expected in [Ended::Requeued, Ended::Requeued, Ended::Failed] {
            assert_eq!(lost(&b.pool, &b.lease().await, "it died", &settings).await.unwrap(), expected);
        }
        assert_eq!(b.outcomes(&id).await.iter().filter(|o| *o == "released").count(), 5);
    })
    .await;
}

#[tokio::test]
async fn a_job_is_cancelled_before_it_begins_or_told_at_the_next_heartbeat() {
    on_both(async |b| {
        let settings = Settings::default();
        let queued = b.enqueue(NewJob { needs: vec![Need::exclusive("env:one")], ..b.wanted("x") }).await;
        assert_eq!(b.cancel(&queued).await.state, State::Cancelled);
        assert_eq!(b.number("select count(*) from job_needs").await, 0);
        assert!(b.claim().await.is_none());

        let running = b.enqueue(b.wanted("x")).await;
        let lease = b.lease().await;
        assert!(!heartbeat(&b.pool, &lease, &settings).await.unwrap());
        let job = b.cancel(&running).await;
        assert_eq!((job.state, job.cancel_requested), (State::Running, true));
        assert!(heartbeat(&b.pool, &lease, &settings).await.unwrap());
        assert_eq!(b.finish(&lease, Outcome::failed(&Error::cancelled())).await.unwrap().state, State::Cancelled);
        assert_eq!(b.cancel(&running).await.state, State::Cancelled, "once more changes nothing");

        let done = b.enqueue(b.wanted("x")).await;
        b.finish(&b.lease().await, Outcome::succeeded()).await.unwrap();
        assert_eq!((b.cancel(&done).await.state, b.job(&done).await.cancel_requested), (State::Succeeded, false));

        let mut conn = b.pool.get().await.unwrap();
        let stranger = cancel(&mut conn, b.clock.now(), &b.other, &done).await.unwrap_err();
        assert_eq!(stranger.class(), Class::NotFound);
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_job_is_not_tried_again_after_a_loss_a_shutdown_or_a_failure() {
    on_both(async |b| {
        let settings = Settings::default();
        for way in ["lost", "reaped", "released", "failed"] {
            let id = b.enqueue(b.wanted("x")).await;
            let lease = b.lease().await;
            b.cancel(&id).await;
            match way {
                "lost" => assert_eq!(lost(&b.pool, &lease, "it died", &settings).await.unwrap(), Ended::Cancelled),
                "released" => assert_eq!(release(&b.pool, &lease).await.unwrap(), Ended::Cancelled),
                "reaped" => {
                    b.advance(31);
                    assert_eq!(reap(&b.pool, &settings).await.unwrap(), [(id.clone(), Ended::Cancelled)]);
                }
                _ => drop(b.finish(&lease, Outcome::failed(&Error::transient("no"))).await.unwrap()),
            }
            assert_eq!(b.job(&id).await.state, State::Cancelled, "{way}");
        }
        let waiting = b.enqueue(b.wanted("x")).await;
        b.finish(&b.lease().await, Outcome::failed(&Error::transient("no"))).await.unwrap();
        assert_eq!(b.cancel(&waiting).await.state, State::Cancelled);
    })
    .await;
}

#[tokio::test]
async fn a_restore_that_has_begun_is_ended_by_an_attempt_only() {
    on_both(async |b| {
        let settings = Settings::default();
        let restore = || NewJob { class: JobClass::Restore, ..b.wanted("x") };
        let untouched = b.enqueue(restore()).await;
        assert_eq!(b.cancel(&untouched).await.state, State::Cancelled, "before its first attempt there is nothing to put back");

        let id = b.enqueue(restore()).await;
        let lease = b.lease().await;
        b.cancel(&id).await;
        assert_eq!(lost(&b.pool, &lease, "it died", &settings).await.unwrap(), Ended::Requeued);
        let lease = b.lease().await;
        assert_eq!(release(&b.pool, &lease).await.unwrap(), Ended::Requeued);
        let again = b.claim().await.unwrap();
        assert!(again.job.cancel_requested, "the next attempt knows");
        b.finish(&again.lease, Outcome::failed(&Error::transient("no"))).await.unwrap();
        assert_eq!(b.job(&id).await.state, State::RetryWait);

        let other = b.enqueue(restore()).await;
        b.finish(&b.lease().await, Outcome::failed(&Error::transient("no"))).await.unwrap();
        let job = b.cancel(&other).await;
        assert_eq!((job.state, job.cancel_requested, job.run_at), (State::RetryWait, true, b.clock.now()), "and does not wait");
        assert_eq!(b.lease().await.job, other);
    })
    .await;
}
