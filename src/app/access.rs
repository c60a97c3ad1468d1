//! Who is asking, and whether they may: every look-up by id goes through here.
//!
//! What an actor may not see does not exist (`NotFound`, the same sentence as for an id that never was); what they may
//! see but not do is `Forbidden`. Roles are read from the catalogue each time, so a right that was taken away is gone
//! with the next request.

use super::App;
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::secret::Secret;
use crate::base::sql::Conn;
use crate::db;
use crate::db::environments::Card;
use crate::domain::ids::{
    AccountId, ArchiveId, BackupId, DownloadId, DrillId, EnvironmentId, JobId, LinkId, RestoreId, SiteId, TenantId, TokenId,
};
use crate::domain::names::Address;
use crate::domain::page::Rights;
use crate::domain::rights::{Right, Role, Scope};
use crate::queue;

/// The one who asks: an account, narrowed by the scope of the token that it came with.
#[derive(Clone, Debug)]
pub struct Actor {
    pub account: AccountId,
    pub email: String,
    pub administrator: bool,
    pub scope: Scope,
    /// The only tenant that the token is good for, where it names one.
    pub tenant: Option<TenantId>,
    /// Where the request came from.
    pub address: String,
}

/// The actor behind a bearer token.
///
/// # Errors
/// `Unauthenticated` for a token that is unknown, expired or revoked, or whose account is disabled: one sentence for all.
pub async fn authenticate(app: &App, token: &Secret, address: &str) -> Result<Actor> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    let bearer = db::accounts::find_bearer(&mut conn, now, &token.sha256()).await?.ok_or_else(unauthenticated)?;
    if bearer.last_used_at.is_none_or(|at| now.0 - at > 3600 * Millis::SECOND) {
        db::accounts::touch_token(&mut conn, now, &TokenId(bearer.token_id)).await?;
    }
    Ok(Actor {
        account: AccountId(bearer.account_id),
        email: bearer.email,
        administrator: bearer.administrator == 1,
        scope: Scope::parse(&bearer.scope)?,
        tenant: bearer.tenant_id.map(TenantId),
        address: address.to_owned(),
    })
}

/// Nobody, or nobody known.
pub fn unauthenticated() -> Error {
    use crate::base::error::Class;
    Error::new(Class::Unauthenticated, "no valid API token was given")
        .hint("sign in with `sitekeep auth:login`, or send the header `Authorization: Bearer skt_…`")
}

/// Is this an administrator whose token says so too?
///
/// # Errors
/// `NotFound`: the administrators' part of the installation does not exist for anybody else.
pub fn administer(actor: &Actor) -> Result<()> {
    if actor.administrator && actor.scope.has(Right::Administer) && actor.tenant.is_none() { Ok(()) } else { Err(hidden("page")) }
}

/// How an actor stands in a tenant: read once for a page, and asked for all that the page shows.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    role: Option<Role>,
    active: bool,
}

impl Standing {
    async fn find(conn: &mut Conn, actor: &Actor, tenant: &TenantId) -> Result<Option<Self>> {
        let Some(found) = db::tenants::standing(conn, tenant, &actor.account).await? else { return Ok(None) };
        Self::read(found.role.as_deref(), &found.state).map(Some)
    }
    /// From what was read already: the actor's role in the tenant, and the tenant's state.
    pub(super) fn read(role: Option<&str>, state: &str) -> Result<Self> {
        Ok(Self { role: role.map(Role::parse).transpose()?, active: state == "active" })
    }
    /// Not so for an administrator who only looks in.
    pub fn is_member(&self) -> bool {
        self.role.is_some()
    }
    /// Everything that the actor may do here.
    pub fn rights(&self, actor: &Actor) -> Rights {
        let active = |right: Right| self.active || right == Right::View;
        let by_role = |right| self.role.is_some_and(|role| role.may(right)) && active(right);
        Rights(Right::ALL.into_iter().filter(|right| actor.scope.has(*right) && (actor.administrator || by_role(*right))).collect())
    }
}

