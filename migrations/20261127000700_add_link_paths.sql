-- A link may lead to one file or folder of an element. The path is written as in an address (%0A for a line's end), since
-- names need not be text; a slash at its end says that it is a folder.

alter table download_links add column path text;
-- Of a file, in bytes.
alter table download_links add column path_size bigint;
