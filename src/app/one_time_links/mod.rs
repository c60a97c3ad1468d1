//! Links that work once: the first administrator's, invitations, and forgotten passwords.
//!
//! A secret has 160 bits and is kept as its hash; it stands in the link alone. A link is used up in the transaction that
//! does what it is for, so that a refusal leaves it good. To add a kind: its file here, its variant in [`Kind`].

mod first;
mod invitations;
mod resets;

pub use first::{first_link, use_first};
pub use invitations::{Invited, invitations, invite, join, revoke_invitation, use_invitation};
pub use resets::{ask_reset, use_reset};

use super::App;
use crate::base::chance;
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::secret::Secret;
use crate::base::sql::Conn;
use crate::db;
use crate::db::one_time_links::OneTimeLink;
use crate::domain::ids::{AccountId, OneTimeLinkId, TenantId};
use crate::domain::rights::Role;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Makes the first administrator.
    First,
    Invitation,
    /// A forgotten password.
    Reset,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Invitation => "invitation",
            Self::Reset => "reset",
        }
    }
    /// How to get another one.
    fn another(self) -> &'static str {
        match self {
            Self::First => "start the server again: while nobody can sign in as an administrator, it prints a new link",
            Self::Invitation => "ask whoever invited you for another invitation; if you accepted it before, sign in",
            Self::Reset => "ask for another link where you sign in, under the forgotten password",
        }
    }
}

/// What a link is good for, to show its form.
#[derive(Clone, Debug)]
pub struct Opened {
    pub kind: Kind,
    pub email: Option<String>,
    pub tenant: Option<String>,
    pub role: Option<Role>,
    pub inviter: Option<String>,
    /// Of an invitation: its address has an account with a password; sign in, then [`join`].
    pub has_account: bool,
    pub expires_at: Millis,
}

/// Looks at a link without using it up.
///
/// # Errors
/// `NotFound`, with what to do, when it is unknown, used up or expired.
pub async fn open(app: &App, kind: Kind, secret: &Secret) -> Result<Opened> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let link = find(&mut conn, now, kind, secret).await?;
    let tenant = match &link.tenant_id {
        Some(id) => db::tenants::find(&mut conn, &TenantId(id.clone())).await?.map(|t| t.name),
        None => None,
    };
    let email = match &link.account_id {
        Some(id) => db::accounts::find(&mut conn, &AccountId(id.clone())).await?.map(|a| a.email),
        None => link.email.clone(),
    };
    let inviter = match &link.created_by {
        Some(id) => db::accounts::find(&mut conn, &AccountId(id.clone())).await?.map(|a| a.email),
        None => None,
    };
    let account = match &email {
        Some(email) => db::accounts::credentials_by_email(&mut conn, email).await?,
        None => None,
    };
    Ok(Opened {
        kind,
        email,
        tenant,
        role: link.role.as_deref().map(Role::parse).transpose()?,
        inviter,
        has_account: account.is_some_and(|a| a.password_hash.is_some()),
        expires_at: Millis(link.expires_at),
    })
}

/// A link that is good now.
async fn find(conn: &mut Conn, now: Millis, kind: Kind, secret: &Secret) -> Result<OneTimeLink> {
    let found = db::one_time_links::find(conn, kind.name(), &secret.sha256()).await?;
    let dead = |why: &str| Error::not_found(format!("this link {why}")).hint(kind.another());
    match found {
        None => Err(dead("is not known: it may have been replaced by a newer one, or be incomplete")),
        Some(link) if link.used_at.is_some() => Err(dead("has been used, and works only once")),
        Some(link) if link.expires_at <= now.0 => Err(dead("has expired")),
        Some(link) => Ok(link),
    }
}

/// Finds a link and uses it up.
async fn take(conn: &mut Conn, now: Millis, kind: Kind, secret: &Secret) -> Result<OneTimeLink> {
    let link = find(conn, now, kind, secret).await?;
    if db::one_time_links::take(conn, now, &link.id).await? {
        return Ok(link);
    }
    // Somebody was quicker; look again to say what became of it.
    find(conn, now, kind, secret).await?;
    Err(Error::conflict("this link is being used at this moment").hint("try again"))
}

fn fresh(kind: Kind, now: Millis, lives: i64) -> (OneTimeLink, Secret) {
    let link = OneTimeLink {
        id: OneTimeLinkId::fresh().0,
        kind: kind.name().into(),
        account_id: None,
        email: None,
        tenant_id: None,
        role: None,
        created_by: None,
        created_at: now.0,
        expires_at: now.plus(lives).0,
        used_at: None,
    };
    (link, Secret::new(chance::word(32)))
}
