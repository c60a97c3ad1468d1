//! What every room stands on: errors, configuration, clock, chance, secrets, identity, and the SQL pool.
//!
//! It must never know what a site or a backup is. To add a thing: one file, one noun, no import from any other room.

pub mod chance;
pub mod clock;
pub mod config;
pub mod error;
pub mod failpoint;
pub mod identity;
pub mod password;
pub mod secret;
pub mod sql;
pub mod telemetry;
pub(crate) mod together;
pub mod totp;
pub mod units;
pub mod watch;
pub(crate) mod words;
pub mod zone;
