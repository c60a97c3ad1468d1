//! Prepared downloads on the page of their backup: the form that asks for one, what is on its way, what lies ready.

use super::backups::Page;
use super::kit::{ago, iso, once, option, post, progress, state, table, time, when};
use crate::base::units;
use crate::domain::downloads::{Archive, Download, DownloadState, Form};
use crate::domain::page::JobRow;
use crate::domain::paths;
use crate::domain::rights::Right;
use leptos::prelude::*;

/// The part of the page; nothing for who may not download.
pub fn section(p: &Page) -> Option<AnyView> {
    let usable = p.backup.state.is_usable() && p.backup.deleted.is_none() && p.backup.expired.is_none();
    if !p.rights.may(Right::Download) || !usable {
        return None;
    }
    Some(html! {
        <section class="stack" aria-labelledby="prepared-title">
            <h2 id="prepared-title">"Prepared downloads"</h2>
            <div class="stack" id="prepared" data-part="">{moving(p)}{ready(p)}{ended(p)}</div>
            {form(p)}
        </section>
    })
}

/// What is being prepared.
fn moving(p: &Page) -> AnyView {
    let all: Vec<_> = p.downloads.iter().filter(|(d, _)| d.state.is_moving()).map(|(d, job)| on_its_way(d, job.as_ref())).collect();
    html! { {all} }.into_any()
}

fn on_its_way(d: &Download, job: Option<&JobRow>) -> AnyView {
    let now = use_context::<super::Now>().unwrap_or_default().0;
    let what = names(d);
    let far = job.map(|j| match j.state.as_str() {
        "running" => progress(&j.phase, j.bytes, j.bytes_total, j.files, j.started.map(|at| now.0 - at.0)),
        _ => {
            let why = j.message.clone().or_else(|| j.blocked_on.clone()).unwrap_or_else(|| "waits for a free worker".into());
            html! { <p class="soft wrap">{super::errors::capital(&why)}</p> }
        }
    });
    let act = job.map(|j| {
        let cancel = (!j.cancel_requested).then(|| post(paths::cancel(&j.id), "button small", "Cancel", format!("preparing the {what}")));
        html! { <div class="row">{cancel}<a class="small" href=paths::job(&j.id)>"The job with its log"</a></div> }
    });
    html! { <div class="card stack tight"><strong>{format!("Preparing the {what}")}</strong>{far}{act}</div> }
}

/// `database and files`
fn names(d: &Download) -> String {
    let names: Vec<&str> = d.archives.iter().map(|a| a.element.name()).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [some @ .., last] => format!("{} and {last}", some.join(", ")),
    }
}

/// What lies ready, one line for each archive; the newest with a word that it is.
fn ready(p: &Page) -> AnyView {
    let ready: Vec<&Download> = p.downloads.iter().map(|(d, _)| d).filter(|d| d.state == DownloadState::Ready).collect();
    let now = use_context::<super::Now>().unwrap_or_default().0;
    let fresh = |d: &&&Download| d.finished.as_deref().and_then(iso).is_some_and(|at| now.0 - at.0 < 10 * 60_000);
    let notice = ready.first().filter(fresh).map(|d| {
        let title = format!("The download of the {} is ready", names(d));
        let said = match p.letters {
            true => format!("A letter with the links is on its way to {}. Or get a link here.", d.created_by),
            false => "Get a link to it here.".to_owned(),
        };
        html! { <div class="note" data-kind="good" role="status"><strong>{title}</strong><span class="wrap">{said}</span></div> }
    });
    let rows: Vec<_> = ready.iter().flat_map(|d| d.archives.iter().map(|a| row(d, a))).collect();
    let list = (!rows.is_empty()).then(|| table("Prepared downloads of this backup", &["File", "#Size", "Asked for", "Goes", ""], rows));
    html! { {notice}{list} }.into_any()
}

