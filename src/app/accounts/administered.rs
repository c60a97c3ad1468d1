//! What administrators do to accounts. The last administrator who can act stays one.

use super::super::{App, access, access::Actor};
use super::second_factor;
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::sql::{Conn, Tx};
use crate::db;
use crate::domain::ids::AccountId;
use crate::domain::people;

/// Accounts whose address or name holds `search`, by address, after the address `after`.
pub async fn list(app: &App, actor: &Actor, search: &str, after: Option<&str>, limit: i64) -> Result<Vec<people::Account>> {
    access::administer(actor)?;
    let mut conn = app.pool.get().await?;
    let mut shown = Vec::new();
    for row in db::accounts::list(&mut conn, search.trim(), after.unwrap_or_default(), limit.clamp(1, 200)).await? {
        let memberships = db::tenants::of_account(&mut conn, &AccountId(row.id.clone())).await?;
        shown.push(people::Account {
            id: row.id,
            email: row.email,
            name: row.name,
            administrator: row.administrator == 1,
            state: row.state,
            has_password: row.has_password == 1,
            second_factor: row.second_factor == 1,
            tenants: memberships.into_iter().map(|m| (m.tenant, m.role)).collect(),
            created: Millis(row.created_at).iso(),
        });
    }
    Ok(shown)
}

/// Disables an account, which ends its sessions at once and stops its tokens, or enables it again.
///
/// # Errors
/// `Conflict` when it is the last active administrator.
pub async fn set_state(app: &App, actor: &Actor, id: &AccountId, active: bool) -> Result<()> {
    let (now, mut tx, found) = begin(app, actor, id).await?;
    if !active {
        keep_an_administrator(&mut tx, &found).await?;
    }
    // The account before its links before its sessions, here as everywhere: so no two wait for each other.
    db::accounts::set_state(&mut tx, id, if active { "active" } else { "disabled" }).await?;
    if !active {
        db::one_time_links::drop_resets(&mut tx, id).await?;
        db::sessions::delete_others(&mut tx, id, None).await?;
    }
    activity::record(&mut tx, now, actor, None, if active { "account.enable" } else { "account.disable" }, &id.0, &found.email).await?;
    tx.commit().await?;
    Ok(())
}

/// Makes an account an administrator, or no longer one; either way it signs in anew.
///
/// # Errors
/// `Conflict` when it is the last active administrator.
pub async fn set_administrator(app: &App, actor: &Actor, id: &AccountId, administrator: bool) -> Result<()> {
    let (now, mut tx, found) = begin(app, actor, id).await?;
    if (found.administrator == 1) == administrator {
        return Ok(());
    }
    if !administrator {
        keep_an_administrator(&mut tx, &found).await?;
    }
    db::accounts::set_administrator(&mut tx, id, administrator).await?;
    db::sessions::delete_others(&mut tx, id, None).await?;
    let action = if administrator { "account.administrator" } else { "account.no_administrator" };
    activity::record(&mut tx, now, actor, None, action, &id.0, &found.email).await?;
    tx.commit().await?;
    Ok(())
}

/// For somebody who lost both the app and the recovery codes: the password alone is enough again.
pub async fn remove_second_factor(app: &App, actor: &Actor, id: &AccountId) -> Result<()> {
    let (now, mut tx, found) = begin(app, actor, id).await?;
    second_factor::remove(&mut tx, app, now, id, &found.email).await?;
    db::sessions::delete_others(&mut tx, id, None).await?;
    activity::record(&mut tx, now, actor, None, "second_factor.off", &id.0, &found.email).await?;
    tx.commit().await?;
    Ok(())
}

/// A transaction in which no other administrator changes who is one. The right is asked for again within it: of two who
/// take it from each other, the second has it no more.
async fn begin(app: &App, actor: &Actor, id: &AccountId) -> Result<(Millis, Tx, db::accounts::Account)> {
    access::administer(actor)?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    db::accounts::lock_administrators(&mut tx).await?;
    let own = db::accounts::find(&mut tx, &actor.account).await?;
    if !own.is_some_and(|own| own.administrator == 1 && own.is_active()) {
        return Err(access::hidden("page"));
    }
    let found = db::accounts::find(&mut tx, id).await?.ok_or_else(|| access::hidden("account"))?;
    Ok((now, tx, found))
}

async fn keep_an_administrator(conn: &mut Conn, leaving: &db::accounts::Account) -> Result<()> {
    let counts = leaving.administrator == 1 && leaving.is_active();
    if !counts || db::accounts::count_administrators(conn).await? > 1 {
        return Ok(());
    }
    Err(Error::conflict(format!("{} is the last administrator", leaving.email)).hint("make somebody else an administrator first"))
}
