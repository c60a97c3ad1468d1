//! Forgotten passwords: a link by letter, good for an hour. It sets the password and no more: whoever has a second factor
//! is still asked for a code.

use super::super::letters::{self, Letter};
use super::super::{App, guesses};
use super::{Kind, find, fresh, take};
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::password;
use crate::base::secret::Secret;
use crate::base::sql::Conn;
use crate::db;
use crate::db::accounts::Credentials;
use crate::db::activity::Act;
use crate::domain::ids::AccountId;

const HOUR: i64 = 3600 * Millis::SECOND;

/// Sends a link if there is an account. The answer is the same whether there is or not, and is given before anybody
/// looks; so is it when somebody asks too often, and then no letter goes out.
pub async fn ask_reset(app: &App, email: &str, address: &str) -> Result<()> {
    let (now, place, whom) = (app.pool.now().await?, guesses::Place::of(address), guesses::typed(email));
    let tries = [(&guesses::RESET, whom.as_str()), (&guesses::RESET_FROM, &place.address)];
    match guesses::count(app, now, "too many links were asked for", &tries).await {
        Err(e) if e.class() == Class::TooMany => return Ok(()),
        counted => drop(counted?),
    }
    let (app, email, address) = (app.clone(), email.trim().to_owned(), address.to_owned());
    tokio::spawn(async move {
        if let Err(e) = send(&app, now, &email, &address).await {
            tracing::error!("sending a link for a forgotten password: {e}");
        }
    });
    Ok(())
}

async fn send(app: &App, now: Millis, email: &str, address: &str) -> Result<()> {
    let mut tx = app.pool.begin().await?;
    let found = db::accounts::credentials_by_email(&mut tx, email).await?;
    let Some(found) = found.filter(Credentials::is_active) else { return Ok(()) };
    let (mut link, secret) = fresh(Kind::Reset, now, HOUR);
    link.account_id = Some(found.id.clone());
    db::one_time_links::insert(&mut tx, &link, &secret.sha256()).await?;
    record(&mut tx, now, &found, "password.ask", "", address).await?;
    let letter = Letter::Reset { to: found.email, url: letters::reset_url(app, &secret), expires: Millis(link.expires_at) };
    letters::notify(&mut tx, app, now, &letter).await;
    tx.commit().await?;
    Ok(())
}

/// Sets the password, ends every session of the account and, if so wished, its tokens. Nobody is signed in by it.
///
/// # Errors
/// `NotFound` for a link that is not good, also when its account was disabled meanwhile.
pub async fn use_reset(app: &App, secret: &Secret, password: &Secret, revoke_tokens: bool, address: &str) -> Result<AccountId> {
    let now = app.pool.now().await?;
    let found = {
        let mut conn = app.pool.get().await?;
        let link = find(&mut conn, now, Kind::Reset, secret).await?;
        of(&mut conn, link.account_id).await?
    };
    password::check(password, &found.email)?;
    let hash = password::hash(password).await?;
    let account = AccountId(found.id.clone());
    let mut tx = app.pool.begin().await?;
    db::accounts::lock(&mut tx, &account).await?;
    take(&mut tx, now, Kind::Reset, secret).await?;
    let found = of(&mut tx, Some(found.id)).await?;
    db::accounts::set_password(&mut tx, &account, &hash).await?;
    db::one_time_links::drop_resets(&mut tx, &account).await?;
    let sessions = db::sessions::delete_others(&mut tx, &account, None).await?;
    let tokens = if revoke_tokens { db::accounts::revoke_tokens_of_account(&mut tx, now, &account).await? } else { 0 };
    settle_in(&mut tx, now, &found, address).await?;
    let detail = format!("{sessions} sessions and {tokens} tokens ended");
    record(&mut tx, now, &found, "password.reset", &detail, address).await?;
    letters::notify(&mut tx, app, now, &Letter::PasswordChanged { to: found.email, address: address.to_owned() }).await;
    tx.commit().await?;
    Ok(account)
}

/// Whoever reads the account's letters is its owner, here and now: guesses of strangers shall not keep him waiting. Where
/// the account was used before counts no more: that may have been why the password had to change.
async fn settle_in(conn: &mut Conn, now: Millis, found: &Credentials, address: &str) -> Result<()> {
    let (account, place) = (AccountId(found.id.clone()), guesses::Place::of(address));
    db::places::forget(conn, &account).await?;
    db::places::seen(conn, now, &account, &place.network).await?;
    let whom = guesses::typed(&found.email);
    db::guesses::forget(conn, &guesses::key(&guesses::ACCOUNT, &whom)).await?;
    db::guesses::forget(conn, &guesses::key(&guesses::ACCOUNT_AT_HOME, &guesses::in_network(&whom, &place))).await
}

async fn of(conn: &mut Conn, account: Option<String>) -> Result<Credentials> {
    let found = match account {
        Some(id) => db::accounts::credentials(conn, &AccountId(id)).await?,
        None => None,
    };
    let gone = || Error::not_found("this link is not good any more").hint("ask the administrator about your account");
    found.filter(Credentials::is_active).ok_or_else(gone)
}

async fn record(conn: &mut Conn, now: Millis, found: &Credentials, action: &'static str, detail: &str, address: &str) -> Result<()> {
    let account = AccountId(found.id.clone());
    let act = Act { tenant: None, account: Some(&account), actor: &found.email, action, object: &found.id, detail, address };
    db::activity::record(conn, now, &act).await
}
