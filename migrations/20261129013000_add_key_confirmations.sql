-- That somebody has a site's recovery key: it was downloaded, and entered once. Until then its environments are unprotected.

alter table sites add column key_confirmed_at bigint;
-- The e-mail address of who entered it.
alter table sites add column key_confirmed_by text;
