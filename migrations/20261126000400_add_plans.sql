-- What a tenant may use, how an environment is removed, and what the administrators' pages ask for.

-- The plan is a word for people. Where no limit is given there is none.
alter table tenants add column plan text not null default 'free';
alter table tenants add column quota_bytes bigint;
alter table tenants add column quota_backups bigint;
-- What a tenant has stored is summed from this index alone.
create index backup_elements_stored on backup_elements (tenant_id, stored);

-- A removed environment keeps its row, as its backups refer to it; its name becomes its id, so that the name is free again.
alter table environments add column state text not null default 'active' check (state in ('active', 'removing', 'removed'));
alter table environments add column removed_name text;
alter table environments add column removed_at bigint;
-- The last backup, after which it is removed; whether the others go into the trash then; why it stayed.
alter table environments add column removal_backup_id text;
alter table environments add column removal_trash bigint not null default 0 check (removal_trash in (0, 1));
alter table environments add column removal_message text;
create index environments_server on environments (server_id);

-- An administrator acted in a tenant that he is no member of.
alter table activity add column as_administrator bigint not null default 0 check (as_administrator in (0, 1));
create index activity_newest on activity (at, id);

-- Which workers were seen lately.
create index attempts_started on attempts (started_at);