/// May the actor do this in that tenant?
///
/// # Errors
/// `NotFound` when they may not even view it; `Forbidden` when they may, but not do this.
pub async fn in_tenant(conn: &mut Conn, actor: &Actor, tenant: &TenantId, right: Right, what: &str) -> Result<Standing> {
    if actor.tenant.as_ref().is_some_and(|only| only != tenant) {
        return Err(hidden(what));
    }
    let standing = Standing::find(conn, actor, tenant).await?.ok_or_else(|| hidden(what))?;
    let may = |right| actor.scope.has(right) && (actor.administrator || standing.role.is_some_and(|role| role.may(right)));
    if !may(Right::View) {
        return Err(hidden(what));
    }
    if !may(right) {
        return Err(Error::forbidden(format!("{} may not {} here", actor.email, right.name()))
            .hint("an owner of the tenant can give you a role that may, or a token with a wider scope"));
    }
    if !standing.active && right != Right::View && !actor.administrator {
        return Err(Error::forbidden("this tenant is suspended").hint("its backups can be seen; ask the administrator to activate it"));
    }
    Ok(standing)
}

/// Everything that the actor may do in a tenant.
pub async fn rights(conn: &mut Conn, actor: &Actor, tenant: &TenantId) -> Result<Rights> {
    Ok(Standing::find(conn, actor, tenant).await?.map(|s| s.rights(actor)).unwrap_or_default())
}

/// The tenants in which the actor may view.
pub async fn tenants(conn: &mut Conn, actor: &Actor) -> Result<Vec<db::tenants::Tenant>> {
    let mut seen = Vec::new();
    for tenant in db::tenants::list(conn).await? {
        if in_tenant(conn, actor, &TenantId(tenant.id.clone()), Right::View, "tenant").await.is_ok() {
            seen.push(tenant);
        }
    }
    Ok(seen)
}

pub async fn environment(conn: &mut Conn, actor: &Actor, id: &EnvironmentId, right: Right) -> Result<db::environments::Environment> {
    let found = db::environments::find(conn, id).await?.ok_or_else(|| hidden("environment"))?;
    in_tenant(conn, actor, &TenantId(found.tenant_id.clone()), right, "environment").await?;
    // Of one that was removed its backups are left, and what can be done with those.
    if found.is_removed() && !matches!(right, Right::View | Right::Restore | Right::Download | Right::Delete) {
        return Err(hidden("environment"));
    }
    Ok(found)
}

/// An environment as lists show it, and how the actor stands in its tenant: the one look-up of its page.
pub async fn card(conn: &mut Conn, actor: &Actor, stale_before: Millis, id: &EnvironmentId, right: Right) -> Result<(Card, Standing)> {
    let found = db::environments::card(conn, stale_before, id).await?.ok_or_else(|| hidden("environment"))?;
    let standing = in_tenant(conn, actor, &TenantId(found.tenant_id.clone()), right, "environment").await?;
    Ok((found, standing))
}

/// By the name people type. Only what the actor may see counts, also for whether a name is unique.
///
/// # Errors
/// `NotFound` when there is none; `Invalid` when several tenants have one of that name.
pub async fn environment_named(conn: &mut Conn, actor: &Actor, name: &Address, right: Right) -> Result<db::environments::Environment> {
    let mut seen = Vec::new();
    for found in db::environments::named(conn, &name.site, &name.environment).await? {
        let wanted = name.tenant.as_ref().is_none_or(|t| *t == found.tenant);
        if wanted && in_tenant(conn, actor, &TenantId(found.tenant_id.clone()), Right::View, "environment").await.is_ok() {
            seen.push(found);
        }
    }
    if seen.len() > 1 {
        let tenants: Vec<String> = seen.iter().map(|e| format!("{}/{name}", e.tenant)).collect();
        return Err(Error::invalid(format!("`{name}` is not unique")).hint(format!("say which one: {}", tenants.join(", "))));
    }
    let found = seen.pop().ok_or_else(|| {
        Error::not_found(format!("there is no environment `{name}`")).hint("`sitekeep site:list` shows those you may see")
    })?;
    in_tenant(conn, actor, &TenantId(found.tenant_id.clone()), right, "environment").await?;
    Ok(found)
}

pub async fn site(conn: &mut Conn, actor: &Actor, id: &SiteId, right: Right) -> Result<(db::sites::Site, Standing)> {
    let found = db::sites::find(conn, id).await?.ok_or_else(|| hidden("site"))?;
    let standing = in_tenant(conn, actor, &TenantId(found.tenant_id.clone()), right, "site").await?;
    Ok((found, standing))
}

