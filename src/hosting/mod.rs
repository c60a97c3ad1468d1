//! The hosted site, as it stands on this host: its directories (`host`), its database (`database`), how its stack
//! keeps settings, uploads and caches (`stack`), and its Git work tree (`code`).
//!
//! The site's owner is an opponent: every name below a site's directory can change between two system calls. So this
//! room never follows a symbolic link that an owner could have put there, reads a site's files with the owner's own
//! rights, changes owners only through descriptors of what it made itself, and never executes a site's code (a hook is
//! set by an administrator and runs as the owner). It must never know a job, a catalogue row or a snapshot: it acts on
//! paths and addresses, says what it found, and leaves the order of work to `app`.
//!
//! To add a stack: one file in `stack/`, one arm in `stack::stack`. To add a database: one file in `database/`.

pub mod code;
pub mod database;
pub mod host;
pub mod stack;
