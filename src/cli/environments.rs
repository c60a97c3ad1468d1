//! Environments: the running copies of a site.

use super::exit::Exit;
use super::output::{Cell, Column, Sheet, column};
use super::session::Session;
use crate::base::error::{Error, Result};
use crate::domain::view;
use serde_json::{Value, json};

/// List the environments of a site
#[derive(Clone, Debug, clap::Args)]
pub struct List {
    /// `site`, or `tenant/site` where a site's name is not unique
    pub site: String,
}

/// Show one environment
#[derive(Clone, Debug, clap::Args)]
pub struct Info {
    /// site.env, or tenant/site.env where the name of the site is not unique
    #[arg(value_name = "SITE.ENV")]
    pub environment: String,
}

const COLUMNS: &[Column] = &[
    column("name", "Name"),
    column("stack", "Stack"),
    column("elements", "Elements"),
    column("live", "Live"),
    column("state", "State"),
    column("why", "Why unprotected"),
    column("last_backup", "Last backup"),
    column("running", "Running"),
    column("url", "URL"),
    column("path", "Path"),
    column("site", "Site"),
    column("tenant", "Tenant"),
    column("definition", "Definition"),
    column("id", "ID"),
];

fn row(e: view::Environment) -> Vec<Cell> {
    let elements: Vec<String> = e.elements.iter().map(ToString::to_string).collect();
    let last = match &e.last_backup {
        Some(at) => Cell::date(Some(at)),
        None => Cell::shown("Never", Value::Null),
    };
    vec![
        e.name.into(),
        e.stack.into(),
        elements.into(),
        e.live.into(),
        e.state.into(),
        e.why.into(),
        last,
        e.running.into(),
        e.url.into(),
        e.path.into(),
        e.site.into(),
        e.tenant.into(),
        e.definition.map(|d| json!(d)).into(),
        e.id.into(),
    ]
}

/// The site called `site` or `tenant/site`.
///
/// # Errors
/// `NotFound` when there is none; `Conflict` when the name could be several.
pub(super) fn site_named(s: &mut Session<'_>, named: &str) -> Result<view::Site> {
    let all: Vec<view::Site> = s.client()?.get("/sites")?;
    let (tenant, name) = named.split_once('/').map_or((None, named), |(tenant, name)| (Some(tenant), name));
    let mut found: Vec<view::Site> = all.into_iter().filter(|site| site.name == name && tenant.is_none_or(|t| t == site.tenant)).collect();
    if found.len() > 1 {
        let names: Vec<String> = found.iter().map(|site| format!("{}/{}", site.tenant, site.name)).collect();
        return Err(Error::conflict(format!("{name} could be {}", names.join(" or "))).hint("name the tenant too: tenant/site"));
    }
    found.pop().ok_or_else(|| Error::not_found(format!("there is no site {named}")).hint("`sitekeep site:list` shows them"))
}

pub fn list(s: &mut Session<'_>, args: &List) -> Result<Exit> {
    let site = site_named(s, &args.site)?;
    let mut sheet = Sheet::new(COLUMNS, "name,stack,elements,live,state,last_backup,running,url");
    site.environments.into_iter().for_each(|e| sheet.add(row(e)));
    s.print(sheet)?;
    Ok(Exit::Good)
}

pub fn info(s: &mut Session<'_>, args: &Info) -> Result<Exit> {
    let environment = s.environment(&args.environment)?;
    s.print(Sheet::one(COLUMNS, "name,site,tenant,stack,elements,live,url,path,state,why,last_backup,running,id", row(environment)))?;
    Ok(Exit::Good)
}
