//! What administrators change about an environment: where it answers, what is left out, its hooks, its database account.

use super::super::{App, access, access::Actor, from_json, servers, to_json};
use super::{place, refuse_going};
use crate::app::activity;
use crate::base::error::{Error, Result};
use crate::base::identity::Identity;
use crate::base::secret::Secret;
use crate::db;
use crate::db::environments::Environment as Row;
use crate::domain::ids::{EnvironmentId, TenantId};
use crate::domain::page::EnvironmentSettings;
use crate::domain::rights::Right;
use crate::domain::site::{Access, Account, DatabaseAddress, Definition, Hooks};
use crate::hosting::database::database;

/// All that can be changed, as it is to be. Where the code and its files lie cannot: that is another environment.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub url: Option<String>,
    pub expect: Option<String>,
    pub owner: Option<String>,
    pub live: bool,
    pub exclude: Vec<String>,
    pub hooks: Hooks,
    /// The name of a server account.
    pub server: Option<String>,
    /// Nothing: as it is.
    pub database: Option<DatabaseChange>,
    /// Nothing: as it is.
    pub password: Option<Secret>,
}

/// Where the database is; its kind stays.
#[derive(Clone, Debug, Default)]
pub struct DatabaseChange {
    pub host: Option<String>,
    pub port: Option<u16>,
    pub socket: Option<String>,
    /// Of SQLite: the path of the file.
    pub name: String,
    pub user: String,
    pub prefix: String,
}

/// What the form is filled with.
pub async fn form(app: &App, actor: &Actor, id: &EnvironmentId) -> Result<EnvironmentSettings> {
    access::administer(actor)?;
    let mut conn = app.pool.get().await?;
    let row = access::environment(&mut conn, actor, id, Right::Administer).await?;
    let server = match &row.server_id {
        Some(id) => db::servers::find(&mut conn, id).await?.map(|s| s.name),
        None => None,
    };
    Ok(EnvironmentSettings {
        definition: from_json("definition", &row.definition)?,
        has_password: row.password_sealed.is_some(),
        servers: db::servers::list(&mut conn).await?.into_iter().map(|s| s.name).collect(),
        server,
        id: row.id,
        tenant: row.tenant,
        site: row.site,
        name: row.name,
    })
}

/// Changes an environment after trying its database with what was given.
///
/// # Errors
/// `Invalid` for what cannot be; `Conflict` when it changed meanwhile; what the database said when it refused.
pub async fn change(app: &App, actor: &Actor, id: &EnvironmentId, new: Change) -> Result<()> {
    access::administer(actor)?;
    let mut conn = app.pool.get().await?;
    let row = access::environment(&mut conn, actor, id, Right::Administer).await?;
    refuse_going(&row)?;
    let server_id = match &new.server {
        Some(name) => {
            let found = db::servers::find_named(&mut conn, name).await?;
            Some(found.ok_or_else(|| Error::invalid(format!("there is no server `{name}`")).hint("choose one of the list"))?.id)
        }
        None => None,
    };
    drop(conn);
    let before: Definition = from_json("definition", &row.definition)?;
    let definition = changed(&before, &new)?;
    let sealed = match &new.password {
        Some(password) => Some(app.sealer.seal(place(&row.tenant_id, &row.id), password)),
        None => row.password_sealed.clone(),
    };
    let password = match &sealed {
        Some(sealed) => app.sealer.open(place(&row.tenant_id, &row.id), sealed)?,
        None => Secret::new(""),
    };
    try_database(&definition, password).await?;
    let names = differences(&before, &definition, new.password.is_some(), server_id != row.server_id);
    save(app, actor, &row, &definition, sealed, server_id.as_deref(), &names).await
}

async fn save(
    app: &App,
    actor: &Actor,
    row: &Row,
    definition: &Definition,
    sealed: Option<Vec<u8>>,
    server_id: Option<&str>,
    names: &str,
) -> Result<()> {
    let (tenant, id) = (TenantId(row.tenant_id.clone()), EnvironmentId(row.id.clone()));
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    db::environments::lock(&mut tx, &id).await?;
    let still = access::environment(&mut tx, actor, &id, Right::Administer).await?;
    if still.definition != row.definition || still.password_sealed != row.password_sealed || still.state != row.state {
        return Err(Error::conflict("this environment was changed meanwhile, by somebody else or by a restore")
            .hint("open its settings again and make your changes there"));
    }
    db::environments::change(&mut tx, &tenant, &id, &to_json(definition)?, sealed, server_id).await?;
    let detail = format!("{}: {names}", super::address(row));
    activity::record(&mut tx, now, actor, Some(&tenant), "environment.change", &row.id, &detail).await?;
    tx.commit().await?;
    Ok(())
}

fn changed(before: &Definition, new: &Change) -> Result<Definition> {
    let mut d = before.clone();
    d.url = new.url.clone();
    d.expect = new.expect.clone();
    d.owner = new.owner.clone();
    d.live = new.live;
    d.exclude = new.exclude.clone();
    d.hooks = new.hooks.clone();
    if let Some(url) = &d.url
        && !(url.starts_with("http://") || url.starts_with("https://"))
    {
        return Err(Error::invalid(format!("{url:?} is no address of a site")).hint("it begins with https:// or http://"));
    }
    if let Some(name) = &d.owner {
        Identity::of_user(name)?;
    }
    if let (Some(old), Some(given)) = (&before.database, &new.database) {
        d.database = Some(moved(old, given)?);
    }
    d.check()?;
    Ok(d)
}

fn moved(old: &DatabaseAddress, new: &DatabaseChange) -> Result<DatabaseAddress> {
    if new.name.is_empty() {
        return Err(Error::invalid("the name of the database is missing"));
    }
    let account = || Account {
        at: servers::endpoint(old.engine(), new.socket.as_deref(), new.host.as_deref(), new.port),
        database: new.name.clone(),
        user: new.user.clone(),
        prefix: new.prefix.clone(),
    };
    Ok(match old {
        DatabaseAddress::Mysql(_) => DatabaseAddress::Mysql(account()),
        DatabaseAddress::Postgres(_) => DatabaseAddress::Postgres(account()),
        DatabaseAddress::Sqlite { .. } => {
            let path = std::fs::canonicalize(&new.name).map_err(|e| {
                Error::invalid(format!("{}: {e}", new.name)).hint("give the whole path of a file that exists and that Sitekeep may read")
            })?;
            DatabaseAddress::Sqlite { path }
        }
    })
}

async fn try_database(definition: &Definition, password: Secret) -> Result<()> {
    let Some(address) = definition.database.clone() else { return Ok(()) };
    let label = address.label();
    let tried = servers::blocking(move || database(Access { address, password }).check()).await;
    tried.map(drop).map_err(|e| e.context(format!("trying the database {label}")))
}

/// The names of what is different: never the values.
fn differences(a: &Definition, b: &Definition, password: bool, server: bool) -> String {
    let table = [
        ("url", a.url != b.url),
        ("expected text", a.expect != b.expect),
        ("owner", a.owner != b.owner),
        ("live", a.live != b.live),
        ("excludes", a.exclude != b.exclude),
        ("hooks", a.hooks != b.hooks),
        ("database", a.database != b.database),
        ("database password", password),
        ("server account", server),
    ];
    let names: Vec<&str> = table.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}
