//! Environments as people see them, and opened for the worker.

mod change;
mod removal;

pub use change::{Change, DatabaseChange, change, form};
pub use removal::{Removal, remove};
pub(crate) use removal::{begin_on, last_backup_ended, refuse_going};

use super::{App, access, access::Actor, alarms, backups, drills, from_json, jobs, schedules, servers, space};
use crate::base::clock::Millis;
use crate::base::error::{Error, Result};
use crate::base::identity::Identity;
use crate::base::secret::{Place, Secret};
use crate::base::sql::Conn;
use crate::base::zone::Zone;
use crate::db;
use crate::db::environments::{Card, Environment as Row};
use crate::domain::ids::{EnvironmentId, SiteId, TenantId};
use crate::domain::names::Address;
use crate::domain::page::{Day, EnvironmentCard, EnvironmentPage, Health, LogQuery, Overview};
use crate::domain::rights::Right;
use crate::domain::site::{Access, Definition};
use crate::domain::state::{BackupState, RestoreState};
use crate::domain::view;
use crate::engine::{Location, Repository};
use crate::queue;

/// The environments of a tenant: id and `site.environment`.
pub async fn names(app: &App, actor: &Actor, tenant: &TenantId) -> Result<Vec<(String, String)>> {
    let mut conn = app.pool.get().await?;
    access::in_tenant(&mut conn, actor, tenant, Right::View, "tenant").await?;
    let all = db::environments::of_tenant(&mut conn, tenant).await?;
    Ok(all.into_iter().map(|e| (e.id, format!("{}.{}", e.site, e.name))).collect())
}

/// An environment with everything that a job needs of it, secrets opened.
#[derive(Clone, Debug)]
pub struct Opened {
    pub id: EnvironmentId,
    pub tenant: TenantId,
    pub site: SiteId,
    /// `tenant/site.env`
    pub address: String,
    pub name: String,
    pub definition: Definition,
    /// The site's own database account.
    pub access: Option<Access>,
    /// The account that may create databases and users.
    pub server: Option<Access>,
    /// Whose rights are used on its files.
    pub owner: Identity,
}

/// Where the password of an environment's database is sealed.
pub(crate) fn place<'a>(tenant: &'a str, row: &'a str) -> Place<'a> {
    Place { table: "environments", column: "password", tenant, row }
}

/// Opens an environment for a job; there is no actor any more.
pub(crate) async fn open(app: &App, id: &EnvironmentId) -> Result<Opened> {
    let mut conn = app.pool.get().await?;
    let row = db::environments::find(&mut conn, id).await?.ok_or_else(|| Error::permanent("the environment was removed meanwhile"))?;
    let server = servers::access_of(app, &mut conn, row.server_id.as_deref()).await?;
    drop(conn);
    let definition: Definition = from_json("definition", &row.definition)?;
    let password = match &row.password_sealed {
        Some(sealed) => app.sealer.open(place(&row.tenant_id, &row.id), sealed)?,
        None => Secret::new(""),
    };
    let owner = owner(&definition)?;
    Ok(Opened {
        id: EnvironmentId(row.id.clone()),
        tenant: TenantId(row.tenant_id.clone()),
        site: SiteId(row.site_id.clone()),
        address: address(&row),
        name: row.name,
        access: definition.database.clone().map(|address| Access { address, password }),
        definition,
        server,
        owner,
    })
}

/// Whose rights are used on its files.
pub(crate) fn owner(definition: &Definition) -> Result<Identity> {
    match &definition.owner {
        Some(name) => Identity::of_user(name),
        None => Identity::of_path(&definition.root).map_err(|e| {
            e.hint("the directory of the site is gone: put it back, or an empty one with the right owner, and restore into it")
        }),
    }
}

/// The repository of a site, opened with its sealed key.
pub(crate) async fn repository(app: &App, tenant: &TenantId, site: &SiteId) -> Result<(String, Repository)> {
    let mut conn = app.pool.get().await?;
    let row = db::sites::repository(&mut conn, tenant, site).await?.ok_or_else(|| Error::internal("the site has no repository"))?;
    drop(conn);
    let key = app.sealer.open(repository_place("master_key", &row.tenant_id, &row.id), &row.master_key_sealed)?;
    let at = Location::parse(&row.location)?;
    let repository = servers::blocking(move || Repository::open(&at, &key)).await?;
    Ok((row.id, repository))
}

