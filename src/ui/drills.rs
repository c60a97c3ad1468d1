//! A drill: what was restored into a scratch place, what it was compared with, and what came of it.

use super::kit::{ago, crumbs, iso, post, progress, state, table, time, trail, when};
use super::shell::{Shell, page as whole};
use crate::base::units;
use crate::domain::drill::{Badge, Boot, Compared, Database, DrillState, Evidence, Pair, Proof, Table};
use crate::domain::page::{JobRow, Rights};
use crate::domain::paths;
use crate::domain::rights::Right;
use crate::domain::view::{Drill, LogLine};
use leptos::prelude::*;

/// What the page shows.
#[derive(Clone, Debug)]
pub struct Page {
    pub drill: Drill,
    pub rights: Rights,
    pub job: Option<JobRow>,
    pub log: Vec<LogLine>,
}

pub fn page(shell: Shell, p: Page) -> String {
    let moving = !p.drill.state.is_final();
    let shell = shell.live(format!("drill:{}", p.drill.id), moving);
    whole(shell, move || {
        let d = &p.drill;
        let title = format!("{}.{}", d.site, d.environment);
        let created = iso(&d.created).unwrap_or_default();
        html! {
            {crumbs(trail(&d.tenant, &title, &d.environment_id), format!("Drill of {}", when(created)))}
            <div class="row spread">
                <div class="stack tight">
                    <h1>{format!("Drill of {title}")}" "<span id="state" data-part="">{state(d.state.word())}</span></h1>
                    <span class="soft">{time(created)}" · "{d.initiator.clone()}</span>
                </div>
                <div class="actions" id="acts" data-part="">{actions(&p, &title)}</div>
            </div>
            <div id="ending" data-part="" class="stack">{ending(&p)}</div>
            <div id="evidence" data-part="" class="stack">{d.evidence.as_ref().map(evidence)}</div>
            <section class="stack"><h2>"Facts"</h2><div class="card" id="facts" data-part="">{facts(d)}</div></section>
            {super::jobs::task_log(&p.log)}
        }
    })
}

fn actions(p: &Page, title: &str) -> AnyView {
    let d = &p.drill;
    let cancel = p
        .job
        .as_ref()
        .filter(|j| j.finished.is_none() && !j.cancel_requested && p.rights.may(Right::Create))
        .map(|j| post(paths::cancel(&j.id), "button", format!("Cancel the drill of {title}"), ""));
    let again = (d.state.is_final() && p.rights.may(Right::Create)).then(|| run(&d.environment_id, None, "Run a drill now"));
    let download = d.state.is_final().then(|| html! { <a class="button" href=paths::drill_evidence(&d.id)>"Download the evidence"</a> });
    html! { {cancel}{again}{download} }
}

/// The button that asks for a drill, of the newest good backup or of this one.
pub fn run(environment: &str, backup: Option<&str>, label: &'static str) -> AnyView {
    let which = backup.map(|id| html! { <input type="hidden" name="backup" value=id.to_owned()/> });
    html! { <form class="inline" method="post" action=paths::run_drill(environment)>{which}<button class="button">{label}</button></form> }
        .into_any()
}

/// What the badge says, with the way to the evidence.
pub fn badge(b: &Badge) -> AnyView {
    let word = state(b.proof.word());
    let said = match (b.proof, b.at) {
        (Proof::Never, _) | (_, None) => "no drill has been run".to_owned(),
        (Proof::Proven, Some(at)) => format!("restored whole {}, on {}", ago(at), when(at)),
        (Proof::Partly, Some(at)) => format!("restored in part {}, on {}", ago(at), when(at)),
        (Proof::Stale, Some(at)) => format!("the last drill was {}, on {}", ago(at), when(at)),
        (Proof::Failed, Some(at)) => format!("the drill failed {}, on {}", ago(at), when(at)),
    };
    let evidence = b.drill.as_ref().map(|id| html! { " "<a href=paths::drill(id)>"Evidence"</a> });
    html! { {word}" "{said}{evidence} }.into_any()
}

fn ending(p: &Page) -> AnyView {
    let d = &p.drill;
    let now = use_context::<super::Now>().unwrap_or_default().0;
    if let Some(j) = p.job.as_ref().filter(|j| j.finished.is_none()) {
        let took = j.started.map(|at| now.0 - at.0);
        let bar = (j.state == "running").then(|| progress(&j.phase, j.bytes, j.bytes_total, j.files, took));
        let waits = (j.state != "running")
            .then(|| html! { <p class="soft">{j.blocked_on.clone().unwrap_or_else(|| "waits for a free worker".into())}</p> });
        return html! { <div class="card stack tight">{bar}{waits}<p class="small"><a href=paths::job(&j.id)>"The job with its log"</a></p></div> }
            .into_any();
    }
    let message = d.message.as_deref().map(super::errors::capital);
    let hint = d.hint.as_deref().map(super::errors::capital).map(|hint| html! { <span class="wrap">{hint}"."</span> });
    match d.state {
        DrillState::Passed => {
            html! { <div class="note" data-kind="good"><strong>"The backup was restored whole"</strong><span>"Everything in it is as it was when it was made, and the scratch place is cleared away."</span></div> }
                .into_any()
        }
        DrillState::Partly => {
            html! { <div class="note" data-kind="warn"><strong>"Not everything was drilled"</strong><span class="wrap">{message}"."</span></div> }.into_any()
        }
        DrillState::Failed => {
            let title = d.fault.map_or("The drill failed", |f| f.title());
            html! { <div class="note" data-kind="bad" role="alert"><strong>{title}</strong><span class="wrap">{message}</span>{hint}</div> }.into_any()
        }
        _ => html! { <div class="note" data-kind="warn"><span class="wrap">{message}</span></div> }.into_any(),
    }
}

