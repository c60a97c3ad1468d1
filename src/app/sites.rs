//! Sites: listed, and added with what is found in their own settings.

use super::{App, access, access::Actor, environments, servers, to_json};
use crate::app::activity;
use crate::base::chance;
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::identity::Identity;
use crate::base::secret::Secret;
use crate::base::sql::Tx;
use crate::db;
use crate::domain::ids::{EnvironmentId, RepositoryId, SiteId, TenantId};
use crate::domain::names;
use crate::domain::site::{Access, Account, DatabaseAddress, Definition, FilesDir, StackKind};
use crate::domain::view::{self, AddSite, Added};
use crate::engine::Repository;
use crate::hosting::database::database;
use crate::hosting::stack;
use std::path::{Path, PathBuf};

/// The sites that the actor may see, with their environments.
pub async fn list(app: &App, actor: &Actor) -> Result<Vec<view::Site>> {
    let mut conn = app.pool.get().await?;
    let stale_before = app.pool.moment().await?.plus(-app.settings.stale_after);
    let mut sites = Vec::new();
    for tenant in access::tenants(&mut conn, actor).await? {
        let tenant_id = TenantId(tenant.id);
        let environments = db::environments::of_tenant(&mut conn, &tenant_id).await?;
        for site in db::sites::of_tenant(&mut conn, &tenant_id).await? {
            let mut of_site = Vec::new();
            for row in environments.iter().filter(|e| e.site_id == site.id) {
                of_site.push(environments::view_of(&mut conn, actor, stale_before, row).await?);
            }
            let created = Millis(site.created_at).iso();
            let key_confirmed = site.key_confirmed_at.map(|at| Millis(at).iso());
            sites.push(view::Site { id: site.id, tenant: site.tenant, name: site.name, environments: of_site, created, key_confirmed });
        }
    }
    Ok(sites)
}

/// Adds an environment, and its site with a repository where that is new.
///
/// # Errors
/// `Invalid` when the stack is not recognised, a path is missing, or the database refuses the credentials; nothing is
/// added then.
pub async fn add(app: &App, actor: &Actor, new: AddSite) -> Result<Added> {
    access::administer(actor)?;
    names::check("site", &new.site)?;
    names::check("environment", &new.environment)?;
    let asked = new.clone();
    let (definition, password, mut added) = servers::blocking(move || examine(&asked)).await?;
    if new.dry_run {
        return Ok(added);
    }
    let environment = insert(app, actor, &new, &definition, password).await?;
    let stale_before = app.pool.moment().await?.plus(-app.settings.stale_after);
    let mut conn = app.pool.get().await?;
    let row =
        db::environments::find(&mut conn, &environment).await?.ok_or_else(|| Error::internal("the environment just added is gone"))?;
    added.environment = Some(environments::view_of(&mut conn, actor, stale_before, &row).await?);
    Ok(added)
}

/// What the environment is made of: what was found, overridden by what was given; then everything is tried.
fn examine(new: &AddSite) -> Result<(Definition, Option<Secret>, Added)> {
    let root = real(&new.path)?;
    let owner = match &new.owner {
        Some(name) => Identity::of_user(name)?,
        None => Identity::of_path(&root)?,
    };
    let (mut definition, mut password, mut found, mut warnings) = if new.detect {
        let f = stack::detect(&root, &owner)?;
        (f.definition, f.password, f.lines, f.warnings)
    } else {
        (Definition::bare(StackKind::Generic, &root), None, Vec::new(), Vec::new())
    };
    override_with(&mut definition, new)?;
    if let Some(given) = database_given(new, definition.database.as_ref())? {
        definition.database = given;
    }
    if let Some(given) = &new.database_password {
        password = Some(Secret::new(given.clone()));
    }
    definition.check()?;
    found.push(format!("elements: {}", definition.elements().iter().map(|e| e.name()).collect::<Vec<_>>().join(", ")));
    try_database(&definition, password.as_ref(), &mut found, &mut warnings)?;
    let added = Added { environment: None, definition: definition.clone(), found, warnings };
    Ok((definition, password, added))
}

