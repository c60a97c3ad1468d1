//! Letters: written in the transaction of the fact that they tell, so that a letter exists exactly if the fact does, and
//! sent by a loop of their own, so that no fact waits for a mail server.
//!
//! A letter can be lost in nothing but its last refusal: what the server defers is tried again with longer and longer
//! pauses for a day, what it refuses ends at once with its words. A server that dies between the answer and our note of
//! it gets the same message again, under the same Message-ID.

use super::{App, access, access::Actor, from_json, to_json};
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::secret::{Place, Secret};
use crate::base::sql::Conn;
use crate::base::units;
use crate::base::zone::Zone;
use crate::db;
use crate::db::activity::Act;
use crate::db::letters::{Claimed, NewLetter};
use crate::domain::ids::{BackupId, LetterId, RestoreId, TenantId};
use crate::domain::rights::Right;
use crate::domain::state::{BackupState, RestoreState};
use crate::domain::view;
use crate::mail::{Mailer, Sheet, Written};
use crate::queue::Shutdown;
use std::time::Duration;

pub use crate::mail::{Letter, Link};

/// How long a claimed letter is ours: longer than the longest conversation with a server.
const LEASE: i64 = 120 * Millis::SECOND;
/// How long a conversation may still take when we are told to stop.
const LAST_MOMENT: Duration = Duration::from_secs(5);

/// How letters are sent, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Pace {
    /// Between two looks for what is due.
    pub poll: u64,
    /// Before the next try; the last one for every further try.
    pub pauses: Vec<i64>,
    /// After that a letter is given up.
    pub patience: i64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { poll: 1000, pauses: [1, 2, 5, 15, 60].map(|minutes| minutes * 60 * Millis::SECOND).into(), patience: Millis::DAY }
    }
}

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
        kind: letter.kind(),
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

fn place<'a>(tenant: Option<&'a str>, row: &'a str) -> Place<'a> {
    Place { table: "letters", column: "body", tenant: tenant.unwrap_or("-"), row }
}

/// Tells the owners and whoever began it that a backup failed or is incomplete. That nobody could be told is no reason
/// for a backup to fail.
pub(crate) async fn backup_ended(
    conn: &mut Conn,
    app: &App,
    now: Millis,
    row: &db::backups::Backup,
    state: BackupState,
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
    tell(conn, app, now, &tenant, row.account_id.as_deref(), &format!("{}:{}", row.id, state.word()), letter).await;
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
    tell(conn, app, now, &tenant, row.account_id.as_deref(), &format!("{}:{}", row.id, state.word()), letter).await;
}

