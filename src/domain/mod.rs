//! The nouns and rules of the product, without I/O.
//!
//! To add a noun: one file here, then the same file name on every floor that handles it. Nothing here opens a file,
//! asks the time or rolls dice; what is decided here is a function of what comes in.

pub mod alarm;
pub mod browse;
pub mod compare;
pub mod downloads;
pub mod drill;
pub mod element;
pub mod ids;
pub mod links;
pub mod names;
pub mod page;
pub mod paths;
pub mod people;
pub mod ranges;
pub mod retention;
pub mod rights;
pub mod schedule;
pub mod site;
pub mod space;
pub mod state;
pub mod tree;
pub mod view;
pub mod walk;
pub mod webhook;
pub mod weekday;
