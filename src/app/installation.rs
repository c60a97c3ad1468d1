//! The installation itself, as its administrators see it: how it is configured, its queue, and whether its parts answer.

use super::{App, access, access::Actor, jobs, letters, schedules};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::db;
use crate::domain::page::{Installation, Queue, Worker};
use crate::queue;

/// How Sitekeep is configured, with the newest letters.
pub async fn overview(app: &App, actor: &Actor) -> Result<Installation> {
    access::administer(actor)?;
    Ok(Installation {
        told: (*app.configured).clone(),
        version: env!("CARGO_PKG_VERSION"),
        database: app.pool.kind().name(),
        schema: schema(app).await?,
        mail: app.mailer.is_some(),
        frozen: schedules::frozen(app).await?,
        letters: letters::log(app, actor, 30).await?,
    })
}

async fn schema(app: &App) -> Result<String> {
    let schema = app.pool.schema().await?;
    Ok(match (schema.missing, schema.unknown) {
        (0, 0) => "up to date".into(),
        (missing, 0) => format!("{missing} migrations are missing"),
        (_, unknown) => format!("{unknown} migrations are of a newer version"),
    })
}

/// Asks the catalogue for a row and for its schema; how long that took, in milliseconds.
///
/// # Errors
/// When it does not answer, or its schema is not this program's.
pub async fn test_database(app: &App, actor: &Actor) -> Result<i64> {
    access::administer(actor)?;
    let began = app.pool.now().await?;
    let schema = app.pool.schema().await?;
    if schema.missing + schema.unknown > 0 {
        return Err(Error::permanent("the catalogue's schema is not the one of this version")
            .hint("run the same version everywhere, and start `sitekeep serve`: it brings the schema up to date"));
    }
    Ok(app.pool.now().await?.0 - began.0)
}

/// Does the catalogue answer, within two seconds?
///
/// # Errors
/// What it said; `Transient` when it said nothing.
pub async fn alive(app: &App) -> Result<()> {
    let asked = async { db::tenants::find_named(&mut *app.pool.get().await?, "").await.map(drop) };
    let patience = std::time::Duration::from_secs(2);
    tokio::time::timeout(patience, asked).await.map_err(|_| Error::transient("the catalogue does not answer"))?
}

/// Workers that began nothing for so long are not listed.
const SEEN: i64 = 2 * Millis::DAY;

/// The states that are counted: what has ended is listed, and only ever grows.
const ACTIVE: [queue::State; 3] = [queue::State::Running, queue::State::Queued, queue::State::RetryWait];

/// A page of the queue over all tenants.
pub async fn queue(app: &App, actor: &Actor, state: &str, after: &str) -> Result<Queue> {
    access::administer(actor)?;
    let (jobs, older) = jobs::page(app, actor, state, after).await?;
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let counted = queue::counts(&mut conn).await?;
    let count = |s: &queue::State| (s.word().to_owned(), counted.iter().find(|(state, _)| state == s).map_or(0, |(_, n)| *n));
    let worker = |w: queue::SeenWorker| Worker { name: w.name, running: w.running, last: w.last };
    let workers = queue::workers(&mut conn, now.plus(-SEEN)).await?.into_iter().map(worker).collect();
    Ok(Queue { jobs, older, asked: state.to_owned(), counts: ACTIVE.iter().map(count).collect(), workers })
}
