//! The administrators' pages. What their forms share is here: each field has its label, and what it means below it.

pub mod accounts;
pub mod activity;
pub mod environments;
pub mod queue;
pub mod servers;
pub mod settings;
pub mod sites;
pub mod stores;
pub mod tenants;

use super::kit;
use leptos::prelude::*;

/// What was wrong with a form: a sentence, and what to do.
pub type Problem = Option<(String, Option<String>)>;

/// The trail to a page below one of the administrators' lists.
fn trail(name: &'static str, href: &'static str, here: impl Into<String>) -> AnyView {
    kit::crumbs(vec![(name.to_owned(), href.to_owned())], here)
}

/// A field for a line of text.
fn field(label: &'static str, name: &'static str, value: &str, hint: &'static str) -> AnyView {
    let described = described_by(name, hint);
    html! {
        <div class="field"><label for=name>{label}</label>
            <input class="input" id=name name=name value=value.to_owned() autocomplete="off" aria-describedby=described.clone()/>
            {said(hint, described.clone().unwrap_or_default())}</div>
    }
}

/// A field for a password: what is kept is never shown.
fn secret(label: &'static str, name: &'static str, hint: &'static str) -> AnyView {
    let described = described_by(name, hint);
    html! {
        <div class="field"><label for=name>{label}</label>
            <input class="input" type="password" id=name name=name autocomplete="new-password" aria-describedby=described.clone()/>
            {said(hint, described.clone().unwrap_or_default())}</div>
    }
}

/// A field for several lines.
fn lines(label: &'static str, name: &'static str, value: &str, described: &'static str, hint: &'static str) -> AnyView {
    html! {
        <div class="field"><label for=name>{label}</label>
            {kit::text_area(name, name, value, described, None)}
            {said(hint, described.to_owned())}</div>
    }
}

/// A list to choose one of: value and what people read.
fn choose(label: &'static str, name: &'static str, options: Vec<(String, String)>, chosen: &str, hint: &'static str) -> AnyView {
    let described = described_by(name, hint);
    let options: Vec<_> = options
        .into_iter()
        .map(|(value, text)| {
            let selected = value == chosen;
            html! { <option value=value selected=selected>{text}</option> }
        })
        .collect();
    html! {
        <div class="field"><label for=name>{label}</label>
            <select class="input" id=name name=name aria-describedby=described.clone()>{options}</select>
            {said(hint, described.clone().unwrap_or_default())}</div>
    }
}

/// A box to tick; it sends `yes`.
fn tick(label: &'static str, name: &'static str, ticked: bool) -> AnyView {
    html! { <label class="choice"><input type="checkbox" name=name value="yes" checked=ticked/>{label}</label> }
}

fn described_by(name: &str, hint: &str) -> Option<String> {
    (!hint.is_empty()).then(|| format!("{name}-hint"))
}

fn said(hint: &'static str, id: String) -> Option<AnyView> {
    (!hint.is_empty()).then(|| html! { <span class="hint" id=id>{hint}</span> })
}

/// Pairs of the same text: what is sent is what is read.
fn same(names: &[&str]) -> Vec<(String, String)> {
    names.iter().map(|n| ((*n).to_owned(), (*n).to_owned())).collect()
}
