//! The queue of the installation: what runs, what waits and for what, and who works.

use crate::domain::page::{JobRow, Queue, Worker};
use crate::domain::paths;
use crate::ui::Now;
use crate::ui::kit::{ago, post, progress, state, table, time};
use crate::ui::shell::{Shell, page as whole};
use leptos::prelude::*;

pub fn page(shell: Shell, q: Queue) -> String {
    let moving = q.jobs.iter().any(|j| j.finished.is_none());
    whole(shell.live("jobs".into(), moving), move || {
        let rows: Vec<_> = q.jobs.iter().map(row).collect();
        let body = if rows.is_empty() {
            html! { <div class="empty"><h2>"No job"</h2><p>"No job of the installation is in this state."</p></div> }.into_any()
        } else {
            table("Jobs of every tenant, newest first", &["Job", "State", "How far", "Asked for", "Worker", ""], rows)
        };
        let older = q.older.as_ref().map(|id| {
            let href = format!("/admin/queue?state={}&after={id}", q.asked);
            html! { <nav class="pager" aria-label="Pages"><a class="button small" rel="next" href=href>"Older"</a></nav> }
        });
        let all = (!q.asked.is_empty()).then(|| html! { <p><a href="/admin/queue">"Show jobs in any state"</a></p> });
        html! {
            <h1>"Queue"</h1>
            <dl class="figures" id="counts" data-part="">{counts(&q)}</dl>
            {all}
            <section id="rows" data-part="" aria-label="Jobs">{body}</section>
            {older}
            {workers(&q.workers)}
        }
    })
}

fn counts(q: &Queue) -> Vec<AnyView> {
    let one = |(word, n): &(String, u64)| {
        let href = format!("/admin/queue?state={word}");
        let name = word.replace('_', " ");
        html! { <div><dt><a href=href><span class="mark" data-state=name.clone()>{name.clone()}</span></a></dt><dd>{*n}</dd></div> }
    };
    q.counts.iter().map(one).collect::<Vec<_>>()
}

fn row(job: &JobRow) -> AnyView {
    let now = use_context::<Now>().unwrap_or_default().0;
    let kind = crate::ui::jobs::kind(&job.kind);
    let about = job.environment.clone().unwrap_or_else(|| job.tenant.clone());
    let title = format!("{kind} of {about}");
    let far = match (job.state.as_str(), &job.blocked_on, &job.message) {
        ("running", ..) => progress(&job.phase, job.bytes, job.bytes_total, job.files, job.started.map(|at| now.0 - at.0)).into_any(),
        ("queued" | "retry_wait", why, _) => {
            let why = why.clone().unwrap_or_else(|| "waits for a free worker".into());
            html! { <span class="wrap">{why}</span> }.into_any()
        }
        (_, _, Some(message)) => html! { <span class="wrap">{crate::ui::errors::capital(message)}</span> }.into_any(),
        _ => ().into_any(),
    };
    let cancel = (job.finished.is_none() && !job.cancel_requested && job.kind != "drop_aside")
        .then(|| post(paths::cancel(&job.id), "button small", "Cancel", title.clone()));
    let again = job.finished.is_some() && job.kind == "create_backup" && job.state != "succeeded";
    let retry = again.then(|| post(paths::retry(&job.id), "button small", "Try again", title.clone()));
    let attempt = (job.attempt > 0).then(|| format!("attempt {}", job.attempt));
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="lead"><a class="wrap" href=paths::job(&job.id)>{kind}</a><small class="soft regular wrap">{about}</small></th>
            <td role="cell" class="lead">{state(&job.state)}</td>
            <td role="cell" data-label="How far">{far}</td>
            <td role="cell" data-label="Asked for"><span>{ago(job.created)}{job.initiator.clone().map(|i| format!(" by {i}"))}</span></td>
            <td role="cell" data-label="Worker"><span class="wrap">{job.worker.clone()}" "{attempt}</span></td>
            <td role="cell"><div class="actions">{cancel}{retry}</div></td>
        </tr>
    }
}

fn workers(all: &[Worker]) -> AnyView {
    let one = |w: &Worker| {
        html! {
            <tr role="row">
                <th role="rowheader" scope="row" class="wrap">{w.name.clone()}</th>
                <td role="cell" class="num" data-label="Runs now"><span>{w.running}</span></td>
                <td role="cell" data-label="Last began"><span>{ago(w.last)}" · "{time(w.last)}</span></td>
            </tr>
        }
    };
    let rows: Vec<_> = all.iter().map(one).collect();
    let body = if rows.is_empty() {
        html! { <p class="soft">"No worker has begun anything within two days."</p> }.into_any()
    } else {
        table("Workers that began something within two days", &["Worker", "#Runs now", "Last began"], rows)
    };
    html! { <section class="stack"><h2>"Workers"</h2><div id="workers" data-part="">{body}</div></section> }
}
