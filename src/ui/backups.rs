//! One backup: its elements, what was left out, its log, and what can be done with it.

use super::kit::{crumbs, iso, post, progress, state, table, text_area, time, trail, when};
use super::shell::{Shell, page as whole};
use crate::base::clock::Millis;
use crate::base::units;
use crate::base::words::shown;
use crate::domain::downloads::Download;
use crate::domain::drill::Badge;
use crate::domain::links::{DownloadLink, LinkState};
use crate::domain::page::{JobRow, LONGEST_NOTE, Rights};
use crate::domain::paths;
use crate::domain::rights::Right;
use crate::domain::view::{Backup, BackupElement, LogLine};
use leptos::prelude::*;
use serde_json::Value;

/// What the page shows.
#[derive(Clone, Debug)]
pub struct Page {
    pub backup: Backup,
    pub rights: Rights,
    /// What the drills of it say.
    pub badge: Badge,
    pub job: Option<JobRow>,
    pub log: Vec<LogLine>,
    /// Download links of it that are good or have ended.
    pub links: Vec<DownloadLink>,
    /// Prepared downloads of it, newest first, with the jobs of those that are on their way.
    pub downloads: Vec<(Download, Option<JobRow>)>,
    /// Its database can be had as a dump for `pg_restore`.
    pub as_dump: bool,
    /// The form that asks for one is open.
    pub preparing: bool,
    /// Letters are sent.
    pub letters: bool,
    /// A link that was just made: shown to be copied.
    pub new_link: Option<DownloadLink>,
}

pub fn page(shell: Shell, p: Page) -> String {
    let moving = !p.backup.state.is_final() || p.downloads.iter().any(|(d, _)| d.state.is_moving());
    let shell = shell.live(format!("backup:{}", p.backup.id), moving);
    whole(shell, move || {
        let b = &p.backup;
        let title = format!("{}.{}", b.site, b.environment);
        let created = iso(&b.created).unwrap_or_default();
        html! {
            {crumbs(trail(&b.tenant, &title, &b.environment_id), format!("Backup of {}", when(created)))}
            <div class="row spread">
                <div class="stack tight">
                    <h1 class="wrap"><span id="reason" data-part="">{b.reason.clone()}</span>" "<span id="state" data-part="">{state(b.state.word())}</span></h1>
                    <span class="soft">{title.clone()}" · "{time(created)}" · "{b.initiator.clone()}</span>
                    {b.due.as_deref().and_then(iso).and_then(|due| late(due, b.started.as_deref().and_then(iso)))}
                </div>
                {actions(&p, &title, created)}
            </div>
            {new_link(p.new_link.as_ref())}
            <div id="notes" data-part="" class="stack">{notes(&p)}</div>
            <section class="stack" id="elements" data-part="" aria-labelledby="elements-title">
                <h2 id="elements-title">"Elements"</h2>{elements(&p)}
            </section>
            <div class="split">{facts(&p)}{left_out(b)}</div>
            {super::prepared::section(&p)}
            {links(&p)}
            {super::jobs::task_log(&p.log)}
        }
    })
}

/// When a run was due and when it really began, where the two are worth telling apart.
pub fn late(due: Millis, began: Option<Millis>) -> Option<AnyView> {
    let ran = match began {
        Some(at) if at.0 - due.0 < 60 * Millis::SECOND => return None,
        Some(at) => html! { ", ran at "{time(at)} }.into_any(),
        None => html! { ", has not begun yet" }.into_any(),
    };
    Some(html! { <span class="soft small">"Due at "{time(due)}{ran}</span> })
}

