//! The catalogue as a whole, row by row, whatever its tables are: read out into a copy, and written from one. The only place
//! that names no column: each copy brings its own.

use super::{changed, run};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::secret::hex;
use crate::base::sql::{Conn, Kind};
use crate::domain::ids::{SiteId, TenantId};
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row};
use std::collections::HashSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Number,
    Text,
    Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub name: String,
    pub columns: Vec<(String, Holds)>,
}

/// Stands in a catalogue that is being made again, until it is whole.
const MARK: &str = "rebuilding";

/// Every table with its columns, also those of the migrations themselves.
pub async fn tables(conn: &mut Conn, kind: Kind) -> Result<Vec<Table>> {
    let sql = match kind {
        Kind::Sqlite => {
            "select cast(m.name as text), cast(p.name as text), cast(lower(p.type) as text)
             from sqlite_master m join pragma_table_info(m.name) p
             where m.type = 'table' and m.name not like 'sqlite!_%' escape '!'
             order by m.name, p.cid"
        }
        Kind::Postgres => {
            "select cast(c.table_name as text), cast(c.column_name as text), cast(c.data_type as text)
             from information_schema.columns c
             join information_schema.tables t on t.table_schema = c.table_schema and t.table_name = c.table_name
             where c.table_schema = current_schema() and t.table_type = 'BASE TABLE'
             order by 1, c.ordinal_position"
        }
    };
    let all: Vec<(String, String, String)> = super::rows(sql).fetch_all(conn).await?;
    let mut tables: Vec<Table> = Vec::new();
    for (table, column, kind) in all {
        let holds = match kind.as_str() {
            "bytea" | "blob" => Holds::Bytes,
            "text" => Holds::Text,
            _ => Holds::Number,
        };
        match tables.last_mut().filter(|t| t.name == table) {
            Some(t) => t.columns.push((column, holds)),
            None => tables.push(Table { name: table, columns: vec![(column, holds)] }),
        }
    }
    Ok(tables)
}

/// Hands out every row of a table as a list in JSON; how many there were.
pub async fn each(conn: &mut Conn, table: &Table, mut take: impl AsyncFnMut(Value) -> Result<()>) -> Result<u64> {
    let columns: Vec<String> = table.columns.iter().map(|(name, _)| quoted(name)).collect();
    // In a steady order, so that two copies share what did not change.
    let order = if columns.len() > 1 { "1, 2" } else { "1" };
    let sql = format!("select {} from {} order by {order}", columns.join(", "), quoted(&table.name));
    let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(conn);
    let mut count = 0;
    while let Some(row) = rows.try_next().await? {
        let cell = |(n, (_, holds)): (usize, &(String, Holds))| -> Result<Value> {
            Ok(match holds {
                Holds::Number => json!(row.try_get::<Option<i64>, _>(n)?),
                Holds::Text => json!(row.try_get::<Option<String>, _>(n)?),
                Holds::Bytes => row.try_get::<Option<Vec<u8>>, _>(n)?.map_or(Value::Null, |b| json!({ "hex": hex(&b) })),
            })
        };
        take(Value::Array(table.columns.iter().enumerate().map(cell).collect::<Result<_>>()?)).await?;
        count += 1;
    }
    Ok(count)
}

