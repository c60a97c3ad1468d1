-- Alarms: what is wrong with an environment, one row for each cause as long as it lasts; and who is told of it.

create table alarms (
  id text not null primary key,
  tenant_id text not null,
  environment_id text not null,
  cause text not null check (cause in ('overdue', 'failed', 'incomplete', 'size', 'check', 'drill')),
  message text not null,
  hint text,
  opened_at bigint not null,
  closed_at bigint,
  constraint alarms_tenant unique (tenant_id, id),
  foreign key (tenant_id, environment_id) references environments (tenant_id, id)
);
-- One of each cause at a time, however many notice it.
create unique index alarms_open on alarms (tenant_id, environment_id, cause) where closed_at is null;
create index alarms_newest on alarms (tenant_id, opened_at, id);

-- Who gets the letters about a site. Where nobody is named, its tenant's owners do.
create table recipients (
  tenant_id text not null,
  site_id text not null,
  email text not null,
  primary key (tenant_id, site_id, email),
  foreign key (tenant_id, site_id) references sites (tenant_id, id)
);

-- Other programs that are told. The address may hold a password, so it is sealed together with the key that signs; a
-- heartbeat belongs to one environment and is called after each of its good backups.
create table webhooks (
  id text not null primary key,
  tenant_id text not null references tenants (id),
  environment_id text,
  kind text not null check (kind in ('webhook', 'heartbeat')),
  host text not null,
  target_sealed bytea not null,
  created_by text not null references accounts (id),
  created_at bigint not null,
  constraint webhooks_tenant unique (tenant_id, id),
  constraint webhooks_heartbeat check ((kind = 'heartbeat') = (environment_id is not null)),
  foreign key (tenant_id, environment_id) references environments (tenant_id, id)
);
create index webhooks_of_tenant on webhooks (tenant_id, kind, created_at);
create unique index webhooks_heartbeat_of on webhooks (tenant_id, environment_id) where environment_id is not null;

-- Letters go by mail, calls to other programs; both wait in one outbox.
alter table letters add column channel text not null default 'mail' check (channel in ('mail', 'call'));
drop index letters_due;
create index letters_due on letters (channel, state, next_at);

-- The daily letter to a tenant's owners, and the day (since 1970-01-01) of the last one.
alter table tenants add column digest bigint not null default 1 check (digest in (0, 1));
alter table tenants add column digested_on bigint;
