//! Other programs that are told of a tenant's affairs; heartbeats belong to one environment.

use super::{changed, rows, run};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::base::words::words;
use crate::domain::ids::{AccountId, EnvironmentId, TenantId, WebhookId};

words! {
    Kind {
        /// Told of everything in its tenant, signed.
        Webhook = "webhook",
        /// Called after each good backup of its environment.
        Heartbeat = "heartbeat",
    }
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Webhook {
    pub id: String,
    pub tenant_id: String,
    pub environment_id: Option<String>,
    pub kind: String,
    /// What people see of its address.
    pub host: String,
    pub target_sealed: Vec<u8>,
    pub created_at: i64,
}

/// A webhook as it is made.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    pub id: WebhookId,
    pub tenant: TenantId,
    pub environment: Option<EnvironmentId>,
    pub kind: Kind,
    pub host: String,
    pub target_sealed: Vec<u8>,
    pub created_by: AccountId,
}

pub async fn insert(conn: &mut Conn, now: Millis, w: &NewWebhook) -> Result<()> {
    let sql = "
        insert into webhooks (id, tenant_id, environment_id, kind, host, target_sealed, created_by, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)";
    let query = run(sql)
        .bind(w.id.0.clone())
        .bind(w.tenant.0.clone())
        .bind(w.environment.as_ref().map(|e| e.0.clone()))
        .bind(w.kind.word())
        .bind(w.host.clone())
        .bind(w.target_sealed.clone())
        .bind(w.created_by.0.clone())
        .bind(now.0);
    changed(conn, query).await.map(drop)
}

/// All of a tenant, oldest first.
pub async fn of_tenant(conn: &mut Conn, tenant: &TenantId) -> Result<Vec<Webhook>> {
    let sql = "
        select id, tenant_id, environment_id, kind, host, target_sealed, created_at
        from webhooks where tenant_id = $1 order by kind, created_at, id";
    Ok(rows(sql).bind(tenant.0.clone()).fetch_all(conn).await?)
}

pub async fn find(conn: &mut Conn, id: &WebhookId) -> Result<Option<Webhook>> {
    let sql = "select id, tenant_id, environment_id, kind, host, target_sealed, created_at from webhooks where id = $1";
    Ok(rows(sql).bind(id.0.clone()).fetch_optional(conn).await?)
}

pub async fn remove(conn: &mut Conn, tenant: &TenantId, id: &WebhookId) -> Result<bool> {
    let query = run("delete from webhooks where tenant_id = $1 and id = $2").bind(tenant.0.clone()).bind(id.0.clone());
    Ok(changed(conn, query).await? == 1)
}