fn actions(p: &Page, title: &str, created: Millis) -> AnyView {
    let b = &p.backup;
    let usable = b.state.is_usable() && b.deleted.is_none();
    let may = |right| p.rights.may(right);
    let pin = (usable && may(Right::Create)).then(|| {
        let (act, label) = if b.pinned { ("unpin", "Unpin") } else { ("pin", "Pin") };
        post(paths::backup_act(&b.id, act), "button", label, "this backup")
    });
    let verify =
        (usable && may(Right::Create)).then(|| post(paths::backup_act(&b.id, "verify"), "button", "Read back", "everything in the backup"));
    let drill = (usable && may(Right::Create)).then(|| super::drills::run(&b.environment_id, Some(&b.id), "Run a drill of it"));
    let delete = (b.state.is_final() && b.deleted.is_none() && may(Right::Delete))
        .then(|| post(paths::backup_act(&b.id, "delete"), "button", "Delete", format!("the backup of {}", when(created))));
    let back = (b.deleted.is_some() && b.expired.is_none() && may(Right::Delete))
        .then(|| post(paths::backup_act(&b.id, "take-back"), "button", "Take back", "out of the trash"));
    let restore = (usable && may(Right::Restore)).then(|| {
        let href = format!("{}?backup={}", paths::choose_restore(&b.environment_id), b.id);
        html! { <a class="button primary" href=href>{format!("Restore {title} to {}…", when(created))}</a> }
    });
    let cancel = p
        .job
        .as_ref()
        .filter(|j| j.finished.is_none() && !j.cancel_requested && may(Right::Create))
        .map(|j| post(paths::cancel(&j.id), "button", format!("Cancel the backup of {title}"), ""));
    let changed = usable.then(|| html! { <a class="button" href=paths::compare(&b.id, "")>"What changed"</a> });
    html! { <div class="actions" id="acts" data-part="">{changed}{pin}{verify}{drill}{delete}{back}{cancel}{restore}</div> }
}

/// A link that was just made, to be copied.
pub(super) fn new_link(link: Option<&DownloadLink>) -> Option<AnyView> {
    link.and_then(|link| {
        let url = link.url.clone()?;
        let until = when(iso(&link.expires).unwrap_or_default());
        let what = link.path.as_ref().map_or_else(|| format!("the {}", link.element), |path| shown(path.as_bytes()));
        Some(html! {
            <div class="note" data-kind="good" role="status">
                <strong class="wrap">{format!("A link to {what}, good until {until}")}</strong>
                <span>"Whoever has it can download without signing in. Every use is shown here, and the owners are told."</span>
                <div class="row"><code class="wrap" id="new-link">{url.clone()}</code><button class="button small" type="button" hidden data-copies="new-link">"Copy"</button>
                <a class="button small" href=url>"Download"</a></div>
            </div>
        })
    })
}

fn notes(p: &Page) -> AnyView {
    let b = &p.backup;
    let expired = b.expired.as_deref().and_then(iso).map(|at| {
        html! { <div class="note" data-kind="bad"><strong>"This backup was purged"</strong><span>"Since "{time(at)}" nothing can be restored from it. This page stays for what refers to it."</span></div> }
    });
    let deleted = b.deleted.as_deref().and_then(iso).filter(|_| b.expired.is_none()).map(|at| {
        html! { <div class="note" data-kind="warn"><strong>"This backup is in the trash"</strong><span>"Deleted "{time(at)}". Nothing was removed yet; it can be taken back"{b.purge.as_deref().and_then(iso).map(|at| html! { " until "{time(at)} })}"."</span></div> }
    });
    let failed = b.message.clone().map(|message| {
        let hint = b.hint.clone().map(|h| html! { <span>{super::errors::capital(&h)}</span> });
        html! { <div class="note" data-kind="bad"><strong class="wrap">{super::errors::capital(&message)}</strong>{hint}</div> }
    });
    let problems: usize = b.elements.iter().map(|e| e.problems.len()).sum();
    let incomplete = (problems > 0).then(|| {
        html! {
            <div class="note" data-kind="warn">
                <strong class="mark" data-state="incomplete">{format!("{} could not be read as they should be", units::count(problems as u64, "file"))}</strong>
                <span>"The rest is whole and can be restored. They are listed below; make them readable and create a backup again."</span>
            </div>
        }
    });
    let warnings: Vec<_> = b.warnings.iter().map(|w| html! { <li class="wrap">{w.clone()}</li> }).collect();
    let warnings = (!warnings.is_empty())
        .then(|| html! { <div class="note" data-kind="warn"><strong>"Worth knowing"</strong><ul>{warnings}</ul></div> });
    let now = use_context::<super::Now>().unwrap_or_default().0;
    let running = p.job.as_ref().filter(|j| j.finished.is_none()).map(|j| {
        let took = j.started.map(|at| now.0 - at.0);
        let waits = (j.state != "running")
            .then(|| html! { <p class="soft">{j.blocked_on.clone().unwrap_or_else(|| "waits for a free worker".into())}</p> });
        let bar = (j.state == "running").then(|| progress(&j.phase, j.bytes, j.bytes_total, j.files, took));
        html! { <div class="card stack tight">{bar}{waits}<p class="small"><a href=paths::job(&j.id)>"The job with its log"</a></p></div> }
    });
    html! { {running}{expired}{deleted}{failed}{incomplete}{warnings} }
}

