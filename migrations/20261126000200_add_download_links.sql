-- Signed links to one element of a backup, and each time that one was used. The link itself is not kept, only its hash.

create table download_links (
  id text not null primary key,
  tenant_id text not null,
  backup_id text not null,
  element text not null,
  secret_hash text not null,
  created_by text not null references accounts (id),
  created_by_email text not null,
  created_at bigint not null,
  expires_at bigint not null,
  revoked_at bigint,
  -- The e-mail address of who took it back.
  revoked_by text,
  uses bigint not null,
  last_used_at bigint,
  constraint download_links_tenant unique (tenant_id, id),
  constraint download_links_secret unique (secret_hash),
  foreign key (tenant_id, backup_id, element) references backup_elements (tenant_id, backup_id, element)
);
create index download_links_backup on download_links (tenant_id, backup_id, created_at, id);

create table download_uses (
  tenant_id text not null,
  link_id text not null,
  number bigint not null,
  at bigint not null,
  address text not null,
  agent text not null,
  -- Compressed, as they left for the network.
  bytes bigint not null,
  ended_at bigint,
  outcome text check (outcome in ('complete', 'stopped', 'broken', 'failed')),
  primary key (tenant_id, link_id, number),
  foreign key (tenant_id, link_id) references download_links (tenant_id, id)
);
