-- What is held back from retention by a restore: few of many.
create index restores_holding on restores (tenant_id)
  where undo_until is not null or state in ('queued', 'running', 'unwinding', 'stuck');

-- All that retention asks of a backup stands in the index: every page of a log judges the whole history of its environment,
-- and the rows themselves are scattered (2.6 ms for 500 of a million on SQLite; from the index 0.4 ms).
drop index backups_log;
create index backups_log on backups
  (tenant_id, environment_id, created_at, id, deleted_at, state, reason, keep_for_days, pinned, label, finished_at, proven_at);
