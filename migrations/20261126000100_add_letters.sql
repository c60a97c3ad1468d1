-- Letters that wait, and what became of those that left. A letter is written in the transaction of the fact that it
-- tells. Its body may hold links that let somebody in: it is sealed, and emptied when the letter's way is at its end.

create table letters (
  id text not null primary key,
  tenant_id text references tenants (id),
  to_address text not null,
  kind text not null,
  subject text not null,
  body_sealed bytea,
  state text not null check (state in ('queued', 'sending', 'sent', 'failed')),
  tries bigint not null,
  next_at bigint not null,
  lease_until bigint,
  created_at bigint not null,
  sent_at bigint,
  last_error text,
  unique_key text,
  constraint letters_unique_key unique (unique_key)
);
create index letters_due on letters (state, next_at);
create index letters_tenant on letters (tenant_id, created_at);
create index letters_created on letters (created_at);
