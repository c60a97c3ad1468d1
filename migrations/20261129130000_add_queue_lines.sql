-- The lines of the queue: each class and tenant for which jobs may wait. Who queues a job sees to it that its line is here, so
-- that a claim looks at these and nowhere else; lines in which nobody waits any more are taken away now and then.
create table queue_lines (
  place bigint not null check (place between 0 and 5),
  tenant_id text not null references tenants (id),
  primary key (place, tenant_id)
);
insert into queue_lines (place, tenant_id)
  select distinct place, tenant_id from jobs where state in ('queued', 'retry_wait');
