//! The driver: does the steps in order, unwinds them in reverse, and goes on where an attempt that died had come to.

use super::journal::Line;
use super::parts::{self, Part, Selection};
use super::steps::{self, Acted, Step};
use super::{aside, check, found, maintenance, safety, trees};
use crate::app::App;
use crate::app::access;
use crate::app::attempt::{Attempt, Ended};
use crate::app::environments::{self, Opened};
use crate::app::letters;
use crate::base::clock::Millis;
use crate::base::error::{Class, Error, Result};
use crate::base::failpoint;
use crate::base::sql::Conn;
use crate::db;
use crate::domain::element::Element;
use crate::domain::ids::{BackupId, EnvironmentId, RestoreId, SiteId, TenantId};
use crate::domain::rights::Right;
use crate::domain::state::{RestoreState, StepState};
use crate::engine::Repository;
use crate::queue::{self, Outcome};
use std::time::Duration;

/// Everything the steps work with.
pub(super) struct Run<'a> {
    pub attempt: &'a Attempt,
    pub row: db::restores::Restore,
    /// The environment that is restored into.
    pub env: Opened,
    pub backup: db::backups::Backup,
    pub source: Vec<db::backups::BackupElement>,
    /// The repository that the backup lies in, and the one for the safety backup.
    pub from: Repository,
    pub into: Repository,
    pub lines: Vec<Line>,
}

/// One attempt at a restore or an undo.
pub async fn run(attempt: &Attempt, id: &RestoreId) -> Result<Ended> {
    let mut run = match load(attempt, id).await {
        Ok(run) => run,
        Err(e) if e.class() == Class::Fenced => return Err(e),
        Err(e) => return could_not_begin(attempt, id, e).await,
    };
    failpoint::hit(format_args!("restore.begin"))?;
    if run.lines.iter().any(|l| l.state != StepState::Planned) {
        safety::clear(&run).await;
    }
    if let Some(why) = must_go_back(&run).await? {
        return unwind(&mut run, why).await;
    }
    match forward(&mut run).await {
        Ok(()) => end(&mut run, RestoreState::Succeeded, Outcome::succeeded()).await,
        Err(e) if e.class() == Class::Fenced => Err(e),
        Err(e) if e.class() == Class::Cancelled && !attempt.cancel_requested().await? => give_back(&mut run).await,
        Err(e) => unwind(&mut run, e).await,
    }
}

/// Our own shutdown, before the switch: the next attempt goes on. When that begins nobody knows, so that visitors are
/// let in meanwhile.
async fn give_back(run: &mut Run<'_>) -> Result<Ended> {
    if let Some(i) = run.lines.iter().position(|l| l.step == Step::MaintenanceOn && l.is_begun()) {
        match maintenance::off(run).await {
            Ok(_) => run.save(i, StepState::Planned).await?,
            Err(e) => run.attempt.warn(format!("Maintenance mode could not be left: {}", e.sentence())).await,
        }
    }
    Ok(Ended::Released)
}

async fn load<'a>(attempt: &'a Attempt, id: &RestoreId) -> Result<Run<'a>> {
    let app = &attempt.app;
    let now = attempt.now().await?;
    let mut tx = attempt.begin().await?;
    let row = found(&mut tx, &id.0).await?;
    let tenant = TenantId(row.tenant_id.clone());
    let lines = db::restores::steps(&mut tx, &tenant, id).await?.into_iter().map(|r| Line::read(app, r)).collect::<Result<Vec<_>>>()?;
    if row.state == RestoreState::Queued.word() {
        db::restores::set_state(&mut tx, now, &tenant, id, RestoreState::Running).await?;
    }
    let backup = db::backups::find(&mut tx, &BackupId(row.backup_id.clone())).await?;
    let backup = backup.ok_or_else(|| Error::permanent("the backup was removed meanwhile"))?;
    let source = db::backups::elements(&mut tx, &tenant, &BackupId(backup.id.clone())).await?;
    tx.commit().await?;
    let env = environments::open(app, &EnvironmentId(row.environment_id.clone())).await?;
    let (_, into) = environments::repository(app, &env.tenant, &env.site).await?;
    let from = match backup.site_id == env.site.0 {
        true => into.clone(),
        false => environments::repository(app, &tenant, &SiteId(backup.site_id.clone())).await?.1,
    };
    Ok(Run { attempt, row, env, backup, source, from, into, lines })
}

