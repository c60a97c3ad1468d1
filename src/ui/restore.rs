//! Choosing what to restore, and seeing what that will overwrite, before anything happens.

use super::kit::{crumbs, problem, trail, when};
use super::shell::{Shell, page as whole};
use crate::base::units;
use crate::base::words::{percent, shown};
use crate::domain::browse::Inner;
use crate::domain::element::Element;
use crate::domain::page::{Choice, RestoreChoices, TableChoice, TableChoices};
use crate::domain::paths;
use crate::domain::view::Plan;
use leptos::prelude::*;

/// What was chosen so far.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    pub backup: String,
    pub elements: Vec<Element>,
    /// Only these files and folders; none: whole elements.
    pub paths: Vec<Inner>,
    /// Only these tables of the database.
    pub tables: Vec<String>,
    /// The tables are being chosen.
    pub choosing: bool,
    pub to: String,
    pub problem: Option<(String, Option<String>)>,
}

impl Chosen {
    /// Whole elements, and no parts of them.
    pub fn is_whole(&self) -> bool {
        self.paths.is_empty() && self.tables.is_empty()
    }
}

/// The first page: which backup, which elements, where to.
pub fn choose(shell: Shell, c: RestoreChoices, chosen: Chosen) -> String {
    whole(shell.slim(), move || {
        let o = &c.overview;
        let title = o.card.title();
        let body = if c.choices.is_empty() {
            html! { <div class="empty"><h2>"No backup to restore"</h2><p>"There is none that ended well. Create one first."</p><a class="button primary" href=paths::create_backup(&o.card.id)>{format!("Create a backup of {title}")}</a></div> }.into_any()
        } else {
            form(&c, &chosen).into_any()
        };
        html! {
            {crumbs(trail(&o.card.tenant, &title, &o.card.id), "Restore")}
            <div class="stack"><h1>{format!("Restore {title}")}</h1><p class="soft">"Nothing is changed yet: the next page shows what would be overwritten."{o.restore_takes.map(|ms| format!(" A restore would take about {}.", super::environments::roughly(ms)))}</p></div>
            {problem(chosen.problem.clone())}
            {body}
        }
    })
}

fn form(c: &RestoreChoices, chosen: &Chosen) -> AnyView {
    let o = &c.overview;
    let what = match &c.tables {
        Some(tables) => which_tables(c, tables, chosen),
        None if chosen.is_whole() => html! { {which_backup(c, chosen)}{which_elements(c, chosen)} },
        None => html! { {which_backup(c, chosen)}{these(chosen, &paths::choose_restore(&o.card.id))} },
    };
    let to = if chosen.to.is_empty() { o.card.id.clone() } else { chosen.to.clone() };
    let places: Vec<_> = c
        .destinations
        .iter()
        .map(|(id, name, live)| {
            let here = if *id == o.card.id { " (the same environment)" } else { "" };
            let live = if *live && here.is_empty() { " (live)" } else { "" };
            html! { <option value=id.clone() selected={*id == to}>{format!("{name}{here}{live}")}</option> }
        })
        .collect();
    let tables = (c.tables.is_none() && chosen.is_whole() && o.elements.contains(&Element::Database)).then(|| {
        html! { <button class="button" name="choose" value="tables" formaction=paths::choose_restore(&o.card.id)>"Choose single tables…"</button> }
    });
    html! {
        <form class="form" method="get" action=paths::preview_restore(&o.card.id)>
            {what}
            <div class="field"><label for="to">"Destination"</label><select class="input" id="to" name="to">{places}</select></div>
            <div class="actions"><button class="button primary">"Show what would be overwritten"</button>{tables}<a class="button" href=paths::environment(&o.card.id)>"Cancel"</a></div>
        </form>
    }
}

fn which_backup(c: &RestoreChoices, chosen: &Chosen) -> AnyView {
    let first = c.choices.first().map(|c| c.id.clone()).unwrap_or_default();
    let picked = if c.choices.iter().any(|x| x.id == chosen.backup) { chosen.backup.clone() } else { first };
    let radios: Vec<_> = c.choices.iter().map(|x| radio(x, x.id == picked)).collect();
    let more = c.more.then(|| html! { <p class="hint">"Older ones: open the backup in the log and restore from its page."</p> });
    html! { <fieldset><legend>"Which backup"</legend><div class="choices scroll" role="group" tabindex="0" aria-label="Backups, newest first">{radios}</div>{more}</fieldset> }
}

fn which_elements(c: &RestoreChoices, chosen: &Chosen) -> AnyView {
    let named = |e: &Element| chosen.elements.is_empty() || chosen.elements.contains(e);
    let boxes: Vec<_> = super::kit::in_order(&c.overview.elements)
        .iter()
        .map(|e| html! { <label class="choice"><input type="checkbox" name="element" value=e.name() checked=named(e)/>{super::errors::capital(e.name())}</label> })
        .collect();
    html! { <fieldset><legend>"Which elements"</legend><div class="choices beside">{boxes}</div></fieldset> }
}

