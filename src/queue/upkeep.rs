//! What the queue does for itself every few seconds; any worker may, and several at once do no harm. Where there is nothing to
//! do it only reads: it takes nobody the one write lock of SQLite.

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
    move_up(pool, now, now.plus(-millis(settings.ageing))).await?;
    forget_keys(pool, now.plus(-Millis::DAY)).await?;
    line::keep(pool).await
}

/// Whose time has come ($1), and who waits since $2 at the latest. One of each tenant and class: whoever queued thousands must not
/// come before everybody else by letting them wait.
macro_rules! patient {
    () => {
        "state in ('queued', 'retry_wait') and run_at <= $1 and place > 1 and aged_at <= $2
         and not exists (
           select 1
           from jobs o
           where o.state in ('queued', 'retry_wait')
             and o.place in (1, 2, 3, 4, 5)
             and o.tenant_id = jobs.tenant_id
             and (o.created_at, o.id) < (jobs.created_at, jobs.id)
             and o.class = jobs.class
             and o.run_at <= $1
         )"
    };
}

async fn move_up(pool: &Pool, now: Millis, since: Millis) -> Result<()> {
    let some: Option<String> = sqlx::query_scalar(concat!("select id from jobs where ", patient!(), " limit 1"))
        .bind(now.0)
        .bind(since.0)
        .fetch_optional(&mut *pool.get().await?)
        .await?;
    if some.is_none() {
        return Ok(());
    }
    let mut tx = pool.begin().await?;
    let moved: Vec<(i64, String)> =
        sqlx::query_as(concat!("update jobs set place = place - 1, aged_at = $1 where ", patient!(), " returning place, tenant_id"))
            .bind(now.0)
            .bind(since.0)
            .fetch_all(&mut *tx)
            .await?;
    for (place, tenant) in moved {
        line::open(&mut tx, place, &tenant).await?;
    }
    Ok(tx.commit().await?)
}

async fn forget_keys(pool: &Pool, before: Millis) -> Result<()> {
    let mut conn = pool.get().await?;
    let some: Option<String> = sqlx::query_scalar("select id from jobs where idempotency_key is not null and created_at <= $1 limit 1")
        .bind(before.0)
        .fetch_optional(&mut *conn)
        .await?;
    if some.is_some() {
        sqlx::query("update jobs set idempotency_key = null where idempotency_key is not null and created_at <= $1")
            .bind(before.0)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}
