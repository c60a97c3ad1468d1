//! Webhooks and heartbeats of a tenant: who is called, and what is put into the outbox for them.

use super::access::{self, Actor};
use super::outbox::place;
use super::servers::blocking;
use super::{App, from_json};
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::secret::{Place, Secret};
use crate::base::sql::Conn;
use crate::db;
use crate::db::letters::{Channel, NewLetter};
use crate::db::webhooks::{Kind, NewWebhook, Webhook as Row};
use crate::domain::ids::{EnvironmentId, LetterId, TenantId, WebhookId};
use crate::domain::rights::Right;
use crate::domain::webhook::{AddWebhook, AddedWebhook, Webhook};
use crate::webhooks::{Key, Message};

/// A tenant that calls everybody is a nuisance to them.
const MOST: usize = 20;

/// What is sealed of a webhook.
#[derive(serde::Deserialize)]
struct Target {
    url: String,
    key: Option<Secret>,
}

fn target_place<'a>(tenant: &'a str, row: &'a str) -> Place<'a> {
    Place { table: "webhooks", column: "target", tenant, row }
}

fn target(app: &App, row: &Row) -> Result<Target> {
    from_json("webhook", app.sealer.open(target_place(&row.tenant_id, &row.id), &row.target_sealed)?.expose())
}

/// Adds a webhook for everything that happens in a tenant; the secret that signs it is given this once. With an
/// environment it is a heartbeat: called after each of its good backups, and not signed.
///
/// # Errors
/// `Invalid` for an address that may not be called; `Conflict` when there are too many, or the environment has one.
pub async fn add(app: &App, actor: &Actor, tenant: &TenantId, new: &AddWebhook) -> Result<AddedWebhook> {
    app.caller.check(&new.url)?;
    let (now, id) = (app.pool.now().await?, WebhookId::fresh());
    let mut tx = app.pool.begin().await?;
    access::in_tenant(&mut tx, actor, tenant, Right::Manage, "tenant").await?;
    let environment = new.environment.clone().map(EnvironmentId);
    if let Some(environment) = &environment {
        let found = access::environment(&mut tx, actor, environment, Right::Manage).await?;
        if found.tenant_id != tenant.0 {
            return Err(access::hidden("environment"));
        }
    }
    let kind = if environment.is_some() { Kind::Heartbeat } else { Kind::Webhook };
    let there = db::webhooks::of_tenant(&mut tx, tenant).await?;
    // Heartbeats are as many as environments, at most.
    if kind == Kind::Webhook && there.iter().filter(|w| w.kind == kind.word()).count() >= MOST {
        return Err(Error::conflict(format!("there are {MOST} webhooks already")).hint("remove one that is not needed"));
    }
    let key = environment.is_none().then(Key::fresh);
    let sealed = serde_json::json!({ "url": new.url, "key": key.as_ref().map(|k| k.secret().expose()) }).to_string();
    let row = NewWebhook {
        target_sealed: app.sealer.seal(target_place(&tenant.0, &id.0), &Secret::new(sealed)),
        kind,
        host: host(&new.url),
        created_by: actor.account.clone(),
        tenant: tenant.clone(),
        environment,
        id: id.clone(),
    };
    db::webhooks::insert(&mut tx, now, &row).await.map_err(|e| match e.class() {
        Class::Conflict => Error::conflict("this environment has a heartbeat already").hint("remove it first"),
        _ => e,
    })?;
    activity::record(&mut tx, now, actor, Some(tenant), "webhook.add", &id.0, &row.host).await?;
    tx.commit().await?;
    Ok(AddedWebhook { id: id.0, secret: key.map(|k| k.secret().expose().to_owned()) })
}

/// What may be seen of an address: the rest of it may hold a password.
fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned()
}

pub async fn list(app: &App, actor: &Actor, tenant: &TenantId) -> Result<Vec<Webhook>> {
    let mut conn = app.pool.get().await?;
    access::in_tenant(&mut conn, actor, tenant, Right::Manage, "tenant").await?;
    let rows = db::webhooks::of_tenant(&mut conn, tenant).await?;
    let environments: Vec<String> = rows.iter().filter_map(|r| r.environment_id.clone()).collect();
    let names = db::environments::addresses(&mut conn, &environments).await?;
    let view = |row: Row| Webhook {
        environment: row.environment_id.and_then(|id| names.get(&id).cloned()),
        id: row.id,
        host: row.host,
        created: Millis(row.created_at).iso(),
    };
    Ok(rows.into_iter().map(view).collect())
}

