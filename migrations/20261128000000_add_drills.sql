-- Drills: a backup is restored into a scratch place, compared with what was written down when it was made, and cleared away.

-- Set aside for drills: scratch databases are made on it, and no site lives there.
alter table servers add column for_drills bigint not null default 0 check (for_drills in (0, 1));

create table drills (
  id text not null primary key,
  tenant_id text not null,
  environment_id text not null,
  backup_id text not null,
  state text not null check (state in ('queued', 'running', 'passed', 'partly', 'failed', 'cancelled')),
  -- What was found wrong, in one word (`domain::drill::Fault`) and in a sentence.
  fault text,
  message text,
  hint text,
  -- `domain::drill::Evidence` as JSON.
  evidence text not null default '{}',
  -- What was made for it and has yet to be cleared away (`app::drills::scratch::Places` as JSON).
  scratch text,
  account_id text references accounts (id),
  initiator text not null,
  job_id text,
  created_at bigint not null,
  started_at bigint,
  finished_at bigint,
  -- How long the whole restore took, without what was compared afterwards; in milliseconds.
  restore_took bigint,
  constraint drills_tenant unique (tenant_id, id),
  foreign key (tenant_id, environment_id) references environments (tenant_id, id),
  foreign key (tenant_id, backup_id) references backups (tenant_id, id)
);
create index drills_of_environment on drills (tenant_id, environment_id, created_at, id);
create index drills_of_backup on drills (tenant_id, backup_id, created_at, id);
create index drills_unended on drills (state) where finished_at is null;
create index drills_scratch on drills (id) where scratch is not null;
