-- When backups are made by themselves: the rule of each environment or of its tenant, and what became of every slot.

-- `domain::schedule::Schedule` as JSON; Sitekeep's own default where there is none.
alter table tenants add column schedule text;
-- Not every plan has schedules.
alter table tenants add column schedules_allowed bigint not null default 1 check (schedules_allowed in (0, 1));

create table schedules (
  tenant_id text not null,
  environment_id text not null,
  -- Its own rule; where there is none it follows its tenant.
  rule text,
  -- The next slot. Null while it is switched off, 0 while it has yet to be planned.
  next_at bigint,
  -- Since when the rule is as it is; 0: since before anybody noted it.
  planned_from bigint not null,
  -- What became of every slot up to here is settled.
  settled_at bigint not null,
  primary key (tenant_id, environment_id),
  foreign key (tenant_id, environment_id) references environments (tenant_id, id)
);
create index schedules_environment on schedules (environment_id);
create index schedules_due on schedules (next_at) where next_at is not null;
-- Whose clock went back.
create index schedules_settled on schedules (settled_at);
insert into schedules (tenant_id, environment_id, next_at, planned_from, settled_at)
  select tenant_id, id, 0, 0, 0 from environments where state <> 'removed';

-- The slot that a backup was made for; null where nobody waited for one.
alter table backups add column slot_at bigint;
create unique index backups_slot on backups (environment_id, slot_at) where slot_at is not null;
create index backups_slot_running on backups (environment_id) where slot_at is not null and finished_at is null;

create table slots (
  tenant_id text not null,
  environment_id text not null,
  slot_at bigint not null,
  state text not null check (state in ('queued', 'missed', 'skipped', 'refused')),
  -- For people, unless a backup was made.
  why text,
  backup_id text,
  -- When it was settled.
  at bigint not null,
  primary key (tenant_id, environment_id, slot_at),
  foreign key (tenant_id, environment_id) references environments (tenant_id, id),
  foreign key (tenant_id, backup_id) references backups (tenant_id, id)
);

-- One row: whether schedules rest everywhere, who said so, and why.
create table rests (
  id bigint not null primary key check (id = 1),
  frozen_at bigint,
  frozen_by text,
  reason text
);
insert into rests (id) values (1);