fn override_with(definition: &mut Definition, new: &AddSite) -> Result<()> {
    if let Some(name) = &new.stack {
        definition.stack = StackKind::parse(name)?;
    }
    if !new.files.is_empty() {
        definition.files = new.files.iter().map(|text| files_dir(&definition.root, text)).collect::<Result<_>>()?;
    }
    if let Some(path) = &new.settings {
        definition.settings = Some(real(&definition.root.join(path).display().to_string())?);
    }
    definition.owner = new.owner.clone().or(definition.owner.take());
    definition.url = new.url.clone().or(definition.url.take());
    definition.expect = new.expect.clone().or(definition.expect.take());
    definition.exclude.extend(new.exclude.iter().cloned());
    definition.hooks = new.hooks.clone();
    definition.live = new.live.unwrap_or(new.environment == "live");
    Ok(())
}

/// `name=path`, or a path alone, which is called `public`; relative paths begin at the root.
fn files_dir(root: &Path, text: &str) -> Result<FilesDir> {
    let (name, path) = text.split_once('=').unwrap_or(("public", text));
    Ok(FilesDir { name: name.to_owned(), path: real(&root.join(path).display().to_string())? })
}

/// The path without symbolic links: a link that is changed later must not lead a restore elsewhere.
fn real(path: &str) -> Result<PathBuf> {
    std::fs::canonicalize(path).map_err(|e| {
        Error::invalid(format!("{path}: {e}")).hint("give the path of a directory on this host that exists and that Sitekeep may read")
    })
}

/// The database from options: `None` when none was given, `Some(None)` for `none`.
fn database_given(new: &AddSite, found: Option<&DatabaseAddress>) -> Result<Option<Option<DatabaseAddress>>> {
    let any = new.database_name.is_some() || new.database_user.is_some() || new.database_host.is_some() || new.database_socket.is_some();
    let engine = match (&new.database_engine, found) {
        (Some(engine), _) => engine.as_str(),
        (None, Some(found)) if any => found.engine(),
        (None, None) if any => {
            return Err(Error::invalid("the kind of database is not known").hint("add --database-engine=mysql, postgres or sqlite"));
        }
        (None, _) => return Ok(None),
    };
    if engine == "none" {
        return Ok(Some(None));
    }
    let before = found.and_then(DatabaseAddress::account);
    let name = new.database_name.clone().or_else(|| before.map(|a| a.database.clone()));
    let name = name.ok_or_else(|| Error::invalid("the name of the database is missing").hint("add --database-name"))?;
    if engine == "sqlite" {
        return Ok(Some(Some(DatabaseAddress::Sqlite { path: real(&Path::new(&new.path).join(name).display().to_string())? })));
    }
    let user = new.database_user.clone().or_else(|| before.map(|a| a.user.clone()));
    let user = user.ok_or_else(|| Error::invalid("the database user is missing").hint("add --database-user"))?;
    let at = match before {
        Some(before) if new.database_host.is_none() && new.database_socket.is_none() => before.at.clone(),
        _ => servers::endpoint(engine, new.database_socket.as_deref(), new.database_host.as_deref(), new.database_port),
    };
    let prefix = new.database_prefix.clone().or_else(|| before.map(|a| a.prefix.clone())).unwrap_or_default();
    let account = Account { at, database: name, user, prefix };
    match engine {
        "mysql" => Ok(Some(Some(DatabaseAddress::Mysql(account)))),
        "postgres" => Ok(Some(Some(DatabaseAddress::Postgres(account)))),
        other => Err(Error::invalid(format!("`{other}` is not a kind of database")).hint("it is mysql, postgres, sqlite or none")),
    }
}

fn try_database(definition: &Definition, password: Option<&Secret>, found: &mut Vec<String>, warnings: &mut Vec<String>) -> Result<()> {
    let Some(address) = definition.database.clone() else { return Ok(()) };
    let label = format!("{} database {}", address.engine(), address.label());
    let password = password.cloned().unwrap_or_else(|| Secret::new(""));
    let facts = database(Access { address, password }).check().map_err(|e| e.context(format!("trying the {label}")))?;
    found.push(format!("{label} answers: {}, dumped by {}", facts.server_version, facts.tool));
    if !facts.inexact_columns.is_empty() {
        warnings.push(format!("these columns do not come back bit-exact: {}", facts.inexact_columns.join(", ")));
    }
    warnings.extend(facts.warnings);
    Ok(())
}

