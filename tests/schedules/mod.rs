//! Schedules: what becomes of slots, and that no day is without its own, whatever clocks and processes do.

mod firing;
mod simulation;

use crate::support::app::Installation;
use sitekeep::app::App;
use sitekeep::base::clock::{Clock, Millis};
use sitekeep::base::sql::Kind;
use sitekeep::db;
use sitekeep::domain::ids::{BackupId, EnvironmentId, TenantId};
use sitekeep::domain::state::BackupState;
use sitekeep::queue::{self, Outcome};

/// Runs a test on both databases with a clock that it moves, from 2026-11-21 12:00 UTC on.
fn on_both(test: impl AsyncFn(Installation, Clock)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for kind in [Kind::Sqlite, Kind::Postgres] {
        eprintln!("on {kind:?}");
        let clock = Clock::fixed(Millis::from_iso("2026-11-21T12:00:00Z").unwrap());
        runtime.block_on(async { test(Installation::with_clock(kind, clock.clone()).await, clock).await });
    }
}

/// Claims every job that waits and ends it well, by the queue's own statements and those that end a backup: what reading a
/// site would do between the two is no matter of the schedule.
async fn work(app: &App, most: usize) -> usize {
    let mut done = 0;
    while done < most {
        let Some(claimed) = queue::claim(&app.pool, "worker", &app.queue).await.unwrap() else { break };
        let now = app.pool.now().await.unwrap();
        let mut tx = app.pool.begin().await.unwrap();
        let (tenant, backup) = (&claimed.job.tenant, BackupId(claimed.job.subject.clone()));
        assert!(db::backups::ended(&mut tx, now, tenant, &backup, BackupState::Succeeded, None).await.unwrap());
        queue::finish(&mut tx, now, &claimed.lease, Outcome::succeeded()).await.unwrap();
        tx.commit().await.unwrap();
        done += 1;
    }
    done
}

/// The slots of an environment, oldest first: time, state and why.
async fn slots(app: &App, tenant: &TenantId, id: &EnvironmentId) -> Vec<(String, String, String)> {
    let now = app.pool.now().await.unwrap();
    let rows = db::schedules::slots(&mut app.pool.get().await.unwrap(), tenant, id, now, 1000).await.unwrap();
    rows.into_iter().rev().map(|s| (Millis(s.slot_at).iso(), s.state, s.why.unwrap_or_default())).collect()
}
