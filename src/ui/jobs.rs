//! Jobs: what runs and waits, one job with its log.

use super::kit::{ago, clock, crumbs, iso, post, progress, state, table, time};
use super::shell::{Shell, page as whole};
use crate::base::units;
use crate::base::zone::Zone;
use crate::domain::page::JobRow;
use crate::domain::paths;
use crate::domain::view::LogLine;
use leptos::prelude::*;

/// A kind of job, for people.
pub fn kind(kind: &str) -> String {
    match kind {
        "create_backup" => "Backup".into(),
        "run_restore" => "Restore".into(),
        "drop_aside" => "Clearing after a restore".into(),
        "clean_up" => "Clean-up of a repository".into(),
        "check_repository" => "Check of a repository".into(),
        "run_drill" => "Drill".into(),
        "verify_backup" => "Reading back".into(),
        "prepare_download" => "Download".into(),
        other => super::errors::capital(&other.replace('_', " ")),
    }
}

/// `Backup of acme/shop.live`
fn title(job: &JobRow) -> String {
    match &job.environment {
        Some(environment) => format!("{} of {environment}", kind(&job.kind)),
        None => kind(&job.kind),
    }
}

/// What a job works on, and its address.
fn subject(job: &JobRow) -> Option<(&'static str, String)> {
    match job.subject.split('_').next() {
        Some("bak") => Some(("backup", paths::backup(&job.subject))),
        Some("rst") => Some(("restore", paths::restore(&job.subject))),
        Some("drl") => Some(("drill", paths::drill(&job.subject))),
        _ => None,
    }
}

/// The list. `scope` is what it is a list of: the reader's jobs, or the whole queue.
pub fn list(shell: Shell, heading: &'static str, jobs: Vec<JobRow>, older: Option<String>, asked_state: String) -> String {
    let moving = jobs.iter().any(|j| j.finished.is_none());
    let path = shell.path.clone();
    whole(shell.live("jobs".into(), moving), move || {
        let rows: Vec<_> = jobs.iter().map(row).collect();
        let states = ["running", "queued", "retry_wait", "succeeded", "incomplete", "failed", "cancelled"];
        let options: Vec<_> =
            states.iter().map(|s| html! { <option value=*s selected={*s == asked_state}>{s.replace('_', " ")}</option> }).collect();
        let body = if rows.is_empty() {
            html! { <div class="empty"><h2>"No job"</h2><p>"Backups and restores that run or have run are listed here."</p></div> }
                .into_any()
        } else {
            table("Jobs, newest first", &["Job", "State", "How far", "Asked for", ""], rows)
        };
        let older = older.map(|id| html! { <nav class="pager" aria-label="Pages"><a class="button small" rel="next" href=format!("{path}?state={asked_state}&after={id}")>"Older"</a></nav> });
        html! {
            <h1>{heading}</h1>
            <form class="filters" method="get" aria-label="Filter jobs">
                <div class="field"><label for="s">"State"</label><select class="input" id="s" name="state"><option value="">"any state"</option>{options}</select></div>
                <div class="actions"><button class="button">"Show"</button></div>
            </form>
            <section id="rows" data-part="" aria-label="Jobs">{body}</section>
            {older}
        }
    })
}

fn row(job: &JobRow) -> AnyView {
    let now = use_context::<super::Now>().unwrap_or_default().0;
    let far = match (job.state.as_str(), &job.blocked_on, &job.message) {
        ("running", ..) => progress(&job.phase, job.bytes, job.bytes_total, job.files, job.started.map(|at| now.0 - at.0)).into_any(),
        ("queued" | "retry_wait", Some(why), _) => html! { <span class="wrap">{why.clone()}</span> }.into_any(),
        ("queued" | "retry_wait", None, _) => html! { <span>"waits for a free worker"</span> }.into_any(),
        (_, _, Some(message)) => html! { <span class="wrap">{super::errors::capital(message)}</span> }.into_any(),
        _ => took(job).map(|t| html! { <span>{format!("took {t}")}</span> }).into_any(),
    };
    let cancel = (job.finished.is_none() && !job.cancel_requested && job.kind != "drop_aside")
        .then(|| post(paths::cancel(&job.id), "button small", "Cancel", title(job)));
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="lead"><a class="wrap" href=paths::job(&job.id)>{title(job)}</a></th>
            <td role="cell" class="lead">{state(&job.state)}</td>
            <td role="cell" data-label="How far">{far}</td>
            <td role="cell" data-label="Asked for"><span>{ago(job.created)}{job.initiator.clone().map(|i| format!(" by {i}"))}</span></td>
            <td role="cell">{cancel}</td>
        </tr>
    }
}

