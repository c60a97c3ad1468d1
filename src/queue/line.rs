//! The line: which tenants wait in which class, and whose turn it is. How many jobs one of them has waiting plays no part:
//! each look takes a step for each class and tenant, whatever lies between.

/// The classes and tenants for which something waits as `waiting (place, tenant_id)`: one step in the index for each. A step
/// is one column, the place (a digit) before the tenant, so that it takes one look. Both are compared at once because PostgreSQL
/// would answer for one place from an index of tenants, and read all that waits in others; with the end of time, because SQLite
/// would begin with what is equal, and read all of that.
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
pub(super) use waiting;

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
/// say; restores always have room. The limit keeps the order: without one a database may forget it.
macro_rules! standing {
    () => {
        "select w.place, w.tenant_id
         from (
           select x.place, x.tenant_id, t.jobs_at_once, coalesce(b.running, 0) as running, coalesce(u.turn, 0) as turn
           from waiting x
           left join tenants t on t.id = x.tenant_id
           left join busy b on b.tenant_id = x.tenant_id
           left join tenant_turns u on u.tenant_id = x.tenant_id
           where x.place <= $2
         ) w
         where w.place = 0 or w.running < coalesce(w.jobs_at_once, $3)
         order by w.place, w.running, w.turn, w.tenant_id
         limit 1000000"
    };
}
pub(super) use standing;

/// The head of the line as a table `j`: of each class and tenant the first ones whose time has come, `$2` of all together
/// and one of each at least, so that nobody's jobs hide another's. `$1` is the time. (A cross join, as SQLite then begins
/// with the side that is named first.)
macro_rules! head {
    () => {
        concat!(
            "(
               with recursive ",
            crate::queue::line::waiting!(),
            ",
               ends (place, tenant_id, last_at, last_id) as materialized (
                 select w.place, w.tenant_id,
                   coalesce((select k.created_at from jobs k
                             where k.state in ('queued', 'retry_wait') and k.place = w.place and k.tenant_id = w.tenant_id and k.run_at <= $1
                             order by k.created_at, k.id limit 1 offset (select $2 / count(*) from waiting)), 9223372036854775807),
                   coalesce((select k.id from jobs k
                             where k.state in ('queued', 'retry_wait') and k.place = w.place and k.tenant_id = w.tenant_id and k.run_at <= $1
                             order by k.created_at, k.id limit 1 offset (select $2 / count(*) from waiting)), '')
                 from waiting w
               )
               select q.id, q.tenant_id, q.class, q.blocked_on
               from ends e
               cross join jobs q
               where q.place = e.place and q.tenant_id = e.tenant_id
                 and q.state in ('queued', 'retry_wait') and q.run_at <= $1 and (q.created_at, q.id) <= (e.last_at, e.last_id)
             ) j"
        )
    };
}
pub(super) use head;
