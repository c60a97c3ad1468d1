//! Alarms: opened when something is wrong with an environment's backups, told once, closed when it is right again.
//!
//! An alarm is opened in the transaction of the fact that it is about, and again and again by whatever notices the same: the
//! catalogue lets one of each cause be open, and only that one is told. Nothing here waits for the queue: that nothing is
//! done any more is what [`watch`] is for.

mod watch;

pub use watch::{patience, watch};

use super::letters::{About, Letter};
use super::{App, access, access::Actor, from_json, letters, webhooks};
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::db;
use crate::db::alarms::NewAlarm;
use crate::db::backups::Backup;
use crate::domain::alarm::{Alarm, Cause, Sizes};
use crate::domain::element::Element;
use crate::domain::ids::{AlarmId, BackupId, EnvironmentId, SiteId, TenantId};
use crate::domain::rights::Right;
use crate::domain::site::Definition;
use crate::domain::state::BackupState;

/// What to do about damage in a repository.
pub(crate) const MEND: &str = "the backups that need these packs are damaged: make a new backup now, and verify what you rely on";

/// The environment that an alarm is about.
#[derive(Clone, Debug)]
pub(crate) struct On {
    pub tenant: TenantId,
    pub site: SiteId,
    pub environment: EnvironmentId,
    /// `site.environment`
    pub title: String,
}

impl On {
    pub(crate) fn backup(row: &Backup) -> Self {
        Self {
            tenant: TenantId(row.tenant_id.clone()),
            site: SiteId(row.site_id.clone()),
            environment: EnvironmentId(row.environment_id.clone()),
            title: format!("{}.{}", row.site, row.environment),
        }
    }
}

/// Notes that something is wrong; whether that is news.
pub(crate) async fn open(
    conn: &mut Conn,
    app: &App,
    now: Millis,
    on: &On,
    cause: Cause,
    message: &str,
    hint: Option<&str>,
) -> Result<bool> {
    let id = AlarmId::fresh();
    let alarm = NewAlarm { id: &id, tenant: &on.tenant, environment: &on.environment, cause, message, hint };
    let fresh = db::alarms::open(conn, now, &alarm).await?;
    if fresh {
        let data = serde_json::json!({
            "alarm": id.0, "environment": on.environment.0, "address": on.title, "cause": cause.word(), "message": message, "hint": hint,
            "url": url(app, on),
        });
        webhooks::tell(conn, app, now, &on.tenant, "alarm.opened", &id.0, data).await?;
    }
    Ok(fresh)
}

/// The same with a letter about it: for what no other letter tells.
pub(crate) async fn raise(conn: &mut Conn, app: &App, now: Millis, on: &On, cause: Cause, message: &str, hint: Option<&str>) -> Result<()> {
    if !open(conn, app, now, on, cause, message, hint).await? {
        return Ok(());
    }
    let letter = |to: String| Letter::Alarm {
        to,
        environment: on.title.clone(),
        cause,
        message: message.to_owned(),
        hint: hint.map(str::to_owned),
        url: url(app, on),
    };
    let what = format!("{}:{}:{}", on.environment, cause.word(), now.0);
    letters::tell(conn, app, now, &About { tenant: &on.tenant, site: Some(&on.site), initiator: None, news: true, what: &what }, letter)
        .await;
    Ok(())
}

fn url(app: &App, on: &On) -> String {
    format!("{}/environments/{}", app.public_url, on.environment)
}

/// It is right again.
pub(crate) async fn close(conn: &mut Conn, app: &App, now: Millis, on: &On, causes: &[Cause]) -> Result<()> {
    for cause in causes {
        if db::alarms::close(conn, now, &on.tenant, &on.environment, *cause).await? {
            let data = serde_json::json!({
                "environment": on.environment.0, "address": on.title, "cause": cause.word(), "url": url(app, on),
            });
            let what = format!("{}:{}:{}", on.environment, cause.word(), now.0);
            webhooks::tell(conn, app, now, &on.tenant, "alarm.closed", &what, data).await?;
        }
    }
    Ok(())
}

/// What the end of a backup says about its environment. Whether it is news that it did not go well.
pub(crate) async fn backup_ended(
    conn: &mut Conn,
    app: &App,
    now: Millis,
    row: &Backup,
    state: BackupState,
    message: Option<&str>,
) -> Result<bool> {
    let on = On::backup(row);
    match state {
        BackupState::Succeeded => {
            close(conn, app, now, &on, &[Cause::Failed, Cause::Incomplete, Cause::Overdue]).await?;
            weigh(conn, app, now, &on, row).await?;
            Ok(false)
        }
        BackupState::Failed => open(conn, app, now, &on, Cause::Failed, message.unwrap_or("it failed"), None).await,
        BackupState::Incomplete => {
            open(conn, app, now, &on, Cause::Incomplete, message.unwrap_or("some of it could not be read"), None).await
        }
        _ => Ok(false),
    }
}

/// What to do about an abnormal size.
const ODD: &str = "nothing of this environment is deleted while this is so. A whole backup of the size from before ends it; \
                   if the new size is as it should be, the first one of that size after a day does";

