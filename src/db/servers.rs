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
    pub created_at: i64,
}

pub async fn insert(conn: &mut Conn, now: Millis, s: &Server) -> Result<()> {
    let sql = "insert into servers (id, name, address, password_sealed, version, created_at) values ($1, $2, $3, $4, $5, $6)";
    let query = run(sql)
        .bind(s.id.clone())
        .bind(s.name.clone())
        .bind(s.address.clone())
        .bind(s.password_sealed.clone())
        .bind(s.version.clone())
        .bind(now.0);
    changed(conn, query).await?;
    Ok(())
}

pub async fn find(conn: &mut Conn, id: &str) -> Result<Option<Server>> {
    let sql = "select id, name, address, password_sealed, version, created_at from servers where id = $1";
    Ok(rows(sql).bind(id.to_owned()).fetch_optional(conn).await?)
}

pub async fn find_named(conn: &mut Conn, name: &str) -> Result<Option<Server>> {
    let sql = "select id, name, address, password_sealed, version, created_at from servers where name = $1";
    Ok(rows(sql).bind(name.to_owned()).fetch_optional(conn).await?)
}

pub async fn list(conn: &mut Conn) -> Result<Vec<Server>> {
    Ok(rows("select id, name, address, password_sealed, version, created_at from servers order by name").fetch_all(conn).await?)
}
