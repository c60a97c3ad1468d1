//! How fast jobs are claimed, whatever waits: one tenant with everything, and many with some each.

use crate::support::app::Installation;
use sitekeep::base::sql::Kind;
use sitekeep::db;
use sitekeep::domain::ids::TenantId;
use sitekeep::queue::{self, JobClass, Need, NewJob, Outcome, Settings};
use std::time::Instant;

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
    fill(&at, jobs, tenants).await;
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

async fn fill(at: &Installation, jobs: usize, tenants: usize) {
    let (now, mut tx) = (at.app.pool.now().await.unwrap(), at.app.pool.begin().await.unwrap());
    let mut all = Vec::new();
    for n in 0..tenants {
        let id = TenantId::fresh();
        db::tenants::insert(&mut tx, now, &id, &format!("bench-{n}")).await.unwrap();
        all.push(id);
    }
    for n in 0..jobs {
        let job = NewJob {
            tenant: all[n % tenants].clone(),
            kind: "create_backup".into(),
            subject: n.to_string(),
            environment: None,
            class: JobClass::Scheduled,
            needs: vec![Need::exclusive(format!("env:{n}")), Need::shared(format!("repo:{}", n % 50))],
            unique: None,
            idempotency: None,
            run_at: None,
            initiator: None,
        };
        queue::enqueue(&mut tx, now, job).await.unwrap();
    }
    tx.commit().await.unwrap();
    at.app.pool.learn().await.unwrap();
}
