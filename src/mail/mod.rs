//! Letters: what they say (`letters`, as text and as HTML) and how they leave (`send`, over SMTP).
//!
//! This room knows neither accounts nor the catalogue: who gets a letter and when it is tried again is decided in
//! `app::letters`. It must never let a name that somebody chose become a header, a line of its own or markup, and never
//! show the mail server's password. To add a letter: a variant of [`Letter`] with its subject, `letters/<kind>.txt` and
//! `.html`, and its two arms in `letters/frame.*`; `tests/letters.rs` sends one of each.

mod letters;
mod send;

pub use letters::{Letter, Link, Purge, Sheet, Standing, Written};
pub use send::{Mailer, address};
