//! The fleet: every environment that a reader may see, and how each stands.

use super::access::{Actor, Standing};
use super::{App, environments};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::db;
use crate::db::environments::Card;
use crate::db::tenants::Membership;
use crate::domain::page::{Fleet, FleetQuery, Health, SiteCard};

/// Environments on one page; the last site is left to the next page when it would be cut.
const PAGE: usize = 120;

/// A page of the fleet.
pub async fn page(app: &App, actor: &Actor, asked: FleetQuery) -> Result<Fleet> {
    let stale_before = app.pool.now().await?.plus(-app.settings.stale_after);
    let mut conn = app.pool.get().await?;
    let member = (!actor.administrator).then(|| actor.account.as_str());
    let after = asked.after.split_once('/');
    let wanted = db::environments::Fleet {
        member,
        tenant: actor.tenant.as_ref().map(|t| t.as_str()),
        text: Some(asked.q.trim()).filter(|q| !q.is_empty()),
        health: Some(asked.state.as_str()).filter(|s| !s.is_empty()),
        after,
    };
    let mut rows = db::environments::fleet(&mut conn, stale_before, &wanted, PAGE as i64 + 1).await?;
    let next = cut_at_a_site(&mut rows);
    let counts = db::environments::healths(&mut conn, stale_before, member).await?;
    let counts = counts.into_iter().map(|(word, n)| Ok((Health::parse(&word)?, n.unsigned_abs()))).collect::<Result<_>>()?;
    let memberships = db::tenants::of_account(&mut conn, &actor.account).await?;
    let several_tenants = actor.administrator || memberships.len() > 1;
    let frozen = db::schedules::frozen(&mut conn).await?.map(|f| f.reason);
    Ok(Fleet { sites: by_site(rows, actor, &memberships)?, counts, next, asked, frozen, several_tenants })
}

/// When there is more than a page, drops the site that may be cut and says after which one the next page begins.
fn cut_at_a_site(rows: &mut Vec<Card>) -> Option<String> {
    if rows.len() <= PAGE {
        return None;
    }
    let last = rows.last().map(|r| r.site_id.clone()).unwrap_or_default();
    if rows.iter().any(|r| r.site_id != last) {
        rows.retain(|r| r.site_id != last);
    }
    rows.last().map(|r| format!("{}/{}", r.tenant, r.site))
}

fn by_site(rows: Vec<Card>, actor: &Actor, memberships: &[Membership]) -> Result<Vec<SiteCard>> {
    let mut sites: Vec<SiteCard> = Vec::new();
    for row in rows {
        let environment = environments::card_of(&row)?;
        match sites.last_mut().filter(|s| s.tenant == row.tenant && s.name == row.site) {
            Some(site) => site.environments.push(environment),
            None => {
                let role = memberships.iter().find(|m| m.tenant_id == row.tenant_id).map(|m| m.role.as_str());
                let rights = Standing::read(role, &row.tenant_state)?.rights(actor);
                sites.push(SiteCard { tenant: row.tenant, name: row.site, rights, environments: vec![environment] });
            }
        }
    }
    Ok(sites)
}

/// How many jobs run or wait in the tenants of a reader; what waits for a day that is set does not count.
pub async fn active_jobs(app: &App, actor: &Actor, now: Millis) -> Result<u64> {
    let mut conn = app.pool.get().await?;
    let tenants = super::jobs::tenants_of(&mut conn, actor).await?;
    crate::queue::active(&mut conn, now.plus(Millis::SECOND), &tenants).await
}
