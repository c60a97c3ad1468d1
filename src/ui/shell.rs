//! What surrounds every page: head, header, navigation, a sentence after an act, footer.

use super::render;
use crate::base::clock::Millis;
use crate::base::zone::Zone;
use leptos::prelude::*;

/// What every page knows of its reader.
#[derive(Clone, Debug, Default)]
pub struct Shell {
    pub title: String,
    pub email: String,
    pub administrator: bool,
    /// Jobs that run or wait.
    pub jobs: u64,
    pub path: String,
    pub zone: Zone,
    pub now: Millis,
    pub flash: Option<Flash>,
    /// The tenant in which an administrator acts who is no member of it.
    pub acting: Option<String>,
    /// What the page follows while it is open.
    pub live: Option<Live>,
    /// A key for the forms of this page, never used before.
    pub once: String,
    /// A narrow page.
    pub slim: bool,
}

/// What a page follows: whoever has scripts is told of changes, the others read it anew every few seconds.
#[derive(Clone, Debug)]
pub struct Live {
    /// `job:job_…`, `environment:env_…`, `jobs`
    pub topic: String,
    /// Without scripts: is there something that changes by itself?
    pub moving: bool,
}

impl Shell {
    /// For readers who are not signed in.
    pub fn outside(title: &str, zone: Zone, now: Millis) -> Self {
        Self { title: title.to_owned(), zone, now, ..Self::default() }
    }
    #[must_use]
    pub fn slim(self) -> Self {
        Self { slim: true, ..self }
    }
    #[must_use]
    pub fn acting(self, tenant: Option<&str>) -> Self {
        Self { acting: tenant.map(str::to_owned), ..self }
    }
    #[must_use]
    pub fn live(self, topic: String, moving: bool) -> Self {
        Self { live: Some(Live { topic, moving }), ..self }
    }
}

/// A sentence on the page after an act.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Flash {
    pub good: bool,
    pub sentence: String,
    pub hint: Option<String>,
}

impl Flash {
    pub fn good(sentence: impl Into<String>) -> Self {
        Self { good: true, sentence: sentence.into(), hint: None }
    }
    pub fn bad(sentence: impl Into<String>, hint: Option<String>) -> Self {
        Self { good: false, sentence: sentence.into(), hint }
    }
}

/// The addresses of the style sheet and the script: they name their content, so that browsers may keep them for ever.
#[derive(Clone, Debug)]
pub struct Assets {
    pub style: String,
    pub script: String,
    pub icon: String,
}

static ASSETS: std::sync::OnceLock<Assets> = std::sync::OnceLock::new();

/// Told once, by the room that serves them.
pub fn use_assets(assets: Assets) {
    let _ = ASSETS.set(assets);
}

/// A whole page.
pub(crate) fn page<V: IntoView + 'static>(shell: Shell, body: impl FnOnce() -> V) -> String {
    render(shell.zone, shell.now, || {
        provide_context(super::Once(shell.once.clone()));
        document(shell, body())
    })
}

fn document<V: IntoView + 'static>(shell: Shell, body: V) -> AnyView {
    let Assets { style, script, icon } =
        ASSETS.get().cloned().unwrap_or_else(|| Assets { style: String::new(), script: String::new(), icon: String::new() });
    let title = format!("{} · Sitekeep", shell.title);
    let refresh = shell.live.as_ref().filter(|l| l.moving).map(|_| html! { <noscript><meta http-equiv="refresh" content="4"/></noscript> });
    let topic = shell.live.as_ref().map(|l| l.topic.clone());
    let class = if shell.email.is_empty() {
        "page door"
    } else if shell.slim {
        "page slim"
    } else {
        "page"
    };
    let header = (!shell.email.is_empty()).then(|| header(&shell));
    let acting = shell.acting.clone().map(acting);
    let flash = shell.flash.clone().map(flash);
    html! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <title>{title}</title>
                <link rel="stylesheet" href=style/>
                <link rel="icon" href=icon type="image/svg+xml"/>
                <script type="module" src=script></script>
                {refresh}
            </head>
            <body data-live=topic>
                <a class="skip" href="#main">"Skip to the content"</a>
                {header}
                {acting}
                <main id="main" class=class>{flash}{body}</main>
                {footer(&shell)}
            </body>
        </html>
    }
}

