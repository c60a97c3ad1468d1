-- Tenants, and who may do what in them. Accounts and servers belong to the installation; every other row belongs to
-- a tenant, and refers to others of that tenant only, by composite foreign keys.

create table tenants (
  id text not null primary key,
  name text not null,
  state text not null check (state in ('active', 'suspended')),
  created_at bigint not null,
  constraint tenants_name unique (name)
);

create table accounts (
  id text not null primary key,
  email text not null,
  password_hash text,
  administrator bigint not null check (administrator in (0, 1)),
  created_at bigint not null,
  constraint accounts_email unique (email)
);

create table members (
  tenant_id text not null references tenants (id),
  account_id text not null references accounts (id),
  role text not null check (role in ('owner', 'developer', 'viewer')),
  created_at bigint not null,
  primary key (tenant_id, account_id)
);
create index members_account on members (account_id);

-- A token acts for its account, narrowed by its scope, and to one tenant where one is named.
create table api_tokens (
  id text not null primary key,
  account_id text not null references accounts (id),
  tenant_id text references tenants (id),
  label text not null,
  secret_hash text not null,
  scope text not null,
  created_at bigint not null,
  expires_at bigint not null,
  last_used_at bigint,
  revoked_at bigint,
  constraint api_tokens_secret unique (secret_hash)
);
create index api_tokens_account on api_tokens (account_id);

-- Database accounts that may create databases and users.
create table servers (
  id text not null primary key,
  name text not null,
  address text not null,
  password_sealed bytea not null,
  version text not null,
  created_at bigint not null,
  constraint servers_name unique (name)
);
