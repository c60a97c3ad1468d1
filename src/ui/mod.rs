//! How pages look: Leptos components, rendered to text on the server. Page structs come in, HTML goes out.
//!
//! Nothing here asks the catalogue, the clock or the network. What every page has is in [`shell`]; what several pages
//! share is in [`kit`]. There is no inline style and no inline script: the content security policy forbids both. Text is
//! escaped everywhere but inside `<textarea>`, which is why [`kit::text_area`] alone writes one. To add a page: a file with
//! its noun's name, a function that takes a [`Shell`] and a page struct, and its route in `web::pages`.

/// A piece of a page. Boxed where it is written: the type of a view names every element in it, and a page of such types
/// takes the compiler minutes.
macro_rules! html {
    ($($piece:tt)*) => { ::leptos::prelude::IntoAny::into_any(::leptos::prelude::view! { $($piece)* }) };
}

pub mod account;
pub mod activity;
pub mod admin;
pub mod alarms;
pub mod backups;
pub mod browse;
pub mod compare;
pub mod create;
pub mod downloads;
pub mod drills;
pub mod environments;
pub mod errors;
pub mod fleet;
pub mod jobs;
pub mod kit;
pub mod log;
pub mod one_time;
pub mod prepared;
pub mod recovery;
pub mod restore;
pub mod restores;
pub mod retention;
pub mod schedules;
pub mod shell;
pub mod signing_in;
pub mod space;
pub mod tenants;

pub use shell::{Flash, Live, Shell};

use crate::base::clock::Millis;
use crate::base::zone::Zone;
use leptos::prelude::*;

/// When the page is made, for how long ago a thing was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Now(pub Millis);

/// A key for the forms of this page, never used before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Once(pub String);

/// Renders a view; `zone` and `now` are what [`kit::time`] and [`kit::ago`] go by.
pub(crate) fn render<V: IntoView>(zone: Zone, now: Millis, view: impl FnOnce() -> V) -> String {
    Owner::new().with(|| {
        provide_context(zone);
        provide_context(Now(now));
        // The marks that a script would take the page over by; nobody does. Text cannot hold one: its `<` is escaped.
        view().into_view().to_html().replace("<!>", "")
    })
}
