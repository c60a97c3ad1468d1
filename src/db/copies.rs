//! Copies of the catalogue: when each was made, and how it went.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::CopyId;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Copy {
    pub id: String,
    pub began_at: i64,
    pub finished_at: Option<i64>,
    pub snapshot: Option<String>,
    pub row_count: i64,
    pub bytes: i64,
    pub stored: i64,
    pub message: Option<String>,
}

/// Some of them, newest first.
macro_rules! copies {
    ($which:literal) => {
        concat!("select id, began_at, finished_at, snapshot, row_count, bytes, stored, message from catalogue_copies ", $which)
    };
}

/// Newest first.
pub async fn newest(conn: &mut Conn, limit: i64) -> Result<Vec<Copy>> {
    let sql = copies!("order by began_at desc, id desc limit $1");
    Ok(rows(sql).bind(limit).fetch_all(conn).await?)
}

/// The newest whole one.
pub async fn good(conn: &mut Conn) -> Result<Option<Copy>> {
    let sql = copies!("where snapshot is not null order by began_at desc, id desc limit 1");
    Ok(rows(sql).fetch_optional(conn).await?)
}

/// Whole ones beyond the newest `keep`.
pub async fn beyond(conn: &mut Conn, keep: i64) -> Result<Vec<Copy>> {
    let sql = copies!("where snapshot is not null order by began_at desc, id desc limit 1000 offset $1");
    Ok(rows(sql).bind(keep).fetch_all(conn).await?)
}

/// Until the transaction is over nobody else looks whether one is due.
pub async fn lock(conn: &mut Conn) -> Result<()> {
    changed(conn, run("update gates set turns = turns + 1 where name = 'catalogue'")).await.map(drop)
}

/// When a site or an environment was added last; 0 where there is none.
pub async fn last_added(conn: &mut Conn) -> Result<i64> {
    let sql = "
        select cast(coalesce(max(m.at), 0) as bigint)
        from (select max(created_at) as at from repositories
              union all select max(created_at) from environments) as m";
    let (at,): (i64,) = rows(sql).fetch_one(conn).await?;
    Ok(at)
}

pub async fn begin(conn: &mut Conn, now: Millis, id: &CopyId) -> Result<()> {
    let sql = "insert into catalogue_copies (id, began_at, row_count, bytes, stored) values ($1, $2, 0, 0, 0)";
    changed(conn, run(sql).bind(id.0.clone()).bind(now.0)).await.map(drop)
}

/// It is whole.
pub async fn ended(conn: &mut Conn, now: Millis, id: &CopyId, snapshot: &str, sizes: (i64, i64, i64)) -> Result<()> {
    let sql = "update catalogue_copies set finished_at = $2, snapshot = $3, row_count = $4, bytes = $5, stored = $6 where id = $1";
    let query = run(sql).bind(id.0.clone()).bind(now.0).bind(snapshot.to_owned());
    changed(conn, query.bind(sizes.0).bind(sizes.1).bind(sizes.2)).await.map(drop)
}

pub async fn failed(conn: &mut Conn, now: Millis, id: &CopyId, message: &str) -> Result<()> {
    let sql = "update catalogue_copies set finished_at = $2, message = $3 where id = $1";
    changed(conn, run(sql).bind(id.0.clone()).bind(now.0).bind(message.to_owned())).await.map(drop)
}

/// It is not in the repository any more.
pub async fn drop_row(conn: &mut Conn, id: &CopyId) -> Result<()> {
    changed(conn, run("delete from catalogue_copies where id = $1").bind(id.0.clone())).await.map(drop)
}
