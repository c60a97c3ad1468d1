//! A worker that is killed, held, or told to stop, at any point: the site is wholly old or wholly new afterwards, nothing
//! waits for ever, and every backup that is called one holds what it says.
//!
//! The points have names (`sitekeep failpoints`); a test arms one by writing what shall happen into a file of its name.
//! A point that is in none of the tables of `points.rs` makes a test fail, so that no new one is forgotten.

pub mod backups;
pub mod bench;
mod chosen;
mod clean_ups;
pub mod points;
pub mod random;
mod restores;
pub mod site;
mod tables;
mod unwound;
pub mod workers;
