//! What the queue does for itself every few seconds; any worker may, and several at once do no harm.

use super::blocked;
use super::line;
use super::settings::{Settings, millis};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Pool;

/// Moves up those who have waited long, says why others wait, forgets idempotency keys after a day, and keeps the lines.
pub async fn tidy(pool: &Pool, settings: &Settings) -> Result<()> {
    let now = pool.now().await?;
    blocked::explain(pool, now, settings).await?;
    let mut tx = pool.begin().await?;
    let moved: Vec<(i64, String)> = sqlx::query_as(
        // One of each tenant and class: whoever queued thousands must not come before everybody else by letting them wait.
        "update jobs set place = place - 1, aged_at = $1
         where state in ('queued', 'retry_wait') and run_at <= $1 and place > 1 and aged_at <= $2
           and not exists (
             select 1
             from jobs o
             where o.state in ('queued', 'retry_wait')
               and o.place in (1, 2, 3, 4, 5)
               and o.tenant_id = jobs.tenant_id
               and (o.created_at, o.id) < (jobs.created_at, jobs.id)
               and o.class = jobs.class
               and o.run_at <= $1
           )
         returning place, tenant_id",
    )
    .bind(now.0)
    .bind(now.plus(-millis(settings.ageing)).0)
    .fetch_all(&mut *tx)
    .await?;
    for (place, tenant) in moved {
        line::open(&mut tx, place, &tenant).await?;
    }
    tx.commit().await?;
    sqlx::query("update jobs set idempotency_key = null where idempotency_key is not null and created_at <= $1")
        .bind(now.plus(-Millis::DAY).0)
        .execute(&mut *pool.get().await?)
        .await?;
    line::keep(pool).await
}
