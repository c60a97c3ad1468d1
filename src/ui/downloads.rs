//! The page behind a download link, for whoever has it.

use super::Shell;
use super::kit::{ago, time};
use super::shell::{page as whole, wordmark};
use crate::base::clock::Millis;
use crate::base::units;
use crate::base::zone::Zone;
use crate::domain::links::Offer;
use leptos::prelude::*;

/// A link that is good.
pub fn page(o: &Offer, url: &str, now: Millis) -> String {
    let (o, url) = (o.clone(), url.to_owned());
    whole(Shell::outside(&title(&o), Zone::default(), now), move || {
        // What lies ready can be gone on with.
        let command = if o.prepared.is_some() { format!("wget -c '{url}'") } else { format!("wget '{url}'") };
        html! {
            <span class="wordmark">{wordmark()}</span>
            <div class="card stack">
                <h1>{title(&o)}</h1>
                <p class="soft">"From the backup of "{time(o.taken)}"."</p>
                <dl class="facts">
                    <dt>"File"</dt><dd><code class="wrap">{o.filename.clone()}</code></dd>
                    <dt>"Content"</dt><dd>{content(&o)}</dd>
                    {o.prepared.as_ref().map(|p| html! { <dt>"SHA-256"</dt><dd><code class="wrap">{p.sha256.clone()}</code></dd> })}
                    <dt>"Good until"</dt><dd>{time(o.expires)}", "{ago(o.expires)}{uses(&o)}</dd>
                </dl>
                <div class="actions"><a class="button primary" href=url.clone() download="">{button(&o)}</a></div>
                <details><summary>"Download in a terminal"</summary><pre class="wrap"><code>{command}</code></pre></details>
            </div>
            <p class="small soft">"Every use of this link is recorded, with time and address, and shown to the owners of the site."</p>
        }
    })
}

/// How often a link may still be used, where that is limited.
fn uses(o: &Offer) -> Option<String> {
    match o.uses_left? {
        1 => Some(", for one download".to_owned()),
        left => Some(format!(", for {left} more downloads")),
    }
}

fn content(o: &Offer) -> String {
    if let Some(prepared) = &o.prepared {
        return format!("{}; unpacked {} in {}", units::size(prepared.size), units::size(o.size), units::count(o.files, "file"));
    }
    match &o.part {
        None => format!("{}, {}, compressed while it is sent", units::count(o.files, "file"), units::size(o.size)),
        Some(part) => match part.size {
            Some(size) => format!("one file, {}, as it was: {}", units::size(size), part.path.shown()),
            None => format!("one folder, packed while it is sent: {}", part.path.shown()),
        },
    }
}

fn button(o: &Offer) -> String {
    let plain = || o.part.as_ref().map_or(Some(o.size), |part| part.size);
    match o.prepared.as_ref().map(|p| p.size).or_else(plain) {
        Some(size) => format!("Download {}", units::size(size)),
        None => "Download".to_owned(),
    }
}

fn closed(title: &'static str, words: impl FnOnce() -> AnyView + 'static) -> String {
    whole(Shell::outside(title, Zone::default(), Millis(0)), move || {
        html! { <span class="wordmark">{wordmark()}</span><div class="card stack"><h1>{title}</h1>{words()}</div> }
    })
}

/// A link whose time is over. Whoever may is one click from a new one.
pub fn expired(o: &Offer) -> String {
    let o = o.clone();
    closed("This link has expired", move || {
        let renew = crate::domain::paths::link_renew(&o.link);
        html! {
            <p>{format!("It led to: {}", title(&o))}", and was good until "{time(o.expires)}"."</p>
            <p>"If you may download from this site, renew it: you get a new link, after signing in where that is needed. Otherwise ask whoever sent it to you."</p>
            <form method="post" action=renew><button class="button primary">"Renew the link"</button></form>
        }
        .into_any()
    })
}

/// A link that was used as often as it may be. Whoever may is one click from a new one.
pub fn used(o: &Offer) -> String {
    let o = o.clone();
    closed("This link is used up", move || {
        let renew = crate::domain::paths::link_renew(&o.link);
        html! {
            <p>{format!("It led to: {}", title(&o))}", and was used as often as it may be. If that was not you, tell whoever sent it to you."</p>
            <p>"If you may download from this site, renew it: you get a new link, after signing in where that is needed. Otherwise ask whoever sent it to you."</p>
            <form method="post" action=renew><button class="button primary">"Renew the link"</button></form>
        }
        .into_any()
    })
}

/// A link that outlived what was prepared. Whoever may prepares it again.
pub fn gone(o: &Offer) -> String {
    let o = o.clone();
    closed("This download is gone", move || {
        let backup = crate::domain::paths::prepare_download(&o.backup);
        html! {
            <p>{format!("It was: {}", title(&o))}". Prepared downloads are kept for a week."</p>
            <p>"If you may download from this site, "<a href=backup>"prepare it again"</a>". Otherwise ask whoever sent the link to you."</p>
        }
        .into_any()
    })
}

pub fn revoked() -> String {
    closed("This link is good no more", || {
        html! { <p>"It was taken back, or whoever made it may not download any more."</p><p>"Ask whoever gave it to you for a new one."</p> }.into_any()
    })
}

pub fn unknown() -> String {
    closed("There is no such link", || {
        html! { <p>"If you followed a link from a letter, is it complete? Long links are sometimes broken in two."</p> }.into_any()
    })
}

fn title(o: &Offer) -> String {
    let name = o.environment.rsplit('/').next().unwrap_or_default();
    match &o.part {
        Some(part) => format!("{} of {name}", crate::base::words::shown(part.path.name())),
        None => format!("{} of {name}", super::errors::capital(o.element.name())),
    }
}
