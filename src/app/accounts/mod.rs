//! Accounts and their API tokens; beside this file what people do to their own, and administrators to all.

mod administered;
mod own;
mod second_factor;

pub use administered::{list, remove_second_factor, set_administrator, set_state};
pub(super) use own::again;
pub use own::{change_password, profile, revoke_token, set_name, set_profile, set_zone, tokens};
pub use second_factor::{
    Enrolment, confirm_second_factor, disable_second_factor, pending_second_factor, renew_recovery_codes, start_second_factor,
};
pub(super) use second_factor::{open_key, recovery_hash};

use super::{App, access, access::Actor, members};
use crate::app::activity;
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::secret::Secret;
use crate::base::{chance, sql::Conn};
use crate::db;
use crate::domain::ids::{AccountId, TenantId, TokenId};
use crate::domain::rights::{Role, Scope};
use crate::domain::view;
use std::collections::BTreeMap;

/// Makes an account.
///
/// # Errors
/// `Invalid` when it is no e-mail address; `Conflict` when there is one already.
pub async fn insert(conn: &mut Conn, now: Millis, email: &str, administrator: bool) -> Result<AccountId> {
    if !is_email(email) {
        return Err(Error::invalid(format!("{email:?} is not an e-mail address")));
    }
    let id = AccountId::fresh();
    db::accounts::insert(conn, now, &id, email, administrator).await.map_err(|e| match e.class() {
        Class::Conflict => Error::conflict(format!("there is an account {email} already")),
        _ => e,
    })?;
    Ok(id)
}

/// Does it look like an e-mail address?
pub(super) fn is_email(text: &str) -> bool {
    let plausible = text.len() <= 254 && text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.len() > 1);
    plausible && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// What concerns the person alone is done by the person: in a session, or with a token that may everything.
pub(super) fn in_person(actor: &Actor) -> Result<()> {
    if actor.scope == Scope::all() && actor.tenant.is_none() {
        return Ok(());
    }
    Err(Error::forbidden("this token may not change its account").hint("sign in to the dashboard, or use a token with the scope `all`"))
}

/// A name for people, as it is kept.
///
/// # Errors
/// `Invalid` when it is longer than 100 characters or holds control characters.
pub(super) fn person(name: &str) -> Result<&str> {
    let name = name.trim();
    if name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Error::invalid("this cannot be a name").hint("a name has at most 100 characters, on one line"));
    }
    Ok(name)
}

/// What a token is called by its owner, who must know which one to revoke.
fn label(text: &str) -> Result<&str> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 100 || text.chars().any(char::is_control) {
        return Err(Error::invalid("a token needs a name").hint("name it after what uses it, in at most 100 characters"));
    }
    Ok(text)
}

/// Makes a token and returns its secret, which is shown this once. `days` from 1 to 366.
pub async fn insert_token(
    conn: &mut Conn,
    now: Millis,
    account: &AccountId,
    tenant: Option<TenantId>,
    label: &str,
    scope: &Scope,
    days: i64,
) -> Result<Secret> {
    if !(1..=366).contains(&days) {
        return Err(Error::invalid(format!("a token cannot live {days} days")).hint("choose 1 to 366 days"));
    }
    let secret = Secret::new(format!("skt_{}", chance::word(40)));
    let token = db::accounts::NewToken {
        id: TokenId::fresh(),
        account: account.clone(),
        tenant,
        label: label.to_owned(),
        secret_hash: secret.sha256(),
        scope: scope.text(),
        expires_at: now.plus(days * Millis::DAY),
    };
    db::accounts::insert_token(conn, now, &token).await?;
    Ok(secret)
}

/// What `POST /accounts` takes.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct CreateAccount {
    pub email: String,
    #[serde(default)]
    pub administrator: bool,
    #[serde(default)]
    pub tenant: Option<String>,
    #[serde(default)]
    pub role: Option<String>,
}

/// Makes an account and, with `tenant` and `role`, a member of it; an account that exists becomes a member.
pub async fn create(app: &App, actor: &Actor, new: &CreateAccount) -> Result<AccountId> {
    access::administer(actor)?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let id = match db::accounts::find_by_email(&mut tx, &new.email).await? {
        Some(found) if new.tenant.is_some() && !new.administrator => AccountId(found.id),
        _ => insert(&mut tx, now, &new.email, new.administrator).await?,
    };
    if let Some(name) = &new.tenant {
        let tenant = tenant_named(&mut tx, name).await?;
        let role = Role::parse(new.role.as_deref().unwrap_or("owner"))?;
        members::set(&mut tx, now, &tenant, &id, role).await?;
    }
    activity::record(&mut tx, now, actor, None, "account.create", &id.0, &new.email).await?;
    tx.commit().await?;
    Ok(id)
}

/// What `POST /tokens` takes.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct CreateToken {
    /// The account's e-mail address; one's own where it is not given. Only administrators make tokens for others.
    #[serde(default)]
    pub account: Option<String>,
    pub label: String,
    #[serde(default)]
    pub tenant: Option<String>,
    #[serde(default = "all")]
    pub scope: String,
    #[serde(default = "ninety")]
    pub days: i64,
}

fn all() -> String {
    "all".into()
}

fn ninety() -> i64 {
    90
}

/// Makes a token for oneself, or, as an administrator, for another account. Never wider than the token it is made with.
pub async fn create_token(app: &App, actor: &Actor, new: &CreateToken) -> Result<Secret> {
    let scope = Scope::parse(&new.scope)?;
    let label = label(&new.label)?;
    if !scope.is_within(&actor.scope) {
        return Err(
            Error::forbidden("a token cannot make one with a wider scope than its own").hint(format!("its own is {}", actor.scope.text()))
        );
    }
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let account = match &new.account {
        Some(email) if *email != actor.email => {
            access::administer(actor)?;
            let found = db::accounts::find_by_email(&mut tx, email).await?;
            AccountId(found.ok_or_else(|| Error::not_found(format!("there is no account {email}")))?.id)
        }
        _ => actor.account.clone(),
    };
    let tenant = match (&new.tenant, &actor.tenant) {
        (Some(name), _) => {
            let tenant = tenant_named(&mut tx, name).await?;
            access::in_tenant(&mut tx, actor, &tenant, crate::domain::rights::Right::View, "tenant").await?;
            Some(tenant)
        }
        (None, own) => own.clone(),
    };
    let secret = insert_token(&mut tx, now, &account, tenant, label, &scope, new.days).await?;
    activity::record(&mut tx, now, actor, None, "token.create", &account.0, label).await?;
    tx.commit().await?;
    Ok(secret)
}

/// Who the actor is.
pub async fn whoami(app: &App, actor: &Actor) -> Result<view::Whoami> {
    let mut conn = app.pool.get().await?;
    let memberships = db::tenants::of_account(&mut conn, &actor.account).await?;
    let visible = |m: &db::tenants::Membership| actor.tenant.as_ref().is_none_or(|t| t.0 == m.tenant_id);
    let tenants: BTreeMap<String, String> = memberships.into_iter().filter(visible).map(|m| (m.tenant, m.role)).collect();
    Ok(view::Whoami { account: actor.email.clone(), administrator: actor.administrator, scope: actor.scope.text(), tenants })
}

async fn tenant_named(conn: &mut Conn, name: &str) -> Result<TenantId> {
    let found = db::tenants::find_named(conn, name).await?;
    Ok(TenantId(found.ok_or_else(|| access::hidden("tenant"))?.id))
}
