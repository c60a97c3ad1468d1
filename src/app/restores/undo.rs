//! Undo: the switches of a restore, taken back in reverse order, with a safety backup of their own first. While the old
//! directories and database lie aside it is exact; later it restores the safety backup.

use super::journal::{Journal, Line};
use super::parts::Selection;
use super::steps::{self, Step};
use super::{enqueue, found, fresh, record, run, views};
use crate::app::access::{self, Actor};
use crate::app::{App, backups::refuse_stuck, environments, to_json};
use crate::base::error::{Error, Result};
use crate::base::sql::Conn;
use crate::db;
use crate::db::restores::{Restore as Row, Step as StepRow};
use crate::domain::element::Element;
use crate::domain::ids::{EnvironmentId, RestoreId, TenantId};
use crate::domain::rights::Right;
use crate::domain::state::{RestoreState, StepState};
use crate::domain::view;

/// Queues the undo of a restore. One that is stuck goes on with its way back instead.
///
/// # Errors
/// `Conflict` when the restore did not succeed, was undone already, or a newer one stands on top of it.
pub async fn undo(app: &App, actor: &Actor, id: &RestoreId, key: Option<String>) -> Result<view::Restore> {
    let now = app.pool.now().await?;
    let mut tx = app.pool.begin().await?;
    let first = access::restore(&mut tx, actor, id, Right::Restore).await?;
    let (tenant, environment) = (TenantId(first.tenant_id.clone()), EnvironmentId(first.environment_id.clone()));
    let env = access::environment(&mut tx, actor, &environment, Right::Restore).await?;
    if first.state == RestoreState::Stuck.word() {
        run::go_back(&mut tx, now, &first, key).await?;
        record(&mut tx, now, actor, &first, "restore.retry", "go on with the way back").await?;
        let row = found(&mut tx, &first.id).await?;
        let view = views::view_of(&mut tx, &row).await?;
        tx.commit().await?;
        return Ok(view);
    }
    environments::begin_on(&mut tx, &env).await?;
    refuse_stuck(&mut tx, &tenant, &environment).await?;
    may_be_undone(&mut tx, &first).await?;
    let elements = Element::parse_list(&first.elements)?;
    let exact = first.undo_until.is_some_and(|until| until > now.0);
    let (kind, backup) = match (exact, &first.safety_backup_id) {
        (true, _) => ("undo", first.backup_id.clone()),
        (false, Some(safety)) => ("restore", safety.clone()),
        (false, None) => return Err(Error::conflict("what this restore replaced is gone, and there is no safety backup of it")),
    };
    let mut row = fresh(&env, now, actor, &backup, &elements, kind);
    row.undo_of = Some(first.id.clone());
    row.paths.clone_from(&first.paths);
    row.note = Some(format!("Undo of {}", first.id));
    let before = journal_of(app, &mut tx, &first).await?;
    let mut lines = if exact {
        exact_lines(app, &row, &before)?
    } else {
        steps::lines(&row, &steps::of_restore(&elements, Selection::read(row.paths.as_deref())?.tables.is_empty()))
    };
    let was_wrong = before.iter().find(|l| l.step == Step::Preflight).and_then(|l| l.journal.was_wrong.clone());
    for line in lines.iter_mut().filter(|l| l.name == Step::AskSite.word()) {
        line.journal = to_json(&Journal { was_wrong: was_wrong.clone(), ..Journal::default() })?;
    }
    let source_site = db::backups::find(&mut tx, &crate::domain::ids::BackupId(backup.clone())).await?.map(|b| b.site_id);
    let source_site = source_site.ok_or_else(|| Error::internal("a restore without its backup"))?;
    let row = enqueue(&mut tx, now, actor, &env, &source_site, row, &lines, key).await?;
    let view = views::view_of(&mut tx, &row).await?;
    tx.commit().await?;
    crate::queue::hint();
    Ok(view)
}

/// Only the restore that the site stands on can be taken back; what came after it goes first.
async fn may_be_undone(conn: &mut Conn, first: &Row) -> Result<()> {
    if first.state != RestoreState::Succeeded.word() {
        return Err(Error::conflict(format!("this {} is {}", first.kind, first.state))
            .hint("only one that succeeded can be undone; one that failed has been taken back by itself"));
    }
    if let Some(by) = &first.undone_by {
        return Err(Error::conflict(format!("it was undone already, by {by}"))
            .hint(format!("undo that one to bring it back: `sitekeep backup:undo {by}`")));
    }
    let (tenant, environment) = (TenantId(first.tenant_id.clone()), EnvironmentId(first.environment_id.clone()));
    let mut history = db::restores::log(conn, &tenant, &environment, 500).await?;
    history.retain(|r| r.state == RestoreState::Succeeded.word());
    history.reverse();
    let standing = Standing::after(history.iter().map(|r| (r.id.as_str(), r.undo_of.as_deref().filter(|_| r.kind == "undo"))));
    if standing.restores.last() == Some(&first.id.as_str()) || standing.undo == Some(&first.id) {
        return Ok(());
    }
    let on_top = standing.restores.last().or(standing.undo.as_ref()).copied().unwrap_or_default();
    Err(Error::conflict(format!("the site was restored again since, by {on_top}"))
        .hint(format!("undo that one first: `sitekeep backup:undo {on_top}`")))
}

