//! Queueing and claiming.

use crate::base::clock::Clock;
use crate::base::error::Class;
use crate::queue::testing::{Bench, on_both, postgres};
use crate::queue::*;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_workers_never_claim_a_job_twice_and_never_share_what_one_has_alone() {
    on_both(async |b| {
        let mut all = HashSet::new();
        for n in 0..240 {
            let mut job = b.wanted(&n.to_string());
            // Every fifth wants its environment alone, the others share it.
            let name = format!("env:{}", n % 12);
            job.needs = vec![if n % 5 == 0 { Need::exclusive(name) } else { Need::shared(name) }, Need::shared("host:local")];
            all.insert(b.enqueue(job).await);
        }
        let settings = Settings { tenant_running: 1_000, ..Settings::default() };
        let book = Arc::new(Mutex::new(Book::default()));
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..16 {
            tasks.spawn(drain(b.pool.clone(), format!("w{n}"), settings.clone(), book.clone(), all.len()));
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        assert_eq!(book.lock().unwrap().done, all);
        assert_eq!(b.number("select count(*) from attempts").await, 240);
        assert_eq!(b.number("select count(*) from job_needs").await, 0, "nothing is held by what has ended");
    })
    .await;
}

/// Who runs, and what they have: kept beside the database, to check it.
#[derive(Default)]
struct Book {
    done: HashSet<crate::domain::ids::JobId>,
    /// Resource to (shared, alone).
    held: HashMap<String, (u32, u32)>,
}

async fn drain(pool: crate::base::sql::Pool, name: String, settings: Settings, book: Arc<Mutex<Book>>, all: usize) {
    while book.lock().unwrap().done.len() < all {
        let Some(c) = claim(&pool, &name, &settings).await.unwrap() else {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            continue;
        };
        let n: u32 = c.job.subject.parse().unwrap();
        let resource = format!("env:{}", n % 12);
        {
            let mut book = book.lock().unwrap();
            assert!(book.done.insert(c.job.id.clone()), "claimed twice");
            let held = book.held.entry(resource.clone()).or_default();
            if n.is_multiple_of(5) {
                held.1 += 1
            } else {
                held.0 += 1
            }
            assert!(held.1 == 0 || (held.1 == 1 && held.0 == 0), "{resource} is held by {held:?}");
        }
        tokio::task::yield_now().await;
        {
            let mut book = book.lock().unwrap();
            let held = book.held.get_mut(&resource).unwrap();
            if n.is_multiple_of(5) { held.1 -= 1 } else { held.0 -= 1 }
        }
        let now = pool.now().await.unwrap();
        let mut tx = pool.begin().await.unwrap();
        finish(&mut tx, now, &c.lease, Outcome::succeeded()).await.unwrap();
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn jobs_run_in_the_order_of_their_class_and_then_of_their_age() {
    on_both(async |b| {
        let mut wanted = Vec::new();
        for class in [JobClass::Upkeep, JobClass::Scheduled, JobClass::Restore, JobClass::Verify, JobClass::OnDemand, JobClass::Download] {
            for _ in 0..2 {
                b.advance(1);
                let id = b.enqueue(NewJob { class, ..b.wanted("x") }).await;
                wanted.push((class as u8, id));
            }
        }
        wanted.sort_by_key(|(class, _)| *class); // stable: within a class by age
        for (_, id) in wanted {
            let lease = b.lease().await;
            assert_eq!(lease.job, id);
            b.finish(&lease, Outcome::succeeded()).await.unwrap();
        }
        assert!(b.claim().await.is_none());
    })
    .await;
}

#[tokio::test]
async fn a_job_that_waits_long_moves_up_but_never_before_a_restore() {
    on_both(async |b| {
        let old = b.enqueue(NewJob { class: JobClass::Upkeep, ..b.wanted("x") }).await;
        for _ in 0..10 {
            b.advance(6 * 3600);
            tidy(&b.pool, &Settings::default()).await.unwrap();
        }
        let restore = b.enqueue(NewJob { class: JobClass::Restore, ..b.wanted("x") }).await;
        let new = b.enqueue(b.wanted("x")).await;
        assert_eq!([b.lease().await.job, b.lease().await.job, b.lease().await.job], [restore, old, new]);
    })
    .await;
}

#[tokio::test]
async fn a_job_is_not_claimed_before_its_time() {
    on_both(async |b| {
        let id = b.enqueue(NewJob { run_at: Some(b.clock.now().plus(60_000)), ..b.wanted("x") }).await;
        b.advance(59);
        assert!(b.claim().await.is_none());
        b.advance(1);
        let c = b.claim().await.unwrap();
        assert_eq!((c.job.id, c.job.state, c.lease.attempt, c.lease.token.len()), (id, State::Running, 1, 26));
    })
    .await;
}

#[tokio::test]
async fn a_tenant_with_many_jobs_leaves_room_for_others_and_for_its_own_restores() {
    on_both(async |b| {
        for _ in 0..6 {
            b.enqueue(b.wanted("mine")).await;
        }
        b.advance(1);
        let theirs = b.enqueue(NewJob { tenant: b.other.clone(), ..b.wanted("theirs") }).await;
        assert_eq!(b.claim().await.unwrap().job.subject, "mine");
        assert_eq!(b.lease().await.job, theirs, "although five were there before it");
        for _ in 0..3 {
            assert_eq!(b.claim().await.unwrap().job.subject, "mine");
        }
        assert!(b.claim().await.is_none());
        let waiting = Filter { states: vec![State::Queued], ..Filter::of(Tenants::All) };
        let waiting = list(&mut b.pool.get().await.unwrap(), &waiting).await.unwrap();
        assert_eq!(waiting.len(), 2);
        let words = "waits for its turn: this tenant has 4 jobs running, and no more may run at once";
        assert!(waiting.iter().all(|j| j.blocked_on.as_deref() == Some(words)), "{waiting:?}");
        let restore = b.enqueue(NewJob { class: JobClass::Restore, ..b.wanted("mine") }).await;
        assert_eq!(b.lease().await.job, restore);
    })
    .await;
}

#[tokio::test]
async fn an_equal_job_that_has_not_ended_is_returned_instead_of_a_second_one() {
    on_both(async |b| {
        let unique = |tenant: &crate::domain::ids::TenantId| NewJob {
            unique: Some("backup:env_one".into()),
            tenant: tenant.clone(),
            needs: vec![Need::exclusive("env:one")],
            ..b.wanted("x")
        };
        let first = b.enqueue(unique(&b.tenant)).await;
        let again = || async { b.try_enqueue(unique(&b.tenant)).await.unwrap() };
        assert_eq!(again().await, Enqueued { id: first.clone(), fresh: false });
        let lease = b.lease().await;
        assert_eq!(again().await.id, first, "also while it runs");
        let error = crate::base::error::Error::transient("the line dropped");
        b.finish(&lease, Outcome::failed(&error)).await.unwrap();
        assert_eq!(again().await.id, first, "also while it waits for its next try");
        assert!(b.try_enqueue(unique(&b.other)).await.unwrap().fresh, "another tenant is another matter");
        b.cancel(&first).await;
        assert!(again().await.fresh);
    })
    .await;
}

#[tokio::test]
async fn an_idempotency_key_returns_the_first_job_for_a_day_even_when_that_has_ended() {
    on_both(async |b| {
        let keyed = || NewJob { idempotency: Some("k".into()), ..b.wanted("x") };
        let first = b.enqueue(keyed()).await;
        let lease = b.lease().await;
        b.finish(&lease, Outcome::succeeded()).await.unwrap();
        assert_eq!(b.try_enqueue(NewJob { subject: "y".into(), ..keyed() }).await.unwrap(), Enqueued { id: first, fresh: false });
        let other = b.try_enqueue(NewJob { kind: "run_restore".into(), ..keyed() }).await.unwrap_err();
        assert_eq!(other.class(), Class::Conflict);
        assert!(b.try_enqueue(NewJob { tenant: b.other.clone(), ..keyed() }).await.unwrap().fresh);
        b.advance(24 * 3600);
        assert!(b.try_enqueue(keyed()).await.unwrap().fresh);
        b.advance(24 * 3600);
        tidy(&b.pool, &Settings::default()).await.unwrap();
        assert_eq!(b.number("select count(*) from jobs where idempotency_key is not null").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_equal_requests_at_once_one_makes_the_job() {
    on_both(async |b| {
        let one = |b: &Bench| {
            let (pool, job, now) =
                (b.pool.clone(), NewJob { unique: Some("u".into()), idempotency: Some("i".into()), ..b.wanted("x") }, b.clock.now());
            async move {
                let mut tx = pool.begin().await.unwrap();
                let done = enqueue(&mut tx, now, job).await.unwrap();
                tx.commit().await.unwrap();
                done
            }
        };
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..24 {
            tasks.spawn(one(b));
        }
        let mut ids = HashSet::new();
        let mut fresh = 0;
        while let Some(done) = tasks.join_next().await {
            let done = done.unwrap();
            ids.insert(done.id);
            fresh += u32::from(done.fresh);
        }
        assert_eq!((ids.len(), fresh), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn a_job_queued_in_a_transaction_that_is_rolled_back_was_never_there() {
    on_both(async |b| {
        let mut tx = b.pool.begin().await.unwrap();
        enqueue(&mut tx, b.clock.now(), NewJob { needs: vec![Need::shared("a"), Need::exclusive("a")], ..b.wanted("x") }).await.unwrap();
        tx.rollback().await.unwrap();
        assert_eq!(b.number("select count(*) from jobs").await + b.number("select count(*) from job_needs").await, 0);
        // And one queued without any transaction is there at once, with what it needs (named twice: the stricter counts).
        let mut conn = b.pool.get().await.unwrap();
        enqueue(&mut conn, b.clock.now(), NewJob { needs: vec![Need::shared("a"), Need::exclusive("a")], ..b.wanted("x") }).await.unwrap();
        drop(conn);
        assert_eq!(b.number("select count(*) from job_needs where mode = 'exclusive'").await, 1);
        assert_eq!(b.number("select count(*) from job_needs").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_freezes_in_the_middle_of_its_claim_holds_up_the_others_only_for_seconds() {
    // SQLite has one write lock for everything; whoever freezes with that in hand holds up every writer there is.
    let b = postgres(Clock::system()).await;
    b.enqueue(b.wanted("x")).await;
    let (frozen, _turn) = crate::queue::claim::stand_in_line(&b.pool).await.unwrap();
    let before = std::time::Instant::now();
    assert!(b.claim().await.is_some());
    let waited = before.elapsed().as_secs();
    assert!((3..20).contains(&waited), "{waited} s");
    assert!(frozen.commit().await.is_err(), "its turn is over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_freezes_inside_a_transaction_does_not_keep_its_job_for_ever() {
    let b = postgres(Clock::system()).await;
    let settings = Settings { lease: Duration::from_secs(1), ..Settings::default() };
    let id = b.enqueue(b.wanted("x")).await;
    let lease = claim(&b.pool, "w1", &settings).await.unwrap().expect("a job waits").lease;
    let mut frozen = b.pool.begin().await.unwrap();
    fence(&mut frozen, &lease).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(reap(&b.pool, &settings).await.unwrap(), [(id, Ended::Requeued)], "half a minute later");
    assert!(frozen.commit().await.is_err(), "what it did is as if it had never been");
}