pub(crate) fn repository_place<'a>(column: &'a str, tenant: &'a str, row: &'a str) -> Place<'a> {
    Place { table: "repositories", column, tenant, row }
}

/// `tenant/site.env`
pub fn address(row: &Row) -> String {
    format!("{}/{}.{}", row.tenant, row.site, row.name)
}

pub async fn find(app: &App, actor: &Actor, id: &EnvironmentId) -> Result<view::Environment> {
    let stale_before = app.pool.moment().await?.plus(-app.settings.stale_after);
    let mut conn = app.pool.get().await?;
    let row = access::environment(&mut conn, actor, id, Right::View).await?;
    view_of(&mut conn, actor, stale_before, &row).await
}

pub async fn named(app: &App, actor: &Actor, name: &str) -> Result<view::Environment> {
    let name = Address::parse(name)?;
    let stale_before = app.pool.moment().await?.plus(-app.settings.stale_after);
    let mut conn = app.pool.get().await?;
    let row = access::environment_named(&mut conn, actor, &name, Right::View).await?;
    view_of(&mut conn, actor, stale_before, &row).await
}

/// How an environment looks to this actor; its definition only to administrators.
pub(crate) async fn view_of(conn: &mut Conn, actor: &Actor, stale_before: Millis, row: &Row) -> Result<view::Environment> {
    let definition: Definition = from_json("definition", &row.definition)?;
    let (tenant, id) = (TenantId(row.tenant_id.clone()), EnvironmentId(row.id.clone()));
    let card = db::environments::card(conn, stale_before, &id).await?.as_ref().map(card_of).transpose()?;
    let card = card.ok_or_else(|| access::hidden("environment"))?;
    let mut filter = queue::Filter::of(queue::Tenants::These(vec![tenant]));
    filter.environment = Some(id);
    filter.states = vec![queue::State::Running];
    let running = queue::list(conn, &filter).await?;
    Ok(view::Environment {
        id: row.id.clone(),
        tenant: row.tenant.clone(),
        site: row.site.clone(),
        name: row.name.clone(),
        stack: definition.stack.name().into(),
        elements: definition.elements(),
        live: definition.live,
        url: definition.url.clone(),
        path: definition.root.display().to_string(),
        state: card.health.word().into(),
        why: card.unprotected_because().map(Into::into),
        last_backup: card.last_good.map(Millis::iso),
        running: running.into_iter().next().map(|job| job.id.0),
        definition: access::administer(actor).is_ok().then_some(definition),
    })
}

/// An environment as a list shows it.
pub(crate) fn card_of(row: &Card) -> Result<EnvironmentCard> {
    let definition: Definition = from_json("definition", &row.definition)?;
    let ended = match (&row.last_ended_state, row.last_ended_at) {
        (Some(state), Some(at)) => Some((BackupState::parse(state)?, Millis(at))),
        _ => None,
    };
    Ok(EnvironmentCard {
        id: row.id.clone(),
        tenant: row.tenant.clone(),
        site_id: row.site_id.clone(),
        site: row.site.clone(),
        name: row.name.clone(),
        stack: definition.stack.name().into(),
        live: definition.live,
        health: Health::parse(&row.health)?,
        key_confirmed: row.key_confirmed_at.is_some(),
        last_good: row.last_good_at.map(Millis),
        last_ended: ended.filter(|(state, _)| *state != BackupState::Succeeded),
        running: row.running.clone(),
    })
}

/// What stands above an environment's log.
pub async fn overview(app: &App, actor: &Actor, id: &EnvironmentId, zone: Zone) -> Result<Overview> {
    let now = app.pool.now().await?;
    let mut conn = app.pool.get().await?;
    overview_in(&mut conn, app, actor, id, now, zone).await
}

pub async fn page(app: &App, actor: &Actor, id: &EnvironmentId, asked: LogQuery, (now, zone): (Millis, Zone)) -> Result<EnvironmentPage> {
    let mut conn = app.pool.get().await?;
    // Finding the environment is being allowed to see it, and with it all that follows.
    let overview = overview_in(&mut conn, app, actor, id, now, zone).await?;
    let (tenant, site) = (TenantId(overview.tenant_id.clone()), SiteId(overview.site_id.clone()));
    let log = backups::page(&mut conn, actor, &tenant, id, asked, (now, zone)).await?;
    let jobs = jobs::active_on(&mut conn, now, &tenant, id).await?;
    let growth = space::growth(&mut conn, now, &tenant, &site).await?;
    Ok(EnvironmentPage { overview, log, jobs, growth })
}

