//! What several pages share: times, sizes, states, fields, buttons.

use super::Now;
use crate::base::clock::Millis;
use crate::base::units;
use crate::base::zone::Zone;
use crate::domain::element::Element;
use leptos::prelude::*;

fn zone() -> Zone {
    use_context::<Zone>().unwrap_or_default()
}

/// `2026-11-21 04:00 CET`, with the moment itself for machines.
pub fn time(at: Millis) -> AnyView {
    html! { <time datetime=at.iso()>{zone().minutes(at)}</time> }
}

/// The same as words, for labels and buttons.
pub fn when(at: Millis) -> String {
    zone().minutes(at)
}

/// A time that an API shape carries as text.
pub fn iso(text: &str) -> Option<Millis> {
    Millis::from_iso(text)
}

/// `17 hours ago`, `in 6 days`
pub fn ago(at: Millis) -> String {
    let now = use_context::<Now>().unwrap_or_default().0;
    let away = (now.0 - at.0).abs();
    let (minute, hour, day) = (60_000, 3_600_000, 86_400_000);
    let (n, noun) = match away {
        a if a < minute => return if now.0 >= at.0 { "just now".into() } else { "in a moment".into() },
        a if a < 2 * hour => (a / minute, "minute"),
        a if a < 2 * day => (a / hour, "hour"),
        a => (a / day, "day"),
    };
    let text = units::count(n.unsigned_abs(), noun);
    if now.0 >= at.0 { format!("{text} ago") } else { format!("in {text}") }
}

/// A time of day in a log; the zone stands above it.
pub fn clock(at: Millis) -> AnyView {
    html! { <time datetime=at.iso() title=zone().seconds(at)>{zone().clock(at)}</time> }
}

/// Elements in the order in which people read them everywhere.
pub fn in_order(elements: &[Element]) -> Vec<Element> {
    let mut sorted = elements.to_vec();
    sorted.sort_by_key(|e| e.name());
    sorted
}

/// The same as words: `code, database, files`.
pub fn names(elements: &[Element]) -> String {
    in_order(elements).iter().map(|e| e.name()).collect::<Vec<_>>().join(", ")
}

/// How long something took; the API's times are whole seconds.
pub fn took(from: Millis, to: Millis) -> String {
    match to.0 - from.0 {
        ..1000 => "less than a second".into(),
        ms => units::duration(ms),
    }
}

/// A state, as a word with a sign.
pub fn state(word: &str) -> AnyView {
    let word = word.replace('_', " ");
    html! { <span class="state" data-state=word.clone()>{word.clone()}</span> }
}

/// A table that becomes a list of cards where the window is narrow. `#Size` heads a column of numbers; an empty head, one
/// of buttons.
pub fn table(caption: impl Into<String>, heads: &[&'static str], rows: Vec<AnyView>) -> AnyView {
    let head = |name: &&'static str| match name.strip_prefix('#') {
        Some(name) => html! { <th role="columnheader" scope="col" class="num">{name}</th> },
        None if name.is_empty() => html! { <th role="columnheader" scope="col"><span class="sr">"Actions"</span></th> },
        None => html! { <th role="columnheader" scope="col">{*name}</th> },
    };
    let heads: Vec<_> = heads.iter().map(head).collect();
    html! {
        <table class="table cards" role="table">
            <caption class="sr">{caption.into()}</caption>
            <thead role="rowgroup"><tr role="row">{heads}</tr></thead>
            <tbody role="rowgroup">{rows}</tbody>
        </table>
    }
}

/// Where a page stands: names with addresses, the last one is the page itself.
pub fn crumbs(trail: Vec<(String, String)>, here: impl Into<String>) -> AnyView {
    let links: Vec<_> = trail.into_iter().map(|(name, href)| html! { <li><a href=href>{name}</a></li> }).collect();
    html! { <nav aria-label="Breadcrumbs"><ol class="crumbs">{links}<li aria-current="page">{here.into()}</li></ol></nav> }
}

/// The trail to an environment.
pub fn trail(tenant: &str, title: &str, id: &str) -> Vec<(String, String)> {
    vec![
        ("Sites".into(), "/".into()),
        (tenant.to_owned(), format!("/?q={}/", crate::base::words::percent(tenant))),
        (title.to_owned(), crate::domain::paths::environment(id)),
    ]
}

/// One button that posts; `extra` is heard, not seen: what the button is about.
pub fn post(action: String, class: &'static str, label: impl Into<String>, extra: impl Into<String>) -> AnyView {
    let extra = extra.into();
    let heard = (!extra.is_empty()).then(|| html! { <span class="sr">" "{extra}</span> });
    html! { <form class="inline" method="post" action=action><button class=class>{label.into()}{heard}</button></form> }
}

/// An error above a form, with what to do.
pub fn problem(sentence: Option<(String, Option<String>)>) -> Option<AnyView> {
    sentence.map(|(sentence, hint)| {
        html! {
            <div class="note" data-kind="bad" role="alert">
                <strong>{sentence}</strong>
                {hint.map(|hint| html! { <span>{hint}</span> })}
            </div>
        }
    })
}

/// A key that makes a form that is sent twice one request.
pub fn once() -> String {
    use_context::<super::Once>().map(|o| o.0).unwrap_or_default()
}

/// The only place that writes a `<textarea>`: its text is not escaped by the renderer. `longest` is what the server takes,
/// where it is less than a form may have: a browser that knew of less would cut what is there already.
pub fn text_area(name: &'static str, id: &'static str, value: &str, described_by: &'static str, longest: Option<usize>) -> AnyView {
    // HTML drops the first line break.
    let safe = format!("\n{}", value.replace('&', "&amp;").replace('<', "&lt;"));
    let longest = longest.map(|n| n.to_string());
    html! { <textarea class="input" name=name id=id rows="3" maxlength=longest aria-describedby=described_by>{safe}</textarea> }
}

/// One choice of a select box.
pub fn option(value: &'static str, label: &'static str, chosen: &str) -> AnyView {
    let selected = value == chosen;
    html! { <option value=value selected=selected>{label}</option> }
}

/// How far a job has come.
pub fn progress(phase: &str, bytes: u64, total: Option<u64>, files: u64, took: Option<i64>) -> AnyView {
    let share = total.filter(|t| *t > 0).map(|t| (bytes * 100 / t).min(100));
    let phase = if phase.is_empty() { "Starting".to_owned() } else { phase.to_owned() };
    let label = format!("Progress: {phase}");
    let bar = match share {
        Some(share) => html! { <progress value=share.to_string() max="100" aria-label=label>{format!("{share} %")}</progress> }.into_any(),
        None => html! { <progress aria-label=label></progress> }.into_any(),
    };
    let rate = took.filter(|ms| *ms >= 1000 && bytes > 0).map(|ms| format!("{}/s", units::size(bytes * 1000 / ms.unsigned_abs())));
    html! {
        <div class="progress">
            {bar}
            <p>
                <b>{phase}{share.map(|s| format!(", {s} %"))}</b>
                {(bytes > 0).then(|| html! { <span>{units::size(bytes)}</span> })}
                {(files > 0).then(|| html! { <span>{units::count(files, "file")}</span> })}
                {rate.map(|rate| html! { <span>{rate}</span> })}
            </p>
        </div>
    }
}
