//! What administrators change about an environment, and its removal.

use super::sites::{database_fields, place};
use super::{Problem, choose, field, lines, secret, tick};
use crate::domain::page::EnvironmentSettings;
use crate::domain::paths;
use crate::domain::site::{DatabaseAddress, Hooks};
use crate::ui::kit::{post, problem};
use crate::ui::shell::{Shell, page as whole};
use leptos::prelude::*;

/// What is typed; the password is never shown again.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Typed {
    pub url: String,
    pub expect: String,
    pub owner: String,
    pub live: String,
    pub exclude: String,
    pub maintenance_on: String,
    pub maintenance_off: String,
    pub reload: String,
    pub clear_caches: String,
    pub boot: String,
    pub server: String,
    pub database: String,
    pub host: String,
    pub port: String,
    pub socket: String,
    pub user: String,
    pub prefix: String,
    pub password: String,
}

impl Typed {
    pub fn of(e: &EnvironmentSettings) -> Self {
        let d = &e.definition;
        let Hooks { maintenance_on, maintenance_off, reload, clear_caches, boot } = &d.hooks;
        let hook = |argv: &Option<Vec<String>>| argv.as_ref().map(|a| a.join("\n")).unwrap_or_default();
        let mut typed = Self {
            url: d.url.clone().unwrap_or_default(),
            expect: d.expect.clone().unwrap_or_default(),
            owner: d.owner.clone().unwrap_or_default(),
            live: if d.live { "yes" } else { "" }.into(),
            exclude: d.exclude.join("\n"),
            maintenance_on: hook(maintenance_on),
            maintenance_off: hook(maintenance_off),
            reload: hook(reload),
            clear_caches: hook(clear_caches),
            boot: hook(boot),
            server: e.server.clone().unwrap_or_default(),
            database: d.database.as_ref().map(DatabaseAddress::label).unwrap_or_default(),
            ..Self::default()
        };
        if let Some(account) = d.database.as_ref().and_then(DatabaseAddress::account) {
            (typed.user, typed.prefix) = (account.user.clone(), account.prefix.clone());
            (typed.host, typed.port, typed.socket) = place(&account.at);
        }
        typed
    }
}

fn trail(e: &EnvironmentSettings, here: &'static str) -> AnyView {
    let path = vec![("Sites".to_owned(), "/admin/sites".to_owned()), (format!("{}/{}", e.tenant, e.title()), paths::environment(&e.id))];
    crate::ui::kit::crumbs(path, here)
}

pub fn page(shell: Shell, e: EnvironmentSettings, typed: Typed, wrong: Problem) -> String {
    whole(shell.slim(), move || {
        let title = e.title();
        html! {
            {trail(&e, "Settings")}
            <div class="row spread"><h1>{format!("Settings of {title}")}</h1><div class="actions">
                {post(format!("{}/test", paths::administer(&e.id)), "button", "Test connection", title.clone())}
                <a class="button" href=paths::remove_environment(&e.id)>{format!("Remove {title}…")}</a>
            </div></div>
            {problem(wrong.clone())}
            {fixed(&e)}
            <form class="form card" method="post" action=paths::administer(&e.id)>
                {site(&typed)}
                {database(&e, &typed)}
                {hooks(&typed)}
                <div class="actions"><button class="button primary">{format!("Save the settings of {title}")}</button>
                    <a class="button" href=paths::environment(&e.id)>"Cancel"</a></div>
            </form>
        }
    })
}

/// What is the environment, and cannot be another.
fn fixed(e: &EnvironmentSettings) -> AnyView {
    let d = &e.definition;
    let files: Vec<String> = d.files.iter().map(|f| format!("{}: {}", f.name, f.path.display())).collect();
    let settings = d.settings.as_ref().map(|p| html! { <dt>"Settings file"</dt><dd class="wrap">{p.display().to_string()}</dd> });
    let files = (!files.is_empty()).then(|| html! { <dt>"Files"</dt><dd class="wrap">{files.join(", ")}</dd> });
    html! {
        <div class="card"><dl class="facts">
            <dt>"Stack"</dt><dd>{d.stack.name()}</dd>
            <dt>"Code"</dt><dd class="wrap">{d.root.display().to_string()}</dd>
            {files}{settings}
        </dl></div>
    }
}

