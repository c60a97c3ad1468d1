//! Database accounts that may create databases and users: with one, a restore imports into a new database.

use super::{App, access, access::Actor, from_json, to_json};
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::secret::{Place, Secret};
use crate::base::sql::Conn;
use crate::db;
use crate::domain::ids::ServerId;
use crate::domain::page::ServerRow;
use crate::domain::site::{Access, Account, DatabaseAddress, Endpoint};
use crate::domain::{names, view};
use crate::hosting::database::database;
use std::path::PathBuf;

fn place(id: &str) -> Place<'_> {
    Place { table: "servers", column: "password", tenant: "-", row: id }
}

/// Where a database server listens, from what a person gave.
pub(crate) fn endpoint(engine: &str, socket: Option<&str>, host: Option<&str>, port: Option<u16>) -> Endpoint {
    let default = if engine == "postgres" { 5432 } else { 3306 };
    match (socket, host) {
        (Some(path), _) => Endpoint::Socket { path: PathBuf::from(path), port },
        (None, host) => Endpoint::Tcp { host: host.unwrap_or("127.0.0.1").to_owned(), port: port.unwrap_or(default) },
    }
}

/// Adds a server account after connecting with it.
///
/// # Errors
/// `Invalid` for an engine without accounts; what the database said when it refused.
pub async fn add(app: &App, actor: &Actor, new: view::AddServer) -> Result<view::Server> {
    access::administer(actor)?;
    names::check("server", &new.name)?;
    let at = endpoint(&new.engine, new.socket.as_deref(), new.host.as_deref(), new.port);
    let (wrap, database_name): (fn(Account) -> DatabaseAddress, _) = match new.engine.as_str() {
        "mysql" => (DatabaseAddress::Mysql, ""),
        "postgres" => (DatabaseAddress::Postgres, "postgres"),
        other => return Err(Error::invalid(format!("`{other}` has no server accounts")).hint("the engine is mysql or postgres")),
    };
    let address = wrap(Account { at, database: database_name.into(), user: new.user, prefix: String::new() });
    let access = Access { address: address.clone(), password: Secret::new(new.password) };
    let probe = access.clone();
    let facts = blocking(move || database(probe).check()).await.map_err(|e| e.context("trying the server account"))?;
    let id = ServerId::fresh();
    let now = app.pool.now().await?;
    let row = db::servers::Server {
        id: id.0.clone(),
        name: new.name,
        address: to_json(&address)?,
        password_sealed: app.sealer.seal(place(&id.0), &access.password),
        version: facts.server_version,
        for_drills: i64::from(new.for_drills),
        created_at: now.0,
    };
    let mut tx = app.pool.begin().await?;
    db::servers::insert(&mut tx, now, &row).await.map_err(|e| match e.class() {
        Class::Conflict => Error::conflict(format!("there is a server `{}` already", row.name))
            .hint("give it another name; `sitekeep server:list` shows those that are there"),
        _ => e,
    })?;
    activity::record(&mut tx, now, actor, None, "server.add", &id.0, &row.name).await?;
    tx.commit().await?;
    view_of(&row)
}

pub async fn list(app: &App, actor: &Actor) -> Result<Vec<view::Server>> {
    access::administer(actor)?;
    let mut conn = app.pool.get().await?;
    db::servers::list(&mut conn).await?.iter().map(view_of).collect()
}

fn view_of(row: &db::servers::Server) -> Result<view::Server> {
    let address: DatabaseAddress = from_json("server address", &row.address)?;
    let account = address.account().ok_or_else(|| Error::internal("a server without an account"))?;
    let at = match &account.at {
        Endpoint::Socket { path, .. } => path.display().to_string(),
        Endpoint::Tcp { host, port } => format!("{host}:{port}"),
    };
    Ok(view::Server {
        id: row.id.clone(),
        name: row.name.clone(),
        engine: address.engine().into(),
        address: at,
        user: account.user.clone(),
        version: row.version.clone(),
        for_drills: row.for_drills == 1,
        created: Millis(row.created_at).iso(),
    })
}

/// The server account of an environment, opened.
pub(crate) async fn access_of(app: &App, conn: &mut Conn, id: Option<&str>) -> Result<Option<Access>> {
    let Some(id) = id else { return Ok(None) };
    let row = db::servers::find(conn, id).await?.ok_or_else(|| Error::internal("the environment names a server that is not there"))?;
    let password = app.sealer.open(place(&row.id), &row.password_sealed)?;
    Ok(Some(Access { address: from_json("server address", &row.address)?, password }))
}

/// The account of a server, where it is still kept.
pub(crate) async fn known(app: &App, conn: &mut Conn, id: &str) -> Result<Option<Access>> {
    if db::servers::find(conn, id).await?.is_none() {
        return Ok(None);
    }
    access_of(app, conn, Some(id)).await
}

/// A server that is set aside for drills of an engine: its id, its name, its account.
pub(crate) async fn for_drills(app: &App, conn: &mut Conn, engine: &str) -> Result<Option<(String, String, Access)>> {
    for row in db::servers::list(conn).await?.into_iter().filter(|row| row.for_drills == 1) {
        let address: DatabaseAddress = from_json("server address", &row.address)?;
        if address.engine() == engine
            && let Some(access) = access_of(app, conn, Some(&row.id)).await?
        {
            return Ok(Some((row.id, row.name, access)));
        }
    }
    Ok(None)
}

