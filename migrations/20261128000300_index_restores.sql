-- What is held back from retention by a restore: few of many.
create index restores_holding on restores (tenant_id)
  where undo_until is not null or state in ('queued', 'running', 'unwinding', 'stuck');
