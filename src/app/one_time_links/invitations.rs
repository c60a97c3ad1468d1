//! Invitations into a tenant: by its owners and by administrators, good for seven days.
//!
//! Whoever invites learns nothing about other accounts: a new address and a known one get the same answer. An invitation
//! is worth what its sender may do when it is accepted.

use super::super::letters::{self, Letter};
use super::super::{App, access, access::Actor, accounts, guesses, members};
use super::{Kind, find, fresh, take};
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::password;
use crate::base::secret::Secret;
use crate::base::sql::Conn;
use crate::db;
use crate::db::one_time_links::OneTimeLink;
use crate::domain::ids::{AccountId, OneTimeLinkId, TenantId};
use crate::domain::people;
use crate::domain::rights::{Right, Role, Scope};

/// An invitation that was sent.
#[derive(Clone, Debug)]
pub struct Invited {
    pub id: OneTimeLinkId,
    pub email: String,
    pub role: Role,
    pub expires_at: Millis,
    /// For administrators, who may hand it over themselves where no letters are sent. An owner never sees it: with it he
    /// could make an account in somebody else's name.
    pub link: Option<Secret>,
}

/// Invites an address; an earlier invitation of it into this tenant is good no more.
///
/// # Errors
/// `Forbidden` for a role with rights that the actor does not have; `Conflict` when it is a member already.
pub async fn invite(app: &App, actor: &Actor, tenant: &TenantId, email: &str, role: Role) -> Result<Invited> {
    let (now, email) = (app.pool.now().await?, email.trim());
    access::in_tenant(&mut *app.pool.get().await?, actor, tenant, Right::Manage, "tenant").await?;
    if !accounts::is_email(email) {
        return Err(Error::invalid(format!("{email:?} is not an e-mail address")));
    }
    guesses::count(app, now, "too many invitations were sent", &[(&guesses::INVITE, actor.account.as_str())]).await?;
    let mut tx = app.pool.begin().await?;
    access::in_tenant(&mut tx, actor, tenant, Right::Manage, "tenant").await?;
    members::may_grant(&mut tx, actor, tenant, role).await?;
    let name = db::tenants::find(&mut tx, tenant).await?.ok_or_else(|| access::hidden("tenant"))?.name;
    if db::tenants::members_of(&mut tx, tenant).await?.iter().any(|m| m.email.eq_ignore_ascii_case(email)) {
        return Err(Error::conflict(format!("{email} is a member already")).hint("change the role in the list of members"));
    }
    db::one_time_links::drop_invitations(&mut tx, tenant, email).await?;
    let (link, secret) = fresh(Kind::Invitation, now, 7 * Millis::DAY);
    let link = OneTimeLink {
        email: Some(email.to_owned()),
        tenant_id: Some(tenant.0.clone()),
        role: Some(role.name().to_owned()),
        created_by: Some(actor.account.0.clone()),
        ..link
    };
    db::one_time_links::insert(&mut tx, &link, &secret.sha256()).await?;
    let detail = format!("{email} as {}", role.name());
    activity::record(&mut tx, now, actor, Some(tenant), "member.invite", &link.id, &detail).await?;
    let expires = Millis(link.expires_at);
    let url = letters::invitation_url(app, &secret);
    let letter = Letter::Invitation { to: email.to_owned(), tenant: name, inviter: actor.email.clone(), role, url, expires };
    letters::send(&mut tx, app, now, Some(tenant), &letter, None).await?;
    tx.commit().await?;
    let shown = access::administer(actor).is_ok().then_some(secret);
    Ok(Invited { id: OneTimeLinkId(link.id), email: email.to_owned(), role, expires_at: expires, link: shown })
}

/// The invitations of a tenant that wait for an answer.
pub async fn invitations(app: &App, actor: &Actor, tenant: &TenantId) -> Result<Vec<people::Invitation>> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    access::in_tenant(&mut conn, actor, tenant, Right::Manage, "tenant").await?;
    let rows = db::one_time_links::invitations(&mut conn, now, tenant).await?;
    let shown = |i: db::one_time_links::Invitation| people::Invitation {
        id: i.id,
        email: i.email,
        role: i.role,
        inviter: i.inviter,
        created: Millis(i.created_at).iso(),
        expires: Millis(i.expires_at).iso(),
    };
    Ok(rows.into_iter().map(shown).collect())
}

