//! The activity log: appended to, never changed.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::domain::ids::{AccountId, ActivityId, TenantId};

/// One act.
#[derive(Clone, Debug)]
pub struct Act<'a> {
    pub tenant: Option<&'a TenantId>,
    pub account: Option<&'a AccountId>,
    /// The e-mail address, or the part of Sitekeep that acted.
    pub actor: &'a str,
    /// `backup.create`, `restore.undo`, …
    pub action: &'static str,
    /// The id of what was acted on.
    pub object: &'a str,
    /// For people; never a secret.
    pub detail: &'a str,
    pub address: &'a str,
}

/// Writes a line. An administrator who acts in a tenant without being a member is marked here, so that nobody forgets to.
pub async fn record(conn: &mut Conn, now: Millis, act: &Act<'_>) -> Result<()> {
    let sql = "
        insert into activity (id, tenant_id, at, account_id, actor, action, object, detail, address, as_administrator)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, (
          select cast(count(*) as bigint) from accounts a
          where a.id = cast($4 as text) and a.administrator = 1 and cast($2 as text) is not null
            and not exists (select 1 from members m where m.tenant_id = cast($2 as text) and m.account_id = a.id)))";
    let query = run(sql)
        .bind(ActivityId::fresh().0)
        .bind(act.tenant.map(|t| t.0.clone()))
        .bind(now.0)
        .bind(act.account.map(|a| a.0.clone()))
        .bind(act.actor.to_owned())
        .bind(act.action)
        .bind(act.object.to_owned())
        .bind(act.detail.to_owned())
        .bind(act.address.to_owned());
    changed(conn, query).await?;
    Ok(())
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Line {
    pub at: i64,
    pub actor: String,
    pub action: String,
    pub object: String,
    pub detail: String,
    /// 1 when an administrator acted who was no member.
    pub administrator: i64,
}

/// The newest `limit` acts in a tenant.
pub async fn newest(conn: &mut Conn, tenant: &TenantId, limit: i64) -> Result<Vec<Line>> {
    let sql = "
        select at, actor, action, object, detail, as_administrator as administrator
        from activity
        where tenant_id = $1
        order by at desc, id desc
        limit $2";
    Ok(rows(sql).bind(tenant.0.clone()).bind(limit).fetch_all(conn).await?)
}

/// An act in the log of the whole installation.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Entry {
    pub id: String,
    pub at: i64,
    /// None for acts on the installation.
    pub tenant: Option<String>,
    pub actor: String,
    pub action: String,
    pub object: String,
    pub detail: String,
    pub address: String,
    pub as_administrator: i64,
}

/// What the log is narrowed to; nothing where nothing is given.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A tenant's id.
    pub tenant: Option<String>,
    /// A part of the actor's name, whatever its case.
    pub actor: Option<String>,
    /// How the action begins: `backup`, `backup.create`.
    pub action: Option<String>,
    pub from: Option<Millis>,
    pub until: Option<Millis>,
}

/// A page of the whole log, newest first, after `(at, id)`.
pub async fn page(conn: &mut Conn, f: &Filter, after: Option<(i64, String)>, limit: i64) -> Result<Vec<Entry>> {
    let sql = "
        select a.id, a.at, t.name as tenant, a.actor, a.action, a.object, a.detail, a.address, a.as_administrator
        from activity a left join tenants t on t.id = a.tenant_id
        where (a.at, a.id) < ($1, $2) and a.at >= $3 and a.at < $4
          and (cast($5 as text) is null or a.tenant_id = $5)
          and (cast($6 as text) is null or lower(a.actor) like '%' || lower($6) || '%' escape '!')
          and (cast($7 as text) is null or a.action like $7 || '%' escape '!')
        order by a.at desc, a.id desc
        limit $8";
    let (at, id) = after.unwrap_or((i64::MAX, String::new()));
    let query = rows(sql)
        .bind(at)
        .bind(id)
        .bind(f.from.map_or(i64::MIN, |t| t.0))
        .bind(f.until.map_or(i64::MAX, |t| t.0))
        .bind(f.tenant.clone())
        .bind(f.actor.as_deref().map(super::literally))
        .bind(f.action.as_deref().map(super::literally))
        .bind(limit);
    Ok(query.fetch_all(conn).await?)
}

/// When an act of this id was.
pub async fn at(conn: &mut Conn, id: &str) -> Result<Option<i64>> {
    let found: Option<(i64,)> = rows("select at from activity where id = $1").bind(id.to_owned()).fetch_optional(conn).await?;
    Ok(found.map(|(at,)| at))
}