async fn found(conn: &mut Conn, actor: &Actor, id: &WebhookId) -> Result<(Row, TenantId)> {
    let row = db::webhooks::find(conn, id).await?.ok_or_else(|| access::hidden("webhook"))?;
    let tenant = TenantId(row.tenant_id.clone());
    access::in_tenant(conn, actor, &tenant, Right::Manage, "webhook").await?;
    Ok((row, tenant))
}

/// Is it one of that tenant's? For pages whose address names both.
///
/// # Errors
/// `NotFound` when it is not.
pub async fn belongs(app: &App, actor: &Actor, tenant: &TenantId, id: &WebhookId) -> Result<()> {
    let (_, of) = found(&mut *app.pool.get().await?, actor, id).await?;
    if of == *tenant { Ok(()) } else { Err(access::hidden("webhook")) }
}

pub async fn remove(app: &App, actor: &Actor, id: &WebhookId) -> Result<TenantId> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let (row, tenant) = found(&mut tx, actor, id).await?;
    db::webhooks::remove(&mut tx, &tenant, id).await?;
    activity::record(&mut tx, now, actor, Some(&tenant), "webhook.remove", &id.0, &row.host).await?;
    tx.commit().await?;
    Ok(tenant)
}

/// Calls it now, past the outbox; gives what became of that.
///
/// # Errors
/// What went wrong, without a word of what was answered.
pub async fn test(app: &App, actor: &Actor, id: &WebhookId) -> Result<String> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let (row, _) = found(&mut conn, actor, id).await?;
    drop(conn);
    let message = message(app, &row, now, "test", &serde_json::json!({ "message": "A webhook of Sitekeep arrives." }))?;
    let (caller, letter) = (app.caller.clone(), LetterId::fresh());
    blocking(move || caller.send(&letter.0, now, &message)).await
}

fn message(app: &App, row: &Row, now: Millis, event: &str, data: &serde_json::Value) -> Result<Message> {
    let Target { url, key } = target(app, row)?;
    let body = match &key {
        Some(_) => serde_json::json!({ "type": event, "timestamp": now.iso(), "data": data }).to_string(),
        None => String::new(),
    };
    Ok(Message { url, key, body })
}

/// Puts a call to each webhook of a tenant into the outbox, in the caller's transaction. One only for the same `what`.
pub(crate) async fn tell(
    conn: &mut Conn,
    app: &App,
    now: Millis,
    tenant: &TenantId,
    event: &str,
    what: &str,
    data: serde_json::Value,
) -> Result<()> {
    for row in db::webhooks::of_tenant(conn, tenant).await?.into_iter().filter(|r| r.kind == Kind::Webhook.word()) {
        put(conn, app, now, &row, event, what, &data).await?;
    }
    Ok(())
}

/// The heartbeat of an environment: a good backup of it was made.
pub(crate) async fn beat(
    conn: &mut Conn,
    app: &App,
    now: Millis,
    tenant: &TenantId,
    environment: &EnvironmentId,
    what: &str,
) -> Result<()> {
    let all = db::webhooks::of_tenant(conn, tenant).await?;
    for row in all.into_iter().filter(|r| r.environment_id.as_deref() == Some(environment.as_str())) {
        put(conn, app, now, &row, "heartbeat", what, &serde_json::Value::Null).await?;
    }
    Ok(())
}

async fn put(conn: &mut Conn, app: &App, now: Millis, row: &Row, event: &str, what: &str, data: &serde_json::Value) -> Result<()> {
    let Message { url, key, body } = message(app, row, now, event, data)?;
    let sealed = serde_json::json!({ "url": url, "key": key.as_ref().map(Secret::expose), "body": body }).to_string();
    let id = LetterId::fresh();
    let call = NewLetter {
        body_sealed: app.sealer.seal(place(Some(&row.tenant_id), id.as_str()), &Secret::new(sealed)),
        id,
        tenant: Some(TenantId(row.tenant_id.clone())),
        to: row.host.clone(),
        kind: "webhook".into(),
        channel: Channel::Call,
        subject: event.to_owned(),
        unique: Some(format!("{what}:{event}:{}", row.id)),
    };
    db::letters::insert(conn, now, &call).await.map(drop)
}
