//! The form that creates a backup: a page of its own, and a dialog above the log.

use super::kit::{crumbs, problem, trail};
use super::shell::{Shell, page as whole};
use crate::domain::element::Element;
use crate::domain::page::{LONGEST_NOTE, Overview};
use crate::domain::paths;
use leptos::prelude::*;

/// What was typed, to be shown again with an error.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    pub elements: Vec<String>,
    pub note: String,
    pub keep: String,
    pub days: String,
    pub problem: Option<(String, Option<String>)>,
}

pub fn page(shell: Shell, o: Overview, typed: Typed) -> String {
    whole(shell.slim(), move || {
        html! {
            {crumbs(trail(&o.card.tenant, &o.card.title(), &o.card.id), "Create a backup")}
            <h1>{format!("Create a backup of {}", o.card.title())}</h1>
            {problem(typed.problem.clone())}
            {form(&o, &typed, false)}
        }
    })
}

/// The same form above the log; a script opens it, and without one its link leads to the page.
pub fn dialog(o: &Overview) -> AnyView {
    let title = format!("Create a backup of {}", o.card.title());
    html! {
        <dialog class="dialog" id="create" aria-labelledby="create-title">
            <h2 id="create-title">{title}</h2>
            {form(o, &Typed::default(), true)}
        </dialog>
    }
}

fn form(o: &Overview, typed: &Typed, in_dialog: bool) -> AnyView {
    let fresh = typed.problem.is_none();
    let chosen = |e: &Element| fresh || typed.elements.iter().any(|t| t == e.name());
    let boxes: Vec<_> = super::kit::in_order(&o.elements)
        .iter()
        .map(|e| html! { <label class="choice"><input type="checkbox" name="element" value=e.name() checked=chosen(e)/>{super::errors::capital(e.name())}</label> })
        .collect();
    let keep = if typed.keep.is_empty() { "policy" } else { typed.keep.as_str() };
    let ways = [("policy", "By the policy"), ("30", "1 month"), ("180", "6 months"), ("days", "A number of days"), ("0", "For ever")];
    let ways: Vec<_> = ways
        .iter()
        .map(|(value, label)| html! { <label class="choice"><input type="radio" name="keep" class={(*value == "days").then_some("opens")} value=*value checked={*value == keep}/>{*label}</label> })
        .collect();
    let cancel = if in_dialog {
        html! { <button type="button" class="button" data-closes="">"Cancel"</button> }.into_any()
    } else {
        html! { <a class="button" href=paths::environment(&o.card.id)>"Cancel"</a> }.into_any()
    };
    html! {
        <form class="form" method="post" action=paths::backups(&o.card.id)>
            <input type="hidden" name="key" value=super::kit::once()/>
            <fieldset><legend>"What to back up"</legend><div class="choices beside">{boxes}</div></fieldset>
            <div class="field">
                <label for="note">"Note "<span class="soft">"(optional)"</span></label>
                {super::kit::text_area("note", "note", &typed.note, "note-hint", Some(LONGEST_NOTE))}
                <span class="hint" id="note-hint">"Shown in the log instead of “Generated on request”. It can be changed later."</span>
            </div>
            <fieldset>
                <legend>"Keep for"</legend>
                <div class="choices beside">{ways}</div>
                <div class="field opened">
                    <label for="days">"Number of days"</label>
                    <input class="input short" id="days" name="days" inputmode="numeric" value=typed.days.clone()/>
                </div>
            </fieldset>
            <div class="actions"><button class="button primary">{format!("Create the backup of {}", o.card.title())}</button>{cancel}</div>
        </form>
    }
}