async fn overview_in(conn: &mut Conn, app: &App, actor: &Actor, id: &EnvironmentId, now: Millis, zone: Zone) -> Result<Overview> {
    let (row, standing) = access::card(conn, actor, now.plus(-app.settings.stale_after), id, Right::View).await?;
    let tenant = TenantId(row.tenant_id.clone());
    let definition: Definition = from_json("definition", &row.definition)?;
    let restores = db::restores::log(conn, &tenant, id, 20).await?;
    let drilled = drills::recent(conn, &tenant, id).await?;
    let gone = row.state == "removed";
    let mut rights = standing.rights(actor);
    rights.0.retain(|right| !gone || !matches!(right, Right::Create | Right::Policy | Right::Manage));
    Ok(Overview {
        card: card_of(&row)?,
        tenant_suspended: row.tenant_state != "active",
        url: definition.url.clone(),
        elements: definition.elements(),
        last_proven: row.last_proven_at.map(Millis),
        next_run: schedules::standing(conn, id, now).await?,
        badge: drills::badge(&drilled, now, &app.settings.drills)?,
        restore_takes: row.last_good_size.map(|size| restore_takes(size, &restores, drills::measured(&drilled))),
        days: strip(conn, &tenant, id, now, zone).await?,
        rights,
        undo: restores.iter().find_map(|r| Some((r.id.clone(), Millis(r.undo_until.filter(|u| r.undone_by.is_none() && *u > now.0)?)))),
        stuck: restores.iter().find(|r| r.state == RestoreState::Stuck.word()).map(|r| r.id.clone()),
        as_administrator: actor.administrator && !standing.is_member(),
        removing: row.state == "removing",
        removed: row.removed_at.map(Millis),
        stayed: row.stayed,
        alarms: alarms::open_of(conn, &tenant, id).await?,
        last_good_id: row.last_good_id,
        tenant_id: row.tenant_id,
        site_id: row.site_id,
    })
}

/// As long as the last whole restore took, or the drill since, whichever is newer; without either, by size at 40 MB/s with
/// half a minute for all the rest.
fn restore_takes(size: i64, restores: &[db::restores::Restore], drill: Option<(Millis, i64)>) -> i64 {
    let took = |r: &db::restores::Restore| Some((Millis(r.finished_at?), r.finished_at? - r.started_at?));
    let whole =
        restores.iter().filter(|r| r.state == RestoreState::Succeeded.word() && r.elements.split(',').count() > 1 && r.paths.is_none());
    let newest = whole.filter_map(took).chain(drill).max_by_key(|(at, _)| at.0);
    newest.map_or(30_000 + size / 40_000, |(_, took)| took)
}

const DAYS: i64 = 30;

/// The last thirty days in the reader's zone, days without a backup too.
async fn strip(conn: &mut Conn, tenant: &TenantId, id: &EnvironmentId, now: Millis, zone: Zone) -> Result<Vec<Day>> {
    let offset = zone.offset(now);
    let today = (now.0 + offset).div_euclid(Millis::DAY);
    let first = today - DAYS + 1;
    let counts = db::backups::days(conn, tenant, id, Millis(first * Millis::DAY - offset), offset).await?;
    let mut days: Vec<Day> =
        (first..=today).map(|day| Day { day: zone.day(Millis(day * Millis::DAY + Millis::DAY / 2 - offset)), ..Day::default() }).collect();
    for c in counts {
        let Some(day) = usize::try_from(c.day - first).ok().and_then(|i| days.get_mut(i)) else { continue };
        match BackupState::parse(&c.state)? {
            BackupState::Succeeded => day.good += c.count.unsigned_abs(),
            BackupState::Incomplete => day.incomplete += c.count.unsigned_abs(),
            BackupState::Failed => day.failed += c.count.unsigned_abs(),
            _ => {}
        }
    }
    Ok(days)
}

/// For `doctor`: opens the environment's directory and database, and says what they are.
pub async fn examine(app: &App, id: &EnvironmentId) -> Result<String> {
    let env = open(app, id).await?;
    let root = env.definition.root.display().to_string();
    let Some(access) = env.access else { return Ok(format!("{root}, no database")) };
    let engine = access.address.engine();
    let facts = servers::blocking(move || crate::hosting::database::database(access).check()).await?;
    Ok(format!("{root}, {engine} {}, dumped by {}", facts.server_version, facts.tool))
}
