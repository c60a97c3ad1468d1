//! Nobody's jobs hold up another's, however many they are and whatever a plan allows.

use super::processes::quick;
use super::supervisor::Hand;
use crate::base::sql::Kind;
use crate::domain::ids::TenantId;
use crate::queue::claim::{TAKE, claim_up_to};
use crate::queue::testing::{Bench, on_both, on_both_for_real};
use crate::queue::*;
use std::time::{Duration, Instant};

const MANY: usize = 5_000;
/// As many workers as the plan of the busy tenant lets it have.
const WORKERS: u32 = 8;

/// Thousands of jobs of one tenant, whose plan lets it have every worker.
async fn flood(b: &Bench) {
    b.cap(&b.tenant, WORKERS).await;
    b.flood(MANY, "flood", Some("'env:' || cast(i as text)")).await;
}

fn theirs(b: &Bench) -> NewJob {
    NewJob { tenant: b.other.clone(), ..b.wanted("theirs") }
}

#[tokio::test]
async fn behind_five_thousand_jobs_of_one_tenant_the_next_slot_is_anothers() {
    on_both(async |b| {
        flood(b).await;
        let mut running = Vec::new();
        for _ in 0..WORKERS {
            running.push(b.lease().await);
        }
        b.advance(60);
        for round in 0..20 {
            let id = b.enqueue(theirs(b)).await;
            // Every worker is busy with the flood; the first one that is free takes the other tenant's job.
            b.finish(&running.remove(0), Outcome::succeeded()).await.unwrap();
            let lease = b.lease().await;
            assert_eq!(lease.job, id, "round {round}: one claim is enough");
            b.finish(&lease, Outcome::succeeded()).await.unwrap();
            running.push(b.lease().await);
        }
        assert_eq!(b.number("select count(*) from jobs where state = 'running' and tenant_id = 'ten_one'").await, i64::from(WORKERS));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_all_workers_on_five_thousand_jobs_of_one_tenant_anothers_starts_within_five_seconds() {
    on_both_for_real(async |b| {
        b.cap(&b.tenant, WORKERS).await;
        b.flood(MANY, "attempt:finish", None).await;
        let hand = Hand::with(b, WORKERS as usize, Settings { tenant_running: 2, ..quick() }).await;
        let ended = "select count(*) from jobs where state = 'succeeded' and tenant_id = 'ten_one'";
        while b.number(ended).await < 10 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for _ in 0..3 {
            let asked = Instant::now();
            let id = b.enqueue(NewJob { tenant: b.other.clone(), ..b.wanted("attempt:finish") }).await;
            let before = b.number("select turns from queue_gate").await;
            while b.job(&id).await.started.is_none() {
                assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", b.job(&id).await);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let waited = asked.elapsed();
            let turns = b.number("select turns from queue_gate").await - before;
            println!("{:?}: another tenant's job started after {} ms and {turns} claims", b.pool.kind(), waited.as_millis());
            b.until(&id, State::Succeeded).await;
        }
        assert!(b.number("select count(*) from jobs where state = 'queued'").await > 4_000, "the flood was there all the time");
        hand.stop().await;
    })
    .await;
}

#[tokio::test]
async fn tenants_take_turns_and_whoever_was_served_longest_ago_is_next() {
    on_both(async |b| {
        b.run("insert into tenants (id, name, state, created_at) values ('ten_three', 'ten_three', 'active', 0)").await;
        let three = TenantId("ten_three".into());
        for tenant in [&b.tenant, &b.other, &three] {
            for _ in 0..4 {
                b.enqueue(NewJob { tenant: tenant.clone(), ..b.wanted(tenant.as_str()) }).await;
            }
            b.advance(1);
        }
        // One worker: nobody has anything running when it looks.
        let mut served = Vec::new();
        while let Some(c) = b.claim().await {
            served.push(c.job.subject.clone());
            b.finish(&c.lease, Outcome::succeeded()).await.unwrap();
        }
        let round = ["ten_one", "ten_three", "ten_two"];
        assert_eq!(served, [round; 4].concat());
    })
    .await;
}

#[tokio::test]
async fn who_has_fewer_jobs_running_comes_first_but_never_before_a_restore_or_a_download() {
    on_both(async |b| {
        for class in [JobClass::Scheduled, JobClass::Scheduled, JobClass::Download, JobClass::Restore] {
            b.enqueue(NewJob { class, ..b.wanted(class.word()) }).await;
        }
        b.enqueue(NewJob { class: JobClass::Scheduled, ..theirs(b) }).await;
        let mut served = Vec::new();
        while let Some(c) = b.claim().await {
            served.push(c.job.subject);
        }
        assert_eq!(served, ["restore", "download", "theirs", "scheduled", "scheduled"]);
    })
    .await;
}

#[tokio::test]
async fn a_plan_says_how_many_jobs_of_its_tenant_run_at_once_and_who_waits_is_told_that_number() {
    on_both(async |b| {
        b.cap(&b.tenant, 6).await;
        b.cap(&b.other, 1).await;
        for _ in 0..8 {
            b.enqueue(b.wanted("mine")).await;
            b.enqueue(theirs(b)).await;
        }
        let mut served = Vec::new();
        while let Some(c) = b.claim().await {
            served.push(c.job.subject);
        }
        assert_eq!((served.iter().filter(|s| *s == "mine").count(), served.len()), (6, 7));
        let waiting = Filter { states: vec![State::Queued], ..Filter::of(Tenants::All) };
        for job in list(&mut b.pool.get().await.unwrap(), &waiting).await.unwrap() {
            let running = if job.tenant == b.tenant { "6 jobs" } else { "1 job" };
            let words = format!("waits for its turn: this tenant has {running} running, and no more may run at once");
            assert_eq!(job.blocked_on, Some(words));
        }
    })
    .await;
}

#[tokio::test]
async fn a_reason_is_told_behind_thousands_of_others_and_a_free_job_passes_those_that_cannot_run() {
    on_both(async |b| {
        b.enqueue(NewJob { needs: vec![Need::exclusive("env:1")], ..b.wanted("holds") }).await;
        b.lease().await;
        // Nothing of the flood can run, and neither can this one behind it.
        b.flood(MANY, "flood", Some("'env:1'")).await;
        b.advance(1);
        let blocked = b.enqueue(NewJob { needs: vec![Need::shared("env:1")], ..theirs(b) }).await;
        assert!(b.claim().await.is_none());
        let told = b.job(&blocked).await.blocked_on.unwrap_or_default();
        assert!(told.starts_with("waits for another job, which has env:1 alone since "), "{told:?}");
        let free = b.enqueue(b.wanted("free")).await;
        assert_eq!(b.lease().await.job, free);
    })
    .await;
}

#[tokio::test]
async fn waiting_for_hours_does_not_carry_a_flood_before_everybody_else() {
    on_both(async |b| {
        flood(b).await;
        for _ in 0..4 {
            b.advance(6 * 3600);
            for _ in 0..3 {
                tidy(&b.pool, &Settings::default()).await.unwrap();
            }
        }
        assert_eq!(b.number("select count(*) from jobs where place < 2").await, 1, "the oldest one has moved up");
        let id = b.enqueue(theirs(b)).await;
        b.lease().await;
        assert_eq!(b.lease().await.job, id, "the second claim at the latest");
    })
    .await;
}

#[tokio::test]
async fn a_claim_looks_into_indexes_and_walks_neither_the_line_nor_what_ever_was() {
    on_both(async |b| {
        flood(b).await;
        b.run("insert into tenant_turns (tenant_id, turn) values ('ten_one', 0)").await;
        if b.pool.kind() == Kind::Sqlite {
            for learned in [false, true] {
                if learned {
                    b.pool.learn().await.unwrap();
                }
                let mut conn = b.pool.get().await.unwrap();
                let plan = sqlx::AssertSqlSafe(format!("explain query plan {TAKE}"));
                let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(plan).fetch_all(&mut *conn).await.unwrap();
                // The lines; rows that were made on the way; and what runs, by an index of nothing else.
                let small = ["x", "x USING", "b", "b LEFT-JOIN", "s", "l", "r USING INDEX jobs_running", "r USING COVERING INDEX jobs_running"];
                for (.., step) in &steps {
                    let scan =
                        step.strip_prefix("SCAN ").filter(|scan| !small.iter().any(|s| scan == s || (s.len() > 2 && scan.starts_with(s))));
                    assert_eq!(scan, None, "learned: {learned}");
                    assert!(!step.contains("jobs_of_tenant_newest"), "{step}");
                }
            }
        } else {
            // Hundreds of tenants wait: neither they nor their jobs are read anew for each of them.
            b.run("insert into tenants (id, name, state, created_at) select 'ten_b' || i, 'b' || i, 'active', 0 from generate_series(1000, 1199) i")
                .await;
            b.run(
                "insert into jobs (id, tenant_id, kind, subject, class, place, state, run_at, attempt, cancel_requested, phase, bytes, files,
                                   log_lines, log_bytes, created_at, aged_at)
                 select 'job_b' || i, 'ten_b' || (1000 + i % 200), 'create_backup', '', 'scheduled', 3, 'queued', 0, 0, 0, '', 0, 0, 0, 0, 0, 0
                 from generate_series(1, 20000) i",
            )
            .await;
            b.run("insert into queue_lines (place, tenant_id) select 3, 'ten_b' || i from generate_series(1000, 1199) i").await;
            b.run("insert into tenants (id, name, state, created_at) values ('ten_a', 'ten_a', 'active', 0)").await;
            b.enqueue(NewJob { tenant: TenantId("ten_a".into()), class: JobClass::Restore, ..b.wanted("first") }).await;
            b.pool.learn().await.unwrap();
            let mut tx = b.pool.begin().await.unwrap();
            let now = b.pool.now().await.unwrap().0;
            let filled = [("$1", now.to_string()), ("$2", "5".into()), ("$3", "1000".into()), ("$4", "'w'".into()), ("$5", "'t'".into())];
            let take = filled.into_iter().fold(b.pool.text(TAKE).replace("$6", &now.to_string()), |sql, (mark, v)| sql.replace(mark, &v));
            let plan = sqlx::AssertSqlSafe(format!("explain (analyze, timing off) {take}"));
            let steps: Vec<String> = sqlx::query_scalar(plan).fetch_all(&mut *tx).await.unwrap();
            let removed = |step: &String| step.trim().strip_prefix("Rows Removed by Filter: ").and_then(|n| n.parse::<u32>().ok());
            assert!(steps.iter().filter_map(removed).all(|n| n < 100), "{}", steps.join("\n"));
            tx.rollback().await.unwrap();
        }
        // And so it takes milliseconds, not the time of 5,000 rows: a hundred claims within a few seconds on any machine.
        let settings = Settings { tenant_running: 1_000, ..Settings::default() };
        b.cap(&b.tenant, 1_000).await;
        let before = Instant::now();
        for _ in 0..100 {
            assert!(claim_up_to(&b.pool, "w", &settings, JobClass::Upkeep).await.unwrap().is_some());
        }
        println!("{:?}: {:.2} ms for a claim of one in {MANY}", b.pool.kind(), before.elapsed().as_secs_f64() * 10.0);
    })
    .await;
}