fn site(t: &Typed) -> AnyView {
    html! {
        <h2>"Site"</h2>
        {field("Address", "url", &t.url, "Where it answers. After a restore Sitekeep asks for this page.")}
        {field("Expected text", "expect", &t.expect, "A text that this page must contain.")}
        {tick("This is live: its name must be typed before a restore", "live", t.live == "yes")}
        {lines("Left out", "exclude", &t.exclude, "exclude-hint", "Patterns as in .gitignore, one a line, beyond what the stack leaves out.")}
        {field("Owner", "owner", &t.owner, "The user whose rights are used. Empty: the owner of the directory.")}
    }
}

fn database(e: &EnvironmentSettings, t: &Typed) -> AnyView {
    let Some(address) = &e.definition.database else {
        return html! { <h2>"Database"</h2><p class="soft">"This environment has none."</p> }.into_any();
    };
    let mut servers = vec![(String::new(), "none".to_owned())];
    servers.extend(e.servers.iter().map(|s| (s.clone(), s.clone())));
    let hint = if e.has_password { "Set; unchanged unless typed." } else { "Not set." };
    let account = address.account().is_some().then(|| {
        html! {
            {database_fields(&t.host, &t.port, &t.socket, &t.user, &t.prefix)}
            {secret("Password", "password", hint)}
            {choose("Server account", "server", servers, &t.server, "With one a restore imports into a new database.")}
        }
    });
    html! {
        <h2>{format!("Database ({})", address.engine())}</h2>
        <p class="hint">"It is tried before anything is saved."</p>
        {field("Name", "database", &t.database, "Of SQLite: the path of its file.")}
        {account}
    }
    .into_any()
}

fn hooks(t: &Typed) -> AnyView {
    html! {
        <h2>"Hooks"</h2>
        <p class="hint">"Commands that a restore runs as the site's owner, in the directory of its code, without a shell: the program on the first line, and one argument on each further line. Only administrators set them."</p>
        {lines("Maintenance on", "maintenance_on", &t.maintenance_on, "maintenance_on-hint", "Empty: the way of the stack.")}
        {lines("Maintenance off", "maintenance_off", &t.maintenance_off, "maintenance_off-hint", "Empty: the way of the stack.")}
        {lines("Reload", "reload", &t.reload, "reload-hint", "After the switch: makes an application server read its settings anew.")}
        {lines("Clear caches", "clear_caches", &t.clear_caches, "clear_caches-hint", "After a restore. Empty: the way of the stack.")}
        {lines("Boot", "boot", &t.boot, "boot-hint", "In a drill: starts the restored copy, in the folder of its code, and ends with status 0 when all is well. It must name nothing of the live site by its whole path.")}
    }
}

/// How an environment is to go, as it is chosen.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct TypedRemoval {
    /// `keep` or `trash`
    pub backups: String,
    /// `yes`: a last backup first.
    pub last: String,
    pub confirm: String,
}

pub fn removal(shell: Shell, e: EnvironmentSettings, typed: TypedRemoval, wrong: Problem) -> String {
    whole(shell.slim(), move || {
        let title = e.title();
        let trash = typed.backups == "trash";
        let radio = |value: &'static str, chosen: bool, text: String, more: &'static str| {
            html! { <label class="choice"><input type="radio" name="backups" value=value checked=chosen/><span>{text}</span><small>{more}</small></label> }
        };
        html! {
            {trail(&e, "Remove")}
            <h1>{format!("Remove {title}")}</h1>
            {problem(wrong.clone())}
            <p>"The site itself is not touched: its files and its database stay as they are. Sitekeep forgets how to reach them, and the name becomes free."</p>
            <form class="form card" method="post">
                <fieldset><legend>"What happens with its backups"</legend><div class="choices">
                    {radio("keep", !trash, "Keep them".into(), "They stay listed, and can be restored into other environments of the tenant.")}
                    {radio("trash", trash, "Move them to the trash".into(), "They can be taken back from it.")}
                </div></fieldset>
                {tick("Make a last backup first; stay unless it succeeds", "last", typed.last == "yes")}
                {confirm(&typed.confirm, &title)}
                <div class="actions"><button class="button danger">{format!("Remove {title}")}</button><a class="button" href=paths::administer(&e.id)>"Cancel"</a></div>
            </form>
        }
    })
}

fn confirm(typed: &str, title: &str) -> AnyView {
    html! {
        <div class="field"><label for="confirm">{format!("Type {title} to confirm")}</label>
            <input class="input" id="confirm" name="confirm" value=typed.to_owned() autocomplete="off" required/></div>
    }
}
