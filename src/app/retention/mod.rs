//! Retention: the rules of tenants and environments, what they say of each backup, and how they are obeyed.
//!
//! `domain::retention` judges; here its verdicts are shown and done. [`sweep`] puts what goes into the trash; owners are
//! told before anything is purged (`notices`); [`clean_up`] alone removes anything from a repository, in a job that has
//! it for itself. What one sees beside a backup, what the simulator shows and what the sweep does is one function.
//!
//! A change of rules is in force after a day: until then a backup goes only when the rules before it let it go as well.
//! So a rule that keeps more works at once, and one that keeps less cannot be used to destroy anything unseen. And while a
//! backup's size is abnormal nothing of its environment goes at all ([`InEffect`]): what shrank may be what was destroyed.

mod check;
mod clean_up;
mod clock;
mod mend;
mod notices;
mod rules;
mod strays;
mod sweep;

pub use check::{JOB as CHECK_JOB, run as check};
pub use clean_up::{JOB, failed as clean_up_failed, run as clean_up};
pub use clock::{Ticker, status as clock_status};
pub use rules::{Change, info, info_of_tenant, set, set_of_tenant, simulate, simulate_tenant};
pub use sweep::{Swept, sweep};

pub(crate) use rules::fate;

use super::{access, from_json};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Conn;
use crate::db;
use crate::db::retention::Stored;
use crate::domain::alarm::Cause;
use crate::domain::element::Element;
use crate::domain::ids::{EnvironmentId, TenantId};
use crate::domain::retention::{InForce, Label, Past, Rules, Verdict, hold, judge_all};
use crate::domain::state::{BackupState, Reason};
use std::collections::HashMap;

/// What an administrator may tune, in milliseconds unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Terms {
    /// How long the rules before a change stand beside it; and how long a sweep is held that would take most at once.
    pub change_delay: i64,
    /// How often the backups of an environment are judged.
    pub judge_every: i64,
    /// Owners are told at least so long before a purge, …
    pub notice: i64,
    /// … by a letter that is written when the first purge is so near.
    pub notice_ahead: i64,
    /// How long a pack stays after it was marked: longer than any job may take.
    pub keep_marked: i64,
    /// At most so much is packed anew in one clean-up, in bytes.
    pub repack: u64,
    /// Every pack is read back within so many days.
    pub check_days: i64,
    /// How long a check may keep its repository.
    pub slice: i64,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            change_delay: Millis::DAY,
            judge_every: 3_600_000,
            notice: Millis::DAY,
            notice_ahead: 4 * Millis::DAY,
            keep_marked: 2 * Millis::DAY,
            repack: 512 << 20,
            check_days: 30,
            slice: 10 * 60_000,
        }
    }
}

/// What judges the backups of an environment.
pub(crate) struct InEffect {
    /// The rules that are in force, the newest last.
    pub rules: Vec<InForce>,
    /// Why nothing goes for now, whatever they say.
    pub held: Option<String>,
}

pub(crate) async fn in_effect(conn: &mut Conn, now: Millis, tenant: &TenantId, environment: &EnvironmentId) -> Result<InEffect> {
    let terms = db::retention::terms(conn, tenant, environment, Cause::Size).await?.ok_or_else(|| access::hidden("environment"))?;
    Ok(InEffect { rules: resolve(&terms.own, &terms.above)?, held: held(now, &terms.holds) })
}

fn of_tenant(stored: &Stored) -> Result<Vec<InForce>> {
    let now = stored.rules.as_deref().map_or(Ok(Rules::default()), read)?;
    let Some(next) = &stored.next else { return Ok(vec![InForce { rules: now, until: None }]) };
    let next = if next == FOLLOW { Rules::default() } else { read(next)? };
    Ok(vec![InForce { rules: now, until: stored.next_at.map(Millis) }, InForce { rules: next, until: None }])
}

/// What is stored for an environment that is to follow its tenant, or a tenant that is to follow the product.
const FOLLOW: &str = "follow";

fn read(text: &str) -> Result<Rules> {
    from_json("rule of retention", text)
}

