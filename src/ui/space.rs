//! What backups take, and how it grew.

use super::kit::time;
use crate::base::units;
use crate::domain::paths;
use crate::domain::space::{RepositoryHealth, Space, SpaceRow};
use leptos::prelude::*;

/// What an environment, or a tenant's environments, use.
pub fn section(s: &Space) -> AnyView {
    let whole =
        s.bytes.map(|bytes| html! { <p>{format!("On the storage: {}, packed, encrypted, and each piece once.", units::size(bytes))}</p> });
    html! {
        <section class="stack" aria-labelledby="space"><h2 id="space">"Space"</h2><div class="card stack">
            {whole}{table(&s.rows)}{growth(&s.growth)}{s.health.as_ref().map(health)}
        </div></section>
    }
}

fn table(rows: &[SpaceRow]) -> Option<AnyView> {
    let row = |r: &SpaceRow| {
        html! {
            <tr role="row">
                <th role="rowheader" scope="row" class="regular"><a class="wrap" href=paths::environment(&r.environment_id)>{r.environment.clone()}</a></th>
                <td role="cell" class="num" data-label="Backups">{r.backups}</td>
                <td role="cell" class="num" data-label="Size">{units::size(r.size)}</td>
                <td role="cell" class="num" data-label="Stored">{units::size(r.stored)}</td>
                <td role="cell" class="num" data-label="In the trash">{units::size(r.trash)}</td>
            </tr>
        }
    };
    let lines: Vec<_> = rows.iter().map(row).collect();
    (!lines.is_empty()).then(|| {
        html! {
            <table class="table cards" role="table">
                <caption class="sr">"Space by environment"</caption>
                <thead role="rowgroup"><tr role="row">
                    <th role="columnheader" scope="col">"Environment"</th><th role="columnheader" scope="col" class="num">"Backups"</th>
                    <th role="columnheader" scope="col" class="num">"Size"</th><th role="columnheader" scope="col" class="num">"Stored"</th>
                    <th role="columnheader" scope="col" class="num">"In the trash"</th>
                </tr></thead>
                <tbody role="rowgroup">{lines}</tbody>
            </table>
        }
    })
}

const WIDE: i64 = 600;
const HIGH: i64 = 80;

/// The sizes of the last days as a line; nothing where there are not two yet.
pub fn growth(points: &[(i64, i64)]) -> Option<AnyView> {
    let ((first, least), (last, most)) = (points.first()?, points.last()?);
    if first == last {
        return None;
    }
    let top = points.iter().map(|p| p.1).max().unwrap_or(1).max(1);
    let at = |(day, bytes): &(i64, i64)| format!("{},{}", (day - first) * WIDE / (last - first), HIGH - bytes * (HIGH - 4) / top);
    let line = points.iter().map(at).collect::<Vec<_>>().join(" ");
    let area = format!("0,{HIGH} {line} {WIDE},{HIGH}");
    let size = |bytes: i64| units::size(bytes.unsigned_abs());
    let words = format!(
        "Size over {}: from {} to {}, at most {}",
        units::count((last - first).unsigned_abs(), "day"),
        size(*least),
        size(*most),
        size(top)
    );
    Some(html! {
        <figure class="growth">
            <svg viewBox=format!("0 0 {WIDE} {HIGH}") role="img" aria-label=words.clone() preserveAspectRatio="none">
                <polygon points=area/><polyline points=line fill="none" vector-effect="non-scaling-stroke"/>
            </svg>
            <figcaption class="small soft">{words}</figcaption>
        </figure>
    })
}

/// How a repository is, as facts.
pub fn health(h: &RepositoryHealth) -> AnyView {
    let damaged = h.damaged.clone().map(|what| {
        html! { <div class="note" data-kind="bad"><strong>"Something in the repository is not what was written"</strong><span class="wrap">{what}</span><span>"Prove the backups that you need, and make a new one now."</span></div> }
    });
    let cleaned = h.cleaned.map(|at| html! { {time(at)} }.into_any()).unwrap_or_else(|| html! { "not yet" }.into_any());
    let checked = match (h.checked, h.checking_since) {
        (Some(at), _) => html! { {time(at)} }.into_any(),
        (None, Some(at)) => html! { "going on since "{time(at)} }.into_any(),
        (None, None) => html! { "not yet" }.into_any(),
    };
    let marked = (h.marked > 0).then(|| html! { <dt>"To be freed"</dt><dd>{units::size(h.marked)}</dd> });
    html! {
        {damaged}
        <dl class="facts"><dt>"All read back"</dt><dd>{checked}</dd><dt>"Cleaned up"</dt><dd>{cleaned}</dd>{marked}</dl>
    }
}
