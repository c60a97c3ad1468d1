//! A site's recovery key: what opens its repository without us. Whoever is answerable for the site takes it away, and shows
//! by entering it that it arrived. Only then is anything of the site called protected: a backup that nobody could open
//! without this machine is lost with it.

use super::access::{self, Actor};
use super::{App, accounts, activity, environments, guesses};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::secret::Secret;
use crate::base::sql::Conn;
use crate::db;
use crate::db::sites::Site;
use crate::domain::ids::{SiteId, TenantId};
use crate::domain::page::RecoveryKey;
use crate::domain::rights::Right;
use crate::domain::view;
use subtle::ConstantTimeEq;

/// A key longer than this is none of ours.
const LONGEST: usize = 200;

/// What its page shows; never the key.
///
/// # Errors
/// `NotFound`, `Forbidden`: it is for owners of the tenant, and for administrators.
pub async fn page(app: &App, actor: &Actor, id: &SiteId) -> Result<RecoveryKey> {
    let mut conn = app.pool.get().await?;
    let (site, standing) = access::site(&mut conn, actor, id, Right::Manage).await?;
    Ok(RecoveryKey {
        confirmed: site.key_confirmed_at.map(|at| (Millis(at), site.key_confirmed_by.unwrap_or_default())),
        site_id: site.id,
        tenant: site.tenant,
        site: site.name,
        as_administrator: actor.administrator && !standing.is_member(),
    })
}

/// A key as a file.
#[derive(Debug)]
pub struct File {
    pub name: String,
    /// Its only line, as `restic --password-file` reads it.
    pub key: Secret,
}

/// The key, for somebody who has just shown by the password that it is really them. Each time stands in the activity log.
///
/// # Errors
/// As [`page`]; `Invalid` when the password is wrong, `TooMany` after five wrong ones.
pub async fn download(app: &App, actor: &Actor, id: &SiteId, password: &Secret) -> Result<File> {
    access::site(&mut *app.pool.get().await?, actor, id, Right::Manage).await?;
    accounts::again(app, actor, password).await?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    // Once more: the password took its time, and rights may be gone.
    let (site, _) = access::site(&mut tx, actor, id, Right::Manage).await?;
    let (tenant, key) = key_of(app, &mut tx, &site).await?;
    activity::record(&mut tx, now, actor, Some(&tenant), "recovery.download", id.as_str(), &address(&site)).await?;
    tx.commit().await?;
    Ok(File { name: format!("{}_{}_recovery-key.txt", site.tenant, site.name), key })
}

/// Somebody enters the key again: it arrived. The first time is kept, with who it was.
///
/// # Errors
/// As [`page`]; `Invalid` when it is another key, `TooMany` after five wrong ones.
pub async fn confirm(app: &App, actor: &Actor, id: &SiteId, typed: &Secret) -> Result<view::KeyConfirmed> {
    access::site(&mut *app.pool.get().await?, actor, id, Right::Manage).await?;
    let now = app.pool.now().await?;
    let counted =
        guesses::count(app, now, "a wrong recovery key was entered too often", &[(&guesses::KEY, actor.account.as_str())]).await?;
    let mut tx = app.pool.begin().await?;
    let (site, _) = access::site(&mut tx, actor, id, Right::Manage).await?;
    let (tenant, key) = key_of(app, &mut tx, &site).await?;
    if !is_same(&key, typed) {
        return Err(Error::invalid(format!("this is not the recovery key of {}", address(&site)))
            .hint("it is the one line of the file that is downloaded here"));
    }
    if db::sites::confirm_key(&mut tx, now, &tenant, id, &actor.email).await? {
        activity::record(&mut tx, now, actor, Some(&tenant), "recovery.confirm", id.as_str(), &address(&site)).await?;
    }
    tx.commit().await?;
    guesses::good(app, &counted).await?;
    Ok(view::KeyConfirmed {
        site: address(&site),
        confirmed: Millis(site.key_confirmed_at.unwrap_or(now.0)).iso(),
        by: site.key_confirmed_by.unwrap_or_else(|| actor.email.clone()),
    })
}

/// How long it takes says nothing about how much of it was right.
fn is_same(key: &Secret, typed: &Secret) -> bool {
    let typed = typed.expose().trim();
    typed.len() <= LONGEST && key.expose().as_bytes().ct_eq(typed.as_bytes()).into()
}

async fn key_of(app: &App, conn: &mut Conn, site: &Site) -> Result<(TenantId, Secret)> {
    let tenant = TenantId(site.tenant_id.clone());
    let row = db::sites::repository(conn, &tenant, &SiteId(site.id.clone())).await?;
    let row = row.ok_or_else(|| Error::internal("the site has no repository"))?;
    let key = app.sealer.open(environments::repository_place("password", &row.tenant_id, &row.id), &row.password_sealed)?;
    Ok((tenant, key))
}

fn address(site: &Site) -> String {
    format!("{}/{}", site.tenant, site.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_with_white_space_around_it_and_not_with_less_or_more() {
        let key = Secret::new("k7-pq");
        let same = |typed: &str| is_same(&key, &Secret::new(typed));
        assert!(same("k7-pq") && same(" k7-pq\r\n"));
        assert!(!same("k7-p") && !same("k7-pqq") && !same("K7-PQ") && !same("") && !same(&"k7-pq".repeat(99)));
    }
}
