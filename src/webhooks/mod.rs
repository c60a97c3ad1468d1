//! Messages to other programs, and how they leave: signed webhooks, and heartbeats that say "a backup was made".
//!
//! Their addresses come from tenants, and our own network is not theirs to knock at: [`Caller`] connects to public
//! addresses alone, and to those that the administrator has named; it resolves a name once, follows no redirection, and
//! shows nothing of what was answered but its status. This room knows neither tenants nor the catalogue: when something is
//! told and tried again is decided in `app`. To add a kind of message nothing changes here.

mod public;
mod send;
mod sign;

pub use public::Private;
pub use send::{Caller, Message};
pub use sign::Key;