/// Takes an invitation back.
pub async fn revoke_invitation(app: &App, actor: &Actor, tenant: &TenantId, id: &OneTimeLinkId) -> Result<()> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    access::in_tenant(&mut tx, actor, tenant, Right::Manage, "tenant").await?;
    let email = db::one_time_links::revoke_invitation(&mut tx, tenant, id).await?.ok_or_else(|| access::hidden("invitation"))?;
    activity::record(&mut tx, now, actor, Some(tenant), "member.uninvite", id.as_str(), &email).await?;
    tx.commit().await?;
    Ok(())
}

/// Accepts an invitation with a new account. An account that never had a password gets this one.
///
/// # Errors
/// `NotFound` for a link that is not good; `Conflict` when its address has an account to sign in with.
pub async fn use_invitation(app: &App, secret: &Secret, name: &str, password: &Secret, address: &str) -> Result<AccountId> {
    let (now, name) = (app.pool.now().await?, accounts::person(name)?);
    let link = find(&mut *app.pool.get().await?, now, Kind::Invitation, secret).await?;
    let email = link.email.unwrap_or_default();
    password::check(password, &email)?;
    let hash = password::hash(password).await?;
    let mut tx = app.pool.begin().await?;
    let link = take(&mut tx, now, Kind::Invitation, secret).await?;
    let account = match db::accounts::credentials_by_email(&mut tx, &email).await? {
        None => accounts::insert(&mut tx, now, &email, false).await?,
        Some(found) if found.password_hash.is_none() && found.is_active() => AccountId(found.id),
        Some(_) => {
            return Err(Error::conflict(format!("there is an account {email} already")).hint("sign in with it, then open the link again"));
        }
    };
    db::accounts::set_password(&mut tx, &account, &hash).await?;
    db::accounts::set_name(&mut tx, &account, name).await?;
    let actor =
        Actor { account: account.clone(), email, administrator: false, scope: Scope::all(), tenant: None, address: address.to_owned() };
    become_member(&mut tx, now, &actor, &link).await?;
    tx.commit().await?;
    Ok(account)
}

/// Accepts an invitation with the account that is signed in, which must be the one it is for.
///
/// # Errors
/// `NotFound` for a link that is not good; `Forbidden` when it is for somebody else.
pub async fn join(app: &App, actor: &Actor, secret: &Secret) -> Result<TenantId> {
    accounts::in_person(actor)?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let link = take(&mut tx, now, Kind::Invitation, secret).await?;
    let invited = link.email.clone().unwrap_or_default();
    if !invited.eq_ignore_ascii_case(&actor.email) {
        return Err(Error::forbidden(format!("this invitation is for {invited}, and you are signed in as {}", actor.email))
            .hint(format!("sign out, and in again as {invited}; or ask for an invitation of your own address")));
    }
    let tenant = become_member(&mut tx, now, actor, &link).await?;
    tx.commit().await?;
    Ok(tenant)
}

/// The last part of accepting: whoever invited must still be allowed to. A member keeps the role that he has.
async fn become_member(conn: &mut Conn, now: Millis, actor: &Actor, link: &OneTimeLink) -> Result<TenantId> {
    let tenant = TenantId(link.tenant_id.clone().unwrap_or_default());
    let role = Role::parse(link.role.as_deref().unwrap_or_default())?;
    access::recheck(conn, link.created_by.as_deref(), &tenant, Right::Manage).await.map_err(|e| match e.class() {
        Class::Forbidden => {
            Error::forbidden("whoever sent this invitation may no longer do so").hint("ask an owner of the tenant for another one")
        }
        _ => e,
    })?;
    if db::tenants::role(conn, &tenant, &actor.account).await?.is_none() {
        db::tenants::set_member(conn, now, &tenant, &actor.account, role).await?;
    }
    activity::record(conn, now, actor, Some(&tenant), "member.join", actor.account.as_str(), role.name()).await?;
    Ok(tenant)
}
