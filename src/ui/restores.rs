//! A restore: its steps as they happen, what it left aside, and the way back.

use super::kit::{ago, crumbs, iso, post, progress, state, time, trail, when};
use super::shell::{Shell, page as whole};
use crate::domain::page::{JobRow, Rights};
use crate::domain::paths;
use crate::domain::rights::Right;
use crate::domain::state::RestoreState;
use crate::domain::view::{Backup, LogLine, Restore, Step};
use leptos::prelude::*;

/// What the page shows.
#[derive(Clone, Debug)]
pub struct Page {
    pub restore: Restore,
    /// What it goes back to.
    pub backup: Backup,
    pub rights: Rights,
    pub job: Option<JobRow>,
    pub log: Vec<LogLine>,
    pub problem: Option<(String, Option<String>)>,
}

impl Page {
    fn title(&self) -> String {
        format!("{}.{}", self.restore.site, self.restore.environment)
    }
    fn noun(&self) -> &'static str {
        if self.restore.kind == "undo" { "Undo" } else { "Restore" }
    }
}

pub fn page(shell: Shell, p: Page) -> String {
    let moving = !p.restore.state.is_final();
    let shell = shell.live(format!("restore:{}", p.restore.id), moving);
    whole(shell, move || {
        let r = &p.restore;
        let created = iso(&r.created).unwrap_or_default();
        let cancel = p
            .job
            .as_ref()
            .filter(|j| j.finished.is_none() && !j.cancel_requested && p.rights.may(Right::Restore))
            .map(|j| post(paths::cancel(&j.id), "button", format!("Cancel the {} of {}", p.noun().to_lowercase(), p.title()), ""));
        html! {
            {crumbs(trail(&r.tenant, &p.title(), &r.environment_id), format!("{} of {}", p.noun(), when(created)))}
            <div class="row spread">
                <h1>{format!("{} of {}", p.noun(), p.title())}" "<span id="state" data-part="">{state(r.state.word())}</span></h1>
                <div class="actions" id="acts" data-part="">{cancel}</div>
            </div>
            {super::kit::problem(p.problem.clone())}
            <div id="ending" data-part="" class="stack">{ending(&p)}</div>
            <div class="split">
                <section class="stack"><h2>"Steps"</h2><div class="card" id="steps" data-part="">{steps(&p)}</div></section>
                <section class="stack">
                    <h2>"Facts"</h2><div class="card" id="facts" data-part="">{facts(&p)}</div>
                    <div id="undo" data-part="" class="stack">{undo(&p)}</div>
                </section>
            </div>
            {super::jobs::task_log(&p.log)}
        }
    })
}

fn ending(p: &Page) -> AnyView {
    let r = &p.restore;
    let (kind, words) = match r.state {
        RestoreState::Succeeded if r.undone_by.is_some() => ("warn", "It was undone: what it had replaced is back"),
        RestoreState::Succeeded => ("good", "Everything was switched, and the site was checked afterwards"),
        RestoreState::Unwinding => ("warn", "It failed after the switch had begun, and everything is being switched back"),
        RestoreState::Unwound => ("bad", "It failed, and everything was switched back: the site is as it was before"),
        RestoreState::Failed => ("bad", "It failed before anything was changed: the site is as it was before"),
        RestoreState::Cancelled => ("warn", "It was cancelled: the site is as it was before"),
        RestoreState::Stuck => ("bad", "It could go neither forward nor back. The environment is locked until somebody has looked"),
        RestoreState::Queued | RestoreState::Running => return ().into_any(),
    };
    let role = if kind == "bad" { "alert" } else { "status" };
    let message = r.message.clone().map(|m| html! { <span class="wrap">{super::errors::capital(&m)}"."</span> });
    let hint = r.hint.clone().map(|h| html! { <span class="wrap">{super::errors::capital(&h)}"."</span> });
    html! { <div class="note" data-kind=kind role=role><strong>{words}</strong>{message}{hint}</div> }.into_any()
}