fn took(job: &JobRow) -> Option<String> {
    Some(units::duration(job.finished?.0 - job.started?.0))
}

/// One job.
pub fn page(shell: Shell, job: JobRow, log: Vec<LogLine>, may_cancel: bool, may_retry: bool) -> String {
    let moving = job.finished.is_none();
    let shell = shell.live(format!("job:{}", job.id), moving);
    whole(shell, move || {
        let cancel = (moving && may_cancel && !job.cancel_requested)
            .then(|| post(paths::cancel(&job.id), "button", format!("Cancel the {}", title(&job).to_lowercase()), ""));
        let retry = (!moving && may_retry).then(|| post(format!("{}/retry", paths::job(&job.id)), "button", "Try again", title(&job)));
        html! {
            {crumbs(vec![("Jobs".into(), "/jobs".into())], title(&job))}
            <div class="row spread">
                <h1 class="wrap">{title(&job)}" "<span id="state" data-part="">{state(&job.state)}</span></h1>
                <div class="actions" id="acts" data-part="">{cancel}{retry}</div>
            </div>
            <section id="far" data-part="" class="stack" aria-label="Progress">{far(&job)}</section>
            {task_log(&log)}
            <section class="stack"><h2>"Facts"</h2><div class="card" id="facts" data-part="">{facts(&job)}</div></section>
        }
    })
}

fn far(job: &JobRow) -> AnyView {
    let now = use_context::<super::Now>().unwrap_or_default().0;
    let asked = (job.cancel_requested && job.finished.is_none()).then(
        || html! { <div class="note" data-kind="warn"><span>"It was asked to end, and does so at the next safe point."</span></div> },
    );
    let body = match (job.state.as_str(), &job.message) {
        ("running", _) => {
            let bar = progress(&job.phase, job.bytes, job.bytes_total, job.files, job.started.map(|at| now.0 - at.0));
            html! { <div class="card">{bar}</div> }.into_any()
        }
        ("queued" | "retry_wait", _) => {
            let why = job.blocked_on.clone().unwrap_or_else(|| "waits for a free worker".into());
            html! { <div class="card"><p>{super::errors::capital(&why)}"."</p></div> }.into_any()
        }
        ("succeeded", Some(message)) => html! { <div class="card"><p>{super::errors::capital(message)}"."</p></div> }.into_any(),
        (_, Some(message)) => {
            let hint = job.hint.clone().map(|h| html! { <span>{super::errors::capital(&h)}"."</span> });
            html! { <div class="note" data-kind="bad"><strong class="wrap">{super::errors::capital(message)}</strong>{hint}</div> }
                .into_any()
        }
        _ => ().into_any(),
    };
    let of = subject(job).map(|(what, href)| html! { <p><a class="button" href=href>{format!("Open the {what}")}</a></p> });
    html! { {asked}{body}{of} }
}

fn facts(job: &JobRow) -> AnyView {
    html! {
        <dl class="facts">
            <dt>"Job"</dt><dd><code>{job.id.clone()}</code>{(job.attempt > 1).then(|| format!(", attempt {}", job.attempt))}</dd>
            <dt>"Asked for"</dt><dd>{time(job.created)}{job.initiator.clone().map(|i| format!(" by {i}"))}</dd>
            {job.started.map(|at| html! { <dt>"Began"</dt><dd>{time(at)}", after it had waited "{units::duration(at.0 - job.created.0)}</dd> })}
            {job.finished.map(|at| html! { <dt>"Ended"</dt><dd>{time(at)}{took(job).map(|t| format!(", it took {t}"))}</dd> })}
        </dl>
    }
}

/// The lines that a job wrote for people.
pub fn task_log(lines: &[LogLine]) -> AnyView {
    let zone = use_context::<Zone>().unwrap_or_default().name();
    let all: Vec<_> = lines
        .iter()
        .map(|l| {
            let at = iso(&l.at).unwrap_or_default();
            html! { <li data-level=l.level.clone()>{clock(at)}<span class="level">{l.level.clone()}</span><span class="text">{l.text.clone()}</span></li> }
        })
        .collect();
    let body = if all.is_empty() {
        html! { <p class="soft">"Nothing was written yet."</p> }.into_any()
    } else {
        html! { <div class="log" role="log" tabindex="0" aria-labelledby="tl"><ol>{all}</ol></div> }.into_any()
    };
    html! {
        <section class="stack">
            <h2 id="tl">"Task log "<small class="soft">{format!("times in {zone}")}</small></h2>
            <div id="lines" data-part="">{body}</div>
        </section>
    }
}
