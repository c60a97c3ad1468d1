//! Sessions of browsers: kept by the hash of their cookie, at most seven days, and no longer than twelve hours unused.
//!
//! What a session holds is the affair of `web`; whose it is stands beside it, so that it can be listed and ended. One
//! that was ended is never made again by a request that was still under way.

use super::signing_in::clipped;
use super::{App, access, access::Actor, accounts, guesses};
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::secret::Secret;
use crate::db;
use crate::domain::ids::AccountId;
use crate::domain::people;
use crate::domain::rights::Scope;

const IDLE: i64 = 12 * 3600 * Millis::SECOND;
const WHOLE: i64 = 7 * Millis::DAY;
/// A request is noted at most this often: reading a page writes nothing.
const NOTED: i64 = 300 * Millis::SECOND;

/// What is kept of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Who is signed in with it; nobody yet while a code is still to be typed.
    pub account: Option<AccountId>,
    /// JSON.
    pub data: String,
    pub address: String,
    pub agent: String,
}

/// A session that is good until then, unless it is used.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub session: Session,
    pub expires_at: Millis,
}

/// Keeps a new session under the cookie's value. `false`: this value is taken, draw another.
pub async fn create(app: &App, id: &Secret, session: &Session) -> Result<bool> {
    let now = app.pool.now().await?;
    let row = db::sessions::Session {
        id: id.sha256(),
        account_id: session.account.as_ref().map(|a| a.0.clone()),
        data: session.data.clone(),
        address: clipped(&session.address),
        agent: clipped(&session.agent),
        created_at: now.0,
        seen_at: now.0,
        expires_at: now.plus(IDLE).0,
    };
    db::sessions::insert(&mut *app.pool.get().await?, &row).await
}

/// The session of this cookie, if it is good; from now on it is good for longer.
pub async fn load(app: &App, id: &Secret) -> Result<Option<Loaded>> {
    let now = app.pool.moment().await?;
    let mut conn = app.pool.get().await?;
    let Some(row) = db::sessions::find(&mut conn, now, &id.sha256()).await? else { return Ok(None) };
    let mut expires_at = Millis(row.expires_at);
    if row.seen_at <= now.0 - NOTED {
        expires_at = now.plus(IDLE).min(Millis(row.created_at).plus(WHOLE));
        db::sessions::touch(&mut conn, now, &row.id, expires_at).await?;
    }
    let session = Session { account: row.account_id.map(AccountId), data: row.data, address: row.address, agent: row.agent };
    Ok(Some(Loaded { session, expires_at }))
}

/// Keeps what a session holds now. `false`: it was ended meanwhile, and stays so.
pub async fn save(app: &App, id: &Secret, session: &Session) -> Result<bool> {
    db::sessions::update(&mut *app.pool.get().await?, &id.sha256(), session.account.as_ref(), &session.data).await
}

pub async fn delete(app: &App, id: &Secret) -> Result<()> {
    db::sessions::delete(&mut *app.pool.get().await?, &id.sha256()).await.map(drop)
}

/// The one who is signed in, as of this moment: rights that were taken away are gone with the next request.
///
/// # Errors
/// `Unauthenticated` when the account is gone or disabled.
pub async fn actor(app: &App, account: &AccountId, address: &str) -> Result<Actor> {
    Ok(reader(app, account, address).await?.0)
}

/// The one who reads a page, and the time zone they chose.
///
/// # Errors
/// `Unauthenticated` when the account is gone or disabled.
pub async fn reader(app: &App, account: &AccountId, address: &str) -> Result<(Actor, Option<String>)> {
    let found = db::accounts::find(&mut *app.pool.get().await?, account).await?;
    let found = found
        .filter(db::accounts::Account::is_active)
        .ok_or_else(|| Error::new(Class::Unauthenticated, "nobody is signed in here any more").hint("sign in again"))?;
    let actor = Actor {
        account: AccountId(found.id),
        email: found.email,
        administrator: found.administrator == 1,
        scope: Scope::all(),
        tenant: None,
        address: address.to_owned(),
    };
    Ok((actor, found.zone))
}

/// The one behind a cookie, for what goes on while a page is open; `None` when the session has ended.
pub async fn still(app: &App, id: &Secret, address: &str) -> Result<Option<Actor>> {
    let now = app.pool.now().await?;
    let row = db::sessions::find(&mut *app.pool.get().await?, now, &id.sha256()).await?;
    let Some(account) = row.and_then(|r| r.account_id) else { return Ok(None) };
    match actor(app, &AccountId(account), address).await {
        Ok(actor) => Ok(Some(actor)),
        Err(e) if e.class() == Class::Unauthenticated => Ok(None),
        Err(e) => Err(e),
    }
}

/// One's own sessions, the last used first.
pub async fn list(app: &App, actor: &Actor, current: Option<&Secret>) -> Result<Vec<people::Session>> {
    accounts::in_person(actor)?;
    let now = app.pool.now().await?;
    let current = current.map(Secret::sha256);
    let rows = db::sessions::of_account(&mut *app.pool.get().await?, now, &actor.account).await?;
    Ok(rows.into_iter().map(|row| shown(row, current.as_deref())).collect())
}

fn shown(row: db::sessions::Session, current: Option<&str>) -> people::Session {
    people::Session {
        current: current == Some(row.id.as_str()),
        id: row.id,
        address: row.address,
        agent: row.agent,
        created: Millis(row.created_at).iso(),
        seen: Millis(row.seen_at).iso(),
        expires: Millis(row.expires_at).iso(),
    }
}

/// Ends one of one's own sessions.
pub async fn revoke(app: &App, actor: &Actor, id: &str) -> Result<()> {
    accounts::in_person(actor)?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    if !db::sessions::delete_own(&mut tx, &actor.account, id).await? {
        return Err(access::hidden("session"));
    }
    activity::record(&mut tx, now, actor, None, "session.revoke", &actor.account.0, "").await?;
    tx.commit().await?;
    Ok(())
}

/// Ends all of one's own sessions but this one, and says how many.
pub async fn revoke_others(app: &App, actor: &Actor, current: &Secret) -> Result<u64> {
    accounts::in_person(actor)?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let ended = db::sessions::delete_others(&mut tx, &actor.account, Some(&current.sha256())).await?;
    activity::record(&mut tx, now, actor, None, "session.revoke", &actor.account.0, &format!("{ended} others")).await?;
    tx.commit().await?;
    Ok(ended)
}

/// Drops sessions, counts and links whose time is long over; the server does it every ten minutes.
pub async fn tidy(app: &App) -> Result<()> {
    let now = app.pool.now().await?;
    {
        let mut conn = app.pool.get().await?;
        db::sessions::tidy(&mut conn, now).await?;
        db::one_time_links::tidy(&mut conn, now.plus(-30 * Millis::DAY)).await?;
        db::letters::tidy(&mut conn, now.plus(-90 * Millis::DAY)).await?;
    }
    guesses::tidy(app, now).await
}
