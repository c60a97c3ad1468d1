//! Tenants with their members, invitations and activity.

use super::kit::{crumbs, iso, option, post, problem, state, table, time};
use super::one_time::{Problem, with_article};
use super::shell::{Shell, page as whole};
use super::{activity, errors::capital};
use crate::base::units;
use crate::domain::paths;
use crate::domain::people::{Act, Invitation, Member, TenantCard, TenantOverview};
use crate::domain::rights::Role;
use leptos::prelude::*;

pub fn list(shell: Shell, cards: Vec<TenantCard>) -> String {
    whole(shell, move || {
        let empty = cards.is_empty().then(|| {
            html! { <div class="empty"><h2>"You are a member of no tenant"</h2><p>"Sites belong to tenants. Ask an owner or the administrator for an invitation."</p></div> }
        });
        let table = (!cards.is_empty()).then(|| tenants(&cards));
        html! { <h1>"Members"</h1>{empty}{table} }
    })
}

fn tenants(cards: &[TenantCard]) -> AnyView {
    let rows: Vec<_> = cards.iter().map(row).collect();
    table("Tenants", &["Tenant", "Your role", "Members"], rows)
}

fn row(card: &TenantCard) -> AnyView {
    let role = card.role.clone().unwrap_or_else(|| "administrator".into());
    let suspended = (card.state != "active").then(|| html! { " "<small>{card.state.clone()}</small> });
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="lead"><a class="wrap" href=paths::tenant(&card.id)>{card.name.clone()}</a>{suspended}</th>
            <td role="cell" data-label="Your role"><span>{role}</span></td>
            <td role="cell" data-label="Members"><span>{units::count(card.members as u64, "member")}</span></td>
        </tr>
    }
}

/// What the page of one tenant shows.
#[derive(Clone, Debug)]
pub struct Page {
    pub overview: TenantOverview,
    pub members: Vec<Member>,
    /// Open ones; none for those who do not manage.
    pub invitations: Vec<Invitation>,
    pub acts: Vec<Act>,
    /// The reader's account.
    pub reader: String,
    pub typed: Typed,
    pub invited: Option<Invited>,
}

/// What was typed into the form that invites.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    pub email: String,
    pub role: String,
    pub problem: Problem,
}

/// An invitation whose link is shown, this once.
#[derive(Clone, Debug)]
pub struct Invited {
    pub email: String,
    pub link: String,
}

pub fn page(shell: Shell, p: Page) -> String {
    whole(shell, move || {
        let name = p.overview.card.name.clone();
        let suspended = (p.overview.card.state != "active").then(|| {
            html! { <div class="note" data-kind="warn"><strong>{format!("{name} is suspended")}</strong><span>"It can be looked at; the administrator can activate it."</span></div> }
        });
        let managed = p.overview.manages.then(|| {
            html! { {(!p.invitations.is_empty()).then(|| invitations(&p))}{invite(&p)} }
        });
        html! {
            {crumbs(vec![("Members".into(), "/tenants".into())], name.clone())}
            <div class="row spread"><h1>{format!("Members of {name}")}</h1>
                <div class="actions"><a class="button" href=paths::tenant_schedule(&p.overview.card.id)>"Schedule"</a>
                    <a class="button" href=paths::tenant_retention(&p.overview.card.id)>"What is kept"</a>
                    <a class="button" href=paths::alarms(&p.overview.card.id)>"Alarms"</a></div></div>
            {p.invited.clone().map(invited)}
            {suspended}
            {members(&p)}
            {managed}
            {activity::section(&p.acts)}
        }
    })
}

fn invited(invited: Invited) -> AnyView {
    html! {
        <div class="note" data-kind="good" role="status">
            <strong>{format!("{} is invited", invited.email)}</strong>
            <span>"A letter is sent if this Sitekeep can send mail. You can also hand this link over yourself; it is shown only once:"</span>
            <code class="wrap">{invited.link}</code>
        </div>
    }
}

fn members(p: &Page) -> AnyView {
    let rows: Vec<_> = p.members.iter().map(|m| member(m, p)).collect();
    let none = p.members.is_empty().then(|| html! { <p>"Nobody yet. Invite the first owner below."</p> });
    let table = (!p.members.is_empty()).then(|| table("Members", &["Account", "Role", "Since", ""], rows));
    html! { <section class="stack" aria-label="Members">{none}{table}</section> }
}

