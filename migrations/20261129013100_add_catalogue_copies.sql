-- Copies of the catalogue itself, kept in a repository of their own beside those of the sites.

create table catalogue_copies (
  id text not null primary key,
  began_at bigint not null,
  finished_at bigint,
  -- Once it is whole, and until it is forgotten.
  snapshot text,
  row_count bigint not null,
  bytes bigint not null,
  stored bigint not null,
  -- Why there is none.
  message text
);
create index catalogue_copies_newest on catalogue_copies (began_at);
-- Those who look whether one is due stand in line.
insert into gates (name, turns) values ('catalogue', 0);