fn elements(p: &Page) -> AnyView {
    let rows: Vec<_> = p.backup.elements.iter().map(|e| element(p, e)).collect();
    table("Elements of this backup", &["Element", "State", "#Size", "#Files", "Made with", ""], rows)
}

fn element(p: &Page, e: &BackupElement) -> AnyView {
    let made = made_with(&e.manifest);
    let usable = e.state.is_usable() && p.backup.deleted.is_none();
    let link = (usable && p.rights.may(Right::Download)).then(|| {
        let action = format!("{}?element={}", paths::backup_act(&p.backup.id, "links"), e.element);
        post(action, "button small", "Get link", format!("to the {}", e.element))
    });
    let inside = usable.then(|| {
        let href = paths::inside(&p.backup.id, &super::browse::begin(e.element));
        html! { <a class="button small" href=href>"Look inside"<span class="sr">{format!(" the {}", e.element)}</span></a> }
    });
    let hash = e.snapshot.clone().map(|s| html! { <br/><span class="hash" title="the snapshot in the repository">{s}</span> });
    html! {
        <tr role="row">
            <th role="rowheader" scope="row">{e.element.name()}{hash}</th>
            <td role="cell" data-label="State">{state(e.state.word())}</td>
            <td role="cell" class="num" data-label="Size"><span>{units::size(e.size)}</span></td>
            <td role="cell" class="num" data-label="Files"><span>{e.files}</span></td>
            <td role="cell" data-label="Made with"><span>{made}</span></td>
            <td role="cell"><div class="row">{inside}{link}</div></td>
        </tr>
    }
}

fn made_with(manifest: &Value) -> String {
    let text = |name: &str| manifest.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let commit = manifest.get("git").map(|git| {
        let of = |name: &str| git.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let short: String = of("commit").chars().take(12).collect();
        if of("tag").is_empty() { format!("commit {short}") } else { format!("tag {}, commit {short}", of("tag")) }
    });
    let server = Some(text("server_version")).filter(|v| !v.is_empty()).map(|v| format!("server {v}"));
    let parts: Vec<String> = [Some(text("tool")).filter(|t| !t.is_empty()), server, commit].into_iter().flatten().collect();
    if parts.is_empty() { "read directly".into() } else { parts.join(", ") }
}

fn facts(p: &Page) -> AnyView {
    let b = &p.backup;
    let moment = |text: &Option<String>| text.as_deref().and_then(iso);
    let took = moment(&b.started).zip(moment(&b.finished)).map(|(from, to)| super::kit::took(from, to));
    let kept = match (&b.fate, moment(&b.purge)) {
        (Some(fate), _) => super::retention::fate(fate),
        (None, Some(at)) if b.expired.is_none() => html! { "in the trash; goes for good "{time(at)} }.into_any(),
        _ => html! { "not any more" }.into_any(),
    };
    let note = p.rights.may(Right::Create).then(|| {
        html! {
            <details><summary>"Change the note"</summary>
                <form class="form" method="post" action=paths::backup_act(&b.id, "note")>
                    <div class="field"><label for="note">"Note"</label>{text_area("note", "note", b.note.as_deref().unwrap_or_default(), "note-hint", Some(LONGEST_NOTE))}
                    <span class="hint" id="note-hint">"Empty: the log shows why the backup was made."</span></div>
                    <div class="actions"><button class="button">"Save the note"</button></div>
                </form>
            </details>
        }
    });
    html! {
        <section class="stack"><h2>"Facts"</h2><div class="card stack"><dl class="facts" id="facts" data-part="">
            <dt>"Id"</dt><dd><code>{b.id.clone()}</code></dd>
            {moment(&b.started).map(|at| html! { <dt>"Began"</dt><dd>{time(at)}</dd> })}
            {took.map(|t| html! { <dt>"Took"</dt><dd>{t}</dd> })}
            <dt>"Kept"</dt><dd>{kept}</dd>
            {moment(&b.proven).map(|at| html! { <dt>"Proven"</dt><dd>{time(at)}": all of it was found in the repository"</dd> })}
            <dt>"Restore drill"</dt><dd>{super::drills::badge(&p.badge)}</dd>
            <dt>"Size"</dt><dd>{units::size(b.size)}", "{units::size(b.elements.iter().map(|e| e.stored).sum())}" of it new in the repository"</dd>
        </dl>{note}</div></section>
    }
}

