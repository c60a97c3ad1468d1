//! How the installation is configured, and whether its parts answer.

use super::{Problem, field};
use crate::domain::page::Installation;
use crate::domain::view::Letter;
use crate::ui::kit::{iso, post, problem, state, table, time};
use crate::ui::shell::{Shell, page as whole};
use leptos::prelude::*;

/// `to` is where a test letter was to go.
pub fn page(shell: Shell, i: Installation, to: String, wrong: Problem) -> String {
    whole(shell, move || {
        let warnings: Vec<_> = i.told.warnings.iter().map(|w| html! { <li class="wrap">{w.clone()}</li> }).collect();
        let warnings = (!warnings.is_empty())
            .then(|| html! { <div class="note" data-kind="warn"><strong>"Worth mending"</strong><ul>{warnings}</ul></div> });
        html! {
            <h1>"Settings"</h1>
            {problem(wrong.clone())}
            {warnings}
            <section class="stack"><h2>"As it is configured"</h2><div class="card">{facts(&i)}</div>
                <p class="small soft">"Settings are read from "<code>"sitekeep.toml"</code>" and the environment when Sitekeep starts. Secrets are never shown."</p></section>
            <section class="stack"><h2>"Does it answer?"</h2><div class="actions">
                {post("/admin/settings/database".into(), "button", "Test the database", "")}
                {post("/admin/stores/test".into(), "button", "Test the store", "")}
            </div></section>
            {schedules(&i)}
            {mail(&i, &to)}
            {letters(&i.letters)}
        }
    })
}

fn facts(i: &Installation) -> AnyView {
    let t = &i.told;
    let smtp = t.smtp.clone().unwrap_or_else(|| "none: no letters are sent".into());
    let row = |name: &'static str, value: &str| html! { <dt>{name}</dt><dd class="wrap">{value.to_owned()}</dd> };
    html! {
        <dl class="facts">
            {row("Version", i.version)}
            {row("Address for people", &t.public_url)}
            {row("Listens on", &t.listen)}
            {row("Database", &format!("{}, {}; its schema is {}", i.database, t.database, i.schema))}
            {row("Store", &t.store)}
            {row("Prepared downloads", t.downloads.as_deref().unwrap_or("beside the repositories"))}
            {row("Data directory", &t.data_dir)}
            {row("Master key", &t.master_key_file)}
            {row("Mail server", &smtp)}
            {row("Letters come from", &t.mail_from)}
        </dl>
    }
}

fn schedules(i: &Installation) -> AnyView {
    let body = match &i.frozen {
        Some(freeze) => html! {
            <div class="note" data-kind="warn"><strong>"All schedules rest"</strong>
                <span class="wrap">{format!("{} said so: {} ", freeze.by, freeze.reason)}{iso(&freeze.since).map(time)}</span></div>
            <div class="actions">{post("/admin/settings/thaw".into(), "button", "Let schedules run again", "")}</div>
        }
        .into_any(),
        None => html! {
            <form class="form card" method="post" action="/admin/settings/freeze">
                {field("Why they rest", "reason", "", "No backup of any tenant is made by itself until you let schedules run again. Everybody reads the reason.")}
                <div class="actions"><button class="button">"Let all schedules rest"</button></div>
            </form>
        }
        .into_any(),
    };
    html! { <section class="stack"><h2>"Schedules"</h2>{body}</section> }
}

fn mail(i: &Installation, to: &str) -> AnyView {
    let form = if i.mail {
        html! {
            <form class="form card" method="post" action="/admin/settings/letter">
                {field("Send a test letter to", "to", to, "It is sent at once, past the outbox, so that you see what the mail server says.")}
                <div class="actions"><button class="button">"Send the test letter"</button></div>
            </form>
        }
        .into_any()
    } else {
        html! { <div class="note"><span>"No mail server is configured: letters wait, and are given up after a day. Set "<code>"SITEKEEP_SMTP_URL"</code>" and start Sitekeep again."</span></div> }.into_any()
    };
    html! { <section class="stack"><h2>"Mail"</h2>{form}</section> }
}

fn letters(all: &[Letter]) -> AnyView {
    let rows: Vec<_> = all.iter().map(letter).collect();
    let body = if rows.is_empty() {
        html! { <p class="soft">"No letter was written yet."</p> }.into_any()
    } else {
        table("The newest letters", &["Letter", "State", "To", "Written"], rows)
    };
    html! { <section class="stack"><h2>"The newest letters"</h2>{body}</section> }
}

fn letter(l: &Letter) -> AnyView {
    let tries = (l.tries > 1).then(|| html! { <small class="soft">{format!("{} tries", l.tries)}</small> });
    let error = l.error.clone().map(|e| html! { <small class="wrap">{e}</small> });
    // The word of the catalogue, with the sign of what it means.
    let sign = match l.state.as_str() {
        "sent" => "succeeded",
        "sending" => "running",
        other => other,
    };
    let (sign, word) = (sign.to_owned(), l.state.clone());
    let shown = if sign == word { state(&word).into_any() } else { html! { <span class="state" data-state=sign>{word}</span> }.into_any() };
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="lead"><span class="wrap">{l.subject.clone()}</span></th>
            <td role="cell" class="lead">{shown}{tries}</td>
            <td role="cell" data-label="To"><div><span class="wrap">{l.to.clone()}</span>{error}</div></td>
            <td role="cell" data-label="Written"><span>{iso(&l.created).map(time)}</span></td>
        </tr>
    }
}
