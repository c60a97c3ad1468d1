//! The link that makes the first administrator: the server prints it while nobody can sign in as one.

use super::super::{App, accounts};
use super::{Kind, find, fresh, take};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::password;
use crate::base::secret::Secret;
use crate::base::sql::Conn;
use crate::db;
use crate::db::activity::Act;
use crate::domain::ids::AccountId;

/// A new link, good for a day; an earlier one is good no more. `None` when an administrator has a password.
pub async fn first_link(app: &App) -> Result<Option<Secret>> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    db::accounts::lock_administrators(&mut tx).await?;
    if db::accounts::any_administrator_with_password(&mut tx).await? {
        return Ok(None);
    }
    db::one_time_links::drop_first(&mut tx).await?;
    let (link, secret) = fresh(Kind::First, now, Millis::DAY);
    db::one_time_links::insert(&mut tx, &link, &secret.sha256()).await?;
    tx.commit().await?;
    Ok(Some(secret))
}

/// Makes the first administrator, or gives a password to one that `sitekeep setup` made.
///
/// # Errors
/// `NotFound` for a link that is not good; `Conflict` when there is an administrator with a password by now.
pub async fn use_first(app: &App, secret: &Secret, email: &str, name: &str, password: &Secret, address: &str) -> Result<AccountId> {
    let (email, name) = (email.trim(), accounts::person(name)?);
    password::check(password, email)?;
    let now = app.pool.now().await?;
    find(&mut *app.pool.get().await?, now, Kind::First, secret).await?;
    let hash = password::hash(password).await?;
    let mut tx = app.pool.begin().await?;
    db::accounts::lock_administrators(&mut tx).await?;
    take(&mut tx, now, Kind::First, secret).await?;
    if db::accounts::any_administrator_with_password(&mut tx).await? {
        return Err(Error::conflict("there is an administrator already").hint("sign in, or ask that person for an invitation"));
    }
    let account = administrator(&mut tx, now, email).await?;
    db::accounts::set_password(&mut tx, &account, &hash).await?;
    db::accounts::set_name(&mut tx, &account, name).await?;
    let act =
        Act { tenant: None, account: Some(&account), actor: email, action: "account.first", object: &account.0, detail: email, address };
    db::activity::record(&mut tx, now, &act).await?;
    tx.commit().await?;
    Ok(account)
}

async fn administrator(conn: &mut Conn, now: Millis, email: &str) -> Result<AccountId> {
    match db::accounts::find_by_email(conn, email).await? {
        Some(found) if found.administrator == 1 && found.is_active() => Ok(AccountId(found.id)),
        Some(_) => Err(Error::conflict(format!("{email} is an account, and no active administrator")).hint("choose another address")),
        None => accounts::insert(conn, now, email, true).await,
    }
}
