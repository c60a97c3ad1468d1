//! The log of an environment: its filters, its rows, its pages.

use super::kit::{option, post, state, table, time, when};
use crate::base::units;
use crate::base::words::percent;
use crate::base::zone::Zone;
use crate::domain::page::{Chip, Log, LogQuery, LogRow, Overview};
use crate::domain::paths;
use crate::domain::rights::Right;
use leptos::prelude::*;

/// The log below an environment's numbers; or its trash.
pub fn section(o: &Overview, log: &Log, trash: bool) -> AnyView {
    let title = if trash { "Trash" } else { "Backups" };
    let rows = match (log.rows.is_empty(), log.asked.narrows(), trash) {
        (false, ..) => backups(o, log),
        (true, true, _) => nothing(o).into_any(),
        (true, false, true) => html! { <div class="empty"><p>"The trash is empty."</p></div> }.into_any(),
        (true, false, false) => none_yet(o).into_any(),
    };
    let own = paths::environment(&o.card.id);
    let other = if trash {
        html! { <a href=own>"Back to the log"</a> }.into_any()
    } else {
        html! { <a href=format!("{own}?trash=1")>"Trash"</a> }.into_any()
    };
    let first = log.asked.after.is_empty();
    html! {
        <section class="stack" aria-labelledby="log">
            <div class="row spread"><h2 id="log">{title}</h2><span class="row small"><a href=paths::retention(&o.card.id)>"What is kept, and space"</a>{other}</span></div>
            {(!trash).then(|| filters(o, &log.asked))}
            {log.held.clone().map(|why| html! { <div class="note" data-kind="warn"><strong>"Nothing here is purged for now"</strong><span>{super::errors::capital(&why)}"."</span></div> })}
            <div id="rows" data-part={first.then_some("")}>{rows}</div>
            {pager(o, log)}
        </section>
    }
}

fn filters(o: &Overview, asked: &LogQuery) -> AnyView {
    let own = paths::environment(&o.card.id);
    let clear = asked.narrows().then(|| html! { <a href=own.clone()>"Clear"</a> });
    html! {
        <form class="filters" method="get" action=own.clone() aria-label="Filter the backups">
            <div class="field"><label for="f-element">"Element"</label><select class="input" id="f-element" name="element">
                {option("", "any", &asked.element)}{option("code", "code", &asked.element)}
                {option("database", "database", &asked.element)}{option("files", "files", &asked.element)}
            </select></div>
            <div class="field"><label for="f-state">"State"</label><select class="input" id="f-state" name="state">
                {option("", "any", &asked.state)}{option("succeeded", "succeeded", &asked.state)}
                {option("incomplete", "incomplete", &asked.state)}{option("failed", "failed", &asked.state)}
                {option("cancelled", "cancelled", &asked.state)}{option("running", "running", &asked.state)}
                {option("queued", "queued", &asked.state)}
            </select></div>
            <div class="field"><label for="f-how">"Made"</label><select class="input" id="f-how" name="how">
                {option("", "in any way", &asked.how)}{option("demand", "on demand", &asked.how)}
                {option("scheduled", "by itself", &asked.how)}
            </select></div>
            <div class="field"><label for="f-q">"Text"</label><input class="input" id="f-q" name="q" type="search" value=asked.q.clone()/></div>
            <div class="field"><label for="f-from">"From"</label><input class="input" id="f-from" name="from" type="date" value=asked.from.clone()/></div>
            <div class="field"><label for="f-until">"To"</label><input class="input" id="f-until" name="until" type="date" value=asked.until.clone()/></div>
            <div class="actions"><button class="button">"Show"</button>{clear}</div>
        </form>
    }
}

fn backups(o: &Overview, log: &Log) -> AnyView {
    let rows: Vec<_> = log.rows.iter().map(|r| row(o, r)).collect();
    table(format!("Backups of {}, newest first", o.card.title()), &["Time", "State", "Reason", "Elements", "Kept"], rows)
}

