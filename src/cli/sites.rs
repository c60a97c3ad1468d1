//! Sites: listing them, and adding one with its first or next environment.

use super::exit::Exit;
use super::output::{Cell, Column, Sheet, column};
use super::session::Session;
use super::words::words;
use crate::base::error::{Error, Result};
use crate::domain::site::{DatabaseAddress, Definition, Endpoint, Hooks, StackKind};
use crate::domain::{names, view};
use serde_json::{Value, json};
use std::path::PathBuf;

/// List the sites that you may see
#[derive(Clone, Debug, clap::Args)]
pub struct List {
    /// Only of this tenant
    #[arg(long)]
    pub tenant: Option<String>,
}

/// Add an environment of a site; the site too, where it is new
///
/// With --detect the site's own settings are read; what is given here wins over what is found. Paths are those of the
/// host where Sitekeep works.
#[derive(Clone, Debug, clap::Args)]
pub struct Add {
    /// The tenant, and the name of the site: a-z, 0-9 and -
    #[arg(value_name = "TENANT/SITE")]
    pub site: String,
    /// The environment: dev, test, live, …
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// The directory of the code
    #[arg(long, value_name = "DIR")]
    pub path: String,
    /// Read the site's own settings first
    #[arg(long)]
    pub detect: bool,
    /// wordpress, drupal, django or generic
    #[arg(long)]
    pub stack: Option<String>,
    /// A directory of uploads; can be given more than once
    #[arg(long, value_name = "NAME=DIR")]
    pub files: Vec<String>,
    /// The file that holds the database's credentials
    #[arg(long, value_name = "FILE")]
    pub settings: Option<String>,
    /// The kind of database
    #[arg(long, value_parser = ["mysql", "postgres", "sqlite", "none"], value_name = "ENGINE")]
    pub database_engine: Option<String>,
    /// Its host [default: 127.0.0.1]
    #[arg(long, value_name = "HOST")]
    pub database_host: Option<String>,
    /// Its port [default: 3306, or 5432 for PostgreSQL]
    #[arg(long, value_name = "PORT")]
    pub database_port: Option<u16>,
    /// Its socket, instead of a host. PostgreSQL: the directory that holds it
    #[arg(long, value_name = "PATH", conflicts_with = "database_host")]
    pub database_socket: Option<String>,
    /// The database's name, or SQLite's file
    #[arg(long, value_name = "NAME")]
    pub database_name: Option<String>,
    /// The site's own account there
    #[arg(long, value_name = "USER")]
    pub database_user: Option<String>,
    /// The site's tables begin with it
    #[arg(long, value_name = "PREFIX")]
    pub database_prefix: Option<String>,
    /// A file whose first line is the password; `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub database_password_file: Option<PathBuf>,
    /// A database server (server:add) where restores may create a database
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
    /// The user whose rights are used; the owner of the code by default
    #[arg(long, value_name = "USER")]
    pub owner: Option<String>,
    /// Where the site answers
    #[arg(long, value_name = "URL")]
    pub site_url: Option<String>,
    /// A text that its page must contain
    #[arg(long, value_name = "TEXT")]
    pub expect: Option<String>,
    /// Leave out, as in .gitignore; can be given more than once
    #[arg(long, value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// A live environment asks for its name before a restore; by default one called `live`
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false")]
    pub live: Option<bool>,
    /// After a switch: a program and its arguments, in one string, run without a shell as the site's owner
    #[arg(long, value_name = "COMMAND")]
    pub hook_reload: Option<String>,
    /// Keeps visitors out, before a switch
    #[arg(long, value_name = "COMMAND")]
    pub hook_maintenance_on: Option<String>,
    /// Lets visitors in again
    #[arg(long, value_name = "COMMAND")]
    pub hook_maintenance_off: Option<String>,
    /// Clears the application's caches, after a switch
    #[arg(long, value_name = "COMMAND")]
    pub hook_clear_caches: Option<String>,
    /// In a drill: starts the restored copy, in the folder of its code, and ends
    #[arg(long, value_name = "COMMAND")]
    pub hook_boot: Option<String>,
    /// Only say what would be added
    #[arg(long)]
    pub dry_run: bool,
}

const LISTED: &[Column] = &[
    column("name", "Name"),
    column("tenant", "Tenant"),
    column("environments", "Environments"),
    column("created", "Created"),
    column("id", "ID"),
];
const ADDED: &[Column] = &[
    column("environment", "Environment"),
    column("stack", "Stack"),
    column("path", "Code"),
    column("files", "Files"),
    column("settings", "Settings"),
    column("database", "Database"),
    column("owner", "Owner"),
    column("url", "URL"),
    column("expect", "Expected text"),
    column("live", "Live"),
    column("exclude", "Left out"),
    column("hooks", "Hooks"),
    column("id", "ID"),
];

