//! The second factor of one's own account: a key for an app that makes codes, and ten recovery codes for the day when the
//! app is lost. Whoever changes it types his password again: a stolen session must not lock its owner out.

use super::super::letters::{self, Letter};
use super::super::{App, access, access::Actor};
use super::in_person;
use super::own::again;
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::secret::{Place, Secret};
use crate::base::sql::Conn;
use crate::base::{chance, totp};
use crate::db;
use crate::domain::ids::AccountId;

const RECOVERY_CODES: usize = 10;

/// What an app needs to make codes; shown until a code confirms it.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// In base 32, to type.
    pub key: Secret,
    /// `otpauth://…`
    pub url: Secret,
    /// The same as a picture: `data:image/svg+xml;base64,…`
    pub picture: Secret,
}

fn place(account: &AccountId) -> Place<'_> {
    Place { table: "accounts", column: "totp", tenant: "-", row: account.as_str() }
}

pub(in crate::app) fn open_key(app: &App, account: &AccountId, sealed: &[u8]) -> Result<Secret> {
    app.sealer.open(place(account), sealed)
}

/// A recovery code as it is kept: however it was typed, and of this account alone.
pub(in crate::app) fn recovery_hash(account: &AccountId, code: &Secret) -> String {
    let typed = code.expose().chars().filter(char::is_ascii_alphanumeric).map(|c| match c.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        c => c,
    });
    Secret::new(format!("{account}:{}", typed.collect::<String>())).sha256()
}

/// Four times four characters, 80 bits: too many to find from the hash.
fn recovery_code() -> Secret {
    let word = chance::word(16);
    Secret::new([&word[..4], &word[4..8], &word[8..12], &word[12..]].join("-"))
}

/// A new key, which counts for nothing until a code of it is confirmed.
///
/// # Errors
/// `Invalid` for a wrong password; `Conflict` when there is a second factor already.
pub async fn start_second_factor(app: &App, actor: &Actor, password: &Secret) -> Result<Enrolment> {
    again(app, actor, password).await?;
    let key = totp::fresh();
    let mut tx = app.pool.begin().await?;
    db::accounts::lock(&mut tx, &actor.account).await?;
    if credentials(&mut tx, actor).await?.totp_sealed.is_some() {
        return Err(Error::conflict("this account has a second factor already").hint("turn it off first to take another app"));
    }
    db::second_factors::set_pending(&mut tx, &actor.account, Some(app.sealer.seal(place(&actor.account), &key))).await?;
    tx.commit().await?;
    enrolment(key, &actor.email)
}

/// The key that waits to be confirmed, to be shown again after a wrong code.
pub async fn pending_second_factor(app: &App, actor: &Actor) -> Result<Option<Enrolment>> {
    in_person(actor)?;
    let pending = credentials(&mut *app.pool.get().await?, actor).await?.totp_pending_sealed;
    pending.map(|sealed| open_key(app, &actor.account, &sealed).and_then(|key| enrolment(key, &actor.email))).transpose()
}

/// The app works: from now on a code is asked for. Gives the recovery codes, which are shown this once, and ends every
/// session that was made without a code; `keep` is the cookie of this one.
///
/// # Errors
/// `Invalid` for a wrong code; `Conflict` when nothing waits to be confirmed.
pub async fn confirm_second_factor(app: &App, actor: &Actor, code: &Secret, keep: Option<&Secret>) -> Result<Vec<Secret>> {
    in_person(actor)?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    db::accounts::lock(&mut tx, &actor.account).await?;
    let sealed = credentials(&mut tx, actor).await?.totp_pending_sealed;
    let sealed = sealed.ok_or_else(|| Error::conflict("no second factor waits to be confirmed").hint("start again"))?;
    let digits: String = code.expose().chars().filter(|c| !c.is_whitespace()).collect();
    let step = totp::check(&open_key(app, &actor.account, &sealed)?, &digits, now)?
        .ok_or_else(|| Error::invalid("this code is not right").hint("wait for the next one; the clocks of both devices must be right"))?;
    db::second_factors::confirm(&mut tx, &actor.account, step).await?;
    let codes = new_codes(&mut tx, actor).await?;
    db::sessions::delete_others(&mut tx, &actor.account, keep.map(Secret::sha256).as_deref()).await?;
    activity::record(&mut tx, now, actor, None, "second_factor.on", &actor.account.0, "").await?;
    letters::notify(&mut tx, app, now, &Letter::SecondFactorChanged { to: actor.email.clone(), on: true }).await;
    tx.commit().await?;
    Ok(codes)
}

/// Without a second factor from now on.
///
/// # Errors
/// `Invalid` for a wrong password; `Conflict` when there is none.
pub async fn disable_second_factor(app: &App, actor: &Actor, password: &Secret) -> Result<()> {
    again(app, actor, password).await?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    remove(&mut tx, app, now, &actor.account, &actor.email).await?;
    activity::record(&mut tx, now, actor, None, "second_factor.off", &actor.account.0, "").await?;
    tx.commit().await?;
    Ok(())
}

/// Takes the second factor from an account, and tells its owner.
pub(super) async fn remove(conn: &mut Conn, app: &App, now: Millis, account: &AccountId, email: &str) -> Result<()> {
    if !db::second_factors::remove(conn, account).await? {
        return Err(Error::conflict("this account has no second factor"));
    }
    letters::notify(conn, app, now, &Letter::SecondFactorChanged { to: email.to_owned(), on: false }).await;
    Ok(())
}

/// Ten new recovery codes; the old ones are good no more.
pub async fn renew_recovery_codes(app: &App, actor: &Actor, password: &Secret) -> Result<Vec<Secret>> {
    again(app, actor, password).await?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    db::accounts::lock(&mut tx, &actor.account).await?;
    if credentials(&mut tx, actor).await?.totp_sealed.is_none() {
        return Err(Error::conflict("this account has no second factor").hint("turn it on: the recovery codes come with it"));
    }
    let codes = new_codes(&mut tx, actor).await?;
    activity::record(&mut tx, now, actor, None, "second_factor.codes", &actor.account.0, "").await?;
    tx.commit().await?;
    Ok(codes)
}

async fn new_codes(conn: &mut Conn, actor: &Actor) -> Result<Vec<Secret>> {
    let codes: Vec<Secret> = (0..RECOVERY_CODES).map(|_| recovery_code()).collect();
    let hashes: Vec<String> = codes.iter().map(|code| recovery_hash(&actor.account, code)).collect();
    db::second_factors::set_recovery_codes(conn, &actor.account, &hashes).await?;
    Ok(codes)
}

async fn credentials(conn: &mut Conn, actor: &Actor) -> Result<db::accounts::Credentials> {
    db::accounts::credentials(conn, &actor.account).await?.ok_or_else(|| access::hidden("account"))
}

fn enrolment(key: Secret, email: &str) -> Result<Enrolment> {
    Ok(Enrolment { url: totp::url(&key, email)?, picture: totp::picture(&key, email)?, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_code_is_the_same_however_it_is_typed() {
        let (ann, ben) = (AccountId::fresh(), AccountId::fresh());
        let code = recovery_code();
        assert_eq!(code.expose().len(), 19);
        let typed = Secret::new(code.expose().to_uppercase().replace('-', " ").replace('0', "O").replace('1', "l"));
        assert_eq!(recovery_hash(&ann, &code), recovery_hash(&ann, &typed));
        assert_ne!(recovery_hash(&ann, &code), recovery_hash(&ben, &code));
    }
}