/// An environment's own rules, its tenant's where it has none, and beside them what waits for its time.
fn resolve(own: &Stored, above: &Stored) -> Result<Vec<InForce>> {
    let above = of_tenant(above)?;
    let or_above = |text: Option<&str>| match text {
        None | Some(FOLLOW) => Ok(above.clone()),
        Some(text) => Ok::<_, crate::base::error::Error>(vec![InForce { rules: read(text)?, until: None }]),
    };
    let mut all = or_above(own.rules.as_deref())?;
    if let Some(next) = &own.next {
        all.iter_mut().for_each(|rules| rules.until = rules.until.or(own.next_at.map(Millis)));
        all.extend(or_above(Some(next))?);
    }
    Ok(all)
}

/// The longest time in the trash that any rule in force gives.
fn grace(in_force: &[InForce]) -> i64 {
    in_force.iter().map(|r| r.rules.grace_days).max().unwrap_or(Rules::default().grace_days) * Millis::DAY
}

/// When a backup that is thrown away now is purged.
pub(crate) async fn purge_at(conn: &mut Conn, now: Millis, tenant: &TenantId, environment: &EnvironmentId) -> Result<Millis> {
    Ok(now.plus(grace(&in_effect(conn, now, tenant, environment).await?.rules)))
}

/// Everything of an environment that does not lie in the trash, as it is judged.
pub(crate) async fn history(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId) -> Result<Vec<Past>> {
    let mut elements: HashMap<String, Vec<Element>> = HashMap::new();
    for there in db::retention::elements(conn, tenant, environment).await? {
        elements.entry(there.backup_id).or_default().push(Element::parse(&there.element)?);
    }
    let rows = db::retention::history(conn, tenant, environment).await?;
    rows.into_iter().map(|row| past(row, &mut elements)).collect()
}

/// The same without elements, for rules that let none go before its set: three times as many rows for every page of a log.
async fn whole_history(conn: &mut Conn, tenant: &TenantId, environment: &EnvironmentId) -> Result<Vec<Past>> {
    let rows = db::retention::history(conn, tenant, environment).await?;
    rows.into_iter().map(|row| past(row, &mut HashMap::new())).collect()
}

fn past(row: db::retention::Past, elements: &mut HashMap<String, Vec<Element>>) -> Result<Past> {
    Ok(Past {
        created: Millis(row.created_at),
        finished: row.finished_at.map(Millis),
        state: BackupState::parse(&row.state)?,
        reason: Reason::parse(&row.reason)?,
        keep_for_days: row.keep_for_days,
        pinned: row.pinned == 1,
        needed: row.needed == 1,
        proven: row.proven_at.map(Millis),
        label: row.label.as_deref().map(Label::parse).transpose()?,
        elements: elements.remove(&row.id).unwrap_or_default(),
        id: row.id,
    })
}

fn held(now: Millis, holds: &db::retention::Holds) -> Option<String> {
    if let Some(at) = holds.alarm_since {
        return Some(format!("the size of a backup was abnormal on {}, and that alarm is open", Millis(at).for_people()));
    }
    let until = holds.until.map(Millis).filter(|until| *until > now);
    until.map(|until| format!("more than half of the good backups would go at once; they stay until {}", until.for_people()))
}

/// What becomes of each backup of an environment, by id; by the rules that are in force, and what holds them.
pub(crate) async fn verdicts(
    conn: &mut Conn,
    now: Millis,
    tenant: &TenantId,
    environment: &EnvironmentId,
) -> Result<HashMap<String, Verdict>> {
    let (mut verdicts, held) = judged(conn, now, tenant, environment).await?;
    if let Some(why) = held {
        hold(&mut verdicts, &why);
    }
    Ok(verdicts.into_iter().map(|v| (v.id.clone(), v)).collect())
}

/// The same by the rules alone, and what holds them.
async fn judged(conn: &mut Conn, now: Millis, tenant: &TenantId, environment: &EnvironmentId) -> Result<(Vec<Verdict>, Option<String>)> {
    let InEffect { rules, held } = in_effect(conn, now, tenant, environment).await?;
    let apart = rules.iter().any(|r| !r.rules.elements.is_empty());
    let history = if apart { history(conn, tenant, environment).await? } else { whole_history(conn, tenant, environment).await? };
    Ok((judge_all(&rules, &history, now), held))
}

/// Would a rule let this backup go, if nothing held it?
pub(crate) async fn would_go(conn: &mut Conn, now: Millis, tenant: &TenantId, environment: &EnvironmentId, id: &str) -> Result<bool> {
    Ok(judged(conn, now, tenant, environment).await?.0.iter().any(|v| v.id == id && v.goes_now()))
}
