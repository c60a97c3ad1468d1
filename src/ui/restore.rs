//! Choosing what to restore, and seeing what that will overwrite, before anything happens.

use super::kit::{crumbs, problem, trail, when};
use super::shell::{Shell, page as whole};
use crate::base::units;
use crate::base::words::percent;
use crate::domain::browse::Inner;
use crate::domain::element::Element;
use crate::domain::page::{Choice, RestoreChoices};
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
    pub to: String,
    pub problem: Option<(String, Option<String>)>,
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
    let first = c.choices.first().map(|c| c.id.clone()).unwrap_or_default();
    let picked = if c.choices.iter().any(|x| x.id == chosen.backup) { chosen.backup.clone() } else { first };
    let radios: Vec<_> = c.choices.iter().map(|x| radio(x, x.id == picked)).collect();
    let named = |e: &Element| chosen.elements.is_empty() || chosen.elements.contains(e);
    let boxes: Vec<_> = super::kit::in_order(&o.elements)
        .iter()
        .map(|e| html! { <label class="choice"><input type="checkbox" name="element" value=e.name() checked=named(e)/>{super::errors::capital(e.name())}</label> })
        .collect();
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
    let more = c.more.then(|| html! { <p class="hint">"Older ones: open the backup in the log and restore from its page."</p> });
    html! {
        <form class="form" method="get" action=paths::preview_restore(&o.card.id)>
            <fieldset><legend>"Which backup"</legend><div class="choices scroll" role="group" tabindex="0" aria-label="Backups, newest first">{radios}</div>{more}</fieldset>
            {if chosen.paths.is_empty() {
                html! { <fieldset><legend>"Which elements"</legend><div class="choices beside">{boxes}</div></fieldset> }
            } else {
                these(chosen, &paths::choose_restore(&o.card.id))
            }}
            <div class="field"><label for="to">"Destination"</label><select class="input" id="to" name="to">{places}</select></div>
            <div class="actions"><button class="button primary">"Show what would be overwritten"</button><a class="button" href=paths::environment(&o.card.id)>"Cancel"</a></div>
        </form>
    }
}

/// The files and folders that were chosen inside a backup.
fn these(chosen: &Chosen, all: &str) -> AnyView {
    let names: Vec<_> = chosen.paths.iter().map(|path| html! { <li class="wrap"><code>{path.shown()}</code></li> }).collect();
    let whole = format!("{all}?backup={}", chosen.backup);
    html! {
        <fieldset><legend>"Only this"</legend><ul class="stack tight">{names}</ul>{hidden(chosen)}
        <p class="hint">"Everything else stays as it is. "<a href=whole>"Restore whole elements instead"</a></p></fieldset>
    }
}

fn hidden(chosen: &Chosen) -> Vec<AnyView> {
    chosen.paths.iter().map(|path| html! { <input type="hidden" name="path" value=path.query()/> }).collect()
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
        let names = if p.plan.paths.is_empty() { super::kit::names(&p.plan.elements) } else { format!("only {}", p.plan.paths.join(", ")) };
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
    format!("backup={}&to={}{elements}{}", c.backup, c.to, only(&c.paths))
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
    if plan.paths.is_empty() { "" } else { "a part of " }
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
    let elements: Vec<_> = match p.chosen.paths.is_empty() {
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
