//! Every environment of the installation, and the form that adds one in two steps: look, then add.

use super::{Problem, choose, field, lines, same, secret, tick, trail};
use crate::domain::page::{EnvironmentCard, Fleet};
use crate::domain::paths;
use crate::domain::site::{DatabaseAddress, Endpoint};
use crate::domain::view::Added;
use crate::ui::kit::{problem, state, table};
use crate::ui::shell::{Shell, page as whole};
use leptos::prelude::*;

pub fn list(shell: Shell, fleet: Fleet) -> String {
    whole(shell, move || {
        let rows: Vec<_> = fleet.sites.iter().flat_map(|s| &s.environments).map(row).collect();
        let body = if rows.is_empty() {
            html! { <div class="empty"><h2>"No environment"</h2><p>"Nothing is called so, or nothing was added yet."</p></div> }.into_any()
        } else {
            table("Environments of every tenant", &["Environment", "State", "Tenant", "Stack", ""], rows)
        };
        let percent = crate::base::words::percent;
        let next = fleet.next.as_ref().map(|after| {
            let href = format!("/admin/sites?q={}&after={}", percent(&fleet.asked.q), percent(after));
            html! { <nav class="pager" aria-label="Pages"><a class="button small" rel="next" href=href>"Next"</a></nav> }
        });
        let clear = (!fleet.asked.q.is_empty()).then(|| html! { <a href="/admin/sites">"Clear"</a> });
        html! {
            <div class="row spread"><h1>"Sites"</h1><div class="actions"><a class="button primary" href="/admin/sites/add">"Add a site"</a></div></div>
            <form class="filters" method="get" role="search" aria-label="Find environments">
                <div class="field"><label for="q">"Name contains"</label><input class="input" type="search" id="q" name="q" value=fleet.asked.q.clone()/></div>
                <div class="actions"><button class="button">"Show"</button>{clear}</div>
            </form>
            {body}
            {next}
        }
    })
}

fn row(e: &EnvironmentCard) -> AnyView {
    let title = e.title();
    let live = e.live.then(|| html! { <small class="soft">"live"</small> });
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="lead"><a class="wrap" href=paths::environment(&e.id)>{title.clone()}</a>" "{live}</th>
            <td role="cell" class="lead">{state(e.health.word())}</td>
            <td role="cell" data-label="Tenant"><span>{e.tenant.clone()}</span></td>
            <td role="cell" data-label="Stack"><span>{e.stack.clone()}</span></td>
            <td role="cell"><div class="actions">
                <a class="button small" href=paths::administer(&e.id)>"Settings"<span class="sr">" of "{title.clone()}</span></a>
                <a class="button small" href=paths::remove_environment(&e.id)>"Remove"<span class="sr">" "{title.clone()}</span></a>
            </div></td>
        </tr>
    }
}

/// What is typed into the form, in both of its steps. The password is never shown again.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Typed {
    /// `add` in the second step.
    pub act: String,
    pub tenant: String,
    pub site: String,
    pub environment: String,
    pub path: String,
    /// `yes`: the site's own settings are read.
    pub detect: String,
    pub stack: String,
    pub files: String,
    pub settings: String,
    pub engine: String,
    pub host: String,
    pub port: String,
    pub socket: String,
    pub database: String,
    pub user: String,
    pub prefix: String,
    pub password: String,
    pub server: String,
    pub owner: String,
    pub url: String,
    pub expect: String,
    pub exclude: String,
    pub live: String,
}

impl Typed {
    /// What was found, into the fields, to be corrected. The password stays where it was found.
    pub fn fill(&mut self, added: &Added) {
        let d = &added.definition;
        self.stack = d.stack.name().to_owned();
        self.files = d.files.iter().map(|f| format!("{}={}", f.name, f.path.display())).collect::<Vec<_>>().join("\n");
        self.settings = d.settings.as_ref().map(|p| p.display().to_string()).unwrap_or_default();
        self.owner = d.owner.clone().unwrap_or_default();
        self.url = d.url.clone().unwrap_or_default();
        self.expect = d.expect.clone().unwrap_or_default();
        self.live = if d.live { "yes" } else { "" }.to_owned();
        self.engine = d.database.as_ref().map_or("none", DatabaseAddress::engine).to_owned();
        let Some(database) = &d.database else { return };
        self.database = database.label();
        let Some(account) = database.account() else { return };
        self.user = account.user.clone();
        self.prefix = account.prefix.clone();
        (self.host, self.port, self.socket) = place(&account.at);
    }
}

/// Host, port and socket as fields.
pub(super) fn place(at: &Endpoint) -> (String, String, String) {
    match at {
        Endpoint::Tcp { host, port } => (host.clone(), port.to_string(), String::new()),
        Endpoint::Socket { path, port } => (String::new(), port.map(|p| p.to_string()).unwrap_or_default(), path.display().to_string()),
    }
}

/// What the form offers.
#[derive(Clone, Debug, Default)]
pub struct Offers {
    pub tenants: Vec<String>,
    pub servers: Vec<String>,
}