/// One letter for each of a tenant's owners and the initiator; one only for the same `what`, an id with the state it came
/// to: a restore that was stuck may still come to another end.
pub(crate) async fn tell(
    conn: &mut Conn,
    app: &App,
    now: Millis,
    tenant: &TenantId,
    initiator: Option<&str>,
    what: &str,
    letter: impl Fn(String) -> Letter,
) {
    let recipients = db::letters::recipients(conn, tenant, initiator).await.unwrap_or_else(|e| {
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

/// Sends what is due until `shutdown`. Any number of these may run at once, in any number of processes.
///
/// # Errors
/// None: what the catalogue or the mail server says is noted and tried again.
pub async fn deliver(app: &App, mailer: Option<&Mailer>, mut shutdown: Shutdown) -> Result<()> {
    while !*shutdown.borrow_and_update() {
        if let Err(e) = send_due(app, mailer, &shutdown).await {
            tracing::warn!("the outbox: {e}");
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(app.settings.letters.poll)) => {}
            changed = shutdown.changed() => if changed.is_err() { break },
        }
    }
    Ok(())
}

/// One round: every letter that is due is tried once; how many were. Without a mail server letters wait, and are given
/// up when their time is over.
pub async fn send_due(app: &App, mailer: Option<&Mailer>, shutdown: &Shutdown) -> Result<usize> {
    let Some(mailer) = mailer else {
        give_up_old(app).await?;
        return Ok(0);
    };
    let mut tried = 0;
    while !*shutdown.borrow() {
        let now = app.pool.now().await?;
        let Some(letter) = db::letters::claim(&app.pool, now, now.plus(LEASE)).await? else { break };
        tried += 1;
        let ended = one(app, mailer, &letter, shutdown.clone()).await;
        note(app, &letter, ended).await?;
    }
    Ok(tried)
}

async fn give_up_old(app: &App) -> Result<()> {
    let before = app.pool.now().await?.plus(-app.settings.letters.patience);
    let mut conn = app.pool.get().await?;
    db::letters::give_up(&mut conn, before, "no mail server is configured").await?;
    Ok(())
}

async fn one(app: &App, mailer: &Mailer, letter: &Claimed, shutdown: Shutdown) -> Result<String> {
    let body = letter.body_sealed.as_deref().ok_or_else(|| Error::internal("the letter is empty"))?;
    let body = app.sealer.open(place(letter.tenant_id.as_deref(), &letter.id), body)?;
    // The address comes from what was sealed: a row that was changed sends no secret to anybody else.
    let written: Written = from_json("letter", body.expose())?;
    tokio::select! {
        answer = mailer.send(&letter.id, Millis(letter.created_at), &written) => answer,
        () = last_moment(shutdown) => Err(Error::transient("Sitekeep was stopped while the letter was being sent")),
    }
}

async fn last_moment(mut shutdown: Shutdown) {
    while !*shutdown.borrow_and_update() {
        if shutdown.changed().await.is_err() {
            break;
        }
    }
    tokio::time::sleep(LAST_MOMENT).await;
}

/// Writes down what became of a try.
async fn note(app: &App, letter: &Claimed, ended: Result<String>) -> Result<()> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let e = match ended {
        Ok(_) => return db::letters::sent(&mut conn, now, letter).await.map(drop),
        Err(e) => e,
    };
    tracing::warn!("the letter {}: {e}", letter.id);
    let next = next_try(&app.settings.letters, now, letter);
    match next.filter(|_| e.class() == Class::Transient) {
        Some(next) => db::letters::retry_later(&mut conn, letter, next, &e.sentence()).await.map(drop),
        None => db::letters::failed(&mut conn, letter, &e.sentence()).await.map(drop),
    }
}

/// When it is tried again; none when that would be beyond all patience.
fn next_try(pace: &Pace, now: Millis, letter: &Claimed) -> Option<Millis> {
    let tries = usize::try_from(letter.tries).unwrap_or(1).max(1);
    let pause = pace.pauses.get(tries - 1).or(pace.pauses.last()).copied().unwrap_or(60 * Millis::SECOND);
    let next = now.plus(pause);
    (next <= Millis(letter.created_at).plus(pace.patience)).then_some(next)
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
    let act = Act {
        tenant: None,
        account: Some(&actor.account),
        actor: &actor.email,
        action: "letter.test",
        object: id.as_str(),
        detail: &detail,
        address: &actor.address,
    };
    let mut conn = app.pool.get().await?;
    db::activity::record(&mut conn, now, &act).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_grow_to_an_hour_and_end_after_a_day() {
        let (pace, mut now, mut pauses) = (Pace::default(), Millis(0), Vec::new());
        for tries in 1.. {
            let letter = Claimed { id: String::new(), tenant_id: None, body_sealed: None, tries, created_at: 0 };
            let Some(next) = next_try(&pace, now, &letter) else { break };
            pauses.push((next.0 - now.0) / 60_000);
            now = next;
        }
        assert_eq!(pauses[..6], [1, 2, 5, 15, 60, 60]);
        assert!(pauses.len() == 27 && now.0 > 23 * 3_600_000 && now.0 <= Millis::DAY, "{pauses:?}");
    }
}
