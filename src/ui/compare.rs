//! What changed between two backups, or between a backup and the live site.

use super::browse::query;
use super::kit::{crumbs, iso, problem, table, time, trail, when};
use super::shell::{Shell, page as whole};
use crate::base::units;
use crate::base::words::{percent, shown};
use crate::domain::compare::{Change, Changes, Comparison, Count, LIVE, Moment, TableChange, Version, What};
use crate::domain::element::Element;
use crate::domain::paths;
use crate::domain::view::Backup;
use leptos::prelude::*;

/// What the page shows.
#[derive(Clone, Debug)]
pub struct Page {
    pub backup: Backup,
    /// None where there is a problem.
    pub comparison: Option<Comparison>,
    pub problem: Option<(String, Option<String>)>,
    /// What it can be compared with.
    pub others: Vec<Moment>,
    pub may_restore: bool,
    /// What was asked for.
    pub with: String,
    pub element: String,
    pub after: String,
}

pub fn page(shell: Shell, p: Page) -> String {
    whole(shell, move || {
        let b = &p.backup;
        let created = iso(&b.created).unwrap_or_default();
        let mut way = trail(&b.tenant, &format!("{}.{}", b.site, b.environment), &b.environment_id);
        way.push((format!("Backup of {}", when(created)), paths::backup(&b.id)));
        html! {
            {crumbs(way, "What changed")}
            <div class="stack tight"><h1>"What changed"</h1>
            <span class="soft">{format!("{}.{}", b.site, b.environment)}" · backup of "{time(created)}</span></div>
            {problem(p.problem.clone())}
            {choose(&p)}
            {p.comparison.as_ref().map(|c| body(&p, c))}
        }
    })
}

fn choose(p: &Page) -> AnyView {
    let with = p.comparison.as_ref().and_then(|c| other(c, &p.backup.id)).unwrap_or_else(|| p.with.clone());
    let option = |moment: &Moment| {
        let id = moment.backup.clone().unwrap_or_default();
        let label = format!("{} - {}", iso(&moment.at).map(when).unwrap_or_default(), shown(moment.reason.as_bytes()));
        let chosen = id == with;
        html! { <option value=id selected=chosen>{label}</option> }
    };
    let live = p.may_restore.then(|| html! { <option value=LIVE selected={with == LIVE}>"The live site, as it is now"</option> });
    if p.others.is_empty() && live.is_none() {
        return html! { <p class="soft">"There is no other backup of this environment to compare it with."</p> };
    }
    let others: Vec<_> = p.others.iter().map(option).collect();
    html! {
        <form class="row" method="get" action=format!("/backups/{}/compare", p.backup.id)>
            <label for="with">"Compare with"</label>
            <select class="input" id="with" name="with">{live}{others}</select>
            <button class="button">"Compare"</button>
        </form>
    }
}

/// What the backup of the page was compared with.
fn other(c: &Comparison, this: &str) -> Option<String> {
    let of = |m: &Moment| m.backup.clone().unwrap_or_else(|| LIVE.to_owned());
    let from = c.from.as_ref()?;
    Some(if from.backup.as_deref() == Some(this) { of(&c.to) } else { of(from) })
}

fn body(p: &Page, c: &Comparison) -> AnyView {
    let Some(from) = &c.from else {
        return html! { <p class="soft">"It is the first backup of this environment: there is none before it to compare it with."</p> };
    };
    let named = |m: &Moment| {
        let at = iso(&m.at).map(time);
        match &m.backup {
            Some(id) => {
                html! { <span class="wrap"><a href=paths::backup(id)>{at}</a>" - "{shown(m.reason.as_bytes())}</span> }
            }
            None => html! { <span>"The live site, at "{at}</span> },
        }
    };
    let quick = c.to.backup.is_none().then(|| {
        html! { <p class="hint">"The live site is compared by names, sizes and times, and no file is opened: one that was changed without a trace in those is taken for the same."</p> }
    });
    let all = (!p.element.is_empty()).then(|| {
        html! { <p><a href=at(p, c, "", "")>"All elements"</a></p> }
    });
    html! {
        <dl class="facts card"><dt>"From"</dt><dd>{named(from)}</dd><dt>"To"</dt><dd>{named(&c.to)}</dd></dl>
        {quick}{all}
        {super::kit::in_order(&c.elements.iter().map(|e| e.element).collect::<Vec<_>>())
            .into_iter()
            .filter_map(|e| c.elements.iter().find(|x| x.element == e))
            .map(|x| element(p, c, x))
            .collect::<Vec<_>>()}
    }
}

/// The address of the comparison that is shown.
fn at(p: &Page, c: &Comparison, element: &str, after: &str) -> String {
    let with = other(c, &p.backup.id).unwrap_or_default();
    let mut query = format!("with={}", percent(&with));
    for (name, value) in [("element", element), ("after", after)] {
        if !value.is_empty() {
            query.push_str(&format!("&{name}={}", percent(value)));
        }
    }
    paths::compare(&p.backup.id, &query)
}

fn element(p: &Page, c: &Comparison, x: &Changes) -> AnyView {
    let inside = match &x.not_compared {
        Some(why) => html! { <p class="soft wrap">{format!("Not compared: {why}.")}</p> },
        None if x.element == Element::Database => tables(x),
        None => files(p, c, x),
    };
    html! { <section class="stack tight"><h2>{super::errors::capital(x.element.name())}</h2>{inside}</section> }
}

