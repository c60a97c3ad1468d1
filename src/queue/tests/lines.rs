//! The lines that claims look at: there for whatever waits, whoever takes empty ones away meanwhile.

use crate::base::clock::Clock;
use crate::base::error::Error;
use crate::queue::testing::{Bench, on_both, postgres};
use crate::queue::*;
use std::time::Duration;

/// `place tenant` of each line.
async fn lines(b: &Bench) -> Vec<String> {
    let sql = "select cast(place as text) || ' ' || tenant_id from queue_lines order by place, tenant_id";
    sqlx::query_scalar(sql).fetch_all(&mut *b.pool.get().await.unwrap()).await.unwrap()
}

async fn keep(b: &Bench) {
    tidy(&b.pool, &Settings::default()).await.unwrap();
}

/// A line in which nobody waits any more.
async fn leave_one(b: &Bench) {
    b.enqueue(b.wanted("first")).await;
    b.finish(&b.lease().await, Outcome::succeeded()).await.unwrap();
    assert_eq!(lines(b).await, ["2 ten_one"]);
}

#[tokio::test]
async fn a_line_is_there_while_anything_waits_in_it_and_goes_afterwards() {
    on_both(async |b| {
        let nobody: [&str; 0] = [];
        keep(b).await;
        assert_eq!(lines(b).await, nobody);
        let id = b.enqueue(b.wanted("x")).await;
        b.enqueue(NewJob { tenant: b.other.clone(), class: JobClass::Restore, ..b.wanted("y") }).await;
        keep(b).await;
        assert_eq!(lines(b).await, ["0 ten_two", "2 ten_one"]);
        let theirs = b.lease().await;
        let lease = b.lease().await;
        assert_eq!(lease.job, id);
        keep(b).await;
        assert_eq!(lines(b).await, nobody, "both run");
        // One waits for its next try, the other one was stopped by us.
        b.finish(&lease, Outcome::failed(&Error::transient("later"))).await.unwrap();
        release(&b.pool, &theirs).await.unwrap();
        keep(b).await;
        assert_eq!(lines(b).await, ["0 ten_two", "2 ten_one"]);
        b.advance(24 * 3600);
        keep(b).await;
        assert_eq!(lines(b).await, ["0 ten_two", "1 ten_one"], "whoever waits long moves up");
        for _ in 0..2 {
            let lease = b.lease().await;
            b.finish(&lease, Outcome::succeeded()).await.unwrap();
        }
        keep(b).await;
        assert_eq!(lines(b).await, nobody);
    })
    .await;
}

#[tokio::test]
async fn a_job_whose_line_is_missing_is_found_all_the_same() {
    on_both(async |b| {
        let id = b.enqueue(b.wanted("x")).await;
        b.run("delete from queue_lines").await;
        keep(b).await;
        assert_eq!(b.lease().await.job, id);
    })
    .await;
}

#[tokio::test]
async fn a_line_into_which_somebody_queues_is_not_taken_away() {
    let b = postgres(Clock::system()).await;
    leave_one(&b).await;
    let mut tx = b.pool.begin().await.unwrap();
    let queued = enqueue(&mut tx, b.pool.now().await.unwrap(), b.wanted("second")).await.unwrap();
    // The job cannot be seen yet: the line seems to be empty.
    keep(&b).await;
    tx.commit().await.unwrap();
    assert_eq!(b.lease().await.job, queued.id);
}

#[tokio::test]
async fn whoever_queues_while_the_line_is_taken_away_makes_it_anew() {
    let b = postgres(Clock::system()).await;
    leave_one(&b).await;
    let mut away = b.pool.begin().await.unwrap();
    sqlx::query("delete from queue_lines").execute(&mut *away).await.unwrap();
    let (pool, job) = (b.pool.clone(), b.wanted("second"));
    let queueing = tokio::spawn(async move {
        let mut tx = pool.begin().await.unwrap();
        let queued = enqueue(&mut tx, pool.now().await.unwrap(), job).await.unwrap();
        tx.commit().await.unwrap();
        queued.id
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!queueing.is_finished(), "it waits to see whether the line goes");
    away.commit().await.unwrap();
    let queued = queueing.await.unwrap();
    assert_eq!(b.lease().await.job, queued);
}