pub fn list(s: &mut Session<'_>, args: &List) -> Result<Exit> {
    let all: Vec<view::Site> = s.client()?.get("/sites")?;
    let mut sheet = Sheet::new(LISTED, "name,tenant,environments,created");
    for site in all.into_iter().filter(|site| args.tenant.as_ref().is_none_or(|t| *t == site.tenant)) {
        let environments: Vec<String> = site.environments.into_iter().map(|e| e.name).collect();
        sheet.add(vec![site.name.into(), site.tenant.into(), environments.into(), Cell::date(Some(&site.created)), site.id.into()]);
    }
    if sheet.rows.is_empty() {
        s.console.warn("You have no sites.");
    }
    s.print(sheet)?;
    Ok(Exit::Good)
}

pub fn add(s: &mut Session<'_>, args: Add) -> Result<Exit> {
    let (client, dry_run) = (s.client()?, args.dry_run);
    let wish = wish(s, args)?;
    let name = format!("{}/{}.{}", wish.tenant, wish.site, wish.environment);
    let added: view::Added = client.post("/sites", &wish)?.body;
    added.found.iter().for_each(|line| s.console.notice(line));
    added.warnings.iter().for_each(|line| s.console.warn(line));
    s.console.notice(&if dry_run { format!("This would add {name}; nothing was changed.") } else { format!("Added {name}.") });
    if dry_run || s.wants_data() {
        let id = added.environment.map(|e| e.id);
        s.print(Sheet::one(
            ADDED,
            "environment,stack,path,files,settings,database,owner,url,live,exclude,hooks",
            row(&name, &added.definition, id),
        ))?;
    }
    Ok(Exit::Good)
}

/// What the API is asked for.
fn wish(s: &mut Session<'_>, args: Add) -> Result<view::AddSite> {
    let (tenant, site) = args.site.split_once('/').ok_or_else(|| {
        Error::invalid(format!("{:?} does not name a tenant and a site", args.site))
            .hint("it is written tenant/site, for example acme/shop")
    })?;
    for (what, name) in [("tenant", tenant), ("site", site), ("environment", &args.env)] {
        names::check(what, name)?;
    }
    if !args.path.starts_with('/') {
        return Err(Error::invalid(format!("{:?} is not a whole path", args.path))
            .hint("give the path as the host where Sitekeep works sees it, beginning with /"));
    }
    args.stack.as_deref().map(StackKind::parse).transpose()?;
    let password = args.database_password_file.as_deref().map(|path| s.secret_from(path, "Password of the database")).transpose()?;
    let hook = |text: &Option<String>| text.as_deref().map(words).transpose();
    let hooks = Hooks {
        maintenance_on: hook(&args.hook_maintenance_on)?,
        maintenance_off: hook(&args.hook_maintenance_off)?,
        reload: hook(&args.hook_reload)?,
        clear_caches: hook(&args.hook_clear_caches)?,
        boot: hook(&args.hook_boot)?,
    };
    Ok(view::AddSite {
        tenant: tenant.to_owned(),
        site: site.to_owned(),
        environment: args.env,
        detect: args.detect,
        path: args.path,
        stack: args.stack,
        files: args.files,
        settings: args.settings,
        database_engine: args.database_engine,
        database_host: args.database_host,
        database_port: args.database_port,
        database_socket: args.database_socket,
        database_name: args.database_name,
        database_user: args.database_user,
        database_prefix: args.database_prefix,
        database_password: password.map(|p| p.expose().to_owned()),
        server: args.server,
        owner: args.owner,
        url: args.site_url,
        expect: args.expect,
        exclude: args.exclude,
        hooks,
        live: args.live,
        dry_run: args.dry_run,
    })
}

fn row(name: &str, d: &Definition, id: Option<String>) -> Vec<Cell> {
    let files: Vec<String> = d.files.iter().map(|f| format!("{}={}", f.name, f.path.display())).collect();
    let hooks = json!(d.hooks);
    let told = hooks.as_object().into_iter().flatten().map(|(k, v)| format!("{k}: {v}")).collect::<Vec<_>>().join(", ");
    vec![
        name.into(),
        d.stack.name().into(),
        d.root.display().to_string().into(),
        files.into(),
        d.settings.as_ref().map(|p| p.display().to_string()).into(),
        Cell::shown(d.database.as_ref().map_or_else(|| "none".into(), database), d.database.as_ref().map_or(Value::Null, |a| json!(a))),
        d.owner.as_ref().into(),
        d.url.as_ref().into(),
        d.expect.as_ref().into(),
        d.live.into(),
        d.exclude.clone().into(),
        Cell::shown(told, hooks),
        id.into(),
    ]
}

/// `mysql shop on localhost:3306 as shop`
fn database(address: &DatabaseAddress) -> String {
    let Some(account) = address.account() else { return format!("{} {}", address.engine(), address.label()) };
    let at = match &account.at {
        Endpoint::Socket { path, .. } => path.display().to_string(),
        Endpoint::Tcp { host, port } => format!("{host}:{port}"),
    };
    let prefix = if account.prefix.is_empty() { String::new() } else { format!(", tables {}*", account.prefix) };
    format!("{} {} on {at} as {}{prefix}", address.engine(), account.database, account.user)
}
