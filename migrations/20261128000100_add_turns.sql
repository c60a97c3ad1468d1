-- Whose turn it is: what a plan lets run at once, and when each tenant was served last.

-- So many jobs of the tenant run at once; as many as the installation lets run of each where nothing is given.
alter table tenants add column jobs_at_once bigint check (jobs_at_once > 0);

-- The turn (`queue_gate.turns`) at which a job of the tenant was claimed last. Turns are counted: no clock can confuse them.
create table tenant_turns (
  tenant_id text not null primary key references tenants (id),
  turn bigint not null
);

-- The line of each class and tenant: a claim steps over whatever one of them has waiting.
drop index jobs_line;
create index jobs_line on jobs (place, tenant_id, created_at, id) where state in ('queued', 'retry_wait');
