//! Inside a backup: its elements, folders, files, and the versions of a file. Names are shown so that they look like what
//! they are, whatever is in them.

use super::kit::{crumbs, iso, post, problem, table, time, trail, when};
use super::shell::{Shell, page as whole};
use crate::base::units;
use crate::base::words::{percent, shown};
use crate::domain::browse::{Asked, Entry, FileVersion, Found, HITS, Inner, Kind, Listing, Preview, TEXT};
use crate::domain::element::Element;
use crate::domain::links::DownloadLink;
use crate::domain::page::EnvironmentCard;
use crate::domain::paths;
use crate::domain::view::Backup;
use leptos::prelude::*;

/// What the page shows.
#[derive(Clone, Debug)]
pub struct Page {
    pub backup: Backup,
    pub listing: Listing,
    /// Where the page before ended.
    pub after: String,
    /// What was searched for, and found.
    pub name: String,
    pub found: Option<Found>,
    pub problem: Option<(String, Option<String>)>,
    /// Of a file, for whoever may see what is in it.
    pub preview: Option<Preview>,
    pub may_take: bool,
    pub may_restore: bool,
    pub new_link: Option<DownloadLink>,
}

/// Where something lies, as a query.
pub fn query(element: Element, path: &Inner) -> String {
    if path.is_root() { format!("element={element}") } else { format!("element={element}&path={}", path.query()) }
}

/// Where one begins to look around: in the one folder that holds all of an element.
pub fn begin(element: Element) -> String {
    match element {
        Element::Database => format!("element={element}"),
        Element::Files | Element::Code => format!("element={element}&path={element}"),
    }
}

pub fn page(shell: Shell, p: Page) -> String {
    whole(shell, move || {
        let (b, here) = (&p.backup, p.listing.inner());
        let created = iso(&b.created).unwrap_or_default();
        let name = match p.listing.element {
            None => "What is in this backup".to_owned(),
            Some(element) if here.is_root() => super::errors::capital(element.name()),
            Some(_) => shown(here.name()),
        };
        let body = match (&p.found, p.listing.kind) {
            (Some(found), _) => hits(&p, found),
            (None, Kind::File | Kind::Link | Kind::Other) => file(&p, &here),
            (None, _) => folder(&p),
        };
        html! {
            {way(&p, &here)}
            <div class="row spread">
                <div class="stack tight"><h1 class="wrap">{name}</h1>
                <span class="soft">{format!("{}.{}", b.site, b.environment)}" · backup of "{time(created)}</span></div>
                {acts(&p, &here)}
            </div>
            {super::backups::new_link(p.new_link.as_ref())}
            {problem(p.problem.clone())}
            {search(&p)}
            {body}
        }
    })
}

/// From the sites down to what is shown.
fn way(p: &Page, here: &Inner) -> AnyView {
    let b = &p.backup;
    let mut all = trail(&b.tenant, &format!("{}.{}", b.site, b.environment), &b.environment_id);
    all.push((format!("Backup of {}", when(iso(&b.created).unwrap_or_default())), paths::backup(&b.id)));
    let mut steps = vec![("Inside".to_owned(), paths::inside(&b.id, ""))];
    if let Some(element) = p.listing.element {
        for at in here.way() {
            let name = if at.is_root() { element.name().to_owned() } else { shown(at.name()) };
            steps.push((name, paths::inside(&b.id, &query(element, &at))));
        }
    }
    let last = steps.pop().map(|(name, _)| name).unwrap_or_default();
    all.extend(steps);
    crumbs(all, last)
}

fn acts(p: &Page, here: &Inner) -> Option<AnyView> {
    let element = p.listing.element.filter(|e| *e != Element::Database && !here.is_root())?;
    let query = query(element, here);
    let taken = matches!(p.listing.kind, Kind::File | Kind::Folder);
    let link = (p.may_take && taken)
        .then(|| post(paths::inside(&p.backup.id, &query), "button primary", "Get link", format!("to download {}", shown(here.name()))));
    let versions = (p.listing.kind == Kind::File)
        .then(|| html! { <a class="button" href=paths::versions(&p.backup.environment_id, &query)>"All versions"</a> });
    // All directories of files together are restored as the element.
    let whole = element == Element::Files && here.parent().is_root();
    let restore = (p.may_restore && taken && !whole).then(|| {
        let href = format!(
            "{}?backup={}{}",
            paths::choose_restore(&p.backup.environment_id),
            p.backup.id,
            super::restore::only(std::slice::from_ref(here))
        );
        let what = if p.listing.kind == Kind::File { "Restore this file…" } else { "Restore this folder…" };
        html! { <a class="button" href=href>{what}</a> }
    });
    Some(html! { <div class="actions">{versions}{restore}{link}</div> })
}