/// The tables of one backup, each with its rows then and now.
fn which_tables(c: &RestoreChoices, tables: &TableChoices, chosen: &Chosen) -> AnyView {
    let of = c.choices.iter().find(|x| x.id == chosen.backup);
    let other = format!("{}?backup={}", paths::choose_restore(&c.overview.card.id), chosen.backup);
    let boxes: Vec<_> = tables.tables.iter().map(|t| table(t, tables.problem.is_none(), chosen.tables.contains(&t.name))).collect();
    let unknown =
        tables.problem.clone().map(|why| html! { <p class="hint wrap">{format!("What is there now cannot be read: {why}.")}</p> });
    html! {
        <fieldset><legend>"Which tables"</legend>
            <p>"Of the backup of "{of.map(|x| html! { <span class="wrap">{super::kit::time(x.created)}" - "{x.reason.clone()}</span> })}". "<a href=other>"Another backup, or whole elements"</a></p>
            <input type="hidden" name="backup" value=chosen.backup.clone()/><input type="hidden" name="choose" value="tables"/>
            <div class="choices scroll" role="group" tabindex="0" aria-label="Tables of the backup">{boxes}</div>{unknown}
            <p class="hint">"Everything that is not chosen stays as it is."</p>
        </fieldset>
    }
}

fn table(t: &TableChoice, known: bool, picked: bool) -> AnyView {
    let then = if t.empty { "without rows".to_owned() } else { units::count(t.then, "row") };
    let now = match (t.now, known) {
        (Some(now), _) => format!(" · {} now", units::count(now, "row")),
        (None, true) => " · not there now".to_owned(),
        (None, false) => String::new(),
    };
    html! {
        <label class="choice">
            <input type="checkbox" name="table" value=t.name.clone() checked=picked/>
            <span class="wrap"><code>{shown(t.name.as_bytes())}</code></span>
            <small>{format!("{then} in the backup{now}")}</small>
        </label>
    }
}

/// The files, folders and tables that were chosen inside a backup.
fn these(chosen: &Chosen, all: &str) -> AnyView {
    let paths = chosen.paths.iter().map(|path| html! { <li class="wrap"><code>{path.shown()}</code></li> });
    let tables = chosen.tables.iter().map(|table| html! { <li class="wrap">"Table "<code>{shown(table.as_bytes())}</code></li> });
    let names: Vec<_> = paths.chain(tables).collect();
    let whole = format!("{all}?backup={}", chosen.backup);
    html! {
        <fieldset><legend>"Only this"</legend><ul class="stack tight">{names}</ul>{hidden(chosen)}
        <p class="hint">"Everything else stays as it is. "<a href=whole>"Restore whole elements instead"</a></p></fieldset>
    }
}

fn hidden(chosen: &Chosen) -> Vec<AnyView> {
    let paths = chosen.paths.iter().map(|path| html! { <input type="hidden" name="path" value=path.query()/> });
    paths.chain(chosen.tables.iter().map(|table| html! { <input type="hidden" name="table" value=table.clone()/> })).collect()
}

fn radio(c: &Choice, picked: bool) -> AnyView {
    let names = super::kit::names(&c.elements);
    let state = (c.state.word() != "succeeded").then(|| format!("{}: some files are missing · ", c.state));
    html! {
        <label class="choice">
            <input type="radio" name="backup" value=c.id.clone() checked=picked required/>
            <span class="wrap">{super::kit::time(c.created)}" - "{c.reason.clone()}</span>
            <small>{state}{names}" · "{units::size(c.size)}</small>
        </label>
    }
}

/// What the second page shows.
#[derive(Clone, Debug)]
pub struct Preview {
    pub choices: RestoreChoices,
    pub choice: Choice,
    pub plan: Plan,
    pub chosen: Chosen,
    /// Name and liveness of the destination.
    pub destination: (String, bool),
    pub typed: String,
    /// How long the old state stays aside, in days.
    pub undo_days: i64,
}

