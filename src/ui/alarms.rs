//! Alarms of a tenant, and who is told of them.

use super::admin::Problem;
use super::kit::{crumbs, iso, post, problem, table, text_area, time};
use super::shell::{Shell, page as whole};
use crate::domain::alarm::Alarm;
use crate::domain::paths;
use crate::domain::people::TenantOverview;
use crate::domain::webhook::{AddedWebhook, Recipients, Webhook};
use leptos::prelude::*;

/// What only those see who manage the tenant.
#[derive(Clone, Debug)]
pub struct Managed {
    pub recipients: Vec<Recipients>,
    pub webhooks: Vec<Webhook>,
    /// The owners get the daily letter.
    pub digest: bool,
    /// Id and `site.environment`.
    pub environments: Vec<(String, String)>,
    pub typed: Typed,
    /// A webhook whose secret is shown, this once.
    pub added: Option<AddedWebhook>,
}

/// What was typed into one of the forms, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    pub site: String,
    pub emails: String,
    pub problem: Problem,
    pub url: String,
    pub environment: String,
    pub wrong: Problem,
}

pub fn page(shell: Shell, overview: TenantOverview, alarms: Vec<Alarm>, managed: Option<Managed>) -> String {
    whole(shell, move || {
        let (id, name) = (overview.card.id.clone(), overview.card.name.clone());
        let (open, past): (Vec<_>, Vec<_>) = alarms.iter().partition(|a| a.closed.is_none());
        html! {
            {crumbs(vec![("Members".into(), "/tenants".into()), (name.clone(), paths::tenant(&id))], "Alarms")}
            <h1>{format!("Alarms of {name}")}</h1>
            {managed.as_ref().and_then(|m| m.added.clone()).map(added)}
            {list("Now", &open, "Nothing is wrong.")}
            {(!past.is_empty()).then(|| list("Past", &past, ""))}
            {managed.map(|m| html! { {told(&id, &m)}{programs(&id, &m)} })}
        }
    })
}

fn list(title: &'static str, alarms: &[&Alarm], none: &'static str) -> AnyView {
    let row = |a: &&Alarm| {
        let hint = a.hint.clone().map(|h| html! { <small class="soft wrap">{super::errors::capital(&h)}</small> });
        html! {
            <tr role="row">
                <th role="rowheader" scope="row" class="lead"><a class="wrap" href=paths::environment(&a.environment)>{a.address.clone()}</a></th>
                <td role="cell" data-label="What"><div><strong>{a.cause.title()}</strong><small class="wrap">{super::errors::capital(&a.message)}</small>{hint}</div></td>
                <td role="cell" data-label="Since">{iso(&a.opened).map(time)}</td>
                <td role="cell" data-label="Until">{a.closed.as_deref().and_then(iso).map(time)}</td>
            </tr>
        }
    };
    let rows: Vec<_> = alarms.iter().map(row).collect();
    let body = if rows.is_empty() {
        html! { <p class="soft">{none}</p> }
    } else {
        table(format!("Alarms: {}", title.to_lowercase()), &["Environment", "What", "Since", "Until"], rows)
    };
    html! { <section class="stack"><h2>{title}</h2>{body}</section> }
}

fn added(added: AddedWebhook) -> AnyView {
    html! {
        <div class="note" data-kind="good" role="status">
            <strong>"The webhook is added"</strong>
            <span>"With this secret its receiver checks that a message is ours (Standard Webhooks). It is shown only once:"</span>
            <div class="row"><code class="wrap" id="secret">{added.secret}</code>
                <button class="button small" type="button" hidden data-copies="secret">"Copy"</button></div>
        </div>
    }
}

fn told(tenant: &str, m: &Managed) -> AnyView {
    let form = |r: &Recipients| {
        let again = m.typed.site == r.site;
        let emails = if again { m.typed.emails.clone() } else { r.emails.join("\n") };
        let wrong = again.then(|| m.typed.problem.clone()).flatten();
        let title = format!("Letters about {}", r.name);
        html! {
            <form class="form card" method="post" action=paths::recipients(tenant) aria-label=title.clone()>
                <h3>{r.name.clone()}</h3>
                {problem(wrong)}
                <input type="hidden" name="site" value=r.site.clone()/>
                <label class="field"><span class="small soft">"One address in a line; the owners where there is none"</span>
                    {text_area("emails", "emails", &emails, "", None)}</label>
                <div class="actions"><button class="button">"Save"<span class="sr">{format!(" who is told about {}", r.name)}</span></button></div>
            </form>
        }
    };
    let forms: Vec<_> = m.recipients.iter().map(form).collect();
    let daily = html! {
        <form class="form card" method="post" action=paths::digest(tenant) aria-label="The daily letter">
            <h3>"The daily letter"</h3>
            <label class="choice"><input type="checkbox" name="daily" value="yes" checked=m.digest/>"How all environments stand, once a day, to the owners"</label>
            <div class="actions"><button class="button">"Save"<span class="sr">" whether the daily letter is sent"</span></button></div>
        </form>
    };
    html! { <section class="stack"><h2>"Who gets letters"</h2>{forms}{daily}</section> }
}

fn programs(tenant: &str, m: &Managed) -> AnyView {
    let row = |w: &Webhook| {
        let act = |act: &str, label: &'static str| post(paths::webhook_act(tenant, &w.id, act), "button small", label, w.host.clone());
        let what =
            w.environment.clone().map_or_else(|| "alarms and the ends of backups".to_owned(), |e| format!("every good backup of {e}"));
        html! {
            <tr role="row">
                <th role="rowheader" scope="row" class="lead wrap">{w.host.clone()}</th>
                <td role="cell" data-label="Told of"><span>{what}</span></td>
                <td role="cell" data-label="Added">{iso(&w.created).map(time)}</td>
                <td role="cell"><div class="actions">{act("test", "Test")}{act("remove", "Remove")}</div></td>
            </tr>
        }
    };
    let rows: Vec<_> = m.webhooks.iter().map(row).collect();
    let list = (!rows.is_empty()).then(|| table("Webhooks and heartbeats", &["Receiver", "Told of", "Added", ""], rows));
    html! { <section class="stack"><h2>"Webhooks and heartbeats"</h2>{list}{form(tenant, m)}</section> }
}

fn form(tenant: &str, m: &Managed) -> AnyView {
    let one = |(id, name): &(String, String)| {
        let selected = *id == m.typed.environment;
        html! { <option value=id.clone() selected=selected>{format!("every good backup of {name} (heartbeat)")}</option> }
    };
    let environments: Vec<_> = m.environments.iter().map(one).collect();
    html! {
        <form class="form card" method="post" action=paths::webhooks(tenant) aria-labelledby="add-webhook">
            <h3 id="add-webhook">"Add one"</h3>
            {problem(m.typed.wrong.clone())}
            <div class="field"><label for="url">"Address"</label>
                <input class="input" id="url" name="url" type="url" maxlength="2000" required placeholder="https://example.com/hook" value=m.typed.url.clone()/>
                <span class="hint">"A public address. What it holds beside the host is sealed and not shown again."</span></div>
            <div class="field"><label for="environment">"Tell it of"</label>
                <select class="input" id="environment" name="environment"><option value="">"alarms and the ends of backups, signed"</option>{environments}</select></div>
            <div class="actions"><button class="button primary">"Add the webhook"</button></div>
        </form>
    }
}
