//! Webhooks and heartbeats: other programs that are told.

use super::client::escaped;
use super::exit::Exit;
use super::output::{Cell, Column, Sheet, column};
use super::session::{Session, full_name};
use crate::base::error::Result;
use crate::domain::webhook::{AddWebhook, AddedWebhook, Webhook};
use serde_json::Value;
use std::path::PathBuf;

/// List the webhooks and heartbeats of a tenant
#[derive(Clone, Debug, clap::Args)]
pub struct List {
    /// The name of the tenant
    pub tenant: String,
}

/// Let another program be told of a tenant's alarms and backups
#[derive(Clone, Debug, clap::Args)]
pub struct Add {
    /// The name of the tenant
    #[arg(required_unless_present = "heartbeat")]
    pub tenant: Option<String>,
    /// A file whose first line is the address, `-` for standard input: an address often holds what lets one in
    #[arg(long, value_name = "FILE")]
    pub url_file: PathBuf,
    /// Call it after each good backup of this environment, and for nothing else; not signed
    #[arg(long, value_name = "SITE.ENV", conflicts_with = "tenant")]
    pub heartbeat: Option<String>,
}

/// Remove a webhook or a heartbeat
#[derive(Clone, Debug, clap::Args)]
pub struct Remove {
    /// Its id, as `webhook:list` shows it
    #[arg(value_name = "ID")]
    pub webhook: String,
}

/// Call it now, and say what became of that
#[derive(Clone, Debug, clap::Args)]
pub struct Test {
    /// Its id, as `webhook:list` shows it
    #[arg(value_name = "ID")]
    pub webhook: String,
}

const COLUMNS: &[Column] = &[
    column("id", "ID"),
    column("kind", "Kind"),
    column("host", "Host"),
    column("environment", "Environment"),
    column("created", "Created"),
];
const ADDED: &[Column] = &[column("id", "ID"), column("secret", "Secret")];

pub fn list(s: &mut Session<'_>, args: &List) -> Result<Exit> {
    let tenant = s.tenant(&args.tenant)?;
    let all: Vec<Webhook> = s.client()?.get(&format!("/tenants/{}/webhooks", escaped(&tenant.id)))?;
    if all.is_empty() {
        s.console.warn(&format!("{} has no webhooks.", tenant.name));
    }
    let mut sheet = Sheet::new(COLUMNS, "id,kind,host,environment,created");
    for w in all {
        let kind = if w.environment.is_some() { "heartbeat" } else { "webhook" };
        sheet.add(vec![w.id.into(), kind.into(), w.host.into(), w.environment.into(), Cell::date(Some(&w.created))]);
    }
    s.print(sheet)?;
    Ok(Exit::Good)
}

pub fn add(s: &mut Session<'_>, args: &Add) -> Result<Exit> {
    let environment = args.heartbeat.as_deref().map(|address| s.environment(address)).transpose()?;
    let name = environment.as_ref().map(|e| &e.tenant).or(args.tenant.as_ref()).cloned().unwrap_or_default();
    let tenant = s.tenant(&name)?;
    let url = s.secret_from(&args.url_file, "Address")?.expose().trim().to_owned();
    let body = AddWebhook { url, environment: environment.as_ref().map(|e| e.id.clone()) };
    let made: AddedWebhook = s.client()?.post(&format!("/tenants/{}/webhooks", escaped(&tenant.id)), &body)?.body;
    let said = match (&environment, &made.secret) {
        (Some(environment), _) => format!("It is called after each good backup of {}.", full_name(environment)),
        (None, Some(_)) => format!("It is told of everything in {}. This is the only time that its secret is shown.", tenant.name),
        (None, None) => format!("It is told of everything in {}.", tenant.name),
    };
    s.print(Sheet::one(ADDED, "id,secret", vec![made.id.into(), made.secret.into()]))?;
    s.console.notice(&said);
    Ok(Exit::Good)
}

pub fn remove(s: &mut Session<'_>, args: &Remove) -> Result<Exit> {
    let _: Value = s.client()?.delete(&format!("/webhooks/{}", escaped(&args.webhook)))?;
    s.console.notice("Removed. What was to be told to it is not sent any more.");
    Ok(Exit::Good)
}

pub fn test(s: &mut Session<'_>, args: &Test) -> Result<Exit> {
    let said: Value = s.client()?.post(&format!("/webhooks/{}/test", escaped(&args.webhook)), &serde_json::json!({}))?.body;
    s.console.notice(&format!("It arrived: {}.", said["said"].as_str().unwrap_or("the receiver answered")));
    Ok(Exit::Good)
}
