//! What jobs hold alone or together, what is said to those who wait, and that nobody waits for ever.

use crate::queue::testing::on_both;
use crate::queue::*;

#[tokio::test]
async fn shared_goes_with_shared_and_nothing_goes_with_exclusive() {
    on_both(async |b| {
        let r = |mode| vec![Need { resource: "repo:r".into(), mode }];
        for (first, second, together) in [
            (Mode::Shared, Mode::Shared, true),
            (Mode::Shared, Mode::Exclusive, false),
            (Mode::Exclusive, Mode::Shared, false),
            (Mode::Exclusive, Mode::Exclusive, false),
        ] {
            b.enqueue(NewJob { needs: r(first), ..b.wanted("first") }).await;
            b.advance(1);
            b.enqueue(NewJob { needs: r(second), ..b.wanted("second") }).await;
            let a = b.lease().await;
            let other = b.claim().await;
            assert_eq!(other.is_some(), together, "{first} then {second}");
            b.finish(&a, Outcome::succeeded()).await.unwrap();
            let other = match other {
                Some(c) => c.lease,
                None => b.lease().await,
            };
            b.finish(&other, Outcome::succeeded()).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn needs_are_taken_all_or_none_and_a_free_job_passes_a_blocked_one() {
    on_both(async |b| {
        b.enqueue(NewJob { needs: vec![Need::exclusive("env:1")], ..b.wanted("holds 1") }).await;
        let holder = b.lease().await;
        b.enqueue(NewJob { needs: vec![Need::exclusive("env:1"), Need::exclusive("env:2")], ..b.wanted("wants both") }).await;
        b.advance(1);
        b.enqueue(NewJob { needs: vec![Need::exclusive("env:2")], ..b.wanted("wants 2") }).await;
        let c = b.claim().await.unwrap();
        assert_eq!(c.job.subject, "wants 2", "the blocked one holds nothing");
        b.finish(&c.lease, Outcome::succeeded()).await.unwrap();
        assert!(b.claim().await.is_none());
        b.finish(&holder, Outcome::succeeded()).await.unwrap();
        assert_eq!(b.claim().await.unwrap().job.subject, "wants both");
        assert_eq!(b.number("select count(*) from job_needs where token is not null").await, 2);
    })
    .await;
}

#[tokio::test]
async fn who_waits_is_told_for_what_and_since_when_but_nothing_of_other_tenants() {
    on_both(async |b| {
        let holder = b.enqueue(NewJob { needs: vec![Need::exclusive("repo:r"), Need::shared("host:h")], ..b.wanted("x") }).await;
        let lease = b.lease().await;
        let mine = b.enqueue(NewJob { needs: vec![Need::shared("repo:r")], ..b.wanted("x") }).await;
        b.advance(1);
        let theirs = NewJob { tenant: b.other.clone(), needs: vec![Need::exclusive("host:h")], ..b.wanted("x") };
        let theirs = b.enqueue(theirs).await;
        assert!(b.claim().await.is_none());
        let told = b.job(&mine).await.blocked_on.unwrap();
        assert_eq!(told, format!("waits for create backup ({holder}), which has repo:r alone since 2026-11-21 03:00:00 UTC"));
        let told = b.job(&theirs).await.blocked_on.unwrap();
        assert_eq!(told, "waits for another job, which has host:h since 2026-11-21 03:00:00 UTC");
        assert_eq!(b.job(&mine).await.attempt, 0, "waiting uses up no attempt");
        b.finish(&lease, Outcome::succeeded()).await.unwrap();
        tidy(&b.pool, &Settings::default()).await.unwrap();
        assert_eq!(b.job(&theirs).await.blocked_on, None, "nor is it told what is no longer so");
        // The other tenant was served longer ago, and what it wants is not what the first one wants.
        assert_eq!([b.lease().await.job, b.lease().await.job], [theirs, mine.clone()]);
        assert_eq!(b.job(&mine).await.blocked_on, None);
    })
    .await;
}

#[tokio::test]
async fn an_exclusive_request_is_not_starved_by_shared_ones_that_keep_coming() {
    on_both(async |b| {
        let shared = || NewJob { needs: vec![Need::shared("repo:r")], ..b.wanted("backup") };
        b.enqueue(shared()).await;
        let mut held = b.lease().await;
        let prune = NewJob {
            class: JobClass::Upkeep,
            kind: "prune_repository".into(),
            needs: vec![Need::exclusive("repo:r")],
            ..b.wanted("prune")
        };
        let prune = b.enqueue(prune).await;
        for minute in 0.. {
            assert!(minute <= 16, "the exclusive request waits for ever");
            b.advance(60);
            tidy(&b.pool, &Settings::default()).await.unwrap();
            let next = b.enqueue(shared()).await;
            let Some(c) = b.claim().await else {
                assert!((14..=16).contains(&minute), "not before its patience ends, at minute {minute}");
                let told = b.job(&next).await.blocked_on.unwrap();
                assert!(
                    told.starts_with(&format!("waits behind prune repository ({prune}), which has been waiting for repo:r since")),
                    "{told}"
                );
                break;
            };
            b.finish(&held, Outcome::succeeded()).await.unwrap();
            held = c.lease;
            let _ = heartbeat(&b.pool, &held, &Settings::default()).await.unwrap();
        }
        // A restore does not stand behind it: it would wait for the backups that run, too.
        let restore = b.enqueue(NewJob { class: JobClass::Restore, ..shared() }).await;
        let lease = b.lease().await;
        assert_eq!(lease.job, restore);
        b.finish(&lease, Outcome::succeeded()).await.unwrap();
        b.finish(&held, Outcome::succeeded()).await.unwrap();
        assert_eq!(b.lease().await.job, prune, "now it is its turn");
    })
    .await;
}

#[tokio::test]
async fn two_that_have_waited_for_too_long_do_not_wait_for_each_other() {
    on_both(async |b| {
        let both = || vec![Need::exclusive("env:1"), Need::exclusive("env:2")];
        b.enqueue(NewJob { needs: vec![Need::shared("env:1")], ..b.wanted("x") }).await;
        b.enqueue(NewJob { needs: vec![Need::shared("env:2")], ..b.wanted("x") }).await;
        let (one, two) = (b.lease().await, b.lease().await);
        b.enqueue(NewJob { needs: both(), ..b.wanted("a") }).await;
        b.enqueue(NewJob { needs: both(), ..b.wanted("b") }).await;
        for _ in 0..3 {
            tidy(&b.pool, &Settings::default()).await.unwrap();
            b.advance(20 * 60);
        }
        assert_eq!(b.number("select count(*) from job_needs where reserved_at is not null").await, 4);
        b.finish(&one, Outcome::succeeded()).await.unwrap();
        b.finish(&two, Outcome::succeeded()).await.unwrap();
        let first = b.lease().await;
        assert!(b.claim().await.is_none());
        b.finish(&first, Outcome::succeeded()).await.unwrap();
        let second = b.lease().await;
        b.finish(&second, Outcome::succeeded()).await.unwrap();
        assert_ne!(first.job, second.job);
    })
    .await;
}

#[tokio::test]
async fn the_database_itself_refuses_two_who_hold_the_same_alone() {
    on_both(async |b| {
        for _ in 0..2 {
            b.enqueue(NewJob { needs: vec![Need::exclusive("env:1")], ..b.wanted("x") }).await;
        }
        b.lease().await;
        let mut conn = b.pool.get().await.unwrap();
        let refused = sqlx::query("update job_needs set token = 'forged' where token is null").execute(&mut *conn).await;
        assert_eq!(crate::base::error::Error::from(refused.unwrap_err()).class(), crate::base::error::Class::Conflict);
    })
    .await;
}

#[tokio::test]
async fn what_was_shared_by_one_whose_end_was_not_seen_is_given_to_nobody_alone_for_a_while() {
    on_both(async |b| {
        let settings = Settings { quarantine: std::time::Duration::from_secs(600), ..Settings::default() };
        let needs = || vec![Need::shared("repo:r"), Need::exclusive("env:1")];
        b.enqueue(NewJob { needs: needs(), ..b.wanted("backup") }).await;
        b.lease().await;
        b.advance(31);
        assert_eq!(reap(&b.pool, &settings).await.unwrap().len(), 1);
        let alone = b.enqueue(NewJob { needs: vec![Need::exclusive("repo:r")], ..b.wanted("clean-up") }).await;
        // The same again at once: its environment was not shared, and shared goes beside shared.
        let again = b.lease().await;
        b.finish(&again, Outcome::succeeded()).await.unwrap();
        assert!(b.claim().await.is_none());
        let told = b.job(&alone).await.blocked_on.unwrap();
        assert!(told.starts_with("waits for repo:r until ") && told.ends_with("was not seen"), "{told}");
        b.advance(599);
        assert!(b.claim().await.is_none());
        b.advance(2);
        assert_eq!(b.lease().await.job, alone);
    })
    .await;
}

#[tokio::test]
async fn an_attempt_that_was_seen_to_die_keeps_nobody_away() {
    on_both(async |b| {
        b.enqueue(NewJob { needs: vec![Need::shared("repo:r")], ..b.wanted("backup") }).await;
        let lease = b.lease().await;
        lost(&b.pool, &lease, "its process died", &Settings { lost_limit: 1, ..Settings::default() }).await.unwrap();
        b.enqueue(NewJob { needs: vec![Need::exclusive("repo:r")], ..b.wanted("clean-up") }).await;
        assert_eq!(b.claim().await.unwrap().job.subject, "clean-up");
    })
    .await;
}
