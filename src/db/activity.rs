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

pub async fn record(conn: &mut Conn, now: Millis, act: &Act<'_>) -> Result<()> {
    let sql = "
        insert into activity (id, tenant_id, at, account_id, actor, action, object, detail, address)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
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
}

/// The newest `limit` acts in a tenant.
pub async fn newest(conn: &mut Conn, tenant: &TenantId, limit: i64) -> Result<Vec<Line>> {
    let sql = "select at, actor, action, object, detail from activity where tenant_id = $1 order by at desc, id desc limit $2";
    Ok(rows(sql).bind(tenant.0.clone()).bind(limit).fetch_all(conn).await?)
}