fn member(m: &Member, p: &Page) -> AnyView {
    let (tenant, own) = (p.overview.card.id.as_str(), m.account == p.reader);
    let name = Some(m.name.clone()).filter(|n| !n.is_empty()).map(|n| html! { <small class="regular">{n}</small> });
    let disabled = (m.state != "active").then(|| html! { " "{state(&m.state)} });
    let role = match p.overview.manages {
        true => change_role(paths::member_act(tenant, &m.account, "role"), m).into_any(),
        false => html! { <span>{m.role.clone()}</span> }.into_any(),
    };
    let remove = paths::member_act(tenant, &m.account, "remove");
    let remove = match (own, p.overview.manages) {
        (true, _) => Some(post(remove, "button small", "Leave", p.overview.card.name.clone())),
        (false, true) => Some(post(remove, "button small", "Remove", m.email.clone())),
        (false, false) => None,
    };
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="lead wrap">{m.email.clone()}{disabled}{name}</th>
            <td role="cell" data-label="Role">{role}</td>
            <td role="cell" data-label="Since">{iso(&m.since).map(time)}</td>
            <td role="cell">{remove}</td>
        </tr>
    }
}

fn change_role(action: String, m: &Member) -> AnyView {
    let label = format!("Role of {}", m.email);
    html! {
        <form class="row" method="post" action=action>
            <select class="input short" name="role" aria-label=label>{roles(&m.role)}</select>
            <button class="button small">"Change"<span class="sr">{format!(" the role of {}", m.email)}</span></button>
        </form>
    }
}

fn roles(chosen: &str) -> Vec<AnyView> {
    Role::ALL.map(|role| option(role.name(), role.name(), chosen)).into_iter().collect::<Vec<_>>()
}

fn invitations(p: &Page) -> AnyView {
    let tenant = p.overview.card.id.as_str();
    let row = |i: &Invitation| {
        let inviter = i.inviter.clone().map(|inviter| html! { <small class="regular">{format!("invited by {inviter}")}</small> });
        let revoke = post(paths::revoke_invitation(tenant, &i.id), "button small", "Take back", format!("the invitation of {}", i.email));
        html! {
            <tr role="row">
                <th role="rowheader" scope="row" class="lead wrap">{i.email.clone()}{inviter}</th>
                <td role="cell" data-label="Role"><span>{i.role.clone()}</span></td>
                <td role="cell" data-label="Good until">{iso(&i.expires).map(time)}</td>
                <td role="cell">{revoke}</td>
            </tr>
        }
    };
    let rows: Vec<_> = p.invitations.iter().map(row).collect();
    html! {
        <section class="stack"><h2>"Open invitations"</h2>
            {table("Invitations that wait for an answer", &["E-mail address", "Role", "Good until", ""], rows)}
        </section>
    }
}

fn invite(p: &Page) -> AnyView {
    let chosen = if p.typed.role.is_empty() { "developer" } else { p.typed.role.as_str() };
    let what = |role: Role| match role {
        Role::Owner => "everything here, members included",
        Role::Developer => "creates, downloads and restores backups",
        Role::Viewer => "sees sites, backups and their logs",
    };
    let ways: Vec<_> = Role::ALL
        .into_iter()
        .map(|role| {
            html! {
                <label class="choice"><input type="radio" name="role" value=role.name() checked={role.name() == chosen}/>
                    {capital(&with_article(role.name()))}<small>{what(role)}</small></label>
            }
        })
        .collect();
    html! {
        <form class="form card" id="invite" method="post" action=format!("{}#invite", paths::invitations(&p.overview.card.id)) aria-labelledby="invite-title">
            <h2 id="invite-title">"Invite somebody"</h2>
            {problem(p.typed.problem.clone())}
            <div class="field"><label for="email">"E-mail address"</label>
                <input class="input" id="email" name="email" type="email" maxlength="254" required value=p.typed.email.clone()/></div>
            <fieldset><legend>"Role"</legend><div class="choices">{ways}</div></fieldset>
            <div class="actions"><button class="button primary">{format!("Invite to {}", p.overview.card.name)}</button></div>
        </form>
    }
}
