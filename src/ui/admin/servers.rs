//! Server accounts: with one, a restore imports into a new database.

use super::{Problem, choose, field, secret, tick, trail};
use crate::domain::page::ServerRow;
use crate::domain::paths;
use crate::ui::kit::{post, problem, table};
use crate::ui::shell::{Shell, page as whole};
use leptos::prelude::*;

/// A server account as it is typed; the password is never shown again.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Typed {
    pub name: String,
    pub engine: String,
    pub host: String,
    pub port: String,
    pub socket: String,
    pub user: String,
    pub password: String,
    /// `yes`: set aside for drills.
    pub for_drills: String,
}

pub fn list(shell: Shell, servers: Vec<ServerRow>, typed: Typed, wrong: Problem) -> String {
    whole(shell, move || {
        let rows: Vec<_> = servers.iter().map(row).collect();
        let body = if rows.is_empty() {
            html! { <div class="empty"><h2>"No server account"</h2><p>"Without one a restore imports beside the live tables. With one it imports into a new database, and an undo is exact."</p></div> }
                .into_any()
        } else {
            table("Server accounts", &["Server", "Address", "Account", "Version", "Used by", ""], rows)
        };
        html! {
            <h1>"Servers"</h1>
            <p class="soft">"Database accounts that may create databases and users. Passwords are sealed, and never shown again."</p>
            {problem(wrong.clone())}
            {body}
            {add(&typed)}
        }
    })
}

fn row(r: &ServerRow) -> AnyView {
    let s = &r.server;
    let mut used = r.used_by.clone();
    if s.for_drills {
        used.insert(0, "drills".to_owned());
    }
    let used = if used.is_empty() { "nothing".to_owned() } else { used.join(", ") };
    let remove = r.used_by.is_empty().then(|| post(paths::admin_server(&s.id, "remove"), "button small", "Remove", s.name.clone()));
    html! {
        <tr role="row">
            <th role="rowheader" scope="row" class="lead">{s.name.clone()}</th>
            <td role="cell" data-label="Address"><span class="wrap">{s.engine.clone()}", "{s.address.clone()}</span></td>
            <td role="cell" data-label="Account"><span class="wrap">{s.user.clone()}</span></td>
            <td role="cell" data-label="Version"><span class="wrap">{s.version.clone()}</span></td>
            <td role="cell" data-label="Used by"><span class="wrap">{used}</span></td>
            <td role="cell"><div class="actions">
                {post(paths::admin_server(&s.id, "test"), "button small", "Test", s.name.clone())}
                <a class="button small" href=paths::admin_server(&s.id, "change")>"Change"<span class="sr">" "{s.name.clone()}</span></a>
                {remove}
            </div></td>
        </tr>
    }
}

const FOR_DRILLS: &str = "Set aside for drills: backups are imported into scratch databases on it, and dropped again";

fn add(t: &Typed) -> AnyView {
    let engines = vec![("mysql".to_owned(), "MySQL or MariaDB".to_owned()), ("postgres".to_owned(), "PostgreSQL".to_owned())];
    html! {
        <form class="form card" method="post" action="/admin/servers" aria-labelledby="new"><h2 id="new">"Add a server account"</h2>
            {field("Name", "name", &t.name, "For people: 1 to 40 characters a-z, 0-9 and -.")}
            {choose("Kind", "engine", engines, &t.engine, "")}
            {field("Host", "host", &t.host, "Empty: 127.0.0.1, or the socket below.")}
            {field("Port", "port", &t.port, "Empty: 3306 or 5432.")}
            {field("Socket", "socket", &t.socket, "MySQL: the path of the socket. PostgreSQL: the directory it lies in. Instead of a host.")}
            {field("User", "user", &t.user, "")}
            {secret("Password", "password", "It is tried at once, and kept sealed.")}
            {tick(FOR_DRILLS, "for_drills", t.for_drills == "yes")}
            <div class="actions"><button class="button primary">"Add the server account"</button></div>
        </form>
    }
}

/// Another name or password.
pub fn change(shell: Shell, r: ServerRow, name: String, drills: bool, wrong: Problem) -> String {
    whole(shell.slim(), move || {
        html! {
            {trail("Servers", "/admin/servers", r.server.name.clone())}
            <h1>{format!("Change {}", r.server.name)}</h1>
            {problem(wrong.clone())}
            <form class="form card" method="post">
                {field("Name", "name", &name, "")}
                {secret("Password", "password", "Set; unchanged unless typed. A new one is tried before it is kept.")}
                {tick(FOR_DRILLS, "for_drills", drills)}
                <div class="actions"><button class="button primary">{format!("Change {}", r.server.name)}</button><a class="button" href="/admin/servers">"Cancel"</a></div>
            </form>
        }
    })
}
