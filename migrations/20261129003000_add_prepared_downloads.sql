-- Downloads that are prepared: somebody asks for elements of a backup, a job makes an archive of each, and what lies ready
-- is linked to until it expires.

create table downloads (
  id text not null primary key,
  tenant_id text not null,
  backup_id text not null,
  -- Ready, its archives lie in the store; expired (its time is over) and removed (somebody did it), they do not.
  state text not null check (state in ('queued', 'running', 'ready', 'failed', 'cancelled', 'expired', 'removed')),
  -- How files and code are packed.
  form text not null,
  -- Of the links in the letter: hours that they live, and how often each may be used (null: as often as one likes).
  hours bigint not null,
  uses bigint,
  account_id text not null references accounts (id),
  initiator text not null,
  job_id text,
  created_at bigint not null,
  finished_at bigint,
  expires_at bigint,
  message text,
  hint text,
  constraint downloads_tenant unique (tenant_id, id),
  foreign key (tenant_id, backup_id) references backups (tenant_id, id)
);
create index downloads_of_backup on downloads (tenant_id, backup_id, created_at, id);
create index downloads_kept on downloads (state, expires_at) where state in ('queued', 'running', 'ready');

create table archives (
  id text not null primary key,
  tenant_id text not null,
  download_id text not null,
  backup_id text not null,
  element text not null,
  form text not null,
  -- Its name in the store, its size and its SHA-256, from the moment at which it lies there whole.
  object text,
  size bigint,
  sha256 text,
  made_at bigint,
  constraint archives_tenant unique (tenant_id, id),
  foreign key (tenant_id, download_id) references downloads (tenant_id, id),
  foreign key (tenant_id, backup_id, element) references backup_elements (tenant_id, backup_id, element)
);
create index archives_of_download on archives (tenant_id, download_id, element);

-- Links that lead to an archive instead of what is written while it is sent.
create table archive_links (
  tenant_id text not null,
  link_id text not null,
  archive_id text not null,
  primary key (tenant_id, link_id),
  foreign key (tenant_id, link_id) references download_links (tenant_id, id),
  foreign key (tenant_id, archive_id) references archives (tenant_id, id)
);

-- How often a link may be used; null: as often as one likes.
alter table download_links add column max_uses bigint;
-- Bytes of an archive that a use was promised so far: one that goes on after a break is the same use only within bounds.
alter table download_uses add column promised bigint not null default 0;
