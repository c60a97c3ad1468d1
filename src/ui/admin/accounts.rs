//! Accounts of the installation, and the invitation of new ones.

use super::{Problem, choose, field, same};
use crate::base::clock::Millis;
use crate::domain::paths;
use crate::domain::people::Account;
use crate::ui::kit::{post, problem, state, table, when};
use crate::ui::shell::{Shell, page as whole};
use leptos::prelude::*;

/// What the page shows.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub accounts: Vec<Account>,
    pub search: String,
    /// The address after which more follow.
    pub next: Option<String>,
    /// Tenants to invite into: id and name.
    pub tenants: Vec<(String, String)>,
    pub typed: Invite,
    /// An invitation that was just made: to whom, its link, and until when it is good.
    pub invited: Option<(String, String, Millis)>,
    pub problem: Problem,
}

/// An invitation as it is typed.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Invite {
    pub email: String,
    pub tenant: String,
    pub role: String,
}

pub fn page(shell: Shell, p: Page) -> String {
    let own = shell.email.clone();
    whole(shell, move || {
        let rows: Vec<_> = p.accounts.iter().map(|a| row(a, &own)).collect();
        let body = if rows.is_empty() {
            html! { <div class="empty"><h2>"No account is like this"</h2><p>"No address and no name holds what you asked for."</p></div> }
                .into_any()
        } else {
            table("Accounts, by address", &["Account", "State", "Second factor", "Tenants", ""], rows)
        };
        let next = p.next.as_ref().map(|after| {
            let percent = crate::base::words::percent;
            let href = format!("/admin/accounts?q={}&after={}", percent(&p.search), percent(after));
            html! { <nav class="pager" aria-label="Pages"><a class="button small" rel="next" href=href>"Next"</a></nav> }
        });
        let clear = (!p.search.is_empty()).then(|| html! { <a href="/admin/accounts">"Clear"</a> });
        html! {
            <h1>"Accounts"</h1>
            {problem(p.problem.clone())}
            {invited(&p)}
            <form class="filters" method="get" role="search" aria-label="Find accounts">
                <div class="field"><label for="q">"Who"</label><input class="input" type="search" id="q" name="q" value=p.search.clone()/></div>
                <div class="actions"><button class="button">"Show"</button>{clear}</div>
            </form>
            {body}
            {next}
            {invite(&p)}
        }
    })
}

fn invited(p: &Page) -> Option<AnyView> {
    p.invited.clone().map(|(email, link, until)| {
        html! {
            <div class="note" data-kind="good" role="status">
                <strong>{format!("{email} is invited, until {}", when(until))}</strong>
                <span>"Where letters are sent one is on its way. You can also hand over this link; it is shown this once, and works once."</span>
                <div class="row"><code class="wrap" id="invitation">{link}</code>
                    <button class="button small" type="button" hidden data-copies="invitation">"Copy"</button></div>
            </div>
        }
    })
}

fn row(a: &Account, own: &str) -> AnyView {
    let active = a.state == "active";
    let name = (!a.name.is_empty()).then(|| html! { <small class="soft wrap">{a.name.clone()}</small> });
    let administrator = a.administrator.then(|| html! { <small class="soft">"administrator"</small> });
    let you = (a.email == own).then(|| html! { <small class="soft">"you"</small> });
    let factor = if a.second_factor { ("active", "on") } else { ("skipped", "off") };
    let tenants: Vec<String> = a.tenants.iter().map(|(tenant, role)| format!("{tenant} ({role})")).collect();
    let password = (!a.has_password).then(|| html! { <small class="soft">"no password yet"</small> });
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="lead"><span class="wrap">{a.email.clone()}</span>{name}{administrator}{you}</th>
            <td role="cell" class="lead">{state(if active { "active" } else { "disabled" })}{password}</td>
            <td role="cell" data-label="Second factor"><span class="mark" data-state=factor.0>{factor.1}</span></td>
            <td role="cell" data-label="Tenants"><span>{tenants.join(", ")}</span></td>
            <td role="cell">{acts(a, active)}</td>
        </tr>
    }
}

fn acts(a: &Account, active: bool) -> AnyView {
    let act = |act: &str, label: &'static str| post(paths::admin_account(&a.id, act), "button small", label, a.email.clone());
    let state = if active { act("disable", "Disable") } else { act("enable", "Enable") };
    let administrator =
        if a.administrator { act("no-administrator", "No administrator") } else { act("administrator", "Make administrator") };
    let factor = a.second_factor.then(|| act("no-second-factor", "Remove second factor"));
    html! { <div class="actions">{state}{administrator}{factor}</div> }
}

fn invite(p: &Page) -> AnyView {
    let form = if p.tenants.is_empty() {
        html! { <p>"An invitation leads into a tenant, and there is none yet. "<a href="/admin/tenants">"Create one first"</a>"."</p> }
            .into_any()
    } else {
        let role = if p.typed.role.is_empty() { "owner" } else { &p.typed.role };
        html! {
            {field("E-mail address", "email", &p.typed.email, "Whoever has no account yet makes one with the invitation.")}
            {choose("Tenant", "tenant", p.tenants.clone(), &p.typed.tenant, "")}
            {choose("Role", "role", same(&["owner", "developer", "viewer"]), role, "An owner may everything in the tenant; a developer creates, downloads and restores backups; a viewer looks.")}
            <div class="actions"><button class="button primary">"Invite"</button></div>
        }
        .into_any()
    };
    html! {
        <form class="form card" method="post" action="/admin/accounts/invite" aria-labelledby="invite"><h2 id="invite">"Invite somebody"</h2>{form}</form>
    }
}
