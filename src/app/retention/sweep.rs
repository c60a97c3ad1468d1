//! The sweep: judges the environments whose turn it is, and puts what goes into the trash.
//!
//! Any number of servers may sweep at once: each environment is taken by a conditional statement in the transaction that
//! judges it. What a sweep decides is the verdicts, and nothing else; brakes stand before them: the clock must be believed,
//! an abnormal size holds its environment, and what would take more than half of its good backups at once waits for a day.

use super::{clock, grace, history, in_effect, notices};
use crate::app::{App, environments, letters, servers};
use crate::base::clock::Millis;
use crate::base::error::Result;
use crate::base::sql::Tx;
use crate::base::units;
use crate::db;
use crate::db::activity::Act;
use crate::db::retention::Due;
use crate::domain::ids::{BackupId, EnvironmentId, SiteId, TenantId};
use crate::domain::retention::{Fate, Past, Verdict, hold, judge_all};
use crate::domain::state::BackupState;
use crate::mail::Letter;
use crate::queue::{self, JobClass, Need, NewJob};
use std::collections::HashMap;

/// Environments of one round, and repositories that are measured in one.
const ROUND: i64 = 200;
const MEASURED: i64 = 20;
/// What became of a slot is known for so long: here, as a clock that is not believed forgets nothing.
const SLOTS_KEPT: i64 = 400 * Millis::DAY;
/// In the activity log and in letters.
pub(super) const WHO: &str = "retention";

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Why the clock is not believed; then nothing else was done.
    pub doubt: Option<String>,
    pub environments: usize,
    /// Backups that went into the trash.
    pub thrown: usize,
    /// Environments that would have lost too much at once.
    pub held: usize,
    /// Jobs that were queued.
    pub jobs: usize,
}

/// One round. What fails for one environment does not keep the others.
pub async fn sweep(app: &App, ticker: &mut super::Ticker) -> Result<Swept> {
    let mut swept = Swept { doubt: clock::read(app, ticker).await?, ..Swept::default() };
    if swept.doubt.is_some() {
        return Ok(swept);
    }
    let now = app.pool.now().await?;
    db::retention::take_effect(&mut *app.pool.get().await?, now).await?;
    loop {
        let due = db::retention::due(&mut *app.pool.get().await?, now, ROUND).await?;
        for one in &due {
            judged(app, now, one, &mut swept).await;
        }
        if due.len() < ROUND as usize {
            break;
        }
    }
    notices::send(app, now).await?;
    measure(app, now).await?;
    swept.jobs = enqueue(app, now).await?;
    Ok(swept)
}

async fn judged(app: &App, now: Millis, one: &Due, swept: &mut Swept) {
    match judge(app, now, one).await {
        Ok(Some((thrown, held))) => {
            swept.environments += 1;
            swept.thrown += thrown;
            swept.held += usize::from(held);
        }
        Ok(None) => {} // another sweep was quicker
        Err(e) => {
            tracing::error!(environment = one.id, "retention: {e}");
            // Tried again in an hour, so that one that cannot be judged does not stand before the others.
            if let Ok(mut conn) = app.pool.get().await {
                let _ = db::retention::claim(&mut conn, one, now.plus(app.settings.retention.judge_every)).await;
            }
        }
    }
}

/// One environment in one transaction.
async fn judge(app: &App, now: Millis, due: &Due) -> Result<Option<(usize, bool)>> {
    let (tenant, id) = (TenantId(due.tenant_id.clone()), EnvironmentId(due.id.clone()));
    let mut tx = app.pool.begin().await?;
    if !db::retention::claim(&mut tx, due, now.plus(app.settings.retention.judge_every)).await? {
        return Ok(None);
    }
    let rules = in_effect(&mut tx, now, &tenant, &id).await?.rules;
    let purge_at = now.plus(grace(&rules));
    db::retention::date_the_trash(&mut tx, &tenant, &id, purge_at).await?;
    let history = history(&mut tx, &tenant, &id).await?;
    let mut verdicts = judge_all(&rules, &history, now);
    brake(app, &mut tx, now, due, &history, &verdicts).await?;
    let held = in_effect(&mut tx, now, &tenant, &id).await?.held;
    if let Some(why) = &held {
        hold(&mut verdicts, why);
    }
    let mut thrown = Vec::new();
    for (past, verdict) in history.iter().zip(&verdicts) {
        if obey(&mut tx, now, &tenant, past, verdict, purge_at).await? {
            thrown.push(past.id.clone());
        }
    }
    elements(&mut tx, &tenant, &id, &verdicts, purge_at).await?;
    if !thrown.is_empty() {
        note(&mut tx, now, &tenant, &id, &thrown).await?;
    }
    db::schedules::forget(&mut tx, now, &tenant, &id, now.plus(-SLOTS_KEPT)).await?;
    tx.commit().await?;
    Ok(Some((thrown.len(), held.is_some())))
}

async fn obey(tx: &mut Tx, now: Millis, tenant: &TenantId, past: &Past, verdict: &Verdict, purge_at: Millis) -> Result<bool> {
    let backup = BackupId(past.id.clone());
    if verdict.label != past.label {
        db::retention::set_label(tx, tenant, &backup, verdict.label.map(|l| l.word())).await?;
    }
    match &verdict.fate {
        Fate::Goes { by } => db::retention::throw_away(tx, now, tenant, &backup, by, purge_at).await,
        Fate::Kept { .. } => Ok(false),
    }
}

