-- A custom-format dump is made out of a database that is imported aside: noted before that is made, so that whatever becomes of
-- the attempt it is dropped.

alter table downloads add column scratch text;
create index downloads_scratch on downloads (id) where scratch is not null;