fn files(p: &Page, c: &Comparison, x: &Changes) -> AnyView {
    let rows: Vec<_> = x.changes.iter().map(|change| row(c, x.element, change)).collect();
    let shown = rows.len();
    let list =
        (shown > 0).then(|| table(format!("What changed in the {}", x.element), &["Path", "What", "#Before", "#After", "Time"], rows));
    let left_out = (!x.left_out.is_empty()).then(|| {
        let names: Vec<String> = x.left_out.iter().take(10).map(|path| crate::base::words::shown(path.as_bytes())).collect();
        let more = x.left_out.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        html! { <p class="hint wrap">{format!("Left out of backups, and so not compared: {}{more}.", names.join(", "))}</p> }
    });
    let touched = (x.touched > 0).then(|| {
        let n = units::count(x.touched, "file");
        html! { <p class="hint">{format!("{n} with the same content and another time, owner or mode.")}</p> }
    });
    let unread = (x.unread > 0).then(|| {
        let n = units::count(x.unread, "folder");
        html! { <p class="hint">{format!("{n} of the live site cannot be read; nothing is said of what is in there.")}</p> }
    });
    let first = (!p.after.is_empty()).then(|| html! { <a class="button small" href=at(p, c, x.element.name(), "")>"First"</a> });
    let next = x.next.as_ref().map(|next| html! { <a class="button small" rel="next" href=at(p, c, x.element.name(), next)>"Next"</a> });
    let many = x.added.files + x.changed.files + x.removed.files;
    let turn = (first.is_some() || next.is_some()).then(|| {
        let more = format!("{shown} of {}{many} shown", if x.stopped { "at least " } else { "" });
        html! { <nav class="pager" aria-label=format!("Pages of the {}", x.element)><span class="row">{first}{next}</span><small>{more}</small></nav> }
    });
    html! { <p>{summary(x)}</p>{touched}{unread}{left_out}{list}{turn} }
}

/// `At least 3 files added (1 MB), 1 file changed (2 KB), none removed.`
fn summary(x: &Changes) -> String {
    if x.is_none() && !x.stopped {
        return "Nothing changed.".into();
    }
    let of = |n: Count, what: &str| match n.files {
        0 => format!("none {what}"),
        files => format!("{} {what} ({})", units::count(files, "file"), units::size(n.bytes)),
    };
    let all = [of(x.added, "added"), of(x.changed, "changed"), of(x.removed, "removed")].join(", ");
    match x.stopped {
        true => format!("At least {all}: there was no time to look at everything."),
        false => format!("{}.", super::errors::capital(&all)),
    }
}

fn row(c: &Comparison, element: Element, change: &Change) -> AnyView {
    let path = change.inner();
    // Where it can be looked at: in the newer backup, or the older one.
    let newer = c.to.backup.as_ref().filter(|_| change.what != What::Removed);
    let older = c.from.as_ref().and_then(|m| m.backup.as_ref()).filter(|_| change.what != What::Added);
    let name = path.shown();
    let name = match newer.or(older) {
        Some(id) => html! { <a href=paths::inside(id, &query(element, &path))>{name}</a> },
        None => html! { <span>{name}</span> },
    };
    let size = |v: &Option<Version>| v.as_ref().map(|v| html! { <span>{units::size(v.size)}</span> });
    let version = change.after.as_ref().or(change.before.as_ref());
    let at = version.and_then(|v| v.modified.as_deref()).and_then(iso).map(time);
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="wrap">{name}</th>
            <td role="cell" data-label="What"><span>{change.what.word()}</span></td>
            <td role="cell" class="num" data-label="Before">{size(&change.before)}</td>
            <td role="cell" class="num" data-label="After">{size(&change.after)}</td>
            <td role="cell" data-label="Time">{at}</td>
        </tr>
    }
}

fn tables(x: &Changes) -> AnyView {
    if x.tables_differ == 0 {
        let said = format!(
            "{}, each with as many rows as before. Rows that were changed are not counted here.",
            units::count(x.tables_compared, "table")
        );
        return html! { <p>{said}</p> };
    }
    let rows: Vec<_> = x.tables.iter().map(row_of_table).collect();
    let more = x.tables_differ.saturating_sub(rows.len() as u64);
    let more = (more > 0).then(|| html! { <p class="hint">{format!("And {} more.", units::count(more, "table"))}</p> });
    let said = format!(
        "{} of {} with another number of rows. Rows that were changed are not counted here.",
        x.tables_differ,
        units::count(x.tables_compared, "table")
    );
    html! { <p>{said}</p>{table("Tables with another number of rows", &["Table", "What", "#Rows before", "#Rows after"], rows)}{more} }
}

fn row_of_table(t: &TableChange) -> AnyView {
    let rows = |n: Option<u64>| n.map(|n| html! { <span>{n}</span> });
    let what = match (t.before, t.after) {
        (None, _) => What::Added,
        (_, None) => What::Removed,
        _ => What::Changed,
    };
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="wrap">{shown(t.name.as_bytes())}</th>
            <td role="cell" data-label="What"><span>{what.word()}</span></td>
            <td role="cell" class="num" data-label="Rows before">{rows(t.before)}</td>
            <td role="cell" class="num" data-label="Rows after">{rows(t.after)}</td>
        </tr>
    }
}
