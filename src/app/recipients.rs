//! Who gets the letters about each site of a tenant.

use super::{App, access, access::Actor};
use crate::app::activity;
use crate::base::error::{Error, Result};
use crate::db;
use crate::domain::ids::{SiteId, TenantId};
use crate::domain::rights::Right;
use crate::domain::webhook::Recipients;
use crate::mail;

const MOST: usize = 20;

/// The sites of a tenant, with the addresses that are named for each.
pub async fn list(app: &App, actor: &Actor, tenant: &TenantId) -> Result<Vec<Recipients>> {
    let mut conn = app.pool.get().await?;
    access::in_tenant(&mut conn, actor, tenant, Right::Manage, "tenant").await?;
    let mut all = Vec::new();
    for site in db::sites::of_tenant(&mut conn, tenant).await? {
        let emails = db::recipients::of_site(&mut conn, tenant, &SiteId(site.id.clone())).await?;
        all.push(Recipients { site: site.id, name: site.name, emails });
    }
    Ok(all)
}

/// Names who gets the letters about a site from now on; nobody: the tenant's owners.
///
/// # Errors
/// `Invalid` for what is no address, or for too many.
pub async fn set(app: &App, actor: &Actor, tenant: &TenantId, site: &SiteId, emails: &[String]) -> Result<()> {
    let mut emails: Vec<String> = emails.iter().map(|e| e.trim().to_owned()).filter(|e| !e.is_empty()).collect();
    emails.sort();
    emails.dedup();
    if emails.len() > MOST {
        return Err(Error::invalid(format!("at most {MOST} addresses can be named")).hint("a mailing list is one address"));
    }
    emails.iter().try_for_each(|email| mail::address(email).map(drop))?;
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    access::in_tenant(&mut tx, actor, tenant, Right::Manage, "tenant").await?;
    let known = db::sites::of_tenant(&mut tx, tenant).await?.into_iter().find(|s| s.id == site.0);
    let name = known.ok_or_else(|| access::hidden("site"))?.name;
    db::recipients::replace(&mut tx, tenant, site, &emails).await?;
    let told = if emails.is_empty() { "the owners".to_owned() } else { emails.join(", ") };
    activity::record(&mut tx, now, actor, Some(tenant), "recipients.change", &site.0, &format!("{name}: {told}")).await?;
    tx.commit().await.map_err(Into::into)
}