async fn insert(app: &App, actor: &Actor, new: &AddSite, definition: &Definition, password: Option<Secret>) -> Result<EnvironmentId> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let tenant = db::tenants::find_named(&mut conn, &new.tenant).await?;
    let tenant = TenantId(
        tenant
            .ok_or_else(|| Error::not_found(format!("there is no tenant `{}`", new.tenant)).hint("`sitekeep tenant:create` makes one"))?
            .id,
    );
    let server_id = match &new.server {
        Some(name) => {
            let server = db::servers::find_named(&mut conn, name).await?;
            Some(
                server
                    .ok_or_else(|| Error::not_found(format!("there is no server `{name}`")).hint("`sitekeep server:list` shows them"))?
                    .id,
            )
        }
        None => None,
    };
    let site = db::sites::find_named(&mut conn, &tenant, &new.site).await?;
    drop(conn);
    // The repository's key takes a while to derive: made before the transaction, and thrown away if that fails.
    let fresh = if site.is_none() { Some(create_repository(app).await?) } else { None };
    let mut tx = app.pool.begin().await?;
    let site = match (site, fresh) {
        (Some(site), _) => SiteId(site.id),
        (None, Some(repository)) => insert_site(app, &mut tx, now, &tenant, &new.site, repository).await?,
        (None, None) => return Err(Error::internal("a new site without a repository")),
    };
    let id = EnvironmentId::fresh();
    let row = db::environments::Environment {
        id: id.0.clone(),
        tenant_id: tenant.0.clone(),
        tenant: new.tenant.clone(),
        site_id: site.0,
        site: new.site.clone(),
        name: new.environment.clone(),
        definition: to_json(definition)?,
        password_sealed: password.map(|p| app.sealer.seal(environments::place(&tenant.0, &id.0), &p)),
        server_id,
        state: "active".into(),
        created_at: now.0,
    };
    db::environments::insert(&mut tx, now, &row).await.map_err(|e| match e.class() {
        Class::Conflict => Error::conflict(format!("there is an environment `{}` already", environments::address(&row)))
            .hint("give another name with --env, or another site"),
        _ => e,
    })?;
    activity::record(&mut tx, now, actor, Some(&tenant), "environment.add", &id.0, &environments::address(&row)).await?;
    tx.commit().await?;
    Ok(id)
}

struct NewRepository {
    id: RepositoryId,
    location: String,
    password: Secret,
    master_key: Secret,
}

async fn create_repository(app: &App) -> Result<NewRepository> {
    let id = RepositoryId::fresh();
    let password = chance::password();
    let at = app.store.join(&id.0);
    let location = at.url();
    let with = password.clone();
    let (_, master_key) = servers::blocking(move || Repository::create(&at, &with)).await?;
    Ok(NewRepository { id, location, password, master_key })
}

async fn insert_site(app: &App, tx: &mut Tx, now: Millis, tenant: &TenantId, name: &str, r: NewRepository) -> Result<SiteId> {
    let site = SiteId::fresh();
    db::sites::insert(tx, now, &site, tenant, name).await.map_err(|e| match e.class() {
        Class::Conflict => Error::conflict(format!("somebody else has added the site `{name}` just now"))
            .hint("try again: its environment can be added to it"),
        _ => e,
    })?;
    let place = |column| environments::repository_place(column, &tenant.0, &r.id.0);
    let row = db::sites::Repository {
        id: r.id.0.clone(),
        tenant_id: tenant.0.clone(),
        site_id: site.0.clone(),
        location: r.location.clone(),
        password_sealed: app.sealer.seal(place("password"), &r.password),
        master_key_sealed: app.sealer.seal(place("master_key"), &r.master_key),
    };
    db::sites::insert_repository(tx, now, &row).await?;
    Ok(site)
}
