//! One's own account: a page of sections, each with its forms. A form that was wrong comes back with what was typed, its
//! section says why; secrets that are shown once have a page of their own.

mod second_factor;
mod sessions;
mod tokens;

pub use second_factor::{codes, enrolment};
pub use tokens::created;

use super::kit::problem;
use super::one_time::{Problem, new_password};
use super::shell::{Shell, page as whole};
use crate::base::zone::Zone;
use crate::domain::people::{Profile, Session, Token};
use crate::domain::{paths, rights::Right};
use leptos::prelude::*;

/// A section of the page; its name is its anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Profile,
    Password,
    SecondFactor,
    Tokens,
}

/// What the page shows.
#[derive(Clone, Debug)]
pub struct Page {
    pub profile: Profile,
    pub sessions: Vec<Session>,
    pub tokens: Vec<Token>,
    /// What a token of the reader can be good for.
    pub rights: Vec<Right>,
    pub typed: Typed,
    /// Where something was wrong.
    pub wrong: Option<(Section, Problem)>,
}

/// What was typed, to be shown again; never a password.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    pub name: Option<String>,
    pub zone: Option<String>,
    pub label: String,
    pub scope: Vec<String>,
    pub days: String,
}

impl Page {
    fn problem(&self, section: Section) -> Problem {
        self.wrong.clone().filter(|(at, _)| *at == section).and_then(|(_, problem)| problem)
    }
}

pub fn page(shell: Shell, p: Page) -> String {
    let browser = shell.zone;
    whole(shell, move || {
        html! {
            <h1>"Your account"</h1>
            {profile(&p, browser)}
            {password(&p)}
            {second_factor::section(&p)}
            {sessions::section(&p.sessions)}
            {tokens::section(&p)}
        }
    })
}

fn profile(p: &Page, browser: Zone) -> AnyView {
    let name = p.typed.name.clone().unwrap_or_else(|| p.profile.name.clone());
    let chosen = p.typed.zone.clone().or_else(|| p.profile.zone.clone()).unwrap_or_default();
    let own = match &p.profile.zone {
        None => format!("As the browser says ({})", browser.name()),
        Some(_) => "As the browser says".to_owned(),
    };
    let zones: Vec<_> = Zone::all().map(|zone| html! { <option value=zone selected={zone == chosen}>{zone}</option> }).collect();
    html! {
        <section class="stack" id="zone">
            <h2>"You"</h2>
            {problem(p.problem(Section::Profile))}
            <form class="form" method="post" action=format!("{}#zone", paths::account("profile"))>
                <dl class="facts"><dt>"E-mail address"</dt><dd>{p.profile.email.clone()}</dd></dl>
                <div class="field"><label for="name">"Name"</label>
                    <input class="input" id="name" name="name" autocomplete="name" maxlength="100" value=name/></div>
                <div class="field"><label for="zone-name">"Time zone"</label>
                    <select class="input" id="zone-name" name="zone" aria-describedby="zone-hint">
                        <option value="" selected={chosen.is_empty()}>{own}</option>{zones}
                    </select>
                    <span class="hint" id="zone-hint">"All times are shown in it."</span></div>
                <div class="actions"><button class="button primary">"Save name and time zone"</button></div>
            </form>
        </section>
    }
}

fn password(p: &Page) -> AnyView {
    let form = match p.profile.has_password {
        true => change(&p.profile.email).into_any(),
        false => html! { <p>"This account has no password yet. "<a href="/forgotten">"Get a link to choose one"</a>"."</p> }.into_any(),
    };
    html! { <section class="stack" id="password-section"><h2>"Password"</h2>{problem(p.problem(Section::Password))}{form}</section> }
}

fn change(email: &str) -> AnyView {
    html! {
        <form class="form" method="post" action=format!("{}#password-section", paths::account("password"))>
            <input type="email" autocomplete="username" value=email.to_owned() hidden readonly/>
            {present("old-password", "old_password")}
            {new_password("New password")}
            <div class="actions"><button class="button">"Change the password"</button></div>
            <p class="hint">"Every other browser that is signed in with this account is signed out."</p>
        </form>
    }
}

/// The password that one has: asked before what could lock its owner out.
pub(super) fn present(id: &'static str, name: &'static str) -> AnyView {
    html! {
        <div class="field"><label for=id>"Your present password"</label>
            <input class="input" id=id name=name type="password" autocomplete="current-password" required/></div>
    }
}
