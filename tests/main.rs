//! The tests of the whole product: a file for each noun. They start their own servers on free ports in temporary
//! folders; a tool that is missing is a failure with the command that installs it, never a skip.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod access;
mod alarms;
mod bad_input;
mod bench;
mod browse;
mod bucket;
mod by_hand;
mod catalogue;
mod compare;
mod crashes;
mod docs;
mod doctor;
mod downloads;
mod drills;
mod end2end;
mod faults;
mod house;
mod letters;
mod openapi;
mod pages;
mod pages_account;
mod pages_admin;
mod plans;
mod rebuild;
mod recovery;
mod refusals_mysql;
mod repository_mysql;
mod restores_chosen;
mod restores_drupal;
mod restores_elsewhere;
mod restores_failing;
mod restores_mysql;
mod restores_parts;
mod restores_postgres;
mod restores_sqlite;
mod restores_tables;
mod retention;
mod schedules;
mod secrets_mysql;
mod shell;
mod support;
mod support_test;
mod webhooks;
mod weight;
