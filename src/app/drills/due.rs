//! Whose turn it is: each environment's newest good backup, a week after the last drill of that environment.

use super::{enqueue, newest_good};
use crate::app::App;
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::db;
use crate::domain::ids::EnvironmentId;
use crate::queue;

/// Drills that wait or run at a time: those of the schedule never fill the queue.
const AT_ONCE: i64 = 2;
/// Environments that are looked at for them: one that cannot be drilled does not stand before the others.
const LOOKED_AT: i64 = 50;

/// One round; how many were queued. Several processes at once queue one of an environment all the same.
pub async fn due(app: &App) -> Result<usize> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    // While all schedules rest, these do, too.
    if db::schedules::frozen(&mut conn).await?.is_some() {
        return Ok(0);
    }
    let room = usize::try_from(AT_ONCE - db::drills::unended(&mut conn).await?).unwrap_or(0);
    let all = if room > 0 { db::drills::due(&mut conn, now.plus(-app.settings.drills.again_after), LOOKED_AT).await? } else { Vec::new() };
    drop(conn);
    let mut queued = 0;
    for id in all {
        if queued == room {
            break;
        }
        match one(app, now, &EnvironmentId(id.clone())).await {
            Ok(fresh) => queued += usize::from(fresh),
            Err(e) => tracing::warn!(environment = id, "its drill: {e}"),
        }
    }
    if queued > 0 {
        queue::hint();
    }
    Ok(queued)
}

async fn one(app: &App, now: Millis, id: &EnvironmentId) -> Result<bool> {
    let mut tx = app.pool.begin().await?;
    let Some(env) = db::environments::find(&mut tx, id).await? else { return Ok(false) };
    let backup = newest_good(&mut tx, &env, now).await?;
    let (_, fresh) = enqueue(&mut tx, now, &env, &backup, None, None).await?;
    tx.commit().await?;
    Ok(fresh)
}
