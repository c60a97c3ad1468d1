//! What a server and its workers do by themselves, again and again: a loop for each chore.
//!
//! Any number of processes may run it. That a chore is done once is the business of the statements that do it, never of a
//! process that believes it is the only one. To add a chore: a branch in [`run`], and how often it is done in
//! [`crate::app::Settings`]; never, where that is 0.

use crate::app::{App, alarms, catalogue, downloads, drills, retention, schedules};
use crate::base::chance;
use crate::base::error::Result;
use crate::queue::Shutdown;
use std::time::Duration;

/// Does all chores until `shutdown`.
pub(super) async fn run(app: &App, shutdown: Shutdown) -> Result<()> {
    let settings = &app.settings;
    let ticker = tokio::sync::Mutex::new(retention::Ticker::new());
    let schedules = async || schedules::fire(app).await.map(drop);
    let retention = async || sweep(app, &mut *ticker.lock().await).await;
    let alarms = async || alarms::watch(app).await;
    let drills = async || drills::due(app).await.map(drop);
    let downloads = async || downloads::sweep(app).await;
    let copies = async || catalogue::due(app).await.map(drop);
    tokio::join!(
        every(settings.schedules_every, shutdown.clone(), "settling what is due", schedules),
        every(settings.retention_every, shutdown.clone(), "retention", retention),
        every(settings.alarms_every, shutdown.clone(), "looking for what is overdue", alarms),
        every(settings.drills_every, shutdown.clone(), "looking for what is to be drilled", drills),
        every(settings.downloads.sweep_every, shutdown.clone(), "sweeping prepared downloads", downloads),
        every(settings.catalogue_every, shutdown, "backing up the catalogue", copies),
    );
    Ok(())
}

/// Puts into the trash what the rules let go.
async fn sweep(app: &App, ticker: &mut retention::Ticker) -> Result<()> {
    let swept = retention::sweep(app, ticker).await?;
    if swept.thrown + swept.held > 0 {
        tracing::info!(thrown = swept.thrown, held = swept.held, "retention: backups went into the trash");
    }
    Ok(())
}

/// A chore every so many milliseconds, give or take a tenth, so that processes that began together drift apart. A failure is
/// told, and it is tried again the next time.
async fn every(millis: u64, mut shutdown: Shutdown, what: &str, chore: impl AsyncFn() -> Result<()>) {
    while millis > 0 && !*shutdown.borrow_and_update() {
        if let Err(e) = chore().await {
            tracing::warn!("{what}: {e}");
        }
        let share = u64::from(chance::bytes::<1>()[0]);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(millis * 9 / 10 + millis * share / 1275)) => {}
            changed = shutdown.changed() => if changed.is_err() { break },
        }
    }
}
