//! The sites of a reader, and how each stands.

use super::kit::{ago, state, table, time};
use super::shell::{Shell, page as whole};
use crate::domain::page::{EnvironmentCard, Fleet, Health, Rights};
use crate::domain::paths;
use crate::domain::rights::Right;
use leptos::prelude::*;

/// The page `Sites`.
pub fn page(shell: Shell, fleet: Fleet) -> String {
    let administrator = shell.administrator;
    whole(shell, move || {
        let asked = fleet.asked.clone();
        let filtered = !asked.q.is_empty() || !asked.state.is_empty() || !asked.after.is_empty();
        let add = administrator.then(|| html! { <a class="button" href="/admin/sites/add">"Add a site"</a> });
        let rows = match (fleet.sites.is_empty(), filtered) {
            (true, false) => empty(administrator).into_any(),
            (true, true) => nothing_found().into_any(),
            (false, _) => environments(&fleet),
        };
        let counts = (!fleet.counts.is_empty()).then(|| counts(&fleet));
        let filters = (!fleet.counts.is_empty()).then(|| filters(&fleet));
        html! {
            <div class="row spread"><h1>"Sites"</h1>{add}</div>
            {fleet.frozen.as_deref().map(super::schedules::rest)}
            {counts}
            {filters}
            <section id="fleet" data-part="" aria-label="Environments">{rows}</section>
            {pager(&fleet)}
        }
    })
}

fn counts(fleet: &Fleet) -> AnyView {
    let explained = |health| match health {
        Health::Protected => "a good backup, young enough",
        Health::Stale => "the newest good one is too old",
        Health::Failed => "the newest backup is not good",
        Health::Unprotected => "no good backup yet, or nobody has shown that they have its recovery key",
    };
    let one = |health: Health| {
        let n = fleet.counts.iter().find(|(h, _)| *h == health).map_or(0, |(_, n)| *n);
        let href = format!("/?state={health}");
        html! {
            <div>
                <dt><a href=href><span class="mark" data-state=health.word()>{health.word()}</span></a></dt>
                <dd>{n}</dd>
                <dd>{explained(health)}</dd>
            </div>
        }
    };
    let all: Vec<_> = Health::ALL.iter().map(|h| one(*h)).collect();
    html! { <dl class="figures" id="counts" data-part="">{all}</dl> }
}

fn filters(fleet: &Fleet) -> AnyView {
    let states = ["protected", "stale", "failed", "unprotected", "running"];
    let chosen = fleet.asked.state.clone();
    let options: Vec<_> = states.iter().map(|s| html! { <option value=*s selected={*s == chosen}>{*s}</option> }).collect();
    let clear = (!fleet.asked.q.is_empty() || !chosen.is_empty()).then(|| html! { <a href="/">"Clear"</a> });
    html! {
        <form class="filters" method="get" action="/" role="search" aria-label="Filter sites">
            <div class="field"><label for="q">"Name contains"</label><input class="input" id="q" name="q" type="search" value=fleet.asked.q.clone()/></div>
            <div class="field"><label for="s">"State"</label><select class="input" id="s" name="state"><option value="">"any state"</option>{options}</select></div>
            <div class="actions"><button class="button">"Show"</button>{clear}</div>
        </form>
    }
}

fn environments(fleet: &Fleet) -> AnyView {
    let several = fleet.several_tenants;
    let rows: Vec<_> = fleet.sites.iter().flat_map(|site| site.environments.iter().map(move |e| row(e, several, &site.rights))).collect();
    table("Environments of your sites", &["Environment", "State", "Last good backup", "Stack", ""], rows)
}

fn row(e: &EnvironmentCard, several: bool, rights: &Rights) -> AnyView {
    let title = e.title();
    let tenant = several.then(|| html! { <small class="soft">{e.tenant.clone()}</small> });
    let word = if e.running.is_some() { "running" } else { e.health.word() };
    let good = match e.last_good {
        Some(at) => html! { <span>{ago(at)}" · "{time(at)}</span> }.into_any(),
        None => html! { <span>"never"</span> }.into_any(),
    };
    let ended = e.last_ended.map(|(state, at)| html! { <small class="soft">{format!("newest one {state} ")}{ago(at)}</small> });
    let back_up = rights.may(Right::Create).then(|| {
        html! { <a class="button small" href=paths::create_backup(&e.id)>"Back up"<span class="sr">" "{title.clone()}</span></a> }
    });
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="lead"><a class="wrap" href=paths::environment(&e.id)>{title.clone()}</a>{tenant}</th>
            <td role="cell" class="lead">{state(word)}{unprotected(e, rights)}</td>
            <td role="cell" data-label="Last good">{good}{ended}</td>
            <td role="cell" data-label="Stack"><span>{e.stack.clone()}</span></td>
            <td role="cell">{back_up}</td>
        </tr>
    }
}

/// Why, and for who may do something about it, where.
fn unprotected(e: &EnvironmentCard, rights: &Rights) -> Option<AnyView> {
    let why = super::errors::capital(e.unprotected_because()?);
    let confirm = (!e.key_confirmed && rights.may(Right::Manage)).then(|| {
        html! { " "<a href=paths::recovery_key(&e.site_id)>"Confirm it"<span class="sr">" for "{e.title()}</span></a> }
    });
    Some(html! { <small class="soft">{why}"."{confirm}</small> })
}

fn pager(fleet: &Fleet) -> Option<AnyView> {
    let percent = crate::base::words::percent;
    let base = format!("/?q={}&state={}", percent(&fleet.asked.q), fleet.asked.state);
    let first = (!fleet.asked.after.is_empty()).then(|| html! { <a class="button small" href=base.clone()>"First"</a> });
    let next = fleet.next.as_ref().map(|after| {
        let href = format!("{base}&after={}", percent(after));
        html! { <a class="button small" href=href rel="next">"Next"</a> }
    });
    let any = first.is_some() || next.is_some();
    any.then(|| html! { <nav class="pager" aria-label="Pages"><span class="row">{first}{next}</span></nav> })
}

fn empty(administrator: bool) -> AnyView {
    let (text, action) = if administrator {
        (
            "A site is one hosted application with its environments. Add the first one, and take its first backup.",
            Some(html! { <a class="button primary" href="/admin/sites/add">"Add a site"</a> }),
        )
    } else {
        ("You are not a member of a tenant with sites. Ask the administrator to invite you, or to add your site.", None)
    };
    html! { <div class="empty"><h2>"No site yet"</h2><p>{text}</p>{action}</div> }
}

fn nothing_found() -> AnyView {
    html! { <div class="empty"><h2>"No environment is like this"</h2><p>"Nothing matches the name and the state that you asked for."</p><a class="button" href="/">"Show all sites"</a></div> }
}
