//! Members of tenants: owners and administrators say who is one, and with which role. A tenant's last owner stays.

use super::{App, access, access::Actor};
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::sql::Conn;
use crate::db;
use crate::domain::ids::{AccountId, TenantId};
use crate::domain::people;
use crate::domain::rights::{Right, Role};

/// The members of a tenant, by address: each of them sees the others.
pub async fn list(app: &App, actor: &Actor, tenant: &TenantId) -> Result<Vec<people::Member>> {
    let mut conn = app.pool.get().await?;
    access::in_tenant(&mut conn, actor, tenant, Right::View, "tenant").await?;
    let members = db::tenants::members_of(&mut conn, tenant).await?;
    let shown = |m: db::tenants::Member| people::Member {
        account: m.account_id,
        email: m.email,
        name: m.name,
        role: m.role,
        state: m.state,
        since: Millis(m.created_at).iso(),
    };
    Ok(members.into_iter().map(shown).collect())
}

/// Gives a member another role.
///
/// # Errors
/// `Conflict` when it is the last owner; `Forbidden` for a role with rights that the actor does not have.
pub async fn set_role(app: &App, actor: &Actor, tenant: &TenantId, account: &AccountId, role: Role) -> Result<()> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    db::tenants::lock(&mut tx, tenant).await?;
    access::in_tenant(&mut tx, actor, tenant, Right::Manage, "tenant").await?;
    may_grant(&mut tx, actor, tenant, role).await?;
    let (member, had) = member(&mut tx, tenant, account).await?;
    set(&mut tx, now, tenant, account, role).await?;
    let detail = format!("{}: {} instead of {}", member.email, role.name(), had.name());
    activity::record(&mut tx, now, actor, Some(tenant), "member.role", &account.0, &detail).await?;
    tx.commit().await?;
    Ok(())
}

/// Ends a membership; anybody may end his own.
///
/// # Errors
/// `Conflict` when it is the last owner.
pub async fn remove(app: &App, actor: &Actor, tenant: &TenantId, account: &AccountId) -> Result<()> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    db::tenants::lock(&mut tx, tenant).await?;
    let leaves = *account == actor.account && actor.scope.has(Right::Manage);
    access::in_tenant(&mut tx, actor, tenant, if leaves { Right::View } else { Right::Manage }, "tenant").await?;
    let (member, had) = member(&mut tx, tenant, account).await?;
    if had == Role::Owner {
        keep_an_owner(&mut tx, tenant, &member).await?;
    }
    db::tenants::remove_member(&mut tx, tenant, account).await?;
    activity::record(&mut tx, now, actor, Some(tenant), "member.remove", &account.0, &member.email).await?;
    tx.commit().await?;
    Ok(())
}

/// Makes an account a member, or changes its role, unless no owner would be left.
pub(super) async fn set(conn: &mut Conn, now: Millis, tenant: &TenantId, account: &AccountId, role: Role) -> Result<()> {
    db::tenants::lock(conn, tenant).await?;
    if role != Role::Owner && db::tenants::role(conn, tenant, account).await? == Some(Role::Owner) {
        let (member, _) = member(conn, tenant, account).await?;
        keep_an_owner(conn, tenant, &member).await?;
    }
    db::tenants::set_member(conn, now, tenant, account, role).await
}

async fn member(conn: &mut Conn, tenant: &TenantId, account: &AccountId) -> Result<(db::accounts::Account, Role)> {
    let role = db::tenants::role(conn, tenant, account).await?.ok_or_else(|| access::hidden("member"))?;
    let found = db::accounts::find(conn, account).await?.ok_or_else(|| access::hidden("member"))?;
    Ok((found, role))
}

/// Somebody who can sign in must be left to manage the tenant; the caller has locked it, so that nobody else counts now.
async fn keep_an_owner(conn: &mut Conn, tenant: &TenantId, leaving: &db::accounts::Account) -> Result<()> {
    let left = db::tenants::count_owners(conn, tenant).await? - i64::from(leaving.is_active());
    if left > 0 {
        return Ok(());
    }
    Err(Error::conflict(format!("{} is the last owner here", leaving.email)).hint("make somebody else an owner first"))
}

/// Nobody gives what he does not have.
pub(super) async fn may_grant(conn: &mut Conn, actor: &Actor, tenant: &TenantId, role: Role) -> Result<()> {
    let own = if actor.administrator { None } else { db::tenants::role(conn, tenant, &actor.account).await? };
    let has = |right| actor.scope.has(right) && (actor.administrator || own.is_some_and(|own| own.may(right)));
    if Right::ALL.into_iter().filter(|right| role.may(*right)).all(has) {
        return Ok(());
    }
    Err(Error::forbidden(format!("{} may not make anybody {} here", actor.email, role.name()))
        .hint("a role can be given only by somebody who has all of its rights"))
}
