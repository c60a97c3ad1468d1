-- What the dashboard asks of the queue again and again. Jobs end, and their rows stay: without these, how many run or wait
-- is counted among all that a tenant ever had.

-- The number in the header of every page. SQLite serves from a partial index those alone who ask with its condition.
create index jobs_active on jobs (tenant_id, state, run_at) where state in ('queued', 'running', 'retry_wait');
-- What runs or waits on an environment, above its log.
create index jobs_active_on on jobs (tenant_id, environment_id, created_at, id) where state in ('queued', 'running', 'retry_wait');
-- What runs on it, for every card of the fleet.
create index jobs_running_on on jobs (environment_id, id) where state = 'running';
