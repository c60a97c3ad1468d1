//! Database servers: accounts that may create databases and users, for restores into a new database.

use super::client::escaped;
use super::exit::Exit;
use super::output::{Cell, Column, Sheet, column};
use super::session::Session;
use crate::base::error::{Error, Result};
use crate::domain::view;
use std::path::PathBuf;

/// List the database servers
#[derive(Clone, Debug, clap::Args)]
pub struct List {}

/// Add a database account that may create databases and users
///
/// Its password is read from --password-file, or from standard input (typed unseen on a terminal). It is sealed by the
/// server and never shown again.
#[derive(Clone, Debug, clap::Args)]
pub struct Add {
    /// What it is called here, for --server
    pub name: String,
    /// mysql (also for MariaDB) or postgres
    #[arg(long, value_parser = ["mysql", "postgres"])]
    pub engine: String,
    /// Its host [default: 127.0.0.1]
    #[arg(long, conflicts_with = "socket")]
    pub host: Option<String>,
    /// Its port [default: 3306, or 5432 for PostgreSQL]
    #[arg(long)]
    pub port: Option<u16>,
    /// MySQL: the socket's file. PostgreSQL: the directory that holds it
    #[arg(long)]
    pub socket: Option<String>,
    /// The account that may create databases and users
    #[arg(long)]
    pub user: String,
    /// A file whose first line is the password; `-` for standard input
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub password_file: PathBuf,
    /// Set it aside for drills: backups are imported into scratch databases on it, and dropped again
    #[arg(long)]
    pub for_drills: bool,
}

/// Set a database server aside for drills, or take it back
#[derive(Clone, Debug, clap::Args)]
pub struct Change {
    /// What it is called here
    pub name: String,
    /// Backups are imported into scratch databases on it, and dropped again
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false", required = true)]
    pub for_drills: Option<bool>,
}

const COLUMNS: &[Column] = &[
    column("name", "Name"),
    column("engine", "Engine"),
    column("address", "Address"),
    column("user", "User"),
    column("version", "Version"),
    column("for_drills", "For drills"),
    column("created", "Created"),
    column("id", "ID"),
];
const SHOWN: &str = "name,engine,address,user,version";

fn row(server: view::Server) -> Vec<Cell> {
    let created = Cell::date(Some(&server.created));
    vec![
        server.name.into(),
        server.engine.into(),
        server.address.into(),
        server.user.into(),
        server.version.into(),
        (if server.for_drills { "yes" } else { "no" }).into(),
        created,
        server.id.into(),
    ]
}

pub fn list(s: &mut Session<'_>) -> Result<Exit> {
    let all: Vec<view::Server> = s.client()?.get("/servers")?;
    let mut sheet = Sheet::new(COLUMNS, SHOWN);
    all.into_iter().for_each(|server| sheet.add(row(server)));
    if sheet.rows.is_empty() {
        s.console.warn("There are no database servers.");
    }
    s.print(sheet)?;
    Ok(Exit::Good)
}

pub fn change(s: &mut Session<'_>, args: &Change) -> Result<Exit> {
    let all: Vec<view::Server> = s.client()?.get("/servers")?;
    let found = all.into_iter().find(|server| server.name == args.name);
    let found =
        found.ok_or_else(|| Error::not_found(format!("there is no server `{}`", args.name)).hint("`sitekeep server:list` shows them"))?;
    let path = format!("/servers/{}", escaped(&found.id));
    let changed: view::Server = s.client()?.patch(&path, &serde_json::json!({ "for_drills": args.for_drills.unwrap_or(true) }))?;
    s.console.notice(&match changed.for_drills {
        true => format!("{} is set aside for drills.", changed.name),
        false => format!("{} is not used for drills any more.", changed.name),
    });
    Ok(Exit::Good)
}

pub fn add(s: &mut Session<'_>, args: Add) -> Result<Exit> {
    let client = s.client()?;
    let password = s.secret_from(&args.password_file, "Password")?;
    let body = view::AddServer {
        name: args.name,
        engine: args.engine,
        host: args.host,
        port: args.port,
        socket: args.socket,
        user: args.user,
        password: password.expose().to_owned(),
        for_drills: args.for_drills,
    };
    let made: view::Server = client.post("/servers", &body)?.body;
    s.console.notice(&format!("Added the {} server {} ({}).", made.engine, made.name, made.version));
    if s.wants_data() {
        s.print(Sheet::one(COLUMNS, SHOWN, row(made)))?;
    }
    Ok(Exit::Good)
}
