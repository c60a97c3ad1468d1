-- The queue. A job is wanted work; an attempt is one try at it; a need is what the work must have for itself (alone or
-- shared) while it runs; the task log is what people read. Every row belongs to a tenant, and what belongs to a job
-- refers to it together with its tenant, so that a row can never point across tenants.

-- Claims stand in line for this one row, so that two of them never weigh needs against each other's half-made choice.
create table queue_gate (
  id bigint not null primary key check (id = 1),
  turns bigint not null
);
insert into queue_gate (id, turns) values (1, 0);

create table jobs (
  id text not null primary key,
  tenant_id text not null references tenants (id),
  kind text not null,
  subject text not null,
  -- Plain text without a foreign key: environments are made by a later migration, and the queue knows nothing of them.
  environment_id text,
  class text not null check (class in ('restore', 'download', 'on_demand', 'scheduled', 'verify', 'upkeep')),
  -- The place of its class in the line; whoever waits long moves up.
  place bigint not null check (place between 0 and 5),
  state text not null check (state in ('queued', 'running', 'retry_wait', 'succeeded', 'incomplete', 'failed', 'cancelled')),
  unique_key text,
  idempotency_key text,
  initiator_id text references accounts (id),
  run_at bigint not null,
  attempt bigint not null,
  worker text,
  lease_token text,
  lease_until bigint,
  cancel_requested bigint not null check (cancel_requested in (0, 1)),
  phase text not null,
  bytes bigint not null,
  bytes_total bigint,
  files bigint not null,
  -- What it waits for, in words, and since when it first could not have what it needs.
  blocked_on text,
  blocked_since bigint,
  error_class text,
  message text,
  hint text,
  log_lines bigint not null,
  log_bytes bigint not null,
  created_at bigint not null,
  aged_at bigint not null,
  started_at bigint,
  claimed_at bigint,
  finished_at bigint,
  constraint jobs_of_tenant unique (tenant_id, id),
  constraint jobs_lease check (
    (state = 'running' and lease_token is not null and lease_until is not null)
    or (state <> 'running' and lease_token is null and lease_until is null)
  )
);
-- The line: what the claim walks.
create index jobs_line on jobs (place, created_at, id) where state in ('queued', 'retry_wait');
create index jobs_running on jobs (tenant_id, lease_until) where state = 'running';
create index jobs_blocked on jobs (blocked_since) where blocked_since is not null;
-- One that has not ended yet, of each unique key; one of each idempotency key (forgotten after a day).
create unique index jobs_unique on jobs (tenant_id, unique_key)
  where unique_key is not null and state in ('queued', 'running', 'retry_wait');
create unique index jobs_idempotency on jobs (tenant_id, idempotency_key) where idempotency_key is not null;
-- Lists, newest first.
create index jobs_newest on jobs (created_at, id);
create index jobs_of_tenant_newest on jobs (tenant_id, created_at, id);
create index jobs_of_environment on jobs (environment_id, created_at, id);

create table attempts (
  job_id text not null,
  number bigint not null,
  tenant_id text not null,
  worker text not null,
  started_at bigint not null,
  ended_at bigint,
  -- `lost`: it ended without a result. `released`: our own shutdown ended it, which counts for nothing.
  outcome text check (outcome in ('succeeded', 'incomplete', 'failed', 'cancelled', 'lost', 'released')),
  error_class text,
  message text,
  primary key (job_id, number),
  constraint attempts_job foreign key (tenant_id, job_id) references jobs (tenant_id, id)
);

-- What the jobs that have not ended need. A token says that the job holds it: the token of its lease.
create table job_needs (
  job_id text not null,
  resource text not null,
  tenant_id text not null,
  mode text not null check (mode in ('shared', 'exclusive')),
  token text,
  -- Since when a job that has waited for too long keeps younger ones away from it.
  reserved_at bigint,
  primary key (job_id, resource),
  constraint job_needs_job foreign key (tenant_id, job_id) references jobs (tenant_id, id)
);
create index job_needs_resource on job_needs (resource);
create index job_needs_held on job_needs (resource, mode) where token is not null;
create index job_needs_reserved on job_needs (resource) where reserved_at is not null;
-- Whatever the claim may think: nobody holds alone what another one holds alone.
create unique index job_needs_alone on job_needs (resource) where token is not null and mode = 'exclusive';

create table task_log (
  job_id text not null,
  number bigint not null,
  tenant_id text not null,
  attempt bigint not null,
  at bigint not null,
  level text not null check (level in ('info', 'warning', 'error')),
  line text not null,
  primary key (job_id, number),
  constraint task_log_job foreign key (tenant_id, job_id) references jobs (tenant_id, id)
);