fn steps(p: &Page) -> AnyView {
    let now = use_context::<super::Now>().unwrap_or_default().0;
    let job = p.job.as_ref().filter(|j| j.state == "running");
    let one = |s: &Step| {
        let word = s.state.word();
        let took = s
            .started
            .as_deref()
            .and_then(iso)
            .zip(s.finished.as_deref().and_then(iso))
            .filter(|(from, to)| to.0 - from.0 >= 1000)
            .map(|(from, to)| format!(" · {}", super::kit::took(from, to)));
        let message = s.message.clone().map(|m| html! { <small class="wrap">{m}</small> });
        let began = s.started.as_deref().and_then(iso);
        let bar =
            job.filter(|_| word == "started").map(|j| progress(phase(j, s), j.bytes, j.bytes_total, j.files, began.map(|at| now.0 - at.0)));
        html! { <li data-state=word><strong>{s.title.clone()}</strong><span class="word">{word}{took}</span>{message}{bar}</li> }
    };
    let all: Vec<_> = p.restore.steps.iter().map(one).collect();
    let waits = p.job.as_ref().filter(|j| matches!(j.state.as_str(), "queued" | "retry_wait")).map(|j| {
        let why = j.blocked_on.clone().unwrap_or_else(|| "waits for a free worker".into());
        html! { <p class="soft small">{super::errors::capital(&why)}"."</p> }
    });
    html! { {waits}<ol class="steps">{all}</ol> }
}

/// What the bar says; the title of the step stands above it already.
fn phase<'a>(job: &'a JobRow, step: &Step) -> &'a str {
    if job.phase == step.title { "So far" } else { &job.phase }
}

fn facts(p: &Page) -> AnyView {
    let r = &p.restore;
    let moment = |text: &Option<String>| text.as_deref().and_then(iso);
    let to = iso(&p.backup.created).unwrap_or_default();
    let took = moment(&r.started).zip(moment(&r.finished)).map(|(from, to)| super::kit::took(from, to));
    let names = super::kit::names(&r.elements);
    let only: Vec<String> = r.paths.iter().cloned().chain(r.tables.iter().map(|t| super::restore::table_named(t))).collect();
    html! {
        <dl class="facts">
            <dt>"To"</dt><dd><a class="wrap" href=paths::backup(&r.backup)>{time(to)}" - "{p.backup.reason.clone()}</a></dd>
            <dt>"Elements"</dt><dd>{names}</dd>
            {(!only.is_empty()).then(|| html! { <dt>"Only"</dt><dd class="wrap">{only.join(", ")}</dd> })}
            <dt>"By"</dt><dd>{r.initiator.clone()}", "{iso(&r.created).map(ago)}</dd>
            {took.map(|t| html! { <dt>"Took"</dt><dd>{t}</dd> })}
            {r.note.clone().map(|n| html! { <dt>"Note"</dt><dd class="wrap">{n}</dd> })}
            {r.safety_backup.clone().map(|id| html! { <dt>"Safety backup"</dt><dd><a href=paths::backup(&id)>"what was there before"</a></dd> })}
            {r.undo_of.clone().map(|id| html! { <dt>"Undoes"</dt><dd><a href=paths::restore(&id)>"this restore"</a></dd> })}
            {r.undone_by.clone().map(|id| html! { <dt>"Undone by"</dt><dd><a href=paths::restore(&id)>"this undo"</a></dd> })}
            {p.job.as_ref().map(|j| html! { <dt>"Job"</dt><dd><a href=paths::job(&j.id)>{j.state.replace('_', " ")}</a></dd> })}
        </dl>
    }
}

fn undo(p: &Page) -> AnyView {
    let r = &p.restore;
    let can = r.state == RestoreState::Succeeded && r.undone_by.is_none() && p.rights.may(Right::Restore);
    let stuck = r.state == RestoreState::Stuck && p.rights.may(Right::Restore);
    if !can && !stuck {
        return ().into_any();
    }
    let title = p.title();
    let noun = p.noun().to_lowercase();
    let words = match r.undo_until.as_deref().and_then(iso) {
        Some(until) if can => {
            html! { <p>"Until "{time(until)}" Undo puts everything back exactly. A safety backup of what is there then is made first."</p> }
                .into_any()
        }
        _ if stuck => html! { <p>"When what stood in the way is mended, this goes on with the way back."</p> }.into_any(),
        _ => html! { <p>"What it replaced does not lie aside any more: Undo restores the safety backup."</p> }.into_any(),
    };
    let label = if stuck { format!("Take the {noun} of {title} back") } else { format!("Undo the {noun} of {title}") };
    html! {
        <h2>"Undo"</h2>
        <form class="form card" method="post" action=paths::undo(&r.id)>
            {words}
            <input type="hidden" name="key" value=super::kit::once()/>
            <div class="actions"><button class="button danger">{label}</button></div>
        </form>
    }
    .into_any()
}