/// Elements that go before their set get their date, and those that stay after all lose it.
async fn elements(tx: &mut Tx, tenant: &TenantId, id: &EnvironmentId, verdicts: &[Verdict], purge_at: Millis) -> Result<()> {
    let going: HashMap<(&str, &str), &str> =
        verdicts.iter().flat_map(|v| v.elements.iter().map(|(e, by)| ((v.id.as_str(), e.name()), by.as_str()))).collect();
    for there in db::retention::elements(tx, tenant, id).await? {
        let by = going.get(&(there.backup_id.as_str(), there.element.as_str()));
        let purge = match (by, there.purge_at) {
            (Some(by), None) => Some((purge_at, *by)),
            (None, Some(_)) => None,
            _ => continue,
        };
        db::retention::set_element_purge(tx, tenant, &BackupId(there.backup_id), &there.element, purge).await?;
    }
    Ok(())
}

/// Does too much go at once? Then everything stays for a day, and the owners are told.
async fn brake(app: &App, tx: &mut Tx, now: Millis, due: &Due, history: &[Past], verdicts: &[Verdict]) -> Result<()> {
    let good = |p: &&Past| p.state == BackupState::Succeeded;
    let all = history.iter().filter(good).count();
    let going = history.iter().zip(verdicts).filter(|(p, v)| good(p) && v.goes_now()).count();
    let id = EnvironmentId(due.id.clone());
    let too_much = going * 2 > all;
    match due.retention_hold_until.map(Millis) {
        None if too_much => {
            let until = now.plus(app.settings.retention.change_delay);
            db::retention::set_hold(tx, &id, Some(until)).await?;
            tell(app, tx, now, &id, going, all, until).await
        }
        // It was waited for, or it is not too much any more.
        Some(until) if !too_much || until <= now => db::retention::set_hold(tx, &id, None).await,
        _ => Ok(()),
    }
}

async fn tell(app: &App, tx: &mut Tx, now: Millis, id: &EnvironmentId, going: usize, all: usize, until: Millis) -> Result<()> {
    let Some(env) = db::environments::find(tx, id).await? else { return Ok(()) };
    let letter = |to: String| Letter::RetentionHeld {
        to,
        environment: format!("{}.{}", env.site, env.name),
        going,
        all,
        until,
        url: format!("{}/environments/{}/retention", app.public_url, env.id),
    };
    letters::tell_owners(tx, app, now, &TenantId(env.tenant_id.clone()), None, &format!("{id}:held:{}", until.0), letter).await;
    Ok(())
}

async fn note(tx: &mut Tx, now: Millis, tenant: &TenantId, id: &EnvironmentId, thrown: &[String]) -> Result<()> {
    let shown = thrown.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", ");
    let detail = format!("{} into the trash: {shown}", units::count(thrown.len() as u64, "backup"));
    let act =
        Act { tenant: Some(tenant), account: None, actor: WHO, action: "retention.sweep", object: &id.0, detail: &detail, address: "" };
    db::activity::record(tx, now, &act).await
}

/// Once a day the size of each repository, as its storage says.
async fn measure(app: &App, now: Millis) -> Result<()> {
    let due = db::space::unmeasured(&mut *app.pool.get().await?, now.plus(-Millis::DAY), MEASURED).await?;
    for row in due {
        let (tenant, site) = (TenantId(row.tenant_id), SiteId(row.site_id));
        let size = match environments::repository(app, &tenant, &site).await {
            Ok((_, repository)) => servers::blocking(move || repository.size()).await,
            Err(e) => Err(e),
        };
        match size {
            Ok(bytes) => db::space::measured(&mut *app.pool.get().await?, now, &tenant, &row.id, bytes as i64).await?,
            Err(e) => tracing::warn!(repository = row.id, "its size: {e}"),
        }
    }
    Ok(())
}

/// Clean-ups and checks whose time has come; how many were queued. One of each repository waits or runs at a time.
async fn enqueue(app: &App, now: Millis) -> Result<usize> {
    let terms = &app.settings.retention;
    let mut tx = app.pool.begin().await?;
    let mut wanted = Vec::new();
    for (tenant, site, repository) in db::purges::repositories_due(&mut tx, now, now.plus(-terms.notice)).await? {
        wanted.push(job(super::JOB, JobClass::Upkeep, tenant, site, Need::exclusive(format!("repo:{repository}"))));
    }
    for row in db::space::unchecked(&mut tx, now.plus(-Millis::DAY), ROUND).await? {
        let need = Need::shared(format!("repo:{}", row.id));
        wanted.push(job(super::CHECK_JOB, JobClass::Verify, row.tenant_id, row.site_id, need));
    }
    let mut fresh = 0;
    for job in wanted {
        fresh += usize::from(queue::enqueue(&mut tx, now, job).await?.fresh);
    }
    tx.commit().await?;
    if fresh > 0 {
        queue::hint();
    }
    Ok(fresh)
}

fn job(kind: &str, class: JobClass, tenant: String, site: String, need: Need) -> NewJob {
    NewJob {
        tenant: TenantId(tenant),
        kind: kind.into(),
        unique: Some(format!("{kind}:{site}")),
        subject: site,
        environment: None,
        class,
        needs: vec![need],
        idempotency: None,
        run_at: None,
        initiator: None,
    }
}
