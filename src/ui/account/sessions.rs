//! Browsers that are signed in.

use super::super::kit::{ago, iso, post, table, time};
use crate::domain::paths;
use crate::domain::people::Session;
use leptos::prelude::*;

pub(super) fn section(sessions: &[Session]) -> AnyView {
    let others = sessions.iter().filter(|s| !s.current).count();
    let rows: Vec<_> = sessions.iter().map(row).collect();
    let all = (others > 0).then(|| {
        let action = format!("{}#sessions", paths::account("sessions/end-others"));
        html! { <form method="post" action=action><button class="button">"Sign out everywhere else"</button></form> }
    });
    html! {
        <section class="stack" id="sessions">
            <h2>"Sessions"</h2>
            {table("Browsers that are signed in with your account", &["Browser", "Address", "Last used", ""], rows)}
            {all}
        </section>
    }
}

fn row(s: &Session) -> AnyView {
    let name = browser(&s.agent);
    let seen = match (s.current, iso(&s.seen)) {
        (true, _) => html! { <span>"now, this browser"</span> }.into_any(),
        (false, Some(at)) => html! { <span>{ago(at)}<br/>{time(at)}</span> }.into_any(),
        (false, None) => ().into_any(),
    };
    let end = (!s.current).then(|| post(format!("{}#sessions", paths::end_session(&s.id)), "button small", "Sign out", name.clone()));
    let address = Some(s.address.clone()).filter(|a| !a.is_empty()).unwrap_or_else(|| "unknown".into());
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="lead wrap">{name.clone()}</th>
            <td role="cell" data-label="Address"><code>{address}</code></td>
            <td role="cell" data-label="Last used">{seen}</td>
            <td role="cell">{end}</td>
        </tr>
    }
}

/// `Firefox on Linux`, of what a browser calls itself. Most claim to be others too, so the order counts.
fn browser(agent: &str) -> String {
    const NAMES: [(&str, &str); 9] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chromium/", "Chromium"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 7] = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("CrOS", "ChromeOS"),
        ("Windows", "Windows"),
        ("Macintosh", "macOS"),
        ("Linux", "Linux"),
    ];
    let of = |table: &[(&str, &'static str)]| table.iter().find(|(sign, _)| agent.contains(sign)).map(|(_, name)| *name);
    match (of(&NAMES), of(&SYSTEMS)) {
        (Some(name), Some(system)) => format!("{name} on {system}"),
        (Some(name), None) => name.to_owned(),
        (None, Some(system)) => format!("A browser on {system}"),
        (None, None) if agent.is_empty() => "An unknown browser".to_owned(),
        (None, None) => agent.chars().take(40).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_named_as_its_owner_would() {
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
        for (agent, name) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (chrome, "Chrome on Windows"),
            (&format!("{chrome} Edg/142.0"), "Edge on Windows"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1 (KHTML) Version/19.0 Safari/604.1",
                "Safari on iPhone",
            ),
            ("curl/8.14.1", "curl/8.14.1"),
            ("", "An unknown browser"),
        ] {
            assert_eq!(browser(agent), name);
        }
    }
}
