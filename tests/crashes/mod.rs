//! A worker that is killed, held, or told to stop, at any point: the site is wholly old or wholly new afterwards, nothing
//! waits for ever, and every backup that is called one holds what it says.
//!
//! The points have names (`sitekeep failpoints`); a test arms one by writing what shall happen into a file of its name.
//! A point that is in none of the tables of `points.rs` makes a test fail, so that no new one is forgotten.

mod backups;
mod bench;
mod chosen;
mod clean_ups;
mod points;
mod random;
mod restores;
mod site;
mod unwound;
mod workers;