/// The second page: what will be lost, and the one button.
pub fn preview(shell: Shell, p: Preview) -> String {
    whole(shell.slim(), move || {
        let o = &p.choices.overview;
        let (target, live) = p.destination.clone();
        let at = when(p.choice.created);
        let only: Vec<String> = p.plan.paths.iter().cloned().chain(p.plan.tables.iter().map(|t| table_named(t))).collect();
        let names = if only.is_empty() { super::kit::names(&p.plan.elements) } else { format!("only {}", only.join(", ")) };
        let back = format!("{}?{}", paths::choose_restore(&o.card.id), query(&p.chosen));
        let mut path = trail(&o.card.tenant, &o.card.title(), &o.card.id);
        path.push(("Restore".into(), back.clone()));
        html! {
            {crumbs(path, "What would be overwritten")}
            <div class="stack"><h1>{format!("Restore {}{target} to {at}", part(&p.plan))}</h1><p class="soft wrap">{p.choice.reason.clone()}" · "{names}</p></div>
            {problem(p.chosen.problem.clone())}
            {warnings(&p.plan)}
            {super::kit::in_order(&p.plan.elements).into_iter().map(|e| lines(&p.plan, e)).collect::<Vec<_>>()}
            {every_difference(&p)}
            {confirm(&p, &target, live, &at, back)}
        }
    })
}

fn query(c: &Chosen) -> String {
    let elements: String = c.elements.iter().map(|e| format!("&element={e}")).collect();
    let tables: String = c.tables.iter().map(|table| format!("&table={}", percent(table))).collect();
    format!("backup={}&to={}{elements}{}{tables}", c.backup, c.to, only(&c.paths))
}

/// A table among files and folders.
pub(super) fn table_named(table: &str) -> String {
    format!("table {}", shown(table.as_bytes()))
}

/// Paths as a part of a query: escaped once for themselves, since they need not be text, and once more for the query.
pub(super) fn only(paths: &[Inner]) -> String {
    paths.iter().map(|path| format!("&path={}", percent(&path.query()))).collect()
}

fn warnings(plan: &Plan) -> Option<AnyView> {
    let all: Vec<_> = plan.warnings.iter().map(|w| html! { <li class="wrap">{super::errors::capital(w)}</li> }).collect();
    (!all.is_empty()).then(|| html! { <div class="note" data-kind="warn"><strong>"Worth knowing before"</strong><ul>{all}</ul></div> })
}

/// It is not all of it that goes back.
fn part(plan: &Plan) -> &'static str {
    if plan.paths.is_empty() && plan.tables.is_empty() { "" } else { "a part of " }
}

/// The way to all of it, where the backup is one of the environment that it goes into.
fn every_difference(p: &Preview) -> Option<AnyView> {
    let href = paths::compare(&p.choice.id, &format!("with={}", crate::domain::compare::LIVE));
    (p.chosen.to == p.choices.overview.card.id)
        .then(|| html! { <p><a href=href>"Every difference between the backup and the live site"</a></p> })
}

/// The sentences about one element, without its name at their beginning.
fn lines(plan: &Plan, element: Element) -> AnyView {
    let prefix = format!("{element}: ");
    let all: Vec<_> = plan
        .lines
        .iter()
        .filter_map(|l| l.strip_prefix(&prefix))
        .map(|l| html! { <li class="wrap">{super::errors::capital(l)}</li> })
        .collect();
    let newest: Vec<_> = plan
        .newest
        .iter()
        .filter(|n| n.element == element)
        .filter_map(|n| super::kit::iso(&n.at))
        .map(|at| html! { <li>"The newest of these, as it is now, is of "{super::kit::time(at)}", "{super::kit::ago(at)}</li> })
        .collect();
    html! {
        <section class="stack tight"><h2>{super::errors::capital(element.name())}</h2><ul class="stack tight">{all}{newest}</ul></section>
    }
}

fn confirm(p: &Preview, target: &str, live: bool, at: &str, back: String) -> AnyView {
    let elements: Vec<_> = match p.chosen.is_whole() {
        true => p.plan.elements.iter().map(|e| html! { <input type="hidden" name="element" value=e.name()/> }).collect(),
        false => hidden(&p.chosen),
    };
    let typed = live.then(|| {
        html! {
            <div class="field">
                <label for="confirm">"Type "<code>{target.to_owned()}</code>" to go on"</label>
                <input class="input" id="confirm" name="confirm" autocomplete="off" autocapitalize="none" spellcheck="false" required aria-describedby="confirm-hint" value=p.typed.clone()/>
                <span class="hint" id="confirm-hint">"Visitors use this environment. For some seconds they may see a maintenance page."</span>
            </div>
        }
    });
    html! {
        <form class="form card" method="post" action=paths::restores(&p.chosen.to)>
            <h2>"Restore it"</h2>
            <p>{format!("A safety backup of what is there now is made first, and Undo is one click for {}.", units::count(p.undo_days.unsigned_abs(), "day"))}</p>
            <input type="hidden" name="key" value=super::kit::once()/>
            <input type="hidden" name="from" value=p.choices.overview.card.id.clone()/>
            <input type="hidden" name="backup" value=p.choice.id.clone()/>
            {elements}
            {typed}
            <div class="actions"><button class="button danger">{format!("Restore {}{target} to {at}", part(&p.plan))}</button><a class="button" href=back>"Choose another backup"</a></div>
        </form>
    }
}
