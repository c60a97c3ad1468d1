//! The queue on both databases: rules with a clock that stands still, the supervisor with real processes.

mod claims;
mod ends;
mod fairness;
mod lines;
mod needs;
mod processes;
mod reading;
mod supervisor;
