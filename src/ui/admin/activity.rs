//! Who did what, over the whole installation.

use crate::base::words::percent;
use crate::domain::page::{Activity, ActivityLine, ActivityQuery};
use crate::ui::kit::{table, time};
use crate::ui::shell::{Shell, page as whole};
use leptos::prelude::*;

pub fn page(shell: Shell, a: Activity) -> String {
    whole(shell, move || {
        let rows: Vec<_> = a.lines.iter().map(row).collect();
        let body = if rows.is_empty() {
            html! { <div class="empty"><h2>"Nothing was done"</h2><p>"No act is like this."</p></div> }.into_any()
        } else {
            table("What was done, newest first", &["Time", "Action", "Who", "Tenant", "What"], rows)
        };
        let query = query(&a.asked);
        let first =
            (!a.asked.after.is_empty()).then(|| html! { <a class="button small" href=format!("/admin/activity?{query}")>"Newest"</a> });
        let older = a
            .older
            .as_ref()
            .map(|id| html! { <a class="button small" rel="next" href=format!("/admin/activity?{query}&after={id}")>"Older"</a> });
        let pager = (first.is_some() || older.is_some())
            .then(|| html! { <nav class="pager" aria-label="Pages"><span class="row">{first}{older}</span></nav> });
        html! {
            <div class="row spread"><h1>"Activity"</h1><div class="actions"><a class="button" href=format!("/admin/activity.csv?{query}")>"Download as CSV"</a></div></div>
            {filters(&a)}
            {body}
            {pager}
        }
    })
}

fn query(q: &ActivityQuery) -> String {
    let pairs = [("tenant", &q.tenant), ("actor", &q.actor), ("action", &q.action), ("from", &q.from), ("until", &q.until)];
    let given = pairs.iter().filter(|(_, value)| !value.is_empty());
    given.map(|(name, value)| format!("{name}={}", percent(value))).collect::<Vec<_>>().join("&")
}

fn filters(a: &Activity) -> AnyView {
    let q = &a.asked;
    let options: Vec<_> = a
        .tenants
        .iter()
        .map(|(id, name)| {
            let selected = *id == q.tenant;
            html! { <option value=id.clone() selected=selected>{name.clone()}</option> }
        })
        .collect();
    let clear = (!query(q).is_empty()).then(|| html! { <a href="/admin/activity">"Clear"</a> });
    html! {
        <form class="filters" method="get" action="/admin/activity" aria-label="Filter the activity">
            <div class="field"><label for="t">"Tenant"</label><select class="input" id="t" name="tenant"><option value="">"any"</option>{options}</select></div>
            <div class="field"><label for="who">"Who"</label><input class="input" id="who" name="actor" type="search" value=q.actor.clone()/></div>
            <div class="field"><label for="act">"Action begins with"</label><input class="input" id="act" name="action" type="search" placeholder="backup.create" value=q.action.clone()/></div>
            <div class="field"><label for="from">"From"</label><input class="input" id="from" name="from" type="date" value=q.from.clone()/></div>
            <div class="field"><label for="until">"Until"</label><input class="input" id="until" name="until" type="date" value=q.until.clone()/></div>
            <div class="actions"><button class="button">"Show"</button>{clear}</div>
        </form>
    }
}

fn row(l: &ActivityLine) -> AnyView {
    let marked = l.as_administrator.then(|| html! { <small class="soft">"as an administrator"</small> });
    let from = (!l.address.is_empty()).then(|| html! { <small class="soft wrap">"from "{l.address.clone()}</small> });
    let detail = (!l.detail.is_empty()).then(|| html! { <span class="wrap">{l.detail.clone()}</span> });
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="lead regular">{time(l.at)}</th>
            <td role="cell" class="lead"><code class="nowrap">{l.action.clone()}</code></td>
            <td role="cell" data-label="Who"><div><span class="wrap">{l.actor.clone()}</span>" "{marked}" "{from}</div></td>
            <td role="cell" data-label="Tenant"><span>{l.tenant.clone()}</span></td>
            <td role="cell" data-label="What"><div>{detail}" "<small class="soft wrap">{l.object.clone()}</small></div></td>
        </tr>
    }
}