fn evidence(e: &Evidence) -> AnyView {
    let rows: Vec<_> = e.elements.iter().map(element).collect();
    let elements = (!rows.is_empty()).then(|| {
        let heads = ["Element", "#Files noted", "#Files found", "#Bytes noted", "#Bytes found", "#Hashes", "#Took"];
        html! { <section class="stack"><h2>"What was compared"</h2>{table("Elements of the backup", &heads, rows)}</section> }
    });
    let findings = list("What is wrong", "bad", e.findings.iter().map(|f| format!("{}: {}", f.fault.title(), f.message)).collect());
    let left = list("What was not drilled", "warn", e.not_drilled.clone());
    html! { {findings}{left}{elements}{e.database.as_ref().map(database)}{e.boot.as_ref().map(boot)} }.into_any()
}

fn list(title: &'static str, kind: &'static str, all: Vec<String>) -> Option<AnyView> {
    let lines: Vec<_> = all.into_iter().map(|l| html! { <li class="wrap">{super::errors::capital(&l)}</li> }).collect();
    (!lines.is_empty()).then(|| html! { <div class="note" data-kind=kind><strong>{title}</strong><ul>{lines}</ul></div> }.into_any())
}

fn element(c: &Compared) -> AnyView {
    let Pair { expected, found } = c.bytes;
    html! {
        <tr role="row">
            <th role="rowheader" scope="row">{c.element.name()}<br/><span class="hash" title="the snapshot in the repository">{c.snapshot.clone()}</span></th>
            <td role="cell" class="num" data-label="Files noted"><span>{c.files.expected}</span></td>
            <td role="cell" class="num" data-label="Files found"><span>{c.files.found}</span></td>
            <td role="cell" class="num" data-label="Bytes noted"><span>{units::size(expected)}</span></td>
            <td role="cell" class="num" data-label="Bytes found"><span>{units::size(found)}</span></td>
            <td role="cell" class="num" data-label="Hashes"><span>{c.hashed}</span></td>
            <td role="cell" class="num" data-label="Took"><span>{units::duration(c.took)}</span></td>
        </tr>
    }
    .into_any()
}

/// Tables shown; the download has all of them.
const SHOWN: usize = 200;

fn database(d: &Database) -> AnyView {
    let at = d.server.as_ref().map_or_else(|| "a file in the scratch folder".to_owned(), |s| format!("the server {s}"));
    let said = format!("Imported into {at}: {} {}, {}", d.engine, d.server_version, d.charset);
    let said = d.equality().map_or(said.clone(), |equality| format!("{said}. {equality}, by checksum."));
    // What differs is not among those that are left out.
    let mut tables: Vec<&Table> = d.tables.iter().collect();
    tables.sort_by_key(|t| t.equal != Some(false));
    let rows: Vec<_> = tables.into_iter().take(SHOWN).map(row).collect();
    let more = d.tables.len().saturating_sub(SHOWN);
    let more = (more > 0).then(|| html! { <p class="hint">{format!("and {more} more, in the download")}</p> });
    html! {
        <section class="stack"><h2>"Tables"</h2><p class="soft wrap">{said}</p>
            {table("Tables of the database", &["Table", "#Rows noted", "#Rows found", "Values"], rows)}{more}
        </section>
    }
    .into_any()
}

fn row(t: &Table) -> AnyView {
    let shown = |n: Option<u64>| n.map_or_else(|| "–".to_owned(), |n| n.to_string());
    let values = t.equal.map_or("–", |equal| if equal { "equal" } else { "others" });
    html! {
        <tr role="row">
            <th role="rowheader" scope="row"><span class="wrap">{t.name.clone()}</span></th>
            <td role="cell" class="num" data-label="Rows noted"><span>{shown(t.expected)}</span></td>
            <td role="cell" class="num" data-label="Rows found"><span>{shown(t.found)}</span></td>
            <td role="cell" data-label="Values"><span>{values}</span></td>
        </tr>
    }
    .into_any()
}

fn boot(b: &Boot) -> AnyView {
    let output = (!b.output.is_empty()).then(|| html! { <pre class="wrap"><code>{b.output.clone()}</code></pre> });
    html! {
        <section class="stack"><h2>"The restored site was started"</h2>
            <div class="card stack tight"><p>{super::errors::capital(&b.how)}", after "{units::duration(b.took)}</p>{output}</div>
        </section>
    }
    .into_any()
}

fn facts(d: &Drill) -> AnyView {
    let moment = |text: &Option<String>| text.as_deref().and_then(iso);
    let took = moment(&d.started).zip(moment(&d.finished)).map(|(from, to)| super::kit::took(from, to));
    html! {
        <dl class="facts">
            <dt>"Id"</dt><dd><code>{d.id.clone()}</code></dd>
            <dt>"Backup"</dt><dd><a href=paths::backup(&d.backup)>{d.backup.clone()}</a></dd>
            {moment(&d.started).map(|at| html! { <dt>"Began"</dt><dd>{time(at)}</dd> })}
            {took.map(|t| html! { <dt>"Took"</dt><dd>{t}</dd> })}
            {d.restore_took.map(|ms| html! { <dt>"Everything was restored in"</dt><dd>{units::duration(ms)}</dd> })}
        </dl>
    }
    .into_any()
}