/// Runs what blocks on a thread of its own; a panic there is an error here.
pub(crate) async fn blocking<T: Send + 'static>(f: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(f).await.map_err(|e| Error::internal(format!("a task ended in a panic: {e}")))?
}

/// The server accounts with the environments that use them.
pub async fn overview(app: &App, actor: &Actor) -> Result<Vec<ServerRow>> {
    access::administer(actor)?;
    let mut conn = app.pool.get().await?;
    let uses = db::servers::uses(&mut conn).await?;
    let row = |row: db::servers::Server| {
        let used_by = uses.iter().filter(|(id, _)| *id == row.id).map(|(_, name)| name.clone()).collect();
        Ok(ServerRow { server: view_of(&row)?, used_by })
    };
    db::servers::list(&mut conn).await?.into_iter().map(row).collect()
}

/// Connects with a server account as it is kept, and says what answers.
///
/// # Errors
/// What the database said when it refused.
pub async fn test(app: &App, actor: &Actor, id: &ServerId) -> Result<String> {
    access::administer(actor)?;
    let mut conn = app.pool.get().await?;
    let row = db::servers::find(&mut conn, id.as_str()).await?.ok_or_else(|| access::hidden("server"))?;
    let found = access_of(app, &mut conn, Some(id.as_str())).await?.ok_or_else(|| access::hidden("server"))?;
    drop(conn);
    let facts = blocking(move || database(found).check()).await.map_err(|e| e.context(format!("trying the server `{}`", row.name)))?;
    db::servers::set_version(&mut *app.pool.get().await?, id.as_str(), &facts.server_version).await?;
    Ok(format!("{} answers: {}, dumped by {}", row.name, facts.server_version, facts.tool))
}

/// Gives a server account another name, another password, or both, and says whether it is set aside for drills. The password
/// is tried first.
pub async fn change(app: &App, actor: &Actor, id: &ServerId, name: &str, password: Option<Secret>, for_drills: bool) -> Result<()> {
    access::administer(actor)?;
    names::check("server", name)?;
    let mut conn = app.pool.get().await?;
    let old = access_of_server(app, &mut conn, id).await?;
    drop(conn);
    if let Some(password) = &password {
        let probe = Access { address: old.address, password: password.clone() };
        blocking(move || database(probe).check()).await.map_err(|e| e.context("trying the new password"))?;
    }
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    db::servers::rename(&mut tx, id.as_str(), name).await.map_err(|e| match e.class() {
        Class::Conflict => Error::conflict(format!("there is a server `{name}` already")).hint("give it another name"),
        _ => e,
    })?;
    if let Some(password) = &password {
        db::servers::set_password(&mut tx, id.as_str(), app.sealer.seal(place(id.as_str()), password)).await?;
    }
    db::servers::set_for_drills(&mut tx, id.as_str(), for_drills).await?;
    let with = if password.is_some() { ", with another password" } else { "" };
    let aside = if for_drills { ", set aside for drills" } else { "" };
    let detail = format!("{name}{with}{aside}");
    activity::record(&mut tx, now, actor, None, "server.change", id.as_str(), &detail).await?;
    tx.commit().await?;
    Ok(())
}

/// Sets a server aside for drills, or takes it back.
pub async fn set_for_drills(app: &App, actor: &Actor, id: &ServerId, yes: bool) -> Result<view::Server> {
    access::administer(actor)?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    db::servers::set_for_drills(&mut tx, id.as_str(), yes).await?;
    let row = db::servers::find(&mut tx, id.as_str()).await?.ok_or_else(|| access::hidden("server"))?;
    let detail = format!("{}{}", row.name, if yes { ", set aside for drills" } else { ", not for drills any more" });
    activity::record(&mut tx, now, actor, None, "server.change", id.as_str(), &detail).await?;
    tx.commit().await?;
    view_of(&row)
}

async fn access_of_server(app: &App, conn: &mut Conn, id: &ServerId) -> Result<Access> {
    db::servers::find(conn, id.as_str()).await?.ok_or_else(|| access::hidden("server"))?;
    access_of(app, conn, Some(id.as_str())).await?.ok_or_else(|| access::hidden("server"))
}

/// Forgets a server account.
///
/// # Errors
/// `Conflict` while an environment uses it.
pub async fn remove(app: &App, actor: &Actor, id: &ServerId) -> Result<()> {
    access::administer(actor)?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let row = db::servers::find(&mut tx, id.as_str()).await?.ok_or_else(|| access::hidden("server"))?;
    let uses = db::servers::uses(&mut tx).await?;
    let names: Vec<String> = uses.into_iter().filter(|(server, _)| *server == row.id).map(|(_, name)| name).collect();
    if !names.is_empty() {
        return Err(Error::conflict(format!("the server `{}` is used by {}", row.name, names.join(", ")))
            .hint("choose another server in their settings first"));
    }
    db::servers::remove(&mut tx, id.as_str()).await?;
    activity::record(&mut tx, now, actor, None, "server.remove", id.as_str(), &row.name).await?;
    tx.commit().await?;
    Ok(())
}
