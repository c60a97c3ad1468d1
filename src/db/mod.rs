//! All SQL of the product, one file per noun. Statements and rows, nothing else: what may be done is decided in `app`.
//!
//! Every function takes a connection, so that it runs alone or inside a transaction. Rows carry their tenant; a
//! function that finds by id also takes the tenant, or returns it for `app::access` to judge. To add a noun: a file
//! here with its row type, and a test that runs each statement on both databases.

pub mod accounts;
pub mod activity;
pub mod alarms;
pub mod backups;
pub mod copies;
pub mod copy;
pub mod downloads;
pub mod drills;
pub mod environments;
pub mod guesses;
pub mod letters;
pub mod links;
pub mod one_time_links;
mod packed;
pub mod places;
pub mod purges;
pub mod recipients;
pub mod restores;
pub mod retention;
pub mod schedules;
pub mod second_factors;
pub mod servers;
pub mod sessions;
pub mod sites;
pub mod space;
pub mod tenants;
pub mod webhooks;

use crate::base::sql::Conn;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::{Query, QueryAs};
use sqlx::{Any, FromRow};
use std::collections::HashMap;

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

/// `$2, $3, $4` for three values from the second on: neither database's way to bind a list is the other's.
fn holders(first: usize, count: usize) -> String {
    (first..first + count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}

/// Names of things by their ids: `sql` selects both, and ends in `in ({})`. Made of numbered holders alone.
async fn names(conn: &mut Conn, sql: &'static str, ids: &[String]) -> crate::base::error::Result<HashMap<String, String>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let query = sqlx::query_as::<_, (String, String)>(sqlx::AssertSqlSafe(sql.replace("{}", &holders(1, ids.len()))));
    let query = ids.iter().fold(query, |query, id| query.bind(id.clone()));
    Ok(query.fetch_all(conn).await?.into_iter().collect())
}

/// A text as `like … escape '!'` takes it literally.
fn literally(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}
