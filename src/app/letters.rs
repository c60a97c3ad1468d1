//! Letters: written in the transaction of the fact that they tell, so that a letter exists exactly if the fact does. They
//! leave by the [`outbox`](super::outbox), so that no fact waits for a mail server.

use super::outbox::place;
use super::{App, access, access::Actor, from_json, to_json};
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::secret::Secret;
use crate::base::sql::Conn;
use crate::base::units;
use crate::base::zone::Zone;
use crate::db;
use crate::db::letters::{Channel, NewLetter};
use crate::domain::ids::{BackupId, LetterId, RestoreId, SiteId, TenantId};
use crate::domain::rights::Right;
use crate::domain::state::{BackupState, RestoreState};
use crate::domain::view;
use crate::mail::Sheet;

pub use crate::mail::{Letter, Link, Purge};

/// Where an invitation is accepted. Our own origin is configured, never taken from a request.
pub fn invitation_url(app: &App, secret: &Secret) -> Secret {
    Secret::new(format!("{}/invitation/{}", app.public_url, secret.expose()))
}

/// Where a new password is chosen.
pub fn reset_url(app: &App, secret: &Secret) -> Secret {
    Secret::new(format!("{}/reset/{}", app.public_url, secret.expose()))
}

/// Writes a letter into the outbox, in the caller's transaction. With `unique`, a second one of that name is none.
///
/// # Errors
/// `Invalid` when its address is none; nothing was asked of the catalogue then, so that the transaction is still good.
pub async fn send(
    conn: &mut Conn,
    app: &App,
    now: Millis,
    tenant: Option<&TenantId>,
    letter: &Letter,
    unique: Option<String>,
) -> Result<()> {
    let zone = db::accounts::zone_of(conn, letter.to()).await?;
    let written = letter.write(sheet(app, now, zone.as_deref()))?;
    let id = LetterId::fresh();
    let body = Secret::new(to_json(&written)?);
    let row = NewLetter {
        body_sealed: app.sealer.seal(place(tenant.map(|t| t.as_str()), id.as_str()), &body),
        id,
        tenant: tenant.cloned(),
        to: written.to,
        kind: letter.kind().to_owned(),
        channel: Channel::Mail,
        subject: written.subject,
        unique,
    };
    db::letters::insert(conn, now, &row).await?;
    Ok(())
}

/// The same about what has happened to an account. That it cannot be told is no reason for it not to happen.
pub(crate) async fn notify(conn: &mut Conn, app: &App, now: Millis, letter: &Letter) {
    if let Err(e) = send(conn, app, now, None, letter, None).await {
        tracing::warn!("{} cannot be told: {e}", letter.to());
    }
}

/// `zone`: the one that the reader chose.
fn sheet<'a>(app: &'a App, now: Millis, zone: Option<&str>) -> Sheet<'a> {
    let zone = zone.and_then(|name| Zone::parse(name).ok()).unwrap_or_default();
    Sheet { origin: &app.public_url, now, zone: zone.tz() }
}

/// Tells that a backup failed or is incomplete: everybody of the site where that is news, whoever began it in any case.
/// That nobody could be told is no reason for a backup to fail.
pub(crate) async fn backup_ended(
    conn: &mut Conn,
    app: &App,
    now: Millis,
    row: &db::backups::Backup,
    state: BackupState,
    news: bool,
    said: Option<&(String, Option<String>)>,
) {
    if !matches!(state, BackupState::Failed | BackupState::Incomplete) {
        return;
    }
    let tenant = TenantId(row.tenant_id.clone());
    let message = match said {
        Some((message, _)) => Some(message.clone()),
        None => unread(conn, &tenant, &row.id).await,
    };
    let letter = |to: String| Letter::BackupEnded {
        to,
        environment: format!("{}.{}", row.site, row.environment),
        state,
        reason: row.reason.clone(),
        message: message.clone(),
        hint: said.and_then(|s| s.1.clone()),
        url: format!("{}/backups/{}", app.public_url, row.id),
    };
    let (site, what) = (SiteId(row.site_id.clone()), format!("{}:{}", row.id, state.word()));
    let about = About { tenant: &tenant, site: Some(&site), initiator: row.account_id.as_deref(), news, what: &what };
    tell(conn, app, now, &about, letter).await;
}

/// How much an incomplete backup lacks.
async fn unread(conn: &mut Conn, tenant: &TenantId, id: &str) -> Option<String> {
    let elements = db::backups::elements(conn, tenant, &BackupId(id.to_owned())).await.ok()?;
    let problems = elements.iter().filter_map(|e| from_json::<Vec<view::FileProblem>>("problems", &e.problems).ok());
    let count = problems.map(|p| p.len() as u64).sum();
    (count > 0).then(|| format!("{} could not be read", units::count(count, "file")))
}

