//! What lies aside after a restore: kept for an undo, dropped when its time is over.

use super::journal::Line;
use super::run::Run;
use super::steps::Step;
use super::{DROP_JOB, data, trees};
use crate::app::attempt::{Attempt, Ended};
use crate::app::servers::blocking;
use crate::app::{backups, environments};
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::sql::Tx;
use crate::db;
use crate::domain::ids::{EnvironmentId, RestoreId, TenantId};
use crate::queue::{self, JobClass, NewJob, Outcome};

/// In the transaction that ends a restore: when it is dropped, and, for an undo, that the first restore's is gone.
pub(super) async fn keep(tx: &mut Tx, now: Millis, run: &Run<'_>, until: Option<Millis>) -> Result<()> {
    let tenant = TenantId(run.row.tenant_id.clone());
    if let Some(first) = run.row.undo_of.as_ref().filter(|_| run.is_undo()) {
        db::restores::aside_gone(tx, &tenant, &RestoreId(first.clone()), Some(&run.id())).await?;
    }
    let environment = EnvironmentId(run.row.environment_id.clone());
    let env = db::environments::find(tx, &environment).await?.ok_or_else(|| Error::permanent("the environment was removed meanwhile"))?;
    let job = NewJob {
        tenant,
        kind: DROP_JOB.into(),
        subject: run.row.id.clone(),
        environment: Some(environment),
        class: JobClass::Upkeep,
        needs: backups::needs(tx, &env).await?,
        unique: Some(format!("drop_aside:{}", run.row.id)),
        idempotency: None,
        run_at: until,
        initiator: None,
    };
    queue::enqueue(tx, now, job).await?;
    Ok(())
}

/// One attempt at dropping what a restore left aside. An undo came first: then there is nothing to drop.
pub async fn drop_aside(attempt: &Attempt, id: &RestoreId) -> Result<Ended> {
    let dropped = drop_all(attempt, id).await;
    if let Err(e) = &dropped {
        if e.class() == Class::Fenced {
            return Err(e.clone());
        }
        attempt.log(queue::Level::Error, e.to_string()).await;
    }
    let now = attempt.now().await?;
    let mut tx = attempt.begin().await?;
    if dropped.is_ok()
        && let Some(row) = db::restores::find(&mut tx, id).await?
    {
        db::restores::aside_gone(&mut tx, &TenantId(row.tenant_id), id, None).await?;
    }
    let outcome = dropped.err().map_or_else(Outcome::succeeded, |e| Outcome::failed(&e));
    queue::finish(&mut tx, now, &attempt.lease, outcome).await?;
    tx.commit().await?;
    Ok(Ended::Finished)
}

async fn drop_all(attempt: &Attempt, id: &RestoreId) -> Result<()> {
    let mut conn = attempt.app.pool.get().await?;
    let Some(row) = db::restores::find(&mut conn, id).await? else { return Ok(()) };
    if row.undo_until.is_none() {
        return Ok(());
    }
    let tenant = TenantId(row.tenant_id.clone());
    let rows = db::restores::steps(&mut conn, &tenant, id).await?;
    drop(conn);
    let lines = rows.into_iter().map(|r| Line::read(&attempt.app, r)).collect::<Result<Vec<_>>>()?;
    let env = environments::open(&attempt.app, &EnvironmentId(row.environment_id.clone())).await?;
    attempt.phase("Dropping what lay aside since the restore", None).await?;
    for line in lines {
        let (live, server) = (env.access.clone(), env.server.clone());
        blocking(move || {
            if matches!(line.step, Step::SwitchCode | Step::SwitchFiles | Step::SwitchSettings) {
                line.journal.swaps.iter().try_for_each(trees::remove)?;
            }
            match (line.step, live) {
                (Step::SwitchDatabase, Some(live)) => data::drop_aside(&line, &live, server.as_ref()),
                _ => Ok(()),
            }
        })
        .await?;
    }
    Ok(())
}
