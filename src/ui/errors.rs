//! What did not go well, as a page.

use super::Shell;
use super::shell::page as whole;
use crate::base::clock::Millis;
use crate::base::zone::Zone;
use leptos::prelude::*;

/// `id` is what the server's log repeats.
pub fn page(status: u16, sentence: &str, hint: Option<&str>, id: &str) -> String {
    let title = match status {
        404 => "There is nothing here",
        403 => "You may not do this",
        409 => "This is not possible now",
        429 => "Too many tries",
        400..=499 => "This did not work",
        _ => "Sitekeep could not do this",
    };
    let sentence = capital(sentence);
    let hint = hint.map(capital);
    let id = id.to_owned();
    whole(Shell::outside(title, Zone::default(), Millis(0)), move || {
        html! {
            <div class="stack">
                <p class="soft">{status}</p>
                <h1>{title}</h1>
                <p>{sentence}"."</p>
                {hint.map(|hint| html! { <p>{hint}"."</p> })}
                <p class="soft small">"Reference "<code>{id}</code></p>
            </div>
            <div class="actions"><a class="button primary" href="/">"To your sites"</a></div>
        }
    })
}

/// Errors begin in small letters, sentences do not.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