/// The same for the end of a restore or an undo. One that was cancelled before it touched anything is no news.
pub(crate) async fn restore_ended(
    conn: &mut Conn,
    app: &App,
    now: Millis,
    row: &db::restores::Restore,
    state: RestoreState,
    undo_until: Option<Millis>,
) {
    if state == RestoreState::Cancelled {
        return;
    }
    let tenant = TenantId(row.tenant_id.clone());
    let letter = |to: String| Letter::RestoreEnded {
        to,
        environment: format!("{}.{}", row.site, row.environment),
        undo: row.kind == "undo",
        state,
        initiator: row.initiator.clone(),
        url: format!("{}/restores/{}", app.public_url, row.id),
        undo_until,
    };
    let (site, what) = (SiteId(row.site_id.clone()), format!("{}:{}", row.id, state.word()));
    let about = About { tenant: &tenant, site: Some(&site), initiator: row.account_id.as_deref(), news: true, what: &what };
    tell(conn, app, now, &about, letter).await;
}

/// Whom a letter is for, and what it is about.
pub(crate) struct About<'a> {
    pub tenant: &'a TenantId,
    /// None: it concerns the whole tenant, and its owners.
    pub site: Option<&'a SiteId>,
    /// The account that began it.
    pub initiator: Option<&'a str>,
    /// It is news: everybody of the site is told, not only who began it.
    pub news: bool,
    /// An id with the state it came to: one letter only for the same, and a restore that was stuck may still come to
    /// another end.
    pub what: &'a str,
}

/// One letter for each of a tenant's owners and the initiator, about what concerns no single site.
pub(crate) async fn tell_owners(
    conn: &mut Conn,
    app: &App,
    now: Millis,
    tenant: &TenantId,
    initiator: Option<&str>,
    what: &str,
    letter: impl Fn(String) -> Letter,
) {
    tell(conn, app, now, &About { tenant, site: None, initiator, news: true, what }, letter).await;
}

/// One letter for each of the site's recipients (its tenant's owners where none are named) and the initiator.
pub(crate) async fn tell(conn: &mut Conn, app: &App, now: Millis, about: &About<'_>, letter: impl Fn(String) -> Letter) {
    let &About { tenant, what, .. } = about;
    let recipients = db::letters::recipients(conn, tenant, about.site, about.news, about.initiator).await.unwrap_or_else(|e| {
        tracing::warn!("nobody can be told about {what}: {e}");
        Vec::new()
    });
    for to in recipients {
        let letter = letter(to);
        let unique = format!("{what}:{}:{}", letter.kind(), letter.to());
        if let Err(e) = send(conn, app, now, Some(tenant), &letter, Some(unique)).await {
            tracing::warn!("{} cannot be told about {what}: {e}", letter.to());
        }
    }
}

/// Sends a letter past the outbox, for an administrator who wants to know now; gives the mail server's answer.
///
/// # Errors
/// `Conflict` when no mail server is configured; otherwise what the server said.
pub async fn test(app: &App, actor: &Actor, to: &str) -> Result<String> {
    access::administer(actor)?;
    let mailer = app.mailer.as_ref().ok_or_else(|| {
        Error::conflict("no mail server is configured")
            .hint("set SITEKEEP_SMTP_URL, or smtp_url in sitekeep.toml, and start Sitekeep again")
    })?;
    let now = app.pool.now().await?;
    let written = Letter::Test { to: to.to_owned() }.write(sheet(app, now, None))?;
    let id = LetterId::fresh();
    let answer = mailer.send(id.as_str(), now, &written).await;
    let detail = match &answer {
        Ok(said) => format!("{to}: {said}"),
        Err(e) => format!("{to}: {}", e.sentence()),
    };
    let mut conn = app.pool.get().await?;
    activity::record(&mut conn, now, actor, None, "letter.test", id.as_str(), &detail).await?;
    answer
}

/// The newest letters, for administrators: to whom, about what, and whether they left.
pub async fn log(app: &App, actor: &Actor, limit: i64) -> Result<Vec<view::Letter>> {
    access::administer(actor)?;
    let mut conn = app.pool.get().await?;
    Ok(db::letters::list(&mut conn, limit.clamp(1, 500)).await?.into_iter().map(view_of).collect())
}

/// The letters that told of a backup, for its page: "mail not delivered" stands where people look.
pub async fn of_backup(app: &App, actor: &Actor, id: &BackupId) -> Result<Vec<view::Letter>> {
    let mut conn = app.pool.get().await?;
    let row = access::backup(&mut conn, actor, id, Right::View).await?;
    about(&mut conn, row.tenant_id, &id.0).await
}

/// The same of a restore or an undo.
pub async fn of_restore(app: &App, actor: &Actor, id: &RestoreId) -> Result<Vec<view::Letter>> {
    let mut conn = app.pool.get().await?;
    let row = access::restore(&mut conn, actor, id, Right::View).await?;
    about(&mut conn, row.tenant_id, &id.0).await
}

async fn about(conn: &mut Conn, tenant: String, what: &str) -> Result<Vec<view::Letter>> {
    Ok(db::letters::about(conn, &TenantId(tenant), what).await?.into_iter().map(view_of).collect())
}

fn view_of(row: db::letters::Letter) -> view::Letter {
    view::Letter {
        id: row.id,
        to: row.to_address,
        kind: row.kind,
        subject: row.subject,
        next_try: (row.state == "queued").then(|| Millis(row.next_at).iso()),
        state: row.state,
        tries: row.tries,
        created: Millis(row.created_at).iso(),
        sent: row.sent_at.map(|at| Millis(at).iso()),
        error: row.last_error,
    }
}
