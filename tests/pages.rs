//! The pages, asked by everybody and in every wrong way.
//!
//! To add a page: its line in `pages/roles.rs`, and, where it takes what others have not taken before (a field, an id of a
//! new kind), that in `pages/others.rs` and `pages/payloads.rs`.

mod cross_site;
mod drills;
mod dumps;
pub mod every_page;
mod headers;
mod input;
mod origins;
mod others;
mod payloads;
mod previews;
mod recovery;
mod rights;
mod roles;
mod sessions;
mod streams;
mod world;