fn search(p: &Page) -> Option<AnyView> {
    let element = p.listing.element?;
    let action = format!("/backups/{}/browse", p.backup.id);
    Some(html! {
        <form class="row" method="get" action=action role="search">
            <input type="hidden" name="element" value=element.name()/>
            <label class="sr" for="name">{format!("A part of a name in the {element}")}</label>
            <input class="input" type="search" id="name" name="name" value=p.name.clone() placeholder="A part of a name" maxlength="255" required=true/>
            <button class="button">{format!("Search the {element}")}</button>
        </form>
    })
}

fn folder(p: &Page) -> AnyView {
    let l = &p.listing;
    if l.entries.is_empty() {
        return html! { <p class="soft">"Nothing is in here."</p> };
    }
    let rows: Vec<_> = l.entries.iter().map(|e| row(p, e, e.name.clone())).collect();
    let caption = format!("{} in all", l.total);
    let list = match l.element {
        None => table(caption, &["Element", "Kind", "#Size", "Changed", "Mode"], rows),
        Some(Element::Database) => {
            let rows: Vec<_> = l.entries.iter().map(|e| row_of_table(e, p.may_restore)).collect();
            choosing(p, table(caption, &["Table", "#Rows"], rows))
        }
        Some(_) => table(caption, &["Name", "Kind", "#Size", "Changed", "Mode"], rows),
    };
    let first = (!p.after.is_empty()).then(|| html! { <a class="button small" href=at(p, "")>"First"</a> });
    let next = l.next.as_ref().map(|next| html! { <a class="button small" rel="next" href=at(p, next)>"Next"</a> });
    html! {
        {list}
        <nav class="pager" aria-label="Pages"><span class="row">{first}{next}</span><small>{entries(l.total)}</small></nav>
    }
}

fn entries(n: u64) -> String {
    if n == 1 { "1 entry".to_owned() } else { format!("{n} entries") }
}

fn at(p: &Page, after: &str) -> String {
    let mut query = p.listing.element.map(|e| query(e, &p.listing.inner())).unwrap_or_default();
    if !after.is_empty() {
        query.push_str(&format!("&after={}", percent(after)));
    }
    paths::inside(&p.backup.id, &query)
}

fn row(p: &Page, e: &Entry, name: String) -> AnyView {
    let query = match (p.listing.element, e.kind) {
        (None, _) => Element::parse(&e.name).map(begin).unwrap_or_default(),
        (Some(element), _) => query(element, &e.inner()),
    };
    let slash = if e.kind == Kind::Folder { "/" } else { "" };
    let name = format!("{}{slash}", shown(name.as_bytes()));
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="wrap"><a href=paths::inside(&p.backup.id, &query)>{name}</a></th>
            <td role="cell" data-label="Kind"><span>{e.kind.word()}</span></td>
            <td role="cell" class="num" data-label="Size">{e.size.map(|size| html! { <span>{units::size(size)}</span> })}</td>
            <td role="cell" data-label="Changed">{e.modified.as_deref().and_then(iso).map(time)}</td>
            <td role="cell" data-label="Mode">{e.mode.clone().map(|mode| html! { <span>{mode}</span> })}</td>
        </tr>
    }
}

/// Whoever may restore can choose tables of a list, and restore them alone.
fn choosing(p: &Page, list: AnyView) -> AnyView {
    if !p.may_restore {
        return list;
    }
    html! {
        <form class="form" method="get" action=paths::choose_restore(&p.backup.environment_id)>
            <input type="hidden" name="backup" value=p.backup.id.clone()/>
            {list}
            <div class="actions"><button class="button">"Restore these tables…"</button></div>
        </form>
    }
}

fn row_of_table(e: &Entry, may_choose: bool) -> AnyView {
    let name = shown(e.name.as_bytes());
    let name = match may_choose {
        true => {
            html! { <label class="choice"><input type="checkbox" name="table" value=e.name.clone()/><span class="wrap">{name}</span></label> }
        }
        false => html! { {name} }.into_any(),
    };
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="wrap">{name}</th>
            <td role="cell" class="num" data-label="Rows">{e.rows.map(|rows| html! { <span>{rows}</span> })}</td>
        </tr>
    }
}

