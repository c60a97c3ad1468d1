//! API tokens: made, shown once, revoked.

use super::super::kit::{ago, iso, post, problem, table, time};
use super::super::shell::{Shell, page as whole};
use super::{Page, Section};
use crate::base::secret::Secret;
use crate::domain::paths;
use crate::domain::people::Token;
use crate::domain::rights::Right;
use leptos::prelude::*;

pub(super) fn section(p: &Page) -> AnyView {
    let table = (!p.tokens.is_empty()).then(|| list(&p.tokens));
    html! {
        <section class="stack" id="tokens">
            <h2>"API tokens"</h2>
            <p>"For the command line and for programs that act in your name."</p>
            {table}
            {problem(p.problem(Section::Tokens))}
            {form(p)}
        </section>
    }
}

fn list(tokens: &[Token]) -> AnyView {
    let rows: Vec<_> = tokens.iter().map(row).collect();
    table("Your API tokens", &["Name", "May", "Last used", "Expires", ""], rows)
}

fn row(t: &Token) -> AnyView {
    let may = if t.scope == "all" { "everything".to_owned() } else { t.scope.replace(',', ", ") };
    let only = t.tenant.clone().map(|tenant| html! { <small>{format!("only in {tenant}")}</small> });
    let used = t.last_used.as_deref().and_then(iso).map_or_else(|| "never".to_owned(), ago);
    let revoke = post(format!("{}#tokens", paths::revoke_token(&t.id)), "button small", "Revoke", t.label.clone());
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="lead wrap">{t.label.clone()}</th>
            <td role="cell" data-label="May"><span>{may}{only}</span></td>
            <td role="cell" data-label="Last used"><span>{used}</span></td>
            <td role="cell" data-label="Expires">{iso(&t.expires).map(time)}</td>
            <td role="cell">{revoke}</td>
        </tr>
    }
}

fn form(p: &Page) -> AnyView {
    let fresh = p.typed.scope.is_empty();
    let chosen = |name: &str| (fresh && name == "create") || p.typed.scope.iter().any(|s| s == name);
    let boxes: Vec<_> = p
        .rights
        .iter()
        .filter(|right| **right != Right::View)
        .map(|right| {
            let checked = chosen(right.name());
            html! { <label class="choice"><input type="checkbox" name="scope" value=right.name() checked=checked/>{words(*right)}</label> }
        })
        .collect();
    let all = chosen("all");
    let days = if p.typed.days.is_empty() { "90".to_owned() } else { p.typed.days.clone() };
    html! {
        <form class="form card" method="post" action=format!("{}#tokens", paths::account("tokens"))>
            <h3>"Create a token"</h3>
            <div class="field"><label for="label">"Name"</label>
                <input class="input" id="label" name="label" maxlength="100" required value=p.typed.label.clone() aria-describedby="label-hint"/>
                <span class="hint" id="label-hint">"After what will use it, so that you know which one to revoke."</span></div>
            <fieldset><legend>"What it may do"</legend>
                <div class="choices beside">
                    <label class="choice"><input type="checkbox" checked disabled/>"See what I see"</label>
                    {boxes}
                    <label class="choice"><input type="checkbox" name="scope" value="all" checked=all/>"Everything that I may, my account included"</label>
                </div></fieldset>
            <div class="field"><label for="days">"Days until it expires"</label>
                <input class="input short" id="days" name="days" inputmode="numeric" required value=days aria-describedby="days-hint"/>
                <span class="hint" id="days-hint">"1 to 366."</span></div>
            <div class="actions"><button class="button">"Create the token"</button></div>
        </form>
    }
}

/// A right as a choice: what somebody with it does.
fn words(right: Right) -> &'static str {
    match right {
        Right::View => "See what I see",
        Right::Create => "Create backups",
        Right::Download => "Download backups",
        Right::Restore => "Restore and undo",
        Right::Delete => "Delete backups",
        Right::Policy => "Change how long backups are kept",
        Right::Manage => "Manage members",
        Right::Administer => "Administer this Sitekeep",
    }
}

/// A token, shown this once.
pub fn created(shell: Shell, label: &str, token: &Secret) -> String {
    let (title, token) = (format!("Your token “{}”", label.trim()), token.expose().to_owned());
    whole(shell.slim(), move || {
        html! {
            <h1 class="wrap">{title}</h1>
            <div class="note" data-kind="good" role="status">
                <strong>"Copy it now: it is shown only once"</strong>
                <code class="wrap">{token}</code>
                <span>"Keep it like a password: whoever has it acts in your name."</span>
            </div>
            <p>"For the command line: "<code>"sitekeep auth:login --token-file -"</code>", which reads it from its standard input."</p>
            <div class="actions"><a class="button primary" href="/account#tokens">"I have kept it"</a></div>
        }
    })
}