/// Writes a row of a copy; its columns stand in the copy's order.
pub async fn put(conn: &mut Conn, table: &Table, row: Vec<Value>) -> Result<()> {
    if row.len() != table.columns.len() {
        return Err(Error::damaged(format!("a row of {} in the copy of the catalogue has another number of columns", table.name)));
    }
    let columns: Vec<String> = table.columns.iter().map(|(name, _)| quoted(name)).collect();
    let sql = format!("insert into {} ({}) values ({})", quoted(&table.name), columns.join(", "), super::holders(1, row.len()));
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for ((name, holds), value) in table.columns.iter().zip(row) {
        let wrong = || Error::damaged(format!("{name} of {} in the copy of the catalogue is of another kind", table.name));
        query = match (holds, value) {
            (Holds::Number, Value::Null) => query.bind(None::<i64>),
            (Holds::Text, Value::Null) => query.bind(None::<String>),
            (Holds::Bytes, Value::Null) => query.bind(None::<Vec<u8>>),
            (Holds::Number, Value::Number(n)) => query.bind(n.as_i64().ok_or_else(wrong)?),
            (Holds::Text, Value::String(text)) => query.bind(text),
            (Holds::Bytes, Value::Object(o)) => query.bind(o.get("hex").and_then(Value::as_str).and_then(unhex).ok_or_else(wrong)?),
            _ => return Err(wrong()),
        };
    }
    query.execute(conn).await?;
    Ok(())
}

/// Removes all rows of a table: those that its migration put there are in the copy, too.
pub async fn clear(conn: &mut Conn, table: &Table) -> Result<()> {
    sqlx::query(AssertSqlSafe(format!("delete from {}", quoted(&table.name)))).execute(conn).await?;
    Ok(())
}

/// Lets rows refer to others that come later, to the end of the transaction.
pub async fn loosen(conn: &mut Conn, kind: Kind) -> Result<()> {
    match kind {
        Kind::Sqlite => changed(conn, run("pragma defer_foreign_keys = on")).await.map(drop),
        Kind::Postgres => alter_references(conn, "deferrable initially deferred").await,
    }
}

/// From here on every reference leads somewhere again; one that does not is an error.
pub async fn tighten(conn: &mut Conn, kind: Kind) -> Result<()> {
    match kind {
        // The end of the transaction does it.
        Kind::Sqlite => Ok(()),
        Kind::Postgres => {
            changed(conn, run("set constraints all immediate")).await?;
            alter_references(conn, "not deferrable").await
        }
    }
}