fn hits(p: &Page, found: &Found) -> AnyView {
    let said = format!("{} of {} names have “{}” in them.", found.entries.len(), found.looked, shown(p.name.as_bytes()));
    let stopped = found.stopped.then(|| {
        html! { <div class="note" data-kind="warn" role="status"><strong>"There may be more"</strong>
        <span>{format!("The search stopped early: it shows {HITS} at the most, and takes three seconds at the most. Search for a longer part of the name.")}</span></div> }
    });
    let database = p.listing.element == Some(Element::Database);
    let rows: Vec<_> =
        found.entries.iter().map(|e| if database { row_of_table(e, p.may_restore) } else { row(p, e, e.path.clone()) }).collect();
    let heads: &[&'static str] = if database { &["Table", "#Rows"] } else { &["Path", "Kind", "#Size", "Changed", "Mode"] };
    let list = (!found.entries.is_empty()).then(|| table("What was found", heads, rows));
    let list = if database { list.map(|list| choosing(p, list)) } else { list };
    html! { <p role="status">{said}</p>{stopped}{list} }
}

fn file(p: &Page, here: &Inner) -> AnyView {
    let Some(e) = p.listing.entries.first() else { return html! { <p class="soft">"Nothing is here."</p> } };
    let element = p.listing.element.unwrap_or(Element::Files);
    let shows = match &p.preview {
        None if e.kind == Kind::File => html! { <p class="soft">"What is in a file is shown to those who may download."</p> },
        None => html! { <p class="soft">"There is nothing in it to be shown. It is restored with the folder that it is in."</p> },
        Some(Preview::None(why)) => html! { <p class="soft">{*why}</p> },
        Some(Preview::Picture) => {
            html! { <img class="preview" src=paths::picture(&p.backup.id, &query(element, here)) alt=shown(here.name())/> }
        }
        Some(Preview::Text { text, cut }) => {
            let cut = cut.then(|| html! { <p class="soft">{format!("These are the first {}.", units::size(TEXT as u64))}</p> });
            html! { <pre class="wrap"><code>{text.clone()}</code></pre>{cut} }
        }
    };
    html! {
        <div class="card"><dl class="facts">
            <dt>"Path"</dt><dd><code class="wrap">{here.shown()}</code></dd>
            <dt>"Kind"</dt><dd>{e.kind.word()}</dd>
            {e.size.map(|size| html! { <dt>"Size"</dt><dd>{units::size(size)}{format!(" ({size} bytes)")}</dd> })}
            {e.modified.as_deref().and_then(iso).map(|at| html! { <dt>"Changed"</dt><dd>{time(at)}</dd> })}
            {e.mode.clone().map(|mode| html! { <dt>"Mode"</dt><dd>{mode}</dd> })}
        </dl></div>
        <section class="stack" aria-label="Content">{shows}</section>
    }
}

/// One file through time.
pub fn versions(shell: Shell, card: &EnvironmentCard, asked: &Asked, versions: Vec<FileVersion>) -> String {
    let (card, asked) = (card.clone(), asked.clone());
    whole(shell, move || {
        let title = shown(asked.path.name());
        let rows: Vec<_> = versions.iter().map(|v| version(v, &asked)).collect();
        let different = versions.iter().filter(|v| v.changed).count() as u64;
        let said = match versions.len() {
            0 => "No backup has this file.".to_owned(),
            n => format!("It is in {}, with {}.", units::count(n as u64, "backup"), units::count(different, "different content")),
        };
        let list = (!rows.is_empty()).then(|| table("Versions of this file", &["Backup", "Content", "#Size", "Changed"], rows));
        html! {
            {crumbs(trail(&card.tenant, &card.title(), &card.id), format!("Versions of {title}"))}
            <div class="stack tight"><h1 class="wrap">{format!("Versions of {title}")}</h1>
            <code class="wrap soft">{asked.path.shown()}</code></div>
            <p>{said}</p>
            {list}
        }
    })
}

fn version(v: &FileVersion, asked: &Asked) -> AnyView {
    let query = format!("element={}&path={}", percent(&asked.element), asked.path.query());
    let content = if v.changed { "new content" } else { "as before" };
    html! {
        <tr role="row">
            <th role="rowheader" scope="row"><a href=paths::inside(&v.backup, &query)>{iso(&v.created).map(time)}</a><small class="wrap">{v.reason.clone()}</small></th>
            <td role="cell" data-label="Content"><span>{content}<br/><span class="hash" title="the same wherever the content is the same">{v.content.chars().take(16).collect::<String>()}</span></span></td>
            <td role="cell" class="num" data-label="Size"><span>{units::size(v.size)}</span></td>
            <td role="cell" data-label="Changed">{v.modified.as_deref().and_then(iso).map(time)}</td>
        </tr>
    }
}
