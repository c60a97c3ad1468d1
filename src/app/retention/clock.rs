//! Reads the clocks before anything is deleted; what was read is kept in the catalogue, for whoever reads next.

use crate::app::App;
use crate::base::clock::{Clock, Millis};
use crate::base::error::Result;
use crate::base::sql::{Conn, Kind};
use crate::db;
use crate::domain::retention::trust::{Belief, Reading};
use std::time::Instant;

/// How much time passed here since the last reading, by a clock that nobody sets.
#[derive(Debug, Default)]
pub struct Ticker {
    last: Option<(Instant, Millis)>,
    follows: bool,
}

impl Ticker {
    pub fn new() -> Self {
        Self::default()
    }
    /// For tests that move their clock by days: it says nothing about how much time passed.
    pub fn that_only_follows() -> Self {
        Self { last: None, follows: true }
    }

    async fn read(&mut self, app: &App) -> Result<Reading> {
        let database = app.pool.now().await?;
        // SQLite runs in this process: its clock is ours.
        let wall = if app.pool.kind() == Kind::Postgres && !app.pool.is_fixed() { Clock::system().now() } else { database };
        let now = Instant::now();
        let since = self.last.map(|(at, before)| (i64::try_from(now.duration_since(at).as_millis()).unwrap_or(i64::MAX), before));
        self.last = (!self.follows).then_some((now, database));
        Ok(Reading { wall, database, since })
    }
}

/// Takes a reading; why the clock is not believed, if it is not.
pub(super) async fn read(app: &App, ticker: &mut Ticker) -> Result<Option<String>> {
    let reading = ticker.read(app).await?;
    let mut tx = app.pool.begin().await?;
    let before = belief(&mut tx).await?;
    let after = before.after(&reading);
    let row = db::retention::Clock {
        read_at: after.read_at.0,
        doubt: after.doubt.clone(),
        doubted_at: after.doubted_at.map(|t| t.0),
        agreeing: after.agreeing,
    };
    db::retention::set_clock(&mut tx, &row).await?;
    tx.commit().await?;
    if let (Some(why), None) = (&after.doubt, &before.doubt) {
        tracing::warn!("nothing is deleted until the clock is believed again: {why}");
    }
    Ok(after.doubt)
}

async fn belief(conn: &mut Conn) -> Result<Belief> {
    let row = db::retention::clock(conn).await?;
    Ok(Belief { read_at: Millis(row.read_at), doubt: row.doubt, doubted_at: row.doubted_at.map(Millis), agreeing: row.agreeing })
}

/// Whether the clock is believed, for the job that deletes and for administrators.
pub async fn status(app: &App) -> Result<Belief> {
    belief(&mut *app.pool.get().await?).await
}
