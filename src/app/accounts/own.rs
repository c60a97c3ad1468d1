//! What people do to their own account.

use super::super::guesses;
use super::super::letters::{self, Letter};
use super::super::{App, access, access::Actor};
use super::{in_person, person};
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::password;
use crate::base::secret::Secret;
use crate::db;
use crate::domain::ids::TokenId;
use crate::domain::people;

pub async fn profile(app: &App, actor: &Actor) -> Result<people::Profile> {
    let mut conn = app.pool.get().await?;
    let found = db::accounts::find(&mut conn, &actor.account).await?.ok_or_else(|| access::hidden("account"))?;
    let credentials = db::accounts::credentials(&mut conn, &actor.account).await?.ok_or_else(|| access::hidden("account"))?;
    Ok(people::Profile {
        email: found.email,
        name: found.name,
        zone: found.zone,
        administrator: found.administrator == 1,
        has_password: credentials.password_hash.is_some(),
        second_factor: credentials.totp_sealed.is_some(),
        recovery_codes: db::second_factors::recovery_codes_left(&mut conn, &actor.account).await?,
    })
}

pub async fn set_name(app: &App, actor: &Actor, name: &str) -> Result<()> {
    in_person(actor)?;
    db::accounts::set_name(&mut *app.pool.get().await?, &actor.account, person(name)?).await.map(drop)
}

/// The zone in which times are shown, by its IANA name.
///
/// # Errors
/// `Invalid` when there is no such zone.
pub async fn set_zone(app: &App, actor: &Actor, zone: Option<&str>) -> Result<()> {
    in_person(actor)?;
    db::accounts::set_zone(&mut *app.pool.get().await?, &actor.account, known_zone(zone)?).await.map(drop)
}

/// Name and zone together: either both are kept, or neither.
pub async fn set_profile(app: &App, actor: &Actor, name: &str, zone: Option<&str>) -> Result<()> {
    in_person(actor)?;
    let (name, zone) = (person(name)?, known_zone(zone)?);
    let mut tx = app.pool.begin().await?;
    db::accounts::set_name(&mut tx, &actor.account, name).await?;
    db::accounts::set_zone(&mut tx, &actor.account, zone).await?;
    tx.commit().await?;
    Ok(())
}

fn known_zone(zone: Option<&str>) -> Result<Option<&str>> {
    let zone = zone.map(str::trim).filter(|z| !z.is_empty());
    let known = |z: &str| z.parse::<chrono_tz::Tz>().is_ok();
    match zone.filter(|z| !known(z)) {
        Some(unknown) => {
            Err(Error::invalid(format!("{unknown:?} is not a time zone")).hint("zones are named like Europe/Vienna or America/New_York"))
        }
        None => Ok(zone),
    }
}

/// Is it really the one who is signed in? Asked before anything that could lock him out.
///
/// # Errors
/// `Invalid` when the password is wrong; `TooMany` after five wrong ones, with the time to wait.
pub(in crate::app) async fn again(app: &App, actor: &Actor, typed: &Secret) -> Result<()> {
    in_person(actor)?;
    let now = app.pool.now().await?;
    let tries = [(&guesses::AGAIN, actor.account.as_str())];
    let counted = guesses::count(app, now, "the password was wrong too often", &tries).await?;
    let found = db::accounts::credentials(&mut *app.pool.get().await?, &actor.account).await?;
    let hash = found.and_then(|c| c.password_hash);
    if hash.is_none() {
        return Err(Error::invalid("this account has no password yet").hint("ask for one by e-mail, as for a forgotten one"));
    }
    if !password::verify(typed, hash.as_deref()).await? {
        return Err(Error::invalid("your present password is not right"));
    }
    guesses::good(app, &counted).await
}

/// Changes the password and ends every other session; `keep` is the cookie of this one.
pub async fn change_password(app: &App, actor: &Actor, old: &Secret, new: &Secret, keep: Option<&Secret>) -> Result<()> {
    again(app, actor, old).await?;
    password::check(new, &actor.email)?;
    if old == new {
        return Err(Error::invalid("this is the password that you have"));
    }
    let hash = password::hash(new).await?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    db::accounts::set_password(&mut tx, &actor.account, &hash).await?;
    db::one_time_links::drop_resets(&mut tx, &actor.account).await?;
    let ended = db::sessions::delete_others(&mut tx, &actor.account, keep.map(Secret::sha256).as_deref()).await?;
    activity::record(&mut tx, now, actor, None, "password.change", &actor.account.0, &format!("{ended} other sessions ended")).await?;
    let letter = Letter::PasswordChanged { to: actor.email.clone(), address: actor.address.clone() };
    letters::notify(&mut tx, app, now, &letter).await;
    tx.commit().await?;
    Ok(())
}

/// One's own tokens that are good, newest first.
pub async fn tokens(app: &App, actor: &Actor) -> Result<Vec<people::Token>> {
    in_person(actor)?;
    let now = app.pool.now().await?;
    let rows = db::accounts::tokens_of_account(&mut *app.pool.get().await?, now, &actor.account).await?;
    let shown = |t: db::accounts::Token| people::Token {
        id: t.id,
        label: t.label,
        tenant: t.tenant,
        scope: t.scope,
        created: Millis(t.created_at).iso(),
        expires: Millis(t.expires_at).iso(),
        last_used: t.last_used_at.map(|at| Millis(at).iso()),
    };
    Ok(rows.into_iter().map(shown).collect())
}

/// Ends one of one's own tokens.
pub async fn revoke_token(app: &App, actor: &Actor, id: &TokenId) -> Result<()> {
    in_person(actor)?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    if !db::accounts::revoke_own_token(&mut tx, now, &actor.account, id).await? {
        return Err(access::hidden("token"));
    }
    activity::record(&mut tx, now, actor, None, "token.revoke", &id.0, "").await?;
    tx.commit().await?;
    Ok(())
}