fn row(d: &Download, a: &Archive) -> AnyView {
    let about = format!("the {} as {}, prepared {}", a.element, a.form, iso(&d.created).map(when).unwrap_or_default());
    let link = post(paths::archive_link(&a.id), "button small", "Get link", format!("to {about}"));
    // All archives of one wish go together.
    let first = d.archives.first().is_some_and(|first| first.id == a.id);
    let what = if d.archives.len() > 1 { format!("the {}", names(d)) } else { about };
    let remove = first.then(|| post(paths::download_remove(&d.id), "button small", "Remove", what));
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="wrap"><code>{a.filename.clone()}</code><br/><span class="hash" title="SHA-256 of the file">{a.sha256.clone()}</span></th>
            <td role="cell" class="num" data-label="Size"><span>{a.size.map(units::size)}</span></td>
            <td role="cell" data-label="Asked for"><span>{iso(&d.created).map(time)}" by "{d.created_by.clone()}</span></td>
            <td role="cell" data-label="Goes"><span>{d.expires.as_deref().and_then(iso).map(ago)}</span></td>
            <td role="cell"><div class="row">{link}{remove}</div></td>
        </tr>
    }
    .into_any()
}

/// The newest wish, where it came to no good end: why.
fn ended(p: &Page) -> Option<AnyView> {
    let (d, _) = p.downloads.first().filter(|(d, _)| matches!(d.state, DownloadState::Failed | DownloadState::Cancelled))?;
    let message = d.message.as_deref().map(super::errors::capital);
    let hint = d.hint.as_deref().map(super::errors::capital).map(|hint| html! { <span class="wrap">{hint}"."</span> });
    Some(html! {
        <div class="note" data-kind="warn">
            <strong>{format!("The download of the {} was not prepared ", names(d))}{state(d.state.word())}</strong>
            <span class="wrap">{message}"."</span>{hint}
        </div>
    })
}

fn form(p: &Page) -> AnyView {
    let held: Vec<_> = p.backup.elements.iter().filter(|e| e.state.is_usable() && e.snapshot.is_some()).collect();
    if held.is_empty() {
        return html! { <p class="soft">"This backup holds nothing that could be downloaded."</p> }.into_any();
    }
    let told = if p.letters { " You get a letter with the links." } else { "" };
    let trees = held.iter().any(|e| e.element != crate::domain::element::Element::Database);
    let boxes: Vec<_> = held
        .iter()
        .map(|e| {
            let (name, size) = (e.element.name(), units::size(e.size));
            html! { <label class="choice"><input type="checkbox" name="element" value=name checked=true/><span>{super::errors::capital(name)}" "<span class="soft">{size}</span></span></label> }
        })
        .collect();
    let forms: Vec<_> = Form::TREES
        .iter()
        .map(|f| html! { <label class="choice"><input type="radio" name="form" value=f.word() checked={*f == Form::TarGz}/><code>{format!(".{f}")}</code></label> })
        .collect();
    let forms = trees.then(|| html! { <fieldset><legend>"Files and code as"</legend><div class="choices beside">{forms}</div></fieldset> });
    let dumps = p.as_dump.then(|| {
        html! {
            <fieldset><legend>"The database as"</legend><div class="choices beside">
                <label class="choice"><input type="radio" name="database" value=Form::SqlGz.word() checked=true/><span><code>".sql.gz"</code>" "<span class="soft">"for psql"</span></span></label>
                <label class="choice"><input type="radio" name="database" value=Form::Dump.word()/><span><code>".dump"</code>" "<span class="soft">"for pg_restore"</span></span></label>
            </div></fieldset>
        }
    });
    html! {
        <details class="card" id="prepare" open=p.preparing>
            <summary>"Prepare a download…"</summary>
            <form class="form" method="post" action=paths::backup_act(&p.backup.id, "downloads")>
                <p class="soft">"Archives are made in the background and lie ready for a week. A download of them that breaks off can be resumed."{told}</p>
                <input type="hidden" name="key" value=once()/>
                <fieldset><legend>"What to prepare"</legend><div class="choices beside">{boxes}</div></fieldset>
                {forms}{dumps}
                <div class="row">
                    <div class="field"><label for="p-hours">"The links are good for"</label><select class="input" id="p-hours" name="hours">
                        {option("1", "1 hour", "24")}{option("24", "1 day", "24")}{option("72", "3 days", "24")}{option("168", "7 days", "24")}
                    </select></div>
                    <div class="field"><label for="p-uses">"Each may be used"</label><select class="input" id="p-uses" name="uses">
                        {option("", "as often as one likes", "")}{option("1", "once", "")}{option("3", "3 times", "")}{option("10", "10 times", "")}
                    </select></div>
                </div>
                <div class="actions"><button class="button primary">"Prepare the download"</button></div>
            </form>
        </details>
    }
    .into_any()
}