/// Is it of a size that cannot be right? Each element is compared with the last good one before it.
///
/// An alarm that is open holds retention, and so whoever wants to be rid of the backups wants it closed: another backup that
/// is as small does not close it within a day, and one without all elements never does.
async fn weigh(conn: &mut Conn, app: &App, now: Millis, on: &On, row: &Backup) -> Result<()> {
    let id = BackupId(row.id.clone());
    let odd = odd(db::alarms::sizes(conn, &on.tenant, &id, None).await?)?;
    let Some(since) = db::alarms::opened(conn, &on.tenant, &on.environment, Cause::Size).await? else {
        if odd.is_empty() {
            return Ok(());
        }
        return raise(conn, app, now, on, Cause::Size, &odd.join("; "), Some(ODD)).await;
    };
    if !is_whole(conn, on, &id).await? {
        return Ok(());
    }
    let before = db::alarms::sizes(conn, &on.tenant, &id, Some(since)).await?;
    let as_before = !before.is_empty() && self::odd(before)?.is_empty();
    let stays_so = odd.is_empty() && now.0 - since.0 >= app.settings.retention.change_delay;
    if as_before || stays_so { close(conn, app, now, on, &[Cause::Size]).await } else { Ok(()) }
}

fn odd(sizes: Vec<db::alarms::Size>) -> Result<Vec<String>> {
    let mut odd = Vec::new();
    for size in sizes {
        let element = Element::parse(&size.element)?;
        odd.extend(Sizes { element, before: size.before.unsigned_abs(), now: size.now.unsigned_abs() }.odd());
    }
    Ok(odd)
}

/// Has the backup every element of its environment?
async fn is_whole(conn: &mut Conn, on: &On, id: &BackupId) -> Result<bool> {
    let Some(env) = db::environments::find(conn, &on.environment).await? else { return Ok(false) };
    let definition: Definition = from_json("definition", &env.definition)?;
    let there = db::backups::elements(conn, &on.tenant, id).await?;
    Ok(definition.elements().iter().all(|wanted| there.iter().any(|e| e.element == wanted.name())))
}

/// What reading a site's repository back has found; `None`: a whole round found nothing.
pub(crate) async fn checked(
    conn: &mut Conn,
    app: &App,
    now: Millis,
    tenant: &TenantId,
    site: &SiteId,
    damaged: Option<&str>,
) -> Result<()> {
    for env in db::environments::of_site(conn, tenant, site).await? {
        let on = On {
            tenant: tenant.clone(),
            site: site.clone(),
            environment: EnvironmentId(env.id),
            title: format!("{}.{}", env.site, env.name),
        };
        match damaged {
            Some(what) => raise(conn, app, now, &on, Cause::Check, &format!("damaged in the repository: {what}"), Some(MEND)).await?,
            None => close(conn, app, now, &on, &[Cause::Check]).await?,
        }
    }
    Ok(())
}

/// What a drill of an environment's backup has found; `None`: it passed.
pub(crate) async fn drilled(conn: &mut Conn, app: &App, now: Millis, on: &On, wrong: Option<(&str, Option<&str>)>) -> Result<()> {
    match wrong {
        Some((what, hint)) => raise(conn, app, now, on, Cause::Drill, what, hint).await,
        None => close(conn, app, now, on, &[Cause::Drill]).await,
    }
}

/// What is wrong with an environment now; the caller has found it.
pub(crate) async fn open_of(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId) -> Result<Vec<Alarm>> {
    db::alarms::open_of(conn, tenant, environment).await?.into_iter().map(view_of).collect()
}

/// Does a tenant get its daily letter?
pub async fn wants_digest(app: &App, actor: &Actor, tenant: &TenantId) -> Result<bool> {
    let mut conn = app.pool.get().await?;
    access::in_tenant(&mut conn, actor, tenant, Right::View, "tenant").await?;
    db::alarms::wants_digest(&mut conn, tenant).await
}

pub async fn set_digest(app: &App, actor: &Actor, tenant: &TenantId, wants: bool) -> Result<()> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    access::in_tenant(&mut tx, actor, tenant, Right::Manage, "tenant").await?;
    db::alarms::set_digest(&mut tx, tenant, wants).await?;
    activity::record(&mut tx, now, actor, Some(tenant), "digest.change", &tenant.0, if wants { "daily" } else { "never" }).await?;
    tx.commit().await.map_err(Into::into)
}

/// The newest alarms of a tenant.
pub async fn list(app: &App, actor: &Actor, tenant: &TenantId) -> Result<Vec<Alarm>> {
    let mut conn = app.pool.get().await?;
    access::in_tenant(&mut conn, actor, tenant, Right::View, "tenant").await?;
    db::alarms::of_tenant(&mut conn, tenant, 100).await?.into_iter().map(view_of).collect()
}

fn view_of(row: db::alarms::Alarm) -> Result<Alarm> {
    Ok(Alarm {
        id: row.id,
        environment: row.environment_id,
        address: format!("{}.{}", row.site, row.environment),
        cause: Cause::parse(&row.cause)?,
        message: row.message,
        hint: row.hint,
        opened: Millis(row.opened_at).iso(),
        closed: row.closed_at.map(|at| Millis(at).iso()),
    })
}