fn row(o: &Overview, r: &LogRow) -> AnyView {
    let elements: Vec<_> = r.elements.iter().map(|c| chip(o, r, c)).collect();
    let due = r.due.and_then(|due| super::backups::late(due, r.started));
    let prepare = (r.state.is_usable() && r.deleted.is_none() && o.rights.may(Right::Download)).then(|| {
        let about = format!(" of the backup of {}", when(r.created));
        html! { <a class="button plain small" href=paths::prepare_download(&r.id)>"Prepare download"<span class="sr">{about}</span></a> }
    });
    let message = r.message.clone().map(|m| html! { <small class="wrap soft">{super::errors::capital(&m)}</small> });
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="lead regular"><a href=paths::backup(&r.id)>{time(r.created)}</a></th>
            <td role="cell" class="lead">{state(r.state.word())}</td>
            <td role="cell" class="said"><strong class="wrap">{r.reason.clone()}</strong><small class="wrap">{r.initiator.clone()}</small>{due}{message}</td>
            <td role="cell"><ul class="elements">{elements}</ul>{prepare}</td>
            <td role="cell" data-label="Kept"><div class="stack tight small">{kept(o, r)}</div></td>
        </tr>
    }
}

fn chip(o: &Overview, r: &LogRow, c: &Chip) -> AnyView {
    let usable = c.state.is_usable() && r.deleted.is_none();
    let size = if c.state.is_usable() { units::size(c.size) } else { String::new() };
    let link = (usable && o.rights.may(Right::Download)).then(|| {
        let action = format!("{}?element={}", paths::backup_act(&r.id, "links"), c.element);
        post(action, "button plain small", "Get link", format!("to the {} of {}", c.element, when(r.created)))
    });
    let word = (c.state.word() != "succeeded").then(|| html! { <span class="word">{c.state.word()}</span> });
    html! { <li data-state=c.state.word()><span class="mark">{c.element.name()}</span><span class="size">{size}</span>{link}{word}</li> }
}

fn kept(o: &Overview, r: &LogRow) -> AnyView {
    if let Some(at) = r.deleted {
        let back = o.rights.may(Right::Delete).then(|| {
            post(paths::backup_act(&r.id, "take-back"), "button small", "Take back", format!("the backup of {}", when(r.created)))
        });
        let by = r.deleted_by.clone().map(|by| html! { <span class="wrap">"by "{by}</span> });
        let purge = r.purge.map(|at| html! { <span>"goes for good "{time(at)}</span> });
        return html! { <span>"deleted "{time(at)}</span>{by}{purge}{back} }.into_any();
    }
    let until = r.fate.as_ref().filter(|_| r.state.is_final()).map(super::retention::fate);
    let proven =
        r.proven.filter(|_| r.state.is_usable()).map(|at| html! { <span class="mark" data-state="proven">"proven "{time(at)}</span> });
    let pin = (r.state.is_usable() && o.rights.may(Right::Create)).then(|| {
        let (act, label) = if r.pinned { ("unpin", "Unpin") } else { ("pin", "Pin") };
        post(paths::backup_act(&r.id, act), "button plain small", label, format!("the backup of {}", when(r.created)))
    });
    html! { {until}{proven}{pin} }.into_any()
}

/// The question without its page, to be followed by another one.
fn asked(q: &LogQuery) -> String {
    let pairs = [
        ("element", &q.element),
        ("state", &q.state),
        ("how", &q.how),
        ("q", &q.q),
        ("from", &q.from),
        ("until", &q.until),
        ("trash", &q.trash),
    ];
    pairs.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| format!("{k}={}&", percent(v))).collect()
}

fn pager(o: &Overview, log: &Log) -> AnyView {
    let base = format!("{}?{}", paths::environment(&o.card.id), asked(&log.asked));
    let zone = use_context::<Zone>().unwrap_or_default().name();
    let newest = (!log.asked.after.is_empty()).then(|| html! { <a class="button small" href=base.clone()>"Newest"</a> });
    let older = log.older.as_ref().map(|id| html! { <a class="button small" href=format!("{base}after={id}") rel="next">"Older"</a> });
    html! {
        <nav class="pager" aria-label="Pages of the log"><span class="row">{newest}{older}</span><small>{format!("Times in {zone}")}</small></nav>
    }
}

fn none_yet(o: &Overview) -> AnyView {
    let title = o.card.title();
    let create = o.rights.may(Right::Create).then(|| {
        html! { <a class="button primary" data-opens="create" href=paths::create_backup(&o.card.id)>{format!("Create the first backup of {title}")}</a> }
    });
    html! { <div class="empty"><h3>"No backup yet"</h3><p>{format!("Until there is one, {title} cannot be brought back.")}</p>{create}</div> }
}

fn nothing(o: &Overview) -> AnyView {
    html! { <div class="empty"><h3>"No backup is like this"</h3><p>"Nothing matches what you asked for."</p><a class="button" href=paths::environment(&o.card.id)>"Show all backups"</a></div> }
}
