//! Signing in: a password, and a code where the account has a second factor.
//!
//! Nobody learns here whether an account exists: unknown, disabled, without a password and mistyped take the same work
//! and get the same sentence. What was typed as a password is kept nowhere.

use super::accounts::{self, open_key, recovery_hash};
use super::guesses::{self, Place};
use super::{App, access::Actor};
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::secret::Secret;
use crate::base::sql::Conn;
use crate::base::{password as passwords, totp};
use crate::db;
use crate::db::accounts::Credentials;
use crate::db::activity::Act;
use crate::domain::ids::AccountId;

/// What a good password leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    In(AccountId),
    /// The account has a second factor: ask for a code.
    CodeNeeded(AccountId),
}

/// One sentence for an unknown address, a wrong password, a disabled account, and one without a password.
fn wrong() -> Error {
    Error::new(Class::Unauthenticated, "the e-mail address or the password is not right")
        .hint("try again, or ask for a new password by e-mail; an account that stays shut was disabled by an administrator")
}

fn wrong_code() -> Error {
    Error::new(Class::Unauthenticated, "this code is not right")
        .hint("a code is good for a minute and only once: wait for the next one, or type a recovery code")
}

/// Is this the password of the account?
///
/// # Errors
/// `Unauthenticated` with one sentence for every reason; `TooMany` with the time to wait.
pub async fn password(app: &App, email: &str, password: &Secret, address: &str, agent: &str) -> Result<Outcome> {
    let (now, place, email) = (app.pool.now().await?, Place::of(address), email.trim());
    let rules = [&guesses::ACCOUNT_AT_HOME, &guesses::ACCOUNT];
    let counted = guesses::at_account(app, now, "there were too many tries to sign in", rules, email, &place).await?;
    let found = db::accounts::credentials_by_email(&mut *app.pool.get().await?, email).await?;
    let hash = found.as_ref().filter(|c| c.is_active()).and_then(|c| c.password_hash.as_deref());
    let good = passwords::verify(password, hash).await?;
    let mut tx = app.pool.begin().await?;
    let Some(found) = found.as_ref().filter(|_| good) else {
        let name = if accounts::is_email(email) { email } else { "somebody" };
        record(&mut tx, now, found.as_ref(), name, "signin.failed", "password", address).await?;
        tx.commit().await?;
        return Err(wrong());
    };
    let account = AccountId(found.id.clone());
    record(&mut tx, now, Some(found), &found.email, "signin.password", &clipped(agent), address).await?;
    let coded = found.totp_sealed.is_some();
    if !coded {
        db::places::seen(&mut tx, now, &account, &place.network).await?;
    }
    tx.commit().await?;
    guesses::good(app, &counted).await?;
    Ok(if coded { Outcome::CodeNeeded(account) } else { Outcome::In(account) })
}

/// Is this a code of the account's second factor, or one of its recovery codes? Either is good once.
///
/// # Errors
/// `Unauthenticated` when it is not; `TooMany` after five in five minutes, with the time to wait.
pub async fn code(app: &App, account: &AccountId, code: &Secret, address: &str) -> Result<()> {
    let (now, place) = (app.pool.now().await?, Place::of(address));
    let found = db::accounts::credentials(&mut *app.pool.get().await?, account).await?.ok_or_else(wrong_code)?;
    let rules = [&guesses::CODE_AT_HOME, &guesses::CODE];
    let counted = guesses::at_account(app, now, "there were too many wrong codes", rules, &found.email, &place).await?;
    let mut tx = app.pool.begin().await?;
    let how = take(app, &mut tx, now, &found, code).await?;
    let (action, detail) = how.as_ref().map_or(("signin.failed", "code"), |how| ("signin.code", how.as_str()));
    record(&mut tx, now, Some(&found), &found.email, action, detail, address).await?;
    if how.is_some() {
        db::places::seen(&mut tx, now, account, &place.network).await?;
    }
    tx.commit().await?;
    match how {
        Some(_) => guesses::good(app, &counted).await,
        None => Err(wrong_code()),
    }
}

/// Uses a code up and says which kind it was; `None` when it is not good.
async fn take(app: &App, conn: &mut Conn, now: Millis, found: &Credentials, code: &Secret) -> Result<Option<String>> {
    let account = AccountId(found.id.clone());
    let Some(sealed) = found.totp_sealed.as_deref().filter(|_| found.is_active()) else { return Ok(None) };
    let digits: String = code.expose().chars().filter(|c| !c.is_whitespace()).collect();
    if digits.len() == 6 {
        let Some(step) = totp::check(&open_key(app, &account, sealed)?, &digits, now)? else { return Ok(None) };
        return Ok(db::second_factors::take_step(conn, &account, step).await?.then(|| "code".to_owned()));
    }
    if !db::second_factors::use_recovery_code(conn, now, &account, &recovery_hash(&account, code)).await? {
        return Ok(None);
    }
    let left = db::second_factors::recovery_codes_left(conn, &account).await?;
    Ok(Some(format!("recovery code; {left} left")))
}

/// Ends the session of this cookie.
pub async fn sign_out(app: &App, actor: &Actor, session: &Secret) -> Result<()> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    db::sessions::delete_own(&mut tx, &actor.account, &session.sha256()).await?;
    activity::record(&mut tx, now, actor, None, "signout", &actor.account.0, "").await?;
    tx.commit().await?;
    Ok(())
}

/// What a browser says it is, short and on one line.
pub(super) fn clipped(agent: &str) -> String {
    agent.chars().filter(|c| !c.is_control()).take(200).collect()
}

async fn record(
    conn: &mut Conn,
    now: Millis,
    found: Option<&Credentials>,
    actor: &str,
    action: &'static str,
    detail: &str,
    address: &str,
) -> Result<()> {
    let account = found.map(|c| AccountId(c.id.clone()));
    let object = account.as_ref().map_or("", AccountId::as_str);
    let act = Act { tenant: None, account: account.as_ref(), actor, action, object, detail, address };
    db::activity::record(conn, now, &act).await
}
