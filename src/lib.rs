//! Sitekeep: a self-hosted backup control panel for hosted sites.
//!
//! Rooms are modules, listed here in floor order; a room imports only from floors below its own, and rooms on one
//! floor never see each other. `tests/house.rs` checks it. ARCHITECTURE.md has the floor plan and the walks through it.

// floor 5
pub mod boot;
// floor 4
pub mod cli;
pub mod jobs;
pub mod web;
// floor 3
pub mod app;
pub mod ui;
// floor 2
pub mod db;
pub mod engine;
pub mod hosting;
pub mod mail;
pub mod queue;
pub mod store;
pub mod webhooks;
// floor 1
pub mod domain;
// floor 0
pub mod base;

/// Long forms of tests write down what they did in one way, here and in `tests/faults`.
#[cfg(test)]
#[path = "../tests/faults/trials.rs"]
mod trials;
