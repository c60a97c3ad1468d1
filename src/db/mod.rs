//! All SQL of the product, one file per noun. Statements and rows, nothing else: what may be done is decided in `app`.
//!
//! Every function takes a connection, so that it runs alone or inside a transaction. Rows carry their tenant; a
//! function that finds by id also takes the tenant, or returns it for `app::access` to judge. To add a noun: a file
//! here with its row type, and a test that runs each statement on both databases.

pub mod accounts;
pub mod activity;
pub mod backups;
pub mod environments;
pub mod restores;
pub mod servers;
pub mod sites;
pub mod tenants;

use crate::base::sql::Conn;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::{Query, QueryAs};
use sqlx::{Any, FromRow};

/// `select`s rows of `T`.
fn rows<T: for<'r> FromRow<'r, AnyRow>>(sql: &'static str) -> QueryAs<'static, Any, T, AnyArguments> {
    sqlx::query_as(sql)
}

/// A statement without rows.
fn run(sql: &'static str) -> Query<'static, Any, AnyArguments> {
    sqlx::query(sql)
}

/// How many rows a statement changed.
async fn changed(conn: &mut Conn, query: Query<'static, Any, AnyArguments>) -> crate::base::error::Result<u64> {
    Ok(query.execute(conn).await?.rows_affected())
}
