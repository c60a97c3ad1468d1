//! How fast jobs are claimed, whatever waits: one tenant with everything, and many with some each.

use crate::support::Scratch;
use crate::support::app::Installation;
use crate::support::postgres::Postgres;
use sitekeep::base::clock::Clock;
use sitekeep::base::sql::{Kind, Pool};
use sitekeep::db;
use sitekeep::domain::ids::TenantId;
use sitekeep::queue::{self, JobClass, Need, NewJob, Outcome, Settings};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Claims that are measured.
const ROUNDS: u32 = 500;

#[test]
#[ignore = "figures, not checks: they want a release build and a quiet machine, so `make bench` takes them; what claims do is checked in src/queue/tests"]
fn bench_claims_of_one_among_thousands_of_jobs() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!("\n| Catalogue | Jobs that wait | Of tenants | A claim and its end | A look at a line that cannot move |");
    println!("|---|--:|--:|--:|--:|");
    for kind in [Kind::Sqlite, Kind::Postgres] {
        for (jobs, tenants) in [(5_000, 1), (100_000, 1), (100_000, 200)] {
            runtime.block_on(measure(kind, jobs, tenants));
        }
    }
}

async fn measure(kind: Kind, jobs: usize, tenants: usize) {
    let at = Installation::new(kind).await;
    fill(&at.app.pool, jobs, tenants).await;
    let settings = Settings { tenant_running: 1_000_000, ..Settings::default() };
    let before = Instant::now();
    for _ in 0..ROUNDS {
        let claimed = queue::claim(&at.app.pool, "bench", &settings).await.unwrap().expect("a job waits");
        let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
        queue::finish(&mut tx, now, &claimed.lease, Outcome::succeeded()).await.unwrap();
        tx.commit().await.unwrap();
    }
    let claim = before.elapsed() / ROUNDS;
    // Everybody has as many running as may be: the next look finds nothing, and says why.
    let full = Settings { tenant_running: 1, ..Settings::default() };
    while queue::claim(&at.app.pool, "bench", &full).await.unwrap().is_some() {}
    let before = Instant::now();
    for _ in 0..20 {
        assert!(queue::claim(&at.app.pool, "bench", &full).await.unwrap().is_none());
    }
    let look = before.elapsed() / 20;
    let millis = |d: std::time::Duration| d.as_secs_f64() * 1e3;
    println!("| {} | {jobs} | {tenants} | {:.2} ms | {:.2} ms |", kind.name(), millis(claim), millis(look));
}

async fn fill(pool: &Pool, jobs: usize, tenants: usize) {
    let (now, mut tx) = (pool.now().await.unwrap(), pool.begin().await.unwrap());
    let mut all = Vec::new();
    for n in 0..tenants {
        let id = TenantId::fresh();
        db::tenants::insert(&mut tx, now, &id, &format!("bench-{n}")).await.unwrap();
        all.push(id);
    }
    for n in 0..jobs {
        queue::enqueue(&mut tx, now, job(&all[n % tenants], &n.to_string(), JobClass::Scheduled)).await.unwrap();
    }
    tx.commit().await.unwrap();
    pool.learn().await.unwrap();
}

fn job(tenant: &TenantId, subject: &str, class: JobClass) -> NewJob {
    let repository = subject.bytes().map(u32::from).sum::<u32>() % 50;
    NewJob {
        tenant: tenant.clone(),
        kind: "create_backup".into(),
        subject: subject.into(),
        environment: None,
        class,
        needs: vec![Need::exclusive(format!("env:{subject}")), Need::shared(format!("repo:{repository}"))],
        unique: None,
        idempotency: None,
        run_at: None,
        initiator: None,
    }
}

/// Workers that claim at once, each with its own connections as a process has them.
const WORKERS: usize = 8;
/// For how long they do.
const LONG: Duration = Duration::from_secs(15);

/// What the workers of one run have seen.
#[derive(Default)]
struct Seen {
    claims: Mutex<Vec<Duration>>,
    /// When a job was queued while they worked, by its subject; and how long it took until one of them had it.
    queued: Mutex<HashMap<String, Instant>>,
    started: Mutex<Vec<Duration>>,
}