pub async fn backup(conn: &mut Conn, actor: &Actor, id: &BackupId, right: Right) -> Result<db::backups::Backup> {
    let found = db::backups::find(conn, id).await?.ok_or_else(|| hidden("backup"))?;
    in_tenant(conn, actor, &TenantId(found.tenant_id.clone()), right, "backup").await?;
    Ok(found)
}

pub async fn restore(conn: &mut Conn, actor: &Actor, id: &RestoreId, right: Right) -> Result<db::restores::Restore> {
    let found = db::restores::find(conn, id).await?.ok_or_else(|| hidden("restore"))?;
    in_tenant(conn, actor, &TenantId(found.tenant_id.clone()), right, "restore").await?;
    Ok(found)
}

pub async fn drill(conn: &mut Conn, actor: &Actor, id: &DrillId, right: Right) -> Result<db::drills::Drill> {
    let found = db::drills::find(conn, id).await?.ok_or_else(|| hidden("drill"))?;
    in_tenant(conn, actor, &TenantId(found.tenant_id.clone()), right, "drill").await?;
    Ok(found)
}

pub async fn link(conn: &mut Conn, actor: &Actor, id: &LinkId, right: Right) -> Result<db::links::Link> {
    let found = db::links::find(conn, id).await?.ok_or_else(|| hidden("link"))?;
    in_tenant(conn, actor, &TenantId(found.tenant_id.clone()), right, "link").await?;
    Ok(found)
}

/// A prepared download.
pub async fn download(conn: &mut Conn, actor: &Actor, id: &DownloadId, right: Right) -> Result<db::downloads::Download> {
    let found = db::downloads::find(conn, id).await?.ok_or_else(|| hidden("download"))?;
    in_tenant(conn, actor, &TenantId(found.tenant_id.clone()), right, "download").await?;
    Ok(found)
}

/// An archive of a prepared download.
pub async fn archive(conn: &mut Conn, actor: &Actor, id: &ArchiveId, right: Right) -> Result<db::downloads::Archive> {
    let found = db::downloads::archive(conn, id).await?.ok_or_else(|| hidden("archive"))?;
    in_tenant(conn, actor, &TenantId(found.tenant_id.clone()), right, "archive").await?;
    Ok(found)
}

/// A job of the queue.
pub async fn job(conn: &mut Conn, actor: &Actor, id: &JobId, right: Right) -> Result<queue::Job> {
    let found = queue::find(conn, &queue::Tenants::All, id).await.map_err(|e| match e.class() {
        Class::NotFound => hidden("job"),
        _ => e,
    })?;
    in_tenant(conn, actor, &found.tenant, right, "job").await?;
    Ok(found)
}

/// One sentence for what is not there and for what may not be seen.
pub fn hidden(what: &str) -> Error {
    Error::not_found(format!("there is no such {what}")).hint("check its name or id; it may be gone, or not yours to see")
}

/// In the worker: may the account that asked for a job still do this? Jobs that no account asked for may.
///
/// # Errors
/// `Forbidden` when the right was taken away, the account removed or the tenant suspended meanwhile.
pub async fn recheck(conn: &mut Conn, account: Option<&str>, tenant: &TenantId, right: Right) -> Result<()> {
    let Some(id) = account else { return Ok(()) };
    let gone = || Error::forbidden("the person who asked for this may no longer do it").hint("ask somebody who may to start it again");
    let account = db::accounts::find(conn, &AccountId(id.to_owned())).await?.filter(db::accounts::Account::is_active).ok_or_else(gone)?;
    let actor = Actor {
        account: AccountId(account.id),
        email: account.email,
        administrator: account.administrator == 1,
        scope: Scope::all(),
        tenant: None,
        address: String::new(),
    };
    // Only what the catalogue answered is an answer: a catalogue that does not answer takes nobody's rights away.
    in_tenant(conn, &actor, tenant, right, "tenant").await.map(drop).map_err(|e| match e.class() {
        Class::NotFound | Class::Forbidden => gone(),
        _ => e,
    })
}
