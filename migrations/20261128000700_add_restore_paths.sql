-- A restore of chosen files and folders: their paths in the backup, percent-encoded, as a JSON array. Null: whole elements.
alter table restores add column paths text;