pub(crate) fn wordmark() -> AnyView {
    html! {
        <svg viewBox="0 0 32 32" aria-hidden="true"><path
            d="M4 9h24M4 9v16a3 3 0 0 0 3 3h18a3 3 0 0 0 3-3V9l-4-5H8zM11 18l4 4 7-8"
            fill="none" stroke="currentColor" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/></svg>
        "Sitekeep"
    }
}

/// Pages of the administrator: address and name.
pub(crate) const ADMINISTRATION: [(&str, &str); 8] = [
    ("/admin/tenants", "Tenants"),
    ("/admin/accounts", "Accounts"),
    ("/admin/sites", "Sites"),
    ("/admin/servers", "Servers"),
    ("/admin/stores", "Stores"),
    ("/admin/queue", "Queue"),
    ("/admin/activity", "Activity"),
    ("/admin/settings", "Settings"),
];

fn header(shell: &Shell) -> AnyView {
    let path = shell.path.as_str();
    let current = |prefix: &str| (path == prefix || path.starts_with(&format!("{prefix}/"))).then_some("page");
    let on_sites = (path == "/" || path.starts_with("/environments") || path.starts_with("/backups") || path.starts_with("/restores"))
        .then_some("page");
    let count = (shell.jobs > 0).then(|| html! { " "<span class="count">{shell.jobs}<span class="sr">" active"</span></span> });
    let links: Vec<_> =
        ADMINISTRATION.iter().map(|(href, name)| html! { <li><a href=*href aria-current=current(href)>{*name}</a></li> }).collect();
    let here = if path.starts_with("/admin/") { "menu here" } else { "menu" };
    let administration = shell.administrator.then(|| {
        html! { <details class=here name="top"><summary>"Administration"</summary><ul class="list">{links}</ul></details> }
    });
    html! {
        <header class="top"><div class="bar">
            <a class="wordmark" href="/">{wordmark()}</a>
            <nav class="nav" aria-label="Main">
                <a href="/" aria-current=on_sites>"Sites"</a>
                <a href="/jobs" aria-current=current("/jobs")><span id="jobs" data-part="">"Jobs"{count}</span></a>
                {administration}
            </nav>
            <details class="menu end" name="top">
                <summary><span class="who">{shell.email.clone()}</span></summary>
                <div>
                    <a href="/account" aria-current=current("/account")>"Your account"</a>
                    <a href="/tenants" aria-current=current("/tenants")>"Members"</a>
                    <form method="post" action="/signout"><button class="button plain">"Sign out"</button></form>
                </div>
            </details>
        </div></header>
    }
}

fn acting(tenant: String) -> AnyView {
    html! {
        <aside class="acting" aria-label="Acting as an administrator"><div class="bar">
            <span>"You act in "<b>{tenant}</b>" as an administrator; what you do is shown in its activity log."</span>
        </div></aside>
    }
}

fn flash(flash: Flash) -> AnyView {
    let (kind, role) = if flash.good { ("good", "status") } else { ("bad", "alert") };
    html! { <div class="note" data-kind=kind role=role><span>{flash.sentence}</span>{flash.hint.map(|hint| html! { <span>{hint}</span> })}</div> }
}

fn footer(shell: &Shell) -> AnyView {
    let zone = shell.zone.name();
    let change = (!shell.email.is_empty()).then(|| html! { " · "<a href="/account#zone">"Change"</a> });
    html! { <footer class="foot">"Sitekeep " {env!("CARGO_PKG_VERSION")} " · Times are shown in " {zone} {change}</footer> }
}
