//! The line: which tenants wait in which class, and whose turn it is. How many jobs one of them has waiting plays no part:
//! a claim looks at `queue_lines`, a row for each class and tenant, and then at the head of one line after the other.
//!
//! A line is there before a job in it can be seen, and may stay for a while after the last one has left. Those who queue hold
//! it against whoever would take it away, and not against each other.

use crate::base::error::{Error, Result};
use crate::base::sql::{Conn, Kind, Pool};

/// How many jobs of each tenant run, as `busy (tenant_id, running)`; no row where none does. The text that is added to the
/// tenant keeps SQLite from walking all jobs that ever were in the order of their tenants: the index of those that run is
/// the short way.
macro_rules! busy {
    () => {
        "busy (tenant_id, running) as materialized (
           select r.tenant_id || '', count(*) from jobs r where r.state = 'running' group by r.tenant_id || ''
         )"
    };
}
pub(super) use busy;

/// Those who have room, in the order in which they are served: by class, then who has fewer jobs running, then who was
/// served longest ago. `$2` is the last class that is wanted, `$3` how many jobs of a tenant run at once whose plan does not
/// say (one at least); restores always have room. The limit keeps the order: without one a database may forget it.
macro_rules! standing {
    () => {
        "select x.place, x.tenant_id
         from queue_lines x
         left join busy b on b.tenant_id = x.tenant_id
         left join tenant_turns u on u.tenant_id = x.tenant_id
         where x.place <= $2
           and (x.place = 0 or b.running is null
                or b.running < coalesce((select t.jobs_at_once from tenants t where t.id = x.tenant_id), $3))
         order by x.place, coalesce(b.running, 0), coalesce(u.turn, 0), x.tenant_id
         limit 1000000"
    };
}
pub(super) use standing;

/// The head of the line as a table `j`: of each class and tenant the first ones whose time has come, `$2` of all together
/// and one of each at least, so that nobody's jobs hide another's. `$1` is the time. (A cross join, as SQLite then begins
/// with the side that is named first.)
macro_rules! head {
    () => {
        "(
               with ends (place, tenant_id, last_at, last_id) as materialized (
                 select w.place, w.tenant_id,
                   coalesce((select k.created_at from jobs k
                             where k.state in ('queued', 'retry_wait') and k.place = w.place and k.tenant_id = w.tenant_id and k.run_at <= $1
                             order by k.created_at, k.id limit 1 offset (select $2 / count(*) from queue_lines)), 9223372036854775807),
                   coalesce((select k.id from jobs k
                             where k.state in ('queued', 'retry_wait') and k.place = w.place and k.tenant_id = w.tenant_id and k.run_at <= $1
                             order by k.created_at, k.id limit 1 offset (select $2 / count(*) from queue_lines)), '')
                 from queue_lines w
               )
               select q.id, q.tenant_id, q.class, q.blocked_on
               from ends e
               cross join jobs q
               where q.place = e.place and q.tenant_id = e.tenant_id
                 and q.state in ('queued', 'retry_wait') and q.run_at <= $1 and (q.created_at, q.id) <= (e.last_at, e.last_id)
             ) j"
    };
}
pub(super) use head;

/// The classes and tenants for which something waits as `waiting (place, tenant_id)`, told by the jobs: one step in the index
/// for each. A step is one column, the place (a digit) before the tenant, so that it takes one look. Both are compared at once
/// because PostgreSQL would answer for one place from an index of tenants, and read all that waits in others; with the end of
/// time, because SQLite would begin with what is equal, and read all of that.
macro_rules! waiting {
    () => {
        "steps (step) as (
           select (select f.place || f.tenant_id from jobs f
                   where f.state in ('queued', 'retry_wait') order by f.place, f.tenant_id limit 1)
           union all
           select (select n.place || n.tenant_id from jobs n
                   where n.state in ('queued', 'retry_wait')
                     and (n.place, n.tenant_id, n.created_at)
                       > (cast(substr(s.step, 1, 1) as bigint), substr(s.step, 2), 9223372036854775807)
                   order by n.place, n.tenant_id limit 1)
           from steps s
           where s.step is not null
         ),
         waiting (place, tenant_id) as (
           select cast(substr(s.step, 1, 1) as bigint), substr(s.step, 2) from steps s where s.step is not null
         )"
    };
}

/// Nobody waits in the line of a row of `queue_lines`.
macro_rules! empty {
    () => {
        "not exists (select 1 from jobs j where j.state in ('queued', 'retry_wait')
                     and j.place = queue_lines.place and j.tenant_id = queue_lines.tenant_id)"
    };
}

/// Sees to it that the line of this class and tenant is there, until the caller's transaction has ended.
///
/// # Errors
/// `Transient` when it was taken away again and again; else only what the database says.
pub(super) async fn open(conn: &mut Conn, place: i64, tenant: &str) -> Result<()> {
    let hold = match Kind::of(conn) {
        Kind::Sqlite => "select place from queue_lines where place = $1 and tenant_id = $2",
        Kind::Postgres => "select place from queue_lines where place = $1 and tenant_id = $2 for key share",
    };
    for _ in 0..5 {
        let held: Option<i64> = sqlx::query_scalar(hold).bind(place).bind(tenant).fetch_optional(&mut *conn).await?;
        if held.is_some() || make(conn, place, tenant).await? {
            return Ok(());
        }
    }
    Err(Error::transient("a line of the queue came and went while a job was being queued").hint("try again"))
}

/// False where it is there already.
async fn make(conn: &mut Conn, place: i64, tenant: &str) -> Result<bool> {
    let made = sqlx::query("insert into queue_lines (place, tenant_id) values ($1, $2) on conflict do nothing")
        .bind(place)
        .bind(tenant)
        .execute(conn)
        .await?;
    Ok(made.rows_affected() == 1)
}

/// Takes away the lines in which nobody waits. Makes those that are missing: none should be, but a job without a line would
/// wait for ever.
pub(super) async fn keep(pool: &Pool) -> Result<()> {
    const MISSING: &str = concat!(
        "with recursive ",
        waiting!(),
        " select w.place, w.tenant_id from waiting w
          where not exists (select 1 from queue_lines l where l.place = w.place and l.tenant_id = w.tenant_id)"
    );
    for (place, tenant) in lines(pool, MISSING).await? {
        if make(&mut *pool.get().await?, place, &tenant).await? {
            tracing::warn!(place, tenant, "jobs wait in a line of the queue that was missing");
        }
    }
    for (place, tenant) in lines(pool, concat!("select place, tenant_id from queue_lines where ", empty!())).await? {
        close(pool, place, &tenant).await?;
    }
    Ok(())
}

async fn lines(pool: &Pool, which: &'static str) -> Result<Vec<(i64, String)>> {
    Ok(sqlx::query_as(which).fetch_all(&mut *pool.get().await?).await?)
}

/// Leaves a line alone that somebody holds. Whoever held it before has ended: the second statement sees what they queued.
async fn close(pool: &Pool, place: i64, tenant: &str) -> Result<()> {
    const HOLD: &str = "select place from queue_lines where place = $1 and tenant_id = $2 /* for update skip locked */";
    let mut tx = pool.begin().await?;
    let held: Option<i64> = sqlx::query_scalar(pool.text(HOLD)).bind(place).bind(tenant).fetch_optional(&mut *tx).await?;
    if held.is_some() {
        sqlx::query(concat!("delete from queue_lines where place = $1 and tenant_id = $2 and ", empty!()))
            .bind(place)
            .bind(tenant)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(())
}