impl Run<'_> {
    pub(super) fn app(&self) -> &App {
        &self.attempt.app
    }
    pub(super) fn id(&self) -> RestoreId {
        RestoreId(self.row.id.clone())
    }
    pub(super) fn elements(&self) -> Result<Vec<Element>> {
        Element::parse_list(&self.row.elements)
    }
    /// The chosen files and folders; none where whole elements are restored.
    pub(super) fn parts(&self) -> Result<Vec<Part>> {
        parts::of(&self.env.definition, &Selection::read(self.row.paths.as_deref())?.paths)
    }
    /// The chosen tables; none where the whole database is restored.
    pub(super) fn tables(&self) -> Result<Vec<String>> {
        Ok(Selection::read(self.row.paths.as_deref())?.tables)
    }
    pub(super) fn is_undo(&self) -> bool {
        self.row.kind == "undo"
    }
    /// Is the backup of another environment than the one it is restored into?
    pub(super) fn is_elsewhere(&self) -> bool {
        self.backup.environment_id != self.row.environment_id
    }
    pub(super) fn line(&self, step: Step) -> Option<&Line> {
        self.lines.iter().find(|l| l.step == step)
    }
    /// Names staging directories and databases of this attempt: a zombie of an earlier one works under other names.
    pub(super) fn ticket(&self) -> String {
        format!("{}-{}", self.row.id, self.attempt.lease.attempt)
    }
    /// The element of the backup, with its snapshot.
    pub(super) fn source(&self, element: Element) -> Result<(&db::backups::BackupElement, String)> {
        let found = self.source.iter().find(|e| e.element == element.name());
        let found = found.ok_or_else(|| Error::permanent(format!("the backup has no {element}")))?;
        let snapshot = found.snapshot.clone().ok_or_else(|| Error::permanent(format!("the backup has no {element}")))?;
        Ok((found, snapshot))
    }
    /// Writes line `i` of the journal, fenced.
    pub(super) async fn save(&mut self, i: usize, state: StepState) -> Result<()> {
        self.lines[i].state = state;
        let row = self.lines[i].written(&self.attempt.app)?;
        let now = self.attempt.now().await?;
        let mut tx = self.attempt.begin().await?;
        db::restores::set_step(&mut tx, now, &row, state).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// An attempt died after the first switch and before the last, or on its way back: the way is back. With every switch
/// done the way is forward: the site is new already. Before the first one the restore must still be wanted and allowed.
async fn must_go_back(run: &Run<'_>) -> Result<Option<Error>> {
    if run.row.state == RestoreState::Unwinding.word() {
        return reason(run).await.map(Some);
    }
    let switches = || run.lines.iter().filter(|l| l.step.switches());
    if switches().any(Line::is_begun) {
        let all = switches().all(|l| matches!(l.state, StepState::Done | StepState::Skipped));
        let died = || {
            Error::transient("the worker that ran this restore died in the middle of the switch").hint("nothing was lost; start it again")
        };
        return Ok((!all).then(died));
    }
    if run.attempt.cancel_requested().await? {
        return Ok(Some(Error::cancelled()));
    }
    let mut conn = run.app().pool.get().await?;
    let allowed = access::recheck(&mut conn, run.row.account_id.as_deref(), &TenantId(run.row.tenant_id.clone()), Right::Restore).await;
    Ok(allowed.err())
}

/// Why an attempt before this one began the way back.
async fn reason(run: &Run<'_>) -> Result<Error> {
    let said = run.row.message.clone().unwrap_or_else(|| "an earlier attempt failed".into());
    let cancelled = run.attempt.cancel_requested().await? || run.row.message.as_deref() == Some(Error::cancelled().sentence().as_str());
    let why = if cancelled { Error::new(Class::Cancelled, said) } else { Error::permanent(said) };
    Ok(match &run.row.hint {
        Some(hint) => why.hint(hint.clone()),
        None => why,
    })
}

async fn forward(run: &mut Run<'_>) -> Result<()> {
    for i in 0..run.lines.len() {
        if matches!(run.lines[i].state, StepState::Done | StepState::Skipped) {
            continue;
        }
        // Once the switch has begun a cancel comes too late: it ends in seconds, and Undo takes it back.
        if !run.lines.iter().any(|l| l.step.switches() && l.is_begun()) {
            run.attempt.watch.check()?;
        }
        run.attempt.phase(run.lines[i].step.title(), None).await?;
        let step = run.lines[i].step.word();
        failpoint::hit(format_args!("restore.{step}.planned"))?;
        run.save(i, StepState::Started).await?;
        match act(run, i).await {
            Ok(acted) => {
                if let Some(text) = &acted.message {
                    run.attempt.info(text).await;
                }
                run.lines[i].row.message = acted.message;
                run.save(i, acted.state).await?;
                failpoint::hit(format_args!("restore.{step}.done"))?;
            }
            Err(e) if matches!(e.class(), Class::Fenced | Class::Cancelled) => return Err(e),
            Err(e) => {
                let e = blamed(run, i, e);
                run.lines[i].row.message = Some(e.sentence());
                run.save(i, StepState::Failed).await?;
                return Err(e);
            }
        }
    }
    Ok(())
}

/// What cannot be read while the backup is looked at or written aside is the backup's own damage.
fn blamed(run: &Run<'_>, i: usize, e: Error) -> Error {
    let of_backup = matches!(run.lines[i].step, Step::Preflight | Step::StageFiles | Step::StageCode | Step::StageDatabase);
    if e.class() != Class::Damaged || !of_backup {
        return e;
    }
    let hint = "choose another backup; `sitekeep backup:verify` says of each whether it can be read. The site was not touched";
    e.hint(hint).context(format!("the backup {} is damaged", run.backup.id))
}

async fn act(run: &mut Run<'_>, i: usize) -> Result<Acted> {
    let step = run.lines[i].step.word();
    failpoint::hit(format_args!("restore.{step}.started"))?;
    let acted = steps::act(run, i).await?;
    failpoint::hit(format_args!("restore.{step}.acted"))?;
    Ok(acted)
}

/// Takes back every step that was begun, last first. The reason is written down before the way back begins.
async fn unwind(run: &mut Run<'_>, why: Error) -> Result<Ended> {
    let tenant = TenantId(run.row.tenant_id.clone());
    // Also when an attempt before this one has taken some of it back already.
    let switched = run.lines.iter().any(|l| l.step.switches() && !matches!(l.state, StepState::Planned | StepState::Skipped));
    let now = run.attempt.now().await?;
    let mut tx = run.attempt.begin().await?;
    db::restores::set_message(&mut tx, &tenant, &run.id(), &why.sentence(), why.hint_text()).await?;
    db::restores::set_state(&mut tx, now, &tenant, &run.id(), RestoreState::Unwinding).await?;
    tx.commit().await?;
    run.row.state = RestoreState::Unwinding.word().into();
    failpoint::hit(format_args!("restore.unwind"))?;
    run.attempt.log(queue::Level::Error, why.to_string()).await;
    run.attempt.phase(if switched { "Switching everything back" } else { "Clearing up; the site was not touched" }, None).await?;
    for i in (0..run.lines.len()).rev().filter(|i| run.lines[*i].is_begun()).collect::<Vec<_>>() {
        run.save(i, StepState::Undoing).await?;
        match take_back(run, i).await {
            Ok(()) => run.save(i, StepState::Undone).await?,
            Err(e) if e.class() == Class::Fenced => return Err(e),
            Err(e) => return stuck(run, i, e).await,
        }
        failpoint::hit(format_args!("restore.{}.undone", run.lines[i].step.word()))?;
    }
    trees::sweep(run).await;
    safety::clear(run).await;
    if switched {
        check::until_it_answers(run).await;
    }
    let state = match (switched, why.class()) {
        (true, _) => RestoreState::Unwound,
        (false, Class::Cancelled) => RestoreState::Cancelled,
        (false, _) => RestoreState::Failed,
    };
    let outcome = if state == RestoreState::Cancelled { Outcome::cancelled() } else { Outcome::failed(&why).and_final() };
    end(run, state, outcome).await
}

/// Undoes one step. What may pass by itself (a database that restarts) is waited for: nothing is worse than to stop here.
async fn take_back(run: &mut Run<'_>, i: usize) -> Result<()> {
    let step = run.lines[i].step.word();
    failpoint::hit(format_args!("restore.{step}.undoing"))?;
    for pause in [1, 2, 4, 8, 16] {
        match steps::undo(run, i).await {
            Err(e) if e.class() == Class::Transient => {
                run.attempt.warn(format!("{}; it is tried again", e.sentence())).await;
                tokio::time::sleep(Duration::from_secs(pause)).await;
            }
            Err(e) => return Err(e),
            Ok(()) => return failpoint::hit(format_args!("restore.{step}.taken_back")),
        }
    }
    steps::undo(run, i).await
}

/// The way back failed: the environment stays locked, and a person is told what to do.
async fn stuck(run: &mut Run<'_>, i: usize, e: Error) -> Result<Ended> {
    let e = e.hint(way_out(&run.row.id)).context(format!("taking back the step `{}`", run.lines[i].step.title()));
    run.lines[i].row.message = Some(e.sentence());
    run.save(i, StepState::Failed).await?;
    run.attempt.log(queue::Level::Error, e.to_string()).await;
    let mut tx = run.attempt.begin().await?;
    db::restores::set_hint(&mut tx, &TenantId(run.row.tenant_id.clone()), &run.id(), &way_out(&run.row.id)).await?;
    tx.commit().await?;
    end(run, RestoreState::Stuck, Outcome::failed(&e).and_final()).await
}

fn way_out(id: &str) -> String {
    format!(
        "`sitekeep restore:info {id}` shows where it stopped; mend that, then `sitekeep backup:undo {id}` goes on with the way back. Nothing that lay aside was deleted"
    )
}

/// The last transaction: state, what lies aside and until when, and the end of the job.
async fn end(run: &mut Run<'_>, state: RestoreState, outcome: Outcome) -> Result<Ended> {
    let now = run.attempt.now().await?;
    let tenant = TenantId(run.row.tenant_id.clone());
    let until = (state == RestoreState::Succeeded).then(|| now.plus(run.app().settings.keep_aside));
    let mut tx = run.attempt.begin().await?;
    if state == RestoreState::Succeeded {
        aside::keep(&mut tx, now, run, until).await?;
    } else {
        safety::abandon(&mut tx, now, &run.row, state).await?;
    }
    if db::restores::ended(&mut tx, now, &tenant, &run.id(), state, until).await? {
        letters::restore_ended(&mut tx, run.app(), now, &run.row, state, until).await;
    }
    queue::finish(&mut tx, now, &run.attempt.lease, outcome).await?;
    failpoint::hit(format_args!("restore.end"))?;
    tx.commit().await?;
    failpoint::hit(format_args!("restore.ended"))?;
    Ok(Ended::Finished)
}

/// Not even the rows could be opened: no step has acted in this attempt. What an earlier one began is left as it is.
async fn could_not_begin(attempt: &Attempt, id: &RestoreId, e: Error) -> Result<Ended> {
    attempt.log(queue::Level::Error, e.to_string()).await;
    let now = attempt.now().await?;
    let mut tx = attempt.begin().await?;
    let finished = queue::finish(&mut tx, now, &attempt.lease, Outcome::failed(&e)).await?;
    if finished.will_retry_at.is_none() {
        give_up(&mut tx, &attempt.app, now, id, false, &e.sentence(), e.hint_text()).await?;
    }
    tx.commit().await?;
    Ok(Ended::Finished)
}

/// A job that ended without its attempt saying so: cancelled while it waited, or its worker crashed too often.
/// Runs in the transaction that ended it.
pub async fn settle(conn: &mut Conn, app: &App, now: Millis, id: &RestoreId, cancelled: bool, why: &str) -> Result<()> {
    give_up(conn, app, now, id, cancelled, why, None).await
}

/// No attempt will go on. One that had begun nothing is over; one that had gets another job, for the way back alone: what
/// crashed on its way forward (an import that takes all the memory) need not crash on its way back. Only where that is
/// lost too a person has to look.
async fn give_up(conn: &mut Conn, app: &App, now: Millis, id: &RestoreId, cancelled: bool, why: &str, hint: Option<&str>) -> Result<()> {
    let Some(row) = db::restores::find(conn, id).await? else { return Ok(()) };
    let tenant = TenantId(row.tenant_id.clone());
    let begun = db::restores::steps(conn, &tenant, id).await?.iter().any(|s| s.state != StepState::Planned.word());
    if RestoreState::parse(&row.state)?.is_final() {
        return Ok(());
    }
    db::restores::set_message(conn, &tenant, id, why, hint).await?;
    if begun && row.state == RestoreState::Running.word() && go_back(conn, now, &row, None).await? {
        return Ok(());
    }
    let state = match (begun, cancelled) {
        (true, _) => RestoreState::Stuck,
        (false, true) => RestoreState::Cancelled,
        (false, false) => RestoreState::Failed,
    };
    if state == RestoreState::Stuck {
        db::restores::set_hint(conn, &tenant, id, &way_out(&row.id)).await?;
    }
    safety::abandon(conn, now, &row, state).await?;
    if db::restores::ended(conn, now, &tenant, id, state, None).await? {
        letters::restore_ended(conn, app, now, &row, state, None).await;
    }
    Ok(())
}

/// Queues a job that goes on with the way back. False when another restore of the environment stands in its way.
pub(super) async fn go_back(conn: &mut Conn, now: Millis, row: &db::restores::Restore, key: Option<String>) -> Result<bool> {
    let tenant = TenantId(row.tenant_id.clone());
    let environment = EnvironmentId(row.environment_id.clone());
    let gone = || Error::permanent("the environment or the backup was removed meanwhile");
    let env = db::environments::find(conn, &environment).await?.ok_or_else(gone)?;
    let backup = db::backups::find(conn, &BackupId(row.backup_id.clone())).await?.ok_or_else(gone)?;
    let job = super::job(conn, &env, &backup.site_id, row, key).await?;
    let queued = queue::enqueue(conn, now, job).await?;
    if queued.fresh {
        db::restores::go_back(conn, &tenant, &RestoreId(row.id.clone()), &queued.id.0).await?;
    }
    Ok(queued.fresh)
}
