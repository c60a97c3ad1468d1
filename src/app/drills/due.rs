//! Whose turn it is: each environment's newest good backup, a week after the last drill of that environment.

use super::{enqueue, newest_good};
use crate::app::App;
use crate::base::error::Result;
use crate::db;
use crate::domain::ids::EnvironmentId;
use crate::queue;

/// Drills that wait or run at a time: those of the schedule never fill the queue.
const AT_ONCE: i64 = 2;

/// One round; how many were queued. Several processes at once queue one of an environment all the same.
pub async fn due(app: &App) -> Result<usize> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    // While all schedules rest, these do, too.
    let resting = db::schedules::frozen(&mut tx).await?.is_some();
    let room = if resting { 0 } else { AT_ONCE - db::drills::unended(&mut tx).await? };
    let mut queued = 0;
    if room > 0 {
        for id in db::drills::due(&mut tx, now.plus(-app.settings.drills.again_after), room).await? {
            let Some(env) = db::environments::find(&mut tx, &EnvironmentId(id)).await? else { continue };
            let backup = newest_good(&mut tx, &env, now).await?;
            queued += usize::from(enqueue(&mut tx, now, &env, &backup, None, None).await?.1);
        }
    }
    tx.commit().await?;
    if queued > 0 {
        queue::hint();
    }
    Ok(queued)
}