/// The form: `found` in its second step.
pub fn add(shell: Shell, offers: Offers, typed: Typed, found: Option<Added>, second: bool, wrong: Problem) -> String {
    whole(shell.slim(), move || {
        let steps = if second { "2 of 2: check what was found, and add it" } else { "1 of 2: say where it is" };
        let buttons = if second {
            html! {
                <button class="button primary" name="act" value="add">"Add the environment"</button>
                <button class="button" name="act" value="look">"Look again"</button>
            }
            .into_any()
        } else {
            html! { <button class="button primary" name="act" value="look">"Look what is there"</button> }.into_any()
        };
        let none = offers.tenants.is_empty().then(|| {
            html! { <div class="note" data-kind="warn"><span>"A site belongs to a tenant, and there is none yet. "<a href="/admin/tenants">"Create one first"</a>"."</span></div> }
        });
        html! {
            {trail("Sites", "/admin/sites", "Add a site")}
            <h1>"Add a site"</h1>
            <p class="soft">{format!("Step {steps}.")}</p>
            {none}
            {problem(wrong.clone())}
            {found.as_ref().map(was_found)}
            <form class="form card" method="post" action="/admin/sites/add">
                {whereabouts(&offers, &typed)}
                {second.then(|| details(&offers, &typed))}
                <div class="actions">{buttons}<a class="button" href="/admin/sites">"Cancel"</a></div>
            </form>
        }
    })
}

fn was_found(added: &Added) -> AnyView {
    let list = |all: &[String]| all.iter().map(|l| html! { <li class="wrap">{l.clone()}</li> }).collect::<Vec<_>>();
    let warnings = (!added.warnings.is_empty())
        .then(|| html! { <div class="note" data-kind="warn"><strong>"Worth knowing"</strong><ul>{list(&added.warnings)}</ul></div> });
    html! {
        <div class="note" data-kind="good" role="status"><strong>"This was found"</strong><ul>{list(&added.found)}</ul></div>
        {warnings}
    }
}

fn whereabouts(offers: &Offers, t: &Typed) -> AnyView {
    let tenants: Vec<&str> = offers.tenants.iter().map(String::as_str).collect();
    html! {
        {choose("Tenant", "tenant", same(&tenants), &t.tenant, "")}
        {field("Site", "site", &t.site, "The name of one application, such as shop. A new site gets a repository of its own.")}
        {field("Environment", "environment", &t.environment, "Such as live, test or dev.")}
        {field("Path", "path", &t.path, "The directory of its code on this host.")}
        {tick("Read the site's own settings (WordPress, Drupal, Django)", "detect", t.detect == "yes")}
    }
}

fn details(offers: &Offers, t: &Typed) -> AnyView {
    let engines = [("none", "no database"), ("mysql", "MySQL or MariaDB"), ("postgres", "PostgreSQL"), ("sqlite", "SQLite")];
    let engines = engines.iter().map(|(v, n)| ((*v).to_owned(), (*n).to_owned())).collect();
    let mut servers = vec![(String::new(), "none".to_owned())];
    servers.extend(offers.servers.iter().map(|s| (s.clone(), s.clone())));
    html! {
        <h2>"Files"</h2>
        {choose("Stack", "stack", same(&["wordpress", "drupal", "django", "generic"]), &t.stack, "")}
        {lines("Directories of files", "files", &t.files, "files-hint", "One a line: name=path, such as public=uploads. Empty: as they are found.")}
        {field("Settings file", "settings", &t.settings, "The file with the database's credentials. A restore into a new database rewrites it.")}
        {lines("Left out", "exclude", &t.exclude, "exclude-hint", "Patterns as in .gitignore, one a line, beyond what the stack leaves out.")}
        {field("Owner", "owner", &t.owner, "The user whose rights are used. Empty: the owner of the directory.")}
        <h2>"Database"</h2>
        {choose("Kind", "engine", engines, &t.engine, "")}
        {field("Name", "database", &t.database, "Of SQLite: the path of its file.")}
        {database_fields(&t.host, &t.port, &t.socket, &t.user, &t.prefix)}
        {secret("Password", "password", "Empty: as it is found in the site's settings.")}
        {choose("Server account", "server", servers, &t.server, "With one a restore imports into a new database.")}
        <h2>"Site"</h2>
        {field("Address", "url", &t.url, "Where it answers. After a restore Sitekeep asks for this page.")}
        {field("Expected text", "expect", &t.expect, "A text that this page must contain.")}
        {tick("This is live: its name must be typed before a restore", "live", t.live == "yes")}
    }
}

pub(super) fn database_fields(host: &str, port: &str, socket: &str, user: &str, prefix: &str) -> AnyView {
    html! {
        {field("Host", "host", host, "")}
        {field("Port", "port", port, "")}
        {field("Socket", "socket", socket, "Instead of a host.")}
        {field("User", "user", user, "")}
        {field("Prefix of its tables", "prefix", prefix, "Empty: the database is the site's alone.")}
    }
}