async fn alter_references(conn: &mut Conn, how: &str) -> Result<()> {
    let sql = "
        select cast(c.relname as text), cast(k.conname as text)
        from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
        where k.contype = 'f' and n.nspname = current_schema()";
    let all: Vec<(String, String)> = super::rows(sql).fetch_all(&mut *conn).await?;
    for (table, constraint) in all {
        let sql = format!("alter table {} alter constraint {} {how}", quoted(&table), quoted(&constraint));
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Was it begun to be made again, and not ended?
pub fn is_begun(tables: &[Table]) -> bool {
    tables.iter().any(|t| t.name == MARK)
}

/// Has anybody used it? One that was only made, and has neither tenants nor accounts, nobody has.
pub async fn is_used(conn: &mut Conn, tables: &[Table]) -> Result<bool> {
    for name in ["tenants", "accounts"] {
        if tables.iter().any(|t| t.name == name) {
            let sql = format!("select count(*) from {name}");
            let (count,): (i64,) = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&mut *conn).await?;
            if count > 0 {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Marks it as one that is being made again.
pub async fn mark(conn: &mut Conn, now: Millis) -> Result<()> {
    changed(conn, run("create table if not exists rebuilding (began_at bigint not null)")).await?;
    changed(conn, run("insert into rebuilding (began_at) values ($1)").bind(now.0)).await.map(drop)
}

/// It is whole.
pub async fn unmark(conn: &mut Conn) -> Result<()> {
    changed(conn, run("drop table rebuilding")).await.map(drop)
}

/// Removes every table but the mark.
pub async fn raze(conn: &mut Conn, kind: Kind, tables: &[Table]) -> Result<()> {
    let cascade = if kind == Kind::Postgres { " cascade" } else { "" };
    if kind == Kind::Sqlite {
        changed(conn, run("pragma foreign_keys = off")).await?;
    }
    for table in tables.iter().filter(|t| t.name != MARK) {
        sqlx::query(AssertSqlSafe(format!("drop table {}{cascade}", quoted(&table.name)))).execute(&mut *conn).await?;
    }
    if kind == Kind::Sqlite {
        changed(conn, run("pragma foreign_keys = on")).await?;
    }
    Ok(())
}

/// What was under way when the copy was made will not go on. `why` is told where people look for it.
pub async fn settle(conn: &mut Conn, now: Millis, why: &str, hint: &str) -> Result<()> {
    let statements = [
        "update jobs set state = 'failed', lease_token = null, lease_until = null, worker = null, finished_at = $1, message = $2, hint = $3
         where state in ('queued', 'running', 'retry_wait')",
        "update restores set state = 'failed', finished_at = $1, message = $2, hint = $3 where state = 'queued'",
        "update restores set state = 'stuck', finished_at = $1, message = $2, hint = $3 where state in ('running', 'unwinding')",
        "update drills set state = 'failed', finished_at = $1, message = $2, hint = $3 where finished_at is null",
        "update downloads set state = 'failed', finished_at = $1, message = $2, hint = $3 where state in ('queued', 'running')",
    ];
    for sql in statements {
        changed(conn, run(sql).bind(now.0).bind(why.to_owned()).bind(hint.to_owned())).await?;
    }
    changed(conn, run("update attempts set outcome = 'lost', ended_at = $1 where outcome is null").bind(now.0)).await.map(drop)
}

/// Backups of a site that have not ended.
pub async fn unfinished_backups(conn: &mut Conn, tenant: &TenantId, site: &SiteId) -> Result<Vec<String>> {
    let sql = "select id from backups where tenant_id = $1 and site_id = $2 and state in ('queued', 'running')";
    let all: Vec<(String,)> = super::rows(sql).bind(tenant.0.clone()).bind(site.0.clone()).fetch_all(conn).await?;
    Ok(all.into_iter().map(|(id,)| id).collect())
}

/// What was purged after the copy was made is gone: elements whose snapshots are not `there`, and backups that have no other.
pub async fn expire_missing(conn: &mut Conn, now: Millis, tenant: &TenantId, site: &SiteId, there: &[String]) -> Result<u64> {
    let sql = "
        select x.backup_id, x.element, x.snapshot
        from backup_elements x join backups b on b.tenant_id = x.tenant_id and b.id = x.backup_id
        where b.tenant_id = $1 and b.site_id = $2 and x.snapshot is not null and x.expired_at is null and b.expired_at is null";
    let all: Vec<(String, String, String)> = super::rows(sql).bind(tenant.0.clone()).bind(site.0.clone()).fetch_all(&mut *conn).await?;
    let there: HashSet<&String> = there.iter().collect();
    let missing: Vec<_> = all.iter().filter(|(.., snapshot)| !there.contains(snapshot)).collect();
    for (backup, element, _) in &missing {
        let sql = "update backup_elements set expired_at = $4 where tenant_id = $1 and backup_id = $2 and element = $3";
        let query = run(sql).bind(tenant.0.clone()).bind(backup.clone()).bind(element.clone()).bind(now.0);
        changed(conn, query).await?;
        let sql = "
            update backups set expired_at = $3, deleted_at = coalesce(deleted_at, $3), deleted_by = coalesce(deleted_by, 'catalogue:rebuild')
            where tenant_id = $1 and id = $2 and not exists (
              select 1 from backup_elements x
              where x.tenant_id = $1 and x.backup_id = $2 and x.snapshot is not null and x.expired_at is null)";
        changed(conn, run(sql).bind(tenant.0.clone()).bind(backup.clone()).bind(now.0)).await?;
    }
    Ok(missing.len() as u64)
}

/// A name as an identifier. Names come from the catalogue itself, or are compared with what it has.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pair = |p: &[u8]| u8::from_str_radix(std::str::from_utf8(p).ok()?, 16).ok();
    (digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit)).then(|| digits.chunks(2).map(pair).collect())?
}
