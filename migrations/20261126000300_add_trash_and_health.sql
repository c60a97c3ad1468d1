-- What the dashboard shows at a glance, and the trash.

-- A backup in the trash is listed nowhere else, and can be taken back.
alter table backups add column deleted_at bigint;
alter table backups add column deleted_by text;
-- When all of it was last read back, or resolved, from the repository.
alter table backups add column proven_at bigint;
update backups set proven_at = finished_at where state = 'succeeded';

create index backups_trash on backups (tenant_id, environment_id, deleted_at) where deleted_at is not null;
create index backups_ended on backups (tenant_id, environment_id, created_at, id) where finished_at is not null and deleted_at is null;

-- How an environment stands: written whenever a backup of it ends, is thrown away or taken back, always from the backups
-- themselves, so that a page of a thousand environments reads one row each.
alter table environments add column last_good_at bigint;
alter table environments add column last_good_id text;
alter table environments add column last_good_size bigint;
alter table environments add column last_proven_at bigint;
alter table environments add column last_ended_state text;
alter table environments add column last_ended_at bigint;

update environments set last_good_id = (
  select b.id from backups b
  where b.tenant_id = environments.tenant_id and b.environment_id = environments.id and b.state = 'succeeded'
  order by b.created_at desc, b.id desc limit 1);
update environments set
  last_good_at = (select b.created_at from backups b where b.id = environments.last_good_id),
  last_proven_at = (select b.proven_at from backups b where b.id = environments.last_good_id),
  last_good_size = (select cast(sum(e.size) as bigint) from backup_elements e
                    where e.tenant_id = environments.tenant_id and e.backup_id = environments.last_good_id),
  last_ended_state = (
    select b.state from backups b
    where b.tenant_id = environments.tenant_id and b.environment_id = environments.id and b.finished_at is not null
    order by b.created_at desc, b.id desc limit 1),
  last_ended_at = (
    select b.finished_at from backups b
    where b.tenant_id = environments.tenant_id and b.environment_id = environments.id and b.finished_at is not null
    order by b.created_at desc, b.id desc limit 1);
