-- Rules of retention, the way out of the trash, what lies in the repositories, and the clock that deletion trusts.

-- `domain::retention::Rules` as JSON: a tenant's default, and an environment's own; none where it follows. What was changed
-- stands beside what it replaces until `retention_next_at`; an environment that is to follow again has the word `follow` there.
alter table tenants add column retention text;
alter table tenants add column retention_next text;
alter table tenants add column retention_next_at bigint;
alter table environments add column retention text;
alter table environments add column retention_next text;
alter table environments add column retention_next_at bigint;
-- When it is to be judged next; and until when a sweep that would take too much at once is held.
alter table environments add column retention_at bigint not null default 0;
alter table environments add column retention_hold_until bigint;
create index environments_retention on environments (retention_at);

-- What a scheduled backup has been promoted to.
alter table backups add column label text check (label in ('daily', 'weekly', 'monthly'));
-- In the trash: not purged before, and since when its owners know. Then `expired_at`: nothing can be restored from it, its
-- snapshots go, and the row stays for those that refer to it.
alter table backups add column purge_at bigint;
alter table backups add column noticed_at bigint;
alter table backups add column expired_at bigint;
update backups set purge_at = deleted_at + 1209600000 where deleted_at is not null;
create index backups_purge on backups (purge_at) where purge_at is not null and expired_at is null;
create index backups_expired on backups (tenant_id, site_id) where expired_at is not null;

-- An element that goes before its set.
alter table backup_elements add column purge_at bigint;
alter table backup_elements add column purge_by text;
alter table backup_elements add column expired_at bigint;
create index backup_elements_purge on backup_elements (purge_at) where purge_at is not null and expired_at is null;

-- What a repository has on the storage, when it was cleaned up last and is to be next, and how far it was read back.
alter table repositories add column bytes bigint;
alter table repositories add column marked_bytes bigint;
alter table repositories add column measured_at bigint;
alter table repositories add column cleaned_at bigint;
alter table repositories add column clean_up_at bigint;
-- After a failure no clean-up before.
alter table repositories add column clean_up_paused_until bigint;
alter table repositories add column check_after text;
alter table repositories add column check_began_at bigint;
alter table repositories add column check_at bigint;
alter table repositories add column checked_at bigint;
alter table repositories add column damaged text;

-- One size a day, for the picture of its growth; days since 1970-01-01 in UTC.
create table repository_sizes (
  tenant_id text not null,
  repository_id text not null,
  day bigint not null,
  bytes bigint not null,
  primary key (tenant_id, repository_id, day),
  foreign key (tenant_id, repository_id) references repositories (tenant_id, id)
);

-- The last reading of the clock that was taken before anything was deleted, and whether it is believed.
create table retention_clock (
  id bigint not null primary key check (id = 1),
  read_at bigint not null,
  doubt text,
  doubted_at bigint,
  agreeing bigint not null
);
insert into retention_clock (id, read_at, agreeing) values (1, 0, 0);

-- A resource that somebody shared whose end was not seen: nobody gets it alone before `until`.
create table unclean_ends (
  resource text not null primary key,
  tenant_id text not null references tenants (id),
  until bigint not null
);

-- Does a restore refer to this backup?
create index restores_backup on restores (tenant_id, backup_id);
create index restores_safety on restores (tenant_id, safety_backup_id);