/// What the site stands on.
#[derive(Debug, PartialEq, Eq)]
struct Standing<'a> {
    /// The restores in force, the newest last.
    restores: Vec<&'a str>,
    /// The last act, where it was an undo: it can be undone in turn while nothing has come after it.
    undo: Option<&'a str>,
}

impl<'a> Standing<'a> {
    /// From everything that succeeded, oldest first: an id, and for an exact undo the id that it took back.
    fn after(acts: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Self {
        acts.fold(Self { restores: Vec::new(), undo: None }, |mut standing, (id, undoes)| {
            if undoes.is_some() && standing.restores.last().copied() == undoes {
                standing.restores.pop();
                standing.undo = Some(id);
            } else {
                // A restore; or an undo of an undo, under whose name the restore is in force again.
                standing.restores.push(id);
                standing.undo = None;
            }
            standing
        })
    }
}

async fn journal_of(app: &App, conn: &mut Conn, first: &Row) -> Result<Vec<Line>> {
    let rows = db::restores::steps(conn, &TenantId(first.tenant_id.clone()), &RestoreId(first.id.clone())).await?;
    rows.into_iter().map(|r| Line::read(app, r)).collect()
}

/// The steps of an exact undo: every switch of the first restore with its journal, last first.
fn exact_lines(app: &App, row: &Row, before: &[Line]) -> Result<Vec<StepRow>> {
    let mut lines = Vec::new();
    let mut add = |step, journal: Journal, secrets: super::journal::Secrets| -> Result<()> {
        let row = steps::line(row, lines.len(), step, "{}".into(), None);
        let line = Line { row, step, state: StepState::Planned, journal, secrets };
        lines.push(line.written(app)?);
        Ok(())
    };
    let settings_were = before.iter().find_map(|l| l.journal.settings_were.clone());
    for step in [Step::Preflight, Step::SafetyBackup] {
        add(step, Journal::default(), Default::default())?;
    }
    add(Step::MaintenanceOn, Journal::default(), Default::default())?;
    add(Step::CompleteSafety, Journal { settings_were, ..Journal::default() }, Default::default())?;
    for line in before.iter().rev().filter(|l| l.step.switches() && l.state == StepState::Done) {
        let mut journal = line.journal.clone();
        journal.reversed = !journal.reversed;
        for swap in &mut journal.swaps {
            swap.new = false;
            swap.vanishes = swap.live_inode.is_none();
            if swap.vanishes {
                swap.carried.clear(); // all of it goes
            }
            (swap.live_inode, swap.aside_inode) = (None, None);
            swap.carried.iter_mut().for_each(|c| c.inode = None);
        }
        if line.step == Step::SwitchSettings && journal.swaps.is_empty() {
            continue; // it had nothing to rewrite
        }
        add(line.step, journal, line.secrets.clone())?;
    }
    for step in [Step::Reload, Step::CheckData, Step::MaintenanceOff, Step::ClearCaches, Step::AskSite] {
        add(step, Journal::default(), Default::default())?;
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Acts, the restores then in force, and the undo that may be undone.
    type Case<'a> = (&'a [(&'a str, Option<&'a str>)], &'a [&'a str], Option<&'a str>);

    #[test]
    fn only_what_the_site_stands_on_can_be_undone() {
        let table: [Case<'_>; 6] = [
            (&[], &[], None),
            (&[("a", None), ("b", None)], &["a", "b"], None),
            (&[("a", None), ("u", Some("a"))], &[], Some("u")),
            (&[("a", None), ("u", Some("a")), ("v", Some("u"))], &["v"], None),
            (&[("a", None), ("b", None), ("u", Some("b"))], &["a"], Some("u")),
            (&[("a", None), ("u", Some("a")), ("b", None)], &["b"], None),
        ];
        for (acts, restores, undo) in table {
            assert_eq!(Standing::after(acts.iter().copied()), Standing { restores: restores.to_vec(), undo }, "{acts:?}");
        }
    }
}