fn held<T>(what: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
#[ignore = "figures, not checks: they want a release build and a quiet machine, so `make bench` takes them; what claims do is checked in src/queue/tests"]
fn bench_eight_workers_in_a_line_of_100_000_jobs() {
    let (scratch, server) = (Scratch::new(), Postgres::start_durable());
    let sqlite = format!("sqlite://{}?mode=rwc", scratch.join("catalogue.db").display());
    println!(
        "\n| Catalogue | Claims and ends/s | Claim p50 ms | p95 | p99 | Queued to claimed p50 ms | p99 |\n|---|--:|--:|--:|--:|--:|--:|"
    );
    for (kind, url) in [(Kind::Sqlite, sqlite), (Kind::Postgres, server.create("catalogue").url("postgres"))] {
        let seen = Seen::default();
        let stop = on_a_runtime(prepare(&url));
        std::thread::scope(|scope| {
            for n in 0..WORKERS {
                let (seen, url) = (&seen, &url);
                scope.spawn(move || on_a_runtime(work(url, n, stop, seen)));
            }
            scope.spawn(|| on_a_runtime(arrive(&url, stop, &seen)));
        });
        let (mut claims, mut started) = (std::mem::take(&mut *held(&seen.claims)), std::mem::take(&mut *held(&seen.started)));
        claims.sort();
        started.sort();
        let at = |all: &[Duration], part: f64| all[((all.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
        let rate = claims.len() as f64 / LONG.as_secs_f64();
        let of = |all: &[Duration], parts: &[f64]| parts.iter().map(|p| format!("{:.1}", at(all, *p))).collect::<Vec<_>>().join(" | ");
        println!("| {} | {rate:.0} | {} | {} |", kind.name(), of(&claims, &[0.5, 0.95, 0.99]), of(&started, &[0.5, 0.99]));
    }
}

fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

async fn open(url: &str) -> Pool {
    Pool::connect(url, 2, Clock::system()).await.expect("the catalogue opens")
}

/// Queues the jobs; gives the moment at which the run ends.
async fn prepare(url: &str) -> Instant {
    let pool = open(url).await;
    pool.migrate().await.expect("the schema can be made");
    fill(&pool, 100_000, 200).await;
    pool.close().await;
    Instant::now() + LONG
}

async fn work(url: &str, n: usize, stop: Instant, seen: &Seen) {
    let pool = open(url).await;
    let settings = Settings { tenant_running: 1_000_000, ..Settings::default() };
    while Instant::now() < stop {
        let before = Instant::now();
        let claimed = queue::claim_another(&pool, &format!("bench-{n}"), &settings).await.unwrap();
        let Some(claimed) = claimed else { continue };
        held(&seen.claims).push(before.elapsed());
        if let Some(queued) = held(&seen.queued).remove(&claimed.job.subject) {
            held(&seen.started).push(queued.elapsed());
        }
        let (now, mut tx) = (pool.now().await.unwrap(), pool.begin().await.unwrap());
        queue::finish(&mut tx, now, &claimed.lease, Outcome::succeeded()).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// Ten jobs a second of a tenant who has no other, as people make them who press a button.
async fn arrive(url: &str, stop: Instant, seen: &Seen) {
    let (pool, tenant) = (open(url).await, TenantId::fresh());
    let (now, mut tx) = (pool.now().await.unwrap(), pool.begin().await.unwrap());
    db::tenants::insert(&mut tx, now, &tenant, "in-a-hurry").await.unwrap();
    tx.commit().await.unwrap();
    for n in 0.. {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if Instant::now() + Duration::from_secs(1) > stop {
            return;
        }
        let (now, mut tx) = (pool.now().await.unwrap(), pool.begin().await.unwrap());
        let subject = format!("pressed-{n}");
        queue::enqueue(&mut tx, now, job(&tenant, &subject, JobClass::OnDemand)).await.unwrap();
        held(&seen.queued).insert(subject, Instant::now());
        tx.commit().await.unwrap();
    }
}