const LISTED: usize = 100;

fn left_out(b: &Backup) -> AnyView {
    let mut problems: Vec<(String, String)> = Vec::new();
    let mut meant: Vec<(String, String)> = Vec::new();
    for e in &b.elements {
        problems.extend(e.problems.iter().map(|p| (p.path.clone(), p.reason.clone())));
        for l in e.manifest.get("left_out").and_then(Value::as_array).into_iter().flatten() {
            let of = |name: &str| l.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            meant.push((of("path"), of("why")));
        }
        let tables = e.manifest.get("structure_only").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        meant.extend(tables.map(|t| (t.to_owned(), "the rows of this table only cache".to_owned())));
    }
    let list = |all: Vec<(String, String)>| {
        let more = all.len().saturating_sub(LISTED);
        let lines: Vec<_> = all.into_iter().take(LISTED).map(|(path, why)| html! { <li><code>{path}</code>": "{why}</li> }).collect();
        let more = (more > 0).then(|| html! { <li>{format!("and {more} more")}</li> });
        html! { <ul class="stack tight small wrap">{lines}{more}</ul> }
    };
    let none = problems.is_empty() && meant.is_empty();
    let problems =
        (!problems.is_empty()).then(|| html! { <h3 class="mark" data-state="incomplete">"Could not be read"</h3>{list(problems)} });
    let meant = (!meant.is_empty()).then(|| html! { <h3>"On purpose"</h3>{list(meant)} });
    html! {
        <section class="stack"><h2>"Left out"</h2><div class="card stack" id="left-out" data-part="">
            {problems}{meant}{none.then(|| html! { <p class="soft">"Nothing was left out."</p> })}
        </div></section>
    }
}

fn links(p: &Page) -> Option<AnyView> {
    let may = p.rights.may(Right::Download);
    let rows: Vec<_> = p.links.iter().map(|l| link(l, may)).collect();
    (!rows.is_empty()).then(|| {
        html! {
            <section class="stack"><h2>"Download links"</h2>
                {table("Download links of this backup", &["Element", "State", "Made", "Good until", "#Uses", ""], rows)}
            </section>
        }
    })
}

fn link(l: &DownloadLink, may: bool) -> AnyView {
    let created = iso(&l.created).unwrap_or_default();
    let what = l.path.as_ref().map_or_else(|| format!("the {}", l.element), |path| shown(path.as_bytes()));
    let prepared = l.archive.is_some().then(|| html! { <small>"prepared"</small> });
    let most = l.most_uses.map(|most| format!(" of {most}"));
    let about = format!("the link to {what} of {}", when(created));
    let act = may.then(|| match l.state {
        LinkState::Open => post(paths::link_revoke(&l.id), "button small", "Revoke", about).into_any(),
        _ => post(paths::link_renew(&l.id), "button small", "Renew", about).into_any(),
    });
    let word = match l.state {
        LinkState::Open => "active",
        LinkState::Expired => "expired",
        LinkState::Used => "used up",
        LinkState::Revoked => "revoked",
    };
    let show = l.page.is_some().then(|| {
        html! { <a class="button small" href=format!("{}?link={}", paths::backup(&l.backup), l.id)>"Show"<span class="sr">{" the link"}</span></a> }
    });
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="wrap">{l.element.name()}{l.path.as_ref().map(|path| html! { <small>{shown(path.as_bytes())}</small> })}{prepared}</th>
            <td role="cell" data-label="State">{state(word)}</td>
            <td role="cell" data-label="Made"><span>{time(created)}" by "{l.created_by.clone()}</span></td>
            <td role="cell" data-label="Good until">{iso(&l.expires).map(time)}</td>
            <td role="cell" class="num" data-label="Uses"><span>{l.uses}{most}{l.last_used.as_deref().and_then(iso).map(|at| format!(", last {}", super::kit::ago(at)))}</span></td>
            <td role="cell"><div class="row">{show}{act}</div></td>
        </tr>
    }
}
