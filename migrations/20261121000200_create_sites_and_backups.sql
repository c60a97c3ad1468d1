-- Sites with their environments and repositories; backups with their elements; restores with their steps; activity.
-- (tenant_id, id) is unique everywhere, and every reference carries the tenant: no row can point across tenants.

create table sites (
  id text not null primary key,
  tenant_id text not null references tenants (id),
  name text not null,
  created_at bigint not null,
  constraint sites_tenant unique (tenant_id, id),
  constraint sites_name unique (tenant_id, name)
);

-- The encrypted store of one site. The password opens it with stock restic, the master key opens it fast.
create table repositories (
  id text not null primary key,
  tenant_id text not null,
  site_id text not null,
  location text not null,
  password_sealed bytea not null,
  master_key_sealed bytea not null,
  created_at bigint not null,
  constraint repositories_tenant unique (tenant_id, id),
  constraint repositories_site unique (tenant_id, site_id),
  foreign key (tenant_id, site_id) references sites (tenant_id, id)
);

create table environments (
  id text not null primary key,
  tenant_id text not null,
  site_id text not null,
  name text not null,
  definition text not null,
  password_sealed bytea,
  server_id text references servers (id),
  created_at bigint not null,
  constraint environments_tenant unique (tenant_id, id),
  constraint environments_site unique (tenant_id, site_id, id),
  constraint environments_name unique (tenant_id, site_id, name),
  foreign key (tenant_id, site_id) references sites (tenant_id, id)
);

create table backups (
  id text not null primary key,
  tenant_id text not null,
  site_id text not null,
  environment_id text not null,
  state text not null check (state in ('queued', 'running', 'succeeded', 'incomplete', 'failed', 'cancelled')),
  reason text not null,
  note text,
  account_id text references accounts (id),
  initiator text not null,
  keep_for_days bigint,
  pinned bigint not null check (pinned in (0, 1)),
  protected bigint not null check (protected in (0, 1)),
  job_id text,
  created_at bigint not null,
  started_at bigint,
  finished_at bigint,
  message text,
  hint text,
  constraint backups_tenant unique (tenant_id, id),
  foreign key (tenant_id, site_id, environment_id) references environments (tenant_id, site_id, id)
);
create index backups_log on backups (tenant_id, environment_id, created_at, id);

create table backup_elements (
  tenant_id text not null,
  backup_id text not null,
  element text not null check (element in ('code', 'database', 'files')),
  state text not null check (state in ('queued', 'running', 'succeeded', 'incomplete', 'failed', 'cancelled')),
  snapshot text,
  size bigint not null,
  files bigint not null,
  stored bigint not null,
  manifest text not null,
  problems text not null,
  started_at bigint,
  finished_at bigint,
  primary key (tenant_id, backup_id, element),
  foreign key (tenant_id, backup_id) references backups (tenant_id, id)
);

create table restores (
  id text not null primary key,
  tenant_id text not null,
  site_id text not null,
  environment_id text not null,
  backup_id text not null,
  safety_backup_id text,
  kind text not null check (kind in ('restore', 'undo')),
  undo_of text,
  undone_by text,
  elements text not null,
  state text not null check (state in ('queued', 'running', 'succeeded', 'unwinding', 'unwound', 'failed', 'cancelled', 'stuck')),
  note text,
  account_id text references accounts (id),
  initiator text not null,
  job_id text,
  created_at bigint not null,
  started_at bigint,
  finished_at bigint,
  -- While the old directories and database lie aside; null once they are dropped.
  undo_until bigint,
  message text,
  hint text,
  constraint restores_tenant unique (tenant_id, id),
  foreign key (tenant_id, site_id, environment_id) references environments (tenant_id, site_id, id),
  foreign key (tenant_id, backup_id) references backups (tenant_id, id),
  foreign key (tenant_id, safety_backup_id) references backups (tenant_id, id),
  foreign key (tenant_id, undo_of) references restores (tenant_id, id),
  foreign key (tenant_id, undone_by) references restores (tenant_id, id)
);
create index restores_environment on restores (tenant_id, environment_id, created_at, id);
create unique index restores_one_at_a_time on restores (environment_id) where state in ('queued', 'running', 'unwinding', 'stuck');

-- The journal: written before and after each step acts. `journal` holds what the way back needs; secrets are sealed apart.
create table restore_steps (
  tenant_id text not null,
  restore_id text not null,
  position bigint not null,
  name text not null,
  state text not null check (state in ('planned', 'started', 'done', 'undoing', 'undone', 'failed', 'skipped')),
  journal text not null,
  secret_sealed bytea,
  message text,
  started_at bigint,
  finished_at bigint,
  primary key (tenant_id, restore_id, position),
  foreign key (tenant_id, restore_id) references restores (tenant_id, id)
);

-- Who did what; appended to, never changed. Acts on the installation carry no tenant.
create table activity (
  id text not null primary key,
  tenant_id text references tenants (id),
  at bigint not null,
  account_id text references accounts (id),
  actor text not null,
  action text not null,
  object text not null,
  detail text not null,
  address text not null
);
create index activity_tenant on activity (tenant_id, at, id);
