-- Signing in to the dashboard: passwords with a second factor, sessions, links that work once, and the counting of guesses.
-- All of it belongs to accounts, and so to the installation.

alter table accounts add column name text not null default '';
alter table accounts add column state text not null default 'active' check (state in ('active', 'disabled'));
-- The reader's zone by its IANA name; UTC where there is none.
alter table accounts add column zone text;
-- The key of the second factor, sealed; beside it the one that is not yet confirmed by a code.
alter table accounts add column totp_sealed bytea;
alter table accounts add column totp_pending_sealed bytea;
-- The last step whose code was used: no code is good twice.
alter table accounts add column totp_step bigint;
-- Ann@example.com and ann@example.com are one person.
create unique index accounts_email_folded on accounts (lower(email));

-- The id is the hash of the cookie's value: who reads this table can sign in as nobody.
create table sessions (
  id text not null primary key,
  account_id text references accounts (id),
  data text not null,
  address text not null,
  agent text not null,
  created_at bigint not null,
  seen_at bigint not null,
  expires_at bigint not null
);
create index sessions_account on sessions (account_id, seen_at);
create index sessions_expiry on sessions (expires_at);

create table recovery_codes (
  account_id text not null references accounts (id),
  code_hash text not null,
  used_at bigint,
  primary key (account_id, code_hash)
);

create table one_time_links (
  id text not null primary key,
  kind text not null check (kind in ('first', 'invitation', 'reset')),
  secret_hash text not null,
  account_id text references accounts (id),
  email text,
  tenant_id text references tenants (id),
  role text check (role in ('owner', 'developer', 'viewer')),
  created_by text references accounts (id),
  created_at bigint not null,
  expires_at bigint not null,
  used_at bigint,
  constraint one_time_links_secret unique (secret_hash),
  constraint one_time_links_invitation check (kind <> 'invitation' or (email is not null and tenant_id is not null and role is not null)),
  constraint one_time_links_reset check (kind <> 'reset' or account_id is not null)
);
create index one_time_links_account on one_time_links (account_id);
create index one_time_links_tenant on one_time_links (tenant_id, kind);

-- How often something was guessed at, and until when nobody may guess again.
create table guesses (
  key text not null primary key,
  count bigint not null,
  -- When it was last counted.
  since bigint not null,
  blocked_until bigint not null
);
create index guesses_since on guesses (since);

-- Networks from which an account has signed in: strangers who guess elsewhere must not keep its owner out.
create table places (
  account_id text not null references accounts (id),
  network text not null,
  seen_at bigint not null,
  primary key (account_id, network)
);

-- Whoever counts the administrators that are left stands in line for this one row.
create table gates (
  name text not null primary key,
  turns bigint not null
);
insert into gates (name, turns) values ('administrators', 0);
