//! Database accounts of the installation that may create databases and users.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Server {
    pub id: String,
    pub name: String,
    /// `domain::site::DatabaseAddress` as JSON.
    pub address: String,
    pub password_sealed: Vec<u8>,
    pub version: String,
    /// 1: set aside for drills.
    pub for_drills: i64,
    pub created_at: i64,
}

pub async fn insert(conn: &mut Conn, now: Millis, s: &Server) -> Result<()> {
    let sql =
        "insert into servers (id, name, address, password_sealed, version, for_drills, created_at) values ($1, $2, $3, $4, $5, $6, $7)";
    let query = run(sql)
        .bind(s.id.clone())
        .bind(s.name.clone())
        .bind(s.address.clone())
        .bind(s.password_sealed.clone())
        .bind(s.version.clone())
        .bind(s.for_drills)
        .bind(now.0);
    changed(conn, query).await?;
    Ok(())
}

pub async fn find(conn: &mut Conn, id: &str) -> Result<Option<Server>> {
    let sql = "select id, name, address, password_sealed, version, for_drills, created_at from servers where id = $1";
    Ok(rows(sql).bind(id.to_owned()).fetch_optional(conn).await?)
}

pub async fn find_named(conn: &mut Conn, name: &str) -> Result<Option<Server>> {
    let sql = "select id, name, address, password_sealed, version, for_drills, created_at from servers where name = $1";
    Ok(rows(sql).bind(name.to_owned()).fetch_optional(conn).await?)
}

pub async fn list(conn: &mut Conn) -> Result<Vec<Server>> {
    Ok(rows("select id, name, address, password_sealed, version, for_drills, created_at from servers order by name")
        .fetch_all(conn)
        .await?)
}

pub async fn rename(conn: &mut Conn, id: &str, name: &str) -> Result<bool> {
    Ok(changed(conn, run("update servers set name = $2 where id = $1").bind(id.to_owned()).bind(name.to_owned())).await? == 1)
}

pub async fn set_password(conn: &mut Conn, id: &str, password_sealed: Vec<u8>) -> Result<bool> {
    let query = run("update servers set password_sealed = $2 where id = $1").bind(id.to_owned()).bind(password_sealed);
    Ok(changed(conn, query).await? == 1)
}

/// Set aside for drills, or not any more.
pub async fn set_for_drills(conn: &mut Conn, id: &str, yes: bool) -> Result<bool> {
    let query = run("update servers set for_drills = $2 where id = $1").bind(id.to_owned()).bind(i64::from(yes));
    Ok(changed(conn, query).await? == 1)
}

/// What it said of itself when it was asked last.
pub async fn set_version(conn: &mut Conn, id: &str, version: &str) -> Result<bool> {
    Ok(changed(conn, run("update servers set version = $2 where id = $1").bind(id.to_owned()).bind(version.to_owned())).await? == 1)
}

/// The environments that use each server account: its id, and `tenant/site.env`.
pub async fn uses(conn: &mut Conn) -> Result<Vec<(String, String)>> {
    let sql = "
        select e.server_id, t.name || '/' || s.name || '.' || e.name
        from environments e
        join sites s on s.tenant_id = e.tenant_id and s.id = e.site_id
        join tenants t on t.id = e.tenant_id
        where e.server_id is not null and e.state <> 'removed'
        order by 2";
    Ok(rows(sql).fetch_all(conn).await?)
}

/// Environments that were removed let go of it; those that are there keep it from going.
pub async fn remove(conn: &mut Conn, id: &str) -> Result<bool> {
    changed(conn, run("update environments set server_id = null where server_id = $1 and state = 'removed'").bind(id.to_owned())).await?;
    Ok(changed(conn, run("delete from servers where id = $1").bind(id.to_owned())).await? == 1)
}
