//! `sitekeep recovery:key`: what opens a site's repository without Sitekeep. Whoever may read the catalogue and the master
//! key is the administrator of the machine; nobody else gets it, and every time it is told is in the activity log.

use super::block_on;
use super::setup::write_private;
use super::wiring::{self, Tuning};
use crate::app::{App, catalogue, environments};
use crate::base::error::{Context, Error, Result};
use crate::base::secret::Secret;
use crate::db;
use crate::db::activity::Act;
use crate::domain::ids::{SiteId, TenantId};
use crate::domain::names;
use std::io::Write;
use std::path::PathBuf;

/// Print what opens a site's repository with stock restic
///
/// Keep it away from this machine: with it and a copy of the repository every backup of the site can be read without
/// Sitekeep, by you or by whoever finds it.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Options {
    /// The site, or tenant/site where its name is not unique
    #[arg(value_name = "TENANT/SITE", required_unless_present = "catalogue")]
    site: Option<String>,
    /// Of the copies of the catalogue itself; it follows from `master.key`
    #[arg(long, conflicts_with = "site")]
    catalogue: bool,
    /// Write the password into this new file (mode 0600), as `restic --password-file` reads it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Where a repository lies, and the password of its key.
struct Key {
    /// `tenant/site`
    site: String,
    location: String,
    password: Secret,
}

pub(super) fn main(options: &Options) -> Result<()> {
    let config = wiring::configured()?;
    let tuning = Tuning::load()?;
    let key = block_on(async {
        let app = wiring::app(&config, &tuning, 2).await?;
        match &options.site {
            Some(site) => key_of(&app, site).await,
            None => key_of_catalogue(&app).await,
        }
    })?;
    if let Some(path) = &options.out {
        write_private(path, &key.password)?;
    }
    let text = told(&key, options.out.as_deref());
    std::io::stdout().lock().write_all(text.as_bytes()).context(|| "writing the output")
}

fn told(key: &Key, out: Option<&std::path::Path>) -> String {
    // restic wants a path where we write an address.
    let place = key.location.strip_prefix("file://").unwrap_or(&key.location);
    let (password, option) = match out {
        Some(path) => (format!("in {}", path.display()), format!(" --password-file '{}'", path.display())),
        None => (key.password.expose().to_owned(), String::new()),
    };
    format!("Site        {}\nRepository  {place}\nPassword    {password}\n\nrestic --repo '{place}'{option} snapshots\n", key.site)
}

async fn key_of(app: &App, name: &str) -> Result<Key> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let site = named(&mut tx, name).await?;
    let tenant = TenantId(site.tenant_id.clone());
    let row = db::sites::repository(&mut tx, &tenant, &SiteId(site.id.clone())).await?;
    let row = row.ok_or_else(|| Error::internal("the site has no repository"))?;
    let password = app.sealer.open(environments::repository_place("password", &row.tenant_id, &row.id), &row.password_sealed)?;
    let site = format!("{}/{}", site.tenant, site.name);
    let act = Act {
        tenant: Some(&tenant),
        account: None,
        actor: "administrator of the machine",
        action: "recovery.key",
        object: &row.id,
        detail: &site,
        address: "",
    };
    db::activity::record(&mut tx, now, &act).await?;
    tx.commit().await?;
    Ok(Key { site, location: row.location, password })
}

async fn key_of_catalogue(app: &App) -> Result<Key> {
    let now = app.pool.now().await?;
    let act = Act {
        tenant: None,
        account: None,
        actor: "administrator of the machine",
        action: "recovery.key",
        object: "catalogue",
        detail: "the copies of the catalogue",
        address: "",
    };
    db::activity::record(&mut *app.pool.get().await?, now, &act).await?;
    let (location, password) = (catalogue::place(app).url(), catalogue::recovery_key(app));
    Ok(Key { site: "the catalogue itself".into(), location, password })
}

async fn named(conn: &mut crate::base::sql::Conn, name: &str) -> Result<db::sites::Site> {
    let (tenant, site) = match name.split_once('/') {
        Some((tenant, site)) => (Some(tenant), site),
        None => (None, name),
    };
    names::check("site", site)?;
    let mut found = Vec::new();
    for t in db::tenants::list(conn).await?.into_iter().filter(|t| tenant.is_none_or(|name| t.name == name)) {
        found.extend(db::sites::find_named(conn, &TenantId(t.id), site).await?);
    }
    if found.len() > 1 {
        let all: Vec<String> = found.iter().map(|s| format!("{}/{}", s.tenant, s.name)).collect();
        return Err(Error::invalid(format!("the name `{name}` is not unique")).hint(format!("say which one: {}", all.join(", "))));
    }
    found.pop().ok_or_else(|| Error::not_found(format!("there is no site `{name}`")).hint("`sitekeep site:list` shows them"))
}
