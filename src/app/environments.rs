//! Environments as people see them, and opened for the worker.

use super::{App, access, access::Actor, from_json, servers};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::identity::Identity;
use crate::base::secret::{Place, Secret};
use crate::base::sql::Conn;
use crate::db;
use crate::db::environments::Environment as Row;
use crate::domain::ids::{EnvironmentId, SiteId, TenantId};
use crate::domain::names::Address;
use crate::domain::rights::Right;
use crate::domain::site::{Access, Definition};
use crate::domain::view;
use crate::engine::{Location, Repository};
use crate::queue;

/// An environment with everything that a job needs of it, secrets opened.
#[derive(Clone, Debug)]
pub struct Opened {
    pub id: EnvironmentId,
    pub tenant: TenantId,
    pub site: SiteId,
    /// `tenant/site.env`
    pub address: String,
    pub name: String,
    pub definition: Definition,
    /// The site's own database account.
    pub access: Option<Access>,
    /// The account that may create databases and users.
    pub server: Option<Access>,
    /// Whose rights are used on its files.
    pub owner: Identity,
}

/// Where the password of an environment's database is sealed.
pub(crate) fn place<'a>(tenant: &'a str, row: &'a str) -> Place<'a> {
    Place { table: "environments", column: "password", tenant, row }
}

/// Opens an environment for a job; there is no actor any more.
pub(crate) async fn open(app: &App, id: &EnvironmentId) -> Result<Opened> {
    let mut conn = app.pool.get().await?;
    let row = db::environments::find(&mut conn, id).await?.ok_or_else(|| Error::permanent("the environment was removed meanwhile"))?;
    let server = servers::access_of(app, &mut conn, row.server_id.as_deref()).await?;
    drop(conn);
    let definition: Definition = from_json("definition", &row.definition)?;
    let password = match &row.password_sealed {
        Some(sealed) => app.sealer.open(place(&row.tenant_id, &row.id), sealed)?,
        None => Secret::new(""),
    };
    let owner = match &definition.owner {
        Some(name) => Identity::of_user(name)?,
        None => Identity::of_path(&definition.root).map_err(|e| {
            e.hint("the directory of the site is gone: put it back, or an empty one with the right owner, and restore into it")
        })?,
    };
    Ok(Opened {
        id: EnvironmentId(row.id.clone()),
        tenant: TenantId(row.tenant_id.clone()),
        site: SiteId(row.site_id.clone()),
        address: address(&row),
        name: row.name,
        access: definition.database.clone().map(|address| Access { address, password }),
        definition,
        server,
        owner,
    })
}

/// The repository of a site, opened with its sealed key.
pub(crate) async fn repository(app: &App, tenant: &TenantId, site: &SiteId) -> Result<(String, Repository)> {
    let mut conn = app.pool.get().await?;
    let row = db::sites::repository(&mut conn, tenant, site).await?.ok_or_else(|| Error::internal("the site has no repository"))?;
    drop(conn);
    let key = app.sealer.open(repository_place("master_key", &row.tenant_id, &row.id), &row.master_key_sealed)?;
    let at = Location::parse(&row.location)?;
    let repository = servers::blocking(move || Repository::open(&at, &key)).await?;
    Ok((row.id, repository))
}

pub(crate) fn repository_place<'a>(column: &'a str, tenant: &'a str, row: &'a str) -> Place<'a> {
    Place { table: "repositories", column, tenant, row }
}

/// `tenant/site.env`
pub fn address(row: &Row) -> String {
    format!("{}/{}.{}", row.tenant, row.site, row.name)
}

pub async fn find(app: &App, actor: &Actor, id: &EnvironmentId) -> Result<view::Environment> {
    let mut conn = app.pool.get().await?;
    let row = access::environment(&mut conn, actor, id, Right::View).await?;
    view_of(&mut conn, actor, &row).await
}

pub async fn named(app: &App, actor: &Actor, name: &str) -> Result<view::Environment> {
    let name = Address::parse(name)?;
    let mut conn = app.pool.get().await?;
    let row = access::environment_named(&mut conn, actor, &name, Right::View).await?;
    view_of(&mut conn, actor, &row).await
}

/// How an environment looks to this actor; its definition only to administrators.
pub(crate) async fn view_of(conn: &mut Conn, actor: &Actor, row: &Row) -> Result<view::Environment> {
    let definition: Definition = from_json("definition", &row.definition)?;
    let (tenant, id) = (TenantId(row.tenant_id.clone()), EnvironmentId(row.id.clone()));
    let last = db::backups::last_good(conn, &tenant, &id).await?;
    let mut filter = queue::Filter::of(queue::Tenants::These(vec![tenant]));
    filter.environment = Some(id);
    filter.states = vec![queue::State::Running];
    let running = queue::list(conn, &filter).await?;
    Ok(view::Environment {
        id: row.id.clone(),
        tenant: row.tenant.clone(),
        site: row.site.clone(),
        name: row.name.clone(),
        stack: definition.stack.name().into(),
        elements: definition.elements(),
        live: definition.live,
        url: definition.url.clone(),
        path: definition.root.display().to_string(),
        last_backup: last.map(|at| Millis(at).iso()),
        running: running.into_iter().next().map(|job| job.id.0),
        definition: access::administer(actor).is_ok().then_some(definition),
    })
}

/// For `doctor`: opens the environment's directory and database, and says what they are.
pub async fn examine(app: &App, id: &EnvironmentId) -> Result<String> {
    let env = open(app, id).await?;
    let root = env.definition.root.display().to_string();
    let Some(access) = env.access else { return Ok(format!("{root}, no database")) };
    let engine = access.address.engine();
    let facts = servers::blocking(move || crate::hosting::database::database(access).check()).await?;
    Ok(format!("{root}, {engine} {}, dumped by {}", facts.server_version, facts.tool))
}
